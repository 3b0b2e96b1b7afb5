package hop

import (
	"context"

	"github.com/gohop/hop/internal/bug"
	"github.com/gohop/hop/internal/goid"
	"github.com/gohop/hop/internal/turn"
)

// A Pending is the typed result of a call that may not have finished. It is one allocation together with its [Call].
// All methods are safe for concurrent use. It follows async-kernel's Pending, Prefect's Future and asyncio's Future.
type Pending[T any] struct {
	c     Call
	f     func(context.Context) (T, error) // nil once it has been taken to run
	value T
}

// result is for when the call is done.
func (p *Pending[T]) result() (T, error) {
	return p.value, p.c.seen()
}

// Wait waits until the call is done and returns its result; the error that the function returned comes back itself.
//
// ctx bounds the wait, not the call: when it ends first, Wait returns an error that is ctx.Err() and its cause, and the call
// goes on. For a call that is done, Wait returns the result whatever ctx says.
//
// Wait never blocks a [Loop]: in a task it suspends the task, on a [Pool]'s worker it gives the worker's place back
// while it blocks, and elsewhere it blocks the goroutine. Which of these is decided by the goroutine that calls. Other
// errors: [DeadlockError] when the call itself waits for the caller, ErrCannotWait where nothing can wait (see there),
// ErrStopped when the caller's loop is closed meanwhile.
//
// A wait that has to suspend a task costs about 0.1 µs, and no allocation with the context of its call or one that never ends; with
// one that may end earlier it costs what context.AfterFunc does, some 150 bytes. It follows async-kernel's Pending.wait and wait_sync, and
// Prefect's Call.result and aresult.
//
//go:noinline
func (p *Pending[T]) Wait(ctx context.Context) (T, error) {
	if !p.c.done() {
		var err error
		if fb := self(); fb != nil && fb.wait.co != nil && ctx != nil {
			err = p.c.awaitInTask(ctx, goid.CallerPC(), fb) // what await comes to, with fewer returns: see suspend
		} else {
			err = p.c.await(ctx, goid.CallerPC())
		}
		if err != nil {
			var zero T
			return zero, err
		}
	}
	return p.result()
}

// WaitOrCancel is Wait by the call's owner: when ctx ends first, the call is cancelled with ctx's cause. WaitOrCancel then
// gives a running function half a second to heed its own context, and returns the [CancelError] that the call
// ends with; for a function that does not heed it, it does not wait longer. A wait that is refused as a deadlock cancels nothing. One
// that ends with ErrCannotWait or ErrStopped cancels the call.
//
//go:noinline
func (p *Pending[T]) WaitOrCancel(ctx context.Context) (T, error) {
	if !p.c.done() {
		if err := p.c.awaitOwned(ctx, goid.CallerPC(), false); err != nil {
			var zero T
			return zero, err
		}
	}
	return p.result()
}

// Result returns the result of a call that is done, and ErrNotDone until then. It does not block; see [Call.State] for what it may run.
func (p *Pending[T]) Result() (T, error) {
	if !p.c.settled() {
		var zero T
		return zero, p.c.notDone()
	}
	return p.result()
}

// Done returns a channel that is closed when the call is done. It serves in select; Wait costs less.
func (p *Pending[T]) Done() <-chan struct{} { return p.c.Done() }

// Cancel asks the call to end, with cause (nil: context.Canceled). It returns true if the call will end, or has ended,
// cancelled, whatever its function still returns. A queued call is done at once; a running one has its context
// cancelled with cause and is done when its function returns, or at once with [Abandon]. It does not block. Of several that ask a running call, each with a
// cause of its own, the first ends its context; the error of the call is all of these, but for those after very many.
func (p *Pending[T]) Cancel(cause error) bool { return p.c.Cancel(cause) }

// CancelWait cancels the call and waits until its function has really returned; see Call.CancelWait.
//
//go:noinline
func (p *Pending[T]) CancelWait(ctx context.Context, cause error) error {
	return p.c.cancelWait(ctx, cause, goid.CallerPC())
}

// OnDone has f called once the call is done; see Call.OnDone.
func (p *Pending[T]) OnDone(f func()) (stop func() bool) { return p.c.OnDone(f) }

// Call returns the untyped call, which is the same object.
func (p *Pending[T]) Call() *Call { return &p.c }

// String describes the call as Call.String does.
func (p *Pending[T]) String() string { return p.c.String() }

// invoke runs the function; it is called at most once, by Call.run.
func (p *Pending[T]) invoke(ctx context.Context) {
	if p.c.has(flagLabels) {
		p.label()
	}
	f := p.f
	p.f = nil
	v, err := f(ctx)
	if p.c.hasRare() != nil {
		p.settleRare(v, err) // apart, since this is below each task that waits
		return
	}
	p.settle(v, err)
}

// settleRare is settle for a call with a Timeout, or OnUndelivered.
//
//go:noinline
func (p *Pending[T]) settleRare(v T, err error) {
	defer p.release()
	p.c.lookAtClock()
	p.settle(v, err)
}

// settle ends the call with what its function returned. It reports whether it was the first to end it.
func (p *Pending[T]) settle(v T, err error) bool {
	c := &p.c
	turn.At(turn.Return, c)
	if c.parentErr() != nil {
		c.parentEnded()
	}
	c.mu.Lock()
	if !bug.FinishesTwice && c.done() {
		c.mu.Unlock()
		if err == nil && c.raw() == Cancelled {
			p.undelivered(v)
		}
		return false
	}
	if cause := c.endedBy(); cause != nil {
		c.mu.Unlock()
		if err == nil {
			p.undelivered(v)
		}
		c.mu.Lock()
		if c.done() {
			c.mu.Unlock()
			return false
		}
		c.byHand()
		c.finishLocked(Cancelled, c.cancelled(cause))
		return true
	}
	c.byHand()
	p.value = v
	state := Succeeded
	if err != nil {
		state = Failed
	}
	c.finishLocked(state, err)
	return true
}

// byHand notes that Resolve or Reject ends the call, if it is a promise. It needs mu.
func (c *Call) byHand() {
	if c.has(flagPromise) {
		c.set(flagByHand)
	}
}

// undelivered hands a value that nobody will get to OnUndelivered.
func (p *Pending[T]) undelivered(v T) {
	if x := p.c.hasRare(); x != nil && x.undelivered != nil {
		p.c.guard(func() { x.undelivered.(func(T))(v) })
	}
}

// release drops the function, and with it its arguments, of a call that will never run, or has.
func (p *Pending[T]) release() {
	p.f = nil
	if r := p.c.hasRare(); r != nil && !p.c.has(flagPromise) {
		r.undelivered = nil
	}
}

func (p *Pending[T]) takes(onUndelivered any) bool {
	_, ok := onUndelivered.(func(T))
	return ok
}
