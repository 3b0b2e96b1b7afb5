package hop_test

// Track: the live set of the calls made under a context, and nothing more.

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/gohop/hop"
)

func TestTrack_HasEveryCallByAnyWayInUntilItsEnd(t *testing.T) {
	for name, start := range waysIn {
		if name == "Group.Add" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			ctx, tr := hop.Track(bg)
			var in, release hop.Event
			start(t, ctx, func(context.Context) (int, error) { in.Set(); release.Wait(bg); return 0, nil })
			within(t, patience, "start", func() { in.Wait(bg) })
			if n := len(tr.Calls()); n < 1 {
				t.Errorf("%d calls, want it", n)
			}
			release.Set()
			eventually(t, "the tracker forgets", func() bool { return len(tr.Calls()) == 0 })
		})
	}
}

func TestTrack_CallsAreInTheOrderOfSubmissionAndForgottenAtTheirEnd(t *testing.T) {
	ctx, tr := hop.Track(bg)
	if tr.Calls() == nil || len(tr.Calls()) != 0 {
		t.Errorf("calls at first: %v", tr.Calls())
	}
	a, b, c := hop.NewPromise[int](ctx), hop.NewPromise[int](ctx), hop.NewPromise[int](ctx)
	want := []*hop.Call{a.Pending().Call(), b.Pending().Call(), c.Pending().Call()}
	if got := tr.Calls(); !slices.Equal(got, want) {
		t.Errorf("calls %v, want %v", got, want)
	}
	b.Reject(errBoom) // however it ends; a tracker does not care for errors
	if got := tr.Calls(); !slices.Equal(got, []*hop.Call{want[0], want[2]}) {
		t.Errorf("calls %v after the second has failed", got)
	}
	a.Pending().Cancel(nil)
	c.Resolve(1)
	if got := tr.Calls(); len(got) != 0 {
		t.Errorf("calls %v after all have ended", got)
	}
	if ctx.Err() != nil {
		t.Error("a failure ended the context")
	}
	b.Pending().Result()
}

func TestTrack_ANewCallIsThereOnceItIsSubmitted(t *testing.T) {
	on := newLoop(t, nil)
	gate := occupy(t, on)
	ctx, tr := hop.Track(bg)
	p := hop.New(ctx, value(1))
	if n := len(tr.Calls()); n != 0 {
		t.Errorf("%d calls before the submission", n)
	}
	on.Submit(p.Call())
	if got := tr.Calls(); !slices.Equal(got, []*hop.Call{p.Call()}) {
		t.Errorf("calls %v while it is queued", got)
	}
	gate.open()
	must(t, p)
	eventually(t, "the tracker forgets", func() bool { return len(tr.Calls()) == 0 })
}

func TestTrack_HasWhatTheCallsMakeToo(t *testing.T) {
	l, pool := newLoop(t, nil), newPool(t, nil)
	ons := []hop.Portal{l, pool, hop.Goroutines}
	ctx, tr := hop.Track(bg)
	var release hop.Event
	deepest := hop.NewPromise[*hop.Call](bg)
	var nest func(n int) func(context.Context) (int, error)
	nest = func(n int) func(context.Context) (int, error) {
		return func(ctx context.Context) (int, error) {
			if n == 0 {
				deepest.Resolve(hop.CurrentCall(ctx))
				return 0, release.Wait(ctx)
			}
			return hop.Go(context.WithValue(ctx, userKey{}, n), ons[n%3], nest(n-1)).Wait(ctx)
		}
	}
	p := hop.Go(ctx, l, nest(6))
	at := must(t, deepest.Pending())
	got := tr.Calls()
	if len(got) != 7 || got[0] != p.Call() || got[6] != at {
		t.Errorf("calls %v, want 7 from %v to %v", got, p.Call(), at)
	}
	release.Set()
	must(t, p)
	eventually(t, "the tracker forgets", func() bool { return len(tr.Calls()) == 0 })
}

func TestTrack_Nested(t *testing.T) {
	outerCtx, outer := hop.Track(bg)
	innerCtx, inner := hop.Track(outerCtx)
	a, b := hop.NewPromise[int](outerCtx), hop.NewPromise[int](innerCtx)
	if got := outer.Calls(); !slices.Equal(got, []*hop.Call{a.Pending().Call(), b.Pending().Call()}) {
		t.Errorf("outer: %v", got)
	}
	if got := inner.Calls(); !slices.Equal(got, []*hop.Call{b.Pending().Call()}) {
		t.Errorf("inner: %v", got)
	}
	c := hop.NewPromise[int](bg)
	if len(outer.Calls()) != 2 {
		t.Error("a call made without the context is there")
	}
	for _, p := range []*hop.Promise[int]{a, b, c} {
		p.Resolve(1)
	}
	if len(outer.Calls())+len(inner.Calls()) != 0 {
		t.Error("calls are left")
	}
}

func TestTrack_WithGroups(t *testing.T) {
	ctx, outer := hop.Track(bg)
	err := withGroup(t, ctx, nil, func(ctx context.Context) error {
		ctx, inner := hop.Track(ctx)
		p := hop.NewPromise[int](ctx)
		for name, calls := range map[string][]*hop.Call{"outer": outer.Calls(), "inner": inner.Calls(), "group": hop.CurrentGroup(ctx).Calls()} {
			if !slices.Equal(calls, []*hop.Call{p.Pending().Call()}) {
				t.Errorf("%s: %v", name, calls)
			}
		}
		p.Resolve(1)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestTrack_DetachOptsOut(t *testing.T) {
	ctx, tr := hop.Track(bg)
	l := newLoop(t, nil)
	var release hop.Event
	var out, child *hop.Pending[int]
	p := hop.Go(ctx, l, func(ctx context.Context) (int, error) {
		out = hop.Go(hop.Detach(ctx), l, func(ctx context.Context) (int, error) {
			child = hop.Go(ctx, l, func(ctx context.Context) (int, error) { return 0, release.Wait(ctx) })
			return 0, release.Wait(ctx)
		})
		hop.Yield(ctx)
		return 0, release.Wait(ctx)
	})
	untilWaiting(t, p.Call())
	untilWaiting(t, out.Call())
	untilWaiting(t, child.Call())
	if got := tr.Calls(); !slices.Equal(got, []*hop.Call{p.Call()}) {
		t.Errorf("calls %v, want %v only", got, p.Call())
	}
	release.Set()
	must(t, p)
	must(t, out)
	must(t, child)
}

func TestDetach_KeepsTheValuesAndLeavesTheCancellation(t *testing.T) {
	ctx, cancel := context.WithDeadline(context.WithValue(bg, userKey{}, "value"), time.Now().Add(time.Hour))
	cancel()
	p := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (*hop.Call, error) { return hop.CurrentCall(hop.Detach(ctx)), nil })
	if c := must(t, p); c != p.Call() {
		t.Errorf("CurrentCall is %v, want %v", c, p.Call())
	}
	ctx = hop.Detach(ctx)
	if _, ok := ctx.Deadline(); ok || ctx.Err() != nil || ctx.Done() != nil || context.Cause(ctx) != nil {
		t.Error("the cancellation is still there")
	}
	if ctx.Value(userKey{}) != "value" {
		t.Error("the values are gone")
	}
	mustPanic(t, func() { var none context.Context; hop.Detach(none) })
}

func TestTrack_Stress(t *testing.T) {
	noLeak(t)
	l, pool := newLoop(t, nil), newPool(t, &hop.PoolOptions{Size: 2})
	ctx, tr := hop.Track(bg)
	var ps []*hop.Pending[int]
	for i := range 1000 {
		p := hop.Go(ctx, []hop.Portal{l, pool, hop.Goroutines}[i%3], value(i))
		if i%3 == 0 {
			go p.Cancel(nil)
		}
		ps = append(ps, p)
		tr.Calls()
	}
	for _, p := range ps {
		waitErr(t, p)
	}
	eventually(t, "the tracker forgets", func() bool { return len(tr.Calls()) == 0 })
}

// A context that is derived from a tracked or detached one ends with that, and with nothing else.
func TestTrack_WhatIsDerivedFromItEndsWithTheCall(t *testing.T) {
	p := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) {
		tracked, _ := hop.Track(ctx)
		derived, end := context.WithCancel(tracked)
		defer end()
		free, end := context.WithCancel(hop.Detach(ctx))
		defer end()
		hop.CurrentCall(ctx).Cancel(errEnough)
		recv(t, "the end of what is derived from a tracked context", derived.Done())
		if free.Err() != nil {
			t.Errorf("what is derived from a detached context: %v", free.Err())
		}
		return 0, nil
	})
	wantCancelled(t, waitErr(t, p))
}
