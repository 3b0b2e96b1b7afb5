//go:build hopbugs && hopexplore

package model_test

// Do the model and the explorer find bugs? Here hop has some.

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/gohop/hop/internal/bug"
	"github.com/gohop/hop/internal/explore"
	"github.com/gohop/hop/internal/model"
)

var (
	only   = flag.String("bug", "", "look for this bug only")
	budget = flag.Duration("budget", time.Minute, "how long a bug may stay unfound; on a slow machine longer, see leastRuns")
	write  = flag.String("write", "", "write the table to this file, between the lines with planted-bugs in them, as Markdown")
	hunted = flag.Bool("hunt", false, "for the test's own processes: look for the bug that HOP_BUG names")
	atMost = flag.Int("runs", 0, "with -hunt: how many runs at most")
)

// A found is what a search for a bug came to.
type found struct {
	Bug      string
	Promise  string // that it broke; "": it was not found
	Runs     int
	Seconds  float64
	Seed     uint64
	Strategy explore.Strategy
	Kind     string // of the program, as -kind of TestReplay; "": any
	Replayed int    // how many of 10 repetitions failed too
	Text     string
}

// leastRuns are made before a bug is called unfound, however long they take.
const leastRuns = 40_000

// slice is how many runs are made in one way, before the next has its turn.
const slice = 1000

// ways are how runs are made.
var ways = []struct {
	strategy explore.Strategy
	kind     string
	make     func(uint64) *model.Program
}{
	{explore.Random, "", model.Generate},
	{explore.PCT, "", model.Generate},
	{explore.PCT, "ring", model.Ring},
	{explore.Random, "crowd", model.Crowd},
}

// TestHunt looks for the bug of its process. Each has one of its own: a hang leaves goroutines behind.
func TestHunt(t *testing.T) {
	if !*hunted {
		t.Skip("it is for the processes that TestPlantedBugs starts")
	}
	f := found{Bug: os.Getenv("HOP_BUG")}
	began := time.Now()
	for i := 0; f.Promise == "" && (*atMost == 0 || f.Runs < *atMost) && (*atMost > 0 || f.Runs < leastRuns || time.Since(began) < *budget); i++ {
		way := ways[i%len(ways)]
		body := func(x *explore.Trial) { try(x, way.make(x.Seed())) }
		o := explore.Options{Seed: *seed + uint64(f.Runs), Runs: slice, Strategy: way.strategy, NoShrink: true, Steps: maxSteps}
		r := explore.Search(t, o, body)
		f.Runs += r.Runs
		if r.Failure == nil {
			continue
		}
		f.Seconds = time.Since(began).Seconds()
		f.Seed, f.Strategy = r.Failure.Seed, r.Failure.Strategy
		f.Promise = promise(r.Failure)
		f.Kind = way.kind
		f.Text = fmt.Sprintf("%v\n%s", way.make(f.Seed), r.Failure.Message)
		for range 10 {
			if r := explore.Run(t, explore.Options{Seed: f.Seed, Strategy: f.Strategy, Steps: maxSteps}, body); r.Failure != nil && promise(r.Failure) == f.Promise {
				f.Replayed++
			}
		}
	}
	if f.Promise == "" {
		f.Seconds = time.Since(began).Seconds()
	}
	text, _ := json.Marshal(f)
	fmt.Printf("found %s\n", text)
}

// hunt looks for a bug in a process of its own.
func hunt(t *testing.T, name string, runs int) found {
	cmd := exec.Command(os.Args[0], "-test.run=^TestHunt$", "-hunt", fmt.Sprint("-seed=", *seed), fmt.Sprint("-budget=", *budget), fmt.Sprint("-runs=", runs))
	cmd.Env = append(os.Environ(), "HOP_BUG="+name)
	out, err := cmd.CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if text, ok := strings.CutPrefix(line, "found "); ok {
			var f found
			if err := json.Unmarshal([]byte(text), &f); err != nil {
				t.Error(err)
			}
			return f
		}
	}
	t.Errorf("%s: %v\n%s", name, err, out)
	return found{Bug: name}
}

// TestPlantedBugs plants each bug and looks for it; and then for none, as long as for the one that took longest.
func TestPlantedBugs(t *testing.T) {
	if *hunted {
		t.Skip("it has started this process")
	}
	all := make([]found, len(bug.All))
	next := make(chan int, len(all))
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for i := range next {
				all[i] = hunt(t, bug.All[i].Name, 0)
				t.Logf("%s: %s", all[i].Bug, all[i].told())
			}
		})
	}
	for i, m := range bug.All {
		if *only == "" || *only == m.Name {
			next <- i
		}
	}
	close(next)
	wg.Wait()
	most := 0
	for i, f := range all {
		if f.Bug == "" {
			continue
		}
		switch {
		case f.Promise == "":
			t.Errorf("%s was not found in %d runs, %.0f s: %s", f.Bug, f.Runs, f.Seconds, bug.All[i].What)
		case f.Replayed < 10:
			t.Errorf("%s: only %d of 10 repetitions of seed %d failed too", f.Bug, f.Replayed, f.Seed)
		case *only != "":
			t.Log(f.Text)
		}
		most = max(most, f.Runs)
	}
	if f := hunt(t, "", most); f.Promise != "" || f.Runs < most {
		t.Errorf("without a bug, %d runs found one: seed %d: %s", f.Runs, f.Seed, f.Text)
	}
	t.Logf("\n%s", table(all))
	t.Logf("without a bug: nothing in %d runs", most)
	if *write != "" {
		if err := writeTable(*write, all, most); err != nil {
			t.Error(err)
		}
	}
}

func (f found) told() string {
	if f.Promise == "" {
		return fmt.Sprintf("not found in %d runs, %.1f s", f.Runs, f.Seconds)
	}
	return fmt.Sprintf("%s; %d runs, %.1f s, %d of 10", f.Promise, f.Runs, f.Seconds, f.Replayed)
}

func table(all []found) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 4, 2, ' ', 0)
	fmt.Fprintf(w, "bug\tbroken promise\truns\tseconds\n")
	for _, f := range all {
		if f.Bug != "" {
			fmt.Fprintf(w, "%s\t%s\t%d\t%.1f\n", f.Bug, f.Promise, f.Runs, f.Seconds)
		}
	}
	w.Flush()
	return b.String()
}

// writeTable puts the table into a document, between two lines.
func writeTable(name string, all []found, most int) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	before, rest, ok1 := strings.Cut(string(text), "<!-- planted-bugs: begin -->\n")
	_, after, ok2 := strings.Cut(rest, "<!-- planted-bugs: end -->")
	if !ok1 || !ok2 {
		return fmt.Errorf("%s has no lines <!-- planted-bugs: begin --> and <!-- planted-bugs: end -->", name)
	}
	var b strings.Builder
	b.WriteString("| bug | where | broken promise | runs | seconds |\n|---|---|---|---:|---:|\n")
	for i, f := range all {
		fmt.Fprintf(&b, "| %s | `%s` | %s | %d | %.1f |\n", bug.All[i].What, bug.All[i].Where, f.Promise, f.Runs, f.Seconds)
	}
	fmt.Fprintf(&b, "\nWithout a bug, the same search found nothing in %d runs.\n", most)
	return os.WriteFile(name, []byte(before+"<!-- planted-bugs: begin -->\n"+b.String()+"<!-- planted-bugs: end -->"+after), 0o666)
}
