package workloads

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gohop/hop"
	"github.com/gohop/hop/bench/internal/harness"
)

const tasks = 1000 // started before the next wait for them

func b5() harness.Workload {
	goroutine := harness.Side{Name: "goroutine + WaitGroup", Kind: harness.Plain, New: startGoroutines}
	posted := []harness.Side{{Name: hopSide, Kind: harness.Hop, New: startPosted}, goroutine}
	pending := []harness.Side{{Name: hopSide, Kind: harness.Hop, New: startPending}, goroutine}
	return harness.Workload{
		ID:    "B5",
		Title: "a task that never waits, started from its own loop",
		About: "A task starts 1,000 others on its own loop and waits until they have run; beside it, a goroutine starts 1,000 goroutines " +
			"and waits on a WaitGroup. Each adds one to a counter, which goroutines need an atomic for and tasks of one loop do not. " +
			"\"With a Pending\" keeps the typed result of every call and asks for each.",
		Cases: []harness.Case{
			{
				Name: "posted", Unit: harness.Nanoseconds, Of: "a task", Each: tasks, Floor: FloorCall, Sides: posted,
				Targets: []harness.Target{{Stat: harness.Value, Max: 0.3}},
			},
			{
				Name: "with a Pending", Unit: harness.Nanoseconds, Of: "a task", Each: tasks, Floor: FloorCall, Sides: pending,
			},
			{
				Name: "allocations, posted", Unit: harness.Allocations, Of: "a task", Each: tasks, Meter: harness.CountAllocs,
				Weight: 0.2, Sides: posted,
				Targets: []harness.Target{{Stat: harness.Value, Max: 0, Absolute: true}},
			},
			{
				Name: "allocations, with a Pending", Unit: harness.Allocations, Of: "a task", Each: tasks, Meter: harness.CountAllocs,
				Weight: 0.2, Sides: pending,
				Targets: []harness.Target{{Stat: harness.Value, Max: 2, Absolute: true}},
			},
		},
	}
}

func startPosted() (*harness.Run, error) {
	count := 0
	f := func() { count++ }
	return onLoop(&count, func(ctx context.Context, l *hop.Loop) error {
		for range tasks {
			if err := l.Post(f); err != nil {
				return err
			}
		}
		return hop.Yield(ctx) // to the end of the queue, behind them
	})
}

func startPending() (*harness.Run, error) {
	count := 0
	f := func(context.Context) (int, error) {
		count++
		return count, nil
	}
	pending := make([]*hop.Pending[int], tasks)
	return onLoop(&count, func(ctx context.Context, l *hop.Loop) error {
		first := count + 1
		for i := range pending {
			pending[i] = hop.Go(ctx, l, f)
		}
		for i, p := range pending {
			v, err := p.Wait(ctx)
			if err != nil {
				return err
			}
			if v != first+i {
				return harness.Same("the result", v, first+i)
			}
		}
		return nil
	})
}

// onLoop makes a Run whose operations are batch, run n times by one task of a loop. count is how many tasks have run.
func onLoop(count *int, batch func(context.Context, *hop.Loop) error) (*harness.Run, error) {
	l := hop.NewLoop(&hop.LoopOptions{Name: "bench"})
	return &harness.Run{
		Do: func(n int) (time.Duration, error) {
			return hop.Do(background, l, func(ctx context.Context) (time.Duration, error) {
				start := time.Now()
				for range n {
					before := *count
					if err := batch(ctx, l); err != nil {
						return 0, err
					}
					if *count != before+tasks {
						return 0, harness.Same("the number of tasks run", *count-before, tasks)
					}
				}
				return time.Since(start), nil
			})
		},
		Close: func() { l.Close() },
	}, nil
}

func startGoroutines() (*harness.Run, error) {
	var count atomic.Int64
	var wg sync.WaitGroup
	f := func() {
		count.Add(1)
		wg.Done()
	}
	return &harness.Run{
		Do: harness.Every(func() error {
			wg.Add(tasks)
			for range tasks {
				go f()
			}
			wg.Wait()
			return nil
		}),
		Check: func(n int) error { return harness.Same("the number of tasks run", count.Load(), int64(n*tasks)) },
	}, nil
}
