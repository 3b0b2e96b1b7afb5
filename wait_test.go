package hop_test

// S1, S3, S5, S6, S7: who waits where. The rule under test is that a wait is decided by the goroutine that calls: a task
// is suspended, a pool worker gives its place back, any other goroutine blocks, and nobody's loop stands still.

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gohop/hop"
)

var bg = context.Background()

// started returns an open channel and a function that closes it; calling that twice is fine.
func started() (<-chan struct{}, func()) {
	ch := make(chan struct{})
	var once sync.Once
	return ch, func() { once.Do(func() { close(ch) }) }
}

// untilWaiting returns when c is in a wait of hop.
func untilWaiting(t testing.TB, c *hop.Call) {
	t.Helper()
	eventually(t, fmt.Sprintf("%v is waiting", c), func() bool { return c.State() == hop.Waiting })
}

// onEachLoop runs f on every kind of loop: plain, thread, manual, guest, child.
func onEachLoop(t *testing.T, f func(t *testing.T, l *hop.Loop)) {
	t.Helper()
	for _, k := range portals {
		if !k.loop {
			continue
		}
		t.Run(k.name, func(t *testing.T) {
			if k.thread {
				needsThread(t)
			}
			f(t, k.make(t).(*hop.Loop))
		})
	}
}

func TestS1_WaitOnALoopLetsItsOtherTasksRun(t *testing.T) {
	onEachLoop(t, func(t *testing.T, l *hop.Loop) {
		pr := hop.NewPromise[int](bg)
		a := hop.Go(bg, l, func(ctx context.Context) (int, error) { return pr.Pending().Wait(ctx) })
		b := hop.Go(bg, l, func(ctx context.Context) (bool, error) { return pr.Resolve(7), nil })
		if !must(t, b) {
			t.Error("the promise was resolved by someone else")
		}
		if v := must(t, a); v != 7 {
			t.Errorf("the waiting task got %d, want 7", v)
		}
	})
}

func TestS1_EveryWaitOfATaskLetsTheLoopGoOn(t *testing.T) {
	l := newLoop(t, nil)
	var ev hop.Event
	lim := hop.NewLimiter(1)
	if !lim.TryAcquire() {
		t.Fatal("a new limiter of 1 has no place")
	}
	ch := make(chan int)
	pr := hop.NewPromise[int](bg)
	p := pr.Pending()
	waits := map[string]func(ctx context.Context) error{
		"Wait":         func(ctx context.Context) error { _, err := p.Wait(ctx); return err },
		"WaitOrCancel": func(ctx context.Context) error { _, err := p.WaitOrCancel(ctx); return err },
		"Event":        func(ctx context.Context) error { return ev.Wait(ctx) },
		"Limiter": func(ctx context.Context) error {
			err := lim.Acquire(ctx)
			if err == nil {
				lim.Release()
			}
			return err
		},
		"Recv":  func(ctx context.Context) error { _, _, err := hop.Recv(ctx, ch); return err },
		"Sleep": func(ctx context.Context) error { return hop.Sleep(ctx, 20*time.Millisecond) },
		"Blocking": func(ctx context.Context) error {
			_, err := hop.Blocking(ctx, func(context.Context) (int, error) { <-p.Done(); return 0, nil })
			return err
		},
		"WithGroup": func(ctx context.Context) error {
			return hop.WithGroup(ctx, nil, func(ctx context.Context) error {
				hop.Go(ctx, l, func(ctx context.Context) (int, error) { return p.Wait(ctx) })
				return nil
			})
		},
		"Waiter": func(ctx context.Context) error { return hop.NewWaiter().Wait(ctx, p.Call()) },
		"Do": func(ctx context.Context) error {
			_, err := hop.Do(ctx, hop.Goroutines, func(context.Context) (int, error) { <-p.Done(); return 0, nil })
			return err
		},
	}
	waiting := make(map[string]*hop.Pending[int])
	for name, f := range waits {
		waiting[name] = hop.Go(bg, l, func(ctx context.Context) (int, error) { return 0, f(ctx) }, hop.Name(name))
	}
	for range 5 { // the loop takes one call after the other meanwhile
		must(t, hop.Go(bg, l, value(1)))
	}
	must(t, hop.Go(bg, l, func(context.Context) (int, error) {
		ev.Set()
		lim.Release()
		close(ch)
		pr.Resolve(1)
		return 0, nil
	}))
	for name, p := range waiting {
		if err := waitErr(t, p); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestS1_WaitWithBackgroundSuspendsTheTaskToo(t *testing.T) {
	onEachLoop(t, func(t *testing.T, l *hop.Loop) {
		pr := hop.NewPromise[int](bg)
		a := hop.Go(bg, l, func(context.Context) (int, error) { return pr.Pending().Wait(bg) })
		must(t, hop.Go(bg, l, func(context.Context) (bool, error) { return pr.Resolve(1), nil }))
		must(t, a)
	})
}

func TestS1_AGoroutineWithTheTasksContextBlocksItselfOnly(t *testing.T) {
	onEachLoop(t, func(t *testing.T, l *hop.Loop) {
		pr := hop.NewPromise[int](bg)
		got := make(chan error, 1)
		// The task goes on while the goroutine that it started waits with the task's own ctx; suspending the task for it
		// would kill the process on a locked thread.
		a := hop.Go(bg, l, func(ctx context.Context) (int, error) {
			go func() {
				_, err := pr.Pending().Wait(ctx)
				got <- err
			}()
			for range 100 {
				if err := hop.Yield(ctx); err != nil {
					return 0, err
				}
			}
			return 1, nil
		})
		must(t, a)
		select {
		case err := <-got:
			t.Fatalf("the goroutine's wait ended early: %v", err)
		default:
		}
		must(t, hop.Go(bg, l, func(context.Context) (bool, error) { return pr.Resolve(1), nil }))
		if err := recv(t, "the goroutine's wait", got); err != nil {
			t.Error(err)
		}
	})
}

func TestS1_ATaskWaitsForItsGoroutineThatWaitsForTheLoop(t *testing.T) {
	onEachLoop(t, func(t *testing.T, l *hop.Loop) {
		a := hop.Go(bg, l, func(ctx context.Context) (int, error) {
			ch := make(chan int, 1)
			go func() {
				v, err := hop.Do(ctx, l, func(context.Context) (int, error) {
					if !l.Here() {
						return 0, errors.New("not on the loop")
					}
					return 3, nil
				})
				if err != nil {
					t.Error(err)
				}
				ch <- v
			}()
			v, _, err := hop.Recv(ctx, ch)
			return v, err
		})
		if v := must(t, a); v != 3 {
			t.Errorf("got %d, want 3", v)
		}
	})
}

func TestS1_TheContextOfAnotherTaskDoesNotDecide(t *testing.T) {
	// A task of l2 waits with the ctx of a task of l1, and the other way round.
	l1, l2 := newLoop(t, nil), newLoop(t, nil)
	ctxs := make(chan context.Context, 1)
	pr := hop.NewPromise[int](bg)
	a := hop.Go(bg, l1, func(ctx context.Context) (int, error) {
		ctxs <- ctx
		return pr.Pending().Wait(ctx)
	})
	b := hop.Go(bg, l2, func(ctx context.Context) (int, error) {
		other, _, err := hop.Recv(ctx, ctxs)
		if err != nil {
			return 0, err
		}
		return pr.Pending().Wait(other)
	})
	for _, l := range []*hop.Loop{l1, l2} {
		must(t, hop.Go(bg, l, value(1)))
	}
	untilWaiting(t, a.Call())
	untilWaiting(t, b.Call())
	for _, l := range []*hop.Loop{l1, l2} { // both loops still run
		must(t, hop.Go(bg, l, value(1)))
	}
	pr.Resolve(1)
	must(t, a)
	must(t, b)
}

func TestS1_APoolWorkerGivesItsPlaceBackWhileItWaits(t *testing.T) {
	pool := newPool(t, &hop.PoolOptions{Size: 1})
	pr := hop.NewPromise[int](bg)
	a := hop.Go(bg, pool, func(ctx context.Context) (int, error) { return pr.Pending().Wait(ctx) })
	untilWaiting(t, a.Call())
	running, waiting := -1, -1
	must(t, hop.Go(bg, pool, func(context.Context) (int, error) {
		s := pool.Stats()
		running, waiting = s.Running, s.Waiting
		return 0, nil
	}))
	if running != 1 || waiting != 1 {
		t.Errorf("Stats in the second call: Running %d, Waiting %d, want 1 and 1", running, waiting)
	}
	pr.Resolve(5)
	if v := must(t, a); v != 5 {
		t.Errorf("got %d, want 5", v)
	}
}

func TestS1_AMutexHeldOverAWaitOnAPoolIsNoDeadlock(t *testing.T) {
	pool := newPool(t, &hop.PoolOptions{Size: 1})
	pr := hop.NewPromise[int](bg)
	var mu sync.Mutex
	inB, enterB := started()
	a := hop.Go(bg, pool, func(ctx context.Context) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return pr.Pending().Wait(ctx)
	})
	untilWaiting(t, a.Call())
	b := hop.Go(bg, pool, func(context.Context) (int, error) {
		enterB()
		mu.Lock() // until a goes on, over the pool's Size
		defer mu.Unlock()
		return 0, nil
	})
	recv(t, "the second call", inB)
	pr.Resolve(1)
	must(t, a)
	must(t, b)
}

func TestS1_APoolOverItsSizeStartsNothingUntilItIsBelow(t *testing.T) {
	pool := newPool(t, &hop.PoolOptions{Size: 1})
	pr := hop.NewPromise[int](bg)
	aOn, aGoesOn := started()
	aEnd, endA := started()
	bOn, enterB := started()
	bEnd, endB := started()
	var cRuns atomic.Bool
	cDuringA := false
	a := hop.Go(bg, pool, func(ctx context.Context) (int, error) {
		pr.Pending().Wait(ctx)
		aGoesOn()
		<-aEnd
		cDuringA = cRuns.Load()
		return 0, nil
	})
	untilWaiting(t, a.Call())
	b := hop.Go(bg, pool, func(context.Context) (int, error) { enterB(); <-bEnd; return 0, nil })
	recv(t, "the second call", bOn)
	c := hop.Go(bg, pool, func(context.Context) (int, error) { cRuns.Store(true); return 0, nil })
	pr.Resolve(1)
	recv(t, "the first call goes on", aOn) // two run now
	if s := pool.Stats(); s.Running != 2 || s.Queued != 1 {
		t.Errorf("Stats %+v, want Running 2, Queued 1", s)
	}
	endB()
	must(t, b)
	eventually(t, "one runs", func() bool { return pool.Stats().Running == 1 })
	endA()
	must(t, a)
	must(t, c)
	if cDuringA {
		t.Error("the third call started while the first, which is the pool's Size, was running")
	}
}

func TestS1_AGoroutineOfAPoolCallGivesNoPlaceBack(t *testing.T) {
	pool := newPool(t, &hop.PoolOptions{Size: 1})
	pr := hop.NewPromise[int](bg)
	end, endA := started()
	defer endA()
	got := make(chan error, 1)
	entered := make(chan struct{})
	a := hop.Go(bg, pool, func(ctx context.Context) (int, error) {
		go func() {
			close(entered)
			_, err := pr.Pending().Wait(ctx)
			got <- err
		}()
		<-end
		return 0, nil
	})
	recv(t, "the goroutine", entered)
	q := hop.Go(bg, pool, value(1))
	for range 100 {
		if s := pool.Stats(); s.Waiting != 0 || s.Running != 1 || q.Call().State() != hop.Queued {
			t.Fatalf("a wait of another goroutine counts for the worker: %+v, the next call is %v", s, q.Call().State())
		}
		runtime.Gosched()
	}
	pr.Resolve(0)
	if err := recv(t, "the goroutine's wait", got); err != nil {
		t.Error(err)
	}
	endA()
	must(t, a)
	must(t, q)
}

func TestS1_OnDoneFunctionsMayWait(t *testing.T) {
	// An OnDone function runs on the goroutine that completes the call: on a loop's it must not stop the loop, on a pool's
	// it must give its place back.
	for _, k := range portals {
		t.Run(k.name, func(t *testing.T) {
			if k.thread {
				needsThread(t)
			}
			on := k.make(t)
			got := make(chan error, 1)
			p := hop.New(bg, value(1))
			p.OnDone(func() {
				_, err := hop.Go(bg, on, value(2)).Wait(bg)
				got <- err
			})
			if err := on.Submit(p.Call()); err != nil {
				t.Fatal(err)
			}
			if err := recv(t, "the wait in the OnDone function", got); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestS1_OnDoneOfACancelledQueuedCallMayWait(t *testing.T) {
	l := newLoop(t, nil)
	busy, release := started()
	defer release()
	l.Post(func() { <-busy })
	p := hop.Go(bg, l, value(1))
	got := make(chan error, 1)
	p.OnDone(func() { // on the goroutine that cancels, which is not the loop's
		_, err := hop.Go(bg, l, value(2)).Wait(bg)
		got <- err
	})
	go p.Cancel(nil)
	recv(t, "the cancelled call", p.Done())
	release()
	if err := recv(t, "the wait in the OnDone function", got); err != nil {
		t.Error(err)
	}
}

func TestS1_OnDoneOfAPromiseResolvedOnALoopMayWait(t *testing.T) {
	onEachLoop(t, func(t *testing.T, l *hop.Loop) {
		pr := hop.NewPromise[int](bg)
		got := make(chan error, 1)
		pr.Pending().OnDone(func() {
			if !l.Here() {
				t.Error("the OnDone function is not on the goroutine that resolves")
			}
			_, err := hop.Go(bg, l, value(2)).Wait(bg)
			got <- err
		})
		if !must(t, hop.Go(bg, l, func(context.Context) (bool, error) { return pr.Resolve(1), nil })) {
			t.Error("Resolve reports false")
		}
		if err := recv(t, "the wait in the OnDone function", got); err != nil {
			t.Error(err)
		}
	})
}

func TestS1_TasksMayWaitWhileTheLoopShutsDown(t *testing.T) {
	onEachLoop(t, func(t *testing.T, l *hop.Loop) {
		pool := newPool(t, &hop.PoolOptions{Size: 1})
		var ev hop.Event
		a := hop.Go(bg, l, func(ctx context.Context) (int, error) {
			if err := ev.Wait(ctx); err != nil {
				return 0, err
			}
			v, err := hop.Go(ctx, l, value(1)).Wait(ctx) // what an unfinished call starts is still taken
			if err != nil {
				return v, fmt.Errorf("Go on the loop: %w", err)
			}
			w, err := hop.Do(ctx, pool, func(ctx context.Context) (int, error) { return hop.Do(ctx, l, value(2)) })
			if err != nil {
				return v, fmt.Errorf("by way of a pool: %w", err)
			}
			if err := hop.Sleep(ctx, time.Millisecond); err != nil {
				return v, fmt.Errorf("Sleep: %w", err)
			}
			return v + w, nil
		})
		untilWaiting(t, a.Call())
		stopped := make(chan error, 1)
		go func() { stopped <- l.Shutdown(bg) }()
		eventually(t, "the loop takes no more", func() bool { return errors.Is(l.Post(func() {}), hop.ErrStopped) })
		ev.Set()
		if v := must(t, a); v != 3 {
			t.Errorf("got %d, want 3", v)
		}
		if err := recv(t, "Shutdown", stopped); err != nil {
			t.Error(err)
		}
	})
}

func TestS1_WaitersInsideATaskAreWokenInOrderOfCompletion(t *testing.T) {
	// Two tasks wait for two promises that are resolved in the opposite order: neither blocks the other.
	l := newLoop(t, nil)
	p1, p2 := hop.NewPromise[int](bg), hop.NewPromise[int](bg)
	a := hop.Go(bg, l, func(ctx context.Context) (int, error) { return p1.Pending().Wait(ctx) })
	b := hop.Go(bg, l, func(ctx context.Context) (int, error) { return p2.Pending().Wait(ctx) })
	untilWaiting(t, a.Call())
	untilWaiting(t, b.Call())
	p2.Resolve(2)
	if v := must(t, b); v != 2 {
		t.Errorf("second got %d", v)
	}
	wantState(t, a.Call(), hop.Waiting)
	p1.Resolve(1)
	if v := must(t, a); v != 1 {
		t.Errorf("first got %d", v)
	}
}

func TestS1_TenThousandTasksWaitOnOneLoop(t *testing.T) {
	n := 10_000
	if wasm {
		n = 1000
	}
	noLeak(t)
	l := newLoop(t, nil)
	pr := hop.NewPromise[int](bg)
	ps := make([]*hop.Pending[int], n)
	for i := range ps {
		ps[i] = hop.Go(bg, l, func(ctx context.Context) (int, error) { return pr.Pending().Wait(ctx) })
	}
	must(t, hop.Go(bg, l, value(0)))
	pr.Resolve(1)
	within(t, 2*patience, "all tasks", func() {
		for _, p := range ps {
			if v, err := p.Wait(bg); v != 1 || err != nil {
				t.Fatal(v, err)
			}
		}
	})
}

func TestS2_WaitOnALoopIsBoundByItsContextOnly(t *testing.T) {
	onEachLoop(t, func(t *testing.T, l *hop.Loop) {
		pr := hop.NewPromise[int](bg)
		cause := errors.New("had enough")
		a := hop.Go(bg, l, func(ctx context.Context) (int, error) {
			ctx, cancel := context.WithCancelCause(ctx)
			l.Post(func() { cancel(cause) })
			return pr.Pending().Wait(ctx)
		})
		err := waitErr(t, a)
		wantIs(t, err, cause)
		wantIs(t, err, context.Canceled)
		wantNot(t, err, hop.ErrCancelled)
		wantState(t, a.Call(), hop.Failed)
		if !pr.Resolve(1) {
			t.Error("the wait's ctx ended the call")
		}
	})
}

func TestS3_DoOnTheOwnLoopRunsInline(t *testing.T) {
	onEachLoop(t, func(t *testing.T, l *hop.Loop) {
		var order []string
		a := hop.Go(bg, l, func(ctx context.Context) (int, error) {
			outer := hop.CurrentCall(ctx)
			l.Post(func() { order = append(order, "queued") })
			g := hop.Go(ctx, l, func(context.Context) (int, error) { order = append(order, "Go"); return 0, nil })
			v, err := hop.Do(ctx, l, func(ctx context.Context) (int, error) {
				order = append(order, "Do")
				c := hop.CurrentCall(ctx)
				if c == outer || c == nil {
					t.Error("Do inline is not a call of its own")
				} else if c.Name() != "inner" {
					t.Errorf("its name is %q", c.Name())
				}
				if !l.Here() || hop.CurrentLoop() != l {
					t.Error("not on the loop inside the inline call")
				}
				return 4, nil
			}, hop.Name("inner"))
			if err != nil {
				return 0, err
			}
			if err := hop.Run(ctx, l, func(context.Context) error { order = append(order, "Run"); return nil }); err != nil {
				return 0, err
			}
			order = append(order, "task")
			_, err = g.Wait(ctx)
			return v, err
		}, hop.Name("outer"))
		if v := must(t, a); v != 4 {
			t.Errorf("got %d, want 4", v)
		}
		if got := fmt.Sprint(order); got != "[Do Run task queued Go]" {
			t.Errorf("order %s, want [Do Run task queued Go]", got)
		}
	})
}

func TestS3_DoWithTheContextOfATaskFromAnotherGoroutineIsNotInline(t *testing.T) {
	onEachLoop(t, func(t *testing.T, l *hop.Loop) {
		a := hop.Go(bg, l, func(ctx context.Context) (int, error) {
			ch := make(chan string, 1)
			go func() {
				me, it := goid(), ""
				err := hop.Run(ctx, l, func(context.Context) error { it = goid(); return nil })
				switch {
				case err != nil:
					ch <- err.Error()
				case me == it:
					ch <- "it ran inline on a goroutine that is not the loop's"
				default:
					ch <- ""
				}
			}()
			s, _, err := hop.Recv(ctx, ch)
			if s != "" {
				t.Error(s)
			}
			return 0, err
		})
		must(t, a)
	})
}

func TestS3_AnInlineCallMayWaitPanicAndTimeOut(t *testing.T) {
	onEachLoop(t, func(t *testing.T, l *hop.Loop) {
		pr := hop.NewPromise[int](bg)
		a := hop.Go(bg, l, func(ctx context.Context) (int, error) {
			v, err := hop.Do(ctx, l, func(ctx context.Context) (int, error) {
				l.Post(func() { pr.Resolve(6) })
				return pr.Pending().Wait(ctx)
			})
			if v != 6 || err != nil {
				t.Errorf("the waiting inline call: %d, %v", v, err)
			}
			_, err = hop.Do(ctx, l, func(context.Context) (int, error) { panic("boom") })
			var pe *hop.PanicError
			if !errors.As(err, &pe) || pe.Value != "boom" {
				t.Errorf("the panicking inline call: %v", err)
			}
			_, err = hop.Do(ctx, l, func(ctx context.Context) (int, error) {
				return 0, hop.Sleep(ctx, time.Hour)
			}, hop.Timeout(time.Millisecond))
			if !errors.Is(err, hop.ErrCancelled) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the inline call that timed out: %v", err)
			}
			return 1, ctx.Err()
		})
		must(t, a)
	})
}

func TestS3_DoFromInsideAnInlineCallIsInlineToo(t *testing.T) {
	l := newLoop(t, nil)
	a := hop.Go(bg, l, func(ctx context.Context) (int, error) { return depth(ctx, 200, hop.Do[int], l) })
	if v := must(t, a); v != 200 {
		t.Errorf("depth %d, want 200", v)
	}
}

func TestS3_GoOnTheOwnLoopAlwaysQueues(t *testing.T) {
	l := newLoop(t, nil)
	a := hop.Go(bg, l, func(ctx context.Context) (int, error) {
		var ran bool
		p := hop.Go(ctx, l, func(context.Context) (int, error) { ran = true; return 0, nil })
		if ran || p.Call().State() != hop.Queued {
			t.Errorf("after Go: ran %v, state %v", ran, p.Call().State())
		}
		_, err := p.Wait(ctx)
		if !ran {
			t.Error("after Wait it has not run")
		}
		return 0, err
	})
	must(t, a)
}

func TestS3_DoOnAParentOrGuestLoopIsNotOnIt(t *testing.T) {
	// A guest shares its host's thread, and a child its parent's life, but neither is the loop itself.
	host := newLoop(t, &hop.LoopOptions{Name: "host"})
	guest := newLoop(t, &hop.LoopOptions{Name: "guest", Host: host})
	child, err := host.Child("child", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range []*hop.Loop{guest, child} {
		v, err := wait(t, hop.Go(bg, l, func(ctx context.Context) (*hop.Loop, error) {
			return hop.Do(ctx, host, func(context.Context) (*hop.Loop, error) { return hop.CurrentLoop(), nil })
		}))
		if v != host || err != nil {
			t.Errorf("from %s: on %v, %v", l.Name(), v, err)
		}
		v, err = wait(t, hop.Go(bg, host, func(ctx context.Context) (*hop.Loop, error) {
			return hop.Do(ctx, l, func(context.Context) (*hop.Loop, error) { return hop.CurrentLoop(), nil })
		}))
		if v != l || err != nil {
			t.Errorf("to %s: on %v, %v", l.Name(), v, err)
		}
	}
}

func TestS5_APostedFunctionMayWait(t *testing.T) {
	onEachLoop(t, func(t *testing.T, l *hop.Loop) {
		got := make(chan error, 1)
		pr := hop.NewPromise[int](bg)
		l.Post(func() {
			_, err := pr.Pending().Wait(bg)
			got <- err
		})
		must(t, hop.Go(bg, l, func(context.Context) (bool, error) { return pr.Resolve(1), nil }))
		if err := recv(t, "the posted function's wait", got); err != nil {
			t.Error(err)
		}
	})
}

func TestS5_APostedFunctionMayWaitForTheLoopAndForPools(t *testing.T) {
	onEachLoop(t, func(t *testing.T, l *hop.Loop) {
		pool := newPool(t, &hop.PoolOptions{Size: 1})
		got := make(chan error, 1)
		l.Post(func() {
			_, err := hop.Do(bg, pool, func(ctx context.Context) (int, error) {
				return hop.Do(ctx, l, func(ctx context.Context) (int, error) { return hop.Do(ctx, pool, value(1)) })
			})
			if err == nil {
				_, err = hop.Do(bg, l, value(2)) // inline
			}
			if err == nil {
				_, err = hop.Go(bg, l, value(3)).Wait(bg)
			}
			got <- err
		})
		if err := recv(t, "the posted function", got); err != nil {
			t.Error(err)
		}
	})
}

func TestS5_AFunctionPostedToAPoolOfOneMayWaitForThePool(t *testing.T) {
	pool := newPool(t, &hop.PoolOptions{Size: 1})
	got := make(chan error, 1)
	if err := pool.Post(func() {
		_, err := hop.Go(bg, pool, value(1)).Wait(bg)
		got <- err
	}); err != nil {
		t.Fatal(err)
	}
	if err := recv(t, "the posted function", got); err != nil {
		t.Error(err)
	}
}

func TestS5_AStopEndsTheWaitsOfPostedFunctions(t *testing.T) {
	waits := map[string]func() error{
		"Wait":  func() error { _, err := hop.NewPromise[int](bg).Pending().Wait(bg); return err },
		"Sleep": func() error { return hop.Sleep(bg, time.Hour) },
		"Event": func() error { return new(hop.Event).Wait(bg) },
		"Recv":  func() error { _, _, err := hop.Recv(bg, make(chan int)); return err },
		"Limiter": func() error {
			lim := hop.NewLimiter(1)
			lim.TryAcquire()
			return lim.Acquire(bg)
		},
		"Waiter": func() error { return hop.NewWaiter().Wait(bg, hop.NewPromise[int](bg).Pending().Call()) },
	}
	ended, end := context.WithCancel(bg)
	end()
	stops := map[string]func(l *hop.Loop) error{
		"Close":    (*hop.Loop).Close,
		"Shutdown": func(l *hop.Loop) error { l.Shutdown(ended); return nil },
	}
	for stop, f := range stops {
		for name, w := range waits {
			t.Run(stop+"/"+name, func(t *testing.T) {
				noLeak(t)
				l := newLoop(t, nil)
				in, enter := started()
				got := make(chan error, 1)
				l.Post(func() {
					enter()
					got <- w()
				})
				recv(t, "the posted function", in)
				within(t, patience, stop, func() {
					if err := f(l); err != nil {
						t.Error(err)
					}
				})
				wantIs(t, recv(t, "the posted function's wait", got), hop.ErrStopped)
				recv(t, "the loop's end", l.Stopped())
			})
		}
	}
}

func TestS5_AStopEndsTheWaitsOfFunctionsPostedToAPool(t *testing.T) {
	noLeak(t)
	pool := newPool(t, &hop.PoolOptions{Size: 1})
	in, enter := started()
	got := make(chan error, 1)
	pool.Post(func() {
		enter()
		_, err := hop.NewPromise[int](bg).Pending().Wait(bg)
		got <- err
	})
	recv(t, "the posted function", in)
	within(t, patience, "Close", func() {
		if err := pool.Close(); err != nil {
			t.Error(err)
		}
	})
	wantIs(t, recv(t, "the posted function's wait", got), hop.ErrStopped)
}

func TestS5_AWaitBegunByAPostedFunctionAfterTheStopEndsToo(t *testing.T) {
	noLeak(t)
	l := newLoop(t, nil)
	in, enter := started()
	got := make(chan [2]error, 1)
	l.Post(func() {
		enter()
		_, err1 := hop.NewPromise[int](bg).Pending().Wait(bg)
		got <- [2]error{err1, hop.Sleep(bg, time.Hour)}
	})
	recv(t, "the posted function", in)
	within(t, patience, "Close", func() { l.Close() })
	errs := recv(t, "the posted function's waits", got)
	wantIs(t, errs[0], hop.ErrStopped)
	wantIs(t, errs[1], hop.ErrStopped)
}

func TestS6_NestedCallOnAPoolOfOne(t *testing.T) {
	for _, threads := range []bool{false, true} {
		t.Run(fmt.Sprintf("Threads=%v", threads), func(t *testing.T) {
			if threads {
				needsThread(t)
			}
			noLeak(t)
			pool := newPool(t, &hop.PoolOptions{Size: 1, Threads: threads})
			for name, how := range map[string]caller{"Do": hop.Do[int], "Go": goAndWait, "Background": background} {
				within(t, patience, name, func() {
					if v, err := depth(bg, 2, how, pool); v != 2 || err != nil {
						t.Errorf("%s: %d, %v", name, v, err)
					}
				})
			}
		})
	}
}

func TestS6_NestedCallsOnAPoolOfOneToDepth200(t *testing.T) {
	noLeak(t)
	pool := newPool(t, &hop.PoolOptions{Size: 1})
	within(t, patience, "depth 200", func() {
		if v, err := depth(bg, 200, goAndWait, pool); v != 200 || err != nil {
			t.Errorf("%d, %v", v, err)
		}
	})
	if s := pool.Stats(); s.Running != 0 || s.Waiting != 0 || s.Queued != 0 {
		t.Errorf("Stats afterwards %+v", s)
	}
}

func TestS6_ManyNestsAtOnceOnAPoolOfOne(t *testing.T) {
	pool := newPool(t, &hop.PoolOptions{Size: 1})
	var ps []*hop.Pending[int]
	for range 50 {
		ps = append(ps, hop.Go(bg, pool, func(ctx context.Context) (int, error) { return depth(ctx, 10, goAndWait, pool) }))
	}
	for _, p := range ps {
		if v := must(t, p); v != 10 {
			t.Errorf("%d, want 10", v)
		}
	}
}

func TestS7_TwiceNestedAcrossALoopAndAPool(t *testing.T) {
	onEachLoop(t, func(t *testing.T, l *hop.Loop) {
		pool := newPool(t, &hop.PoolOptions{Size: 1})
		for name, how := range map[string]caller{"Do": hop.Do[int], "Go": goAndWait, "Background": background} {
			within(t, patience, name, func() {
				v, err := how(bg, l, func(ctx context.Context) (int, error) { // A
					return how(ctx, pool, func(ctx context.Context) (int, error) { // B
						return how(ctx, l, func(context.Context) (int, error) { // C, on A's loop
							if !l.Here() {
								return 0, errors.New("C is not on A's loop")
							}
							return 9, nil
						})
					})
				})
				if v != 9 || err != nil {
					t.Errorf("%s: %d, %v", name, v, err)
				}
			})
		}
	})
}

func TestS7_WithoutAContextBetweenThem(t *testing.T) {
	// The same with nothing in ctx that could tell who waits for whom, and plain goroutines in between.
	l := newLoop(t, nil)
	pool := newPool(t, &hop.PoolOptions{Size: 1})
	viaGoroutine := func(f func() (int, error)) (int, error) {
		ch := make(chan error, 1)
		v := 0
		go func() {
			var err error
			v, err = f()
			ch <- err
		}()
		err, _, werr := hop.Recv(bg, ch)
		return v, errors.Join(err, werr)
	}
	v, err := wait(t, hop.Go(bg, l, func(context.Context) (int, error) {
		return viaGoroutine(func() (int, error) {
			return hop.Do(bg, pool, func(context.Context) (int, error) {
				return viaGoroutine(func() (int, error) { return hop.Do(bg, l, value(5)) })
			})
		})
	}))
	if v != 5 || err != nil {
		t.Errorf("%d, %v", v, err)
	}
}

func TestS9_ManyWaitersOnOnePending(t *testing.T) {
	n := 1000
	l := newLoop(t, nil)
	pool := newPool(t, &hop.PoolOptions{Size: 2})
	pr := hop.NewPromise[int](bg)
	p := pr.Pending()
	before := runtime.NumGoroutine()
	var tasks []*hop.Pending[int]
	for range n {
		tasks = append(tasks, hop.Go(bg, l, func(ctx context.Context) (int, error) { return p.Wait(ctx) }))
	}
	for _, w := range tasks {
		untilWaiting(t, w.Call())
	}
	// A suspended task is a coroutine, which NumGoroutine counts, and the loop keeps up to 64 idle ones; more than one each would be a
	// helper for the wait.
	if g := runtime.NumGoroutine() - before; g > n+100 {
		t.Errorf("%d waiting tasks take %d goroutines", n, g)
	}
	for range 20 {
		tasks = append(tasks, hop.Go(bg, pool, func(ctx context.Context) (int, error) { return p.Wait(ctx) }))
	}
	var plain sync.WaitGroup
	for range 20 {
		plain.Go(func() {
			if v, err := p.Wait(bg); v != 8 || err != nil {
				t.Errorf("a plain goroutine got %d, %v", v, err)
			}
		})
	}
	pr.Resolve(8)
	for _, w := range tasks {
		if v := must(t, w); v != 8 {
			t.Errorf("got %d, want 8", v)
		}
	}
	within(t, patience, "the plain goroutines", plain.Wait)
}
