package hop

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// Cancel asks the call to end; see Pending.Cancel.
func (c *Call) Cancel(cause error) bool {
	if cause == nil {
		cause = context.Canceled
	}
	return c.cancel(cause, 0)
}

// parentEnded is told, or has seen, that the submitter's context is over.
func (c *Call) parentEnded() {
	if c.has(flagCancel) {
		return
	}
	var flag uint32
	if c.parent.Err() == context.DeadlineExceeded {
		flag = flagTimeout
	}
	cause := causeOf(c.parent)
	if c.cancel(cause, flag) || !c.done() {
		return
	}
	// The call has ended by itself, but what was made under it goes on, and hears of the end through it.
	x := c.x.Load()
	if x == nil {
		return
	}
	c.mu.Lock()
	end, kids := x.ending(), x.kids.take()
	c.mu.Unlock()
	if end != nil {
		end(cause, flag == flagTimeout)
	}
	kids.tellAll()
}

// timeUp is told when Timeout is up.
func (c *Call) timeUp() { c.cancel(context.DeadlineExceeded, flagTimeout) }

// endedBy returns why the call can only end cancelled, nil if it need not. It needs mu.
func (c *Call) endedBy() error {
	if c.has(flagCancel) {
		return c.x.Load().cause
	}
	return nil
}

// cancel asks the call to end with cause; how is flagTimeout where a deadline asks.
func (c *Call) cancel(cause error, how uint32) bool {
	c.mu.Lock()
	state := c.raw()
	if state.Done() {
		c.mu.Unlock()
		return state == Cancelled
	}
	x := c.more()
	if c.has(flagCancel) {
		if !errors.Is(x.cause, cause) && cause != context.Canceled {
			x.cause = errors.Join(x.cause, cause)
		}
		c.mu.Unlock()
		return true
	}
	x.cause = cause
	c.set(flagCancel | how)
	end, kids := x.ending(), x.kids.take()
	asks := x.onCancel
	x.onCancel = nil
	switch {
	case state < Running && len(asks) == 0:
		c.impl.release()
		c.finishLocked(Cancelled, &CancelError{cause})
	case state == Running && c.has(flagAbandon):
		c.set(flagAbandoned)
		c.finishLocked(Cancelled, &CancelError{cause})
		c.fb.Load().abandoned()
	default:
		c.mu.Unlock()
	}
	for _, ask := range asks {
		c.guard(func() { ask(cause) })
	}
	if end != nil {
		end(cause, how == flagTimeout)
	}
	if fb := c.fb.Load(); fb != nil {
		fb.wait.endFor(c)
	}
	kids.tellAll()
	return true
}

// cameBack ends the wait for the function of an abandoned call; it runs on the function's goroutine.
func (c *Call) cameBack(fb *fiber) {
	c.mu.Lock()
	x := c.more()
	x.returned = true
	x.forReturn.wakeAll()
	c.mu.Unlock()
	fb.cameBack()
}

// startTimeout starts the clock of Timeout.
func (c *Call) startTimeout() {
	c.mu.Lock()
	defer c.mu.Unlock()
	x := c.more()
	x.until = time.Now().Add(x.timeout)
	x.timer = time.AfterFunc(x.timeout, c.timeUp)
}

// A callContext is a call as the context of its function: a child of the submitter's context that ends with the
// call's cancel. It is the call itself, so it costs nothing. Only when somebody asks for Done, or derives a context
// from it, is a standard context made behind it, which gives both and their causes as everywhere.
//
// That standard context is a root, told of the parent's end by hook, so that the parent need not remember each call
// that ever asked for its Done: the hook is taken back when the call has ended and no call made under it is left.
type callContext Call

func (cc *callContext) Deadline() (time.Time, bool) {
	c := (*Call)(cc)
	d, ok := c.parent.Deadline()
	if x := c.x.Load(); x != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		if !x.until.IsZero() && (!ok || x.until.Before(d)) {
			return x.until, true
		}
	}
	return d, ok
}

func (cc *callContext) Done() <-chan struct{} { return (*Call)(cc).endContext().Done() }

func (cc *callContext) Err() error {
	c := (*Call)(cc)
	if !c.has(flagCancel) {
		err := c.parent.Err()
		if err != nil {
			c.parentEnded()
		}
		if c.done() && !c.has(flagCancel) {
			return err
		}
	}
	if !c.has(flagCancel) {
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
		return anchor{c, c.sets}
	case originKey{}:
		if p := c.origin(); p != nil {
			return p
		}
	case cancelCtxKey:
		return c.endContext().Value(key)
	}
	return c.parent.Value(key)
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

// endContext returns the standard context behind the call's, made if there is none.
func (c *Call) endContext() context.Context {
	c.mu.Lock()
	x := c.more()
	if x.ctx == nil {
		x.root = new(contextRoot)
		x.ctx, x.endCtx = context.WithCancelCause(x.root)
		if c.has(flagTimeout) {
			x.root.end()
		} else if c.has(flagCancel) {
			x.endCtx(x.cause)
		}
	}
	ctx := x.ctx
	c.mu.Unlock()
	c.hook()
	return ctx
}

// ending returns what ends the standard context behind the call's, nil if there is none. It needs mu.
func (x *callMore) ending() func(cause error, timeout bool) {
	if x.ctx == nil {
		return nil
	}
	root, end := x.root, x.endCtx
	return func(cause error, timeout bool) {
		if timeout {
			root.end()
		}
		end(cause)
	}
}

// A contextRoot is the parent of the standard context behind a call's. Through it that context can end with
// DeadlineExceeded although no timer is its own: package context calls AfterFunc on a parent that has it, and takes
// the parent's Err for the child's.
type contextRoot struct {
	over  atomic.Bool
	after func()
}

var neverDone = make(chan struct{})

func (*contextRoot) Deadline() (t time.Time, ok bool) { return }
func (*contextRoot) Done() <-chan struct{}            { return neverDone }
func (*contextRoot) Value(any) any                    { return nil }

func (r *contextRoot) Err() error {
	if r.over.Load() {
		return context.DeadlineExceeded
	}
	return nil
}

func (r *contextRoot) AfterFunc(f func()) (stop func() bool) {
	r.after = f
	return func() bool { return true }
}

func (r *contextRoot) end() {
	if !r.over.Swap(true) {
		r.after()
	}
}
