package hop_test

// Contexts that end, in each way, at each step of the life of a call; and some whose methods fail.

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gohop/hop"
)

// contextEnds are the ways in which a context ends. until is when to wait for that, in the time of the bubble; 0: end does it.
var contextEnds = []struct {
	name string
	is   error // of the CancelError, beside ErrCancelled
	not  error
	mine bool // its cause is errStruck
	make func(parent context.Context) (ctx context.Context, end func())
}{
	{"cancel", context.Canceled, context.DeadlineExceeded, false, func(parent context.Context) (context.Context, func()) {
		return context.WithCancel(parent)
	}},
	{"cancel with a cause", context.Canceled, context.DeadlineExceeded, true, func(parent context.Context) (context.Context, func()) {
		ctx, cancel := context.WithCancelCause(parent)
		return ctx, func() { cancel(errStruck) }
	}},
	{"deadline", context.DeadlineExceeded, context.Canceled, false, func(parent context.Context) (context.Context, func()) {
		ctx, cancel := context.WithTimeout(parent, time.Minute)
		return ctx, func() { time.Sleep(time.Minute + 1); cancel() }
	}},
	{"deadline with a cause", context.DeadlineExceeded, context.Canceled, true, func(parent context.Context) (context.Context, func()) {
		ctx, cancel := context.WithTimeoutCause(parent, time.Minute, errStruck)
		return ctx, func() { time.Sleep(time.Minute + 1); cancel() }
	}},
	{"the end of a call above", context.Canceled, context.DeadlineExceeded, true, func(parent context.Context) (context.Context, func()) {
		up := hop.NewPromise[int](parent)
		return up.Pending().Call().Context(), func() { up.Pending().Cancel(errStruck) }
	}},
	{"the end of a group", context.Canceled, context.DeadlineExceeded, true, func(parent context.Context) (context.Context, func()) {
		in, out := make(chan context.Context), make(chan struct{})
		go hop.WithGroup(parent, nil, func(ctx context.Context) error { in <- ctx; <-out; return nil })
		ctx := <-in
		return ctx, func() { hop.CurrentGroup(ctx).Cancel(errStruck); close(out) }
	}},
	{"a context of a foreign type", context.Canceled, context.DeadlineExceeded, true, func(parent context.Context) (context.Context, func()) {
		ctx, cancel := context.WithCancelCause(parent)
		return foreign{ctx}, func() { cancel(errStruck) }
	}},
}

// foreign is a context of a type that package context does not know.
type foreign struct{ context.Context }

// contextSteps are the moments at which a context may end. run makes a call under ctx, has end called at that moment, and
// returns how the call ended and whether its function has run.
var contextSteps = []struct {
	name string
	runs bool // the function runs
	fine bool // too late: the call succeeds
	busy bool // needs a place that can be kept busy
	run  func(t *testing.T, on hop.Portal, ctx context.Context, end func(), hold func(context.Context)) *hop.Pending[int]
}{
	{"before it is made", false, false, false, func(t *testing.T, on hop.Portal, ctx context.Context, end func(), hold func(context.Context)) *hop.Pending[int] {
		end()
		return hop.Go(ctx, on, func(ctx context.Context) (int, error) { hold(ctx); return 1, nil })
	}},
	{"before it is submitted", false, false, false, func(t *testing.T, on hop.Portal, ctx context.Context, end func(), hold func(context.Context)) *hop.Pending[int] {
		p := hop.New(ctx, func(ctx context.Context) (int, error) { hold(ctx); return 1, nil })
		end()
		if err := on.Submit(p.Call()); err != nil {
			t.Errorf("Submit: %v", err)
		}
		return p
	}},
	{"while it is queued", false, false, true, func(t *testing.T, on hop.Portal, ctx context.Context, end func(), hold func(context.Context)) *hop.Pending[int] {
		g := occupy(t, on)
		p := hop.Go(ctx, on, func(ctx context.Context) (int, error) { hold(ctx); return 1, nil })
		end()
		<-p.Done() // at once, though the place is busy
		g.open()
		return p
	}},
	{"while it is queued, unseen", false, false, true, func(t *testing.T, on hop.Portal, ctx context.Context, end func(), hold func(context.Context)) *hop.Pending[int] {
		g := occupy(t, on)
		p := hop.Go(ctx, on, func(ctx context.Context) (int, error) { hold(ctx); return 1, nil })
		end()
		g.open()
		return p
	}},
	{"while it waits for its time", false, false, false, func(t *testing.T, on hop.Portal, ctx context.Context, end func(), hold func(context.Context)) *hop.Pending[int] {
		p := hop.After(ctx, time.Hour, on, func(ctx context.Context) (int, error) { hold(ctx); return 1, nil })
		end()
		return p
	}},
	{"while it runs", true, false, false, func(t *testing.T, on hop.Portal, ctx context.Context, end func(), hold func(context.Context)) *hop.Pending[int] {
		return hop.Go(ctx, on, func(ctx context.Context) (int, error) { hold(ctx); end(); return 1, nil })
	}},
	{"while it runs, and it fails", true, false, false, func(t *testing.T, on hop.Portal, ctx context.Context, end func(), hold func(context.Context)) *hop.Pending[int] {
		return hop.Go(ctx, on, func(ctx context.Context) (int, error) { hold(ctx); end(); return 0, errors.New("too late") })
	}},
	{"while it runs, and it panics", true, false, false, func(t *testing.T, on hop.Portal, ctx context.Context, end func(), hold func(context.Context)) *hop.Pending[int] {
		return hop.Go(ctx, on, func(ctx context.Context) (int, error) { hold(ctx); end(); panic("too late") })
	}},
	{"between two waits", true, false, false, func(t *testing.T, on hop.Portal, ctx context.Context, end func(), hold func(context.Context)) *hop.Pending[int] {
		return hop.Go(ctx, on, func(ctx context.Context) (int, error) {
			hold(ctx)
			hop.Sleep(ctx, time.Second)
			end()
			return 1, hop.Sleep(ctx, time.Hour)
		})
	}},
	{"in a sleep", true, false, false, inAWait(func(ctx context.Context) error { return hop.Sleep(ctx, 100*time.Hour) })},
	{"in an event", true, false, false, inAWait(func(ctx context.Context) error { return new(hop.Event).Wait(ctx) })},
	{"in a receive", true, false, false, inAWait(func(ctx context.Context) error {
		_, _, err := hop.Recv(ctx, make(chan int))
		return err
	})},
	{"in a limiter", true, false, false, inAWait(func(ctx context.Context) error {
		l := hop.NewLimiter(1)
		<-inBackground(func() { l.Acquire(bg) }) // another holds it: who waits for a place of its own is refused
		return l.Acquire(ctx)
	})},
	{"in the wait for a promise", true, false, false, inAWait(func(ctx context.Context) error {
		_, err := hop.NewPromise[int](bg).Pending().Wait(ctx)
		return err
	})},
	{"in a call", true, false, false, inAWait(func(ctx context.Context) error {
		return hop.Run(ctx, hop.Goroutines, func(ctx context.Context) error { return hop.Sleep(ctx, 100*time.Hour) })
	})},
	{"in a group", true, false, false, inAWait(func(ctx context.Context) error {
		return hop.WithGroup(ctx, nil, func(ctx context.Context) error {
			hop.Go(ctx, hop.Goroutines, func(ctx context.Context) (int, error) { return 0, hop.Sleep(ctx, 100*time.Hour) })
			return nil
		})
	})},
	{"in a Waiter", true, false, false, inAWait(func(ctx context.Context) error {
		return hop.NewWaiter().Wait(ctx, hop.NewPromise[int](bg).Pending().Call())
	})},
	{"after it has returned", true, true, false, func(t *testing.T, on hop.Portal, ctx context.Context, end func(), hold func(context.Context)) *hop.Pending[int] {
		p := hop.Go(ctx, on, func(ctx context.Context) (int, error) { hold(ctx); return 1, nil })
		<-p.Done()
		end()
		return p
	}},
}

// inAWait is a step: the context ends while the function is in a wait, whose error says so.
func inAWait(wait func(ctx context.Context) error) func(*testing.T, hop.Portal, context.Context, func(), func(context.Context)) *hop.Pending[int] {
	return func(t *testing.T, on hop.Portal, ctx context.Context, end func(), hold func(context.Context)) *hop.Pending[int] {
		p := hop.Go(ctx, on, func(ctx context.Context) (int, error) {
			hold(ctx)
			err := wait(ctx)
			if err == nil || !errors.Is(err, ctx.Err()) || !errors.Is(err, context.Cause(ctx)) {
				t.Errorf("the wait ended with %v, its context with %v and %v", err, ctx.Err(), context.Cause(ctx))
			}
			return 1, nil
		})
		synctest.Wait()
		if s := p.Call().State(); s != hop.Waiting {
			t.Errorf("state %v before the end", s)
		}
		end()
		return p
	}
}

func TestFault_AContextThatEndsAtEachStep(t *testing.T) {
	places := append(kinds[:len(kinds):len(kinds)], []struct {
		name   string
		thread bool
		make   func(t testing.TB) hop.Portal
	}{
		{"Guest", false, func(t testing.TB) hop.Portal {
			return newLoop(t, &hop.LoopOptions{StallAfter: -1, Host: newLoop(t, &hop.LoopOptions{StallAfter: -1})})
		}},
		{"PoolOfOne", false, func(t testing.TB) hop.Portal { return newPool(t, &hop.PoolOptions{Size: 1}) }},
		{"ThreadPoolOfOne", true, func(t testing.TB) hop.Portal { return newPool(t, &hop.PoolOptions{Size: 1, Threads: true}) }},
	}...)
	for _, place := range places {
		t.Run(place.name, func(t *testing.T) {
			if place.thread {
				needsThread(t)
			}
			for _, step := range contextSteps {
				if step.busy && (place.name == "Goroutines" || place.name == "Pool" || place.name == "ThreadPool") {
					continue // it cannot be kept busy by one call
				}
				for _, kind := range contextEnds {
					synctest.Test(t, func(t *testing.T) {
						what := fmt.Sprintf("%s %s", kind.name, step.name)
						on := place.make(t)
						ctx, end := kind.make(bg)
						life := newLifeline()
						p := step.run(t, on, ctx, end, life.hold)
						ends := 0
						ended := make(chan struct{})
						p.OnDone(func() { ends++; close(ended) })
						v, err := p.Wait(bg)
						<-ended
						if step.fine {
							if v != 1 || err != nil {
								t.Errorf("%s: %d, %v", what, v, err)
							}
							return
						}
						ce := wantCancelled(t, err)
						wantIs(t, err, kind.is)
						wantNot(t, err, kind.not)
						if kind.mine {
							wantIs(t, ce.Cause, errStruck)
						}
						wantState(t, p.Call(), hop.Cancelled)
						if v != 0 {
							t.Errorf("%s: value %d", what, v)
						}
						ran := life.call != nil
						if ran != step.runs {
							t.Errorf("%s: the function has run: %v", what, ran)
						}
						if ran {
							ctx := life.call.Context()
							if errors.Is(ctx.Err(), kind.not) || !errors.Is(ctx.Err(), kind.is) {
								t.Errorf("%s: the call's context ended with %v", what, ctx.Err())
							}
							if kind.mine && !errors.Is(context.Cause(ctx), errStruck) {
								t.Errorf("%s: the cause of the call's context is %v", what, context.Cause(ctx))
							}
						}
						if p.Cancel(nil); ends != 1 {
							t.Errorf("%s: it ended %d times", what, ends)
						}
						wantIdle(t, on)
						if t.Failed() {
							t.Logf("it was %s on %s", what, place.name)
						}
					})
				}
			}
		})
	}
}

// What is over needs no wait, whatever the context says: so it is with Wait, and with CancelWait of other calls.
func TestFault_CancelWaitOfAnAbandonedCallWhoseFunctionHasReturned(t *testing.T) {
	p := hop.New(bg, func(ctx context.Context) (int, error) { hop.CurrentCall(ctx).Cancel(nil); return 1, nil }, hop.Abandon())
	p.Call().Run()
	ctx, cancel := context.WithCancel(bg)
	cancel()
	if err := p.CancelWait(ctx, nil); err != nil {
		t.Errorf("CancelWait: %v", err)
	}
}

// struckContext is a context whose Done does what strike says.
type struckContext struct {
	context.Context
	strike func()
}

func (c struckContext) Done() <-chan struct{} {
	c.strike()
	return nil
}

func TestFault_AContextWhoseDoneFailsInAWait(t *testing.T) {
	held := hop.NewLimiter(1)
	held.TryAcquire()
	waits := map[string]func(ctx context.Context) error{
		"Sleep":           func(ctx context.Context) error { return hop.Sleep(ctx, time.Hour) },
		"Event.Wait":      func(ctx context.Context) error { return new(hop.Event).Wait(ctx) },
		"Limiter.Acquire": held.Acquire,
		"Pending.Wait": func(ctx context.Context) error {
			_, err := hop.NewPromise[int](bg).Pending().Wait(ctx)
			return err
		},
		"Recv": func(ctx context.Context) error {
			_, _, err := hop.Recv(ctx, make(chan int))
			return err
		},
	}
	for _, f := range faults {
		for name, wait := range waits {
			for kind, place := range busyKinds { // a loop, and a pool of one
				t.Run(f.name+"/"+name+"/"+kind, func(t *testing.T) {
					on := place(t)
					p := hop.Go(bg, on, func(ctx context.Context) (int, error) { return 1, wait(struckContext{ctx, f.strike}) })
					if err := waitErr(t, p); f.goexit {
						wantIs(t, err, hop.ErrGoexit)
					} else if pe := new(hop.PanicError); !errors.As(err, &pe) {
						t.Errorf("it ended with %v, want a PanicError", err)
					}
					must(t, hop.Go(bg, on, func(ctx context.Context) (int, error) { return 1, hop.Sleep(ctx, time.Microsecond) }))
					wantIdle(t, on)
				})
			}
		}
	}
	held.Release()
	if !held.TryAcquire() {
		t.Error("the limiter's place was given to a wait that has not come about")
	}
}
