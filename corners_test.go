package hop_test

// Corners that a second reading of the code has found, each where two mechanisms meet.

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gohop/hop"
)

// A search for deadlocks may come upon a call whose context is over, and what ends then may be a deputy: the search has the graph's lock.
func TestS4_ASearchThatEndsADeputyGoesOn(t *testing.T) {
	type key struct{}
	for i := range 50 {
		limiter := hop.NewLimiter(1)
		free := make(chan struct{})
		guessing := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) {
			limiter.Acquire(ctx)
			hop.Go(ctx, hop.Goroutines, func(context.Context) (int, error) { <-free; limiter.Release(); return 0, nil })
			return 0, limiter.Acquire(ctx)
		})
		undriven := hop.NewLoop(&hop.LoopOptions{Manual: true})
		parent, cancel := context.WithCancel(bg)
		own := hop.NewLimiter(1)
		holder := hop.Go(parent, hop.Goroutines, func(ctx context.Context) (int, error) {
			own.Acquire(ctx)
			queued := hop.Go(ctx, undriven, value(0))
			queued.OnDone(func() {})
			if i%2 == 1 { // one that has to be asked
				ctx = context.WithValue(ctx, key{}, i)
			}
			_, err := queued.Wait(ctx)
			return 0, err
		})
		second := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) { return holder.Wait(ctx) })
		for _, p := range []*hop.Pending[int]{guessing, holder, second} {
			untilWaiting(t, p.Call())
		}
		third := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) { cancel(); return second.Wait(ctx) })
		waitErr(t, third)
		close(free)
		must(t, guessing)
		closeAll(t, "the loop", undriven.Close)
	}
}

// Where the one that waits in RunLoop is part of the circle, it is another wait that is refused: RunLoop's would not hear of it.
func TestS4_TheGoroutineThatDrivesIsNotTheOneThatIsRefused(t *testing.T) {
	limiter := hop.NewLimiter(1)
	waits := make(chan *hop.Call, 1)
	goOn, made := make(chan struct{}), make(chan struct{})
	var outer *hop.Pending[int]
	var deputy *hop.Pending[int]
	outer = hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) {
		<-made
		limiter.Acquire(ctx)
		deputy = hop.Go(ctx, hop.Goroutines, func(context.Context) (int, error) { <-goOn; return outer.Wait(bg) })
		return hop.RunLoop(ctx, nil, func(ctx context.Context) (int, error) {
			waits <- hop.CurrentCall(ctx)
			return 0, limiter.Acquire(ctx)
		})
	})
	close(made)
	untilWaiting(t, recv(t, "the task", waits))
	close(goOn)
	if err := waitErr(t, outer); !errors.Is(err, hop.ErrDeadlock) {
		t.Errorf("the circle: %v, want a deadlock", err)
	}
	waitErr(t, deputy)
}

// A call that was abandoned, as a holder or as a deputy, counts until its function has returned.
func TestS4_AnAbandonedHolderAndAnAbandonedDeputyCount(t *testing.T) {
	t.Run("holder", func(t *testing.T) {
		limiter := hop.NewLimiter(1)
		free, held, goOn := make(chan struct{}), make(chan struct{}), make(chan struct{})
		told := make(chan error, 1)
		var waiter *hop.Pending[int]
		holder := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) {
			limiter.Acquire(ctx)
			hop.Go(context.WithoutCancel(ctx), hop.Goroutines, func(context.Context) (int, error) { <-free; limiter.Release(); return 0, nil })
			close(held)
			<-goOn
			untilWaiting(t, waiter.Call())
			go func() { close(free) }()
			_, err := waiter.Wait(bg)
			told <- err
			return 0, err
		}, hop.Abandon())
		<-held
		waiter = hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) { return 0, limiter.Acquire(ctx) })
		untilWaiting(t, waiter.Call())
		holder.Cancel(nil)
		close(goOn)
		must(t, waiter)
		if err := recv(t, "the holder's wait", told); err != nil {
			t.Errorf("the holder's wait: %v", err)
		}
	})
	t.Run("deputy", func(t *testing.T) {
		limiter := hop.NewLimiter(1)
		free := make(chan struct{})
		p := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) {
			limiter.Acquire(ctx)
			runs := make(chan struct{})
			d := hop.Go(ctx, hop.Goroutines, func(context.Context) (int, error) { close(runs); <-free; limiter.Release(); return 0, nil }, hop.Abandon())
			<-runs
			d.Cancel(nil)
			for range 20 { // the list of deputies grows, and is cleared of those that are gone
				hop.Go(ctx, hop.Goroutines, value(0)).Wait(ctx)
			}
			return 0, limiter.Acquire(ctx)
		})
		untilWaitingOrDone(t, p.Call())
		close(free)
		must(t, p)
	})
}

// A call that no longer has a place keeps nothing of what it makes, and a chain of such calls nothing of those before.
func TestALimitersPlaceLeavesNothingBehind(t *testing.T) {
	limiter := hop.NewLimiter(1)
	l := newLoop(t, nil)
	const calls = 2000
	var freed atomic.Int32
	big := func() *[1 << 12]byte {
		v := new([1 << 12]byte)
		runtime.AddCleanup(v, func(int) { freed.Add(1) }, 0)
		return v
	}
	t.Run("made", func(t *testing.T) {
		freed.Store(0)
		end, made := make(chan struct{}), make(chan struct{})
		p := hop.Go(bg, l, func(ctx context.Context) (int, error) {
			limiter.Acquire(ctx)
			limiter.Release()
			for range calls {
				hop.Go(ctx, hop.Goroutines, func(context.Context) (*[1 << 12]byte, error) { return big(), nil }).Wait(ctx)
			}
			close(made)
			hop.Recv(ctx, end)
			return 0, nil
		})
		recv(t, "the calls", made)
		eventually(t, "what they made is collected", func() bool { runtime.GC(); return freed.Load() > calls*9/10 })
		close(end)
		must(t, p)
	})
	t.Run("chain", func(t *testing.T) {
		freed.Store(0)
		done := make(chan *hop.Pending[*[1 << 12]byte], 1)
		n := 0
		var next func(ctx context.Context) (*[1 << 12]byte, error)
		next = func(ctx context.Context) (*[1 << 12]byte, error) {
			limiter.Acquire(ctx)
			limiter.Release()
			if n++; n == calls {
				done <- hop.Go(bg, l, func(context.Context) (*[1 << 12]byte, error) { return nil, nil })
			} else {
				hop.Go(bg, l, next)
			}
			return big(), nil
		}
		hop.Go(bg, l, next)
		last := recv(t, "the last", done)
		eventually(t, "the chain is collected", func() bool { runtime.GC(); return freed.Load() > calls*9/10 })
		runtime.KeepAlive(last)
	})
}

// What a search looks at grows with the deputies, not with their square.
func TestS4_OneCallWithManyPlacesIsSearchedOnce(t *testing.T) {
	const places = 3000
	limiter := hop.NewLimiter(places)
	free := make(chan struct{})
	p := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) {
		for range places {
			limiter.Acquire(ctx)
			hop.Go(ctx, hop.Goroutines, func(context.Context) (int, error) { <-free; limiter.Release(); return 0, nil })
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		go func() {
			untilWaiting(t, hop.CurrentCall(ctx))
			runtime.ReadMemStats(&after)
			close(free)
		}()
		err := limiter.Acquire(ctx)
		if made := after.TotalAlloc - before.TotalAlloc; made > 10_000*places {
			t.Errorf("the search has allocated %d KB for %d deputies", made>>10, places)
		}
		return 0, err
	})
	must(t, p)
}

// A pool that stops has room for what its calls still start, as one that does not.
func TestS25_AStoppingPoolCountsWhatItsCallsStartOnce(t *testing.T) {
	for _, limit := range []int{1, 4} {
		pool := hop.NewPool(&hop.PoolOptions{Size: 1, QueueLimit: limit})
		started, goOn := make(chan struct{}), make(chan struct{})
		p := hop.Go(bg, pool, func(ctx context.Context) (int, error) {
			close(started)
			<-goOn
			for i := range 20 {
				if _, err := hop.Go(ctx, pool, value(7)).Wait(ctx); err != nil {
					return i, err
				}
			}
			return 20, nil
		})
		recv(t, "the call", started)
		ended := make(chan error, 1)
		go func() { ended <- pool.Shutdown(bg) }()
		untilClosing(t, pool)
		close(goOn)
		if n := must(t, p); n != 20 {
			t.Errorf("%d of 20 were accepted", n)
		}
		if err := recv(t, "Shutdown", ended); err != nil {
			t.Error(err)
		}
	}
}

// Manual loops that share a goroutine: those with Thread share its lock; one without cannot be driven while they have left tasks there.
func TestS23_ManualLoopsOnOneGoroutine(t *testing.T) {
	needsThread(t)
	leave := func(l *hop.Loop, e *hop.Event) *hop.Pending[int] {
		ctx, cancel := context.WithCancel(bg)
		p := hop.Go(bg, l, func(ctx context.Context) (int, error) { cancel(); return 7, e.Wait(ctx) })
		l.Run(ctx)
		return p
	}
	finish := func(t *testing.T, l *hop.Loop, p *hop.Pending[int], e *hop.Event) {
		t.Helper()
		ctx, cancel := context.WithCancel(bg)
		p.OnDone(cancel)
		e.Set()
		if err := l.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
		if v, err := p.Result(); v != 7 || err != nil {
			t.Errorf("result %d, %v", v, err)
		}
		l.Close()
	}
	t.Run("two with Thread", func(t *testing.T) {
		within(t, patience, "the driver", func() {
			var e1, e2 hop.Event
			l1, l2 := hop.NewLoop(&hop.LoopOptions{Manual: true, Thread: true}), hop.NewLoop(&hop.LoopOptions{Manual: true, Thread: true})
			p1, p2 := leave(l1, &e1), leave(l2, &e2)
			finish(t, l1, p1, &e1)
			finish(t, l2, p2, &e2)
		})
	})
	t.Run("one without", func(t *testing.T) {
		within(t, patience, "the driver", func() {
			var e1, e2 hop.Event
			plain, thread := hop.NewLoop(&hop.LoopOptions{Manual: true}), hop.NewLoop(&hop.LoopOptions{Manual: true, Thread: true})
			p1, p2 := leave(plain, &e1), leave(thread, &e2)
			wantIs(t, plain.Run(bg), hop.ErrMismatch)
			finish(t, thread, p2, &e2)
			finish(t, plain, p1, &e1)
		})
	})
	t.Run("one that was closed elsewhere", func(t *testing.T) {
		within(t, patience, "the driver", func() {
			var e1, e2 hop.Event
			thread, plain := hop.NewLoop(&hop.LoopOptions{Manual: true, Thread: true}), hop.NewLoop(&hop.LoopOptions{Manual: true})
			leave(thread, &e1)
			closed := make(chan struct{})
			go func() { thread.Close(); close(closed) }()
			<-closed
			finish(t, plain, leave(plain, &e2), &e2)
		})
	})
}

// A task below the loop of RunLoop is waited for as well.
func TestS4_ATaskOfAChildOfRunLoopThatWaitsForItsCallerIsRefused(t *testing.T) {
	made := make(chan struct{})
	told := make(chan error, 1)
	var outer *hop.Pending[int]
	outer = hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) {
		<-made
		return hop.RunLoop(ctx, nil, func(ctx context.Context) (int, error) {
			child, err := hop.CurrentLoop().Child("child", nil)
			if err != nil {
				return 0, err
			}
			hop.Go(ctx, child, func(ctx context.Context) (int, error) { _, err := outer.Wait(ctx); told <- err; return 0, nil })
			return 1, nil
		})
	})
	close(made)
	if err := recv(t, "the child's wait", told); !errors.Is(err, hop.ErrDeadlock) {
		t.Errorf("the child's wait: %v, want a deadlock", err)
	}
	must(t, outer)
}

// A member that a portal runs at once may wait, also where it is fed by one that waits.
func TestS34_AMemberThatIsFedByAWaitMayWait(t *testing.T) {
	within(t, patience, "WithGroup", func() {
		err := hop.WithGroup(bg, &hop.GroupOptions{Limit: 1}, func(ctx context.Context) error {
			p := hop.Go(ctx, hop.Goroutines, func(inner context.Context) (int, error) {
				return hop.Go(ctx, runsAtOnce{}, func(ctx context.Context) (int, error) { return 5, hop.Sleep(ctx, time.Millisecond) }).Wait(inner)
			})
			if v, err := p.Wait(bg); v != 5 || err != nil {
				t.Errorf("result %d, %v", v, err)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestS26_AFunctionThatEndsTheGoroutineOfAStopDoesNotEndTheStop(t *testing.T) {
	l := hop.NewLoop(nil)
	child, err := l.Child("child", nil)
	if err != nil {
		t.Fatal(err)
	}
	hop.After(bg, time.Hour, child, value(0)).OnDone(func() { runtime.Goexit() })
	within(t, patience, "Shutdown", func() {
		if err := l.Shutdown(bg); err != nil {
			t.Error(err)
		}
	})
}

// Nor the end of a loop whose tasks nobody can unwind any more, and of its guests.
func TestS39_AFunctionThatEndsTheGoroutineLeavesNoLoopBehind(t *testing.T) {
	host := hop.NewLoop(&hop.LoopOptions{Manual: true, Logger: slog.New(slog.DiscardHandler)})
	guest := hop.NewLoop(&hop.LoopOptions{Host: host, Logger: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(bg)
	var ps []*hop.Pending[int]
	for range 3 {
		p := hop.Go(bg, host, func(ctx context.Context) (int, error) { return 0, hop.Sleep(ctx, time.Hour) })
		p.OnDone(func() { runtime.Goexit() })
		ps = append(ps, p)
	}
	hop.Go(bg, host, func(context.Context) (int, error) { cancel(); return 0, nil })
	left := make(chan struct{})
	go func() { host.Run(ctx); close(left) }()
	recv(t, "the driver", left)
	go host.Close() // whose goroutine ends in the functions of OnDone
	for _, p := range ps {
		if err := waitErr(t, p); !errors.Is(err, hop.ErrStopped) {
			t.Errorf("a task: %v, want stopped", err)
		}
	}
	recv(t, "the host's end", host.Stopped())
	recv(t, "the guest's end", guest.Stopped())
}

// The longest time there is, from now on, is not before now.
func TestForeverIsLast(t *testing.T) {
	l := newLoop(t, nil)
	hop.Go(bg, l, func(ctx context.Context) (int, error) { return 0, hop.Sleep(ctx, math.MaxInt64) })
	after := hop.After(bg, math.MaxInt64, l, mustNotRun(t))
	must(t, hop.Go(bg, l, func(ctx context.Context) (int, error) { return 0, hop.Sleep(ctx, 10*time.Millisecond) }))
	if s := after.Call().State(); s != hop.Queued {
		t.Errorf("After for ever is %v", s)
	}
}

// A Waiter that has had a rush has its timers again in the next Wait: the alarm of a sleep that was taken back was still set when the first ended.
func TestAWaiterHasItsTimersAfterARush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := hop.NewWaiter()
		var over, all hop.Event
		awaited := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) { return 0, over.Wait(ctx) })
		submit := func(f func(ctx context.Context) (int, error)) *hop.Pending[int] { return hop.Go(bg, w, f) }
		first := submit(func(ctx context.Context) (int, error) { return 0, hop.Sleep(ctx, 10*time.Second) })
		for range 1100 {
			submit(func(ctx context.Context) (int, error) { return 0, all.Wait(ctx) })
		}
		ctx, cancel := context.WithCancel(bg)
		submit(func(ctx context.Context) (int, error) {
			first.Cancel(nil)
			for range 100 { // until the others have slept, in the rush
				if err := hop.Yield(ctx); err != nil {
					return 0, err
				}
			}
			all.Set()
			cancel()
			return 0, nil
		})
		for range 40 { // so that some are started between two looks for who is due, and the first is taken back before the next
			submit(func(ctx context.Context) (int, error) { return 0, hop.Sleep(ctx, 0) })
		}
		if err := w.Wait(ctx, awaited.Call()); !errors.Is(err, context.Canceled) {
			t.Errorf("the first Wait: %v", err)
		}
		submit(func(ctx context.Context) (int, error) { return 0, hop.Sleep(ctx, time.Minute) }).OnDone(over.Set)
		ended := make(chan error, 1)
		go func() { ended <- w.Wait(bg, awaited.Call()) }()
		if err := recv(t, "the second Wait", after(ended, 2*time.Minute)); err != nil {
			t.Error(err)
		}
	})
}

// after is what came from ch in d, or an error.
func after(ch <-chan error, d time.Duration) <-chan error {
	out := make(chan error, 1)
	select {
	case err := <-ch:
		out <- err
	case <-time.After(d):
		out <- errors.New("nothing came in " + d.String())
	}
	return out
}
