package collect_test

// Many calls: linear in time, constant in memory where the source is lazy, and no goroutine for what waits.

import (
	"context"
	"iter"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/gohop/hop"
	"github.com/gohop/hop/collect"
)

// many is how many calls a test of scale makes: fewer where each costs more.
func many() int {
	switch {
	case runtime.GOARCH == "wasm":
		return 10_000
	case raceEnabled, testing.Short():
		return 50_000
	}
	return 1_000_000
}

// heap is what is in use after a collection.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestS35_AMillionResultsStreamInConstantMemory(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		n := many()
		for name, on := range map[string]hop.Portal{"loop": newLoop(t), "inline": hop.Inline} {
			source := func(yield func(*hop.Pending[int]) bool) {
				for i := range n {
					if !yield(hop.Go(ctx, on, func(context.Context) (int, error) { return i, nil })) {
						return
					}
				}
			}
			count, before := 0, int64(0)
			for range collect.AsCompleted(ctx, source, collect.MaxConcurrent(100)) {
				count++
				if count == n/10 {
					before = heap()
				} else if count == n-100 {
					if grown := heap() - before; grown > 4<<20 {
						t.Errorf("%s: the heap grew by %d KB over %d results", name, grown>>10, n)
					}
				}
			}
			if count != n {
				t.Errorf("%s: %d yielded, want %d", name, count, n)
			}
		}
	})
}

func TestS35_LeavingLeavesNothingBehind(t *testing.T) {
	within(t, func() {
		_, open := promises(2) // they live on; each round registers with them
		round := func() {
			for range collect.AsCompleted(t.Context(), slices.Values(append(list{resolved(1)}, open...)), collect.KeepUnfinished()) {
				break
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			collect.Wait(ctx, collect.FirstDone, open...)
		}
		for range 1000 {
			round()
		}
		before := heap()
		for range 20_000 {
			round()
		}
		if grown := heap() - before; grown > 1<<20 {
			t.Errorf("the heap grew by %d KB", grown>>10)
		}
		runtime.KeepAlive(open)
	})
}

func TestNoGoroutineForEachWaitingCall(t *testing.T) {
	within(t, func() {
		const n = 10_000
		_, calls := promises(n)
		before := runtime.NumGoroutine()
		var most atomic.Int64
		waits := func(wait func(ctx context.Context)) {
			p := hop.Go(t.Context(), hop.Goroutines, func(ctx context.Context) (int, error) { wait(ctx); return 0, nil })
			for p.Call().State() != hop.Waiting {
				runtime.Gosched()
			}
			most.Store(max(most.Load(), int64(runtime.NumGoroutine()-before)))
			p.Cancel(nil)
			p.Wait(t.Context())
		}
		waits(func(ctx context.Context) { collect.Wait(ctx, collect.AllDone, calls...) })
		waits(func(ctx context.Context) { collect.Wait(ctx, collect.FirstDone, calls...) })
		waits(func(ctx context.Context) {
			for range collect.AsCompleted(ctx, slices.Values(calls), collect.KeepUnfinished()) {
			}
		})
		if most := most.Load(); most > n/100 { // other tests may leave some behind
			t.Errorf("%d goroutines for the waits", most)
		}
	})
}

func TestAMillionUnfinishedCalls(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		n := many() / 5
		start := func() list {
			ps, calls := promises(n)
			hop.Go(ctx, hop.Goroutines, func(context.Context) (int, error) {
				for _, p := range ps {
					p.Resolve(1)
				}
				return 0, nil
			})
			return calls
		}
		calls := start()
		if done, rest := collect.Wait(ctx, collect.AllDone, calls...); len(done) != n || len(rest) != 0 {
			t.Errorf("AllDone: %d done, %d not", len(done), len(rest))
		}
		calls = start()
		if done, _ := collect.Wait(ctx, collect.FirstFailed, calls...); len(done) != n {
			t.Errorf("FirstFailed: %d done", len(done))
		}
		calls = start()
		count := 0
		for range collect.AsCompleted(ctx, slices.Values(calls)) {
			count++
		}
		if count != n {
			t.Errorf("AsCompleted: %d yielded", count)
		}
	})
}

func BenchmarkAsCompleted(b *testing.B) {
	l := newLoop(b)
	source := func(ctx context.Context, n int) iter.Seq[*hop.Pending[int]] {
		return func(yield func(*hop.Pending[int]) bool) {
			for i := range n {
				if !yield(hop.Go(ctx, l, func(context.Context) (int, error) { return i, nil })) {
					return
				}
			}
		}
	}
	for name, opts := range map[string][]collect.Option{"all": nil, "100": {collect.MaxConcurrent(100)}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			n := 0
			err := hop.Run(b.Context(), l, func(ctx context.Context) error {
				for range collect.AsCompleted(ctx, source(ctx, b.N), opts...) {
					n++
				}
				return nil
			})
			if n != b.N || err != nil {
				b.Errorf("%d, %v", n, err)
			}
		})
	}
}

func BenchmarkBaseline(b *testing.B) {
	l := newLoop(b)
	b.Run("go and wait", func(b *testing.B) {
		b.ReportAllocs()
		hop.Run(b.Context(), l, func(ctx context.Context) error {
			ps := make([]*hop.Pending[int], b.N)
			for i := range ps {
				ps[i] = hop.Go(ctx, l, func(context.Context) (int, error) { return i, nil })
			}
			for _, p := range ps {
				p.Wait(ctx)
			}
			return nil
		})
	})
	b.Run("go, OnDone and wait", func(b *testing.B) {
		b.ReportAllocs()
		hop.Run(b.Context(), l, func(ctx context.Context) error {
			ps := make([]*hop.Pending[int], b.N)
			n := 0
			for i := range ps {
				ps[i] = hop.Go(ctx, l, func(context.Context) (int, error) { return i, nil })
				ps[i].OnDone(func() { n++ })
			}
			for _, p := range ps {
				p.Wait(ctx)
			}
			return nil
		})
	})
}
