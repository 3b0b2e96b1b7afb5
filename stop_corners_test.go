package hop_test

// Stops of pools and loops, seen from functions that run in them.

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gohop/hop"
)

func eachStoppable(t *testing.T, f func(t *testing.T, on stoppable)) {
	t.Run("loop", func(t *testing.T) { f(t, newLoop(t, &hop.LoopOptions{StallAfter: -1})) })
	t.Run("pool", func(t *testing.T) { f(t, newPool(t, &hop.PoolOptions{Size: 2})) })
}

// A wait that begins while the pool is being closed is ended as one that stands.
func TestS5_AWaitThatBeginsWhileThePoolIsClosed(t *testing.T) {
	for name, wait := range map[string]func(){
		"event":   func() { new(hop.Event).Wait(bg) },
		"limiter": func() { l := hop.NewLimiter(1); l.Acquire(bg); l.Acquire(bg) },
		"promise": func() { hop.NewPromise[int](bg).Pending().Wait(bg) },
	} {
		t.Run(name, func(t *testing.T) {
			for round := range 5000 {
				pool := hop.NewPool(nil)
				var in, begin atomic.Bool
				pool.Post(func() {
					in.Store(true)
					for !begin.Load() {
						runtime.Gosched()
					}
					wait()
				})
				for !in.Load() {
					runtime.Gosched()
				}
				closed := make(chan struct{})
				go func() {
					begin.Store(true)
					for range round % 97 { // a little later each time
						in.Load()
					}
					pool.Close()
					close(closed)
				}()
				recv(t, "Close", closed)
			}
		})
	}
}

// A function that the stop runs cannot wait for the end of the stop.
func TestS25_CloseInAnOnDoneThatTheStopRuns(t *testing.T) {
	eachStoppable(t, func(t *testing.T, on stoppable) {
		in := make(chan struct{}, 2)
		for range 2 {
			hop.Go(bg, on, func(ctx context.Context) (int, error) { in <- struct{}{}; <-ctx.Done(); return 0, nil })
		}
		recv(t, "start", in)
		q := hop.Go(bg, on, value(1))
		if _, ok := on.(*hop.Pool); ok {
			recv(t, "start2", in)
		}
		q.OnDone(func() { on.Close() })
		within(t, patience, "Close", func() { on.Close() })
	})
}

func TestS25_ShutdownInAnOnDoneThatTheStopRuns(t *testing.T) {
	eachStoppable(t, func(t *testing.T, on stoppable) {
		must(t, hop.Go(bg, on, value(1)))
		q := hop.After(bg, time.Hour, on, value(1))
		q.OnDone(func() { on.Shutdown(bg) })
		within(t, patience, "Shutdown", func() { on.Shutdown(bg) })
	})
}

// Whose context it is makes no difference: the goroutine decides.
func TestS5_APostedFunctionWaitsWithTheContextOfAnotherCall(t *testing.T) {
	eachStoppable(t, func(t *testing.T, on stoppable) {
		g := newGate(t)
		ctxs := make(chan context.Context, 1)
		hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) { ctxs <- ctx; g.pass(); return 0, nil })
		ctx := <-ctxs
		in := make(chan struct{})
		errs := make(chan error, 10)
		on.Post(func() {
			close(in)
			for range 3 {
				var e hop.Event
				errs <- e.Wait(ctx)
			}
		})
		recv(t, "in", in)
		within(t, patience, "Close", func() { on.Close() })
		for range 3 {
			wantIs(t, <-errs, hop.ErrStopped)
		}
	})
}

func TestS5_ACallInAPostedFunctionAfterTheClose(t *testing.T) {
	eachStoppable(t, func(t *testing.T, on stoppable) {
		in := make(chan struct{})
		errs := make(chan error, 10)
		on.Post(func() {
			close(in)
			errs <- hop.Sleep(bg, time.Hour)
			errs <- hop.Run(bg, hop.Inline, func(ctx context.Context) error { return hop.Sleep(ctx, time.Hour) })
		})
		recv(t, "in", in)
		within(t, patience, "Close", func() { on.Close() })
		for range 2 {
			wantIs(t, <-errs, hop.ErrStopped)
		}
	})
}

func TestS5_ACallBelowAnotherInAPostedFunction(t *testing.T) {
	on := newPool(t, nil)
	in := make(chan struct{})
	g := newGate(t)
	errs := make(chan error, 10)
	var ctxs atomic.Pointer[context.Context] // of the innermost
	on.Post(func() {
		errs <- hop.Run(bg, hop.Inline, func(ctx context.Context) error {
			hop.Run(bg, hop.Inline, func(ctx context.Context) error { ctxs.Store(&ctx); close(in); g.pass(); return nil })
			return hop.Sleep(ctx, time.Hour)
		})
	})
	recv(t, "in", in)
	closed := make(chan struct{})
	go func() { on.Close(); close(closed) }()
	eventually(t, "the cancel", func() bool { return ctxs.Load() != nil && (*ctxs.Load()).Err() != nil })
	g.open()
	recv(t, "Close", closed)
	wantIs(t, <-errs, hop.ErrStopped)
}

// Nobody waits for an abandoned function, so it may wait for the pool.
func TestS25_AnAbandonedFunctionMayCloseItsPool(t *testing.T) {
	pool := newPool(t, nil)
	g := newGate(t)
	errs := make(chan error, 1)
	in := make(chan struct{})
	p := hop.Go(bg, pool, func(ctx context.Context) (int, error) {
		close(in)
		g.pass()
		errs <- pool.Close()
		return 0, nil
	}, hop.Abandon())
	recv(t, "in", in)
	p.Cancel(nil)
	g.open()
	if err := recv(t, "close", errs); err != nil {
		t.Error(err)
	}
}

func TestTheTextOfAWaitThatAPoolStopped(t *testing.T) {
	pool := newPool(t, nil)
	errs := make(chan error, 1)
	in := make(chan struct{})
	pool.Post(func() { close(in); errs <- hop.Sleep(bg, time.Hour) })
	recv(t, "in", in)
	eventually(t, "waits", func() bool { return pool.Stats().Waiting == 1 })
	pool.Close()
	if err := <-errs; strings.Contains(err.Error(), "loop") {
		t.Error(err)
	}
}

// Where two hold places and one suffices, who gives the other one back may leave the one that never will.
func TestS4_ALimiterThatIsLowered(t *testing.T) {
	l := hop.NewLimiter(2)
	pool := newPool(t, nil)
	bGo := newGate(t)
	in := make(chan struct{}, 2)
	cmade := make(chan *hop.Pending[int], 1)
	a := hop.Go(bg, pool, func(ctx context.Context) (int, error) {
		l.Acquire(ctx)
		in <- struct{}{}
		c := <-cmade
		_, err := c.Wait(ctx)
		l.Release()
		return 0, err
	}, hop.Name("A"))
	b := hop.Go(bg, pool, func(ctx context.Context) (int, error) {
		l.Acquire(ctx)
		in <- struct{}{}
		bGo.pass()
		l.Release()
		return 0, nil
	}, hop.Name("B"))
	recv(t, "a or b", in)
	recv(t, "a or b", in)
	l.SetLimit(1)
	c := hop.Go(bg, pool, func(ctx context.Context) (int, error) {
		err := l.Acquire(ctx)
		if err == nil {
			l.Release()
		}
		return 0, err
	}, hop.Name("C"))
	untilWaiting(t, c.Call())
	cmade <- c
	untilWaiting(t, a.Call())
	bGo.open()
	must(t, b)
	errA, errC := waitErr(t, a), waitErr(t, c)
	if !errors.Is(errA, hop.ErrDeadlock) && !errors.Is(errC, hop.ErrDeadlock) {
		t.Errorf("%v, %v", errA, errC)
	}
}

// What a Close tells comes before its end. A function of it that closes another loop, whose task closes the first one, closes a circle: one of these is refused.
func TestS25_TheFunctionsOfACloseCloseWhatClosesThis(t *testing.T) {
	a, b := hop.NewLoop(&hop.LoopOptions{StallAfter: -1}), hop.NewLoop(nil)
	gate := occupy(t, a)
	queued := hop.Go(bg, a, mustNotRun(t))
	inA, inB := make(chan struct{}), make(chan struct{})
	closing := make(chan error, 2)
	hop.Go(bg, b, func(context.Context) (int, error) {
		close(inB)
		<-inA
		closing <- a.Close()
		return 1, nil
	})
	recv(t, "the task of b", inB)
	queued.OnDone(func() {
		close(inA)
		closing <- b.Close()
	})
	ended := make(chan struct{})
	go func() {
		a.Close()
		close(ended)
	}()
	recv(t, "the function of the Close", inA)
	gate.open()
	recv(t, "the end of the Close", ended)
	first, second := recv(t, "a Close", closing), recv(t, "the other Close", closing)
	wantIs(t, errors.Join(first, second), hop.ErrDeadlock)
	within(t, patience, "the end of b", func() { <-b.Stopped() })
}

// The same of two Closes on goroutines that hop does not know.
func TestS25_TwoClosesWhoseFunctionsCloseTheOther(t *testing.T) {
	for range 20 {
		var loops [2]*hop.Loop
		var gates [2]*gate
		var told [2]chan struct{}
		for i := range loops {
			loops[i], told[i] = hop.NewLoop(&hop.LoopOptions{StallAfter: -1}), make(chan struct{})
			gates[i] = occupy(t, loops[i])
		}
		closing := make(chan error, 2)
		for i, l := range loops {
			hop.Go(bg, l, mustNotRun(t)).OnDone(func() {
				close(told[i])
				<-told[1-i]
				closing <- loops[1-i].Close()
			})
		}
		var all sync.WaitGroup
		for _, l := range loops {
			all.Go(func() { l.Close() })
		}
		for i, gate := range gates {
			recv(t, "the function", told[i])
			gate.open()
		}
		within(t, patience, "both Closes", all.Wait)
		wantIs(t, errors.Join(<-closing, <-closing), hop.ErrDeadlock)
	}
}

// What a call of the place still makes once Close has cancelled everything is taken, and ends at once: its function does not run first.
func TestS25_WhatCloseFindsNoMoreDoesNotBegin(t *testing.T) {
	for range 200 {
		pool := hop.NewPool(nil)
		begun := make(chan struct{})
		f := hop.Go(bg, pool, func(ctx context.Context) (int, error) {
			close(begun)
			<-ctx.Done()
			_, err := hop.Go(hop.Detach(ctx), pool, mustNotRun(t)).Result()
			wantIs(t, err, hop.ErrStopped)
			return 0, err
		})
		recv(t, "the start", begun)
		within(t, patience, "Close", func() { pool.Close() })
		wantIs(t, f.Call().Err(), hop.ErrStopped)
	}
}

// TestS25_ADueCallInAGroupWithALimitWhileTheLoopShutsDown: the loop has accepted it, as it has one of no group.
func TestS25_ADueCallInAGroupWithALimitWhileTheLoopShutsDown(t *testing.T) {
	for _, limit := range []int{0, 1} {
		synctest.Test(t, func(t *testing.T) {
			l := hop.NewLoop(&hop.LoopOptions{StallAfter: -1})
			err := hop.WithGroup(bg, &hop.GroupOptions{Limit: limit}, func(ctx context.Context) error {
				due := hop.After(ctx, time.Second, l, func(context.Context) (int, error) { return 1, nil })
				l.Post(func() { time.Sleep(2 * time.Second) }) // keeps the loop
				time.Sleep(1500 * time.Millisecond)
				go l.Shutdown(bg)
				if v, err := due.Wait(bg); v != 1 || err != nil {
					t.Errorf("Limit %d: %d, %v", limit, v, err)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
			<-l.Stopped()
		})
	}
}
