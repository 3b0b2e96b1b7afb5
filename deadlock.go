package hop

import (
	"iter"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"github.com/gohop/hop/internal/bug"
	"github.com/gohop/hop/internal/goid"
	"github.com/gohop/hop/internal/turn"
)

// The wait graph. Its nodes are goroutines (fibers): a goroutine that stands in a wait cannot go on before what it
// waits for has happened, and all the calls that it runs, one on top of the other, with it. From it edges lead
//
//   - to the goroutine that runs the call it waits for;
//   - to all members of the group, all calls accepted by the Waiter, or all that collect was given, that it waits for;
//   - to those that collect was given to wait for the first of, of which one suffices;
//   - to the holders of the limiter it waits for, and to the calls that they have made since, of which one suffices;
//   - to the goroutine that opens the Local it waits for, call or not;
//   - to the calls that run in the place whose end it waits for, if that lets them finish. The wait itself is never refused for that: see endwait.go.
//
// A goroutine that stands in no wait, a call that has not started, a promise, an event, a timer: they lead nowhere;
// whoever waits for them is not stuck, as far as hop knows. A goroutine is stuck if no order of events among those that hop
// knows can let it go on. The wait that would make its own goroutine stuck is refused.
//
// Every new wait looks, after it has become visible and before it blocks, so of two waits that close a cycle at the same time at
// least one sees it. Most find at the first step that what they wait for does not wait. The others search under one
// lock, so that only one of the two is refused; and look twice: if each wait found by the first look still stands, as
// the same wait, at the second, then all stood together at the moment between. A cycle is never put together from
// waits that stood at different times.

// A manyWait is a wait for several calls.
type manyWait struct {
	any    bool                         // one of them suffices,
	failed bool                         // if it does not succeed
	each   func(yield func(*Call) bool) // the calls, under the lock of what keeps them
	open   func() bool                  // something else, that hop does not know, can end the wait
	of     *waitedFor                   // what it is, for texts; nil: the calls themselves
	name   string                       // of that

	by      func() *fiber                // the goroutine whose doing it is, call or not
	maybe   func(yield func(*Call) bool) // others that may suffice, with any
	waiter  atomic.Pointer[fiber]        // of several calls: who waits,
	witness atomic.Pointer[Call]         // and one of those of which one suffices that was seen to end without him

	deaf bool // nothing but what it waits for ends it: no refusal, no stop, no context
	runs bool // it is for the functions of the calls, those of abandoned ones too
}

var (
	graphMu    turn.Mutex
	graphOwner atomic.Uintptr // the goroutine that has it: calls may end while it looks
)

func lockGraph() {
	graphMu.Lock()
	graphOwner.Store(goid.Self())
}

func unlockGraph() {
	lookAtGuesses()
	graphOwner.Store(0)
	graphMu.Unlock()
}

// findDeadlock looks for a deadlock that the wait of fb, the caller's, would close. If there is one, the wait is taken out of
// armed and the error returned. on is the call waited for, if it is one.
func findDeadlock(fb *fiber, on *Call) error {
	if fb.cur.Load() == nil && fb.opens.Load() == 0 {
		return nil // a function that is no call: nobody can wait for it, but for a Local that it opens
	}
	many := fb.wait.onMany.Load()
	switch {
	case on != nil && many == nil && !on.leadsOn(fb):
		return nil
	case on == nil && many != nil && many.goesOn(fb):
		return nil
	}
	lockGraph()
	defer unlockGraph()
	if on == nil && many != nil && many.any && many.maybe == nil && many.oneEnds(fb) {
		return nil
	}
	d, at := searchDeadlock(fb)
	if d == nil {
		return nil
	}
	if at.fb != fb {
		at.refuse(d) // and this one can end then
		return nil
	}
	for {
		old := fb.wait.state.Load()
		if p := phase(old & phaseMask); p != armed && p != poked {
			return nil // it was woken meanwhile
		}
		if fb.wait.state.CompareAndSwap(old, old&^phaseMask) {
			return d
		}
	}
}

// leadsOn reports whether a wait of fb for the call is a step of a longer way, as the goroutine that runs the call waits too, or is fb itself.
func (c *Call) leadsOn(fb *fiber) bool {
	next := c.fb.Load()
	return next != nil && (next == fb || next.wait.standing())
}

// goesOn reports whether a wait of fb for many is seen to come to an end without a search: none of all leads on; or, of those of which one suffices, one
// leads nowhere. Where there are many of those it matters that most often the first look finds one.
func (many *manyWait) goesOn(fb *fiber) bool {
	switch {
	case many.by != nil:
		return false
	case many.any:
		found := false
		many.each(func(c *Call) bool {
			found = c.leadsNowhere(fb, many.runs) && !(many.failed && c.raw() == Succeeded)
			return !found
		})
		return found
	}
	on := false
	many.each(func(c *Call) bool {
		on = c.leadsOn(fb)
		return !on
	})
	return !on
}

// leadsNowhere reports whether the call, and its function if that runs, has ended, or waits, perhaps through others one after the other, for nothing that hop
// knows. A wait that begins later looks itself.
func (c *Call) leadsNowhere(fb *fiber, runs bool) bool {
	for range 16 {
		at := c.fb.Load()
		if at == nil || c.done() && !(runs && c.out()) {
			return true
		}
		runs = true // who waits for a function that is out waits for its goroutine
		w := &at.wait
		seq, next := w.seq(), w.onCall.Load()
		switch {
		case at == fb:
			return false
		case !w.standing():
			return true
		case next == nil:
			return w.onMany.Load() == nil && endWaits.known.Load() == 0 && w.seq() == seq
		}
		c = next
	}
	return false
}

// oneEnds reports whether one of the calls is seen to end without fb, who waits for the first of them, by a look at what that one waits for alone: there
// may be very many. Most often it is the one that was found the last time. It needs graphMu.
func (many *manyWait) oneEnds(fb *fiber) (found bool) {
	if c := many.witness.Load(); c != nil && !c.done() && c.endsWithout(fb) {
		return true
	}
	many.each(func(c *Call) bool {
		if c.done() && many.failed && c.raw() == Succeeded || !c.endsWithout(fb) {
			return true
		}
		many.witness.Store(c)
		found = true
		return false
	})
	return found
}

// endsWithout reports whether the call is not stuck, even if fb never goes on and nobody gives a place back in another's stead; false where that would
// take long to see. It needs graphMu.
func (c *Call) endsWithout(fb *fiber) bool {
	at := c.fb.Load()
	if c.done() || at == nil {
		return true
	}
	if at == fb {
		return false
	}
	g := &graph{nodes: map[*fiber]*node{fb: {fb: fb}}}
	n := g.visit(at)
	for i := 0; i < len(g.order); i++ { // visit appends
		if i == maxSteps {
			return false
		}
		g.expand(g.order[i])
	}
	g.settle(false)
	return n.free
}

// maxSteps is how many goroutines endsWithout looks at.
const maxSteps = 100

// searchDeadlock returns the deadlock that fb's wait is part of, nil if there is none, and the goroutine whose wait is to be refused: fb,
// but where fb is only stuck behind one. It needs graphMu. A cycle that is
// there stays: when the second look does not find the same, something has moved, and it is looked again. So it is for 0.1 s while
// one of them may be told that its context is over.
func searchDeadlock(fb *fiber) (*DeadlockError, *node) {
	for i := range maxSearches + maxPauses {
		g := survey(fb)
		cycle := g.cycle(fb)
		if cycle == nil {
			if g.noteGuess(fb) {
				continue
			}
			return nil, nil
		}
		stuck := g.stillStuck(survey(fb), cycle)
		switch {
		case bug.OneLook || stuck && (i == maxSearches+maxPauses-1 || !g.late()):
			return &DeadlockError{Cycle: g.hops(cycle)}, cycle[len(cycle)-1].to
		case i < maxSearches:
			runtime.Gosched()
		case stuck:
			pauseSearch()
		default:
			return nil, nil
		}
	}
	return nil, nil
}

// pauseSearch lets the goroutine of package context's run that may have to tell one of those that are stuck, where the system keeps its thread
// from running. Others may search meanwhile. It needs graphMu.
func pauseSearch() {
	if goid.InBubble() { // the clock would notice
		runtime.Gosched()
		return
	}
	graphOwner.Store(0)
	graphMu.Unlock()
	time.Sleep(time.Millisecond)
	lockGraph()
}

// late reports whether one of those that are stuck may hear in a moment that its context is over.
func (g *graph) late() bool {
	return slices.ContainsFunc(g.order, func(n *node) bool { return !n.free && n.fb.wait.late() })
}

// refuse ends the wait that n was in with d.
func (n *node) refuse(d *DeadlockError) {
	n.fb.wait.refusal.Store(d)
	n.fb.wait.wakeAs(n.seq, refused)
}

const (
	maxSearches = 1000 // bounds how often it is looked again: what moves so often is no deadlock
	maxPauses   = 100  // how often after that, where one of them may be late
)

// refuseStuck refuses the waits of those of fbs that are stuck, now that something has changed without a wait of theirs that begins.
func refuseStuck(fbs iter.Seq[*fiber]) {
	lockGraph()
	defer unlockGraph()
	for fb := range fbs {
		if fb.cur.Load() == nil {
			continue
		}
		if d, at := searchDeadlock(fb); d != nil {
			at.refuse(d)
		}
	}
}
