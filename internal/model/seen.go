package model

import (
	"errors"

	"github.com/gohop/hop"
)

// What is checked at once, as the program sees it.

// got notes a result, and checks that it is one.
func (a *agent) got(c *callRun, v int, err error, typed bool) {
	a.mu.Lock()
	c.seen = append(c.seen, seen{v, err, a.tick(), typed})
	if err == nil {
		switch {
		case c.end == 0:
			a.breaks("S10 a result is what the function returned", "%v has a result, but its function has not returned", c)
		case c.ret.how != Value || typed && c.ret.value != v:
			a.breaks("S10 a result is what the function returned", "%v: the result is %d, the function's %+v", c, v, c.ret)
		}
	}
	a.mu.Unlock()
	if err == nil {
		a.sawDone(c)
	} else if call := a.callOf(c); call != nil && call.State().Done() {
		a.sawDone(c)
	}
}

// sawDone notes that c was seen done.
func (r *run) sawDone(c *callRun) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.doneSeen == 0 {
		c.doneSeen = r.tick()
	}
	if c.start > 0 && c.end == 0 && !c.spec.Abandon {
		r.breaks("S18 a call is done when its function has returned", "%v is done while its function runs", c)
	}
}

// sawReturned notes that c's function has returned or will never run.
func (r *run) sawReturned(c *callRun) {
	r.mu.Lock()
	if c.start > 0 && c.end == 0 {
		r.breaks("S21 CancelWait returns when the function has", "%v still runs", c)
	}
	r.mu.Unlock()
	r.sawDone(c)
}

// cancelled notes what a Cancel has reported.
func (r *run) cancelled(c *callRun, ok bool) {
	state := r.callOf(c).State()
	done := state.Done()
	r.mu.Lock()
	if ok && state <= hop.Queued {
		r.breaks("S17 a queued call that is cancelled is done at once", "%v is %v", c, state)
	}
	if ok && c.told == 0 {
		c.told = r.tick()
	}
	if !ok {
		c.notCancelled = true
		if !done {
			r.breaks("S16 Cancel reports whether the call will end cancelled", "%v: false, but it is not done", c)
		}
	}
	r.mu.Unlock()
	if done {
		r.sawDone(c)
	}
}

// look checks that a call's states only move forward.
func (a *agent) look(c *callRun, call *hop.Call) {
	s := call.State()
	rank := map[hop.State]int{hop.Created: 0, hop.Queued: 1, hop.Running: 2, hop.Waiting: 2}
	n, ok := rank[s]
	if !ok {
		n = 3 + int(s)
	}
	a.mu.Lock()
	if old := c.ranks[a]; n < old || old >= 3 && n != old {
		a.breaks("states only move forward", "%v is %v after it was %d", c, s, old)
	}
	c.ranks[a] = n
	a.mu.Unlock()
	if s.Done() {
		a.sawDone(c)
	}
}

// waitingToStart returns the calls and functions in the mailbox of p: their acceptance had been reported.
func (r *run) waitingToStart(p *placeRun, now int) []*callRun {
	r.mu.Lock()
	defer r.mu.Unlock()
	var cs []*callRun
	for _, c := range r.calls {
		if c.queues() && c.on == p && c.accepted > 0 && c.accepted < now && c.start == 0 {
			cs = append(cs, c)
		}
	}
	return cs
}

// queues reports whether c enters its loop as soon as it is accepted.
func (c *callRun) queues() bool {
	return c.spec.On.Kind == OnLoop && c.enters()
}

// ordered reports whether c starts in the order in which it is accepted: on a loop, and on a pool of one.
func (c *callRun) ordered() bool {
	one := c.spec.On.Kind == OnPool && c.on != nil && len(c.on.sizes) == 1 && c.on.sizes[0].n == 1
	return (one || c.spec.On.Kind == OnLoop) && c.enters()
}

func (c *callRun) enters() bool {
	return (c.spec.Via == Go || c.spec.Via == Post) && c.refused == nil && !c.limited()
}

// limited reports whether c may be held back by a group.
func (c *callRun) limited() bool {
	for s := c.scope; s != nil; s = s.up {
		if s.group != nil && s.group.spec.Limit > 0 {
			return true
		}
	}
	return false
}

// haveStarted checks a Yield, after which everything that was in the mailbox has had its turn (S22).
func (a *agent) haveStarted(cs []*callRun) {
	for _, c := range cs {
		if call := a.callOf(c); call != nil && call.State().Done() {
			continue
		}
		a.mu.Lock()
		if c.start == 0 {
			a.breaks("S22 what is in the mailbox goes first", "%v has yielded on %s, and %v has not begun", a.call, c.on.name, c)
		}
		a.mu.Unlock()
	}
}

// groupEnds checks that nobody is left when WithGroup returns, and that no failure is lost (S34).
func (a *agent) groupEnds(o *op, g *groupRun, err error) {
	a.mu.Lock()
	g.over = true
	members := make([]*callRun, 0, len(a.calls))
	for _, c := range a.calls {
		if c.sent > 0 && c.scope.in(g) && c.call != nil {
			members = append(members, c)
		}
	}
	early := errors.Is(err, hop.ErrDeadlock) || errors.Is(err, hop.ErrStopped) && a.hardStopped()
	a.mu.Unlock()
	for _, c := range members {
		call := a.callOf(c)
		e := call.Err()
		switch {
		case errors.Is(e, hop.ErrNotDone):
			if !early {
				a.report("S34 WithGroup waits for every member", "%v goes on after the group of %v has ended", c, o)
			}
		case call.State() == hop.Failed && !errors.Is(err, e) && !early:
			a.report("S34 the errors of all members come back", "%v: the group's error is %v, and not also %v", c, err, e)
		default:
			a.sawDone(c)
		}
	}
	if _, own := g.err.(*ownError); own && !errors.Is(err, g.err) && !early {
		a.report("S34 the error of f comes back", "%v: %v, and not also %v", o, err, g.err)
	}
}

// hardStopped reports whether a place that a's goroutine belongs to is being closed. It needs mu.
func (a *agent) hardStopped() bool {
	for c := a.call; c != nil; c = c.by.call {
		if c.on != nil && c.on.hard > 0 || c.runs != nil && c.runs.hard > 0 {
			return true
		}
		if c.spec.On.Kind == OnOrigin && c.runs == nil {
			return true // the wait that it runs in may have ended
		}
		if !c.inline {
			break
		}
	}
	return false
}

// looksAt checks the error of an op.
func (r *run) looksAt(o *op, err error) {
	if err == nil {
		return
	}
	for _, d := range deadlocks(err, nil) {
		r.checkDeadlock(d)
	}
	switch o.kind {
	case Sleep, Yield, WaitEvent, Acquire, Serve, CancelWait:
		r.checkEndedWait(o, err)
	}
}

// checkEndedWait checks that a wait that failed had a reason: its context, a deadlock, the stop of its place (S2, S4, S5).
func (r *run) checkEndedWait(o *op, err error) {
	over := o.ctx.Err()
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case over != nil && errors.Is(err, over):
	case errors.Is(err, hop.ErrStopped) && o.by.hardStopped():
	case o.kind != Sleep && o.kind != Yield && o.kind != WaitEvent && errors.Is(err, hop.ErrDeadlock):
	default:
		r.breaks("S2 a wait ends for a reason", "%v: %v", o, err)
	}
}

// deadlocks returns the DeadlockErrors in err.
func deadlocks(err error, all []*hop.DeadlockError) []*hop.DeadlockError {
	switch e := err.(type) {
	case nil:
	case *hop.DeadlockError:
		all = append(all, e)
	case interface{ Unwrap() []error }:
		for _, e := range e.Unwrap() {
			all = deadlocks(e, all)
		}
	case interface{ Unwrap() error }:
		all = deadlocks(e.Unwrap(), all)
	}
	return all
}
