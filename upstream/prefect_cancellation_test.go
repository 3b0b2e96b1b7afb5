package upstream_test

// Prefect's test_cancellation.py: cancel scopes. In hop a scope is a call (with a Timeout, say) or a context; blocking code,
// which Prefect interrupts by signals and injected exceptions, is asked through its context or abandoned.

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gohop/hop"
)

// scopes are the places where a scope may be: on a loop (async), on a worker thread, on the waiting goroutine itself
// (in the main thread).
var scopes = map[string]func(t *testing.T) hop.Portal{
	"async":                func(t *testing.T) hop.Portal { return newLoop(t, &hop.LoopOptions{StallAfter: -1}) },
	"sync in worker":       func(t *testing.T) hop.Portal { return newPool(t, nil) },
	"sync in main, inline": func(t *testing.T) hop.Portal { return hop.Inline },
}

// inScopes runs f in virtual time for each kind of scope.
func inScopes(t *testing.T, f func(t *testing.T, on hop.Portal)) {
	t.Helper()
	for name, on := range scopes {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := on(t)
				within(t, "the scope", func() { f(t, p) })
			})
		})
	}
}

func TestPrefectCancellation_CancelScopeRepr(t *testing.T) {
	l := newLoop(t, nil)
	var enough hop.Event
	p := hop.New(bg, func(ctx context.Context) (int, error) { return 0, enough.Wait(context.WithoutCancel(ctx)) }, hop.Name("scope"))
	see := func(want string) {
		t.Helper()
		if s := p.Call().String(); !strings.Contains(s, "scope") || !strings.Contains(s, want) {
			t.Errorf("%q does not say %q", s, want)
		}
	}
	see("created")
	l.Submit(p.Call())
	untilWaiting(t, p.Call())
	see("waiting")
	p.Cancel(nil)
	see("asked to cancel")
	enough.Set()
	waitErr(t, p)
	see("cancelled")
	p = hop.Go(bg, l, value(0), hop.Name("scope"))
	must(t, p)
	see("succeeded")
	p = hop.Go(bg, l, failure(errWhy), hop.Name("scope"))
	waitErr(t, p)
	see("failed")
}

func TestPrefectCancellation_CancelAsyncAfter(t *testing.T) {
	inScopes(t, func(t *testing.T, on hop.Portal) {
		began := time.Now()
		past := false
		p := hop.Go(bg, on, func(ctx context.Context) (int, error) {
			if err := hop.Sleep(ctx, time.Hour); err != nil {
				return 0, err
			}
			past = true
			return 0, nil
		}, hop.Timeout(time.Second))
		_, err := p.Wait(bg)
		wantTimeout(t, err)
		wantState(t, p.Call(), hop.Cancelled)
		if past || time.Since(began) != time.Second {
			t.Errorf("past the wait: %v, after %v", past, time.Since(began))
		}
	})
}

func TestPrefectCancellation_CancelAsyncAt(t *testing.T) {
	inScopes(t, func(t *testing.T, on hop.Portal) {
		ctx, cancel := context.WithDeadline(bg, time.Now().Add(time.Second))
		defer cancel()
		p := hop.Go(ctx, on, sleep(time.Hour))
		_, err := p.Wait(bg)
		wantTimeout(t, err)
		wantState(t, p.Call(), hop.Cancelled)
	})
}

func TestPrefectCancellation_CancelSyncInMainThread(t *testing.T) {
	// A function that blocks is cancelled by hand or by time, from its own goroutine or another: it sees that at its next
	// look at its context.
	for name, cancel := range map[string]func(c *hop.Call){
		"from the same goroutine": func(c *hop.Call) { c.Cancel(errWhy) },
		"from another": func(c *hop.Call) {
			done := make(chan struct{})
			go func() { defer close(done); c.Cancel(errWhy) }()
			<-done
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := hop.New(bg, func(ctx context.Context) (int, error) {
				if ctx.Err() != nil {
					t.Error("cancelled from the start")
				}
				cancel(hop.CurrentCall(ctx))
				if context.Cause(ctx) != errWhy {
					t.Error("the next look does not see it")
				}
				return 1, nil
			})
			p.Call().Run()
			_, err := p.Result()
			wantCancelled(t, err)
			wantIs(t, err, errWhy)
		})
	}
	t.Run("before it begins", func(t *testing.T) {
		p := hop.New(bg, func(context.Context) (int, error) { t.Error("it runs"); return 0, nil })
		p.Cancel(nil)
		p.Call().Run()
		wantCancelled(t, p.Call().Err())
	})
}

func TestPrefectCancellation_CancelSyncWithExistingAlarmHandler(t *testing.T) {
	needsThread(t)
	// Nothing here works through signals, so those of the program stay the program's.
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, os.Interrupt)
	defer signal.Stop(ch)
	within(t, "Do", func() {
		_, err := hop.Do(bg, hop.Workers(), forever, hop.Timeout(time.Millisecond))
		wantTimeout(t, err)
	})
	self, err := os.FindProcess(os.Getpid())
	if err != nil || self.Signal(os.Interrupt) != nil {
		t.Skip("this system cannot signal itself")
	}
	recv(t, "the program's own signal", ch)
}

func TestPrefectCancellation_CancelSyncAfterInWorkerThread(t *testing.T) {
	// A function that looks at nothing: it is waited for, or abandoned, as the caller says.
	synctest.Test(t, func(t *testing.T) {
		pool := newPool(t, nil)
		stubborn := func(context.Context) (int, error) { time.Sleep(time.Minute); return 1, nil }
		within(t, "the abandoned one", func() {
			began := time.Now()
			p := hop.Go(bg, pool, stubborn, hop.Timeout(time.Second), hop.Abandon())
			_, err := p.Wait(bg)
			wantTimeout(t, err)
			if d := time.Since(began); d != time.Second || pool.Stats().Abandoned != 1 {
				t.Errorf("after %v, %+v", d, pool.Stats())
			}
		})
		began := time.Now()
		p := hop.Go(bg, pool, stubborn, hop.Timeout(time.Second))
		_, err := p.Wait(bg) // virtual: within would be too short
		wantTimeout(t, err)
		if d := time.Since(began); d != time.Minute {
			t.Errorf("the one that is waited for took %v", d)
		}
	})
}

func TestPrefectCancellation_CancelSyncManuallyInWorkerThread(t *testing.T) {
	pool := newPool(t, nil)
	started := make(chan struct{})
	p := hop.Go(bg, pool, func(ctx context.Context) (int, error) {
		close(started)
		<-ctx.Done()
		return 0, context.Cause(ctx)
	})
	recv(t, "the start", started)
	if !p.Cancel(errWhy) {
		t.Error("Cancel reports false")
	}
	err := waitErr(t, p)
	wantCancelled(t, err)
	wantIs(t, err, errWhy)
	wantNot(t, err, context.DeadlineExceeded)
}

func TestPrefectCancellation_WatcherThreadCancelScopeEnforcerExitsWhenTeardownInterrupted(t *testing.T) {
	// Whatever watches a deadline is gone when the call is, even one that ends by a panic: a bubble ends only when all its
	// goroutines have, and at once only if no timer is waited for.
	noGoroutineLeft(t)
	synctest.Test(t, func(t *testing.T) {
		pool := newPool(t, &hop.PoolOptions{MaxIdle: -1})
		began := time.Now()
		ctx, cancel := context.WithTimeout(bg, time.Hour)
		defer cancel()
		for _, b := range breakDown {
			_, err := hop.Do(ctx, pool, b.f, hop.Timeout(time.Hour))
			b.want(t, err)
		}
		p := hop.Go(ctx, pool, func(ctx context.Context) (int, error) {
			defer func() { panic("in the teardown") }()
			return forever(ctx)
		}, hop.Timeout(time.Hour))
		synctest.Wait()
		p.Cancel(nil)
		wantCancelled(t, waitErr(t, p))
		if d := time.Since(began); d != 0 {
			t.Errorf("took %v", d)
		}
	})
}

func TestPrefectCancellation_NotCancelledWithoutATimeout(t *testing.T) {
	inScopes(t, func(t *testing.T, on hop.Portal) {
		for _, opts := range [][]hop.Option{nil, {hop.Timeout(time.Hour)}} {
			p := hop.Go(bg, on, func(ctx context.Context) (int, error) { return 1, hop.Sleep(ctx, time.Second) }, opts...)
			if v, err := p.Wait(bg); v != 1 || err != nil {
				t.Errorf("%d, %v", v, err)
			}
			wantState(t, p.Call(), hop.Succeeded)
			if p.Cancel(nil) {
				t.Error("Cancel after completion reports true")
			}
			wantState(t, p.Call(), hop.Succeeded)
		}
	})
}

func TestPrefectCancellation_CancelAsyncManual(t *testing.T) {
	// With a timeout or without: the cancel comes out at the end even if the function swallows it.
	for _, opts := range [][]hop.Option{nil, {hop.Timeout(time.Hour)}} {
		inScopes(t, func(t *testing.T, on hop.Portal) {
			p := hop.Go(bg, on, func(ctx context.Context) (int, error) {
				hop.CurrentCall(ctx).Cancel(errWhy)
				hop.Sleep(ctx, time.Minute)
				return 1, nil
			}, opts...)
			v, err := p.Wait(bg)
			wantCancelled(t, err)
			wantIs(t, err, errWhy)
			wantNot(t, err, context.DeadlineExceeded)
			if v != 0 {
				t.Errorf("value %d of a cancelled call", v)
			}
		})
	}
}

func TestPrefectCancellation_CancelAsyncFromAnotherThread(t *testing.T) {
	l := newLoop(t, nil)
	var owned []string // the loop's: no lock
	p := hop.Go(bg, l, func(ctx context.Context) (int, error) {
		err := hop.Sleep(ctx, time.Hour)
		owned = append(owned, "woken")
		if !l.Here() {
			t.Error("the task was resumed elsewhere")
		}
		return 0, err
	})
	untilWaiting(t, p.Call())
	p.Cancel(nil)
	wantCancelled(t, waitErr(t, p))
	must(t, hop.Go(bg, l, func(context.Context) (int, error) { equal(t, "steps", owned, []string{"woken"}); return 0, nil }))
}

// nested runs a scope in a scope, the two with these timeouts, and returns both.
func nested(on hop.Portal, outerTimeout, innerTimeout time.Duration) (outer, inner *hop.Pending[int]) {
	outer = hop.Go(bg, on, func(ctx context.Context) (int, error) {
		inner = hop.Go(ctx, hop.Inline, sleep(10*time.Second), hop.Timeout(innerTimeout))
		if _, err := inner.Wait(context.WithoutCancel(ctx)); err != nil && !errors.Is(err, hop.ErrCancelled) {
			return 0, err
		}
		return 1, nil
	}, hop.Timeout(outerTimeout))
	outer.Wait(bg)
	return outer, inner
}

func TestPrefectCancellation_CancelSyncNestedInnerCancelled(t *testing.T) {
	inScopes(t, func(t *testing.T, on hop.Portal) {
		outer, inner := nested(on, 5*time.Second, time.Second)
		_, err := inner.Result()
		wantTimeout(t, err)
		if v, err := outer.Result(); v != 1 || err != nil {
			t.Errorf("the outer one: %d, %v", v, err)
		}
	})
}

func TestPrefectCancellation_CancelSyncNestedOuterCancelled(t *testing.T) {
	// The inner one's error shows whose deadline it was: its cause is the outer one's.
	why := errors.New("the outer scope")
	inScopes(t, func(t *testing.T, on hop.Portal) {
		ctx, cancel := context.WithTimeoutCause(bg, time.Second, why)
		defer cancel()
		var own context.Context
		p := hop.Go(ctx, on, func(ctx context.Context) (int, error) {
			inner, cancel := context.WithTimeoutCause(ctx, 5*time.Second, errWhy)
			defer cancel()
			own = inner
			return 0, hop.Sleep(inner, time.Hour)
		})
		_, err := p.Wait(bg)
		wantTimeout(t, err)
		wantIs(t, err, why)
		wantNot(t, err, errWhy)
		if context.Cause(own) != why {
			t.Errorf("the inner scope ended because of %v", context.Cause(own))
		}
	})
	inScopes(t, func(t *testing.T, on hop.Portal) {
		outer, inner := nested(on, time.Second, 5*time.Second)
		_, err := outer.Result()
		wantTimeout(t, err)
		_, err = inner.Result() // it goes down with the outer one
		wantCancelled(t, err)
	})
	inScopes(t, func(t *testing.T, on hop.Portal) {
		// An inner scope that is done has not been cancelled by the outer one's end after it.
		var inner *hop.Pending[int]
		outer := hop.Go(bg, on, func(ctx context.Context) (int, error) {
			inner = hop.Go(ctx, hop.Inline, value(1), hop.Timeout(5*time.Second))
			return 0, hop.Sleep(ctx, time.Hour)
		}, hop.Timeout(time.Second))
		_, err := outer.Wait(bg)
		wantTimeout(t, err)
		wantState(t, inner.Call(), hop.Succeeded)
	})
}

func TestPrefectCancellation_Shield(t *testing.T) {
	inScopes(t, func(t *testing.T, on hop.Portal) {
		finished, after := false, false
		began := time.Now()
		p := hop.Go(bg, on, func(ctx context.Context) (int, error) {
			if err := hop.Sleep(context.WithoutCancel(ctx), 3*time.Second); err != nil {
				return 0, err
			}
			finished = true
			if err := hop.Sleep(ctx, time.Hour); err != nil { // right after it
				return 0, err
			}
			after = true
			return 0, nil
		}, hop.Timeout(time.Second))
		_, err := p.Wait(bg)
		wantTimeout(t, err)
		if d := time.Since(began); d != 3*time.Second || !finished || after {
			t.Errorf("after %v, the shielded part finished: %v, the rest ran: %v", d, finished, after)
		}
	})
}

func TestPrefectCancellation_ShieldNested(t *testing.T) {
	inScopes(t, func(t *testing.T, on hop.Portal) {
		began := time.Now()
		p := hop.Go(bg, on, func(ctx context.Context) (int, error) {
			outer := context.WithoutCancel(ctx)
			inner := context.WithoutCancel(outer)
			// A call started inside is shielded as well.
			if _, err := hop.Go(inner, hop.Goroutines, sleep(2*time.Second)).Wait(inner); err != nil {
				t.Errorf("inner: %v", err)
			}
			if err := hop.Sleep(outer, 2*time.Second); err != nil {
				t.Errorf("outer: %v", err)
			}
			return 0, hop.Sleep(ctx, 2*time.Second)
		}, hop.Timeout(time.Second))
		_, err := p.Wait(bg)
		wantTimeout(t, err)
		if d := time.Since(began); d != 4*time.Second {
			t.Errorf("delivered after %v", d)
		}
	})
}

func TestPrefectCancellation_CancelSaysWhetherItIsCancelledNow(t *testing.T) {
	p := hop.New(bg, value(1))
	for range 2 {
		if !p.Cancel(nil) {
			t.Error("before it starts, and twice: want true")
		}
	}
	p = hop.New(bg, value(1))
	p.Call().Run()
	if p.Cancel(nil) {
		t.Error("after completion: want false")
	}
}

func TestPrefectCancellation_CancelIsToldBeforeTheCallIsDone(t *testing.T) {
	// So that a cancel reaches what was started inside in time: children first, then the call itself.
	var order []string
	pr := hop.NewPromise[int](bg)
	pr.OnCancel(func(cause error) {
		order = append(order, "asked")
		if isDone(pr.Pending().Done()) {
			t.Error("it is done already")
		}
		pr.Resolve(1)
	})
	pr.Pending().OnDone(func() { order = append(order, "done") })
	pr.Pending().Cancel(errWhy)
	pr.OnCancel(func(error) { order = append(order, "too late") }) // added after: ignored
	equal(t, "order", order, []string{"asked", "done"})

	pool := newPool(t, nil)
	var child *hop.Pending[int]
	p := hop.Go(bg, pool, func(ctx context.Context) (int, error) {
		child = hop.Go(ctx, pool, forever)
		return child.Wait(context.WithoutCancel(ctx)) // it ends with the child
	})
	untilWaiting(t, p.Call())
	p.Cancel(errWhy)
	wantIs(t, waitErr(t, p), errWhy)
	wantIs(t, waitErr(t, child), errWhy)
}
