package hop

import (
	"context"
	"runtime"
	"slices"
	"sync"

	"github.com/gohop/hop/internal/goid"
	"github.com/gohop/hop/internal/thread"
)

// Run drives a Manual loop on the calling goroutine until ctx ends or the loop has stopped, and returns ctx's cause or
// nil. Tasks that are suspended when ctx ends stay so until Run is called again, which must be on the same goroutine,
// at the same depth of runtime.LockOSThread; with Thread, its thread stays locked until then. In a call, Run gives the call's places (in a
// pool's Size, in groups with a Limit) back while the loop sleeps.
//
// Errors: ErrMismatch for a loop that is not Manual, that is being driven, or whose suspended tasks belong to another goroutine, or, without
// Thread, on a goroutine whose thread another loop keeps locked; ErrStopped for one that has stopped; ErrCannotWait on a loop, and in what is
// sent to an [Origin] or a [Waiter].
func (l *Loop) Run(ctx context.Context) error {
	l.check()
	if ctx == nil {
		misuse("nil context")
	}
	if err := l.takeDriver(false); err != nil {
		return err
	}
	l.lockThread()
	run := l.run
	stop := context.AfterFunc(behindValues(ctx), func() {
		l.mu.Lock()
		if l.run == run && l.driving {
			l.s.halt.Store(true)
		}
		l.mu.Unlock()
		l.s.send(posted(func() {}), internal)
	})
	l.s.drive()
	stop()
	return l.leaveDriver(ctx)
}

// takeDriver makes the calling goroutine the driver; toItsEnd: until the loop has stopped, so that nothing stays suspended.
func (l *Loop) takeDriver(toItsEnd bool) error {
	if fb := self(); fb != nil && fb.s != nil {
		return refuse(ErrCannotWait, "%v cannot be driven on %s: a loop runs there already", l, fb.s)
	}
	if !l.o.Manual {
		return refuse(ErrMismatch, "%v is not Manual: it drives itself", l)
	}
	g := goid.Number()
	heldThreads.release(g)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.stop == finished || l.ended.IsSet(): // finished: nothing is left to drive, only the end to be told, once
		return refuse(ErrStopped, "%v has stopped", l)
	case l.driving:
		return refuse(ErrMismatch, "%v is being driven by another Run", l)
	case l.driver != 0 && l.driver != g:
		return refuse(ErrMismatch, "%v has tasks suspended on goroutine %d, and can be driven only there", l, l.driver)
	case !l.o.Thread && !toItsEnd && heldThreads.by(g):
		return refuse(ErrMismatch, "%v cannot be driven on goroutine %d: another loop, with Thread, has left tasks there and keeps its thread locked: "+
			"drive that one to its end first", l, g)
	}
	l.driver, l.driving, l.last = g, true, g
	l.run++
	l.s.halt.Store(false)
	l.s.over = false
	l.s.driver.Store(self())
	return nil
}

// leaveDriver ends Run.
func (l *Loop) leaveDriver(ctx context.Context) error {
	l.s.endIdle()
	l.s.driver.Store(nil)
	l.s.dropHub()
	if l.s.stall != nil {
		l.s.stall.idle() // nobody drives: nothing keeps the loop
	}
	left := l.s.tasks + l.leaveGuests()
	if left == 0 {
		l.unlockThread() // else the tasks' coroutines need this thread
	}
	l.mu.Lock()
	if l.stop == hard && !l.ended.IsSet() && !l.stoppers.here() {
		l.endHere() // being the driver still, or who closes it would find it undriven, and strand its tasks
		return context.Cause(ctx)
	}
	l.driving = false
	if left == 0 {
		l.driver = 0
	}
	finished := l.stop == finished
	l.mu.Unlock()
	if finished {
		l.gone()
		return nil
	}
	return context.Cause(ctx)
}

// endHere drives the loop, which is being closed, to its end on the calling goroutine. It is entered with mu held, and releases it.
func (l *Loop) endHere() {
	l.driving = true
	l.run++
	l.s.halt.Store(false)
	l.s.over = false
	l.mu.Unlock()
	l.lockThread() // with a thread that is still locked, if it was
	l.s.driver.Store(self())
	l.drive()
	l.s.driver.Store(nil)
	l.unlockThread()
}

// lockThread locks the driver's thread if the loop wants one, and it is not still locked from the Run before: coroutines must be resumed at the
// depth of LockOSThread at which they were created.
func (l *Loop) lockThread() {
	if l.o.Thread && !thread.Only && !l.locked {
		l.locked = true
		if heldThreads.add(goid.Number(), 1) == 1 {
			runtime.LockOSThread() // once, however many loops have tasks here
		}
	}
}

func (l *Loop) unlockThread() {
	if l.locked {
		l.locked = false
		if heldThreads.add(goid.Number(), -1) == 0 {
			runtime.UnlockOSThread()
		}
	}
}

// heldThreads counts, for each goroutine, the Manual loops with Thread that run or have left tasks there.
var heldThreads threadHolds

type threadHolds struct {
	mu   sync.Mutex
	n    map[uint64]int // by goid.Number
	over map[uint64]int // of those, the loops that were ended while their driver was away
}

// end notes that one of the loops of goroutine g has ended. Only g itself can unlock its thread: it does when it drives again.
func (h *threadHolds) end(g uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over == nil {
		h.over = make(map[uint64]int)
	}
	h.over[g]++
}

// release does on goroutine g, the caller's, what end has left.
func (h *threadHolds) release(g uint64) {
	h.mu.Lock()
	over := h.over[g]
	delete(h.over, g)
	h.mu.Unlock()
	if over > 0 && h.add(g, -over) == 0 {
		runtime.UnlockOSThread()
	}
}

func (h *threadHolds) by(g uint64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.n[g] > 0
}

func (h *threadHolds) add(g uint64, n int) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.n == nil {
		h.n = make(map[uint64]int)
	}
	h.n[g] += n
	left := h.n[g]
	if left == 0 {
		delete(h.n, g)
	}
	return left
}

// RunLoop makes a loop on the calling goroutine, runs f as its first task, shuts the loop down when f is done, and
// returns f's result. Until then the loop takes calls from anywhere. When ctx ends, f is cancelled, and so is what the
// shutdown would still wait for. The loop is Protected: only f's end stops it. On a goroutine that is on a loop, and in what is sent to an
// [Origin] or a [Waiter], which runs as a task as well, the error is ErrCannotWait.
//
// In a call, RunLoop is a wait of that call for all that runs on the loop: its places (in a pool's Size, in groups with a Limit) are given back
// while the loop sleeps, and a task of the loop that would wait for the call gets a [DeadlockError]. It follows Prefect's run_async_in_new_loop
// and asyncio.run.
//
//go:noinline
func RunLoop[T any](ctx context.Context, o *LoopOptions, f func(context.Context) (T, error)) (T, error) {
	var zero T
	if f == nil {
		misuse("RunLoop: nil function")
	}
	if o != nil && (o.Host != nil || o.Manual) {
		misuse("RunLoop: Host and Manual contradict it: it drives the loop itself")
	}
	if fb := self(); fb != nil && fb.s != nil {
		return zero, refuse(ErrCannotWait, "RunLoop on %s: a loop runs there already: make a Child, or call it on a Pool", fb.s)
	}
	pc := goid.CallerPC()
	p := newPending(ctx, f, pc, nil)
	p.c.set(flagLoose)
	runLoopUntil(ctx, o, &p.c, pc)
	return p.Result()
}

// runLoopUntil is RunLoop without the type.
func runLoopUntil(ctx context.Context, o *LoopOptions, c *Call, pc uintptr) {
	var lo LoopOptions
	if o != nil {
		lo = *o
	}
	lo.Manual, lo.Protected = true, true
	l := newLoop(&lo, nil)
	l.startLoop()
	if err := l.takeDriver(true); err != nil {
		panic(err)
	}
	l.lockThread()
	c.watch()
	if err := l.Submit(c); err != nil {
		c.Fail(err)
	}
	c.OnDone(func() { l.beginStop(graceful) })
	stop := context.AfterFunc(behindValues(ctx), func() { l.beginStop(hard) })
	defer stop()
	defer l.beginWait(pc)()
	l.s.drive()
	l.leaveDriver(ctx)
}

// beginWait has the goroutine that drives the loop, if hop knows it, wait for all calls of the loop, as others see it: until it calls end.
func (l *Loop) beginWait(pc uintptr) (end func()) {
	fb := l.s.driver.Load()
	if fb == nil {
		return func() {}
	}
	// Before it stands: nobody ends it then, as RunLoop does not return before the loop has stopped.
	fb.wait.onMany.Store(&manyWait{each: l.eachRunning, deaf: true, runs: true, of: ofRunLoop})
	w := begin(fb, context.Background(), pc) // ctx does not end it
	lookAgain()
	return w.finish
}

// eachRunning yields the calls that run on the loop, and on those below it, which it waits for.
func (l *Loop) eachRunning(yield func(*Call) bool) {
	for _, c := range l.running(nil) {
		if !yield(c) {
			return
		}
	}
}

func (l *Loop) running(calls []*Call) []*Call {
	l.s.coros.each(func(co *coro) { calls = append(calls, co.calls()...) })
	l.mu.Lock()
	below := slices.Concat(l.children, l.guests)
	l.mu.Unlock()
	for _, b := range below {
		calls = b.running(calls)
	}
	return calls
}

// drivers appends the goroutines that drive the loop, or one that waits for its end, in a call.
func (l *Loop) drivers(fbs []*fiber) []*fiber {
	for ; l != nil; l = l.parent {
		if d := l.s.driver.Load(); d != nil {
			fbs = append(fbs, d)
		}
		if h, ok := l.o.Host.(*Loop); ok {
			fbs = h.drivers(fbs)
		}
	}
	return fbs
}
