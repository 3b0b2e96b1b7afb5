package hop

import (
	"slices"
	"sync/atomic"
)

// A place of a Limiter is held by the call that took it, but another may give it back: often each call that is started takes a place
// before, and gives it back in the end. So for a call that has had a place (flagHolder) those are noted that it makes from then on, and those that
// they make (flagUnder). They are its deputies: as long as one of them is not stuck, nobody who waits for the place is, as far as hop knows.
//
// That is a guess, and it may come to nothing: the deputy ends, and has not given the place back. So a wait that is only let through because of
// it is kept (guesses), and looked at again when one of these deputies has ended. When a deputy comes to wait, it looks itself.

// eachDeputy yields the calls that a holder has made since it holds a place: one of them may release it, as where each call that is started takes
// a place before and gives it back in the end.
func (l *Limiter) eachDeputy(yield func(*Call) bool) {
	l.eachHolder(func(h *Call) bool {
		for _, c := range h.deputies() {
			if !yield(c) {
				return false
			}
		}
		return true
	})
}

// madeUnder notes that c, which nobody else knows yet, was made under m: for each call from there on up that has a place of a Limiter.
func (c *Call) madeUnder(m *Call) {
	if c.has(flagPromise) {
		return // it releases nothing
	}
	c.set(flagUnder)
	for ; m != nil && m.has(flagHolder|flagUnder); m = anchorOf(m.parent).call {
		if m.has(flagHolder) {
			m.addDeputy(c)
		}
		if r := m.hasRare(); r != nil && r.maker != nil {
			c.madeUnder(r.maker)
		}
	}
}

// madeOn is madeUnder where only the goroutine says so.
func (c *Call) madeOn(m *Call) {
	if c.has(flagPromise) {
		return
	}
	c.rare().maker = m
	c.madeUnder(m)
}

func (m *Call) addDeputy(c *Call) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.isDone() {
		return
	}
	r := m.rare()
	if len(r.made) == cap(r.made) {
		r.made = slices.DeleteFunc(r.made, (*Call).done)
	}
	r.made = append(r.made, c)
}

func (m *Call) deputies() []*Call {
	m.mu.Lock()
	var made []*Call
	if r := m.hasRare(); r != nil {
		made = slices.Clone(r.made)
	}
	m.mu.Unlock()
	return slices.DeleteFunc(made, func(c *Call) bool { return c.done() && !c.out() })
}

// guesses are the waits that would be stuck but for deputies. graphMu guards them.
var guesses struct {
	n   atomic.Int32
	all []guess
}

type guess struct {
	fb       *fiber
	seq      uint64
	deputies []*Call
}

// stands reports whether it is still the same wait.
func (g guess) stands() bool { return g.fb.wait.seq() == g.seq && g.fb.wait.standing() }

// noteGuess keeps the wait of fb, which is not stuck, if it would be without guesses. It needs graphMu. It returns true if one of the deputies has
// ended meanwhile, and may not have seen that the wait is kept: look again.
func (g *graph) noteGuess(fb *fiber) (again bool) {
	var deputies []*Call
	for _, n := range g.order {
		n.free = n.sure
		for _, e := range n.edges {
			if e.maybe {
				deputies = append(deputies, e.call)
			}
		}
	}
	if deputies == nil {
		return false
	}
	g.settle(false)
	n := g.nodes[fb]
	if n.free {
		return false
	}
	guesses.all = slices.DeleteFunc(guesses.all, func(o guess) bool { return o.fb == fb || !o.stands() })
	guesses.all = append(guesses.all, guess{fb, n.seq, deputies})
	guesses.n.Store(int32(len(guesses.all)))
	return slices.ContainsFunc(deputies, func(c *Call) bool { return c.done() && !c.out() })
}

// deputyEnded is told that c, a deputy, has ended, and its function has returned.
func (c *Call) deputyEnded() {
	if guesses.n.Load() == 0 || c.out() {
		return
	}
	graphMu.Lock()
	defer graphMu.Unlock()
	var again []guess
	guesses.all = slices.DeleteFunc(guesses.all, func(g guess) bool {
		if slices.Contains(g.deputies, c) {
			again = append(again, g)
			return true
		}
		return false
	})
	guesses.n.Store(int32(len(guesses.all)))
	for _, g := range again {
		if !g.stands() {
			continue
		}
		if d, at := searchDeadlock(g.fb); d != nil {
			at.refuse(d)
		}
	}
}
