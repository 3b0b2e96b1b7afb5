package hop_test

// S31 and what else is promised of pools.

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gohop/hop"
)

// fill starts n calls on the pool that run until release, and returns when all run.
func fill(t testing.TB, pool *hop.Pool, n int) (release func(), ps []*hop.Pending[int]) {
	t.Helper()
	end, release := started()
	var in sync.WaitGroup
	in.Add(n)
	for range n {
		ps = append(ps, hop.Go(bg, pool, func(context.Context) (int, error) { in.Done(); <-end; return 0, nil }))
	}
	within(t, patience, fmt.Sprintf("%d calls at once", n), in.Wait)
	return release, ps
}

func TestS31_SizeIsReachedAndNeverPassed(t *testing.T) {
	for _, threads := range []bool{false, true} {
		t.Run(fmt.Sprintf("Threads=%v", threads), func(t *testing.T) {
			if threads {
				needsThread(t)
			}
			noLeak(t)
			const size = 4
			pool := newPool(t, &hop.PoolOptions{Size: size, Threads: threads})
			release, ps := fill(t, pool, size)
			var late atomic.Int32
			for range 3 {
				ps = append(ps, hop.Go(bg, pool, func(context.Context) (int, error) { late.Add(1); return 0, nil }))
			}
			for range 100 {
				runtime.Gosched()
			}
			if s := pool.Stats(); s.Running != size || s.Queued != 3 || s.Waiting != 0 || s.Idle != 0 || late.Load() != 0 {
				t.Errorf("Stats %+v and %d more started, want Running 4, Queued 3", s, late.Load())
			}
			release()
			for _, p := range ps {
				must(t, p)
			}
		})
	}
}

func TestS31_NoMoreThanSizeRunUnderLoad(t *testing.T) {
	const size = 3
	pool := newPool(t, &hop.PoolOptions{Size: size})
	var now, most atomic.Int32
	var senders sync.WaitGroup
	for range 8 {
		senders.Go(func() {
			for range 200 {
				hop.Do(bg, pool, func(context.Context) (int, error) {
					n := now.Add(1)
					for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
					}
					runtime.Gosched()
					now.Add(-1)
					return 0, nil
				})
			}
		})
	}
	within(t, 2*patience, "the senders", senders.Wait)
	if m := most.Load(); m > size {
		t.Errorf("%d ran at once, Size is %d", m, size)
	}
}

func TestS31_UnboundedPool(t *testing.T) {
	noLeak(t)
	pool := newPool(t, nil)
	release, ps := fill(t, pool, 100)
	release()
	for _, p := range ps {
		must(t, p)
	}
}

func TestS31_CallsStartInTheOrderOfSubmission(t *testing.T) {
	pool := newPool(t, &hop.PoolOptions{Size: 1})
	var order []int
	var last *hop.Pending[int]
	for i := range 500 {
		if i%2 == 0 {
			pool.Post(func() { order = append(order, i) })
			continue
		}
		last = hop.Go(bg, pool, func(context.Context) (int, error) { order = append(order, i); return 0, nil })
	}
	must(t, last)
	if len(order) != 500 || !slices.IsSorted(order) {
		t.Errorf("%d ran, in order: %v", len(order), slices.IsSorted(order))
	}
}

func TestS31_WorkersBeyondMaxIdleEndAtOnce(t *testing.T) {
	for maxIdle, want := range map[int]int{3: 3, 0: 10, -1: 0} {
		t.Run(fmt.Sprintf("MaxIdle=%d", maxIdle), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				pool := hop.NewPool(&hop.PoolOptions{MaxIdle: maxIdle})
				defer pool.Close()
				release, _ := fill(t, pool, 25)
				release()
				synctest.Wait()
				if s := pool.Stats(); s.Idle != want || s.Running != 0 {
					t.Errorf("Stats %+v, want Idle %d", s, want)
				}
			})
		})
	}
}

func TestS31_IdleWorkersEndAfterIdleTimeout(t *testing.T) {
	for timeout, want := range map[time.Duration]time.Duration{0: time.Minute, 5 * time.Second: 5 * time.Second} {
		t.Run(timeout.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				pool := hop.NewPool(&hop.PoolOptions{IdleTimeout: timeout})
				defer pool.Close()
				release, _ := fill(t, pool, 5)
				release()
				synctest.Wait()
				time.Sleep(want - time.Millisecond)
				synctest.Wait()
				if s := pool.Stats(); s.Idle != 5 {
					t.Errorf("just before %v: Stats %+v, want Idle 5", want, s)
				}
				time.Sleep(2 * time.Millisecond)
				synctest.Wait()
				if s := pool.Stats(); s.Idle != 0 {
					t.Errorf("just after %v: Stats %+v, want Idle 0", want, s)
				}
				if v, err := hop.Do(bg, pool, value(2)); v != 2 || err != nil { // and it still works
					t.Error(v, err)
				}
			})
		})
	}
}

func TestS31_AnIdleWorkerIsReused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := hop.NewPool(nil)
		defer pool.Close()
		seen := map[string]bool{}
		for range 20 {
			id, err := hop.Do(bg, pool, func(context.Context) (string, error) { return goid(), nil })
			if err != nil {
				t.Fatal(err)
			}
			seen[id] = true
			synctest.Wait()
		}
		if len(seen) != 1 {
			t.Errorf("20 calls one after the other took %d workers", len(seen))
		}
	})
}

func TestS31_ACallIsNotLostWithAWorkerThatIsAboutToEnd(t *testing.T) {
	for _, o := range []hop.PoolOptions{
		{Size: 1, IdleTimeout: time.Nanosecond},
		{Size: 2, IdleTimeout: 20 * time.Microsecond},
		{Size: 1, MaxIdle: -1},
		{Size: 2, MaxIdle: 1},
	} {
		t.Run(fmt.Sprintf("%+v", o), func(t *testing.T) {
			noLeak(t)
			n := 5000
			if wasm || testing.Short() {
				n = 500
			}
			pool := newPool(t, &o)
			within(t, 2*patience, "all calls", func() {
				for i := range n {
					if v, err := hop.Do(bg, pool, value(i)); v != i || err != nil {
						t.Errorf("%d, %v", v, err)
						return
					}
					if i%7 == 0 {
						time.Sleep(time.Duration(i%40) * time.Microsecond)
					}
				}
			})
		})
	}
	t.Run("at the very moment", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			pool := hop.NewPool(&hop.PoolOptions{Size: 1, IdleTimeout: time.Second})
			defer pool.Close()
			for range 500 {
				if _, err := hop.Do(bg, pool, value(1)); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second) // the worker's time is up now
			}
		})
	})
}

func TestS31_SetSize(t *testing.T) {
	noLeak(t)
	pool := newPool(t, &hop.PoolOptions{Size: 1})
	end, release := started()
	defer release()
	var in [4]chan struct{}
	var ps []*hop.Pending[int]
	for i := range in {
		in[i] = make(chan struct{})
		ps = append(ps, hop.Go(bg, pool, func(context.Context) (int, error) { close(in[i]); <-end; return 0, nil }))
	}
	recv(t, "the first call", in[0])
	pool.SetSize(3)
	recv(t, "the second call", in[1])
	recv(t, "the third call", in[2])
	if s := pool.Stats(); s.Running != 3 || s.Queued != 1 {
		t.Errorf("Stats %+v, want Running 3, Queued 1", s)
	}
	pool.SetSize(0) // no bound
	recv(t, "the fourth call", in[3])
	pool.SetSize(2)
	var late atomic.Bool
	fifth := hop.Go(bg, pool, func(context.Context) (int, error) { late.Store(true); return 0, nil })
	for range 100 {
		runtime.Gosched()
	}
	if s := pool.Stats(); s.Running != 4 || s.Queued != 1 || late.Load() {
		t.Errorf("Stats %+v, want the four still Running, and one Queued", s)
	}
	release()
	for _, p := range ps {
		must(t, p)
	}
	must(t, fifth)
	release, _ = fill(t, pool, 2)
	defer release()
	hop.Go(bg, pool, value(1))
	if s := pool.Stats(); s.Running != 2 || s.Queued != 1 {
		t.Errorf("Stats %+v, want Running 2, Queued 1", s)
	}
}

func TestS31_QueueLimit(t *testing.T) {
	pool := newPool(t, &hop.PoolOptions{Size: 1, QueueLimit: 2})
	release, _ := fill(t, pool, 1)
	defer release()
	a, b := hop.Go(bg, pool, value(1)), hop.Go(bg, pool, value(2))
	wantIs(t, waitErr(t, hop.Go(bg, pool, value(3))), hop.ErrFull)
	wantIs(t, pool.Submit(hop.New(bg, value(3)).Call()), hop.ErrFull)
	if !a.Cancel(nil) {
		t.Error("Cancel of a queued call reports false")
	}
	recv(t, "the cancelled call", a.Done())
	c := hop.Go(bg, pool, value(4)) // a's place in the queue is free
	release()
	must(t, b)
	if v := must(t, c); v != 4 {
		t.Errorf("got %d, want 4", v)
	}
}

func TestS31_ANestedCallOnAFullQueueIsNotADeadlock(t *testing.T) {
	// The queue is full, and the running call starts one more: that is ErrFull, at once.
	pool := newPool(t, &hop.PoolOptions{Size: 1, QueueLimit: 1})
	var queued *hop.Pending[int]
	p := hop.Go(bg, pool, func(ctx context.Context) (int, error) {
		queued = hop.Go(ctx, pool, value(1))
		_, err := hop.Do(ctx, pool, value(2))
		return 0, err
	})
	wantIs(t, waitErr(t, p), hop.ErrFull)
	must(t, queued)
}

func TestS31_WaitingCallsDoNotCount(t *testing.T) {
	// A hundred calls wait on a pool of two; all of them are in the middle of their function at once.
	n := 100
	noLeak(t)
	pool := newPool(t, &hop.PoolOptions{Size: 2})
	var all hop.Event
	var in atomic.Int32
	var ps []*hop.Pending[int]
	for range n {
		ps = append(ps, hop.Go(bg, pool, func(ctx context.Context) (int, error) {
			in.Add(1)
			return 0, all.Wait(ctx)
		}))
	}
	eventually(t, "all wait", func() bool { return pool.Stats().Waiting == n })
	if s := pool.Stats(); s.Running != 0 || s.Queued != 0 || int(in.Load()) != n {
		t.Errorf("Stats %+v, %d have started", s, in.Load())
	}
	all.Set()
	for _, p := range ps {
		must(t, p)
	}
	if s := pool.Stats(); s.Running != 0 || s.Waiting != 0 {
		t.Errorf("afterwards Stats %+v", s)
	}
}

func TestS31_EveryWaitGivesThePlaceBack(t *testing.T) {
	ch := make(chan int)
	lim := hop.NewLimiter(1)
	lim.TryAcquire()
	var ev hop.Event
	pr := hop.NewPromise[int](bg)
	for name, w := range map[string]func(ctx context.Context, pool *hop.Pool) error{
		"Wait":  func(ctx context.Context, _ *hop.Pool) error { _, err := pr.Pending().Wait(ctx); return err },
		"Sleep": func(ctx context.Context, _ *hop.Pool) error { return hop.Sleep(ctx, 50*time.Millisecond) },
		"Event": func(ctx context.Context, _ *hop.Pool) error { return ev.Wait(ctx) },
		"Recv":  func(ctx context.Context, _ *hop.Pool) error { _, _, err := hop.Recv(ctx, ch); return err },
		"Limiter": func(ctx context.Context, _ *hop.Pool) error {
			err := lim.Acquire(ctx)
			if err == nil {
				lim.Release()
			}
			return err
		},
		"Waiter": func(ctx context.Context, _ *hop.Pool) error { return hop.NewWaiter().Wait(ctx, pr.Pending().Call()) },
		"Group": func(ctx context.Context, pool *hop.Pool) error {
			return hop.WithGroup(ctx, nil, func(ctx context.Context) error { hop.Go(ctx, pool, value(1)); return nil })
		},
		"Do": func(ctx context.Context, pool *hop.Pool) error { _, err := hop.Do(ctx, pool, value(1)); return err },
		"CancelWait": func(ctx context.Context, pool *hop.Pool) error {
			p := hop.Go(ctx, hop.Goroutines, func(context.Context) (int, error) { <-pr.Pending().Done(); return 0, nil })
			eventuallyRunning(p.Call())
			err := p.CancelWait(ctx, nil)
			if errors.Is(err, hop.ErrCancelled) {
				err = nil
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			pool := newPool(t, &hop.PoolOptions{Size: 1})
			a := hop.Go(bg, pool, func(ctx context.Context) (int, error) { return 0, w(ctx, pool) })
			must(t, hop.Go(bg, pool, value(1))) // while a waits
			switch name {
			case "Event":
				ev.Set()
			case "Recv":
				select {
				case ch <- 1:
				case <-time.After(patience):
					t.Error("nobody receives")
				}
			case "Limiter":
				lim.Release()
			case "Wait", "Waiter", "CancelWait":
				pr.Resolve(1)
				defer func() { pr = hop.NewPromise[int](bg) }()
			}
			must(t, a)
		})
	}
}

// eventuallyRunning spins until c's function has started.
func eventuallyRunning(c *hop.Call) {
	for c.State() == hop.Queued || c.State() == hop.Created {
		runtime.Gosched()
	}
}

func TestS31_AbandonedFunctionsAreCounted(t *testing.T) {
	for _, threads := range []bool{false, true} {
		t.Run(fmt.Sprintf("Threads=%v", threads), func(t *testing.T) {
			if threads {
				needsThread(t)
			}
			noLeak(t)
			pool := newPool(t, &hop.PoolOptions{Size: 1, Threads: threads})
			end, release := started()
			defer release()
			in, enter := started()
			p := hop.Go(bg, pool, func(context.Context) (int, error) { enter(); <-end; return 1, nil }, hop.Abandon())
			recv(t, "the call", in)
			p.Cancel(nil)
			wantCancelled(t, waitErr(t, p))
			if s := pool.Stats(); s.Abandoned != 1 {
				t.Errorf("Stats %+v, want Abandoned 1", s)
			}
			release()
			eventually(t, "it has returned", func() bool { return pool.Stats().Abandoned == 0 })
			must(t, hop.Go(bg, pool, value(1)))
		})
	}
}

func TestS31_WorkersIsOnePoolForTheProcess(t *testing.T) {
	if first, second := hop.Workers(), hop.Workers(); first != second {
		t.Error("two pools")
	}
	var in sync.WaitGroup
	in.Add(20)
	end, release := started()
	var ps []*hop.Pending[int]
	for range 20 {
		ps = append(ps, hop.Go(bg, hop.Workers(), func(context.Context) (int, error) { in.Done(); <-end; return 0, nil }))
	}
	within(t, patience, "twenty at once", in.Wait)
	release()
	for _, p := range ps {
		must(t, p)
	}
	l := newLoop(t, nil)
	v := must(t, hop.Go(bg, l, func(ctx context.Context) (int, error) {
		return hop.Blocking(ctx, func(ctx context.Context) (int, error) {
			if l.Here() || hop.CurrentLoop() != nil {
				t.Error("Blocking runs on the loop")
			}
			return hop.Do(ctx, l, value(5))
		})
	}))
	if v != 5 {
		t.Errorf("got %d, want 5", v)
	}
}

func TestS13_APanicOnAPoolOfOne(t *testing.T) {
	noLeak(t)
	pool := newPool(t, &hop.PoolOptions{Size: 1})
	for range 20 {
		p := hop.Go(bg, pool, func(context.Context) (int, error) { return panickingFunction() })
		wantIs(t, waitErr(t, p), errPanicValue)
		must(t, hop.Go(bg, pool, value(1)))
	}
}

// Stats knows that a function was abandoned as soon as the call is done, and that it has returned as soon as CancelWait says so.
func TestS18_AnAbandonedFunctionIsCountedAtOnce(t *testing.T) {
	pool := newPool(t, &hop.PoolOptions{Size: 1})
	for range 1000 {
		release, started := make(chan struct{}), make(chan struct{})
		p := hop.Go(bg, pool, func(context.Context) (int, error) { close(started); <-release; return 1, nil }, hop.Abandon())
		<-started
		stats := make(chan hop.PoolStats)
		go func() { p.Wait(bg); stats <- pool.Stats() }()
		go p.Cancel(nil)
		if s := <-stats; s.Abandoned != 1 || s.Running != 0 {
			t.Fatalf("after its end: %+v", s)
		}
		close(release)
		p.CancelWait(bg, nil)
		if s := pool.Stats(); s.Abandoned != 0 || s.Running != 0 {
			t.Fatalf("after its return: %+v", s)
		}
	}
}
