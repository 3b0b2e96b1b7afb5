package hop_test

// Contexts that only add values: they end when what they were made of ends, at no cost.

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gohop/hop"
)

type valueKey struct{}

// valued is a context of a type that nobody knows.
type valued struct {
	context.Context
	v any
}

func (v *valued) Value(key any) any {
	if key == (valueKey{}) {
		return v.v
	}
	return v.Context.Value(key)
}

// A function that starts the next call with its context and a value more, as one that traces its steps does.
func TestS37_CallsThatEachAddAValue(t *testing.T) {
	const n = 200
	everywhere(t, func(t *testing.T, on hop.Portal) {
		root, cancel := context.WithCancel(bg)
		ended := make(chan error, 1)
		most := 0
		var next func(i int) func(context.Context) (int, error)
		next = func(i int) func(context.Context) (int, error) {
			return func(ctx context.Context) (int, error) {
				if i < n {
					hop.Go(context.WithValue(ctx, valueKey{}, i), on, next(i+1))
					return 1, nil
				}
				if v := ctx.Value(valueKey{}); v != n-1 {
					t.Errorf("the value of the last is %v", v)
				}
				before := runtime.NumGoroutine()
				ctx.Done()
				most = runtime.NumGoroutine() - before
				cancel()
				ended <- hop.Sleep(ctx, time.Hour)
				return 1, nil
			}
		}
		hop.Go(root, on, next(0))
		wantIs(t, recv(t, "the last", ended), context.Canceled)
		if most > 20 {
			t.Errorf("Done of the last started %d goroutines", most)
		}
	})
}

// A wait whose context is the call's with a value needs no goroutine that hears of its end.
func TestS37_AWaitUnderAValueCostsNoGoroutine(t *testing.T) {
	l := newLoop(t, nil)
	const n = 100
	before := runtime.NumGoroutine()
	var never hop.Event
	var calls []*hop.Pending[int]
	for range n {
		calls = append(calls, hop.Go(bg, l, func(ctx context.Context) (int, error) {
			return 0, never.Wait(context.WithValue(ctx, valueKey{}, 1))
		}))
	}
	for _, p := range calls {
		untilWaiting(t, p.Call())
	}
	if more := runtime.NumGoroutine() - before; more > n+n/2 { // a coroutine each
		t.Errorf("%d tasks that wait: %d goroutines", n, more)
	}
	for _, p := range calls {
		p.Cancel(nil)
		wantCancelled(t, waitErr(t, p))
	}
}

// A loop that is never idle does not keep the contexts that its calls waited with.
func TestS12_ABusyLoopKeepsNoContexts(t *testing.T) {
	for name, derive := range map[string]func(ctx context.Context, v any) context.Context{
		"values":               func(ctx context.Context, v any) context.Context { return context.WithValue(ctx, valueKey{}, v) },
		"a type of the user's": func(ctx context.Context, v any) context.Context { return &valued{ctx, v} },
	} {
		t.Run(name, func(t *testing.T) {
			root, cancel := context.WithCancel(bg)
			defer cancel()
			l := newLoop(t, nil)
			var freed atomic.Int32
			const n = 500
			calls := make([]*hop.Pending[int], n)
			for i := range calls {
				kept := new([4096]byte)
				runtime.AddCleanup(kept, func(int) { freed.Add(1) }, 0)
				calls[i] = hop.Go(derive(root, kept), l, func(ctx context.Context) (int, error) { return 1, hop.Sleep(ctx, time.Millisecond) })
			}
			for _, p := range calls {
				must(t, p)
			}
			clear(calls)
			closeAll(t, "the loop", l.Close)
			eventually(t, "nearly all contexts are garbage", func() bool { runtime.GC(); return freed.Load() >= n-2 })
		})
	}
}

func TestS27_NoGoroutineIsLeftByCallsWithValues(t *testing.T) {
	noLeak(t)
	l := newLoop(t, nil)
	for range 50 {
		var both sync.WaitGroup
		both.Add(2)
		hop.Go(bg, l, func(ctx context.Context) (int, error) {
			defer both.Done()
			hop.Go(context.WithValue(ctx, valueKey{}, 1), l, func(ctx context.Context) (int, error) {
				defer both.Done()
				return 1, hop.Sleep(ctx, time.Millisecond)
			})
			return 1, nil
		})
		both.Wait()
	}
	closeAll(t, "the loop", l.Close)
}
