package hop_test

// Wake-ups, cancels and reports at moments when a task neither waits nor runs on.

import (
	"context"
	"errors"
	"iter"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gohop/hop"
)

// A guest's task is woken by a function that runs inline on the host's goroutine, outside of any tick.
func TestS39_AnInlineCallOnTheHostWakesATask(t *testing.T) {
	needsThread(t)
	k := newForeignLoop(t)
	k.Post(runtime.LockOSThread) // as toolkits are; the call inline depends on it
	l := newLoop(t, &hop.LoopOptions{Host: k})
	var e hop.Event
	p := hop.Go(bg, l, func(ctx context.Context) (int, error) { return 1, e.Wait(ctx) })
	untilWaiting(t, p.Call())
	idle := make(chan struct{})
	k.Post(func() { close(idle) }) // behind the tick that has run the task
	recv(t, "the host's turn", idle)
	k.Post(func() {
		if _, err := hop.Do(bg, l, func(context.Context) (int, error) { e.Set(); return 0, nil }); err != nil {
			t.Errorf("the inline call: %v", err)
		}
	})
	must(t, p)
}

// Close comes while a task goes from one wait that is refused, or over at once, to the next, and never blocks: it is cancelled all the same.
func TestS25_CloseCancelsATaskThatNeverComesToBlock(t *testing.T) {
	for range 50 {
		l := hop.NewLoop(nil)
		mine := make(chan *hop.Pending[int], 1)
		var steps atomic.Int64
		var quit atomic.Bool
		p := hop.Go(bg, l, func(ctx context.Context) (int, error) {
			self := <-mine
			hop.Sleep(ctx, time.Nanosecond) // from now on it is not among what the loop took last
			for ctx.Err() == nil && !quit.Load() {
				self.Wait(ctx) // which is refused
				steps.Add(1)
				if wasm {
					runtime.Gosched() // nothing else takes the one thread from it
				}
			}
			return 0, nil
		})
		mine <- p
		eventually(t, "the task's first steps", func() bool { return steps.Load() > 3 })
		t.Cleanup(func() { quit.Store(true) })
		within(t, patience, "Close", func() { l.Close() })
	}
}

// A task may keep its loop in a coroutine of its own, and a guest's task keeps the host.
func TestS28_AStallInACoroutineOrAGuestIsReported(t *testing.T) {
	stalls := func(t *testing.T, on func(l *hop.Loop) hop.Portal, run func(end <-chan struct{})) {
		var j journal
		l := newLoop(t, &hop.LoopOptions{StallAfter: 10 * time.Millisecond, Logger: j.logger()})
		end, release := started()
		defer release()
		p := hop.Go(bg, on(l), func(context.Context) (int, error) { run(end); return 0, nil })
		eventually(t, "the report", func() bool { return len(j.lines("keeps its loop")) > 0 })
		if line := j.lines("keeps its loop")[0]; !strings.Contains(line, "(*coro).main") {
			t.Errorf("no stack of a task: %s", line)
		}
		release()
		must(t, p)
	}
	t.Run("coroutine", func(t *testing.T) {
		stalls(t, func(l *hop.Loop) hop.Portal { return l }, func(end <-chan struct{}) {
			next, stop := iter.Pull(func(yield func(int) bool) {
				<-end
				yield(1)
			})
			defer stop()
			next()
		})
	})
	t.Run("guest", func(t *testing.T) {
		stalls(t, func(l *hop.Loop) hop.Portal {
			return newLoop(t, &hop.LoopOptions{Host: l, StallAfter: -1})
		}, func(end <-chan struct{}) { <-end })
	})
}

// What has waited with the context of a call does not keep that call and its result.
func TestAnIdlePlaceKeepsNoCall(t *testing.T) {
	for name, p := range map[string]interface{ Post(func()) error }{
		"loop": newLoop(t, nil), "pool": newPool(t, &hop.PoolOptions{Size: 1}),
	} {
		t.Run(name, func(t *testing.T) {
			var freed atomic.Bool
			done := make(chan error, 1)
			func() {
				big := new([1 << 20]byte)
				runtime.AddCleanup(big, func(int) { freed.Store(true) }, 0)
				var e hop.Event
				c := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (*[1 << 20]byte, error) { return big, e.Wait(ctx) })
				untilWaiting(t, c.Call())
				if err := p.Post(func() {
					_, err := c.Wait(c.Call().Context())
					done <- err
				}); err != nil {
					t.Fatal(err)
				}
				if err := p.Post(e.Set); err != nil { // there is one place: it runs when the other waits
					t.Fatal(err)
				}
			}()
			if err := recv(t, "the posted function", done); err != nil {
				t.Error(err)
			}
			eventually(t, "the call's end", func() bool { runtime.GC(); return freed.Load() })
		})
	}
}

// A Waiter's Wait is refused; what is sent to the Waiter then has nothing to do with the goroutine's next wait.
func TestS4_ARefusedWaitOfAWaiterIsForgotten(t *testing.T) {
	mine := make(chan *hop.Pending[int], 1)
	w := hop.NewWaiter()
	var e hop.Event
	p := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) {
		self := <-mine
		if err := w.Wait(ctx, self.Call()); !errors.Is(err, hop.ErrDeadlock) {
			t.Errorf("the wait for itself: %v", err)
		}
		go func() {
			defer e.Set()
			eventually(t, "the wait for the event", func() bool { return self.Call().State() == hop.Waiting })
			hop.Go(bg, w, value(7))
			for range 100 {
				runtime.Gosched()
			}
		}()
		if err := e.Wait(ctx); err != nil || !e.IsSet() {
			t.Errorf("the wait for the event: %v, set: %v", err, e.IsSet())
		}
		return 0, nil
	})
	mine <- p
	must(t, p)
}

// A wait that can never end is refused also when there is something to run for the Waiter first.
func TestS4_AWaiterWithSomethingToRunIsRefusedToo(t *testing.T) {
	mine := make(chan *hop.Pending[int], 1)
	w := hop.NewWaiter()
	hop.Go(bg, w, value(0))
	p := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) {
		return 0, w.Wait(ctx, (<-mine).Call())
	})
	mine <- p
	if err := waitErr(t, p); !errors.Is(err, hop.ErrDeadlock) {
		t.Errorf("the error is %v", err)
	}
}

// Of all that a loop has suspended, idle or below, the report is of the one that keeps it, wherever it stands in the dump: they take
// turns at it.
func TestS28_TheOneThatStallsIsReportedAmongOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		host := newForeignLoop(t) // each of whose ticks begins with nothing resumed
		l := newLoop(t, &hop.LoopOptions{Host: host, StallAfter: time.Second, Logger: j.logger()})
		task := func(name string) (wake *hop.Event, p *hop.Pending[int]) {
			wake = new(hop.Event)
			p = hop.Go(bg, l, func(ctx context.Context) (int, error) {
				if err := wake.Wait(ctx); err != nil {
					return 0, err
				}
				next, stop := iter.Pull(func(yield func(int) bool) {
					if strings.HasPrefix(name, "sluggish") {
						time.Sleep(3 * time.Second)
					}
				})
				defer stop()
				next()
				return 1, nil
			}, hop.Name(name))
			synctest.Wait()
			return wake, p
		}
		reports := 0
		check := func(what string, p *hop.Pending[int]) {
			t.Helper()
			must(t, p)
			synctest.Wait()
			lines := j.lines("keeps its loop")
			if len(lines) != reports+1 {
				t.Fatalf("%s: %d reports, want one more than %d", what, len(lines), reports)
			}
			if line := lines[reports]; !strings.Contains(line, p.Call().Name()) || !strings.Contains(line, "(*coro).main") {
				t.Errorf("%s: the report is not of %v: %s", what, p.Call(), line)
			}
			reports++
		}
		for range 2 { // the second time with each other's coroutines
			a, pa := task("sluggish a")
			b, pb := task("sluggish b")
			a.Set()
			check("the other is suspended", pa)
			b.Set()
			check("the other is idle", pb)
			d, pd := task("diligent")
			c, pc := task("sluggish c")
			d.Set()
			must(t, pd)
			c.Set()
			check("the other is idle", pc)
			e, pe := task("sluggish e")
			busy := make(chan struct{})
			host.Post(func() { <-busy })
			hop.Go(bg, l, value(1)) // one coroutine runs this, and then resumes the other
			e.Set()
			close(busy)
			check("the other is below", pe)
		}
	})
}

// A guest's task that stalls keeps the host too; it is the guest that tells of it, and once.
func TestS28_AStallOfAGuestIsReportedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		host := newLoop(t, &hop.LoopOptions{Name: "host", StallAfter: 10 * time.Millisecond, Logger: j.logger()})
		guest := newLoop(t, &hop.LoopOptions{Name: "guest", Host: host, StallAfter: 10 * time.Millisecond, Logger: j.logger()})
		end, release := started()
		defer release()
		p := hop.Go(bg, guest, func(context.Context) (int, error) { <-end; return 0, nil }, hop.Name("sluggish"))
		time.Sleep(time.Second) // of the bubble
		release()
		must(t, p)
		lines := j.lines("keeps its loop")
		if len(lines) != 1 || !strings.Contains(lines[0], "loop=guest") || !strings.Contains(lines[0], "sluggish") {
			t.Errorf("%d reports, want one, of the guest:\n%s", len(lines), strings.Join(lines, ""))
		}
	})
}
