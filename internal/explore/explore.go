// Package explore runs a concurrent program under many schedules, one goroutine at a time, and finds those under which it fails.
//
// The program says by package turn where it matters who goes on first; the exploration decides it there. See run.go for how
// one schedule is run, strategy.go for which schedules there are, shrink.go for how one that fails is made short.
package explore

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gohop/hop/internal/goid"
	"github.com/gohop/hop/internal/turn"
)

// Options are the options of an exploration. The zero value is ready.
type Options struct {
	Strategy Strategy
	// Seed is that of the first run; the next has the next number, but for Exhaustive, where all have the same.
	Seed uint64
	// Runs is how many runs there are at most. 0: 1000; Exhaustive: no bound.
	Runs int
	// Preemptions is how often a run takes the turn from a goroutine that could go on. PCT: how many moments change the
	// priorities; 0: 3. Exhaustive: at most; 0: 2; negative: never.
	Preemptions int
	// Steps is how many a run may have; it fails then. 0: 10000.
	Steps int
	// Slack is how far the virtual clock may go at a time while goroutines could go on. 0: a millisecond; Exhaustive: not at
	// all. Negative: not at all.
	Slack time.Duration
	// Schedule is a Failure's or a Result's: that one is run.
	Schedule string
	// NoShrink leaves a schedule that fails as it was found.
	NoShrink bool
	// Silence is the virtual time after which a run in which nobody comes to a point has come to its end, or hangs. 0: an hour.
	Silence time.Duration
	// Watchdog is the real time that a run may take. 0: 30 seconds.
	Watchdog time.Duration
}

func (o Options) filled() (Options, error) {
	var err error
	fill(&o.Steps, 10000)
	fill(&o.Silence, time.Hour)
	fill(&o.Watchdog, 30*time.Second)
	switch o.Strategy {
	case Random:
		fill(&o.Runs, 1000)
	case PCT:
		fill(&o.Runs, 1000)
		fill(&o.Preemptions, 3)
	case Exhaustive:
		fill(&o.Preemptions, 2)
		if o.Slack == 0 {
			o.Slack = -1
		}
	default:
		err = fmt.Errorf("hop: explore: there is no strategy %d", o.Strategy)
	}
	fill(&o.Slack, time.Millisecond)
	return o, err
}

func fill[T comparable](to *T, v T) {
	var zero T
	if *to == zero {
		*to = v
	}
}

// A Result is what an exploration has done.
type Result struct {
	Runs      int  // how many schedules, without those of shrinking
	Steps     int  // in all of them
	Exhausted bool // Exhaustive has tried all
	Elapsed   time.Duration
	Schedule  string   // that of the last run
	Trace     []Row    // its steps, from Run; from Search if it has failed
	Failure   *Failure // nil: none
}

var (
	one   sync.Mutex  // exploration at a time
	stuck atomic.Bool // a bubble is left that has not come to rest: its goroutines may come to points at any time
)

// A search is one exploration.
type search struct {
	t      *testing.T
	o      Options
	d      *director
	body   func(*Trial)
	result Result
}

// start begins an exploration; end must be called.
func start(t *testing.T, o Options, body func(*Trial)) (s *search, end func()) {
	o, err := o.filled()
	if err != nil {
		panic(err)
	}
	if goid.InBubble() {
		panic("hop: an exploration cannot be started inside another, or in a testing/synctest bubble: it makes bubbles of its own")
	}
	calibrate()
	one.Lock()
	if stuck.Load() {
		one.Unlock()
		t.Fatal("hop: an earlier exploration is stuck, its goroutines may still come to points: nothing can be explored in this process any more")
	}
	s = &search{t: t, o: o, d: new(director), body: body}
	procs := runtime.GOMAXPROCS(1)
	undirect := turn.Direct(s.d)
	began := time.Now()
	return s, func() {
		s.result.Elapsed = time.Since(began)
		undirect()
		runtime.GOMAXPROCS(procs)
		one.Unlock()
	}
}

// run runs the body once.
func (s *search) run(c chooser, seed uint64, detailed bool) *run {
	r := &run{o: &s.o, strategy: c, seed: seed, detailed: detailed}
	r.do(s.t, s.d, s.body)
	return r
}

// Search runs body under many schedules until one fails, and returns that, shortened. It does not fail t.
func Search(t *testing.T, o Options, body func(*Trial)) *Result {
	if o.Schedule != "" {
		return Run(t, o, body)
	}
	s, end := start(t, o, body)
	defer end()
	s.search()
	return &s.result
}

func (s *search) search() {
	var tree *exhaustive
	if s.o.Strategy == Exhaustive {
		tree = &exhaustive{bound: max(0, s.o.Preemptions)}
	}
	for s.o.Runs == 0 || s.result.Runs < s.o.Runs {
		seed := s.o.Seed + uint64(s.result.Runs)
		var c chooser
		switch s.o.Strategy {
		case Random:
			c = newRandom(seed)
		case PCT:
			c = newPCT(seed, s.o.Preemptions)
		default:
			c, seed = tree, s.o.Seed
		}
		r := s.run(c, seed, false)
		s.result.Runs++
		s.result.Steps += len(r.steps)
		if tree != nil && r.failure == nil && len(r.steps) < len(tree.path) {
			r.fail(Diverged, "the run has ended before the choice that it was to try: the body does not do the same each time")
		}
		if r.failure != nil {
			r.failure.Run = s.result.Runs
			s.found(r)
			return
		}
		s.result.Schedule = r.schedule()
		if tree != nil && !tree.next() {
			s.result.Exhausted = true
			return
		}
	}
}

// found is told of a run that has failed.
func (s *search) found(r *run) {
	if r.failure.repeats() {
		if !s.o.NoShrink {
			r = s.shrink(r)
		}
		r = s.again(r)
	}
	s.result.Failure = s.failure(r)
	s.result.Trace = s.result.Failure.Trace
	s.result.Schedule = s.result.Failure.Schedule
}

// again repeats a run, noting where each step is.
func (s *search) again(r *run) *run {
	again := s.run(&replay{r.choices()}, r.seed, true)
	again.from(r)
	if again.failure == nil || again.failure.Kind != r.failure.Kind {
		r.failure.Message += "\n(the same schedule does not fail the same way again: the body does not do the same each time)"
		return r
	}
	return again
}

// Run runs body once.
func Run(t *testing.T, o Options, body func(*Trial)) *Result {
	s, end := start(t, o, body)
	defer end()
	var c chooser
	if s.o.Schedule != "" {
		choices, err := parseSchedule(s.o.Schedule)
		if err != nil {
			panic(err)
		}
		c = &replay{choices}
	} else {
		switch s.o.Strategy {
		case Random:
			c = newRandom(s.o.Seed)
		case PCT:
			c = newPCT(s.o.Seed, s.o.Preemptions)
		default:
			c = &exhaustive{bound: 0}
		}
	}
	r := s.run(c, s.o.Seed, true)
	s.result.Runs, s.result.Steps = 1, len(r.steps)
	s.result.Schedule = r.schedule()
	s.result.Trace = r.rowsOf(r.steps)
	if r.failure != nil {
		r.failure.Run = 1
		s.result.Failure = s.failure(r)
	}
	return &s.result
}
