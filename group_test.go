package hop_test

// S34: calls that belong together. Where a test needs to know that WithGroup waits for its members, WithGroup runs in a
// call, the owner, whose state tells.

import (
	"context"
	"errors"
	"fmt"
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

var (
	errBoom  = errors.New("boom")
	errOther = errors.New("another boom")
)

// withGroup is hop.WithGroup on this goroutine's behalf, with a watchdog.
func withGroup(t testing.TB, ctx context.Context, o *hop.GroupOptions, f func(ctx context.Context) error) (err error) {
	t.Helper()
	within(t, patience, "WithGroup", func() { err = hop.WithGroup(ctx, o, f) })
	return err
}

// ownGroup runs hop.WithGroup in a call on the portal on.
func ownGroup(on hop.Portal, o *hop.GroupOptions, f func(ctx context.Context) error) *hop.Pending[error] {
	return hop.Go(bg, on, func(ctx context.Context) (error, error) { return hop.WithGroup(ctx, o, f), nil }, hop.Name("owner"))
}

// untilWaitingOrDone is untilWaiting for a call that a broken promise would have end instead.
func untilWaitingOrDone(t testing.TB, c *hop.Call) {
	t.Helper()
	eventually(t, fmt.Sprintf("%v waits", c), func() bool { s := c.State(); return s == hop.Waiting || s.Done() })
}

// untilCancelled starts a member that runs until its context ends and then notes the cause, and returns when it runs.
func untilCancelled(t testing.TB, ctx context.Context, on hop.Portal, seen *error, opts ...hop.Option) *hop.Pending[int] {
	t.Helper()
	in := make(chan struct{})
	p := hop.Go(ctx, on, func(ctx context.Context) (int, error) {
		close(in)
		var never hop.Event
		err := never.Wait(ctx)
		*seen = context.Cause(ctx)
		return 0, err
	}, opts...)
	recv(t, "the start of a member", in)
	return p
}

// forwarder is a portal of the user's: it starts each call a little later, on a goroutine.
type forwarder struct{ called chan struct{} }

func (f forwarder) Submit(c *hop.Call) error {
	go func() {
		defer close(f.called)
		c.Run()
	}()
	return nil
}

// waysIn start one member with ctx, whose function is f or which goes on until f would have returned. They return when
// hop knows of it.
var waysIn = map[string]func(t *testing.T, ctx context.Context, f func(context.Context) (int, error)){
	"Go on Goroutines": func(t *testing.T, ctx context.Context, f func(context.Context) (int, error)) {
		hop.Go(ctx, hop.Goroutines, f)
	},
	"Go on a Loop": func(t *testing.T, ctx context.Context, f func(context.Context) (int, error)) {
		hop.Go(ctx, newLoop(t, nil), f)
	},
	"Go on a Pool": func(t *testing.T, ctx context.Context, f func(context.Context) (int, error)) {
		hop.Go(ctx, newPool(t, nil), f)
	},
	"Go on a portal of the user's": func(t *testing.T, ctx context.Context, f func(context.Context) (int, error)) {
		hop.Go(ctx, forwarder{make(chan struct{})}, f)
	},
	"After": func(t *testing.T, ctx context.Context, f func(context.Context) (int, error)) {
		hop.After(ctx, 10*time.Millisecond, hop.Goroutines, f)
	},
	"After on a Loop": func(t *testing.T, ctx context.Context, f func(context.Context) (int, error)) {
		hop.After(ctx, 10*time.Millisecond, newLoop(t, nil), f)
	},
	"After on a Pool": func(t *testing.T, ctx context.Context, f func(context.Context) (int, error)) {
		hop.After(ctx, 10*time.Millisecond, newPool(t, nil), f)
	},
	"NewPromise": func(t *testing.T, ctx context.Context, f func(context.Context) (int, error)) {
		pr := hop.NewPromise[int](ctx)
		go func() {
			v, _ := f(bg)
			pr.Resolve(v)
		}()
	},
	"New and Submit to a Loop": func(t *testing.T, ctx context.Context, f func(context.Context) (int, error)) {
		newLoop(t, nil).Submit(hop.New(ctx, f).Call())
	},
	"New and Submit to a Pool": func(t *testing.T, ctx context.Context, f func(context.Context) (int, error)) {
		newPool(t, nil).Submit(hop.New(ctx, f).Call())
	},
	"New and Submit to a Waiter": func(t *testing.T, ctx context.Context, f func(context.Context) (int, error)) {
		servedWaiter(t).Submit(hop.New(ctx, f).Call())
	},
	"New and Submit to a Waiter before its Wait": func(t *testing.T, ctx context.Context, f func(context.Context) (int, error)) {
		w, end := hop.NewWaiter(), hop.NewPromise[int](bg)
		p := hop.New(ctx, f)
		w.Submit(p.Call())
		p.OnDone(func() { end.Resolve(0) })
		go w.Wait(bg, end.Pending().Call())
	},
	"New and Submit to a portal of the user's": func(t *testing.T, ctx context.Context, f func(context.Context) (int, error)) {
		in := make(chan struct{})
		p := hop.New(ctx, func(ctx context.Context) (int, error) { close(in); return f(ctx) })
		forwarder{make(chan struct{})}.Submit(p.Call())
		<-in
	},
	"Group.Add": func(t *testing.T, ctx context.Context, f func(context.Context) (int, error)) {
		hop.CurrentGroup(ctx).Add(hop.Go(bg, hop.Goroutines, f).Call())
	},
	"Do": func(t *testing.T, ctx context.Context, f func(context.Context) (int, error)) {
		in := make(chan struct{})
		go hop.Do(ctx, hop.Goroutines, func(ctx context.Context) (int, error) { close(in); return f(ctx) })
		<-in
	},
	"Run": func(t *testing.T, ctx context.Context, f func(context.Context) (int, error)) {
		in := make(chan struct{})
		go hop.Run(ctx, newPool(t, nil), func(ctx context.Context) error { close(in); _, err := f(ctx); return err })
		<-in
	},
	"Do inline": func(t *testing.T, ctx context.Context, f func(context.Context) (int, error)) {
		l, in := newLoop(t, nil), make(chan struct{})
		l.Post(func() { hop.Do(ctx, l, func(ctx context.Context) (int, error) { close(in); return f(ctx) }) })
		<-in
	},
	"Blocking": func(t *testing.T, ctx context.Context, f func(context.Context) (int, error)) {
		in := make(chan struct{})
		go hop.Blocking(ctx, func(ctx context.Context) (int, error) { close(in); return f(ctx) })
		<-in
	},
	"by a member": func(t *testing.T, ctx context.Context, f func(context.Context) (int, error)) {
		hop.Go(ctx, hop.Goroutines, func(ctx context.Context) (int, error) { hop.Go(ctx, hop.Goroutines, f); return 0, nil })
	},
	"by a member on another place, with a context derived from its own": func(t *testing.T, ctx context.Context, f func(context.Context) (int, error)) {
		l := newLoop(t, nil)
		hop.Go(ctx, newPool(t, nil), func(ctx context.Context) (int, error) {
			ctx, cancel := context.WithTimeout(context.WithValue(ctx, userKey{}, "value"), time.Hour)
			t.Cleanup(cancel)
			hop.Go(ctx, l, f)
			return 0, nil
		})
	},
}

func TestS34_WaitsForACallMadeByAnyWayIn(t *testing.T) {
	for name, start := range waysIn {
		t.Run(name, func(t *testing.T) {
			for _, on := range []hop.Portal{hop.Goroutines, newLoop(t, nil), newPool(t, &hop.PoolOptions{Size: 1})} {
				var release hop.Event
				var ended atomic.Bool
				owner := ownGroup(on, nil, func(ctx context.Context) error {
					start(t, ctx, func(ctx context.Context) (int, error) {
						release.Wait(bg)
						ended.Store(true)
						return 0, nil
					})
					return nil
				})
				untilWaitingOrDone(t, owner.Call())
				if owner.Call().State().Done() {
					t.Fatalf("on %v: WithGroup has returned before the member", on)
				}
				release.Set()
				if err := must(t, owner); err != nil {
					t.Errorf("on %v: %v", on, err)
				}
				if !ended.Load() {
					t.Errorf("on %v: WithGroup has returned before the member", on)
				}
			}
		})
	}
}

func TestS34_AFailureByAnyWayInIsTheGroups(t *testing.T) {
	for name, start := range waysIn {
		if name == "NewPromise" {
			continue // see TestS34_APromiseIsAMember
		}
		t.Run(name, func(t *testing.T) {
			err := withGroup(t, bg, nil, func(ctx context.Context) error {
				start(t, ctx, failure(errBoom))
				return nil
			})
			wantIs(t, err, errBoom)
		})
	}
}

func TestS34_APromiseIsAMember(t *testing.T) {
	err := withGroup(t, bg, nil, func(ctx context.Context) error {
		pr := hop.NewPromise[int](ctx)
		hop.Go(bg, hop.Goroutines, func(context.Context) (int, error) { pr.Reject(errBoom); return 0, nil })
		return nil
	})
	wantIs(t, err, errBoom)
	err = withGroup(t, bg, nil, func(ctx context.Context) error {
		hop.NewPromise[int](ctx) // nobody will ever resolve it
		return errBoom
	})
	wantIs(t, err, errBoom)
}

func TestS34_WaitsForThoseMadeByMembersDuringTheExit(t *testing.T) {
	l, pool := newLoop(t, nil), newPool(t, &hop.PoolOptions{Size: 1})
	for _, on := range []hop.Portal{hop.Goroutines, l, pool} {
		var owner *hop.Pending[error]
		var ready, exiting hop.Event
		var ran atomic.Int32
		var make func(n int) func(context.Context) (int, error)
		make = func(n int) func(context.Context) (int, error) {
			return func(ctx context.Context) (int, error) {
				if n == 20 {
					if err := exiting.Wait(ctx); err != nil {
						return 0, err
					}
				}
				ran.Add(1)
				if n > 0 {
					hop.Go(ctx, []hop.Portal{l, pool, hop.Goroutines}[n%3], make(n-1))
				}
				return 0, nil
			}
		}
		owner = ownGroup(on, nil, func(ctx context.Context) error {
			hop.Go(ctx, l, make(20))
			ready.Set()
			return nil
		})
		within(t, patience, "f", func() { ready.Wait(bg) })
		untilWaitingOrDone(t, owner.Call())
		exiting.Set()
		if err := must(t, owner); err != nil {
			t.Error(err)
		}
		if n := ran.Load(); n != 21 {
			t.Errorf("on %v: %d members had run when WithGroup returned, want 21", on, n)
		}
	}
}

func TestS34_MembersThatEndAndStartMembersAtOnceAreAllWaitedFor(t *testing.T) {
	// The number of members crosses zero or nearly so all the time: the trap of a WaitGroup.
	for range 200 {
		var running, ran atomic.Int32
		var chain func(n int) func(context.Context) (int, error)
		chain = func(n int) func(context.Context) (int, error) {
			return func(ctx context.Context) (int, error) {
				running.Add(1)
				defer running.Add(-1)
				ran.Add(1)
				if n > 0 {
					hop.Go(ctx, hop.Goroutines, chain(n-1))
				}
				return 0, nil
			}
		}
		err := withGroup(t, bg, nil, func(ctx context.Context) error {
			hop.Go(ctx, hop.Goroutines, chain(10))
			return nil
		})
		if r, n := running.Load(), ran.Load(); err != nil || r != 0 || n != 11 {
			t.Fatalf("when WithGroup returned %d members had run and %d ran, want 11 and 0; error %v", n, r, err)
		}
	}
}

func TestS34_AFailureCancelsTheOthersAndTheContextOfF(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		var seen, ofF error
		var other *hop.Pending[int]
		err := withGroup(t, bg, nil, func(ctx context.Context) error {
			other = untilCancelled(t, ctx, on, &seen)
			hop.Go(ctx, on, failure(errBoom))
			var never hop.Event
			ofF = errors.Join(never.Wait(ctx), context.Cause(ctx))
			return nil
		})
		wantIs(t, err, errBoom)
		wantIs(t, seen, errBoom)
		wantIs(t, ofF, context.Canceled)
		wantIs(t, ofF, errBoom)
		wantState(t, other.Call(), hop.Cancelled)
		wantIs(t, waitErr(t, other), errBoom) // the cause
		wantNot(t, err, hop.ErrCancelled)     // the others were cancelled because of it: no errors of their own
	})
}

func TestS34_APanicAndAGoexitOfAMemberAreFailures(t *testing.T) {
	var seen error
	err := withGroup(t, bg, nil, func(ctx context.Context) error {
		untilCancelled(t, ctx, hop.Goroutines, &seen)
		hop.Go(ctx, hop.Goroutines, func(context.Context) (int, error) { panic(errBoom) })
		return nil
	})
	var pe *hop.PanicError
	if !errors.As(err, &pe) || pe.Value != errBoom {
		t.Errorf("error is %v, want a *hop.PanicError of the member's value", err)
	}
	wantIs(t, seen, errBoom)
	err = withGroup(t, bg, nil, func(ctx context.Context) error {
		hop.Go(ctx, hop.Goroutines, func(context.Context) (int, error) { runtime.Goexit(); return 0, nil })
		return nil
	})
	wantIs(t, err, hop.ErrGoexit)
}

func TestS34_ErrorsAreJoinedOneOrMany(t *testing.T) {
	parts := func(err error) int {
		var joined interface{ Unwrap() []error }
		if !errors.As(err, &joined) {
			return 0
		}
		return len(joined.Unwrap())
	}
	// One.
	err := withGroup(t, bg, nil, func(ctx context.Context) error { hop.Go(ctx, hop.Goroutines, failure(errBoom)); return nil })
	if parts(err) != 1 || !errors.Is(err, errBoom) {
		t.Errorf("the error of one member is %v (%T), want it joined", err, err)
	}
	// Many.
	err = withGroup(t, bg, &hop.GroupOptions{KeepGoing: true}, func(ctx context.Context) error {
		hop.Go(ctx, hop.Goroutines, failure(errBoom))
		hop.Go(ctx, hop.Goroutines, failure(errOther))
		return errEnough
	})
	if parts(err) != 3 {
		t.Errorf("%d errors, want 3: %v", parts(err), err)
	}
	for _, want := range []error{errBoom, errOther, errEnough} {
		wantIs(t, err, want)
	}
	// An error that f has from a member is not told twice.
	err = withGroup(t, bg, nil, func(ctx context.Context) error {
		_, err := hop.Do(ctx, hop.Goroutines, failure(errBoom))
		return err
	})
	if parts(err) != 1 || !errors.Is(err, errBoom) {
		t.Errorf("the member's error that f returned: %v, want it once", err)
	}
}

func TestS34_AllWellIsNil(t *testing.T) {
	var nothing *hop.GroupOptions
	for _, o := range []*hop.GroupOptions{nothing, {}, {Timeout: time.Hour, Limit: 2, KeepGoing: true, CancelOnCancelled: true, ReportCancelled: true, Shield: true}} {
		var g *hop.Group
		err := withGroup(t, bg, o, func(ctx context.Context) error {
			g = hop.CurrentGroup(ctx)
			for i := range 10 {
				hop.Go(ctx, hop.Goroutines, value(i))
			}
			return nil
		})
		if err != nil || g.Cancelled() || len(g.Calls()) != 0 {
			t.Errorf("%+v: error %v, cancelled %v, %d calls; want nil, false, 0", o, err, g.Cancelled(), len(g.Calls()))
		}
	}
}

func TestS34_AnErrorOfFCancelsTheMembers(t *testing.T) {
	var seen error
	var member *hop.Pending[int]
	err := withGroup(t, bg, nil, func(ctx context.Context) error {
		member = untilCancelled(t, ctx, hop.Goroutines, &seen)
		return errBoom
	})
	wantIs(t, err, errBoom)
	wantIs(t, seen, errBoom) // the cause
	wantIs(t, waitErr(t, member), errBoom)
	wantNot(t, err, hop.ErrCancelled)
}

func TestS34_KeepGoing(t *testing.T) {
	for _, who := range []string{"a member", "f"} {
		var release hop.Event
		owner := ownGroup(hop.Goroutines, &hop.GroupOptions{KeepGoing: true}, func(ctx context.Context) error {
			p := hop.Go(ctx, hop.Goroutines, func(ctx context.Context) (int, error) { return 1, release.Wait(ctx) }, hop.Name("other"))
			p.OnDone(func() {
				if s := p.Call().State(); s != hop.Succeeded {
					t.Errorf("%s failed: the other is %v, want succeeded", who, s)
				}
			})
			if who == "f" {
				return errBoom
			}
			hop.Go(ctx, hop.Goroutines, failure(errBoom)).Wait(ctx)
			if ctx.Err() != nil || hop.CurrentGroup(ctx).Cancelled() {
				t.Errorf("%s failed: the group was cancelled", who)
			}
			return nil
		})
		untilWaitingOrDone(t, owner.Call())
		release.Set()
		wantIs(t, must(t, owner), errBoom)
	}
}

func TestS34_TheFourPoliciesForCancelledMembers(t *testing.T) {
	for _, cancelOn := range []bool{false, true} {
		for _, report := range []bool{false, true} {
			t.Run(fmt.Sprintf("CancelOnCancelled %v, ReportCancelled %v", cancelOn, report), func(t *testing.T) {
				everywhere(t, func(t *testing.T, on hop.Portal) {
					var other *hop.Pending[int]
					var release hop.Event
					var g *hop.Group
					cancelled := false
					err := withGroup(t, bg, &hop.GroupOptions{CancelOnCancelled: cancelOn, ReportCancelled: report}, func(ctx context.Context) error {
						g = hop.CurrentGroup(ctx)
						var seen error
						member := untilCancelled(t, ctx, on, &seen)
						other = hop.Go(ctx, on, func(ctx context.Context) (int, error) { return 0, release.Wait(ctx) })
						untilWaiting(t, member.Call())
						member.Cancel(errEnough)
						<-member.Done()
						if cancelOn {
							<-other.Done()
						}
						cancelled = g.Cancelled()
						release.Set()
						_, err := other.Wait(bg)
						if cancelOn {
							return ctx.Err() // f notices as well: not an error by itself
						}
						return err
					})
					if cancelled != cancelOn || g.Cancelled() != cancelOn {
						t.Errorf("cancelled is %v, at the end %v; want %v", cancelled, g.Cancelled(), cancelOn)
					}
					want := hop.Succeeded
					if cancelOn {
						want = hop.Cancelled
					}
					wantState(t, other.Call(), want)
					if report {
						wantIs(t, err, hop.ErrCancelled)
						wantIs(t, err, errEnough)
					} else if err != nil {
						t.Errorf("error is %v, want none", err)
					}
				})
			})
		}
	}
}

func TestS34_AQueuedMemberThatIsCancelledCountsTheSame(t *testing.T) {
	for name, make := range busyKinds {
		t.Run(name, func(t *testing.T) {
			on := make(t)
			gate := occupy(t, on)
			err := withGroup(t, bg, &hop.GroupOptions{CancelOnCancelled: true, ReportCancelled: true}, func(ctx context.Context) error {
				hop.Go(ctx, on, value(1)) // queued too: it is cancelled by the group, and the group need not wait for the place
				hop.Go(ctx, on, value(1)).Cancel(errEnough)
				return nil
			})
			wantIs(t, err, errEnough)
			gate.open()
		})
	}
}

func TestS34_AMembersOwnTimeoutIsACancel(t *testing.T) {
	for _, report := range []bool{false, true} {
		err := withGroup(t, bg, &hop.GroupOptions{ReportCancelled: report}, func(ctx context.Context) error {
			var seen error
			untilCancelled(t, ctx, hop.Goroutines, &seen, hop.Timeout(10*time.Millisecond))
			return nil
		})
		if report {
			wantIs(t, err, hop.ErrCancelled)
			wantIs(t, err, context.DeadlineExceeded)
		} else if err != nil {
			t.Errorf("error is %v, want none", err)
		}
	}
}

func TestS34_ItsOwnTimeoutCancelsTheMembersAndIsNoError(t *testing.T) {
	everywhereInBubble(t, func(t *testing.T, on hop.Portal) {
		var seen, ofF error
		var g *hop.Group
		begin := time.Now()
		err := hop.WithGroup(bg, &hop.GroupOptions{Timeout: time.Hour}, func(ctx context.Context) error {
			g = hop.CurrentGroup(ctx)
			untilCancelled(t, ctx, on, &seen)
			ofF = hop.Sleep(ctx, 2*time.Hour)
			return ofF
		})
		if err != nil || !g.Cancelled() {
			t.Errorf("error %v, cancelled %v; want nil and true", err, g.Cancelled())
		}
		wantIs(t, seen, context.DeadlineExceeded)
		wantIs(t, ofF, context.DeadlineExceeded) // the cause
		if d := time.Since(begin); d != time.Hour {
			t.Errorf("it took %v, want 1h", d)
		}
	})
}

func TestS34_ItsOwnTimeoutDoesNotHideAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		err := hop.WithGroup(bg, &hop.GroupOptions{Timeout: time.Hour}, func(ctx context.Context) error {
			return errors.Join(hop.Sleep(ctx, 2*time.Hour), errBoom)
		})
		wantIs(t, err, errBoom)
		err = hop.WithGroup(bg, &hop.GroupOptions{Timeout: time.Hour, KeepGoing: true}, func(ctx context.Context) error {
			hop.Go(ctx, hop.Goroutines, failure(errBoom))
			return hop.Sleep(ctx, 2*time.Hour)
		})
		wantIs(t, err, errBoom)
		wantNot(t, err, context.DeadlineExceeded)
	})
}

func TestS34_TheTimeoutIsOffWhenTheGroupIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g *hop.Group
		hop.WithGroup(bg, &hop.GroupOptions{Timeout: time.Hour}, func(ctx context.Context) error { g = hop.CurrentGroup(ctx); return nil })
		time.Sleep(2 * time.Hour)
		if g.Cancelled() {
			t.Error("a group that is over was cancelled by its Timeout")
		}
	})
}

func TestS34_TheParentsEndCancelsTheMembersAndTheyAreWaitedFor(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		ctx, cancel := context.WithCancelCause(t.Context())
		var cleaned atomic.Bool
		var cleanup hop.Event
		in := make(chan struct{})
		owner := hop.Go(bg, hop.Goroutines, func(context.Context) (error, error) {
			return hop.WithGroup(ctx, nil, func(ctx context.Context) error {
				hop.Go(ctx, on, func(ctx context.Context) (int, error) {
					close(in)
					var never hop.Event
					never.Wait(ctx)
					cleanup.Wait(bg)
					cleaned.Store(true)
					return 0, nil
				})
				return nil
			}), nil
		})
		recv(t, "the member", in)
		cancel(errEnough)
		untilWaitingOrDone(t, owner.Call())
		cleanup.Set()
		err := must(t, owner)
		if !cleaned.Load() {
			t.Error("the cancelled member was not waited for")
		}
		wantIs(t, err, context.Canceled)
		wantIs(t, err, errEnough)
	})
}

func TestS34_TheErrorOfTheParentsEndHasItsCauseThoughFSaysLess(t *testing.T) {
	for range 100 {
		ctx, cancel := context.WithCancelCause(t.Context())
		err := withGroup(t, ctx, nil, func(ctx context.Context) error {
			g := hop.CurrentGroup(ctx)
			cancel(errEnough)
			<-ctx.Done()
			if !g.Cancelled() {
				t.Error("the context of f has ended, and the group says it was not cancelled")
			}
			return ctx.Err()
		})
		wantIs(t, err, context.Canceled)
		wantIs(t, err, errEnough)
	}
}

func TestS34_AContextThatHasEndedBefore(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errEnough)
	ran := false
	err := withGroup(t, ctx, nil, func(ctx context.Context) error {
		if ctx.Err() == nil {
			t.Error("the context of f has not ended")
		}
		hop.Go(ctx, hop.Goroutines, func(context.Context) (int, error) { ran = true; return 0, nil })
		return nil
	})
	wantIs(t, err, errEnough)
	if ran {
		t.Error("the member ran")
	}
}

func TestS34_ShieldKeepsTheParentsEndOut(t *testing.T) {
	ctx, cancel := context.WithCancel(context.WithValue(bg, userKey{}, "value"))
	cancel()
	err := withGroup(t, ctx, &hop.GroupOptions{Shield: true}, func(ctx context.Context) error {
		if ctx.Err() != nil || ctx.Value(userKey{}) != "value" {
			t.Errorf("the context of f: %v, value %v", ctx.Err(), ctx.Value(userKey{}))
		}
		_, err := hop.Do(ctx, hop.Goroutines, func(ctx context.Context) (int, error) {
			return 0, hop.Sleep(ctx, time.Millisecond)
		})
		return err
	})
	if err != nil {
		t.Errorf("error is %v, want none", err)
	}
	// Cancel and failures go on working.
	var seen error
	err = withGroup(t, ctx, &hop.GroupOptions{Shield: true}, func(ctx context.Context) error {
		untilCancelled(t, ctx, hop.Goroutines, &seen)
		return errBoom
	})
	wantIs(t, err, errBoom)
	if seen == nil {
		t.Error("a failure did not cancel the member of a shielded group")
	}
}

func TestS34_ACallBelongsToTheEnclosingGroupsToo(t *testing.T) {
	var seen error
	var inner, outer *hop.Group
	err := withGroup(t, bg, nil, func(ctx context.Context) error {
		outer = hop.CurrentGroup(ctx)
		untilCancelled(t, ctx, hop.Goroutines, &seen)
		err := hop.WithGroup(ctx, nil, func(ctx context.Context) error {
			inner = hop.CurrentGroup(ctx)
			var e hop.Event
			p := hop.Go(ctx, hop.Goroutines, func(ctx context.Context) (int, error) { e.Wait(bg); return 0, errBoom })
			if !slices.Contains(inner.Calls(), p.Call()) || !slices.Contains(outer.Calls(), p.Call()) {
				t.Error("the call is not in both groups")
			}
			if inner == outer {
				t.Error("the groups are one")
			}
			e.Set()
			return nil
		})
		wantIs(t, err, errBoom)
		return nil // f swallows it; the outer group knows all the same
	})
	wantIs(t, err, errBoom)
	wantIs(t, seen, errBoom)
	if !inner.Cancelled() || !outer.Cancelled() {
		t.Error("not both groups were cancelled")
	}
}

func TestS34_CancellingTheInnerGroupLeavesTheOuterAlone(t *testing.T) {
	var release hop.Event
	err := withGroup(t, bg, nil, func(ctx context.Context) error {
		p := hop.Go(ctx, hop.Goroutines, func(ctx context.Context) (int, error) { return 0, release.Wait(ctx) })
		var seen error
		err := hop.WithGroup(ctx, nil, func(ctx context.Context) error {
			untilCancelled(t, ctx, hop.Goroutines, &seen)
			hop.CurrentGroup(ctx).Cancel(errEnough)
			return nil
		})
		if err != nil || seen != errEnough {
			t.Errorf("the inner group's error is %v, its member's cause %v; want nil and the cancel's", err, seen)
		}
		if ctx.Err() != nil {
			t.Error("the outer group was cancelled")
		}
		release.Set()
		_, err = p.Wait(ctx)
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestS34_CancellingTheOuterGroupCancelsTheInner(t *testing.T) {
	var seen, ofInner error
	err := withGroup(t, bg, nil, func(ctx context.Context) error {
		outer := hop.CurrentGroup(ctx)
		ofInner = hop.WithGroup(ctx, nil, func(ctx context.Context) error {
			untilCancelled(t, ctx, hop.Goroutines, &seen)
			outer.Cancel(errEnough)
			return nil
		})
		return ofInner
	})
	wantIs(t, ofInner, errEnough) // not its own doing: an error of the inner
	wantIs(t, seen, errEnough)
	if err != nil {
		t.Errorf("the outer group, which was cancelled by hand: %v, want no error", err)
	}
}

func TestS34_DetachOptsOut(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		var release hop.Event
		var p *hop.Pending[int]
		err := withGroup(t, context.WithValue(bg, userKey{}, "value"), nil, func(ctx context.Context) error {
			return hop.WithGroup(ctx, nil, func(ctx context.Context) error {
				out := hop.Detach(ctx)
				if hop.CurrentGroup(out) != nil || out.Value(userKey{}) != "value" {
					t.Error("Detach: the group is still there, or the values are not")
				}
				p = hop.Go(out, on, func(ctx context.Context) (int, error) {
					// What it makes is out too.
					return hop.Go(ctx, on, func(ctx context.Context) (int, error) { return 7, release.Wait(ctx) }).Wait(ctx)
				})
				return errBoom // cancels what is in
			})
		})
		wantIs(t, err, errBoom)
		if p.Call().State().Done() {
			t.Errorf("the detached call is %v", p)
		}
		release.Set()
		if v := must(t, p); v != 7 {
			t.Errorf("the detached call returned %d", v)
		}
	})
}

func TestS34_AGroupMadeUnderDetachIsANewOne(t *testing.T) {
	err := withGroup(t, bg, nil, func(ctx context.Context) error {
		outer := hop.CurrentGroup(ctx)
		return hop.WithGroup(hop.Detach(ctx), nil, func(ctx context.Context) error {
			p := hop.Go(ctx, hop.Goroutines, value(1))
			if slices.Contains(outer.Calls(), p.Call()) || hop.CurrentGroup(ctx) == outer {
				t.Error("the outer group is still there")
			}
			return nil
		})
	})
	if err != nil {
		t.Error(err)
	}
}

func TestS34_APanicOfFCancelsAndWaitsAndGoesOn(t *testing.T) {
	for _, on := range []hop.Portal{hop.Goroutines, newLoop(t, nil), newPool(t, &hop.PoolOptions{Size: 1})} {
		var cleaned atomic.Bool
		p := ownGroup(on, nil, func(ctx context.Context) error {
			in := hop.NewPromise[int](hop.Detach(ctx))
			hop.Go(ctx, on, func(ctx context.Context) (int, error) {
				in.Resolve(1)
				var never hop.Event
				never.Wait(ctx)
				hop.Sleep(bg, time.Millisecond)
				cleaned.Store(true)
				return 0, nil
			})
			in.Pending().Wait(ctx)
			panic(errBoom)
		})
		err := waitErr(t, p)
		var pe *hop.PanicError
		if !errors.As(err, &pe) || pe.Value != errBoom || !strings.Contains(string(pe.Stack), "group_test.go") {
			t.Errorf("on %v: error is %v, want the panic of f with its stack", on, err)
		}
		if !cleaned.Load() {
			t.Errorf("on %v: the member was not waited for", on)
		}
	}
}

func TestS34_AGoexitOfFCancelsAndWaitsAndGoesOn(t *testing.T) {
	for _, on := range []hop.Portal{hop.Goroutines, newLoop(t, nil), newPool(t, &hop.PoolOptions{Size: 1})} {
		var cleaned atomic.Bool
		p := ownGroup(on, nil, func(ctx context.Context) error {
			in := hop.NewPromise[int](hop.Detach(ctx))
			hop.Go(ctx, on, func(ctx context.Context) (int, error) {
				in.Resolve(1)
				var never hop.Event
				never.Wait(ctx)
				hop.Sleep(bg, time.Millisecond)
				cleaned.Store(true)
				return 0, nil
			})
			in.Pending().Wait(ctx)
			runtime.Goexit()
			return nil
		})
		wantIs(t, waitErr(t, p), hop.ErrGoexit)
		if !cleaned.Load() {
			t.Errorf("on %v: the member was not waited for", on)
		}
		if v := must(t, hop.Go(bg, on, value(3))); v != 3 {
			t.Errorf("%v does not go on", on)
		}
	}
}

func TestS34_OnATaskTheWaitForTheGroupSuspends(t *testing.T) {
	onEachLoop(t, func(t *testing.T, l *hop.Loop) {
		var release hop.Event
		owner := ownGroup(l, nil, func(ctx context.Context) error {
			hop.Go(ctx, hop.Goroutines, func(ctx context.Context) (int, error) { return 0, release.Wait(ctx) })
			hop.Go(ctx, l, func(ctx context.Context) (int, error) { return 0, release.Wait(ctx) })
			return nil
		})
		untilWaiting(t, owner.Call())
		if v := must(t, hop.Go(bg, l, value(1))); v != 1 { // the loop goes on
			t.Error(v)
		}
		release.Set()
		if err := must(t, owner); err != nil {
			t.Error(err)
		}
	})
}

func TestS34_OnAPoolWorkerTheWaitForTheGroupGivesThePlaceBack(t *testing.T) {
	pool := newPool(t, &hop.PoolOptions{Size: 1})
	owner := ownGroup(pool, nil, func(ctx context.Context) error {
		for range 10 {
			hop.Go(ctx, pool, func(ctx context.Context) (int, error) {
				return 0, hop.WithGroup(ctx, nil, func(ctx context.Context) error { hop.Go(ctx, pool, value(1)); return nil })
			})
		}
		return nil
	})
	if err := must(t, owner); err != nil {
		t.Error(err)
	}
}

func TestS34_NothingKeepsAGoroutinePerMember(t *testing.T) {
	noLeak(t)
	l := newLoop(t, nil)
	var release hop.Event
	owner := ownGroup(l, nil, func(ctx context.Context) error {
		before := runtime.NumGoroutine()
		for range 1000 {
			hop.NewPromise[int](ctx)
		}
		if n := runtime.NumGoroutine() - before; n > 100 {
			t.Errorf("1000 members made %d goroutines", n)
		}
		release.Set()
		return nil
	})
	within(t, patience, "f", func() { release.Wait(bg) })
	untilWaiting(t, owner.Call())
	owner.Cancel(nil)
	wantCancelled(t, waitErr(t, owner))
}

func TestGroup_CancelIsNoError(t *testing.T) {
	var seen, ofF error
	var g *hop.Group
	err := withGroup(t, bg, nil, func(ctx context.Context) error {
		g = hop.CurrentGroup(ctx)
		p := untilCancelled(t, ctx, hop.Goroutines, &seen)
		untilWaiting(t, p.Call())
		g.Cancel(errEnough)
		g.Cancel(errOther) // the first counts
		ofF = context.Cause(ctx)
		late := hop.Go(ctx, hop.Goroutines, func(context.Context) (int, error) { t.Error("a call made after the cancel ran"); return 0, nil })
		wantIs(t, waitErr(t, late), errEnough)
		return ctx.Err()
	})
	if err != nil || !g.Cancelled() {
		t.Errorf("error %v, cancelled %v; want nil and true", err, g.Cancelled())
	}
	if seen != errEnough || ofF != errEnough {
		t.Errorf("the causes: %v for the member, %v for f; want that of the cancel", seen, ofF)
	}
}

func TestGroup_CancelWithoutACause(t *testing.T) {
	var seen error
	withGroup(t, bg, nil, func(ctx context.Context) error {
		untilCancelled(t, ctx, hop.Goroutines, &seen)
		hop.CurrentGroup(ctx).Cancel(nil)
		return nil
	})
	if seen != context.Canceled {
		t.Errorf("cause %v, want context.Canceled", seen)
	}
}

func TestGroup_CancelFromAMemberAndFromOutside(t *testing.T) {
	for _, from := range []string{"a member", "outside", "a member of a nested group"} {
		var seen error
		err := withGroup(t, bg, nil, func(ctx context.Context) error {
			g := hop.CurrentGroup(ctx)
			untilCancelled(t, ctx, hop.Goroutines, &seen)
			switch from {
			case "a member":
				hop.Go(ctx, hop.Goroutines, func(ctx context.Context) (int, error) { hop.CurrentGroup(ctx).Cancel(errEnough); return 0, nil })
			case "outside":
				hop.Go(bg, hop.Goroutines, func(context.Context) (int, error) { g.Cancel(errEnough); return 0, nil })
			default:
				hop.Go(ctx, hop.Goroutines, func(ctx context.Context) (int, error) {
					return 0, hop.WithGroup(ctx, nil, func(ctx context.Context) error { g.Cancel(errEnough); return nil })
				})
			}
			return nil
		})
		if err != nil {
			t.Errorf("from %s: error %v", from, err)
		}
	}
}

func TestGroup_ACallMadeAfterItsEndNeverRuns(t *testing.T) {
	for _, o := range []*hop.GroupOptions{nil, {Limit: 1}, {Shield: true}} {
		var late context.Context
		withGroup(t, bg, o, func(ctx context.Context) error { late = ctx; return nil })
		everywhere(t, func(t *testing.T, on hop.Portal) {
			p := hop.Go(late, on, func(context.Context) (int, error) { t.Error("it ran"); return 0, nil })
			err := waitErr(t, p)
			wantIs(t, err, hop.ErrClosed)
			wantCancelled(t, err)
		})
		wantIs(t, waitErr(t, hop.NewPromise[int](late).Pending()), hop.ErrClosed)
	}
}

func TestGroup_Add(t *testing.T) {
	t.Run("a call made elsewhere is waited for and cancelled", func(t *testing.T) {
		var seen error
		err := withGroup(t, bg, nil, func(ctx context.Context) error {
			g := hop.CurrentGroup(ctx)
			p := untilCancelled(t, bg, hop.Goroutines, &seen)
			g.Add(p.Call())
			g.Add(p.Call()) // twice is once
			if n := len(g.Calls()); n != 1 {
				t.Errorf("%d calls, want 1", n)
			}
			untilWaiting(t, p.Call())
			return errBoom
		})
		wantIs(t, err, errBoom)
		if seen == nil {
			t.Error("it was not cancelled")
		}
	})
	t.Run("before its submission", func(t *testing.T) {
		var g *hop.Group
		err := withGroup(t, bg, &hop.GroupOptions{Limit: 1}, func(ctx context.Context) error {
			g = hop.CurrentGroup(ctx)
			p := hop.New(ctx, failure(errBoom))
			g.Add(p.Call())
			hop.Goroutines.Submit(p.Call())
			if n := len(g.Calls()); n > 1 {
				t.Errorf("%d calls, want one at most", n)
			}
			return nil
		})
		wantIs(t, err, errBoom)
		if n := len(g.Calls()); n != 0 {
			t.Errorf("%d calls at the end", n)
		}
	})
	t.Run("a call that is done", func(t *testing.T) {
		var g *hop.Group
		err := withGroup(t, bg, nil, func(ctx context.Context) error {
			g = hop.CurrentGroup(ctx)
			p := hop.Go(bg, hop.Goroutines, failure(errBoom))
			waitErr(t, p)
			g.Add(p.Call())
			if ctx.Err() == nil {
				t.Error("its failure did not cancel the group")
			}
			return nil
		})
		wantIs(t, err, errBoom)
	})
	t.Run("to a group that is cancelled", func(t *testing.T) {
		var seen error
		withGroup(t, bg, nil, func(ctx context.Context) error {
			g := hop.CurrentGroup(ctx)
			g.Cancel(errEnough)
			p := untilCancelled(t, bg, hop.Goroutines, &seen)
			untilWaiting(t, p.Call())
			g.Add(p.Call())
			return nil
		})
		wantIs(t, seen, errEnough)
	})
	t.Run("to a group that is over panics", func(t *testing.T) {
		var g *hop.Group
		withGroup(t, bg, nil, func(ctx context.Context) error { g = hop.CurrentGroup(ctx); return nil })
		p := hop.NewPromise[int](bg)
		mustPanic(t, func() { g.Add(p.Pending().Call()) })
		p.Resolve(1) // and has left nothing locked
		mustPanic(t, func() { g.Add(nil) })
	})
	t.Run("during the exit", func(t *testing.T) {
		var exiting, release hop.Event
		var ended atomic.Bool
		owner := ownGroup(hop.Goroutines, nil, func(ctx context.Context) error {
			hop.Go(ctx, hop.Goroutines, func(ctx context.Context) (int, error) {
				exiting.Wait(ctx)
				hop.CurrentGroup(ctx).Add(hop.Go(bg, hop.Goroutines, func(context.Context) (int, error) {
					release.Wait(bg)
					ended.Store(true)
					return 0, nil
				}).Call())
				return 0, nil
			})
			return nil
		})
		untilWaitingOrDone(t, owner.Call())
		exiting.Set()
		release.Set()
		must(t, owner)
		if !ended.Load() {
			t.Error("it was not waited for")
		}
	})
}

func TestS4_AddOfACallThatWaitsForTheGroupsOwner(t *testing.T) {
	// The owner waits for its group already, when a call that waits for the owner becomes a member. No wait begins at that
	// moment; the group's is refused. Its members are cancelled, and waited for like any.
	for _, on := range []hop.Portal{newLoop(t, nil), newPool(t, &hop.PoolOptions{Size: 1}), hop.Goroutines} {
		var exiting hop.Event
		var cleaned, owned atomic.Bool
		var owner *hop.Pending[error]
		var x *hop.Pending[int]
		owner = hop.Go(bg, on, func(ctx context.Context) (error, error) {
			err := hop.WithGroup(ctx, nil, func(ctx context.Context) error {
				hop.Go(ctx, hop.Goroutines, func(ctx context.Context) (int, error) {
					exiting.Wait(bg)
					hop.CurrentGroup(ctx).Add(x.Call())
					var never hop.Event
					never.Wait(ctx)
					hop.Sleep(bg, 10*time.Millisecond)
					cleaned.Store(true)
					return 0, nil
				}, hop.Name("member"))
				return nil
			})
			owned.Store(cleaned.Load())
			return err, nil
		}, hop.Name("owner"))
		untilWaiting(t, owner.Call())
		x = hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) {
			_, err := owner.Wait(ctx)
			return 0, err
		}, hop.Name("x"))
		untilWaiting(t, x.Call())
		exiting.Set()
		wantDeadlock(t, must(t, owner))
		if !owned.Load() {
			t.Errorf("on %v: WithGroup has returned before its members", on)
		}
		if err := waitErr(t, x); !errors.Is(err, hop.ErrDeadlock) { // refused itself, or cancelled because the owner was
			t.Errorf("on %v: x: %v", on, err)
		}
	}
}

func TestS4_AddOfTheGroupsOwner(t *testing.T) {
	var self *hop.Pending[error]
	self = hop.New(bg, func(ctx context.Context) (error, error) {
		return hop.WithGroup(ctx, nil, func(ctx context.Context) error {
			hop.CurrentGroup(ctx).Add(self.Call())
			return nil
		}), nil
	})
	hop.Goroutines.Submit(self.Call())
	wantIs(t, waitErr(t, self), hop.ErrDeadlock) // it has cancelled itself, and why is the cause
}

func TestGroup_CurrentGroup(t *testing.T) {
	if hop.CurrentGroup(bg) != nil {
		t.Error("there is a group where there is none")
	}
	withGroup(t, bg, nil, func(ctx context.Context) error {
		outer := hop.CurrentGroup(ctx)
		tracked, _ := hop.Track(ctx)
		if hop.CurrentGroup(tracked) != outer {
			t.Error("a tracker hides the group")
		}
		return hop.WithGroup(tracked, nil, func(ctx context.Context) error {
			inner := hop.CurrentGroup(ctx)
			if inner == nil || inner == outer {
				t.Error("not the innermost group")
			}
			got, err := hop.Do(context.WithValue(ctx, userKey{}, 1), hop.Goroutines, func(ctx context.Context) (*hop.Group, error) {
				return hop.CurrentGroup(ctx), nil
			})
			if got != inner {
				t.Error("a member has another group")
			}
			return err
		})
	})
}

func TestGroup_CallsAreTheLiveMembersOldestFirst(t *testing.T) {
	err := withGroup(t, bg, nil, func(ctx context.Context) error {
		g := hop.CurrentGroup(ctx)
		var ps []*hop.Promise[int]
		var want []*hop.Call
		for range 5 {
			p := hop.NewPromise[int](ctx)
			ps, want = append(ps, p), append(want, p.Pending().Call())
		}
		if got := g.Calls(); !slices.Equal(got, want) {
			t.Errorf("calls %v, want %v", got, want)
		}
		ps[1].Resolve(1)
		want = slices.Delete(want, 1, 2)
		if got := g.Calls(); !slices.Equal(got, want) {
			t.Errorf("calls %v after one has ended, want %v", got, want)
		}
		for _, p := range ps {
			p.Resolve(1)
		}
		if got := g.Calls(); len(got) != 0 {
			t.Errorf("calls %v after all have ended", got)
		}
		hop.New(ctx, value(1)) // is a member only once it is submitted
		if got := g.Calls(); len(got) != 0 {
			t.Errorf("calls %v: a call that was not submitted is a member", got)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestS34_AMemberThatWaitsForTheOwnerIsRefusedAndTheGroupEnds(t *testing.T) {
	l := newLoop(t, nil)
	var owner *hop.Pending[error]
	owner = hop.New(bg, func(ctx context.Context) (error, error) {
		return hop.WithGroup(ctx, nil, func(ctx context.Context) error {
			hop.Go(ctx, l, func(ctx context.Context) (int, error) {
				_, err := owner.Wait(ctx)
				return 0, err
			})
			return nil
		}), nil
	})
	l.Submit(owner.Call())
	wantIs(t, must(t, owner), hop.ErrDeadlock) // the member has failed with it
}

func TestS34_ClosingTheOwnersLoopEndsTheGroupInOrder(t *testing.T) {
	l := hop.NewLoop(nil)
	var cleaned atomic.Bool
	owner := ownGroup(l, nil, func(ctx context.Context) error {
		hop.Go(ctx, hop.Goroutines, func(ctx context.Context) (int, error) {
			var never hop.Event
			never.Wait(ctx)
			hop.Sleep(bg, 10*time.Millisecond)
			cleaned.Store(true)
			return 0, nil
		})
		return nil
	})
	untilWaiting(t, owner.Call())
	within(t, patience, "Close", func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	wantIs(t, waitErr(t, owner), hop.ErrStopped)
	if !cleaned.Load() {
		t.Error("the member was not waited for")
	}
}

func TestS34_StressOfEndsFromAllSides(t *testing.T) {
	// For the race detector, and for hangs: failures, cancels, timeouts, the parent's end and members that come and go.
	noLeak(t)
	l, pool := newLoop(t, nil), newPool(t, &hop.PoolOptions{Size: 2})
	ons := []hop.Portal{l, pool, hop.Goroutines}
	n := 300
	if testing.Short() || wasm {
		n = 50
	}
	for i := range n {
		o := &hop.GroupOptions{KeepGoing: i%2 == 0, CancelOnCancelled: i%3 == 0, ReportCancelled: i%5 == 0, Limit: i % 4}
		if i%7 == 0 {
			o.Timeout = time.Duration(i) * time.Microsecond
		}
		var live atomic.Int32
		ctx, cancel := context.WithCancel(bg)
		owner := hop.Go(bg, ons[i%3], func(context.Context) (error, error) {
			return hop.WithGroup(ctx, o, func(ctx context.Context) error {
				for j := range 20 {
					p := hop.Go(ctx, ons[j%3], func(ctx context.Context) (int, error) {
						live.Add(1)
						defer live.Add(-1)
						switch (i + j) % 9 {
						case 0:
							return 0, errBoom
						case 1:
							hop.Go(ctx, ons[(i+j)%3], value(1)).Wait(ctx)
						case 2:
							return 0, hop.Yield(ctx)
						case 3:
							return 0, hop.Sleep(ctx, time.Duration(j)*10*time.Microsecond)
						}
						return 0, nil
					})
					if (i+j)%11 == 0 {
						p.Cancel(errEnough)
					}
				}
				if i%13 == 0 {
					hop.CurrentGroup(ctx).Cancel(nil)
				}
				return nil
			}), nil
		})
		if i%10 == 0 {
			cancel()
		}
		must(t, owner)
		cancel()
		if k := live.Load(); k != 0 {
			t.Fatalf("round %d: %d members run after WithGroup has returned", i, k)
		}
	}
}

func TestS34_ManyGroupsAtOnceOnOneContext(t *testing.T) {
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			err := hop.WithGroup(bg, nil, func(ctx context.Context) error {
				for range 20 {
					hop.Go(ctx, hop.Goroutines, value(1))
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	within(t, patience, "the groups", all.Wait)
}
