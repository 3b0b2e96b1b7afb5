package upstream_test

// Prefect's test_primitives.py: an event that belongs to no loop.

import (
	"context"
	"sync"
	"testing"

	"github.com/gohop/hop"
)

// setters are the worlds that an event may be set from.
var setters = map[string]func(t *testing.T, e *hop.Event) *hop.Pending[int]{
	"sync context": func(t *testing.T, e *hop.Event) *hop.Pending[int] { e.Set(); return hop.Go(bg, hop.Inline, value(0)) },
	"async context": func(t *testing.T, e *hop.Event) *hop.Pending[int] {
		return hop.Go(bg, newLoop(t, nil), func(context.Context) (int, error) { e.Set(); return 0, nil })
	},
	"sync thread": func(t *testing.T, e *hop.Event) *hop.Pending[int] {
		return hop.Go(bg, newThread(t), func(context.Context) (int, error) { e.Set(); return 0, nil })
	},
	"async thread": func(t *testing.T, e *hop.Event) *hop.Pending[int] {
		return hop.Go(bg, loopThread(t), func(ctx context.Context) (int, error) {
			err := hop.Yield(ctx)
			e.Set()
			return 0, err
		})
	},
}

func TestPrefectPrimitives_EventSetBeforeWait(t *testing.T) {
	for name, set := range setters {
		t.Run(name, func(t *testing.T) {
			var e hop.Event
			must(t, set(t, &e))
			ended, cancel := context.WithCancel(bg)
			cancel()
			fromBoth(t, func(t *testing.T, ctx context.Context) {
				if err := e.Wait(ended); err != nil { // at once, so even now
					t.Error(err)
				}
			})
		})
	}
}

func TestPrefectPrimitives_EventSetWakesAWaitingTask(t *testing.T) {
	for name, set := range setters {
		t.Run(name, func(t *testing.T) {
			var e hop.Event
			l := newLoop(t, nil)
			p := hop.Go(bg, l, func(ctx context.Context) (int, error) {
				err := e.Wait(ctx)
				if !l.Here() {
					t.Error("woken elsewhere")
				}
				return 0, err
			})
			untilWaiting(t, p.Call())
			must(t, set(t, &e))
			must(t, p)
		})
	}
	t.Run("created in a thread", func(t *testing.T) {
		e := must(t, hop.Go(bg, newThread(t), func(context.Context) (*hop.Event, error) { return new(hop.Event), nil }))
		p := hop.Go(bg, newLoop(t, nil), func(ctx context.Context) (int, error) { return 0, e.Wait(ctx) })
		untilWaiting(t, p.Call())
		e.Set()
		must(t, p)
	})
}

func TestPrefectPrimitives_EventManySetAndWait(t *testing.T) {
	loops := []*hop.Loop{newLoop(t, nil), newLoop(t, nil)}
	for range 100 {
		var e hop.Event
		var ps []*hop.Pending[int]
		for _, on := range []hop.Portal{loops[0], loops[1], hop.Goroutines} {
			for range 4 {
				ps = append(ps, hop.Go(bg, on, func(ctx context.Context) (int, error) { return 0, e.Wait(ctx) }))
			}
			ps = append(ps, hop.Go(bg, on, func(context.Context) (int, error) { e.Set(); return 0, nil }))
		}
		for _, p := range ps {
			must(t, p)
		}
	}
}

func TestPrefectPrimitives_DependentEventsInTwoLoopsDoNotDeadlock(t *testing.T) {
	a, b := newLoop(t, &hop.LoopOptions{Thread: !wasm}), newLoop(t, &hop.LoopOptions{Thread: !wasm})
	for range 100 {
		var fromA, fromB hop.Event
		meet := func(mine, theirs *hop.Event) func(context.Context) (int, error) {
			return func(ctx context.Context) (int, error) { mine.Set(); return 0, theirs.Wait(ctx) }
		}
		p, q := hop.Go(bg, a, meet(&fromA, &fromB)), hop.Go(bg, b, meet(&fromB, &fromA))
		must(t, p)
		must(t, q)
	}
	// Set does not wait for the loop that it wakes, be it stuck.
	var e hop.Event
	p := hop.Go(bg, a, func(ctx context.Context) (int, error) { return 0, e.Wait(ctx) })
	untilWaiting(t, p.Call())
	g := occupy(t, a)
	within(t, "Set while the waiting loop is stuck", e.Set)
	g.open()
	must(t, p)
}

func TestPrefectPrimitives_EventWaitInDifferentLoop(t *testing.T) {
	e := must(t, hop.Go(bg, newLoop(t, nil), func(context.Context) (*hop.Event, error) { return new(hop.Event), nil }))
	p := hop.Go(bg, newLoop(t, nil), func(ctx context.Context) (int, error) { return 0, e.Wait(ctx) })
	untilWaiting(t, p.Call())
	e.Set()
	must(t, p)
}

func TestPrefectPrimitives_EventWaitInMultipleLoops(t *testing.T) {
	var e hop.Event
	var ps []*hop.Pending[int]
	for range 5 {
		l := newLoop(t, nil)
		for range 3 {
			ps = append(ps, hop.Go(bg, l, func(ctx context.Context) (int, error) { return 0, e.Wait(ctx) }))
		}
	}
	for _, p := range ps {
		untilWaiting(t, p.Call())
	}
	e.Set()
	for _, p := range ps {
		must(t, p)
	}
}

func TestPrefectPrimitives_EventIsSet(t *testing.T) {
	var e hop.Event
	if e.IsSet() {
		t.Error("set from the start")
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(e.Set)
	}
	within(t, "four Sets", wg.Wait)
	if !e.IsSet() {
		t.Error("not set")
	}
}
