package hop_test

// S8: the way back to whoever waits. The scenarios of Prefect's from_sync and from_async, among them the two that its own
// suite skips (test_sync_waiter_timeout_in_main_thread, test_async_waiter_timeout_in_main_thread).

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gohop/hop"
)

// standHere keeps the calling goroutine on its OS thread, and returns a function that tells whether its caller runs there too:
// on that goroutine, or on a coroutine of it. Where there is one thread only, it always does.
func standHere() (here func() bool) {
	runtime.LockOSThread() // and never unlocked: the goroutine is the test's own, and ends with it
	thread := threadID()
	return func() bool { return wasm || threadID() == thread }
}

// elsewhere is where a plain goroutine can send a call and wait for it.
func elsewhere(t *testing.T, f func(t *testing.T, on hop.Portal)) {
	t.Helper()
	for _, k := range portals {
		if k.name == "Inline" {
			continue // it is not elsewhere
		}
		t.Run(k.name, func(t *testing.T) {
			if k.thread {
				needsThread(t)
			}
			f(t, k.make(t))
		})
	}
}

func TestS8_MainToWorkerAndBackToTheWaitingMain(t *testing.T) {
	// 1 main calls the worker and blocks; 2 the worker calls back to where main waits; 3 main runs that; 4 its result goes
	// to the worker; 5 the worker's result is made of it; 6 main gets that.
	elsewhere(t, func(t *testing.T, on hop.Portal) {
		within(t, patience, "main", func() {
			onMain := standHere()
			v, err := hop.Do(bg, on, func(ctx context.Context) (string, error) {
				if onMain() && !wasm {
					t.Error("the worker is main")
				}
				back, err := hop.Do(ctx, hop.Origin(ctx), func(context.Context) (string, error) {
					if !onMain() {
						t.Error("the call back does not run on the thread that waits")
					}
					return "main", nil
				})
				return back + " and worker", err
			})
			if v != "main and worker" || err != nil {
				t.Errorf("%q, %v", v, err)
			}
		})
	})
}

func TestS8_LoopToWorkerAndBackToTheLoop(t *testing.T) {
	onEachLoop(t, func(t *testing.T, l *hop.Loop) {
		elsewhere(t, func(t *testing.T, on hop.Portal) {
			a := hop.Go(bg, l, func(ctx context.Context) (int, error) {
				return hop.Do(ctx, on, func(ctx context.Context) (int, error) {
					origin := hop.Origin(ctx)
					if origin == nil {
						return 0, errors.New("no origin")
					}
					return hop.Do(ctx, origin, func(context.Context) (int, error) {
						if hop.CurrentLoop() != l || !l.Here() {
							t.Error("the call back is not on the loop that waits")
						}
						return 4, nil
					})
				})
			})
			if v := must(t, a); v != 4 {
				t.Errorf("got %d, want 4", v)
			}
		})
	})
}

func TestS8_RunAndWaiterHaveAnOriginToo(t *testing.T) {
	pool := newPool(t, &hop.PoolOptions{Size: 1})
	within(t, patience, "Run", func() {
		onMain := standHere()
		err := hop.Run(bg, pool, func(ctx context.Context) error {
			return hop.Run(ctx, hop.Origin(ctx), func(context.Context) error {
				if !onMain() {
					return errors.New("not on the thread that waits")
				}
				return nil
			})
		})
		if err != nil {
			t.Error(err)
		}
	})
	within(t, patience, "Waiter.Wait", func() {
		onMain := standHere()
		w := hop.NewWaiter()
		p := hop.New(bg, func(ctx context.Context) (int, error) {
			return hop.Do(ctx, hop.Origin(ctx), func(context.Context) (int, error) {
				if !onMain() {
					return 0, errors.New("not on the thread that waits")
				}
				return 1, nil
			})
		})
		// Submitted from inside the wait, so that somebody waits when it starts.
		hop.Go(bg, w, func(context.Context) (int, error) { return 0, pool.Submit(p.Call()) })
		if err := w.Wait(bg, p.Call()); err != nil {
			t.Error(err)
		}
		if _, err := p.Result(); err != nil {
			t.Error(err)
		}
	})
}

func TestS8_TheOriginIsThereWhenTheFunctionStarts(t *testing.T) {
	rounds := 1000
	if wasm {
		rounds = 100
	}
	pool := newPool(t, &hop.PoolOptions{Size: 2})
	within(t, patience, "all rounds", func() {
		for i := range rounds {
			if _, err := hop.Do(bg, pool, func(ctx context.Context) (int, error) {
				if hop.Origin(ctx) == nil {
					return 0, fmt.Errorf("round %d: no origin, though Do waits", i)
				}
				return 0, nil
			}); err != nil {
				t.Error(err)
				return
			}
		}
	})
}

func TestS8_NobodyWaitsNoOrigin(t *testing.T) {
	l := newLoop(t, nil)
	pool := newPool(t, nil)
	for _, on := range []hop.Portal{l, pool, hop.Goroutines} {
		p := hop.Go(bg, on, func(ctx context.Context) (hop.Portal, error) { return hop.Origin(ctx), nil })
		<-p.Done()
		if o := must(t, p); o != nil {
			t.Errorf("Origin is %v, want nil: nobody can take it", o)
		}
	}
	if o := hop.Origin(bg); o != nil {
		t.Errorf("Origin(Background) is %v, want nil", o)
	}
}

func TestS8_TheOriginOfGoIsTheLoopThatCalled(t *testing.T) {
	l := newLoop(t, nil)
	pool := newPool(t, nil)
	a := hop.Go(bg, l, func(ctx context.Context) (bool, error) {
		p := hop.Go(ctx, pool, func(ctx context.Context) (bool, error) {
			origin := hop.Origin(ctx)
			if origin == nil {
				return false, errors.New("no origin")
			}
			return hop.Go(ctx, origin, func(context.Context) (bool, error) { return l.Here(), nil }).Wait(ctx)
		})
		return p.Wait(ctx)
	})
	if !must(t, a) {
		t.Error("the origin of a call made with Go on a loop is not that loop")
	}
}

func TestS8_TheOriginIsInherited(t *testing.T) {
	// The worker starts another call and does not wait for it in Do: its way back is the worker's, to main.
	pool := newPool(t, nil)
	within(t, patience, "main", func() {
		onMain := standHere()
		_, err := hop.Do(bg, pool, func(ctx context.Context) (int, error) {
			return hop.Go(ctx, hop.Goroutines, func(ctx context.Context) (int, error) {
				origin := hop.Origin(ctx)
				if origin == nil {
					return 0, errors.New("no origin")
				}
				return hop.Do(ctx, origin, func(context.Context) (int, error) {
					if !onMain() {
						return 0, errors.New("not on main")
					}
					return 1, nil
				})
			}).Wait(ctx)
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestS8_TheNearestWaiterIsTheOrigin(t *testing.T) {
	one, two := newPool(t, &hop.PoolOptions{Size: 1, Threads: !wasm}), newPool(t, &hop.PoolOptions{Size: 1})
	within(t, patience, "main", func() {
		onMain := standHere()
		_, err := hop.Do(bg, one, func(ctx context.Context) (int, error) {
			worker := threadID() // the pool's workers are threads
			onWorker := func() bool { return wasm || threadID() == worker }
			toMain := hop.Origin(ctx)
			return hop.Do(ctx, two, func(ctx context.Context) (int, error) {
				err := hop.Run(ctx, hop.Origin(ctx), func(ctx context.Context) error {
					if !onWorker() {
						return errors.New("Origin is not the worker, who waits")
					}
					// And from the worker's goroutine, inside a call made by two, back again, and on to main.
					return hop.Run(ctx, toMain, func(context.Context) error {
						if !onMain() {
							return errors.New("the worker's Origin is not main")
						}
						return nil
					})
				})
				return 0, err
			})
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestS8_BackAndForthToDepth100(t *testing.T) {
	// trio's test_recursive_to_thread, on goroutines that wait: each call goes to a worker, each worker's back to its origin.
	for _, size := range []int{0, 1} {
		t.Run(fmt.Sprintf("Size=%d", size), func(t *testing.T) {
			pool := newPool(t, &hop.PoolOptions{Size: size})
			var there, back func(ctx context.Context, n int) (int, error)
			there = func(ctx context.Context, n int) (int, error) {
				if n == 0 {
					return 0, nil
				}
				return hop.Do(ctx, pool, func(ctx context.Context) (int, error) { return back(ctx, n) })
			}
			back = func(ctx context.Context, n int) (int, error) {
				v, err := hop.Do(ctx, hop.Origin(ctx), func(ctx context.Context) (int, error) { return there(ctx, n-1) })
				return v + 1, err
			}
			within(t, patience, "from main", func() {
				if v, err := there(bg, 100); v != 100 || err != nil {
					t.Errorf("%d, %v", v, err)
				}
			})
			l := newLoop(t, nil)
			if v := must(t, hop.Go(bg, l, func(ctx context.Context) (int, error) { return there(ctx, 100) })); v != 100 {
				t.Errorf("from a loop: %d", v)
			}
		})
	}
}

func TestS8_ACallMadeThereIsAChildOfTheAwaitedCall(t *testing.T) {
	pool := newPool(t, &hop.PoolOptions{Size: 1})
	gone := errors.New("the parent is gone")
	var back *hop.Pending[int]
	var parent *hop.Call
	inBack, enter := started()
	go func() {
		<-inBack
		parent.Cancel(gone)
	}()
	within(t, patience, "Do", func() {
		_, err := hop.Do(bg, pool, func(ctx context.Context) (int, error) {
			parent = hop.CurrentCall(ctx)
			back = hop.Go(ctx, hop.Origin(ctx), func(ctx context.Context) (int, error) {
				enter()
				<-ctx.Done()
				return 0, context.Cause(ctx)
			})
			return back.Wait(ctx)
		})
		wantIs(t, err, hop.ErrCancelled)
		wantIs(t, err, gone)
	})
	wantIs(t, wantCancelled(t, waitErr(t, back)), gone)
	wantState(t, back.Call(), hop.Cancelled)
}

func TestS8_ACallBackThatIsMadeWithoutTheContextIsAChildToo(t *testing.T) {
	// "A call made there ... is a child of the awaited call": the portal sees to it, not the ctx alone.
	pool := newPool(t, &hop.PoolOptions{Size: 1})
	gone := errors.New("the parent is gone")
	var parent *hop.Call
	backErr := make(chan error, 1)
	inBack, enter := started()
	go func() {
		<-inBack
		parent.Cancel(gone)
	}()
	within(t, patience, "Do", func() {
		_, err := hop.Do(bg, pool, func(ctx context.Context) (int, error) {
			parent = hop.CurrentCall(ctx)
			back := hop.Go(bg, hop.Origin(ctx), func(ctx context.Context) (int, error) {
				enter()
				select {
				case <-ctx.Done():
				case <-time.After(patience / 2):
				}
				return 0, nil
			})
			_, err := back.Wait(bg)
			backErr <- err
			return 0, err
		})
		wantIs(t, err, gone)
	})
	wantIs(t, recv(t, "the call back", backErr), hop.ErrCancelled)
}

// timeoutInMain is the scenario of the two tests that Prefect skips: a call on a worker sends a slow callback to where its
// caller waits; the worker's own timeout has to end the callback too, and both are cancelled.
func timeoutInMain(ctx context.Context, on hop.Portal, slow func(context.Context) error) (back *hop.Pending[int], err error) {
	_, err = hop.Do(ctx, on, func(ctx context.Context) (int, error) {
		back = hop.Go(ctx, hop.Origin(ctx), func(ctx context.Context) (int, error) { return 0, slow(ctx) })
		return back.Wait(ctx)
	}, hop.Timeout(30*time.Millisecond))
	return back, err
}

func checkTimeoutInMain(t *testing.T, back *hop.Pending[int], err error) {
	t.Helper()
	wantIs(t, wantCancelled(t, err), context.DeadlineExceeded)
	wantIs(t, wantCancelled(t, waitErr(t, back)), context.DeadlineExceeded)
	wantState(t, back.Call(), hop.Cancelled)
}

func TestS8_PrefectSkipped_SyncWaiterTimeoutInMainThread(t *testing.T) {
	for name, slow := range map[string]func(ctx context.Context) error{
		"Sleep":    func(ctx context.Context) error { return hop.Sleep(ctx, time.Hour) },
		"ctx.Done": func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
		"nil":      func(ctx context.Context) error { <-ctx.Done(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			elsewhere(t, func(t *testing.T, on hop.Portal) {
				var back *hop.Pending[int]
				var err error
				within(t, patience, "main", func() { back, err = timeoutInMain(bg, on, slow) })
				checkTimeoutInMain(t, back, err)
			})
		})
	}
}

func TestS8_PrefectSkipped_AsyncWaiterTimeoutInMainThread(t *testing.T) {
	onEachLoop(t, func(t *testing.T, l *hop.Loop) {
		elsewhere(t, func(t *testing.T, on hop.Portal) {
			var back *hop.Pending[int]
			var err error
			must(t, hop.Go(bg, l, func(ctx context.Context) (int, error) {
				back, err = timeoutInMain(ctx, on, func(ctx context.Context) error { return hop.Sleep(ctx, time.Hour) })
				return 0, nil
			}))
			checkTimeoutInMain(t, back, err)
		})
	})
}

func TestS8_PrefectSkipped_WithAWaiterOfItsOwn(t *testing.T) {
	// The same, spelled with a Waiter: its Wait returns nil, runs its OnDone function, and both results are cancelled.
	// What the callback was made with does not matter: the Waiter makes it a child of the call.
	for _, withCtx := range []bool{true, false} {
		t.Run(fmt.Sprintf("ctx=%v", withCtx), func(t *testing.T) {
			pool := newPool(t, &hop.PoolOptions{Size: 1})
			w := hop.NewWaiter()
			var back *hop.Pending[int]
			p := hop.New(bg, func(ctx context.Context) (int, error) {
				with := bg
				if withCtx {
					with = ctx
				}
				back = hop.Go(with, w, func(ctx context.Context) (int, error) { return 0, hop.Sleep(ctx, patience) })
				return back.Wait(ctx)
			}, hop.Timeout(30*time.Millisecond))
			done := false
			w.OnDone(func(context.Context) { done = true })
			pool.Submit(p.Call())
			within(t, patience/2, "Waiter.Wait", func() {
				if err := w.Wait(bg, p.Call()); err != nil {
					t.Errorf("Wait: %v, want nil: it is never the call's own error", err)
				}
			})
			if !done {
				t.Error("the Waiter's OnDone function has not run")
			}
			_, err := p.Result()
			wantIs(t, wantCancelled(t, err), context.DeadlineExceeded)
			wantCancelled(t, waitErr(t, back))
			wantState(t, back.Call(), hop.Cancelled)
		})
	}
}

func TestS8_OneTimeoutSpansBothSides(t *testing.T) {
	// test_async_waiter_timeout_in_worker_thread_mixed_sleeps: part of the time is spent on the worker, part on main; the
	// time is counted once.
	pool := newPool(t, &hop.PoolOptions{Size: 1})
	within(t, patience, "main", func() {
		begin := time.Now()
		_, err := hop.Do(bg, pool, func(ctx context.Context) (int, error) {
			if err := hop.Sleep(ctx, 60*time.Millisecond); err != nil {
				return 0, err
			}
			return hop.Do(ctx, hop.Origin(ctx), func(ctx context.Context) (int, error) { return 0, hop.Sleep(ctx, patience) })
		}, hop.Timeout(120*time.Millisecond))
		wantIs(t, err, hop.ErrCancelled)
		wantIs(t, err, context.DeadlineExceeded)
		if d := time.Since(begin); d < 110*time.Millisecond || d > patience/2 {
			t.Errorf("it took %v, want about 120ms", d)
		}
	})
}

func TestS8_APanicInTheCallBackIsItsOwn(t *testing.T) {
	// test_sync_waiter_base_exception_in_main_thread: the call back fails, who waits goes on.
	elsewhere(t, func(t *testing.T, on hop.Portal) {
		within(t, patience, "main", func() {
			v, err := hop.Do(bg, on, func(ctx context.Context) (int, error) {
				p := hop.Go(ctx, hop.Origin(ctx), func(context.Context) (int, error) { panic("boom") })
				_, err := p.Wait(ctx)
				var pe *hop.PanicError
				if !errors.As(err, &pe) || pe.Value != "boom" {
					t.Errorf("the call back: %v, want the panic", err)
				}
				return hop.Do(ctx, hop.Origin(ctx), value(2)) // and it still serves
			})
			if v != 2 || err != nil {
				t.Errorf("%d, %v", v, err)
			}
		})
	})
}

func TestS8_OnceTheWaitIsOverTheOriginTakesNothing(t *testing.T) {
	// What is sent back too late fails; it does not hang.
	noLeak(t)
	pool := newPool(t, &hop.PoolOptions{Size: 1})
	late := make(chan error, 2)
	over, end := started()
	within(t, patience, "Do", func() {
		_, err := hop.Do(bg, pool, func(ctx context.Context) (int, error) {
			origin := hop.Origin(ctx)
			go func() {
				<-over
				_, err := hop.Do(ctx, origin, value(1))
				late <- err
				_, err = hop.Go(bg, origin, value(1)).Wait(bg)
				late <- err
			}()
			return 1, nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	end()
	for range 2 {
		if err := recv(t, "the late call", late); err == nil {
			t.Error("a call sent to who waited no longer succeeded: who ran it?")
		}
	}
}

func TestS8_WhatIsSentBackWhileTheWaitEndsIsNotStranded(t *testing.T) {
	rounds := 2000
	if wasm || testing.Short() {
		rounds = 200
	}
	pool := newPool(t, &hop.PoolOptions{Size: 2})
	within(t, 2*patience, "all rounds", func() {
		for range rounds {
			sent := make(chan *hop.Pending[int], 1)
			hop.Do(bg, pool, func(ctx context.Context) (int, error) {
				origin := hop.Origin(ctx)
				go func() { sent <- hop.Go(bg, origin, value(1)) }()
				return 1, nil
			})
			p := <-sent
			p.Wait(bg) // run or refused; stranded would hang here
		}
	})
}

func TestS8_ACallBackToAnAbandonedWaitEnds(t *testing.T) {
	// main's Do is cancelled and main goes away while the worker, abandoned, calls back.
	pool := newPool(t, &hop.PoolOptions{Size: 1})
	ctx, cancel := context.WithCancel(bg)
	got := make(chan error, 1)
	gone, leave := started()
	in, enter := started()
	go func() {
		<-in
		cancel()
	}()
	within(t, patience, "Do", func() {
		_, err := hop.Do(ctx, pool, func(ctx context.Context) (int, error) {
			origin := hop.Origin(ctx)
			enter()
			<-gone
			_, err := hop.Do(context.WithoutCancel(ctx), origin, value(1))
			got <- err
			return 0, nil
		}, hop.Abandon())
		wantIs(t, err, hop.ErrCancelled)
	})
	leave()
	if err := recv(t, "the call back", got); err == nil {
		t.Error("the call back succeeded: who ran it?")
	}
}

func TestS8_WithOriginForAGoroutineThatHopDidNotStart(t *testing.T) {
	onEachLoop(t, func(t *testing.T, l *hop.Loop) {
		ctx := hop.WithOrigin(bg, l)
		got := make(chan error, 1)
		go func() {
			got <- hop.Run(ctx, hop.Origin(ctx), func(context.Context) error {
				if !l.Here() {
					return errors.New("not on the loop")
				}
				return nil
			})
		}()
		if err := recv(t, "the goroutine", got); err != nil {
			t.Error(err)
		}
	})
}

func TestS8_ALoopServesWhileItsTaskWaitsForAWorkerThatBlocks(t *testing.T) {
	// The worker waits with nothing but a plain goroutine and a channel; the loop stays free all the time.
	l := newLoop(t, nil)
	pool := newPool(t, &hop.PoolOptions{Size: 1})
	a := hop.Go(bg, l, func(ctx context.Context) (string, error) {
		return hop.Do(ctx, pool, func(ctx context.Context) (string, error) {
			ch := make(chan string)
			origin := hop.Origin(ctx)
			for i := range 3 {
				go func() {
					s, err := hop.Do(ctx, origin, value(fmt.Sprint(i)))
					if err != nil {
						t.Error(err)
					}
					ch <- s
				}()
			}
			return <-ch + <-ch + <-ch, nil
		})
	})
	v := must(t, a)
	for _, s := range []string{"0", "1", "2"} {
		if !strings.Contains(v, s) {
			t.Errorf("got %q, without %s", v, s)
		}
	}
}
