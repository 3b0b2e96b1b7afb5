package hop_test

// Faults that crash the process, as they would in plain Go: a panic that nobody can receive must not be lost.

import (
	"context"
	"testing"
	"time"

	"github.com/gohop/hop"
)

func TestFault_Crash(t *testing.T) {
	hooked := func(on hop.Portal, f func(context.Context) (int, error)) {
		p := hop.New(bg, f)
		p.OnDone(explode)
		on.Submit(p.Call())
	}
	forever := func(ctx context.Context) (int, error) { return 0, hop.Sleep(ctx, time.Hour) }
	cancelled := func(ctx context.Context) (int, error) { hop.CurrentCall(ctx).Cancel(nil); return 1, nil }
	for _, c := range []struct {
		name   string
		thread bool
		f      func()
	}{
		{"a panic in OnPanic", false, func() {
			hop.NewLoop(&hop.LoopOptions{OnPanic: func(*hop.PanicError) { explode() }}).Post(func() { panic("another") })
		}},
		{"a panic in OnPanic after a wait", false, func() {
			hop.NewLoop(&hop.LoopOptions{OnPanic: func(*hop.PanicError) { hop.Yield(bg); explode() }}).Post(func() { hop.Yield(bg); panic("another") })
		}},
		{"a panic in OnPanic of a loop with a thread", true, func() {
			hop.NewLoop(&hop.LoopOptions{Thread: true, OnPanic: func(*hop.PanicError) { explode() }}).Post(func() { panic("another") })
		}},
		{"a panic in OnPanic of a guest", false, func() {
			host := hop.NewLoop(&hop.LoopOptions{OnPanic: func(*hop.PanicError) {}})
			hop.NewLoop(&hop.LoopOptions{Host: host, OnPanic: func(*hop.PanicError) { explode() }}).Post(func() { panic("another") })
		}},
		{"a function posted to a guest whose host has OnPanic", false, func() {
			host := hop.NewLoop(&hop.LoopOptions{OnPanic: func(*hop.PanicError) {}})
			hop.NewLoop(&hop.LoopOptions{Host: host}).Post(explode)
		}},
		{"a function posted to a manual loop", false, func() {
			l := hop.NewLoop(&hop.LoopOptions{Manual: true})
			l.Post(explode)
			l.Run(bg)
		}},
		{"a function posted to a pool, after a wait", false, func() {
			hop.NewPool(nil).Post(func() { hop.Sleep(bg, time.Microsecond); explode() })
		}},
		{"a function posted to a pool of threads", true, func() { hop.NewPool(&hop.PoolOptions{Threads: true}).Post(explode) }},
		{"OnDone on a loop", false, func() { hooked(hop.NewLoop(nil), value(1)) }},
		{"OnDone on Goroutines", false, func() { hooked(hop.Goroutines, value(1)) }},
		{"OnDone on Inline", false, func() { hooked(hop.Inline, value(1)) }},
		{"OnDone on Workers", false, func() { hooked(hop.Workers(), failure(errStruck)) }},
		{"OnDone of a promise that is cancelled", false, func() {
			p := hop.NewPromise[int](bg).Pending()
			p.OnDone(explode)
			p.Cancel(nil)
		}},
		{"OnDone of a promise whose context ends", false, func() {
			ctx, cancel := context.WithCancel(bg)
			hop.NewPromise[int](ctx).Pending().OnDone(explode)
			cancel()
		}},
		{"OnDone of a call that a stop cancels", false, func() {
			l := hop.NewLoop(&hop.LoopOptions{Manual: true})
			hooked(l, value(1))
			l.Close()
		}},
		{"OnDone of a call that its place fails", false, func() {
			hooked(portalFunc(func(c *hop.Call) error { go c.Fail(errRefused); return nil }), value(1))
		}},
		{"OnDone of an abandoned call", false, func() {
			running := make(chan struct{})
			p := hop.Go(bg, hop.Goroutines, func(context.Context) (int, error) { close(running); select {} }, hop.Abandon())
			p.OnDone(explode)
			<-running
			p.Cancel(nil)
		}},
		{"OnDone of a call whose time is up", false, func() {
			p := hop.New(bg, forever, hop.Timeout(time.Millisecond))
			p.OnDone(explode)
			hop.Goroutines.Submit(p.Call())
		}},
		{"OnUndelivered on Goroutines", false, func() {
			hop.Go(bg, hop.Goroutines, cancelled, hop.OnUndelivered(func(int) { explode() }))
		}},
		{"OnUndelivered on a loop", false, func() {
			hop.Go(bg, hop.NewLoop(nil), cancelled, hop.OnUndelivered(func(int) { explode() }))
		}},
		{"OnUndelivered of a promise", false, func() {
			pr := hop.NewPromise[int](bg, hop.OnUndelivered(func(int) { explode() }))
			pr.OnCancel(func(error) {})
			pr.Pending().Cancel(nil)
			pr.Resolve(1)
		}},
		{"OnCancel", false, func() {
			pr := hop.NewPromise[int](bg)
			pr.OnCancel(func(error) { explode() })
			pr.Pending().Cancel(nil)
		}},
		{"OnCancel when the context ends", false, func() {
			ctx, cancel := context.WithCancel(bg)
			pr := hop.NewPromise[int](ctx)
			pr.OnCancel(func(error) { explode() })
			cancel()
		}},
		{"OnDone of a Waiter", false, func() {
			w := hop.NewWaiter()
			w.OnDone(func(context.Context) { explode() })
			w.Wait(bg, hop.Go(bg, hop.Goroutines, value(1)).Call())
		}},
		{"Submit of a user's portal, after a delay", false, func() {
			hop.After(bg, time.Microsecond, portalFunc(func(*hop.Call) error { explode(); return nil }), value(1))
		}},
		{"the logger of a stall", false, func() {
			l := hop.NewLoop(&hop.LoopOptions{StallAfter: time.Millisecond, Logger: logTo(func(string) { explode() })})
			hop.Go(bg, l, func(context.Context) (int, error) { select {} })
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.thread {
				needsThread(t)
			}
			wantExploded(t, crash(t, c.f))
		})
	}
}
