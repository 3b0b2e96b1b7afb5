package hop_test

// Inside a task: waits that suspend the task and never the loop. Each works on any goroutine.

import (
	"context"
	"fmt"
	"time"

	"github.com/gohop/hop"
)

// Yield lets the others run.
func ExampleYield() {
	ctx := context.Background()
	loop := hop.NewLoop(&hop.LoopOptions{Manual: true})
	for _, name := range []string{"a", "b"} {
		loop.Post(func() {
			fmt.Println(name, 1)
			hop.Yield(ctx)
			fmt.Println(name, 2)
		})
	}
	go loop.Shutdown(ctx)
	loop.Run(ctx)
	// Output:
	// a 1
	// b 1
	// a 2
	// b 2
}

// A thousand tasks sleep at the same time, on one loop.
func ExampleSleep() {
	ctx := context.Background()
	loop := hop.NewLoop(nil)
	defer loop.Close()
	start := time.Now()
	err := hop.WithGroup(ctx, nil, func(ctx context.Context) error {
		for range 1000 {
			hop.Go(ctx, loop, func(ctx context.Context) (int, error) { return 0, hop.Sleep(ctx, 10*time.Millisecond) })
		}
		return nil
	})
	fmt.Println(err, time.Since(start) < 5*time.Second)
	// Output: <nil> true
}

// What would block the loop runs on the shared workers; the task waits, the loop does not.
func ExampleBlocking() {
	ctx := context.Background()
	loop := hop.NewLoop(nil)
	defer loop.Close()
	hop.Run(ctx, loop, func(ctx context.Context) error {
		n, err := hop.Blocking(ctx, func(context.Context) (int, error) {
			time.Sleep(time.Millisecond)
			return 42, nil
		})
		fmt.Println(n, err)
		return err
	})
	// Output: 42 <nil>
}

// Recv receives from a channel without blocking the loop.
func ExampleRecv() {
	ctx := context.Background()
	loop := hop.NewLoop(nil)
	defer loop.Close()
	ch := make(chan string)
	reader := hop.Go(ctx, loop, func(ctx context.Context) (int, error) {
		for n := 0; ; n++ {
			s, ok, err := hop.Recv(ctx, ch)
			if !ok || err != nil {
				return n, err
			}
			fmt.Println(s)
		}
	})
	hop.Run(ctx, loop, func(context.Context) error { fmt.Println("the loop is free"); return nil })
	ch <- "one"
	ch <- "two"
	close(ch)
	fmt.Println(reader.Wait(ctx))
	// Output:
	// the loop is free
	// one
	// two
	// 2 <nil>
}

func ExampleCurrentCall() {
	ctx := context.Background()
	fmt.Println(hop.CurrentCall(ctx) == nil)
	hop.Run(ctx, hop.Workers(), func(ctx context.Context) error {
		fmt.Println(hop.CurrentCall(ctx).Name())
		return nil
	}, hop.Name("backup"))
	// Output:
	// true
	// backup
}

// An Event is set once, from anywhere, and waited for anywhere. Its zero value is ready.
func ExampleEvent() {
	ctx := context.Background()
	loop := hop.NewLoop(nil)
	defer loop.Close()
	var connected hop.Event
	p := hop.Go(ctx, loop, func(ctx context.Context) (string, error) { return "hello", connected.Wait(ctx) })
	hop.Run(ctx, loop, func(context.Context) error { fmt.Println(connected.IsSet()); return nil })
	connected.Set()
	fmt.Println(p.Wait(ctx))
	// Output:
	// false
	// hello <nil>
}

// Two at a time: on one loop, in Go's place for a semaphore, and without blocking it.
func ExampleLimiter() {
	ctx := context.Background()
	loop := hop.NewLoop(nil)
	defer loop.Close()
	lim := hop.NewLimiter(2)
	now, most := 0, 0 // the loop's
	err := hop.WithGroup(ctx, nil, func(ctx context.Context) error {
		for range 10 {
			hop.Go(ctx, loop, func(ctx context.Context) (int, error) {
				if err := lim.Acquire(ctx); err != nil {
					return 0, err
				}
				defer lim.Release()
				now++
				most = max(most, now)
				hop.Yield(ctx)
				now--
				return 0, nil
			})
		}
		return nil
	})
	fmt.Println(most, err)
	// Output: 2 <nil>
}

func ExampleNewLimiter() {
	lim := hop.NewLimiter(1)
	fmt.Println(lim.TryAcquire(), lim.TryAcquire())
	lim.SetLimit(2)
	fmt.Println(lim.TryAcquire())
	lim.Release()
	lim.Release()
	// Output:
	// true false
	// true
}
