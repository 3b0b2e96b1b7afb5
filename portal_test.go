package hop_test

// Portals written by users: whatever they do with a call, it ends once, and nobody waits for ever. And the two functions
// that are made for them, Call.Run and Call.Fail.

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

// submitFunc is the smallest portal.
type submitFunc struct{ submit func(*hop.Call) error }

func (s *submitFunc) Submit(c *hop.Call) error { return s.submit(c) }

// shelf keeps what is submitted until somebody takes it.
type shelf struct {
	mu    sync.Mutex
	calls []*hop.Call
}

func (s *shelf) Submit(c *hop.Call) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, c)
	return nil
}

func (s *shelf) take() []*hop.Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := s.calls
	s.calls = nil
	return calls
}

var errBroken = errors.New("broken portal")

func TestPortal_GetsTheCallWithAllThatDescribesIt(t *testing.T) {
	s := new(shelf)
	p := hop.Go(t.Context(), s, value(1), hop.Name("n"), hop.Meta("prio", 3))
	calls := s.take()
	if len(calls) != 1 || calls[0] != p.Call() {
		t.Fatalf("it got %v", calls)
	}
	c := calls[0]
	if c.Name() != "n" || c.Meta("prio") != 3 || c.Portal() != hop.Portal(s) {
		t.Errorf("name %q, meta %v, portal %v", c.Name(), c.Meta("prio"), c.Portal())
	}
	wantState(t, c, hop.Queued)
	c.Run()
	must(t, p)
}

func TestPortal_RunRunsItHereAndNow(t *testing.T) {
	s := new(shelf)
	p := hop.Go(t.Context(), s, func(context.Context) (string, error) { return goid(), nil })
	s.take()[0].Run()
	if got, err := p.Result(); got != goid() || err != nil {
		t.Errorf("when Run has returned: %q, %v, want %q", got, err, goid())
	}
}

func TestPortal_InAnyOrderItLikes(t *testing.T) {
	s := new(shelf)
	var ran []int
	for i := range 5 {
		hop.Go(t.Context(), s, func(context.Context) (int, error) { ran = append(ran, i); return i, nil }, hop.Meta("prio", i))
	}
	calls := s.take()
	slices.SortFunc(calls, func(a, b *hop.Call) int { return b.Meta("prio").(int) - a.Meta("prio").(int) })
	for _, c := range calls {
		c.Run()
	}
	if !slices.Equal(ran, []int{4, 3, 2, 1, 0}) {
		t.Errorf("ran %v", ran)
	}
}

func TestPortal_ThatFailsEndsTheCallWithItsError(t *testing.T) {
	broken := &submitFunc{func(*hop.Call) error { return errBroken }}
	var ran atomic.Bool
	f := func(context.Context) (int, error) { ran.Store(true); return 1, nil }
	check := func(t *testing.T, err error) {
		t.Helper()
		wantIs(t, err, errBroken)
		wantNot(t, err, hop.ErrCancelled)
	}
	p := hop.Go(t.Context(), broken, f)
	if !isDone(p.Done()) {
		t.Error("not done when Go has returned")
	}
	check(t, waitErr(t, p))
	wantState(t, p.Call(), hop.Failed)
	within(t, patience, "Do and Run", func() {
		_, err := hop.Do(t.Context(), broken, f)
		check(t, err)
		check(t, hop.Run(t.Context(), broken, func(context.Context) error { ran.Store(true); return nil }))
	})
	check(t, waitErr(t, hop.After(t.Context(), time.Microsecond, broken, f)))
	if ran.Load() {
		t.Error("the function ran")
	}
}

func TestPortal_ThatFailsAndRunsItLaterRunsNothing(t *testing.T) {
	var kept *hop.Call
	liar := &submitFunc{func(c *hop.Call) error { kept = c; return errBroken }}
	var ran atomic.Bool
	p := hop.Go(t.Context(), liar, func(context.Context) (int, error) { ran.Store(true); return 1, nil })
	kept.Run()
	wantIs(t, waitErr(t, p), errBroken)
	if ran.Load() {
		t.Error("the function ran")
	}
}

func TestPortal_ThatRunsItAndFailsLeavesTheResult(t *testing.T) {
	liar := &submitFunc{func(c *hop.Call) error { c.Run(); return errBroken }}
	p := hop.Go(t.Context(), liar, value(5))
	if got := must(t, p); got != 5 {
		t.Errorf("got %d", got)
	}
}

func TestPortal_ThatRunsItTwiceRunsItOnce(t *testing.T) {
	n := 0
	twice := &submitFunc{func(c *hop.Call) error { c.Run(); c.Run(); return nil }}
	p := hop.Go(t.Context(), twice, func(context.Context) (int, error) { n++; return n, nil })
	p.Call().Run()
	if got := must(t, p); got != 1 || n != 1 {
		t.Errorf("got %d, the function ran %d times", got, n)
	}
}

func TestPortal_ThatRunsItOnManyGoroutinesRunsItOnce(t *testing.T) {
	for range 50 {
		var n atomic.Int32
		p := hop.New(t.Context(), func(context.Context) (int, error) { n.Add(1); return 1, nil })
		var all sync.WaitGroup
		for range 4 {
			all.Go(p.Call().Run)
		}
		within(t, patience, "four times Run", all.Wait)
		must(t, p)
		if n.Load() != 1 {
			t.Fatalf("the function ran %d times", n.Load())
		}
	}
}

func TestPortal_RunOfARunningCallReturnsAtOnce(t *testing.T) {
	g, started := newGate(t), make(chan struct{})
	p := hop.Go(t.Context(), hop.Goroutines, stubborn(g, started, 1, nil))
	recv(t, "start", started)
	within(t, patience, "Run of a call that runs elsewhere", p.Call().Run)
	if isDone(p.Done()) {
		t.Error("it is done")
	}
	g.open()
	must(t, p)

	p = hop.New(t.Context(), func(ctx context.Context) (int, error) { hop.CurrentCall(ctx).Run(); return 2, nil })
	within(t, patience, "Run of a call inside itself", p.Call().Run)
	if got := must(t, p); got != 2 {
		t.Errorf("got %d", got)
	}
}

func TestPortal_FailEndsTheCallWithThatError(t *testing.T) {
	var ran atomic.Bool
	p := hop.New(t.Context(), func(context.Context) (int, error) { ran.Store(true); return 1, nil })
	told := 0
	p.OnDone(func() { told++ })
	if !p.Call().Fail(errBroken) {
		t.Error("Fail reports false")
	}
	if !isDone(p.Done()) {
		t.Error("not done")
	}
	if p.Call().Fail(errors.New("later")) {
		t.Error("the second Fail reports true")
	}
	p.Call().Run()
	if err := waitErr(t, p); err != errBroken {
		t.Errorf("got %v, want %v itself", err, errBroken)
	}
	wantState(t, p.Call(), hop.Failed)
	if ran.Load() || told != 1 {
		t.Errorf("the function ran: %v; OnDone ran %d times", ran.Load(), told)
	}
}

func TestPortal_FailThenDropIsAnEnd(t *testing.T) {
	for name, answer := range map[string]error{"nil": nil, "an error": errors.New("another")} {
		t.Run("Submit returns "+name, func(t *testing.T) {
			dropper := &submitFunc{func(c *hop.Call) error { c.Fail(errBroken); return answer }}
			p := hop.Go(t.Context(), dropper, value(1))
			if err := waitErr(t, p); err != errBroken {
				t.Errorf("got %v, want %v itself", err, errBroken)
			}
			within(t, patience, "Do", func() {
				if _, err := hop.Do(t.Context(), dropper, value(1)); err != errBroken {
					t.Errorf("Do gave %v, want %v itself", err, errBroken)
				}
			})
		})
	}
}

func TestPortal_FailOfACallThatRunsOrHasRunReportsFalse(t *testing.T) {
	inside := true
	p := hop.New(t.Context(), func(ctx context.Context) (int, error) {
		inside = hop.CurrentCall(ctx).Fail(errBroken)
		return 4, nil
	})
	p.Call().Run()
	if inside {
		t.Error("true for a call that runs")
	}
	if p.Call().Fail(errBroken) {
		t.Error("true for a call that has run")
	}
	if got := must(t, p); got != 4 {
		t.Errorf("got %d", got)
	}
	p = hop.New(t.Context(), value(1))
	p.Cancel(nil)
	if p.Call().Fail(errBroken) {
		t.Error("true for a cancelled call")
	}
	wantCancelled(t, waitErr(t, p))
}

func TestPortal_RunFailAndCancelRaceToOneOutcome(t *testing.T) {
	for range 200 {
		var ran, told atomic.Int32
		p := hop.New(t.Context(), func(context.Context) (int, error) { ran.Add(1); return 1, nil })
		p.OnDone(func() { told.Add(1) })
		var failed, cancelled atomic.Bool
		var all sync.WaitGroup
		start := make(chan struct{})
		all.Go(func() { <-start; p.Call().Run() })
		all.Go(func() { <-start; failed.Store(p.Call().Fail(errBroken)) })
		all.Go(func() { <-start; cancelled.Store(p.Cancel(errEnough)) })
		close(start)
		within(t, patience, "Run, Fail and Cancel", all.Wait)
		err := waitErr(t, p)
		f, c, n := failed.Load(), cancelled.Load(), ran.Load()
		switch {
		case f && !c && n == 0 && err == errBroken:
		case !f && c && n <= 1 && errors.Is(err, hop.ErrCancelled):
		case !f && !c && n == 1 && err == nil:
		default:
			t.Fatalf("Fail %v, Cancel %v, the function ran %d times, the error is %v", f, c, n, err)
		}
		if told.Load() != 1 {
			t.Fatalf("OnDone ran %d times", told.Load())
		}
	}
}

func TestPortal_ThatForwardsLaterToAPool(t *testing.T) {
	for name, forward := range map[string]func(t *testing.T) hop.Portal{
		"Pool":       func(t *testing.T) hop.Portal { return newPool(t, &hop.PoolOptions{Size: 1}) },
		"Loop":       func(t *testing.T) hop.Portal { return newLoop(t, nil) },
		"Goroutines": func(*testing.T) hop.Portal { return hop.Goroutines },
		"Inline":     func(*testing.T) hop.Portal { return hop.Inline },
	} {
		t.Run(name, func(t *testing.T) {
			to, s := forward(t), new(shelf)
			want := errors.New("own")
			good := hop.Go(t.Context(), s, func(ctx context.Context) (int, error) { return 5, hop.Sleep(ctx, time.Microsecond) })
			bad := hop.Go(t.Context(), s, failure(want))
			boom := hop.Go(t.Context(), s, func(context.Context) (int, error) { explode(); return 1, nil })
			for _, c := range s.take() {
				if err := to.Submit(c); err != nil {
					t.Fatalf("Submit: %v", err)
				}
			}
			if got := must(t, good); got != 5 {
				t.Errorf("got %d", got)
			}
			if err := waitErr(t, bad); err != want {
				t.Errorf("got %v", err)
			}
			wantPanic(t, waitErr(t, boom))
		})
	}
}

func TestPortal_CancelledWhileHeldIsDoneAtOnceAndForwardedInVain(t *testing.T) {
	for name, end := range map[string]func(context.CancelCauseFunc, *hop.Pending[int]){
		"Cancel":  func(_ context.CancelCauseFunc, p *hop.Pending[int]) { p.Cancel(errEnough) },
		"context": func(cancel context.CancelCauseFunc, _ *hop.Pending[int]) { cancel(errEnough) },
	} {
		t.Run(name, func(t *testing.T) {
			pool, s := newPool(t, &hop.PoolOptions{Size: 1}), new(shelf)
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			var ran atomic.Bool
			p := hop.Go(ctx, s, func(context.Context) (int, error) { ran.Store(true); return 1, nil })
			end(cancel, p)
			if ce := wantCancelled(t, waitErr(t, p)); ce.Cause != errEnough {
				t.Errorf("cause %v", ce.Cause)
			}
			for _, c := range s.take() {
				if err := pool.Submit(c); err != nil {
					t.Errorf("Submit of a cancelled call: %v, want nil", err)
				}
				c.Run()
			}
			must(t, hop.Go(t.Context(), pool, value(1)))
			if ran.Load() {
				t.Error("the function ran")
			}
		})
	}
}

func TestPortal_ThatForwardsToAStoppedPlaceAndFailsTheCall(t *testing.T) {
	pool, s := newPool(t, nil), new(shelf)
	closeAll(t, "pool", pool.Close)
	p := hop.Go(t.Context(), s, value(1))
	for _, c := range s.take() {
		if err := pool.Submit(c); err != nil {
			c.Fail(fmt.Errorf("shelf: %w", err))
		}
	}
	wantIs(t, waitErr(t, p), hop.ErrStopped)
}

func TestPortal_SecondSubmitOfATakenCallIsAMismatch(t *testing.T) {
	l, pool := newLoop(t, &hop.LoopOptions{StallAfter: -1}), newPool(t, &hop.PoolOptions{Size: 1})
	for name, taken := range map[string]hop.Portal{"Loop": l, "Pool": pool} {
		t.Run(name, func(t *testing.T) {
			busy := occupy(t, taken)
			var ran atomic.Int32
			p := hop.Go(t.Context(), taken, func(context.Context) (int, error) { ran.Add(1); return 3, nil })
			for other, on := range map[string]hop.Portal{
				"the same": taken, "Loop": l, "Pool": pool, "Goroutines": hop.Goroutines, "Inline": hop.Inline, "Waiter": hop.NewWaiter(),
			} {
				var err error
				within(t, patience, "a second Submit to "+other, func() { err = on.Submit(p.Call()) })
				wantIs(t, err, hop.ErrMismatch)
			}
			busy.open()
			if got := must(t, p); got != 3 || ran.Load() != 1 {
				t.Errorf("got %d, the function ran %d times", got, ran.Load())
			}
		})
	}
}

func TestPortal_AFinishedWaiterTakesNoMore(t *testing.T) {
	w := hop.NewWaiter()
	p := hop.Go(t.Context(), hop.Goroutines, value(1))
	within(t, patience, "Waiter.Wait", func() {
		if err := w.Wait(t.Context(), p.Call()); err != nil {
			t.Errorf("Wait: %v", err)
		}
	})
	late := hop.New(t.Context(), value(1))
	wantIs(t, w.Submit(late.Call()), hop.ErrClosed)
	wantIs(t, waitErr(t, hop.Go(t.Context(), w, value(1))), hop.ErrClosed)
}

// poster runs calls as functions posted to a loop.
func poster(l *hop.Loop) hop.Portal {
	return &submitFunc{func(c *hop.Call) error { return l.Post(c.Run) }}
}

func TestPortal_ThatPostsToALoopMayRunWhatWaits(t *testing.T) {
	panics := make(chan *hop.PanicError, 10)
	l := newLoop(t, &hop.LoopOptions{OnPanic: func(p *hop.PanicError) { panics <- p }})
	on := poster(l)
	var e hop.Event
	p := hop.Go(t.Context(), on, func(ctx context.Context) (bool, error) { return l.Here(), e.Wait(ctx) })
	must(t, hop.Go(t.Context(), on, func(context.Context) (int, error) { e.Set(); return 1, nil }))
	if !must(t, p) {
		t.Error("the function was not on the loop")
	}
	wantPanic(t, waitErr(t, hop.Go(t.Context(), on, func(context.Context) (int, error) { explode(); return 1, nil })))
	wantIs(t, waitErr(t, hop.Go(t.Context(), on, func(context.Context) (int, error) { runtime.Goexit(); return 1, nil })), hop.ErrGoexit)
	must(t, hop.Go(t.Context(), l, value(1)))
	if len(panics) != 0 {
		t.Error("the panic of a call went to OnPanic")
	}
	closeAll(t, "loop", l.Close)
	wantIs(t, waitErr(t, hop.Go(t.Context(), on, value(1))), hop.ErrStopped)
}

func TestPortal_OnPlainGoroutinesGivesAllThePromises(t *testing.T) {
	// The same as hop.Goroutines, in one line of a user.
	on := &submitFunc{func(c *hop.Call) error { go c.Run(); return nil }}
	t.Run("S10", func(t *testing.T) {
		want := errors.New("own")
		if err := waitErr(t, hop.Go(t.Context(), on, failure(want))); err != want {
			t.Errorf("got %v", err)
		}
	})
	t.Run("S13", func(t *testing.T) {
		wantPanic(t, waitErr(t, hop.Go(t.Context(), on, func(context.Context) (int, error) { explode(); return 1, nil })))
		wantIs(t, waitErr(t, hop.Go(t.Context(), on, func(context.Context) (int, error) { runtime.Goexit(); return 1, nil })), hop.ErrGoexit)
	})
	t.Run("S16", func(t *testing.T) {
		g, started, got := newGate(t), make(chan struct{}), make(chan int, 1)
		p := hop.Go(t.Context(), on, stubborn(g, started, 7, nil), hop.OnUndelivered(func(v int) { got <- v }))
		recv(t, "start", started)
		p.Cancel(errEnough)
		g.open()
		wantCancelled(t, waitErr(t, p))
		if v := recv(t, "OnUndelivered", got); v != 7 {
			t.Errorf("OnUndelivered got %d", v)
		}
	})
	t.Run("S18", func(t *testing.T) {
		g, started := newGate(t), make(chan struct{})
		p := hop.Go(t.Context(), on, stubborn(g, started, 7, nil), hop.Abandon())
		recv(t, "start", started)
		p.Cancel(nil)
		wantCancelled(t, waitErr(t, p))
	})
	t.Run("S21", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var returned atomic.Bool
			started := make(chan struct{})
			p := hop.Go(t.Context(), on, slow(started, &returned))
			recv(t, "start", started)
			within(t, patience, "CancelWait", func() { _ = p.CancelWait(t.Context(), nil) })
			if !returned.Load() {
				t.Error("CancelWait returned before the function")
			}
		})
	})
	t.Run("S37", func(t *testing.T) {
		p := hop.Go(t.Context(), on, func(ctx context.Context) (*hop.Call, error) { return hop.CurrentCall(ctx), nil })
		if got := must(t, p); got != p.Call() {
			t.Errorf("CurrentCall is %v", got)
		}
	})
}

func TestS20_TimeoutDoesNotCountTheTimeOnAUsersShelf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(shelf)
		p := hop.Go(t.Context(), s, func(ctx context.Context) (int, error) { return 1, hop.Sleep(ctx, 900*time.Millisecond) },
			hop.Timeout(time.Second))
		time.Sleep(5 * time.Second)
		for _, c := range s.take() {
			go c.Run()
		}
		must(t, p)
	})
}

func TestPortal_AfterSubmitsWhenDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, start := new(shelf), time.Now()
		submitted := make(chan time.Duration, 2)
		on := &submitFunc{func(c *hop.Call) error {
			submitted <- time.Since(start)
			return s.Submit(c)
		}}
		p := hop.After(t.Context(), time.Second, on, value(6))
		if d := recv(t, "Submit", submitted); d != time.Second {
			t.Errorf("submitted after %v", d)
		}
		synctest.Wait() // Submit has returned
		for _, c := range s.take() {
			c.Run()
		}
		if got := must(t, p); got != 6 {
			t.Errorf("got %d", got)
		}
		if len(submitted) != 0 {
			t.Error("submitted twice")
		}
	})
}

func TestPortal_DoWaitsForAUsersPortal(t *testing.T) {
	s := new(shelf)
	ended := make(chan int, 1)
	submitted := make(chan struct{})
	on := &submitFunc{func(c *hop.Call) error { defer close(submitted); return s.Submit(c) }}
	go func() {
		v, _ := hop.Do(t.Context(), on, value(8))
		ended <- v
	}()
	recv(t, "Submit", submitted)
	for _, c := range s.take() {
		c.Run()
	}
	if v := recv(t, "Do", ended); v != 8 {
		t.Errorf("got %d", v)
	}
}

func TestPortal_LayersOfPortals(t *testing.T) {
	// A portal that counts, around one that limits, around a pool: none knows of the other.
	pool := newPool(t, &hop.PoolOptions{Size: 4})
	var counted atomic.Int32
	limit := hop.NewLimiter(2)
	var now, most atomic.Int32
	limiting := &submitFunc{func(c *hop.Call) error {
		return pool.Post(func() {
			if err := limit.Acquire(context.Background()); err != nil {
				c.Fail(err)
				return
			}
			defer limit.Release()
			c.Run()
		})
	}}
	counting := &submitFunc{func(c *hop.Call) error { counted.Add(1); return limiting.Submit(c) }}
	var ps []*hop.Pending[int]
	for i := range 20 {
		ps = append(ps, hop.Go(t.Context(), counting, func(ctx context.Context) (int, error) {
			n := now.Add(1)
			defer now.Add(-1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			return i, hop.Yield(ctx)
		}))
	}
	for i, p := range ps {
		if got := must(t, p); got != i {
			t.Errorf("call %d gave %d", i, got)
		}
	}
	if counted.Load() != 20 || most.Load() > 2 {
		t.Errorf("%d counted, %d at once", counted.Load(), most.Load())
	}
}
