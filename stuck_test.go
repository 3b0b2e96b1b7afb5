package hop_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gohop/hop"
)

// Circles that are closed in roundabout ways. Random programs found each of them first.

// atOnce is a portal of a user's that runs each call in Submit.
type atOnce struct{}

func (atOnce) Submit(c *hop.Call) error {
	c.Run()
	return nil
}

func TestS8_WhoRunsTheCallItselfServesNobody(t *testing.T) {
	for name, on := range map[string]hop.Portal{"Inline": hop.Inline, "a portal that runs at once": atOnce{}} {
		t.Run(name, func(t *testing.T) {
			within(t, patience, "a call to the Origin", func() {
				origin, err := hop.Do(bg, on, func(ctx context.Context) (hop.Portal, error) {
					p := hop.Origin(ctx)
					if p == nil {
						return nil, nil
					}
					return p, hop.Run(ctx, p, func(context.Context) error { return nil })
				})
				if origin != nil || err != nil {
					t.Errorf("Origin is %v, %v: nobody waits but the goroutine that runs the call", origin, err)
				}
			})
		})
	}
}

func TestS8_AWaiterThatHasGivenUpIsNoOrigin(t *testing.T) {
	within(t, patience, "the call", func() {
		_, err := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) {
			w := hop.NewWaiter()
			if err := w.Wait(bg, hop.CurrentCall(ctx)); !errors.Is(err, hop.ErrDeadlock) {
				t.Errorf("a wait for itself: %v", err)
			}
			if p := hop.Origin(ctx); p != nil {
				t.Errorf("Origin is %v, whose Wait has failed", p)
			}
			return 0, nil
		}).Wait(bg)
		if err != nil {
			t.Error(err)
		}
	})
}

func TestS8_DoAndAWaiterServeEachTheirOwn(t *testing.T) {
	// A goroutine is in Do for the call, and another in Waiter.Wait for it: what each was sent runs on it.
	within(t, patience, "both", func() {
		made, ready, go1 := make(chan *hop.Call, 1), make(chan struct{}), make(chan struct{})
		w := hop.NewWaiter()
		waited := make(chan error, 1)
		go func() {
			c := <-made
			close(ready)
			waited <- w.Wait(bg, c)
		}()
		v, err := hop.Do(bg, hop.Goroutines, func(ctx context.Context) (int, error) {
			origin := hop.Origin(ctx)
			made <- hop.CurrentCall(ctx)
			<-ready
			a := hop.Go(ctx, w, func(context.Context) (int, error) { close(go1); return 1, nil })
			<-go1
			b := hop.Go(ctx, origin, value(2))
			x, err := a.Wait(ctx)
			y, err2 := b.Wait(ctx)
			return x + y, errors.Join(err, err2)
		})
		if v != 3 || err != nil {
			t.Errorf("got %d, %v", v, err)
		}
		if err := <-waited; err != nil {
			t.Errorf("the Waiter: %v", err)
		}
	})
}

func TestS4_CancelWaitOfAnAbandonedCallFromWithin(t *testing.T) {
	within(t, patience, "CancelWait", func() {
		got := make(chan error, 1)
		p := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) {
			got <- hop.CurrentCall(ctx).CancelWait(bg, nil)
			return 0, nil
		}, hop.Abandon())
		if err := <-got; !errors.Is(err, hop.ErrDeadlock) {
			t.Errorf("a call waits for the return of its own function: %v", err)
		}
		if _, err := p.Wait(bg); !errors.Is(err, hop.ErrCancelled) {
			t.Errorf("the call: %v", err)
		}
	})
}

func TestS4_CancelWaitOfAnAbandonedCallThatWaitsForTheCaller(t *testing.T) {
	within(t, patience, "the circle", func() {
		other, waits := make(chan *hop.Pending[int], 1), make(chan struct{})
		results := make(chan error, 2)
		a := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) {
			b := <-other
			close(waits)
			_, err := b.Wait(bg)
			results <- err
			return 0, nil
		}, hop.Abandon())
		b := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) {
			<-waits
			untilWaiting(t, a.Call())
			err := a.CancelWait(bg, nil)
			results <- err
			return 0, err
		})
		other <- b
		if err := <-results; !errors.Is(err, hop.ErrDeadlock) {
			t.Errorf("the first to be told: %v", err)
		}
		<-results
		a.CancelWait(bg, nil)
		b.Wait(bg)
	})
}

func TestS25_AMemberOfAGroupStopsThePlaceThatWaitsForTheGroup(t *testing.T) {
	l := newLoop(t, nil)
	within(t, patience, "the group", func() {
		hop.Run(bg, l, func(ctx context.Context) error {
			return hop.WithGroup(ctx, nil, func(ctx context.Context) error {
				hop.Go(ctx, hop.Goroutines, func(context.Context) (int, error) {
					if err := l.Close(); !errors.Is(err, hop.ErrDeadlock) {
						t.Errorf("Close: %v", err)
					}
					return 0, nil
				})
				return nil
			})
		})
		<-l.Stopped()
	})
}

func TestS25_AHolderOfALimiterStopsThePlaceThatWaitsForIt(t *testing.T) {
	l := newLoop(t, nil)
	limit := hop.NewLimiter(1)
	within(t, patience, "the limiter", func() {
		holds, wants := make(chan struct{}), make(chan *hop.Call, 1)
		holder := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) {
			limit.Acquire(ctx)
			defer limit.Release()
			close(holds)
			untilWaiting(t, <-wants)
			return 0, l.Shutdown(bg)
		})
		<-holds
		task := hop.Go(bg, l, func(ctx context.Context) (int, error) {
			err := limit.Acquire(bg)
			limit.Release()
			return 0, err
		})
		wants <- task.Call()
		if _, err := holder.Wait(bg); !errors.Is(err, hop.ErrDeadlock) {
			t.Errorf("Shutdown by who holds what a task waits for: %v", err)
		}
		if _, err := task.Wait(bg); err != nil {
			t.Errorf("the task: %v", err)
		}
	})
}

func TestS25_WhatAWorkerServesStopsItsPool(t *testing.T) {
	pool, l := newPool(t, nil), newLoop(t, nil)
	within(t, patience, "the call", func() {
		hop.Run(bg, pool, func(ctx context.Context) error {
			return hop.Run(ctx, l, func(ctx context.Context) error {
				return hop.Run(ctx, hop.Origin(ctx), func(context.Context) error {
					if err := pool.Close(); !errors.Is(err, hop.ErrDeadlock) {
						t.Errorf("Close: %v", err)
					}
					return nil
				})
			})
		})
		if err := pool.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestS25_TwoPlacesThatStopEachOther(t *testing.T) {
	for range 50 {
		l, pool := newLoop(t, nil), newPool(t, nil)
		within(t, patience, "both stops", func() {
			a := hop.Go(bg, pool, func(context.Context) (int, error) { return 0, l.Close() })
			b := hop.Go(bg, l, func(context.Context) (int, error) { return 0, pool.Close() })
			a.Wait(bg) // one of the two may have been refused, as the other's stop came first
			b.Wait(bg)
			l.Close()
			pool.Close()
		})
	}
}

func TestS30_AWaitForAnEndInOneBubbleIsNotWokenFromAnother(t *testing.T) {
	hold, stands, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		synctest.Test(t, func(t *testing.T) {
			l := hop.NewLoop(nil)
			l.Post(func() { <-hold }) // of no bubble, so that this one waits for the other
			p := hop.Go(t.Context(), hop.Goroutines, func(ctx context.Context) (int, error) {
				return 0, l.Close()
			})
			for p.Call().State() != hop.Waiting {
				hop.Yield(bg)
			}
			close(stands)
			if _, err := p.Wait(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}()
	recv(t, "the first bubble", stands)
	synctest.Test(t, func(t *testing.T) {
		e := hop.NewPromise[int](t.Context())
		p := hop.Go(t.Context(), hop.Goroutines, func(ctx context.Context) (int, error) { return e.Pending().Wait(ctx) })
		synctest.Wait()
		e.Resolve(4)
		if v, err := p.Wait(t.Context()); v != 4 || err != nil {
			t.Errorf("%d, %v", v, err)
		}
	})
	close(hold)
	recv(t, "the end of the first bubble", done)
}

func TestS25_ACallThatAPostedFunctionMakesAfterTheCloseIsCancelled(t *testing.T) {
	l := newLoop(t, nil)
	waits, told := make(chan struct{}), make(chan error, 1)
	l.Post(func() {
		close(waits)
		hop.Sleep(bg, time.Hour) // Close ends it
		told <- hop.Run(bg, l, func(ctx context.Context) error { return hop.Sleep(ctx, time.Hour) })
	})
	recv(t, "the function", waits)
	within(t, patience, "Close", func() { l.Close() })
	wantIs(t, recv(t, "the call", told), hop.ErrStopped)
}

func TestS25_WhatIsSentToALoopAfterItsCloseHasCancelledIsCancelledToo(t *testing.T) {
	for name, s := range map[string]stoppable{"loop": newLoop(t, nil), "pool": newPool(t, nil)} {
		t.Run(name, func(t *testing.T) {
			in := make(chan struct{})
			inner := make(chan *hop.Pending[int], 1)
			outer := hop.Go(bg, s, func(ctx context.Context) (int, error) {
				close(in)
				<-ctx.Done() // Close has begun
				inner <- hop.Go(hop.Detach(ctx), s, func(ctx context.Context) (int, error) { return 0, hop.Sleep(ctx, time.Hour) })
				return 0, nil
			})
			recv(t, "the call", in)
			within(t, patience, "Close", func() { s.Close() })
			wantIs(t, waitErr(t, recv(t, "the inner call", inner)), hop.ErrStopped)
			wantCancelled(t, waitErr(t, outer))
		})
	}
}
