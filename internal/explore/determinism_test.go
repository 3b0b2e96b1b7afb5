package explore_test

import (
	"context"
	"testing"
	"time"

	"github.com/gohop/hop"
	"github.com/gohop/hop/internal/explore"
)

// The same seed makes the same schedule each time, and the schedule can be run again from its text.
func TestSameSeedSameSchedule(t *testing.T) {
	for _, s := range []explore.Strategy{explore.Random, explore.PCT, explore.Exhaustive} {
		for seed := range uint64(10) {
			var schedule string
			var trace []explore.Row
			for i := range 11 {
				o := explore.Options{Strategy: s, Seed: seed}
				if i == 10 {
					o = explore.Options{Seed: seed, Schedule: schedule}
				}
				r := explore.Run(t, o, busy)
				mustPass(t, r)
				if i == 0 {
					schedule, trace = r.Schedule, r.Trace
				}
				if d := difference(trace, r.Trace); d != "" || r.Schedule != schedule {
					t.Fatalf("%v, seed %d, run %d: %s", s, seed, i, d)
				}
			}
		}
	}
}

func TestOtherSeedsOtherSchedules(t *testing.T) {
	for _, s := range []explore.Strategy{explore.Random, explore.PCT} {
		seen := make(map[string]bool)
		for seed := range uint64(50) {
			seen[explore.Run(t, explore.Options{Strategy: s, Seed: seed}, busy).Schedule] = true
		}
		if len(seen) < 45 {
			t.Errorf("%v: 50 seeds make %d schedules", s, len(seen))
		}
	}
}

// Searching does not depend on what was run before: the run with seed n is the same, alone or as the n-th.
func TestSearchAndRunAgree(t *testing.T) {
	body := func(x *explore.Trial) {
		busy(x)
		if x.Seed() == 20 {
			x.Fatalf("it is the 20th")
		}
	}
	f := mustFail(t, explore.Search(t, explore.Options{Seed: 1, NoShrink: true}, body), explore.Failed, "it is the 20th")
	if f.Run != 20 || f.Seed != 20 {
		t.Errorf("run %d, seed %d", f.Run, f.Seed)
	}
	if r := explore.Run(t, explore.Options{Seed: 20}, body); r.Schedule != f.Schedule {
		t.Errorf("alone it is\n%s\nand in the search\n%s", r.Schedule, f.Schedule)
	}
}

// Timers that are due at one instant fire in an order that the runtime makes up, and goroutines that look alike come in any order.
func TestWhatLooksAlikeIsInOrder(t *testing.T) {
	body := func(x *explore.Trial) {
		for range 5 {
			time.AfterFunc(time.Second, func() { x.Point("a") })
			time.AfterFunc(time.Second, func() { x.Point("b") })
			go func() { x.Point("c") }()
		}
		time.Sleep(2 * time.Second)
	}
	first := explore.Run(t, explore.Options{Seed: 3}, body)
	for range 20 {
		again := explore.Run(t, explore.Options{Seed: 3}, body)
		if d := difference(first.Trace, again.Trace); d != "" {
			t.Fatal(d)
		}
	}
}

func TestAScheduleThatDoesNotFit(t *testing.T) {
	mustFail(t, explore.Run(t, explore.Options{Schedule: "1,7"}, busy), explore.Diverged, "step 2 should be g7's")
	defer func() {
		if recover() == nil {
			t.Error("nonsense is taken for a schedule")
		}
	}()
	explore.Run(t, explore.Options{Schedule: "1,x"}, busy)
}

// A body that does not do the same each time is told so.
func TestABodyThatIsNotDeterministic(t *testing.T) {
	n := 0
	body := func(x *explore.Trial) {
		n++
		for range n % 3 {
			x.Go("odd", func() { x.Point("odd") })
			x.Point("even")
		}
	}
	mustFail(t, explore.Search(t, explore.Options{Strategy: explore.Exhaustive}, body), explore.Diverged, "the same each time")
	n = 0
	r := explore.Search(t, explore.Options{}, func(x *explore.Trial) {
		if n++; n == 5 {
			x.Errorf("once")
		}
	})
	mustFail(t, r, explore.Failed, "does not fail the same way again")
}

// A pool that is closed tells the calls of its workers in the order in which these were made.
func TestTheStopOfAPoolIsInOrder(t *testing.T) {
	body := func(x *explore.Trial) {
		p := hop.NewPool(nil)
		for range 4 {
			hop.Go(x.Context(), p, func(ctx context.Context) (int, error) { return 0, hop.Sleep(ctx, time.Second) })
		}
		hop.Sleep(x.Context(), time.Millisecond)
		p.Close()
	}
	first := explore.Run(t, explore.Options{Seed: 3}, body)
	for range 20 {
		if d := difference(first.Trace, explore.Run(t, explore.Options{Seed: 3}, body).Trace); d != "" {
			t.Fatal(d)
		}
	}
}
