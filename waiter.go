package hop

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/gohop/hop/internal/bug"
	"github.com/gohop/hop/internal/each"
	"github.com/gohop/hop/internal/goid"
	"github.com/gohop/hop/internal/mailbox"
	"github.com/gohop/hop/internal/turn"
)

// A Waiter is a portal to a goroutine that is blocked waiting: in [Waiter.Wait] that goroutine runs what is submitted, until the call
// that it waits for is done. Each submitted call runs as a task and may wait; the goroutine runs others meanwhile. What is submitted before
// Wait is kept. A Waiter serves one awaited call. [Do] serves its call's [Origin] with one of its own.
//
// Submit and OnDone are safe for concurrent use; one goroutine at a time may Wait. It follows Prefect's Waiter, SyncWaiter and
// AsyncWaiter.
type Waiter struct {
	self Portal // itself: see portalRef
	s    *sched // runs what was submitted, on the goroutine that waits
	many manyWait

	mu      turn.Short       // taken after a call's
	call    *Call            // what it waits for
	w       *wait            // the wait of the goroutine that blocks
	fb      *fiber           // that goroutine, or the last that waited, if hop knows it
	wanted  bool             // there is something to run and nobody blocks
	waiting bool             // Wait is on
	closed  bool             // nothing more is taken
	told    bool             // nor a function of OnDone
	waits   uint64           // counts the Waits
	over    error            // why what is submitted is not to begin: the context of Wait has ended
	via     *sched           // the loop whose task waits: it runs what is submitted
	kids    map[*Call]uint64 // which it was
	kidsN   uint64
	after   []func(context.Context)
}

// NewWaiter makes a Waiter.
func NewWaiter() *Waiter {
	w := &Waiter{kids: make(map[*Call]uint64)}
	w.self = w
	w.s = newSched("a waiting goroutine", nil)
	w.s.waiter = w
	w.s.notify = w.want
	w.s.box.Sleep()
	w.many.each, w.many.runs, w.many.of = w.eachWaited, true, ofWaiter
	return w
}

func (w *Waiter) check() {
	if w == nil || w.s == nil {
		misuse("a nil or zero Waiter: make one with NewWaiter")
	}
}

func (w *Waiter) String() string {
	w.check()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.call == nil {
		return "a Waiter"
	}
	return "the goroutine that waits for call " + strconv.Quote(w.call.Name())
}

// Submit has c run on the goroutine that waits, or will. It does not block. c becomes a child of the awaited call:
// it is cancelled when that is. Errors: ErrClosed when the wait is over; ErrMismatch.
func (w *Waiter) Submit(c *Call) error {
	w.check()
	some, err := c.accept(w, nil)
	if !some || err != nil {
		return err
	}
	w.mu.Lock()
	if over, why := w.isOver(); over {
		w.mu.Unlock()
		if c.cancel(why(), 0); c.done() { // it is not to begin before it is asked to end
			return nil
		}
		w.mu.Lock()
	}
	if w.closed || !w.pushLocked(c) {
		w.mu.Unlock()
		c.unaccept(w, nil)
		return refuse(ErrClosed, "%s was refused by %v: the wait is over", callName(c), w)
	}
	w.kidsN++
	w.kids[c] = w.kidsN
	awaited := w.call
	w.mu.Unlock()
	if awaited != nil {
		awaited.adopt(c)
	}
	c.OnDone(func() {
		w.mu.Lock()
		delete(w.kids, c)
		w.mu.Unlock()
	})
	return nil
}

// isOver reports whether what is submitted now is cancelled: the awaited call is, or the context of Wait has ended. It needs mu; why does not.
func (w *Waiter) isOver() (over bool, why func() error) {
	above, end := w.call, w.over
	switch {
	case w.closed:
	case end != nil:
		return true, func() error { return end }
	case above != nil && above.has(flagCancel):
		return true, func() error { return causeOf((*callContext)(above)) }
	}
	return false, nil
}

func (w *Waiter) pushLocked(c *Call) bool {
	if w.via != nil {
		return w.via.send(c.item(), internal)
	}
	ok, wake := w.s.box.Push(c.item(), open)
	if wake {
		w.wantLocked()
	}
	return ok
}

// adopt cancels low when c is cancelled, if low's own context does not see to it.
func (c *Call) adopt(low *Call) {
	ctx := (*callContext)(c)
	if sameContext(low.parent(), ctx) {
		low.watch()
		return
	}
	// Told by the one who cancels c, not later: when Cancel has returned, the kid can only end cancelled.
	k := &kid{call: low, adopted: true}
	if !c.addKid(k) {
		low.cancel(causeOf(ctx), 0)
		return
	}
	low.OnDone(func() { k.drop() })
}

// want has the goroutine that waits look at the mailbox. It is called by senders, who may hold a call's lock.
func (w *Waiter) want(mailbox.Level) {
	w.mu.Lock()
	w.wantLocked()
	w.mu.Unlock()
}

func (w *Waiter) wantLocked() {
	if w.w != nil {
		w.w.poke()
	} else if !bug.MissesPoke {
		w.wanted = true
	}
}

// attach makes wt the wait to poke.
func (w *Waiter) attach(wt *wait) {
	wt.onMany.Store(&w.many)
	w.mu.Lock()
	w.w, w.fb = wt, wt.fb
	if w.wanted {
		w.wanted = false
		wt.poke()
	}
	w.mu.Unlock()
}

// letGo is detach where the wait did not come to block: what it was poked for, if it was, is for the next.
func (w *Waiter) letGo() {
	w.mu.Lock()
	w.w, w.wanted = nil, true
	w.mu.Unlock()
}

func (w *Waiter) detach() {
	w.mu.Lock()
	w.w = nil
	w.mu.Unlock()
}

// server returns the goroutine that runs what was submitted, nil if hop does not know it.
func (w *Waiter) server() *fiber {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.fb
}

func (w *Waiter) takes() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.closed
}

// OnDone has f run on the goroutine that waits, once the awaited call is done and what was accepted is finished: in the order of registration, with the
// context of Wait. If the wait is over already, f runs at once, here; until Wait has run all of them it is not. A panic of f goes to OnPanic, or
// crashes the process, as with [Call.OnDone] of the awaited call; if f runs at once, it goes to the caller. It follows Waiter.add_done_callback.
func (w *Waiter) OnDone(f func(context.Context)) {
	w.check()
	if f == nil {
		misuse("OnDone: nil function")
	}
	w.mu.Lock()
	if !w.told {
		w.after = append(w.after, f)
		w.mu.Unlock()
		return
	}
	w.mu.Unlock()
	f(context.Background())
}

// Wait waits until c is done, running here what is submitted to the Waiter; what was accepted is finished before Wait
// returns. It returns nil when c is done, never c's own error. When ctx ends first, what was submitted and has not
// finished is cancelled, at once, and the error is that of Pending.Wait; a later Wait may go on. In a task, the loop runs what is
// submitted, and the task waits suspended. After c is done the Waiter takes no more; a Wait after that, or for another call,
// is ErrClosed, and one while another goroutine waits with it ErrMismatch. It follows Waiter.wait.
//
//go:noinline
func (w *Waiter) Wait(ctx context.Context, c *Call) error {
	w.check()
	if ctx == nil {
		misuse("nil context")
	}
	if c == nil {
		misuse("Waiter.Wait: nil call")
	}
	pc := goid.CallerPC()
	fb := self()
	if err := w.enter(c, fb); err != nil {
		return err
	}
	onTask := fb != nil && fb.s != nil
	defer w.heed(ctx)()
	w.eachKid(func(k *Call) bool {
		c.adopt(k)
		return true
	})
	server := w
	if onTask {
		server = nil
	}
	c.servedBy(nil, server)
	err := c.awaitAs(ctx, pc, false, server)
	done := c.done()
	c.unseen()
	c.servedBy(server, nil)
	w.mu.Lock()
	w.closed = done
	w.mu.Unlock()
	if done {
		defer w.tell(ctx, c) // also if something that is finished below ends the goroutine
	}
	switch over := ctx.Err() != nil || fb.stopping(); {
	case !done && !over: // refused: what was submitted is kept
	case onTask:
		w.awaitKids(ctx, pc, !done)
	default:
		w.settle(ctx, pc, !done) // c may have been done, or ctx over, before there was anything to wait for
		w.awaitLeft(ctx, pc)
	}
	if !done {
		w.mu.Lock()
		w.via = nil // what comes now is for the next Wait
		w.mu.Unlock()
		return err
	}
	return nil
}

// tell runs the functions of OnDone, also those that come meanwhile: they are in order, and on one goroutine.
func (w *Waiter) tell(ctx context.Context, c *Call) {
	told := false
	defer func() {
		if !told { // a function has ended the goroutine
			w.tell(ctx, c)
		}
	}()
	for {
		w.mu.Lock()
		after := w.after
		w.after = nil
		told = len(after) == 0
		w.told = told
		w.mu.Unlock()
		if told {
			return
		}
		each.Do(after, func(f func(context.Context)) { c.guard(func() { f(ctx) }) })
	}
}

// heed cancels what was accepted as soon as ctx, of the Wait that has begun, ends, or the pool whose worker waits is closed, until end is called, which
// ends the Wait: the goroutine that would see that itself may be running some of it.
func (w *Waiter) heed(ctx context.Context) (end func()) {
	w.mu.Lock()
	n := w.waits
	w.mu.Unlock()
	cancel := func(ctx context.Context, cause error) {
		w.mu.Lock()
		if w.waits != n {
			w.mu.Unlock()
			return
		}
		w.refuseLocked(cause)
		kids := w.kidsInOrder()
		w.mu.Unlock()
		cancelFor(ctx, kids)
	}
	never := func() bool { return false }
	stopCtx, stopOwn := never, never
	heeds := false
	end = func() {
		stopCtx()
		stopOwn()
		w.mu.Lock()
		w.waiting = false
		w.waits++
		w.over = nil
		w.mu.Unlock()
	}
	defer func() {
		if !heeds { // a method of a user's context has panicked
			end()
		}
	}()
	stopCtx = context.AfterFunc(behindValues(ctx), func() { cancel(ctx, causeOf(ctx)) })
	if fb := self(); fb != nil && fb.w != nil && fb.cur.Load() != nil {
		own := (*callContext)(fb.cur.Load())
		stopOwn = context.AfterFunc(own, func() {
			if fb.w.p.closing.Load() {
				cancel(own, ErrStopped)
			}
		})
	}
	heeds = true
	return end
}

// servedBy makes w the Waiter that serves c in place of old, if that is who does; nil: another one that waits, if there is one.
func (c *Call) servedBy(old, w *Waiter) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if old == w || c.done() {
		return
	}
	r := c.rare()
	if r.waiter != old {
		return
	}
	if r.waiter = w; w != nil {
		return
	}
	for other := range c.waiters.All {
		if other, ok := other.(*wait); ok && other.server != nil {
			r.waiter = other.server
			return
		}
	}
}

// enter begins Wait.
func (w *Waiter) enter(c *Call, fb *fiber) error {
	var refused []*Call
	defer func() { cancelEach(refused, ErrStopped) }() // without the lock
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.closed || w.call != nil && w.call != c:
		return refuse(ErrClosed, "a Waiter serves one awaited call, and the wait for that is over or another")
	case w.waiting:
		return refuse(ErrMismatch, "another goroutine waits with this Waiter")
	}
	w.call, w.waiting = c, true
	if fb == nil || fb.s == nil {
		w.via, w.fb = nil, fb
		return nil
	}
	w.via = fb.s
	for w.s.box.Refill() { // what came before is the loop's to run now
		for it, ok := w.s.box.Next(); ok; it, ok = w.s.box.Next() {
			if c := it.asCall(); c != nil && !w.via.send(it, internal) {
				refused = append(refused, c)
			}
		}
	}
	w.s.box.Sleep()
	return nil
}

// runSent runs what was sent to the goroutine that waits, which is the caller's.
func (wt *wait) runSent() {
	w := wt.server
	if w == nil {
		w = wt.pump.pump()
	}
	if w == nil {
		return
	}
	if fb, c := wt.fb, wt.pump; c != nil && fb != nil && fb.w != nil && fb.cur.Load() != nil {
		// What is run may wait for the end of its context, while the pool is closed: that ends the wait for c, and so c, but this goroutine is busy.
		defer context.AfterFunc((*callContext)(fb.cur.Load()), func() {
			if fb.w.p.closing.Load() {
				c.Cancel(ErrStopped)
			}
		})()
	}
	for phase(wt.state.Load()&phaseMask) < woken {
		// In turns, so that senders who never pause do not keep the wait from ending: what is left then, settle runs.
		w.s.budget, w.s.tickBegan = tickItems, time.Now()
		w.s.drive()
		if w.s.budget > 0 {
			break // there is no more
		}
	}
	w.s.budget = -1
}

// endPump ends the wait for c of a goroutine that ran what was sent to it.
func (c *Call) endPump(ctx context.Context, pc uintptr) {
	if c.done() && c.hasRare() == nil {
		return // nothing was sent, and nothing will be
	}
	w := c.pump()
	done := c.done()
	if w == nil {
		return
	}
	if done {
		w.mu.Lock()
		w.closed, w.told = true, true
		w.mu.Unlock()
	}
	w.settle(ctx, pc, !done)
}

// closeWaiter refuses from now on what is sent to a Do that has given up.
func (c *Call) closeWaiter() {
	c.mu.Lock()
	c.st.And(^uint32(flagPumped))
	var w *Waiter
	if x := c.hasRare(); x != nil {
		w, x.pump = x.pump, nil
	}
	c.mu.Unlock()
	if w == nil {
		return
	}
	w.mu.Lock()
	w.closed, w.told = true, true
	w.mu.Unlock()
	cancelEach(slices.Collect(w.eachKid), refuse(ErrClosed, "%v has given up", w))
}
