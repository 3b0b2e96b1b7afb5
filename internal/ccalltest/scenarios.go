package ccalltest

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/gohop/hop"
)

// Call calls a C function that calls f back before it returns.
type Call func(f func())

// patience is how long a step that should end at once may take on a busy machine.
const patience = 20 * time.Second

// Test runs all scenarios, on a loop with a goroutine of its own and on one with a thread of its own.
func Test(t *testing.T, call Call) {
	for _, o := range []hop.LoopOptions{{Name: "goroutine"}, {Name: "thread", Thread: true}} {
		t.Run(o.Name, func(t *testing.T) {
			t.Run("waits are refused", func(t *testing.T) { testRefused(t, o, call) })
			t.Run("what does not wait works", func(t *testing.T) { testWorks(t, o, call) })
			t.Run("a free place is taken", func(t *testing.T) { testFreePlace(t, o, call) })
			t.Run("the task goes on", func(t *testing.T) { testGoesOn(t, o, call) })
			t.Run("a panic crosses C", func(t *testing.T) { testPanic(t, o, call) })
			t.Run("a task beside one in C waits", func(t *testing.T) { testBeside(t, o, call) })
		})
	}
	t.Run("elsewhere waits work", func(t *testing.T) { testElsewhere(t, call) })
	t.Run("a loop inside a callback works", func(t *testing.T) { testLoopInside(t, call) })
}

// newLoop is hop.NewLoop, closed at the end of the test.
func newLoop(t *testing.T, o hop.LoopOptions) *hop.Loop {
	o.StallAfter = -1
	l := hop.NewLoop(&o)
	t.Cleanup(func() { within(t, "Close of "+l.String(), func() { l.Close() }) })
	return l
}

// within fails the test, with the stacks of all goroutines, when f takes longer than patience.
func within(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	watchdog := time.NewTimer(patience)
	defer watchdog.Stop()
	select {
	case <-done:
	case <-watchdog.C:
		buf := make([]byte, 1<<20)
		t.Fatalf("%s: still blocked after %v\n\n%s", what, patience, buf[:runtime.Stack(buf, true)])
	}
}

// onTask runs f as a task of l and returns its error.
func onTask(t *testing.T, l *hop.Loop, f func(context.Context) error) (err error) {
	t.Helper()
	within(t, "a task of "+l.String(), func() { err = hop.Run(context.Background(), l, f) })
	return err
}

// A place is what a wait in a callback has at hand.
type place struct {
	loop, other *hop.Loop
	pool        *hop.Pool
	gate        chan struct{} // closed at the end of the test
	ran         bool          // a function that must not run did
}

func newPlace(t *testing.T, o hop.LoopOptions) *place {
	p := &place{loop: newLoop(t, o), other: newLoop(t, hop.LoopOptions{Name: "other"}), gate: make(chan struct{})}
	p.pool = hop.NewPool(nil)
	t.Cleanup(func() { within(t, "Close of the pool", func() { p.pool.Close() }) })
	t.Cleanup(func() { close(p.gate) })
	return p
}

func (p *place) mustNotRun(context.Context) (int, error) {
	p.ran = true
	return 0, nil
}

// stuck returns a call that ends with the test and does not heed its context.
func (p *place) stuck(ctx context.Context) *hop.Pending[int] {
	started := make(chan struct{})
	c := hop.Go(ctx, p.pool, func(context.Context) (int, error) {
		close(started)
		<-p.gate
		return 0, nil
	})
	<-started
	return c
}

func unfinished(ctx context.Context) *hop.Pending[int] { return hop.NewPromise[int](ctx).Pending() }

// waits are all of hop's, each in a state in which it has to suspend.
var waits = map[string]func(ctx context.Context, p *place) error{
	"Wait": func(ctx context.Context, p *place) error {
		_, err := unfinished(ctx).Wait(ctx)
		return err
	},
	"Wait with another context": func(ctx context.Context, p *place) error {
		_, err := unfinished(ctx).Wait(context.Background())
		return err
	},
	"Wait for a call on the own loop": func(ctx context.Context, p *place) error {
		_, err := hop.Go(ctx, p.loop, func(context.Context) (int, error) { return 1, nil }).Wait(ctx)
		return err
	},
	"WaitOrCancel": func(ctx context.Context, p *place) error {
		_, err := unfinished(ctx).WaitOrCancel(ctx)
		return err
	},
	"CancelWait": func(ctx context.Context, p *place) error { return p.stuck(ctx).CancelWait(ctx, nil) },
	"Do on another loop": func(ctx context.Context, p *place) error {
		_, err := hop.Do(ctx, p.other, p.mustNotRun)
		return err
	},
	"Run on a pool": func(ctx context.Context, p *place) error {
		return hop.Run(ctx, p.pool, func(ctx context.Context) error { _, err := p.mustNotRun(ctx); return err })
	},
	"Do on Goroutines": func(ctx context.Context, p *place) error {
		_, err := hop.Do(ctx, hop.Goroutines, p.mustNotRun)
		return err
	},
	"Blocking": func(ctx context.Context, p *place) error {
		_, err := hop.Blocking(ctx, p.mustNotRun)
		return err
	},
	"Sleep":      func(ctx context.Context, p *place) error { return hop.Sleep(ctx, time.Nanosecond) },
	"Yield":      func(ctx context.Context, p *place) error { return hop.Yield(ctx) },
	"Event.Wait": func(ctx context.Context, p *place) error { return new(hop.Event).Wait(ctx) },
	"Limiter.Acquire": func(ctx context.Context, p *place) error {
		l := hop.NewLimiter(1)
		l.TryAcquire()
		return l.Acquire(ctx)
	},
	"Recv": func(ctx context.Context, p *place) error {
		_, _, err := hop.Recv(ctx, make(chan int))
		return err
	},
	"WithGroup": func(ctx context.Context, p *place) error {
		return hop.WithGroup(ctx, nil, func(ctx context.Context) error {
			unfinished(ctx)
			return nil
		})
	},
	"Waiter.Wait": func(ctx context.Context, p *place) error {
		return hop.NewWaiter().Wait(ctx, unfinished(ctx).Call())
	},
	"RunLoop": func(ctx context.Context, p *place) error {
		_, err := hop.RunLoop(ctx, nil, p.mustNotRun)
		return err
	},
	"a wait in an inline Do": func(ctx context.Context, p *place) error {
		return hop.Run(ctx, p.loop, func(ctx context.Context) error { return hop.Sleep(ctx, time.Nanosecond) })
	},
	"Close of another loop": func(ctx context.Context, p *place) error {
		p.other.Post(func() { <-p.gate })
		return p.other.Close()
	},
	"Shutdown of a pool": func(ctx context.Context, p *place) error {
		p.stuck(ctx)
		return p.pool.Shutdown(ctx)
	},
}

func testRefused(t *testing.T, o hop.LoopOptions, call Call) {
	for name, wait := range waits {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t, o)
			err := onTask(t, p.loop, func(ctx context.Context) (err error) {
				err = errors.New("not called back")
				call(func() { err = wait(ctx, p) })
				return err
			})
			if !errors.Is(err, hop.ErrCannotWait) {
				t.Errorf("got %v, want ErrCannotWait", err)
			}
			if p.ran {
				t.Error("the function ran")
			}
			if err := onTask(t, p.loop, func(ctx context.Context) error { return hop.Sleep(ctx, time.Nanosecond) }); err != nil {
				t.Errorf("afterwards, outside of C: %v", err)
			}
		})
	}
	t.Run("two callbacks deep", func(t *testing.T) {
		p := newPlace(t, o)
		err := onTask(t, p.loop, func(ctx context.Context) (err error) {
			call(func() {
				call(func() {})
				call(func() { err = hop.Sleep(ctx, time.Nanosecond) })
			})
			return err
		})
		if !errors.Is(err, hop.ErrCannotWait) {
			t.Errorf("got %v, want ErrCannotWait", err)
		}
	})
	t.Run("a stack deeper than one look", func(t *testing.T) {
		p := newPlace(t, o)
		err := onTask(t, p.loop, func(ctx context.Context) (err error) {
			call(func() { err = deep(300, func() error { return hop.Sleep(ctx, time.Nanosecond) }) })
			return err
		})
		if !errors.Is(err, hop.ErrCannotWait) {
			t.Errorf("got %v, want ErrCannotWait", err)
		}
	})
}

// deep calls f below n frames.
//
//go:noinline
func deep(n int, f func() error) error {
	if n == 0 {
		return f()
	}
	err := deep(n-1, f)
	return err
}

func testWorks(t *testing.T, o hop.LoopOptions, call Call) {
	p := newPlace(t, o)
	var order []string
	note := func(s string) { order = append(order, s) }
	var onOther *hop.Pending[int]
	var onOwn *hop.Pending[int]
	err := onTask(t, p.loop, func(ctx context.Context) error {
		call(func() {
			onOwn = hop.Go(ctx, p.loop, func(context.Context) (int, error) { note("Go"); return 1, nil })
			onOther = hop.Go(ctx, p.other, func(context.Context) (int, error) { return 2, nil })
			if err := p.loop.Post(func() { note("Post") }); err != nil {
				t.Errorf("Post: %v", err)
			}
			if v, err := hop.Do(ctx, p.loop, func(context.Context) (int, error) { note("Do"); return 3, nil }); v != 3 || err != nil {
				t.Errorf("Do on the own loop: %v, %v", v, err)
			}
			if v, err := hop.Do(ctx, hop.Inline, func(context.Context) (int, error) { return 4, nil }); v != 4 || err != nil {
				t.Errorf("Do on Inline: %v, %v", v, err)
			}
			promise := hop.NewPromise[int](ctx)
			promise.Resolve(5)
			if v, err := promise.Pending().Wait(ctx); v != 5 || err != nil {
				t.Errorf("Wait for what is done: %v, %v", v, err)
			}
			if err := promise.Pending().CancelWait(ctx, nil); err != nil {
				t.Errorf("CancelWait of what is done: %v", err)
			}
			var set hop.Event
			set.Set()
			if err := set.Wait(ctx); err != nil {
				t.Errorf("Wait for an event that is set: %v", err)
			}
			ready := make(chan int, 1)
			ready <- 6
			if v, ok, err := hop.Recv(ctx, ready); v != 6 || !ok || err != nil {
				t.Errorf("Recv of what is there: %v, %v, %v", v, ok, err)
			}
			if err := hop.WithGroup(ctx, nil, func(context.Context) error { return nil }); err != nil {
				t.Errorf("an empty group: %v", err)
			}
			if hop.CurrentLoop() != p.loop || !p.loop.Here() {
				t.Error("the callback is not on the loop")
			}
			note("callback")
		})
		note("task")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	within(t, "what the callback has started", func() {
		if v, err := onOwn.Wait(context.Background()); v != 1 || err != nil {
			t.Errorf("Go on the own loop: %v, %v", v, err)
		}
		if v, err := onOther.Wait(context.Background()); v != 2 || err != nil {
			t.Errorf("Go on another loop: %v, %v", v, err)
		}
		hop.Run(context.Background(), p.loop, func(context.Context) error { note("end"); return nil })
	})
	want := []string{"Do", "callback", "task", "Go", "Post", "end"}
	for i := range want {
		if len(order) != len(want) || order[i] != want[i] {
			t.Fatalf("order %q, want %q", order, want)
		}
	}
}

func testFreePlace(t *testing.T, o hop.LoopOptions, call Call) {
	p := newPlace(t, o)
	err := onTask(t, p.loop, func(ctx context.Context) (err error) {
		call(func() { err = hop.NewLimiter(1).Acquire(ctx) })
		return err
	})
	if err != nil {
		t.Errorf("Acquire of a place that is free: %v", err)
	}
}

func testGoesOn(t *testing.T, o hop.LoopOptions, call Call) {
	p := newPlace(t, o)
	err := onTask(t, p.loop, func(ctx context.Context) error {
		for range 20 {
			if err := hop.Sleep(ctx, time.Nanosecond); err != nil {
				return err
			}
			var pending *hop.Pending[int]
			var inside error
			call(func() {
				pending = hop.Go(ctx, p.other, func(context.Context) (int, error) { return 1, nil })
				inside = hop.Sleep(ctx, time.Nanosecond)
			})
			if !errors.Is(inside, hop.ErrCannotWait) {
				t.Errorf("inside: %v", inside)
			}
			if _, err := pending.Wait(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Errorf("between the callbacks: %v", err)
	}
}

func testPanic(t *testing.T, o hop.LoopOptions, call Call) {
	p := newPlace(t, o)
	for range 3 {
		err := onTask(t, p.loop, func(ctx context.Context) error {
			call(func() { panic("in the callback") })
			return nil
		})
		var panicked *hop.PanicError
		if !errors.As(err, &panicked) || panicked.Value != "in the callback" {
			t.Errorf("got %v, want the panic", err)
		}
		if err := onTask(t, p.loop, func(ctx context.Context) error { return hop.Sleep(ctx, time.Nanosecond) }); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	}
}

// testBeside has tasks suspended while another task of the loop is in C, and resumed after.
func testBeside(t *testing.T, o hop.LoopOptions, call Call) {
	p := newPlace(t, o)
	var e hop.Event
	var beside []*hop.Pending[int]
	err := onTask(t, p.loop, func(ctx context.Context) error {
		for range 5 {
			beside = append(beside, hop.Go(context.Background(), p.loop, func(ctx context.Context) (int, error) {
				if err := e.Wait(ctx); err != nil {
					return 0, err
				}
				return 1, hop.Sleep(ctx, time.Nanosecond)
			}))
		}
		if err := hop.Yield(ctx); err != nil {
			return err
		}
		call(e.Set)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	within(t, "the tasks beside", func() {
		for _, b := range beside {
			if _, err := b.Wait(context.Background()); err != nil {
				t.Error(err)
			}
		}
	})
}

// testElsewhere waits in callbacks that are not on a task.
func testElsewhere(t *testing.T, call Call) {
	all := func(ctx context.Context, l *hop.Loop) (err error) {
		call(func() {
			var e hop.Event
			hop.Go(ctx, l, func(context.Context) (int, error) { e.Set(); return 0, nil })
			err = errors.Join(
				hop.Sleep(ctx, time.Nanosecond),
				e.Wait(ctx),
				hop.Run(ctx, l, func(ctx context.Context) error { return hop.Sleep(ctx, time.Nanosecond) }),
				hop.WithGroup(ctx, nil, func(ctx context.Context) error {
					hop.Go(ctx, l, func(context.Context) (int, error) { return 1, nil })
					return nil
				}),
				// The way back leads into the callback.
				hop.Run(ctx, l, func(ctx context.Context) error {
					return hop.Run(ctx, hop.Origin(ctx), func(ctx context.Context) error { return hop.Sleep(ctx, time.Nanosecond) })
				}),
			)
		})
		return err
	}
	for _, o := range []hop.PoolOptions{{Name: "goroutines", Size: 1}, {Name: "threads", Size: 1, Threads: true}} {
		t.Run("pool of "+o.Name, func(t *testing.T) {
			l, pool := newLoop(t, hop.LoopOptions{Thread: true}), hop.NewPool(&o)
			t.Cleanup(func() { within(t, "Close", func() { pool.Close() }) })
			within(t, "the call", func() {
				err := hop.Run(context.Background(), pool, func(ctx context.Context) error { return all(ctx, l) })
				if err != nil {
					t.Error(err)
				}
			})
		})
	}
	t.Run("plain goroutine", func(t *testing.T) {
		l := newLoop(t, hop.LoopOptions{})
		within(t, "the callback", func() {
			if err := all(context.Background(), l); err != nil {
				t.Error(err)
			}
		})
	})
}

// testLoopInside runs a loop of its own in a callback: its tasks are made there, so they may be switched there.
func testLoopInside(t *testing.T, call Call) {
	within(t, "RunLoop", func() {
		call(func() {
			v, err := hop.RunLoop(context.Background(), nil, func(ctx context.Context) (int, error) {
				if err := hop.Sleep(ctx, time.Nanosecond); err != nil {
					return 0, err
				}
				var inside error
				call(func() { inside = hop.Sleep(ctx, time.Nanosecond) })
				if !errors.Is(inside, hop.ErrCannotWait) {
					t.Errorf("in a callback of its task: %v", inside)
				}
				return 7, hop.Sleep(ctx, time.Nanosecond)
			})
			if v != 7 || err != nil {
				t.Errorf("got %v, %v", v, err)
			}
		})
	})
}
