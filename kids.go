package hop

import (
	"runtime"
	"sync/atomic"

	"github.com/gohop/hop/internal/turn"
)

// A kid is told when the context of the call whose list it is in ends.
type kid struct {
	call       *Call                // who is told,
	apart      bool                 // on a goroutine of its own, if it has functions of users to run then, or f is still being registered,
	adopted    bool                 // by one whose context is not above call's: see adopt
	timed      bool                 // f is of a context that goes by the Timeout of the call whose list it is in,
	lasting    bool                 // f goes by what ends the call beside its Timeout,
	f          func()               // or what is called; neither: the entry only keeps the upper call hooked
	up         atomic.Pointer[Call] // whose list it is in; changed under that call's mu
	prev, next *kid
}

// A kidList is a circular list through its last entry.
type kidList struct{ last *kid }

func (l *kidList) empty() bool { return l.last == nil }

func (l *kidList) add(k *kid) {
	if l.last == nil {
		k.prev, k.next = k, k
	} else {
		k.prev, k.next = l.last, l.last.next
		k.prev.next, k.next.prev = k, k
	}
	l.last = k
}

func (l *kidList) remove(k *kid) {
	if k.next == k {
		l.last = nil
	} else {
		k.prev.next, k.next.prev = k.next, k.prev
		if l.last == k {
			l.last = k.prev
		}
	}
	k.prev, k.next = nil, nil
}

// takeTimed takes those out that are timed, as a chain through next.
func (l *kidList) takeTimed() (first *kid) {
	if l.last == nil {
		return nil
	}
	end := &first
	for k, last := l.last.next, l.last; ; {
		at, next := k, k.next
		if at.timed {
			l.remove(at)
			at.up.Store(nil)
			*end, end = at, &at.next
		}
		if at == last {
			return first
		}
		k = next
	}
}

// take empties the list and returns its entries as a chain through next. They are to be told, or, with to, to come to another list.
func (l *kidList) take(to *Call) *kid {
	last := l.last
	if last == nil {
		return nil
	}
	l.last = nil
	first := last.next
	last.next = nil
	for k := first; k != nil; k = k.next {
		k.up.Store(to)
	}
	return first
}

// askAll tells each, that have been taken off the list of up, but leaves functions of users to later.
func (k *kid) askAll(up *Call, later *tells) {
	if k == nil {
		return
	}
	defer func() {
		if k != nil { // a method of a user's context has ended the goroutine, or panicked
			k.askAll(up, later)
		}
	}()
	for k != nil {
		at := k
		k = k.next
		at.prev, at.next = nil, nil
		at.ask(up, later)
	}
}

// tellAll is askAll; if later is nil, the functions run here.
func (k *kid) tellAll(up *Call, later *tells) {
	if later == nil {
		var own tells
		defer own.tell()
		later = &own
	}
	k.askAll(up, later)
}

// ask is askAll of one. f is no function of a user's: see AfterFunc.
func (k *kid) ask(up *Call, later *tells) {
	switch {
	case k.call == nil:
	case k.adopted:
		k.call.ask(causeOf((*callContext)(up)), 0, later)
	case k.apart && k.call.hasFuncs():
		apart := new(tells)
		later.apart = append(later.apart, apart)
		k.call.askParentEnded(apart)
	default:
		k.call.askParentEnded(later)
	}
	switch {
	case k.f == nil:
	case k.apart:
		go k.f()
	default:
		k.f()
	}
}

// addKid has k told of the end of c's context; false: it has ended.
func (c *Call) addKid(k *kid) bool {
	c.mu.Lock()
	x := c.more()
	if c.has(flagCancel) || k.f != nil && !k.lasting && c.has(flagTimeout) {
		c.mu.Unlock()
		return false
	}
	k.up.Store(c)
	x.kids.add(k)
	if r := x.rare.Load(); k.f != nil && !k.lasting && r != nil && r.tells(c) {
		k.timed = true
		r.timed++
	}
	c.mu.Unlock()
	if !c.has(flagHooked) || c.done() {
		c.hook()
	}
	return true
}

// drop takes k back; false: it has been told.
func (k *kid) drop() bool {
	for {
		c := k.up.Load()
		switch c {
		case nil:
			return false
		case passing:
			turn.Race(k)
			runtime.Gosched()
			continue
		}
		c.mu.Lock()
		if k.up.Load() != c { // passed on meanwhile, or told
			c.mu.Unlock()
			continue
		}
		x := c.more()
		k.up.Store(nil)
		x.kids.remove(k)
		if k.timed {
			k.timed = false
			x.rare.Load().timed--
		}
		var h *hook
		pass := false
		if c.done() {
			outlived := x.outlived()
			h = c.unhookDone(x)
			pass = outlived && !x.outlived() && !x.kids.empty()
		}
		c.mu.Unlock()
		h.undo(c)
		if pass {
			go c.passKids(nil) // which may run functions of users
		}
		return true
	}
}

// passing is whose list a kid is in that is on its way to another.
var passing = new(Call)

// passKids hands those whom c, which has ended by itself, would tell on to the call above, which would tell c: else calls that each start the next,
// with their own context, would all be kept by the last.
//
// One lock is held at a time, and nobody waits for another who passes: where each of a long chain ends, all would. A call whose own entry is on its
// way leaves it to who passes that, and looks after those it has passed whether they have ended. If later is not nil, functions of users are left to it.
func (c *Call) passKids(later *tells) {
	for todo := []*Call{c}; len(todo) > 0; {
		last := len(todo) - 1
		c := todo[last]
		todo = todo[:last]
		for _, kid := range c.passOnce(later) {
			if kid.done() {
				todo = append(todo, kid)
			}
		}
	}
}

// passOnce passes the kids of c, and returns the calls that are among them; see addTo.
func (c *Call) passOnce(later *tells) (calls []*Call) {
	x := c.x.Load()
	for {
		c.mu.Lock()
		h := x.hook
		if h == nil || h.stop != nil || x.kids.empty() || c.has(flagCancel) || x.outlived() {
			c.mu.Unlock()
			return nil
		}
		up := h.kid.up.Load()
		if up == passing || up != nil && up.has(flagHub) { // who tells those below a hub must not run functions of users
			c.mu.Unlock()
			return nil
		}
		if up == nil {
			kids := x.kids.take(nil)
			c.mu.Unlock()
			kids.tellAll(c, later) // c was told
			return nil
		}
		kids := x.kids.take(passing)
		x.moving++
		c.mu.Unlock()
		up.mu.Lock()
		passed := h.kid.up.Load() == up
		if passed {
			calls = kids.addTo(up)
		}
		up.mu.Unlock()
		c.mu.Lock()
		x.moving--
		if passed {
			h = c.unhookDone(x)
			c.mu.Unlock()
			h.undo(c)
			return calls
		}
		kids.addTo(c)
		c.mu.Unlock()
	}
}

// addTo adds all of the chain to the list of c, whose mu is held, and returns the calls among them that are hooked by their entries.
func (k *kid) addTo(c *Call) (calls []*Call) {
	list := &c.x.Load().kids
	for k != nil {
		next := k.next
		if k.call != nil && !k.adopted {
			calls = append(calls, k.call)
		}
		list.add(k)
		k.up.Store(c)
		k = next
	}
	return calls
}
