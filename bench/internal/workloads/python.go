package workloads

import (
	"context"
	"time"

	"github.com/gohop/hop"
	"github.com/gohop/hop/bench/internal/harness"
)

// A Quoted is a figure of a Python system: measured once, on a machine like the one that this project is built on, with
// Python 3.11 and that system's own code. It is quoted, and hop's counterpart is measured now: that is no side-by-side run.
type Quoted struct {
	System string
	What   string
	Python time.Duration
	Hop    string // what hop's counterpart does
	New    func() (*harness.Run, error)
	Each   int
}

// Python returns the quoted figures, in the order in which they are shown.
func Python() []Quoted {
	return []Quoted{
		{"async-kernel", "call_soon and await, on its own loop", 21 * time.Microsecond, "Go and Wait, from a task of the loop", ownLoop, 1},
		{"async-kernel", "the same, on another thread", 129 * time.Microsecond, "Do on a Thread loop", otherThread, 1},
		{"async-kernel", "batched, a call", 16 * time.Microsecond, "1,000 Go on a Thread loop, then their Waits; a call", batched, posts},
		{"async-kernel", "to_thread", 100 * time.Microsecond, "Blocking, from a task", toThread, 1},
		{"Prefect", "call_in_loop_thread", 195 * time.Microsecond, "Do on a Thread loop", otherThread, 1},
		{"Prefect", "call_in_new_thread", 225 * time.Microsecond, "Do on a pool of threads that keeps none", newThread, 1},
		{"Prefect", "a WorkerThread round trip", 105 * time.Microsecond, "Do on a pool of one thread", workerThread, 1},
		{"Prefect", "the same, batched, a call", 28 * time.Microsecond, "1,000 Go on a pool of one thread, then their Waits; a call", workerBatched, posts},
		{"Prefect", "main → worker → back to main", 280 * time.Microsecond, "Waiter.Wait for a call on a worker that calls back through Origin", waiterTrip, 1},
	}
}

func otherThread() (*harness.Run, error) { return hopRoundTrip(true) }

func one(context.Context) (int, error) { return 1, nil }

func ownLoop() (*harness.Run, error) {
	l := hop.NewLoop(nil)
	return &harness.Run{
		Do: func(n int) (time.Duration, error) {
			return hop.Do(background, l, func(ctx context.Context) (time.Duration, error) {
				return harness.Every(func() error { return ones(hop.Go(ctx, l, one).Wait(ctx)) })(n)
			})
		},
		Close: func() { l.Close() },
	}, nil
}

func toThread() (*harness.Run, error) {
	l := hop.NewLoop(nil)
	return &harness.Run{
		Do: func(n int) (time.Duration, error) {
			return hop.Do(background, l, func(ctx context.Context) (time.Duration, error) {
				return harness.Every(func() error { return ones(hop.Blocking(ctx, one)) })(n)
			})
		},
		Close: func() { l.Close() },
	}, nil
}

func batched() (*harness.Run, error) {
	l := hop.NewLoop(&hop.LoopOptions{Thread: true})
	return inBatches(l, l.Close)
}

func workerBatched() (*harness.Run, error) {
	p := hop.NewPool(&hop.PoolOptions{Size: 1, Threads: true})
	return inBatches(p, p.Close)
}

func inBatches(on hop.Portal, stop func() error) (*harness.Run, error) {
	pending := make([]*hop.Pending[int], posts)
	return &harness.Run{
		Do: harness.Every(func() error {
			for i := range pending {
				pending[i] = hop.Go(background, on, one)
			}
			for _, p := range pending {
				if err := ones(p.Wait(background)); err != nil {
					return err
				}
			}
			return nil
		}),
		Close: func() { stop() },
	}, nil
}

func newThread() (*harness.Run, error) {
	return onPool(&hop.PoolOptions{Threads: true, MaxIdle: -1})
}

func workerThread() (*harness.Run, error) {
	return onPool(&hop.PoolOptions{Threads: true, Size: 1})
}

func onPool(o *hop.PoolOptions) (*harness.Run, error) {
	p := hop.NewPool(o)
	return &harness.Run{
		Do:    harness.Every(func() error { return ones(hop.Do(background, p, one)) }),
		Close: func() { p.Close() },
	}, nil
}

func waiterTrip() (*harness.Run, error) {
	p := hop.NewPool(&hop.PoolOptions{Threads: true, Size: 1})
	worker := func(ctx context.Context) (int, error) { return hop.Do(ctx, hop.Origin(ctx), one) }
	return &harness.Run{
		Do: harness.Every(func() error {
			w := hop.NewWaiter()
			call := hop.New(hop.WithOrigin(background, w), worker)
			if err := p.Submit(call.Call()); err != nil {
				return err
			}
			if err := w.Wait(background, call.Call()); err != nil {
				return err
			}
			return ones(call.Result())
		}),
		Close: func() { p.Close() },
	}, nil
}

// ones checks a result of one.
func ones(v int, err error) error {
	if err != nil {
		return err
	}
	return harness.Same("the result", v, 1)
}
