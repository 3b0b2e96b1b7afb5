package hop_test

// Making calls: Go, Do, Run, After, New and their options.

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gohop/hop"
)

func ExampleGo() {
	ctx := context.Background()
	loop := hop.NewLoop(&hop.LoopOptions{Name: "db"})
	defer loop.Close()

	sum := hop.Go(ctx, loop, func(context.Context) (int, error) { return 40 + 2, nil })
	// Do something else meanwhile.
	fmt.Println(sum.Wait(ctx))
	// Output: 42 <nil>
}

// The map belongs to the loop. It needs no lock, whoever calls.
func ExampleDo() {
	ctx := context.Background()
	loop := hop.NewLoop(nil)
	defer loop.Close()
	ages := map[string]int{"Ada": 36}

	age, err := hop.Do(ctx, loop, func(context.Context) (int, error) { return ages["Ada"], nil })
	fmt.Println(age, err)
	// Output: 36 <nil>
}

// A call on the loop that the caller is on already runs inline, so nothing waits for itself.
func ExampleDo_nested() {
	ctx := context.Background()
	loop := hop.NewLoop(nil)
	defer loop.Close()

	inner := func(ctx context.Context) (int, error) { return 21, nil }
	outer := func(ctx context.Context) (int, error) {
		half, err := hop.Do(ctx, loop, inner)
		return 2 * half, err
	}
	fmt.Println(hop.Do(ctx, loop, outer))
	// Output: 42 <nil>
}

func ExampleRun() {
	ctx := context.Background()
	loop := hop.NewLoop(nil)
	defer loop.Close()

	err := hop.Run(ctx, loop, func(context.Context) error { return errors.New("disk full") })
	fmt.Println(err)
	// Output: disk full
}

func ExampleAfter() {
	ctx := context.Background()
	loop := hop.NewLoop(nil)
	defer loop.Close()

	start := time.Now()
	late := hop.After(ctx, 20*time.Millisecond, loop, func(context.Context) (string, error) { return "now", nil })
	fmt.Println(late.Call().State())
	fmt.Println(late.Wait(ctx))
	fmt.Println(time.Since(start) >= 20*time.Millisecond)
	// Output:
	// queued
	// now <nil>
	// true
}

// A call that is cancelled before its time never runs.
func ExampleAfter_cancel() {
	ctx := context.Background()
	loop := hop.NewLoop(nil)
	defer loop.Close()

	late := hop.After(ctx, time.Hour, loop, func(context.Context) (string, error) { return "now", nil })
	late.Cancel(nil)
	_, err := late.Wait(ctx)
	fmt.Println(errors.Is(err, hop.ErrCancelled))
	// Output: true
}

// New makes a call without sending it anywhere: Submit does.
func ExampleNew() {
	ctx := context.Background()
	pool := hop.NewPool(nil)
	defer pool.Close()

	p := hop.New(ctx, func(context.Context) (int, error) { return 42, nil }, hop.Name("answer"))
	fmt.Println(p.Call().State())
	if err := pool.Submit(p.Call()); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Wait(ctx))
	fmt.Println(p.Call().State())
	// Output:
	// created
	// 42 <nil>
	// succeeded
}

func ExampleName() {
	ctx := context.Background()
	p := hop.New(ctx, func(context.Context) (int, error) { return 42, nil }, hop.Name("load settings"))
	fmt.Println(p.Call().Name())
	// Output: load settings
}

// Timeout counts from when the function starts. The deadline of ctx would count the time in the queue too.
func ExampleTimeout() {
	ctx := context.Background()
	forever := func(ctx context.Context) (int, error) {
		<-ctx.Done()
		return 0, ctx.Err()
	}
	p := hop.Go(ctx, hop.Workers(), forever, hop.Timeout(10*time.Millisecond))
	_, err := p.Wait(ctx)
	fmt.Println(errors.Is(err, context.DeadlineExceeded), errors.Is(err, hop.ErrCancelled))
	// Output: true true
}

// The function below heeds no context. With Abandon the call ends all the same, and the pool counts what runs on.
func ExampleAbandon() {
	ctx := context.Background()
	pool := hop.NewPool(&hop.PoolOptions{Name: "dns"})
	defer pool.Close()

	begun, answer := make(chan bool), make(chan string)
	p := hop.Go(ctx, pool, func(context.Context) (string, error) {
		close(begun)
		return <-answer, nil
	}, hop.Abandon())
	<-begun
	p.Cancel(nil)
	fmt.Println(p.Call().State(), pool.Stats().Abandoned)

	answer <- "192.0.2.1"
	p.CancelWait(ctx, nil) // until the function has really returned
	fmt.Println(pool.Stats().Abandoned)
	// Output:
	// cancelled 1
	// 0
}

// A connection that was opened although nobody wants it any more is closed, not leaked.
func ExampleOnUndelivered() {
	ctx := context.Background()
	type conn struct{ host string }
	begun := make(chan bool)
	dial := func(ctx context.Context) (conn, error) {
		close(begun)
		<-ctx.Done()
		return conn{"example.org"}, nil
	}
	p := hop.Go(ctx, hop.Workers(), dial, hop.OnUndelivered(func(c conn) { fmt.Println("close", c.host) }))
	<-begun
	p.Cancel(nil)
	_, err := p.Wait(ctx)
	fmt.Println(errors.Is(err, hop.ErrCancelled))
	// Output:
	// close example.org
	// true
}

func ExampleMeta() {
	type tenant struct{}
	p := hop.New(context.Background(), func(context.Context) (int, error) { return 42, nil }, hop.Meta(tenant{}, "acme"))
	fmt.Println(p.Call().Meta(tenant{}))
	// Output: acme
}
