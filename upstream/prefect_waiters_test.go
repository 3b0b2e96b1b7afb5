package upstream_test

// Prefect's test_waiters.py: a blocked goroutine, or a suspended task, that goes on serving while it waits.

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gohop/hop"
)

func TestPrefectWaiters_WaiterRepr(t *testing.T) {
	w := hop.NewWaiter()
	if s := w.String(); s == "" {
		t.Error("a Waiter without a call has no text")
	}
	during := ""
	p := hop.New(bg, func(ctx context.Context) (int, error) { during = w.String(); return 0, nil }, hop.Name("the call"))
	hop.Goroutines.Submit(p.Call())
	within(t, "Wait", func() { w.Wait(bg, p.Call()) })
	// The owner needs a moment to begin its wait; afterwards at the latest the call is named.
	if s := w.String(); !strings.Contains(s, "the call") {
		t.Errorf("%q does not name the call (during: %q)", s, during)
	}
}

func TestPrefectWaiters_AsyncWaiterCreatedOutsideOfLoop(t *testing.T) {
	w := hop.NewWaiter()
	p := hop.Go(bg, hop.Inline, value(1))
	fromAsync(t, func(t *testing.T, ctx context.Context) {
		if err := w.Wait(ctx, p.Call()); err != nil {
			t.Error(err)
		}
	})
}

func TestPrefectWaiters_AsyncWaiterEarlySubmission(t *testing.T) {
	for _, done := range []bool{false, true} {
		name := map[bool]string{false: "call runs", true: "call is done already"}[done]
		t.Run(name, func(t *testing.T) {
			fromBoth(t, func(t *testing.T, ctx context.Context) {
				w := hop.NewWaiter()
				pr := hop.NewPromise[int](ctx)
				var early []*hop.Pending[string]
				for range 3 {
					early = append(early, hop.Go(ctx, w, func(context.Context) (string, error) {
						if !done {
							pr.Resolve(1)
						}
						return "ran", nil
					}))
				}
				if done {
					pr.Resolve(1)
				}
				if err := w.Wait(ctx, pr.Pending().Call()); err != nil {
					t.Error(err)
				}
				for _, p := range early {
					if v, err := p.Result(); v != "ran" || err != nil {
						t.Errorf("%q, %v: it has not run when Wait returns", v, err)
					}
				}
			})
		})
	}
}

func TestPrefectWaiters_AsyncWaiterDoneCallback(t *testing.T) {
	fromBoth(t, func(t *testing.T, ctx context.Context) {
		w := hop.NewWaiter()
		me, loop := goid(), hop.CurrentLoop()
		ran := false
		p := hop.New(ctx, value(1))
		w.OnDone(func(context.Context) {
			ran = true
			if p.Call().State() != hop.Succeeded {
				t.Error("it runs before the call is done")
			}
			if loop == nil && goid() != me || hop.CurrentLoop() != loop {
				t.Error("it runs elsewhere")
			}
		})
		hop.Workers().Submit(p.Call())
		if err := w.Wait(ctx, p.Call()); err != nil || !ran {
			t.Errorf("%v, ran: %v", err, ran)
		}
	})
}

func TestPrefectWaiters_AsyncWaiterDoneCallbacks(t *testing.T) {
	fromBoth(t, func(t *testing.T, ctx context.Context) {
		w := hop.NewWaiter()
		var order []int
		for i := range 4 {
			w.OnDone(func(context.Context) { order = append(order, i) })
		}
		if err := w.Wait(ctx, hop.Go(ctx, hop.Workers(), value(1)).Call()); err != nil {
			t.Error(err)
		}
		equal(t, "order", order, []int{0, 1, 2, 3})
	})
}

// timeoutInWorker has a call on a worker time out while a Waiter waits for it.
func timeoutInWorker(t *testing.T, ctx context.Context, f func(context.Context) (int, error), opts ...hop.Option) {
	t.Helper()
	pool := newPool(t, &hop.PoolOptions{Size: 1})
	w := hop.NewWaiter()
	ran := false
	w.OnDone(func(context.Context) { ran = true })
	p := hop.Go(ctx, pool, f, append(opts, hop.Timeout(time.Second))...)
	began := time.Now()
	if err := w.Wait(ctx, p.Call()); err != nil {
		t.Errorf("Wait: %v, which is never the call's own error", err)
	}
	if d := time.Since(began); d != time.Second {
		t.Errorf("took %v", d)
	}
	_, err := p.Result()
	wantTimeout(t, err)
	if !ran {
		t.Error("the done callback has not run")
	}
}

func testTimeoutInWorker(t *testing.T, from func(*testing.T, func(*testing.T, context.Context))) {
	t.Run("heeds its context", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			from(t, func(t *testing.T, ctx context.Context) { timeoutInWorker(t, ctx, sleep(time.Hour)) })
		})
	})
	t.Run("abandoned", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			from(t, func(t *testing.T, ctx context.Context) {
				timeoutInWorker(t, ctx, func(context.Context) (int, error) { time.Sleep(5 * time.Second); return 0, nil }, hop.Abandon())
				time.Sleep(5 * time.Second) // virtual: time stands still once the bubble's main function has returned
			})
		})
	})
}

func TestPrefectWaiters_SyncWaiterTimeoutInWorkerThread(t *testing.T) {
	testTimeoutInWorker(t, fromSync)
}

func TestPrefectWaiters_AsyncWaiterTimeoutInWorkerThread(t *testing.T) {
	testTimeoutInWorker(t, fromAsync)
}

// timeoutInMain is what Prefect skips: a call on a worker sends a slow callback back to where its caller waits; the
// timeout of the call has to end the callback too, and both are cancelled; whatever context the callback is made with.
func timeoutInMain(t *testing.T, ctx context.Context, withCtx bool, slow func(context.Context) (int, error)) {
	t.Helper()
	pool := newPool(t, &hop.PoolOptions{Size: 1})
	w := hop.NewWaiter()
	ran := false
	w.OnDone(func(context.Context) { ran = true })
	var back *hop.Pending[int]
	p := hop.Go(ctx, pool, func(ctx context.Context) (int, error) {
		with := bg
		if withCtx {
			with = ctx
		}
		back = hop.Go(with, w, slow)
		return back.Wait(ctx)
	}, hop.Timeout(time.Second))
	began := time.Now()
	if err := w.Wait(ctx, p.Call()); err != nil {
		t.Errorf("Wait: %v, which is never the call's own error", err)
	}
	if d := time.Since(began); d != time.Second {
		t.Errorf("took %v", d)
	}
	for _, p := range []*hop.Pending[int]{p, back} {
		_, err := p.Result()
		wantTimeout(t, err)
		wantState(t, p.Call(), hop.Cancelled)
	}
	if !ran {
		t.Error("the done callback has not run")
	}
}

// slowWays are callbacks that take their time.
var slowWays = map[string]func(context.Context) (int, error){
	"waits":               sleep(time.Hour),
	"blocks until ctx":    func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, ctx.Err() },
	"swallows its cancel": func(ctx context.Context) (int, error) { <-ctx.Done(); return 1, nil },
}

func testTimeoutInMain(t *testing.T, from func(*testing.T, func(*testing.T, context.Context))) {
	for name, slow := range slowWays {
		t.Run(name, func(t *testing.T) {
			for i := range 10 { // flaky there
				synctest.Test(t, func(t *testing.T) {
					from(t, func(t *testing.T, ctx context.Context) { timeoutInMain(t, ctx, i%2 == 0, slow) })
				})
			}
		})
	}
}

func TestPrefectWaiters_SyncWaiterTimeoutInMainThread(t *testing.T) { testTimeoutInMain(t, fromSync) }

func TestPrefectWaiters_AsyncWaiterTimeoutInMainThread(t *testing.T) { testTimeoutInMain(t, fromAsync) }

func TestPrefectWaiters_AsyncWaiterTimeoutInWorkerThreadMixedSleeps(t *testing.T) {
	fromBothInBubble(t, func(t *testing.T, ctx context.Context) {
		pool := newPool(t, nil)
		began := time.Now()
		_, err := hop.Do(ctx, pool, func(ctx context.Context) (int, error) {
			time.Sleep(600 * time.Millisecond) // blocks
			return 0, hop.Sleep(ctx, 600*time.Millisecond)
		}, hop.Timeout(time.Second))
		wantTimeout(t, err)
		if d := time.Since(began); d != time.Second {
			t.Errorf("took %v: not one deadline for both parts", d)
		}
	})
}

func baseExceptionInWorker(t *testing.T, ctx context.Context) {
	for name, b := range breakDown {
		w := hop.NewWaiter()
		ran := false
		w.OnDone(func(context.Context) { ran = true })
		p := hop.Go(ctx, hop.Workers(), b.f)
		if err := w.Wait(ctx, p.Call()); err != nil || !ran {
			t.Errorf("%s: Wait: %v; done callback ran: %v", name, err, ran)
		}
		_, err := p.Result()
		b.want(t, err)
	}
}

func TestPrefectWaiters_SyncWaiterBaseExceptionInWorkerThread(t *testing.T) {
	fromSync(t, baseExceptionInWorker)
}

func TestPrefectWaiters_AsyncWaiterBaseExceptionInWorkerThread(t *testing.T) {
	fromAsync(t, baseExceptionInWorker)
}

func baseExceptionInMain(t *testing.T, ctx context.Context) {
	for name, b := range breakDown {
		w := hop.NewWaiter()
		var back *hop.Pending[int]
		after := false
		p := hop.Go(ctx, hop.Workers(), func(ctx context.Context) (int, error) {
			hop.Run(ctx, w, func(context.Context) error { return nil }) // from here on, somebody waits
			back = hop.Go(ctx, w, b.f)
			w.Wait(ctx, back.Call()) // another waits here: ErrMismatch or ErrClosed, not a hang
			<-back.Done()
			// The one who waits goes on serving.
			return hop.Go(ctx, w, func(context.Context) (int, error) { after = true; return 1, nil }).Wait(ctx)
		})
		if err := w.Wait(ctx, p.Call()); err != nil {
			t.Errorf("%s: Wait: %v", name, err)
		}
		if v, err := p.Result(); v != 1 || err != nil || !after {
			t.Errorf("%s: the call that did not look at it: %d, %v", name, v, err)
		}
		_, err := back.Result()
		b.want(t, err)
	}
}

func TestPrefectWaiters_SyncWaiterBaseExceptionInMainThread(t *testing.T) {
	// A Goexit in a callback must not end the goroutine that waits, either.
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		returned := false
		defer func() {
			if !returned {
				t.Error("the waiting goroutine was unwound")
			}
		}()
		baseExceptionInMain(t, bg)
		returned = true
	}()
	recv(t, "the goroutine that waits", ended)
}

func TestPrefectWaiters_AsyncWaiterBaseExceptionInMainThread(t *testing.T) {
	fromAsync(t, baseExceptionInMain)
}

func TestPrefectWaiters_SubmitToAFinishedWaiterIsRefused(t *testing.T) {
	w := hop.NewWaiter()
	within(t, "Wait", func() { w.Wait(bg, hop.Go(bg, hop.Inline, value(1)).Call()) })
	wantIs(t, w.Submit(hop.New(bg, value(1)).Call()), hop.ErrClosed)

	// While it ends, each is run or refused: there is no third.
	for range 200 {
		w := hop.NewWaiter()
		pr := hop.NewPromise[int](bg)
		var ran, refused atomic.Int32
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				p := hop.New(bg, func(context.Context) (int, error) { ran.Add(1); return 0, nil })
				if err := w.Submit(p.Call()); errors.Is(err, hop.ErrClosed) {
					refused.Add(1)
				}
			})
		}
		wg.Go(func() { pr.Resolve(1) })
		within(t, "Wait", func() { w.Wait(bg, pr.Pending().Call()) })
		within(t, "the senders", wg.Wait)
		if n := ran.Load() + refused.Load(); n != 4 {
			t.Fatalf("%d run, %d refused, of 4", ran.Load(), refused.Load())
		}
	}
}

func TestPrefectWaiters_NestedWaitersGoToTheInnermostThatStillWaits(t *testing.T) {
	// main waits for a worker, which calls back to main, which waits for another worker there, which calls back.
	within(t, "main", func() {
		me := goid()
		v, err := hop.Do(bg, hop.Workers(), func(outer context.Context) (int, error) {
			return hop.Do(outer, hop.Origin(outer), func(ctx context.Context) (int, error) {
				if goid() == me {
					t.Log("on the very goroutine")
				}
				n, err := hop.Do(ctx, hop.Workers(), func(inner context.Context) (int, error) {
					// To the innermost frame, and to the outer one, by its own portal, while the inner waits on top of it.
					a, err := hop.Do(inner, hop.Origin(inner), value(1))
					if err != nil {
						return 0, err
					}
					b, err := hop.Do(inner, hop.Origin(outer), value(2))
					return a + b, err
				})
				return n + 10, err
			})
		})
		if v != 13 || err != nil {
			t.Errorf("%d, %v", v, err)
		}
	})
	// Once the inner wait is over its origin refuses, and the outer one still takes.
	within(t, "main", func() {
		_, err := hop.Do(bg, hop.Workers(), func(outer context.Context) (int, error) {
			var stale hop.Portal
			hop.Do(outer, hop.Origin(outer), func(ctx context.Context) (int, error) {
				return hop.Do(ctx, hop.Goroutines, func(inner context.Context) (int, error) {
					stale = hop.Origin(inner)
					return 0, nil
				})
			})
			if stale != nil {
				if p := hop.Go(outer, stale, value(1)); waitErr(t, p) == nil && !errors.Is(waitErr(t, p), hop.ErrClosed) {
					t.Log("the frame below took it, which is as good")
				}
			}
			return hop.Do(outer, hop.Origin(outer), value(1))
		})
		if err != nil {
			t.Error(err)
		}
	})
}
