package hop_test

// S34: GroupOptions.Limit. At most so many members run at once; those that wait are not counted, so that no member can
// be kept from what it waits for.

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gohop/hop"
)

// census counts how many are inside at once.
type census struct{ now, most atomic.Int32 }

func (c *census) enter() {
	n := c.now.Add(1)
	for most := c.most.Load(); n > most && !c.most.CompareAndSwap(most, n); most = c.most.Load() {
	}
}

func (c *census) leave() { c.now.Add(-1) }

func TestS34_LimitIsKeptAndReached(t *testing.T) {
	for name, start := range map[string]func(ctx context.Context, on hop.Portal, f func(context.Context) (int, error)){
		"Go": func(ctx context.Context, on hop.Portal, f func(context.Context) (int, error)) { hop.Go(ctx, on, f) },
		"New and Submit": func(ctx context.Context, on hop.Portal, f func(context.Context) (int, error)) {
			on.Submit(hop.New(ctx, f).Call())
		},
		"After": func(ctx context.Context, on hop.Portal, f func(context.Context) (int, error)) {
			hop.After(ctx, time.Millisecond, on, f)
		},
		"Do": func(ctx context.Context, on hop.Portal, f func(context.Context) (int, error)) { go hop.Do(ctx, on, f) },
		"by members": func(ctx context.Context, on hop.Portal, f func(context.Context) (int, error)) {
			hop.Go(ctx, on, func(ctx context.Context) (int, error) { hop.Go(ctx, on, f); return 0, nil })
		},
	} {
		t.Run(name, func(t *testing.T) {
			pool := newPool(t, nil)
			for _, on := range []hop.Portal{hop.Goroutines, pool} {
				const limit, n = 3, 12
				var in census
				arrived, leave := make(chan struct{}, n), make(chan struct{})
				owner := ownGroup(hop.Goroutines, &hop.GroupOptions{Limit: limit}, func(ctx context.Context) error {
					for range n {
						start(ctx, on, func(context.Context) (int, error) {
							in.enter()
							defer in.leave()
							arrived <- struct{}{}
							<-leave // not one of hop's waits: the place is kept
							return 0, nil
						})
					}
					for range n {
						recv(t, "a member's start", arrived)
						leave <- struct{}{} // the next comes when one has left
					}
					return nil
				})
				_ = owner
				if err := must(t, owner); err != nil {
					t.Error(err)
				}
				if m := in.most.Load(); m > limit {
					t.Errorf("%d ran at once, the limit is %d", m, limit)
				}
			}
		})
	}
	t.Run("reached", func(t *testing.T) {
		var all sync.WaitGroup
		all.Add(3)
		err := withGroup(t, bg, &hop.GroupOptions{Limit: 3}, func(ctx context.Context) error {
			for range 3 {
				hop.Go(ctx, hop.Goroutines, func(context.Context) (int, error) { all.Done(); all.Wait(); return 0, nil })
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestS34_HeldMembersStartInTheOrderOfSubmission(t *testing.T) {
	l := newLoop(t, nil)
	var order []int // the loop's
	gate := make(chan struct{})
	err := withGroup(t, bg, &hop.GroupOptions{Limit: 1}, func(ctx context.Context) error {
		hop.Go(ctx, hop.Goroutines, func(context.Context) (int, error) { <-gate; return 0, nil })
		for i := range 500 {
			hop.Go(ctx, l, func(context.Context) (int, error) { order = append(order, i); return 0, nil })
		}
		close(gate)
		return nil
	})
	if err != nil || len(order) != 500 || !slices.IsSorted(order) {
		t.Errorf("%d ran, in order %v, error %v", len(order), slices.IsSorted(order), err)
	}
}

func TestS34_AHeldMemberIsQueuedAndIsAMember(t *testing.T) {
	var release hop.Event
	err := withGroup(t, bg, &hop.GroupOptions{Limit: 1}, func(ctx context.Context) error {
		out := make(chan struct{})
		first := hop.Go(ctx, hop.Goroutines, func(context.Context) (int, error) { <-out; return 0, nil })
		held := hop.Go(ctx, hop.Goroutines, value(7))
		wantState(t, held.Call(), hop.Queued)
		if held.Call().Portal() != hop.Goroutines {
			t.Errorf("its portal is %v", held.Call().Portal())
		}
		if got := hop.CurrentGroup(ctx).Calls(); !slices.Equal(got, []*hop.Call{first.Call(), held.Call()}) {
			t.Errorf("members %v", got)
		}
		// A held call belongs to its portal like any: nobody else may take it.
		twice := hop.New(ctx, value(8))
		if err := hop.Goroutines.Submit(twice.Call()); err != nil {
			t.Error(err)
		}
		wantIs(t, hop.Goroutines.Submit(twice.Call()), hop.ErrMismatch)
		release.Set()
		close(out)
		if v, err := held.Wait(ctx); v != 7 || err != nil {
			t.Errorf("%d, %v", v, err)
		}
		if v, err := twice.Wait(ctx); v != 8 || err != nil {
			t.Errorf("%d, %v", v, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestS34_AHeldMemberThatIsCancelledIsDoneAtOnceAndNeverRuns(t *testing.T) {
	err := withGroup(t, bg, &hop.GroupOptions{Limit: 1}, func(ctx context.Context) error {
		out := make(chan struct{})
		hop.Go(ctx, hop.Goroutines, func(context.Context) (int, error) { <-out; return 0, nil })
		never := func(context.Context) (int, error) { t.Error("it ran"); return 0, nil }
		byHand := hop.Go(ctx, hop.Goroutines, never)
		ended, cancel := context.WithCancel(ctx)
		byContext := hop.Go(ended, hop.Goroutines, never)
		last := hop.Go(ctx, hop.Goroutines, value(1))
		byHand.Cancel(nil)
		cancel()
		wantCancelled(t, waitErr(t, byHand))
		wantCancelled(t, waitErr(t, byContext))
		close(out)
		_, err := last.Wait(ctx)
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestS34_AFailureEndsTheHeldMembersToo(t *testing.T) {
	err := withGroup(t, bg, &hop.GroupOptions{Limit: 1}, func(ctx context.Context) error {
		hop.Go(ctx, hop.Goroutines, failure(errBoom))
		for range 10 {
			hop.Go(ctx, hop.Goroutines, func(ctx context.Context) (int, error) {
				if ctx.Err() == nil {
					t.Error("a held member ran though the group has failed")
				}
				return 0, nil
			})
		}
		return nil
	})
	wantIs(t, err, errBoom)
}

// waitsFor are the waits of a member with a limit of one for something that a held member has yet to do.
var waitsFor = map[string]func(ctx context.Context, on hop.Portal) error{
	"Wait": func(ctx context.Context, on hop.Portal) error {
		_, err := hop.Go(ctx, on, value(1)).Wait(ctx)
		return err
	},
	"Wait with another context": func(ctx context.Context, on hop.Portal) error {
		_, err := hop.Go(ctx, on, value(1)).Wait(bg)
		return err
	},
	"Do": func(ctx context.Context, on hop.Portal) error {
		_, err := hop.Do(ctx, on, value(1))
		return err
	},
	"Blocking": func(ctx context.Context, on hop.Portal) error {
		_, err := hop.Blocking(ctx, value(1))
		return err
	},
	"Event": func(ctx context.Context, on hop.Portal) error {
		var e hop.Event
		hop.Go(ctx, on, func(context.Context) (int, error) { e.Set(); return 0, nil })
		return e.Wait(ctx)
	},
	"Recv": func(ctx context.Context, on hop.Portal) error {
		ch := make(chan int)
		hop.Go(ctx, on, func(context.Context) (int, error) { ch <- 1; return 0, nil })
		_, _, err := hop.Recv(ctx, ch)
		return err
	},
	"Limiter": func(ctx context.Context, on hop.Portal) error {
		lim := hop.NewLimiter(1)
		taken := make(chan bool)
		go func() { taken <- lim.TryAcquire() }() // by no call: hop does not know who will release it
		<-taken
		hop.Go(ctx, on, func(context.Context) (int, error) { lim.Release(); return 0, nil })
		return lim.Acquire(ctx)
	},
	"WithGroup": func(ctx context.Context, on hop.Portal) error {
		return hop.WithGroup(ctx, nil, func(ctx context.Context) error { hop.Go(ctx, on, value(1)); return nil })
	},
	"WithGroup with a Limit of its own": func(ctx context.Context, on hop.Portal) error {
		return hop.WithGroup(ctx, &hop.GroupOptions{Limit: 1}, func(ctx context.Context) error {
			for range 3 {
				hop.Go(ctx, on, func(ctx context.Context) (int, error) { return hop.Go(ctx, on, value(1)).Wait(ctx) })
			}
			return nil
		})
	},
	"Waiter": func(ctx context.Context, on hop.Portal) error {
		return hop.NewWaiter().Wait(ctx, hop.Go(ctx, on, value(1)).Call())
	},
	"CancelWait": func(ctx context.Context, on hop.Portal) error {
		p := hop.NewPromise[int](hop.Detach(ctx))
		p.OnCancel(func(cause error) {
			hop.Go(ctx, on, func(context.Context) (int, error) { p.Reject(cause); return 0, nil })
		})
		return p.Pending().CancelWait(ctx, nil)
	},
	"Origin": func(ctx context.Context, on hop.Portal) error {
		_, err := hop.Do(ctx, on, func(ctx context.Context) (int, error) {
			back := hop.Origin(ctx)
			if back == nil {
				return 0, nil
			}
			return hop.Do(ctx, back, func(ctx context.Context) (int, error) { return hop.Go(ctx, on, value(1)).Wait(ctx) })
		})
		return err
	},
	"after an inline call": func(ctx context.Context, on hop.Portal) error {
		_, err := hop.Do(ctx, hop.Inline, func(ctx context.Context) (int, error) {
			return hop.Do(ctx, hop.Inline, func(ctx context.Context) (int, error) { return hop.Go(ctx, on, value(1)).Wait(ctx) })
		})
		return err
	},
}

func TestS34_AMemberThatWaitsForAHeldMemberGivesItsPlaceBack(t *testing.T) {
	for name, wait := range waitsFor {
		t.Run(name, func(t *testing.T) {
			l, pool := newLoop(t, nil), newPool(t, &hop.PoolOptions{Size: 1})
			for _, from := range []hop.Portal{l, pool, hop.Goroutines} {
				for _, on := range []hop.Portal{l, pool, hop.Goroutines} {
					err := withGroup(t, bg, &hop.GroupOptions{Limit: 1}, func(ctx context.Context) error {
						for range 2 {
							hop.Go(ctx, from, func(ctx context.Context) (int, error) { return 0, wait(ctx, on) })
						}
						return nil
					})
					if err != nil {
						t.Errorf("from %v on %v: %v", from, on, err)
					}
				}
			}
		})
	}
}

func TestS34_LimitOneAtAnyDepth(t *testing.T) {
	l, pool := newLoop(t, nil), newPool(t, &hop.PoolOptions{Size: 1})
	ons := []hop.Portal{l, pool, hop.Goroutines}
	var nest func(n int) func(context.Context) (int, error)
	nest = func(n int) func(context.Context) (int, error) {
		return func(ctx context.Context) (int, error) {
			if n == 0 {
				return 0, nil
			}
			var v int
			err := hop.WithGroup(ctx, &hop.GroupOptions{Limit: 1}, func(ctx context.Context) (err error) {
				hop.Go(ctx, ons[n%3], value(0))
				v, err = hop.Do(ctx, ons[(n+1)%3], nest(n-1))
				return err
			})
			return v + 1, err
		}
	}
	var v int
	err := withGroup(t, bg, &hop.GroupOptions{Limit: 1}, func(ctx context.Context) (err error) {
		hop.Go(ctx, l, nest(5))
		v, err = hop.Go(ctx, l, nest(12)).Wait(ctx)
		return err
	})
	if v != 12 || err != nil {
		t.Errorf("got %d, %v; want 12", v, err)
	}
}

func TestS34_AfterItsWaitAMemberHasItsPlaceAgain(t *testing.T) {
	var in census
	err := withGroup(t, bg, &hop.GroupOptions{Limit: 2}, func(ctx context.Context) error {
		// Each waits and then runs alone: at most one over the limit for each wait that ends while all places are taken.
		for range 50 {
			hop.Go(ctx, hop.Goroutines, func(ctx context.Context) (int, error) {
				hop.Yield(ctx)
				in.enter()
				defer in.leave()
				return 0, nil
			})
		}
		return nil
	})
	if m := in.most.Load(); err != nil || m > 2 {
		t.Errorf("%d at once, error %v", m, err)
	}
	// The place that a wait gave back is given back once.
	var e hop.Event
	in = census{}
	err = withGroup(t, bg, &hop.GroupOptions{Limit: 1}, func(ctx context.Context) error {
		abandoned := hop.Go(ctx, hop.Goroutines, func(context.Context) (int, error) { return 0, e.Wait(bg) }, hop.Abandon())
		untilWaiting(t, abandoned.Call())
		abandoned.Cancel(nil)
		for range 20 {
			hop.Go(ctx, hop.Goroutines, func(context.Context) (int, error) {
				in.enter()
				defer in.leave()
				<-time.After(time.Millisecond)
				return 0, nil
			})
		}
		return nil
	})
	e.Set()
	if m := in.most.Load(); err != nil || m > 1 {
		t.Errorf("after a member was abandoned in a wait: %d at once, the limit is 1; error %v", m, err)
	}
}

func TestS34_WhatACancelledInnerGroupRefusesKeepsNoPlaceInTheOuter(t *testing.T) {
	err := withGroup(t, bg, &hop.GroupOptions{Limit: 1}, func(ctx context.Context) error {
		hop.WithGroup(ctx, nil, func(ctx context.Context) error {
			hop.CurrentGroup(ctx).Cancel(nil)
			for range 3 {
				wantCancelled(t, waitErr(t, hop.Go(ctx, hop.Goroutines, value(1))))
			}
			return nil
		})
		_, err := hop.Go(ctx, hop.Goroutines, value(1)).Wait(ctx)
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestS34_PromisesAndAddedCallsNeedNoPlace(t *testing.T) {
	err := withGroup(t, bg, &hop.GroupOptions{Limit: 1}, func(ctx context.Context) error {
		pr := hop.NewPromise[int](ctx)
		out := make(chan struct{})
		added := hop.Go(bg, hop.Goroutines, func(context.Context) (int, error) { <-out; return 0, nil })
		hop.CurrentGroup(ctx).Add(added.Call())
		_, err := hop.Go(ctx, hop.Goroutines, value(1)).Wait(ctx)
		pr.Resolve(1)
		close(out)
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestS34_WhatRunsInlineIsNotHeldBack(t *testing.T) {
	l := newLoop(t, nil)
	owner := ownGroup(l, &hop.GroupOptions{Limit: 1}, func(ctx context.Context) error {
		out := make(chan struct{})
		hop.Go(ctx, hop.Goroutines, func(context.Context) (int, error) { <-out; return 0, nil })
		me := goid()
		for _, on := range []hop.Portal{l, hop.Inline} {
			if at, err := hop.Do(ctx, on, func(context.Context) (string, error) { return goid(), nil }); err != nil || at != me {
				t.Errorf("on %v: ran on goroutine %q, want %q; %v", on, at, me, err)
			}
		}
		p := hop.Go(ctx, hop.Inline, value(3))
		if v, err := p.Result(); v != 3 || err != nil {
			t.Errorf("%d, %v", v, err)
		}
		close(out)
		return nil
	})
	if err := must(t, owner); err != nil {
		t.Error(err)
	}
}

func TestS34_HeldMembersOfAPlaceThatHasStopped(t *testing.T) {
	// Many: their refusals must not be nested in one another.
	n := 100_000
	if testing.Short() || wasm || raceEnabled {
		n = 10_000
	}
	l := hop.NewLoop(nil)
	var last *hop.Pending[int]
	err := withGroup(t, bg, &hop.GroupOptions{Limit: 1, KeepGoing: true}, func(ctx context.Context) error {
		out := make(chan struct{})
		hop.Go(ctx, hop.Goroutines, func(context.Context) (int, error) { <-out; return 0, nil })
		for range n {
			last = hop.Go(ctx, l, value(1))
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		close(out)
		return nil
	})
	wantIs(t, err, hop.ErrStopped)
	wantIs(t, waitErr(t, last), hop.ErrStopped)
}

func TestS34_LimitStress(t *testing.T) {
	noLeak(t)
	l, pool := newLoop(t, nil), newPool(t, &hop.PoolOptions{Size: 2})
	ons := []hop.Portal{l, pool, hop.Goroutines}
	rounds := 200
	if testing.Short() || wasm {
		rounds = 20
	}
	for i := range rounds {
		var ran atomic.Int32
		err := withGroup(t, bg, &hop.GroupOptions{Limit: 1 + i%3}, func(ctx context.Context) error {
			return hop.WithGroup(ctx, &hop.GroupOptions{Limit: 1 + i%2}, func(inner context.Context) error {
				for j := range 30 {
					ctx := ctx
					if j%2 == 0 {
						ctx = inner
					}
					p := hop.Go(ctx, ons[j%3], func(ctx context.Context) (int, error) {
						ran.Add(1)
						switch j % 5 {
						case 0:
							return hop.Go(ctx, ons[(i+j)%3], value(1)).Wait(ctx)
						case 1:
							return hop.Do(ctx, ons[(i+j)%3], value(1))
						case 2:
							hop.Yield(ctx)
						}
						return 0, nil
					}, hop.Abandon())
					if j%7 == 0 {
						go p.Cancel(nil)
					}
				}
				return nil
			})
		})
		if err != nil {
			t.Fatalf("round %d: %v", i, err)
		}
	}
}

func TestS25_AShutdownCancelsWhatIsNotDueInAGroupWithALimit(t *testing.T) {
	onEachStoppable(t, func(t *testing.T, s stoppable) {
		within(t, patience, "the group", func() {
			err := hop.WithGroup(bg, &hop.GroupOptions{Limit: 1}, func(ctx context.Context) error {
				p := hop.After(ctx, time.Hour, s, value(1))
				if err := s.Shutdown(bg); err != nil {
					t.Errorf("Shutdown: %v", err)
				}
				_, err := p.Wait(bg)
				wantIs(t, wantCancelled(t, err).Cause, hop.ErrStopped)
				return nil
			})
			if err != nil {
				t.Errorf("the group: %v", err)
			}
		})
	})
}

func TestS34_TheLimitHoldsForCallsThatFallDue(t *testing.T) {
	onEachStoppable(t, func(t *testing.T, s stoppable) {
		within(t, patience, "the group", func() {
			var now, most atomic.Int32
			err := hop.WithGroup(bg, &hop.GroupOptions{Limit: 1}, func(ctx context.Context) error {
				for range 5 {
					hop.After(ctx, time.Millisecond, s, func(context.Context) (int, error) {
						most.Store(max(most.Load(), now.Add(1)))
						runtime.Gosched()
						now.Add(-1)
						return 0, nil
					})
				}
				return nil
			})
			if err != nil || most.Load() != 1 {
				t.Errorf("%v; %d ran at once", err, most.Load())
			}
		})
	})
}

func TestS34_ADelayedMemberIsNotForAnotherPlace(t *testing.T) {
	l := newLoop(t, nil)
	for _, on := range []hop.Portal{l, newPool(t, nil), hop.Goroutines} {
		withGroup(t, bg, &hop.GroupOptions{Limit: 1}, func(ctx context.Context) error {
			p := hop.After(ctx, time.Hour, on, mustNotRun(t))
			wantIs(t, newLoop(t, nil).Submit(p.Call()), hop.ErrMismatch)
			p.Cancel(nil)
			return nil
		})
	}
}

// tellsNobody is a context that may be over, but tells nobody: it has to be asked.
type tellsNobody struct {
	context.Context
	over *atomic.Bool
}

func (tellsNobody) Done() <-chan struct{}               { return make(chan struct{}) }
func (tellsNobody) AfterFunc(func()) (stop func() bool) { return func() bool { return true } }

func (c tellsNobody) Err() error {
	if c.over.Load() {
		return context.Canceled
	}
	return nil
}

// A member has got its place when its pool looks who has ended, to have room for it, and refuses it. What was held back meanwhile gets the place.
func TestS34_WhatIsHeldBackGetsThePlaceOfAMemberThatIsRefused(t *testing.T) {
	pool := newPool(t, &hop.PoolOptions{Size: 1, QueueLimit: 1})
	gate := occupy(t, pool)
	own := tellsNobody{bg, new(atomic.Bool)}
	var held *hop.Pending[int]
	err := withGroup(t, bg, &hop.GroupOptions{Limit: 1, KeepGoing: true}, func(ctx context.Context) error {
		hop.Go(own, pool, mustNotRun(t)).OnDone(func() {
			hop.Go(bg, pool, value(1)) // takes the room
			held = hop.Go(ctx, hop.Goroutines, value(2))
		})
		own.over.Store(true)
		wantIs(t, waitErr(t, hop.Go(ctx, pool, mustNotRun(t))), hop.ErrFull)
		if held == nil {
			t.Fatal("the pool has not looked")
		}
		return nil
	})
	wantIs(t, err, hop.ErrFull)
	if v := must(t, held); v != 2 {
		t.Errorf("it returned %d", v)
	}
	gate.open()
}

// It gives back its places in all groups, also if a function of one that is refused when it gets the first of them ends the goroutine.
func TestS34_ARefusedMemberGivesBackItsPlacesInAllGroups(t *testing.T) {
	pool, l := newPool(t, &hop.PoolOptions{Size: 1, QueueLimit: 1}), hop.NewLoop(nil)
	gate := occupy(t, pool)
	own := tellsNobody{bg, new(atomic.Bool)}
	withGroup(t, bg, &hop.GroupOptions{Limit: 2, KeepGoing: true}, func(outer context.Context) error {
		hop.WithGroup(outer, &hop.GroupOptions{Limit: 1, KeepGoing: true}, func(ctx context.Context) error {
			hop.Go(own, pool, mustNotRun(t)).OnDone(func() {
				hop.Go(bg, pool, value(1)) // takes the room
				hop.Go(ctx, l, mustNotRun(t)).OnDone(runtime.Goexit)
			})
			closeAll(t, "the loop", l.Close)
			own.over.Store(true)
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				hop.Go(ctx, pool, mustNotRun(t))
				t.Error("Go has returned")
			}()
			<-ended
			return nil
		})
		started := [2]chan struct{}{make(chan struct{}), make(chan struct{})}
		for i := range started {
			hop.Go(outer, hop.Goroutines, func(context.Context) (int, error) { close(started[i]); <-started[1-i]; return 0, nil })
		}
		for _, started := range started {
			recv(t, "the start", started)
		}
		return nil
	})
	gate.open()
}

// What ends because a full place looks may end the goroutine that submits: the call that it was about is not lost.
func TestS34_AGoexitOfWhatEndsInASubmit(t *testing.T) {
	for name, on := range map[string]hop.Portal{
		"Loop": newLoop(t, &hop.LoopOptions{QueueLimit: 1, StallAfter: -1}),
		"Pool": newPool(t, &hop.PoolOptions{Size: 1, QueueLimit: 1}),
	} {
		t.Run(name, func(t *testing.T) {
			gate := occupy(t, on)
			own := tellsNobody{bg, new(atomic.Bool)}
			hop.Go(own, on, mustNotRun(t)).OnDone(runtime.Goexit)
			own.over.Store(true)
			err := withGroup(t, bg, nil, func(ctx context.Context) error {
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					hop.Go(ctx, on, value(1))
					t.Error("Go has returned")
				}()
				<-ended
				return nil
			})
			wantIs(t, err, hop.ErrGoexit)
			p := hop.New(bg, value(2))
			gate.open()
			if err := on.Submit(p.Call()); err != nil {
				t.Error(err)
			}
			must(t, p)
		})
	}
}

// The same where the member was held back, and is submitted by who gives its place to it: it, and those behind it, run.
func TestS34_AGoexitOfWhatEndsWhenAHeldMemberIsSubmitted(t *testing.T) {
	pool := newPool(t, &hop.PoolOptions{Size: 1, QueueLimit: 1})
	gate := occupy(t, pool)
	own := tellsNobody{bg, new(atomic.Bool)}
	ends := hop.Go(own, pool, mustNotRun(t))
	ends.OnDone(runtime.Goexit)
	own.over.Store(true)
	err := withGroup(t, bg, &hop.GroupOptions{Limit: 1}, func(ctx context.Context) error {
		out := make(chan struct{})
		hop.Go(ctx, hop.Goroutines, func(context.Context) (int, error) { <-out; return 0, nil })
		held, behind := hop.Go(ctx, pool, value(1)), hop.Go(ctx, hop.Goroutines, value(1))
		close(out)
		recv(t, "the end of what is queued", ends.Done())
		gate.open()
		must(t, held)
		must(t, behind)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// The wait of an abandoned member ends: it has no place any more, and takes none.
func TestS34_AnAbandonedMemberTakesNoPlaceAfterItsWait(t *testing.T) {
	withGroup(t, bg, &hop.GroupOptions{Limit: 1}, func(ctx context.Context) error {
		var wake hop.Event
		went := make(chan struct{})
		p := hop.Go(ctx, hop.Goroutines, func(context.Context) (int, error) {
			defer close(went)
			return 0, wake.Wait(bg)
		}, hop.Abandon())
		untilWaiting(t, p.Call())
		p.Cancel(nil)
		wake.Set()
		recv(t, "the end of the function", went)
		must(t, hop.Go(ctx, hop.Goroutines, value(1)))
		return nil
	})
}

// The OnDone function of a member that is cancelled may wait for one that gets its place.
func TestS34_WhoIsToldOfACancelledMemberMayWaitForAHeldOne(t *testing.T) {
	for name, make := range busyKinds {
		t.Run(name, func(t *testing.T) {
			on := make(t)
			gate := occupy(t, on)
			withGroup(t, bg, &hop.GroupOptions{Limit: 1}, func(ctx context.Context) error {
				a, held := hop.Go(ctx, on, mustNotRun(t)), hop.Go(ctx, hop.Goroutines, value(1))
				told := false
				a.OnDone(func() { held.Wait(bg); told = true })
				within(t, patience, "Cancel", func() { a.Cancel(nil) })
				if !told {
					t.Error("it was not told")
				}
				return nil
			})
			gate.open()
		})
	}
}

// TestS34_ALimitHoldsWhereAPortalFallsBack: the place that a member has is for the portal that it was given to, whatever that does when another refuses.
func TestS34_ALimitHoldsWhereAPortalFallsBack(t *testing.T) {
	closed := hop.NewPool(nil)
	closed.Close()
	for name, on := range map[string]hop.Portal{
		"Run": portalFunc(func(c *hop.Call) error {
			if closed.Submit(c) != nil {
				go c.Run()
			}
			return nil
		}),
		"Goroutines": portalFunc(func(c *hop.Call) error {
			if closed.Submit(c) != nil {
				return hop.Goroutines.Submit(c)
			}
			return nil
		}),
		"its error": portalFunc(func(c *hop.Call) error { return closed.Submit(c) }),
	} {
		synctest.Test(t, func(t *testing.T) {
			var running, most, ran atomic.Int64
			err := hop.WithGroup(bg, &hop.GroupOptions{Limit: 2, KeepGoing: true}, func(ctx context.Context) error {
				for range 6 {
					hop.Go(ctx, on, func(context.Context) (int, error) {
						most.Store(max(most.Load(), running.Add(1)))
						time.Sleep(time.Second)
						running.Add(-1)
						ran.Add(1)
						return 0, nil
					})
				}
				return nil
			})
			refused := name == "its error"
			if (err != nil) != refused || !refused && (most.Load() != 2 || ran.Load() != 6) {
				t.Errorf("%s: %d of 6 ran, %d at once, %v", name, ran.Load(), most.Load(), err)
			}
		})
	}
}

// TestS34_AHeldMemberThatAnotherPortalRuns: it needs no place any more, and so keeps none from the others.
func TestS34_AHeldMemberThatAnotherPortalRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate, made := make(chan struct{}), make(chan struct{})
		err := hop.WithGroup(bg, &hop.GroupOptions{Limit: 1}, func(ctx context.Context) error {
			first := hop.Go(ctx, hop.Goroutines, func(context.Context) (int, error) { <-gate; return 1, nil })
			var third *hop.Pending[int]
			second := hop.New(ctx, func(ctx context.Context) (int, error) { <-made; return third.Wait(ctx) })
			hop.Goroutines.Submit(second.Call()) // held
			go second.Call().Run()
			synctest.Wait()
			third = hop.Go(ctx, hop.Goroutines, value(3))
			close(made)
			synctest.Wait()
			close(gate)
			first.Wait(bg)
			if v, err := second.Wait(bg); v != 3 || err != nil {
				t.Errorf("%d, %v", v, err)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}
