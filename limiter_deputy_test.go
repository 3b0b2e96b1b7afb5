package hop_test

// S4: a place of a Limiter may be given back by another call than the one that took it, and no deadlock is invented then.

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/gohop/hop"
)

// Who starts calls takes a place for each before, and each gives its own back: the way of a semaphore.
func TestS4_WhoStartsTakesThePlacesAndTheStartedGiveThemBack(t *testing.T) {
	for name, start := range map[string]func(ctx context.Context, on hop.Portal, f func(context.Context) (int, error)){
		"with its context": func(ctx context.Context, on hop.Portal, f func(context.Context) (int, error)) { hop.Go(ctx, on, f) },
		"without":          func(_ context.Context, on hop.Portal, f func(context.Context) (int, error)) { hop.Go(bg, on, f) },
		"by another": func(ctx context.Context, on hop.Portal, f func(context.Context) (int, error)) {
			hop.Go(ctx, hop.Goroutines, func(ctx context.Context) (int, error) { hop.Go(ctx, on, f); return 0, nil })
		},
		"by another, without": func(_ context.Context, on hop.Portal, f func(context.Context) (int, error)) {
			hop.Go(bg, hop.Goroutines, func(context.Context) (int, error) { hop.Go(bg, on, f); return 0, nil })
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLoop(t, nil)
			for _, on := range []hop.Portal{hop.Goroutines, l} {
				limiter := hop.NewLimiter(2)
				p := hop.Go(bg, l, func(ctx context.Context) (int, error) {
					for i := range 10 {
						if err := limiter.Acquire(ctx); err != nil {
							return i, err
						}
						start(ctx, on, func(ctx context.Context) (int, error) {
							defer limiter.Release()
							return 0, hop.Sleep(ctx, time.Millisecond)
						})
					}
					return 10, nil
				})
				if n := must(t, p); n != 10 {
					t.Errorf("%d of 10", n)
				}
				for range 2 { // all have been given back
					if err := limiter.Acquire(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
			}
		})
	}
}

// A started call that wants a place itself gives none back: that is a deadlock, and both steps of it are told.
func TestS4_AStartedCallThatWantsAPlaceItselfIsADeadlock(t *testing.T) {
	limiter := hop.NewLimiter(1)
	made := make(chan *hop.Pending[int], 1)
	p := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) {
		if err := limiter.Acquire(ctx); err != nil {
			return 0, err
		}
		defer limiter.Release()
		hop.Go(ctx, hop.Goroutines, value(0)).Wait(ctx) // one that has ended changes nothing
		started := hop.Go(ctx, hop.Goroutines, func(ctx context.Context) (int, error) { return 0, limiter.Acquire(ctx) })
		made <- started
		return started.Wait(ctx)
	})
	err := waitErr(t, p)
	started := recv(t, "the started call", made)
	var d *hop.DeadlockError
	if !errors.As(err, &d) {
		t.Fatalf("error %v, want a deadlock", err)
	}
	calls := map[*hop.Call]bool{}
	for _, w := range d.Cycle {
		calls[w.Call] = true
	}
	if len(d.Cycle) != 2 || !calls[p.Call()] || !calls[started.Call()] {
		t.Errorf("the cycle has not the two calls as its steps: %v", d)
	}
}

// As long as a call that the holder has started may release the place, who waits for it waits; when that call has ended and has not, it is a deadlock.
func TestS4_AWaitForAPlaceIsRefusedWhenNobodyIsLeftToGiveItBack(t *testing.T) {
	for name, end := range map[string]func(started *hop.Pending[int], gate chan struct{}){
		"it returns":      func(_ *hop.Pending[int], gate chan struct{}) { close(gate) },
		"it is cancelled": func(started *hop.Pending[int], gate chan struct{}) { started.Cancel(nil); close(gate) },
	} {
		for _, on := range []hop.Portal{hop.Goroutines, newLoop(t, nil)} {
			t.Run(name, func(t *testing.T) {
				limiter := hop.NewLimiter(1)
				gate := make(chan struct{})
				made := make(chan *hop.Pending[int], 1)
				p := hop.Go(bg, on, func(ctx context.Context) (int, error) {
					if err := limiter.Acquire(ctx); err != nil {
						return 0, err
					}
					made <- hop.Go(ctx, hop.Goroutines, func(context.Context) (int, error) { <-gate; return 0, nil })
					return 0, limiter.Acquire(ctx)
				})
				started := recv(t, "the started call", made)
				untilWaiting(t, p.Call())
				end(started, gate)
				err := waitErr(t, p)
				var d *hop.DeadlockError
				if !errors.As(err, &d) || len(d.Cycle) != 1 || d.Cycle[0].Call != p.Call() {
					t.Errorf("error %v, want a deadlock of the one call", err)
				}
			})
		}
	}
}

func TestS4_APlaceThatTryAcquireTookIsHeld(t *testing.T) {
	l := hop.NewLimiter(1)
	p := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) {
		if !l.TryAcquire() {
			t.Error("no place")
		}
		return 0, l.Acquire(ctx)
	})
	wantDeadlock(t, waitErr(t, p))
}

// Whom a holder has started may give a place back as long as the holder has one, be it of another limiter; not when it has come to have none since.
func TestS4_WhoIsStartedMayGiveBackWhatIsHeldThen(t *testing.T) {
	for _, still := range []bool{true, false} {
		a, b := hop.NewLimiter(1), hop.NewLimiter(1)
		out := make(chan struct{})
		p := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) {
			a.Acquire(ctx)
			b.Acquire(ctx)
			hop.Go(ctx, hop.Goroutines, func(context.Context) (int, error) {
				<-out
				if still {
					a.Release()
				}
				return 0, nil
			})
			b.Release()
			if !still {
				a.Release()
				a.Acquire(ctx)
			}
			return 0, a.Acquire(ctx)
		})
		untilWaitingOrDone(t, p.Call())
		if !still {
			wantDeadlock(t, waitErr(t, p))
			close(out)
			continue
		}
		close(out)
		must(t, p)
	}
}

// The function that gives a place back may be one of OnDone, of a call that the holder has started: that is no deadlock before it has returned.
func TestS4_AFunctionOfOnDoneGivesThePlaceBack(t *testing.T) {
	pool := newPool(t, nil)
	for name, start := range map[string]func(ctx context.Context, release func()){
		"soon": func(ctx context.Context, release func()) { hop.Go(ctx, pool, value(1)).OnDone(release) },
		"later": func(ctx context.Context, release func()) {
			hop.After(ctx, time.Millisecond, pool, value(1)).OnDone(release)
		},
		"when it runs already": func(ctx context.Context, release func()) {
			registered, runs, waits := make(chan struct{}), make(chan struct{}), hop.CurrentCall(ctx)
			hop.Go(ctx, pool, func(context.Context) (int, error) { <-registered; return 1, nil }).OnDone(func() {
				close(runs)
				eventually(t, "the holder waits", func() bool { return waits.State() == hop.Waiting })
				release()
			})
			close(registered)
			<-runs
		},
		"of a call that is cancelled": func(ctx context.Context, release func()) {
			p, waits := hop.After(ctx, time.Hour, pool, value(1)), hop.CurrentCall(ctx)
			p.OnDone(release)
			go func() {
				eventually(t, "the holder waits", func() bool { return waits.State() == hop.Waiting })
				p.Cancel(nil)
			}()
		},
	} {
		for on, portal := range map[string]hop.Portal{"goroutine": hop.Goroutines, "loop": newLoop(t, nil), "worker": pool} {
			if on == "loop" && name == "when it runs already" {
				continue // it would block the loop
			}
			t.Run(name+" on a "+on, func(t *testing.T) {
				for range 20 {
					limiter := hop.NewLimiter(1)
					must(t, hop.Go(bg, portal, func(ctx context.Context) (int, error) {
						for range 3 {
							if err := limiter.Acquire(ctx); err != nil {
								return 0, err
							}
							start(ctx, limiter.Release)
						}
						return 0, limiter.Acquire(ctx)
					}))
				}
			})
		}
	}
}

// When it has returned, and has not, it is one.
func TestS4_AFunctionOfOnDoneDoesNotGiveThePlaceBack(t *testing.T) {
	limiter := hop.NewLimiter(1)
	gate, noted := newGate(t), newGate(t)
	holder := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) {
		limiter.Acquire(ctx)
		hop.Go(ctx, hop.Goroutines, func(context.Context) (int, error) { noted.pass(); return 1, nil }).OnDone(gate.pass)
		noted.open()
		return 0, limiter.Acquire(ctx)
	})
	untilWaiting(t, holder.Call())
	gate.open()
	wantIs(t, waitErr(t, holder), hop.ErrDeadlock)
}

// Functions of OnDone of calls that a stop cancels may be left to another goroutine than the one that has begun it.
func TestS4_AFunctionOfOnDoneThatIsCalledElsewhereGivesThePlaceBack(t *testing.T) {
	limiter := hop.NewLimiter(1)
	l := hop.NewLoop(nil)
	child, err := l.Child("child", nil)
	if err != nil {
		t.Fatal(err)
	}
	acquire := func(ctx context.Context) (int, error) {
		err := limiter.Acquire(ctx)
		if err == nil {
			limiter.Release()
		}
		return 0, err
	}
	inFirst, gate := make(chan struct{}), newGate(t)
	hop.After(bg, time.Hour, child, value(1)).OnDone(func() { close(inFirst); gate.pass() }) // keeps the second from its turn
	holder := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) {
		limiter.Acquire(ctx)
		hop.After(ctx, 2*time.Hour, child, value(1)).OnDone(limiter.Release)
		return acquire(ctx)
	})
	untilWaiting(t, holder.Call())
	goOn := make(chan struct{})
	task := hop.Go(bg, l, func(ctx context.Context) (int, error) { hop.Recv(ctx, goOn); return acquire(ctx) })
	untilWaiting(t, task.Call())
	stop := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) { return 0, l.Shutdown(ctx) })
	recv(t, "the first function", inFirst)
	untilWaiting(t, stop.Call())
	close(goOn)
	third := hop.Go(bg, hop.Goroutines, acquire) // looks, with what the others wait for
	untilWaiting(t, third.Call())
	gate.open()
	for _, p := range []*hop.Pending[int]{holder, task, stop, third} {
		must(t, p)
	}
}
