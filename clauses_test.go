package hop_test

// Clauses of the promises that are easy to miss, each with a test that fails without it.

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/gohop/hop"
)

// runsAtOnce is a portal of a user's that runs each call before Submit returns.
type runsAtOnce struct{}

func (runsAtOnce) Submit(c *hop.Call) error { c.Run(); return nil }

func TestS34_AMemberThatAPortalRunsAtOnceDoesNotKeepTheOthersBack(t *testing.T) {
	within(t, patience, "WithGroup", func() {
		g := make(chan struct{})
		var p *hop.Pending[int]
		err := hop.WithGroup(bg, &hop.GroupOptions{Limit: 1}, func(ctx context.Context) error {
			hop.Go(ctx, hop.Goroutines, func(context.Context) (int, error) { <-g; return 1, nil })
			p = hop.Go(ctx, runsAtOnce{}, func(ctx context.Context) (int, error) { // held back, and run where the first gives its place back
				return hop.Go(ctx, hop.Goroutines, value(3)).Wait(ctx)
			})
			close(g)
			return nil
		})
		if v, verr := p.Result(); v != 3 || err != nil || verr != nil {
			t.Errorf("result %d, %v; the group's error %v", v, verr, err)
		}
	})
}

func TestS39_AHostsOwnCodeIsOnTheLoopFromTheBeginning(t *testing.T) {
	host := make(directHost, 100)
	defer close(host)
	go host.serve()
	guest := newLoop(t, &hop.LoopOptions{Host: host})
	told := make(chan error, 1)
	host <- func() { // nothing has been sent to the guest
		if !guest.Here() {
			told <- errors.New("not here")
			return
		}
		_, err := hop.Do(bg, guest, value(1))
		told <- err
	}
	if err := recv(t, "Do on the host's goroutine", told); err != nil {
		t.Error(err)
	}
}

// The end of the awaited call is the end of what was sent to who waits for it, at once and whatever that one's own context is.
func TestS8_TheChildIsCancelledWhenCancelHasReturned(t *testing.T) {
	for range 50 {
		w := hop.NewWaiter()
		awaited := hop.NewPromise[int](bg).Pending()
		inside, goOn := make(chan context.Context, 1), make(chan struct{})
		child := hop.Go(bg, w, func(ctx context.Context) (int, error) { inside <- ctx; <-goOn; return 1, nil })
		done := make(chan struct{})
		go func() { w.Wait(bg, awaited.Call()); close(done) }()
		ctx := recv(t, "the child", inside)
		awaited.Cancel(errBoom)
		if err := ctx.Err(); err == nil || !errors.Is(context.Cause(ctx), errBoom) {
			t.Errorf("the child's context: %v, %v", err, context.Cause(ctx))
		}
		close(goOn)
		recv(t, "Wait", done)
		if s := child.Call().State(); s != hop.Cancelled {
			t.Fatalf("the child has ended %v", s)
		}
	}
}

func TestS8_WhatWasSentForACallThatIsCancelledDoesNotRun(t *testing.T) {
	w := hop.NewWaiter()
	awaited := hop.NewPromise[int](bg).Pending()
	awaited.Cancel(errBoom)
	child := hop.Go(bg, w, mustNotRun(t))
	within(t, patience, "Wait", func() { w.Wait(bg, awaited.Call()) })
	if err := waitErr(t, child); !errors.Is(err, hop.ErrCancelled) {
		t.Errorf("error %v, want cancelled", err)
	}
}

func TestS17_ATrackerAndAGroupShowLiveCallsOnly(t *testing.T) {
	l := newLoop(t, nil)
	g := occupy(t, l)
	defer g.open()
	ctx, cancel := context.WithCancel(bg)
	ctx, tracker := hop.Track(ctx)
	hop.WithGroup(ctx, nil, func(ctx context.Context) error {
		hop.Go(ctx, l, value(1))
		if n, m := len(tracker.Calls()), len(hop.CurrentGroup(ctx).Calls()); n != 1 || m != 1 {
			t.Errorf("before the end %d and %d", n, m)
		}
		cancel()
		if calls := tracker.Calls(); len(calls) != 0 {
			t.Errorf("the tracker still has %v", calls)
		}
		if calls := hop.CurrentGroup(ctx).Calls(); len(calls) != 0 {
			t.Errorf("the group still has %v", calls)
		}
		return nil
	})
}

func TestS16_FailAfterTheContextsEnd(t *testing.T) {
	ctx, cancel := context.WithCancelCause(bg)
	p := hop.New(ctx, mustNotRun(t))
	cancel(errBoom)
	if !p.Call().Fail(errors.New("refused")) {
		t.Error("Fail says that the call had ended before")
	}
	if err := waitErr(t, p); p.Call().State() != hop.Cancelled || !errors.Is(err, errBoom) {
		t.Errorf("%v with %v, want cancelled by the context's cause", p.Call().State(), err)
	}
}

func TestS14_APanicIsNotLostWhenALaterFunctionEndsTheGoroutine(t *testing.T) {
	panics := make(chan *hop.PanicError, 1)
	l := newLoop(t, &hop.LoopOptions{OnPanic: func(p *hop.PanicError) { panics <- p }})
	g := make(chan struct{})
	p := hop.Go(bg, l, func(context.Context) (int, error) { <-g; return 1, nil })
	ran := false
	p.OnDone(func() { panic("told") })
	p.OnDone(func() { runtime.Goexit() })
	p.OnDone(func() { ran = true })
	close(g)
	if got := recv(t, "the panic", panics); got.Value != "told" {
		t.Errorf("OnPanic got %v", got.Value)
	}
	must(t, hop.Go(bg, l, value(1)))
	if !ran {
		t.Error("the function after it has not run")
	}
}

// A function that has run for longer than its Timeout has timed out, also where the timer has not had its turn: on one processor that the
// function kept, and on wasm.
func TestS20_AFunctionThatKeepsTheProcessorTimesOut(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	l := newLoop(t, nil)
	for i := range 15 {
		p := hop.Go(bg, l, func(context.Context) (int, error) {
			for began := time.Now(); time.Since(began) < 3*time.Millisecond; {
			}
			switch i % 3 {
			case 1:
				panic("late")
			case 2:
				runtime.Goexit()
			}
			return 1, nil
		}, hop.Timeout(time.Millisecond))
		if err := waitErr(t, p); !errors.Is(err, context.DeadlineExceeded) || p.Call().State() != hop.Cancelled {
			t.Fatalf("%v, %v, want timed out", p.Call().State(), err)
		}
	}
}

func TestS12_TheFunctionOfOnUndeliveredIsReleased(t *testing.T) {
	for name, end := range map[string]func(p *hop.Pending[int], l *hop.Loop){
		"after it has run":        func(p *hop.Pending[int], l *hop.Loop) { l.Submit(p.Call()); must(t, p) },
		"when it will never run":  func(p *hop.Pending[int], _ *hop.Loop) { p.Cancel(nil) },
		"when its portal refuses": func(p *hop.Pending[int], _ *hop.Loop) { p.Call().Fail(errBoom) },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLoop(t, nil)
			p, gone := func() (*hop.Pending[int], func() bool) {
				v, gone := collected()
				return hop.New(bg, value(1), hop.OnUndelivered(func(int) { v[0]++ })), gone
			}()
			end(p, l)
			eventually(t, "the function is released", gone)
			runtime.KeepAlive(p)
		})
	}
}
