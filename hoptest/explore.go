package hoptest

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/gohop/hop/internal/explore"
)

// A Strategy says which schedules [Explore] tries.
type Strategy uint8

const (
	// Random chooses at each step among the goroutines that can go on; in some runs it changes often, in others seldom.
	Random Strategy = iota
	// PCT gives each goroutine a random priority. The highest runs, and at Preemptions random moments it becomes the lowest. It
	// is better than Random at bugs that need one goroutine to be slow for long.
	PCT
	// Exhaustive tries all schedules in which goroutines that could go on are made to wait at most Preemptions times, and stops
	// when there are no more: if none fails, none of these can.
	Exhaustive
)

// ExploreOptions are the options of [Explore]; nil stands for the zero value.
type ExploreOptions struct {
	Strategy Strategy
	// Runs is how many schedules are tried. 0: 1000; with Exhaustive: all.
	Runs int
	// Seed makes the schedules: the same seed, the same schedules. 0: the number in the environment variable HOP_SEED, else 1.
	Seed uint64
	// Preemptions is for PCT and Exhaustive: see there. 0: 3 for PCT, 2 for Exhaustive; negative: none.
	Preemptions int
	// Steps is how many steps a run may have; it fails if it has more. 0: 10000.
	Steps int
	// Slack is how far the clock may go on at a time while goroutines could run. Timers fire in the middle of things, as on a
	// machine that is busy: for so long, up to 20 times in a run. 0: a millisecond, but never with Exhaustive; negative: never.
	Slack time.Duration
}

// Explore runs f many times, each time under another schedule, until one fails. It finds what goes wrong only when goroutines and tasks
// run in an unlucky order: updates that are lost between a wait and what follows it, checks that are not repeated after
// a wait, deadlocks, goroutines that are left behind.
//
// In a run one goroutine goes on at a time, to its next step: a call that is sent, starts or ends, a wait that begins or ends, a cancel, a
// stop, a timer, or a [Trial.Point]. There the seed decides who is next. f runs in a bubble of testing/synctest: its clock begins in the
// year 2000 and goes on only when all goroutines are blocked (or by Slack), so f may sleep for free. Loops, pools, channels and all else that f uses
// must be made in f; [hop.Shared] is not in the bubble. f must do the same each time, apart from the schedule: no random
// numbers, no files, no real time, no ranging over maps where the order matters.
//
// A run fails by [Trial.Errorf] or [Trial.Fatalf]; by a panic in f or in [Trial.Go]; if f waits and nothing moves any more, for a virtual hour; if
// goroutines are left an hour after f has returned; if it has too many steps. What a call panics with is in its error, as always, and a
// panic in a function of Post or of a go statement ends the process. Explore shortens the schedule that fails to the few changes between
// goroutines that matter, and fails t with a table of what each goroutine did, in which order:
//
//	step  time  g1 test        g2 worker of pool   g3 worker of pool   at
//	   1  0s    begin
//	   2  0s    submit call A                                          cache_test.go:31
//	   3  0s                   start call A
//	…
//
// and with the values of HOP_SEED and HOP_SCHEDULE that run it again, alone:
//
//	HOP_SEED=7 HOP_SCHEDULE=1x3,2x2,3x4,2 go test -run '^TestCache$'
//
// Code between two steps runs undisturbed, so Explore does not see a race of goroutines that use no hop between two reads: put a Point
// there, and leave data races to the race detector; both work together. A mutex of yours that is held over a step will do as in real life, but
// virtual time cannot see who waits for it: a run that does not come to rest for 30 real seconds fails.
// With the build tag hopexplore the locks inside hop are steps too; that is for hop's own tests.
//
// Explorations run one at a time, with GOMAXPROCS(1) for the whole process; parallel tests wait for each other there. Explore must not
// be called in a bubble, or in f, and f must not call synctest.Wait. What a run that fails has left behind stays in the process, blocked.
func Explore(t *testing.T, o *ExploreOptions, f func(x *Trial)) {
	t.Helper()
	r := search(t, o, f)
	if r.Failure != nil {
		t.Fatal(r.Failure.Error())
	}
	all := ""
	if r.Exhausted {
		all = ", all there are"
	}
	t.Logf("hop: %d schedules with %d steps%s: none fails", r.Runs, r.Steps, all)
}

func search(t *testing.T, o *ExploreOptions, f func(x *Trial)) *explore.Result {
	if f == nil {
		panic("hop: Explore: nil function")
	}
	if o == nil {
		o = new(ExploreOptions)
	}
	e := explore.Options{
		Strategy: explore.Strategy(o.Strategy), Seed: o.Seed, Runs: o.Runs, Preemptions: o.Preemptions, Steps: o.Steps, Slack: o.Slack,
		Schedule: os.Getenv("HOP_SCHEDULE"),
	}
	if o.Strategy > Exhaustive || o.Runs < 0 || o.Steps < 0 {
		panic(fmt.Sprintf("hop: Explore: no such options: %+v", *o))
	}
	if e.Seed == 0 || e.Schedule != "" {
		e.Seed = seed()
	}
	return explore.Search(t, e, func(x *explore.Trial) { f(&Trial{x}) })
}

// seed is the seed where the options name none.
func seed() uint64 {
	s := os.Getenv("HOP_SEED")
	if s == "" {
		return 1
	}
	n, err := strconv.ParseUint(s, 0, 64)
	if err != nil {
		panic(fmt.Sprintf("hop: HOP_SEED=%q is not a number", s))
	}
	return n
}

// A Trial is one run of the function given to [Explore]. Its methods may be called from any goroutine of the run, tasks and workers included.
type Trial struct{ x *explore.Trial }

// Context returns a context that ends when the function given to Explore has returned.
func (x *Trial) Context() context.Context { return x.x.Context() }

// Errorf says that the run fails, and why.
func (x *Trial) Errorf(format string, args ...any) { x.x.Errorf(format, args...) }

// Fatalf is Errorf, and ends the calling goroutine as [Trial.FailNow] does.
func (x *Trial) Fatalf(format string, args ...any) { x.x.Fatalf(format, args...) }

// FailNow makes the run fail, and ends the calling goroutine with runtime.Goexit: a call on it ends with hop.ErrGoexit.
func (x *Trial) FailNow() {
	if !x.Failed() {
		x.Errorf("FailNow")
	}
	runtime.Goexit()
}

// Failed reports whether the run has failed.
func (x *Trial) Failed() bool { return x.x.Failed() }

// Logf notes something that is shown if the run fails.
func (x *Trial) Logf(format string, args ...any) { x.x.Logf(format, args...) }

// Point is a step of the caller's own: others may go first. name is shown in the table.
func (x *Trial) Point(name string) { x.x.Point(name) }

// Go runs f on a goroutine of its own. Its beginning is a step, a panic in it fails the run, and it has a name in the table. Goroutines of
// go statements take part too, from their first step on.
func (x *Trial) Go(name string, f func()) { x.x.Go(name, f) }
