package hop_test

// Portals to workers: pools, Goroutines, Inline; and one value for each place.

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gohop/hop"
)

func ExampleNewPool() {
	ctx := context.Background()
	pool := hop.NewPool(&hop.PoolOptions{Name: "resize", Size: 2})
	defer pool.Close()

	var sizes []*hop.Pending[int]
	for i := range 4 {
		sizes = append(sizes, hop.Go(ctx, pool, func(context.Context) (int, error) { return i * i, nil }))
	}
	for _, p := range sizes {
		fmt.Println(p.Wait(ctx))
	}
	// Output:
	// 0 <nil>
	// 1 <nil>
	// 4 <nil>
	// 9 <nil>
}

// Each worker is an OS thread of its own, for blocking C code whose state is bound to the thread.
func ExampleNewPool_threads() {
	ctx := context.Background()
	pool := hop.NewPool(&hop.PoolOptions{Size: 2, Threads: true})
	defer pool.Close()
	fmt.Println(hop.Do(ctx, pool, func(context.Context) (string, error) { return "on a locked thread", nil }))
	// Output: on a locked thread <nil>
}

// A call that waits gives its place in the pool back. So even on a pool of one, calls may wait for calls.
func ExamplePool() {
	pool := hop.NewPool(&hop.PoolOptions{Size: 1})
	defer pool.Close()

	var factorial func(ctx context.Context, n int) (int, error)
	factorial = func(ctx context.Context, n int) (int, error) {
		if n == 0 {
			return 1, nil
		}
		below, err := hop.Do(ctx, pool, func(ctx context.Context) (int, error) { return factorial(ctx, n-1) })
		return n * below, err
	}
	fmt.Println(factorial(context.Background(), 5))
	// Output: 120 <nil>
}

func ExamplePool_Post() {
	pool := hop.NewPool(nil)
	pool.Post(func() { fmt.Println("no result, no Pending") })
	pool.Shutdown(context.Background())
	// Output: no result, no Pending
}

func ExamplePool_SetSize() {
	ctx := context.Background()
	pool := hop.NewPool(&hop.PoolOptions{Size: 1})
	defer pool.Close()
	busy, began := make(chan bool), make(chan bool)
	pool.Post(func() { close(began); <-busy })
	<-began
	p := hop.Go(ctx, pool, func(context.Context) (string, error) { return "beside the other", nil })
	fmt.Println(p.Call().State())
	pool.SetSize(2)
	fmt.Println(p.Wait(ctx))
	close(busy)
	// Output:
	// queued
	// beside the other <nil>
}

func ExamplePool_Stats() {
	ctx := context.Background()
	pool := hop.NewPool(&hop.PoolOptions{Size: 1})
	defer pool.Close()
	busy, began := make(chan bool), make(chan bool)
	pool.Post(func() { close(began); <-busy })
	<-began
	hop.Go(ctx, pool, func(context.Context) (int, error) { return 0, nil })
	s := pool.Stats()
	fmt.Println(s.Running, "runs,", s.Queued, "waits for a worker")
	close(busy)
	// Output: 1 runs, 1 waits for a worker
}

func ExamplePool_Shutdown() {
	ctx := context.Background()
	pool := hop.NewPool(&hop.PoolOptions{Size: 1})
	p := hop.Go(ctx, pool, func(context.Context) (string, error) { return "accepted, so finished", nil })
	fmt.Println(pool.Shutdown(ctx))
	fmt.Println(p.Result())
	late := hop.Go(ctx, pool, func(context.Context) (string, error) { return "", nil })
	_, err := late.Result()
	fmt.Println(errors.Is(err, hop.ErrStopped))
	// Output:
	// <nil>
	// accepted, so finished <nil>
	// true
}

// The shared pool for what blocks: files, DNS, C libraries.
func ExampleWorkers() {
	ctx := context.Background()
	fmt.Println(hop.Do(ctx, hop.Workers(), func(context.Context) (string, error) {
		time.Sleep(time.Millisecond) // blocks a worker, and nobody else
		return "done", nil
	}))
	// Output: done <nil>
}

// With Inline a function that takes a portal runs its calls at once: for tests, and for what is cheap.
func ExampleInline() {
	ctx := context.Background()
	p := hop.Go(ctx, hop.Inline, func(context.Context) (int, error) { return 42, nil })
	fmt.Println(p.Result()) // it has run already
	// Output: 42 <nil>
}

// Goroutines is the go statement with a result, a context and a recovered panic.
func ExampleGoroutines() {
	ctx := context.Background()
	p := hop.Go(ctx, hop.Goroutines, func(context.Context) (int, error) { return 42, nil })
	fmt.Println(p.Wait(ctx))
	// Output: 42 <nil>
}

// One connection for each loop, opened at first use and closed where it was opened.
func ExampleLocal() {
	ctx := context.Background()
	type conn struct{ owner string }
	conns := hop.NewLocal(
		func(context.Context) (*conn, error) {
			c := &conn{hop.CurrentLoop().Name()}
			fmt.Println("open for", c.owner)
			return c, nil
		},
		func(c *conn) error {
			fmt.Println("close for", c.owner)
			return nil
		})

	for _, name := range []string{"red", "blue"} {
		loop := hop.NewLoop(&hop.LoopOptions{Name: name})
		hop.Run(ctx, loop, func(ctx context.Context) error {
			first, _ := conns.Get(ctx)
			second, err := conns.Get(ctx)
			fmt.Println("the same:", first == second)
			return err
		})
		loop.Close()
	}
	// Output:
	// open for red
	// the same: true
	// close for red
	// open for blue
	// the same: true
	// close for blue
}

func ExampleNewLocal() {
	buffers := hop.NewLocal(func(context.Context) ([]byte, error) { return make([]byte, 64<<10), nil }, nil)
	n, err := hop.Do(context.Background(), hop.Workers(), func(ctx context.Context) (int, error) {
		buf, err := buffers.Get(ctx) // this worker's own
		return len(buf), err
	})
	fmt.Println(n, err)
	_, err = buffers.Get(context.Background()) // neither a loop nor a pool's worker
	fmt.Println(errors.Is(err, hop.ErrMismatch))
	// Output:
	// 65536 <nil>
	// true
}
