package hop_test

// Loops: one place, one thing at a time.

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/gohop/hop"
)

// What belongs to a loop needs no lock: here, a plain counter that a hundred goroutines count up.
func ExampleNewLoop() {
	ctx := context.Background()
	loop := hop.NewLoop(&hop.LoopOptions{Name: "counter"})
	defer loop.Close()

	n := 0
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			hop.Run(ctx, loop, func(context.Context) error { n++; return nil })
		})
	}
	wg.Wait()
	fmt.Println(hop.Do(ctx, loop, func(context.Context) (int, error) { return n, nil }))
	// Output: 100 <nil>
}

// With Thread the loop has an OS thread of its own. All its calls run there, before and after each of their waits: what a C
// library, a network namespace or an OpenGL context needs.
func ExampleNewLoop_thread() {
	ctx := context.Background()
	gl := hop.NewLoop(&hop.LoopOptions{Name: "gl", Thread: true})
	defer gl.Close()

	err := hop.Run(ctx, gl, func(ctx context.Context) error {
		fmt.Println("make the context current")
		hop.Yield(ctx) // others may run; this goes on here, on the same thread
		fmt.Println("draw")
		return nil
	})
	fmt.Println(err)
	// Output:
	// make the context current
	// draw
	// <nil>
}

// A Manual loop runs when and where the caller says.
func ExampleNewLoop_manual() {
	ctx, cancel := context.WithCancel(context.Background())
	loop := hop.NewLoop(&hop.LoopOptions{Manual: true})
	loop.Post(func() { fmt.Println("posted before: kept") })
	loop.Post(cancel)
	fmt.Println("driving")
	loop.Run(ctx) // until ctx ends
	fmt.Println("not driving")
	loop.Close()
	// Output:
	// driving
	// posted before: kept
	// not driving
}

func ExampleLoop() {
	ctx := context.Background()
	loop := hop.NewLoop(&hop.LoopOptions{Name: "ui"})
	defer loop.Close()
	fmt.Println(loop, hop.LoopByID(loop.ID()) == loop, loop.Here())
	hop.Run(ctx, loop, func(context.Context) error {
		fmt.Println(loop.Here(), hop.CurrentLoop() == loop)
		return nil
	})
	// Output:
	// loop "ui" true false
	// true true
}

// Post is the cheapest way in: no result, no allocation. Everything from one sender runs in its order.
func ExampleLoop_Post() {
	ctx := context.Background()
	loop := hop.NewLoop(nil)
	defer loop.Close()
	for i := range 3 {
		loop.Post(func() { fmt.Println("post", i) })
	}
	hop.Run(ctx, loop, func(context.Context) error { fmt.Println("run"); return nil })
	// Output:
	// post 0
	// post 1
	// post 2
	// run
}

func ExampleLoop_Submit() {
	ctx := context.Background()
	loop := hop.NewLoop(nil)
	p := hop.New(ctx, func(context.Context) (int, error) { return 42, nil })
	fmt.Println(loop.Submit(p.Call()))
	fmt.Println(p.Wait(ctx))

	loop.Close()
	q := hop.New(ctx, func(context.Context) (int, error) { return 42, nil })
	fmt.Println(errors.Is(loop.Submit(q.Call()), hop.ErrStopped))
	// Output:
	// <nil>
	// 42 <nil>
	// true
}

// A queue that is full refuses, so that the sender can slow down.
func ExampleLoop_Submit_full() {
	ctx := context.Background()
	loop := hop.NewLoop(&hop.LoopOptions{Manual: true, QueueLimit: 1})
	defer loop.Close()
	nop := func(context.Context) (int, error) { return 0, nil }
	fmt.Println(loop.Submit(hop.New(ctx, nop).Call()))
	fmt.Println(errors.Is(loop.Submit(hop.New(ctx, nop).Call()), hop.ErrFull))
	// Output:
	// <nil>
	// true
}

func ExampleLoop_Here() {
	loop := hop.NewLoop(nil)
	defer loop.Close()
	fmt.Println(loop.Here())
	hop.Run(context.Background(), loop, func(context.Context) error {
		fmt.Println(loop.Here())
		return nil
	})
	// Output:
	// false
	// true
}

func ExampleLoop_Run() {
	loop := hop.NewLoop(&hop.LoopOptions{Manual: true})
	loop.Post(func() {
		fmt.Println("on this goroutine")
		go loop.Shutdown(context.Background())
	})
	fmt.Println(loop.Run(context.Background()))
	// Output:
	// on this goroutine
	// <nil>
}

// Child finds the child of a name, or makes it. Children stop before their parent.
func ExampleLoop_Child() {
	parent := hop.NewLoop(&hop.LoopOptions{Name: "app"})
	parent.OnShutdown(func(context.Context) error { fmt.Println("app stops"); return nil })
	child, _ := parent.Child("log", nil)
	child.OnShutdown(func(context.Context) error { fmt.Println("log stops"); return nil })
	again, _ := parent.Child("log", nil)
	fmt.Println(child == again, child.Parent() == parent, len(parent.Children()))
	parent.Close()
	// Output:
	// true true 1
	// log stops
	// app stops
}

func ExampleLoop_OnShutdown() {
	loop := hop.NewLoop(nil)
	loop.OnShutdown(func(ctx context.Context) error {
		fmt.Println("close the database, on the loop:", loop.Here())
		return nil
	})
	loop.Close()
	// Output: close the database, on the loop: true
}

// Shutdown finishes what was accepted, suspended tasks too, then stops.
func ExampleLoop_Shutdown() {
	ctx := context.Background()
	loop := hop.NewLoop(nil)
	p := hop.Go(ctx, loop, func(ctx context.Context) (string, error) {
		return "finished", hop.Yield(ctx)
	})
	fmt.Println(loop.Shutdown(ctx))
	fmt.Println(p.Result())
	// Output:
	// <nil>
	// finished <nil>
}

// Close cancels what it finds, waits for it, then stops.
func ExampleLoop_Close() {
	ctx := context.Background()
	loop := hop.NewLoop(nil)
	p := hop.Go(ctx, loop, func(ctx context.Context) (string, error) {
		var never hop.Event
		return "", never.Wait(ctx)
	})
	fmt.Println(loop.Close())
	_, err := p.Result()
	fmt.Println(errors.Is(err, hop.ErrStopped), p.Call().State())
	// Output:
	// <nil>
	// true cancelled
}

func ExampleLoop_Stopped() {
	loop := hop.NewLoop(nil)
	go loop.Close()
	<-loop.Stopped()
	fmt.Println("stopped")
	// Output: stopped
}

func ExampleCurrentLoop() {
	loop := hop.NewLoop(&hop.LoopOptions{Name: "ui"})
	defer loop.Close()
	fmt.Println(hop.CurrentLoop() == nil)
	hop.Run(context.Background(), loop, func(context.Context) error {
		fmt.Println(hop.CurrentLoop().Name())
		return nil
	})
	// Output:
	// true
	// ui
}

func ExampleLoops() {
	loop := hop.NewLoop(&hop.LoopOptions{Name: "seen"})
	for _, l := range hop.Loops() {
		if l == loop {
			fmt.Println(l)
		}
	}
	loop.Close()
	// Output: loop "seen"
}

func ExampleLoopByID() {
	loop := hop.NewLoop(nil)
	id := loop.ID()
	fmt.Println(hop.LoopByID(id) == loop)
	loop.Close()
	fmt.Println(hop.LoopByID(id) == nil)
	// Output:
	// true
	// true
}

// One loop for the whole process, for what libraries want to share without being handed a loop.
func ExampleShared() {
	ctx := context.Background()
	fmt.Println(hop.Do(ctx, hop.Shared(), func(context.Context) (int, error) { return 42, nil }))
	fmt.Println(errors.Is(hop.Shared().Close(), hop.ErrProtected))
	// Output:
	// 42 <nil>
	// true
}

// A loop for one function, on this goroutine.
func ExampleRunLoop() {
	sum, err := hop.RunLoop(context.Background(), nil, func(ctx context.Context) (int, error) {
		here := hop.CurrentLoop()
		p := hop.Go(ctx, here, func(context.Context) (int, error) { return 20, nil })
		n, err := p.Wait(ctx) // the loop runs the other task
		return n + 22, err
	})
	fmt.Println(sum, err)
	// Output: 42 <nil>
}
