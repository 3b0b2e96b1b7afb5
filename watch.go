package hop

import (
	"context"
	"slices"

	"github.com/gohop/hop/internal/goid"
	"github.com/gohop/hop/internal/inside"
	"github.com/gohop/hop/internal/waitlist"
)

// What packages collect and queue know of calls beside what users do; see internal/inside.

func init() {
	inside.Watch = func(call any, n *waitlist.Node, w waitlist.Waiter) bool { return call.(*Call).addWatcher(n, w) }
	inside.Unwatch = func(call any, n *waitlist.Node) bool { return call.(*Call).dropWatcher(n) }
	inside.Here = func(call any) bool { c := call.(*Call); return self().runs(c) && !c.done() }
	inside.Mark = func(call any) bool { return call.(*Call).st.Or(flagMarked)&flagMarked == 0 }
	inside.Unmark = func(call any) { call.(*Call).st.And(^uint32(flagMarked)) }
	inside.WaitForRoom = waitForRoom
	inside.Several, inside.AwaitSeveral = several, awaitSeveral
	inside.OwnRoom = func(call any, queue, file string, line int) error {
		c := call.(*Call)
		return &DeadlockError{Cycle: []Wait{{Call: c, Portal: c.Portal(), File: file, Line: line, of: ofQueue, name: queue}}}
	}
	inside.Bare = func(ctx context.Context) context.Context {
		return &anchorContext{context.Background(), anchor{anchorOf(ctx).call, nil}}
	}
	inside.Await = awaitUnseen
	inside.CancelEach = func(each func(yield func(call any) bool), cause error) {
		var calls []*Call
		each(func(call any) bool {
			calls = append(calls, call.(*Call))
			return true
		})
		cancelEach(calls, cause)
	}
	inside.NeedsCaller = func(call any) bool { return foreignHosts.Load() && call.(*Call).needsHost(self()) }
	inside.RefusesHost = func(loop any) error { return loop.(*Loop).refusesHost() }
	inside.Set = func(event any) { event.(*Event).raise() }
}

//go:noinline
func waitForRoom(ctx context.Context, event any, queue string, each func(yield func(any) bool)) error {
	e := event.(*Event)
	many := &manyWait{of: ofQueue, name: queue, each: func(yield func(*Call) bool) {
		each(func(call any) bool { return yield(call.(*Call)) })
	}}
	return e.unlessSet(waitOn(ctx, goid.CallerPC(), "room", func(w *wait) bool {
		w.onMany.Store(many)
		return e.list(w)
	}, e.unlist))
}

func several(until inside.Until, each func(yield func(call any) bool)) any {
	many := &manyWait{any: until != inside.All, failed: until == inside.Failed, of: ofSeveral}
	if many.any {
		many.of = ofFirst
	}
	many.each = func(yield func(*Call) bool) {
		each(func(call any) bool { return yield(call.(*Call)) })
	}
	return many
}

//go:noinline
func awaitSeveral(ctx context.Context, event, several any) error {
	e := event.(*Event)
	return e.unlessSet(waitOn(ctx, goid.CallerPC(), "calls", func(w *wait) bool {
		many := several.(*manyWait)
		many.waiter.Store(w.fb)
		w.onMany.Store(many)
		return e.list(w)
	}, e.unlist))
}

//go:noinline
func awaitUnseen(ctx context.Context, call any) error {
	c := call.(*Call)
	err := c.await(ctx, goid.CallerPC())
	c.unseen()
	return err
}

// refusesHost is the error of who would wait on the own goroutine of the loop's foreign host for what the loop is to do; nil: that is another.
func (l *Loop) refusesHost() error {
	if !foreignHosts.Load() || !l.hostIs(self()) {
		return nil
	}
	return refuse(ErrCannotWait, "%v runs on this goroutine, its host's own: a wait for it would stop the host", l)
}

// runs reports whether c runs on the goroutine, which is the caller's, perhaps below others.
func (fb *fiber) runs(c *Call) bool {
	return fb != nil && (fb.cur.Load() == c || slices.Contains(fb.under, c))
}

func (c *Call) addWatcher(n *waitlist.Node, w waitlist.Waiter) bool {
	if c.settled() {
		return false
	}
	c.watch()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done() {
		return false
	}
	c.waiters.Add(n, w)
	return true
}

// takeWatchers takes out of the list all that are neither waits nor Early: they come after the groups of the call, and the functions of OnDone. It
// needs mu.
func (c *Call) takeWatchers() waitlist.Chain {
	return c.waiters.TakeIf(func(w waitlist.Waiter) bool {
		switch w.(type) {
		case *wait, waitlist.Early:
			return false
		}
		return true
	})
}

func (c *Call) dropWatcher(n *waitlist.Node) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.waiters.Remove(n)
}

// waited reports whether a goroutine waits for the call. It needs mu.
func (c *Call) waited() bool {
	for w := range c.waiters.All {
		if _, ok := w.(*wait); ok {
			return true
		}
	}
	return false
}
