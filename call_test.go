package hop_test

// A call: how it is made, named, shown, submitted and delayed.

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gohop/hop"
)

func TestGo_GivesTheValueOfTheFunction(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		if got := must(t, hop.Go(t.Context(), on, value("hello"))); got != "hello" {
			t.Errorf("got %q", got)
		}
	})
}

func TestDo_GivesTheValueOfTheFunction(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		within(t, patience, "Do", func() {
			if got, err := hop.Do(t.Context(), on, value(42)); got != 42 || err != nil {
				t.Errorf("got %v, %v", got, err)
			}
		})
	})
}

func TestRun_GivesTheErrorOfTheFunctionItself(t *testing.T) {
	want := errors.New("mine")
	everywhere(t, func(t *testing.T, on hop.Portal) {
		within(t, patience, "Run", func() {
			if err := hop.Run(t.Context(), on, func(context.Context) error { return want }); err != want {
				t.Errorf("got %v, want %v itself", err, want)
			}
			if err := hop.Run(t.Context(), on, func(context.Context) error { return nil }); err != nil {
				t.Errorf("got %v, want nil", err)
			}
		})
	})
}

func TestName_IsTheNameOfTheCall(t *testing.T) {
	p := hop.New(t.Context(), value(1), hop.Name("fetch"))
	if got := p.Call().Name(); got != "fetch" {
		t.Errorf("Name() is %q", got)
	}
	if pr := hop.NewPromise[int](t.Context(), hop.Name("answer")); pr.Pending().Call().Name() != "answer" {
		t.Errorf("name of the promise is %q", pr.Pending().Call().Name())
	}
}

func ownName(ctx context.Context) (string, error) { return hop.CurrentCall(ctx).Name(), nil }

var ranAs atomic.Value

func ownNameRun(ctx context.Context) error {
	ranAs.Store(hop.CurrentCall(ctx).Name())
	return nil
}

func TestName_IsTheFunctionsNameWithoutTheOption(t *testing.T) {
	const want = "github.com/gohop/hop_test.ownName"
	pool := newPool(t, nil)
	if p := hop.New(t.Context(), ownName); p.Call().Name() != want {
		t.Errorf("made by New it is named %q, want %q", p.Call().Name(), want)
	}
	if got := must(t, hop.Go(t.Context(), pool, ownName)); got != want {
		t.Errorf("made by Go it is named %q, want %q", got, want)
	}
	if got := must(t, hop.After(t.Context(), 0, pool, ownName)); got != want {
		t.Errorf("made by After it is named %q, want %q", got, want)
	}
	within(t, patience, "Do, Run and Blocking", func() {
		if got, _ := hop.Do(t.Context(), pool, ownName); got != want {
			t.Errorf("made by Do it is named %q, want %q", got, want)
		}
		if got, _ := hop.Blocking(t.Context(), ownName); got != want {
			t.Errorf("made by Blocking it is named %q, want %q", got, want)
		}
		_ = hop.Run(t.Context(), pool, ownNameRun)
		if got := ranAs.Load(); got != want+"Run" {
			t.Errorf("made by Run it is named %q, want %q", got, want+"Run")
		}
	})
}

func TestMeta_IsFoundByItsKey(t *testing.T) {
	type key struct{ n int }
	p := hop.New(t.Context(), value(1), hop.Meta(key{1}, "one"), hop.Meta("s", 2), hop.Name("n"))
	c := p.Call()
	if got := c.Meta(key{1}); got != "one" {
		t.Errorf("Meta(key{1}) is %v", got)
	}
	if got := c.Meta("s"); got != 2 {
		t.Errorf("Meta(s) is %v", got)
	}
	if got := c.Meta(key{2}); got != nil {
		t.Errorf("Meta of a key never given is %v", got)
	}
	must(t, hop.Go(t.Context(), hop.Goroutines, func(ctx context.Context) (int, error) {
		if got := hop.CurrentCall(ctx).Meta("inside"); got != true {
			t.Errorf("inside the function it is %v", got)
		}
		return 0, nil
	}, hop.Meta("inside", true)))
}

func TestMeta_DoesNotFlowToCallsMadeInside(t *testing.T) {
	must(t, hop.Go(t.Context(), hop.Goroutines, func(ctx context.Context) (int, error) {
		if got := hop.New(ctx, value(1)).Call().Meta("k"); got != nil {
			t.Errorf("the inner call has the outer's: %v", got)
		}
		return 0, nil
	}, hop.Meta("k", "outer")))
}

func TestID_IsUnique(t *testing.T) {
	seen := make(map[uint64]bool)
	for range 100 {
		id := hop.New(t.Context(), value(1)).Call().ID()
		if seen[id] {
			t.Fatalf("id %d twice", id)
		}
		seen[id] = true
	}
	p := hop.New(t.Context(), value(1))
	id := p.Call().ID()
	p.Call().Run()
	if p.Call().ID() != id {
		t.Error("the id changed by running")
	}
}

func TestPortal_IsWhereTheCallWasSubmitted(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		p := hop.Go(t.Context(), on, value(1))
		if got := p.Call().Portal(); got != on {
			t.Errorf("Portal() is %v, want %v", got, on)
		}
		must(t, p)
	})
}

func TestContext_CarriesTheSubmittersValues(t *testing.T) {
	type key struct{}
	p := hop.New(context.WithValue(t.Context(), key{}, "v"), value(1))
	if got := p.Call().Context().Value(key{}); got != "v" {
		t.Errorf("Context().Value is %v", got)
	}
}

func TestState_OfACallFromMadeToSucceeded(t *testing.T) {
	everywhereInBubble(t, func(t *testing.T, on hop.Portal) {
		var e hop.Event
		running := make(chan hop.State, 2)
		p := hop.New(t.Context(), func(ctx context.Context) (int, error) {
			running <- hop.CurrentCall(ctx).State()
			if err := e.Wait(ctx); err != nil {
				return 0, err
			}
			running <- hop.CurrentCall(ctx).State()
			return 1, nil
		})
		c := p.Call()
		wantState(t, c, hop.Created)
		if err := on.Submit(c); err != nil {
			t.Fatalf("Submit: %v", err)
		}
		if s := recv(t, "the function's start", running); s != hop.Running {
			t.Errorf("in its function the state is %v, want Running", s)
		}
		synctest.Wait()
		wantState(t, c, hop.Waiting)
		if err := c.Err(); !errors.Is(err, hop.ErrNotDone) {
			t.Errorf("Err() before the end is %v, want ErrNotDone", err)
		}
		e.Set()
		if s := recv(t, "the end of the function's wait", running); s != hop.Running {
			t.Errorf("after its wait the state is %v, want Running", s)
		}
		must(t, p)
		wantState(t, c, hop.Succeeded)
		if err := c.Err(); err != nil {
			t.Errorf("Err() is %v, want nil", err)
		}
	})
}

func TestState_IsQueuedBehindABusyPlace(t *testing.T) {
	for name, make := range busyKinds {
		t.Run(name, func(t *testing.T) {
			on := make(t)
			busy := occupy(t, on)
			p := hop.Go(t.Context(), on, value(1))
			wantState(t, p.Call(), hop.Queued)
			busy.open()
			must(t, p)
		})
	}
}

func TestState_IsWaitingInEveryKindOfWait(t *testing.T) {
	waits := map[string]func(ctx context.Context, until <-chan int){
		"Wait": func(ctx context.Context, until <-chan int) {
			pr := hop.NewPromise[int](ctx)
			go func() { <-until; pr.Resolve(1) }()
			_, _ = pr.Pending().Wait(ctx)
		},
		"Sleep": func(ctx context.Context, until <-chan int) {
			ctx, cancel := context.WithCancel(ctx)
			go func() { <-until; cancel() }()
			_ = hop.Sleep(ctx, time.Hour)
		},
		"Recv": func(ctx context.Context, until <-chan int) { _, _, _ = hop.Recv(ctx, until) },
		"Limiter": func(ctx context.Context, until <-chan int) {
			l, taken := hop.NewLimiter(1), make(chan int)
			go func() { l.TryAcquire(); close(taken); <-until; l.Release() }() // not by the call itself: a deadlock
			<-taken
			_ = l.Acquire(ctx)
		},
		"Group": func(ctx context.Context, until <-chan int) {
			_ = hop.WithGroup(ctx, nil, func(ctx context.Context) error {
				hop.Go(ctx, hop.Goroutines, func(context.Context) (int, error) { <-until; return 0, nil })
				return nil
			})
		},
	}
	for name, f := range waits {
		t.Run(name, func(t *testing.T) {
			everywhereInBubble(t, func(t *testing.T, on hop.Portal) {
				until := make(chan int)
				p := hop.Go(t.Context(), on, func(ctx context.Context) (int, error) {
					f(ctx, until)
					return 0, nil
				})
				synctest.Wait()
				wantState(t, p.Call(), hop.Waiting)
				close(until)
				must(t, p)
			})
		})
	}
}

func TestState_TellsFailedFromCancelled(t *testing.T) {
	failed := hop.Go(t.Context(), hop.Goroutines, failure(errors.New("bad")))
	_ = waitErr(t, failed)
	wantState(t, failed.Call(), hop.Failed)

	cancelled := hop.New(t.Context(), value(1))
	cancelled.Cancel(nil)
	_ = waitErr(t, cancelled)
	wantState(t, cancelled.Call(), hop.Cancelled)
}

func TestState_HasReadableNames(t *testing.T) {
	for s, want := range map[hop.State]string{
		hop.Created: "created", hop.Queued: "queued", hop.Running: "running", hop.Waiting: "waiting",
		hop.Succeeded: "succeeded", hop.Failed: "failed", hop.Cancelled: "cancelled",
	} {
		if got := strings.ToLower(fmt.Sprint(s)); got != want {
			t.Errorf("state prints as %q, want %q", got, want)
		}
	}
}

func TestString_NamesTheCallAndTellsItsStates(t *testing.T) {
	started, g := make(chan struct{}), newGate(t)
	p := hop.New(t.Context(), func(context.Context) (int, error) {
		close(started)
		g.pass()
		return 1, nil
	}, hop.Name("fetch-page"))
	seen := make(map[string]string)
	look := func(when string) {
		s := p.Call().String()
		if !strings.Contains(s, "fetch-page") {
			t.Errorf("%s: %q does not name the call", when, s)
		}
		for w, other := range seen {
			if s == other {
				t.Errorf("%q both when %s and when %s", s, when, w)
			}
		}
		seen[when] = s
	}
	look("created")
	if err := hop.Goroutines.Submit(p.Call()); err != nil {
		t.Fatal(err)
	}
	recv(t, "start", started)
	look("running")
	p.Cancel(errors.New("enough"))
	look("running with cancel requested")
	g.open()
	_ = waitErr(t, p)
	look("cancelled")
}

func TestString_IsBoundedWhateverTheResult(t *testing.T) {
	p := hop.Go(t.Context(), hop.Goroutines, func(context.Context) (string, error) {
		return "", errors.New(strings.Repeat("long ", 100_000))
	})
	_ = waitErr(t, p)
	if n := len(p.Call().String()); n > 4096 {
		t.Errorf("String() has %d bytes", n)
	}
}

func TestString_MayBeAskedForAtAnyMoment(t *testing.T) {
	// Under the race detector: one goroutine looks while the call goes through all its states.
	for range 20 {
		p := hop.New(t.Context(), func(ctx context.Context) (int, error) { return 1, hop.Yield(ctx) })
		end := make(chan struct{})
		go func() {
			defer close(end)
			for !isDone(p.Done()) {
				_, _, _, _ = p.Call().String(), p.Call().State(), p.Call().Err(), p.Call().Portal()
				runtime.Gosched() // wasm has one thread and does not preempt
			}
		}()
		if err := hop.Goroutines.Submit(p.Call()); err != nil {
			t.Fatal(err)
		}
		must(t, p)
		recv(t, "end of the watcher", end)
	}
}

func TestNew_RunsNothingUntilSubmitted(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		var ran atomic.Int32
		p := hop.New(t.Context(), func(context.Context) (int32, error) { return ran.Add(1), nil })
		if _, err := p.Result(); !errors.Is(err, hop.ErrNotDone) {
			t.Errorf("Result before Submit: %v", err)
		}
		if n := ran.Load(); n != 0 {
			t.Fatal("it ran before it was submitted")
		}
		if err := on.Submit(p.Call()); err != nil {
			t.Fatal(err)
		}
		if got := must(t, p); got != 1 {
			t.Errorf("got %d", got)
		}
	})
}

func TestNew_CancelledBeforeSubmitNeverRuns(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		var ran atomic.Bool
		p := hop.New(t.Context(), func(context.Context) (int, error) { ran.Store(true); return 1, nil })
		if !p.Cancel(nil) {
			t.Error("Cancel reports false")
		}
		if !isDone(p.Done()) {
			t.Error("not done at once")
		}
		if err := on.Submit(p.Call()); err != nil {
			t.Errorf("Submit of a cancelled call: %v, want nil", err)
		}
		wantCancelled(t, waitErr(t, p))
		must(t, hop.Go(t.Context(), on, value(0))) // whatever was queued has had its turn on a loop
		if ran.Load() {
			t.Error("the function ran")
		}
	})
}

func TestNew_ContextOverBeforeSubmitNeverRuns(t *testing.T) {
	cause := errors.New("gone")
	everywhere(t, func(t *testing.T, on hop.Portal) {
		ctx, cancel := context.WithCancelCause(t.Context())
		var ran atomic.Bool
		p := hop.New(ctx, func(context.Context) (int, error) { ran.Store(true); return 1, nil })
		cancel(cause)
		_ = on.Submit(p.Call())
		if ce := wantCancelled(t, waitErr(t, p)); ce.Cause != cause {
			t.Errorf("cause is %v, want %v itself", ce.Cause, cause)
		}
		must(t, hop.Go(t.Context(), on, value(0)))
		if ran.Load() {
			t.Error("the function ran")
		}
	})
}

func TestGo_UnderAnEndedContextNeverRuns(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		var ran atomic.Bool
		f := func(context.Context) (int, error) { ran.Store(true); return 1, nil }
		wantCancelled(t, waitErr(t, hop.Go(ctx, on, f)))
		within(t, patience, "Do under an ended context", func() {
			_, err := hop.Do(ctx, on, f)
			wantCancelled(t, err)
		})
		must(t, hop.Go(t.Context(), on, value(0)))
		if ran.Load() {
			t.Error("the function ran")
		}
	})
}

func TestInline_RunsBeforeGoReturnsOnTheSameGoroutine(t *testing.T) {
	within(t, patience, "Go on Inline", func() {
		me, at := goid(), ""
		p := hop.Go(t.Context(), hop.Inline, func(context.Context) (int, error) { at = goid(); return 7, nil })
		if v, err := p.Result(); v != 7 || err != nil {
			t.Errorf("Result when Go has returned: %v, %v", v, err)
		}
		if at != me {
			t.Errorf("ran on goroutine %s, submitted on %s", at, me)
		}
	})
}

func TestInline_OnATaskMayWaitWithoutBlockingTheLoop(t *testing.T) {
	l := newLoop(t, nil)
	var e hop.Event
	p := hop.Go(t.Context(), l, func(ctx context.Context) (bool, error) {
		return hop.Do(ctx, hop.Inline, func(ctx context.Context) (bool, error) {
			return l.Here(), e.Wait(ctx)
		})
	})
	must(t, hop.Go(t.Context(), l, func(context.Context) (int, error) { e.Set(); return 0, nil }))
	if !must(t, p) {
		t.Error("the inline call ran elsewhere than on the loop")
	}
}

func TestGoroutines_StartsEachCallAtOnce(t *testing.T) {
	const n = 50
	arrived := make(chan string, n)
	g := newGate(t)
	var ps []*hop.Pending[int]
	for i := range n {
		ps = append(ps, hop.Go(t.Context(), hop.Goroutines, func(context.Context) (int, error) {
			arrived <- goid()
			g.pass()
			return i, nil
		}))
	}
	ids := map[string]bool{goid(): true}
	for range n {
		ids[recv(t, "start of all calls, none of which ends", arrived)] = true
	}
	if len(ids) != n+1 {
		t.Errorf("%d calls and their submitter were on %d goroutines", n, len(ids))
	}
	g.open()
	for i, p := range ps {
		if got := must(t, p); got != i {
			t.Errorf("call %d gave %d", i, got)
		}
	}
}

func TestGoroutines_LeavesNoGoroutine(t *testing.T) {
	noLeak(t)
	for range 10 {
		must(t, hop.Go(t.Context(), hop.Goroutines, func(ctx context.Context) (int, error) {
			return 1, hop.Sleep(ctx, time.Microsecond)
		}))
	}
}

func TestAfter_StartsExactlyWhenDue(t *testing.T) {
	everywhereInBubble(t, func(t *testing.T, on hop.Portal) {
		for _, d := range []time.Duration{time.Second, time.Millisecond, 0, -time.Second} {
			start := time.Now()
			p := hop.After(t.Context(), d, on, func(context.Context) (time.Duration, error) {
				return time.Since(start), nil
			})
			if got := must(t, p); got != max(d, 0) {
				t.Errorf("After(%v) ran after %v", d, got)
			}
		}
	})
}

func TestAfter_NotDueIsCancelledAtOnce(t *testing.T) {
	everywhereInBubble(t, func(t *testing.T, on hop.Portal) {
		var ran atomic.Bool
		f := func(context.Context) (int, error) { ran.Store(true); return 1, nil }
		start, cause := time.Now(), errors.New("enough")

		p := hop.After(t.Context(), time.Second, on, f)
		if !p.Cancel(cause) || !isDone(p.Done()) {
			t.Error("Cancel did not end it at once")
		}
		if ce := wantCancelled(t, waitErr(t, p)); ce.Cause != cause {
			t.Errorf("cause is %v", ce.Cause)
		}

		ctx, cancel := context.WithCancel(t.Context())
		p = hop.After(ctx, time.Second, on, f)
		cancel()
		wantCancelled(t, waitErr(t, p))
		recv(t, "Done of a delayed call whose context has ended", p.Done())

		if d := time.Since(start); d != 0 {
			t.Errorf("that took %v", d)
		}
		time.Sleep(2 * time.Second)
		if ran.Load() {
			t.Error("the function ran")
		}
	})
}

func TestAfter_DelayDoesNotCountForTimeout(t *testing.T) {
	everywhereInBubble(t, func(t *testing.T, on hop.Portal) {
		p := hop.After(t.Context(), 2*time.Second, on, func(ctx context.Context) (int, error) {
			return 1, hop.Sleep(ctx, 500*time.Millisecond)
		}, hop.Timeout(time.Second))
		must(t, p)
	})
}

// A delayed call belongs to its portal until it is due, as any call that was submitted.
func TestAfter_IsSubmittedAndNoOtherPortalTakesIt(t *testing.T) {
	everywhereInBubble(t, func(t *testing.T, on hop.Portal) {
		others := map[string]hop.Portal{
			"loop": newLoop(t, nil), "pool": newPool(t, nil), "Goroutines": hop.Goroutines, "Inline": hop.Inline, "itself": on,
		}
		for name, limit := range map[string]int{"alone": -1, "in a group": 0, "in a group with a Limit": 1} {
			var p *hop.Pending[time.Duration]
			start, n := time.Now(), 0
			after := func(ctx context.Context) error {
				p = hop.After(ctx, time.Second, on, func(context.Context) (time.Duration, error) { n++; return time.Since(start), nil })
				for other, to := range others {
					if err := to.Submit(p.Call()); !errors.Is(err, hop.ErrMismatch) {
						t.Errorf("%s: Submit of the delayed call to %s: %v", name, other, err)
					}
				}
				wantState(t, p.Call(), hop.Queued)
				if got := p.Call().Portal(); got != on {
					t.Errorf("%s: its portal is %v", name, got)
				}
				return nil
			}
			if limit < 0 {
				after(t.Context())
			} else if err := hop.WithGroup(t.Context(), &hop.GroupOptions{Limit: limit}, after); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if d := must(t, p); d != time.Second || n != 1 {
				t.Errorf("%s: it ran after %v, %d times", name, d, n)
			}
			wantIs(t, others["pool"].Submit(p.Call()), hop.ErrMismatch)
		}
	})
}

// Nor does one whose group has no place for it when it is due.
func TestAfter_IsDueAndWaitsForAPlaceInItsGroup(t *testing.T) {
	everywhereInBubble(t, func(t *testing.T, on hop.Portal) {
		start := time.Now()
		err := hop.WithGroup(t.Context(), &hop.GroupOptions{Limit: 1}, func(ctx context.Context) error {
			g := newGate(t)
			hop.Go(ctx, hop.Goroutines, func(context.Context) (int, error) { g.pass(); return 0, nil }) // has the place
			p := hop.After(ctx, time.Second, on, func(context.Context) (time.Duration, error) { return time.Since(start), nil })
			time.Sleep(2 * time.Second)
			wantIs(t, hop.Goroutines.Submit(p.Call()), hop.ErrMismatch)
			wantIs(t, on.Submit(p.Call()), hop.ErrMismatch)
			g.open()
			if d := must(t, p); d != 2*time.Second {
				t.Errorf("it ran after %v", d)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// What a user's portal takes when it is due may be handed on, as what Go gives it.
func TestAfter_OnAPortalThatHandsOn(t *testing.T) {
	pool := newPool(t, nil)
	for _, limit := range []int{0, 1} {
		err := hop.WithGroup(t.Context(), &hop.GroupOptions{Limit: limit}, func(ctx context.Context) error {
			must(t, hop.After(ctx, time.Millisecond, handsOn{pool}, value(1)))
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	must(t, hop.After(t.Context(), time.Millisecond, handsOn{pool}, value(1)))
}

type handsOn struct{ to hop.Portal }

func (p handsOn) Submit(c *hop.Call) error { return p.to.Submit(c) }

func TestAfter_OnAStoppedPlaceEndsWithErrStopped(t *testing.T) {
	l := newLoop(t, nil)
	pool := newPool(t, nil)
	closeAll(t, "loop", l.Close)
	closeAll(t, "pool", pool.Close)
	for _, on := range []hop.Portal{l, pool} {
		wantIs(t, waitErr(t, hop.After(t.Context(), time.Millisecond, on, value(1))), hop.ErrStopped)
	}
}

func TestGo_OnAStoppedPlaceFailsWithErrStopped(t *testing.T) {
	l := newLoop(t, nil)
	pool := newPool(t, nil)
	closeAll(t, "loop", l.Close)
	closeAll(t, "pool", pool.Close)
	for _, on := range []hop.Portal{l, pool} {
		var ran atomic.Bool
		p := hop.Go(t.Context(), on, func(context.Context) (int, error) { ran.Store(true); return 1, nil })
		if !isDone(p.Done()) {
			t.Errorf("%T: not done when Go has returned", on)
		}
		wantIs(t, waitErr(t, p), hop.ErrStopped)
		wantState(t, p.Call(), hop.Failed)
		if ran.Load() {
			t.Errorf("%T: the function ran", on)
		}
	}
}
