package hop

import (
	"context"
	"errors"
	"time"

	"github.com/gohop/hop/internal/bug"
	"github.com/gohop/hop/internal/each"
	"github.com/gohop/hop/internal/goid"
	"github.com/gohop/hop/internal/turn"
)

// Cancel asks the call to end; see Pending.Cancel.
func (c *Call) Cancel(cause error) bool {
	var later tells
	defer later.tell()
	return c.askTo(cause, &later)
}

// askTo is Cancel, but for functions of users, which are left to later.
func (c *Call) askTo(cause error, later *tells) bool {
	if c.parentErr() != nil {
		c.askParentEnded(later) // it came first
	}
	return c.ask(cause, 0, later)
}

// askToStop is Cancel by a place that stops. Functions of users are left to later, if that is not nil.
func (c *Call) askToStop(later *tells) {
	if later == nil {
		c.Cancel(ErrStopped)
		return
	}
	later.cancel([]*Call{c}, ErrStopped)
}

// endsByStop is askToStop of a call that a place which is being closed has accepted, but not got yet: it ends, and does not begin first. False: the place
// has ended, or the call does not end by that.
func (c *Call) endsByStop(ended *Event, later *tells) bool {
	if ended.IsSet() {
		return false
	}
	c.askToStop(later)
	return c.done()
}

// parentEnded is told, or has seen, that the submitter's context is over.
func (c *Call) parentEnded() {
	if c.has(flagCancel) {
		return
	}
	var later tells
	defer later.tell()
	c.askParentEnded(&later)
}

// askParentEnded is parentEnded, but for functions of users, which are left to later.
func (c *Call) askParentEnded(later *tells) {
	if c.has(flagCancel) {
		return
	}
	var flag uint32
	parent := c.liveParent()
	if parent.Err() == context.DeadlineExceeded {
		flag = flagTimeout
	}
	if c.ask(causeOf(parent), flag, later) || !c.done() {
		return
	}
	// The call has ended by itself, but what was made under it goes on, and hears of the end through it.
	x := c.x.Load()
	if x == nil {
		return
	}
	c.mu.Lock()
	x.endDone()
	kids := x.kids.take(nil)
	x.stopTimeout()
	c.mu.Unlock()
	kids.askAll(c, later)
}

// timeUp is told when Timeout is up. A call that was asked to cancel before that has not ended because of it.
func (c *Call) timeUp() {
	if !c.has(flagCancel) && !c.cancel(context.DeadlineExceeded, flagTimeout) {
		c.contextTimeUp()
	}
}

// contextTimeUp is timeUp of a call that has ended in time. With that its Timeout is over, and the calls under it go on. But a context that package
// context has derived from the call's while the function ran, under a deadline that was the call's, has no timer of its own: if such a one is left, the
// call's context ends, as it has told.
func (c *Call) contextTimeUp() {
	if c.parentErr() != nil {
		c.parentEnded() // it came first
		return
	}
	c.mu.Lock()
	x := c.x.Load()
	r := x.rare.Load()
	if r.timer == nil || c.has(flagCancel) {
		c.mu.Unlock()
		return
	}
	r.timer = nil
	c.set(flagTimeout)
	x.endDone()
	timed := x.kids.takeTimed()
	r.timed = 0
	h := c.unhookDone(x)
	c.mu.Unlock()
	defer h.undo(c)
	defer c.passKids(nil)
	timed.tellAll(c, nil)
}

// outlived reports whether the context of the call, which has ended, is still to end when its Timeout is up. It needs mu.
func (x *callMore) outlived() bool {
	r := x.rare.Load()
	return r != nil && r.timer != nil
}

// endedBy returns why the call can only end cancelled, nil if it need not. It needs mu.
func (c *Call) endedBy() error {
	if !c.has(flagCancel) {
		return nil
	}
	x := c.x.Load()
	if r := x.rare.Load(); r != nil && r.causes != nil {
		return r.causes
	}
	return x.cause
}

// cancel asks the call to end with cause; how is flagTimeout where a deadline asks.
func (c *Call) cancel(cause error, how uint32) bool {
	var later tells
	defer later.tell()
	return c.ask(cause, how, &later)
}

// ask is cancel, but for functions of users, which are left to later.
func (c *Call) ask(cause error, how uint32, later *tells) bool {
	if cause == nil {
		cause = context.Canceled
	}
	turn.At(turn.Cancel, c)
	c.mu.Lock()
	state := c.raw()
	if state.Done() {
		c.mu.Unlock()
		return state == Cancelled
	}
	x := c.more()
	if c.has(flagCancel) {
		c.addCause(cause)
		return true
	}
	x.cause = cause
	state = State(c.st.Or(flagCancel|how) & stateMask) // it may have started meanwhile
	turn.Race(c)
	x.endDone()
	kids := x.kids.take(nil)
	var asks []func(error)
	if r := x.rare.Load(); r != nil {
		r.timed = 0
		asks, r.onCancel = r.onCancel, nil
	}
	// Deferred, since others in a group may end with the call: their causes, which are users', are asked whether they are another, and may end the goroutine.
	defer kids.askAll(c, later)
	defer c.endWait()
	switch {
	case state < Running && len(asks) == 0 && !(bug.CancelWaitsTurn && state == Queued):
		c.impl().release()
		c.endLocked(Cancelled, c.cancelled(cause), later)
	case state == Running && (bug.CancelIsDone || c.has(flagAbandon)):
		c.rare()
		c.set(flagAbandoned)
		c.endLocked(Cancelled, c.cancelled(cause), later)
		c.fb.Load().abandoned(c)
	default:
		c.mu.Unlock()
	}
	if len(asks) > 0 {
		later.then(func() { each.Do(asks, func(ask func(error)) { c.guard(func() { ask(cause) }) }) })
	}
	return true
}

// maxCauses is how many causes are noted beside the first.
const maxCauses = 16

// addCause notes one more cause of a cancel, if it is a new one, and not of very many. It is entered with mu held, and releases it.
func (c *Call) addCause(cause error) {
	for {
		all := c.endedBy()
		var joined error
		full := false
		if r := c.hasRare(); r != nil {
			joined = r.causes
			full = r.further >= maxCauses
		}
		c.mu.Unlock()
		if full || cause == context.Canceled || isOneOf(cause, all) { // not under the lock: errors of users have methods
			return
		}
		c.mu.Lock()
		if c.done() {
			break
		}
		if r := c.rare(); r.causes == joined { // errors.Join makes pointers
			r.causes = errors.Join(all, cause)
			r.further++
			break
		}
	}
	c.mu.Unlock()
}

// isOneOf is errors.Is of causes that are users': should the method Is of one of them panic, it is another.
func isOneOf(cause, all error) (is bool) {
	defer func() {
		if !is {
			recover()
		}
	}()
	return errors.Is(all, cause)
}

// endWait ends the wait in which the call's function is, if it is bound to the call's context.
func (c *Call) endWait() {
	if fb := c.fb.Load(); fb != nil {
		fb.wait.endFor(c)
	}
}

// cameBack ends the wait for the function of an abandoned call; it runs on the function's goroutine.
func (c *Call) cameBack(fb *fiber) {
	turn.At(turn.Return, c)
	c.mu.Lock()
	x := c.rare()
	x.returned = true
	x.made = nil
	x.forReturn.WakeAll()
	c.mu.Unlock()
	fb.cameBack(c)
	if c.has(flagUnder) {
		c.deputyEnded()
	}
}

// lookAtClock is told that the function has returned, perhaps before the timer of Timeout had its turn.
func (c *Call) lookAtClock() {
	if r := c.hasRare(); r != nil && r.timeout > 0 && time.Since(r.until) > 0 {
		c.timeUp()
	}
}

// startTimeout starts the clock of Timeout.
func (c *Call) startTimeout(x *callRare) {
	c.mu.Lock()
	defer c.mu.Unlock()
	x.until = time.Now().Add(x.timeout)
	if c.done() {
		return // it was abandoned meanwhile
	}
	x.timer = time.AfterFunc(x.timeout, c.timeUp)
}

// A callContext is a call as the context of its function: a child of the submitter's context that ends with the
// call's cancel, and with the submitter's context also after the call. It is the call itself, so it costs nothing; only
// when somebody asks for Done is a channel made, and the call hooked to its parent.
//
// Package context takes a context of a foreign type for a parent through its method AfterFunc, and a cause from the nearest
// context of its own, which is found by a key: a callContext that has ended answers it with one made for its cause.
type callContext Call

// tells reports whether the end of the Timeout of c, whose rare this is, is a deadline of its context. It needs mu.
func (r *callRare) tells(c *Call) bool {
	return !r.until.IsZero() && (!c.done() || r.timer != nil || c.has(flagTimeout))
}

func (cc *callContext) Deadline() (time.Time, bool) {
	c := (*Call)(cc)
	d, ok := c.deadlineAbove()
	if c.x.Load() != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		if x := c.hasRare(); x != nil && x.tells(c) && (!ok || x.until.Before(d)) {
			return x.until, true
		}
	}
	return d, ok
}

// deadlineAbove returns the deadline of the nearest context above that is no call's. The Timeouts of the calls between do not count: they end those under
// them only while their functions run. Who derived a context from c's and was told of one would have it run without a timer when that is over.
func (c *Call) deadlineAbove() (time.Time, bool) {
	for {
		ctx := c.liveParent()
		up, ok := ctx.(*callContext)
		if !ok {
			return ctx.Deadline()
		}
		c = (*Call)(up)
	}
}

func (cc *callContext) Done() <-chan struct{} {
	c := (*Call)(cc)
	c.mu.Lock()
	x := c.more()
	if x.ctxDone == nil {
		x.ctxDone = make(chan struct{})
		if c.has(flagCancel | flagTimeout) {
			x.endDone()
		}
	}
	done := x.ctxDone
	hears := x.ctxEnded || x.leftBehind()
	c.mu.Unlock()
	if !hears {
		c.hook()
	}
	return done
}

// endDone closes the channel of Done. It needs mu.
func (x *callMore) endDone() {
	if x.ctxDone != nil && !x.ctxEnded {
		x.ctxEnded = true
		if r := x.rare.Load(); r == nil || r.left == nil || r.left.CompareAndSwap(false, true) {
			close(x.ctxDone)
		}
	}
}

// AfterFunc has f called when the context ends, on the goroutine that ends it: for package context, which starts one
// for functions of users. Package context holds a lock that f takes; so until AfterFunc returns f is not called here, though it is
// here that the end may be seen.
func (cc *callContext) AfterFunc(f func()) (stop func() bool) {
	defer turn.Quietly()()
	c := (*Call)(cc)
	if cc.Err() != nil {
		go f()
		return func() bool { return false }
	}
	return c.tellOfEnd(&kid{f: f, apart: true})
}

// tellOfEnd is AfterFunc for k, which has its function.
func (c *Call) tellOfEnd(k *kid) (stop func() bool) {
	if !c.addKid(k) {
		go k.f()
		return func() bool { return false }
	}
	c.mu.Lock()
	if k.up.Load() == c { // else it has been told, or will be at once
		k.apart = false
	}
	c.mu.Unlock()
	return k.drop
}

func (cc *callContext) Err() error {
	c := (*Call)(cc)
	if st := c.st.Load(); st&flagCancel == 0 {
		if st&flagTimeout != 0 {
			return context.DeadlineExceeded // see contextTimeUp
		}
		err := c.parentErr()
		if err != nil && (graphOwner.Load() == goid.Self() || asking.here()) {
			return err // a search for deadlocks only looks: to end the call would run functions of users, under the graph's lock; see also tells
		}
		if err != nil {
			c.parentEnded()
		}
		if c.done() && !c.has(flagCancel|flagTimeout) {
			return err
		}
	}
	if !c.has(flagCancel | flagTimeout) {
		return nil
	}
	if c.has(flagTimeout) {
		return context.DeadlineExceeded
	}
	return context.Canceled
}

// Keys of what a callContext knows beside the submitter's values.
type (
	anchorKey struct{} // the nearest call, group or tracker
	originKey struct{} // the way back
)

func (cc *callContext) Value(key any) any {
	c := (*Call)(cc)
	switch key {
	case anchorKey{}:
		return cc // and no *Call, which other contexts could answer with too
	case originKey{}:
		if p := c.origin(); p != nil {
			return p
		}
	case cancelCtxKey:
		cause := c.contextCause()
		if cause == nil {
			return nil
		}
		ended, end := context.WithCancelCause(context.Background())
		end(cause)
		return ended.Value(key)
	}
	return c.parent().Value(key)
}

// contextCause returns why the call's context ended, nil if it has not.
func (c *Call) contextCause() error {
	if !c.has(flagCancel) {
		if err := c.causeAbove(); err != nil || !c.has(flagCancel) {
			return err
		}
	}
	c.mu.Lock()
	cause := c.x.Load().cause
	c.mu.Unlock()
	return cause
}

// causeAbove is contextCause of a call that was not cancelled when it was looked at.
//
//go:noinline
func (c *Call) causeAbove() error {
	if (*callContext)(c).Err() == nil || c.has(flagCancel) {
		return nil
	}
	if c.has(flagTimeout) {
		return context.DeadlineExceeded
	}
	return causeOf(c.liveParent())
}

// causeOf is context.Cause, which cannot ask a call and has a context made to find out.
func causeOf(ctx context.Context) error {
	if c, ok := ctx.(*callContext); ok {
		return (*Call)(c).contextCause()
	}
	return context.Cause(ctx)
}

func (cc *callContext) String() string { return "hop.Call(" + (*Call)(cc).Name() + ")" }

// cancelCtxKey is the key under which package context finds the nearest context of its own that can be cancelled. A
// callContext answers it with the one behind it, so that contexts derived from it cost no goroutine and
// context.Cause finds its cause.
var cancelCtxKey = func() any {
	var p keyProbe
	context.Cause(&p)
	return p.key
}()

type keyProbe struct{ key any }

func (*keyProbe) Deadline() (t time.Time, ok bool) { return }
func (*keyProbe) Done() <-chan struct{}            { return nil }
func (*keyProbe) Err() error                       { return context.Canceled } // Cause asks only what has ended
func (p *keyProbe) Value(key any) any {
	p.key = key
	return nil
}
