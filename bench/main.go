// Command bench measures hop beside what its users would pick instead, doing the same work in one run, and writes
// docs/benchmarks.md. Run it from the root of the repository:
//
//	go run ./bench              # everything, in less than five minutes
//	go run ./bench -quick       # everything, smaller and coarser, in about one
//	go run ./bench -run B4,B6   # some workloads
//	go run ./bench -json        # one object a line for each target
//
// Only a full run of everything writes the page, so that a partial or coarse one never replaces a good one; -docs says
// otherwise, or elsewhere. Progress is written to standard error. It ends with status 1 when a side failed to do its work, and
// with 0 when targets were merely missed.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gohop/hop/bench/internal/harness"
	"github.com/gohop/hop/bench/internal/machine"
	"github.com/gohop/hop/bench/internal/report"
	"github.com/gohop/hop/bench/internal/workloads"
)

// How long a run takes, without the time to build it.
const (
	fullTime  = 210 * time.Second
	quickTime = 50 * time.Second
)

func main() {
	harness.MemoryChild(workloads.All(workloads.Full))
	partChild()
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	only := flag.String("run", "", "run only these workloads, such as B4 or B4,B6")
	quick := flag.Bool("quick", false, "smaller and coarser, in about a minute")
	asJSON := flag.Bool("json", false, "print one JSON object a line for each target, instead of tables")
	docs := flag.String("docs", "", "write benchmarks.md and its plots into this folder, whatever is run")
	flag.Parse()
	if flag.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flag.Arg(0))
	}
	size := workloads.Full
	if *quick {
		size = workloads.Quick
	}
	chosen, err := choose(workloads.All(size), *only)
	if err != nil {
		return err
	}
	module, err := moduleDir()
	full := *only == "" && !*quick
	switch {
	case *docs == "" && full && err != nil:
		return err
	case *docs == "" && full:
		*docs = filepath.Join(module, "..", "docs")
	}
	r := measure(chosen, *quick)
	if full {
		if r.Sizes, err = machine.MeasureSizes(module); err != nil {
			fmt.Fprintln(os.Stderr, "bench: the sizes of programs are left out:", err)
		}
	}
	if *docs != "" {
		if err := r.WriteDocs(*docs); err != nil {
			return err
		}
	}
	if *asJSON {
		err = r.WriteJSON(os.Stdout)
	} else {
		r.WriteText(os.Stdout)
		err = nil
	}
	if failed := r.Failures(); len(failed) > 0 {
		return fmt.Errorf("these did not do their work:\n  %s", strings.Join(failed, "\n  "))
	}
	return err
}

// choose returns the workloads of a comma-separated list, or all.
func choose(all []harness.Workload, list string) ([]harness.Workload, error) {
	if list == "" {
		return all, nil
	}
	ids := strings.Split(strings.ToUpper(list), ",")
	for _, id := range ids {
		if !slices.ContainsFunc(all, func(w harness.Workload) bool { return w.ID == id }) {
			return nil, fmt.Errorf("there is no workload %q: they are B1 to B%d", id, len(all))
		}
	}
	return slices.DeleteFunc(all, func(w harness.Workload) bool { return !slices.Contains(ids, w.ID) }), nil
}

// moduleDir is the folder of this module, seen from the root of the repository or from within it.
func moduleDir() (string, error) {
	for _, dir := range []string{"bench", "."} {
		if _, err := os.Stat(filepath.Join(dir, "internal", "size", "plain", "main.go")); err == nil {
			return dir, nil
		}
	}
	return "", fmt.Errorf("run this from the root of the repository, as go run ./bench, or say where to write with -docs")
}

// measure runs the workloads, each in a process of its own.
func measure(chosen []harness.Workload, quick bool) *report.Report {
	r := &report.Report{Day: time.Now(), Machine: machine.Here(), LoadBefore: machine.Load(), Workloads: chosen}
	total := fullTime
	if quick {
		total = quickTime
	}
	parts := []part{{Name: partFloor, Quick: quick}}
	everything := workloads.All(workloads.Full)
	if len(chosen) == len(everything) {
		parts = append(parts, part{Name: partPython, Quick: quick})
	}
	left, all := 0.0, 0.0
	for i := range everything {
		all += weight(&everything[i])
	}
	for i := range chosen {
		parts = append(parts, part{Name: chosen[i].ID, Quick: quick})
		left += weight(&chosen[i])
	}
	end := r.Day.Add(time.Duration(float64(total) * left / all))
	for i := range parts {
		p := &parts[i]
		w := find(chosen, p.Name)
		if w != nil {
			p.Budget = max(0, time.Duration(float64(time.Until(end))*weight(w)/left))
			left -= weight(w)
		}
		fmt.Fprintf(os.Stderr, "[%*d/%d] %s\n", 2, i+1, len(parts), p.title(chosen))
		p.run(r, w)
	}
	r.Took, r.LoadAfter = time.Since(r.Day), machine.Load()
	return r
}

func find(all []harness.Workload, id string) *harness.Workload {
	for i := range all {
		if all[i].ID == id {
			return &all[i]
		}
	}
	return nil
}

// weight is a workload's share of the time.
func weight(w *harness.Workload) (sum float64) {
	for i := range w.Cases {
		sum += w.Cases[i].Share()
	}
	return sum
}
