package model_test

import (
	"flag"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gohop/hop/internal/explore"
	"github.com/gohop/hop/internal/model"
)

var (
	programs = flag.Int("programs", 0, "how many random programs; 0: 10000, and fewer where that takes long")
	seed     = flag.Uint64("seed", 1, "of the first program; the next has the next number")
	replay   = flag.Uint64("replay", 0, "run the program of this seed only")
	pct      = flag.Bool("pct", false, "and by PCT")
	kind     = flag.String("kind", "", "with -replay: the program's kind: ring, crowd; else any")
	duration = flag.Duration("duration", 0, "run programs for so long, however many that are")
)

// usually is how many programs there are if nobody says.
var usually = 10_000

func init() {
	if runtime.GOARCH == "wasm" {
		usually = 500
	}
}

// maxSteps is how many steps of its schedule a program may take.
const maxSteps = 50_000

// body runs the program of the trial's seed.
func body(x *explore.Trial) { try(x, model.Generate(x.Seed())) }

func try(x *explore.Trial, p *model.Program) {
	e := model.New(p)
	e.Main()
	for _, b := range e.Broken() {
		x.Errorf("%s", b)
	}
}

// TestModel runs random programs, each under a schedule of its own, and checks what hop promises.
func TestModel(t *testing.T) {
	programs := *programs
	if programs == 0 {
		programs = usually
	}
	const slice = 5000
	began, ran, steps := time.Now(), 0, 0
	for more := true; more; {
		n := slice
		if *duration == 0 {
			n = min(n, programs-ran)
		}
		o := explore.Options{Seed: *seed + uint64(ran), Runs: n, NoShrink: true, Steps: maxSteps}
		if ran/slice%4 == 3 {
			o.Strategy = explore.PCT
		}
		r := explore.Search(t, o, body)
		ran += r.Runs
		steps += r.Steps
		if r.Failure != nil {
			t.Fatalf("program %d of %d: %s", ran, programs, explain(t, o, r.Failure))
		}
		t.Logf("%d programs, %d steps, %.1f s", ran, steps, time.Since(began).Seconds())
		more = *duration == 0 && ran < programs || *duration > 0 && time.Since(began) < *duration
	}
	if *duration == 0 && ran != programs {
		t.Errorf("%d programs ran, want %d", ran, programs)
	}
}

// TestReplay runs one program again.
func TestReplay(t *testing.T) {
	if *replay == 0 {
		t.Skip("no -replay=seed")
	}
	o := explore.Options{Seed: *replay, Steps: maxSteps}
	if *pct {
		o.Strategy = explore.PCT
	}
	p := model.Generate(*replay)
	switch *kind {
	case "ring":
		p = model.Ring(*replay)
	case "crowd":
		p = model.Crowd(*replay)
	}
	if r := explore.Run(t, o, func(x *explore.Trial) { try(x, p) }); r.Failure != nil {
		t.Fatalf("%v\n%s", p, r.Failure.Error())
	}
}

// explain makes the failing program, and then its schedule, as small as it can, and tells them.
func explain(t *testing.T, o explore.Options, f *explore.Failure) string {
	const patience = 300 // smaller programs
	p, left := model.Generate(f.Seed), patience
	original := p.String()
	p = model.Shrink(p, func(q *model.Program) bool {
		if left--; left < 0 || f.Kind == explore.Stuck {
			return false
		}
		o.Seed, o.Runs = f.Seed, 20 // of a smaller program another schedule may be the one that fails
		r := explore.Search(t, o, func(x *explore.Trial) { try(x, q) })
		if r.Failure == nil || promise(r.Failure) != promise(f) {
			return false
		}
		f = r.Failure
		return true
	})
	o.Seed = f.Seed
	f = explore.Shrink(t, o, f, func(x *explore.Trial) { try(x, p) })
	var b strings.Builder
	b.WriteString(promise(f) + "\n" + p.String() + "\n" + f.Error())
	if s := p.String(); s != original {
		b.WriteString("\nIt was made smaller; the original is the\n" + original)
	}
	return b.String()
}

// promise returns the promise that a run has broken, which is the first thing that its failure says.
func promise(f *explore.Failure) string {
	line, _, _ := strings.Cut(f.Message, "\n")
	if f.Kind == explore.Failed {
		line, _, _ = strings.Cut(line, ":")
	}
	return line
}
