package queue_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gohop/hop"
	"github.com/gohop/hop/queue"
)

func TestS32_ShutdownWaitsUntilAllIsHandled(t *testing.T) {
	besides(t, func(t *testing.T, on hop.Portal) {
		var r record
		q, g := held(t, on, &r, queue.Options{})
		p := hop.Go(t.Context(), hop.Goroutines, func(ctx context.Context) (int, error) {
			err := q.Shutdown(ctx)
			r.want(t, []int{0}, nil) // handled, not merely taken off the queue
			return 0, err
		})
		waiting(p.Call())
		wantIs(t, q.Put(t.Context(), 1), hop.ErrStopped)
		g.open.Set()
		if _, err := p.Wait(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestS32_ShutdownAndCloseMayBeCalledOftenAndTogether(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		for range 20 {
			var r record
			q := queue.New(on, r.f, r.options(queue.Options{}))
			put(t, q, ints(0, 10)...)
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() { shutdown(t, q) })
			}
			wg.Wait()
			r.want(t, ints(0, 10), nil)
			for range 8 {
				wg.Go(func() {
					if err := q.Close(); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			shutdown(t, q)
			wantIs(t, q.Put(t.Context(), 1), hop.ErrStopped)
		}
	})
}

func TestS32_ShutdownFromTheSameLoop(t *testing.T) {
	within(t, func() {
		l := newLoop(t)
		var r record
		q, g := held(t, l, &r, queue.Options{})
		put(t, q, 1, 2, 3)
		p := hop.Go(t.Context(), l, func(ctx context.Context) (int, error) { return 0, q.Shutdown(ctx) })
		waiting(p.Call())
		hop.Run(t.Context(), l, func(context.Context) error { g.open.Set(); return nil })
		if _, err := p.Wait(t.Context()); err != nil {
			t.Error(err)
		}
		r.want(t, ints(0, 4), nil)
	})
}

func TestS32_FromItsOwnFunctionTheEndIsStartedAndRefusedAsADeadlock(t *testing.T) {
	ends := map[string]func(ctx context.Context, q *queue.Queue[int]) error{
		"Shutdown":                func(ctx context.Context, q *queue.Queue[int]) error { return q.Shutdown(ctx) },
		"Shutdown(Background)":    func(_ context.Context, q *queue.Queue[int]) error { return q.Shutdown(context.Background()) },
		"Close":                   func(_ context.Context, q *queue.Queue[int]) error { return q.Close() },
		"Shutdown, one call away": func(ctx context.Context, q *queue.Queue[int]) error { return hop.Run(ctx, hop.Goroutines, q.Shutdown) },
		"Close, one call away": func(ctx context.Context, q *queue.Queue[int]) error {
			// Close cancels ctx too.
			return hop.Run(context.WithoutCancel(ctx), hop.Goroutines, func(context.Context) error { return q.Close() })
		},
	}
	for how, end := range ends {
		t.Run(how, func(t *testing.T) {
			everywhere(t, func(t *testing.T, on hop.Portal) {
				var r record
				var q *queue.Queue[int]
				errs := make(chan error, 1)
				q = queue.New(on, func(ctx context.Context, v int) error {
					if v == 0 {
						errs <- end(ctx, q)
					}
					r.handle(v)
					return nil
				}, r.options(queue.Options{}))
				put(t, q, 0)
				wantIs(t, <-errs, hop.ErrDeadlock)
				wantIs(t, q.Put(t.Context(), 1), hop.ErrStopped)
				shutdown(t, q)
				r.want(t, []int{0}, nil)
			})
		})
	}
}

func TestS32_ShutdownReturnsAtTheEndOfCtxAndMayBeCalledAgain(t *testing.T) {
	besides(t, func(t *testing.T, on hop.Portal) {
		var r record
		q, g := held(t, on, &r, queue.Options{})
		put(t, q, 1, 2)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		err := q.Shutdown(ctx)
		wantIs(t, err, context.DeadlineExceeded)
		if err == nil || !strings.Contains(err.Error(), "3 values") {
			t.Errorf("the error does not say how many are left: %v", err)
		}
		g.open.Set()
		shutdown(t, q)
		r.want(t, ints(0, 3), nil)
	})
}

func TestS32_CloseCancelsTheCurrentAndDropsTheRest(t *testing.T) {
	besides(t, func(t *testing.T, on hop.Portal) {
		var r record
		var cause error
		g := newGate()
		q := queue.New(on, func(ctx context.Context, v int) error {
			defer r.handle(v)
			err := g.hold(ctx)
			cause = context.Cause(ctx)
			return err
		}, r.options(queue.Options{}))
		put(t, q, 0)
		<-g.reached
		put(t, q, 1, 2, 3)
		if err := q.Close(); err != nil {
			t.Error(err)
		}
		r.want(t, []int{0}, []int{1, 2, 3}) // Close has waited for the current
		wantIs(t, cause, hop.ErrStopped)
		if len(r.errs) != 1 {
			t.Errorf("OnError was told %v, want what the cancelled function returned", r.errs)
		}
		wantIs(t, q.Put(t.Context(), 4), hop.ErrStopped)
		wantIs(t, q.Shutdown(t.Context()), hop.ErrStopped) // values were lost
	})
}

func TestCloseOfAQueueThatHasNothing(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		var r record
		q := queue.New(on, r.f, r.options(queue.Options{}))
		if err := q.Close(); err != nil {
			t.Error(err)
		}
		shutdown(t, q)
		r.want(t, nil, nil)
	})
}

func TestThePortalIsClosedUnderTheQueue(t *testing.T) {
	portals := map[string]func() (hop.Portal, func() error){
		"loop": func() (hop.Portal, func() error) { l := hop.NewLoop(nil); return l, l.Close },
		"pool": func() (hop.Portal, func() error) { p := hop.NewPool(&hop.PoolOptions{Size: 1}); return p, p.Close },
	}
	for name, portal := range portals {
		t.Run(name, func(t *testing.T) {
			within(t, func() {
				on, stop := portal()
				var r record
				q, _ := held(t, on, &r, queue.Options{Limit: 3, Full: queue.Wait})
				put(t, q, 1, 2, 3)
				blocked := hop.Go(t.Context(), hop.Goroutines, func(ctx context.Context) (int, error) { return 0, q.Put(ctx, 4) })
				waiting(blocked.Call())
				down := hop.Go(t.Context(), hop.Goroutines, func(ctx context.Context) (int, error) { return 0, q.Shutdown(ctx) })
				stop()
				_, err := blocked.Wait(t.Context())
				wantIs(t, err, hop.ErrStopped)
				_, err = down.Wait(t.Context())
				wantIs(t, err, hop.ErrStopped)
				wantIs(t, q.Put(t.Context(), 5), hop.ErrStopped)
				wantIs(t, q.Shutdown(t.Context()), hop.ErrStopped)
				if err := q.Close(); err != nil {
					t.Error(err)
				}
				r.want(t, []int{0}, []int{1, 2, 3})
			})
		})
	}
}

func TestAnIdleQueueOnAStoppedPortal(t *testing.T) {
	for _, batch := range []bool{false, true} {
		within(t, func() {
			l := hop.NewLoop(nil)
			var r record
			q := queue.New(l, r.f, r.options(queue.Options{}))
			if batch {
				q = queue.NewBatch(l, r.batch, r.options(queue.Options{BatchWait: time.Hour}))
			}
			l.Close()
			if err := q.Put(t.Context(), 1); err == nil {
				// A batch is not due yet, so its portal has not been asked.
				wantIs(t, q.Shutdown(t.Context()), hop.ErrStopped)
				r.want(t, nil, []int{1})
			} else {
				wantIs(t, err, hop.ErrStopped)
				shutdown(t, q)
				r.want(t, nil, nil)
			}
		})
	}
}

func TestTheLoopsShutdownHandlesWhatWasPut(t *testing.T) {
	within(t, func() {
		l := newLoop(t)
		var r record
		q, g := held(t, l, &r, queue.Options{})
		put(t, q, ints(1, 100)...)
		p := hop.Go(t.Context(), hop.Goroutines, func(ctx context.Context) (int, error) { return 0, l.Shutdown(ctx) })
		waiting(p.Call())
		g.open.Set()
		if _, err := p.Wait(t.Context()); err != nil {
			t.Error(err)
		}
		r.want(t, ints(0, 100), nil)
		wantIs(t, q.Put(t.Context(), 100), hop.ErrStopped)
		shutdown(t, q)
	})
}

// A portal that takes calls and may lose them.
type faulty struct {
	mu    sync.Mutex
	calls []*hop.Call
	err   error
}

func (f *faulty) Submit(c *hop.Call) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.calls = append(f.calls, c)
	}
	return f.err
}

func (f *faulty) take() (calls []*hop.Call) {
	f.mu.Lock()
	defer f.mu.Unlock()
	calls, f.calls = f.calls, nil
	return calls
}

func TestAPortalThatFailsItsCalls(t *testing.T) {
	within(t, func() {
		var on faulty
		var r record
		q := queue.New(&on, r.f, r.options(queue.Options{}))
		put(t, q, 1, 2)
		for _, c := range on.take() {
			c.Fail(errWhy) // the queue submits another
		}
		put(t, q, 3)
		for _, c := range on.take() {
			c.Run()
		}
		r.want(t, []int{1, 2, 3}, nil)

		put(t, q, 4)
		on.mu.Lock()
		on.err = errWhy
		on.mu.Unlock()
		for _, c := range on.take() {
			c.Fail(errWhy)
		}
		r.want(t, []int{1, 2, 3}, []int{4})
		wantIs(t, q.Put(t.Context(), 5), hop.ErrStopped)
		wantIs(t, q.Shutdown(t.Context()), errWhy)
	})
}

// gated is a portal that is asked, and answers later.
type gated struct{ asked, answer chan error }

func (g gated) Submit(*hop.Call) error {
	g.asked <- nil
	return <-g.answer
}

// Shutdown waits for a value that Put has in hand; if the portal refuses it, nothing is left to wait for.
func TestShutdownWhileAPutIsRefused(t *testing.T) {
	within(t, func() {
		on := gated{make(chan error), make(chan error)}
		var r record
		q := queue.New(on, r.f, r.options(queue.Options{}))
		p := hop.Go(t.Context(), hop.Goroutines, func(ctx context.Context) (int, error) { return 0, q.Put(ctx, 1) })
		<-on.asked
		down := hop.Go(t.Context(), hop.Goroutines, func(ctx context.Context) (int, error) { return 0, q.Shutdown(ctx) })
		waiting(down.Call())
		on.answer <- errWhy
		_, err := p.Wait(t.Context())
		wantIs(t, err, errWhy)
		if _, err := down.Wait(t.Context()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		r.want(t, nil, nil)
	})
}

// Puts that wait for room when the loop ends are told, also where nothing is left to handle.
func TestAWaitForRoomEndsWithTheLoop(t *testing.T) {
	within(t, func() {
		for range 50 {
			l := hop.NewLoop(nil)
			var r record
			q := queue.NewBatch(l, r.batch, r.options(queue.Options{Limit: 1, Full: queue.Wait}))
			var wg, started sync.WaitGroup
			started.Add(8)
			for range 8 {
				wg.Go(func() {
					started.Done()
					for v := 0; q.Put(t.Context(), v) == nil; v++ {
					}
				})
			}
			started.Wait()
			if err := l.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			wg.Wait()
		}
	})
}

func TestAPortalsErrorIsThatOfPut(t *testing.T) {
	on := faulty{err: errWhy}
	var r record
	q := queue.New(&on, r.f, r.options(queue.Options{}))
	wantIs(t, q.Put(t.Context(), 1), errWhy)
	if q.Len() != 0 {
		t.Error("the value was kept")
	}
	on.err = nil
	put(t, q, 2)
	for _, c := range on.take() {
		c.Run()
	}
	r.want(t, []int{2}, nil)
}

var errWhy = errors.New("why")

// The error of a Shutdown that has not waited to the end counts what is left then, not what was left when it began.
func TestTheErrorOfShutdownCountsWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := hop.NewPool(nil)
		q := queue.New(pool, func(ctx context.Context, _ int) error { return hop.Sleep(ctx, time.Second) }, &queue.Options{Name: "slow"})
		for i := range 10 {
			if err := q.Put(t.Context(), i); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3500*time.Millisecond)
		defer cancel()
		err := q.Shutdown(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "has 7 values") {
			t.Errorf("Shutdown: %v; three of ten have been handled", err)
		}
		q.Close()
		pool.Close()
	})
}

// Its function stays where it waits, and nobody can wait for it any more.
func TestAQueueWhoseLoopHasLostItsDriver(t *testing.T) {
	l := hop.NewLoop(&hop.LoopOptions{Manual: true})
	ctx, cancel := context.WithCancel(context.Background())
	q := queue.New(l, func(context.Context, int) error {
		cancel() // the driver goes
		return new(hop.Event).Wait(context.Background())
	}, nil)
	q.Put(ctx, 1)
	within(t, func() { l.Run(ctx) })
	within(t, func() { l.Close() }) // ends the call of value 1, whose function stays where it waits
	within(t, func() {
		short, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		t.Log(q.Shutdown(short)) // or Close
	})
}

func TestAGoexitOnInline(t *testing.T) {
	handled := make(chan int, 2)
	var q *queue.Queue[int]
	q = queue.New(hop.Inline, func(ctx context.Context, v int) error {
		handled <- v
		if v == 1 {
			q.Put(ctx, 2)
			runtime.Goexit() // as t.FailNow
		}
		return nil
	}, &queue.Options{OnError: func(error) {}})
	ends(t, func() { q.Put(context.Background(), 1) })
	ends(t, func() { q.Shutdown(context.Background()) })
	if len(handled) != 2 {
		t.Errorf("%d of 2 values were handled", len(handled))
	}
}

func TestEachIsDroppedThoughOnDropPanics(t *testing.T) {
	for _, how := range []func(){func() { panic("OnDrop") }, runtime.Goexit} {
		l := hop.NewLoop(&hop.LoopOptions{Manual: true}) // runs nothing yet
		n := 0
		q := queue.New(l, func(context.Context, int) error { return nil }, &queue.Options{OnDrop: func(any) {
			if n++; n == 1 {
				how()
			}
		}})
		for v := range 5 {
			q.Put(context.Background(), v)
		}
		ends(t, func() { defer func() { recover() }(); q.Close() })
		if n != 5 {
			t.Errorf("OnDrop was told of %d values of 5", n)
		}
		l.Close()
	}
}

func TestS25_AnUnfinishedTaskPutsWhileTheLoopShutsDown(t *testing.T) {
	l := hop.NewLoop(nil)
	q := queue.New(l, func(context.Context, int) error { return nil }, nil)
	started, begun := make(chan struct{}), new(hop.Event)
	p := hop.Go(context.Background(), l, func(ctx context.Context) (int, error) {
		close(started)
		begun.Wait(ctx)
		if err := hop.Run(ctx, hop.Goroutines, func(ctx context.Context) error {
			_, err := hop.Go(ctx, l, func(context.Context) (int, error) { return 1, nil }).Wait(ctx)
			return err
		}); err != nil {
			t.Error("a call:", err) // is taken
		}
		return 0, q.Put(ctx, 1)
	})
	<-started
	go l.Shutdown(context.Background())
	for l.Post(func() {}) == nil {
		runtime.Gosched()
	}
	begun.Set()
	if _, err := p.Wait(context.Background()); err != nil {
		t.Error(err)
	}
	<-l.Stopped()
}

// ends is within for a function that may panic or end its goroutine.
func ends(t *testing.T, f func()) {
	t.Helper()
	within(t, func() {
		done := make(chan struct{})
		go func() {
			defer close(done)
			f()
		}()
		<-done
	})
}

func TestARefusedPutIsNotKept(t *testing.T) {
	a := hop.NewLoop(&hop.LoopOptions{Name: "a"})
	q := queue.New(a, func(context.Context, int) error { return nil }, nil)
	a.Close()
	pool := hop.NewPool(nil)
	defer pool.Close()
	type key struct{}
	var freed atomic.Int32
	const n = 1000
	for range n {
		func() {
			v := new([1024]byte)
			runtime.AddCleanup(v, func(int) { freed.Add(1) }, 0)
			_, err := hop.Do(context.WithValue(context.Background(), key{}, v), pool, func(ctx context.Context) (int, error) { return 0, q.Put(ctx, 1) })
			if !errors.Is(err, hop.ErrStopped) {
				t.Fatal(err)
			}
		}()
	}
	for end := time.Now().Add(patience); freed.Load() < n-10 && time.Now().Before(end); runtime.Gosched() {
		runtime.GC()
	}
	if freed.Load() < n-10 {
		t.Errorf("%d of %d contexts of refused Puts are garbage", freed.Load(), n)
	}
	runtime.KeepAlive(q)
}

// A loop that shuts down takes a value for the sake of who puts it; the function has the queue's own context all the same.
func TestTheFunctionsContextOnALoopThatShutsDown(t *testing.T) {
	type key struct{}
	l := hop.NewLoop(nil)
	begun, handled := new(hop.Event), make(chan int, 2)
	cancel := func() {}
	check := func(ctx context.Context) {
		cancel()
		if c := hop.CurrentCall(ctx); c == nil || c.Name() != "feed" {
			t.Errorf("the call is %v", c)
		}
		_, labelled := pprof.Label(ctx, "who")
		if ctx.Err() != nil || ctx.Value(key{}) != nil || labelled || hop.CurrentGroup(ctx) != nil {
			t.Error("the function has the context of Put")
		}
	}
	q := queue.New(l, func(ctx context.Context, v int) error {
		check(ctx)
		if err := hop.Sleep(ctx, time.Nanosecond); err != nil {
			t.Errorf("a wait of it: %v", err)
		}
		if _, err := hop.Go(ctx, l, func(context.Context) (int, error) { return 1, nil }).Wait(ctx); err != nil {
			t.Errorf("a call of it: %v", err)
		}
		check(ctx)
		handled <- v
		if v == 2 { // waits for Close
			err := new(hop.Event).Wait(ctx)
			wantIs(t, err, context.Canceled)
			wantIs(t, context.Cause(ctx), hop.ErrStopped)
		}
		return nil
	}, &queue.Options{Name: "feed", OnError: func(error) {}})
	p := hop.Go(context.Background(), l, func(ctx context.Context) (int, error) {
		begun.Wait(ctx)
		for v := 1; v <= 2; v++ {
			err := hop.WithGroup(ctx, nil, func(ctx context.Context) error {
				ctx, cancel = context.WithCancel(pprof.WithLabels(context.WithValue(ctx, key{}, 1), pprof.Labels("who", "put")))
				return q.Put(ctx, v)
			})
			if err != nil {
				t.Errorf("Put of %d: %v", v, err)
			}
			if _, _, err := hop.Recv(ctx, handled); err != nil {
				t.Error(err)
			}
		}
		return 0, hop.Run(ctx, hop.Goroutines, func(context.Context) error { return q.Close() })
	})
	waiting(p.Call())
	go l.Shutdown(context.Background())
	for l.Post(func() {}) == nil {
		runtime.Gosched()
	}
	begun.Set()
	within(t, func() {
		if _, err := p.Wait(context.Background()); err != nil {
			t.Error(err)
		}
		<-l.Stopped()
	})
}

// TestS25_ATurnEndsWhileThePortalShutsDown: its function ends the goroutine, or its call is cancelled; the portal still finishes what it has accepted.
func TestS25_ATurnEndsWhileThePortalShutsDown(t *testing.T) {
	type place interface {
		hop.Portal
		Shutdown(context.Context) error
	}
	for name, make := range map[string]func() place{
		"loop": func() place { return hop.NewLoop(nil) },
		"pool": func() place { return hop.NewPool(&hop.PoolOptions{Size: 1}) },
	} {
		for how, cut := range map[string]func(context.Context){
			"Goexit": func(context.Context) { runtime.Goexit() },
			"cancel": func(ctx context.Context) { hop.CurrentCall(ctx).Cancel(nil) },
		} {
			for _, batch := range []int{0, 1} {
				t.Run(fmt.Sprintf("%s, %s, %d", name, how, batch), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						on := make()
						var r record
						var gate hop.Event
						first := true
						f := func(ctx context.Context, vs ...int) error {
							gate.Wait(ctx)
							for _, v := range vs {
								r.handle(v)
							}
							if first {
								first = false
								cut(ctx)
							}
							return nil
						}
						o := r.options(queue.Options{BatchSize: batch})
						q := queue.New(on, func(ctx context.Context, v int) error { return f(ctx, v) }, o)
						if batch > 0 {
							q = queue.NewBatch(on, func(ctx context.Context, vs []int) error { return f(ctx, vs...) }, o)
						}
						put(t, q, ints(0, 3)...)
						synctest.Wait()
						go on.Shutdown(context.Background())
						synctest.Wait()
						gate.Set()
						if err := on.Shutdown(context.Background()); err != nil {
							t.Error(err)
						}
						r.want(t, ints(0, 3), nil)
					})
				})
			}
		}
	}
}
