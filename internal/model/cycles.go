package model

import (
	"fmt"
	"strings"

	"github.com/gohop/hop"
)

// checkDeadlock checks that the cycle of a DeadlockError is none that was invented (S4): at one moment each of its calls was in a
// wait for the next, by the program's own records.
func (r *run) checkDeadlock(d *hop.DeadlockError) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.verified[d] {
		return
	}
	r.verified[d] = true
	var cs []*callRun
	for _, w := range d.Cycle {
		c := r.byCall[w.Call]
		if c == nil {
			r.breaks("S4 no cycle is invented", "%v is none of the program's calls: %s", w.Call, r.tell(d))
			return
		}
		cs = append(cs, c)
	}
	// Each wait of the cycle has begun before; the last of them to begin is a moment to try.
	for i, c := range cs {
		for _, o := range c.ops {
			if r.stood(cs, o.begin) {
				return
			}
		}
		for _, l := range r.limiters {
			for _, h := range l.hist {
				if h.c == cs[(i+1)%len(cs)] && r.stood(cs, h.begin) {
					return
				}
			}
		}
		if r.stood(cs, c.start) {
			return
		}
	}
	r.breaks("S4 no cycle is invented", "%s", r.tell(d))
}

// stood reports whether at that moment each of cs waited for the next.
func (r *run) stood(cs []*callRun, at int) bool {
	for i, c := range cs {
		if !r.waitedFor(c, cs[(i+1)%len(cs)], at) {
			return false
		}
	}
	return true
}

func (r *run) waitedFor(c, next *callRun, at int) bool {
	if next.start == 0 || next.start > at || next.end > 0 && next.end < at {
		return false
	}
	for _, o := range c.ops {
		if o.begin > at || o.end > 0 && o.end < at {
			continue
		}
		switch o.kind {
		case Start, Wait, WaitOwned, Serve, CancelWait:
			if o.target == next || next.spec.On.Kind == OnOrigin {
				return true
			}
			// What is waited for may run further calls on top of itself.
			for x := next; x.inline && x.by.call != nil; x = x.by.call {
				if x.by.call == c {
					return true
				}
			}
		case InGroup:
			if next.scope.in(o.group) {
				return true
			}
		case Acquire:
			for _, h := range r.limiters[o.n].hist {
				if h.c == next && h.begin <= at && (h.end == 0 || h.end >= at) {
					return true
				}
			}
		}
	}
	return false
}

// tell shows a cycle as hop and the program know it.
func (r *run) tell(d *hop.DeadlockError) string {
	var b strings.Builder
	for _, w := range d.Cycle {
		c := r.byCall[w.Call]
		if c == nil {
			fmt.Fprintf(&b, " ?")
			continue
		}
		fmt.Fprintf(&b, " %v (%s:%d)", c, w.File[strings.LastIndexByte(w.File, '/')+1:], w.Line)
		for _, o := range c.ops {
			fmt.Fprintf(&b, " [%d-%d %v]", o.begin, o.end, o)
		}
		b.WriteByte(';')
	}
	return b.String()
}
