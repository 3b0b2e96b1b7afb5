// Package report shows what the benchmarks found: as lines of JSON, as tables for a terminal, and as docs/benchmarks.md with
// its plots.
package report

import (
	"time"

	"github.com/gohop/hop/bench/internal/harness"
	"github.com/gohop/hop/bench/internal/machine"
	"github.com/gohop/hop/bench/internal/stats"
	"github.com/gohop/hop/bench/internal/workloads"
)

// A Report is everything that one run found.
type Report struct {
	Day     time.Time
	Took    time.Duration
	Machine machine.Info

	// How busy the machine was, this run itself included.
	LoadBefore, LoadAfter string

	Workloads []harness.Workload // those that ran, in order
	Results   []*harness.Result
	Floors    []workloads.Floor
	Python    []PythonResult
	Sizes     machine.Sizes // zero: not measured
}

// A PythonResult is a quoted figure and hop's counterpart, measured in this run.
type PythonResult struct {
	System, What, Hop string
	Python            time.Duration
	NS                stats.Spread
	Error             string `json:",omitempty"`
}

// of returns the results of one workload.
func (r *Report) of(id string) []*harness.Result {
	var out []*harness.Result
	for _, res := range r.Results {
		if res.Workload == id {
			out = append(out, res)
		}
	}
	return out
}

// floor returns the floor that a result is compared with, in nanoseconds, or 0.
func (r *Report) floor(res *harness.Result) float64 {
	for _, f := range r.Floors {
		if f.Name == res.Floor && res.Unit == harness.Nanoseconds {
			return f.NS.Median * max(1, res.Times)
		}
	}
	return 0
}

// Failures lists the sides that did not do their work.
func (r *Report) Failures() []string {
	var out []string
	for _, res := range r.Results {
		for _, f := range res.Figures {
			if f.Error != "" {
				out = append(out, res.Workload+", "+res.Case+", "+f.Side+": "+f.Error)
			}
		}
	}
	for _, p := range r.Python {
		if p.Error != "" {
			out = append(out, "Python, "+p.What+": "+p.Error)
		}
	}
	return out
}
