package hop

import (
	"context"
	"runtime"
	"time"

	"github.com/gohop/hop/internal/goid"
)

// Yield lets the others run: in a task, everything that is in the loop's mailbox; elsewhere it is runtime.Gosched. It returns
// nil, or an error that is ctx.Err() if ctx is over, ErrStopped or ErrCannotWait. It follows asyncio.sleep(0).
//
//go:noinline
func Yield(ctx context.Context) error {
	if ctx == nil {
		misuse("nil context")
	}
	fb := self()
	if fb == nil || fb.s == nil || fb.wait.co == nil {
		runtime.Gosched()
		if ctx.Err() != nil {
			return endedWait("a yield", ctx)
		}
		return nil
	}
	if ctx.Err() != nil {
		return endedWait("a yield", ctx)
	}
	if err := fb.mayWait(ctx); err != nil {
		return err
	}
	w := begin(fb, ctx, goid.CallerPC())
	w.Wake()
	why := w.blockTask(ctx)
	w.finish()
	return w.outcome(ctx, why, "a yield")
}

// Sleep waits for at least d: a task suspended, a pool worker with its place given back. It returns nil, or an error that is ctx.Err() and
// its cause if ctx ends first, or is over before, however short d is; ErrStopped or ErrCannotWait. In a task it costs no goroutine, no
// allocation where [Pending.Wait] costs none, and about 0.7 µs, most of it the runtime's timer. A suspended task takes some 3 KB, its stack
// included. It follows asyncio.sleep.
//
//go:noinline
func Sleep(ctx context.Context, d time.Duration) error {
	pc := goid.CallerPC()
	fb := self()
	if fb == nil || fb.wait.co == nil || ctx == nil {
		return sleepOn(ctx, pc, d)
	}
	if ctx.Err() != nil {
		return endedWait("a sleep", ctx)
	}
	if err := fb.mayWait(ctx); err != nil {
		return err
	}
	if why := fb.sleep(ctx, pc, d); why != woken {
		return fb.wait.outcome(ctx, why, "a sleep")
	}
	return nil
}

// sleepOn is Sleep on a goroutine. It is apart since its frame would be part of every sleeping task's stack.
//
//go:noinline
func sleepOn(ctx context.Context, pc uintptr, d time.Duration) error {
	return waitOn(ctx, pc, "a sleep", func(w *wait) bool {
		w.alarm = time.NewTimer(d)
		w.arm()
		return true
	}, func(w *wait) { w.alarm.Stop() })
}

// sleep is Sleep in a task: waitOn without what makes the stack deep, since a million tasks may sleep. What Sleep itself calls before and after does not
// stand on this frame.
func (fb *fiber) sleep(ctx context.Context, pc uintptr, d time.Duration) phase {
	s := fb.s
	when := s.in(d)
	w := begin(fb, ctx, pc)
	s.startTimer(&s.timers.sleeps, &w.timer, when)
	why := w.blockTask(ctx)
	if why != woken {
		s.stopTimer(&s.timers.sleeps, &w.timer)
	}
	w.finish()
	return why
}

// Blocking runs f on [Workers] and returns its result: Do, for what would block. It follows anyio's to_thread.run_sync.
//
//go:noinline
func Blocking[T any](ctx context.Context, f func(context.Context) (T, error)) (T, error) {
	pc := goid.CallerPC()
	p := newPending(ctx, f, pc, nil)
	return p.result2(p.c.doOn(ctx, Workers(), pc))
}

// Recv receives from ch as <-ch does, without blocking a loop: ok is false when ch is closed and drained. err is that of a wait; then
// nothing was received: a value that comes at the same moment, or is there though ctx is over, is returned instead. In a task or on a
// pool's worker that has to wait, it costs a goroutine while it waits.
//
//go:noinline
func Recv[T any](ctx context.Context, ch <-chan T) (v T, ok bool, err error) {
	if ctx == nil {
		misuse("nil context")
	}
	select {
	case v, ok = <-ch:
		return v, ok, nil
	default:
	}
	pc := goid.CallerPC()
	fb := self()
	if fb == nil || fb.s == nil && fb.w == nil {
		// A goroutine that nobody else needs receives itself.
		w := begin(fb, ctx, pc)
		defer w.abort()
		if fb != nil {
			fb.stepAside()
			defer fb.stepBack()
		}
		select {
		case v, ok = <-ch:
			return v, ok, nil
		case <-ctx.Done():
			return v, false, endedWait("a receive", ctx)
		}
	}
	if err := ctx.Err(); err != nil {
		return v, false, endedWait("a receive", ctx)
	}
	quit, answered := make(chan struct{}), make(chan struct{})
	received, started := false, false
	err = waitOn(ctx, pc, "a receive", func(w *wait) bool {
		started = true
		w.arm()
		seq := w.seq()
		go func() {
			select {
			case v, ok = <-ch:
				received = true
			case <-quit:
			}
			close(answered)
			w.wakeAs(seq, woken)
		}()
		return true
	}, func(*wait) {})
	if !started {
		return v, false, err
	}
	if err != nil {
		close(quit)
		<-answered // at once: the receiver has been told to stop
		if received {
			return v, ok, nil
		}
	}
	return v, ok, err
}
