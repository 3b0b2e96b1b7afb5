package hop

import (
	"slices"
	"sync/atomic"

	"github.com/gohop/hop/internal/goid"
)

// A place of a Limiter is held by the call that took it, but another may give it back: often each call that is started takes a place
// before, and gives it back in the end. So for a call that has a place (flagHolder, and places) those are noted that it makes from then on, and those that
// they make (flagUnder): its deputies. As long as one of them is not stuck, nobody who waits for the place is, as far as hop knows.
//
// That is a guess, and it may come to nothing: the deputy ends, and has not given the place back. So a wait that is only let through because of
// it is kept (guesses), and looked at again when one of these deputies has ended. When a deputy comes to wait, it looks itself.

// eachDeputy yields the calls that a holder has made since it holds a place.
func (l *Limiter) eachDeputy(yield func(*Call) bool) {
	seen := map[*Call]bool{}
	l.eachHolder(func(h *Call) bool {
		for _, c := range h.deputies() {
			if !seen[c] {
				seen[c] = true
				if !yield(c) {
					return false
				}
			}
		}
		return true
	})
}

// gone reports whether the function of the call runs no more, nor ever will, nor those of OnDone: they may give a place back too.
func (c *Call) gone() bool { return c.done() && !c.out() && !c.telling() }

// telling reports whether functions of OnDone of the call, a deputy that has ended, are still to return.
func (c *Call) telling() bool {
	r := c.hasRare()
	return r != nil && r.telling.Load()
}

// tellsHere says that the functions of OnDone of c, a deputy, are to run on the calling goroutine: as long as that is not stuck, they may give a place
// back. Where hop does not know it, it is known until told is called, which says that they have returned.
func (c *Call) tellsHere() (told func()) {
	leave := tellDeputies([]*Call{c})
	return func() {
		r := c.hasRare()
		r.telling.Store(false)
		r.teller.Store(nil)
		leave()
		c.deputyEnded()
	}
}

// tellDeputies is tellsHere for several.
func tellDeputies(cs []*Call) (leave func()) {
	leave = func() {}
	unknown := known()
	fb := self()
	if fb != nil && fb.s == nil && fb.w == nil && fb.cur.Load() == nil {
		fb.cur.Store(cs[0])
		leave = func() {
			fb.cur.Store(nil)
			unknown()
		}
	}
	for _, c := range cs {
		if r := c.hasRare(); r.telling.Load() {
			r.teller.Store(fb)
		}
	}
	restore := leave
	return func() {
		for _, c := range cs {
			c.hasRare().teller.CompareAndSwap(fb, nil) // some are told elsewhere, later
		}
		restore()
	}
}

// deputyEnds is told that c, a deputy, is about to end. It needs mu.
//
//go:noinline
func (c *Call) deputyEnds(x *callMore) {
	if x.onDone != nil {
		x.rare.Load().telling.Store(true)
	}
}

// mayHold says that c is about to take a place: from here on it can be counted without c's lock.
func (c *Call) mayHold() {
	if c.has(flagHolder) {
		return
	}
	c.mu.Lock()
	c.rare()
	c.mu.Unlock()
	c.set(flagHolder)
}

// holds counts the places that c has, which mayHold has been told of.
func (c *Call) holds(n int32) { c.hasRare().places.Add(n) }

// dropDeputies forgets them, if c has no place any more.
func (c *Call) dropDeputies() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.hasRare(); r.places.Load() == 0 {
		r.made = nil
	}
}

// madeBy notes that c, which nobody else knows yet, was made by m, with its context or on its goroutine: it is a deputy of m, if m has a place, and of those
// whose deputy m is.
func (c *Call) madeBy(m *Call) {
	if c.has(flagPromise) {
		return // it releases nothing
	}
	var holders []*Call
	if r := m.hasRare(); r != nil {
		if m.has(flagHolder) && r.places.Load() > 0 {
			holders = append(holders, m)
		}
		holders = append(holders, r.holders...)
	}
	for _, h := range holders {
		if h.hasRare().places.Load() == 0 || h.gone() || slices.Contains(c.deputyOf(), h) {
			continue
		}
		c.set(flagUnder)
		r := c.rare()
		r.holders = append(r.holders, h)
		h.addDeputy(c)
	}
}

func (c *Call) deputyOf() []*Call {
	if r := c.hasRare(); r != nil {
		return r.holders
	}
	return nil
}

func (m *Call) addDeputy(c *Call) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.hasRare()
	if len(r.made) == cap(r.made) {
		r.made = slices.DeleteFunc(r.made, func(d *Call) bool { return d.done() && !d.has(flagAbandoned) && !d.telling() })
		if n := len(r.made); n > cap(r.made)/2 {
			r.made = slices.Grow(r.made, n) // or each new one would look at all
		}
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
	return slices.DeleteFunc(made, (*Call).gone)
}

// guesses are the waits that would be stuck but for deputies. graphMu guards them.
var guesses struct {
	n     atomic.Int32
	all   []guess
	ended []*Call // deputies that have, to be looked at before graphMu is released
}

type guess struct {
	fb       *fiber
	seq      uint64
	deputies map[*Call]bool
}

// stands reports whether it is still the same wait.
func (g guess) stands() bool { return g.fb.wait.seq() == g.seq && g.fb.wait.standing() }

// noteGuess keeps the wait of fb, which is not stuck, if it would be without guesses. It needs graphMu. It returns true if one of the deputies has
// ended meanwhile, and may not have seen that the wait is kept: look again.
func (g *graph) noteGuess(fb *fiber) (again bool) {
	deputies := map[*Call]bool{}
	for _, n := range g.order {
		n.free = n.sure
		for _, e := range n.edges {
			if e.maybe {
				deputies[e.call] = true
			}
		}
	}
	if len(deputies) == 0 {
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
	for c := range deputies {
		if c.gone() {
			return true
		}
	}
	return false
}

// deputyEnded is told that c, a deputy, has ended, or that its function, or those of OnDone, have returned. A call may end in a look at the graph, on the goroutine that looks.
func (c *Call) deputyEnded() {
	if guesses.n.Load() == 0 || !c.gone() {
		return
	}
	if graphOwner.Load() == goid.Self() {
		guesses.ended = append(guesses.ended, c)
		return
	}
	lockGraph()
	guesses.ended = append(guesses.ended, c)
	unlockGraph()
}

// lookAtGuesses looks again at the waits that were let through because of deputies that have ended. It needs graphMu.
func lookAtGuesses() {
	for len(guesses.ended) > 0 {
		c := guesses.ended[0]
		guesses.ended = guesses.ended[1:]
		var again []guess
		guesses.all = slices.DeleteFunc(guesses.all, func(g guess) bool {
			if g.deputies[c] {
				again = append(again, g)
				return true
			}
			return !g.stands()
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
	guesses.ended = nil
}
