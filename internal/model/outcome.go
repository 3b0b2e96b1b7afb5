package model

import (
	"errors"

	"github.com/gohop/hop"
)

// What is checked when everything has stopped.

// checkEnd checks the run as a whole.
func (r *run) checkEnd() {
	type outcome struct {
		state hop.State
		value int
		err   error
	}
	outcomes := map[*callRun]outcome{}
	r.mu.Lock() // for those who look at it: nobody else is left
	calls := r.calls
	r.mu.Unlock()
	for _, c := range calls {
		if c.call == nil {
			continue
		}
		o := outcome{state: c.call.State(), err: c.call.Err()}
		if c.pending != nil {
			v, err := c.pending.Result()
			if err != o.err {
				r.report("S10 the result stays the same", "%v: %v, then %v", c, o.err, err)
			}
			o.value = v
		}
		outcomes[c] = o
	}
	r.checkLimiters()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.calls {
		if c.sent == 0 {
			continue
		}
		if c.spec.Via == Post {
			r.checkPosted(c)
			continue
		}
		o, ok := outcomes[c]
		if !ok {
			continue // a Do that was refused
		}
		if !o.state.Done() {
			r.breaks("S24 what was accepted is run or ended", "%v is %v at the end", c, o.state)
			continue
		}
		r.checkResult(c, o.state, o.value, o.err)
		r.checkCancelled(c, o.state, o.err)
		r.checkSeen(c, o.state, o.err)
		r.checkHooks(c)
	}
	r.checkOrder()
	r.checkPlaces()
	r.checkLimits()
	r.checkPromises()
}

// checkPosted checks that an accepted function has run (S24).
func (r *run) checkPosted(c *callRun) {
	if c.refused == nil && c.end == 0 {
		r.breaks("S24 what was accepted is run or ended", "%v was posted and has not run", c)
	}
	if c.refused != nil && (c.start > 0 || !errors.Is(c.refused, hop.ErrStopped)) {
		r.breaks("S24 what was refused does not run", "%v: %v", c, c.refused)
	}
}

// checkResult checks that a call has ended as its function has (S10, S13).
func (r *run) checkResult(c *callRun, state hop.State, v int, err error) {
	bad := func(why string) {
		r.breaks("S10 a result is what the function returned", "%v is %v, %d, %v; its function: %+v: %s", c, state, v, err, c.ret, why)
	}
	if (state == hop.Succeeded) != (err == nil) {
		bad("state and error contradict each other")
	}
	switch {
	case c.start > 0 && c.end == 0:
		bad("it has not returned")
	case state == hop.Cancelled:
	case c.end == 0:
		if state == hop.Succeeded || !errors.Is(err, hop.ErrStopped) && !errors.Is(err, hop.ErrClosed) {
			bad("it never ran")
		}
		if errors.Is(err, hop.ErrStopped) && c.on != nil && c.on.graced == 0 {
			bad("its place had not been stopped")
		}
	case c.ret.how == Value && (state != hop.Succeeded || c.pending != nil && v != c.ret.value),
		c.ret.how == Fails && err != c.ret.err,
		c.ret.how == Goexits && !errors.Is(err, hop.ErrGoexit):
		bad("that is another result")
	case c.ret.how == Panics:
		var p *hop.PanicError
		if !errors.As(err, &p) || p.Value != any(ownPanic(c.id)) || len(p.Stack) == 0 {
			bad("that is no PanicError of it")
		}
	}
}

// checkCancelled checks that a call ends cancelled if it was asked to in time, and only then (S16, S18, S19).
func (r *run) checkCancelled(c *callRun, state hop.State, err error) {
	is := state == hop.Cancelled
	var ce *hop.CancelError
	if is && (!errors.As(err, &ce) || !errors.Is(err, hop.ErrCancelled)) {
		r.breaks("S16 a cancelled call ends with a CancelError", "%v: %v", c, err)
	}
	if is && c.notCancelled {
		r.breaks("S16 Cancel reports whether the call will end cancelled", "%v: false, but it is cancelled", c)
	}
	if !is && c.told > 0 {
		r.breaks("S16 Cancel true, so cancelled", "%v is %v, %v", c, state, err)
	}
	if !is && c.end > 0 && c.ctxErr != nil {
		r.breaks("S16 a context that ended before the function returned cancels", "%v is %v, %v", c, state, err)
	}
	if is && !r.mayCancel(c) {
		r.breaks("S19 nobody cancels but who was asked to", "%v: %v", c, err)
	}
}

// mayCancel reports whether anything can have cancelled c.
func (r *run) mayCancel(c *callRun) bool {
	if c.asked > 0 || c.spec.Timeout > 0 || c.spec.On.Kind == OnOrigin {
		return true
	}
	if c.on != nil && (c.on.hard > 0 || c.on.graced > 0 && c.spec.Via == After) {
		return true
	}
	if c.inline && c.by.hardStopped() {
		return true
	}
	if c.spec.Via == Do || c.spec.Via == Run { // who owns it may have given up
		for _, s := range c.seen {
			if s.err != nil && (errors.Is(s.err, hop.ErrDeadlock) || errors.Is(s.err, hop.ErrStopped)) {
				return true
			}
		}
		if r.endsScope(c.by.scope) {
			return true
		}
	}
	return r.endsScope(c.scope)
}

// endsScope reports whether anything can have ended the context s.
func (r *run) endsScope(s *scope) bool {
	for ; s != nil; s = s.up {
		switch {
		case s.actor != nil && s.actor.ended > 0:
			return true
		case s.call != nil && r.mayCancel(s.call):
			return true
		case s.group != nil && r.mayEnd(s.group):
			return true
		}
	}
	return false
}

func (r *run) mayEnd(g *groupRun) bool {
	if g.spec.Timeout > 0 || g.over || g.fails && !g.spec.KeepGoing {
		return true
	}
	for _, c := range r.calls {
		if c.sent > 0 && c.scope.in(g) {
			return true // it may have failed or been cancelled
		}
	}
	return false
}

// checkSeen checks that everybody has seen the same result, or had a reason of his own to see none.
func (r *run) checkSeen(c *callRun, state hop.State, err error) {
	for _, s := range c.seen {
		if s.err == nil && err != nil {
			r.breaks("S10 the result is the same for all", "%v: nil was seen, and it is %v", c, err)
		}
		if s.err == nil || s.err == err {
			continue
		}
		_, cancelled := s.err.(*hop.CancelError)
		switch {
		case errors.Is(s.err, hop.ErrDeadlock), errors.Is(s.err, hop.ErrStopped):
		case cancelled: // of Do, which does not wait for a function that does not return
			if state != hop.Cancelled {
				r.breaks("S16 a cancelled call ends cancelled", "%v: %v was seen, and it is %v", c, s.err, err)
			}
		default:
			if !isWaitError(s.err) {
				r.breaks("S10 the result is the same for all", "%v: %v was seen, and it is %v", c, s.err, err)
			}
		}
	}
}

// checkHooks checks the OnDone functions (S11).
func (r *run) checkHooks(c *callRun) {
	if len(c.hooks) != c.hooked {
		r.breaks("S11 OnDone functions run once each", "%v: %d were registered, and %v ran", c, c.hooked, c.hooks)
	}
}
