package hoptest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gohop/hop"
)

// leakPatience is how long NoLeaks waits for what is about to end; a variable for the tests of NoLeaks.
var leakPatience = 5 * time.Second

// NoLeaks fails the test if it leaves something of hop behind: loops that are not stopped, and goroutines that are in hop or were
// started by it, which are loops, tasks, workers of pools, functions that go on after their call was abandoned, and goroutines that
// wait in hop for what never comes. It says of each what it is, where it is and where it was started.
//
// Call it first, before loops and pools are made: it looks when all later cleanups have run, and waits up to five seconds
// for what is about to end. What was there before is not looked at, nor are the loop of [hop.Shared] and idle workers of
// [hop.Workers], which outlive tests by design. A test that has failed otherwise is not looked at.
//
// hop does not know who has called NewLoop or Submit, but the runtime does: run the tests with
//
//	GODEBUG=tracebackancestors=10 go test
//
// and the report names the place in the test. Then goroutines that a call has started with a go statement are found too; without
// it only while those that started them are left too.
//
// NoLeaks looks at the whole process, and cannot tell tests apart: in tests that run in parallel with others that use hop it
// reports what is theirs. In a bubble of testing/synctest it looks at the goroutines of the bubble only, so there it may be used
// in parallel tests; loops without a goroutine (Manual ones that nobody drives, guests) are then not reported, and workers of
// hop.Workers that were started in the bubble are. Call it inside the bubble; the time that it waits is virtual.
func NoLeaks(t testing.TB) {
	t.Helper()
	before := look()
	if before.bubble == "" {
		hop.Shared()
		before = look()
	}
	workers := hop.Workers().Stats().Idle
	t.Cleanup(func() {
		t.Helper()
		if t.Failed() {
			return
		}
		if before.bubble != "" {
			// Time goes on when everything in the bubble is blocked or has ended. Before, a goroutine may escape a look: the
			// runtime takes it out of its bubble for moments.
			time.Sleep(time.Nanosecond)
		}
		var l leaks
		pause := time.Millisecond
		for end := time.Now().Add(leakPatience); ; {
			if l = before.compare(look(), workers); l.none() {
				return
			}
			if time.Now().After(end) {
				break
			}
			time.Sleep(pause) // nothing announces the end of a goroutine
			pause = min(2*pause, 50*time.Millisecond)
		}
		t.Errorf("hoptest: the test leaves behind %v", l)
	})
}

// A sight is what there is at one moment.
type sight struct {
	self   string // the goroutine that looks
	bubble string // where it looks from
	loops  []*hop.Loop
	stacks []stack
}

func look() sight {
	all := stacks()
	s := sight{self: all[0].id, bubble: all[0].bubble}
	for _, st := range all {
		if st.bubble == s.bubble {
			s.stacks = append(s.stacks, st)
		}
	}
	if s.bubble == "" {
		s.loops = hop.Loops()
	}
	return s
}

// leaks is what is too much.
type leaks struct {
	loops  []*hop.Loop
	stacks []stack
}

func (l leaks) none() bool { return len(l.loops)+len(l.stacks) == 0 }

// compare returns what is there now and was not before. workers is how many idle workers the shared pool had before.
func (before sight) compare(now sight, workers int) leaks {
	var l leaks
	for _, loop := range now.loops {
		if !slices.Contains(before.loops, loop) {
			l.loops = append(l.loops, loop)
		}
	}
	old := make(map[string]stack)
	for _, s := range before.stacks {
		old[s.id] = s
	}
	survivors := 0 // idle workers that were there before, and still are
	var rest, idle, spares []stack
	for _, s := range now.stacks {
		o, known := old[s.id]
		switch {
		case s.id == now.self:
		case known && (o.runs() || !s.runs()): // else it was idle, and runs a function that came since
			if o.idleWorker() && s.idleWorker() {
				survivors++
			}
		case s.idleWorker():
			idle = append(idle, s)
		case s.coroutine() && !s.runs():
			spares = append(spares, s)
		default:
			rest = append(rest, s)
		}
	}
	// What a goroutine that is left has started is left too: look until nothing more is found.
	left := make(map[string]bool)
	for found := true; found; {
		found = false
		for _, s := range rest {
			if !left[s.id] && (s.ofHop() || left[s.creatorID]) {
				left[s.id], found = true, true
				l.stacks = append(l.stacks, s)
			}
		}
	}
	shared := 0
	if now.bubble == "" {
		shared = max(0, hop.Workers().Stats().Idle-min(survivors, workers))
	}
	if over := len(idle) - shared; over > 0 {
		l.stacks = append(l.stacks, idle[len(idle)-over:]...)
	}
	// A loop that was there before may have made more coroutines, and keeps them. One that is left shows otherwise, but for a
	// guest in a bubble.
	if len(l.stacks) == 0 && now.bubble != "" {
		l.stacks = spares
	}
	return l
}

func (l leaks) String() string {
	var b strings.Builder
	if n := len(l.loops); n > 0 {
		fmt.Fprintf(&b, "%s not stopped (Close or Shutdown ends one):\n", count(n, "loop"))
		for _, loop := range l.loops {
			fmt.Fprintf(&b, "    %v, ID %d", loop, loop.ID())
			if p := loop.Parent(); p != nil {
				fmt.Fprintf(&b, ", a child of %v", p)
			}
			b.WriteByte('\n')
		}
	}
	if len(l.loops) > 0 && len(l.stacks) > 0 {
		b.WriteString("and ")
	}
	if n := len(l.stacks); n > 0 {
		fmt.Fprintf(&b, "%s:\n", count(n, "goroutine"))
	}
	hint := false
	for _, s := range l.stacks {
		f, known := s.started()
		fmt.Fprintf(&b, "    %s, started by %s at %s:\n", s.what(), f.function, f.at)
		hint = hint || !known
		b.WriteString("        " + strings.ReplaceAll(strings.TrimSpace(s.text), "\n", "\n        ") + "\n")
	}
	if hint {
		b.WriteString("GODEBUG=tracebackancestors=10 shows where the test has started them\n")
	}
	return b.String()
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
