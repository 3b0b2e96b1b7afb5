package hop_test

// Waiters: what becomes of what was submitted to them.

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gohop/hop"
)

// What has ended is not kept by a Waiter that waits on, nor by the call that it waits for.
func TestWaiter_WhatHasEndedIsNotKept(t *testing.T) {
	w, c := hop.NewWaiter(), hop.NewPromise[int](bg)
	x := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) { return 0, w.Wait(ctx, c.Pending().Call()) })
	untilWaiting(t, x.Call())
	var alive atomic.Int32
	for range 100 {
		p := hop.Go(bg, w, value(1))
		alive.Add(1)
		runtime.AddCleanup(p, func(int) { alive.Add(-1) }, 0)
		must(t, p)
	}
	eventually(t, "most of the calls are garbage", func() bool { runtime.GC(); return alive.Load() < 10 })
	c.Resolve(1)
	must(t, x)
}

// In a task whose loop stops, Wait returns when what was submitted has returned.
func TestWaiter_WaitsForWhatWasSubmittedThoughItsLoopStops(t *testing.T) {
	l := hop.NewLoop(nil)
	w, never := hop.NewWaiter(), hop.NewPromise[int](bg)
	cleaned, first := false, false
	x := hop.Go(bg, l, func(ctx context.Context) (int, error) {
		wantIs(t, w.Wait(context.WithoutCancel(ctx), never.Pending().Call()), hop.ErrStopped)
		first = cleaned
		return 0, nil
	})
	k := hop.Go(bg, w, func(ctx context.Context) (int, error) {
		var e hop.Event
		e.Wait(ctx)
		hop.Sleep(context.WithoutCancel(ctx), time.Millisecond)
		cleaned = true
		return 0, nil
	})
	untilWaiting(t, k.Call())
	untilWaiting(t, x.Call())
	within(t, patience, "Close", func() { l.Close() })
	if !first {
		t.Error("Wait has returned before what was submitted")
	}
}

// The context of a Wait in a task ends when the call is done, and several of what was submitted are not.
func TestWaiter_CancelsAllThatWasSubmitted(t *testing.T) {
	for _, on := range []hop.Portal{hop.Goroutines, newLoop(t, nil)} {
		w, c := hop.NewWaiter(), hop.NewPromise[int](bg)
		x := hop.Go(bg, on, func(ctx context.Context) (int, error) { return 0, w.Wait(ctx, c.Pending().Call()) })
		var kids []*hop.Pending[int]
		for range 3 {
			k := hop.Go(bg, w, func(ctx context.Context) (int, error) { return 0, hop.Sleep(ctx, time.Hour) })
			untilWaiting(t, k.Call())
			kids = append(kids, k)
		}
		c.Resolve(1)
		x.Cancel(nil)
		recv(t, "the end of the wait", x.Done())
		for _, k := range kids {
			wantCancelled(t, waitErr(t, k))
		}
	}
}

// What was submitted is cancelled with the wait, and takes its time; and a later Wait finds a Waiter as it was.
func TestWaiter_ALaterWaitGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c := hop.NewWaiter(), hop.NewPromise[int](bg)
		start := time.Now()
		hop.Go(bg, w, func(ctx context.Context) (int, error) {
			var never hop.Event
			never.Wait(ctx)
			return 0, hop.Sleep(context.WithoutCancel(ctx), time.Hour)
		})
		short, end := context.WithTimeout(bg, time.Minute)
		defer end()
		wantIs(t, w.Wait(short, c.Pending().Call()), context.DeadlineExceeded)
		if d := time.Since(start); d != time.Minute+time.Hour {
			t.Errorf("it took %v", d)
		}
		k := hop.Go(bg, w, func(context.Context) (int, error) {
			defer c.Resolve(1)
			return 2, hop.Sleep(bg, time.Hour) // not with the call's context
		})
		if err := w.Wait(bg, c.Pending().Call()); err != nil {
			t.Error(err)
		}
		must(t, k)
	})
}

// A function that does not heed its context is told by its waits that nobody waits for it any more.
func TestWaiter_WaitsThatHeedNoContextEndWithIt(t *testing.T) {
	w, c := hop.NewWaiter(), hop.NewPromise[int](bg)
	ctx, end := context.WithCancel(bg)
	var first, second error
	k := hop.Go(bg, w, func(context.Context) (int, error) {
		var never hop.Event
		end()
		first = never.Wait(bg)
		second = never.Wait(bg)
		return 0, nil
	})
	within(t, patience, "Wait", func() { wantIs(t, w.Wait(ctx, c.Pending().Call()), context.Canceled) })
	wantIs(t, first, hop.ErrStopped)
	wantIs(t, second, hop.ErrStopped)
	wantCancelled(t, waitErr(t, k))
}

func TestWaiter_OnDoneGetsTheContextOfWait(t *testing.T) {
	w := hop.NewWaiter()
	var got any
	w.OnDone(func(ctx context.Context) { got = ctx.Value(userKey{}) })
	w.Wait(context.WithValue(bg, userKey{}, 7), hop.Go(bg, hop.Goroutines, value(1)).Call())
	if got != 7 {
		t.Errorf("the value is %v", got)
	}
}

// S14: a Wait that ends when what was submitted has ended does not look at that.
func TestS14_AWaiterDoesNotLookAtWhatWasSubmitted(t *testing.T) {
	var j journal
	setDefaultLog(t, j.logger().Handler())
	l := newLoop(t, nil)
	w, c := hop.NewWaiter(), hop.NewPromise[int](bg)
	var fall hop.Event
	x := hop.Go(bg, l, func(ctx context.Context) (int, error) { return 0, w.Wait(ctx, c.Pending().Call()) })
	untilWaiting(t, x.Call())
	hop.Go(bg, w, func(context.Context) (int, error) {
		fall.Wait(bg)
		return 0, errors.New("nobody cared")
	})
	hop.Run(bg, l, func(context.Context) error { return nil }) // it has begun
	c.Resolve(1)
	hop.Run(bg, l, func(context.Context) error { return nil }) // and x waits for it
	fall.Set()
	must(t, x)
	eventually(t, "the report", func() bool { runtime.GC(); return len(j.lines("nobody cared")) > 0 })
}

// A call that was made on a goroutine in Do, or on a loop, outlives that: nobody is left to take anything.
func TestS8_TheOriginOfWhatOutlivesItsMaker(t *testing.T) {
	ask := func(outlive chan struct{}) func(ctx context.Context) (hop.Portal, error) {
		return func(ctx context.Context) (hop.Portal, error) { <-outlive; return hop.Origin(ctx), nil }
	}
	for name, outlives := range map[string]func(out chan struct{}) *hop.Pending[hop.Portal]{
		"Do": func(out chan struct{}) (late *hop.Pending[hop.Portal]) {
			hop.Run(bg, hop.Goroutines, func(ctx context.Context) error {
				return hop.Run(ctx, hop.Origin(ctx), func(ctx context.Context) error {
					late = hop.Go(hop.Detach(bg), hop.Goroutines, ask(out))
					return nil
				})
			})
			return late
		},
		"Waiter": func(out chan struct{}) (late *hop.Pending[hop.Portal]) {
			w, c := hop.NewWaiter(), hop.NewPromise[int](bg)
			hop.Go(bg, w, func(ctx context.Context) (int, error) {
				late = hop.Go(bg, hop.Goroutines, ask(out))
				return 0, nil
			}).OnDone(func() { c.Resolve(1) })
			w.Wait(bg, c.Pending().Call())
			return late
		},
		"Loop": func(out chan struct{}) (late *hop.Pending[hop.Portal]) {
			l := hop.NewLoop(nil)
			hop.Run(bg, l, func(ctx context.Context) error {
				late = hop.Go(hop.Detach(bg), hop.Goroutines, ask(out))
				return nil
			})
			l.Close()
			return late
		},
	} {
		t.Run(name, func(t *testing.T) {
			out := make(chan struct{})
			late := outlives(out)
			close(out)
			if on := must(t, late); on != nil {
				t.Errorf("the Origin is %v", on)
			}
		})
	}
}

// A Do that has given up serves the function no more, which goes on.
func TestS8_AFunctionThatOutlivesItsDoHasNoOrigin(t *testing.T) {
	ctx, end := context.WithCancel(bg)
	out, origin := make(chan struct{}), make(chan hop.Portal, 1)
	done := make(chan error, 1)
	go func() {
		_, err := hop.Do(ctx, hop.Goroutines, func(ctx context.Context) (int, error) {
			end()
			<-out
			origin <- hop.Origin(ctx)
			return 0, nil
		})
		done <- err
	}()
	wantCancelled(t, recv(t, "Do", done))
	close(out)
	if on := recv(t, "the Origin", origin); on != nil {
		t.Errorf("it is %v", on)
	}
}
