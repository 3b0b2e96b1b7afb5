package hop

import (
	"context"

	"github.com/gohop/hop/internal/goid"
)

// A Promise is a Pending that is completed by hand. Its methods are safe for concurrent use. It follows
// async-kernel's Pending.set_result and set_exception.
type Promise[T any] struct {
	p Pending[T]
}

// NewPromise makes a promise. The end of ctx cancels it, as a call's does. It joins ctx's groups. [Timeout] and [Abandon] are about a function that
// runs, and do nothing here: a promise that is to end by some time has a ctx that does.
//
//go:noinline
func NewPromise[T any](ctx context.Context, opts ...Option) *Promise[T] {
	p := new(Promise[T])
	p.p.c.set(flagPromise)
	p.p.c.init(ctx, anchorFor(ctx), &p.p, 0, goid.CallerPC(), opts)
	p.p.c.join()
	return p
}

// Pending returns the result to wait for.
func (p *Promise[T]) Pending() *Pending[T] { return &p.p }

// Resolve ends the promise with v; false: it had ended before. If it was asked to cancel, it ends with a [CancelError] and
// v goes to OnUndelivered; so does one that comes when it has ended cancelled. A panic of an OnDone function panics here, after all of them have run.
func (p *Promise[T]) Resolve(v T) bool {
	defer p.p.c.endAsAsked()
	return p.p.settle(v, nil)
}

// endAsAsked ends a promise that was asked to cancel, if OnUndelivered has ended the goroutine that was to do so.
func (c *Call) endAsAsked() {
	if !c.done() {
		c.mu.Lock()
		cause := c.endedBy()
		c.mu.Unlock()
		if cause != nil {
			c.finish(Cancelled, c.cancelled(cause))
		}
	}
}

// Reject ends the promise with err, which must not be nil; false: it had ended before. If it was asked to cancel, it ends
// with a [CancelError]. A panic of an OnDone function panics here, after all of them have run.
func (p *Promise[T]) Reject(err error) bool {
	if err == nil {
		misuse("Reject: nil error")
	}
	var zero T
	return p.p.settle(zero, err)
}

// OnCancel has f called with the cause when the promise is asked to cancel. With one set, Cancel only asks: the promise ends when
// Resolve or Reject is called, and then cancelled. Without, Cancel ends it at once. On a promise that has been asked
// or has ended, f is ignored. Several run in the order in which they were given. A panic of f goes where one of an OnDone function would; a nil f panics.
// It follows async-kernel's Pending.set_canceller.
func (p *Promise[T]) OnCancel(f func(cause error)) {
	if f == nil {
		misuse("OnCancel: nil function")
	}
	c := &p.p.c
	c.mu.Lock()
	if !c.done() && !c.has(flagCancel) {
		x := c.rare()
		x.onCancel = append(x.onCancel, f)
	}
	c.mu.Unlock()
	c.watch()
}
