package hop_test

// S16 to S21: cancelling, and time limits.

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gohop/hop"
)

var errEnough = errors.New("enough")

// stubborn is a function that ignores its context: it tells that it has started and ends when the gate opens.
func stubborn[T any](g *gate, started chan<- struct{}, v T, err error) func(context.Context) (T, error) {
	return func(context.Context) (T, error) {
		close(started)
		g.pass()
		return v, err
	}
}

// S16

func TestS16_CancelledWhateverTheFunctionReturns(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		for _, returned := range []error{nil, errors.New("own"), context.Canceled, context.DeadlineExceeded, hop.ErrNotDone} {
			g, started := newGate(t), make(chan struct{})
			p := hop.Go(t.Context(), on, stubborn(g, started, 7, returned))
			recv(t, "start", started)
			if !p.Cancel(errEnough) {
				t.Fatal("Cancel reports false")
			}
			g.open()
			v, err := wait(t, p)
			if ce := wantCancelled(t, err); ce.Cause != errEnough {
				t.Errorf("returning %v: cause %v, want %v itself", returned, ce.Cause, errEnough)
			}
			if v != 0 {
				t.Errorf("returning %v: the value is %v, want none", returned, v)
			}
			wantIs(t, err, context.Canceled)
			wantIs(t, err, errEnough)
			wantNot(t, err, context.DeadlineExceeded)
			wantState(t, p.Call(), hop.Cancelled)
			if _, again := p.Result(); again != err {
				t.Errorf("Result gives %v, Wait gave %v", again, err)
			}
			if p.Call().Err() != err {
				t.Errorf("Err gives %v, Wait gave %v", p.Call().Err(), err)
			}
		}
	})
}

func TestS16_ContextEndedBeforeTheFunctionReturned(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		g, started := newGate(t), make(chan struct{})
		ctx, cancel := context.WithCancelCause(t.Context())
		p := hop.Go(ctx, on, stubborn(g, started, 7, nil))
		recv(t, "start", started)
		cancel(errEnough)
		g.open()
		if ce := wantCancelled(t, waitErr(t, p)); ce.Cause != errEnough {
			t.Errorf("cause %v, want %v itself", ce.Cause, errEnough)
		}
		wantState(t, p.Call(), hop.Cancelled)
	})
}

func TestS16_ContextEndedByTheFunctionItself(t *testing.T) {
	// No other goroutine has a turn between the end of the context and the function's return.
	everywhere(t, func(t *testing.T, on hop.Portal) {
		ctx, cancel := context.WithCancelCause(t.Context())
		p := hop.Go(ctx, on, func(context.Context) (int, error) { cancel(errEnough); return 7, nil })
		if ce := wantCancelled(t, waitErr(t, p)); ce.Cause != errEnough {
			t.Errorf("cause %v", ce.Cause)
		}
	})
}

func TestS16_CancelledByTheFunctionItself(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		var said bool
		var inside error
		p := hop.Go(t.Context(), on, func(ctx context.Context) (int, error) {
			said = hop.CurrentCall(ctx).Cancel(errEnough)
			inside = context.Cause(ctx)
			return 7, nil
		})
		wantCancelled(t, waitErr(t, p))
		if !said || inside != errEnough {
			t.Errorf("inside, Cancel reported %v and the context's cause became %v", said, inside)
		}
	})
}

func TestS16_ContextEndedAfterTheFunctionReturnedChangesNothing(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		ctx, cancel := context.WithCancel(t.Context())
		p := hop.Go(ctx, on, value(7))
		must(t, p)
		cancel()
		if v, err := p.Result(); v != 7 || err != nil {
			t.Errorf("Result %v, %v", v, err)
		}
		if p.Cancel(errEnough) {
			t.Error("Cancel of a succeeded call reports true")
		}
		wantState(t, p.Call(), hop.Succeeded)
	})
}

func TestS16_CancelReportsWhetherItEndsCancelled(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		failed := hop.Go(t.Context(), on, failure(errors.New("own")))
		_ = waitErr(t, failed)
		if failed.Cancel(nil) || failed.Call().Cancel(nil) {
			t.Error("true for a failed call")
		}
		g, started := newGate(t), make(chan struct{})
		p := hop.Go(t.Context(), on, stubborn(g, started, 1, nil))
		recv(t, "start", started)
		for _, cancel := range []func(error) bool{p.Cancel, p.Cancel, p.Call().Cancel} {
			if !cancel(nil) {
				t.Error("false for a running call, the first time or later")
			}
		}
		g.open()
		wantCancelled(t, waitErr(t, p))
		if !p.Cancel(nil) {
			t.Error("false for a call that has ended cancelled")
		}
	})
}

func TestS16_CancelRequestedIsNotDone(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		g, started := newGate(t), make(chan struct{})
		p := hop.Go(t.Context(), on, stubborn(g, started, 1, nil))
		recv(t, "start", started)
		notified := make(chan struct{})
		p.OnDone(func() { close(notified) })
		p.Cancel(errEnough)
		if isDone(p.Done()) || isDone(notified) {
			t.Error("done though the function runs")
		}
		if _, err := p.Result(); !errors.Is(err, hop.ErrNotDone) {
			t.Errorf("Result gives %v, want ErrNotDone", err)
		}
		if err := p.Call().Err(); !errors.Is(err, hop.ErrNotDone) {
			t.Errorf("Err gives %v, want ErrNotDone", err)
		}
		wantState(t, p.Call(), hop.Running)
		g.open()
		recv(t, "OnDone", notified)
		wantState(t, p.Call(), hop.Cancelled)
	})
}

func TestS16_CancelOfNilIsCanceled(t *testing.T) {
	p := hop.New(t.Context(), value(1))
	p.Cancel(nil)
	if ce := wantCancelled(t, waitErr(t, p)); ce.Cause != context.Canceled {
		t.Errorf("cause %v, want context.Canceled", ce.Cause)
	}
}

func TestS16_SeveralCancelsAddTheirCauses(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		first, second := errors.New("first"), errors.New("second")
		g, started, inside := newGate(t), make(chan struct{}), make(chan error, 1)
		p := hop.Go(t.Context(), on, func(ctx context.Context) (int, error) {
			close(started)
			g.pass()
			inside <- context.Cause(ctx)
			return 1, nil
		})
		recv(t, "start", started)
		p.Cancel(first)
		p.Cancel(second)
		g.open()
		err := waitErr(t, p)
		wantCancelled(t, err)
		wantIs(t, err, first)
		wantIs(t, err, second)
		if got := recv(t, "cause", inside); got != first {
			t.Errorf("the context's cause is %v, want the first", got)
		}
		third := errors.New("third")
		p.Cancel(third)
		wantNot(t, waitErr(t, p), third)
	})
}

// Each cause is asked whether it is the next: a call that many cancel, each for a reason of his own, does not keep all of them.
func TestS16_OfVeryManyCausesTheFirstAreKept(t *testing.T) {
	const n = 2000
	asked := 0
	p := hop.NewPromise[int](bg)
	p.OnCancel(func(error) {}) // it only asks
	var causes []*asksError
	for range n {
		causes = append(causes, &asksError{func() { asked++ }})
		if !p.Pending().Cancel(causes[len(causes)-1]) {
			t.Fatal("it will not end cancelled")
		}
	}
	if asked > n {
		t.Errorf("the causes were asked %d times in %d cancels", asked, n)
	}
	p.Resolve(1)
	err := waitErr(t, p.Pending())
	wantCancelled(t, err)
	kept := 0
	for i, cause := range causes {
		if errors.Is(err, cause) {
			if kept++; i >= 100 {
				t.Errorf("the %dth cause is kept", i)
			}
		}
	}
	if kept < 10 || kept > 100 {
		t.Errorf("%d causes are kept", kept)
	}
}

func TestS16_CausesThatCannotBeCompared(t *testing.T) {
	g, started := newGate(t), make(chan struct{})
	p := hop.Go(t.Context(), hop.Goroutines, stubborn(g, started, 1, nil))
	recv(t, "start", started)
	p.Cancel(bag{[]string{"a"}})
	p.Cancel(bag{[]string{"b"}})
	p.Cancel(errEnough)
	g.open()
	err := waitErr(t, p)
	var b bag
	if wantIs(t, err, errEnough); !errors.As(err, &b) {
		t.Errorf("the first cause is not in %v", err)
	}
	_ = err.Error()
}

func TestS16_SameCauseTwiceStaysItself(t *testing.T) {
	g, started := newGate(t), make(chan struct{})
	p := hop.Go(t.Context(), hop.Goroutines, stubborn(g, started, 1, nil))
	recv(t, "start", started)
	p.Cancel(errEnough)
	p.Cancel(errEnough)
	g.open()
	wantIs(t, wantCancelled(t, waitErr(t, p)).Cause, errEnough)
}

func TestS16_AValueOfACancelledCallGoesToOnUndeliveredBeforeItIsDone(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		g, started := newGate(t), make(chan struct{})
		var got []string
		var p *hop.Pending[string]
		p = hop.New(t.Context(), stubborn(g, started, "conn", nil), hop.OnUndelivered(func(s string) {
			got = append(got, s)
			if isDone(p.Done()) {
				t.Error("done before the value was disposed of")
			}
		}))
		if err := on.Submit(p.Call()); err != nil {
			t.Fatal(err)
		}
		recv(t, "start", started)
		p.Cancel(nil)
		g.open()
		wantCancelled(t, waitErr(t, p))
		if !slices.Equal(got, []string{"conn"}) {
			t.Errorf("OnUndelivered got %q", got)
		}
	})
}

func TestS16_OnUndeliveredWhenTheContextEnded(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		ctx, cancel := context.WithCancel(t.Context())
		var got []string
		p := hop.Go(ctx, on, func(context.Context) (string, error) { cancel(); return "conn", nil },
			hop.OnUndelivered(func(s string) { got = append(got, s) }))
		wantCancelled(t, waitErr(t, p))
		if !slices.Equal(got, []string{"conn"}) {
			t.Errorf("OnUndelivered got %q", got)
		}
	})
}

func TestS16_OnUndeliveredGetsNothingWithoutAnUndeliveredValue(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		var got atomic.Int32
		opt := hop.OnUndelivered(func(int) { got.Add(1) })
		must(t, hop.Go(t.Context(), on, value(1), opt))
		if got.Load() != 0 {
			t.Fatal("the value of a succeeded call")
		}
		_ = waitErr(t, hop.Go(t.Context(), on, failure(errors.New("own")), opt))
		if got.Load() != 0 {
			t.Fatal("the value of a failed call")
		}
		ctx, cancel := context.WithCancel(t.Context())
		wantCancelled(t, waitErr(t, hop.Go(ctx, on, func(ctx context.Context) (int, error) { cancel(); return 0, ctx.Err() }, opt)))
		if got.Load() != 0 {
			t.Fatal("the value of a cancelled call that returned an error")
		}
		p := hop.New(t.Context(), value(1), opt)
		p.Cancel(nil)
		_ = on.Submit(p.Call())
		wantCancelled(t, waitErr(t, p))
		if got.Load() != 0 {
			t.Fatal("the value of a call that never ran")
		}
	})
}

func TestS16_APanicInOnUndeliveredDoesNotStrandTheCall(t *testing.T) {
	l := newLoop(t, &hop.LoopOptions{OnPanic: func(*hop.PanicError) {}})
	ctx, cancel := context.WithCancel(t.Context())
	p := hop.Go(ctx, l, func(context.Context) (int, error) { cancel(); return 1, nil },
		hop.OnUndelivered(func(int) { panic("boom") }))
	if err := waitErr(t, p); err == nil {
		t.Error("no error")
	}
	must(t, hop.Go(t.Context(), l, value(1)))
}

func TestS16_CancelAndReturnRaceToOneOutcome(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		for range 100 {
			var undelivered atomic.Int32
			p := hop.Go(t.Context(), on, value(1), hop.OnUndelivered(func(int) { undelivered.Add(1) }))
			if p.Cancel(errEnough) {
				wantCancelled(t, waitErr(t, p))
			} else {
				if v, err := wait(t, p); v != 1 || err != nil {
					t.Fatalf("Cancel reported false and the call gave %v, %v", v, err)
				}
				if undelivered.Load() != 0 {
					t.Fatal("a delivered value went to OnUndelivered")
				}
			}
		}
	})
}

// S17

func TestS17_AQueuedCallIsDoneAtOnceThoughItsPlaceIsStuck(t *testing.T) {
	ends := map[string]func(cancel context.CancelCauseFunc, p *hop.Pending[int]){
		"cancelled":        func(_ context.CancelCauseFunc, p *hop.Pending[int]) { p.Cancel(errEnough) },
		"its context over": func(cancel context.CancelCauseFunc, _ *hop.Pending[int]) { cancel(errEnough) },
	}
	// Each way to wait or watch alone, so that one cannot do another's work.
	looks := map[string]func(t *testing.T, p *hop.Pending[int], then func()) error{
		"Wait": func(t *testing.T, p *hop.Pending[int], then func()) error {
			then()
			return waitErr(t, p)
		},
		"Wait begun before": func(t *testing.T, p *hop.Pending[int], then func()) error {
			errs := make(chan error)
			go func() { _, err := p.Wait(context.Background()); errs <- err }()
			then()
			return recv(t, "Wait", errs)
		},
		"Done": func(t *testing.T, p *hop.Pending[int], then func()) error {
			then()
			recv(t, "Done", p.Done())
			_, err := p.Result()
			return err
		},
		"Done asked for before": func(t *testing.T, p *hop.Pending[int], then func()) error {
			done := p.Call().Done()
			then()
			recv(t, "Done", done)
			return p.Call().Err()
		},
		"OnDone": func(t *testing.T, p *hop.Pending[int], then func()) error {
			done := make(chan error, 1)
			p.OnDone(func() { _, err := p.Result(); done <- err })
			then()
			return recv(t, "OnDone", done)
		},
		"a task of another loop": func(t *testing.T, p *hop.Pending[int], then func()) error {
			other := newLoop(t, nil)
			w := hop.Go(t.Context(), other, func(ctx context.Context) (error, error) { _, err := p.Wait(ctx); return err, nil })
			must(t, hop.Go(t.Context(), other, value(1)))
			then()
			return must(t, w)
		},
		"CancelWait": func(t *testing.T, p *hop.Pending[int], then func()) error {
			then()
			within(t, patience, "CancelWait", func() { _ = p.CancelWait(context.Background(), nil) })
			return p.Call().Err()
		},
		"Waiter": func(t *testing.T, p *hop.Pending[int], then func()) error {
			then()
			within(t, patience, "Waiter.Wait", func() {
				if err := hop.NewWaiter().Wait(context.Background(), p.Call()); err != nil {
					t.Errorf("Waiter.Wait: %v", err)
				}
			})
			return p.Call().Err()
		},
		"Group": func(t *testing.T, p *hop.Pending[int], then func()) error {
			within(t, patience, "WithGroup", func() {
				_ = hop.WithGroup(context.Background(), nil, func(ctx context.Context) error {
					hop.CurrentGroup(ctx).Add(p.Call())
					then()
					return nil
				})
			})
			return p.Call().Err()
		},
	}
	for where, make := range busyKinds {
		for how, end := range ends {
			for who, look := range looks {
				t.Run(fmt.Sprintf("%s/%s/%s", where, how, who), func(t *testing.T) {
					on := make(t)
					busy := occupy(t, on)
					ctx, cancel := context.WithCancelCause(t.Context())
					defer cancel(nil)
					var ran atomic.Bool
					p := hop.Go(ctx, on, func(context.Context) (int, error) { ran.Store(true); return 1, nil })
					err := look(t, p, func() { end(cancel, p) })
					wantIs(t, wantCancelled(t, err).Cause, errEnough)
					wantState(t, p.Call(), hop.Cancelled)
					busy.open()
					must(t, hop.Go(t.Context(), on, value(1)))
					if ran.Load() {
						t.Error("the function ran")
					}
				})
			}
		}
	}
}

func TestS17_ACallThatNothingRunsYetIsDoneAtOnce(t *testing.T) {
	manual := newLoop(t, &hop.LoopOptions{Manual: true}) // nobody calls its Run
	for name, on := range map[string]hop.Portal{"ManualLoop": manual, "Waiter": hop.NewWaiter()} {
		t.Run(name, func(t *testing.T) {
			p := hop.Go(t.Context(), on, value(1))
			if !p.Cancel(errEnough) {
				t.Error("Cancel reports false")
			}
			if !isDone(p.Done()) {
				t.Error("not done when Cancel has returned")
			}
			wantCancelled(t, waitErr(t, p))

			ctx, cancel := context.WithCancelCause(t.Context())
			p = hop.Go(ctx, on, value(1))
			cancel(errEnough)
			if ce := wantCancelled(t, waitErr(t, p)); ce.Cause != errEnough {
				t.Errorf("cause %v", ce.Cause)
			}
		})
	}
}

func TestS17_ACancelledCallNoLongerCountsInTheQueue(t *testing.T) {
	for name, on := range map[string]hop.Portal{
		"Loop": newLoop(t, &hop.LoopOptions{QueueLimit: 2, StallAfter: -1}),
		"Pool": newPool(t, &hop.PoolOptions{Size: 1, QueueLimit: 2}),
	} {
		t.Run(name, func(t *testing.T) {
			busy := occupy(t, on)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			first, second := hop.Go(t.Context(), on, value(1)), hop.Go(ctx, on, value(2))
			wantIs(t, waitErr(t, hop.Go(t.Context(), on, value(3))), hop.ErrFull)

			first.Cancel(nil)
			third := hop.Go(t.Context(), on, value(3))
			if err := third.Call().Err(); !errors.Is(err, hop.ErrNotDone) {
				t.Errorf("after a cancel the place is full still: %v", err)
			}
			wantIs(t, waitErr(t, hop.Go(t.Context(), on, value(4))), hop.ErrFull)

			cancel()
			wantCancelled(t, waitErr(t, second))
			fourth := hop.Go(t.Context(), on, value(4))
			if err := fourth.Call().Err(); !errors.Is(err, hop.ErrNotDone) {
				t.Errorf("after the end of a queued call's context the place is full still: %v", err)
			}
			wantIs(t, waitErr(t, hop.Go(t.Context(), on, value(5))), hop.ErrFull)

			if pool, ok := on.(*hop.Pool); ok {
				if n := pool.Stats().Queued; n != 2 {
					t.Errorf("Stats().Queued is %d, want 2", n)
				}
			}
			busy.open()
			if must(t, third) != 3 || must(t, fourth) != 4 {
				t.Error("the calls in the freed places gave something else")
			}
		})
	}
}

func TestS17_ACallWhoseContextEndedNoLongerCountsThoughNobodyLooksAtIt(t *testing.T) {
	for name, on := range map[string]hop.Portal{
		"Loop": newLoop(t, &hop.LoopOptions{QueueLimit: 1, StallAfter: -1}),
		"Pool": newPool(t, &hop.PoolOptions{Size: 1, QueueLimit: 1}),
	} {
		t.Run(name, func(t *testing.T) {
			busy := occupy(t, on)
			ctx, cancel := context.WithCancel(t.Context())
			hop.Go(ctx, on, value(1))
			cancel()
			p := hop.Go(t.Context(), on, value(2))
			if err := p.Call().Err(); !errors.Is(err, hop.ErrNotDone) {
				t.Errorf("the place is full still: %v", err)
			}
			busy.open()
			_ = waitErr(t, p)
		})
	}
}

func TestS17_CancellingTheQueueKeepsTheOrderOfTheRest(t *testing.T) {
	for name, make := range busyKinds {
		t.Run(name, func(t *testing.T) {
			on := make(t)
			busy := occupy(t, on)
			var mu sync.Mutex
			var ran, want []int
			var ps []*hop.Pending[int]
			for i := range 50 {
				ps = append(ps, hop.Go(t.Context(), on, func(context.Context) (int, error) {
					mu.Lock()
					defer mu.Unlock()
					ran = append(ran, i)
					return i, nil
				}))
			}
			for i, p := range ps {
				if i%3 == 0 || i > 45 {
					p.Cancel(nil)
				} else {
					want = append(want, i)
				}
			}
			busy.open()
			for _, p := range ps {
				_ = waitErr(t, p)
			}
			if !slices.Equal(ran, want) {
				t.Errorf("ran %v, want %v", ran, want)
			}
		})
	}
}

func TestS17_CancelAndStartRaceToOneOutcome(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		for range 100 {
			var ran atomic.Bool
			p := hop.New(t.Context(), func(ctx context.Context) (int, error) { ran.Store(true); return 1, nil })
			said := make(chan bool, 1)
			go func() { said <- p.Cancel(errEnough) }()
			if err := on.Submit(p.Call()); err != nil {
				t.Fatalf("Submit: %v", err)
			}
			err := waitErr(t, p)
			switch cancelled := recv(t, "Cancel", said); {
			case cancelled:
				wantCancelled(t, err)
			case err != nil || !ran.Load():
				t.Fatalf("Cancel reported false, the error is %v, the function ran: %v", err, ran.Load())
			}
		}
	})
}

// S18

func TestS18_ARunningCallIsAskedThroughItsContext(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		started, seen := make(chan struct{}), make(chan error, 2)
		p := hop.Go(t.Context(), on, func(ctx context.Context) (int, error) {
			close(started)
			<-ctx.Done()
			seen <- ctx.Err()
			seen <- context.Cause(ctx)
			return 0, ctx.Err()
		})
		recv(t, "start", started)
		p.Cancel(errEnough)
		if err := recv(t, "ctx.Err", seen); err != context.Canceled {
			t.Errorf("ctx.Err() is %v", err)
		}
		if err := recv(t, "context.Cause", seen); err != errEnough {
			t.Errorf("the context's cause is %v, want %v itself", err, errEnough)
		}
		wantCancelled(t, waitErr(t, p))
	})
}

func TestS18_EveryWaitInsideEndsWhenTheCallIsCancelled(t *testing.T) {
	never := hop.NewPromise[int](context.Background())
	full := hop.NewLimiter(1)
	full.TryAcquire()
	var e hop.Event
	for name, f := range map[string]func(context.Context) error{
		"Wait":    func(ctx context.Context) error { _, err := never.Pending().Wait(ctx); return err },
		"Sleep":   func(ctx context.Context) error { return hop.Sleep(ctx, time.Hour) },
		"Event":   e.Wait,
		"Limiter": full.Acquire,
		"Recv":    func(ctx context.Context) error { _, _, err := hop.Recv(ctx, make(chan int)); return err },
	} {
		t.Run(name, func(t *testing.T) {
			everywhere(t, func(t *testing.T, on hop.Portal) {
				started, ended := make(chan struct{}), make(chan error, 1)
				p := hop.Go(t.Context(), on, func(ctx context.Context) (int, error) {
					close(started)
					err := f(ctx)
					ended <- err
					return 0, err
				})
				recv(t, "start", started)
				p.Cancel(errEnough)
				err := recv(t, "end of the wait", ended)
				wantIs(t, err, context.Canceled)
				wantIs(t, err, errEnough)
				wantCancelled(t, waitErr(t, p))
			})
		})
	}
}

func TestS18_AWaitWithoutTheContextGoesOnWhenTheCallIsCancelled(t *testing.T) {
	everywhereInBubble(t, func(t *testing.T, on hop.Portal) {
		var first, second hop.Event
		ended := make(chan error, 1)
		p := hop.Go(bg, on, func(ctx context.Context) (int, error) {
			if err := first.Wait(ctx); err != nil {
				return 0, err
			}
			ended <- second.Wait(context.WithoutCancel(ctx)) // the wait before was bound to ctx
			return 0, nil
		})
		synctest.Wait()
		first.Set()
		synctest.Wait()
		wantState(t, p.Call(), hop.Waiting)
		p.Cancel(nil)
		synctest.Wait()
		select {
		case err := <-ended:
			t.Fatalf("the cancel has ended it: %v", err)
		default:
		}
		second.Set()
		if err := recv(t, "the wait's end", ended); err != nil {
			t.Error(err)
		}
		wantCancelled(t, waitErr(t, p))
	})
}

func TestS18_TheCancelOfACallReachesTheCallsItMade(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		started, inner := make(chan struct{}), make(chan *hop.Pending[int], 1)
		p := hop.Go(t.Context(), on, func(ctx context.Context) (int, error) {
			in := hop.Go(ctx, hop.Goroutines, func(ctx context.Context) (int, error) {
				close(started)
				<-ctx.Done()
				return 0, context.Cause(ctx)
			})
			inner <- in
			return in.Wait(ctx)
		})
		in := recv(t, "the inner call", inner)
		recv(t, "start of the inner call", started)
		p.Cancel(errEnough)
		if ce := wantCancelled(t, waitErr(t, in)); ce.Cause != errEnough {
			t.Errorf("cause of the inner call's end: %v", ce.Cause)
		}
		wantCancelled(t, waitErr(t, p))
	})
}

func TestS18_AbandonEndsThePendingAtOnce(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		g, started := newGate(t), make(chan struct{})
		p := hop.Go(t.Context(), on, stubborn(g, started, 1, nil), hop.Abandon())
		recv(t, "start", started)
		if !p.Cancel(errEnough) {
			t.Error("Cancel reports false")
		}
		if !isDone(p.Done()) {
			t.Error("not done when Cancel has returned")
		}
		if ce := wantCancelled(t, waitErr(t, p)); ce.Cause != errEnough {
			t.Errorf("cause %v", ce.Cause)
		}
		wantState(t, p.Call(), hop.Cancelled)
		first := p.Call().Err()
		g.open()
		within(t, patience, "CancelWait", func() { _ = p.CancelWait(context.Background(), nil) })
		if p.Call().Err() != first {
			t.Errorf("the function's return changed the error to %v", p.Call().Err())
		}
		must(t, hop.Go(t.Context(), on, value(1)))
	})
}

func TestS18_AbandonWhenTheContextEnds(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		g, started := newGate(t), make(chan struct{})
		ctx, cancel := context.WithCancelCause(t.Context())
		p := hop.Go(ctx, on, stubborn(g, started, 1, nil), hop.Abandon())
		recv(t, "start", started)
		cancel(errEnough)
		if ce := wantCancelled(t, waitErr(t, p)); ce.Cause != errEnough {
			t.Errorf("cause %v", ce.Cause)
		}
		g.open()
		must(t, hop.Go(t.Context(), on, value(1)))
	})
}

func TestS18_AbandonedAtItsTimeout(t *testing.T) {
	everywhereInBubble(t, func(t *testing.T, on hop.Portal) {
		g, started := newGate(t), make(chan struct{})
		start := time.Now()
		p := hop.Go(t.Context(), on, stubborn(g, started, 1, nil), hop.Abandon(), hop.Timeout(time.Second))
		err := waitErr(t, p)
		wantCancelled(t, err)
		wantIs(t, err, context.DeadlineExceeded)
		if d := time.Since(start); d != time.Second {
			t.Errorf("it ended after %v", d)
		}
		g.open()
	})
}

func TestS18_AbandonedFunctionsAreCountedUntilTheyReturn(t *testing.T) {
	for _, threads := range []bool{false, true} {
		t.Run(fmt.Sprintf("Threads=%v", threads), func(t *testing.T) {
			if threads {
				needsThread(t)
			}
			pool := newPool(t, &hop.PoolOptions{Threads: threads})
			g := newGate(t)
			if n := pool.Stats().Abandoned; n != 0 {
				t.Errorf("%d abandoned at the beginning", n)
			}
			for range 3 {
				started := make(chan struct{})
				p := hop.Go(t.Context(), pool, stubborn(g, started, 1, nil), hop.Abandon())
				recv(t, "start", started)
				p.Cancel(nil)
			}
			if n := pool.Stats().Abandoned; n != 3 {
				t.Errorf("Stats().Abandoned is %d, want 3", n)
			}
			g.open()
			eventually(t, "Stats().Abandoned is 0 when they have returned", func() bool { return pool.Stats().Abandoned == 0 })
		})
	}
}

func TestS18_AbandonAndStartRaceToACountOfZero(t *testing.T) {
	pool := newPool(t, nil)
	for range 300 {
		p := hop.New(t.Context(), value(1), hop.Abandon())
		submitted := make(chan struct{})
		go func() { defer close(submitted); _ = pool.Submit(p.Call()) }()
		p.Cancel(nil)
		recv(t, "Submit", submitted)
		p.Cancel(nil)
		_ = waitErr(t, p)
	}
	eventually(t, "no abandoned function is counted", func() bool { s := pool.Stats(); return s.Abandoned == 0 && s.Running == 0 })
}

func TestS18_ALockedThreadKeptByAnAbandonedFunctionIsReplaced(t *testing.T) {
	needsThread(t)
	pool := newPool(t, &hop.PoolOptions{Size: 1, Threads: true})
	g, started := newGate(t), make(chan struct{})
	p := hop.Go(t.Context(), pool, stubborn(g, started, 1, nil), hop.Abandon())
	recv(t, "start", started)
	p.Cancel(nil)
	if got := must(t, hop.Go(t.Context(), pool, value("next"))); got != "next" {
		t.Errorf("got %q", got)
	}
}

func TestS18_TheValueOfAnAbandonedFunctionGoesToOnUndelivered(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		g, started, got := newGate(t), make(chan struct{}), make(chan string, 2)
		p := hop.Go(t.Context(), on, stubborn(g, started, "conn", nil), hop.Abandon(), hop.OnUndelivered(func(s string) { got <- s }))
		recv(t, "start", started)
		p.Cancel(nil)
		g.open()
		if s := recv(t, "OnUndelivered", got); s != "conn" {
			t.Errorf("got %q", s)
		}
	})
}

func TestS18_AbandonWithoutACancelChangesNothing(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		own := errors.New("own")
		if got := must(t, hop.Go(t.Context(), on, value(3), hop.Abandon())); got != 3 {
			t.Errorf("got %d", got)
		}
		if err := waitErr(t, hop.Go(t.Context(), on, failure(own), hop.Abandon())); err != own {
			t.Errorf("got %v", err)
		}
	})
}

// S19

func TestS19_ACancellationErrorOfItsOwnMakingIsAFailure(t *testing.T) {
	cancelledCall := hop.New(t.Context(), value(1))
	cancelledCall.Cancel(errEnough)
	for _, own := range []error{
		context.Canceled, context.DeadlineExceeded, hop.ErrCancelled,
		fmt.Errorf("wrapped: %w", context.Canceled),
		&hop.CancelError{Cause: errEnough},
		cancelledCall.Call().Err(),
	} {
		t.Run(fmt.Sprintf("%T %v", own, own), func(t *testing.T) {
			everywhere(t, func(t *testing.T, on hop.Portal) {
				p := hop.Go(t.Context(), on, failure(own))
				if err := waitErr(t, p); err != own {
					t.Errorf("got %v (%T), want the function's own", err, err)
				}
				wantState(t, p.Call(), hop.Failed)
				if p.Cancel(nil) {
					t.Error("Cancel reports true")
				}
			})
		})
	}
}

func TestS19_AnInnerTimeoutIsNotTheCallsOwn(t *testing.T) {
	everywhereInBubble(t, func(t *testing.T, on hop.Portal) {
		p := hop.Go(t.Context(), on, func(ctx context.Context) (int, error) {
			inner, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			return 0, hop.Sleep(inner, time.Minute)
		}, hop.Timeout(time.Hour))
		err := waitErr(t, p)
		wantIs(t, err, context.DeadlineExceeded)
		wantState(t, p.Call(), hop.Failed)
	})
}

func TestS19_AnInnerCallsCancellationIsNotTheOuters(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		p := hop.Go(t.Context(), on, func(ctx context.Context) (int, error) {
			inner := hop.NewPromise[int](ctx).Pending()
			inner.Cancel(errEnough)
			return inner.Wait(ctx)
		})
		wantIs(t, waitErr(t, p), hop.ErrCancelled)
		wantState(t, p.Call(), hop.Failed)
	})
}

// S20

func TestS20_TimeoutCountsFromTheStartOfTheFunction(t *testing.T) {
	for name, make := range busyKinds {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				on := make(t)
				busy := occupy(t, on)
				p := hop.Go(t.Context(), on, func(ctx context.Context) (time.Duration, error) {
					start := time.Now()
					if d, ok := ctx.Deadline(); !ok || !d.Equal(start.Add(time.Second)) {
						t.Errorf("its deadline is %v (%v), it started at %v", d, ok, start)
					}
					<-ctx.Done()
					if ctx.Err() != context.DeadlineExceeded {
						t.Errorf("its context ended with %v", ctx.Err())
					}
					if d := time.Since(start); d != time.Second {
						t.Errorf("its context ended after %v", d)
					}
					return 0, nil
				}, hop.Timeout(time.Second))
				time.Sleep(3 * time.Second) // in the queue
				busy.open()
				err := waitErr(t, p)
				wantCancelled(t, err)
				wantIs(t, err, context.DeadlineExceeded)
				wantNot(t, err, context.Canceled)
				wantState(t, p.Call(), hop.Cancelled)
			})
		})
	}
}

func TestS20_TimeoutSpansTheWaits(t *testing.T) {
	everywhereInBubble(t, func(t *testing.T, on hop.Portal) {
		start, naps := time.Now(), 0
		p := hop.Go(t.Context(), on, func(ctx context.Context) (int, error) {
			for {
				if err := hop.Sleep(ctx, 400*time.Millisecond); err != nil {
					return naps, err
				}
				naps++
			}
		}, hop.Timeout(time.Second))
		wantIs(t, wantCancelled(t, waitErr(t, p)), context.DeadlineExceeded)
		if d := time.Since(start); d != time.Second || naps != 2 {
			t.Errorf("ended after %v and %d naps, want 1s and 2", d, naps)
		}
	})
}

func TestS20_TimeoutSpansTheCallsThatItMakes(t *testing.T) {
	everywhereInBubble(t, func(t *testing.T, on hop.Portal) {
		start, other := time.Now(), newLoop(t, nil)
		p := hop.Go(t.Context(), on, func(ctx context.Context) (int, error) {
			if err := hop.Sleep(ctx, 600*time.Millisecond); err != nil {
				return 0, err
			}
			return hop.Do(ctx, other, func(ctx context.Context) (int, error) { return 0, hop.Sleep(ctx, time.Minute) })
		}, hop.Timeout(time.Second))
		wantIs(t, wantCancelled(t, waitErr(t, p)), context.DeadlineExceeded)
		if d := time.Since(start); d != time.Second {
			t.Errorf("ended after %v", d)
		}
	})
}

func TestS20_TimeoutOverWithoutAReactionIsACancellationToo(t *testing.T) {
	everywhereInBubble(t, func(t *testing.T, on hop.Portal) {
		var undelivered []int
		p := hop.Go(t.Context(), on, func(context.Context) (int, error) { time.Sleep(2 * time.Second); return 7, nil },
			hop.Timeout(time.Second), hop.OnUndelivered(func(v int) { undelivered = append(undelivered, v) }))
		wantIs(t, wantCancelled(t, waitErr(t, p)), context.DeadlineExceeded)
		if !slices.Equal(undelivered, []int{7}) {
			t.Errorf("OnUndelivered got %v", undelivered)
		}
	})
}

func TestS20_TimeoutNotReachedChangesNothing(t *testing.T) {
	everywhereInBubble(t, func(t *testing.T, on hop.Portal) {
		p := hop.Go(t.Context(), on, func(ctx context.Context) (int, error) {
			return 3, hop.Sleep(ctx, 999*time.Millisecond)
		}, hop.Timeout(time.Second))
		if got := must(t, p); got != 3 {
			t.Errorf("got %d", got)
		}
		time.Sleep(time.Second)
		wantState(t, p.Call(), hop.Succeeded)
	})
}

func TestS20_TimeoutOfDoAndRun(t *testing.T) {
	everywhereInBubble(t, func(t *testing.T, on hop.Portal) {
		for range 2 {
			start := time.Now()
			within(t, patience, "Do and Run", func() {
				_, err := hop.Do(t.Context(), on, func(ctx context.Context) (int, error) { return 0, hop.Sleep(ctx, time.Minute) },
					hop.Timeout(time.Second))
				wantIs(t, wantCancelled(t, err), context.DeadlineExceeded)
				err = hop.Run(t.Context(), on, func(ctx context.Context) error { return hop.Sleep(ctx, time.Minute) },
					hop.Timeout(time.Second))
				wantIs(t, wantCancelled(t, err), context.DeadlineExceeded)
			})
			if d := time.Since(start); d != 2*time.Second {
				t.Errorf("they took %v", d)
			}
		}
	})
}

func TestS20_TheContextsDeadlineSpansTheQueue(t *testing.T) {
	for name, make := range busyKinds {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				on := make(t)
				busy := occupy(t, on)
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				var ran atomic.Bool
				start := time.Now()
				p := hop.Go(ctx, on, func(context.Context) (int, error) { ran.Store(true); return 1, nil }, hop.Timeout(time.Hour))
				err := waitErr(t, p)
				wantIs(t, wantCancelled(t, err), context.DeadlineExceeded)
				wantNot(t, err, context.Canceled)
				if d := time.Since(start); d != time.Second {
					t.Errorf("it ended after %v", d)
				}
				busy.open()
				must(t, hop.Go(t.Context(), on, value(1)))
				if ran.Load() {
					t.Error("the function ran")
				}
			})
		})
	}
}

func TestS20_TheEarlierOfTimeoutAndDeadlineHolds(t *testing.T) {
	everywhereInBubble(t, func(t *testing.T, on hop.Portal) {
		for _, c := range []struct{ timeout, deadline time.Duration }{{time.Second, 2 * time.Second}, {2 * time.Second, time.Second}} {
			ctx, cancel := context.WithTimeout(t.Context(), c.deadline)
			start := time.Now()
			p := hop.Go(ctx, on, func(ctx context.Context) (int, error) {
				if d, _ := ctx.Deadline(); !d.Equal(start.Add(time.Second)) {
					t.Errorf("%v: the deadline inside is %v from the start", c, d.Sub(start))
				}
				return 0, hop.Sleep(ctx, time.Minute)
			}, hop.Timeout(c.timeout))
			wantIs(t, wantCancelled(t, waitErr(t, p)), context.DeadlineExceeded)
			if d := time.Since(start); d != time.Second {
				t.Errorf("%v: ended after %v", c, d)
			}
			cancel()
		}
	})
}

func TestS20_ADeadlineWithACauseIsATimeoutWithThatCause(t *testing.T) {
	everywhereInBubble(t, func(t *testing.T, on hop.Portal) {
		slow := errors.New("too slow")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, slow)
		defer cancel()
		err := waitErr(t, hop.Go(ctx, on, func(ctx context.Context) (int, error) {
			<-ctx.Done()
			if ctx.Err() != context.DeadlineExceeded || context.Cause(ctx) != slow {
				t.Errorf("inside, Err is %v and the cause %v", ctx.Err(), context.Cause(ctx))
			}
			return 0, hop.Sleep(ctx, time.Minute)
		}))
		if ce := wantCancelled(t, err); ce.Cause != slow {
			t.Errorf("cause %v, want %v itself", ce.Cause, slow)
		}
		wantIs(t, err, context.DeadlineExceeded)
	})
}

func TestS20_TheTimeoutIsADeadlineForAllThatIsDerived(t *testing.T) {
	everywhereInBubble(t, func(t *testing.T, on hop.Portal) {
		for _, when := range []string{"after the start", "before the start"} {
			start := time.Now()
			p := hop.New(t.Context(), func(ctx context.Context) (int, error) {
				if d, ok := ctx.Deadline(); !ok || !d.Equal(start.Add(time.Second)) {
					t.Errorf("Done asked for %s: the deadline is %v (%v)", when, d.Sub(start), ok)
				}
				derived, cancel := context.WithCancel(ctx)
				defer cancel()
				<-derived.Done()
				if derived.Err() != context.DeadlineExceeded || ctx.Err() != context.DeadlineExceeded {
					t.Errorf("Done asked for %s: Err is %v, of a derived context %v", when, ctx.Err(), derived.Err())
				}
				return 1, nil
			}, hop.Timeout(time.Second))
			if when == "before the start" {
				_ = p.Call().Context().Done() // as a portal may
			}
			if err := on.Submit(p.Call()); err != nil {
				t.Fatal(err)
			}
			wantIs(t, wantCancelled(t, waitErr(t, p)), context.DeadlineExceeded)
			if d := time.Since(start); d != time.Second {
				t.Errorf("it took %v", d)
			}
		}
	})
}

func TestS20_CancelBeforeTheTimeoutIsNoTimeout(t *testing.T) {
	everywhereInBubble(t, func(t *testing.T, on hop.Portal) {
		p := hop.Go(t.Context(), on, func(ctx context.Context) (int, error) { return 0, hop.Sleep(ctx, time.Minute) },
			hop.Timeout(time.Second))
		time.Sleep(500 * time.Millisecond)
		p.Cancel(errEnough)
		err := waitErr(t, p)
		wantIs(t, err, context.Canceled)
		wantNot(t, err, context.DeadlineExceeded)
	})
}

// S21

// slow reacts to the end of its context with a second (virtual) of clean-up.
func slow(started chan<- struct{}, returned *atomic.Bool) func(context.Context) (int, error) {
	return func(ctx context.Context) (int, error) {
		defer returned.Store(true)
		close(started)
		<-ctx.Done()
		time.Sleep(time.Second)
		return 0, ctx.Err()
	}
}

func TestS21_CancelWaitReturnsWhenTheFunctionHasReturned(t *testing.T) {
	everywhereInBubble(t, func(t *testing.T, on hop.Portal) {
		for _, opts := range [][]hop.Option{nil, {hop.Abandon()}} {
			var returned atomic.Bool
			started := make(chan struct{})
			p := hop.Go(t.Context(), on, slow(started, &returned), opts...)
			recv(t, "start", started)
			start := time.Now()
			within(t, patience, "CancelWait", func() {
				if err := p.CancelWait(t.Context(), errEnough); err != nil {
					t.Errorf("CancelWait: %v", err)
				}
			})
			if !returned.Load() {
				t.Errorf("with %d options: the function had not returned", len(opts))
			}
			if d := time.Since(start); d != time.Second {
				t.Errorf("with %d options: it took %v", len(opts), d)
			}
			if ce := wantCancelled(t, waitErr(t, p)); ce.Cause != errEnough {
				t.Errorf("cause %v", ce.Cause)
			}
		}
	})
}

func TestS21_CancelWaitOfATaskLetsItsLoopRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoop(t, &hop.LoopOptions{StallAfter: -1})
		cleaned := false
		victim := hop.Go(t.Context(), l, func(ctx context.Context) (int, error) {
			_ = hop.Sleep(ctx, time.Hour)
			_ = hop.Sleep(context.WithoutCancel(ctx), time.Second)
			cleaned = true
			return 0, ctx.Err()
		})
		other := hop.Go(t.Context(), l, func(ctx context.Context) (bool, error) {
			err := victim.CancelWait(ctx, errEnough)
			return cleaned, err
		})
		if !must(t, other) {
			t.Error("CancelWait returned before the function")
		}
	})
}

func TestS21_CancelWaitEndedByItsContext(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		g, started := newGate(t), make(chan struct{})
		p := hop.Go(t.Context(), on, stubborn(g, started, 1, nil))
		recv(t, "start", started)
		ctx, cancel := context.WithCancelCause(t.Context())
		bored := errors.New("bored")
		cancel(bored)
		within(t, patience, "CancelWait with an ended context", func() {
			err := p.CancelWait(ctx, errEnough)
			wantIs(t, err, context.Canceled)
			wantIs(t, err, bored)
		})
		if isDone(p.Done()) {
			t.Error("done though the function runs")
		}
		g.open()
		wantIs(t, wantCancelled(t, waitErr(t, p)).Cause, errEnough)
	})
}

func TestS21_CancelWaitOfACallThatDoesNotRunReturnsAtOnce(t *testing.T) {
	within(t, patience, "CancelWait", func() {
		done := hop.New(t.Context(), value(1))
		done.Call().Run()
		if err := done.CancelWait(t.Context(), nil); err != nil {
			t.Errorf("of a succeeded call: %v", err)
		}
		made := hop.New(t.Context(), value(1))
		if err := made.CancelWait(t.Context(), nil); err != nil {
			t.Errorf("of a call never submitted: %v", err)
		}
		if err := made.Call().CancelWait(t.Context(), nil); err != nil {
			t.Errorf("of a cancelled call: %v", err)
		}
	})
}

func TestS21_ManyCancelWaitsAllReturn(t *testing.T) {
	everywhereInBubble(t, func(t *testing.T, on hop.Portal) {
		var returned atomic.Bool
		started := make(chan struct{})
		p := hop.Go(t.Context(), on, slow(started, &returned))
		recv(t, "start", started)
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				if err := p.CancelWait(t.Context(), errEnough); err != nil || !returned.Load() {
					t.Errorf("CancelWait: %v, the function had returned: %v", err, returned.Load())
				}
			})
		}
		within(t, patience, "all CancelWaits", all.Wait)
	})
}

// asksError is an error whose Is asks.
type asksError struct{ ask func() }

func (e asksError) Error() string { return "asks" }

func (e asksError) Is(error) bool {
	e.ask()
	return false
}

// The errors of users have methods, which may look at the call or group that they end: no lock is held then.
func TestErrorsThatAskWhatTheyEnd(t *testing.T) {
	t.Run("a call", func(t *testing.T) {
		started, release := make(chan struct{}), make(chan struct{})
		p := hop.Go(bg, hop.Goroutines, func(context.Context) (int, error) {
			close(started)
			<-release
			return 0, nil
		})
		recv(t, "its start", started)
		asked := 0
		ask := asksError{func() {
			asked++
			p.Call().Cancel(nil)
			_ = p.String()
		}}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			p.Cancel(&ask)
			p.Cancel(errEnough)
			p.Cancel(errStruck)
			p.Cancel(errEnough)
		}()
		recv(t, "the cancels", ended)
		close(release)
		_, err := p.Wait(bg)
		for _, want := range []error{&ask, errEnough, errStruck, hop.ErrCancelled} {
			wantIs(t, err, want)
		}
		if n := strings.Count(err.Error(), errEnough.Error()); n != 1 {
			t.Errorf("%d times in %q, want once", n, err)
		}
		if asked == 0 {
			t.Error("nobody has asked the error")
		}
	})
	t.Run("a group", func(t *testing.T) {
		ctx, cancel := context.WithCancel(bg)
		asked := 0
		ended := make(chan error, 1)
		go func() {
			ended <- hop.WithGroup(ctx, nil, func(ctx context.Context) error {
				g := hop.CurrentGroup(ctx)
				cancel()
				return &asksError{func() {
					asked++
					g.Cancel(nil)
					g.Calls()
				}}
			})
		}()
		wantIs(t, recv(t, "the group's end", ended), context.Canceled)
		if asked == 0 {
			t.Error("nobody has asked the error")
		}
	})
}

// A context that was derived while the function ran relies on the deadline, and one that is derived later has its own.
func TestS20_WhatIsDerivedEndsAlsoAfterTheFunction(t *testing.T) {
	everywhereInBubble(t, func(t *testing.T, on hop.Portal) {
		start := time.Now()
		var own, later, sooner, quit, child context.Context
		var cancels [3]context.CancelFunc
		var goesOn *hop.Pending[int]
		err := hop.Run(t.Context(), on, func(ctx context.Context) error {
			own = ctx
			later, cancels[0] = context.WithTimeout(ctx, 3*time.Second) // later than its parent's deadline
			sooner, cancels[1] = context.WithTimeout(ctx, 500*time.Millisecond)
			quit, cancels[2] = context.WithCancel(ctx)
			cancels[2]()
			goesOn = hop.Go(ctx, hop.Workers(), func(ctx context.Context) (int, error) {
				child = ctx
				return 1, hop.Sleep(ctx, 5*time.Second)
			})
			return hop.Sleep(ctx, 10*time.Millisecond)
		}, hop.Timeout(time.Second))
		if err != nil {
			t.Fatal(err)
		}
		wait := func(what string, ctx context.Context, want time.Duration) {
			t.Helper()
			if err := new(hop.Event).Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: a wait returned %v", what, err)
			}
			if err, cause := ctx.Err(), context.Cause(ctx); err != context.DeadlineExceeded || cause != context.DeadlineExceeded {
				t.Errorf("%s: Err is %v, its cause %v", what, err, cause)
			}
			if d := time.Since(start); d != want {
				t.Errorf("%s: it ended after %v, not %v", what, d, want)
			}
			if d, ok := ctx.Deadline(); !ok || d.After(time.Now()) {
				t.Errorf("%s: Deadline is %v (%v), %v after now", what, d, ok, time.Until(d))
			}
		}
		for _, cancel := range cancels {
			defer cancel()
		}
		if own.Err() != nil || quit.Err() != context.Canceled {
			t.Errorf("after the function, Err is %v, of what was cancelled %v", own.Err(), quit.Err())
		}
		wait("sooner", sooner, 500*time.Millisecond)
		wait("later", later, time.Second)
		if err := own.Err(); err != context.DeadlineExceeded {
			t.Errorf("the context that the other was derived from: Err is %v", err)
		}
		select {
		case <-own.Done():
		default:
			t.Error("the Done of that context is open")
		}
		after, cancel := context.WithTimeout(own, time.Hour)
		defer cancel()
		if err := after.Err(); err != context.DeadlineExceeded {
			t.Errorf("what is derived from it then has Err %v", err)
		}
		if err := child.Err(); err != nil {
			t.Errorf("the context of a call that goes on: Err is %v", err)
		}
		if d, ok := child.Deadline(); ok && d.Before(time.Now()) {
			t.Errorf("the context of a call that goes on has a deadline, %v ago", time.Since(d))
		}
		if _, err := goesOn.Wait(t.Context()); err != nil || time.Since(start) != 5*time.Second {
			t.Errorf("the call that goes on ended with %v after %v", err, time.Since(start))
		}
	})
}

func TestS20_TheTimeoutIsOverWithTheFunction(t *testing.T) {
	everywhereInBubble(t, func(t *testing.T, on hop.Portal) {
		start := time.Now()
		var own, quit context.Context
		var cancel context.CancelFunc
		hop.Run(t.Context(), on, func(ctx context.Context) error {
			own = ctx
			quit, cancel = context.WithCancel(ctx)
			return nil
		}, hop.Timeout(time.Second))
		time.Sleep(10 * time.Millisecond)
		if d, ok := own.Deadline(); !ok || !d.Equal(start.Add(time.Second)) {
			t.Errorf("with one that relies on it, the deadline is %v after the start (%v)", d.Sub(start), ok)
		}
		cancel()
		if d, ok := own.Deadline(); ok {
			t.Errorf("with nobody who relies on it, the deadline is %v after the start", d.Sub(start))
		}
		derived, cancel := context.WithTimeout(own, 2*time.Second)
		defer cancel()
		<-derived.Done()
		if d := time.Since(start); d != 2*time.Second+10*time.Millisecond {
			t.Errorf("what was derived later ended after %v", d)
		}
		if err := own.Err(); err != nil {
			t.Errorf("Err is %v", err)
		}
		if err := quit.Err(); err != context.Canceled {
			t.Errorf("Err of what was cancelled is %v", err)
		}
	})
}

// The end of the submitter's context, which comes first, stays what ended it.
func TestS20_WhatIsDerivedEndsWithTheSubmittersContext(t *testing.T) {
	everywhereInBubble(t, func(t *testing.T, on hop.Portal) {
		ctx, end := context.WithCancelCause(t.Context())
		var own, derived context.Context
		var cancel context.CancelFunc
		hop.Run(ctx, on, func(ctx context.Context) error {
			own = ctx
			derived, cancel = context.WithTimeout(ctx, time.Hour)
			return nil
		}, hop.Timeout(time.Second))
		defer cancel()
		why := errors.New("why")
		end(why)
		<-derived.Done()
		time.Sleep(2 * time.Second)
		for _, ctx := range []context.Context{own, derived} {
			if err, cause := ctx.Err(), context.Cause(ctx); err != context.Canceled || cause != why {
				t.Errorf("Err is %v, its cause %v", err, cause)
			}
		}
	})
}

// Functions that return just when their Timeout is up, and leave behind contexts that are cancelled just then, or go by it.
func TestS20_EveryDerivedContextEnds(t *testing.T) {
	const timeout = time.Millisecond
	for round := range 100 {
		ctx, end := context.WithCancel(t.Context())
		type derived struct {
			ctx    context.Context
			cancel context.CancelFunc
		}
		left := make(chan derived, 32)
		var calls []*hop.Pending[int]
		for i := range cap(left) {
			calls = append(calls, hop.Go(ctx, hop.Workers(), func(ctx context.Context) (int, error) {
				var d derived
				d.ctx, d.cancel = context.WithTimeout(ctx, time.Hour)
				if i%3 == 0 {
					time.AfterFunc(timeout, d.cancel)
				}
				left <- d
				for start := time.Now(); time.Since(start) < timeout-200*time.Microsecond+time.Duration((i+round)%40)*10*time.Microsecond; {
					runtime.Gosched()
				}
				return 1, nil
			}, hop.Timeout(timeout)))
		}
		if round%4 == 0 {
			time.AfterFunc(timeout, end)
		}
		for _, p := range calls {
			_, err := p.Wait(t.Context())
			if err != nil && !errors.Is(err, hop.ErrCancelled) {
				t.Errorf("a call ended with %v", err)
			}
			if err != nil && p.Call().Context().Err() == nil {
				t.Error("the context of a call that was cancelled has not ended")
			}
		}
		close(left) // a call that was cancelled before it began has sent nothing
		for d := range left {
			select {
			case <-d.ctx.Done():
			case <-time.After(10 * time.Second):
				t.Fatal("a derived context did not end")
			}
			d.cancel()
		}
		end()
	}
}

// The Timeout of a call that has ended in time ends nothing of the calls that it has made, whoever looks at them, and whatever was derived from their contexts.
func TestS20_TheTimeoutOfACallThatHasEndedIsNoneOfThoseUnderIt(t *testing.T) {
	everywhereInBubble(t, func(t *testing.T, on hop.Portal) {
		start := time.Now()
		var ended, nested, tracked *hop.Pending[int]
		var derived [2]context.Context
		err := hop.Run(t.Context(), on, func(ctx context.Context) error {
			ended = hop.Go(ctx, hop.Workers(), func(ctx context.Context) (int, error) {
				var cancel context.CancelFunc
				derived[0], cancel = context.WithCancel(context.WithValue(ctx, valueKey{}, 1))
				t.Cleanup(cancel)
				derived[1] = ctx
				ctx.Done()
				return 1, nil
			})
			nested = hop.Go(ctx, hop.Workers(), func(ctx context.Context) (int, error) {
				if d, ok := ctx.Deadline(); ok {
					t.Errorf("the deadline of a call under it is %v after the start", d.Sub(start))
				}
				ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
				defer cancel()
				<-ctx.Done()
				return int(time.Since(start).Seconds()), nil
			})
			ctx, _ = hop.Track(ctx)
			tracked = hop.Go(ctx, hop.Workers(), func(ctx context.Context) (int, error) { return 1, hop.Sleep(ctx, 2*time.Second) })
			tracked.Done()
			_, err := ended.Wait(ctx)
			return err
		}, hop.Timeout(time.Second))
		if err != nil {
			t.Fatal(err)
		}
		if v := must(t, nested); v != 3 {
			t.Errorf("a context with a timeout of 3 s ended after %d", v)
		}
		must(t, tracked)
		for _, ctx := range derived {
			select {
			case <-ctx.Done():
				t.Errorf("a context of a call under it has ended: %v", ctx.Err())
			default:
			}
		}
	})
}

func TestS12_ACancelledCallDoesNotWaitForItsTimeout(t *testing.T) {
	var freed atomic.Bool
	func() {
		kept := new([4096]byte)
		runtime.AddCleanup(kept, func(int) { freed.Store(true) }, 0)
		running := make(chan struct{})
		p := hop.Go(context.WithValue(bg, valueKey{}, kept), hop.Workers(), func(ctx context.Context) (int, error) {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			close(running)
			<-ctx.Done()
			return 0, ctx.Err()
		}, hop.Timeout(time.Hour))
		recv(t, "the start", running)
		p.Cancel(nil)
		wantCancelled(t, waitErr(t, p))
	}()
	eventually(t, "its context is garbage", func() bool { runtime.GC(); return freed.Load() })
}

// A panicAsker panics when it is asked whether it is another.
type panicAsker struct{}

func (panicAsker) Error() string { return "a cause" }
func (panicAsker) Is(error) bool { panic("Is") }

// TestS16_ACauseThatPanicsWhenItIsAskedWhetherItIsAnother is another: whoever cancels for a second reason, perhaps the loop itself that is closed, goes on.
func TestS16_ACauseThatPanicsWhenItIsAskedWhetherItIsAnother(t *testing.T) {
	type place interface {
		hop.Portal
		Close() error
	}
	for name, open := range map[string]func() place{
		"loop": func() place { return hop.NewLoop(nil) },
		"pool": func() place { return hop.NewPool(nil) },
	} {
		for how, wait := range map[string]func(ctx context.Context){
			"suspended": func(ctx context.Context) { hop.Sleep(context.WithoutCancel(ctx), time.Hour) },
			"deaf":      func(ctx context.Context) { <-ctx.Done() },
		} {
			t.Run(name+", "+how, func(t *testing.T) {
				on := open()
				began := make(chan struct{})
				p := hop.Go(bg, on, func(ctx context.Context) (int, error) {
					close(began)
					wait(ctx)
					return 0, nil
				})
				recv(t, "the function", began)
				if how == "suspended" {
					untilWaiting(t, p.Call())
				}
				p.Cancel(panicAsker{})
				p.Cancel(errBoom)
				if how == "suspended" {
					within(t, patience, "Close", func() { on.Close() })
				}
				defer on.Close()
				if _, err := p.Wait(bg); !errors.Is(err, hop.ErrCancelled) {
					t.Errorf("error %v", err)
				}
			})
		}
	}
}
