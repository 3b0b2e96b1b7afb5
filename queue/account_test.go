package queue_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gohop/hop"
	"github.com/gohop/hop/queue"
)

// Of each value exactly one thing becomes true: Put failed, the function was called, OnDrop was. Whatever the policy, the
// portal, the function and the end, and whenever the end comes.
func TestEveryValueIsAccountedFor(t *testing.T) {
	rounds := 300
	if testing.Short() || runtime.GOARCH == "wasm" {
		rounds = 50
	}
	for seed := range rounds {
		if !account(t, uint64(seed)) {
			t.Fatalf("seed %d", seed)
		}
	}
}

func account(t *testing.T, seed uint64) bool {
	rnd := rand.New(rand.NewPCG(seed, seed))
	var on hop.Portal
	stop := func() error { return nil }
	drain := func(context.Context) error { return nil }
	kind := rnd.IntN(5)
	switch kind {
	case 0, 1:
		l := hop.NewLoop(&hop.LoopOptions{QueueLimit: rnd.IntN(2) * 4})
		on, stop, drain = l, l.Close, l.Shutdown
	case 2:
		p := hop.NewPool(&hop.PoolOptions{Size: 1 + rnd.IntN(3), QueueLimit: rnd.IntN(2) * 4})
		on, stop, drain = p, p.Close, p.Shutdown
	case 3:
		on = hop.Goroutines
	case 4:
		on = hop.Inline
	}
	o := queue.Options{
		Limit:     rnd.IntN(2) * (1 + rnd.IntN(4)),
		Full:      queue.Policy(rnd.IntN(3)),
		BatchSize: rnd.IntN(4),
		BatchWait: time.Duration(rnd.IntN(3)) * time.Millisecond,
		OnError:   func(error) {},
	}
	const senders, each = 4, 50
	var handled, dropped, failed [senders * each]atomic.Int32
	o.OnDrop = func(v any) { dropped[v.(int)].Add(1) }
	var busy atomic.Int32
	moods := []int{rnd.IntN(6), rnd.IntN(6), rnd.IntN(6)}
	f := func(ctx context.Context, v int) error {
		handled[v].Add(1)
		if n := busy.Add(1); n != 1 {
			t.Errorf("%d at once", n)
		}
		defer busy.Add(-1)
		switch moods[v%len(moods)] {
		case 0:
			hop.Yield(ctx)
		case 1:
			hop.Sleep(ctx, 50*time.Microsecond)
		case 2:
			panic(v)
		case 3:
			if kind != 4 && v%16 == 0 {
				runtime.Goexit()
			}
		case 4:
			if v%8 == 0 {
				hop.CurrentCall(ctx).Cancel(nil)
			}
		}
		return nil
	}
	var q *queue.Queue[int]
	if rnd.IntN(2) == 0 {
		q = queue.New(on, f, &o)
	} else {
		q = queue.NewBatch(on, func(ctx context.Context, vs []int) error {
			for _, v := range vs[1:] {
				handled[v].Add(1)
			}
			return f(ctx, vs[0])
		}, &o)
	}
	end := rnd.IntN(6)
	after := rnd.IntN(senders * each)

	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	var puts atomic.Int32
	var wg sync.WaitGroup
	ends := make(chan func() error, 1)
	ends <- []func() error{
		func() error { return q.Shutdown(ctx) },
		q.Close,
		stop,
		func() error { return drain(ctx) },
		func() error { return nil },
		func() error { return nil },
	}[end]
	for s := range senders {
		wg.Go(func() {
			for v := s * each; v < (s+1)*each; v++ {
				if q.Put(ctx, v) != nil {
					failed[v].Add(1)
				}
				if int(puts.Add(1)) == after {
					wg.Go(func() { (<-ends)() })
				}
			}
		})
	}
	within(t, func() {
		wg.Wait()
		q.Shutdown(ctx)
		q.Close()
		stop()
	})
	ok := true
	for v := range handled {
		h, d, f := handled[v].Load(), dropped[v].Load(), failed[v].Load()
		if h+d+f != 1 {
			t.Errorf("value %d: handled %d, dropped %d, failed %d", v, h, d, f)
			ok = false
		}
	}
	if ctx.Err() != nil {
		t.Error("something hung")
		ok = false
	}
	if !ok {
		t.Logf("kind %d, end %d after %d, moods %v, %+v", kind, end, after, moods, o)
	}
	return ok
}

func TestAQueueHasNoGoroutine(t *testing.T) {
	within(t, func() {
		l := newLoop(t)
		hop.Run(t.Context(), l, func(context.Context) error { return nil })
		before := runtime.NumGoroutine()
		var qs []*queue.Queue[int]
		var r record
		for i := range 1000 {
			q := queue.New(l, r.f, nil)
			if i%2 == 0 {
				q = queue.NewBatch(l, r.batch, &queue.Options{BatchWait: time.Hour})
			}
			put(t, q, i)
			qs = append(qs, q)
		}
		if n := runtime.NumGoroutine() - before; n > 20 {
			t.Errorf("%d goroutines for 1000 queues", n)
		}
		for _, q := range qs {
			shutdown(t, q)
		}
		if len(r.handled) != 1000 {
			t.Errorf("%d handled", len(r.handled))
		}
	})
}

func TestAMillionValues(t *testing.T) {
	n := 1_000_000
	if raceEnabled || testing.Short() || runtime.GOARCH == "wasm" {
		n = 50_000
	}
	everywhere(t, func(t *testing.T, on hop.Portal) {
		sum := 0
		q := queue.New(on, func(_ context.Context, v int) error { sum += v; return nil }, nil)
		for v := range n {
			if err := q.Put(t.Context(), v); err != nil {
				t.Fatal(err)
			}
		}
		shutdown(t, q)
		if sum != n*(n-1)/2 {
			t.Errorf("sum is %d", sum)
		}
	})
}

func BenchmarkPut(b *testing.B) {
	for name, on := range map[string]hop.Portal{
		"loop": newLoop(b), "pool": newPool(b, &hop.PoolOptions{Size: 1}), "goroutines": hop.Goroutines, "inline": hop.Inline,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			n := 0
			q := queue.New(on, func(context.Context, int) error { n++; return nil }, &queue.Options{Name: "bench"})
			for v := range b.N {
				q.Put(b.Context(), v)
			}
			q.Shutdown(b.Context())
			if n != b.N {
				b.Error(fmt.Sprint(n, " handled"))
			}
		})
	}
	b.Run("batch", func(b *testing.B) {
		b.ReportAllocs()
		n := 0
		q := queue.NewBatch(hop.Goroutines, func(_ context.Context, vs []int) error { n += len(vs); return nil },
			&queue.Options{BatchSize: 100, BatchWait: time.Millisecond})
		for v := range b.N {
			q.Put(b.Context(), v)
		}
		q.Shutdown(b.Context())
	})
}
