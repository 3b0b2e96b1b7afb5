package hop_test

// Limiter: fair, exact under cancellation, part of the search for deadlocks, and no inventor of any.

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gohop/hop"
)

// free counts the free places of a limiter that nobody else uses.
func free(lim *hop.Limiter) (n int) {
	for lim.TryAcquire() {
		n++
	}
	for range n {
		lim.Release()
	}
	return n
}

// holds acquires a place in a call of its own that keeps it until until is set, waiting, and then releases it. It returns
// when the place is held.
func holds(t testing.TB, on hop.Portal, lim *hop.Limiter, until func(ctx context.Context) error, opts ...hop.Option) *hop.Pending[int] {
	t.Helper()
	var held hop.Event
	p := hop.Go(bg, on, func(ctx context.Context) (int, error) {
		if err := lim.Acquire(ctx); err != nil {
			return 0, err
		}
		defer lim.Release()
		held.Set()
		return 0, until(ctx)
	}, opts...)
	within(t, patience, "Acquire", func() { held.Wait(bg) })
	return p
}

func TestLimiter_LetsNAtATime(t *testing.T) {
	l, pool := newLoop(t, nil), newPool(t, nil)
	const n = 3
	lim := hop.NewLimiter(n)
	var in census
	var ps []*hop.Pending[int]
	for i := range 300 {
		ps = append(ps, hop.Go(bg, []hop.Portal{l, pool, hop.Goroutines}[i%3], func(ctx context.Context) (int, error) {
			if err := lim.Acquire(ctx); err != nil {
				return 0, err
			}
			defer lim.Release()
			in.enter()
			defer in.leave()
			return 0, hop.Yield(ctx)
		}))
	}
	for _, p := range ps {
		must(t, p)
	}
	if m := in.most.Load(); m > n {
		t.Errorf("%d at once", m)
	}
	if k := free(lim); k != n {
		t.Errorf("%d places are free at the end, want %d", k, n)
	}
	// And reached.
	var all sync.WaitGroup
	all.Add(n)
	for range n {
		holds(t, hop.Goroutines, lim, func(context.Context) error { all.Done(); all.Wait(); return nil })
	}
}

func TestLimiter_IsFair(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		lim := hop.NewLimiter(1)
		lim.TryAcquire()
		var mu sync.Mutex
		var order []int
		var ps []*hop.Pending[int]
		for i := range 20 {
			p := hop.Go(bg, on, func(ctx context.Context) (int, error) {
				if err := lim.Acquire(ctx); err != nil {
					return 0, err
				}
				mu.Lock()
				order = append(order, i)
				mu.Unlock()
				lim.Release()
				return 0, nil
			})
			untilWaiting(t, p.Call())
			ps = append(ps, p)
		}
		if lim.TryAcquire() {
			t.Error("TryAcquire overtook those in line")
		}
		lim.Release()
		for _, p := range ps {
			must(t, p)
		}
		if !slices.IsSorted(order) {
			t.Errorf("they got their places in the order %v", order)
		}
	})
}

func TestLimiter_NobodyOvertakesTheLine(t *testing.T) {
	// A place that is released while somebody waits goes to him, at once: who releases and acquires again comes after.
	lim := hop.NewLimiter(1)
	lim.TryAcquire()
	var got hop.Event
	p := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) {
		err := lim.Acquire(ctx)
		got.Wait(ctx)
		lim.Release()
		return 0, err
	})
	untilWaiting(t, p.Call())
	lim.Release()
	if lim.TryAcquire() {
		t.Error("TryAcquire took the place that was handed over")
	}
	got.Set()
	must(t, p)
}

func TestLimiter_ACancelledAcquireTakesNothing(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		lim := hop.NewLimiter(1)
		lim.TryAcquire()
		ctx, cancel := context.WithCancelCause(bg)
		acquire := func(ctx context.Context) *hop.Pending[error] {
			return hop.Go(bg, on, func(context.Context) (error, error) { return lim.Acquire(ctx), nil })
		}
		a := acquire(ctx)
		untilWaiting(t, a.Call())
		b := acquire(bg)
		untilWaiting(t, b.Call())
		cancel(errEnough)
		err := must(t, a)
		wantIs(t, err, context.Canceled)
		wantIs(t, err, errEnough)
		if err := must(t, acquire(ctx)); err == nil { // ended before
			t.Error("Acquire with an ended context took a place")
		}
		lim.Release() // to b
		if err := must(t, b); err != nil {
			t.Error(err)
		}
		lim.Release()
		if n := free(lim); n != 1 {
			t.Errorf("%d places are free, want 1", n)
		}
	})
}

func TestLimiter_AnEndedContextTakesNoFreePlace(t *testing.T) {
	lim := hop.NewLimiter(1)
	ctx, cancel := context.WithCancel(bg)
	cancel()
	wantIs(t, lim.Acquire(ctx), context.Canceled)
	if free(lim) != 1 {
		t.Error("it took a place")
	}
}

func TestLimiter_ACancelThatRacesWithAReleaseTakesNothingOrAPlace(t *testing.T) {
	l, pool := newLoop(t, nil), newPool(t, nil)
	rounds := 3000
	if testing.Short() || wasm {
		rounds = 300
	}
	for i := range rounds {
		on := []hop.Portal{l, pool, hop.Goroutines}[i%3]
		lim := hop.NewLimiter(1)
		lim.TryAcquire()
		ctx, cancel := context.WithCancel(bg)
		p := hop.Go(bg, on, func(context.Context) (error, error) { return lim.Acquire(ctx), nil })
		for p.Call().State() != hop.Waiting {
			runtime.Gosched()
		}
		start := make(chan struct{})
		var both sync.WaitGroup
		both.Go(func() { <-start; cancel() })
		both.Go(func() { <-start; lim.Release() })
		close(start)
		err := must(t, p)
		both.Wait()
		want := 1
		if err == nil {
			want = 0
		}
		if n := free(lim); n != want {
			t.Fatalf("round %d on %v: Acquire returned %v and %d places are free, want %d", i, on, err, n, want)
		}
	}
}

func TestLimiter_StressWithCancelsAndSetLimit(t *testing.T) {
	noLeak(t)
	l, pool := newLoop(t, nil), newPool(t, &hop.PoolOptions{Size: 3})
	const most = 3
	lim := hop.NewLimiter(most)
	var in census
	n := 2000
	if testing.Short() || wasm {
		n = 200
	}
	var ps []*hop.Pending[int]
	for i := range n {
		ps = append(ps, hop.Go(bg, []hop.Portal{l, pool, hop.Goroutines}[i%3], func(ctx context.Context) (int, error) {
			ctx, cancel := context.WithTimeout(ctx, time.Duration(rand.IntN(1000))*time.Microsecond)
			defer cancel()
			if lim.Acquire(ctx) != nil {
				return 0, nil
			}
			defer lim.Release()
			in.enter()
			defer in.leave()
			if i%3 == 0 {
				return 0, hop.Yield(bg)
			}
			return 0, hop.Sleep(bg, time.Duration(rand.IntN(50))*time.Microsecond)
		}))
		if i%100 == 0 {
			lim.SetLimit(1 + rand.IntN(most))
		}
	}
	for _, p := range ps {
		must(t, p)
	}
	lim.SetLimit(most)
	if m := in.most.Load(); m > most {
		t.Errorf("%d at once, the limit was never over %d", m, most)
	}
	if k := free(lim); k != most {
		t.Errorf("%d places are free at the end, want %d", k, most)
	}
}

func TestLimiter_SetLimit(t *testing.T) {
	lim := hop.NewLimiter(1)
	lim.TryAcquire()
	var ps []*hop.Pending[int]
	var got atomic.Int32
	for range 4 {
		p := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) { defer got.Add(1); return 0, lim.Acquire(ctx) })
		untilWaiting(t, p.Call())
		ps = append(ps, p)
	}
	lim.SetLimit(3) // two more at once
	must(t, ps[0])
	must(t, ps[1])
	if ps[2].Call().State() != hop.Waiting {
		t.Errorf("the third is %v", ps[2].Call().State())
	}
	lim.SetLimit(1) // takes effect as places are released
	lim.Release()
	lim.Release()
	if s := ps[2].Call().State(); s != hop.Waiting {
		t.Errorf("after two of three were released and one is allowed, the third is %v", s)
	}
	lim.Release()
	must(t, ps[2])
	lim.SetLimit(2)
	must(t, ps[3])
	lim.Release()
	lim.Release()
	if n := free(lim); n != 2 {
		t.Errorf("%d places are free, want 2", n)
	}
	mustPanic(t, func() { lim.SetLimit(0) })
	mustPanic(t, func() { lim.SetLimit(-1) })
	if n := free(lim); n != 2 {
		t.Errorf("%d places are free after misuse, want 2", n)
	}
}

func TestLimiter_Misuse(t *testing.T) {
	lim := hop.NewLimiter(1)
	mustPanic(t, lim.Release)
	if n := free(lim); n != 1 { // and nothing is locked or changed
		t.Errorf("%d places are free, want 1", n)
	}
	lim.TryAcquire()
	lim.Release()
	mustPanic(t, lim.Release)
	var zero hop.Limiter
	mustPanic(t, func() { zero.TryAcquire() })
	mustPanic(t, func() { zero.Acquire(bg) })
	mustPanic(t, zero.Release)
	mustPanic(t, func() { zero.SetLimit(1) })
}

func TestLimiter_AcquireNeverBlocksALoop(t *testing.T) {
	onEachLoop(t, func(t *testing.T, l *hop.Loop) {
		lim := hop.NewLimiter(1)
		lim.TryAcquire()
		p := hop.Go(bg, l, func(ctx context.Context) (int, error) { return 0, lim.Acquire(ctx) })
		untilWaiting(t, p.Call())
		must(t, hop.Go(bg, l, func(context.Context) (int, error) { lim.Release(); return 0, nil }))
		must(t, p)
	})
}

func TestLimiter_APlaceMayOutliveItsCallAndBeReleasedElsewhere(t *testing.T) {
	l := newLoop(t, nil)
	lim := hop.NewLimiter(1)
	must(t, hop.Go(bg, l, func(ctx context.Context) (int, error) { return 0, lim.Acquire(ctx) })) // it has ended
	p := hop.Go(bg, l, func(ctx context.Context) (int, error) { return 0, lim.Acquire(ctx) })
	untilWaiting(t, p.Call())
	lim.Release() // by this goroutine
	must(t, p)
}

func TestS4_LimiterDeadlockWithOnePlace(t *testing.T) {
	// A call that holds the only place asks for it again: nobody else can help it.
	for _, on := range []hop.Portal{newLoop(t, nil), newPool(t, nil), hop.Goroutines} {
		lim := hop.NewLimiter(1)
		p := hop.Go(bg, on, func(ctx context.Context) (int, error) {
			if err := lim.Acquire(ctx); err != nil {
				return 0, err
			}
			defer lim.Release()
			return 0, lim.Acquire(ctx)
		}, hop.Name("twice"))
		de := wantDeadlock(t, waitErr(t, p))
		if len(de.Cycle) != 1 || de.Cycle[0].Call != p.Call() {
			t.Errorf("on %v: cycle %v", on, de.Cycle)
		}
		if free(lim) != 1 {
			t.Errorf("on %v: the place is not free", on)
		}
	}
}

func TestS4_LimiterDeadlockOfTwoLimitersInOppositeOrder(t *testing.T) {
	l, pool := newLoop(t, nil), newPool(t, nil)
	for range 100 {
		x, y := hop.NewLimiter(1), hop.NewLimiter(1)
		var both sync.WaitGroup
		both.Add(2)
		take := func(first, second *hop.Limiter) func(context.Context) (error, error) {
			return func(ctx context.Context) (error, error) {
				if err := first.Acquire(ctx); err != nil {
					return nil, err
				}
				defer first.Release()
				both.Done()
				if _, err := hop.Do(ctx, pool, func(context.Context) (int, error) { both.Wait(); return 0, nil }); err != nil {
					return nil, err
				}
				err := second.Acquire(ctx)
				if err == nil {
					second.Release()
				}
				return err, nil
			}
		}
		a, b := hop.Go(bg, l, take(x, y)), hop.Go(bg, pool, take(y, x))
		ea, eb := must(t, a), must(t, b)
		if (ea == nil) == (eb == nil) {
			t.Fatalf("a: %v; b: %v; want exactly one refused", ea, eb)
		}
		if ea == nil {
			ea = eb
		}
		wantDeadlock(t, ea)
		if free(x) != 1 || free(y) != 1 {
			t.Fatal("a place is lost")
		}
	}
}

func TestS4_LimiterKnotOfTwoPlaces(t *testing.T) {
	// Both holders wait for the one who asks: refused. One of them is free: not.
	for _, knot := range []bool{true, false} {
		t.Run(fmt.Sprint(knot), func(t *testing.T) {
			l, pool := newLoop(t, nil), newPool(t, nil)
			lim := hop.NewLimiter(2)
			var release hop.Event
			var b *hop.Pending[error]
			forB := func(ctx context.Context) error { _, err := b.Wait(ctx); return err }
			b = hop.New(bg, func(ctx context.Context) (error, error) {
				err := lim.Acquire(ctx)
				if err == nil {
					lim.Release()
				}
				return err, nil
			})
			h1 := holds(t, l, lim, forB)
			h2 := holds(t, pool, lim, func(ctx context.Context) error {
				if knot {
					return forB(ctx)
				}
				return release.Wait(ctx)
			})
			untilWaiting(t, h1.Call())
			untilWaiting(t, h2.Call())
			hop.Goroutines.Submit(b.Call())
			if !knot {
				untilWaitingOrDone(t, b.Call())
				release.Set()
			}
			err := must(t, b)
			if knot {
				wantDeadlock(t, err)
			} else if err != nil {
				t.Errorf("refused though one holder is free: %v", err)
			}
			must(t, h1)
			must(t, h2)
			if free(lim) != 2 {
				t.Error("a place is lost")
			}
		})
	}
}

func TestS4_LimiterKnotThatTheLastHolderTies(t *testing.T) {
	// b waits in line. The holders come to wait for it one after the other: the second is the one refused.
	l, pool := newLoop(t, nil), newPool(t, nil)
	lim := hop.NewLimiter(2)
	var b *hop.Pending[int]
	var first, second hop.Event
	h := func(on hop.Portal, when *hop.Event) *hop.Pending[int] {
		return holds(t, on, lim, func(ctx context.Context) error {
			if err := when.Wait(ctx); err != nil {
				return err
			}
			_, err := b.Wait(ctx)
			return err
		})
	}
	h1, h2 := h(l, &first), h(pool, &second)
	b = hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) {
		err := lim.Acquire(ctx)
		if err == nil {
			lim.Release()
		}
		return 0, err
	})
	untilWaiting(t, b.Call())
	first.Set()
	second.Set()
	e1, e2, eb := waitErr(t, h1), waitErr(t, h2), waitErr(t, b)
	if eb != nil { // it waits before it has looked, and was the last to look: both holders got its error
		wantDeadlock(t, eb)
		if e1 != eb || e2 != eb {
			t.Fatalf("h1: %v; h2: %v; b: %v; want exactly one refused", e1, e2, eb)
		}
		return
	}
	if (e1 == nil) == (e2 == nil) {
		t.Fatalf("h1: %v; h2: %v; want exactly one refused", e1, e2)
	}
	if e1 == nil {
		e1 = e2
	}
	wantDeadlock(t, e1)
}

func TestS4_LimiterInventsNoDeadlockOverAPlaceReleasedElsewhere(t *testing.T) {
	// k's place was handed on and released by a goroutine that is no call, while another such goroutine holds the second place.
	// Who holds what is then anybody's guess, and k's waiting proves nothing.
	l, pool := newLoop(t, nil), newPool(t, nil)
	lim := hop.NewLimiter(2)
	if !lim.TryAcquire() { // this goroutine's
		t.Fatal("no place")
	}
	var handed, go2 hop.Event
	var w *hop.Pending[int]
	k := hop.Go(bg, l, func(ctx context.Context) (int, error) {
		if err := lim.Acquire(ctx); err != nil {
			return 0, err
		}
		handed.Set()
		if err := go2.Wait(ctx); err != nil {
			return 0, err
		}
		return w.Wait(ctx)
	}, hop.Name("k"))
	within(t, patience, "k", func() { handed.Wait(bg) })
	lim.Release() // k's, by this goroutine, which keeps its own
	k2 := hop.Go(bg, pool, func(ctx context.Context) (int, error) {
		if err := lim.Acquire(ctx); err != nil {
			return 0, err
		}
		defer lim.Release()
		if err := go2.Wait(ctx); err != nil {
			return 0, err
		}
		return w.Wait(ctx)
	}, hop.Name("k2"))
	untilWaiting(t, k2.Call())
	w = hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) {
		if err := lim.Acquire(ctx); err != nil {
			return 0, err
		}
		lim.Release()
		return 5, nil
	}, hop.Name("w"))
	untilWaitingOrDone(t, w.Call())
	go2.Set()
	untilWaitingOrDone(t, k.Call())
	untilWaitingOrDone(t, k2.Call())
	lim.Release() // this goroutine's
	if v := must(t, w); v != 5 {
		t.Errorf("w got %d", v)
	}
	must(t, k)
	must(t, k2)
}

func TestS4_LimiterInventsNoDeadlockOverAHolderThatHasEnded(t *testing.T) {
	l := newLoop(t, nil)
	lim := hop.NewLimiter(1)
	var w *hop.Pending[int]
	made := make(chan struct{})
	k := hop.Go(bg, l, func(ctx context.Context) (int, error) {
		must := func(err error) {
			if err != nil {
				panic(err)
			}
		}
		_, err := hop.Do(ctx, hop.Goroutines, func(ctx context.Context) (int, error) { return 0, lim.Acquire(ctx) }) // and ends
		must(err)
		w = hop.Go(ctx, l, func(ctx context.Context) (int, error) { return 6, lim.Acquire(ctx) })
		close(made)
		return w.Wait(ctx)
	})
	recv(t, "w", made)
	eventually(t, "w waits", func() bool { return w.Call().State() != hop.Running })
	lim.Release()
	if v := must(t, k); v != 6 {
		t.Errorf("got %d", v)
	}
}

func TestS4_LimiterDeadlockThroughAGroup(t *testing.T) {
	// The holder waits for its group, a member of which wants the holder's place.
	l := newLoop(t, nil)
	lim := hop.NewLimiter(1)
	p := hop.Go(bg, l, func(ctx context.Context) (int, error) {
		if err := lim.Acquire(ctx); err != nil {
			return 0, err
		}
		defer lim.Release()
		return 0, hop.WithGroup(ctx, nil, func(ctx context.Context) error {
			hop.Go(ctx, l, func(ctx context.Context) (int, error) { return 0, lim.Acquire(ctx) })
			return nil
		})
	})
	wantIs(t, waitErr(t, p), hop.ErrDeadlock)
	if free(lim) != 1 {
		t.Error("the place is not free")
	}
}

func TestLimiter_InAPostedFunction(t *testing.T) {
	l := newLoop(t, nil)
	lim := hop.NewLimiter(1)
	lim.TryAcquire()
	done := make(chan error, 1)
	l.Post(func() { done <- lim.Acquire(bg) })
	must(t, hop.Go(bg, l, value(1)))
	lim.Release()
	if err := recv(t, "Acquire in a posted function", done); err != nil {
		t.Error(err)
	}
	if lim.TryAcquire() {
		t.Error("it has no place")
	}
}

func TestLimiter_InVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lim := hop.NewLimiter(2)
		begin := time.Now()
		var all sync.WaitGroup
		for range 6 {
			all.Go(func() {
				lim.Acquire(bg)
				time.Sleep(time.Hour)
				lim.Release()
			})
		}
		all.Wait()
		if d := time.Since(begin); d != 3*time.Hour {
			t.Errorf("six hours' work by two took %v, want 3h", d)
		}
	})
}

// Who has given up is not kept by the limiter, nor is the limiter then by what looks for deadlocks.
func TestLimiter_KeepsNobodyWhoHasGivenUp(t *testing.T) {
	gone := make(chan string, 2)
	busy := hop.NewLimiter(1)
	busy.TryAcquire()
	func() {
		lost := hop.NewLimiter(1)
		lost.TryAcquire()
		for _, l := range []*hop.Limiter{busy, lost} {
			p := hop.Go(bg, newLoop(t, nil), func(ctx context.Context) (int, error) { return 0, l.Acquire(ctx) })
			untilWaiting(t, p.Call())
			p.Cancel(nil)
			wantCancelled(t, waitErr(t, p))
			if l == busy {
				runtime.AddCleanup(p, func(s string) { gone <- s }, "the call")
			}
		}
		runtime.AddCleanup(lost, func(s string) { gone <- s }, "the limiter")
	}()
	eventually(t, "both are garbage", func() bool { runtime.GC(); return len(gone) == 2 })
	busy.Release()
}

// TestS4_AWaitForAPlaceLooksAtFewHolders: where a Limiter has many places, a wait for one of them that is seen to come free is not searched for a deadlock: that
// would look at all holders.
func TestS4_AWaitForAPlaceLooksAtFewHolders(t *testing.T) {
	const places, waits = 1000, 100
	l, limiter := newLoop(t, nil), hop.NewLimiter(places)
	var e hop.Event
	for range places {
		hop.Go(bg, l, func(ctx context.Context) (int, error) {
			limiter.Acquire(ctx)
			defer limiter.Release()
			return 0, e.Wait(ctx)
		})
	}
	ps := make([]*hop.Pending[int], waits)
	var before, after runtime.MemStats
	hop.Run(bg, l, func(ctx context.Context) error {
		runtime.ReadMemStats(&before)
		for i := range ps {
			ps[i] = hop.Go(ctx, l, func(ctx context.Context) (int, error) {
				if err := limiter.Acquire(ctx); err != nil {
					return 0, err
				}
				limiter.Release()
				return 0, nil
			})
		}
		return hop.Yield(ctx) // they wait
	})
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / waits; each > 50<<10 {
		t.Errorf("each wait took %d bytes", each)
	}
	e.Set()
	for _, p := range ps {
		if _, err := p.Wait(bg); err != nil {
			t.Error(err)
		}
	}
}
