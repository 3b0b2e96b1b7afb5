package hop

import (
	"context"

	"github.com/gohop/hop/internal/goid"
)

// Run drives a Manual loop on the calling goroutine until ctx ends or the loop has stopped, and returns ctx's cause or
// nil. Tasks that are suspended when ctx ends stay so until Run is called again, which must be on the same goroutine,
// at the same depth of runtime.LockOSThread. Errors: ErrMismatch for a loop that is not Manual, that is being driven, or
// whose suspended tasks belong to another goroutine; ErrStopped for one that has stopped; ErrCannotWait on a loop.
func (l *Loop) Run(ctx context.Context) error {
	l.check()
	if ctx == nil {
		misuse("nil context")
	}
	if err := l.takeDriver(); err != nil {
		return err
	}
	defer l.lockThread()()
	run := l.run
	stop := context.AfterFunc(ctx, func() {
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

// takeDriver makes the calling goroutine the driver.
func (l *Loop) takeDriver() error {
	if fb := self(); fb != nil && fb.s != nil {
		return refuse(ErrCannotWait, "%v cannot be driven on %s: a loop runs there already", l, fb.s)
	}
	if !l.o.Manual {
		return refuse(ErrMismatch, "%v is not Manual: it drives itself", l)
	}
	g := goid.Number()
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.ended.IsSet():
		return refuse(ErrStopped, "%v has stopped", l)
	case l.driving:
		return refuse(ErrMismatch, "%v is being driven by another Run", l)
	case l.driver != 0 && l.driver != g:
		return refuse(ErrMismatch, "%v has tasks suspended on goroutine %d, and can be driven only there", l, l.driver)
	}
	l.driver, l.driving = g, true
	l.run++
	l.s.halt.Store(false)
	l.s.over = false
	return nil
}

// leaveDriver ends Run.
func (l *Loop) leaveDriver(ctx context.Context) error {
	l.s.endIdle()
	l.mu.Lock()
	l.driving = false
	if l.s.tasks == 0 {
		l.driver = 0
	}
	finished := l.stop == finished
	closing := l.stop == hard
	l.mu.Unlock()
	if finished {
		l.gone()
		return nil
	}
	if closing {
		l.closeUndriven() // this goroutine may: it was the driver
	}
	return context.Cause(ctx)
}

// lockThread locks the driver's thread if the loop wants one, and returns what unlocks it.
func (l *Loop) lockThread() func() {
	if !l.o.Thread {
		return func() {}
	}
	return lockOSThread()
}

// RunLoop makes a loop on the calling goroutine, runs f as its first task, shuts the loop down when f is done, and
// returns f's result. Until then the loop takes calls from anywhere. When ctx ends, f is cancelled, and so is what the
// shutdown would still wait for. The loop is Protected: only f's end stops it. On a goroutine that is on a loop the error is
// ErrCannotWait. It follows Prefect's run_async_in_new_loop and asyncio.run.
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
	p := New(ctx, f)
	runLoopUntil(ctx, o, &p.c)
	return p.Result()
}

// runLoopUntil is RunLoop without the type.
func runLoopUntil(ctx context.Context, o *LoopOptions, c *Call) {
	var lo LoopOptions
	if o != nil {
		lo = *o
	}
	lo.Manual, lo.Protected = true, true
	l := newLoop(&lo, nil)
	l.startLoop()
	if err := l.takeDriver(); err != nil {
		panic(err)
	}
	defer l.lockThread()()
	c.watch()
	if err := l.Submit(c); err != nil {
		c.Fail(err)
	}
	c.OnDone(func() { l.beginStop(graceful) })
	stop := context.AfterFunc(ctx, func() { l.beginStop(hard) })
	defer stop()
	l.s.drive()
	l.leaveDriver(ctx)
}
