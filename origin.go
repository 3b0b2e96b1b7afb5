package hop

import (
	"context"

	"github.com/gohop/hop/internal/waitlist"
)

// Origin returns the portal back to who waits for the call that ctx belongs to: the loop whose task made the call, or
// the goroutine that is blocked in Do, Run or Waiter.Wait for it. What is sent there runs while it waits, and is cancelled
// when the awaited call is. To a goroutine that waits only the awaited call can send, so that holds with any context; a loop takes calls of
// anybody, so there the context says whose a call is: give it ctx, or one made from that.
//
// If there is neither for the call itself, Origin asks the call that made it, and so on up to what [WithOrigin] has said. It is nil if nobody
// can take anything, as when the awaited call has ended and its waiter only finishes what was sent there.
//
// It follows anyio's from_thread, and Prefect's run_async_from_worker_thread and get_worker_thread's way back.
func Origin(ctx context.Context) Portal {
	if ctx == nil {
		misuse("nil context")
	}
	p, _ := ctx.Value(originKey{}).(Portal)
	return p
}

// WithOrigin returns a context from which Origin finds p: for a goroutine or thread that hop did not start, and which
// somebody on p waits for. It follows Prefect's mark_as_worker_thread.
func WithOrigin(ctx context.Context, p Portal) context.Context {
	if ctx == nil {
		misuse("nil context")
	}
	if p == nil {
		misuse("WithOrigin: nil portal")
	}
	return context.WithValue(ctx, originKey{}, p)
}

// origin returns the portal to who waits for c; nil: nobody of its own.
func (c *Call) origin() Portal {
	if c.has(flagPumped) && !c.done() && !c.onPumper() {
		if w := c.originWaiter(); w != nil {
			return w
		}
	}
	if c.x.Load() != nil && !c.done() {
		if w := c.waiter(); w != nil {
			return w
		}
	}
	if s := c.from; s != nil {
		switch {
		case s.loop != nil && !s.loop.ended.IsSet():
			return s.loop
		case s.waiter != nil && s.waiter.takes():
			return s.waiter
		}
	}
	return nil
}

// onPumper reports whether the call runs on the very goroutine that called Do for it, which therefore serves nobody.
func (c *Call) onPumper() bool {
	r := c.hasRare()
	if r == nil || r.pumper == 0 {
		return false
	}
	fb := c.fb.Load()
	return fb != nil && fb.g == r.pumper
}

// waiter returns the Waiter whose Wait waits for c, nil if none does.
func (c *Call) waiter() *Waiter {
	c.mu.Lock()
	defer c.mu.Unlock()
	if x := c.hasRare(); x != nil {
		return x.waiter
	}
	return nil
}

// pump returns the Waiter of the goroutine that is blocked in Do for c; nil: nobody has asked for it.
func (c *Call) pump() *Waiter {
	c.mu.Lock()
	defer c.mu.Unlock()
	if x := c.hasRare(); x != nil {
		return x.pump
	}
	return nil
}

// originWaiter returns the Waiter of the goroutine that is blocked in Do for c, made when first asked for.
func (c *Call) originWaiter() *Waiter {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done() {
		return nil
	}
	x := c.rare()
	if x.pump == nil {
		w := NewWaiter()
		x.pump = w
		w.call = c
		if wt := pumping(&c.waiters); wt != nil {
			w.attach(wt)
		}
	}
	return x.pump
}

// pumping returns the wait in the list whose goroutine runs what is sent to it.
func pumping(l *waitlist.List) *wait {
	for w := range l.All {
		if w, ok := w.(*wait); ok && w.pump != nil {
			return w
		}
	}
	return nil
}
