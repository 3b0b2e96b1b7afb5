package upstream_test

// async-kernel's test_caller.py: the loop of a thread, its life, and the ways in.

import (
	"context"
	"errors"
	"iter"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gohop/hop"
	"github.com/gohop/hop/bridge"
	"github.com/gohop/hop/collect"
	"github.com/gohop/hop/queue"
)

// --- Where am I, and finding things

func TestKernelCaller_ThreadNoEventLoop(t *testing.T) {
	if l := hop.CurrentLoop(); l != nil {
		t.Errorf("there is a loop: %v", l)
	}
	n := len(hop.Loops())
	_, err := hop.NewLocal(value(1), nil).Get(bg) // what needs one says so
	wantIs(t, err, hop.ErrMismatch)
	if len(hop.Loops()) != n {
		t.Error("a loop was made without being asked for")
	}
}

func TestKernelCaller_NoEventLoop(t *testing.T) {
	l := newLoop(t, &hop.LoopOptions{Name: "new thread", Thread: !wasm})
	within(t, "Do", func() {
		if v, err := hop.Do(bg, l, asyncBody); v != 1 || err != nil { // at once, from sync code
			t.Errorf("%d, %v", v, err)
		}
	})
}

func TestKernelCaller_GetCurrentThread(t *testing.T) {
	l := newLoop(t, &hop.LoopOptions{Name: "me"})
	must(t, hop.Go(bg, l, func(ctx context.Context) (int, error) {
		if hop.CurrentLoop() != l || hop.LoopByID(l.ID()) != l || hop.CurrentLoop().Name() != "me" {
			t.Error("not found on its own thread")
		}
		return 0, nil
	}))
	// From another thread, by its id, and in the list.
	within(t, "elsewhere", func() {
		found := false
		for _, other := range hop.Loops() {
			found = found || other == l
		}
		if hop.LoopByID(l.ID()) != l || !found {
			t.Error("not found from elsewhere")
		}
	})
	within(t, "Close", func() { l.Close() })
	if hop.LoopByID(l.ID()) != nil {
		t.Error("found after its end")
	}
}

func TestKernelCaller_NameMismatch(t *testing.T) {
	parent := newLoop(t, nil)
	a, err := parent.Child("a", &hop.LoopOptions{QueueLimit: 5})
	if err != nil {
		t.Fatal(err)
	}
	if b, err := parent.Child("a", nil); b != a || err != nil {
		t.Errorf("%v, %v", b, err)
	}
	if b, err := parent.Child("a", &hop.LoopOptions{QueueLimit: 5}); b != a || err != nil {
		t.Errorf("%v, %v", b, err)
	}
	for _, o := range []*hop.LoopOptions{{QueueLimit: 6}, {QueueLimit: 5, Thread: true}, {QueueLimit: 5, Host: parent}, {QueueLimit: 5, Manual: true}} {
		_, err := parent.Child("a", o)
		wantIs(t, err, hop.ErrMismatch)
	}
}

func TestKernelCaller_CurrentPending(t *testing.T) {
	l := newLoop(t, nil)
	got := make(chan *hop.Call, 1)
	p := hop.Go(bg, l, func(ctx context.Context) (int, error) {
		hop.Yield(ctx)
		got <- hop.CurrentCall(ctx)
		return 0, nil
	}, hop.Meta(key("who"), "me"))
	must(t, p)
	if c := recv(t, "the call", got); c != p.Call() || c.Meta(key("who")) != "me" {
		t.Errorf("%v", c)
	}
	if hop.CurrentCall(bg) != nil {
		t.Error("a call where there is none")
	}
}

// --- Before the start

func TestKernelCaller_StartAfter(t *testing.T) {
	l := newLoop(t, &hop.LoopOptions{Manual: true})
	var order []int
	var ps []*hop.Pending[int]
	for i := range 5 {
		ps = append(ps, hop.Go(bg, l, func(context.Context) (int, error) { order = append(order, i); return i, nil }))
	}
	for _, p := range ps {
		wantState(t, p.Call(), hop.Queued)
	}
	ctx, cancel := context.WithCancel(bg)
	ps[4].OnDone(cancel)
	within(t, "Run", func() { l.Run(ctx) })
	equal(t, "order", order, upTo(5))
}

func TestKernelCaller_CallEarly(t *testing.T) {
	// Who waits before anybody drives the loop is woken when somebody does.
	l := newLoop(t, &hop.LoopOptions{Manual: true})
	early := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) { return hop.Do(ctx, l, value(8)) })
	untilWaiting(t, early.Call())
	ctx, cancel := context.WithCancel(bg)
	early.OnDone(cancel)
	within(t, "Run", func() { l.Run(ctx) })
	if v := must(t, early); v != 8 {
		t.Error(v)
	}
}

func TestKernelCaller_StopEarly(t *testing.T) {
	l := newLoop(t, &hop.LoopOptions{Manual: true})
	before := hop.Go(bg, l, func(context.Context) (int, error) { t.Error("it ran"); return 0, nil })
	within(t, "Close", func() { l.Close() })
	err := waitErr(t, before)
	wantCancelled(t, err)
	wantIs(t, err, hop.ErrStopped)
	after := hop.Go(bg, l, value(1)) // no panic, no hang
	wantIs(t, waitErr(t, after), hop.ErrStopped)
	within(t, "Run", func() { wantIs(t, l.Run(bg), hop.ErrStopped) })
}

func TestKernelCaller_Stopping(t *testing.T) {
	l := newLoop(t, nil)
	var enough hop.Event
	p := hop.Go(bg, l, func(ctx context.Context) (int, error) { return 0, enough.Wait(ctx) })
	untilWaiting(t, p.Call())
	ended := make(chan error, 1)
	go func() { ended <- l.Shutdown(bg) }()
	eventually(t, "it is stopping", func() bool { return errors.Is(l.Post(func() {}), hop.ErrStopped) })
	if isDone(l.Stopped()) {
		t.Error("stopped while a call waits")
	}
	wantIs(t, waitErr(t, hop.Go(bg, l, value(1))), hop.ErrStopped)
	enough.Set()
	if err := recv(t, "Shutdown", ended); err != nil || !isDone(l.Stopped()) {
		t.Error(err)
	}
}

// --- Scopes

func TestKernelCaller_Protected(t *testing.T) {
	within(t, "RunLoop", func() {
		var l *hop.Loop
		_, err := hop.RunLoop(bg, nil, func(ctx context.Context) (int, error) {
			l = hop.CurrentLoop()
			wantIs(t, l.Close(), hop.ErrProtected) // inside its scope a plain stop does nothing
			wantIs(t, l.Shutdown(ctx), hop.ErrProtected)
			return hop.Do(ctx, hop.Goroutines, func(ctx context.Context) (int, error) {
				wantIs(t, l.Close(), hop.ErrProtected)
				return hop.Do(ctx, l, asyncBody) // and it goes on
			})
		})
		if err != nil || !isDone(l.Stopped()) {
			t.Errorf("%v: the scope's end is its end", err)
		}
	})
	parent := hop.NewLoop(nil)
	child, err := parent.Child("child", &hop.LoopOptions{Protected: true})
	if err != nil {
		t.Fatal(err)
	}
	wantIs(t, child.Close(), hop.ErrProtected)
	must(t, hop.Go(bg, child, value(1)))
	within(t, "Close of the parent", func() { parent.Close() }) // force
	if !isDone(child.Stopped()) {
		t.Error("it has outlived its parent")
	}
}

func TestKernelCaller_AwaitStopped(t *testing.T) {
	l := newLoop(t, nil)
	var ps []*hop.Pending[int]
	for _, on := range []hop.Portal{newLoop(t, nil), hop.Goroutines, newPool(t, nil)} {
		ps = append(ps, hop.Go(bg, on, func(ctx context.Context) (int, error) {
			_, ok, err := hop.Recv(ctx, l.Stopped())
			if ok {
				t.Error("a value")
			}
			return 0, err
		}))
	}
	// From the loop itself: a wait that its own end ends.
	own := hop.Go(bg, l, func(ctx context.Context) (int, error) {
		_, _, err := hop.Recv(ctx, l.Stopped())
		return 0, err
	})
	for _, p := range append(ps, own) {
		untilWaiting(t, p.Call())
	}
	within(t, "Close", func() { l.Close() })
	for _, p := range ps {
		must(t, p)
	}
	wantIs(t, waitErr(t, own), hop.ErrStopped)
}

func TestKernelCaller_MultiEntry(t *testing.T) {
	// The scope of a loop is RunLoop; others enter by calls, and its end waits for all of them.
	within(t, "RunLoop", func() {
		var l *hop.Loop
		var others []*hop.Pending[int]
		finished := 0
		_, err := hop.RunLoop(bg, nil, func(ctx context.Context) (int, error) {
			l = hop.CurrentLoop()
			for range 5 {
				others = append(others, hop.Go(bg, l, func(ctx context.Context) (int, error) {
					for range 10 {
						if err := hop.Yield(ctx); err != nil {
							return 0, err
						}
					}
					finished++
					return 0, nil
				}))
			}
			return 0, nil // the first to leave
		})
		if err != nil || finished != 5 {
			t.Errorf("%v, %d of 5 had left before the end", err, finished)
		}
		wantIs(t, hop.Go(bg, l, value(1)).Call().Err(), hop.ErrStopped) // no entry any more
	})
}

func TestKernelCaller_CallerAutostop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// A stop that is bounded cancels who has not left, and says how many those are.
		l := newLoop(t, nil)
		p, q := hop.Go(bg, l, forever), hop.Go(bg, l, forever)
		ctx, cancel := context.WithTimeout(bg, time.Second)
		defer cancel()
		err := l.Shutdown(ctx)
		wantIs(t, err, context.DeadlineExceeded)
		if err == nil || !hasDigit(err.Error(), '2') {
			t.Errorf("%v does not say that there were 2", err)
		}
		wantIs(t, waitErr(t, p), hop.ErrStopped)
		wantIs(t, waitErr(t, q), hop.ErrStopped)
	})
}

func hasDigit(s string, d byte) bool {
	for i := range len(s) {
		if s[i] == d {
			return true
		}
	}
	return false
}

func TestKernelCaller_CancelledAsyncContext(t *testing.T) {
	// A scope that is cancelled goes through all of its end.
	ctx, cancel := context.WithCancelCause(bg)
	var steps []string
	var l *hop.Loop
	within(t, "RunLoop", func() {
		_, err := hop.RunLoop(ctx, nil, func(ctx context.Context) (int, error) {
			l = hop.CurrentLoop()
			steps = append(steps, "started")
			l.OnShutdown(func(ctx context.Context) error { steps = append(steps, "stopping"); return ctx.Err() })
			cancel(errWhy)
			return forever(ctx)
		})
		wantCancelled(t, err)
		wantIs(t, err, errWhy)
	})
	if isDone(l.Stopped()) {
		steps = append(steps, "stopped")
	}
	equal(t, "steps", steps, []string{"started", "stopping", "stopped"})
}

// --- Children

func TestKernelCaller_ChildLifecycle(t *testing.T) {
	parent := hop.NewLoop(&hop.LoopOptions{Name: "parent"})
	child, err := parent.Child("child", &hop.LoopOptions{Thread: !wasm})
	if err != nil {
		t.Fatal(err)
	}
	grandchild := must(t, hop.Go(bg, child, func(context.Context) (*hop.Loop, error) { return hop.CurrentLoop().Child("grandchild", nil) }))
	if again, _ := parent.Child("child", nil); again != child || grandchild.Parent() != child || child.Parent() != parent {
		t.Error("not one family")
	}
	equal(t, "children", parent.Children(), []*hop.Loop{child})
	equal(t, "grandchildren", child.Children(), []*hop.Loop{grandchild})
	var order []string
	for _, l := range []*hop.Loop{parent, child, grandchild} {
		name := l.Name()
		var kids []*hop.Loop
		if l != grandchild {
			kids = l.Children()
		}
		l.OnShutdown(func(context.Context) error {
			for _, k := range kids {
				if !isDone(k.Stopped()) {
					t.Errorf("%s stops before %s", name, k.Name())
				}
			}
			order = append(order, name) // one after the other, so no lock
			if l == parent {
				_, err := parent.Child("late", nil)
				wantIs(t, err, hop.ErrStopped)
			}
			return nil
		})
	}
	within(t, "Shutdown", func() { parent.Shutdown(bg) })
	equal(t, "order", order, []string{"grandchild", "child", "parent"})
	_, err = parent.Child("child", nil)
	wantIs(t, err, hop.ErrStopped)
}

func TestKernelCaller_UnmanagedShutdown(t *testing.T) {
	// The loop around ends without a word to those inside: nothing is left.
	noGoroutineLeft(t)
	host := hop.NewLoop(nil)
	guest := hop.NewLoop(&hop.LoopOptions{Host: host, Logger: new(journal).logger(0)})
	child, err := host.Child("child", nil)
	if err != nil {
		t.Fatal(err)
	}
	var ps []*hop.Pending[int]
	for _, l := range []*hop.Loop{host, guest, child} {
		p := hop.Go(bg, l, forever)
		untilWaiting(t, p.Call())
		ps = append(ps, p)
	}
	within(t, "Close", func() { host.Close() })
	for _, p := range ps {
		wantIs(t, waitErr(t, p), hop.ErrStopped)
	}
	for _, l := range []*hop.Loop{guest, child} {
		recv(t, "the end of "+l.String(), l.Stopped())
	}
}

// --- Ways in

func TestKernelCaller_CallLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoop(t, nil)
		began := time.Now()
		for _, d := range []time.Duration{0, time.Nanosecond, time.Second, time.Minute} {
			at := hop.After(bg, d, l, func(context.Context) (time.Duration, error) { return time.Since(began), nil })
			if got, err := at.Wait(bg); got != d || err != nil {
				t.Errorf("%v came at %v, %v", d, got, err)
			}
			began = time.Now()
		}
	})
}

func TestKernelCaller_ClosedInCallSoon(t *testing.T) {
	for name, stop := range map[string]func(l *hop.Loop) error{
		"Close":    (*hop.Loop).Close,
		"Shutdown": func(l *hop.Loop) error { return l.Shutdown(bg) },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLoop(t, nil)
			p := hop.After(bg, time.Hour, l, value(1))
			within(t, name, func() { stop(l) })
			err := waitErr(t, p)
			wantCancelled(t, err)
			wantIs(t, err, hop.ErrStopped)
		})
	}
}

func TestKernelCaller_CallReturnsResult(t *testing.T) {
	inner := hop.NewPromise[int](bg)
	p := hop.Go(bg, newLoop(t, nil), value(inner.Pending()))
	if got := must(t, p); got != inner.Pending() || isDone(got.Done()) {
		t.Error("a Pending that is a result was waited for")
	}
}

func TestKernelCaller_Async(t *testing.T) {
	// Arguments are what the function closes over, or what bridge passes; the caller may be on a foreign loop.
	l := newLoop(t, nil)
	add := func(_ context.Context, a int, b ...int) (int, error) {
		for _, n := range b {
			a += n
		}
		return a, nil
	}
	fromBoth(t, func(t *testing.T, ctx context.Context) {
		if v, err := bridge.Invoke(ctx, l, add, 1, 2, 3).Wait(ctx); v != 6 || err != nil {
			t.Errorf("%v, %v", v, err)
		}
		if v, err := hop.Do(ctx, l, func(ctx context.Context) (int, error) { return add(ctx, 4, 5) }); v != 9 || err != nil {
			t.Errorf("%d, %v", v, err)
		}
	})
}

func TestKernelCaller_DirectAsync(t *testing.T) {
	var mu sync.Mutex
	var panics []any
	l := newLoop(t, &hop.LoopOptions{OnPanic: func(p *hop.PanicError) {
		mu.Lock()
		defer mu.Unlock()
		panics = append(panics, p.Value)
	}})
	l.Post(func() { panic("direct") })
	l.Post(func() {
		if err := hop.Yield(bg); err != nil { // it may wait, too
			t.Error(err)
		}
		panic("after a wait")
	})
	for range 3 {
		must(t, hop.Go(bg, l, func(ctx context.Context) (int, error) { return 0, hop.Yield(ctx) }))
	}
	mu.Lock()
	defer mu.Unlock()
	equal(t, "reported", panics, []any{"direct", "after a wait"})
}

func TestKernelCaller_Balanced(t *testing.T) {
	const n = 1000
	l := newLoop(t, &hop.LoopOptions{StallAfter: -1})
	var order []int
	q := queue.New(l, func(_ context.Context, i int) error { order = append(order, i); return nil }, nil)
	g := occupy(t, l)
	for i := range n {
		l.Post(func() { order = append(order, 3*i) })
		hop.Go(bg, l, func(context.Context) (int, error) { order = append(order, 3*i+1); return 0, nil })
		q.Put(bg, 3*i+2)
	}
	g.open()
	drain(t, q)
	equal(t, "completion", order, upTo(3*n))
}

// --- Cancelling

func TestKernelCaller_CallSoonCancelledEarly(t *testing.T) {
	l := newLoop(t, &hop.LoopOptions{StallAfter: -1})
	g := occupy(t, l)
	p := hop.Go(bg, l, func(context.Context) (int, error) { t.Error("it ran"); return 0, nil })
	p.Cancel(nil)
	g.open()
	wantCancelled(t, waitErr(t, p))
	must(t, hop.Go(bg, l, value(1)))
}

func TestKernelCaller_Cancel(t *testing.T) {
	l := newLoop(t, nil)
	message := errors.New("message")
	for name, from := range map[string]func(f func()){
		"another thread": func(f func()) { within(t, "Cancel", f) },
		"the loop": func(f func()) {
			must(t, hop.Go(bg, l, func(context.Context) (int, error) { f(); return 0, nil }))
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := hop.Go(bg, l, forever)
			untilWaiting(t, p.Call())
			from(func() {
				for range 2 {
					if !p.Cancel(message) {
						t.Error("Cancel: false")
					}
				}
			})
			err := waitErr(t, p)
			wantCancelled(t, err)
			wantIs(t, err, message)
			if !p.Cancel(nil) {
				t.Error("Cancel of what was cancelled: false")
			}
		})
	}
}

func TestKernelCaller_CancelledResult(t *testing.T) {
	// What a cancelled function still returns is not the result.
	l := newLoop(t, nil)
	p := hop.Go(bg, l, func(ctx context.Context) (int, error) { forever(ctx); return 7, nil })
	untilWaiting(t, p.Call())
	p.Cancel(nil)
	if v, err := wait(t, p); v != 0 || !errors.Is(err, hop.ErrCancelled) {
		t.Errorf("%d, %v", v, err)
	}
}

func TestKernelCaller_CancelledWaiter(t *testing.T) {
	// The one that owns a call takes it along.
	l := newLoop(t, nil)
	p := hop.Go(bg, l, forever)
	owner := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) { return p.WaitOrCancel(ctx) })
	watcher := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) { return p.Wait(ctx) })
	untilWaiting(t, owner.Call())
	untilWaiting(t, watcher.Call())
	watcher.Cancel(nil)
	wantCancelled(t, waitErr(t, watcher))
	if isDone(p.Done()) {
		t.Error("one that only watches took it along")
	}
	owner.Cancel(errWhy)
	wantIs(t, waitErr(t, p), errWhy)
	wantCancelled(t, waitErr(t, p))
}

func TestKernelCaller_CancelledWhileWaiting(t *testing.T) {
	// A timeout inside the function is its own affair: the call failed, it was not cancelled.
	for _, own := range []error{context.DeadlineExceeded, context.Canceled} {
		l := newLoop(t, nil)
		p := hop.Go(bg, l, func(ctx context.Context) (int, error) {
			inner, cancel := context.WithCancelCause(ctx)
			cancel(own)
			_ = hop.Sleep(inner, time.Hour)
			return 0, own
		})
		err := waitErr(t, p)
		if err != own {
			t.Errorf("%v, want %v itself", err, own)
		}
		wantNot(t, err, hop.ErrCancelled)
		wantState(t, p.Call(), hop.Failed)
	}
}

func TestKernelCaller_AsyncioQueueCallCancelled(t *testing.T) {
	for _, own := range []error{context.Canceled, context.DeadlineExceeded, &hop.CancelError{}} {
		var c collector
		c.fail = map[int]error{1: own}
		q := queue.New(newLoop(t, nil), c.handle, &queue.Options{OnError: func(error) {}})
		put(t, q, 0, 1, 2)
		drain(t, q)
		equal(t, "handled", c.got, upTo(3))
	}
}

func TestKernelCaller_CancelsOnExit(t *testing.T) {
	l := newLoop(t, nil)
	saw := make(chan error, 1)
	p := hop.Go(bg, l, func(ctx context.Context) (int, error) {
		_, err := forever(ctx)
		saw <- context.Cause(ctx)
		return 0, err
	})
	untilWaiting(t, p.Call())
	within(t, "Close", func() { l.Close() })
	wantIs(t, recv(t, "what the task saw", saw), hop.ErrStopped)
	wantCancelled(t, waitErr(t, p))
}

// --- Queues for one function

func TestKernelCaller_ExecutionQueue(t *testing.T) {
	l := newLoop(t, nil)
	inside, most := 0, 0
	var got []int
	q := queue.New(l, func(ctx context.Context, v int) error {
		inside++
		most = max(most, inside)
		defer func() { inside-- }()
		for range v % 3 {
			hop.Yield(ctx)
		}
		got = append(got, v)
		return nil
	}, nil)
	put(t, q, upTo(50)...)
	drain(t, q)
	equal(t, "order", got, upTo(50))
	if most != 1 {
		t.Errorf("%d at a time", most)
	}
}

func TestKernelCaller_ExecutionQueueFromThread(t *testing.T) {
	var c collector
	q := queue.New(newLoop(t, nil), c.handle, nil)
	must(t, hop.Go(bg, newThread(t), func(ctx context.Context) (int, error) {
		for i := range 50 {
			if err := q.Put(ctx, i); err != nil {
				return 0, err
			}
		}
		return 0, nil
	}))
	drain(t, q)
	equal(t, "order", c.got, upTo(50))
}

func TestKernelCaller_QueueCancel(t *testing.T) {
	l := newLoop(t, nil)
	started := make(chan struct{})
	var sawCause error
	var dropped []any
	q := queue.New(l, func(ctx context.Context, v int) error {
		close(started) // once: the rest is dropped
		_, err := forever(ctx)
		sawCause = context.Cause(ctx)
		return err
	}, &queue.Options{OnDrop: func(v any) { dropped = append(dropped, v) }, OnError: func(error) {}})
	put(t, q, 0, 1, 2)
	recv(t, "the first", started)
	within(t, "Close", func() { q.Close() })
	wantIs(t, sawCause, hop.ErrStopped)
	equal(t, "dropped", dropped, []any{1, 2})
	wantIs(t, q.Put(bg, 3), hop.ErrStopped)
	must(t, hop.Go(bg, l, value(1))) // the loop is none the worse
}

// --- Many results

func source[T any](ps ...*hop.Pending[T]) iter.Seq[*hop.Pending[T]] {
	return func(yield func(*hop.Pending[T]) bool) {
		for _, p := range ps {
			if !yield(p) {
				return
			}
		}
	}
}

func TestKernelCaller_Wait(t *testing.T) {
	fromBoth(t, func(t *testing.T, ctx context.Context) {
		done := hop.Go(ctx, hop.Inline, value(1))
		alsoDone := hop.Go(ctx, hop.Inline, value(2))
		failed := hop.Go(ctx, hop.Inline, failure(errWhy))
		open := hop.NewPromise[int](ctx)
		d, rest := collect.Wait(ctx, collect.FirstDone, done, open.Pending(), alsoDone)
		equal(t, "first done: all that are", d, []*hop.Pending[int]{done, alsoDone})
		equal(t, "first done: the rest", rest, []*hop.Pending[int]{open.Pending()})
		failed.Result()
		d, rest = collect.Wait(ctx, collect.FirstFailed, open.Pending(), done, failed)
		equal(t, "first failed", d, []*hop.Pending[int]{done, failed})
		equal(t, "first failed: the rest", rest, []*hop.Pending[int]{open.Pending()})
		// No error of its own, and nothing is cancelled, when the time is up.
		bounded, cancel := context.WithCancel(ctx)
		cancel()
		d, rest = collect.Wait(bounded, collect.AllDone, done, open.Pending())
		equal(t, "time is up", d, []*hop.Pending[int]{done})
		equal(t, "time is up: the rest", rest, []*hop.Pending[int]{open.Pending()})
		go open.Resolve(3)
		d, rest = collect.Wait(ctx, collect.AllDone, open.Pending(), done, failed)
		if len(d) != 3 || len(rest) != 0 {
			t.Errorf("all: %d and %d", len(d), len(rest))
		}
	})
}

func TestKernelCaller_WaitAwaitable(t *testing.T) {
	// Foreign things that one can wait for: a channel, a WaitGroup, a function that calls back.
	ch := make(chan int, 1)
	fromChan := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) {
		v, _, err := hop.Recv(ctx, ch)
		return v, err
	})
	var wg sync.WaitGroup
	wg.Add(1)
	fromGroup := hop.Go(bg, hop.Goroutines, func(context.Context) (int, error) { wg.Wait(); return 2, nil })
	callback := hop.NewPromise[int](bg)
	ch <- 1
	wg.Done()
	go func() { callback.Resolve(3) }()
	var sum int
	within(t, "AsCompleted", func() {
		for p := range collect.AsCompleted(bg, source(fromChan, fromGroup, callback.Pending())) {
			v, err := p.Result()
			if err != nil {
				t.Error(err)
			}
			sum += v
		}
	})
	if sum != 6 {
		t.Error(sum)
	}
}

func TestKernelCaller_AsCompleted(t *testing.T) {
	fromBoth(t, func(t *testing.T, ctx context.Context) {
		a, b, c := hop.NewPromise[int](ctx), hop.NewPromise[int](ctx), hop.NewPromise[int](ctx)
		b.Resolve(2)
		var got []int
		for p := range collect.AsCompleted(ctx, source(a.Pending(), b.Pending(), c.Pending(), b.Pending())) {
			v, err := p.Result()
			if err != nil {
				t.Error(err)
			}
			got = append(got, v)
			switch v {
			case 2:
				c.Resolve(3)
			case 3:
				a.Resolve(1)
			}
		}
		if len(got) == 4 { // b twice, both done already
			got = got[1:]
		}
		equal(t, "order", got, []int{2, 3, 1})
	})
}

func TestKernelCaller_AsCompletedThrottlesALazySource(t *testing.T) {
	fromBoth(t, func(t *testing.T, ctx context.Context) {
		pool := newPool(t, nil)
		const n, at = 40, 2
		var unfinished []*hop.Pending[int]
		pulled, most := 0, 0
		lazy := func(yield func(*hop.Pending[int]) bool) {
			for i := range n {
				pulled++
				unfinished = slices.DeleteFunc(unfinished, func(p *hop.Pending[int]) bool { return p.Call().State().Done() })
				most = max(most, len(unfinished)+1)
				p := hop.New(ctx, func(ctx context.Context) (int, error) { return i, hop.Yield(ctx) })
				unfinished = append(unfinished, p)
				if i >= at { // a call ends before its worker is idle again; one is, or will be
					eventually(t, "a worker is to be idle", func() bool { return pool.Stats().Idle > 0 })
				}
				pool.Submit(p.Call())
				if !yield(p) {
					return
				}
			}
		}
		seen := make(map[int]bool)
		for p := range collect.AsCompleted(ctx, lazy, collect.MaxConcurrent(at)) {
			v, err := p.Result()
			if err != nil || seen[v] {
				t.Errorf("%d twice, or %v", v, err)
			}
			seen[v] = true
		}
		if len(seen) != n || most > at {
			t.Errorf("%d yielded, %d at once", len(seen), most)
		}
		if workers := pool.Stats().Idle; workers > at { // others may be on the way
			t.Errorf("%d workers for %d at once", workers, at)
		}
	})
}

func TestKernelCaller_AsCompletedError(t *testing.T) {
	fromBoth(t, func(t *testing.T, ctx context.Context) {
		n := 0
		for p := range collect.AsCompleted(ctx, source(hop.Go(ctx, hop.Goroutines, failure(errWhy)))) {
			n++
			if _, err := p.Result(); err != errWhy {
				t.Error(err)
			}
		}
		if n != 1 {
			t.Errorf("yielded %d times", n)
		}
	})
}

func TestKernelCaller_AsCompletedCancelled(t *testing.T) {
	fromBoth(t, func(t *testing.T, ctx context.Context) {
		done := hop.Go(ctx, hop.Inline, value(1))
		open := hop.Go(ctx, hop.Goroutines, forever)
		for range collect.AsCompleted(ctx, source(open, done)) {
			break
		}
		_, err := open.Wait(ctx)
		wantCancelled(t, err)
		if v, err := done.Result(); v != 1 || err != nil {
			t.Errorf("%d, %v", v, err)
		}
	})
}

func TestKernelCaller_AsCompletedCurrentPendingDeadlock(t *testing.T) {
	// For itself, and as a ring of three.
	l := newLoop(t, nil)
	for name, ask := range map[string]func(ctx context.Context, p *hop.Pending[int]){
		"AsCompleted": func(ctx context.Context, p *hop.Pending[int]) {
			for range collect.AsCompleted(ctx, source(p)) {
			}
		},
		"Wait": func(ctx context.Context, p *hop.Pending[int]) { collect.Wait(ctx, collect.AllDone, p) },
	} {
		var p *hop.Pending[int]
		p = hop.New(bg, func(ctx context.Context) (int, error) { ask(ctx, p); return 0, nil })
		if err := l.Submit(p.Call()); err != nil {
			t.Fatal(err)
		}
		err := waitErr(t, p)
		wantIs(t, err, hop.ErrDeadlock)
		if t.Failed() {
			t.Log(name)
		}
	}
	var ring [3]*hop.Pending[int]
	var refused atomic.Int32
	var all hop.Event
	for i := range ring {
		ring[i] = hop.Go(bg, l, func(ctx context.Context) (int, error) {
			if err := all.Wait(ctx); err != nil {
				return 0, err
			}
			_, err := ring[(i+1)%len(ring)].Wait(ctx)
			var d *hop.DeadlockError
			if errors.As(err, &d) {
				refused.Add(1)
				if len(d.Cycle) != len(ring) {
					t.Errorf("%d hops", len(d.Cycle))
				}
				return 0, nil
			}
			return 0, err
		})
	}
	all.Set()
	for _, p := range ring {
		must(t, p)
	}
	if n := refused.Load(); n != 1 {
		t.Errorf("%d were refused", n)
	}
}

func TestKernelCaller_AsCompletedEmptyIterator(t *testing.T) {
	within(t, "AsCompleted", func() {
		for range collect.AsCompleted(bg, source[int]()) {
			t.Error("yielded something")
		}
		for range collect.AsCompleted(bg, source[int](), collect.MaxConcurrent(3)) {
			t.Error("yielded something")
		}
	})
}

// --- Workers

func TestKernelCaller_WorkerReturnedToPool(t *testing.T) {
	pool := newPool(t, nil)
	local := hop.NewLocal(func(context.Context) (*int, error) { return new(int), nil }, nil) // one for each worker
	first := must(t, hop.Go(bg, pool, local.Get))
	eventually(t, "the worker is back", func() bool { return pool.Stats().Idle == 1 })
	if second := must(t, hop.Go(bg, pool, local.Get)); second != first {
		t.Error("another worker, though one was idle")
	}
}

func TestKernelCaller_WorkerInPoolStopping(t *testing.T) {
	// A worker that is about to end is never given a call: none is lost.
	pool := newPool(t, &hop.PoolOptions{MaxIdle: 1, IdleTimeout: time.Microsecond})
	for i := range 500 {
		p := hop.Go(bg, pool, value(i))
		if v := must(t, p); v != i {
			t.Fatal(v)
		}
		for range i % 20 {
			runtime.Gosched()
		}
	}
}

func TestKernelCaller_IdleWorkerShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := newPool(t, &hop.PoolOptions{MaxIdle: 3, IdleTimeout: time.Minute})
		g := newGate(t)
		var ps []*hop.Pending[int]
		for range 10 {
			ps = append(ps, hop.Go(bg, pool, func(context.Context) (int, error) { g.pass(); return 0, nil }))
		}
		g.open()
		for _, p := range ps {
			must(t, p)
		}
		synctest.Wait()
		if s := pool.Stats(); s.Idle != 3 {
			t.Errorf("%d idle, want 3", s.Idle)
		}
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		if s := pool.Stats(); s.Idle != 0 {
			t.Errorf("%d idle after their time", s.Idle)
		}
		must(t, hop.Go(bg, pool, value(1)))
	})
}

// --- Groups through every door

func TestKernelCaller_PendingGroup(t *testing.T) {
	host := newLoop(t, nil)
	guest := newLoop(t, &hop.LoopOptions{Host: host})
	var enough hop.Event
	parked := func(ctx context.Context) (int, error) { return 0, enough.Wait(ctx) }
	within(t, "WithGroup", func() {
		var members []*hop.Call
		err := hop.WithGroup(bg, nil, func(ctx context.Context) error {
			g := hop.CurrentGroup(ctx)
			for _, on := range []hop.Portal{host, guest, hop.Goroutines, hop.Workers()} {
				members = append(members, hop.Go(ctx, on, parked).Call())
			}
			members = append(members, hop.After(ctx, 0, host, parked).Call())
			p := hop.New(ctx, parked)
			guest.Submit(p.Call())
			members = append(members, p.Call(), bridge.Invoke(ctx, guest, parked).Call(), bridge.Async(host,
				func(ctx context.Context, n int) (int, error) { return parked(ctx) })(ctx, 1).Call())
			pr := hop.NewPromise[int](ctx)
			members = append(members, pr.Pending().Call())
			foreign := hop.Go(bg, host, parked)
			g.Add(foreign.Call())
			members = append(members, foreign.Call())
			equal(t, "members", g.Calls(), members)
			enough.Set()
			pr.Resolve(1)
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		for _, c := range members {
			if !c.State().Done() {
				t.Errorf("%v is not done", c)
			}
		}
	})
}

// --- A loop under another

func TestKernelCaller_CallSoonWithBackend(t *testing.T) {
	host := newLoop(t, &hop.LoopOptions{Thread: !wasm})
	guest := newLoop(t, &hop.LoopOptions{Host: host})
	owned := 0 // by the host's thread: host and guest may both use it
	must(t, hop.Go(bg, host, func(ctx context.Context) (int, error) {
		owned++
		return hop.Go(ctx, guest, func(ctx context.Context) (int, error) {
			owned++
			if hop.CurrentLoop() != guest {
				t.Error("not on the guest")
			}
			return hop.Go(ctx, host, func(context.Context) (int, error) { owned++; return 0, nil }).Wait(ctx)
		}).Wait(ctx)
	}))
	must(t, hop.Go(bg, host, func(context.Context) (int, error) {
		if owned != 3 {
			t.Error(owned)
		}
		return 0, nil
	}))
}

func TestKernelCaller_CallSoonWithBackendCancel(t *testing.T) {
	host := newLoop(t, nil)
	guest := newLoop(t, &hop.LoopOptions{Host: host})
	p := hop.Go(bg, guest, forever)
	untilWaiting(t, p.Call())
	p.Cancel(errWhy)
	wantIs(t, waitErr(t, p), errWhy)
	// What is outstanding on the guest when it stops, is cancelled; the host goes on.
	p = hop.Go(bg, guest, forever)
	untilWaiting(t, p.Call())
	within(t, "Close of the guest", func() { guest.Close() })
	wantIs(t, waitErr(t, p), hop.ErrStopped)
	must(t, hop.Go(bg, host, value(1)))
}

// --- TestStartStopTask: a service that says when it is ready. It is made of a Promise and a call.

// startTask starts f and waits until it has called ready. An f that ends before has failed to start.
func startTask[V any](ctx context.Context, on hop.Portal, f func(ctx context.Context, ready func(V)) error) (V, *hop.Pending[struct{}], error) {
	started := hop.NewPromise[V](hop.Detach(ctx))
	task := hop.Go(ctx, on, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, f(ctx, func(v V) { started.Resolve(v) })
	})
	task.OnDone(func() {
		err := task.Call().Err()
		if err == nil {
			err = errNotReady
		}
		started.Reject(err)
	})
	v, err := started.Pending().Wait(ctx)
	return v, task, err
}

var errNotReady = errors.New("the service has ended without being ready")

func TestKernelCaller_StartStopTask(t *testing.T) {
	l := newLoop(t, nil)
	fromBoth(t, func(t *testing.T, ctx context.Context) {
		v, task, err := startTask(ctx, l, func(ctx context.Context, ready func(string)) error {
			if err := hop.Yield(ctx); err != nil {
				return err
			}
			ready("port 80")
			_, err := forever(ctx)
			return err
		})
		if v != "port 80" || err != nil || isDone(task.Done()) {
			t.Errorf("%q, %v", v, err)
		}
		if err := task.CancelWait(ctx, nil); err != nil { // the exit asks for the stop and waits for it
			t.Error(err)
		}
		wantCancelled(t, task.Call().Err())

		_, task, err = startTask(ctx, l, func(context.Context, func(int)) error { return errWhy })
		if err != errWhy || task.Call().Err() != errWhy { // crashed before it was ready
			t.Error(err)
		}
		_, _, err = startTask(ctx, l, func(context.Context, func(int)) error { return nil })
		wantIs(t, err, errNotReady)
	})
}

func TestKernelCaller_StartStopTaskStopEarly(t *testing.T) {
	l := newLoop(t, &hop.LoopOptions{StallAfter: -1})
	g := occupy(t, l)
	ctx, cancel := context.WithCancel(bg)
	cancel()
	_, task, err := startTask(ctx, l, func(context.Context, func(int)) error { t.Error("it ran"); return nil })
	if err == nil {
		t.Error("no error")
	}
	wantCancelled(t, waitErr(t, task))
	g.open()
}

func TestKernelCaller_StartStopTaskStopsWithItsLoop(t *testing.T) {
	l := newLoop(t, nil)
	within(t, "startTask", func() {
		_, task, err := startTask(bg, l, func(ctx context.Context, ready func(int)) error {
			ready(1)
			_, err := forever(ctx)
			return err
		})
		if err != nil {
			t.Error(err)
		}
		l.Close()
		wantIs(t, task.Call().Err(), hop.ErrStopped)
	})
}

// --- No threads

func TestKernelCaller_NoSecondThreadIsNeeded(t *testing.T) {
	// What Emscripten cannot do there: everything on one goroutine's loop, whatever the system.
	within(t, "RunLoop", func() {
		v, err := hop.RunLoop(bg, nil, func(ctx context.Context) (int, error) {
			me := hop.CurrentLoop()
			guest := hop.NewLoop(&hop.LoopOptions{Host: me})
			defer guest.Close()
			a, err := hop.Go(ctx, me, asyncBody).Wait(ctx)
			if err != nil {
				return 0, err
			}
			b, err := hop.Go(ctx, guest, asyncBody).Wait(ctx)
			return a + b, err
		})
		if v != 2 || err != nil {
			t.Errorf("%d, %v", v, err)
		}
	})
}
