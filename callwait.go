package hop

import (
	"context"
	"errors"
	"time"

	"github.com/gohop/hop/internal/bug"
	"github.com/gohop/hop/internal/goid"
)

// await waits until c is done; a nil error says that it is. The other errors are Wait's.
func (c *Call) await(ctx context.Context, pc uintptr) error {
	return c.awaitAs(ctx, pc, false, nil)
}

// awaitAs is await on a goroutine that runs meanwhile what is sent to it: to the Origin of c if pump is set (Do), or to server, a Waiter. On a
// task neither matters: its loop runs that.
func (c *Call) awaitAs(ctx context.Context, pc uintptr, pump bool, server *Waiter) error {
	if ctx == nil {
		misuse("nil context")
	}
	fb := self()
	if fb != nil && fb.wait.co != nil {
		return c.awaitInTask(ctx, pc, fb)
	}
	if c.settled() {
		return nil
	}
	if ctx.Err() != nil {
		return c.endedWait(ctx)
	}
	return c.awaitHere(ctx, pc, fb, pump, server)
}

// awaitInTask is awaitAs in a task, whose loop runs what is sent. Its frame is part of the stack of each task that waits: see mayWait.
func (c *Call) awaitInTask(ctx context.Context, pc uintptr, fb *fiber) error {
	if c.settled() {
		return nil
	}
	if ctx.Err() != nil {
		return c.endedWait(ctx)
	}
	if err := fb.mayWait(ctx); err != nil {
		return err
	}
	if hostsInCalls.Load() && c.needsHost(fb) {
		return c.hostWaits()
	}
	c.watchFor(ctx)
	w := prepare(fb, ctx, pc)
	w.onCall.Store(c)
	if !c.list(w) {
		w.abort()
		return nil
	}
	if d := c.deadlocks(fb); d != nil {
		return c.refusedWith(d, w)
	}
	why := w.blockTask(ctx)
	if why != woken {
		c.unlist(w)
	}
	w.finish()
	if c.settled() {
		return nil
	}
	return c.gaveUp(ctx, w, why)
}

// awaitHere is awaitAs on a goroutine; fb is nil where hop does not know it.
//
//go:noinline
func (c *Call) awaitHere(ctx context.Context, pc uintptr, fb *fiber, pump bool, server *Waiter) error {
	if fb != nil {
		if err := fb.mayWait(ctx); err != nil {
			return err
		}
	}
	if foreignHosts.Load() && c.needsHost(fb) {
		return c.hostWaits()
	}
	c.watchFor(ctx)
	w := prepare(fb, ctx, pc)
	if fb != nil {
		w.onCall.Store(c)
	}
	c.mu.Lock()
	if !bug.ListsBlind && c.done() {
		c.mu.Unlock()
		w.abort()
		return nil
	}
	w.arm()
	c.waiters.Add(&w.node, w)
	w.hopeFor(portalAt(c.portal))
	if pump {
		w.pump = c
		if x := c.hasRare(); x != nil && x.pump != nil {
			x.pump.attach(w)
		}
	}
	if server != nil {
		w.server = server
		if r := c.rare(); r.waiter == nil { // who served it has looked for another before this one was in the list
			r.waiter = server
		}
		server.attach(w)
	}
	c.mu.Unlock()
	if fb != nil {
		if d := c.deadlocks(fb); d != nil {
			if server != nil {
				server.letGo()
			}
			return c.refusedWith(d, w)
		}
	}
	why := w.block(ctx)
	if why != woken {
		c.unlist(w)
	}
	serving := server
	if pump && c.hasRare() != nil {
		serving = c.pump()
	}
	if serving != nil {
		serving.detach() // before finish: who sends from now on must not poke the wait, which is another's then
	}
	w.finish()
	if !c.done() {
		if pump {
			c.endPump(ctx, pc)
		}
		if server != nil {
			server.settle(ctx, pc, true)
		}
	}
	if c.settled() {
		return nil
	}
	return c.gaveUp(ctx, w, why)
}

// hostWaits is the error of who would wait on a host's own goroutine for what that is to run.
//
//go:noinline
func (c *Call) hostWaits() error {
	return refuse(ErrCannotWait, "%s is to run on this goroutine, its host's own: a wait would stop the host; use Go or Post", c.where())
}

// list has w, the wait of a task, woken when c is done; false: it is.
func (c *Call) list(w *wait) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !bug.ListsBlind && c.done() {
		return false
	}
	w.arm()
	c.waiters.Add(&w.node, w)
	return true
}

// unlist takes list back.
func (c *Call) unlist(w *wait) {
	c.mu.Lock()
	c.waiters.Remove(&w.node)
	c.mu.Unlock()
}

// watchFor sees to it that the end of c's parent ends c while somebody waits for it with ctx, whose own end is told anyway. It comes before the wait
// stands: the parent may be a user's, which is asked.
func (c *Call) watchFor(ctx context.Context) {
	if !sameContext(ctx, c.parent()) {
		c.watch()
	}
}

// deadlocks returns the deadlock that the wait of fb for c, which has been listed, is part of.
func (c *Call) deadlocks(fb *fiber) error {
	lookAgain()
	return findDeadlock(fb, c)
}

// refusedWith takes back the wait for c that was found in d before it began to block.
func (c *Call) refusedWith(d error, w *wait) error {
	c.forget(w)
	if c.done() {
		return nil
	}
	return d
}

// gaveUp returns the error of a wait for c that has ended before c.
func (c *Call) gaveUp(ctx context.Context, w *wait, why phase) error {
	switch why {
	case woken:
		panic("hop: internal error: woken for a call that is not done")
	case refused:
		return w.refusal.Swap(nil) // or the goroutine keeps its calls
	case stopped:
		return w.stopped(c.where())
	}
	return c.endedWait(ctx)
}

// forget takes back a wait that has not begun to block.
func (c *Call) forget(w *wait) {
	c.mu.Lock()
	c.waiters.Remove(&w.node)
	var pump *Waiter
	if x := c.hasRare(); x != nil && w.pump == c {
		pump = x.pump
	}
	c.mu.Unlock()
	if pump != nil {
		pump.letGo()
	}
	w.abort()
}

// grace is how long an owner whose context is over waits for a function to heed its own.
const grace = 500 * time.Millisecond

// awaitOwned is await by the call's owner; see WaitOrCancel. alone says that nobody else can wait for the call: then it is cancelled also when
// the wait is refused.
func (c *Call) awaitOwned(ctx context.Context, pc uintptr, alone bool) error {
	pump := c.has(flagPumped)
	err := c.awaitAs(ctx, pc, pump, nil)
	if err != nil && pump {
		c.closeWaiter()
	}
	_, deadlock := err.(*DeadlockError) // not the cause of ctx
	if err == nil || deadlock || ctx.Err() == nil && !errors.Is(err, ErrStopped) {
		if err != nil && (alone || !deadlock) {
			c.Cancel(err) // nobody will wait for it any more
		}
		return err
	}
	cause := causeOf(ctx)
	if ctx.Err() == nil {
		cause = err // the waiting loop stops
	}
	if !c.Cancel(cause) || c.done() {
		return nil // it is done
	}
	if !self().stopping() {
		short, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
		if c.awaitAs(short, pc, false, nil) == nil {
			return nil
		}
	}
	return c.cancelled(cause)
}

// CancelWait cancels the call with cause and waits until its function has really returned, also when the call was
// abandoned. It returns nil then, whatever the call's result; ctx bounds the wait: when it ends first, the error is that of Wait.
// A call cannot wait for its own end: that is a [DeadlockError]. It follows async-kernel's Pending.cancel_wait.
//
//go:noinline
func (c *Call) CancelWait(ctx context.Context, cause error) error {
	return c.cancelWait(ctx, cause, goid.CallerPC())
}

func (c *Call) cancelWait(ctx context.Context, cause error, pc uintptr) error {
	if ctx == nil {
		misuse("nil context")
	}
	c.Cancel(cause)
	if self().runs(c) {
		ctx = context.WithoutCancel(ctx) // which may just have ended: that is not why the wait is none
	}
	if !c.done() {
		if err := c.await(ctx, pc); err != nil {
			return err
		}
	}
	if !c.out() {
		return nil
	}
	if foreignHosts.Load() && c.onGuestOf(self()) {
		return c.hostWaits()
	}
	return waitOn(ctx, pc, "the function of "+c.where(), func(w *wait) bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		x := c.rare()
		if x.returned {
			return false
		}
		w.onCall.Store(c)
		w.arm()
		x.forReturn.Add(&w.node, w)
		return true
	}, func(w *wait) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.rare().forReturn.Remove(&w.node)
	})
}
