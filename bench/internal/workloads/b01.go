package workloads

import (
	"context"
	"runtime"

	"github.com/gohop/hop"
	"github.com/gohop/hop/bench/internal/harness"
)

func b1() harness.Workload {
	sides := roundTripSides(true)
	return harness.Workload{
		ID:    "B1",
		Title: "round trip to a locked thread, back to back",
		About: "One goroutine calls a function on a locked OS thread and gets its result, again and again. " +
			"The function counts, and every result is compared with the caller's own count.",
		Cases: []harness.Case{
			{
				Name: "back to back", Unit: harness.Nanoseconds, Of: "a round trip", Latency: true, Weight: 1.5,
				Floor: FloorFutex, Times: 2, Sides: sides,
				Targets: []harness.Target{{Stat: harness.P50, Max: 0.1}, {Stat: harness.P99, Max: 1}},
			},
			{
				Name: "one P", Unit: harness.Nanoseconds, Of: "a round trip", Latency: true, Procs: 1,
				Floor: FloorFutex, Times: 2, Sides: sides,
				Targets: []harness.Target{{Stat: harness.P50, Max: 1}},
			},
		},
	}
}

// roundTripSides are hop and a channel of functions, each with the loop on a locked thread or on a goroutine.
func roundTripSides(locked bool) []harness.Side {
	return []harness.Side{
		{Name: hopSide, Kind: harness.Hop, New: func() (*harness.Run, error) { return hopRoundTrip(locked) }},
		{Name: "channel of funcs", Kind: harness.Plain, New: func() (*harness.Run, error) { return chanRoundTrip(locked) }},
	}
}

func hopRoundTrip(locked bool) (*harness.Run, error) {
	l := hop.NewLoop(&hop.LoopOptions{Name: "bench", Thread: locked})
	count, calls := 0, 0
	f := func(context.Context) (int, error) {
		count++ // only the loop touches it
		return count, nil
	}
	return &harness.Run{
		Do: harness.Every(func() error {
			v, err := hop.Do(background, l, f)
			if err != nil {
				return err
			}
			calls++
			return harness.Same("the result", v, calls)
		}),
		Close: func() { l.Close() },
	}, nil
}

// chanRoundTrip reuses its function and its reply channel, which is as fast as it gets by hand; golang.design's thread and
// mainthread are built in this way, with a select on a second channel and a pool of reply channels on top.
func chanRoundTrip(locked bool) (*harness.Run, error) {
	l := newChanLoop(locked, runtime.GOMAXPROCS(0))
	count, calls := 0, 0
	reply := make(chan int, 1)
	f := func() {
		count++
		reply <- count
	}
	return &harness.Run{
		Do: harness.Every(func() error {
			l.funcs <- f
			calls++
			return harness.Same("the result", <-reply, calls)
		}),
		Close: l.close,
	}, nil
}
