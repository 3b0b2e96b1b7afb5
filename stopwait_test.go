package hop_test

// What waits for the end of a place, from wherever: a posted function, a task whose own loop closes, with a context that ends.
// And what a place that ends still takes, or cancels.

import (
	"bytes"
	"context"
	"errors"
	"runtime/debug"
	"sync"
	"testing"
	"time"

	"github.com/gohop/hop"
)

func TestS25_APostedFunctionMayStopAnotherPlace(t *testing.T) {
	for name, stop := range map[string]func(l *hop.Loop) error{
		"Close":    func(l *hop.Loop) error { return l.Close() },
		"Shutdown": func(l *hop.Loop) error { return l.Shutdown(bg) },
	} {
		t.Run(name, func(t *testing.T) {
			from, l := newLoop(t, nil), newLoop(t, nil)
			stopped := make(chan error, 1)
			from.Post(func() { stopped <- stop(l) })
			if err := recv(t, name, stopped); err != nil {
				t.Error(err)
			}
			if !isDone(l.Stopped()) {
				t.Error("it has returned before the end")
			}
		})
	}
}

func TestS25_ATaskThatStopsAnotherLoopWaitsOnWhileItsOwnCloses(t *testing.T) {
	own, other := newLoop(t, nil), newLoop(t, nil)
	g := occupy(t, other)
	stopped := make(chan error, 1)
	task := hop.Go(bg, own, func(ctx context.Context) (int, error) {
		err := other.Close()
		if !isDone(other.Stopped()) {
			t.Errorf("Close returned %v before the loop's end", err)
		}
		stopped <- err
		return 0, nil
	})
	untilWaiting(t, task.Call())
	closed := make(chan error, 1)
	go func() { closed <- own.Close() }()
	untilClosing(t, own)
	untilWaiting(t, task.Call())
	g.open()
	if err := recv(t, "Close of the other", stopped); err != nil {
		t.Error(err)
	}
	if err := recv(t, "Close of its own", closed); err != nil {
		t.Error(err)
	}
}

func TestS25_TheContextOfAShutdownThatATaskCallsBoundsIt(t *testing.T) {
	own, other := newLoop(t, nil), newLoop(t, nil)
	g := occupy(t, other)
	ctx, cancel := context.WithCancelCause(bg)
	task := hop.Go(bg, own, func(context.Context) (int, error) { return 0, other.Shutdown(ctx) })
	untilWaiting(t, task.Call())
	cancel(errEnough)
	err := waitErr(t, task)
	wantIs(t, err, errEnough)
	if isDone(other.Stopped()) {
		t.Error("the loop has stopped with a function that runs")
	}
	g.open()
	recv(t, "the loop's end", other.Stopped())
}

func TestS25_ShutdownOfAManualLoopThatNeverRan(t *testing.T) {
	// Nobody drives it: Shutdown waits for who does, as long as its context lets it. Then there is nothing to cancel.
	ctx, cancel := context.WithCancel(bg)
	cancel()
	for name, calls := range map[string]int{"empty": 0, "with calls": 3} {
		t.Run(name, func(t *testing.T) {
			l := newLoop(t, &hop.LoopOptions{Manual: true})
			var ps []*hop.Pending[int]
			for i := range calls {
				ps = append(ps, hop.Go(bg, l, value(i)))
			}
			within(t, patience, "Shutdown", func() {
				if err := l.Shutdown(ctx); err != nil && !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			})
			for _, p := range ps {
				wantIs(t, waitErr(t, p), hop.ErrStopped)
			}
			recv(t, "the end", l.Stopped())
		})
	}
}

func TestS25_DelayedCallsAreCancelledInTheirOrder(t *testing.T) {
	for name, on := range map[string]interface {
		hop.Portal
		Close() error
	}{"loop": newLoop(t, nil), "pool": newPool(t, nil)} {
		t.Run(name, func(t *testing.T) {
			const n = 20
			ended := make(chan int, n)
			for i := range n {
				hop.After(bg, time.Hour, on, mustNotRun(t)).OnDone(func() { ended <- i })
			}
			within(t, patience, "Close", func() {
				if err := on.Close(); err != nil {
					t.Error(err)
				}
			})
			for want := range n {
				if got := recv(t, "the end of a call", ended); got != want {
					t.Fatalf("the %dth that ended is %d", want, got)
				}
			}
		})
	}
}

func TestS25_CloseCancelsWhatATaskRunsInlineAndWhatItRunsItOn(t *testing.T) {
	for name, last := range map[string]bool{"the task ran last": true, "another task ran since": false} {
		t.Run(name, func(t *testing.T) {
			l := newLoop(t, nil)
			causes := make(chan error, 2)
			inner := make(chan *hop.Call, 1)
			outer := hop.Go(bg, l, func(ctx context.Context) (int, error) {
				_, err := hop.Do(ctx, l, func(ctx context.Context) (int, error) {
					inner <- hop.CurrentCall(ctx)
					_, _, err := hop.Recv(ctx, make(chan int))
					causes <- context.Cause(ctx)
					return 0, err
				})
				causes <- context.Cause(ctx)
				return 0, err
			})
			in := recv(t, "the inner call", inner)
			untilWaiting(t, in)
			if !last {
				must(t, hop.Go(bg, l, value(1)))
			}
			within(t, patience, "Close", func() {
				if err := l.Close(); err != nil {
					t.Error(err)
				}
			})
			for range 2 {
				wantIs(t, recv(t, "a cause", causes), hop.ErrStopped)
			}
			wantCancelled(t, waitErr(t, outer))
			wantState(t, outer.Call(), hop.Cancelled)
			wantState(t, in, hop.Cancelled)
		})
	}
}

func TestS25_ACallOfACallThatIsDoneIsStillOfTheOneAboveIt(t *testing.T) {
	// A loop that shuts down takes what its unfinished calls start, through calls elsewhere that are done.
	l := newLoop(t, nil)
	started := make(chan struct{})
	stopping := newGate(t)
	task := hop.Go(bg, l, func(ctx context.Context) (int, error) {
		var between context.Context
		if _, err := hop.Do(ctx, hop.Goroutines, func(ctx context.Context) (int, error) { between = ctx; return 0, nil }); err != nil {
			return 0, err
		}
		close(started)
		stopping.pass()
		return hop.Go(between, l, value(9)).Wait(ctx)
	})
	recv(t, "the task", started)
	stopped := make(chan error, 1)
	go func() { stopped <- l.Shutdown(bg) }()
	untilClosing(t, l)
	stopping.open()
	if v := must(t, task); v != 9 {
		t.Errorf("got %d", v)
	}
	if err := recv(t, "Shutdown", stopped); err != nil {
		t.Error(err)
	}
}

func TestS25_ATaskThatIsWokenWhileItsLoopIsClosedIsCancelled(t *testing.T) {
	// Its wait ends after Close has looked for tasks that do not wait, and before the loop looks for those that do; then it waits for
	// nothing but its context, and keeps the loop.
	l := newLoop(t, nil)
	g := newGate(t)
	var e hop.Event
	cause := make(chan error, 1)
	task := hop.Go(bg, l, func(ctx context.Context) (int, error) {
		err := e.Wait(ctx)
		select {
		case <-ctx.Done():
		case <-g.ch:
		}
		cause <- context.Cause(ctx)
		return 0, err
	})
	untilWaiting(t, task.Call())
	in := make(chan struct{})
	hop.Go(bg, l, func(ctx context.Context) (int, error) {
		hop.Sleep(ctx, time.Nanosecond)                            // from now on it is not among what the loop took last
		hop.NewPromise[int](ctx).OnCancel(func(error) { e.Set() }) // Close calls it, when it cancels this call
		close(in)
		<-ctx.Done()
		return 0, nil
	})
	recv(t, "the call that keeps the loop", in)
	within(t, patience, "Close", func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	wantIs(t, recv(t, "the task's cause", cause), hop.ErrStopped)
}

// An askedContext says when a search for deadlocks asks it, and holds that up until it may go on.
type askedContext struct {
	context.Context
	once  sync.Once
	asked chan struct{}
	goOn  chan struct{}
}

func (c *askedContext) Err() error {
	if bytes.Contains(debug.Stack(), []byte("hop.(*graph).expand")) {
		c.once.Do(func() {
			close(c.asked)
			<-c.goOn
		})
	}
	return c.Context.Err()
}

func TestS25_ATaskWhoseWaitIsRefusedWhileItsLoopIsClosedIsCancelled(t *testing.T) {
	// Close looks while it seems to wait; then it waits for nothing but its context, and keeps the loop.
	l := newLoop(t, nil)
	g := newGate(t)
	asked, goOn, refused := make(chan struct{}), make(chan struct{}), make(chan struct{})
	var e hop.Event
	other := hop.Go(bg, l, func(ctx context.Context) (int, error) {
		hop.NewPromise[int](ctx).OnCancel(func(error) { // Close calls it, when it cancels this call
			close(goOn)
			recv(t, "the refusal", refused)
		})
		return 0, e.Wait(ctx)
	})
	untilWaiting(t, other.Call())
	mine := make(chan *hop.Pending[int], 1)
	cause := make(chan error, 1)
	mine <- hop.Go(&askedContext{Context: bg, asked: asked, goOn: goOn}, l, func(ctx context.Context) (int, error) {
		self := <-mine
		hop.Sleep(ctx, time.Nanosecond) // from now on it is not among what the loop took last
		e.Set()                         // the other has its turn after this one
		_, err := self.Wait(ctx)
		close(refused)
		select {
		case <-ctx.Done():
		case <-g.ch:
		}
		cause <- context.Cause(ctx)
		return 0, err
	})
	recv(t, "the wait", asked)
	within(t, patience, "Close", func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	wantIs(t, recv(t, "the task's cause", cause), hop.ErrStopped)
}

// TestS25_AFunctionThatAStopRunsWaitsForWhoStopsTheSame: the functions of OnDone that a stop runs come before its end, on a goroutine that is no call's. One of them
// waits for a call elsewhere that closes the same loop: that is refused.
func TestS25_AFunctionThatAStopRunsWaitsForWhoStopsTheSame(t *testing.T) {
	far := hop.NewPool(nil)
	defer far.Close()
	t.Run("of a child, while the parent shuts down", func(t *testing.T) {
		l := newLoop(t, nil)
		child, _ := l.Child("child", nil)
		var refusal error
		hop.After(bg, time.Hour, child, zero).OnDone(func() {
			refusal = hop.Run(bg, far, func(context.Context) error { return l.Close() })
		})
		within(t, patience, "Shutdown", func() { l.Shutdown(bg) })
		wantIs(t, refusal, hop.ErrDeadlock)
	})
	t.Run("of a loop that a plain goroutine closes", func(t *testing.T) {
		l := newLoop(t, nil)
		hop.Go(bg, l, func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, nil })
		var refusal error
		hop.Go(bg, l, zero).OnDone(func() {
			refusal = hop.Run(bg, far, func(context.Context) error { return l.Close() })
		})
		within(t, patience, "Close", func() { l.Close() })
		wantIs(t, refusal, hop.ErrDeadlock)
	})
}
