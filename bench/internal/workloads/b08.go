package workloads

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/alitto/pond/v2"
	"github.com/panjf2000/ants/v2"

	"github.com/gohop/hop"
	"github.com/gohop/hop/bench/internal/harness"
)

const nap = 10 * time.Millisecond

func b8(z Size) harness.Workload {
	n := z.Million
	c := func(name string, start func(n int) (*harness.Run, error)) harness.Case {
		side := func(name string, kind harness.Kind, start func(n int) (*harness.Run, error)) harness.Side {
			return harness.Side{Name: name, Kind: kind, New: func() (*harness.Run, error) { return start(n) }}
		}
		return harness.Case{
			Name: name, Unit: harness.Nanoseconds, Of: "a call", Each: n, Whole: true, Weight: 6, Floor: FloorStart,
			Sides: []harness.Side{
				side(hopSide, harness.Hop, start),
				side("goroutines", harness.Plain, napGoroutines),
				side("pond", harness.Library, napPond),
				side("ants", harness.Library, napAnts),
			},
			Targets: []harness.Target{{Stat: harness.Value, Max: 1}},
		}
	}
	return harness.Workload{
		ID:    "B8",
		Title: "a million calls that each sleep 10 ms",
		About: "A million calls are started at once; each sleeps 10 ms and counts itself. hop keeps the typed result of each and waits for " +
			"every one, on a goroutine each (hop.Goroutines) or as tasks of one loop, which one goroutine runs.",
		Cases: []harness.Case{c("goroutines", napHopGoroutines), c("tasks of one loop", napHopTasks)},
	}
}

func napHopGoroutines(n int) (*harness.Run, error) {
	return napHop(n, hop.Goroutines, func(context.Context) error {
		time.Sleep(nap)
		return nil
	}), nil
}

func napHopTasks(n int) (*harness.Run, error) {
	l := hop.NewLoop(&hop.LoopOptions{Name: "bench"})
	run := napHop(n, l, func(ctx context.Context) error { return hop.Sleep(ctx, nap) })
	run.Close = func() { l.Close() }
	return run, nil
}

func napHop(n int, on hop.Portal, sleep func(context.Context) error) *harness.Run {
	return &harness.Run{Do: harness.Every(func() error {
		var count atomic.Int64
		f := func(ctx context.Context) (int, error) {
			err := sleep(ctx)
			count.Add(1)
			return 1, err
		}
		pending := make([]*hop.Pending[int], n)
		for i := range pending {
			pending[i] = hop.Go(background, on, f)
		}
		sum := 0
		for _, p := range pending {
			v, err := p.Wait(background)
			if err != nil {
				return err
			}
			sum += v
		}
		if sum != n {
			return harness.Same("the sum of the results", sum, n)
		}
		return harness.Same("the number of calls run", count.Load(), int64(n))
	})}
}

func napGoroutines(n int) (*harness.Run, error) {
	return napWaited(n, func(f func()) error {
		go f()
		return nil
	}), nil
}

func napPond(n int) (*harness.Run, error) {
	p := pond.NewPool(n)
	run := napWaited(n, p.Go)
	run.Close = p.StopAndWait
	return run, nil
}

func napAnts(n int) (*harness.Run, error) {
	p, err := ants.NewPool(n, ants.WithPreAlloc(true)) // what its README says for pools of this size
	if err != nil {
		return nil, err
	}
	run := napWaited(n, p.Submit)
	run.Close = p.Release
	return run, nil
}

func napWaited(n int, start func(func()) error) *harness.Run {
	return &harness.Run{Do: harness.Every(func() error {
		var count atomic.Int64
		var wg sync.WaitGroup
		f := func() {
			time.Sleep(nap)
			count.Add(1)
			wg.Done()
		}
		wg.Add(n)
		for range n {
			if err := start(f); err != nil {
				return err
			}
		}
		wg.Wait()
		return harness.Same("the number of calls run", count.Load(), int64(n))
	})}
}
