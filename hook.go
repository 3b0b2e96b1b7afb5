package hop

import "context"

// How the end of a context reaches the calls made under it.
//
// A call is hooked to its parent context only when somebody looks at it: waits for it, asks for its Done, registers an
// OnDone, or makes a call or a context under it. Until then the end of the parent is found by asking parent.Err, at
// the start and at the end of the function, which costs nothing.
//
// A parent that is a call keeps the hooked calls in a list (kids). Locks are taken from child to parent, never the other
// way: who tells the kids has taken them off the list and released its lock.

// watch sees to it that the end of the parent ends the call, or tells it, at once: somebody looks.
func (c *Call) watch() {
	if c.unwatched() {
		c.hook()
	}
}

// watchQuietly is watch while a wait stands: should a method of the parent, which is a user's, panic, then the end of the function will say so.
//
//go:noinline
func (c *Call) watchQuietly() {
	watched := false
	defer func() {
		if !watched {
			recover()
		}
	}()
	c.hook()
	watched = true
}

// unwatched reports whether watch has something to do.
func (c *Call) unwatched() bool {
	st := c.st.Load()
	return !State(st&stateMask).Done() && st&(flagCancel|flagHooked|flagEndless) == 0
}

// A hook is a call's registration with its parent context.
type hook struct {
	kid  kid
	s    *sched      // the loop whose hub tells; nil: another does
	stop func() bool // takes a registration with package context back; nil: there is none
}

// moreHooked is what a call needs that is hooked and needed nothing before: one allocation.
type moreHooked struct {
	callMore
	hook
}

// hook registers the call with its parent context, if it is not. A task that waits comes here from deep in its stack, so this and what it calls
// have small frames: see mayWait.
func (c *Call) hook() {
	if c.needsNoHook() {
		return
	}
	if h := c.newHook(); h != nil {
		c.hookWith(h)
	} else {
		c.hooked()
	}
}

// needsNoHook reports whether the call is told of its parent's end anyway, or that never comes.
//
//go:noinline
func (c *Call) needsNoHook() bool {
	if c.under.kind == nil {
		misuseOfZero()
	}
	parent := c.liveParent()
	if _, isCall := parent.(*callContext); !isCall && parent.Done() == nil {
		if sameContext(parent, behindValues(c.parent())) {
			c.set(flagEndless)
		}
		return true
	}
	g, ok := parent.(*groupContext)
	return ok && g.tells(c) && !c.tellsOthers()
}

// hooked is told that the call was hooked before, or is not to be any more.
//
//go:noinline
func (c *Call) hooked() {
	if c.done() && c.liveParent().Err() != nil {
		c.parentEnded() // those who were in the list when it was told have been told; who has come since has not
	}
}

// tellsOthers reports whether somebody has the Done of the call's context, or is to be told of its end: that may outlive the call.
//
//go:noinline
func (c *Call) tellsOthers() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	x := c.x.Load()
	return x != nil && (x.ctxDone != nil || !x.kids.empty())
}

// newHook says that the call is hooked from now on, and returns what with; nil: it is.
//
//go:noinline
func (c *Call) newHook() *hook {
	c.mu.Lock()
	x := c.x.Load()
	if x != nil && x.hooked || c.has(flagCancel) {
		c.mu.Unlock()
		return nil
	}
	var h *hook
	if x == nil {
		both := new(moreHooked)
		x, h = &both.callMore, &both.hook
		c.x.Store(x)
	} else {
		h = new(hook)
	}
	x.hooked = true
	c.set(flagHooked)
	c.mu.Unlock()
	return h
}

// keepHook keeps h, which has been registered, to be taken back when it is not needed any more; perhaps it is not now.
//
//go:noinline
func (c *Call) keepHook(h *hook) {
	c.mu.Lock()
	x := c.more()
	switch {
	case c.done() && x.kids.empty():
		x.leaveBehind(c)
		x.hooked = x.hook != nil
	case x.hook == nil:
		x.hook, h = h, nil
	}
	c.mu.Unlock()
	h.undo(c) // the call has ended meanwhile, or another has hooked it after that
}

// hookWith registers h, and keeps it.
//
//go:noinline
func (c *Call) hookWith(h *hook) {
	c.hookTo(c.liveParent(), h)
	c.keepHook(h)
}

// hookTo has c told of parent's end by h.
func (c *Call) hookTo(parent context.Context, h *hook) {
	var at *Call // in whose list it is to be
	if up, ok := parent.(*callContext); ok {
		at = (*Call)(up)
	} else if s := c.loopOf(); s != nil {
		at, h.s, h.kid.apart = s.hubFor(parent), s, true
	} else {
		c.hookToContext(parent, h)
		return
	}
	h.kid.call = c
	if !at.addKid(&h.kid) {
		c.parentEnded()
	}
}

// hookToContext is hookTo where the parent is no call and there is no hub.
func (c *Call) hookToContext(parent context.Context, h *hook) {
	h.stop = context.AfterFunc(parent, c.parentEnded)
	if a := anchorOf(parent); a.call != nil {
		// Between the two calls are contexts that do not know of calls: the upper one must stay hooked for them.
		a.call.addKid(&h.kid)
	}
}

// undo takes it back, which is c's; nil: there is nothing to take back. No lock is held, since a context of a user's may be asked.
func (h *hook) undo(c *Call) {
	if h == nil {
		return
	}
	if h.stop != nil {
		h.unregister(c)
	}
	h.kid.drop()
	if h.s != nil {
		h.s.leaveHub()
	}
}

// unregister takes the registration with package context back. Should a method of a user's context panic there, on whatever goroutine has ended the call,
// the call is as it is.
func (h *hook) unregister(c *Call) {
	defer func() {
		if r := recover(); r != nil {
			c.panickedUnseen(panicked(r))
		}
	}()
	h.stop()
}

// leaveHub is told that a call, which has ended, is not in the loop's hub any more. On the loop itself there is nothing to do: that drops a hub before
// it sleeps. But it may be asleep.
//
//go:noinline
func (s *sched) leaveHub() {
	if fb := self(); fb == nil || fb.s != s {
		s.dropHub()
	}
}

// Calls on one loop are often made with one context. They share its notice: a hub is a call that nobody sees, made under that
// context, and they are its kids. A loop keeps the latest hub while it is busy.

// hubFor returns the hub that tells the loop's calls of the end of parent, which is no call.
func (s *sched) hubFor(parent context.Context) *Call {
	if h := s.hubUnder(parent); h != nil {
		return h
	}
	return s.newHub(parent)
}

// loopOf returns the loop that c was submitted to, nil if it is another portal, or c a hub.
//
//go:noinline
func (c *Call) loopOf() *sched {
	if l, ok := c.Portal().(*Loop); ok && !c.has(flagHub) {
		return l.s
	}
	return nil
}

// hubUnder returns the hub that there is, if it is one under parent.
//
//go:noinline
func (s *sched) hubUnder(parent context.Context) *Call {
	if h := s.hub.Load(); h != nil && !h.has(flagCancel) && sameContext(h.parent(), parent) {
		return h
	}
	return nil
}

// newHub makes a hub. It is apart since most calls find one.
//
//go:noinline
func (s *sched) newHub(parent context.Context) *Call {
	h := &Call{under: parentOf(parent), kind: noCall}
	if s.loop != nil {
		h.portal = portalRef(s.loop)
	}
	h.set(flagHub)
	if old := s.hub.Swap(h); old != nil {
		old.finish(Succeeded, nil) // who is in its list still hears of the end; without them, it is taken back
	}
	return h
}

// dropHub forgets the hub, if it has nobody to tell: an idle loop is not to keep a context. What comes late to such a hub is told
// all the same, as under a call that is done.
func (s *sched) dropHub() {
	h := s.hub.Load()
	if h == nil {
		return
	}
	h.mu.Lock()
	if h.done() { // its context has ended
		h.mu.Unlock()
		s.hub.CompareAndSwap(h, nil)
		return
	}
	if x := h.x.Load(); x == nil || !x.kids.empty() {
		h.mu.Unlock()
		return
	}
	s.hub.CompareAndSwap(h, nil)
	h.finishLocked(Succeeded, nil)
}

// noCall is the kind of a hub, which has no function.
var noCall = kindOf((*noFunction)(nil))

type noFunction Call

func (*noFunction) invoke(context.Context) {}
func (*noFunction) release()               {}
func (*noFunction) takes(any) bool         { return false }

// hasFuncs reports whether the end of c, or being asked for it, runs functions of users.
func (c *Call) hasFuncs() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	x := c.x.Load()
	if x == nil {
		return false
	}
	r := x.rare.Load()
	return x.onDone != nil || r != nil && len(r.onCancel) > 0
}

// stopTimeout stops the clock of Timeout: nobody is to be told any more when it is up. It needs mu.
func (x *callMore) stopTimeout() {
	if r := x.rare.Load(); r != nil && r.timer != nil {
		r.timer.Stop()
		r.timer = nil
	}
}

// unhookDone returns the hook, to be undone without the lock, when the call is done and has nobody to tell any more. It needs mu.
func (c *Call) unhookDone(x *callMore) (h *hook) {
	if r := x.rare.Load(); r != nil && r.timed == 0 {
		x.stopTimeout()
	}
	if !x.hooked || !x.kids.empty() || x.moving > 0 {
		return nil
	}
	x.leaveBehind(c)
	x.hooked = false
	h, x.hook = x.hook, nil
	return h
}
