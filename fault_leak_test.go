package hop_test

// What must not be left when a fault is over.

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gohop/hop"
)

// wantGoroutines fails the test unless at most n more goroutines than before are left in the end.
func wantGoroutines(t *testing.T, before, n int) {
	t.Helper()
	eventually(t, "goroutines end", func() bool { runtime.GC(); return runtime.NumGoroutine() <= before+n })
}

// A call whose error is that of a call that it made with a context derived from its own: nothing of either is left.
func TestFault_ACallThatReturnsTheFailureOfAnotherLeavesNothing(t *testing.T) {
	type key struct{}
	for _, f := range []struct {
		name   string
		strike func(ctx context.Context) error
	}{
		{"error", func(context.Context) error { return errStruck }},
		{"Goexit", func(context.Context) error { runtime.Goexit(); return nil }},
		{"panic", func(context.Context) error { panic(errStruck) }},
		{"cancel", func(ctx context.Context) error { hop.CurrentCall(ctx).Cancel(nil); return nil }},
	} {
		for name, derive := range map[string]func(context.Context) context.Context{
			"of the call":    func(ctx context.Context) context.Context { return ctx },
			"with a value":   func(ctx context.Context) context.Context { return context.WithValue(ctx, key{}, 1) },
			"of a type here": func(ctx context.Context) context.Context { return foreign{ctx} },
		} {
			t.Run(f.name+"/context "+name, func(t *testing.T) {
				before := runtime.NumGoroutine()
				for range 50 {
					_, err := hop.Do(bg, hop.Goroutines, func(ctx context.Context) (int, error) {
						return hop.Do(derive(ctx), hop.Goroutines, func(ctx context.Context) (int, error) {
							hop.Sleep(ctx, time.Microsecond) // it asks for Done
							return 1, f.strike(ctx)
						})
					})
					if err == nil {
						t.Fatal("no error")
					}
				}
				wantGoroutines(t, before, 10)
			})
		}
	}
}

func TestFault_ACallThatReturnsTheFailureOfAnotherIsGarbage(t *testing.T) {
	const kept = "what is kept to report a failure that nobody looks at names, by its CancelError, the call itself (see the next test)"
	for _, f := range []struct {
		name, fault string
		strike      func(ctx context.Context) error
	}{
		{"error", "", func(context.Context) error { return errStruck }},
		{"Goexit", "", func(context.Context) error { runtime.Goexit(); return nil }},
		{"cancel", kept, func(ctx context.Context) error { hop.CurrentCall(ctx).Cancel(nil); return nil }},
		{"panic", "", func(context.Context) error { panic(errStruck) }},
		{"timeout of a third", kept, func(ctx context.Context) error {
			_, err := hop.Do(ctx, hop.Goroutines, func(ctx context.Context) (int, error) { return 1, hop.Sleep(ctx, time.Hour) }, hop.Timeout(time.Microsecond))
			return err
		}},
		{"panic of a member of a group", "the group keeps the error of the member, which names it, and its Done has a cleanup that holds the group: they stay for ever", func(ctx context.Context) error {
			return hop.WithGroup(ctx, nil, func(ctx context.Context) error {
				hop.Go(ctx, hop.Goroutines, func(ctx context.Context) (int, error) { hop.Sleep(ctx, time.Microsecond); panic(errStruck) })
				return nil
			})
		}},
	} {
		t.Run(f.name, func(t *testing.T) {
			defaultLog(t)
			var live atomic.Int64
			for range 100 {
				p := hop.New(bg, func(ctx context.Context) (int, error) {
					return hop.Do(ctx, hop.Goroutines, func(ctx context.Context) (int, error) {
						hop.Sleep(ctx, time.Microsecond) // it asks for Done
						return 1, f.strike(ctx)
					})
				})
				live.Add(1)
				runtime.AddCleanup(p.Call(), func(n *atomic.Int64) { n.Add(-1) }, &live)
				hop.Goroutines.Submit(p.Call())
				if err := waitErr(t, p); err == nil {
					t.Fatal("no error")
				}
			}
			eventually(t, "the calls are collected", func() bool { runtime.GC(); return live.Load() < 10 })
		})
	}
}

// A failure that nobody looks at is reported also when its error is that of a call that the lost call has made.
func TestFault_ALostFailureThatIsTheCancelOfAnotherCallIsReported(t *testing.T) {
	log := defaultLog(t)
	for range 10 {
		recv(t, "the end", hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) {
			return hop.Do(ctx, hop.Goroutines, func(ctx context.Context) (int, error) { hop.CurrentCall(ctx).Cancel(nil); return 1, nil })
		}, hop.Name("lost")).Done())
	}
	eventually(t, "the reports", func() bool { runtime.GC(); return log.with("lost") > 5 })
}

// A place that lives on does not keep a call that had another run inline, on top of it.
func TestFault_APlaceDoesNotKeepTheCallBelowAnInlineOne(t *testing.T) {
	eachHolder(t, func(t *testing.T, on hop.Portal) {
		var live atomic.Int64
		for range 10 {
			p := hop.New(bg, func(ctx context.Context) (int, error) {
				inner := hop.New(ctx, value(1))
				return 1, hop.Inline.Submit(inner.Call())
			})
			live.Add(1)
			runtime.AddCleanup(p.Call(), func(n *atomic.Int64) { n.Add(-1) }, &live)
			on.Submit(p.Call())
			must(t, p)
		}
		wantIdle(t, on)
		eventually(t, "the calls are collected", func() bool { runtime.GC(); return live.Load() == 0 })
	})
}

// Many tasks that have waited at once leave as few coroutines as one.
func TestFault_ABurstOfWaitsLeavesFewCoroutines(t *testing.T) {
	l := newLoop(t, nil)
	must(t, hop.Go(bg, l, value(1)))
	before := runtime.NumGoroutine()
	var e hop.Event
	var ps []*hop.Pending[int]
	for range 1000 {
		ps = append(ps, hop.Go(bg, l, func(ctx context.Context) (int, error) { return 1, e.Wait(ctx) }))
	}
	must(t, hop.Go(bg, l, value(1))) // all wait
	e.Set()
	for _, p := range ps {
		must(t, p)
	}
	wantIdle(t, l)
	wantGoroutines(t, before, 100)
}

// An inline call that is abandoned keeps the call below it, which is not: that is not over, and its place is taken.
func TestFault_AnAbandonedInlineCallOfAPoolsCall(t *testing.T) {
	p := newPool(t, &hop.PoolOptions{Size: 1})
	g := newGate(t)
	in := make(chan *hop.Call, 1)
	outer := hop.Go(bg, p, func(ctx context.Context) (int, error) {
		return hop.Do(ctx, hop.Inline, func(ctx context.Context) (int, error) {
			in <- hop.CurrentCall(ctx)
			g.pass()
			return 1, nil
		}, hop.Abandon())
	})
	recv(t, "the inline call", in).Cancel(nil)
	closed := inBackground(func() {
		p.Close()
		if s := outer.Call().State(); !s.Done() {
			t.Errorf("Close has returned, and a call that was not abandoned is %v", s)
		}
	})
	time.AfterFunc(100*time.Millisecond, g.open) // Close returns before, if it is wrong
	recv(t, "Close", closed)
	wantCancelled(t, waitErr(t, outer))
}
