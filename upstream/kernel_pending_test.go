package upstream_test

// async-kernel's test_pending.py: results, trackers, groups.

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gohop/hop"
)

// --- TestPending

func TestKernelPending_GCAndRepr(t *testing.T) {
	// What carries over of weakref, gc and repr: no cycles that keep a result, a bounded text, three states told apart.
	collected := make(chan struct{})
	func() {
		v := new([1 << 12]byte)
		runtime.AddCleanup(v, func(int) { close(collected) }, 0)
		pr := hop.NewPromise[*[1 << 12]byte](bg)
		pr.Pending().OnDone(func() { pr.Pending().Result() }) // a cycle through the callback
		pr.Resolve(v)
	}()
	eventually(t, "a dropped Pending and its value are collected", func() bool { runtime.GC(); return isDone(collected) })

	pr := hop.NewPromise[string](bg, hop.Name("p"))
	running := pr.Pending().String()
	pr.OnCancel(func(error) {})
	pr.Pending().Cancel(nil)
	cancelling := pr.Pending().String()
	pr.Resolve(strings.Repeat("long", 10_000))
	done := pr.Pending().String()
	if running == cancelling || cancelling == done || running == done || len(done) > 200 {
		t.Errorf("%q, %q, %q", running, cancelling, done)
	}
}

func TestKernelPending_SetAndWaitResult(t *testing.T) {
	pr := hop.NewPromise[int](bg)
	p := pr.Pending()
	before, after := 0, 0
	p.OnDone(func() {
		before++
		if v, err := p.Result(); v != 5 || err != nil { // no lock is held
			t.Errorf("%d, %v", v, err)
		}
		p.OnDone(func() { after++ })
	})
	w := hop.Go(bg, newLoop(t, nil), func(ctx context.Context) (int, error) { return p.Wait(ctx) })
	untilWaiting(t, w.Call())
	pr.Resolve(5)
	if v := must(t, w); v != 5 || before != 1 || after != 1 {
		t.Errorf("%d, %d, %d", v, before, after)
	}
	p.OnDone(func() { after++ }) // at once
	if after != 2 {
		t.Error("one that is added after the end does not run at once")
	}
}

func TestKernelPending_SetAndWaitException(t *testing.T) {
	pr := hop.NewPromise[int](bg)
	stop := pr.Pending().OnDone(func() { t.Error("it was taken back") })
	if !stop() || stop() {
		t.Error("stop: want true, then false")
	}
	kept := false
	stop = pr.Pending().OnDone(func() { kept = true })
	pr.Reject(errWhy)
	if stop() || !kept {
		t.Error("stop after the end: want false")
	}
	for range 2 {
		if err := waitErr(t, pr.Pending()); err != errWhy {
			t.Errorf("%v is not the very error", err)
		}
	}
}

func TestKernelPending_SetAlreadyDone(t *testing.T) {
	for name, first := range map[string]func(*hop.Promise[int]) bool{
		"result":    func(p *hop.Promise[int]) bool { return p.Resolve(1) },
		"exception": func(p *hop.Promise[int]) bool { return p.Reject(errWhy) },
	} {
		t.Run(name, func(t *testing.T) {
			pr := hop.NewPromise[int](bg)
			if !first(pr) {
				t.Error("the first: false")
			}
			v, err := pr.Pending().Result()
			if pr.Resolve(2) || pr.Reject(errors.New("other")) || pr.Pending().Cancel(nil) {
				t.Error("a later one: true")
			}
			if v2, err2 := pr.Pending().Result(); v2 != v || err2 != err {
				t.Errorf("%d, %v became %d, %v", v, err, v2, err2)
			}
		})
	}
}

func TestKernelPending_NotDone(t *testing.T) {
	pr := hop.NewPromise[int](bg)
	_, err := pr.Pending().Result()
	wantIs(t, err, hop.ErrNotDone)
	wantIs(t, pr.Pending().Call().Err(), hop.ErrNotDone)
	if isDone(pr.Pending().Done()) {
		t.Error("done")
	}
}

func TestKernelPending_ResultCancelledAndResultException(t *testing.T) {
	pr := hop.NewPromise[int](bg)
	pr.Pending().Cancel(errWhy)
	_, err := pr.Pending().Result()
	wantCancelled(t, err)
	wantState(t, pr.Pending().Call(), hop.Cancelled)

	pr = hop.NewPromise[int](bg)
	pr.Reject(errWhy)
	_, err = pr.Pending().Result()
	wantNot(t, err, hop.ErrCancelled)
	wantState(t, pr.Pending().Call(), hop.Failed)
}

func TestKernelPending_SetDoneBaseException(t *testing.T) {
	pr := hop.NewPromise[int](bg)
	var ran []int
	for i := range 4 {
		pr.Pending().OnDone(func() {
			ran = append(ran, i)
			if i == 1 {
				panic("callback")
			}
		})
	}
	w := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) { return pr.Pending().Wait(ctx) })
	func() {
		defer func() {
			if r := recover(); r != "callback" {
				t.Errorf("the panic did not reach who resolved: %v", r)
			}
		}()
		pr.Resolve(1)
	}()
	equal(t, "callbacks that ran", ran, []int{0, 1, 2, 3})
	must(t, w) // no waiter is stranded
}

func TestKernelPending_WaitShield(t *testing.T) {
	fromBothInBubble(t, func(t *testing.T, ctx context.Context) {
		pr := hop.NewPromise[int](bg)
		ended, cancel := context.WithCancel(ctx)
		cancel()
		_, err := pr.Pending().Wait(ended)
		wantIs(t, err, context.Canceled)
		wantNot(t, err, hop.ErrCancelled) // the wait was, not the call
		if isDone(pr.Pending().Done()) {
			t.Error("the protected wait's end has ended the call")
		}
		go func() { time.Sleep(time.Second); pr.Resolve(3) }()
		if v, err := pr.Pending().Wait(context.WithoutCancel(ended)); v != 3 || err != nil {
			t.Errorf("shielded: %d, %v", v, err)
		}
	})
}

func TestKernelPending_Cancel(t *testing.T) {
	pr := hop.NewPromise[int](bg)
	asked := 0
	pr.OnCancel(func(error) { asked++ })
	a, b := errors.New("first message"), errors.New("second message")
	for _, cause := range []error{a, b} {
		if !pr.Pending().Cancel(cause) {
			t.Error("Cancel: false")
		}
	}
	if isDone(pr.Pending().Done()) || asked != 1 {
		t.Errorf("done: %v; asked %d times", isDone(pr.Pending().Done()), asked)
	}
	if pr.Resolve(1) {
		// It was the one that ended it, if as cancelled.
		wantState(t, pr.Pending().Call(), hop.Cancelled)
	}
	err := waitErr(t, pr.Pending())
	wantCancelled(t, err)
	wantIs(t, err, a)
	wantIs(t, err, b)
}

func TestKernelPending_SetFromNonThread(t *testing.T) {
	fromBoth(t, func(t *testing.T, ctx context.Context) {
		pr := hop.NewPromise[int](ctx)
		go pr.Resolve(9) // a goroutine that nobody knows
		if v, err := pr.Pending().Wait(ctx); v != 9 || err != nil {
			t.Errorf("%d, %v", v, err)
		}
	})
}

func TestKernelPending_WaitCancelledProtect(t *testing.T) {
	fromBothInBubble(t, func(t *testing.T, ctx context.Context) {
		bounded := func() context.Context {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			t.Cleanup(cancel)
			return ctx
		}
		// Wait looks on (protect=True there), WaitOrCancel owns (the default there).
		p := hop.Go(bg, hop.Goroutines, sleep(5*time.Second))
		_, err := p.Wait(bounded())
		wantIs(t, err, context.DeadlineExceeded)
		if isDone(p.Done()) {
			t.Error("Wait has cancelled the call")
		}
		_, err = p.WaitOrCancel(bounded())
		wantTimeout(t, err)
		wantState(t, p.Call(), hop.Cancelled)
	})
}

func TestKernelPending_CancelWaitDone(t *testing.T) {
	fromBoth(t, func(t *testing.T, ctx context.Context) {
		started := make(chan struct{})
		ended := false
		p := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) {
			close(started)
			<-ctx.Done()
			runtime.Gosched()
			ended = true
			return 0, nil
		}, hop.Abandon())
		if _, _, err := hop.Recv(ctx, started); err != nil {
			t.Error(err)
		}
		if err := p.CancelWait(ctx, errWhy); err != nil || !ended {
			t.Errorf("%v; the function has ended: %v", err, ended)
		}
	})
}

func TestKernelPending_SetDoneStressTest(t *testing.T) {
	for range 1000 {
		pr := hop.NewPromise[int](bg)
		var won, callbacks atomic.Int32
		pr.Pending().OnDone(func() { callbacks.Add(1) })
		var wg sync.WaitGroup
		var cancelled atomic.Bool
		for _, end := range []func() bool{
			func() bool { return pr.Resolve(1) },
			func() bool { return pr.Reject(errWhy) },
		} {
			wg.Go(func() {
				if end() {
					won.Add(1)
				}
			})
		}
		wg.Go(func() { cancelled.Store(pr.Pending().Cancel(nil)) })
		within(t, "the three", wg.Wait)
		state := pr.Pending().Call().State()
		if n := won.Load(); !state.Done() || callbacks.Load() != 1 || cancelled.Load() != (state == hop.Cancelled) ||
			(state == hop.Cancelled) != (n == 0) || n > 1 {
			t.Fatalf("state %v, %d sets won, Cancel %v, %d callbacks", state, n, cancelled.Load(), callbacks.Load())
		}
	}
}

func TestKernelPending_WaitSync(t *testing.T) {
	pr := hop.NewPromise[int](bg)
	go pr.Resolve(4)
	for range 2 {
		if v := must(t, pr.Pending()); v != 4 {
			t.Error(v)
		}
	}
	within(t, "without the result", func() { <-pr.Pending().Done() })
}

func TestKernelPending_WaitSyncTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(bg, time.Second)
		defer cancel()
		pr := hop.NewPromise[int](bg)
		_, err := pr.Pending().WaitOrCancel(ctx)
		wantTimeout(t, err)
		wantState(t, pr.Pending().Call(), hop.Cancelled)
	})
}

func TestKernelPending_ManyWaiters(t *testing.T) {
	pr := hop.NewPromise[int](bg)
	var on []hop.Portal
	for range 5 {
		on = append(on, newLoop(t, &hop.LoopOptions{Thread: !wasm}))
	}
	pool := newPool(t, &hop.PoolOptions{Threads: !wasm})
	for range 15 {
		on = append(on, pool)
	}
	var ps []*hop.Pending[int]
	for i := range 100 {
		ps = append(ps, hop.Go(bg, on[i%len(on)], func(ctx context.Context) (int, error) {
			if i%2 == 0 {
				return pr.Pending().Wait(ctx)
			}
			return pr.Pending().WaitOrCancel(ctx)
		}))
	}
	for _, p := range ps {
		untilWaiting(t, p.Call())
	}
	pr.Resolve(6)
	for _, p := range ps {
		if v := must(t, p); v != 6 {
			t.Error(v)
		}
	}
}

// --- TestPendingManager

func TestKernelPending_ManagerContext(t *testing.T) {
	l := newLoop(t, nil)
	ctx, tr := hop.Track(bg)
	var enough hop.Event
	var inner *hop.Pending[int]
	outer := hop.Go(ctx, l, func(ctx context.Context) (int, error) {
		inner = hop.Go(ctx, hop.Goroutines, func(ctx context.Context) (int, error) { return 0, enough.Wait(ctx) })
		return inner.Wait(ctx)
	})
	outside := hop.Go(bg, l, func(ctx context.Context) (int, error) { return 0, enough.Wait(ctx) })
	untilWaiting(t, outer.Call())
	untilWaiting(t, inner.Call())
	equal(t, "tracked", tr.Calls(), []*hop.Call{outer.Call(), inner.Call()})
	enough.Set()
	must(t, outer)
	must(t, outside)
	equal(t, "tracked at the end", tr.Calls(), nil)
}

func TestKernelPending_ManagerState(t *testing.T) {
	ctx, tr := hop.Track(bg)
	p := hop.New(ctx, value(1))
	equal(t, "before it is submitted", tr.Calls(), nil)
	hop.Inline.Submit(p.Call())
	equal(t, "when it is done", tr.Calls(), nil)
	pr := hop.NewPromise[int](ctx)
	equal(t, "a promise", tr.Calls(), []*hop.Call{pr.Pending().Call()})
	pr.Resolve(1)
	equal(t, "a promise that was kept", tr.Calls(), nil)
}

func TestKernelPending_ManagerPoolIgnoresPendingErrors(t *testing.T) {
	ctx, tr := hop.Track(bg)
	wantIs(t, waitErr(t, hop.Go(ctx, hop.Goroutines, failure(errWhy))), errWhy)
	q := hop.Go(ctx, hop.Goroutines, value(1))
	must(t, q) // not disturbed
	equal(t, "tracked", tr.Calls(), nil)
}

func TestKernelPending_NestedIsolated(t *testing.T) {
	ctx, tr := hop.Track(bg)
	var enough hop.Event
	parked := func(ctx context.Context) (int, error) { return 0, enough.Wait(ctx) }
	var child *hop.Pending[int]
	p := hop.Go(hop.Detach(ctx), hop.Goroutines, func(ctx context.Context) (int, error) {
		child = hop.Go(ctx, hop.Goroutines, parked)
		return child.Wait(ctx)
	})
	untilWaiting(t, p.Call())
	equal(t, "tracked", tr.Calls(), nil)
	inner, tr2 := hop.Track(ctx)
	q := hop.Go(inner, hop.Goroutines, parked)
	equal(t, "inner tracker", tr2.Calls(), []*hop.Call{q.Call()})
	equal(t, "outer tracker", tr.Calls(), []*hop.Call{q.Call()})
	enough.Set()
	must(t, p)
	must(t, q)
}

// --- TestPendingGroup

func TestKernelPending_GroupBasic(t *testing.T) {
	fromBoth(t, func(t *testing.T, ctx context.Context) {
		var ps []*hop.Pending[int]
		var g *hop.Group
		err := hop.WithGroup(ctx, nil, func(ctx context.Context) error {
			g = hop.CurrentGroup(ctx)
			for i := range 5 {
				ps = append(ps, hop.Go(ctx, hop.Goroutines, func(ctx context.Context) (int, error) { return i, hop.Yield(ctx) }))
			}
			return nil
		})
		if err != nil || len(g.Calls()) != 0 {
			t.Errorf("%v, %d left", err, len(g.Calls()))
		}
		for i, p := range ps {
			if v, err := p.Result(); v != i || err != nil {
				t.Errorf("%d, %v", v, err)
			}
		}
	})
}

func TestKernelPending_GroupPropagation(t *testing.T) {
	var enough hop.Event
	var free *hop.Pending[int]
	within(t, "WithGroup", func() {
		err := hop.WithGroup(bg, nil, func(ctx context.Context) error {
			free = hop.Go(hop.Detach(ctx), hop.Goroutines, func(ctx context.Context) (int, error) {
				if hop.CurrentGroup(ctx) != nil {
					t.Error("what opted out sees the group")
				}
				return hop.Do(ctx, hop.Workers(), func(ctx context.Context) (int, error) { // nor what it starts
					return 1, enough.Wait(ctx)
				})
			})
			return nil
		})
		if err != nil || isDone(free.Done()) {
			t.Errorf("%v: the group waited for what opted out", err)
		}
	})
	enough.Set()
	must(t, free)
}

func TestKernelPending_GroupAsyncReenter(t *testing.T) {
	// A group is over when WithGroup has returned: nothing enters it again.
	var g *hop.Group
	var old context.Context
	within(t, "WithGroup", func() {
		hop.WithGroup(bg, nil, func(ctx context.Context) error { g, old = hop.CurrentGroup(ctx), ctx; return nil })
	})
	func() {
		defer func() {
			if recover() == nil {
				t.Error("Add to a group that is over does not panic")
			}
		}()
		g.Add(hop.NewPromise[int](bg).Pending().Call())
	}()
	// Its context has ended, so what is made with it never runs.
	p := hop.Go(old, hop.Goroutines, func(context.Context) (int, error) { t.Error("it ran"); return 0, nil })
	if err := waitErr(t, p); err == nil {
		t.Error("no error")
	}
}

func TestKernelPending_GroupState(t *testing.T) {
	// Members that members add while the group waits at its exit are waited for as well, down to the last.
	fromBoth(t, func(t *testing.T, ctx context.Context) {
		var n atomic.Int32
		var more func(depth int) func(ctx context.Context) (int, error)
		more = func(depth int) func(ctx context.Context) (int, error) {
			return func(ctx context.Context) (int, error) {
				if depth > 0 {
					hop.Go(ctx, hop.Goroutines, more(depth-1))
					hop.Go(ctx, hop.Workers(), more(depth-1))
				}
				n.Add(1)
				return 0, nil
			}
		}
		if err := hop.WithGroup(ctx, nil, func(ctx context.Context) error {
			hop.Go(ctx, hop.Goroutines, more(7))
			return nil
		}); err != nil {
			t.Error(err)
		}
		if got := n.Load(); got != 1<<8-1 {
			t.Errorf("%d of %d members had ended", got, 1<<8-1)
		}
	})
}

func TestKernelPending_GroupExternalCancellation(t *testing.T) {
	fromBothInBubble(t, func(t *testing.T, ctx context.Context) {
		ctx, cancel := context.WithCancelCause(ctx)
		ended := false
		began := time.Now()
		err := hop.WithGroup(ctx, nil, func(ctx context.Context) error {
			p := hop.Go(ctx, hop.Goroutines, func(ctx context.Context) (int, error) {
				_, err := forever(ctx)
				hop.Sleep(context.WithoutCancel(ctx), time.Second) // its cleanup
				ended = true
				return 0, err
			})
			go func() { time.Sleep(time.Second); cancel(errWhy) }()
			_, err := p.Wait(ctx)
			return err
		})
		wantIs(t, err, context.Canceled)
		wantIs(t, err, errWhy)
		if d := time.Since(began); d != 2*time.Second || !ended {
			t.Errorf("after %v; the member has ended: %v", d, ended)
		}
	})
}

func TestKernelPending_GroupCancellation(t *testing.T) {
	for _, report := range []bool{false, true} {
		fromBoth(t, func(t *testing.T, ctx context.Context) {
			var p *hop.Pending[int]
			var g *hop.Group
			err := hop.WithGroup(ctx, &hop.GroupOptions{ReportCancelled: report}, func(ctx context.Context) error {
				g = hop.CurrentGroup(ctx)
				p = hop.Go(ctx, hop.Goroutines, forever)
				g.Cancel(errWhy)
				return nil
			})
			if !g.Cancelled() {
				t.Error("Cancelled: false")
			}
			_, perr := p.Result()
			wantCancelled(t, perr)
			wantIs(t, perr, errWhy)
			if report {
				wantIs(t, err, hop.ErrCancelled)
			} else if err != nil {
				t.Errorf("the group's own cancel is an error: %v", err)
			}
		})
	}
}

func TestKernelPending_GroupInvalidState(t *testing.T) {
	// A member sees the cancel while the group is still there, with its context.
	fromBoth(t, func(t *testing.T, ctx context.Context) {
		seen := make(chan bool, 1)
		started := make(chan struct{})
		err := hop.WithGroup(ctx, nil, func(ctx context.Context) error {
			g := hop.CurrentGroup(ctx)
			hop.Go(ctx, hop.Goroutines, func(ctx context.Context) (int, error) {
				close(started)
				<-ctx.Done()
				seen <- hop.CurrentGroup(ctx) == g && g.Cancelled() && context.Cause(ctx) == errWhy
				return 0, nil
			})
			hop.Recv(ctx, started)
			g.Cancel(errWhy)
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		select {
		case ok := <-seen:
			if !ok {
				t.Error("the member saw another group, or none, or another cause")
			}
		default:
			t.Error("WithGroup has returned before its member")
		}
	})
}

func TestKernelPending_GroupWaitException(t *testing.T) {
	fromBothInBubble(t, func(t *testing.T, ctx context.Context) {
		var sibling *hop.Pending[int]
		bodyCause := errors.New("none")
		err := hop.WithGroup(ctx, nil, func(ctx context.Context) error {
			sibling = hop.Go(ctx, hop.Goroutines, forever)
			hop.Go(ctx, hop.Goroutines, func(ctx context.Context) (int, error) {
				hop.Sleep(ctx, time.Second)
				return 0, customError{1}
			})
			err := hop.Sleep(ctx, time.Hour) // the body is parked elsewhere
			bodyCause = context.Cause(ctx)
			return err
		})
		var c customError
		if !errors.As(err, &c) || !errors.Is(err, customError{1}) {
			t.Errorf("%v", err)
		}
		if _, joined := err.(interface{ Unwrap() []error }); !joined {
			t.Errorf("%T is no joined error, though there is only one", err)
		}
		wantIs(t, bodyCause, customError{1})
		_, serr := sibling.Result()
		wantCancelled(t, serr)
	})
}

func TestKernelPending_GroupCancelledByPending(t *testing.T) {
	fromBoth(t, func(t *testing.T, ctx context.Context) {
		err := hop.WithGroup(ctx, nil, func(ctx context.Context) error {
			p := hop.Go(ctx, hop.Goroutines, failure(errWhy))
			_, err := p.Wait(ctx) // seen by the body too
			hop.Sleep(ctx, time.Hour)
			return err
		})
		wantIs(t, err, errWhy)
	})
}

func TestKernelPending_GroupNestedRaises(t *testing.T) {
	fromBoth(t, func(t *testing.T, ctx context.Context) {
		var innerErr error
		err := hop.WithGroup(ctx, nil, func(ctx context.Context) error {
			innerErr = hop.WithGroup(ctx, nil, func(ctx context.Context) error {
				hop.Go(ctx, hop.Goroutines, failure(errWhy))
				return nil
			})
			return nil // swallowed, and the outer group knows all the same
		})
		wantIs(t, innerErr, errWhy)
		wantIs(t, err, errWhy)
	})
}

func TestKernelPending_GroupTimeout(t *testing.T) {
	fromBothInBubble(t, func(t *testing.T, ctx context.Context) {
		var p *hop.Pending[int]
		var g *hop.Group
		began := time.Now()
		err := hop.WithGroup(ctx, &hop.GroupOptions{Timeout: time.Second}, func(ctx context.Context) error {
			g = hop.CurrentGroup(ctx)
			p = hop.Go(ctx, hop.Goroutines, forever)
			return hop.Sleep(ctx, time.Hour)
		})
		if err != nil || !g.Cancelled() || time.Since(began) != time.Second {
			t.Errorf("%v, cancelled: %v, after %v", err, g.Cancelled(), time.Since(began))
		}
		_, perr := p.Result()
		wantCancelled(t, perr)
		// Somebody else's deadline is an error.
		outer, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		err = hop.WithGroup(outer, &hop.GroupOptions{Timeout: time.Minute}, func(ctx context.Context) error {
			hop.Go(ctx, hop.Goroutines, forever)
			return nil
		})
		wantIs(t, err, context.DeadlineExceeded)
	})
}

func TestKernelPending_GroupNested(t *testing.T) {
	within(t, "WithGroup", func() {
		var enough hop.Event
		err := hop.WithGroup(bg, nil, func(ctx context.Context) error {
			outer := hop.CurrentGroup(ctx)
			return hop.WithGroup(ctx, nil, func(ctx context.Context) error {
				inner := hop.CurrentGroup(ctx)
				p := hop.Go(ctx, hop.Goroutines, func(ctx context.Context) (int, error) { return 0, enough.Wait(ctx) })
				equal(t, "inner", inner.Calls(), []*hop.Call{p.Call()})
				equal(t, "outer", outer.Calls(), []*hop.Call{p.Call()})
				enough.Set()
				return nil
			})
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestKernelPending_GroupTracking(t *testing.T) {
	// A tracker and a group are two things: the one watches, the other waits and cancels.
	within(t, "WithGroup", func() {
		ctx, tr := hop.Track(bg)
		var enough hop.Event
		err := hop.WithGroup(ctx, nil, func(gctx context.Context) error {
			in := hop.Go(gctx, hop.Goroutines, func(ctx context.Context) (int, error) { return 0, enough.Wait(ctx) })
			out := hop.Go(ctx, hop.Goroutines, func(ctx context.Context) (int, error) { return 0, enough.Wait(ctx) })
			equal(t, "tracked", tr.Calls(), []*hop.Call{in.Call(), out.Call()})
			equal(t, "members", hop.CurrentGroup(gctx).Calls(), []*hop.Call{in.Call()})
			enough.Set()
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestKernelPending_GroupMode(t *testing.T) {
	for _, m := range []struct {
		cancel, report bool
	}{{false, false}, {true, true}, {true, false}, {false, true}} {
		o := &hop.GroupOptions{CancelOnCancelled: m.cancel, ReportCancelled: m.report}
		fromBoth(t, func(t *testing.T, ctx context.Context) {
			var enough hop.Event
			var other *hop.Pending[int]
			err := hop.WithGroup(ctx, o, func(ctx context.Context) error {
				other = hop.Go(ctx, hop.Goroutines, func(ctx context.Context) (int, error) { return 1, enough.Wait(ctx) })
				victim := hop.Go(ctx, hop.Goroutines, forever)
				victim.Cancel(errWhy)
				victim.Wait(context.WithoutCancel(ctx))
				if !m.cancel {
					enough.Set()
				}
				return nil
			})
			_, oerr := other.Result()
			if m.cancel != errors.Is(oerr, hop.ErrCancelled) {
				t.Errorf("%+v: the other member: %v", *o, oerr)
			}
			if m.report != errors.Is(err, hop.ErrCancelled) || !m.report && err != nil {
				t.Errorf("%+v: the group: %v", *o, err)
			}
		})
	}
}

func TestKernelPending_GroupShield(t *testing.T) {
	fromBoth(t, func(t *testing.T, ctx context.Context) {
		// Cleanup code may start new work though everything around it is cancelled.
		ended, cancel := context.WithCancel(ctx)
		cancel()
		var p *hop.Pending[int]
		err := hop.WithGroup(ended, &hop.GroupOptions{Shield: true}, func(ctx context.Context) error {
			p = hop.Go(ctx, hop.Goroutines, func(ctx context.Context) (int, error) { return 1, hop.Yield(ctx) })
			return nil
		})
		if v, perr := p.Result(); v != 1 || perr != nil || err != nil {
			t.Errorf("%d, %v, %v", v, perr, err)
		}
	})
}

// --- TestProtectedPending

func TestKernelPending_ProtectedCannotBeCancelledByItsWaiters(t *testing.T) {
	// Life cycles are told by things that have no Cancel: a channel, an Event.
	l := newLoop(t, nil)
	ended, cancel := context.WithCancel(bg)
	cancel()
	var started hop.Event
	wantIs(t, started.Wait(ended), context.Canceled)
	_, _, err := hop.Recv(ended, l.Stopped())
	wantIs(t, err, context.Canceled)
	must(t, hop.Go(bg, l, value(1))) // nothing has come of it
	started.Set()
	if err := started.Wait(ended); err != nil {
		t.Error(err)
	}
}
