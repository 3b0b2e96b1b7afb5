package hop

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"

	"github.com/gohop/hop/internal/goid"
	"github.com/gohop/hop/internal/turn"
	"github.com/gohop/hop/internal/waitlist"
)

// Waiting for the end of a loop or pool is waiting for all of its calls. Who searches for another wait's deadlock sees them as edges. But the wait for an
// end does not search itself, since what is to end may only be found to need it when a call has come to run. Instead a call that waits for an end looks
// back, at who waits for it, directly or through others: if that is one of the goroutines that the place is to end, neither could go on. It looks when it has been registered, and
// whenever a new wait begins anywhere all of them are looked at again, so it does not matter which of the waits closes the circle.
//
// Waits of several testing/synctest bubbles may stand here. Only one that the new wait has to do with is ever woken.
var endWaits struct {
	n     atomic.Int32
	known atomic.Int32 // of goroutines that hop knows
	mu    turn.Mutex
	all   []*endWait
}

// A party is a goroutine that somebody may wait for.
type party struct {
	fb *fiber // nil: hop does not know it
	g  uintptr
}

// An endWait is a wait for the end of a place.
type endWait struct {
	party
	w     *wait // nil: the goroutine's own, which hop does not know
	seq   uint64
	needs func(party) bool       // whether the place needs a goroutine for its end: what that runs, or what it has still to tell
	each  func(func(*Call) bool) // the calls that it lets finish

	looked atomic.Bool // itself; before, it may find that it is to end
}

// endWaitOf returns the wait for an end that fb's wait seq is, nil if it is none, or has not looked yet.
func endWaitOf(fb *fiber, seq uint64) *endWait {
	if endWaits.known.Load() == 0 {
		return nil
	}
	for _, e := range everyEndWait() {
		if e.fb == fb && e.seq == seq && e.looked.Load() {
			return e
		}
	}
	return nil
}

func (e *endWait) add() {
	endWaits.mu.Lock()
	defer endWaits.mu.Unlock()
	endWaits.all = append(endWaits.all, e)
	endWaits.n.Add(1)
	if e.w != nil {
		endWaits.known.Add(1)
	}
}

func (e *endWait) drop() {
	endWaits.mu.Lock()
	defer endWaits.mu.Unlock()
	endWaits.all = slices.DeleteFunc(endWaits.all, func(o *endWait) bool { return o == e })
	endWaits.n.Add(-1)
	if e.w != nil {
		endWaits.known.Add(-1)
	}
}

func everyEndWait() []*endWait {
	if endWaits.n.Load() == 0 {
		return nil
	}
	endWaits.mu.Lock()
	defer endWaits.mu.Unlock()
	return slices.Clone(endWaits.all)
}

// hostedHere reports whether the calling goroutine, which hop does not know, is the host's own of the loop, or of one below it: a wait for its
// end would stop the host, and the end with it.
func (l *Loop) hostedHere() bool {
	if l.hostIs(self()) {
		return true
	}
	l.mu.Lock()
	below := slices.Concat(l.children, l.guests)
	l.mu.Unlock()
	return slices.ContainsFunc(below, (*Loop).hostedHere)
}

// errNeeded says that what is to end waits for the caller.
var errNeeded = errors.New("hop: internal: the end needs the caller")

// awaitEnd waits for the end of the loop.
func (l *Loop) awaitEnd(ctx context.Context) error {
	if !l.ended.IsSet() && (l.stoppers.here() || l.hostedHere()) {
		return errNeeded
	}
	return awaitEnd(ctx, l.ended, l.needs, l.eachKept)
}

// needs reports whether the end of the loop needs that goroutine: it runs a task of the loop, or of one below it, or functions of users that come before.
func (l *Loop) needs(p party) (yes bool) {
	if p.fb != nil && l.runs(p.fb) {
		return true
	}
	l.eachBelow(func(b *Loop) { yes = yes || b.stoppers.has(p.g) })
	return yes
}

// eachKept yields the calls that run on the loop, and on those below it, and that their stop lets finish.
func (l *Loop) eachKept(yield func(*Call) bool) {
	for _, c := range l.running(nil) {
		if at, ok := c.Portal().(*Loop); ok && !at.s.closing.Load() && !yield(c) {
			return
		}
	}
}

// eachKept yields the calls that the workers run, if the pool's stop lets them finish.
func (p *Pool) eachKept(yield func(*Call) bool) {
	var calls []*Call
	p.mu.Lock()
	for w := range p.all {
		if w.place != out && !p.closing.Load() {
			calls = append(calls, w.fb.calls()...)
		}
	}
	p.mu.Unlock()
	for _, c := range calls {
		if !yield(c) {
			return
		}
	}
}

// awaitEnd waits for ended, the end of a place that needs goroutines, unless one of these is the caller, or waits for it. each yields the calls that the
// place lets finish.
func awaitEnd(ctx context.Context, ended *Event, needs func(party) bool, each func(func(*Call) bool)) error {
	fb := self()
	me := party{fb, goid.Self()}
	if ended.IsSet() {
		return nil
	}
	switch {
	case fb == nil && !stopping.here(): // nobody waits for it
		return ended.Wait(ctx)
	case fb == nil:
		e := &endWait{party: me, needs: needs, each: each}
		e.add()
		defer e.drop()
		if me.neededBy(needs) && !ended.IsSet() {
			return errNeeded
		}
		return ended.Wait(ctx)
	case me.neededBy(needs):
		return errNeeded
	}
	// The caller's own place may be stopping: it may wait with a context that carries its call.
	inner := ctx
	if c := fb.cur.Load(); c != nil && ctx.Done() == nil {
		inner = context.WithoutCancel((*callContext)(c))
	}
	told := 0 // how often the stop of the caller's own place has ended the wait
	for !ended.IsSet() {
		circle := false
		var mine *endWait
		err := waitOn(inner, 0, "the end of a stop", func(w *wait) bool {
			w.arm()
			mine = &endWait{party: me, w: w, seq: w.seq(), needs: needs, each: each}
			mine.add()
			listed := ended.add(w, false)
			if listed {
				circle = me.neededBy(needs)
			}
			if circle {
				ended.unlist(w)
			}
			mine.looked.Store(true)
			return listed && !circle
		}, ended.unlist)
		if mine != nil {
			mine.drop()
			ended.unlist(mine.w) // it was woken to look again
		}
		if circle {
			return errNeeded
		}
		if errors.Is(err, ErrStopped) && told < 2 {
			told++
		} else if err != nil {
			if ended.IsSet() {
				return nil
			}
			return err
		}
		if me.neededBy(needs) {
			return errNeeded
		}
	}
	return nil
}

// lookAgain has those who wait for an end look who waits for them now. Where a wait of a goroutine that hop does not know is part of a circle, so is
// another's: only a wait for an end waits for it.
func lookAgain() {
	if endWaits.known.Load() == 0 {
		return
	}
	for _, e := range everyEndWait() {
		if e.w != nil && e.neededBy(e.needs) {
			e.w.wakeAs(e.seq, woken)
		}
	}
}

// neededBy reports whether needs is true of the goroutine, or of one of those that wait for it, directly or through others.
func (p party) neededBy(needs func(party) bool) bool {
	seen := map[party]bool{}
	var isNeeded func(p party) bool
	isNeeded = func(p party) bool {
		if seen[p] {
			return false
		}
		seen[p] = true
		return needs(p) || slices.ContainsFunc(p.waiting(), isNeeded)
	}
	return isNeeded(p)
}

// waiting returns the goroutines that wait for this one, as far as hop knows.
func (p party) waiting() (ps []party) {
	if p.fb != nil {
		for _, fb := range p.fb.waiting() {
			if fb != nil {
				ps = append(ps, party{fb, fb.g})
			}
		}
	}
	for _, e := range everyEndWait() {
		if e.needs(p) {
			ps = append(ps, e.party)
		}
	}
	return ps
}

// waiting returns the goroutines that wait for what fb runs, as far as hop knows them, but for those that wait for the end of a place.
func (fb *fiber) waiting() []*fiber {
	var fbs []*fiber
	for _, c := range fb.calls() {
		fbs = append(fbs, c.waiting()...)
	}
	if fb.s != nil && fb.s.waiter != nil {
		fbs = append(fbs, fb.s.waiter.server()) // it finishes what it has accepted
	}
	if fb.s != nil && fb.s.loop != nil {
		fbs = fb.s.loop.drivers(fbs) // RunLoop, or Run
	}
	if fb.opens.Load() > 0 {
		fbs = fb.locals().waiting(fb, fbs)
	}
	return fbs
}

// waiting returns the goroutines that wait for c: for itself, for its function, for a group that it is in, for a place of a limiter that it
// holds.
func (c *Call) waiting() []*fiber {
	fbs, several := c.listed()
	for _, many := range several {
		if fb := many.waiter.Load(); fb != nil && fb.wait.onMany.Load() == many && fb.wait.standing() && many.needs(c) {
			fbs = append(fbs, fb)
		}
	}
	return waitedLimiters.waiting(c, fbs)
}

// needs reports whether the wait is for all of many, or c is the only one that may still end it.
func (many *manyWait) needs(c *Call) bool {
	if !many.any {
		return true
	}
	other := false
	many.each(func(o *Call) bool {
		other = o != c && !(many.failed && o.raw() == Succeeded)
		return !other
	})
	return !other
}

// listed returns the goroutines whose waits are in the lists of c and its groups, and the waits for several calls that are.
func (c *Call) listed() (fbs []*fiber, several []*manyWait) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fbs = fibersOf(&c.waiters, nil)
	for w := range c.waiters.All {
		if w, ok := w.(waitlist.OneOf); ok {
			several = append(several, w.Several().(*manyWait))
		}
	}
	if r := c.hasRare(); r != nil {
		fbs = fibersOf(&r.forReturn, fbs)
	}
	for n := c.nodes(); n != nil; n = n.more {
		if g := n.group; g != nil {
			g.mu.Lock()
			fbs = fibersOf(&g.waiters, fbs)
			g.mu.Unlock()
		}
	}
	return fbs, several
}

// fibersOf appends the goroutines whose waits are in the list.
func fibersOf(l *waitlist.List, fbs []*fiber) []*fiber {
	for w := range l.All {
		if w, ok := w.(*wait); ok && w.fb != nil {
			fbs = append(fbs, w.fb)
		}
	}
	return fbs
}
