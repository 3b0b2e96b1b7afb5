package workloads

import (
	"github.com/dop251/goja"
	"github.com/dop251/goja_nodejs/eventloop"

	"github.com/gohop/hop/bench/internal/harness"
)

func b3() harness.Workload {
	sides := append(roundTripSides(false),
		harness.Side{Name: "goja_nodejs RunOnLoop", Kind: harness.Library, New: gojaRoundTrip})
	return harness.Workload{
		ID:    "B3",
		Title: "round trip to an unlocked loop",
		About: "As B1, to a loop on a goroutine of its own.",
		Cases: []harness.Case{
			{
				Name: "back to back", Unit: harness.Nanoseconds, Of: "a round trip", Latency: true, Weight: 1.5,
				Floor: FloorChannel, Sides: sides,
				Targets: []harness.Target{{Stat: harness.P50, Max: 1}, {Stat: harness.P99, Max: 1}},
			},
			{
				Name: "one P", Unit: harness.Nanoseconds, Of: "a round trip", Latency: true, Procs: 1,
				Floor: FloorChannel, Sides: sides,
				Targets: []harness.Target{{Stat: harness.P50, Max: 1}},
			},
		},
	}
}

func gojaRoundTrip() (*harness.Run, error) {
	l := eventloop.NewEventLoop(eventloop.EnableConsole(false))
	l.Start()
	count, calls := 0, 0
	reply := make(chan int, 1)
	f := func(*goja.Runtime) {
		count++
		reply <- count
	}
	return &harness.Run{
		Do: harness.Every(func() error {
			l.RunOnLoop(f)
			calls++
			return harness.Same("the result", <-reply, calls)
		}),
		Close: func() { l.Stop() },
	}, nil
}
