package hop_test

// Bad input: misuse panics at once with a text that starts with "hop: ", and does no harm.

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gohop/hop"
	"github.com/gohop/hop/queue"
)

// mustPanic fails the test unless f panics with a text that starts with "hop: ".
func mustPanic(t *testing.T, f func()) {
	t.Helper()
	within(t, patience, "a misuse that should panic", func() {
		t.Helper()
		defer func() {
			t.Helper()
			r := recover()
			if r == nil {
				t.Errorf("no panic")
			} else if s := fmt.Sprint(r); !strings.HasPrefix(s, "hop: ") {
				t.Errorf("panic with %q (%T), want a text that starts with hop:", s, r)
			}
		}()
		f()
	})
}

func TestMisuse_NilContext(t *testing.T) {
	var none context.Context
	l, pool := newLoop(t, nil), newPool(t, nil)
	manual := newLoop(t, &hop.LoopOptions{Manual: true})
	p := hop.NewPromise[int](t.Context()).Pending() // not done: the panic must not depend on it
	var e hop.Event
	for name, f := range map[string]func(){
		"Go":                   func() { hop.Go(none, l, value(1)) },
		"Do":                   func() { _, _ = hop.Do(none, l, value(1)) },
		"Run":                  func() { _ = hop.Run(none, l, func(context.Context) error { return nil }) },
		"After":                func() { hop.After(none, time.Hour, l, value(1)) },
		"New":                  func() { hop.New(none, value(1)) },
		"NewPromise":           func() { hop.NewPromise[int](none) },
		"Pending.Wait":         func() { _, _ = p.Wait(none) },
		"Pending.WaitOrCancel": func() { _, _ = p.WaitOrCancel(none) },
		"Pending.CancelWait":   func() { _ = hop.New(t.Context(), value(1)).CancelWait(none, nil) },
		"Loop.Run":             func() { _ = manual.Run(none) },
		"RunLoop":              func() { _, _ = hop.RunLoop(none, nil, value(1)) },
		"Loop.Shutdown":        func() { _ = l.Shutdown(none) },
		"Pool.Shutdown":        func() { _ = pool.Shutdown(none) },
		"Waiter.Wait":          func() { _ = hop.NewWaiter().Wait(none, p.Call()) },
		"WithOrigin":           func() { hop.WithOrigin(none, l) },
		"Origin":               func() { hop.Origin(none) },
		"WithGroup":            func() { _ = hop.WithGroup(none, nil, func(context.Context) error { return nil }) },
		"CurrentGroup":         func() { hop.CurrentGroup(none) },
		"CurrentCall":          func() { hop.CurrentCall(none) },
		"Track":                func() { hop.Track(none) },
		"Detach":               func() { hop.Detach(none) },
		"Yield":                func() { _ = hop.Yield(none) },
		"Sleep":                func() { _ = hop.Sleep(none, time.Microsecond) },
		"Blocking":             func() { _, _ = hop.Blocking(none, value(1)) },
		"Recv":                 func() { _, _, _ = hop.Recv(none, make(chan int)) },
		"Event.Wait":           func() { _ = e.Wait(none) },
		"Limiter.Acquire":      func() { _ = hop.NewLimiter(1).Acquire(none) },
		"Local.Get":            func() { _, _ = hop.NewLocal(value(1), func(int) error { return nil }).Get(none) },
	} {
		t.Run(name, func(t *testing.T) { mustPanic(t, f) })
	}
	must(t, hop.Go(t.Context(), l, value(1)))
	must(t, hop.Go(t.Context(), pool, value(1)))
}

func TestMisuse_NilPortal(t *testing.T) {
	for name, f := range map[string]func(){
		"Go":    func() { hop.Go(t.Context(), nil, value(1)) },
		"Do":    func() { _, _ = hop.Do(t.Context(), nil, value(1)) },
		"Run":   func() { _ = hop.Run(t.Context(), nil, func(context.Context) error { return nil }) },
		"After": func() { hop.After(t.Context(), time.Microsecond, nil, value(1)) },
	} {
		t.Run(name, func(t *testing.T) { mustPanic(t, f) })
	}
}

// The group does not wait for a call that no place can take.
func TestMisuse_ANilOrZeroPortalInAGroup(t *testing.T) {
	portals := map[string]hop.Portal{
		"nil Loop": (*hop.Loop)(nil), "nil Pool": (*hop.Pool)(nil), "nil Waiter": (*hop.Waiter)(nil),
		"zero Loop": new(hop.Loop), "zero Pool": new(hop.Pool), "zero Waiter": new(hop.Waiter),
	}
	calls := map[string]func(ctx context.Context, on hop.Portal){
		"Go": func(ctx context.Context, on hop.Portal) { hop.Go(ctx, on, value(1)) },
		"Do": func(ctx context.Context, on hop.Portal) { _, _ = hop.Do(ctx, on, value(1)) },
		"Run": func(ctx context.Context, on hop.Portal) {
			_ = hop.Run(ctx, on, func(context.Context) error { return nil })
		},
		"After": func(ctx context.Context, on hop.Portal) { hop.After(ctx, time.Hour, on, value(1)) },
	}
	for _, when := range []string{"at first", "after a foreign host"} {
		if when != "at first" {
			must(t, hop.Go(bg, newLoop(t, &hop.LoopOptions{Host: newStruckHost(t)}), value(1)))
		}
		for what, on := range portals {
			for name, call := range calls {
				t.Run(when+"/"+name+" on a "+what, func(t *testing.T) {
					within(t, patience, "WithGroup", func() {
						err := hop.WithGroup(bg, nil, func(ctx context.Context) error {
							mustPanic(t, func() { call(ctx, on) })
							if calls := hop.CurrentGroup(ctx).Calls(); len(calls) != 0 {
								t.Errorf("the group has %v", calls)
							}
							return nil
						})
						if err != nil {
							t.Errorf("WithGroup: %v", err)
						}
					})
				})
			}
		}
	}
}

func TestMisuse_NilFunction(t *testing.T) {
	l, pool := newLoop(t, nil), newPool(t, nil)
	var none func(context.Context) (int, error)
	for name, f := range map[string]func(){
		"Go":         func() { hop.Go(t.Context(), l, none) },
		"Do":         func() { _, _ = hop.Do(t.Context(), l, none) },
		"Run":        func() { _ = hop.Run(t.Context(), l, nil) },
		"After":      func() { hop.After(t.Context(), time.Hour, l, none) },
		"New":        func() { hop.New(t.Context(), none) },
		"Blocking":   func() { _, _ = hop.Blocking(t.Context(), none) },
		"RunLoop":    func() { _, _ = hop.RunLoop(t.Context(), nil, none) },
		"WithGroup":  func() { _ = hop.WithGroup(t.Context(), nil, nil) },
		"Loop.Post":  func() { _ = l.Post(nil) },
		"Pool.Post":  func() { _ = pool.Post(nil) },
		"OnDone":     func() { hop.NewPromise[int](t.Context()).Pending().OnDone(nil) },
		"OnShutdown": func() { l.OnShutdown(nil) },
		"NewLocal":   func() { hop.NewLocal(none, nil) },
	} {
		t.Run(name, func(t *testing.T) { mustPanic(t, f) })
	}
	must(t, hop.Go(t.Context(), l, value(1)))
	must(t, hop.Go(t.Context(), pool, value(1)))
}

func TestMisuse_ContradictoryOrNegativeOptions(t *testing.T) {
	host := newLoop(t, nil)
	for name, f := range map[string]func(){
		"PoolOptions.Size":            func() { hop.NewPool(&hop.PoolOptions{Size: -1}) },
		"PoolOptions.QueueLimit":      func() { hop.NewPool(&hop.PoolOptions{QueueLimit: -1}) },
		"LoopOptions.QueueLimit":      func() { hop.NewLoop(&hop.LoopOptions{QueueLimit: -1}) },
		"LoopOptions.Host and Thread": func() { hop.NewLoop(&hop.LoopOptions{Host: host, Thread: true}) },
		"LoopOptions.Host and Manual": func() { hop.NewLoop(&hop.LoopOptions{Host: host, Manual: true}) },
		"RunLoop with Host":           func() { _, _ = hop.RunLoop(t.Context(), &hop.LoopOptions{Host: host}, value(1)) },
		"RunLoop with Manual":         func() { _, _ = hop.RunLoop(t.Context(), &hop.LoopOptions{Manual: true}, value(1)) },
		"NewLimiter(0)":               func() { hop.NewLimiter(0) },
		"NewLimiter(-1)":              func() { hop.NewLimiter(-1) },
		"Timeout(-1)":                 func() { hop.New(t.Context(), value(1), hop.Timeout(-1)) },
	} {
		t.Run(name, func(t *testing.T) { mustPanic(t, f) })
	}
}

func TestMisuse_OnUndeliveredOfAnotherType(t *testing.T) {
	another := hop.OnUndelivered(func(string) {})
	for name, f := range map[string]func(){
		"New":        func() { hop.New(t.Context(), value(1), another) },
		"Go":         func() { hop.Go(t.Context(), hop.Goroutines, value(1), another) },
		"NewPromise": func() { hop.NewPromise[int](t.Context(), another) },
	} {
		t.Run(name, func(t *testing.T) { mustPanic(t, f) })
	}
}

func TestMisuse_ZeroValuesThatNeedAConstructor(t *testing.T) {
	for name, f := range map[string]func(){
		"Loop.Submit":   func() { _ = new(hop.Loop).Submit(hop.New(t.Context(), value(1)).Call()) },
		"Loop.Post":     func() { _ = new(hop.Loop).Post(func() {}) },
		"Go on Loop":    func() { hop.Go(t.Context(), new(hop.Loop), value(1)) },
		"Pool.Submit":   func() { _ = new(hop.Pool).Submit(hop.New(t.Context(), value(1)).Call()) },
		"Pool.Post":     func() { _ = new(hop.Pool).Post(func() {}) },
		"Go on Pool":    func() { hop.Go(t.Context(), new(hop.Pool), value(1)) },
		"Waiter.Submit": func() { _ = new(hop.Waiter).Submit(hop.New(t.Context(), value(1)).Call()) },
		"Waiter.Wait":   func() { _ = new(hop.Waiter).Wait(t.Context(), hop.New(t.Context(), value(1)).Call()) },

		"Pending.Wait":    func() { _, _ = new(hop.Pending[int]).Wait(t.Context()) },
		"Pending.Result":  func() { _, _ = new(hop.Pending[int]).Result() },
		"Pending.Cancel":  func() { new(hop.Pending[int]).Cancel(nil) },
		"Pending.Done":    func() { new(hop.Pending[int]).Done() },
		"Pending.OnDone":  func() { new(hop.Pending[int]).OnDone(func() {}) },
		"Promise.Resolve": func() { new(hop.Promise[int]).Resolve(1) },
		"Promise.Reject":  func() { new(hop.Promise[int]).Reject(errBoom) },
		"Promise.Wait":    func() { _, _ = new(hop.Promise[int]).Pending().Wait(t.Context()) },
		"Call.Run":        func() { new(hop.Call).Run() },
		"Call.Fail":       func() { new(hop.Call).Fail(errBoom) },
		"Group.Add":       func() { new(hop.Group).Add(hop.New(t.Context(), value(1)).Call()) },
		"Group.Cancel":    func() { new(hop.Group).Cancel(nil) },
		"Group.Cancelled": func() { new(hop.Group).Cancelled() },
		"Group.Calls":     func() { new(hop.Group).Calls() },
		"Tracker.Calls":   func() { new(hop.Tracker).Calls() },
		"Queue.Put":       func() { _ = new(queue.Queue[int]).Put(t.Context(), 1) },
		"Queue.Shutdown":  func() { _ = new(queue.Queue[int]).Shutdown(t.Context()) },
		"Queue.Close":     func() { _ = new(queue.Queue[int]).Close() },
	} {
		t.Run(name, func(t *testing.T) { mustPanic(t, f) })
	}
}

func TestMisuse_RunOfALoopThatIsNotManual(t *testing.T) {
	l := newLoop(t, nil)
	within(t, patience, "Run", func() { wantIs(t, l.Run(t.Context()), hop.ErrMismatch) })
	must(t, hop.Go(t.Context(), l, value(1)))
}

func TestMisuse_RunOfAStoppedManualLoop(t *testing.T) {
	l := newLoop(t, &hop.LoopOptions{Manual: true})
	closeAll(t, "loop", l.Close)
	within(t, patience, "Run", func() { wantIs(t, l.Run(t.Context()), hop.ErrStopped) })
}

func TestMisuse_RunOfAManualLoopThatRuns(t *testing.T) {
	l := newLoop(t, &hop.LoopOptions{Manual: true})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = l.Run(ctx) }()
	must(t, hop.Go(t.Context(), l, value(1))) // so it runs
	within(t, patience, "the second Run", func() { wantIs(t, l.Run(t.Context()), hop.ErrMismatch) })
	must(t, hop.Go(t.Context(), l, value(1))) // and goes on
	cancel()
	recv(t, "the first Run's return", ended)
}

func TestMisuse_RunOfAManualLoopFromItsOwnTask(t *testing.T) {
	l := newLoop(t, &hop.LoopOptions{Manual: true})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = l.Run(ctx) }()
	p := hop.Go(t.Context(), l, func(ctx context.Context) (error, error) { return l.Run(ctx), nil })
	if err := must(t, p); !errors.Is(err, hop.ErrMismatch) && !errors.Is(err, hop.ErrCannotWait) {
		t.Errorf("Run: %v", err)
	}
	cancel()
	recv(t, "Run's return", ended)
}

func TestMisuse_PanicsLeaveThePlaceUsable(t *testing.T) {
	pool := newPool(t, &hop.PoolOptions{Size: 1, QueueLimit: 1})
	for range 3 {
		mustPanic(t, func() { hop.Go(t.Context(), pool, value(1), hop.OnUndelivered(func(string) {})) })
	}
	if s := pool.Stats(); s.Running != 0 || s.Queued != 0 {
		t.Errorf("stats %+v", s)
	}
	must(t, hop.Go(t.Context(), pool, value(1)))
}
