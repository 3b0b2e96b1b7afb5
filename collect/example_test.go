package collect_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gohop/hop"
	"github.com/gohop/hop/collect"
)

// after is a function that returns v after d.
func after(d time.Duration, v string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) { return v, hop.Sleep(ctx, d) }
}

// Results are taken as they come, not as they were started.
func ExampleAsCompleted() {
	ctx := context.Background()
	loop := hop.NewLoop(nil)
	defer loop.Close()

	calls := []*hop.Pending[string]{
		hop.Go(ctx, loop, after(40*time.Millisecond, "slow")),
		hop.Go(ctx, loop, after(0, "fast")),
		hop.Go(ctx, loop, after(20*time.Millisecond, "middling")),
	}
	for p := range collect.AsCompleted(ctx, slices.Values(calls)) {
		v, err := p.Result()
		fmt.Println(v, err)
	}
	// Output:
	// fast <nil>
	// middling <nil>
	// slow <nil>
}

// The source starts a call whenever it is asked for one, so that no more than two are ever under way.
func ExampleMaxConcurrent() {
	ctx := context.Background()
	squares := func(yield func(*hop.Pending[int]) bool) {
		for i := range 100 {
			p := hop.Go(ctx, hop.Workers(), func(context.Context) (int, error) { return i * i, nil })
			if !yield(p) {
				return
			}
		}
	}
	sum := 0
	for p := range collect.AsCompleted(ctx, squares, collect.MaxConcurrent(2)) {
		n, _ := p.Result()
		sum += n
	}
	fmt.Println(sum)
	// Output: 328350
}

// The first answer is enough, and the other goes on all the same.
func ExampleKeepUnfinished() {
	ctx := context.Background()
	other := hop.NewPromise[string](ctx)
	calls := []*hop.Pending[string]{other.Pending(), hop.Go(ctx, hop.Goroutines, after(0, "first"))}

	for p := range collect.AsCompleted(ctx, slices.Values(calls), collect.KeepUnfinished()) {
		v, _ := p.Result()
		fmt.Println(v)
		break
	}
	other.Resolve("second")
	fmt.Println(other.Pending().Wait(ctx))
	// Output:
	// first
	// second <nil>
}

func ExampleWait() {
	ctx := context.Background()
	mirrors := []*hop.Pending[string]{
		hop.Go(ctx, hop.Goroutines, after(time.Hour, "far")),
		hop.Go(ctx, hop.Goroutines, after(0, "near")),
	}
	done, rest := collect.Wait(ctx, collect.FirstDone, mirrors...)
	for _, p := range rest {
		p.Cancel(nil)
	}
	fmt.Println(done[0].Result())
	// Output: near <nil>
}

// Wait bounds itself by ctx and has no error: what is not done by then is in the rest.
func ExampleWait_timeout() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	never := hop.NewPromise[string](context.Background()).Pending()
	done, rest := collect.Wait(ctx, collect.AllDone, never)
	fmt.Println(len(done), len(rest))
	// Output: 0 1
}

func ExampleGather() {
	ctx := context.Background()
	vs, err := collect.Gather(ctx, hop.Goroutines,
		after(20*time.Millisecond, "a"),
		after(0, "b"),
		after(10*time.Millisecond, "c"))
	fmt.Println(vs, err)
	// Output: [a b c] <nil>
}

// The first error cancels the rest.
func ExampleGather_error() {
	ctx := context.Background()
	_, err := collect.Gather(ctx, hop.Goroutines,
		after(time.Hour, "never"),
		func(context.Context) (string, error) { return "", errors.New("disk full") })
	fmt.Println(err)
	// Output: disk full
}
