package report

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gohop/hop/bench/internal/harness"
	"github.com/gohop/hop/bench/internal/stats"
)

// WriteDocs writes benchmarks.md into docs, and the plots into docs/bench.
func (r *Report) WriteDocs(docs string) error {
	plots := filepath.Join(docs, "bench")
	if err := os.MkdirAll(plots, 0o755); err != nil {
		return err
	}
	for i := range r.Workloads {
		wl := &r.Workloads[i]
		file := filepath.Join(plots, chartName(wl))
		if err := writeFile(file, func(w io.Writer) error { return r.WriteChart(w, wl) }); err != nil {
			return err
		}
	}
	return writeFile(filepath.Join(docs, "benchmarks.md"), r.WriteMarkdown)
}

func chartName(wl *harness.Workload) string { return strings.ToLower(wl.ID) + ".svg" }

func writeFile(name string, write func(io.Writer) error) error {
	var b strings.Builder
	if err := write(&b); err != nil {
		return err
	}
	return os.WriteFile(name, []byte(b.String()), 0o644)
}

// WriteMarkdown writes the page.
func (r *Report) WriteMarkdown(w io.Writer) error {
	fmt.Fprint(w, head)
	r.writeMachine(w)
	r.writeSummary(w)
	r.writeFloors(w)
	for i := range r.Workloads {
		wl := &r.Workloads[i]
		fmt.Fprintf(w, "\n## %s: %s\n\n%s\n\n", wl.ID, wl.Title, wl.About)
		r.workloadTable(wl.ID).write(w)
		fmt.Fprintf(w, "\n![%s: %s](bench/%s)\n", wl.ID, wl.Title, chartName(wl))
	}
	r.writePython(w)
	r.writeSizes(w)
	_, err := fmt.Fprint(w, absent)
	return err
}

const head = `# Benchmarks

This page is written by ` + "`go run ./bench`" + `, which measures hop beside what its users would pick instead, doing the same work in one
run. Do not edit it: run that command again (` + "`-run B4`" + ` for one workload, ` + "`-quick`" + ` for a minute's worth, ` + "`-json`" + ` for a program to
read; only a full run writes this page). The same workloads are Go benchmarks too: ` + "`cd bench && go test -bench .`" + `.

How to read it:

- Absolute times on shared machines mean little; ratios last. hop and each peer take turns (hop, peer, hop, next peer, …), the ratio
  is taken within each such pair, and what stands here is the median of these ratios over the rounds, with their quartiles.
  Below 1, hop is faster or smaller.
- Wake-ups of locked threads are bimodal, so latencies are shown as p50, p90 and p99, never as a mean alone.
- "±" is half the distance between the quartiles over the rounds, as a share of the median.
- Every side is set up afresh for each run, its results are checked, and a collection of garbage goes before each run. Each workload
  has a process of its own. Timing an operation by itself reads the clock twice, which is part of every latency here.
- The load average tells whether others used the machine meanwhile. Where one side spins for a reply, as hop does for a moment before it
  sleeps, a busy machine changes the figures more than for one that always sleeps.
- The floor is a physical limit measured in the same run: not a peer, but what nothing can be faster than.
`

func (r *Report) writeMachine(w io.Writer) {
	fmt.Fprint(w, "\n## Machine and versions\n\n")
	m := r.Machine
	t := &table{}
	t.add("what", "here")
	t.add("day", r.Day.Format(time.DateOnly))
	t.add("duration of the run", fmt.Sprintf("%.0f s", r.Took.Seconds()))
	t.add("processor", fmt.Sprintf("%s, %d cores, GOMAXPROCS=%d", m.CPU, m.Cores, m.Procs))
	t.add("memory", m.Memory)
	if r.LoadBefore != "" {
		t.add("load average, before and after", r.LoadBefore+" and "+r.LoadAfter)
	}
	t.add("system", m.System)
	t.add("Go", m.Go)
	for _, mod := range m.Modules {
		t.add(mod.Path, mod.Version)
	}
	t.write(w)
}

func (r *Report) writeSummary(w io.Writer) {
	met, all := r.count()
	fmt.Fprintf(w, "\n## Targets\n\n%d of %d met.\n\n", met, all)
	t := &table{}
	t.add("#", "case", "hop", "best of the others", "theirs", "hop ÷ theirs (quartiles)", "target", "")
	for _, res := range r.Results {
		for _, v := range res.Verdicts {
			theirs := ""
			if p, ok := v.Peers[v.Best]; ok {
				theirs = figure(v.Unit, p)
			}
			t.add(res.Workload, v.Case, figure(v.Unit, v.Hop), v.Best, theirs, ratio(v.Ratio), "≤ "+short(v.Max), mark(v.Met))
		}
	}
	t.write(w)
}

func (r *Report) writeFloors(w io.Writer) {
	fmt.Fprint(w, "\n## The floor\n\n")
	t := &table{}
	t.add("limit", "what it is", "time")
	for _, f := range r.Floors {
		t.add(f.Name, f.About, spread(harness.Nanoseconds, f.NS))
	}
	t.write(w)
}

func (r *Report) writePython(w io.Writer) {
	if len(r.Python) == 0 {
		return
	}
	fmt.Fprint(w, `
## Beside the Python systems that hop descends from

The Python figures are quoted: measured once, on a machine like this, with Python 3.11 and these systems' own code. hop's were measured in this
run. It is not a side-by-side run, and two languages are compared with it; it shows an order of magnitude.

`)
	t := &table{}
	t.add("system", "what", "quoted", "hop's counterpart", "hop, this run", "times faster")
	for _, p := range r.Python {
		quoted := float64(p.Python)
		if p.Error != "" {
			t.add(p.System, p.What, figure(harness.Nanoseconds, quoted), p.Hop, "failed", "")
			continue
		}
		t.add(p.System, p.What, figure(harness.Nanoseconds, quoted), p.Hop, spread(harness.Nanoseconds, p.NS), times(quoted, p.NS))
	}
	t.write(w)
}

func times(quoted float64, s stats.Spread) string {
	if s.Median == 0 {
		return ""
	}
	return digits(quoted / s.Median)
}

func (r *Report) writeSizes(w io.Writer) {
	if r.Sizes.Hop == 0 {
		return
	}
	fmt.Fprint(w, "\n## Size of a program\n\nTwo programs that do the same, built with `go build -trimpath -ldflags=\"-s -w\"`: one starts a call on a loop and waits for it, the\n"+
		"other does so with a goroutine and a channel. Both print with fmt.\n\n")
	t := &table{}
	t.add("program", "bytes")
	t.add("without hop", fmt.Sprint(r.Sizes.Plain))
	t.add("with hop", fmt.Sprint(r.Sizes.Hop))
	t.add("difference", fmt.Sprint(r.Sizes.Hop-r.Sizes.Plain))
	t.write(w)
}

const absent = `
## Not in this run

- ` + "`thread` and `mainthread` of golang.design/x/runtime" + ` could not be had from the module proxy when this was written. Both hand functions over a
  buffered channel to a goroutine on a locked thread and wait on a pooled reply channel; "channel of funcs" in B1, B2 and B4 is that without
  their selects, checks and pools.
- ` + "`github.com/joeycumines/go-eventloop`" + ` could not be had either, and asks for Go 1.27.1.
- ` + "`golang.org/x/sync` and `github.com/gammazero/workerpool`" + ` are the newest versions that build with Go 1.25, as hop does.
`
