package upstream_test

// TruLens' module asynchro: any function, called in either style.

import (
	"context"
	"testing"

	"github.com/gohop/hop"
	"github.com/gohop/hop/bridge"
)

func TestTrulensAsynchro_Desync(t *testing.T) {
	l := newLoop(t, nil)
	plain := func(a, b int) int { return a + b }
	withError := func(ctx context.Context, a int) (int, error) { return a, errWhy }
	async := func(ctx context.Context, a int) *hop.Pending[int] { return hop.Go(ctx, l, value(a)) }
	fromBoth(t, func(t *testing.T, ctx context.Context) {
		if v, err := bridge.Invoke(ctx, hop.Workers(), plain, 1, 2).Wait(ctx); v != 3 || err != nil {
			t.Errorf("plain: %v, %v", v, err)
		}
		if _, err := bridge.Invoke(ctx, hop.Workers(), withError, 1).Wait(ctx); err != errWhy {
			t.Errorf("with an error: %v", err)
		}
		if v, err := bridge.Invoke(ctx, l, async, 4).Wait(ctx); v != 4 || err != nil {
			t.Errorf("async: %v, %v", v, err)
		}
	})
	t.Run("typed", func(t *testing.T) {
		double := bridge.Async(hop.Workers(), func(_ context.Context, n int) (int, error) { return 2 * n, nil })
		if v := must(t, double(bg, 21)); v != 42 {
			t.Error(v)
		}
	})
}

func TestTrulensAsynchro_DesyncASyncFunctionLeavesTheLoopFree(t *testing.T) {
	l := newLoop(t, nil)
	g := newGate(t)
	p := hop.Go(bg, l, func(ctx context.Context) (any, error) {
		return bridge.Invoke(ctx, hop.Workers(), func() string { g.pass(); return "blocked" }).Wait(ctx)
	})
	untilWaiting(t, p.Call())
	must(t, hop.Go(bg, l, value(1))) // meanwhile
	g.open()
	if v := must(t, p); v != "blocked" {
		t.Error(v)
	}
}

func TestTrulensAsynchro_DesyncOfWhatTurnsOutToBeAsync(t *testing.T) {
	l := newLoop(t, nil)
	disguised := func() any { return hop.Go(bg, l, asyncBody) }
	if bridge.IsAsync(disguised) {
		t.Error("its type tells nothing")
	}
	if v := must(t, bridge.Invoke(bg, hop.Workers(), disguised)); v != 1 {
		t.Errorf("%v: it was not waited for", v)
	}
}

func TestTrulensAsynchro_SyncOfAnAsyncFunction(t *testing.T) {
	// In a loop of its own there; here wherever its portal is, even inside the running loop itself.
	l := newLoop(t, nil)
	f := bridge.Sync(func(ctx context.Context, n int) *hop.Pending[int] {
		return hop.Go(ctx, l, func(ctx context.Context) (int, error) { return n, hop.Yield(ctx) })
	})
	fromBoth(t, func(t *testing.T, ctx context.Context) {
		if v, err := f(ctx, 5); v != 5 || err != nil {
			t.Errorf("%d, %v", v, err)
		}
	})
	if v := must(t, hop.Go(bg, l, func(ctx context.Context) (int, error) { return f(ctx, 6) })); v != 6 {
		t.Error(v)
	}
}

func TestTrulensAsynchro_SyncOfASyncFunctionIsTheFunction(t *testing.T) {
	fromBoth(t, func(t *testing.T, ctx context.Context) {
		me := goid()
		v, err := bridge.Invoke(ctx, hop.Inline, func(s string) (string, error) {
			if goid() != me {
				t.Error("it ran elsewhere")
			}
			return s, nil
		}, "here").Wait(ctx)
		if v != "here" || err != nil {
			t.Errorf("%v, %v", v, err)
		}
	})
}

func TestTrulensAsynchro_CallableMaybeAwaitable(t *testing.T) {
	l := newLoop(t, nil)
	for name, f := range map[string]any{
		"plain":     func(n int) int { return n },
		"with ctx":  func(_ context.Context, n int) (int, error) { return n, nil },
		"awaitable": func(ctx context.Context, n int) *hop.Pending[int] { return hop.Go(ctx, l, value(n)) },
		"variadic":  func(ns ...int) int { return ns[0] },
	} {
		if v := must(t, bridge.Invoke(bg, l, f, 9)); v != 9 {
			t.Errorf("%s: %v", name, v)
		}
	}
	for name, thunk := range map[string]any{
		"plain":     func() string { return "thunk" },
		"awaitable": func() *hop.Pending[string] { return hop.Go(bg, l, value("thunk")) },
	} {
		if v := must(t, bridge.Invoke(bg, l, thunk)); v != "thunk" {
			t.Errorf("%s: %v", name, v)
		}
	}
}
