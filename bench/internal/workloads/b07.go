package workloads

import "github.com/gohop/hop/bench/internal/harness"

// atMostTheirs are the targets of a pool.
var atMostTheirs = []harness.Target{
	{Stat: harness.Value, Max: 1, Label: "to the libraries", Against: harness.OnlyLibraries},
	{Stat: harness.Value, Max: 1, Label: "to plain Go", Against: harness.OnlyPlain},
}

func b7() harness.Workload {
	return fanWorkload("B7", "fan-out of 1,000 small calls on 8 workers",
		"One goroutine gives 1,000 small calls to a pool of eight workers and adds up their results. The sum is checked each time. "+
			"\"Typed results\" is hop.Go and a Wait for each; \"posted\" writes the results into a slice, as must be done with ants, gopool and gammazero.",
		fan{submitters: 1, each: 1000})
}

func b9() harness.Workload {
	return fanWorkload("B9", "submit from 16 goroutines to one pool",
		"As B7, but 16 goroutines submit 250 calls each, at once.",
		fan{submitters: 16, each: 250})
}

func fanWorkload(id, title, about string, f fan) harness.Workload {
	c := func(name string, start func() (*harness.Run, error)) harness.Case {
		return harness.Case{
			Name: name, Unit: harness.Nanoseconds, Of: "a call", Each: f.total(), Weight: 3, Floor: FloorSwap,
			Sides:   append([]harness.Side{{Name: hopSide, Kind: harness.Hop, New: start}}, f.peers()...),
			Targets: atMostTheirs,
		}
	}
	return harness.Workload{
		ID: id, Title: title, About: about,
		Cases: []harness.Case{c("typed results", f.hopGo), c("posted", f.hopPost)},
	}
}
