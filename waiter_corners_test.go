package hop_test

// Waiters: waits that end before the call, in tasks and elsewhere.

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gohop/hop"
)

func TestWaiter_WaitWithAContextThatIsOverCancels(t *testing.T) {
	w := hop.NewWaiter()
	k := hop.Go(bg, w, func(context.Context) (int, error) { return 0, nil })
	ctx, end := context.WithCancel(bg)
	end()
	w.Wait(ctx, hop.NewPromise[int](bg).Pending().Call())
	if k.Call().State() != hop.Cancelled {
		t.Error(k)
	}
}

func TestWaiter_HeedsItsContextToTheEnd(t *testing.T) {
	for _, on := range []hop.Portal{hop.Goroutines, newLoop(t, nil)} {
		w := hop.NewWaiter()
		c := hop.NewPromise[int](bg)
		started := make(chan struct{})
		x := hop.Go(bg, on, func(ctx context.Context) (int, error) { return 0, w.Wait(ctx, c.Pending().Call()) })
		k := hop.Go(bg, w, func(ctx context.Context) (int, error) { close(started); return 0, hop.Sleep(ctx, time.Hour) })
		recv(t, "start", started)
		c.Resolve(1)
		x.Cancel(nil)
		recv(t, "the end of the wait for what was submitted", x.Done())
		wantCancelled(t, waitErr(t, k))
	}
}

func TestWaiter_BetweenTwoWaitsOfTasks(t *testing.T) {
	l := newLoop(t, nil)
	w, c := hop.NewWaiter(), hop.NewPromise[int](bg)
	hop.Run(bg, l, func(ctx context.Context) error {
		short, end := context.WithTimeout(ctx, time.Millisecond)
		defer end()
		return w.Wait(short, c.Pending().Call())
	})
	k := hop.Go(bg, w, func(context.Context) (int, error) { return 0, nil })
	hop.Run(bg, l, func(context.Context) error { return nil }) // what came before it on l has run
	if k.Call().State() != hop.Queued {
		t.Errorf("nobody waits: %v", k)
	}
	l.Close()
	k = hop.Go(bg, w, func(context.Context) (int, error) { return 0, nil })
	if k.Call().State() != hop.Queued {
		t.Errorf("a later Wait may go on: %v", k.Call().Err())
	}
	c.Resolve(1)
	w.Wait(bg, c.Pending().Call())
}

func TestS8_TheSecondWaiterIsTheOriginWhenTheFirstHasGone(t *testing.T) {
	ask := make(chan struct{})
	c := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (bool, error) { <-ask; return hop.Origin(ctx) != nil, nil })
	short, end := context.WithCancel(bg)
	wait1 := hop.Go(short, hop.Goroutines, func(ctx context.Context) (int, error) { return 0, hop.NewWaiter().Wait(ctx, c.Call()) })
	untilWaiting(t, wait1.Call())
	wait2 := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) { return 0, hop.NewWaiter().Wait(ctx, c.Call()) })
	untilWaiting(t, wait2.Call())
	end()
	waitErr(t, wait1)
	close(ask)
	if !must(t, c) {
		t.Error("a goroutine is blocked in Waiter.Wait for the call, and Origin is nil")
	}
}

func TestWaiter_AnOnDoneThatEndsTheGoroutine(t *testing.T) {
	w, c := hop.NewWaiter(), hop.NewPromise[int](bg)
	second := make(chan struct{})
	w.OnDone(func(context.Context) { runtime.Goexit() })
	w.OnDone(func(context.Context) { close(second) })
	c.Resolve(1)
	go w.Wait(bg, c.Pending().Call())
	recv(t, "the second", second)
}

// What is registered while Wait finishes what it has accepted, or by such a function, runs after those before, there, with the context of Wait.
func TestWaiter_OnDoneWhileWaitFinishes(t *testing.T) {
	for name, on := range map[string]func() (hop.Portal, func()){
		"goroutine": func() (hop.Portal, func()) { return hop.Goroutines, func() {} },
		"worker":    func() (hop.Portal, func()) { p := hop.NewPool(nil); return p, func() { p.Close() } },
		"task": func() (hop.Portal, func()) {
			l := hop.NewLoop(&hop.LoopOptions{StallAfter: -1})
			return l, func() { l.Close() }
		},
	} {
		for _, exits := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", exits ", exits), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					portal, end := on()
					defer end()
					w, awaited, goOn := hop.NewWaiter(), hop.NewPromise[int](bg), make(chan struct{})
					var order []int // the functions run on one goroutine
					note := func(n int, then func()) {
						w.OnDone(func(ctx context.Context) {
							order = append(order, n)
							if ctx.Value(userKey{}) != 7 {
								t.Errorf("function %d has not the context of Wait", n)
							}
							then()
						})
					}
					served := hop.Go(bg, w, func(ctx context.Context) (int, error) {
						awaited.Resolve(1)
						_, _, err := hop.Recv(ctx, goOn)
						return 1, err
					})
					note(1, func() {
						note(4, func() { note(5, func() {}) })
						if exits {
							runtime.Goexit()
						}
					})
					note(2, func() {})
					waiting := hop.Go(context.WithValue(bg, userKey{}, 7), portal, func(ctx context.Context) (int, error) { return 1, w.Wait(ctx, awaited.Pending().Call()) })
					synctest.Wait()
					wantIs(t, w.Submit(hop.New(bg, value(1)).Call()), hop.ErrClosed) // so far has Wait come
					note(3, func() {})
					if len(order) > 0 {
						t.Errorf("%v have run, and not all is finished", order)
					}
					close(goOn)
					must(t, served)
					if err := waitErr(t, waiting); err != nil && !exits {
						t.Error(err)
					}
					if fmt.Sprint(order) != "[1 2 3 4 5]" {
						t.Errorf("ran %v", order)
					}
					at := 0
					w.OnDone(func(context.Context) { at++ })
					if at != 1 {
						t.Error("what is registered after Wait has not run at once")
					}
				})
			})
		}
	}
}

// An exitingContext ends the goroutine that asks it for its error when it is time.
type exitingContext struct {
	context.Context
	time func() bool
}

func (c exitingContext) Err() error {
	if c.time() {
		runtime.Goexit()
	}
	return c.Context.Err()
}

// Those of a Wait whose goroutine ends while it finishes what it has accepted run too.
func TestWaiter_OnDoneWhereTheGoroutineThatWaitsEnds(t *testing.T) {
	w, c, ran, gone := hop.NewWaiter(), hop.Go(bg, hop.Goroutines, value(1)), make(chan struct{}), make(chan struct{})
	must(t, c)
	w.OnDone(func(context.Context) { close(ran) })
	closed := func() bool { return errors.Is(w.Submit(hop.New(bg, value(1)).Call()), hop.ErrClosed) }
	returned := false
	go func() {
		defer close(gone)
		w.Wait(exitingContext{bg, closed}, c.Call())
		returned = true
	}()
	recv(t, "the end of the goroutine", gone)
	if returned {
		t.Fatal("Wait has returned: nobody has asked its context")
	}
	recv(t, "the function", ran)
	at := 0
	w.OnDone(func(context.Context) { at++ })
	if at != 1 {
		t.Error("what is registered after that has not run at once")
	}
}

// TestS2_TheContextOfAWaitersWaitEndsWhileItServes: what is served may wait for nothing but its context, in a way that hop does not see.
func TestS2_TheContextOfAWaitersWaitEndsWhileItServes(t *testing.T) {
	for name, on := range map[string]func() (hop.Portal, func()){
		"goroutine": func() (hop.Portal, func()) { return hop.Goroutines, func() {} },
		"worker":    func() (hop.Portal, func()) { p := hop.NewPool(nil); return p, func() { p.Close() } },
		"task": func() (hop.Portal, func()) {
			l := hop.NewLoop(&hop.LoopOptions{StallAfter: -1})
			return l, func() { l.Close() }
		},
	} {
		for _, own := range []bool{false, true} { // the context is that of the call that waits
			for _, late := range []bool{false, true} { // the awaited call is done, and what was accepted is being finished
				t.Run(fmt.Sprint(name, ", own ", own, ", late ", late), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						portal, end := on()
						defer end()
						w, promise := hop.NewWaiter(), hop.NewPromise[int](bg)
						began, ran := time.Now(), 0
						served := hop.Go(bg, w, func(ctx context.Context) (int, error) {
							if late {
								promise.Resolve(1)
							}
							<-ctx.Done()
							if cause := context.Cause(ctx); cause != context.DeadlineExceeded {
								t.Errorf("its context ended with %v", cause)
							}
							hop.Go(bg, w, func(context.Context) (int, error) { ran++; return 0, nil })
							return 0, nil
						})
						behind := hop.Go(bg, w, func(context.Context) (int, error) { ran++; return 0, nil })
						ctx, cancel := context.WithTimeout(bg, time.Second)
						defer cancel()
						wait := func(ctx context.Context) { w.Wait(ctx, promise.Pending().Call()) }
						if own {
							hop.Go(ctx, portal, func(ctx context.Context) (int, error) { wait(ctx); return 0, nil }).Wait(bg)
						} else {
							hop.Go(bg, portal, func(context.Context) (int, error) { wait(ctx); return 0, nil }).Wait(bg)
						}
						if d := time.Since(began); d != time.Second {
							t.Errorf("it took %v", d)
						}
						if served.Call().State() != hop.Cancelled || behind.Call().State() != hop.Cancelled || ran > 0 {
							t.Errorf("%v; %v, which ran %d times", served.Call(), behind.Call(), ran)
						}
					})
				})
			}
		}
	}
}
