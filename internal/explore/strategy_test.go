package explore_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gohop/hop/internal/explore"
)

// An order is what has written to it, one after the other.
type order struct {
	mu   sync.Mutex
	text strings.Builder
}

func (o *order) write(b byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text.WriteByte(b)
}

func (o *order) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// writers is n goroutines that each do steps steps, and body waits for. Each step is written to order.
func writers(x *explore.Trial, n, steps int, order *order) {
	done := make(chan bool, n)
	for i := range n {
		x.Go(fmt.Sprint(i), func() {
			for range steps - 1 { // the beginning is one
				order.write(byte('a' + i))
				x.Point("step")
			}
			order.write(byte('a' + i))
			done <- true
		})
	}
	for range n {
		<-done
	}
}

// The number of schedules of a program can be counted by hand.
func TestExhaustiveCounts(t *testing.T) {
	for _, c := range []struct{ n, steps, bound, want int }{
		{2, 2, -1, 2},  // aabb, bbaa
		{2, 2, 1, 4},   // and abba, baab
		{2, 2, 9, 6},   // 4 over 2
		{2, 3, 9, 20},  // 6 over 3
		{2, 5, 9, 252}, // 10 over 5
		{3, 2, 9, 90},  // 6! / 2!³
		{3, 1, -1, 6},  // who begins has no say
		{4, 2, -1, 24}, //
	} {
		seen := make(map[string]int)
		r := explore.Search(t, explore.Options{Strategy: explore.Exhaustive, Preemptions: c.bound}, func(x *explore.Trial) {
			var order order
			writers(x, c.n, c.steps, &order)
			seen[order.String()]++
		})
		mustPass(t, r)
		if !r.Exhausted || len(seen) != c.want || r.Runs != c.want {
			t.Errorf("%d goroutines with %d steps, bound %d: %d orders in %d runs (exhausted: %v), want %d: %v",
				c.n, c.steps, c.bound, len(seen), r.Runs, r.Exhausted, c.want, seen)
		}
	}
}

func TestExhaustiveStopsAtRuns(t *testing.T) {
	r := explore.Search(t, explore.Options{Strategy: explore.Exhaustive, Runs: 5}, func(x *explore.Trial) {
		writers(x, 3, 3, new(order))
	})
	if r.Exhausted || r.Runs != 5 {
		t.Errorf("%d runs, exhausted: %v", r.Runs, r.Exhausted)
	}
}

// The bug needs one goroutine to be held between two of its steps while another does all of its own.
func deep(steps int) func(x *explore.Trial) {
	return func(x *explore.Trial) {
		var order order
		writers(x, 3, steps, &order)
		if strings.Contains(order.String(), "a"+strings.Repeat("b", steps)+"a") {
			x.Errorf("the order was %s", order.String())
		}
	}
}

func TestPCTFindsWhatIsDeep(t *testing.T) {
	f := mustFail(t, explore.Search(t, explore.Options{Strategy: explore.PCT, Seed: 1, Runs: 2000}, deep(25)), explore.Failed, "PCT")
	t.Logf("found in run %d", f.Run)
}

func TestRandomAndExhaustiveFindWhatIsShallow(t *testing.T) {
	for _, s := range []explore.Strategy{explore.Random, explore.Exhaustive} {
		mustFail(t, explore.Search(t, explore.Options{Strategy: s, Seed: 1}, deep(2)), explore.Failed, s.String())
	}
}

// A schedule found among many switches is made to have only those that the bug needs.
func TestAFailureIsShortened(t *testing.T) {
	body := func(x *explore.Trial) {
		var order order
		writers(x, 4, 6, &order)
		if i := strings.Index(order.String(), "ad"); i >= 0 && strings.Contains(order.String()[i:], "da") {
			x.Errorf("a, d, a")
		}
	}
	long := mustFail(t, explore.Search(t, explore.Options{Seed: 4, NoShrink: true}, body), explore.Failed)
	short := mustFail(t, &explore.Result{Failure: explore.Shrink(t, explore.Options{}, long, body)}, explore.Failed, "shortened, from ")
	switches := func(f *explore.Failure) int { return strings.Count(f.Schedule, ",") }
	// the body's beginning, a, all of d from a's middle on, a, then the rest
	if switches(short) > 6 || switches(short) >= switches(long) {
		t.Errorf("%s was shortened to %s", long.Schedule, short.Schedule)
	}
	again := explore.Run(t, explore.Options{Schedule: short.Schedule, Seed: short.Seed}, body)
	if f := mustFail(t, again, explore.Failed); f.Table() != short.Table() {
		t.Errorf("run again it is\n%s\nand was\n%s", f.Table(), short.Table())
	}
}

// Timers may fire while goroutines could go on, but only with Slack.
func TestTimePassesWhileGoroutinesAreKept(t *testing.T) {
	body := func(x *explore.Trial) {
		var fired atomic.Bool
		time.AfterFunc(3*time.Millisecond, func() { fired.Store(true) })
		for range 10 {
			x.Point("busy")
		}
		if fired.Load() {
			x.Errorf("the timer has fired")
		}
	}
	for _, s := range []explore.Strategy{explore.Random, explore.PCT, explore.Exhaustive} {
		mustFail(t, explore.Search(t, explore.Options{Strategy: s, Slack: 5 * time.Millisecond, Runs: 2000}, body), explore.Failed,
			"time passes")
		mustPass(t, explore.Search(t, explore.Options{Strategy: s, Slack: -1, Runs: 100}, body))
	}
	mustPass(t, explore.Search(t, explore.Options{Strategy: explore.Exhaustive}, body))
}
