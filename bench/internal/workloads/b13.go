package workloads

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"runtime"
	"runtime/metrics"
	"runtime/pprof"
	"sync"
	"time"

	"github.com/gohop/hop"
	"github.com/gohop/hop/bench/internal/harness"
)

func b13(z Size) harness.Workload {
	n := z.Million / 10
	return harness.Workload{
		ID:    "B13",
		Title: "a snapshot of 100,000 live calls",
		About: "Who is there, and what is each doing: the name, state and place of 100,000 tasks that are suspended on one loop, beside what the " +
			"runtime tells of 100,000 goroutines that wait on a channel. All must be found. hop's snapshot must not stop the world, " +
			"which the runtime's own count of pauses confirms; both of the others do.",
		Cases: []harness.Case{{
			Name: "snapshot", Unit: harness.Nanoseconds, Of: "a call", Each: n, Weight: 3,
			Sides: []harness.Side{
				side(hopSide, harness.Hop, func() (*harness.Run, error) { return snapshotHop(n) }),
				side("runtime.Stack(all)", harness.Plain, func() (*harness.Run, error) { return snapshotStack(n) }),
				side("goroutine profile", harness.Plain, func() (*harness.Run, error) { return snapshotProfile(n) }),
			},
			Targets: []harness.Target{{Stat: harness.Value, Max: 0.1}},
		}},
	}
}

// snapshot tells how many calls are live and waiting under a tracker; it is what the workload measures.
func snapshot(t *hop.Tracker) (waiting int) {
	for _, c := range t.Calls() {
		if c.Name() != "" && c.Portal() != nil && c.State() == hop.Waiting {
			waiting++
		}
	}
	return waiting
}

func snapshotHop(n int) (*harness.Run, error) {
	l := hop.NewLoop(&hop.LoopOptions{Name: "bench"})
	ctx, tracker := hop.Track(background)
	ctx, cancel := context.WithCancel(ctx)
	for range n {
		hop.Go(ctx, l, func(ctx context.Context) (int, error) { return 0, hop.Sleep(ctx, time.Hour) })
	}
	// This call runs behind them all, so each sleeps.
	if err := hop.Run(background, l, func(context.Context) error { return nil }); err != nil {
		cancel()
		return nil, err
	}
	return &harness.Run{
		Do: func(ops int) (time.Duration, error) {
			pauses := worldStops()
			start := time.Now()
			for range ops {
				if found := snapshot(tracker); found != n {
					return 0, harness.Same("the number of waiting calls found", found, n)
				}
			}
			took := time.Since(start)
			return took, harness.Same("the number of times that the world was stopped", worldStops(), pauses)
		},
		Close: func() {
			cancel()
			l.Close()
		},
	}, nil
}

// worldStops counts the pauses of the program so far, but for those of the garbage collector.
func worldStops() (count uint64) {
	sample := []metrics.Sample{{Name: "/sched/pauses/stopping/other:seconds"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindFloat64Histogram {
		return 0
	}
	for _, c := range sample[0].Value.Float64Histogram().Counts {
		count += c
	}
	return count
}

// parkedGoroutines starts n goroutines that wait on a channel until stop is called.
func parkedGoroutines(n int) (stop func()) {
	wait := make(chan struct{})
	var started, ended sync.WaitGroup
	started.Add(n)
	for range n {
		ended.Go(func() {
			started.Done()
			<-wait
		})
	}
	started.Wait()
	return func() {
		close(wait)
		ended.Wait()
	}
}

func snapshotStack(n int) (*harness.Run, error) {
	stop := parkedGoroutines(n)
	buf := make([]byte, n*600+64<<10)
	return &harness.Run{
		Do: harness.Every(func() error {
			text := buf[:runtime.Stack(buf, true)]
			if len(text) == len(buf) {
				return fmt.Errorf("the buffer of %d bytes is too small", len(buf))
			}
			if found := bytes.Count(text, []byte("\ngoroutine ")); found < n {
				return harness.Same("the number of goroutines found", found, n)
			}
			return nil
		}),
		Close: stop,
	}, nil
}

func snapshotProfile(n int) (*harness.Run, error) {
	stop := parkedGoroutines(n)
	return &harness.Run{
		Do: harness.Every(func() error {
			profile := pprof.Lookup("goroutine")
			if found := profile.Count(); found < n {
				return harness.Same("the number of goroutines found", found, n)
			}
			return profile.WriteTo(io.Discard, 0)
		}),
		Close: stop,
	}, nil
}
