package hop_test

// S39: Local, one value for each loop and each pool worker.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gohop/hop"
)

// counter opens 1, 2, 3 ... and notes what is opened and closed.
type counter struct {
	mu             sync.Mutex
	opened, closed []int
}

func (c *counter) local() *hop.Local[int] {
	return hop.NewLocal(func(context.Context) (int, error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.opened = append(c.opened, len(c.opened)+1)
		return len(c.opened), nil
	}, func(v int) error {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.closed = append(c.closed, v)
		return nil
	})
}

func (c *counter) counts() (opened, closed int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.opened), len(c.closed)
}

func get[T any](on hop.Portal, local *hop.Local[T]) *hop.Pending[T] {
	return hop.Go(bg, on, local.Get)
}

func shut(t testing.TB, stop func(context.Context) error) {
	t.Helper()
	within(t, patience, "Shutdown", func() {
		if err := stop(bg); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	})
}

// logged captures what goes to the default logger for the rest of the test.
func logged(t testing.TB) (text func() string, logger *slog.Logger) {
	var mu sync.Mutex
	var buf bytes.Buffer
	setDefaultLog(t, slog.NewTextHandler(writer(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return buf.Write(p)
	}), nil))
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		return buf.String()
	}, slog.Default()
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

func TestS39_ALocalOpensOnceALoop(t *testing.T) {
	var c counter
	local := c.local()
	for i := range 3 {
		l := hop.NewLoop(nil)
		var ps []*hop.Pending[int]
		for range 10 {
			ps = append(ps, get(l, local))
		}
		for _, p := range ps {
			if v := must(t, p); v != i+1 {
				t.Errorf("loop %d got value %d", i, v)
			}
		}
		if opened, closed := c.counts(); opened != i+1 || closed != i {
			t.Errorf("%d opened and %d closed while loop %d lives", opened, closed, i)
		}
		shut(t, l.Shutdown)
		if _, closed := c.counts(); closed != i+1 {
			t.Errorf("%d closed after loop %d has stopped", closed, i)
		}
	}
	if !slices.Equal(c.opened, c.closed) {
		t.Errorf("opened %v, closed %v", c.opened, c.closed)
	}
}

func TestS39_ALocalOpensOnceAWorkerAndClosesAtItsEnd(t *testing.T) {
	var c counter
	local := c.local()
	pool := newPool(t, &hop.PoolOptions{Size: 1})
	for range 5 { // one worker after the other call
		if v := must(t, get(pool, local)); v != 1 {
			t.Errorf("value %d, want 1", v)
		}
	}
	if opened, closed := c.counts(); opened != 1 || closed != 0 {
		t.Errorf("%d opened and %d closed, want 1 and 0", opened, closed)
	}
	pool2 := hop.NewPool(nil)
	var all sync.WaitGroup
	all.Add(3)
	values := map[int]bool{}
	var ps []*hop.Pending[int]
	for range 3 { // three workers at once
		ps = append(ps, hop.Go(bg, pool2, func(ctx context.Context) (int, error) { all.Done(); all.Wait(); return local.Get(ctx) }))
	}
	for _, p := range ps {
		values[must(t, p)] = true
	}
	if len(values) != 3 {
		t.Errorf("three workers have the values %v", values)
	}
	shut(t, pool2.Shutdown)
	if _, closed := c.counts(); closed != 3 {
		t.Errorf("%d closed after the end of three workers", closed)
	}
}

func TestS39_ALocalOfAnIdleWorkerIsClosedWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c counter
		local := c.local()
		pool := hop.NewPool(&hop.PoolOptions{IdleTimeout: time.Hour})
		get(pool, local).Wait(bg)
		time.Sleep(30 * time.Minute)
		if _, closed := c.counts(); closed != 0 {
			t.Error("closed while the worker is kept")
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if _, closed := c.counts(); closed != 1 {
			t.Error("not closed when the worker has ended")
		}
		pool.Close()
	})
}

func TestS39_ALocalIsOpenedAndClosedOnTheLoopsGoroutine(t *testing.T) {
	// What the thread is to a Thread loop (loop_linux_test.go) is Here to any.
	onEachLoop(t, func(t *testing.T, l *hop.Loop) {
		local := hop.NewLocal(func(ctx context.Context) (*hop.Loop, error) {
			if !l.Here() || hop.CurrentLoop() != l {
				t.Error("open runs elsewhere")
			}
			return l, hop.Sleep(ctx, time.Millisecond) // and may wait
		}, func(*hop.Loop) error {
			if !l.Here() || hop.CurrentLoop() != l {
				t.Error("close runs elsewhere")
			}
			return nil
		})
		if v := must(t, get(l, local)); v != l {
			t.Errorf("value %v", v)
		}
		// From Do inline, and from the deep of another call.
		v := must(t, hop.Go(bg, l, func(ctx context.Context) (*hop.Loop, error) {
			return hop.Do(ctx, hop.Goroutines, func(ctx context.Context) (*hop.Loop, error) {
				return hop.Do(ctx, l, func(ctx context.Context) (*hop.Loop, error) { return hop.Do(ctx, l, local.Get) })
			})
		}))
		if v != l {
			t.Errorf("value %v", v)
		}
	})
}

func TestS39_TasksThatAskWhileItIsBeingOpenedWait(t *testing.T) {
	onEachLoop(t, func(t *testing.T, l *hop.Loop) {
		var opens atomic.Int32
		var opening, go2 hop.Event
		local := hop.NewLocal(func(ctx context.Context) (int, error) {
			opens.Add(1)
			opening.Set()
			return 7, go2.Wait(ctx)
		}, nil)
		first := get(l, local)
		within(t, patience, "open", func() { opening.Wait(bg) })
		ctx, cancel := context.WithCancelCause(bg)
		var ps []*hop.Pending[int]
		for range 10 {
			ps = append(ps, get(l, local))
		}
		impatient := hop.Go(bg, l, func(context.Context) (int, error) { return local.Get(ctx) })
		untilWaiting(t, impatient.Call())
		for _, p := range ps {
			untilWaiting(t, p.Call())
		}
		must(t, hop.Go(bg, l, value(1))) // the loop goes on
		cancel(errEnough)
		err := waitErr(t, impatient)
		wantIs(t, err, context.Canceled)
		wantIs(t, err, errEnough)
		go2.Set()
		for _, p := range append(ps, first) {
			if v := must(t, p); v != 7 {
				t.Errorf("value %d", v)
			}
		}
		if n := opens.Load(); n != 1 {
			t.Errorf("opened %d times", n)
		}
		// With a context that has ended, what is open is still there.
		if v := must(t, hop.Go(bg, l, func(context.Context) (int, error) { return local.Get(ctx) })); v != 7 {
			t.Errorf("value %d", v)
		}
	})
}

func TestS39_AFailedOpenIsNotRemembered(t *testing.T) {
	for _, how := range []string{"error", "panic", "Goexit"} {
		t.Run(how, func(t *testing.T) {
			for _, on := range []hop.Portal{newLoop(t, nil), newPool(t, &hop.PoolOptions{Size: 1})} {
				var tries, closes atomic.Int32
				var second hop.Event
				local := hop.NewLocal(func(ctx context.Context) (int, error) {
					if n := tries.Add(1); n > 1 {
						return 9, nil
					}
					if _, loop := on.(*hop.Loop); loop {
						second.Wait(bg)
					}
					switch how {
					case "panic":
						panic(errBoom)
					case "Goexit":
						runtime.Goexit()
					}
					return 1, errBoom
				}, func(int) error { closes.Add(1); return nil })
				first, after := get(on, local), get(on, local)
				if _, loop := on.(*hop.Loop); loop {
					untilWaiting(t, after.Call()) // it has waited for the one that fails
				}
				second.Set()
				err := waitErr(t, first)
				if how == "Goexit" {
					wantIs(t, err, hop.ErrGoexit)
				} else {
					wantIs(t, err, errBoom)
				}
				if v := must(t, after); v != 9 { // and tries itself
					t.Errorf("value %d", v)
				}
				if v := must(t, get(on, local)); v != 9 || tries.Load() != 2 {
					t.Errorf("value %d after %d tries", v, tries.Load())
				}
				within(t, patience, "Close", func() { on.(interface{ Close() error }).Close() })
				if n := closes.Load(); n != 1 {
					t.Errorf("%d closed, want the one that was opened", n)
				}
			}
		})
	}
}

func TestS39_LocalsAreClosedInReverseOrderAfterTheShutdownFunctions(t *testing.T) {
	for _, stop := range []string{"Shutdown", "Close"} {
		var mu sync.Mutex
		var order []string
		note := func(s string) {
			mu.Lock()
			defer mu.Unlock()
			order = append(order, s)
		}
		made := func(name string, needs *hop.Local[string]) *hop.Local[string] {
			return hop.NewLocal(func(ctx context.Context) (string, error) {
				if needs != nil {
					if _, err := needs.Get(ctx); err != nil {
						return "", err
					}
				}
				return name, nil
			}, func(v string) error { note(v); return errBoom }) // an error does not stop the next
		}
		a := made("a", nil)
		needed := made("needed", nil)
		b := made("b", needed) // opens another inside its open: that one must outlive it
		c := made("c", nil)
		all := func(ctx context.Context) (int, error) {
			for _, local := range []*hop.Local[string]{a, b, c, a} {
				if _, err := local.Get(ctx); err != nil {
					return 0, err
				}
			}
			return 0, nil
		}
		want := []string{"c", "b", "needed", "a"}

		l := hop.NewLoop(&hop.LoopOptions{Logger: slog.New(slog.DiscardHandler)})
		l.OnShutdown(func(ctx context.Context) error {
			v, err := a.Get(ctx) // still open
			note("hook " + v)
			return err
		})
		must(t, hop.Go(bg, l, all))
		if stop == "Close" {
			within(t, patience, "Close", func() { l.Close() })
		} else {
			shut(t, l.Shutdown)
		}
		if w := append([]string{"hook a"}, want...); !slices.Equal(order, w) {
			t.Errorf("%s of a loop: %v, want %v", stop, order, w)
		}

		order = nil
		logged(t)
		pool := hop.NewPool(nil)
		must(t, hop.Go(bg, pool, all))
		if stop == "Close" {
			within(t, patience, "Close", func() { pool.Close() })
		} else {
			shut(t, pool.Shutdown)
		}
		if !slices.Equal(order, want) {
			t.Errorf("%s of a pool: %v, want %v", stop, order, want)
		}
	}
}

func TestS39_WhatCloseReturnsOrPanicsIsLoggedAndStopsNothing(t *testing.T) {
	for _, how := range []string{"error", "panic", "Goexit"} {
		t.Run(how, func(t *testing.T) {
			text, logger := logged(t)
			l, pool := hop.NewLoop(&hop.LoopOptions{Logger: logger}), hop.NewPool(nil)
			for _, on := range []hop.Portal{l, pool} {
				var closed atomic.Int32
				one := func(bad bool) *hop.Local[int] {
					return hop.NewLocal(value(1), func(int) error {
						closed.Add(1)
						switch {
						case !bad:
						case how == "panic":
							panic("tilt")
						case how == "Goexit":
							runtime.Goexit()
						default:
							return errors.New("tilt")
						}
						return nil
					})
				}
				a, b, c := one(false), one(true), one(false)
				must(t, hop.Go(bg, on, func(ctx context.Context) (int, error) {
					_, e1 := a.Get(ctx)
					_, e2 := b.Get(ctx)
					_, e3 := c.Get(ctx)
					return 0, errors.Join(e1, e2, e3)
				}))
				within(t, patience, fmt.Sprintf("Close of %v", on), func() {
					if err := on.(interface{ Close() error }).Close(); err != nil {
						t.Error(err)
					}
				})
				if n := closed.Load(); n != 3 {
					t.Errorf("%v: %d closed, want 3", on, n)
				}
				if how != "Goexit" && strings.Count(text(), "tilt") == 0 {
					t.Errorf("%v: the log does not tell: %q", on, text())
				}
				if s := text(); on == hop.Portal(l) && how != "Goexit" && strings.Count(s, "closing of locals failed") != 1 { // other tests' calls may be reported there too
					t.Errorf("%v: the log tells it other than once: %q", on, s)
				}
			}
		})
	}
}

func TestS39_GetElsewhereIsRefused(t *testing.T) {
	opened := false
	local := hop.NewLocal(func(context.Context) (int, error) { opened = true; return 1, nil }, nil)
	if _, err := local.Get(bg); !errors.Is(err, hop.ErrMismatch) {
		t.Errorf("on a plain goroutine: %v", err)
	}
	wantIs(t, waitErr(t, get(hop.Goroutines, local)), hop.ErrMismatch)
	// A goroutine that a task starts is not on the loop, whatever ctx it has.
	l := newLoop(t, nil)
	err := must(t, hop.Go(bg, l, func(ctx context.Context) (err error, _ error) {
		done := make(chan struct{})
		go func() { defer close(done); _, err = local.Get(ctx) }()
		hop.Recv(ctx, done)
		return err, nil
	}))
	wantIs(t, err, hop.ErrMismatch)
	if opened {
		t.Error("it was opened")
	}
	mustPanic(t, func() { hop.NewLocal[int](nil, nil) })
	mustPanic(t, func() { new(hop.Local[int]).Get(bg) })
}

func TestS39_GetInAPostedFunction(t *testing.T) {
	var c counter
	local := c.local()
	l, pool := newLoop(t, nil), newPool(t, &hop.PoolOptions{Size: 1})
	for i, post := range []func(func()) error{l.Post, pool.Post} {
		got := make(chan int, 1)
		post(func() { v, _ := local.Get(bg); got <- v })
		if v := recv(t, "Get", got); v != i+1 {
			t.Errorf("value %d, want %d", v, i+1)
		}
	}
	if v := must(t, get(l, local)); v != 1 { // calls share it
		t.Errorf("value %d", v)
	}
}

func TestS39_DifferentLocalsOfOneTypeAreDifferent(t *testing.T) {
	l := newLoop(t, nil)
	a, b := hop.NewLocal(value(1), nil), hop.NewLocal(value(2), nil)
	if x, y := must(t, get(l, a)), must(t, get(l, b)); x != 1 || y != 2 {
		t.Errorf("values %d and %d", x, y)
	}
	none := hop.NewLocal(func(context.Context) (error, error) { return nil, nil }, nil) // a nil value is one
	for range 2 {
		if v := must(t, get(l, none)); v != nil {
			t.Error(v)
		}
	}
}

func TestS39_ALoopThatNeverAskedOpensAndClosesNothing(t *testing.T) {
	var c counter
	local := c.local()
	l, other := hop.NewLoop(nil), hop.NewLoop(nil)
	must(t, get(other, local))
	must(t, hop.Go(bg, l, value(1)))
	shut(t, l.Shutdown)
	if opened, closed := c.counts(); opened != 1 || closed != 0 {
		t.Errorf("%d opened, %d closed", opened, closed)
	}
	shut(t, other.Shutdown)
}

func TestS39_OpenHasTheContextOfGet(t *testing.T) {
	l := newLoop(t, nil)
	local := hop.NewLocal(func(ctx context.Context) (any, error) { return ctx.Value(userKey{}), nil }, nil)
	v := must(t, hop.Go(context.WithValue(bg, userKey{}, "value"), l, local.Get))
	if v != "value" {
		t.Errorf("value %v", v)
	}
}

func TestS4_ALocalThatAsksForItself(t *testing.T) {
	for _, on := range []hop.Portal{newLoop(t, nil), newPool(t, nil)} {
		var local *hop.Local[int]
		var inner error
		local = hop.NewLocal(func(ctx context.Context) (int, error) {
			_, inner = local.Get(ctx)
			return 4, nil
		}, nil)
		if v := must(t, get(on, local)); v != 4 {
			t.Errorf("value %d", v)
		}
		wantDeadlock(t, inner)
		// The same in a posted function, which is no call.
		var posted *hop.Local[int]
		got := make(chan error, 1)
		posted = hop.NewLocal(func(ctx context.Context) (int, error) {
			_, err := posted.Get(ctx)
			got <- err
			return 0, nil
		}, nil)
		on.(interface{ Post(func()) error }).Post(func() { posted.Get(bg) })
		wantIs(t, recv(t, "Get of a posted function", got), hop.ErrDeadlock)
	}
}

func TestS4_TwoLocalsThatAskForEachOther(t *testing.T) {
	l := newLoop(t, nil)
	var a, b *hop.Local[int]
	var both sync.WaitGroup
	both.Add(2)
	made := func(other **hop.Local[int]) *hop.Local[int] {
		return hop.NewLocal(func(ctx context.Context) (int, error) {
			both.Done()
			if _, err := hop.Do(ctx, hop.Goroutines, func(context.Context) (int, error) { both.Wait(); return 0, nil }); err != nil {
				return 0, err
			}
			_, err := (*other).Get(ctx)
			if errors.Is(err, hop.ErrDeadlock) {
				err = nil
			}
			return 3, err
		}, nil)
	}
	a, b = made(&b), made(&a)
	pa, pb := get(l, a), get(l, b)
	if x, y := must(t, pa), must(t, pb); x != 3 || y != 3 {
		t.Errorf("values %d and %d", x, y)
	}
}
