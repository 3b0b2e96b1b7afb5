package hop_test

// The Waiter: a goroutine that waits and meanwhile runs what is sent to it.

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gohop/hop"
)

func TestWaiter_RunsWhatIsSubmittedWhereItWaits(t *testing.T) {
	pool := newPool(t, &hop.PoolOptions{Size: 1})
	within(t, patience, "the waiting goroutine", func() {
		w := hop.NewWaiter()
		onMain := standHere()
		p := hop.Go(bg, pool, func(ctx context.Context) (int, error) {
			v, err := hop.Do(ctx, w, func(context.Context) (int, error) {
				if !onMain() {
					t.Error("not on the thread that waits")
				}
				if l := hop.CurrentLoop(); l != nil {
					t.Errorf("CurrentLoop is %v on a goroutine that is on no loop", l)
				}
				return 4, nil
			})
			return v + 1, err
		})
		if err := w.Wait(bg, p.Call()); err != nil {
			t.Error(err)
		}
		if v, err := p.Result(); v != 5 || err != nil {
			t.Errorf("%d, %v", v, err)
		}
	})
}

func TestWaiter_OfAFinishedCallReturnsAtOnce(t *testing.T) {
	// test_async_waiter_created_outside_of_loop
	p := hop.Go(bg, hop.Inline, value(1))
	within(t, patience, "Wait", func() {
		if err := hop.NewWaiter().Wait(bg, p.Call()); err != nil {
			t.Error(err)
		}
	})
}

func TestWaiter_KeepsWhatIsSubmittedBeforeItWaits(t *testing.T) {
	// test_async_waiter_early_submission: even if the call is done by then.
	for _, done := range []bool{false, true} {
		t.Run(fmt.Sprintf("done=%v", done), func(t *testing.T) {
			w := hop.NewWaiter()
			pr := hop.NewPromise[int](bg)
			var order []int
			var ps []*hop.Pending[int]
			for i := range 5 {
				ps = append(ps, hop.Go(bg, w, func(context.Context) (int, error) {
					order = append(order, i)
					if i == 4 {
						pr.Resolve(1)
					}
					return i, nil
				}))
			}
			if done {
				pr.Resolve(1)
			}
			within(t, patience, "Wait", func() {
				if err := w.Wait(bg, pr.Pending().Call()); err != nil {
					t.Error(err)
				}
			})
			if !slices.Equal(order, []int{0, 1, 2, 3, 4}) {
				t.Errorf("ran %v, want all five in order", order)
			}
			for i, p := range ps {
				if v, err := p.Result(); v != i || err != nil {
					t.Errorf("call %d: %d, %v", i, v, err)
				}
			}
		})
	}
}

func TestWaiter_OnDoneRunsThereInOrderOnceTheCallIsDone(t *testing.T) {
	// test_async_waiter_done_callbacks
	for _, late := range []bool{false, true} {
		t.Run(fmt.Sprintf("alreadyDone=%v", late), func(t *testing.T) {
			w := hop.NewWaiter()
			var order []int
			within(t, patience, "the waiting goroutine", func() {
				onMain := standHere()
				var p *hop.Pending[int]
				for i := range 3 {
					w.OnDone(func(ctx context.Context) {
						if !onMain() {
							t.Error("not on the thread that waits")
						}
						if ctx == nil {
							t.Error("nil ctx")
						}
						if _, err := p.Result(); err != nil {
							t.Errorf("the call is not done: %v", err)
						}
						order = append(order, i)
					})
				}
				p = hop.New(bg, value(1))
				if late {
					hop.Inline.Submit(p.Call())
				} else {
					hop.Goroutines.Submit(p.Call())
				}
				if err := w.Wait(bg, p.Call()); err != nil {
					t.Error(err)
				}
			})
			if !slices.Equal(order, []int{0, 1, 2}) {
				t.Errorf("order %v, want 0 1 2", order)
			}
		})
	}
}

func TestWaiter_WaitNeverReturnsTheCallsError(t *testing.T) {
	// test_sync_waiter_base_exception_in_worker_thread, and every other way to fail
	pool := newPool(t, nil)
	fails := map[string]func(context.Context) (int, error){
		"error":  failure(errors.New("no")),
		"panic":  func(context.Context) (int, error) { panic("no") },
		"Goexit": func(context.Context) (int, error) { runtime.Goexit(); return 0, nil },
		"cancel": func(ctx context.Context) (int, error) {
			hop.CurrentCall(ctx).Cancel(nil)
			return 0, nil
		},
	}
	for name, f := range fails {
		t.Run(name, func(t *testing.T) {
			w := hop.NewWaiter()
			done := false
			w.OnDone(func(context.Context) { done = true })
			p := hop.Go(bg, pool, f)
			within(t, patience, "Wait", func() {
				if err := w.Wait(bg, p.Call()); err != nil {
					t.Errorf("Wait: %v, want nil", err)
				}
			})
			if !done {
				t.Error("the OnDone function has not run")
			}
			if _, err := p.Result(); err == nil || errors.Is(err, hop.ErrNotDone) {
				t.Errorf("the call's own result: %v, want its failure", err)
			}
		})
	}
}

func TestWaiter_ReturnsAtTheTimeoutOfTheCall(t *testing.T) {
	// test_sync_waiter_timeout_in_worker_thread: promptly, with Abandon even when the function goes on.
	pool := newPool(t, nil)
	end, release := started()
	defer release()
	w := hop.NewWaiter()
	p := hop.Go(bg, pool, func(context.Context) (int, error) { <-end; return 1, nil }, hop.Timeout(10*time.Millisecond), hop.Abandon())
	within(t, patience, "Wait", func() {
		if err := w.Wait(bg, p.Call()); err != nil {
			t.Errorf("Wait: %v, want nil", err)
		}
	})
	_, err := p.Result()
	wantIs(t, wantCancelled(t, err), context.DeadlineExceeded)
}

func TestWaiter_WaitEndsWithItsContext(t *testing.T) {
	pr := hop.NewPromise[int](bg)
	ctx, cancel := context.WithCancelCause(bg)
	why := errors.New("had enough")
	w := hop.NewWaiter()
	hop.Go(bg, w, func(context.Context) (int, error) { cancel(why); return 0, nil })
	within(t, patience, "Wait", func() {
		err := w.Wait(ctx, pr.Pending().Call())
		wantIs(t, err, context.Canceled)
		wantIs(t, err, why)
		wantNot(t, err, hop.ErrCancelled)
	})
	if !pr.Resolve(1) {
		t.Error("the wait's end ended the call")
	}
}

func TestWaiter_OfAFinishedWaitTakesNothing(t *testing.T) {
	w := hop.NewWaiter()
	p := hop.Go(bg, hop.Inline, value(1))
	within(t, patience, "Wait", func() { w.Wait(bg, p.Call()) })
	late := hop.New(bg, value(1))
	wantIs(t, w.Submit(late.Call()), hop.ErrClosed)
	wantIs(t, waitErr(t, hop.Go(bg, w, value(1))), hop.ErrClosed)
}

func TestWaiter_SubmitWhileTheCallEndsIsRunOrRefused(t *testing.T) {
	rounds := 2000
	if wasm || testing.Short() {
		rounds = 200
	}
	for range rounds {
		w := hop.NewWaiter()
		pr := hop.NewPromise[int](bg)
		var senders sync.WaitGroup
		var mu sync.Mutex
		var ps []*hop.Pending[int]
		for range 4 {
			senders.Go(func() {
				for {
					p := hop.Go(bg, w, value(1))
					mu.Lock()
					ps = append(ps, p)
					mu.Unlock()
					if _, err := p.Result(); err != nil && !errors.Is(err, hop.ErrNotDone) {
						return
					}
					runtime.Gosched()
				}
			})
		}
		senders.Go(func() { pr.Resolve(1) })
		within(t, patience, "Wait and the senders", func() {
			if err := w.Wait(bg, pr.Pending().Call()); err != nil {
				t.Error(err)
			}
			senders.Wait()
		})
		for _, p := range ps {
			if err := waitErr(t, p); err != nil && !errors.Is(err, hop.ErrClosed) {
				t.Fatalf("%v: %v, want a value or ErrClosed", p.Call(), err)
			}
		}
	}
}

func TestWaiter_APanicIsTheCallsOwn(t *testing.T) {
	w := hop.NewWaiter()
	pr := hop.NewPromise[int](bg)
	bad := hop.Go(bg, w, func(context.Context) (int, error) { panic("boom") })
	good := hop.Go(bg, w, func(context.Context) (int, error) { pr.Resolve(1); return 2, nil })
	within(t, patience, "Wait", func() {
		if err := w.Wait(bg, pr.Pending().Call()); err != nil {
			t.Error(err)
		}
	})
	var pe *hop.PanicError
	if err := waitErr(t, bad); !errors.As(err, &pe) || pe.Value != "boom" {
		t.Errorf("the panicking call: %v", err)
	}
	if v := must(t, good); v != 2 {
		t.Errorf("the next one: %d", v)
	}
}

func TestWaiter_GoexitThereEndsTheCallAndStrandsNothing(t *testing.T) {
	// Goexit ends the goroutine that waits: nothing can prevent that. The call has ended all the same, and what was
	// submitted after it ends too.
	w := hop.NewWaiter()
	pr := hop.NewPromise[int](bg)
	bad := hop.Go(bg, w, func(context.Context) (int, error) { runtime.Goexit(); return 0, nil })
	next := hop.Go(bg, w, value(1))
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		w.Wait(bg, pr.Pending().Call())
	}()
	wantIs(t, waitErr(t, bad), hop.ErrGoexit)
	pr.Resolve(1)
	recv(t, "the goroutine", gone)
	waitErr(t, next)
	waitErr(t, hop.Go(bg, w, value(1)))
}

func TestWaiter_InATaskLetsTheLoopGoOn(t *testing.T) {
	onEachLoop(t, func(t *testing.T, l *hop.Loop) {
		w := hop.NewWaiter()
		pr := hop.NewPromise[int](bg)
		a := hop.Go(bg, l, func(ctx context.Context) (int, error) { return 1, w.Wait(ctx, pr.Pending().Call()) })
		untilWaiting(t, a.Call())
		must(t, hop.Go(bg, l, value(1))) // the loop is free
		// What is submitted to the Waiter runs on the loop, which is where it waits, and may wait itself.
		onLoop := must(t, hop.Go(bg, w, func(ctx context.Context) (bool, error) {
			return l.Here() && hop.CurrentLoop() == l, hop.Sleep(ctx, time.Millisecond)
		}))
		if !onLoop {
			t.Error("a call submitted to a task's Waiter does not run on its loop")
		}
		pr.Resolve(1)
		must(t, a)
	})
}

func TestWaiter_OnAPoolWorkerGivesThePlaceBack(t *testing.T) {
	pool := newPool(t, &hop.PoolOptions{Size: 1})
	w := hop.NewWaiter()
	a := hop.Go(bg, pool, func(ctx context.Context) (int, error) {
		p := hop.Go(ctx, pool, func(ctx context.Context) (int, error) { return hop.Do(ctx, w, value(3)) })
		if err := w.Wait(ctx, p.Call()); err != nil {
			return 0, err
		}
		return p.Result()
	})
	if v := must(t, a); v != 3 {
		t.Errorf("got %d, want 3", v)
	}
}

func TestWaiter_NestedWaitsOnOneGoroutine(t *testing.T) {
	// A call run by the outer wait waits itself; both waiters are served by the one goroutine.
	outer := servedWaiter(t)
	inner := hop.NewWaiter()
	pr := hop.NewPromise[int](bg)
	a := hop.Go(bg, outer, func(ctx context.Context) (int, error) { return 1, inner.Wait(ctx, pr.Pending().Call()) })
	untilWaiting(t, a.Call())
	if v := must(t, hop.Go(bg, inner, value(2))); v != 2 {
		t.Errorf("inner: %d", v)
	}
	if v := must(t, hop.Go(bg, outer, value(3))); v != 3 {
		t.Errorf("outer: %d", v)
	}
	pr.Resolve(0)
	must(t, a)
}

func TestWaiter_RunsInTheOrderOfSubmission(t *testing.T) {
	w := servedWaiter(t)
	var order []int
	var last *hop.Pending[int]
	for i := range 1000 {
		last = hop.Go(bg, w, func(context.Context) (int, error) { order = append(order, i); return 0, nil })
	}
	must(t, last)
	if len(order) != 1000 || !slices.IsSorted(order) {
		t.Errorf("%d ran, sorted %v", len(order), slices.IsSorted(order))
	}
}

func TestWaiter_TwoLoopsThatSetEachOthersEventsDoNotDeadlock(t *testing.T) {
	// test_dependent_events_in_two_loops_do_not_deadlock
	l1, l2 := newLoop(t, nil), newLoop(t, nil)
	for range 100 {
		var e1, e2 hop.Event
		a := hop.Go(bg, l1, func(ctx context.Context) (int, error) { e2.Set(); return 0, e1.Wait(ctx) })
		b := hop.Go(bg, l2, func(ctx context.Context) (int, error) { e1.Set(); return 0, e2.Wait(ctx) })
		must(t, a)
		must(t, b)
	}
}

func TestWaiter_ARefusedWaitKeepsWhatWasSubmitted(t *testing.T) {
	w := hop.NewWaiter()
	mine := make(chan *hop.Pending[int], 1)
	refused := make(chan struct{})
	kept := hop.Go(bg, w, value(7))
	p := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) {
		wantIs(t, w.Wait(ctx, (<-mine).Call()), hop.ErrDeadlock)
		close(refused)
		return kept.Wait(ctx)
	})
	mine <- p
	recv(t, "the refusal", refused)
	within(t, patience, "Wait", func() {
		if err := w.Wait(bg, p.Call()); err != nil {
			t.Error(err)
		}
	})
	if v := must(t, p); v != 7 {
		t.Errorf("got %d, want 7", v)
	}
}
