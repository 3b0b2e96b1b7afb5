package upstream_test

// Prefect's test_calls.py: a call by itself.

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gohop/hop"
)

func TestPrefectCalls_SyncCall(t *testing.T) {
	fromBoth(t, func(t *testing.T, ctx context.Context) {
		p := hop.New(ctx, value("plain"))
		if err := hop.Inline.Submit(p.Call()); err != nil {
			t.Error(err)
		}
		if v, err := p.Result(); v != "plain" || err != nil {
			t.Errorf("%q, %v", v, err)
		}
	})
}

func TestPrefectCalls_AsyncCallSyncFunction(t *testing.T) {
	l := newLoop(t, nil)
	fromBoth(t, func(t *testing.T, ctx context.Context) {
		if v, err := hop.Go(ctx, l, value(1)).Wait(ctx); v != 1 || err != nil {
			t.Errorf("%d, %v", v, err)
		}
	})
}

func TestPrefectCalls_AsyncCallAsyncFunction(t *testing.T) {
	l := newLoop(t, nil)
	fromBoth(t, func(t *testing.T, ctx context.Context) {
		p := hop.Go(ctx, l, func(ctx context.Context) (int, error) {
			if err := hop.Yield(ctx); err != nil {
				return 0, err
			}
			return hop.Go(ctx, l, value(2)).Wait(ctx)
		})
		if v, err := p.Wait(ctx); v != 2 || err != nil {
			t.Errorf("%d, %v", v, err)
		}
	})
}

func TestPrefectCalls_CallResult(t *testing.T) {
	p := hop.New(bg, value(3))
	if _, err := p.Result(); !errors.Is(err, hop.ErrNotDone) {
		t.Errorf("before: %v", err)
	}
	p.Call().Run()
	for range 2 {
		if v, err := p.Result(); v != 3 || err != nil {
			t.Errorf("%d, %v", v, err)
		}
	}
	wantState(t, p.Call(), hop.Succeeded)
}

func TestPrefectCalls_CallResultException(t *testing.T) {
	p := hop.New(bg, failure(errWhy))
	p.Call().Run() // the error does not come out here
	for range 3 {
		if _, err := p.Result(); err != errWhy {
			t.Errorf("error %v, want %v itself, each time", err, errWhy)
		}
	}
	wantState(t, p.Call(), hop.Failed)
}

// breakDown are the ways in which a function can end other than by returning.
var breakDown = map[string]struct {
	f    func(context.Context) (int, error)
	want func(t *testing.T, err error)
}{
	"panic": {func(context.Context) (int, error) { panic("ouch") }, func(t *testing.T, err error) {
		t.Helper()
		var p *hop.PanicError
		if !errors.As(err, &p) || p.Value != "ouch" || len(p.Stack) == 0 {
			t.Errorf("%v (%T)", err, err)
		}
	}},
	//lint:ignore SA5000 it is to panic
	"runtime error": {func(context.Context) (int, error) { var m map[int]int; m[1] = 1; return 0, nil }, func(t *testing.T, err error) {
		t.Helper()
		var r runtime.Error
		if !errors.As(err, &r) {
			t.Errorf("%v (%T) is no runtime.Error", err, err)
		}
	}},
	"goexit": {func(context.Context) (int, error) { runtime.Goexit(); return 0, nil }, func(t *testing.T, err error) {
		t.Helper()
		wantIs(t, err, hop.ErrGoexit)
	}},
}

func TestPrefectCalls_CallResultBaseException(t *testing.T) {
	for name, b := range breakDown {
		t.Run(name, func(t *testing.T) {
			p := hop.New(bg, b.f)
			ended := make(chan struct{})
			go func() { // Goexit ends it too
				defer close(ended)
				p.Call().Run()
			}()
			recv(t, "the goroutine that runs the call", ended)
			for range 2 {
				_, err := p.Result()
				b.want(t, err)
			}
		})
	}
}

func TestPrefectCalls_AsyncCallResultBaseExceptionWithEventLoop(t *testing.T) {
	for name, b := range breakDown {
		t.Run(name, func(t *testing.T) {
			l := newLoop(t, nil)
			bystander := hop.Go(bg, l, forever)
			untilWaiting(t, bystander.Call())
			b.want(t, waitErr(t, hop.Go(bg, l, b.f)))
			b.want(t, waitErr(t, hop.Go(bg, l, func(ctx context.Context) (int, error) {
				if err := hop.Yield(ctx); err != nil { // after a wait, too
					return 0, err
				}
				return b.f(ctx)
			})))
			if v := must(t, hop.Go(bg, l, value(1))); v != 1 || bystander.Call().State() != hop.Waiting {
				t.Error("the loop, or another of its tasks, was hurt")
			}
		})
	}
}

func TestPrefectCalls_CallTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoop(t, &hop.LoopOptions{StallAfter: -1})
		g := occupy(t, l)
		p := hop.Go(bg, l, sleep(time.Hour), hop.Timeout(time.Second))
		time.Sleep(time.Minute) // in the queue, which does not count
		if isDone(p.Done()) {
			t.Fatal("the time in the queue has counted")
		}
		g.open()
		began := time.Now()
		wantTimeout(t, waitErr(t, p))
		if d := time.Since(began); d != time.Second {
			t.Errorf("took %v from its start", d)
		}
		wantState(t, p.Call(), hop.Cancelled)
	})
}

func TestPrefectCalls_CallFutureCancelled(t *testing.T) {
	l := newLoop(t, &hop.LoopOptions{QueueLimit: 1, StallAfter: -1})
	g := occupy(t, l)
	ran := false
	p := hop.Go(bg, l, func(context.Context) (int, error) { ran = true; return 0, nil })
	if !p.Cancel(errWhy) {
		t.Error("Cancel reports false")
	}
	err := waitErr(t, p) // though the loop is stuck
	wantCancelled(t, err)
	wantIs(t, err, errWhy)
	next := hop.Go(bg, l, value(1)) // its place in the queue is free again
	g.open()
	must(t, next)
	if ran {
		t.Error("the function has run")
	}
}

func TestPrefectCalls_CallEqualityAfterArgsKwargsDeletionTargets(t *testing.T) {
	// What this pins there: arguments do not live as long as the result.
	l := newLoop(t, nil)
	released := make(chan struct{})
	start := func() *hop.Pending[int] {
		arg := new([1 << 12]byte)
		runtime.AddCleanup(arg, func(int) { close(released) }, 0)
		return hop.Go(bg, l, func(context.Context) (int, error) { return len(arg) + int(arg[0]), nil })
	}
	p := start()
	must(t, p)
	eventually(t, "the arguments are released", func() bool { runtime.GC(); return isDone(released) })
	if v, err := p.Result(); v != 1<<12 || err != nil {
		t.Errorf("%d, %v", v, err)
	}
}

func TestPrefectCalls_ACallBelongsToOnePortalAndItsTimeoutIsGivenBefore(t *testing.T) {
	// Their set_runner twice is an error, and set_timeout after the start; hop.Timeout is an option of the making.
	a, b := newLoop(t, &hop.LoopOptions{StallAfter: -1}), newLoop(t, nil)
	g := occupy(t, a)
	p := hop.New(bg, value(1), hop.Timeout(time.Hour))
	if err := a.Submit(p.Call()); err != nil {
		t.Fatal(err)
	}
	wantIs(t, b.Submit(p.Call()), hop.ErrMismatch)
	wantIs(t, a.Submit(p.Call()), hop.ErrMismatch)
	g.open()
	must(t, p)
	if p.Call().Portal() != hop.Portal(a) {
		t.Errorf("ran on %v", p.Call().Portal())
	}
}
