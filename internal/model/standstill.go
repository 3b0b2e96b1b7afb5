package model

import (
	"fmt"
	"slices"

	"github.com/gohop/hop"
)

// What is checked when nothing moves any more.

// checkStandstill checks that whoever still waits has a reason: an event or promise that the program has not completed. Who
// has none should have been woken (S9), or have been refused, if it waits for itself (S4).
func (r *run) checkStandstill() {
	states := map[*callRun]hop.State{}
	r.mu.Lock()
	for _, c := range r.calls {
		if c.call != nil && c.end > 0 {
			r.mu.Unlock()
			states[c] = c.call.State()
			r.mu.Lock()
		}
	}
	for _, c := range r.calls {
		if s, ended := states[c]; ended && !s.Done() {
			r.breaks("S11 a call is done when its function has returned", "%v is not", c)
		}
	}
	defer r.mu.Unlock()
	g := &standstill{run: r, why: map[*callRun]string{}}
	for _, o := range r.standing() {
		if o.by.call == nil || o == current(o.by.call) {
			g.ops = append(g.ops, o)
		}
	}
	g.settle()
	for _, o := range g.ops {
		if g.free(o) {
			continue
		}
		if path := g.cycle(o); path != "" {
			r.breaks("S4 a wait that can never end is refused", "%s", path)
			continue
		}
		r.breaks("S9 no wake-up is lost", "%v, for nothing", o)
	}
	for _, c := range r.calls {
		if c.sent > 0 && c.start == 0 && g.unfinished(c) && !r.keptBack(c) {
			r.breaks("S24 what was accepted is run or ended", "%v, on %v, has not begun", c, c.spec.On)
		}
		if c.start > 0 && c.end == 0 && current(c) == nil {
			r.breaks("S9 no wake-up is lost", "%v is between two of its waits", c)
		}
	}
	for _, o := range g.ops {
		if o.heeds() && r.isOver(o.scope, states) {
			r.breaks("S2 a wait ends with its context", "%v, whose context is over", o)
		}
	}
	for _, x := range r.actors {
		if !x.done && (len(x.ops) == 0 || x.ops[len(x.ops)-1].end > 0) {
			r.breaks("S9 no wake-up is lost", "actor%d is between two of its waits", x.id)
		}
	}
}

// current returns the op that c is in.
func current(c *callRun) *op {
	for i := len(c.ops) - 1; i >= 0; i-- {
		if c.ops[i].end == 0 {
			return c.ops[i]
		}
	}
	return nil
}

// A standstill finds who waits for the program, directly or through others.
type standstill struct {
	*run
	ops  []*op
	able map[*op]bool // they wait for the program
	why  map[*callRun]string
}

func (g *standstill) settle() {
	g.able = map[*op]bool{}
	for changed := true; changed; {
		changed = false
		for _, o := range g.ops {
			if !g.able[o] && g.legit(o) {
				g.able[o], changed = true, true
			}
		}
	}
}

func (g *standstill) free(o *op) bool { return g.able[o] }

// legit reports whether o waits for the program, as far as is known.
func (g *standstill) legit(o *op) bool {
	switch o.kind {
	case WaitEvent:
		return g.events[o.n].begin == 0
	case WaitFor:
		return g.promises[o.n].begin == 0
	case Acquire:
		l := g.limiters[o.n]
		if len(l.holders) < l.n {
			return false
		}
		for _, c := range l.holders {
			if g.callFree(c) {
				return true
			}
		}
		return slices.ContainsFunc(g.calls, func(d *callRun) bool { return d.deputyOf(l.holders) && g.mayRelease(d) })
	}
	cs := g.targets(o)
	outlives := o.kind != Close
	for _, c := range cs {
		if !g.callFree(c) {
			return false
		}
		outlives = outlives || c.outlives()
	}
	return len(cs) > 0 && outlives
}

// deputyOf reports whether one of holders has made c, perhaps through others: it might release that one's place, as far as hop knows.
func (c *callRun) deputyOf(holders []*callRun) bool {
	for c != nil && c.by != nil { // one that has not been made has nobody
		if c = c.by.call; slices.Contains(holders, c) {
			return true
		}
	}
	return false
}

// mayRelease reports whether d has something to do, or will have.
func (g *standstill) mayRelease(d *callRun) bool {
	if d.start == 0 {
		return d.sent > 0 && g.unfinished(d)
	}
	return d.end == 0 && g.callFree(d)
}

func (g *standstill) callFree(c *callRun) bool {
	o := current(c)
	return o != nil && g.able[o] || g.keptBack(c)
}

// outlives reports whether c may wait on though it was cancelled, in a group that is shielded, or does not end with the call that
// made it, as one of a posted function's: a Close may wait for it.
func (c *callRun) outlives() bool {
	if o := current(c); o != nil {
		for s := o.scope; s != nil; s = s.up {
			if s.group != nil && s.group.spec.Shield {
				return true
			}
		}
	}
	for ; c != nil; c = c.by.call {
		if c.spec.Detached || c.spec.Via == Post {
			return true
		}
	}
	return false
}

// keptBack reports whether c was sent to a Waiter and kept for a next Wait.
func (r *run) keptBack(c *callRun) bool {
	return r.unserved && c.spec.On.Kind == OnOrigin && c.runs == nil && c.start == 0
}

// heeds reports whether o ends with its context. The end of a group waits for its members, which are cancelled.
func (o *op) heeds() bool {
	switch o.kind {
	case InGroup, Shut, Close:
		return false
	case Start:
		return !o.target.inline && !o.target.spec.Detached && o.target.spec.On.Kind != OnInline
	}
	return true
}

// isOver reports whether the context s has ended: it, or one that it is made from, was cancelled, or its group has failed.
func (r *run) isOver(s *scope, states map[*callRun]hop.State) bool {
	for ; s != nil; s = s.up {
		switch {
		case s.call != nil && s.call.told > 0, s.actor != nil && s.actor.ended > 0:
			return true
		case s.group == nil:
			continue
		case s.group.fails && !s.group.spec.KeepGoing:
			return true
		}
		for _, c := range r.calls {
			if c.sent > 0 && c.scope.in(s.group) && (states[c] == hop.Failed && !s.group.spec.KeepGoing ||
				states[c] == hop.Cancelled && s.group.spec.CancelOnCancelled) {
				return true
			}
		}
		if s.group.spec.Shield {
			return false
		}
	}
	return false
}

// unfinished reports whether c is neither done nor refused.
func (g *standstill) unfinished(c *callRun) bool {
	if c.spec.Via == Post {
		return c.refused == nil && c.end == 0
	}
	if c.start > 0 {
		return c.end == 0
	}
	if c.call == nil {
		return c.accepted == 0 // a Do whose function has not begun
	}
	g.mu.Unlock()
	defer g.mu.Lock()
	return !c.call.State().Done()
}

// targets returns the calls that o waits for.
func (g *standstill) targets(o *op) []*callRun {
	var cs []*callRun
	switch o.kind {
	case Start, Wait, WaitOwned, Serve, CancelWait:
		if g.unfinished(o.target) {
			cs = append(cs, o.target)
			break
		}
		for _, c := range g.calls { // it still serves
			if c.spec.On.Kind == OnOrigin && c.sent > 0 && c.runs == nil && g.unfinished(c) {
				cs = append(cs, c)
			}
		}
	case InGroup:
		for _, c := range g.calls {
			if c.sent > 0 && c.scope.in(o.group) && g.unfinished(c) {
				cs = append(cs, c)
			}
		}
	case Shut, Close:
		for _, c := range g.calls {
			if c.on != nil && c.sent > 0 && c.on.graced > 0 && g.unfinished(c) {
				cs = append(cs, c)
			}
		}
	case Acquire:
		cs = g.limiters[o.n].holders
	}
	return cs
}

// cycle returns a circle that o is in, told; "": it is in none.
func (g *standstill) cycle(o *op) string {
	if o.by.call == nil {
		return ""
	}
	seen := map[*callRun]bool{}
	var find func(o *op) string
	find = func(x *op) string {
		for _, c := range g.targets(x) {
			if c == o.by.call {
				return x.String()
			}
			next := current(c)
			if seen[c] || next == nil {
				continue
			}
			seen[c] = true
			if rest := find(next); rest != "" {
				return fmt.Sprintf("%v; %s", x, rest)
			}
		}
		return ""
	}
	return find(o)
}
