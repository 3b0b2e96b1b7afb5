package hop_test

// What can go wrong, and how to tell.

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"time"

	"github.com/gohop/hop"
)

// Two calls that wait for each other would hang. The wait that would close the circle is refused, and says how it came about.
func ExampleDeadlockError() {
	ctx := context.Background()
	loop := hop.NewLoop(&hop.LoopOptions{Name: "ui"})
	defer loop.Close()

	var chicken, egg *hop.Pending[string]
	chicken = hop.New(ctx, func(ctx context.Context) (string, error) { return egg.Wait(ctx) }, hop.Name("chicken"))
	egg = hop.New(ctx, func(ctx context.Context) (string, error) { return chicken.Wait(ctx) }, hop.Name("egg"))
	loop.Submit(chicken.Call())
	loop.Submit(egg.Call())

	_, err := chicken.Wait(ctx)
	var d *hop.DeadlockError
	if errors.As(err, &d) {
		for _, w := range d.Cycle {
			fmt.Println(w.Call.Name(), "waits on", w.Portal, "in", filepath.Base(w.File))
		}
	}
	fmt.Println(errors.Is(err, hop.ErrDeadlock))
	// Output:
	// egg waits on loop "ui" in example_errors_test.go
	// chicken waits on loop "ui" in example_errors_test.go
	// true
}

// A CancelError says why. It is ErrCancelled, one of the two errors of package context, and its cause.
func ExampleCancelError() {
	ctx := context.Background()
	p := hop.New(ctx, func(context.Context) (int, error) { return 42, nil }, hop.Name("upload"))
	quota := errors.New("over quota")
	p.Cancel(quota)
	_, err := p.Result()
	fmt.Println(err)

	var c *hop.CancelError
	fmt.Println(errors.As(err, &c), c.Cause)
	fmt.Println(errors.Is(err, hop.ErrCancelled), errors.Is(err, context.Canceled), errors.Is(err, quota))
	// Output:
	// hop: call "upload" was cancelled: over quota
	// true over quota
	// true true true
}

// A call whose time is up is context.DeadlineExceeded.
func ExampleCancelError_timeout() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	var never hop.Event
	err := hop.Run(ctx, hop.Workers(), func(ctx context.Context) error { return never.Wait(ctx) }, hop.Name("poll"))
	fmt.Println(err)
	fmt.Println(errors.Is(err, context.DeadlineExceeded), errors.Is(err, hop.ErrCancelled))
	// Output:
	// hop: call "poll" on pool "workers" was cancelled: its time was up
	// true true
}

// A panic ends its call, with the value and the stack. The loop lives on.
func ExamplePanicError() {
	ctx := context.Background()
	loop := hop.NewLoop(nil)
	defer loop.Close()
	err := hop.Run(ctx, loop, func(context.Context) error { panic("division by cucumber") })
	var p *hop.PanicError
	if errors.As(err, &p) {
		fmt.Println(p.Value, len(p.Stack) > 0)
	}
	fmt.Println(hop.Do(ctx, loop, func(context.Context) (string, error) { return "alive", nil }))
	// Output:
	// division by cucumber true
	// alive <nil>
}

// runtime.Goexit, which is how t.FailNow ends a test, ends its call only.
func Example_goexit() {
	ctx := context.Background()
	loop := hop.NewLoop(nil)
	defer loop.Close()
	err := hop.Run(ctx, loop, func(context.Context) error { runtime.Goexit(); return nil })
	fmt.Println(errors.Is(err, hop.ErrGoexit))
	fmt.Println(hop.Do(ctx, loop, func(context.Context) (string, error) { return "alive", nil }))
	// Output:
	// true
	// alive <nil>
}

// A panic that no caller can receive goes to OnPanic. Without one it crashes the process.
func ExampleLoopOptions() {
	ctx := context.Background()
	loop := hop.NewLoop(&hop.LoopOptions{
		Name:    "ui",
		OnPanic: func(p *hop.PanicError) { fmt.Println("posted function panicked:", p.Value) },
	})
	loop.Post(func() { panic("boom") })
	loop.Shutdown(ctx)
	// Output: posted function panicked: boom
}

// What runs when is told by the state, which prints as a word.
func ExampleState() {
	for s := hop.Created; s <= hop.Cancelled; s++ {
		fmt.Println(s, s.Done())
	}
	// Output:
	// created false
	// queued false
	// running false
	// waiting false
	// succeeded true
	// failed true
	// cancelled true
}
