package hop_test

// S4: a wait that can never end is refused, with every hop of the cycle; and a cycle is never invented.

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gohop/hop"
)

// wantDeadlock fails the test unless err is a *hop.DeadlockError, and returns it.
func wantDeadlock(t testing.TB, err error) *hop.DeadlockError {
	t.Helper()
	wantIs(t, err, hop.ErrDeadlock)
	var de *hop.DeadlockError
	if !errors.As(err, &de) {
		t.Fatalf("error is %v (%T), want a *hop.DeadlockError", err, err)
	}
	return de
}

// wantCycle fails the test unless the cycle is that of calls, in the order in which they wait, from whichever on, each
// at a place in this file.
func wantCycle(t testing.TB, de *hop.DeadlockError, calls ...*hop.Call) {
	t.Helper()
	if len(de.Cycle) != len(calls) {
		t.Errorf("a cycle of %d, want %d: %v", len(de.Cycle), len(calls), de)
		return
	}
	at := map[*hop.Call]int{}
	for i, c := range calls {
		at[c] = i
	}
	for i, w := range de.Cycle {
		n, ok := at[w.Call]
		if !ok {
			t.Errorf("hop %d is %v, which is not of the cycle: %v", i, w.Call, de)
			return
		}
		if next := de.Cycle[(i+1)%len(calls)]; next.Call != calls[(n+1)%len(calls)] {
			t.Errorf("after %v comes %v, want %v", w.Call, next.Call, calls[(n+1)%len(calls)])
		}
		if w.Portal != w.Call.Portal() {
			t.Errorf("hop %d: Portal %v, want that of the call, %v", i, w.Portal, w.Call.Portal())
		}
		if filepath.Base(w.File) != "deadlock_test.go" || w.Line == 0 {
			t.Errorf("hop %d of %v: at %s:%d, want a line of deadlock_test.go", i, w.Call, w.File, w.Line)
		}
		if name := w.Call.Name(); name != "" && !strings.Contains(de.Error(), name) {
			t.Errorf("the text does not name %q: %v", name, de)
		}
	}
}

// untilBlocked returns when what a loop, or a pool of one, was running has ended or is suspended in a wait, past its check
// for deadlocks. It blocks the calling goroutine.
func untilBlocked(on hop.Portal) { <-hop.Go(bg, on, value(0)).Done() }

// ring makes a call on each of the places. They wait for each other in a ring, all at the same moment. It returns what
// each one's wait returned.
func ring(t testing.TB, on ...hop.Portal) (calls []*hop.Call, errs []error) {
	t.Helper()
	n := len(on)
	ps := make([]*hop.Pending[int], n)
	errs = make([]error, n)
	var start hop.Event
	var in sync.WaitGroup
	in.Add(n)
	for i := range on {
		ps[i] = hop.New(bg, func(ctx context.Context) (int, error) {
			in.Done()
			start.Wait(ctx)
			_, errs[i] = ps[(i+1)%n].Wait(ctx)
			return i, nil
		}, hop.Name(fmt.Sprintf("ring-%d", i)))
		calls = append(calls, ps[i].Call())
	}
	for i, p := range on {
		if err := p.Submit(calls[i]); err != nil {
			t.Fatal(err)
		}
	}
	within(t, patience, "the calls start", in.Wait)
	start.Set()
	for _, p := range ps {
		if _, err := wait(t, p); err != nil {
			t.Fatalf("%v: %v", p.Call(), err)
		}
	}
	return calls, errs
}

// wantOneRefused fails the test unless exactly one of errs is a deadlock and the rest are nil.
func wantOneRefused(t testing.TB, calls []*hop.Call, errs []error) {
	t.Helper()
	refused := 0
	for i, err := range errs {
		switch {
		case errors.Is(err, hop.ErrDeadlock):
			refused++
			wantCycle(t, wantDeadlock(t, err), calls...)
		case err != nil:
			t.Errorf("the wait of call %d: %v", i, err)
		}
	}
	if refused != 1 {
		t.Errorf("%d of %d waits refused, want exactly one", refused, len(errs))
	}
}

func TestS4_ACallThatWaitsForItselfIsRefused(t *testing.T) {
	for _, k := range portals {
		t.Run(k.name, func(t *testing.T) {
			if k.thread {
				needsThread(t)
			}
			on := k.make(t)
			var p *hop.Pending[int]
			var refused error
			p = hop.New(bg, func(ctx context.Context) (int, error) {
				_, refused = p.Wait(ctx)
				return 1, nil
			}, hop.Name("self"))
			within(t, patience, "Submit", func() {
				if err := on.Submit(p.Call()); err != nil {
					t.Fatal(err)
				}
			})
			must(t, p)
			wantCycle(t, wantDeadlock(t, refused), p.Call())
		})
	}
}

func TestS4_EveryWayToWaitForItselfIsRefused(t *testing.T) {
	ways := map[string]func(ctx context.Context, p *hop.Pending[int]) error{
		"Wait":             func(ctx context.Context, p *hop.Pending[int]) error { _, err := p.Wait(ctx); return err },
		"WaitOrCancel":     func(ctx context.Context, p *hop.Pending[int]) error { _, err := p.WaitOrCancel(ctx); return err },
		"Waiter":           func(ctx context.Context, p *hop.Pending[int]) error { return hop.NewWaiter().Wait(ctx, p.Call()) },
		"Background":       func(ctx context.Context, p *hop.Pending[int]) error { _, err := p.Wait(bg); return err },
		"CancelWait":       func(_ context.Context, p *hop.Pending[int]) error { return p.CancelWait(bg, nil) },
		"Call.CancelWait":  func(_ context.Context, p *hop.Pending[int]) error { return p.Call().CancelWait(bg, nil) },
		"through a member": func(ctx context.Context, p *hop.Pending[int]) error { return waitInGroup(ctx, p) },
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			for _, on := range []hop.Portal{newLoop(t, nil), newPool(t, &hop.PoolOptions{Size: 1}), hop.Goroutines} {
				var p *hop.Pending[int]
				var refused error
				p = hop.New(bg, func(ctx context.Context) (int, error) { refused = way(ctx, p); return 1, nil })
				if err := on.Submit(p.Call()); err != nil {
					t.Fatal(err)
				}
				waitErr(t, p) // CancelWait has cancelled it
				wantIs(t, refused, hop.ErrDeadlock)
			}
		})
	}
}

// waitInGroup waits in a member of a group for p, and returns the group's error.
func waitInGroup(ctx context.Context, p *hop.Pending[int]) error {
	return hop.WithGroup(ctx, nil, func(ctx context.Context) error {
		hop.Go(ctx, hop.Goroutines, func(ctx context.Context) (int, error) { return p.Wait(ctx) })
		return nil
	})
}

func TestS4_TheCallThatClosesTheCycleIsRefusedAndTheOthersGoOn(t *testing.T) {
	for _, kb := range portals {
		if kb.name == "Inline" {
			continue // it has ended before the other one starts
		}
		t.Run(kb.name, func(t *testing.T) {
			if kb.thread {
				needsThread(t)
			}
			l, on := newLoop(t, nil), kb.make(t)
			var a, b *hop.Pending[int]
			var refused error
			lineA, lineB := 0, 0
			a = hop.New(bg, func(ctx context.Context) (int, error) {
				_, _, lineA, _ = runtime.Caller(0)
				return b.Wait(ctx)
			}, hop.Name("a"))
			b = hop.New(bg, func(ctx context.Context) (int, error) {
				untilBlocked(l)
				_, _, lineB, _ = runtime.Caller(0)
				_, refused = a.Wait(ctx)
				return 5, nil
			}, hop.Name("b"))
			if err := l.Submit(a.Call()); err != nil {
				t.Fatal(err)
			}
			if err := on.Submit(b.Call()); err != nil {
				t.Fatal(err)
			}
			if v := must(t, a); v != 5 {
				t.Errorf("a got %d from b, want 5", v)
			}
			must(t, b)
			de := wantDeadlock(t, refused)
			wantCycle(t, de, a.Call(), b.Call())
			for _, w := range de.Cycle {
				want := lineA + 1
				if w.Call == b.Call() {
					want = lineB + 1
				}
				if w.Line != want {
					t.Errorf("%s waits at line %d, want %d", w.Call.Name(), w.Line, want)
				}
			}
		})
	}
}

func TestS4_RingsOverLoopsAndPools(t *testing.T) {
	l1, l2 := newLoop(t, &hop.LoopOptions{Name: "l1"}), newLoop(t, &hop.LoopOptions{Name: "l2"})
	host := newLoop(t, &hop.LoopOptions{Name: "host"})
	guest := newLoop(t, &hop.LoopOptions{Name: "guest", Host: host})
	one := newPool(t, &hop.PoolOptions{Name: "one", Size: 1})
	rings := map[string][]hop.Portal{
		"one loop":         {l1, l1},
		"two loops":        {l1, l2},
		"one pool of one":  {one, one},
		"loop and pool":    {l1, one},
		"goroutines":       {hop.Goroutines, hop.Goroutines},
		"host and guest":   {host, guest},
		"three":            {l1, one, l2},
		"three on a pool":  {one, one, one},
		"loop and workers": {l1, hop.Workers(), hop.Goroutines},
		"ten":              {l1, one, l2, guest, host, one, hop.Goroutines, l1, hop.Workers(), l2},
	}
	if !wasm {
		thread := newLoop(t, &hop.LoopOptions{Name: "thread", Thread: true})
		rings["two threads"] = []hop.Portal{thread, newLoop(t, &hop.LoopOptions{Name: "thread2", Thread: true})}
		rings["one thread"] = []hop.Portal{thread, thread, thread}
	}
	for name, on := range rings {
		t.Run(name, func(t *testing.T) {
			calls, errs := ring(t, on...)
			wantOneRefused(t, calls, errs)
		})
	}
}

func TestS4_CyclesThatCloseAtOnceHaveOneRefused(t *testing.T) {
	rounds := 300
	if wasm || testing.Short() {
		rounds = 30
	}
	l1, l2 := newLoop(t, &hop.LoopOptions{Name: "l1"}), newLoop(t, &hop.LoopOptions{Name: "l2"})
	one := newPool(t, &hop.PoolOptions{Name: "one", Size: 1})
	for _, on := range [][]hop.Portal{{l1, l2}, {l1, one}, {hop.Goroutines, hop.Goroutines}, {l1, one, l2}, {hop.Goroutines, hop.Goroutines, hop.Goroutines}} {
		for range rounds {
			calls, errs := ring(t, on...)
			wantOneRefused(t, calls, errs)
			if t.Failed() {
				return
			}
		}
	}
}

func TestS4_ADeadlineInTheCycleDoesNotExcuseIt(t *testing.T) {
	l1, l2 := newLoop(t, nil), newLoop(t, nil)
	var a, b *hop.Pending[int]
	var refused error
	a = hop.New(bg, func(ctx context.Context) (int, error) {
		ctx, cancel := context.WithTimeout(ctx, time.Hour)
		defer cancel()
		return b.Wait(ctx)
	}, hop.Timeout(time.Hour))
	b = hop.New(bg, func(ctx context.Context) (int, error) {
		untilBlocked(l1)
		ctx, cancel := context.WithTimeout(ctx, time.Hour)
		defer cancel()
		_, refused = a.Wait(ctx)
		return 1, nil
	}, hop.Timeout(time.Hour))
	l1.Submit(a.Call())
	l2.Submit(b.Call())
	must(t, a)
	must(t, b)
	wantIs(t, refused, hop.ErrDeadlock)
}

func TestS4_AWaitWithoutTheContextIsSeenToo(t *testing.T) {
	l1, one := newLoop(t, nil), newPool(t, &hop.PoolOptions{Size: 1})
	var a, b *hop.Pending[int]
	var refused error
	a = hop.New(bg, func(context.Context) (int, error) { return b.Wait(bg) })
	b = hop.New(bg, func(context.Context) (int, error) {
		untilBlocked(l1)
		_, refused = a.Wait(bg)
		return 1, nil
	})
	l1.Submit(a.Call())
	one.Submit(b.Call())
	must(t, a)
	must(t, b)
	wantIs(t, refused, hop.ErrDeadlock)
}

func TestS4_ThroughDo(t *testing.T) {
	// a waits in Do for b, b waits for a: Do is a wait of a.
	for _, k := range portals {
		t.Run(k.name, func(t *testing.T) {
			if k.thread {
				needsThread(t)
			}
			l, on := newLoop(t, nil), k.make(t)
			var a *hop.Pending[int]
			var refused error
			a = hop.New(bg, func(ctx context.Context) (int, error) {
				return hop.Do(ctx, on, func(ctx context.Context) (int, error) {
					if on != hop.Inline {
						untilBlocked(l)
					}
					_, refused = a.Wait(ctx)
					return 3, nil
				})
			})
			l.Submit(a.Call())
			if v := must(t, a); v != 3 {
				t.Errorf("a got %d, want 3", v)
			}
			wantIs(t, refused, hop.ErrDeadlock)
		})
	}
}

func TestS4_ThroughAnInlineDo(t *testing.T) {
	// a runs b inline; b waits for c on a pool; c waits for a, or for b: both are cycles.
	for _, target := range []string{"the outer call", "the inline call"} {
		t.Run(target, func(t *testing.T) {
			l, one := newLoop(t, nil), newPool(t, &hop.PoolOptions{Size: 1})
			var a *hop.Pending[int]
			var refused error
			a = hop.New(bg, func(ctx context.Context) (int, error) {
				return hop.Do(ctx, l, func(ctx context.Context) (int, error) {
					b := hop.CurrentCall(ctx)
					return hop.Go(ctx, one, func(ctx context.Context) (int, error) {
						untilBlocked(l) // so that it is this wait that closes the circle
						if target == "the outer call" {
							_, refused = a.Wait(ctx)
						} else {
							refused = hop.NewWaiter().Wait(ctx, b)
						}
						return 3, nil
					}).Wait(ctx)
				})
			})
			l.Submit(a.Call())
			if v := must(t, a); v != 3 {
				t.Errorf("a got %d, want 3", v)
			}
			wantIs(t, refused, hop.ErrDeadlock)
		})
	}
}

func TestS4_AnInlineCallMayNotWaitForTheCallItRunsIn(t *testing.T) {
	l := newLoop(t, nil)
	var a *hop.Pending[int]
	var refused, deeper error
	a = hop.New(bg, func(ctx context.Context) (int, error) {
		return hop.Do(ctx, l, func(ctx context.Context) (int, error) {
			_, refused = a.Wait(ctx)
			return hop.Do(ctx, l, func(ctx context.Context) (int, error) {
				_, deeper = a.Wait(ctx)
				return 3, nil
			})
		})
	})
	l.Submit(a.Call())
	if v := must(t, a); v != 3 {
		t.Errorf("a got %d, want 3", v)
	}
	wantIs(t, refused, hop.ErrDeadlock)
	wantIs(t, deeper, hop.ErrDeadlock)
}

func TestS4_ACallRunByAWaitMayNotWaitForTheCallBelowIt(t *testing.T) {
	// a, on a pool, waits in Do for b; b sends x back to a's goroutine and is done. x runs on top of a there: a cannot go
	// on before x has returned, though nothing that a waits for is unfinished.
	one := newPool(t, &hop.PoolOptions{Size: 1})
	var a *hop.Pending[int]
	refused := make(chan error, 1)
	a = hop.New(bg, func(ctx context.Context) (int, error) {
		return hop.Do(ctx, hop.Goroutines, func(ctx context.Context) (int, error) {
			origin := hop.Origin(ctx)
			if origin == nil {
				return 0, errors.New("no origin")
			}
			in, enter := started()
			hop.Go(ctx, origin, func(context.Context) (int, error) {
				enter()
				_, err := a.Wait(bg)
				refused <- err
				return 0, nil
			})
			<-in
			return 3, nil
		})
	})
	one.Submit(a.Call())
	if v := must(t, a); v != 3 {
		t.Errorf("a got %d, want 3", v)
	}
	// Which of the two closes the cycle is open: x's wait, or the end of a's, which has to let x finish. Either way x, which
	// is the child, is told.
	if err := recv(t, "x", refused); err == nil {
		t.Error("x's wait for the call below it succeeded")
	}
}

func TestS4_ANestedServedWaitMayNotWaitForTheFrameBelow(t *testing.T) {
	// The goroutine of a Waiter runs x, x waits for a promise, the same goroutine runs y meanwhile, and y waits for x: even
	// with the promise resolved, x could not go on before y.
	w := servedWaiter(t)
	pr := hop.NewPromise[int](bg)
	x := hop.Go(bg, w, func(ctx context.Context) (int, error) { return pr.Pending().Wait(ctx) })
	untilWaiting(t, x.Call())
	inY, enter := started()
	y := hop.Go(bg, w, func(ctx context.Context) (int, error) {
		enter()
		_, err := x.Wait(ctx)
		return 0, err
	})
	select {
	case <-inY:
		eventually(t, "y waits or has been refused", func() bool { s := y.Call().State(); return s != hop.Running && s != hop.Queued })
	case <-time.After(100 * time.Millisecond): // it does not run on top of x at all: as good
	}
	pr.Resolve(6)
	if v := must(t, x); v != 6 {
		t.Errorf("x got %d, want 6", v)
	}
	if err := waitErr(t, y); err != nil && !errors.Is(err, hop.ErrDeadlock) {
		t.Errorf("y: %v, want nil or a deadlock", err)
	}
}

func TestS4_ThroughAGroup(t *testing.T) {
	// a waits for its group, whose member b waits for a. Both orders: b asks last, or the group's end does.
	for _, last := range []string{"the member", "the group"} {
		t.Run(last, func(t *testing.T) {
			l, one := newLoop(t, nil), newPool(t, &hop.PoolOptions{Size: 1})
			var a, b *hop.Pending[int]
			var ofB, ofGroup error
			a = hop.New(bg, func(ctx context.Context) (int, error) {
				ofGroup = hop.WithGroup(ctx, nil, func(ctx context.Context) error {
					b = hop.Go(ctx, one, func(context.Context) (int, error) {
						if last == "the member" {
							untilBlocked(l)
						}
						_, ofB = a.Wait(bg)
						return 0, nil
					})
					if last == "the group" {
						untilBlocked(one)
					}
					return nil
				})
				return 1, nil
			})
			l.Submit(a.Call())
			must(t, a)
			waitErr(t, b)
			refusedB, refusedGroup := errors.Is(ofB, hop.ErrDeadlock), errors.Is(ofGroup, hop.ErrDeadlock)
			if refusedB == refusedGroup {
				t.Errorf("b's wait: %v; the group's: %v; want exactly one of them refused", ofB, ofGroup)
			}
			if last == "the member" && !refusedB {
				t.Errorf("b asked last and was not the one refused; the group: %v", ofGroup)
			}
		})
	}
}

func TestS4_ThroughOneOfManyMembersOfAGroup(t *testing.T) {
	l, pool := newLoop(t, nil), newPool(t, nil)
	var a *hop.Pending[int]
	var refused error
	a = hop.New(bg, func(ctx context.Context) (int, error) {
		return 1, hop.WithGroup(ctx, nil, func(ctx context.Context) error {
			for i := range 5 {
				hop.Go(ctx, pool, func(context.Context) (int, error) {
					untilBlocked(l)
					if i == 3 {
						_, refused = a.Wait(bg)
					}
					return 0, nil
				})
			}
			return nil
		})
	})
	l.Submit(a.Call())
	must(t, a)
	wantIs(t, refused, hop.ErrDeadlock)
}

func TestS4_ThroughALimiter(t *testing.T) {
	// a holds the only place and waits for b, which wants it. Both orders.
	for _, last := range []string{"Acquire", "Wait"} {
		t.Run(last, func(t *testing.T) {
			l, one := newLoop(t, nil), newPool(t, &hop.PoolOptions{Size: 1})
			lim := hop.NewLimiter(1)
			var a, b *hop.Pending[int]
			var ofA, ofB error
			held, hold := started()
			a = hop.New(bg, func(ctx context.Context) (int, error) {
				if err := lim.Acquire(ctx); err != nil {
					return 0, err
				}
				defer lim.Release()
				hold()
				if last == "Wait" {
					eventuallyRunning(b.Call())
					untilBlocked(one)
				}
				_, ofA = b.Wait(ctx)
				return 1, nil
			})
			b = hop.New(bg, func(ctx context.Context) (int, error) {
				<-held
				if last == "Acquire" {
					untilBlocked(l)
				}
				if ofB = lim.Acquire(ctx); ofB == nil {
					lim.Release()
				}
				return 2, nil
			})
			l.Submit(a.Call())
			one.Submit(b.Call())
			must(t, a)
			must(t, b)
			refused := ofB
			if last == "Wait" {
				refused = ofA
			}
			if !errors.Is(refused, hop.ErrDeadlock) || (ofA != nil && ofB != nil) {
				t.Errorf("a's Wait: %v; b's Acquire: %v; want %s refused and the other not", ofA, ofB, last)
			}
			if !lim.TryAcquire() {
				t.Error("afterwards the limiter's place is not free")
			}
		})
	}
}

func TestS4_ALimiterOfTwoWithOneFreeHolderIsNoCycle(t *testing.T) {
	l, one := newLoop(t, nil), newPool(t, &hop.PoolOptions{Size: 1})
	lim := hop.NewLimiter(2)
	var a, b *hop.Pending[int]
	var release hop.Event
	held := make(chan struct{}, 2)
	a = hop.New(bg, func(ctx context.Context) (int, error) {
		if err := lim.Acquire(ctx); err != nil {
			return 0, err
		}
		defer lim.Release()
		held <- struct{}{}
		return b.Wait(ctx)
	}, hop.Name("a"))
	c := hop.New(bg, func(ctx context.Context) (int, error) {
		if err := lim.Acquire(ctx); err != nil {
			return 0, err
		}
		defer lim.Release()
		held <- struct{}{}
		return 0, release.Wait(ctx) // it will give its place back: b waits for either holder
	}, hop.Name("c"))
	b = hop.New(bg, func(ctx context.Context) (int, error) {
		if err := lim.Acquire(ctx); err != nil {
			return 0, err
		}
		lim.Release()
		return 2, nil
	}, hop.Name("b"))
	l.Submit(a.Call())
	l.Submit(c.Call())
	recv(t, "a or c holds a place", held)
	recv(t, "both hold a place", held)
	one.Submit(b.Call())
	untilWaiting(t, b.Call())
	release.Set()
	must(t, c)
	must(t, b)
	if v := must(t, a); v != 2 {
		t.Errorf("a got %d, want 2", v)
	}
}

func TestS4_ALimiterOfTwoWhoseHoldersBothWaitIsACycle(t *testing.T) {
	l, one := newLoop(t, nil), newPool(t, &hop.PoolOptions{Size: 1})
	lim := hop.NewLimiter(2)
	var b *hop.Pending[int]
	var refused error
	held := make(chan struct{}, 2)
	holder := func(ctx context.Context) (int, error) {
		if err := lim.Acquire(ctx); err != nil {
			return 0, err
		}
		defer lim.Release()
		held <- struct{}{}
		return b.Wait(ctx)
	}
	b = hop.New(bg, func(ctx context.Context) (int, error) {
		if refused = lim.Acquire(ctx); refused == nil {
			lim.Release()
		}
		return 2, nil
	})
	a, c := hop.Go(bg, l, holder), hop.Go(bg, l, holder)
	recv(t, "a holder", held)
	recv(t, "both holders", held)
	untilWaiting(t, a.Call())
	untilWaiting(t, c.Call())
	one.Submit(b.Call())
	must(t, b)
	must(t, a)
	must(t, c)
	wantIs(t, refused, hop.ErrDeadlock)
}

func TestS4_ALimiterHeldByAPlainGoroutineIsNoCycle(t *testing.T) {
	l := newLoop(t, nil)
	lim := hop.NewLimiter(1)
	if err := lim.Acquire(bg); err != nil { // this goroutine is no call: nobody can wait for it
		t.Fatal(err)
	}
	var b *hop.Pending[int]
	a := hop.Go(bg, l, func(ctx context.Context) (int, error) {
		b = hop.Go(ctx, l, func(ctx context.Context) (int, error) {
			if err := lim.Acquire(ctx); err != nil {
				return 0, err
			}
			lim.Release()
			return 1, nil
		})
		return b.Wait(ctx)
	})
	untilWaiting(t, a.Call())
	untilWaiting(t, b.Call())
	lim.Release()
	must(t, a)
}

func TestS4_ALimiterQueueIsNoCycle(t *testing.T) {
	// Many calls share a limiter of one and each waits, while it holds it, for a call that does not want it.
	l, pool := newLoop(t, nil), newPool(t, &hop.PoolOptions{Size: 2})
	lim := hop.NewLimiter(1)
	var ps []*hop.Pending[int]
	for i := range 100 {
		on := []hop.Portal{l, pool}[i%2]
		ps = append(ps, hop.Go(bg, on, func(ctx context.Context) (int, error) {
			if err := lim.Acquire(ctx); err != nil {
				return 0, err
			}
			defer lim.Release()
			return hop.Do(ctx, pool, value(1))
		}))
	}
	for _, p := range ps {
		if err := waitErr(t, p); err != nil {
			t.Fatal(err)
		}
	}
}

func TestS4_MembersOfAGroupThatWaitForEachOtherAreNoCycle(t *testing.T) {
	l, pool := newLoop(t, nil), newPool(t, &hop.PoolOptions{Size: 1})
	a := hop.Go(bg, l, func(ctx context.Context) (int, error) {
		return 1, hop.WithGroup(ctx, nil, func(ctx context.Context) error {
			var prev *hop.Pending[int]
			for i := range 20 { // a chain within the group, and the body waits for its end
				before := prev
				prev = hop.Go(ctx, []hop.Portal{l, pool}[i%2], func(ctx context.Context) (int, error) {
					if before == nil {
						return 0, nil
					}
					return before.Wait(ctx)
				})
			}
			_, err := prev.Wait(ctx)
			return err
		})
	})
	must(t, a)
}

func TestS4_AMemberMayWaitForTheBodysOtherMembers(t *testing.T) {
	// Nested groups in calls of one another, all on one loop and one pool of one.
	l, pool := newLoop(t, nil), newPool(t, &hop.PoolOptions{Size: 1})
	var nest func(ctx context.Context, n int) error
	nest = func(ctx context.Context, n int) error {
		if n == 0 {
			return nil
		}
		return hop.WithGroup(ctx, nil, func(ctx context.Context) error {
			for _, on := range []hop.Portal{l, pool} {
				hop.Go(ctx, on, func(ctx context.Context) (int, error) { return 0, nest(ctx, n-1) })
			}
			return nil
		})
	}
	must(t, hop.Go(bg, l, func(ctx context.Context) (int, error) { return 0, nest(ctx, 5) }))
}

func TestS4_OutsidersMayWaitForWhoWaits(t *testing.T) {
	// d is no part of the cycle of a and b, though it waits for it.
	l, pool := newLoop(t, nil), newPool(t, &hop.PoolOptions{Size: 1})
	pr := hop.NewPromise[int](bg)
	a := hop.Go(bg, l, func(ctx context.Context) (int, error) { return pr.Pending().Wait(ctx) })
	b := hop.Go(bg, pool, func(ctx context.Context) (int, error) { return a.Wait(ctx) })
	c := hop.Go(bg, l, func(ctx context.Context) (int, error) { return a.Wait(ctx) })
	d := hop.Go(bg, pool, func(ctx context.Context) (int, error) { // a diamond
		v, err := b.Wait(ctx)
		w, err2 := c.Wait(ctx)
		return v + w, errors.Join(err, err2)
	})
	untilWaiting(t, d.Call())
	pr.Resolve(2)
	if v := must(t, d); v != 4 {
		t.Errorf("got %d, want 4", v)
	}
}

func TestS4_AGoroutineOfATaskMayWaitForTheTask(t *testing.T) {
	// The goroutine has the task's ctx, but it is not the task: nothing waits for it.
	for _, k := range portals {
		t.Run(k.name, func(t *testing.T) {
			if k.thread {
				needsThread(t)
			}
			on := k.make(t)
			got := make(chan error, 1)
			var a *hop.Pending[int]
			a = hop.New(bg, func(ctx context.Context) (int, error) {
				go func() {
					v, err := a.Wait(ctx)
					if v != 1 && err == nil {
						err = fmt.Errorf("got %d, want 1", v)
					}
					got <- err
				}()
				return 1, nil
			})
			within(t, patience, "Submit", func() {
				if err := on.Submit(a.Call()); err != nil {
					t.Fatal(err)
				}
			})
			if err := recv(t, "the goroutine's wait", got); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestS4_AWaitThatHasEndedIsNoEdge(t *testing.T) {
	l1, l2 := newLoop(t, nil), newLoop(t, nil)
	var a, b *hop.Pending[int]
	var aGaveUp hop.Event
	a = hop.New(bg, func(ctx context.Context) (int, error) {
		short, cancel := context.WithTimeout(ctx, time.Millisecond)
		defer cancel()
		_, err := b.Wait(short)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a's wait: %v", err)
		}
		aGaveUp.Set()
		return 1, hop.Yield(ctx)
	})
	b = hop.New(bg, func(ctx context.Context) (int, error) {
		if err := aGaveUp.Wait(ctx); err != nil {
			return 0, err
		}
		return a.Wait(ctx)
	})
	l1.Submit(a.Call())
	l2.Submit(b.Call())
	must(t, a)
	must(t, b)
}

func TestS4_AWaitWhoseContextHasEndedIsNoEdge(t *testing.T) {
	// b ends a's wait and waits for a at once: a's wait can end, whether a has noticed yet, or has not even blocked yet.
	for _, when := range []string{"blocked", "about to block"} {
		t.Run(when, func(t *testing.T) {
			rounds := 500
			if wasm {
				rounds = 50
			}
			l1, l2 := newLoop(t, nil), newLoop(t, nil)
			for range rounds {
				var a, b *hop.Pending[int]
				actx, cancel := context.WithCancel(bg)
				a = hop.New(bg, func(context.Context) (int, error) {
					_, err := b.Wait(actx)
					if !errors.Is(err, context.Canceled) {
						return 0, fmt.Errorf("a's wait: %w", err)
					}
					return 1, nil
				})
				b = hop.New(bg, func(ctx context.Context) (int, error) {
					if when == "blocked" {
						untilBlocked(l1)
					}
					for a.Call().State() != hop.Waiting {
						hop.Yield(ctx)
						runtime.Gosched()
					}
					cancel()
					return a.Wait(ctx)
				})
				l1.Submit(a.Call())
				l2.Submit(b.Call())
				if _, err := wait(t, a); err != nil {
					t.Fatalf("a: %v", err)
				}
				if _, err := wait(t, b); err != nil {
					t.Fatalf("b: %v", err)
				}
			}
		})
	}
}

func TestS4_CancelWaitOfACallThatWaitsForMeIsNoCycle(t *testing.T) {
	// a waits for b with its own ctx, which CancelWait ends: nothing is stuck.
	l1, l2 := newLoop(t, nil), newLoop(t, nil)
	for range 50 {
		var a, b *hop.Pending[int]
		cause := errors.New("b wants a gone")
		a = hop.New(bg, func(ctx context.Context) (int, error) { return b.Wait(ctx) })
		b = hop.New(bg, func(ctx context.Context) (int, error) {
			untilBlocked(l1)
			if err := a.CancelWait(ctx, cause); err != nil && !errors.Is(err, hop.ErrCancelled) {
				return 0, err
			}
			return 1, nil
		})
		l1.Submit(a.Call())
		l2.Submit(b.Call())
		wantIs(t, waitErr(t, a), cause)
		if err := waitErr(t, b); err != nil {
			t.Fatalf("b: %v", err)
		}
	}
}

func TestS4_EdgesOfDifferentMomentsAreNoCycle(t *testing.T) {
	// Three calls wait for each other in a ring, again and again and for a moment only; a plain semaphore of two sees to it
	// that never more than two of the three edges stand at one moment. Whoever collects a cycle edge by edge invents one.
	rounds := 2000
	if wasm || testing.Short() {
		rounds = 200
	}
	sem := make(chan struct{}, 2)
	var ps [3]*hop.Pending[int]
	var in sync.WaitGroup
	in.Add(3)
	var invented atomic.Int32
	for i := range ps {
		ps[i] = hop.New(bg, func(ctx context.Context) (int, error) {
			in.Done()
			in.Wait()
			for range rounds {
				sem <- struct{}{}
				short, cancel := context.WithTimeout(bg, 20*time.Microsecond)
				_, err := ps[(i+1)%3].Wait(short)
				cancel()
				<-sem
				if errors.Is(err, hop.ErrDeadlock) {
					invented.Add(1)
				}
				if err == nil {
					break // that one has finished
				}
			}
			return 0, nil
		})
	}
	for _, p := range ps {
		if err := hop.Goroutines.Submit(p.Call()); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range ps {
		must(t, p)
	}
	if n := invented.Load(); n > 0 {
		t.Errorf("%d cycles invented", n)
	}
}

func TestS4_WhatServesAWaitIsNoCycle(t *testing.T) {
	// The goroutine that waits for a runs b for a: a waits for b, and b runs "in" the wait for a.
	for _, k := range portals {
		t.Run(k.name, func(t *testing.T) {
			if k.thread {
				needsThread(t)
			}
			on := k.make(t)
			w := hop.NewWaiter()
			a := hop.New(bg, func(ctx context.Context) (int, error) { return hop.Go(ctx, w, value(3)).Wait(ctx) })
			within(t, patience, "Waiter.Wait", func() {
				if k.name == "Inline" { // Inline runs a before anybody waits: it needs another goroutine
					go on.Submit(a.Call())
				} else if err := on.Submit(a.Call()); err != nil {
					t.Error(err)
				}
				if err := w.Wait(bg, a.Call()); err != nil {
					t.Error(err)
				}
			})
			if v, err := a.Result(); v != 3 || err != nil {
				t.Errorf("%d, %v", v, err)
			}
		})
	}
}

func TestS4_AfterARefusalEverythingStillWorks(t *testing.T) {
	noLeak(t)
	l1, l2 := newLoop(t, nil), newLoop(t, nil)
	one := newPool(t, &hop.PoolOptions{Size: 1})
	for range 20 {
		ring(t, l1, one, l2)
	}
	for _, on := range []hop.Portal{l1, l2, one} {
		must(t, hop.Go(bg, on, value(1)))
	}
	if s := one.Stats(); s.Running != 0 || s.Waiting != 0 || s.Queued != 0 {
		t.Errorf("Stats afterwards %+v", s)
	}
}
