package hop_test

// S2, S9, S10, S11, S12, S15: a result and those who wait for it.

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gohop/hop"
)

// S2

func TestS2_WaitEndedByItsContextLeavesTheCallAlone(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		g, started, cause := newGate(t), make(chan struct{}), errors.New("bored")
		p := hop.Go(t.Context(), on, func(ctx context.Context) (error, error) {
			close(started)
			g.pass()
			return ctx.Err(), nil
		})
		recv(t, "start", started)
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		within(t, patience, "Wait with an ended context", func() {
			_, err := p.Wait(ctx)
			wantIs(t, err, context.Canceled)
			wantIs(t, err, cause)
			wantNot(t, err, hop.ErrCancelled)
		})
		if isDone(p.Done()) {
			t.Fatal("the call is done")
		}
		g.open()
		if ctxErr := must(t, p); ctxErr != nil {
			t.Errorf("the function's context ended: %v", ctxErr)
		}
		wantState(t, p.Call(), hop.Succeeded)
	})
}

func TestS2_WaitEndedByItsDeadlineSaysSo(t *testing.T) {
	everywhereInBubble(t, func(t *testing.T, on hop.Portal) {
		p := hop.NewPromise[int](t.Context()).Pending()
		got := must(t, hop.Go(t.Context(), on, func(ctx context.Context) (error, error) {
			start := time.Now()
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			_, err := p.Wait(ctx)
			if d := time.Since(start); d != time.Second {
				t.Errorf("it waited %v", d)
			}
			return err, nil
		}))
		wantIs(t, got, context.DeadlineExceeded)
		wantNot(t, got, hop.ErrCancelled)
		if isDone(p.Done()) {
			t.Error("the awaited promise is done")
		}
	})
}

func TestS2_ADoneResultIsGivenEvenToAnEndedContext(t *testing.T) {
	p := hop.Go(t.Context(), hop.Goroutines, value(3))
	must(t, p)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	within(t, patience, "Wait for a done call", func() {
		if v, err := p.Wait(ctx); v != 3 || err != nil {
			t.Errorf("Wait: %v, %v", v, err)
		}
		if v, err := p.WaitOrCancel(ctx); v != 3 || err != nil {
			t.Errorf("WaitOrCancel: %v, %v", v, err)
		}
	})
}

// heeds is a function that ends when its context does, after a tenth of a second (virtual) of clean-up, and tells when it
// returns.
func heeds(returned *atomic.Bool, causes chan<- error) func(context.Context) (int, error) {
	return func(ctx context.Context) (int, error) {
		defer returned.Store(true)
		<-ctx.Done()
		causes <- context.Cause(ctx)
		time.Sleep(100 * time.Millisecond)
		return 1, nil
	}
}

func TestS2_WaitOrCancelCancelsTheCall(t *testing.T) {
	everywhereInBubble(t, func(t *testing.T, on hop.Portal) {
		var returned atomic.Bool
		causes, cause := make(chan error, 1), errors.New("bored")
		p := hop.Go(t.Context(), on, heeds(&returned, causes))
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		within(t, patience, "WaitOrCancel", func() {
			_, err := p.WaitOrCancel(ctx)
			if ce := wantCancelled(t, err); ce.Cause != cause {
				t.Errorf("cause of the error is %v, want %v itself", ce.Cause, cause)
			}
		})
		wantCancelled(t, waitErr(t, p))
		select {
		case got := <-causes:
			if got != cause {
				t.Errorf("the function's context ended for %v, want %v", got, cause)
			}
		default: // it had not started: then it never did
		}
		wantState(t, p.Call(), hop.Cancelled)
	})
}

func TestS2_DoAndRunCancelTheCallAndWaitForAFunctionThatHeeds(t *testing.T) {
	everywhereInBubble(t, func(t *testing.T, on hop.Portal) {
		for _, how := range []string{"Do", "Run"} {
			var returned atomic.Bool
			causes, cause := make(chan error, 1), errors.New("bored")
			started := make(chan struct{})
			f := heeds(&returned, causes)
			ctx, cancel := context.WithCancelCause(t.Context())
			go func() { <-started; cancel(cause) }()
			within(t, patience, how, func() {
				var err error
				if how == "Do" {
					_, err = hop.Do(ctx, on, func(ctx context.Context) (int, error) { close(started); return f(ctx) })
				} else {
					err = hop.Run(ctx, on, func(ctx context.Context) error { close(started); _, err := f(ctx); return err })
				}
				if ce := wantCancelled(t, err); ce.Cause != cause {
					t.Errorf("%s: cause is %v, want %v itself", how, ce.Cause, cause)
				}
				if !returned.Load() {
					t.Errorf("%s returned before the function did", how)
				}
			})
			if got := recv(t, "the cause seen inside", causes); got != cause {
				t.Errorf("%s: the function's context ended for %v", how, got)
			}
		}
	})
}

func TestS2_DoReturnsThoughTheFunctionIgnoresItsContext(t *testing.T) {
	everywhereInBubble(t, func(t *testing.T, on hop.Portal) {
		g := newGate(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var returned atomic.Bool
		within(t, patience, "Do of a function that ignores its context", func() {
			_, err := hop.Do(ctx, on, func(context.Context) (int, error) { defer returned.Store(true); g.pass(); return 1, nil })
			wantCancelled(t, err)
			wantIs(t, err, context.DeadlineExceeded)
		})
		if returned.Load() {
			t.Error("the function had returned: this test tests nothing")
		}
	})
}

func TestS2_WaitOrCancelIgnoredLeavesTheCallNotDone(t *testing.T) {
	everywhereInBubble(t, func(t *testing.T, on hop.Portal) {
		g, started := newGate(t), make(chan struct{})
		p := hop.Go(t.Context(), on, func(context.Context) (int, error) { close(started); g.pass(); return 1, nil })
		recv(t, "start", started)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		within(t, patience, "WaitOrCancel of a function that ignores its context", func() {
			_, err := p.WaitOrCancel(ctx)
			wantCancelled(t, err)
		})
		if isDone(p.Done()) {
			t.Error("the call is done though its function runs")
		}
		g.open()
		wantCancelled(t, waitErr(t, p))
	})
}

func TestS2_DoQueuedBehindABusyPlaceReturnsAtOnceWhenItsContextEnds(t *testing.T) {
	for _, name := range []string{"Loop", "Pool"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				on := busyKinds[name](t)
				busy := occupy(t, on)
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				var ran atomic.Bool
				start := time.Now()
				within(t, patience, "Do", func() {
					_, err := hop.Do(ctx, on, func(context.Context) (int, error) { ran.Store(true); return 1, nil })
					wantCancelled(t, err)
				})
				if d := time.Since(start); d != time.Second {
					t.Errorf("its context ended after 1s, it returned after %v", d)
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

// S9

func TestS9_ManyWaitersCostNoGoroutineEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 500
		pr := hop.NewPromise[int](t.Context())
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		before := runtime.NumGoroutine()
		var woken sync.WaitGroup
		for range n {
			woken.Go(func() {
				if v, err := pr.Pending().Wait(ctx); v != 5 || err != nil {
					t.Errorf("Wait: %v, %v", v, err)
				}
			})
		}
		synctest.Wait()
		if more := runtime.NumGoroutine() - before - n; more > 20 {
			t.Errorf("%d waiting goroutines cost %d further ones", n, more)
		}
		pr.Resolve(5)
		within(t, patience, "all waiters", woken.Wait)
	})
}

func TestS9_ManyOnDoneFunctionsCostNoGoroutine(t *testing.T) {
	pr := hop.NewPromise[int](t.Context())
	before, ran := runtime.NumGoroutine(), 0
	for range 500 {
		pr.Pending().OnDone(func() { ran++ })
	}
	if more := runtime.NumGoroutine() - before; more > 20 {
		t.Errorf("500 OnDone functions cost %d goroutines", more)
	}
	pr.Resolve(1)
	if ran != 500 {
		t.Errorf("%d of 500 ran", ran)
	}
}

func TestS9_EveryWaiterIsWokenWhereverItWaits(t *testing.T) {
	loops := []*hop.Loop{newLoop(t, nil), newLoop(t, nil), newLoop(t, &hop.LoopOptions{Thread: !wasm})}
	pool := newPool(t, nil)
	pr := hop.NewPromise[int](t.Context())
	f := func(ctx context.Context) (int, error) { return pr.Pending().Wait(ctx) }
	var ps []*hop.Pending[int]
	for range 50 {
		for _, l := range loops {
			ps = append(ps, hop.Go(t.Context(), l, f))
		}
		ps = append(ps, hop.Go(t.Context(), pool, f), hop.Go(t.Context(), hop.Goroutines, f))
	}
	for _, l := range loops {
		must(t, hop.Go(t.Context(), l, value(1))) // the tasks before it wait by now
	}
	pr.Resolve(9)
	for _, p := range ps {
		if got := must(t, p); got != 9 {
			t.Errorf("a waiter got %d", got)
		}
	}
}

func TestS9_AWaiterThatGivesUpDoesNotKeepTheOthersFromWaking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pr := hop.NewPromise[int](t.Context())
		results := make(chan error, 30)
		for i := range 30 {
			ctx, cancel := context.WithCancel(t.Context())
			if i%3 == 0 {
				time.AfterFunc(time.Second, cancel)
			} else {
				defer cancel()
			}
			go func() { _, err := pr.Pending().Wait(ctx); results <- err }()
		}
		time.Sleep(2 * time.Second)
		pr.Resolve(1)
		gaveUp := 0
		for range 30 {
			if recv(t, "a waiter's return", results) != nil {
				gaveUp++
			}
		}
		if gaveUp != 10 {
			t.Errorf("%d waiters ended with an error, want 10", gaveUp)
		}
	})
}

// S10

func TestS10_ResultIsErrNotDoneUntilDoneAndThenTheSameEachTime(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		g, v := newGate(t), new(int)
		p := hop.Go(t.Context(), on, func(context.Context) (*int, error) { g.pass(); return v, nil })
		for range 2 {
			if got, err := p.Result(); got != nil || !errors.Is(err, hop.ErrNotDone) {
				t.Errorf("before the end Result gives %v, %v", got, err)
			}
		}
		g.open()
		must(t, p)
		for range 3 {
			if got, err := p.Result(); got != v || err != nil {
				t.Errorf("after the end Result gives %v, %v", got, err)
			}
			if got := must(t, p); got != v {
				t.Errorf("after the end Wait gives %v", got)
			}
		}
	})
}

// bag is an error whose values cannot be compared: an == between two of them panics.
type bag struct{ errs []string }

func (b bag) Error() string { return fmt.Sprint(b.errs) }

func TestS10_TheErrorComesBackItself(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		want := errors.New("mine")
		p := hop.Go(t.Context(), on, failure(want))
		for range 2 {
			if err := waitErr(t, p); err != want {
				t.Errorf("Wait gives %v (%T), want %v itself", err, err, want)
			}
			if _, err := p.Result(); err != want {
				t.Errorf("Result gives %v (%T), want %v itself", err, err, want)
			}
			if err := p.Call().Err(); err != want {
				t.Errorf("Err gives %v (%T), want %v itself", err, err, want)
			}
		}
		within(t, patience, "Do", func() {
			if _, err := hop.Do(t.Context(), on, failure(want)); err != want {
				t.Errorf("Do gives %v (%T), want %v itself", err, err, want)
			}
		})
	})
}

func TestS10_AnErrorThatCannotBeComparedComesBackToo(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		err := waitErr(t, hop.Go(t.Context(), on, failure(bag{[]string{"a"}})))
		if b, ok := err.(bag); !ok || len(b.errs) != 1 {
			t.Errorf("got %v (%T)", err, err)
		}
	})
}

// S11

func TestS11_OnDoneFunctionsRunOnceEachInOrderOnTheCompletingGoroutine(t *testing.T) {
	pr := hop.NewPromise[int](t.Context())
	var ran []int
	var on []string
	for i := range 10 {
		pr.Pending().OnDone(func() { ran, on = append(ran, i), append(on, goid()) })
	}
	me := goid()
	if !pr.Resolve(1) {
		t.Fatal("Resolve reports false")
	}
	if !slices.Equal(ran, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}) {
		t.Errorf("they ran as %v", ran)
	}
	for _, id := range on {
		if id != me {
			t.Errorf("one ran on goroutine %s, Resolve was called on %s", id, me)
		}
	}
	pr.Resolve(2)
	pr.Reject(errors.New("late"))
	if len(ran) != 10 {
		t.Errorf("%d runs after later completions", len(ran))
	}
}

func TestS11_OnDoneOfACallRunsWhereItsFunctionRan(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		g := newGate(t)
		p := hop.Go(t.Context(), on, func(context.Context) (string, error) { g.pass(); return goid(), nil })
		at, here := make(chan string, 1), make(chan *hop.Loop, 1)
		p.OnDone(func() { at <- goid(); here <- hop.CurrentLoop() })
		g.open()
		want := must(t, p)
		if l, ok := on.(*hop.Loop); ok {
			if got := recv(t, "OnDone", here); got != l {
				t.Errorf("it ran with CurrentLoop %v, want the call's loop", got)
			}
		} else if got := recv(t, "OnDone", at); got != want {
			t.Errorf("it ran on goroutine %s, the function on %s", got, want)
		}
	})
}

func TestS11_OnDoneSeesTheResult(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		g := newGate(t)
		p := hop.Go(t.Context(), on, func(context.Context) (int, error) { g.pass(); return 4, nil })
		seen := make(chan error, 1)
		p.OnDone(func() {
			v, err := p.Result()
			if err == nil && (v != 4 || !isDone(p.Done()) || p.Call().State() != hop.Succeeded || p.Call().Err() != nil) {
				err = fmt.Errorf("Result %v, Done %v, state %v, Err %v", v, isDone(p.Done()), p.Call().State(), p.Call().Err())
			}
			seen <- err
		})
		g.open()
		if err := recv(t, "OnDone", seen); err != nil {
			t.Errorf("inside OnDone: %v", err)
		}
	})
}

func TestS11_OnDoneAddedAfterCompletionRunsAtOnce(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		p := hop.Go(t.Context(), on, value(1))
		must(t, p)
		at := ""
		stop := p.OnDone(func() { at = goid() })
		if at != goid() {
			t.Errorf("when OnDone returned it had run on goroutine %q, want %s", at, goid())
		}
		if stop() {
			t.Error("stop reports true for a function that has run")
		}
	})
}

func TestS11_OnDoneFunctionsMayUseThePendingFreely(t *testing.T) {
	// Would deadlock if they ran under a lock.
	pr := hop.NewPromise[int](t.Context())
	p := pr.Pending()
	var order []string
	within(t, patience, "Resolve with an OnDone function that uses the Pending", func() {
		var stopLast func() bool
		p.OnDone(func() {
			_, _ = p.Result()
			_, _ = p.Wait(context.Background())
			_ = p.Call().String()
			p.Cancel(nil)
			pr.Resolve(2)
			_ = p.CancelWait(context.Background(), nil)
			stopLast()
			p.OnDone(func() { order = append(order, "added inside") })
			order = append(order, "first")
		})
		p.OnDone(func() { order = append(order, "second") })
		stopLast = p.OnDone(func() {})
		pr.Resolve(1)
	})
	if want := []string{"added inside", "first", "second"}; !slices.Equal(order, want) {
		t.Errorf("order %q, want %q", order, want)
	}
	if v, err := p.Result(); v != 1 || err != nil {
		t.Errorf("Result %v, %v", v, err)
	}
}

func TestS11_ABlockedOnDoneFunctionBlocksNobodyElse(t *testing.T) {
	pr := hop.NewPromise[int](t.Context())
	p := pr.Pending()
	entered, g := make(chan struct{}), newGate(t)
	p.OnDone(func() { close(entered); g.pass() })
	resolved := make(chan struct{})
	go func() { defer close(resolved); pr.Resolve(1) }()
	recv(t, "the OnDone function's start", entered)
	within(t, patience, "uses of the Pending while an OnDone function blocks", func() {
		if v, err := p.Result(); v != 1 || err != nil {
			t.Errorf("Result: %v, %v", v, err)
		}
		_ = p.Call().String()
		_ = p.Call().State()
		if p.Cancel(nil) {
			t.Error("Cancel reports true")
		}
		if pr.Resolve(2) || pr.Reject(errors.New("late")) {
			t.Error("a second completion reports true")
		}
	})
	g.open()
	recv(t, "Resolve's return", resolved)
}

func TestS11_StopKeepsTheFunctionFromRunning(t *testing.T) {
	pr := hop.NewPromise[int](t.Context())
	var ran []string
	stop := pr.Pending().OnDone(func() { ran = append(ran, "stopped") })
	pr.Pending().OnDone(func() { ran = append(ran, "kept") })
	if !stop() {
		t.Error("stop reports false for a function that had not run")
	}
	if stop() {
		t.Error("stop reports true the second time")
	}
	pr.Resolve(1)
	if !slices.Equal(ran, []string{"kept"}) {
		t.Errorf("ran %q", ran)
	}
	if stop() {
		t.Error("stop reports true after completion")
	}
}

func TestS11_StopFromAnotherOnDoneFunctionKeepsItsWord(t *testing.T) {
	pr := hop.NewPromise[int](t.Context())
	var stop func() bool
	stopped, ran := false, false
	pr.Pending().OnDone(func() { stopped = stop() })
	stop = pr.Pending().OnDone(func() { ran = true })
	within(t, patience, "Resolve", func() { pr.Resolve(1) })
	if stopped == ran {
		t.Errorf("stop reported %v and the function ran: %v", stopped, ran)
	}
}

func TestS11_StopAndCompletionRaceToOneOutcome(t *testing.T) {
	for range 200 {
		pr := hop.NewPromise[int](t.Context())
		var ran atomic.Int32
		stop := pr.Pending().OnDone(func() { ran.Add(1) })
		resolved := make(chan struct{})
		go func() { defer close(resolved); pr.Resolve(1) }()
		stopped := stop()
		recv(t, "Resolve", resolved)
		if n := ran.Load(); stopped && n != 0 || !stopped && n != 1 {
			t.Fatalf("stop reported %v, the function ran %d times", stopped, n)
		}
	}
}

func TestS11_OnDoneAddedWhileCompletingRunsExactlyOnce(t *testing.T) {
	for range 200 {
		pr := hop.NewPromise[int](t.Context())
		var ran atomic.Int32
		resolved := make(chan struct{})
		go func() { defer close(resolved); pr.Resolve(1) }()
		for range 10 {
			pr.Pending().OnDone(func() { ran.Add(1) })
		}
		recv(t, "Resolve", resolved)
		if n := ran.Load(); n != 10 {
			t.Fatalf("%d of 10 ran", n)
		}
	}
}

// blown is what a function that panicked with v left behind: v itself or a *hop.PanicError that holds it.
func blown(r, v any) bool {
	pe, ok := r.(*hop.PanicError)
	return r == v || ok && pe.Value == v
}

func TestS11_APanicInOnDoneDoesNotStopTheNextAndReachesTheResolver(t *testing.T) {
	for name, end := range map[string]func(*hop.Promise[int]){
		"Resolve": func(pr *hop.Promise[int]) { pr.Resolve(1) },
		"Reject":  func(pr *hop.Promise[int]) { pr.Reject(errors.New("no")) },
	} {
		t.Run(name, func(t *testing.T) {
			pr := hop.NewPromise[int](t.Context())
			var ran []int
			pr.Pending().OnDone(func() { ran = append(ran, 1) })
			pr.Pending().OnDone(func() { panic("boom") })
			pr.Pending().OnDone(func() { ran = append(ran, 3) })
			var r any
			within(t, patience, name, func() {
				defer func() { r = recover() }()
				end(pr)
			})
			if !blown(r, "boom") {
				t.Errorf("%s panicked with %v (%T), want boom", name, r, r)
			}
			if !slices.Equal(ran, []int{1, 3}) {
				t.Errorf("ran %v, want [1 3]", ran)
			}
			if !isDone(pr.Pending().Done()) {
				t.Error("not done")
			}
			if pr.Resolve(2) {
				t.Error("a second Resolve reports true")
			}
		})
	}
}

func TestS11_APanicInOnDoneOfALoopsCallGoesToOnPanic(t *testing.T) {
	panics := make(chan *hop.PanicError, 10)
	l := newLoop(t, &hop.LoopOptions{OnPanic: func(p *hop.PanicError) { panics <- p }})
	g, third := newGate(t), make(chan struct{})
	p := hop.Go(t.Context(), l, func(context.Context) (int, error) { g.pass(); return 6, nil })
	p.OnDone(func() { panic("boom") })
	p.OnDone(func() { close(third) })
	g.open()
	if pe := recv(t, "OnPanic", panics); pe.Value != "boom" {
		t.Errorf("OnPanic got %v", pe.Value)
	}
	recv(t, "the next OnDone function", third)
	if got := must(t, p); got != 6 {
		t.Errorf("the call gave %d", got)
	}
	must(t, hop.Go(t.Context(), l, value(1)))
	if len(panics) != 0 {
		t.Error("reported more than once")
	}
}

func TestS11_APanicInOnDoneOfAPoolsCallCrashesTheProcess(t *testing.T) {
	out := crash(t, func() {
		pool := hop.NewPool(nil)
		g := make(chan struct{})
		p := hop.Go(context.Background(), pool, func(context.Context) (int, error) { <-g; return 1, nil })
		p.OnDone(explode)
		close(g)
	})
	wantExploded(t, out)
}

// S12

// collected returns a value for the tested thing to hold, and a function that collects garbage and tells whether the
// value was part of it. The test's own frame must not hold it: use both in a function that returns.
func collected() (v *[1 << 10]int, gone func() bool) {
	n := new(atomic.Bool)
	v = new([1 << 10]int)
	runtime.AddCleanup(v, func(n *atomic.Bool) { n.Store(true) }, n)
	return v, func() bool { runtime.GC(); return n.Load() }
}

// holding calls Go with a function that holds a value which gone is about.
func holding(on hop.Portal, f func(ctx context.Context, big *[1 << 10]int) (int, error)) (p *hop.Pending[int], gone func() bool) {
	big, gone := collected()
	return hop.Go(context.Background(), on, func(ctx context.Context) (int, error) { return f(ctx, big) }), gone
}

func TestS12_TheFunctionIsReleasedAfterTheRun(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		p, gone := holding(on, func(ctx context.Context, big *[1 << 10]int) (int, error) { return big[0], nil })
		must(t, p)
		eventually(t, "the function's closure is collected while its Pending lives", gone)
		runtime.KeepAlive(p)
	})
}

func TestS12_TheFunctionIsReleasedAfterARunThatWaited(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		p, gone := holding(on, func(ctx context.Context, big *[1 << 10]int) (int, error) {
			err := hop.Sleep(ctx, time.Microsecond)
			return big[0], err
		})
		must(t, p)
		eventually(t, "the function's closure is collected while its Pending lives", gone)
		runtime.KeepAlive(p)
	})
}

func TestS12_TheFunctionIsReleasedAfterAPanic(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		p, gone := holding(on, func(ctx context.Context, big *[1 << 10]int) (int, error) { panic(big[0]) })
		_ = waitErr(t, p)
		eventually(t, "the function's closure is collected while its Pending lives", gone)
		runtime.KeepAlive(p)
	})
}

func TestS12_APlaceDoesNotKeepTheResultOfItsLastCall(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		gone := func() func() bool {
			p := hop.Go(t.Context(), on, func(context.Context) (func() bool, error) {
				v, gone := collected()
				hop.Go(context.Background(), on, func(context.Context) (any, error) { return v, nil })
				return gone, nil
			})
			return must(t, p)
		}()
		eventually(t, "the result that nobody holds is collected while the place lives", gone)
		runtime.KeepAlive(on)
	})
}

func TestS12_ADoneCallIsNotKeptByTheContextItWasMadeUnder(t *testing.T) {
	// A context that lives as long as the program must not collect every call made under it.
	everywhere(t, func(t *testing.T, on hop.Portal) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		gone := func() func() bool {
			v, gone := collected()
			must(t, hop.Go(ctx, on, func(ctx context.Context) (any, error) { return v, nil }))
			must(t, hop.Go(ctx, on, func(ctx context.Context) (any, error) { return v, hop.Yield(ctx) }, hop.Timeout(time.Hour)))
			return gone
		}()
		eventually(t, "the result of a done call is collected while the context lives", gone)
		runtime.KeepAlive(ctx)
	})
}

func TestS12_ADroppedPromiseIsCollected(t *testing.T) {
	gone := func() func() bool {
		v, gone := collected()
		pr := hop.NewPromise[int](context.Background())
		pr.Pending().OnDone(func() { _ = v[0] })
		pr.OnCancel(func(error) { _ = v[0] })
		return gone
	}()
	eventually(t, "what a dropped promise holds is collected", gone)
}

// S15

func TestS15_APendingReturnedAsAValueStaysAPending(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		inner := hop.NewPromise[int](t.Context())
		f := func(context.Context) (*hop.Pending[int], error) { return inner.Pending(), nil }
		if got := must(t, hop.Go(t.Context(), on, f)); got != inner.Pending() {
			t.Errorf("Go gave %v", got)
		}
		within(t, patience, "Do", func() {
			if got, err := hop.Do(t.Context(), on, f); got != inner.Pending() || err != nil {
				t.Errorf("Do gave %v, %v", got, err)
			}
		})
		asAny := func(context.Context) (any, error) { return inner.Pending(), nil }
		if got := must(t, hop.Go(t.Context(), on, asAny)); got != any(inner.Pending()) {
			t.Errorf("as any, Go gave %v", got)
		}
		if isDone(inner.Pending().Done()) {
			t.Error("the inner Pending is done")
		}
	})
}

func TestS15_APromiseOfAPendingStaysOne(t *testing.T) {
	inner := hop.NewPromise[int](t.Context())
	outer := hop.NewPromise[*hop.Pending[int]](t.Context())
	outer.Resolve(inner.Pending())
	if got := must(t, outer.Pending()); got != inner.Pending() {
		t.Errorf("got %v", got)
	}
}
