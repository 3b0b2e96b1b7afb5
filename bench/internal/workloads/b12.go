package workloads

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gohop/hop"
	"github.com/gohop/hop/bench/internal/harness"
)

func b12(z Size) harness.Workload {
	w := harness.Workload{
		ID:    "B12",
		Title: "cancel 100,000 queued calls, and 10,000 suspended tasks",
		About: "From the cancel of their context until every call is known to have ended cancelled; starting them is not timed. Queued calls stand " +
			"in the queue of a loop that does not run; beside them, goroutines that wait for a place or their context. " +
			"Suspended tasks sleep for an hour on one loop; beside them, goroutines that wait for a timer or their context. The cost of one " +
			"among the most is also compared with that among a tenth of them.",
	}
	for _, kind := range []struct {
		name string
		most int
		hop  func(n int) (*harness.Run, error)
		peer func(n int) (*harness.Run, error)
	}{
		{"queued", z.Million / 10, cancelQueued, cancelWaiting},
		{"suspended", z.Million / 100, cancelSuspended, cancelSleeping},
	} {
		for _, n := range []int{kind.most / 10, kind.most} {
			c := harness.Case{
				Name: grouped(n) + " " + kind.name, Unit: harness.Nanoseconds, Of: "a call", Each: n, Whole: true, Weight: 1.5,
				Sides: []harness.Side{
					side(hopSide, harness.Hop, func() (*harness.Run, error) { return kind.hop(n) }),
					side("context + goroutines", harness.Plain, func() (*harness.Run, error) { return kind.peer(n) }),
				},
				Targets: []harness.Target{{Stat: harness.Value, Max: 1}},
			}
			if n == kind.most {
				c.Targets = append(c.Targets, harness.Target{
					Stat: harness.Value, Max: 2, Label: "linear", Case: grouped(n/10) + " " + kind.name,
				})
			}
			w.Cases = append(w.Cases, c)
		}
	}
	return w
}

func cancelQueued(n int) (*harness.Run, error) {
	l := hop.NewLoop(&hop.LoopOptions{Name: "bench", Manual: true})
	ran := false
	f := func(context.Context) (int, error) {
		ran = true
		return 0, nil
	}
	return &harness.Run{
		Do: cancelled(func(ctx context.Context) (func() error, error) {
			return goAll(ctx, n, l, f), nil
		}),
		Check: func(int) error { return harness.Same("that a cancelled call ran", ran, false) },
		Close: func() { l.Close() },
	}, nil
}

func cancelSuspended(n int) (*harness.Run, error) {
	l := hop.NewLoop(&hop.LoopOptions{Name: "bench"})
	f := func(ctx context.Context) (int, error) { return 0, hop.Sleep(ctx, time.Hour) }
	return &harness.Run{
		Do: cancelled(func(ctx context.Context) (func() error, error) {
			wait := goAll(ctx, n, l, f)
			// This call runs behind them all, so each sleeps.
			return wait, hop.Run(background, l, func(context.Context) error { return nil })
		}),
		Close: func() { l.Close() },
	}, nil
}

// goAll starts n calls. What it returns waits for them, and is content when each was cancelled.
func goAll(ctx context.Context, n int, on hop.Portal, f func(context.Context) (int, error)) (wait func() error) {
	pending := make([]*hop.Pending[int], n)
	for i := range pending {
		pending[i] = hop.Go(ctx, on, f)
	}
	return func() error {
		for _, p := range pending {
			if _, err := p.Wait(background); !errors.Is(err, context.Canceled) {
				return harness.Same("the error of a cancelled call", err, context.Canceled)
			}
		}
		return nil
	}
}

// cancelled makes a Do of: start calls under a context, cancel it, wait. Only the last two are timed.
func cancelled(start func(ctx context.Context) (wait func() error, err error)) func(n int) (time.Duration, error) {
	return func(n int) (took time.Duration, err error) {
		for range n {
			ctx, cancel := context.WithCancel(background)
			wait, err := start(ctx)
			if err != nil {
				cancel()
				return 0, err
			}
			begin := time.Now()
			cancel()
			if err := wait(); err != nil {
				return 0, err
			}
			took += time.Since(begin)
		}
		return took, nil
	}
}

func cancelWaiting(n int) (*harness.Run, error) {
	places := make(chan struct{}) // nobody ever makes room
	return cancelGoroutines(n, func(ctx context.Context) error {
		select {
		case places <- struct{}{}:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}), nil
}

func cancelSleeping(n int) (*harness.Run, error) {
	return cancelGoroutines(n, func(ctx context.Context) error {
		timer := time.NewTimer(time.Hour)
		defer timer.Stop()
		select {
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}), nil
}

func cancelGoroutines(n int, f func(ctx context.Context) error) *harness.Run {
	return &harness.Run{Do: cancelled(func(ctx context.Context) (func() error, error) {
		var started, ended sync.WaitGroup
		var count atomic.Int64
		started.Add(n)
		for range n {
			ended.Go(func() {
				started.Done()
				if err := f(ctx); errors.Is(err, context.Canceled) {
					count.Add(1)
				}
			})
		}
		started.Wait()
		return func() error {
			ended.Wait()
			return harness.Same("the number of goroutines cancelled", count.Load(), int64(n))
		}, nil
	})}
}
