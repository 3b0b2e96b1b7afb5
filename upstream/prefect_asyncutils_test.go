package upstream_test

// Prefect's test_asyncutils.py: between sync and async code.

import (
	"context"
	"errors"
	"iter"
	"sync"
	"testing"

	"github.com/gohop/hop"
	"github.com/gohop/hop/bridge"
	"github.com/gohop/hop/collect"
)

func TestPrefectAsyncutils_IsAsyncFn(t *testing.T) {
	plain := func(context.Context, int) (int, error) { return 1, nil }
	async := func(context.Context, int) *hop.Pending[int] { return nil }
	seq := func() iter.Seq[*hop.Pending[int]] { return nil }
	for _, c := range []struct {
		name       string
		f          any
		async, seq bool
	}{
		{"sync", plain, false, false},
		{"lambda", func() int { return 1 }, false, false},
		{"async", async, true, false},
		{"sync made of async", bridge.Sync(async), false, false},
		{"async made of sync", bridge.Async(hop.Inline, plain), true, false},
		{"sequence", seq, false, true},
		{"not a function", 3, false, false},
	} {
		if a, s := bridge.IsAsync(c.f), bridge.IsAsyncSeq(c.f); a != c.async || s != c.seq {
			t.Errorf("%s: %v, %v", c.name, a, s)
		}
	}
}

func TestPrefectAsyncutils_InAsyncMainThread(t *testing.T) {
	l := newLoop(t, nil)
	// On no loop.
	if hop.CurrentLoop() != nil || hop.Origin(bg) != nil || l.Here() {
		t.Error("a plain goroutine: it thinks that it is on a loop")
	}
	p := hop.Go(bg, l, func(ctx context.Context) (int, error) {
		// On the loop.
		if hop.CurrentLoop() != l || !l.Here() {
			t.Error("on the loop: it is not")
		}
		// On a worker that a loop waits for, and what that started: not on the loop, but with a way back.
		_, err := hop.Blocking(ctx, func(ctx context.Context) (int, error) {
			if hop.CurrentLoop() != nil || l.Here() || hop.Origin(ctx) != hop.Portal(l) {
				t.Errorf("on a worker: loop %v, origin %v", hop.CurrentLoop(), hop.Origin(ctx))
			}
			return hop.Do(ctx, hop.Origin(ctx), func(ctx context.Context) (int, error) {
				if hop.CurrentLoop() != l || !l.Here() {
					t.Error("back on the loop: it is not")
				}
				return 0, hop.Yield(ctx)
			})
		})
		if hop.CurrentLoop() != l {
			t.Error("after the wait: it is not on the loop")
		}
		// The context does not decide, the goroutine does.
		there := make(chan bool)
		go func() { there <- hop.CurrentLoop() != nil || l.Here() }()
		if on, _, _ := hop.Recv(ctx, there); on {
			t.Error("a goroutine of a task thinks that it is on the loop")
		}
		return 0, err
	})
	must(t, p)
}

func TestPrefectAsyncutils_MarkAsWorkerThread(t *testing.T) {
	// A goroutine that hop did not start, told where it belongs.
	l := newLoop(t, nil)
	p := hop.Go(bg, l, func(ctx context.Context) (int, error) {
		pr := hop.NewPromise[int](ctx)
		go func() {
			v, _ := hop.Do(bg, hop.Origin(hop.WithOrigin(bg, l)), func(context.Context) (int, error) {
				if !l.Here() {
					t.Error("not on the loop")
				}
				return 5, nil
			})
			pr.Resolve(v)
		}()
		return pr.Pending().Wait(ctx)
	})
	if v := must(t, p); v != 5 {
		t.Error(v)
	}
}

func TestPrefectAsyncutils_RunAsyncInNewLoop(t *testing.T) {
	within(t, "RunLoop", func() {
		var l *hop.Loop
		v, err := hop.RunLoop(bg, nil, func(ctx context.Context) (int, error) {
			l = hop.CurrentLoop()
			return hop.Go(ctx, l, asyncBody).Wait(ctx)
		})
		if v != 1 || err != nil || !isDone(l.Stopped()) {
			t.Errorf("%d, %v", v, err)
		}
	})
}

func TestPrefectAsyncutils_RunAsyncInNewLoopDoesNotWorkFromAsync(t *testing.T) {
	fromAsync(t, func(t *testing.T, ctx context.Context) {
		_, err := hop.RunLoop(ctx, nil, value(1))
		wantIs(t, err, hop.ErrCannotWait)
	})
}

func TestPrefectAsyncutils_RunSyncInWorkerThread(t *testing.T) {
	fromBoth(t, func(t *testing.T, ctx context.Context) {
		if v, err := hop.Blocking(ctx, value("done")); v != "done" || err != nil {
			t.Errorf("%q, %v", v, err)
		}
	})
}

// customError is an error with a type of its own.
type customError struct{ code int }

func (customError) Error() string { return "custom" }

func TestPrefectAsyncutils_RunSyncInWorkerThreadDoesNotHideExceptions(t *testing.T) {
	fromBoth(t, func(t *testing.T, ctx context.Context) {
		_, err := hop.Blocking(ctx, func(context.Context) (int, error) { return 0, customError{4} })
		if err != (customError{4}) {
			t.Errorf("%v (%T)", err, err)
		}
		_, err = hop.Blocking(ctx, func(context.Context) (int, error) { panic(customError{5}) })
		var c customError
		if !errors.As(err, &c) || c.code != 5 {
			t.Errorf("%v (%T)", err, err)
		}
	})
}

func TestPrefectAsyncutils_RunAsyncFromWorkerThread(t *testing.T) {
	l := newLoop(t, nil)
	var dive func(ctx context.Context, depth int) (int, error)
	dive = func(ctx context.Context, depth int) (int, error) { // on the loop
		if depth == 0 {
			return 0, nil
		}
		n, err := hop.Blocking(ctx, func(ctx context.Context) (int, error) { // on a worker
			return hop.Do(ctx, hop.Origin(ctx), func(ctx context.Context) (int, error) {
				if !l.Here() {
					t.Error("not on the loop that waits")
				}
				return dive(ctx, depth-1)
			})
		})
		return n + 1, err
	}
	if n := must(t, hop.Go(bg, l, func(ctx context.Context) (int, error) { return dive(ctx, 50) })); n != 50 {
		t.Error(n)
	}
}

func TestPrefectAsyncutils_SyncCompatible(t *testing.T) {
	// One function for both kinds of callers, with nothing to guess: whoever calls it waits where that is right.
	l := newLoop(t, nil)
	api := func(ctx context.Context, n int) (int, error) { // may wait
		return hop.Do(ctx, l, func(ctx context.Context) (int, error) { return 2 * n, hop.Yield(ctx) })
	}
	check := func(t *testing.T, ctx context.Context) {
		t.Helper()
		if v, err := api(ctx, 4); v != 8 || err != nil {
			t.Errorf("%d, %v", v, err)
		}
	}
	t.Run("from sync", func(t *testing.T) { fromSync(t, check) }) // skipped there
	t.Run("from worker", func(t *testing.T) {                     // skipped there
		must(t, hop.Go(bg, hop.Workers(), func(ctx context.Context) (int, error) { check(t, ctx); return 0, nil }))
	})
	t.Run("from async", func(t *testing.T) { fromAsync(t, check) })
	t.Run("from sync in async thread", func(t *testing.T) {
		got := make(chan struct{})
		l.Post(func() { check(t, bg); close(got) }) // no ctx of a task, on the very loop
		recv(t, "a posted function", got)
	})
	t.Run("with task group", func(t *testing.T) {
		fromBoth(t, func(t *testing.T, ctx context.Context) {
			var a, b *hop.Pending[int]
			err := hop.WithGroup(ctx, nil, func(ctx context.Context) error {
				one := func(ctx context.Context) (int, error) { return api(ctx, 1) }
				a, b = hop.Go(ctx, l, one), hop.Go(ctx, hop.Goroutines, one)
				return nil
			})
			if x, _ := a.Result(); x != 2 || err != nil {
				t.Errorf("%d, %v", x, err)
			}
			if y, _ := b.Result(); y != 2 {
				t.Error(y)
			}
		})
	})
	t.Run("the async form", func(t *testing.T) {
		f := bridge.Async(l, api)
		if v := must(t, f(bg, 3)); v != 6 {
			t.Error(v)
		}
	})
	t.Run("the sync form of the async form", func(t *testing.T) {
		fromBoth(t, func(t *testing.T, ctx context.Context) {
			if v, err := bridge.Sync(bridge.Async(l, api))(ctx, 3); v != 6 || err != nil {
				t.Errorf("%d, %v", v, err)
			}
		})
	})
}

func TestPrefectAsyncutils_AddEventLoopShutdownCallback(t *testing.T) {
	for name, run := range map[string]func(f func(l *hop.Loop)){
		"RunLoop": func(f func(l *hop.Loop)) {
			hop.RunLoop(bg, nil, func(context.Context) (int, error) { f(hop.CurrentLoop()); return 0, nil })
		},
		"NewLoop": func(f func(l *hop.Loop)) {
			l := hop.NewLoop(nil)
			hop.Run(bg, l, func(context.Context) error { f(l); return nil })
			l.Shutdown(bg)
		},
		"Close": func(f func(l *hop.Loop)) {
			l := hop.NewLoop(nil)
			hop.Run(bg, l, func(context.Context) error { f(l); return nil })
			l.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			called := 0
			within(t, name, func() {
				run(func(l *hop.Loop) {
					l.OnShutdown(func(ctx context.Context) error {
						called++
						if !l.Here() {
							t.Error("called elsewhere")
						}
						return nil
					})
					if called != 0 {
						t.Error("called at once")
					}
				})
			})
			if called != 1 {
				t.Errorf("called %d times", called)
			}
		})
	}
}

func TestPrefectAsyncutils_AddEventLoopShutdownCallbackIsNotCalledWhenTheLoopIsOnlyLeft(t *testing.T) {
	// A Manual loop that nobody drives for now is not stopped: its callback comes when it is.
	called := false
	l := newLoop(t, &hop.LoopOptions{Manual: true})
	l.OnShutdown(func(context.Context) error { called = true; return nil })
	ctx, cancel := context.WithCancel(bg)
	hop.Go(bg, l, func(context.Context) (int, error) { cancel(); return 0, nil })
	within(t, "Run", func() { l.Run(ctx) })
	if called {
		t.Error("called when Run returned")
	}
	within(t, "Close", func() { l.Close() })
	if !called {
		t.Error("not called at the end")
	}
}

func TestPrefectAsyncutils_Gather(t *testing.T) {
	fromBoth(t, func(t *testing.T, ctx context.Context) {
		var second hop.Event
		got, err := collect.Gather(ctx, hop.Goroutines,
			func(ctx context.Context) (int, error) { return 1, second.Wait(ctx) },
			func(context.Context) (int, error) { second.Set(); return 2, nil },
			value(3))
		if err != nil {
			t.Error(err)
		}
		equal(t, "results", got, []int{1, 2, 3})
	})
}

func TestPrefectAsyncutils_GatherIsRobustWithReturnTypesThatBreakEqualityChecks(t *testing.T) {
	// The values are never compared: what cannot be compared would panic.
	awkward := any([]int{1})
	got, err := collect.Gather(bg, hop.Goroutines, value(awkward), value[any](map[string]int{}), value[any](nil), value[any](func() {}))
	if err != nil || len(got) != 4 || got[2] != nil || got[0].([]int)[0] != 1 {
		t.Errorf("%v, %v", got, err)
	}
	pr := hop.NewPromise[any](bg)
	if !pr.Resolve(awkward) || pr.Resolve(awkward) {
		t.Error("Resolve")
	}
	for p := range collect.AsCompleted(bg, func(yield func(*hop.Pending[any]) bool) { yield(pr.Pending()) }) {
		must(t, p)
	}
}

func TestPrefectAsyncutils_GatherTaskGroupGetResult(t *testing.T) {
	fromBoth(t, func(t *testing.T, ctx context.Context) {
		var enough hop.Event
		var p *hop.Pending[int]
		err := hop.WithGroup(ctx, nil, func(ctx context.Context) error {
			p = hop.Go(ctx, hop.Goroutines, func(ctx context.Context) (int, error) { return 1, enough.Wait(ctx) })
			_, err := p.Result()
			wantIs(t, err, hop.ErrNotDone)
			enough.Set()
			return nil
		})
		if v, rerr := p.Result(); v != 1 || rerr != nil || err != nil {
			t.Errorf("%d, %v, %v", v, rerr, err)
		}
	})
}

func TestPrefectAsyncutils_GatherTaskGroupCreateTask(t *testing.T) {
	// What starts a member gives a handle that may be waited for inside the group.
	fromBoth(t, func(t *testing.T, ctx context.Context) {
		err := hop.WithGroup(ctx, nil, func(ctx context.Context) error {
			p := hop.Go(ctx, hop.Goroutines, value(2))
			v, err := p.Wait(ctx)
			if v != 2 {
				t.Error(v)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestPrefectAsyncutils_GatherTaskGroupCancel(t *testing.T) {
	fromBoth(t, func(t *testing.T, ctx context.Context) {
		cleaned := make(chan struct{})
		err := hop.WithGroup(ctx, nil, func(ctx context.Context) error {
			hop.Go(ctx, hop.Goroutines, func(ctx context.Context) (int, error) {
				defer close(cleaned)
				return forever(ctx)
			})
			hop.CurrentGroup(ctx).Cancel(nil)
			return nil
		})
		if err != nil || !isDone(cleaned) {
			// Not started at all is as well: then there is nothing to clean up.
			if err != nil {
				t.Errorf("the group's own cancel is its error: %v", err)
			}
		}
	})
}

func TestPrefectAsyncutils_LazySemaphoreInitialization(t *testing.T) {
	made := 0
	limiter := sync.OnceValue(func() *hop.Limiter { made++; return hop.NewLimiter(1) })
	if made != 0 {
		t.Error("made before its first use")
	}
	l := newLoop(t, nil)
	var inside, most int
	var ps []*hop.Pending[int]
	for range 5 {
		ps = append(ps, hop.Go(bg, l, func(ctx context.Context) (int, error) {
			if err := limiter().Acquire(ctx); err != nil {
				return 0, err
			}
			defer limiter().Release()
			inside++
			most = max(most, inside)
			defer func() { inside-- }()
			return 0, hop.Yield(ctx)
		}))
	}
	for _, p := range ps {
		must(t, p)
	}
	if made != 1 || most != 1 {
		t.Errorf("made %d times, %d at once", made, most)
	}
}

func TestPrefectAsyncutils_GetThreadLimiter(t *testing.T) {
	pool := newPool(t, &hop.PoolOptions{Size: 1})
	running := make(chan struct{}, 4)
	g := newGate(t)
	for range 4 {
		hop.Go(bg, pool, func(context.Context) (int, error) { running <- struct{}{}; g.pass(); return 0, nil })
	}
	recv(t, "the first", running)
	if s := pool.Stats(); s.Running != 1 || s.Queued != 3 {
		t.Errorf("%+v", s)
	}
	pool.SetSize(3) // the one bound, changed while it is used
	recv(t, "the second", running)
	recv(t, "the third", running)
	if s := pool.Stats(); s.Running != 3 || s.Queued != 1 {
		t.Errorf("%+v", s)
	}
}

func TestPrefectAsyncutils_CreateTaskIsNeverCollected(t *testing.T) {
	// Nobody keeps the Pending, and the call runs to its end all the same.
	l := newLoop(t, nil)
	ran := make(chan struct{})
	var enough hop.Event
	hop.Go(bg, l, func(ctx context.Context) (int, error) { defer close(ran); return 0, enough.Wait(ctx) })
	for range 3 {
		collectGarbage()
	}
	enough.Set()
	recv(t, "the call", ran)
}

func TestPrefectAsyncutils_RunCoroAsSync(t *testing.T) {
	fromBoth(t, func(t *testing.T, ctx context.Context) { // in_async too: a loop that is not the shared one
		if v, err := hop.Do(ctx, hop.Shared(), asyncBody); v != 1 || err != nil {
			t.Errorf("%d, %v", v, err)
		}
	})
}

func TestPrefectAsyncutils_RunCoroAsSyncError(t *testing.T) {
	fromBoth(t, func(t *testing.T, ctx context.Context) {
		_, err := hop.Do(ctx, hop.Shared(), func(ctx context.Context) (int, error) {
			if err := hop.Yield(ctx); err != nil {
				return 0, err
			}
			return 0, errWhy
		})
		if err != errWhy {
			t.Errorf("%v", err)
		}
	})
}

func TestPrefectAsyncutils_NestedRunSync(t *testing.T) {
	fromBoth(t, func(t *testing.T, ctx context.Context) {
		v, err := hop.Do(ctx, hop.Shared(), func(ctx context.Context) (int, error) {
			return hop.Do(ctx, hop.Shared(), func(ctx context.Context) (int, error) {
				return hop.Do(ctx, hop.Shared(), asyncBody)
			})
		})
		if v != 1 || err != nil {
			t.Errorf("%d, %v", v, err)
		}
	})
}

func TestPrefectAsyncutils_RunCoroAsSyncRunsInRunSyncThread(t *testing.T) {
	var g [2]*hop.Loop
	for i := range g {
		fromBoth(t, func(t *testing.T, ctx context.Context) {
			var err error
			g[i], err = hop.Do(ctx, hop.Shared(), func(context.Context) (*hop.Loop, error) { return hop.CurrentLoop(), nil })
			if err != nil {
				t.Error(err)
			}
		})
	}
	if g[0] != hop.Shared() || g[1] != g[0] {
		t.Errorf("on %v and %v", g[0], g[1])
	}
}

func TestPrefectAsyncutils_NestedRunCoroAsSyncNeedsNoNewThread(t *testing.T) {
	// Prefect escapes to a new thread and loop, where a shared client is of no use; here the nested one is on the loop too.
	within(t, "Do", func() {
		l, err := hop.Do(bg, hop.Shared(), func(ctx context.Context) (*hop.Loop, error) {
			return hop.Do(ctx, hop.Shared(), func(context.Context) (*hop.Loop, error) { return hop.CurrentLoop(), nil })
		})
		if l != hop.Shared() || err != nil {
			t.Errorf("%v, %v", l, err)
		}
	})
}

func TestPrefectAsyncutils_TwiceNestedRunCoroAsSync(t *testing.T) {
	// The grandchild is on another thread, and its grandparent's wait is on the loop that it sends to: the wait is
	// suspended, so the loop is free. With a context between them or without.
	for name, pass := range map[string]func(context.Context) context.Context{
		"with ctx":    func(ctx context.Context) context.Context { return ctx },
		"without ctx": func(context.Context) context.Context { return bg },
	} {
		for _, between := range []hop.Portal{hop.Workers(), hop.Goroutines, newLoop(t, nil)} {
			t.Run(name, func(t *testing.T) {
				within(t, "Do", func() {
					v, err := hop.Do(bg, hop.Shared(), func(ctx context.Context) (int, error) {
						return hop.Do(pass(ctx), between, func(ctx context.Context) (int, error) {
							return hop.Do(pass(ctx), hop.Shared(), func(ctx context.Context) (int, error) {
								return hop.Do(pass(ctx), between, func(ctx context.Context) (int, error) {
									return hop.Do(pass(ctx), hop.Shared(), asyncBody)
								})
							})
						})
					})
					if v != 1 || err != nil {
						t.Errorf("%d, %v", v, err)
					}
				})
			})
		}
	}
}

func TestPrefectAsyncutils_ContextCarriesToAsyncFrame(t *testing.T) {
	ctx := context.WithValue(bg, key("v"), "outer")
	within(t, "Do", func() {
		see := func(ctx context.Context, want string) {
			if v := ctx.Value(key("v")); v != want {
				t.Errorf("%v, want %v", v, want)
			}
		}
		hop.Run(ctx, hop.Shared(), func(ctx context.Context) error {
			see(ctx, "outer")
			inner := context.WithValue(ctx, key("v"), "inner")
			hop.Run(inner, hop.Workers(), func(ctx context.Context) error {
				see(ctx, "inner")
				return hop.Run(ctx, hop.Shared(), func(ctx context.Context) error { see(ctx, "inner"); return nil })
			})
			see(ctx, "outer") // what was set inside does not leak out
			return hop.Run(ctx, hop.Shared(), func(ctx context.Context) error { see(ctx, "outer"); return nil })
		})
		see(ctx, "outer")
	})
}
