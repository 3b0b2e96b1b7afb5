package hop_test

// Groups: members that are added, refused, shielded, or leave something behind.

import (
	"context"
	"errors"
	"runtime"
	"testing"

	"github.com/gohop/hop"
)

// A call that was added to another group before it was submitted leaves its own too.
func TestS34_AddBeforeSubmit(t *testing.T) {
	within(t, patience, "two groups", func() {
		hop.WithGroup(bg, nil, func(a context.Context) error {
			return hop.WithGroup(bg, nil, func(b context.Context) error {
				p := hop.New(a, value(1)) // a member of a from its Submit on
				hop.CurrentGroup(b).Add(p.Call())
				return hop.Goroutines.Submit(p.Call())
			})
		})
	})
}

func TestS34_AContextThatAMemberLeftBehindEndsWithTheGroup(t *testing.T) {
	told := make(chan struct{})
	err := hop.WithGroup(bg, nil, func(ctx context.Context) error {
		hop.Do(ctx, hop.Goroutines, func(ctx context.Context) (int, error) {
			context.AfterFunc(ctx, func() { close(told) }) // or: go func() { <-ctx.Done(); … }()
			return 0, nil
		})
		return errors.New("the group fails")
	})
	if err == nil {
		t.Error("no error")
	}
	recv(t, "the end of the member's context: the group has failed and is over", told)
}

// What cleans up after its group has failed is not cancelled by that.
func TestS34_AShieldHoldsInsideAnotherGroup(t *testing.T) {
	started, cleaned := make(chan struct{}), make(chan error, 1)
	hop.WithGroup(bg, nil, func(ctx context.Context) error {
		hop.Go(ctx, hop.Goroutines, func(ctx context.Context) (int, error) {
			close(started)
			<-ctx.Done()
			cleaned <- hop.WithGroup(ctx, &hop.GroupOptions{Shield: true}, func(ctx context.Context) error {
				return hop.Run(ctx, hop.Goroutines, func(ctx context.Context) error { return ctx.Err() })
			})
			return 0, nil
		})
		<-started
		return errors.New("the outer group fails")
	})
	if err := <-cleaned; err != nil {
		t.Error(err)
	}
}

func TestS34_ARefusedCallKeepsNoPlace(t *testing.T) {
	stopped := hop.NewLoop(nil)
	stopped.Close()
	within(t, patience, "a member while another was refused", func() {
		hop.WithGroup(bg, &hop.GroupOptions{Limit: 1}, func(ctx context.Context) error {
			a := hop.New(ctx, value(1))
			wantIs(t, stopped.Submit(a.Call()), hop.ErrStopped) // a is the caller's again
			if _, err := hop.Go(ctx, hop.Goroutines, value(2)).Wait(ctx); err != nil {
				t.Error(err)
			}
			return hop.Goroutines.Submit(a.Call())
		})
	})
}

func TestS34_TheOnDoneOfAMemberThatIsRefusedMayWait(t *testing.T) {
	l := newLoop(t, &hop.LoopOptions{OnPanic: func(p *hop.PanicError) { t.Errorf("%v", p.Value) }})
	stopped := hop.NewLoop(nil)
	hop.WithGroup(bg, &hop.GroupOptions{Limit: 1, KeepGoing: true}, func(ctx context.Context) error {
		begin := make(chan struct{})
		a := hop.Go(ctx, l, func(ctx context.Context) (int, error) { <-begin; return 0, hop.Sleep(ctx, 1) })
		b := hop.Go(ctx, stopped, value(1)) // held back
		b.OnDone(func() { hop.Sleep(bg, 1) })
		stopped.Close()
		close(begin)
		a.Wait(ctx)
		return nil
	})
}

func TestS34_HeldMembersAreNotNested(t *testing.T) {
	first, last := 0, 0
	hop.WithGroup(bg, &hop.GroupOptions{Limit: 1}, func(ctx context.Context) error {
		begin, started := make(chan struct{}), make(chan struct{})
		hop.Go(ctx, hop.Goroutines, func(context.Context) (int, error) { close(started); <-begin; return 0, nil })
		<-started
		for i := range 1000 {
			hop.Go(ctx, portalFunc(func(c *hop.Call) error { c.Run(); return nil }), func(context.Context) (int, error) {
				last = runtime.Callers(0, make([]uintptr, 1<<16))
				if i == 0 {
					first = last
				}
				return 0, nil
			})
		}
		close(begin)
		return nil
	})
	if last > first+500 {
		t.Errorf("the first member runs %d frames deep, the 1000th %d", first, last)
	}
}

func TestS34_ACancelThatWasNotTheGroupsIsReported(t *testing.T) {
	mine := errors.New("mine")
	err := hop.WithGroup(bg, &hop.GroupOptions{ReportCancelled: true}, func(ctx context.Context) error {
		out, started := make(chan struct{}), make(chan struct{})
		a := hop.Go(ctx, hop.Goroutines, func(context.Context) (int, error) { close(started); <-out; return 0, nil })
		<-started
		a.Cancel(mine)
		waitErr(t, hop.Go(ctx, hop.Goroutines, failure(errBoom)))
		close(out)
		return nil
	})
	wantIs(t, err, errBoom)
	wantIs(t, err, mine)
}

func TestTrackedCallsCostNoGoroutine(t *testing.T) {
	hop.Run(bg, hop.Goroutines, func(ctx context.Context) error {
		tracked, _ := hop.Track(ctx)
		for _, ctx := range []context.Context{ctx, tracked} {
			before := runtime.NumGoroutine()
			for range 1000 {
				hop.NewPromise[int](ctx).Pending().OnDone(func() {})
			}
			if n := runtime.NumGoroutine() - before; n > 10 {
				t.Errorf("%d goroutines for 1000 promises with %T", n, ctx)
			}
		}
		return nil
	})
}

func TestS34_ARefusedCallIsOnNoPortal(t *testing.T) {
	stopped := hop.NewLoop(&hop.LoopOptions{Name: "stopped"})
	stopped.Close()
	pool := hop.NewPool(nil)
	defer pool.Close()
	err := hop.WithGroup(bg, &hop.GroupOptions{Limit: 1}, func(ctx context.Context) error {
		p := hop.New(ctx, func(ctx context.Context) (hop.Portal, error) { return hop.CurrentCall(ctx).Portal(), nil })
		if err := stopped.Submit(p.Call()); !errors.Is(err, hop.ErrStopped) {
			t.Error(err)
		}
		if err := pool.Submit(p.Call()); err != nil {
			t.Error(err)
		}
		on, err := p.Wait(ctx)
		if err != nil || on != hop.Portal(pool) {
			t.Errorf("on %v, %v", on, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestS34_APanicOfFCancelsAlsoWithKeepGoing(t *testing.T) {
	var cause error
	p := ownGroup(hop.Goroutines, &hop.GroupOptions{KeepGoing: true}, func(ctx context.Context) error {
		untilCancelled(t, ctx, hop.Goroutines, &cause)
		panic(errBoom)
	})
	wantIs(t, waitErr(t, p), errBoom)
	if cause == nil {
		t.Error("the member was not cancelled")
	}
}

// The members of an inner group with Shield are those of the outer one too: its failure is nothing to them.
func TestS34_AShieldHoldsForMembersThatAreThere(t *testing.T) {
	gate := newGate(t)
	var shielded *hop.Pending[int]
	err := withGroup(t, bg, nil, func(ctx context.Context) error {
		in := make(chan struct{})
		hop.Go(hop.Detach(ctx), hop.Goroutines, func(context.Context) (int, error) {
			return 0, hop.WithGroup(ctx, &hop.GroupOptions{Shield: true}, func(ctx context.Context) error {
				shielded = hop.Go(ctx, hop.Goroutines, func(ctx context.Context) (int, error) {
					gate.pass()
					return 1, ctx.Err()
				})
				close(in)
				return nil
			})
		})
		recv(t, "the shielded member", in)
		waitErr(t, hop.Go(ctx, hop.Goroutines, failure(errBoom)))
		<-ctx.Done()
		gate.open()
		return nil
	})
	wantIs(t, err, errBoom)
	if v := must(t, shielded); v != 1 {
		t.Errorf("it returned %d", v)
	}
}

// A Shield is none against the group that has it.
func TestS34_AGroupWithAShieldCancelsItsQueuedMembers(t *testing.T) {
	for name, make := range busyKinds {
		t.Run(name, func(t *testing.T) {
			on := make(t)
			gate := occupy(t, on)
			err := withGroup(t, bg, &hop.GroupOptions{Shield: true}, func(ctx context.Context) error {
				hop.Go(ctx, on, mustNotRun(t))
				return errBoom
			})
			wantIs(t, err, errBoom)
			gate.open()
		})
	}
}

func TestS34_AnAddedCallIsToldOfTheEndOfItsOwnContext(t *testing.T) {
	for name, make := range busyKinds {
		t.Run(name, func(t *testing.T) {
			on := make(t)
			gate := occupy(t, on)
			own, end := context.WithCancel(bg)
			owner := ownGroup(hop.Goroutines, nil, func(ctx context.Context) error {
				hop.CurrentGroup(ctx).Add(hop.Go(own, on, mustNotRun(t)).Call())
				return nil
			})
			untilWaiting(t, owner.Call())
			end()
			if err := must(t, owner); err != nil { // though nobody looks at the call, and its place is stuck
				t.Error(err)
			}
			gate.open()
		})
	}
}

// A member's end ends another one's goroutine: the groups further in hear of it all the same.
func TestS34_AGoexitInTheOuterGroup(t *testing.T) {
	err := withGroup(t, bg, nil, func(ctx context.Context) error {
		hop.NewPromise[int](ctx).Pending().OnDone(runtime.Goexit)
		return hop.WithGroup(ctx, nil, func(ctx context.Context) error {
			hop.Go(ctx, hop.Goroutines, failure(errBoom))
			return nil
		})
	})
	wantIs(t, err, errBoom)
}
