package hop_test

// Locals whose open waits.

import (
	"context"
	"runtime"
	"testing"

	"github.com/gohop/hop"
)

func TestS4_AnOpenOfAPostedFunctionAsksForItsValueInACall(t *testing.T) {
	l := newLoop(t, &hop.LoopOptions{StallAfter: -1})
	var local *hop.Local[int]
	local = hop.NewLocal(func(ctx context.Context) (int, error) {
		err := hop.Run(ctx, l, func(ctx context.Context) error { _, err := local.Get(ctx); return err })
		return 1, err
	}, nil)
	got := make(chan error, 1)
	l.Post(func() { _, err := local.Get(bg); got <- err })
	wantIs(t, recv(t, "Get", got), hop.ErrDeadlock)
}

func TestS4_AnOpenOfAPostedFunctionAsksForItsValueOnAPool(t *testing.T) {
	l := newPool(t, nil)
	var local *hop.Local[int]
	local = hop.NewLocal(func(ctx context.Context) (int, error) {
		err := hop.Run(ctx, hop.Inline, func(ctx context.Context) error { _, err := local.Get(ctx); return err })
		return 1, err
	}, nil)
	got := make(chan error, 1)
	l.Post(func() { _, err := local.Get(bg); got <- err })
	wantIs(t, recv(t, "Get", got), hop.ErrDeadlock)
}

func TestS4_ACycleThroughTheOpenOfAPostedFunction(t *testing.T) {
	l := newLoop(t, &hop.LoopOptions{StallAfter: -1})
	pool := newPool(t, nil)
	var local *hop.Local[int]
	local = hop.NewLocal(func(ctx context.Context) (int, error) {
		return hop.Do(ctx, pool, func(ctx context.Context) (int, error) {
			return hop.Do(ctx, l, func(ctx context.Context) (int, error) { return local.Get(ctx) })
		})
	}, nil)
	got := make(chan error, 1)
	l.Post(func() { _, err := local.Get(bg); got <- err })
	wantIs(t, recv(t, "Get", got), hop.ErrDeadlock)
}

func TestS4_ACycleThroughTheOpenOfAnAbandonedCall(t *testing.T) {
	for _, abandon := range []bool{false, true} {
		l := newLoop(t, &hop.LoopOptions{StallAfter: -1})
		pool := newPool(t, nil)
		var ev hop.Event
		var local *hop.Local[int]
		local = hop.NewLocal(func(ctx context.Context) (int, error) {
			ev.Wait(bg)
			return hop.Do(bg, pool, func(ctx context.Context) (int, error) {
				return hop.Do(bg, l, func(ctx context.Context) (int, error) { return local.Get(ctx) })
			})
		}, nil)
		got := make(chan error, 1)
		p := hop.Go(bg, l, func(ctx context.Context) (int, error) { v, err := local.Get(ctx); got <- err; return v, err }, hop.Abandon())
		untilWaiting(t, p.Call())
		if abandon {
			p.Cancel(nil)
			waitErr(t, p)
		}
		ev.Set()
		wantIs(t, recv(t, "Get", got), hop.ErrDeadlock)
	}
}

func TestS25_ShutdownInTheOpenThatTheLoopWaitsFor(t *testing.T) {
	l := newLoop(t, &hop.LoopOptions{StallAfter: -1})
	m := newLoop(t, &hop.LoopOptions{StallAfter: -1})
	waits := make(chan *hop.Call, 1)
	var ev hop.Event
	local := hop.NewLocal(func(ctx context.Context) (int, error) {
		ev.Wait(ctx)
		return 1, m.Shutdown(bg)
	}, nil)
	o := hop.Go(bg, l, func(ctx context.Context) (int, error) { return local.Get(ctx) })
	untilWaiting(t, o.Call())
	mt := hop.Go(bg, m, func(ctx context.Context) (int, error) {
		tt := hop.Go(ctx, l, func(ctx context.Context) (int, error) { return local.Get(ctx) })
		waits <- tt.Call()
		return tt.Wait(ctx)
	})
	tt := recv(t, "T", waits)
	untilWaiting(t, tt)
	untilWaiting(t, mt.Call())
	ev.Set()
	_, err := wait(t, o)
	wantIs(t, err, hop.ErrDeadlock)
}

// The driver of a Manual loop closes it: what it has opened is closed on its thread.
func TestS39_TheDriverClosesTheLocalsOfItsManualLoop(t *testing.T) {
	for _, thread := range []bool{false, true} {
		runtime.LockOSThread()
		l := newLoop(t, &hop.LoopOptions{Manual: true, Thread: thread, StallAfter: -1})
		var opened, closed uint64
		local := hop.NewLocal(func(context.Context) (int, error) { opened = threadID(); return 1, nil },
			func(int) error { closed = threadID(); return nil })
		ctx, cancel := context.WithCancel(bg)
		p := hop.Go(bg, l, func(ctx context.Context) (int, error) { return local.Get(ctx) })
		p.OnDone(cancel)
		l.Run(ctx)
		must(t, p)
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if opened != closed {
			t.Errorf("Thread=%v: opened on %d, closed on %d", thread, opened, closed)
		}
		runtime.UnlockOSThread()
	}
}

func TestS39_TheCloseOfALocalMayCallInline(t *testing.T) {
	got := make(chan error, 1)
	local := hop.NewLocal(func(context.Context) (int, error) { return 1, nil }, func(int) error {
		_, err := hop.Do(bg, hop.Inline, func(context.Context) (int, error) { return 1, nil })
		got <- err
		return nil
	})
	pool := hop.NewPool(nil)
	hop.Do(bg, pool, func(ctx context.Context) (int, error) { return local.Get(ctx) })
	pool.Close()
	if err := <-got; err != nil {
		t.Fatal(err)
	}
}

// TestS39_WhatAWorkerServesHasItsLocals: what is sent to a worker that waits in Do, or with a Waiter, runs on its goroutine, and so has its values.
func TestS39_WhatAWorkerServesHasItsLocals(t *testing.T) {
	for name, serve := range map[string]func(ctx context.Context, f func(context.Context) (int, error)) (int, error){
		"Do": func(ctx context.Context, f func(context.Context) (int, error)) (int, error) {
			return hop.Do(ctx, hop.Goroutines, func(ctx context.Context) (int, error) { return hop.Do(ctx, hop.Origin(ctx), f) })
		},
		"Do in what it serves": func(ctx context.Context, f func(context.Context) (int, error)) (int, error) {
			back := func(ctx context.Context) (int, error) { return hop.Do(ctx, hop.Origin(ctx), f) }
			return hop.Do(ctx, hop.Goroutines, func(ctx context.Context) (int, error) {
				return hop.Do(ctx, hop.Origin(ctx), func(ctx context.Context) (int, error) { return hop.Do(ctx, hop.Goroutines, back) })
			})
		},
		"Waiter": func(ctx context.Context, f func(context.Context) (int, error)) (int, error) {
			w := hop.NewWaiter()
			p := hop.Go(ctx, w, f)
			if err := w.Wait(ctx, p.Call()); err != nil {
				return 0, err
			}
			return p.Result()
		},
		"Waiter of a call that is done": func(ctx context.Context, f func(context.Context) (int, error)) (int, error) {
			w, done := hop.NewWaiter(), hop.NewPromise[int](ctx)
			p := hop.Go(ctx, w, f)
			done.Resolve(1)
			if err := w.Wait(ctx, done.Pending().Call()); err != nil {
				return 0, err
			}
			return p.Result()
		},
	} {
		t.Run(name, func(t *testing.T) {
			pool := newPool(t, &hop.PoolOptions{Size: 1, Threads: true})
			opened := 0
			local := hop.NewLocal(func(context.Context) (int, error) { opened++; return opened, nil }, nil)
			for range 2 {
				got := must(t, hop.Go(bg, pool, func(ctx context.Context) (int, error) { return serve(ctx, local.Get) }))
				own := must(t, hop.Go(bg, pool, local.Get))
				if got != 1 || own != 1 || opened != 1 {
					t.Errorf("%d there, %d on the worker itself, opened %d times", got, own, opened)
				}
			}
			elsewhere := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) { return serve(ctx, local.Get) })
			wantIs(t, waitErr(t, elsewhere), hop.ErrMismatch)
		})
	}
}

func TestS4_TheOpenOfAWorkerWaitsForWhatItServes(t *testing.T) {
	pool := newPool(t, nil)
	var local *hop.Local[int]
	local = hop.NewLocal(func(ctx context.Context) (int, error) {
		return hop.Do(ctx, hop.Goroutines, func(ctx context.Context) (int, error) { return hop.Do(ctx, hop.Origin(ctx), local.Get) })
	}, nil)
	wantIs(t, waitErr(t, hop.Go(bg, pool, local.Get)), hop.ErrDeadlock)
}
