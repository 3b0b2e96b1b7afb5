package hop_test

import (
	"context"
	"testing"
	"time"

	"github.com/gohop/hop"
)

// The hot paths, one benchmark each. Module bench has them beside other libraries.

func one(context.Context) (int, error) { return 1, nil }

func benchLoop(b *testing.B, o *hop.LoopOptions) *hop.Loop {
	l := hop.NewLoop(o)
	b.Cleanup(func() { l.Close() })
	return l
}

// BenchmarkPost is a post to a busy loop, with what the loop does with it: 1,000 posts and a barrier are one round.
func BenchmarkPost(b *testing.B) {
	l := benchLoop(b, nil)
	f := func() {}
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		l.Post(f)
		if n%1000 == 999 {
			hop.Run(b.Context(), l, func(context.Context) error { return nil })
		}
	}
}

// inside runs f as a task.
func inside(b *testing.B, f func(ctx context.Context, l *hop.Loop)) {
	l := benchLoop(b, nil)
	b.ReportAllocs()
	hop.Run(context.Background(), l, func(ctx context.Context) error {
		f(ctx, l)
		return nil
	})
}

func BenchmarkPostFromTheLoop(b *testing.B) {
	inside(b, func(ctx context.Context, l *hop.Loop) {
		f := func() {}
		for n := 0; b.Loop(); n++ {
			l.Post(f)
			if n%100 == 99 {
				hop.Yield(ctx)
			}
		}
	})
}

func BenchmarkGoAndWaitOnTheLoop(b *testing.B) {
	inside(b, func(ctx context.Context, l *hop.Loop) {
		for b.Loop() {
			hop.Go(ctx, l, one).Wait(ctx)
		}
	})
}

func BenchmarkDoOnTheLoop(b *testing.B) {
	inside(b, func(ctx context.Context, l *hop.Loop) {
		for b.Loop() {
			hop.Do(ctx, l, one)
		}
	})
}

func BenchmarkYield(b *testing.B) {
	inside(b, func(ctx context.Context, l *hop.Loop) {
		for b.Loop() {
			hop.Yield(ctx)
		}
	})
}

func BenchmarkSleep(b *testing.B) {
	inside(b, func(ctx context.Context, l *hop.Loop) {
		for b.Loop() {
			hop.Sleep(ctx, time.Nanosecond)
		}
	})
}

func BenchmarkRoundTrip(b *testing.B) {
	for name, o := range map[string]*hop.LoopOptions{"Goroutine": nil, "Thread": {Thread: true}} {
		b.Run(name, func(b *testing.B) {
			l := benchLoop(b, o)
			b.ReportAllocs()
			for b.Loop() {
				hop.Do(context.Background(), l, one)
			}
		})
	}
}

func BenchmarkPool8(b *testing.B) {
	p := hop.NewPool(&hop.PoolOptions{Size: 8})
	defer p.Close()
	b.ReportAllocs()
	ps := make([]*hop.Pending[int], 100)
	for n := 0; b.Loop(); n++ {
		ps[n%100] = hop.Go(context.Background(), p, one)
		if n%100 == 99 {
			for _, q := range ps {
				q.Wait(context.Background())
			}
		}
	}
}

// What an operation allocates does not depend on the machine, so it is a test.
func TestAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	if wasm {
		t.Skip("wasm has no cheap way to tell goroutines apart: asking allocates")
	}
	l := newLoop(t, nil)
	f := func() {}
	for name, c := range map[string]struct {
		most float64
		op   func(ctx context.Context)
	}{
		"Post":  {0, func(context.Context) { l.Post(f) }},
		"Yield": {0, func(ctx context.Context) { hop.Yield(ctx) }},
		"Sleep": {0, func(ctx context.Context) { hop.Sleep(ctx, 0) }},
		"Sleep under a context that adds a value": {1, func(ctx context.Context) { // the context itself
			hop.Sleep(context.WithValue(ctx, valueKey{}, 1), time.Microsecond)
		}},
		"Go and Wait": {1, func(ctx context.Context) { hop.Go(ctx, l, one).Wait(ctx) }},
		"Do inline":   {1, func(ctx context.Context) { hop.Do(ctx, l, one) }},
		"Cancel":      {3, func(ctx context.Context) { hop.After(bg, time.Hour, l, one).Cancel(nil) }},
		"Cancel of what has a function": {5, func(ctx context.Context) {
			p := hop.After(bg, time.Hour, l, one)
			p.OnDone(f)
			p.Cancel(nil)
		}},
		"Cancel of what has one below": {8, func(ctx context.Context) {
			p := hop.NewPromise[int](bg)
			hop.After(p.Pending().Call().Context(), time.Hour, l, one).OnDone(f)
			p.Pending().Cancel(nil)
		}},
		"Group": {11, func(ctx context.Context) {
			hop.WithGroup(bg, nil, func(ctx context.Context) error { hop.Go(ctx, hop.Inline, one); return nil })
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var got float64
			hop.Run(bg, l, func(ctx context.Context) error {
				for range 100 {
					c.op(ctx) // grows what grows
				}
				hop.Yield(ctx)
				got = testing.AllocsPerRun(100, func() { c.op(ctx) })
				return nil
			})
			if got > c.most {
				t.Errorf("%.1f allocations, want at most %.0f", got, c.most)
			}
		})
	}
}
