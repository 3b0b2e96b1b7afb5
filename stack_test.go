package hop_test

import (
	"context"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/gohop/hop"
)

// TestTasksWaitOnTheirFirstStack: a coroutine begins with 2 KB of stack, and what a task needs to wait fits in, under a context that can be
// cancelled too. A stack that grows is copied, which takes longer than all the rest, and is twice as large.
func TestTasksWaitOnTheirFirstStack(t *testing.T) {
	onFirstStack(t, func() {
		for _, ctx := range []context.Context{bg, t.Context()} {
			event := new(hop.Event)
			promise := hop.NewPromise[int](bg)
			for _, kind := range []struct {
				name string
				wait func(ctx context.Context) error
				end  func()
			}{
				{"Sleep", func(ctx context.Context) error { return hop.Sleep(ctx, 50*time.Millisecond) }, func() {}},
				{"Event.Wait", event.Wait, event.Set},
				{"Pending.Wait", func(ctx context.Context) error { _, err := promise.Pending().Wait(ctx); return err }, func() { promise.Resolve(1) }},
			} {
				const tasks = 1000
				l := newLoop(t, nil)
				moved := 0 // on the loop
				var group sync.WaitGroup
				for range tasks {
					group.Add(1)
					hop.Go(ctx, l, func(ctx context.Context) (int, error) {
						var here byte // on the stack
						before := uintptr(unsafe.Pointer(&here))
						err := kind.wait(ctx)
						if uintptr(unsafe.Pointer(&here)) != before {
							moved++
						}
						return 0, err
					}).OnDone(group.Done)
				}
				hop.Run(bg, l, func(context.Context) error { return nil }) // behind them all
				kind.end()
				group.Wait()
				if moved > tasks/5 { // three were measured; the allocator needs more now and then
					t.Errorf("%s under %v: %d of %d stacks have grown", kind.name, ctx, moved, tasks)
				}
			}
		}
	})
}

// TestCancelledTasksStayOnTheirFirstStack: what a task needs to be told of its context's end, which nobody has looked for before it waits, and to end
// because of it, fits in too.
func TestCancelledTasksStayOnTheirFirstStack(t *testing.T) {
	onFirstStack(t, func() {
		event, promise := new(hop.Event), hop.NewPromise[int](bg)
		moved := 0 // on the loop
		note := func(here *byte, before uintptr) {
			if uintptr(unsafe.Pointer(here)) != before {
				moved++
			}
		}
		for name, f := range map[string]func(ctx context.Context) (int, error){ // without more frames than they need
			"Sleep": func(ctx context.Context) (int, error) {
				var here byte // on the stack
				before := uintptr(unsafe.Pointer(&here))
				err := hop.Sleep(ctx, time.Hour)
				note(&here, before)
				return 0, err
			},
			"Event.Wait": func(ctx context.Context) (int, error) {
				var here byte
				before := uintptr(unsafe.Pointer(&here))
				err := event.Wait(ctx)
				note(&here, before)
				return 0, err
			},
			"Pending.Wait": func(ctx context.Context) (int, error) {
				var here byte
				before := uintptr(unsafe.Pointer(&here))
				v, err := promise.Pending().Wait(ctx)
				note(&here, before)
				return v, err
			},
		} {
			const tasks = 1000
			l := newLoop(t, nil)
			moved = 0
			ctx, cancel := context.WithCancel(bg)
			calls := make([]*hop.Pending[int], tasks)
			for i := range calls {
				calls[i] = hop.Go(ctx, l, f)
			}
			hop.Run(bg, l, func(context.Context) error { return nil }) // behind them all
			cancel()
			for _, p := range calls {
				p.Wait(bg)
			}
			if moved > tasks/5 { // ten were measured; the allocator needs more now and then
				t.Errorf("%s: %d of %d stacks have grown", name, moved, tasks)
			}
		}
	})
}

// runsApart is a portal like Goroutines that tells whether the stack of a goroutine has grown.
type runsApart struct{ moved, ran *atomic.Int64 }

func (on runsApart) Submit(c *hop.Call) error {
	go func() {
		var here byte // on the stack
		before := uintptr(unsafe.Pointer(&here))
		c.Run()
		if uintptr(unsafe.Pointer(&here)) != before {
			on.moved.Add(1)
		}
		on.ran.Add(1)
	}()
	return nil
}

// TestCallsOnGoroutinesStayOnTheirFirstStack: a call on a goroutine of its own, a member of a group too, begins and ends on the stack that this has.
func TestCallsOnGoroutinesStayOnTheirFirstStack(t *testing.T) {
	onFirstStack(t, func() {
		for _, kind := range []struct {
			name string
			all  func(f func(ctx context.Context))
		}{
			{"alone", func(f func(ctx context.Context)) { f(bg) }},
			{"in a group", func(f func(ctx context.Context)) {
				hop.WithGroup(bg, nil, func(ctx context.Context) error { f(ctx); return nil })
			}},
			{"tracked", func(f func(ctx context.Context)) {
				ctx, _ := hop.Track(bg)
				f(ctx)
			}},
		} {
			const calls = 1000
			on := runsApart{new(atomic.Int64), new(atomic.Int64)}
			kind.all(func(ctx context.Context) {
				for range calls {
					hop.Go(ctx, on, value(1))
				}
			})
			eventually(t, "the ends", func() bool { return on.ran.Load() == calls })
			if n := on.moved.Load(); n > calls/5 {
				t.Errorf("%s: %d of %d stacks have grown", kind.name, n, calls)
			}
		}
	})
}

// onFirstStack runs f in a process of its own, in which a goroutine begins with 2 KB of stack and no collection makes it smaller.
func onFirstStack(t *testing.T, f func()) {
	switch {
	case raceEnabled, testing.CoverMode() != "":
		t.Skip("what watches the code needs stack too")
	case runtime.GOARCH != "amd64":
		t.Skip("frames are of other sizes elsewhere, and were not measured")
	}
	out, err := inChild(t, nil, func() {
		debug.SetGCPercent(-1)
		f()
	}, "GODEBUG=adaptivestackstart=0")
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
