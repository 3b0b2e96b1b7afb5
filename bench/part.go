package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/gohop/hop/bench/internal/harness"
	"github.com/gohop/hop/bench/internal/report"
	"github.com/gohop/hop/bench/internal/stats"
	"github.com/gohop/hop/bench/internal/workloads"
)

// partEnv tells a process which part of a run it is.
const partEnv = "HOP_BENCH_PART"

// The parts that are no workload.
const (
	partFloor  = "floor"
	partPython = "python"
)

// A part of a run has a process of its own, so that no workload meets what another has left behind (the Go runtime keeps a
// million dead goroutines for reuse), and so that a crash in one does not lose the others.
type part struct {
	Name   string
	Quick  bool
	Budget time.Duration
}

// findings are what such a process prints, one object for each case, so that what is done is not lost when it ends early.
type findings struct {
	Results []*harness.Result
	Floors  []workloads.Floor
	Python  []report.PythonResult
}

func (p *part) title(all []harness.Workload) string {
	if w := find(all, p.Name); w != nil {
		return w.ID + "  " + w.Title
	}
	return p.Name
}

// run starts the process, waits for it and adds what it found to r.
func (p *part) run(r *report.Report, w *harness.Workload) {
	before := len(r.Results)
	out, err := p.start()
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var found findings
		if d.Decode(&found) != nil {
			break // the end, or as far as it came
		}
		r.Results = append(r.Results, found.Results...)
		r.Floors = append(r.Floors, found.Floors...)
		r.Python = append(r.Python, found.Python...)
	}
	if err != nil {
		r.Results = append(r.Results, &harness.Result{
			Workload: p.Name, Case: "the rest", Figures: []harness.Figure{{Side: "all", Error: err.Error()}},
		})
	}
	if w != nil {
		harness.Grow(w, r.Results[before:])
	}
}

func (p *part) start() (out []byte, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), partEnv+"="+string(text))
	cmd.Stderr = os.Stderr
	return cmd.Output()
}

// partChild does the part that this process was started for, and ends it; in any other process it does nothing.
func partChild() {
	text := os.Getenv(partEnv)
	if text == "" {
		return
	}
	os.Unsetenv(partEnv)
	var p part
	err := json.Unmarshal([]byte(text), &p)
	if err == nil {
		err = p.do(json.NewEncoder(os.Stdout))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func (p *part) do(out *json.Encoder) error {
	rounds, each := 7, 30*time.Millisecond
	size := workloads.Full
	if p.Quick {
		rounds, each = 3, 10*time.Millisecond
		size = workloads.Quick
	}
	switch p.Name {
	case partFloor:
		return out.Encode(findings{Floors: workloads.Floors(rounds, each)})
	case partPython:
		return out.Encode(findings{Python: python(rounds, each)})
	}
	w := find(workloads.All(size), p.Name)
	if w == nil {
		return fmt.Errorf("no workload %q", p.Name)
	}
	return p.workload(w, out)
}

// workload runs the cases of one workload, each for its share of what is left of the time.
func (p *part) workload(w *harness.Workload, out *json.Encoder) error {
	plan := harness.Plan{Run: 50 * time.Millisecond, MinRounds: 3, MaxRounds: 31}
	if p.Quick {
		plan.Run, plan.MinRounds = 12*time.Millisecond, 2
	}
	end := time.Now().Add(p.Budget)
	left := weight(w)
	for i := range w.Cases {
		c := &w.Cases[i]
		plan.Budget = time.Duration(float64(time.Until(end)) * c.Share() / left)
		left -= c.Share()
		start := time.Now()
		res := harness.Compare(w, c, plan)
		fmt.Fprintf(os.Stderr, "        %-30s %s (%d rounds, %.1f s)\n", c.Name, summary(res), res.Rounds, time.Since(start).Seconds())
		if err := out.Encode(findings{Results: []*harness.Result{res}}); err != nil {
			return err
		}
	}
	return nil
}

// summary tells in a few words how a case went.
func summary(res *harness.Result) string {
	for _, f := range res.Figures {
		if f.Error != "" {
			return f.Side + ": " + f.Error
		}
	}
	if len(res.Verdicts) == 0 {
		return "measured"
	}
	v := res.Verdicts[0]
	return fmt.Sprintf("%.2f of %s", v.Ratio.Median, v.Best)
}

// python measures hop's counterparts of the figures that are quoted for Python.
func python(rounds int, each time.Duration) []report.PythonResult {
	var out []report.PythonResult
	for _, q := range workloads.Python() {
		res := report.PythonResult{System: q.System, What: q.What, Hop: q.Hop, Python: q.Python}
		side := harness.Side{Name: "hop", Kind: harness.Hop, New: q.New}
		c := harness.Case{Name: q.What, Unit: harness.Nanoseconds, Each: q.Each, Sides: []harness.Side{side}}
		alone := harness.Compare(&harness.Workload{}, &c, harness.Plan{Run: each, MinRounds: rounds, MaxRounds: rounds})
		f := alone.Figures[0]
		res.Error, res.NS = f.Error, f.Stats[harness.Value]
		if f.Error == "" && res.NS == (stats.Spread{}) {
			res.Error = "nothing was measured"
		}
		out = append(out, res)
	}
	return out
}
