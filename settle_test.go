package hop_test

// What a waiting goroutine has accepted, it finishes: also when the awaited call ends first, and when what was sent waits
// itself.

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/gohop/hop"
)

// finished returns a call that is done.
func finished() *hop.Call { return hop.Go(bg, hop.Inline, value(1)).Call() }

func TestWaiter_FinishesWhatWaitsThoughTheAwaitedCallIsDone(t *testing.T) {
	w := hop.NewWaiter()
	var e hop.Event
	sent := hop.Go(bg, w, func(ctx context.Context) (int, error) { return 5, e.Wait(ctx) })
	returned := make(chan error, 1)
	go func() { returned <- w.Wait(bg, finished()) }()
	untilWaiting(t, sent.Call())
	select {
	case err := <-returned:
		t.Errorf("Wait has returned %v before what it had accepted was done", err)
	default:
	}
	e.Set()
	if err := recv(t, "Wait", returned); err != nil {
		t.Error(err)
	}
	if v, err := sent.Result(); v != 5 || err != nil {
		t.Errorf("what was sent: %d, %v", v, err)
	}
}

func TestWaiter_ItsContextCancelsWhatStillWaitsWhenTheAwaitedCallIsDone(t *testing.T) {
	w := hop.NewWaiter()
	ctx, cancel := context.WithCancelCause(bg)
	cleaning, clean := started()
	var cleaned hop.Event
	sent := hop.Go(bg, w, func(ctx context.Context) (int, error) {
		err := hop.Sleep(ctx, time.Hour)
		clean()
		for cleaned.Wait(context.WithoutCancel(ctx)) != nil {
			// the end of Wait's context ends the wait of the moment, whatever its context
		}
		return 0, err
	})
	returned := make(chan error, 1)
	go func() { returned <- w.Wait(ctx, finished()) }()
	untilWaiting(t, sent.Call())
	cancel(errEnough)
	recv(t, "the end of its sleep", cleaning)
	untilWaiting(t, sent.Call())
	select {
	case err := <-returned:
		t.Errorf("Wait has returned %v while what was sent cleans up", err)
	default:
	}
	cleaned.Set()
	if err := recv(t, "Wait", returned); err != nil {
		t.Errorf("Wait for a call that is done: %v", err)
	}
	if ce := wantCancelled(t, waitErr(t, sent)); !errors.Is(ce.Cause, errEnough) {
		t.Errorf("what was sent was cancelled because of %v, want the cause of Wait's context", ce.Cause)
	}
}

func TestWaiter_WhatIsSentMustNotWaitForWhoFinishesIt(t *testing.T) {
	// What was sent runs on top of a call that cannot go on before it has ended, and waits for that call. When it begins to
	// wait, its goroutine waits for nothing yet.
	for name, wait := range map[string]func(ctx context.Context, below *hop.Pending[int]) error{
		"a wait": func(ctx context.Context, below *hop.Pending[int]) error {
			_, err := below.Wait(ctx)
			return err
		},
		"a group": func(ctx context.Context, below *hop.Pending[int]) error {
			return hop.WithGroup(ctx, nil, func(ctx context.Context) error {
				hop.CurrentGroup(ctx).Add(below.Call())
				return nil
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			pool := newPool(t, &hop.PoolOptions{Size: 1})
			refused := make(chan error, 1)
			known := make(chan *hop.Pending[int], 1)
			below := hop.Go(bg, pool, func(ctx context.Context) (int, error) {
				me := <-known
				w := hop.NewWaiter()
				hop.Go(bg, w, func(ctx context.Context) (int, error) {
					refused <- wait(ctx, me)
					return 0, nil
				})
				return 7, w.Wait(ctx, finished())
			})
			known <- below
			wantDeadlock(t, recv(t, "the refusal", refused))
			_ = waitErr(t, below) // the group has cancelled it
		})
	}
}

func TestWaiter_OnDoneAfterTheWaitRunsAtOnce(t *testing.T) {
	w := hop.NewWaiter()
	within(t, patience, "Wait", func() {
		if err := w.Wait(bg, finished()); err != nil {
			t.Error(err)
		}
	})
	ran := false
	w.OnDone(func(ctx context.Context) { ran = ctx != nil })
	if !ran {
		t.Error("it has not run, or without a context")
	}
}

func TestWaiter_OneGoroutineAtATimeWaits(t *testing.T) {
	w, p := hop.NewWaiter(), hop.NewPromise[int](bg)
	in := hop.Go(bg, w, value(1))
	returned := make(chan error, 1)
	go func() { returned <- w.Wait(bg, p.Pending().Call()) }()
	must(t, in) // so it waits
	within(t, patience, "a second Wait", func() { wantIs(t, w.Wait(bg, p.Pending().Call()), hop.ErrMismatch) })
	p.Resolve(1)
	if err := recv(t, "the first Wait", returned); err != nil {
		t.Error(err)
	}
	within(t, patience, "a later Wait", func() { wantIs(t, w.Wait(bg, finished()), hop.ErrClosed) })
}

func TestWaiter_InATaskItsContextCancelsWhatTheLoopRunsForIt(t *testing.T) {
	l := newLoop(t, nil)
	w, p := hop.NewWaiter(), hop.NewPromise[int](bg)
	sent := hop.Go(bg, w, func(ctx context.Context) (int, error) { return 0, hop.Sleep(ctx, time.Hour) })
	task := hop.Go(bg, l, func(ctx context.Context) (int, error) {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		hop.Go(ctx, l, func(ctx context.Context) (int, error) {
			for sent.Call().State() != hop.Waiting {
				if err := hop.Yield(ctx); err != nil {
					return 0, err
				}
			}
			cancel(errEnough)
			return 0, nil
		})
		return 0, w.Wait(ctx, p.Pending().Call())
	})
	wantIs(t, waitErr(t, task), errEnough)
	if _, err := sent.Result(); !errors.Is(err, errEnough) {
		t.Errorf("what was sent has ended with %v before Wait returned, want it cancelled", err)
	}
	p.Resolve(1)
}

func TestS8_WhatIsSentToADoThatHasGivenUpIsRefused(t *testing.T) {
	pool := newPool(t, nil)
	g := newGate(t)
	ctx, cancel := context.WithCancelCause(bg)
	origins := make(chan hop.Portal, 1)
	gaveUp := make(chan error, 1)
	go func() {
		_, err := hop.Do(ctx, pool, func(ctx context.Context) (int, error) {
			back := hop.Origin(ctx)
			v, err := hop.Do(ctx, back, value(3)) // while it waits it takes calls
			if v != 3 || err != nil {
				t.Errorf("the way back: %d, %v", v, err)
			}
			origins <- back
			g.pass()
			return 0, nil
		})
		gaveUp <- err
	}()
	back := recv(t, "the way back", origins)
	cancel(errEnough)
	wantCancelled(t, recv(t, "Do", gaveUp))
	wantIs(t, waitErr(t, hop.Go(bg, back, value(4))), hop.ErrClosed)
}

// readyWhenAsked is a portal whose Submit returns when the call has said go on.
type readyWhenAsked struct{ asked chan struct{} }

func (p readyWhenAsked) Submit(c *hop.Call) error {
	go c.Run()
	<-p.asked
	return nil
}

func TestS8_TheWayBackIsThereBeforeDoWaits(t *testing.T) {
	on := readyWhenAsked{make(chan struct{})}
	within(t, patience, "Do", func() {
		v, err := hop.Do(bg, on, func(ctx context.Context) (int, error) {
			back := hop.Origin(ctx)
			sent := hop.Go(ctx, back, value(6))
			close(on.asked) // only now can Do begin to wait
			return sent.Wait(ctx)
		})
		if v != 6 || err != nil {
			t.Errorf("%d, %v", v, err)
		}
	})
}
