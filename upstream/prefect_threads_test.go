package upstream_test

// Prefect's test_threads.py: worker threads and event loop threads, from their start to their end.

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gohop/hop"
)

// deadHost is a foreign loop that does not start.
type deadHost struct{}

func (deadHost) Post(func()) error { return errWhy }

func TestPrefectThreads_EventLoopThreadWithFailureInStart(t *testing.T) {
	t.Run("its first call", func(t *testing.T) {
		// What has to be set up on the thread is set up by a call there, whose error the maker gets.
		l := newLoop(t, &hop.LoopOptions{Thread: !wasm})
		within(t, "Run", func() {
			if err := hop.Run(bg, l, func(context.Context) error { return errWhy }); err != errWhy {
				t.Error(err)
			}
		})
	})
	t.Run("its host", func(t *testing.T) {
		l := newLoop(t, &hop.LoopOptions{Host: deadHost{}, Logger: new(journal).logger(0)})
		wantIs(t, waitErr(t, hop.Go(bg, l, value(1))), hop.ErrStopped)
		recv(t, "the end of a loop that could not start", l.Stopped())
	})
	t.Run("RunLoop", func(t *testing.T) {
		within(t, "RunLoop", func() {
			if _, err := hop.RunLoop(bg, nil, failure(errWhy)); err != errWhy {
				t.Error(err)
			}
		})
	})
}

func TestPrefectThreads_EventLoopThreadStartRaceCondition(t *testing.T) {
	parent := newLoop(t, nil)
	for name, start := range map[string]func() (*hop.Loop, error){
		"Child":  func() (*hop.Loop, error) { return parent.Child("one", nil) },
		"Shared": func() (*hop.Loop, error) { return hop.Shared(), nil },
	} {
		t.Run(name, func(t *testing.T) {
			var wg sync.WaitGroup
			loops := make([]*hop.Loop, 10)
			begin := make(chan struct{})
			for i := range loops {
				wg.Go(func() {
					<-begin
					l, err := start()
					if err != nil {
						t.Error(err)
					}
					loops[i] = l
				})
			}
			close(begin)
			within(t, "ten starts", wg.Wait)
			for _, l := range loops {
				if l != loops[0] {
					t.Fatal("two loops")
				}
			}
			must(t, hop.Go(bg, loops[0], value(1)))
		})
	}
	if n := len(parent.Children()); n != 1 {
		t.Errorf("%d children", n)
	}
}

func TestPrefectThreads_EventLoopThreadWithOnShutdownHook(t *testing.T) {
	l := newLoop(t, &hop.LoopOptions{Thread: !wasm})
	ran := 0
	l.OnShutdown(func(ctx context.Context) error {
		ran++
		if !l.Here() || isDone(l.Stopped()) {
			t.Error("the hook does not run on the living loop")
		}
		return hop.Yield(ctx) // it may still wait
	})
	must(t, hop.Go(bg, l, func(context.Context) (int, error) {
		if ran != 0 {
			t.Error("the hook has run before the shutdown")
		}
		return 0, nil
	}))
	for range 2 {
		within(t, "Shutdown", func() {
			if err := l.Shutdown(bg); err != nil {
				t.Error(err)
			}
		})
	}
	if ran != 1 {
		t.Errorf("the hook ran %d times", ran)
	}
}

func TestPrefectThreads_EventLoopThreadWithOnShutdownHooks(t *testing.T) {
	l := newLoop(t, nil)
	var order []int
	for i := range 5 {
		l.OnShutdown(func(ctx context.Context) error {
			defer func() { order = append(order, i) }()
			return hop.Yield(ctx) // the next one does not start meanwhile
		})
	}
	within(t, "Shutdown", func() { l.Shutdown(bg) })
	equal(t, "order of the hooks", order, []int{0, 1, 2, 3, 4})
}

func TestPrefectThreads_EventLoopThreadClearsShutdownHooksAfterShutdown(t *testing.T) {
	l := newLoop(t, nil)
	released := make(chan struct{})
	func() {
		held := new([1 << 12]byte)
		runtime.AddCleanup(held, func(int) { close(released) }, 0)
		l.OnShutdown(func(context.Context) error { held[0]++; return nil })
	}()
	within(t, "Shutdown", func() { l.Shutdown(bg) })
	eventually(t, "the hook is released", func() bool { runtime.GC(); return isDone(released) })
	runtime.KeepAlive(l)
}

func TestPrefectThreads_ThreadDaemon(t *testing.T) {
	// Go has no daemon threads: the program ends with main. Shutdown is for the work that is to be finished first, Close
	// for what is not, and after either nothing is left.
	noGoroutineLeft(t)
	for name, end := range map[string]func(*hop.Pool) error{
		"finished":  func(p *hop.Pool) error { return p.Shutdown(bg) },
		"cancelled": func(p *hop.Pool) error { return p.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			pool := newPool(t, &hop.PoolOptions{Size: 1, Threads: !wasm})
			var enough hop.Event
			p := hop.Go(bg, pool, func(ctx context.Context) (int, error) { return 1, enough.Wait(ctx) })
			untilWaiting(t, p.Call())
			ended := make(chan error, 1)
			go func() { ended <- end(pool) }()
			if name == "finished" {
				eventually(t, "the shutdown has begun", func() bool { return errors.Is(pool.Post(func() {}), hop.ErrStopped) })
				if isDone(p.Done()) {
					t.Error("Shutdown did not wait for the call")
				}
				enough.Set()
			}
			if err := recv(t, "the end of the pool", ended); err != nil {
				t.Error(err)
			}
			err := waitErr(t, p)
			if name == "finished" && err != nil || name == "cancelled" && !errors.Is(err, hop.ErrStopped) {
				t.Error(err)
			}
		})
	}
}

func TestPrefectThreads_ThreadRunOnce(t *testing.T) {
	t.Run("one call, then it stops by itself", func(t *testing.T) {
		var l *hop.Loop
		got := make(chan *hop.Loop, 1)
		ended := make(chan error, 1)
		var first hop.Event
		go func() {
			v, err := hop.RunLoop(bg, &hop.LoopOptions{Thread: !wasm}, func(ctx context.Context) (int, error) {
				got <- hop.CurrentLoop()
				return 7, first.Wait(ctx)
			})
			if v != 7 {
				t.Errorf("the first call gave %d", v)
			}
			ended <- err
		}()
		l = recv(t, "the loop", got)
		first.Set()
		if err := recv(t, "RunLoop", ended); err != nil {
			t.Error(err)
		}
		wantIs(t, waitErr(t, hop.Go(bg, l, value(1))), hop.ErrStopped)
	})
	t.Run("the second is refused while the first runs", func(t *testing.T) {
		pool := newPool(t, &hop.PoolOptions{Size: 1})
		g := newGate(t)
		p := hop.Go(bg, pool, func(ctx context.Context) (int, error) {
			wantIs(t, pool.Shutdown(ctx), hop.ErrDeadlock) // once: it takes no more, and ends when this does
			g.pass()
			return 8, nil
		})
		eventually(t, "it takes no more", func() bool {
			return errors.Is(pool.Submit(hop.New(bg, value(1)).Call()), hop.ErrStopped)
		})
		g.open()
		if v := must(t, p); v != 8 {
			t.Errorf("the first call gave %d", v)
		}
	})
	t.Run("racing for one place", func(t *testing.T) {
		l := newLoop(t, &hop.LoopOptions{QueueLimit: 1, StallAfter: -1})
		for range 50 {
			g := occupy(t, l)
			var wg sync.WaitGroup
			var accepted, full atomic.Int32
			for range 4 {
				wg.Go(func() {
					switch err := l.Submit(hop.New(bg, value(1)).Call()); {
					case err == nil:
						accepted.Add(1)
					case errors.Is(err, hop.ErrFull):
						full.Add(1)
					}
				})
			}
			within(t, "four submits", wg.Wait)
			if accepted.Load() != 1 || full.Load() != 3 {
				t.Fatalf("%d accepted, %d refused", accepted.Load(), full.Load())
			}
			g.open()
			eventually(t, "the loop is free", func() bool {
				p := hop.Go(bg, l, value(1))
				return waitErr(t, p) == nil
			})
		}
	})
}

func TestPrefectThreads_ThreadSubmit(t *testing.T) {
	pool := newPool(t, &hop.PoolOptions{Threads: !wasm})
	if s := pool.Stats(); s.Idle+s.Running != 0 {
		t.Errorf("threads before the first call: %+v", s)
	}
	if v := must(t, hop.Go(bg, pool, value(1))); v != 1 {
		t.Error(v)
	}
	// A plain worker may run what waits, and a loop of its own.
	waits := hop.Go(bg, pool, func(ctx context.Context) (int, error) { return hop.Go(ctx, pool, value(2)).Wait(ctx) })
	loops := hop.Go(bg, pool, func(ctx context.Context) (int, error) {
		return hop.RunLoop(ctx, nil, func(ctx context.Context) (int, error) {
			return hop.Go(ctx, hop.CurrentLoop(), value(3)).Wait(ctx)
		})
	})
	if a, b := must(t, waits), must(t, loops); a != 2 || b != 3 {
		t.Error(a, b)
	}
}

func TestPrefectThreads_SubmitAfterShutdownIsRefused(t *testing.T) {
	l, pool := newLoop(t, nil), newPool(t, nil)
	within(t, "Shutdown", func() { l.Shutdown(bg); pool.Shutdown(bg) })
	for _, on := range []hop.Portal{l, pool} {
		wantIs(t, on.Submit(hop.New(bg, value(1)).Call()), hop.ErrStopped)
		wantIs(t, waitErr(t, hop.Go(bg, on, value(1))), hop.ErrStopped) // there the result hangs
	}
}

func TestPrefectThreads_ShutdownRunsWhatIsQueuedAndNothingAfter(t *testing.T) {
	l := newLoop(t, &hop.LoopOptions{StallAfter: -1})
	g := occupy(t, l)
	var before []*hop.Pending[int]
	for i := range 10 {
		before = append(before, hop.Go(bg, l, value(i)))
	}
	ended := make(chan error, 1)
	go func() { ended <- l.Shutdown(bg) }()
	eventually(t, "the shutdown has begun", func() bool { return errors.Is(l.Post(func() {}), hop.ErrStopped) })
	after := hop.Go(bg, l, func(context.Context) (int, error) { t.Error("ran after the shutdown"); return 0, nil })
	g.open()
	if err := recv(t, "Shutdown", ended); err != nil {
		t.Error(err)
	}
	for i, p := range before {
		if v := must(t, p); v != i {
			t.Errorf("%d gave %d", i, v)
		}
	}
	wantIs(t, waitErr(t, after), hop.ErrStopped)
}

func TestPrefectThreads_WaitForLoopExitFromItself(t *testing.T) {
	l := newLoop(t, nil)
	p := hop.Go(bg, l, func(ctx context.Context) (int, error) {
		wantIs(t, l.Shutdown(ctx), hop.ErrDeadlock)
		return 1, nil
	})
	must(t, p)
	recv(t, "the end of the loop, which was asked for all the same", l.Stopped())
}
