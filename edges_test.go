package hop_test

// S4: waits that are for more than one call, and how they stand in the wait graph.

import (
	"context"
	"testing"
	"time"

	"github.com/gohop/hop"
)

// submit submits c, which nobody refuses.
func submit(t testing.TB, on hop.Portal, c *hop.Call) {
	t.Helper()
	if err := on.Submit(c); err != nil {
		t.Errorf("%v refused %v: %v", on, c, err)
	}
}

// waitFor returns a function that waits for the call behind c, whatever becomes of its own, and tells what came of that.
func waitFor(c **hop.Pending[int], got chan<- error) func(context.Context) (int, error) {
	return func(ctx context.Context) (int, error) {
		_, err := (*c).Wait(context.WithoutCancel(ctx))
		got <- err
		return 0, err
	}
}

// RunLoop returns when its loop has stopped, and not before, whatever ends meanwhile: a task of the loop that waits for the call in it never could go on.
func TestS4_ATaskOfRunLoopThatWaitsForItsCall(t *testing.T) {
	for name, run := range map[string]func(ctx context.Context, wait func(context.Context) (int, error)) (int, error){
		"its context is over": func(ctx context.Context, wait func(context.Context) (int, error)) (int, error) {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			return hop.RunLoop(ctx, nil, func(ctx context.Context) (int, error) {
				cancel()
				wantIs(t, hop.Sleep(ctx, time.Hour), context.Canceled)
				return wait(ctx)
			})
		},
		"its function was abandoned": func(ctx context.Context, wait func(context.Context) (int, error)) (int, error) {
			return hop.RunLoop(ctx, nil, func(ctx context.Context) (int, error) {
				var started, abandoned hop.Event
				kid := hop.Go(ctx, hop.CurrentLoop(), func(ctx context.Context) (int, error) {
					started.Set()
					abandoned.Wait(context.WithoutCancel(ctx))
					return wait(ctx)
				}, hop.Abandon())
				started.Wait(ctx)
				kid.Cancel(nil)
				abandoned.Set()
				return 0, nil
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			var c *hop.Pending[int]
			got := make(chan error, 1)
			c = hop.New(bg, func(ctx context.Context) (int, error) { return run(ctx, waitFor(&c, got)) })
			submit(t, hop.Goroutines, c.Call())
			wantIs(t, recv(t, "the task", got), hop.ErrDeadlock)
			wait(t, c)
		})
	}
	t.Run("its pool is closed", func(t *testing.T) {
		pool := newPool(t, nil)
		var c *hop.Pending[int]
		got, in := make(chan error, 1), make(chan struct{})
		c = hop.New(bg, func(ctx context.Context) (int, error) {
			return hop.RunLoop(context.WithoutCancel(ctx), nil, func(inner context.Context) (int, error) {
				close(in)
				for ctx.Err() == nil {
					hop.Sleep(context.WithoutCancel(inner), time.Millisecond)
				}
				return waitFor(&c, got)(inner)
			})
		})
		submit(t, pool, c.Call())
		recv(t, "the task", in)
		closed := make(chan struct{})
		go func() { pool.Close(); close(closed) }()
		wantIs(t, recv(t, "the task", got), hop.ErrDeadlock)
		recv(t, "Close", closed)
	})
}

// A goroutine that waits, and runs meanwhile what is sent to it, goes on when that has returned.
func TestS4_WhatAWaitingGoroutineRunsWaitsForItsCall(t *testing.T) {
	t.Run("abandoned, through Origin", func(t *testing.T) {
		var c *hop.Pending[int]
		got := make(chan error, 1)
		c = hop.New(bg, func(ctx context.Context) (int, error) {
			return hop.Do(ctx, hop.Workers(), func(ctx context.Context) (int, error) {
				var started, abandoned hop.Event
				kid := hop.Go(ctx, hop.Origin(ctx), func(ctx context.Context) (int, error) {
					started.Set()
					abandoned.Wait(context.WithoutCancel(ctx))
					return waitFor(&c, got)(ctx)
				}, hop.Abandon())
				started.Wait(ctx)
				kid.Cancel(nil)
				abandoned.Set()
				return 1, nil
			})
		})
		submit(t, hop.Goroutines, c.Call())
		wantIs(t, recv(t, "the function", got), hop.ErrDeadlock)
		wait(t, c)
	})
	t.Run("sent by another Waiter", func(t *testing.T) {
		var c *hop.Pending[int]
		got := make(chan error, 1)
		c = hop.New(bg, func(ctx context.Context) (int, error) {
			w, p := hop.NewWaiter(), hop.NewPromise[int](ctx)
			var k *hop.Pending[int]
			k = hop.New(ctx, func(ctx context.Context) (int, error) {
				w2 := hop.NewWaiter()
				var refused hop.Event
				hop.Go(context.WithoutCancel(ctx), w2, func(ctx context.Context) (int, error) {
					refused.Wait(ctx)
					return waitFor(&c, got)(ctx)
				})
				wantIs(t, w2.Wait(ctx, k.Call()), hop.ErrDeadlock)
				refused.Set()
				p.Resolve(1)
				return 0, nil
			})
			submit(t, w, k.Call())
			return 0, w.Wait(ctx, p.Pending().Call())
		})
		submit(t, hop.Goroutines, c.Call())
		wantIs(t, recv(t, "the function", got), hop.ErrDeadlock)
		wait(t, c)
	})
}

// In a task, too, what a Waiter has accepted is finished before Wait returns: if that waits for what the task runs, it is its wait that is refused.
func TestS4_WaitersWaitInATaskIsForAllThatItAccepted(t *testing.T) {
	for _, begins := range []string{"before", "after"} {
		l := newLoop(t, nil)
		var c *hop.Pending[int]
		got := make(chan error, 1)
		c = hop.New(bg, func(ctx context.Context) (int, error) {
			w, p := hop.NewWaiter(), hop.NewPromise[int](ctx)
			var resolved hop.Event
			kid := hop.Go(ctx, w, func(ctx context.Context) (int, error) {
				if begins == "after" {
					p.Resolve(1)
					resolved.Wait(ctx)
					for range 3 { // the task goes on, and waits for this one
						hop.Yield(ctx)
					}
				} else {
					hop.Go(ctx, l, func(context.Context) (int, error) { p.Resolve(1); return 1, nil })
				}
				return waitFor(&c, got)(ctx)
			})
			p.Pending().OnDone(resolved.Set)
			err := w.Wait(ctx, p.Pending().Call())
			if s := kid.Call().State(); err != nil || !s.Done() {
				t.Errorf("%s: Wait has returned %v, and the call that it has accepted is %v", begins, err, s)
			}
			return 0, nil
		})
		submit(t, l, c.Call())
		wantIs(t, recv(t, "what was accepted", got), hop.ErrDeadlock)
		must(t, c)
	}
}

// A deputy that waits for the end of a place is stuck if a call that runs there is.
func TestS4_AWaitForAnEndIsNoWayOut(t *testing.T) {
	for _, how := range []string{"waits for the call", "shuts the pool down", "shuts the loop down"} {
		t.Run(how, func(t *testing.T) {
			pool, loop, lim := newPool(t, nil), newLoop(t, nil), hop.NewLimiter(1)
			on := hop.Portal(pool)
			if how == "shuts the loop down" {
				on = loop
			}
			var c *hop.Pending[int]
			got := make(chan error, 1)
			c = hop.New(bg, func(ctx context.Context) (int, error) {
				if err := lim.Acquire(ctx); err != nil {
					return 0, err
				}
				defer lim.Release()
				e := hop.Go(bg, on, func(ctx context.Context) (int, error) { return c.Wait(ctx) })
				untilWaiting(t, e.Call())
				d := hop.Go(ctx, hop.Goroutines, func(ctx context.Context) (int, error) {
					switch how {
					case "shuts the pool down":
						return 0, pool.Shutdown(bg)
					case "shuts the loop down":
						return 0, loop.Shutdown(bg)
					}
					return e.Wait(ctx)
				})
				untilWaiting(t, d.Call())
				err := lim.Acquire(ctx)
				got <- err
				return 0, err
			})
			submit(t, hop.Goroutines, c.Call())
			wantIs(t, recv(t, "Acquire", got), hop.ErrDeadlock)
			wait(t, c)
		})
	}
}

// A wait for the end of a place whose calls can go on, or that is closed, is a way out.
func TestS4_AWaitForAnEndThatWillComeIsNoDeadlock(t *testing.T) {
	for _, how := range []string{"shut down", "closed"} {
		t.Run(how, func(t *testing.T) {
			pool, lim := newPool(t, nil), hop.NewLimiter(1)
			gate, started, stopped := newGate(t), make(chan struct{}), make(chan struct{})
			var c *hop.Pending[int]
			e := hop.Go(bg, pool, func(ctx context.Context) (int, error) {
				close(started)
				if how == "closed" {
					<-ctx.Done()
					close(stopped)
				}
				gate.pass()
				return 1, nil
			})
			recv(t, "the start", started)
			c = hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) {
				if err := lim.Acquire(ctx); err != nil {
					return 0, err
				}
				d := hop.Go(ctx, hop.Goroutines, func(context.Context) (int, error) {
					defer lim.Release()
					if how == "closed" {
						return 0, pool.Close()
					}
					return 0, pool.Shutdown(bg)
				})
				untilWaiting(t, d.Call())
				if err := lim.Acquire(ctx); err != nil {
					return 0, err
				}
				lim.Release()
				return d.Wait(ctx)
			})
			if how == "closed" {
				recv(t, "the stop", stopped)
			}
			untilWaiting(t, c.Call())
			gate.open()
			must(t, c)
			wait(t, e)
		})
	}
}

// The time for each level of calls that wait for each other does not grow with their number.
func TestS6_AnyDepthInTime(t *testing.T) {
	n := 10_000
	if raceEnabled || wasm { // where each level takes longer by itself
		n = 1_000
	}
	for name, on := range map[string]hop.Portal{"pool": newPool(t, &hop.PoolOptions{Size: 1}), "loop": newLoop(t, nil)} {
		var nest func(n int) func(context.Context) (int, error)
		nest = func(n int) func(context.Context) (int, error) {
			return func(ctx context.Context) (int, error) {
				if n == 0 {
					return 0, nil
				}
				v, err := hop.Go(ctx, on, nest(n-1)).Wait(ctx)
				return v + 1, err
			}
		}
		ctx, cancel := context.WithTimeout(bg, 3*patience)
		p := hop.Go(ctx, on, nest(n))
		v, err := p.Wait(ctx)
		if v != n || err != nil {
			t.Errorf("%s: %d, %v", name, v, err)
		}
		cancel()
	}
}
