package hop_test

import (
	"context"
	"iter"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gohop/hop"
)

// A cost is what an operation may take, as a multiple of something that the machine cannot do faster. Both are measured here, in turns, and the
// least of each counts, so the figure hardly depends on the machine, or on what else it does. The limits are two to three times what was
// measured: they are there for the lock, the allocation or the wake-up by the kernel that somebody adds by mistake.
type cost struct {
	name  string
	floor func(n int) // does it n times
	op    func(n int)
	most  float64
}

// TestCosts holds what the documentation says of costs to limits (see docs/how-it-works.md). The figure beside each is that of a quiet machine; the same code
// takes up to three times as much on one whose memory is slow at the time, where a swap is as fast. So the limits are above that: what they find is a cost of
// another kind, such as a call that blocks. Allocations are counted exactly, in TestAllocations.
func TestCosts(t *testing.T) {
	switch {
	case raceEnabled, testing.CoverMode() != "":
		t.Skip("what watches the code is most of the cost")
	case runtime.GOARCH != "amd64":
		t.Skip("the limits were measured on amd64, where an atomic swap costs more beside the rest than elsewhere")
	case testing.Short():
		t.Skip("-short")
	}
	l := newLoop(t, nil)
	inside := func(op func(ctx context.Context, n int)) func(int) {
		return func(n int) {
			hop.Run(bg, l, func(ctx context.Context) error { op(ctx, n); return nil })
		}
	}
	pool := newPool(t, &hop.PoolOptions{Size: 8})
	nothing := func() {}
	for _, c := range []cost{
		{"Post, from the loop, to an atomic swap", swaps, inside(func(ctx context.Context, n int) { // 5
			for i := range n {
				l.Post(nothing)
				if i%100 == 99 {
					hop.Yield(ctx)
				}
			}
		}), 30},
		{"Post, from elsewhere, to an atomic swap", swaps, func(n int) { // 5
			for range n {
				l.Post(nothing)
			}
			hop.Run(bg, l, func(context.Context) error { return nil })
		}, 40},
		{"Do inline, to an atomic swap", swaps, inside(func(ctx context.Context, n int) { // 31
			for range n {
				hop.Do(ctx, l, one)
			}
		}), 180},
		{"Go and Wait on the own loop, to an atomic swap", swaps, inside(func(ctx context.Context, n int) { // 75
			for range n {
				hop.Go(ctx, l, one).Wait(ctx)
			}
		}), 600},
		{"Yield, to a switch of coroutines", switches, inside(func(ctx context.Context, n int) { // 1.6
			for range n {
				hop.Yield(ctx)
			}
		}), 6},
		{"Do on a loop, to two switches of goroutines", roundTrips, func(n int) { // 2
			for range n {
				hop.Do(bg, l, one)
			}
		}, 6},
		{"a call among many on a pool, to the start of a goroutine", starts, func(n int) { // 0.5
			ps := make([]*hop.Pending[int], n)
			for i := range ps {
				ps[i] = hop.Go(bg, pool, one)
			}
			for _, p := range ps {
				p.Wait(bg)
			}
		}, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			const n, rounds, tries = 2000, 15, 4
			var ratio float64
			for range tries { // on a machine with much else to do, all rounds of one try may be slow
				floor, op := time.Duration(1<<62), time.Duration(1<<62)
				for range rounds {
					floor = min(floor, timed(c.floor, n))
					op = min(op, timed(c.op, n))
				}
				if ratio = float64(op) / float64(floor); ratio <= c.most {
					break
				}
			}
			t.Logf("%.1f, at most %.0f", ratio, c.most)
			if ratio > c.most {
				t.Errorf("%.1f times the floor, want at most %.0f", ratio, c.most)
			}
		})
	}
}

func timed(f func(int), n int) time.Duration {
	start := time.Now()
	f(n)
	return time.Since(start)
}

var swapped atomic.Uint64

func swaps(n int) {
	for i := range n {
		swapped.Swap(uint64(i))
	}
}

// switches makes n of them: one there, and one back.
func switches(n int) {
	next, stop := iter.Pull(func(yield func(int) bool) {
		for i := 0; yield(i); i++ {
		}
	})
	defer stop()
	for range n / 2 {
		next()
	}
}

func roundTrips(n int) {
	ask, answer := make(chan int), make(chan int)
	go func() {
		defer close(answer)
		for v := range ask {
			answer <- v
		}
	}()
	for i := range n {
		ask <- i
		<-answer
	}
	close(ask)
	<-answer
}

func starts(n int) {
	done := make(chan struct{}, n)
	for range n {
		go func() { done <- struct{}{} }()
	}
	for range n {
		<-done
	}
}
