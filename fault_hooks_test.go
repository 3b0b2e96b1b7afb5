package hop_test

// Faults of the functions that are called beside a call's own: OnDone, OnUndelivered, OnCancel, Waiter.OnDone.

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gohop/hop"
)

// A hooking is the place, the fault, and what hooks are made of.
type hooking struct {
	t      *testing.T
	on     hop.Portal
	strike func()
	others atomic.Int32 // how many other functions have run
}

func (h *hooking) other() { h.others.Add(1) }

// watch registers the fault on c between two others.
func (h *hooking) watch(c *hop.Call) {
	c.OnDone(h.other)
	c.OnDone(h.strike)
	c.OnDone(h.other)
}

// task runs f as a call and returns how that ended.
func (h *hooking) task(f func(ctx context.Context) error) error {
	life := newLifeline()
	swallow(h.t, "a task", func() {
		hop.Go(bg, h.on, func(ctx context.Context) (int, error) {
			life.hold(ctx)
			return 1, f(ctx)
		})
	})
	return life.wantEnd(h.t, "a task")
}

// submit runs f with the fault and two others as OnDone functions.
func (h *hooking) submit(f func(ctx context.Context) (int, error), opts ...hop.Option) error {
	p := hop.New(bg, f, opts...)
	h.watch(p.Call())
	swallow(h.t, "Submit", func() { h.on.Submit(p.Call()) })
	return waitErr(h.t, p)
}

// hookKinds are the functions that can be struck on the place where a call runs. run brings it about and returns the
// error of the call that matters.
var hookKinds = []struct {
	name     string
	others   int  // how many other functions have to run all the same
	toCaller bool // a panic goes on in the task, which returned
	run      func(h *hooking) error
	want     func(err error) bool // of a fault that does not go to the caller
}{
	{"OnDone of a call that succeeds", 2, false, func(h *hooking) error { return h.submit(value(1)) }, isNil},
	{"OnDone of a call that fails", 2, false, func(h *hooking) error { return h.submit(failure(errStruck)) }, is(errStruck)},
	{"OnDone of a call that panics", 2, false, func(h *hooking) error {
		return h.submit(func(context.Context) (int, error) { panic(errStruck) })
	}, is(errStruck)},
	{"OnDone of a call that ends its goroutine", 2, false, func(h *hooking) error {
		return h.submit(func(context.Context) (int, error) { runtime.Goexit(); return 1, nil })
	}, is(hop.ErrGoexit)},
	{"OnDone of a call that cancels itself", 2, false, func(h *hooking) error {
		return h.submit(func(ctx context.Context) (int, error) { hop.CurrentCall(ctx).Cancel(errStruck); return 1, nil })
	}, is(errStruck, hop.ErrCancelled)},
	{"OnDone of a call whose time is up", 2, false, func(h *hooking) error {
		return h.submit(func(ctx context.Context) (int, error) { return 1, hop.Sleep(ctx, time.Hour) }, hop.Timeout(time.Microsecond))
	}, is(hop.ErrCancelled, context.DeadlineExceeded)},
	{"OnUndelivered", 2, false, func(h *hooking) error {
		p := hop.New(bg, func(ctx context.Context) (int, error) { hop.CurrentCall(ctx).Cancel(errStruck); return 1, nil },
			hop.OnUndelivered(func(int) { h.strike() }))
		p.OnDone(h.other)
		p.OnDone(h.other)
		swallow(h.t, "Submit", func() { h.on.Submit(p.Call()) })
		return waitErr(h.t, p)
	}, is(errStruck, hop.ErrCancelled)},
	{"OnCancel of a promise", 1, false, func(h *hooking) error {
		pr := hop.NewPromise[int](bg)
		pr.OnCancel(func(error) { h.strike() })
		pr.Pending().OnDone(h.other)
		h.task(func(context.Context) error { pr.Pending().Cancel(errStruck); return nil })
		wantState(h.t, pr.Pending().Call(), hop.Created)
		pr.Resolve(1)
		return waitErr(h.t, pr.Pending())
	}, is(errStruck, hop.ErrCancelled)},
	{"OnDone of a promise that is cancelled", 2, false, func(h *hooking) error {
		pr := hop.NewPromise[int](bg)
		h.watch(pr.Pending().Call())
		h.task(func(context.Context) error { pr.Pending().Cancel(errStruck); return nil })
		return waitErr(h.t, pr.Pending())
	}, is(errStruck, hop.ErrCancelled)},
	{"OnDone of a call that waits for its time and is cancelled", 2, false, func(h *hooking) error {
		p := hop.After(bg, time.Hour, h.on, value(1))
		h.watch(p.Call())
		h.task(func(context.Context) error { p.Cancel(errStruck); return nil })
		return waitErr(h.t, p)
	}, is(errStruck, hop.ErrCancelled)},
	{"OnDone of a call that is failed", 2, false, func(h *hooking) error {
		p := hop.New(bg, value(1))
		h.watch(p.Call())
		h.task(func(context.Context) error { p.Call().Fail(errStruck); return nil })
		return waitErr(h.t, p)
	}, is(errStruck)},
	{"OnDone of a Waiter", 0, false, func(h *hooking) error {
		w := hop.NewWaiter()
		w.OnDone(func(context.Context) { h.strike() })
		h.task(func(ctx context.Context) error { return w.Wait(ctx, hop.Go(ctx, hop.Goroutines, value(1)).Call()) })
		return nil
	}, isNil},
	{"OnDone of a promise that is resolved", 2, true, func(h *hooking) error {
		pr := hop.NewPromise[int](bg)
		h.watch(pr.Pending().Call())
		err := h.task(func(context.Context) error { pr.Resolve(1); return nil })
		must(h.t, pr.Pending())
		return err
	}, isNil},
	{"OnDone of a promise that is rejected", 2, true, func(h *hooking) error {
		pr := hop.NewPromise[int](bg)
		h.watch(pr.Pending().Call())
		err := h.task(func(context.Context) error { pr.Reject(errStruck); return nil })
		wantIs(h.t, waitErr(h.t, pr.Pending()), errStruck)
		return err
	}, isNil},
	{"OnDone of what is done", 0, true, func(h *hooking) error {
		p := hop.Go(bg, hop.Inline, value(1))
		return h.task(func(context.Context) error { p.OnDone(h.strike); return nil })
	}, isNil},
}

func isNil(err error) bool { return err == nil }

func is(targets ...error) func(error) bool {
	return func(err error) bool {
		for _, target := range targets {
			if !errors.Is(err, target) {
				return false
			}
		}
		return true
	}
}

func TestFault_HooksOnALoop(t *testing.T) {
	eachLoop(t, func(t *testing.T, l *hop.Loop, panics chan *hop.PanicError) {
		for _, hook := range hookKinds {
			for _, fault := range faults {
				what := fault.name + " in " + hook.name
				h := &hooking{t: t, on: l, strike: fault.strike}
				err := hook.run(h)
				switch {
				case hook.toCaller:
					if !fault.struckBy(err) {
						t.Errorf("%s: the task ended with %v", what, err)
					}
				case !hook.want(err):
					t.Errorf("%s: the call ended with %v", what, err)
				case !fault.goexit:
					if p := recv(t, what+": OnPanic", panics); !fault.struckBy(p) {
						t.Errorf("%s: OnPanic got %v", what, p.Value)
					}
				}
				eventually(t, what+": the other functions run", func() bool { return h.others.Load() >= int32(hook.others) })
				must(t, hop.Go(bg, l, value(1)))
				if n := h.others.Load(); n != int32(hook.others) {
					t.Errorf("%s: %d other functions have run, want %d", what, n, hook.others)
				}
			}
		}
	})
}

// On a pool a panic of a hook crashes the process: see TestFault_Crash. Goexit ends the worker, no more.
func TestFault_GoexitInHooksOnAPool(t *testing.T) {
	run := func(t *testing.T, on hop.Portal) {
		for _, hook := range hookKinds {
			h := &hooking{t: t, on: on, strike: runtime.Goexit}
			err := hook.run(h)
			if hook.toCaller {
				wantIs(t, err, hop.ErrGoexit)
			} else if !hook.want(err) {
				t.Errorf("Goexit in %s: the call ended with %v", hook.name, err)
			}
			eventually(t, hook.name+": the other functions run", func() bool { return h.others.Load() == int32(hook.others) })
		}
	}
	eachPool(t, func(t *testing.T, p *hop.Pool) { run(t, p) })
	t.Run("Goroutines", func(t *testing.T) { run(t, hop.Goroutines) })
	t.Run("Inline", func(t *testing.T) { run(t, hop.Inline) })
}

// A panic in an OnDone function of a promise goes to who completes it, on any goroutine; Goexit ends that goroutine.
func TestFault_OnDoneOfAPromiseOnAPlainGoroutine(t *testing.T) {
	for _, fault := range faults {
		for name, complete := range map[string]func(pr *hop.Promise[int]){
			"Resolve": func(pr *hop.Promise[int]) { pr.Resolve(1) },
			"Reject":  func(pr *hop.Promise[int]) { pr.Reject(errStruck) },
		} {
			what := fault.name + " by " + name
			pr := hop.NewPromise[int](bg)
			h := &hooking{t: t, strike: fault.strike}
			h.watch(pr.Pending().Call())
			v, returned := swallow(t, what, func() { complete(pr) })
			if returned || (v == nil) != fault.goexit {
				t.Errorf("%s: returned %v, panicked with %v", what, returned, v)
			}
			if h.others.Load() != 2 {
				t.Errorf("%s: %d other functions have run, want 2", what, h.others.Load())
			}
			if err := waitErr(t, pr.Pending()); err != nil && err != errStruck {
				t.Errorf("%s: %v", what, err)
			}
			if pr.Resolve(2) {
				t.Errorf("%s: completed twice", what)
			}
		}
	}
}

// The doc of Resolve says where a panic goes also for a promise that was asked to cancel.
func TestFault_OnDoneOfAPromiseThatWasAskedToCancel(t *testing.T) {
	pr := hop.NewPromise[int](bg)
	pr.OnCancel(func(error) {})
	pr.Pending().Cancel(nil)
	pr.Pending().OnDone(explode)
	if v, _ := swallow(t, "Resolve", func() { pr.Resolve(1) }); v == nil {
		t.Error("Resolve did not panic")
	}
	wantCancelled(t, waitErr(t, pr.Pending()))
}

// Goexit in an OnDone or OnCancel function ends the goroutine that cancels. Those that it had still to cancel must end all
// the same, and who waits for them.
func TestFault_GoexitUnderACancelOfMany(t *testing.T) {
	const why = "Goexit in a function that a cancel calls ends the cancelling half-way: "
	many := func(made func() *hop.Pending[int]) (ps []*hop.Pending[int]) {
		for range 3 {
			p := made()
			p.Done() // somebody looks
			p.OnDone(runtime.Goexit)
			ps = append(ps, p)
		}
		return ps
	}
	forever := func(ctx context.Context) (int, error) { return 0, hop.Sleep(ctx, time.Hour) }
	for _, c := range []struct {
		name, fault string
		run         func(t *testing.T) (cancel func(), ps []*hop.Pending[int], after func())
	}{
		{"Close of a loop", why + "the rest of the queue is never cancelled, suspended tasks neither, and the next Close hangs", func(t *testing.T) (func(), []*hop.Pending[int], func()) {
			l := hop.NewLoop(&hop.LoopOptions{StallAfter: -1})
			suspended := hop.Go(bg, l, forever)
			untilWaiting(t, suspended.Call())
			g := occupy(t, l)
			ps := many(func() *hop.Pending[int] { return hop.Go(bg, l, value(1)) })
			return func() { l.Close() }, ps, func() { g.open(); wantCancelled(t, waitErr(t, suspended)); closeAll(t, "the loop", l.Close) }
		}},
		{"Shutdown of a loop with calls that are not due", why + "the stop does not begin, and the next Shutdown hangs", func(t *testing.T) (func(), []*hop.Pending[int], func()) {
			l := hop.NewLoop(&hop.LoopOptions{StallAfter: -1})
			ps := many(func() *hop.Pending[int] { return hop.After(bg, time.Hour, l, value(1)) })
			return func() { l.Shutdown(bg) }, ps, func() { closeAll(t, "the loop", func() error { return l.Shutdown(bg) }) }
		}},
		{"Close of a pool", why + "the rest of the queue, which has been taken out of it, never ends", func(t *testing.T) (func(), []*hop.Pending[int], func()) {
			p := hop.NewPool(&hop.PoolOptions{Size: 1})
			g := occupy(t, p)
			ps := many(func() *hop.Pending[int] { return hop.Go(bg, p, value(1)) })
			return func() { p.Close() }, ps, func() { g.open(); closeAll(t, "the pool", p.Close) }
		}},
		{"Close of a pool with calls that are not due", why + "they stay until they are due", func(t *testing.T) (func(), []*hop.Pending[int], func()) {
			p := hop.NewPool(nil)
			ps := many(func() *hop.Pending[int] { return hop.After(bg, time.Hour, p, value(1)) })
			return func() { p.Close() }, ps, func() { closeAll(t, "the pool", p.Close) }
		}},
		{"the failure of a member", why + "the other members are not cancelled, and WithGroup hangs", func(t *testing.T) (func(), []*hop.Pending[int], func()) {
			l := newLoop(t, &hop.LoopOptions{StallAfter: -1})
			occupy(t, l)
			in := make(chan context.Context)
			over := inBackground(func() {
				hop.WithGroup(bg, nil, func(ctx context.Context) error {
					in <- ctx
					<-in
					return nil
				})
			})
			ctx := recv(t, "the group", in)
			ps := many(func() *hop.Pending[int] { return hop.Go(ctx, l, value(1)) })
			return func() { hop.Go(ctx, hop.Inline, failure(errStruck)) }, ps, func() { close(in); recv(t, "WithGroup", over) }
		}},
		{"Cancel of a call with calls under it", why + "the other calls under it are not told", func(t *testing.T) (func(), []*hop.Pending[int], func()) {
			up := hop.Go(bg, hop.Goroutines, forever)
			untilWaiting(t, up.Call())
			ps := many(func() *hop.Pending[int] { return hop.NewPromise[int](up.Call().Context()).Pending() })
			return func() { up.Cancel(nil) }, append(ps, up), func() {}
		}},
		{"Cancel of a promise with OnCancel", why + "what was made under the promise is not told", func(t *testing.T) (func(), []*hop.Pending[int], func()) {
			pr := hop.NewPromise[int](bg)
			pr.OnCancel(func(error) { runtime.Goexit() })
			ps := many(func() *hop.Pending[int] { return hop.NewPromise[int](pr.Pending().Call().Context()).Pending() })
			return func() { pr.Pending().Cancel(nil) }, ps, func() { pr.Resolve(1) }
		}},
		{"the end of a context", "", func(t *testing.T) (func(), []*hop.Pending[int], func()) {
			ctx, cancel := context.WithCancel(bg)
			ps := many(func() *hop.Pending[int] { return hop.NewPromise[int](ctx).Pending() })
			return cancel, ps, func() {}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cancel, ps, after := c.run(t)
			var ends []<-chan struct{}
			for _, p := range ps {
				ends = append(ends, p.Done())
			}
			swallow(t, c.name, cancel)
			for i, end := range ends {
				recv(t, fmt.Sprintf("the end of call %d", i), end)
			}
			after()
		})
	}
}

// An error of a user's that ends the goroutine where it is asked.
type endsAsker struct{ error }

func (endsAsker) Is(error) bool { runtime.Goexit(); return false }

// What cancels many asks the errors of those that were cancelled before. One that ends the goroutine then keeps nobody from being told.
func TestFault_AnErrorThatEndsWhoCancels(t *testing.T) {
	for name, end := range map[string]func(*hop.Promise[int]){
		"Reject": func(p *hop.Promise[int]) { p.Reject(errStruck) },
		"Cancel": func(p *hop.Promise[int]) { p.Pending().Cancel(nil) },
	} {
		t.Run(name, func(t *testing.T) {
			g := newGate(t)
			withGroup(t, bg, &hop.GroupOptions{CancelOnCancelled: true}, func(ctx context.Context) error {
				begun := make(chan struct{})
				other := hop.Go(ctx, hop.Goroutines, func(context.Context) (int, error) { close(begun); g.pass(); return 1, nil })
				recv(t, "the other member", begun)
				other.Cancel(endsAsker{errStruck})
				p := hop.NewPromise[int](ctx)
				under := hop.New(p.Pending().Call().Context(), value(1)).Done() // it is in no group before it is submitted
				told := make(chan struct{})
				p.Pending().OnDone(func() { close(told) })
				swallow(t, name, func() { end(p) })
				recv(t, "its end", told)
				if name == "Cancel" {
					recv(t, "the end of what was made under it", under)
				}
				g.open()
				return nil
			})
		})
	}
}
