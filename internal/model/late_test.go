//go:build hopexplore

package model_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/gohop/hop"
	"github.com/gohop/hop/internal/explore"
	"github.com/gohop/hop/queue"
)

func searchRandomly(t *testing.T, runs int, body func(*explore.Trial)) {
	t.Helper()
	if r := explore.Search(t, explore.Options{Strategy: explore.Random, Runs: runs}, body); r.Failure != nil {
		t.Error(r.Failure.Error())
	}
}

// TestSentLate: somebody sends to a Waiter, or to an Origin, while the place of the goroutine that waits is closed, or the context of its
// wait ends. What is still taken is cancelled: it keeps neither (S24, S25).
func TestSentLate(t *testing.T) {
	ctx := context.Background()
	sleep := func(ctx context.Context) (int, error) { return 0, hop.Sleep(ctx, time.Hour) }
	soon := func(x *explore.Trial, what string, f func()) {
		began := time.Now()
		f()
		if d := time.Since(began); d > time.Minute {
			x.Errorf("%s has taken %v", what, d)
		}
	}
	t.Run("Do on a pool", func(t *testing.T) {
		searchRandomly(t, 3_000, func(x *explore.Trial) {
			p := hop.NewPool(nil)
			asked, over := make(chan struct{}), make(chan struct{})
			hop.Go(ctx, p, func(context.Context) (int, error) {
				return hop.Do(ctx, hop.Goroutines, func(own context.Context) (int, error) {
					defer close(over)
					origin := hop.Origin(own)
					close(asked)
					hop.Go(ctx, origin, sleep)
					<-own.Done()
					return 0, own.Err()
				})
			})
			<-asked
			soon(x, "Close", func() { p.Close() })
			<-over
		})
	})
	for name, place := range map[string]func() (hop.Portal, func() error){
		"Waiter on a pool": func() (hop.Portal, func() error) { p := hop.NewPool(nil); return p, p.Close },
		"Waiter on a loop": func() (hop.Portal, func() error) { l := hop.NewLoop(nil); return l, l.Close },
	} {
		t.Run(name, func(t *testing.T) {
			searchRandomly(t, 3_000, func(x *explore.Trial) {
				on, end := place()
				w, promise := hop.NewWaiter(), hop.NewPromise[int](ctx)
				began := make(chan struct{})
				hop.Go(ctx, on, func(context.Context) (int, error) {
					close(began)
					return 0, w.Wait(ctx, promise.Pending().Call())
				})
				x.Go("sender", func() {
					<-began
					hop.Go(ctx, w, sleep)
				})
				<-began
				soon(x, "Close", func() { end() })
				promise.Pending().Cancel(nil)
			})
		})
		t.Run(name+", whose context ends", func(t *testing.T) {
			searchRandomly(t, 3_000, func(x *explore.Trial) {
				on, end := place()
				defer end()
				w, promise := hop.NewWaiter(), hop.NewPromise[int](ctx)
				bound, cancel := context.WithCancel(ctx)
				waits := hop.Go(ctx, on, func(context.Context) (int, error) { return 0, w.Wait(bound, promise.Pending().Call()) })
				sent := make(chan *hop.Pending[int], 1)
				x.Go("sender", func() { sent <- hop.Go(ctx, w, sleep) })
				cancel()
				waits.Wait(ctx)
				kid := <-sent
				hop.Run(ctx, on, func(context.Context) error { return nil })
				if s := kid.Call().State(); s == hop.Running || s == hop.Waiting {
					x.Errorf("Wait has returned, and it runs: %v", kid.Call())
				}
				kid.Cancel(nil)
				promise.Pending().Cancel(nil)
			})
		})
	}
}

// TestTwoWaiters: the wait of one ends while another begins to wait for the same call, which has its Origin there then (S8).
func TestTwoWaiters(t *testing.T) {
	ctx := context.Background()
	searchRandomly(t, 5_000, func(x *explore.Trial) {
		ask, over := make(chan struct{}), make(chan struct{})
		p := hop.Go(ctx, hop.Goroutines, func(ctx context.Context) (hop.Portal, error) {
			<-ask
			return hop.Origin(ctx), nil
		})
		bound, cancel := context.WithCancel(ctx)
		first, second := hop.NewWaiter(), hop.NewWaiter()
		x.Go("first", func() {
			defer close(over)
			first.Wait(bound, p.Call())
		})
		waits := hop.Go(ctx, hop.Goroutines, func(ctx context.Context) (int, error) { return 0, second.Wait(ctx, p.Call()) })
		cancel()
		<-over
		for waits.Call().State() != hop.Waiting {
			time.Sleep(time.Millisecond)
		}
		close(ask)
		waits.Wait(ctx)
		if on, err := p.Result(); on != hop.Portal(second) {
			x.Errorf("Origin is %v, %v", on, err)
		}
	})
}

// TestDueWhileThePoolStops: a call of After is due just as the pool shuts down. When that returns, the call has ended (S25).
func TestDueWhileThePoolStops(t *testing.T) {
	ctx := context.Background()
	searchRandomly(t, 3_000, func(x *explore.Trial) {
		p := hop.NewPool(nil)
		c := hop.After(ctx, time.Second, p, func(context.Context) (int, error) { return 1, nil })
		time.Sleep(time.Second)
		if err := p.Shutdown(ctx); err != nil {
			x.Errorf("%v", err)
		}
		if s := c.Call().State(); s != hop.Succeeded && s != hop.Cancelled {
			x.Errorf("Shutdown has returned, and the call is %v", s)
		}
	})
}

// TestShutdownIsToldThatATurnWasRefused: a queue's loop is told at once when a turn is refused, and not by chance later (S25).
func TestShutdownIsToldThatATurnWasRefused(t *testing.T) {
	ctx := context.Background()
	searchRandomly(t, 3_000, func(x *explore.Trial) {
		l := hop.NewLoop(nil)
		q := queue.NewBatch(l, func(ctx context.Context, _ []int) error { return hop.Yield(ctx) },
			&queue.Options{BatchSize: 2, BatchWait: time.Second, OnDrop: func(any) {}, OnError: func(error) {}})
		done := make(chan struct{}, 2)
		for range 2 {
			x.Go("sender", func() {
				for range 2 {
					q.Put(ctx, 1)
				}
				done <- struct{}{}
			})
		}
		began := time.Now()
		l.Shutdown(ctx)
		<-done
		<-done
		if d := time.Since(began); d > 100*time.Millisecond {
			x.Errorf("Shutdown has taken %v", d)
		}
	})
}

// TestSubmittedTwiceAtOnce: a call in a group with a Limit that two goroutines submit gets its place before it runs all the same (S34).
func TestSubmittedTwiceAtOnce(t *testing.T) {
	ctx := context.Background()
	searchRandomly(t, 3_000, func(x *explore.Trial) {
		running := 0
		f := func(context.Context) (int, error) {
			if running++; running > 1 {
				x.Errorf("%d run at once", running)
			}
			x.Point("running")
			running--
			return 0, nil
		}
		hop.WithGroup(ctx, &hop.GroupOptions{Limit: 1}, func(ctx context.Context) error {
			done := make(chan struct{}, 2)
			for range 2 {
				c := hop.New(ctx, f)
				for range 2 {
					go func() {
						hop.Goroutines.Submit(c.Call())
						done <- struct{}{}
					}()
				}
				<-done
				<-done
			}
			return nil
		})
	})
}

// TestChildWhileItsParentStops: a child that is made while its parent is closed has stopped, with its goroutine, when the parent has.
func TestChildWhileItsParentStops(t *testing.T) {
	searchRandomly(t, 3_000, func(x *explore.Trial) {
		l := hop.NewLoop(nil)
		var child *hop.Loop
		made := make(chan struct{})
		x.Go("maker", func() {
			child, _ = l.Child("child", nil)
			close(made)
		})
		l.Close()
		for _, left := range hop.Loops() {
			if left.Parent() == l {
				x.Errorf("%v is left", left)
			}
		}
		<-made
		if child != nil {
			select {
			case <-child.Stopped():
			default:
				x.Errorf("%v has not stopped", child)
			}
		}
	})
}

// TestClosedWhileItsDriverLeaves: the context of the Run of a Manual loop ends while the loop is closed. The driver, who leaves, unwinds its tasks all the
// same: that leaves no coroutine, which the explorer would find.
func TestClosedWhileItsDriverLeaves(t *testing.T) {
	searchRandomly(t, 3_000, func(x *explore.Trial) {
		l := hop.NewLoop(&hop.LoopOptions{Manual: true})
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		began := make(chan struct{})
		p := hop.Go(context.Background(), l, func(ctx context.Context) (int, error) {
			hop.NewPromise[int](ctx).OnCancel(func(error) { cancel() }) // Close calls it
			close(began)
			return 0, hop.Sleep(context.Background(), time.Hour)
		})
		x.Go("driver", func() { l.Run(ctx) })
		<-began
		l.Close()
		if _, err := p.Result(); !errors.Is(err, hop.ErrStopped) {
			x.Errorf("the call's error is %v", err)
		}
	})
}

// TestOnePlaceForTwo: of two calls that come for the one place of a queue, which one that is over has had, one gets it.
func TestOnePlaceForTwo(t *testing.T) {
	searchRandomly(t, 3_000, func(x *explore.Trial) {
		l := hop.NewLoop(&hop.LoopOptions{QueueLimit: 1, Manual: true})
		defer l.Close()
		one := func(context.Context) (int, error) { return 1, nil }
		ctx, cancel := context.WithCancel(context.Background())
		hop.Go(ctx, l, one)
		cancel() // its place is free, as soon as somebody looks
		var calls [2]*hop.Pending[int]
		var all sync.WaitGroup
		for i := range calls {
			all.Add(1)
			x.Go("sender", func() {
				defer all.Done()
				calls[i] = hop.Go(context.Background(), l, one)
			})
		}
		all.Wait()
		full := 0
		for _, p := range calls {
			if _, err := p.Result(); errors.Is(err, hop.ErrFull) {
				full++
			}
		}
		if full != 1 {
			x.Errorf("%d of two were refused", full)
		}
	})
}

// two runs f and g, each on a goroutine of its own, and returns when both have.
func two(x *explore.Trial, f, g func()) {
	var all sync.WaitGroup
	for _, f := range []func(){f, g} {
		all.Add(1)
		x.Go("one of two", func() {
			defer all.Done()
			f()
		})
	}
	all.Wait()
}

// TestLookedAtWhileItIsCancelled: the context of a queued call has ended. Whoever looks sees it cancelled, and its place in the queue free, also while another
// is about to cancel it (S17).
func TestLookedAtWhileItIsCancelled(t *testing.T) {
	ctx := context.Background()
	one := func(context.Context) (int, error) { return 1, nil }
	stuck := func(o *hop.LoopOptions) (l *hop.Loop, end func()) {
		l = hop.NewLoop(o)
		gate, began := make(chan struct{}), make(chan struct{})
		hop.Go(ctx, l, func(context.Context) (int, error) { close(began); <-gate; return 0, nil })
		<-began
		return l, func() {
			close(gate)
			l.Close()
		}
	}
	t.Run("Result", func(t *testing.T) {
		searchRandomly(t, 3_000, func(x *explore.Trial) {
			l, end := stuck(&hop.LoopOptions{StallAfter: -1})
			defer end()
			own, stop := context.WithCancel(ctx)
			p := hop.Go(own, l, one)
			two(x, func() { p.Cancel(nil) }, func() {
				stop()
				if _, err := p.Result(); !errors.Is(err, hop.ErrCancelled) {
					x.Errorf("Result: %v", err)
				}
			})
		})
	})
	t.Run("Submit", func(t *testing.T) {
		searchRandomly(t, 3_000, func(x *explore.Trial) {
			l, end := stuck(&hop.LoopOptions{StallAfter: -1, QueueLimit: 1})
			defer end()
			own, stop := context.WithCancel(ctx)
			hop.Go(own, l, one).OnDone(func() {}) // so package context tells it, on a goroutine
			stop()
			if err := l.Submit(hop.New(ctx, one).Call()); err != nil {
				x.Errorf("Submit: %v", err)
			}
		})
	})
}

// TestParentAfterChild: a parent or host that is closed while its child or guest comes to its end by itself has not ended before that (S26).
func TestParentAfterChild(t *testing.T) {
	for name, below := range map[string]func(l *hop.Loop) *hop.Loop{
		"child": func(l *hop.Loop) *hop.Loop { c, _ := l.Child("child", nil); return c },
		"guest": func(l *hop.Loop) *hop.Loop { return hop.NewLoop(&hop.LoopOptions{Host: l}) },
	} {
		t.Run(name, func(t *testing.T) {
			r := explore.Search(t, explore.Options{Strategy: explore.PCT, Runs: 5_000}, func(x *explore.Trial) {
				l := hop.NewLoop(nil)
				b := below(l)
				two(x, func() { b.Close() }, func() {
					l.Close()
					select {
					case <-b.Stopped():
					default:
						x.Errorf("%v has not stopped", b)
					}
				})
			})
			if r.Failure != nil {
				t.Error(r.Failure.Error())
			}
		})
	}
}

// TestFailedWhileItEnds: Fail does not say that it has ended a call which has succeeded.
func TestFailedWhileItEnds(t *testing.T) {
	searchRandomly(t, 3_000, func(x *explore.Trial) {
		ctx, stop := context.WithCancel(context.Background())
		p := hop.New(ctx, func(context.Context) (int, error) { return 1, nil })
		two(x, p.Call().Run, func() {
			stop()
			if p.Call().Fail(errors.New("failed")) && p.Call().State() == hop.Succeeded {
				x.Errorf("Fail: true, and the call has succeeded")
			}
		})
	})
}

// TestContextEndsAsTheWaitBegins: a task's wait registers with its context before it stands. An end that comes between is not lost; nor does one that comes late,
// where there was nothing to wait for after all, end the next wait (S2).
func TestContextEndsAsTheWaitBegins(t *testing.T) {
	for name, may := range map[string]bool{"the wait has no other end": false, "there may be nothing to wait for": true} {
		t.Run(name, func(t *testing.T) {
			searchRandomly(t, 5_000, func(x *explore.Trial) {
				l := hop.NewLoop(&hop.LoopOptions{StallAfter: -1})
				defer l.Close()
				own, end := context.WithCancel(context.Background())
				var first, next hop.Event
				began, over := make(chan struct{}), make(chan struct{})
				p := hop.Go(context.Background(), l, func(ctx context.Context) (int, error) {
					close(began)
					if err := first.Wait(own); err == nil && !may || err != nil && !errors.Is(err, context.Canceled) {
						x.Errorf("the wait: %v", err)
					}
					close(over)
					return 0, next.Wait(ctx)
				})
				<-began
				two(x, end, func() {
					if may {
						first.Set()
					}
				})
				<-over
				next.Set()
				if _, err := p.Wait(context.Background()); err != nil {
					x.Errorf("the next wait: %v", err)
				}
			})
		})
	}
}
