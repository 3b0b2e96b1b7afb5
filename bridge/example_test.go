package bridge_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/gohop/hop"
	"github.com/gohop/hop/bridge"
)

// Fetch is written to return at once.
func Fetch(ctx context.Context, name string) *hop.Pending[string] {
	return hop.Go(ctx, hop.Workers(), func(context.Context) (string, error) { return "contents of " + name, nil })
}

// Parse is written to return when it is done.
func Parse(_ context.Context, s string) (int, error) { return len(strings.Fields(s)), nil }

func ExampleSync() {
	fetch := bridge.Sync(Fetch)
	text, err := fetch(context.Background(), "a.txt")
	fmt.Println(text, err)
	// Output: contents of a.txt <nil>
}

func ExampleAsync() {
	ctx := context.Background()
	parse := bridge.Async(hop.Workers(), Parse)
	a, b := parse(ctx, "one"), parse(ctx, "one two three")
	fmt.Println(a.Wait(ctx))
	fmt.Println(b.Wait(ctx))
	// Output:
	// 1 <nil>
	// 3 <nil>
}

// A table of functions of any shape, and arguments as they come from JSON, where every number is a float64.
func ExampleInvoke() {
	ctx := context.Background()
	loop := hop.NewLoop(nil)
	defer loop.Close()

	commands := map[string]any{
		"repeat": strings.Repeat,
		"fetch":  Fetch,
		"parse":  Parse,
	}
	fmt.Println(bridge.Invoke(ctx, loop, commands["repeat"], "ab", 3.0).Wait(ctx))
	fmt.Println(bridge.Invoke(ctx, loop, commands["fetch"], "b.txt").Wait(ctx))
	fmt.Println(bridge.Invoke(ctx, loop, commands["parse"], "one two").Wait(ctx))
	fmt.Println(bridge.Invoke(ctx, loop, commands["repeat"], "ab", 2.5).Wait(ctx))
	// Output:
	// ababab <nil>
	// contents of b.txt <nil>
	// 2 <nil>
	// <nil> hop: bridge.Invoke: strings.Repeat: argument 2 does not fit parameter 2 (int): 2.5 (a float64) has no exact value there
}

func ExampleIsAsync() {
	fmt.Println(bridge.IsAsync(Fetch), bridge.IsAsync(Parse))
	// Output: true false
}

func ExampleIsAsyncSeq() {
	pages := func(yield func(*hop.Pending[string]) bool) {}
	all := func(context.Context) func(func(*hop.Pending[string]) bool) { return pages }
	fmt.Println(bridge.IsAsyncSeq(all), bridge.IsAsyncSeq(Fetch))
	// Output: true false
}
