package hop_test

// Event: Prefect's test_primitives.py, and what else is promised.

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gohop/hop"
)

// setters set an event from each kind of place: from sync code, from a task, from another thread, from another loop.
var setters = map[string]func(t *testing.T, e *hop.Event){
	"this goroutine": func(t *testing.T, e *hop.Event) { e.Set() },
	"another goroutine": func(t *testing.T, e *hop.Event) {
		done := make(chan struct{})
		go func() { defer close(done); e.Set() }()
		recv(t, "Set", done)
	},
	"a task":        func(t *testing.T, e *hop.Event) { must(t, hop.Go(bg, newLoop(t, nil), setting(e))) },
	"a pool worker": func(t *testing.T, e *hop.Event) { must(t, hop.Go(bg, newPool(t, nil), setting(e))) },
	"a posted function": func(t *testing.T, e *hop.Event) {
		done := make(chan struct{})
		newLoop(t, nil).Post(func() { e.Set(); close(done) })
		recv(t, "Set", done)
	},
}

func setting(e *hop.Event) func(context.Context) (int, error) {
	return func(context.Context) (int, error) { e.Set(); return 0, nil }
}

func waiting(e *hop.Event) func(context.Context) (int, error) {
	return func(ctx context.Context) (int, error) { return 0, e.Wait(ctx) }
}

func TestEvent_SetBeforeWait(t *testing.T) {
	for name, set := range setters {
		t.Run(name, func(t *testing.T) {
			everywhere(t, func(t *testing.T, on hop.Portal) {
				var e hop.Event
				set(t, &e)
				if err := e.Wait(bg); err != nil {
					t.Error(err)
				}
				must(t, hop.Go(bg, on, waiting(&e)))
			})
		})
	}
}

func TestEvent_SetWakesWhoWaits(t *testing.T) {
	for name, set := range setters {
		t.Run(name, func(t *testing.T) {
			everywhere(t, func(t *testing.T, on hop.Portal) {
				var e hop.Event
				p := hop.Go(bg, on, waiting(&e))
				untilWaiting(t, p.Call())
				set(t, &e)
				must(t, p)
			})
		})
	}
}

func TestEvent_SetByATaskOfTheSameLoop(t *testing.T) {
	onEachLoop(t, func(t *testing.T, l *hop.Loop) {
		var e hop.Event
		p := hop.Go(bg, l, waiting(&e))
		untilWaiting(t, p.Call())
		must(t, hop.Go(bg, l, setting(&e)))
		must(t, p)
	})
}

func TestEvent_IsSetForEver(t *testing.T) {
	var e hop.Event // the zero value is ready
	if e.IsSet() {
		t.Error("a new event is set")
	}
	e.Set()
	e.Set() // does nothing
	if !e.IsSet() {
		t.Error("it is not set after Set")
	}
	for range 3 {
		if err := e.Wait(bg); err != nil || !e.IsSet() {
			t.Errorf("a wait changed it: %v", err)
		}
	}
}

func TestEvent_ManySetsAndWaitsLoseNoWakeup(t *testing.T) {
	l, pool := newLoop(t, nil), newPool(t, nil)
	ons := []hop.Portal{l, pool, hop.Goroutines}
	n := 1000
	if testing.Short() || wasm {
		n = 100
	}
	var ps []*hop.Pending[int]
	for i := range n {
		e := new(hop.Event)
		for j := range 3 {
			ps = append(ps, hop.Go(bg, ons[(i+j)%3], waiting(e)))
		}
		ps = append(ps, hop.Go(bg, ons[i%3], setting(e)), hop.Go(bg, ons[(i+1)%3], setting(e)))
	}
	for _, p := range ps {
		must(t, p)
	}
}

func TestEvent_LoopsThatSetEachOthersEventsDoNotDeadlock(t *testing.T) {
	// Set never waits for the other loop, though that be busy.
	l1, l2 := newLoop(t, nil), newLoop(t, nil)
	var e1, e2 hop.Event
	a := hop.Go(bg, l1, waiting(&e1))
	untilWaiting(t, a.Call())
	gate := occupy(t, l1)
	must(t, hop.Go(bg, l2, setting(&e1))) // l1 cannot take the wake now
	gate.open()
	must(t, a)
	for range 200 {
		var f1, f2 hop.Event
		b := hop.Go(bg, l1, func(ctx context.Context) (int, error) { f2.Set(); return 0, f1.Wait(ctx) })
		c := hop.Go(bg, l2, func(ctx context.Context) (int, error) { f1.Set(); return 0, f2.Wait(ctx) })
		must(t, b)
		must(t, c)
	}
	e2.Set()
}

func TestEvent_BelongsToNoLoop(t *testing.T) {
	// Made on one, waited for on many, set on another.
	first := newLoop(t, nil)
	e := must(t, hop.Go(bg, first, func(context.Context) (*hop.Event, error) { return new(hop.Event), nil }))
	var ps []*hop.Pending[int]
	for range 4 {
		l := newLoop(t, nil)
		for range 3 {
			ps = append(ps, hop.Go(bg, l, waiting(e)))
		}
	}
	for range 3 {
		ps = append(ps, hop.Go(bg, hop.Goroutines, waiting(e)), hop.Go(bg, first, waiting(e)))
	}
	for _, p := range ps {
		untilWaiting(t, p.Call())
	}
	must(t, hop.Go(bg, newLoop(t, nil), setting(e)))
	for _, p := range ps {
		must(t, p)
	}
}

func TestEvent_WaitEndsWithItsContext(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		var e hop.Event
		ctx, cancel := context.WithCancelCause(bg)
		p := hop.Go(bg, on, func(context.Context) (error, error) { return e.Wait(ctx), nil })
		untilWaiting(t, p.Call())
		other := hop.Go(bg, on, waiting(&e)) // who goes on waiting is not disturbed
		untilWaiting(t, other.Call())
		cancel(errEnough)
		err := must(t, p)
		wantIs(t, err, context.Canceled)
		wantIs(t, err, errEnough)
		wantNot(t, err, hop.ErrCancelled)
		wantIs(t, e.Wait(ctx), context.Canceled) // ended before
		e.Set()
		must(t, other)
		if err := e.Wait(ctx); err != nil {
			t.Errorf("set, and the context has ended: %v, want nil", err)
		}
	})
}

// To look at a context may set the event: it may be that of a call, whose end is seen then, and runs functions of users.
func TestEvent_SetByTheLookAtTheContext(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		must(t, hop.Go(bg, on, func(context.Context) (int, error) {
			var e hop.Event
			return 0, e.Wait(setsWhenAsked{bg, &e})
		}))
	})
}

// setsWhenAsked is a context that sets an event when it is asked whether it has ended, and has.
type setsWhenAsked struct {
	context.Context
	e *hop.Event
}

func (ctx setsWhenAsked) Err() error {
	ctx.e.Set()
	return context.Canceled
}

func TestEvent_WaitEndsWithTheDeadline(t *testing.T) {
	everywhereInBubble(t, func(t *testing.T, on hop.Portal) {
		var e hop.Event
		ctx, cancel := context.WithTimeout(bg, time.Hour)
		defer cancel()
		begin := time.Now()
		_, err := hop.Go(bg, on, func(context.Context) (int, error) { return 0, e.Wait(ctx) }).Wait(bg)
		wantIs(t, err, context.DeadlineExceeded)
		if d := time.Since(begin); d != time.Hour {
			t.Errorf("after %v", d)
		}
	})
}

func TestEvent_WaitEndsWithTheStopOfItsLoop(t *testing.T) {
	var e hop.Event
	l := hop.NewLoop(nil)
	got := make(chan error, 1)
	l.Post(func() { got <- e.Wait(bg) })
	must(t, hop.Go(bg, l, value(1)))
	within(t, patience, "Close", func() { l.Close() })
	wantIs(t, recv(t, "the wait", got), hop.ErrStopped)
	e.Set() // nobody is left to wake
}

func TestEvent_OnAPoolWorkerTheWaitGivesThePlaceBack(t *testing.T) {
	pool := newPool(t, &hop.PoolOptions{Size: 1})
	var e hop.Event
	p := hop.Go(bg, pool, waiting(&e))
	must(t, hop.Go(bg, pool, setting(&e)))
	must(t, p)
}

func TestEvent_ManyWaitersCostNoGoroutineEach(t *testing.T) {
	l := newLoop(t, nil)
	var e hop.Event
	before := runtime.NumGoroutine()
	var ps []*hop.Pending[int]
	for range 1000 {
		ps = append(ps, hop.Go(bg, l, waiting(&e)))
	}
	for _, p := range ps {
		untilWaiting(t, p.Call())
	}
	// A suspended task is a coroutine, which the runtime counts as a goroutine: one each, and no more.
	if n := runtime.NumGoroutine() - before; n > 1100 {
		t.Errorf("1000 waiting tasks cost %d goroutines", n)
	}
	e.Set()
	for _, p := range ps {
		must(t, p)
	}
}

func TestEvent_RacesOfSetCancelAndStop(t *testing.T) {
	noLeak(t)
	rounds := 300
	if testing.Short() || wasm {
		rounds = 50
	}
	for i := range rounds {
		l := hop.NewLoop(nil)
		var e hop.Event
		ctx, cancel := context.WithCancel(bg)
		on := []hop.Portal{l, hop.Goroutines}[i%2]
		p := hop.Go(bg, on, func(context.Context) (error, error) { return e.Wait(ctx), nil })
		var all sync.WaitGroup
		all.Go(e.Set)
		all.Go(cancel)
		if i%3 == 0 {
			all.Go(func() { l.Close() })
		}
		within(t, patience, "the wait", func() { <-p.Done() })
		if err, _ := p.Result(); err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, hop.ErrStopped) {
			t.Fatal(err)
		}
		all.Wait()
		within(t, patience, "Close", func() { l.Close() })
	}
}

func TestEvent_InVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var e hop.Event
		begin := time.Now()
		time.AfterFunc(time.Hour, e.Set)
		if err := e.Wait(bg); err != nil || time.Since(begin) != time.Hour {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
	})
}
