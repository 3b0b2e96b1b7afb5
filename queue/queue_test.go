package queue_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gohop/hop"
	"github.com/gohop/hop/queue"
)

func TestS32_ValuesAreHandledInOrder(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		var r record
		q := queue.New(on, r.f, r.options(queue.Options{}))
		put(t, q, ints(0, 1000)...)
		shutdown(t, q)
		r.want(t, ints(0, 1000), nil)
	})
}

func TestS32_OneAtATimeWhateverTheFunctionWaitsFor(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		var r record
		var busy atomic.Int32
		q := queue.New(on, func(ctx context.Context, v int) error {
			if n := busy.Add(1); n != 1 {
				t.Errorf("%d values at once", n)
			}
			if v%3 == 0 {
				hop.Yield(ctx)
			}
			if v%20 == 0 {
				hop.Sleep(ctx, time.Microsecond)
			}
			r.handle(v)
			busy.Add(-1)
			return nil
		}, nil)
		put(t, q, ints(0, 300)...)
		shutdown(t, q)
		r.want(t, ints(0, 300), nil)
	})
}

func TestS32_EachSendersValuesKeepTheirOrder(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		const senders, each = 8, 500
		var r record
		q := queue.New(on, r.f, nil)
		var wg sync.WaitGroup
		for s := range senders {
			wg.Go(func() { put(t, q, ints(s*each, (s+1)*each)...) })
		}
		wg.Wait()
		shutdown(t, q)
		next := map[int]int{}
		for _, v := range r.handled {
			if v%each != next[v/each] {
				t.Fatalf("sender %d: value %d where %d was next", v/each, v%each, next[v/each])
			}
			next[v/each]++
		}
		if len(r.handled) != senders*each {
			t.Errorf("%d handled, want %d", len(r.handled), senders*each)
		}
	})
}

func TestS32_AnErrorAPanicOrAGoexitDoesNotStopTheNext(t *testing.T) {
	bad := errors.New("bad")
	besides(t, func(t *testing.T, on hop.Portal) {
		var r record
		q := queue.New(on, func(ctx context.Context, v int) error {
			if v > 3 {
				hop.Yield(ctx)
			}
			r.handle(v)
			switch v % 4 {
			case 0:
				return bad
			case 1:
				panic(bad)
			case 2:
				runtime.Goexit()
			}
			return nil
		}, r.options(queue.Options{}))
		put(t, q, ints(0, 12)...)
		shutdown(t, q)
		r.want(t, ints(0, 12), nil)
		if len(r.errs) != 9 {
			t.Fatalf("OnError was told %v", r.errs)
		}
		for i, err := range r.errs {
			switch i % 3 {
			case 0:
				if err != bad {
					t.Errorf("error %d is %v, want the very error", i, err)
				}
			case 1:
				var p *hop.PanicError
				if !errors.As(err, &p) || p.Value != bad || len(p.Stack) == 0 {
					t.Errorf("error %d is %v, want a PanicError", i, err)
				}
			case 2:
				wantIs(t, err, hop.ErrGoexit)
			}
		}
	})
}

func TestS32_TheFunctionsOwnCancelledErrorStopsNothing(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		var r record
		q := queue.New(on, func(ctx context.Context, v int) error { r.handle(v); return context.Canceled }, r.options(queue.Options{}))
		put(t, q, 1, 2, 3)
		shutdown(t, q)
		r.want(t, []int{1, 2, 3}, nil)
	})
}

// A value whose call is cancelled from outside is over; the next has a call of its own.
func TestS32_CancellingTheCallOfOneValueDoesNotStopTheNext(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		var r record
		q := queue.New(on, func(ctx context.Context, v int) error {
			r.handle(v)
			if ctx.Err() != nil {
				t.Errorf("value %d was given a context that was over", v)
			}
			hop.CurrentCall(ctx).Cancel(nil)
			return new(hop.Event).Wait(ctx)
		}, r.options(queue.Options{}))
		put(t, q, ints(0, 20)...)
		shutdown(t, q)
		r.want(t, ints(0, 20), nil)
	})
}

// What came while it was busy waits for the very turn that is no more.
func TestS32_AGoexitLeavesTheBacklogToAnotherTurn(t *testing.T) {
	besides(t, func(t *testing.T, on hop.Portal) {
		var r record
		g := newGate()
		all := make(chan struct{})
		q := queue.New(on, func(ctx context.Context, v int) error {
			r.handle(v)
			switch v {
			case 0:
				g.hold(ctx)
				runtime.Goexit()
			case 3:
				close(all)
			}
			return nil
		}, r.options(queue.Options{}))
		put(t, q, 0)
		<-g.reached
		put(t, q, 1, 2, 3)
		if l, ok := on.(*hop.Loop); ok {
			hop.Run(t.Context(), l, func(context.Context) error { return nil }) // their own turns have come and gone
		}
		g.open.Set()
		<-all // without the help of Shutdown
		shutdown(t, q)
		r.want(t, ints(0, 4), nil)
	})
}

func TestS32_APanicOfOnErrorDoesNotStopTheNext(t *testing.T) {
	within(t, func() {
		var r record
		l := hop.NewLoop(&hop.LoopOptions{OnPanic: func(*hop.PanicError) {}})
		defer l.Close()
		for _, on := range []hop.Portal{l, hop.Goroutines} {
			r.handled = nil
			q := queue.New(on, func(_ context.Context, v int) error { r.handle(v); return errors.New("no") },
				&queue.Options{OnError: func(error) { panic("told") }})
			put(t, q, 1, 2, 3)
			shutdown(t, q)
			r.want(t, []int{1, 2, 3}, nil)
		}
	})
}

func TestS22_AQueueKeepsItsPlaceAmongEverythingThatEntersALoop(t *testing.T) {
	within(t, func() {
		l := newLoop(t)
		var got []int
		q := queue.New(l, func(_ context.Context, v int) error { got = append(got, v); return nil }, nil)
		other := queue.New(l, func(_ context.Context, v int) error { got = append(got, v); return nil }, nil)
		const n = 1000
		for i := 0; i < 4*n; i += 4 {
			l.Post(func() { got = append(got, i) })
			put(t, q, i+1)
			hop.Go(t.Context(), l, func(context.Context) (int, error) { got = append(got, i+2); return 0, nil })
			put(t, other, i+3)
		}
		if err := hop.Run(t.Context(), l, func(context.Context) error { return nil }); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, ints(0, 4*n)) {
			t.Errorf("completed in the order %s", short(got))
		}
	})
}

func TestS32_WhileTheFunctionWaitsTheLoopIsFree(t *testing.T) {
	within(t, func() {
		l := newLoop(t)
		var r record
		q, g := held(t, l, &r, queue.Options{})
		put(t, q, 1, 2)
		err := hop.Run(t.Context(), l, func(context.Context) error {
			if q.Len() != 2 {
				t.Errorf("%d values wait, want 2", q.Len())
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		g.open.Set()
		shutdown(t, q)
		r.want(t, ints(0, 3), nil)
	})
}

// A backlog that a waiting function has left does not keep the others on the loop out.
func TestS32_ABacklogSharesTheLoop(t *testing.T) {
	within(t, func() {
		l := newLoop(t)
		var r record
		q, g := held(t, l, &r, queue.Options{})
		put(t, q, ints(1, 1000)...)
		hop.Run(t.Context(), l, func(context.Context) error { return nil }) // the turns have all come
		left := -1
		hop.Run(t.Context(), l, func(ctx context.Context) error {
			g.open.Set()
			for range 5 {
				hop.Yield(ctx)
			}
			left = q.Len()
			return nil
		})
		if left < 990 {
			t.Errorf("five turns of another task took as long as those of %d values", 1000-left)
		}
		shutdown(t, q)
		r.want(t, ints(0, 1000), nil)
	})
}

func TestTheFunctionsContext(t *testing.T) {
	type key struct{}
	everywhere(t, func(t *testing.T, on hop.Portal) {
		ctx, cancel := context.WithCancel(context.WithValue(context.Background(), key{}, 1))
		q := queue.New(on, func(ctx context.Context, _ int) error {
			cancel()
			if c := hop.CurrentCall(ctx); c == nil || c.Name() != "feed" {
				t.Errorf("the call is %v", c)
			}
			if ctx.Err() != nil || ctx.Value(key{}) != nil {
				t.Error("the function has the context of Put")
			}
			return nil
		}, &queue.Options{Name: "feed"})
		if err := q.Put(ctx, 1); err != nil {
			t.Error(err)
		}
		shutdown(t, q)
	})
}

// On hop.Inline what the function puts is handled after it, not inside it.
func TestAFunctionMayPutIntoItsOwnQueue(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		var r record
		var q *queue.Queue[int]
		done := make(chan struct{})
		q = queue.New(on, func(ctx context.Context, v int) error {
			if v < 20_000 {
				put(t, q, v+1)
			} else {
				close(done)
			}
			r.handle(v)
			return nil
		}, nil)
		put(t, q, 0)
		<-done
		shutdown(t, q)
		r.want(t, ints(0, 20_001), nil)
	})
}

func TestMisuse(t *testing.T) {
	var none context.Context
	f := func(context.Context, int) error { return nil }
	fs := func(context.Context, []int) error { return nil }
	q := queue.New(hop.Inline, f, nil)
	var nilQueue *queue.Queue[int]
	zero := func() *queue.Queue[int] { return new(queue.Queue[int]) }
	for name, misuse := range map[string]func(){
		"nil portal":           func() { queue.New(nil, f, nil) },
		"nil function":         func() { queue.New[int](hop.Inline, nil, nil) },
		"nil batch portal":     func() { queue.NewBatch(nil, fs, nil) },
		"nil batch function":   func() { queue.NewBatch[int](hop.Inline, nil, nil) },
		"Limit":                func() { queue.New(hop.Inline, f, &queue.Options{Limit: -1}) },
		"BatchSize":            func() { queue.NewBatch(hop.Inline, fs, &queue.Options{BatchSize: -1}) },
		"BatchWait":            func() { queue.NewBatch(hop.Inline, fs, &queue.Options{BatchWait: -1}) },
		"Policy":               func() { queue.New(hop.Inline, f, &queue.Options{Full: 7}) },
		"Put":                  func() { q.Put(none, 1) },
		"Shutdown":             func() { q.Shutdown(none) },
		"Put, nil queue":       func() { nilQueue.Put(t.Context(), 1) },
		"Put, zero queue":      func() { zero().Put(t.Context(), 1) },
		"Len, nil queue":       func() { nilQueue.Len() },
		"Len, zero queue":      func() { zero().Len() },
		"Shutdown, nil queue":  func() { nilQueue.Shutdown(t.Context()) },
		"Shutdown, zero queue": func() { zero().Shutdown(t.Context()) },
		"Close, nil queue":     func() { nilQueue.Close() },
		"Close, zero queue":    func() { zero().Close() },
	} {
		wantMisuse(t, name, misuse)
	}
	if s := fmt.Sprint(queue.Fail, queue.Drop, queue.Wait, queue.Policy(7)); s != "Fail Drop Wait Policy(7)" {
		t.Error(s)
	}
}
