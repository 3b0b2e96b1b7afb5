package hop_test

// Results: Pending, Call and Promise.

import (
	"context"
	"errors"
	"fmt"

	"github.com/gohop/hop"
)

// Wait in a task suspends the task, not its loop: the loop runs what is waited for.
func ExamplePending_Wait() {
	ctx := context.Background()
	loop := hop.NewLoop(nil)
	defer loop.Close()

	hop.Run(ctx, loop, func(ctx context.Context) error {
		a := hop.Go(ctx, loop, func(context.Context) (int, error) { return 20, nil })
		b := hop.Go(ctx, loop, func(context.Context) (int, error) { return 22, nil })
		x, _ := a.Wait(ctx)
		y, _ := b.Wait(ctx)
		fmt.Println(x + y)
		return nil
	})
	// Output: 42
}

// The ctx of Wait bounds the wait only. The call goes on.
func ExamplePending_Wait_bounded() {
	ctx := context.Background()
	var ready hop.Event
	p := hop.Go(ctx, hop.Workers(), func(ctx context.Context) (int, error) { return 42, ready.Wait(ctx) })

	impatient, cancel := context.WithCancel(ctx)
	cancel()
	_, err := p.Wait(impatient)
	fmt.Println(errors.Is(err, context.Canceled), errors.Is(err, hop.ErrCancelled))

	ready.Set()
	fmt.Println(p.Wait(ctx))
	// Output:
	// true false
	// 42 <nil>
}

// The ctx of WaitOrCancel bounds the call too.
func ExamplePending_WaitOrCancel() {
	ctx := context.Background()
	p := hop.Go(ctx, hop.Workers(), func(ctx context.Context) (int, error) {
		<-ctx.Done()
		return 0, ctx.Err()
	})
	impatient, cancel := context.WithCancel(ctx)
	cancel()
	_, err := p.WaitOrCancel(impatient)
	fmt.Println(errors.Is(err, hop.ErrCancelled), p.Call().State())
	// Output: true cancelled
}

func ExamplePending_Result() {
	ctx := context.Background()
	var ready hop.Event
	p := hop.Go(ctx, hop.Workers(), func(ctx context.Context) (int, error) { return 42, ready.Wait(ctx) })
	_, err := p.Result()
	fmt.Println(errors.Is(err, hop.ErrNotDone))
	ready.Set()
	p.Wait(ctx)
	fmt.Println(p.Result())
	// Output:
	// true
	// 42 <nil>
}

func ExamplePending_Done() {
	ctx := context.Background()
	p := hop.Go(ctx, hop.Workers(), func(context.Context) (int, error) { return 42, nil })
	select {
	case <-p.Done():
		fmt.Println(p.Result())
	case <-ctx.Done():
	}
	// Output: 42 <nil>
}

// A queued call that is cancelled is done at once, though its loop be busy.
func ExamplePending_Cancel() {
	ctx := context.Background()
	loop := hop.NewLoop(&hop.LoopOptions{Name: "disk"})
	defer loop.Close()

	busy := make(chan bool)
	loop.Post(func() { <-busy })
	p := hop.Go(ctx, loop, func(context.Context) (int, error) { panic("never runs") }, hop.Name("save"))
	fmt.Println(p.Cancel(errors.New("the user closed the window")))
	_, err := p.Wait(ctx)
	fmt.Println(err)
	close(busy)
	// Output:
	// true
	// hop: call "save" on loop "disk" was cancelled: the user closed the window
}

// CancelWait returns when the function has returned, so what it used may be closed.
func ExamplePending_CancelWait() {
	ctx := context.Background()
	begun := make(chan bool)
	p := hop.Go(ctx, hop.Workers(), func(ctx context.Context) (int, error) {
		close(begun)
		<-ctx.Done()
		fmt.Println("tidying up:", context.Cause(ctx))
		return 0, nil
	})
	<-begun
	p.CancelWait(ctx, errors.New("no longer needed"))
	fmt.Println("close the file")
	// Output:
	// tidying up: no longer needed
	// close the file
}

func ExamplePending_OnDone() {
	ctx := context.Background()
	p := hop.New(ctx, func(context.Context) (int, error) { return 42, nil })
	p.OnDone(func() { fmt.Println("first") })
	stop := p.OnDone(func() { fmt.Println("never") })
	p.OnDone(func() { fmt.Println("second") })
	fmt.Println(stop())
	hop.Inline.Submit(p.Call())
	// Output:
	// true
	// first
	// second
}

func ExamplePending_Call() {
	p := hop.New(context.Background(), func(context.Context) (int, error) { return 42, nil }, hop.Name("answer"))
	c := p.Call() // the same call without its type: for portals, groups, diagnostics
	c.Run()
	fmt.Println(c.Name(), c.State(), c.Err())
	// Output: answer succeeded <nil>
}

func ExampleCall() {
	ctx := context.Background()
	pool := hop.NewPool(&hop.PoolOptions{Name: "disk"})
	defer pool.Close()
	p := hop.Go(ctx, pool, func(context.Context) (int, error) { return 42, nil }, hop.Name("read"))
	p.Wait(ctx)
	c := p.Call()
	fmt.Println(c.Name(), "on", c.Portal(), "has", c.State())
	// Output: read on pool "disk" has succeeded
}

// A call that will never run ends by Fail.
func ExampleCall_Fail() {
	ctx := context.Background()
	p := hop.New(ctx, func(context.Context) (int, error) { return 42, nil })
	fmt.Println(p.Call().Fail(errors.New("the printer is out of paper")))
	fmt.Println(p.Wait(ctx))
	// Output:
	// true
	// 0 the printer is out of paper
}

// A promise is completed by hand: here, by a callback of something that knows nothing of hop.
func ExamplePromise() {
	ctx := context.Background()
	ask := func(question string, answered func(string, error)) { go answered("42", nil) }

	answer := hop.NewPromise[string](ctx)
	ask("6 × 7?", func(s string, err error) {
		if err != nil {
			answer.Reject(err)
			return
		}
		answer.Resolve(s)
	})
	fmt.Println(answer.Pending().Wait(ctx))
	// Output: 42 <nil>
}

func ExampleNewPromise() {
	p := hop.NewPromise[int](context.Background(), hop.Name("dice"))
	fmt.Println(p.Resolve(4), p.Resolve(5)) // the first wins
	fmt.Println(p.Pending().Result())
	// Output:
	// true false
	// 4 <nil>
}

func ExamplePromise_Reject() {
	p := hop.NewPromise[int](context.Background())
	p.Reject(errors.New("no answer"))
	fmt.Println(p.Pending().Result())
	// Output: 0 no answer
}

// With OnCancel, Cancel asks, and the promise ends when whoever works for it says so.
func ExamplePromise_OnCancel() {
	ctx := context.Background()
	p := hop.NewPromise[int](ctx)
	p.OnCancel(func(cause error) { fmt.Println("stop the motor:", cause) })
	p.Pending().Cancel(errors.New("door open"))
	fmt.Println(p.Pending().Call().State())
	p.Reject(errors.New("stopped"))
	_, err := p.Pending().Wait(ctx)
	fmt.Println(errors.Is(err, hop.ErrCancelled), p.Pending().Call().State())
	// Output:
	// stop the motor: door open
	// created
	// true cancelled
}
