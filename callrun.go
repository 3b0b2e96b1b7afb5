package hop

import (
	"errors"
	"runtime/debug"
	"sync/atomic"

	"github.com/gohop/hop/internal/bug"
	"github.com/gohop/hop/internal/turn"
	"github.com/gohop/hop/internal/waitlist"
)

// Run runs the call's function on the calling goroutine and returns when it has. It does nothing if the call has run, runs
// or has ended. It is for portals. A panic of the function ends the call, not the caller; a runtime.Goexit ends both. For a panic of an OnDone
// function see [Call.OnDone].
func (c *Call) Run() {
	fb := self()
	if fb == nil {
		fb = enter()
		defer fb.exit()
	}
	c.join()
	if fb.cur.Load() == nil && fb.closing() {
		c.Cancel(ErrStopped) // a posted function makes it after the Close that cancelled everything
	}
	c.run(fb)
}

// closing reports whether the goroutine is of a place that is being closed.
func (fb *fiber) closing() bool {
	return fb.s != nil && fb.s.closing.Load() || fb.w != nil && !fb.w.gone && fb.w.p.closing.Load()
}

// runOnGoroutine is Run on a new goroutine, of a call that has been accepted.
func (c *Call) runOnGoroutine() {
	fb := enter()
	defer fb.exit()
	c.run(fb)
}

// run runs the function on goroutine fb, which is the caller's. Its frame is part of each task's stack: see mayWait.
func (c *Call) run(fb *fiber) {
	if !c.start(fb) {
		return
	}
	if fb.cur.Load() != nil {
		fb.push()
	}
	fb.cur.Store(c)
	returned := false
	defer func() {
		if !returned {
			r := recover()
			defer c.leave(fb) // also if a function of OnDone ends the goroutine
			c.crashed(r)
			return
		}
		c.leave(fb)
	}()
	c.impl().invoke((*callContext)(c))
	returned = true
}

// leave is told that the function has returned, or will not.
func (c *Call) leave(fb *fiber) {
	fb.cur.Store(fb.pop())
	if fb.wait.bound.Load() != nil {
		fb.wait.bound.Store(nil) // or the goroutine keeps the call
	}
	if c.has(flagAbandoned) {
		c.cameBack(fb)
	}
}

// crashed ends a call whose function did not return: it panicked with r, or called runtime.Goexit if r is nil.
func (c *Call) crashed(r any) {
	turn.At(turn.Return, c)
	var err error
	if r != nil {
		err = &PanicError{Value: r, Stack: debug.Stack(), call: c}
	} else {
		err = refuse(ErrGoexit, "%s: the function ended its goroutine with runtime.Goexit", c.where())
	}
	defer c.endCrashed(err) // also if a method of the parent's, which is a user's, ends the goroutine, as perhaps it has just done
	c.lookAtClock()
	if c.parentOver() {
		c.parentEnded()
	}
}

// parentOver is whether parentErr says something, false if that panics.
func (c *Call) parentOver() (over bool) {
	defer func() {
		if !over {
			recover()
		}
	}()
	return c.parentErr() != nil
}

func (c *Call) endCrashed(err error) {
	c.mu.Lock()
	switch cause := c.endedBy(); {
	case c.done():
		c.mu.Unlock()
		if p, ok := err.(*PanicError); ok {
			c.panickedUnseen(p)
		}
	case cause != nil:
		c.finishLocked(Cancelled, c.cancelled(errors.Join(cause, err)))
	default:
		c.finishLocked(Failed, err)
	}
}

// start takes the function to run, on fb; true once.
func (c *Call) start(fb *fiber) bool {
	turn.At(turn.Start, c)
	switch {
	case c.has(flagEndless):
	case c.under.kind == ofBackground || c.under.kind == ofCancel || c.under.kind == ofGroupContext: // most often; what is asked there is no user's
		if c.errAbove() != nil {
			c.parentEnded()
		}
	default:
		c.askParent()
	}
	for c.hasRare() == nil {
		turn.Race(c)
		old := c.st.Load()
		if State(old&stateMask) > Queued || old&(flagPromise|flagAbandon) != 0 || old&(flagCancel|flagEnding) != 0 && !bug.StartsAnyway {
			break
		}
		if c.st.CompareAndSwap(old, old&^stateMask|uint32(Running)) {
			c.fb.Store(fb)
			return true
		}
	}
	return c.startLocked(fb)
}

// askParent looks whether the parent has ended before the call begins. A method of a user's context may panic, or end the goroutine: then the call fails.
func (c *Call) askParent() {
	if c.under.kind == nil {
		misuseOfZero()
	}
	asked := false
	defer func() {
		if asked {
			return
		}
		r := recover()
		err := refuse(ErrGoexit, "%s: its context ended the goroutine with runtime.Goexit", c.where())
		if r != nil {
			err = &PanicError{Value: r, Stack: debug.Stack(), call: c}
		}
		var later tells
		defer later.tell()
		if !c.failNow(err, &later) && r != nil {
			panic(r) // a function's that was told of the end
		}
	}()
	if c.errAbove() != nil {
		c.parentEnded()
	}
	asked = true
}

// startLocked is start for a call that has a limit of its own, or may be ending.
func (c *Call) startLocked(fb *fiber) bool {
	c.mu.Lock()
	if c.has(flagPromise|flagEnding) || !c.begin() {
		c.mu.Unlock()
		return false
	}
	c.fb.Store(fb)
	rare := c.hasRare()
	c.leaveQueue()
	c.mu.Unlock()
	if rare != nil && rare.timeout > 0 {
		c.startTimeout(rare)
	}
	return true
}

// enterQueue counts the call in the queue, until it leaves it.
func (c *Call) enterQueue(queue *atomic.Int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.done() {
		c.rare().queue = queue
		queue.Add(1)
	}
}

// leaveQueue stops counting the call in the queue it is in. It needs mu.
func (c *Call) leaveQueue() {
	if x := c.hasRare(); x != nil && x.queue != nil {
		x.queue.Add(-1)
		x.queue = nil
	}
}

// accept makes the call on's, as hop's own portals do before they queue it. It reports whether there is something to
// queue: a call that was cancelled before is none.
func (c *Call) accept(on Portal, queue *atomic.Int64) (bool, error) {
	if c == nil || c.kind == nil {
		misuse("Submit of a call that New did not make")
	}
	turn.At(turn.Submit, c)
	c.join()
	if c.has(flagHeld) {
		if kept, err := c.hold(on, false); kept || err != nil {
			return false, err // it comes again when it has a place in its group
		}
	}
	if queue == nil && c.acceptFresh() {
		return true, nil
	}
	c.mu.Lock()
	if state := c.raw(); c.has(flagTaken|flagPromise) || state == Running {
		c.mu.Unlock()
		if c.has(flagPromise) {
			return false, refuse(ErrMismatch, "%s is a promise: it has no function to run; Resolve or Reject ends it", c.where())
		}
		return false, refuse(ErrMismatch, "%s was submitted before", c.where())
	} else if state.Done() {
		c.mu.Unlock()
		return false, nil
	}
	defer c.mu.Unlock()
	c.set(flagTaken)
	if c.portal == nil {
		c.portal = portalRef(on)
		c.set(flagPortal)
	}
	c.advance(Created, Queued)
	if queue != nil {
		c.rare().queue = queue
	}
	return true, nil
}

// acceptFresh accepts a call that Go or another has made and is submitting: its portal is set.
func (c *Call) acceptFresh() bool {
	turn.Race(c)
	old := c.st.Load()
	return State(old&stateMask) == Created && old&(flagLoose|flagTaken|flagPromise|flagCancel|flagEnding|flagHeld) == 0 &&
		c.st.CompareAndSwap(old, old|uint32(Queued)|flagTaken)
}

// acceptDelayed is accept of a call that is to be submitted later, when it is due: until then no other portal takes it. Its portal is set.
func (c *Call) acceptDelayed() (bool, error) {
	c.mu.Lock()
	x := c.hasRare()
	if state := c.raw(); c.has(flagTaken) || state == Running || x != nil && x.held != nil {
		c.mu.Unlock()
		return false, refuse(ErrMismatch, "%s was submitted before", c.where())
	} else if state.Done() {
		c.mu.Unlock()
		return false, nil
	}
	defer c.mu.Unlock()
	c.set(flagTaken)
	c.advance(Created, Queued)
	return true, nil
}

// unaccept takes accept back: on refuses after all. Functions of users are left to later, if that is not nil.
func (c *Call) unaccept(on Portal, later *tells) {
	var h *heldCall
	defer func() {
		if h != nil {
			h.giveUp(later)
		}
	}()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.has(flagPortal) {
		c.portal = nil // it was accept that set it
	}
	c.st.And(^uint32(flagTaken | flagPortal))
	c.advance(Queued, Created)
	c.leaveQueue()
	if x := c.hasRare(); x != nil && x.held != nil && x.held.on == on { // else it is for another portal that it has its places, which tries on
		h, x.held = x.held, nil
	}
}

// finish ends the call; false: it has ended before.
func (c *Call) finish(state State, err error) bool { return c.finishAs(state, err, nil) }

// finishAs is finish; see endLocked.
func (c *Call) finishAs(state State, err error, later *tells) bool {
	c.mu.Lock()
	if c.done() {
		c.mu.Unlock()
		return false
	}
	c.endLocked(state, err, later)
	return true
}

// finishLocked ends the call, wakes who waits and runs what is to run then. It is entered with mu held, and releases it.
func (c *Call) finishLocked(state State, err error) { c.endLocked(state, err, nil) }

// endLocked is finishLocked, but leaves the functions of users to later, if that is not nil.
//
// A goroutine that a call is alone on begins with 2 KB of stack, and most come to their end here: what few calls need is apart, so that this has a
// small frame, as have leave and left.
func (c *Call) endLocked(state State, err error, later *tells) {
	var end callEnd
	if err != nil {
		c.more().err = err
	}
	if state == Failed && !c.has(flagLooked) && !c.waited() {
		end.unlooked = c.mayStayUnseen()
	}
	x := c.x.Load()
	sets := c.nodes()
	if c.has(flagUnder) {
		c.deputyEnds(x)
	}
	c.move(state)
	if later != nil || sets != nil || x != nil && x.onDone != nil {
		end.last = c.takeWatchers()
	}
	c.waiters.WakeAll()
	if x != nil {
		c.endMore(x, &end)
	}
	if bug.UnderLock {
		c.runDone(end.fs)
		end.fs = nil
	}
	c.mu.Unlock()
	if later == nil && end == (callEnd{}) && !c.has(flagUnder|flagDelayed) {
		sets.leave(nil)
	} else {
		c.endWith(sets, &end, later)
	}
}

// A callEnd is what is to be done at the end of a call, when its lock is released.
type callEnd struct {
	fs       *doneFunc
	last     waitlist.Chain // those who watch
	h        *hook          // to be taken back
	unlooked *unlooked
	kids     bool // are to be passed on
}

// endMore is endLocked for a call that has more.
//
//go:noinline
func (c *Call) endMore(x *callMore, end *callEnd) {
	c.leaveQueue()
	x.nodes = nil
	end.fs, x.onDone = x.onDone, nil
	if x.doneCh != nil {
		close(x.doneCh)
	}
	end.h = c.unhookDone(x)
	end.kids = x.hooked && !x.kids.empty()
	if r := x.rare.Load(); r != nil {
		r.onCancel = nil
		if !c.has(flagAbandoned) {
			r.made = nil
		}
	}
}

// endWith is the rest of endLocked.
//
//go:noinline
func (c *Call) endWith(sets *linkNode, end *callEnd, later *tells) {
	if later == nil && sets.leavesBehind() {
		c.endAmong(sets, end)
		return
	}
	if end.kids {
		defer c.passKids(later)
	}
	u := end.unlooked
	if later != nil {
		if c.has(flagDelayed) {
			c.dropTimer()
		}
		defer func() { // also if a cause, which is a user's and is asked where another member is cancelled, ends the goroutine
			later.ended(c, end.fs, end.last, end.h)
			if u != nil {
				later.then(func() { u.keep(c.failure()) })
			}
		}()
		sets.leave(later)
		return
	}
	if c.has(flagUnder) {
		c.deputyEnded() // before functions: one may wait for who waits for the deputy
	}
	if end.h != nil {
		defer end.h.undo(c) // last: it may ask a context of a user's
	}
	if u != nil {
		defer func() { u.keep(c.failure()) }() // which asks the error: it may be a user's
	}
	if c.has(flagDelayed) {
		c.dropTimer()
	}
	if end.fs != nil || !end.last.Empty() {
		c.tell(sets, end.fs, end.last)
	} else {
		sets.leave(nil)
	}
}

// endAmong is endWith where others may end with the call: who watches it is not kept waiting by their functions.
//
//go:noinline
func (c *Call) endAmong(sets *linkNode, end *callEnd) {
	var own tells
	defer own.tell()
	c.endWith(sets, end, &own)
}

// tell tells the groups of the call that it has ended, then the functions fs of OnDone, and last who watches it; each also if a function
// of those before ends the goroutine.
func (c *Call) tell(sets *linkNode, fs *doneFunc, last waitlist.Chain) {
	defer last.WakeAll()
	defer c.runDone(fs)
	sets.leave(nil)
}

// Fail ends a call that will never run with err, and reports whether it was the first to end it. It is for portals:
// what Submit has accepted must end by Run or Fail. A call whose function runs cannot be failed. A nil err panics. For a panic of an OnDone
// function see [Call.OnDone].
func (c *Call) Fail(err error) bool {
	if err == nil {
		misuse("Fail: nil error")
	}
	var later tells
	defer later.tell()
	return c.failFor(err, &later)
}

// failFor is Fail, but for functions of users, which are left to later.
func (c *Call) failFor(err error, later *tells) bool {
	turn.At(turn.Return, c)
	if !c.done() && c.parentErr() != nil {
		c.askParentEnded(later) // it came first: the call ends cancelled
		if c.done() {
			return c.raw() == Cancelled // else its function has ended it meanwhile
		}
	}
	return c.failNow(err, later)
}

// failNow is failFor without a look at the parent.
func (c *Call) failNow(err error, later *tells) bool {
	c.mu.Lock()
	if old := c.st.Or(flagEnding); State(old&stateMask) > Queued {
		c.mu.Unlock()
		return false
	}
	c.impl().release()
	if cause := c.endedBy(); cause != nil {
		c.endLocked(Cancelled, c.cancelled(cause), later)
		return true
	}
	c.endLocked(Failed, err, later)
	return true
}
