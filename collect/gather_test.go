package collect_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gohop/hop"
	"github.com/gohop/hop/collect"
)

type function = func(context.Context) (int, error)

// portals are places to gather on.
func portals(t *testing.T) map[string]hop.Portal {
	pool := hop.NewPool(&hop.PoolOptions{Size: 1})
	t.Cleanup(func() { within(t, func() { pool.Close() }) })
	return map[string]hop.Portal{"goroutines": hop.Goroutines, "inline": hop.Inline, "loop": newLoop(t), "pool of one": pool}
}

func TestGatherReturnsTheValuesInCallOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := hop.NewLoop(nil)
		defer l.Close()
		var fs []function
		for i := range 5 {
			fs = append(fs, func(ctx context.Context) (int, error) {
				return i, hop.Sleep(ctx, time.Duration(5-i)*time.Hour)
			})
		}
		start := time.Now()
		got, err := collect.Gather(t.Context(), l, fs...)
		if !slices.Equal(got, []int{0, 1, 2, 3, 4}) || err != nil {
			t.Errorf("%v, %v", got, err)
		}
		if d := time.Since(start); d != 5*time.Hour {
			t.Errorf("took %v, want that of the longest", d)
		}
	})
}

func TestGatherReturnsTheFirstErrorItselfAndCancelsTheOthers(t *testing.T) {
	for name, on := range portals(t) {
		if name == "inline" {
			continue // one after the other: there the first would wait for ever
		}
		t.Run(name, func(t *testing.T) {
			everywhere(t, func(t *testing.T, ctx context.Context) {
				var causes atomic.Int32
				var ready sync.WaitGroup
				ready.Add(2)
				second := make(chan *hop.Call, 1)
				waits := func(ctx context.Context) (int, error) {
					ready.Done()
					err := new(hop.Event).Wait(ctx)
					if context.Cause(ctx) == errWhy {
						causes.Add(1)
					}
					return 0, err
				}
				got, err := collect.Gather(ctx, on, waits,
					func(ctx context.Context) (int, error) { second <- hop.CurrentCall(ctx); return 7, nil },
					waits,
					func(context.Context) (int, error) {
						if name == "goroutines" {
							ready.Wait() // elsewhere the others wait or have ended by now
							<-(<-second).Done()
						}
						return 0, errWhy
					})
				if err != errWhy || !slices.Equal(got, []int{0, 7, 0, 0}) {
					t.Errorf("%v, %v; want the values of those that succeeded, and the error itself", got, err)
				}
				if n := causes.Load(); n != 2 {
					t.Errorf("%d of the two others were told the cause", n)
				}
			})
		})
	}
}

func TestGatherOnEachPortalFromEachPlace(t *testing.T) {
	for name, on := range portals(t) {
		t.Run(name, func(t *testing.T) {
			everywhere(t, func(t *testing.T, ctx context.Context) {
				var fs []function
				var want []int
				for i := range 20 {
					fs = append(fs, func(ctx context.Context) (int, error) { return i, hop.Yield(ctx) })
					want = append(want, i)
				}
				if got, err := collect.Gather(ctx, on, fs...); !slices.Equal(got, want) || err != nil {
					t.Errorf("%v, %v", got, err)
				}
			})
		})
	}
}

func TestGatherOnThePoolOfOneThatItRunsOn(t *testing.T) {
	pool := hop.NewPool(&hop.PoolOptions{Size: 1})
	defer pool.Close()
	within(t, func() {
		var nest func(depth int) function
		nest = func(depth int) function {
			return func(ctx context.Context) (int, error) {
				if depth == 0 {
					return 1, nil
				}
				vs, err := collect.Gather(ctx, pool, nest(depth-1), nest(depth-1))
				return vs[0] + vs[1], err
			}
		}
		if n, err := hop.Do(t.Context(), pool, nest(6)); n != 64 || err != nil {
			t.Errorf("%d, %v; want 64", n, err)
		}
	})
}

func TestGatherAtTheEndOfCtxCancelsAndWaitsForAll(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		ctx, cancel := context.WithCancelCause(ctx)
		var running atomic.Int32
		f := func(fctx context.Context) (int, error) {
			if running.Add(1) == 3 {
				cancel(errWhy)
			}
			err := new(hop.Event).Wait(fctx)
			running.Add(-1)
			return 0, err
		}
		_, err := collect.Gather(ctx, hop.Goroutines, f, f, f)
		wantIs(t, err, hop.ErrCancelled)
		wantIs(t, err, errWhy)
		if n := running.Load(); n != 0 {
			t.Errorf("%d functions still run", n)
		}
	})
}

func TestGatherAfterAFailureStartsNoMore(t *testing.T) {
	within(t, func() {
		ran := false
		_, err := collect.Gather(t.Context(), hop.Inline,
			func(context.Context) (int, error) { return 0, errWhy },
			func(context.Context) (int, error) { ran = true; return 0, nil })
		if err != errWhy || ran {
			t.Errorf("%v; the second ran: %v", err, ran)
		}
	})
}

func TestGatherOfNothing(t *testing.T) {
	if vs, err := collect.Gather[int](t.Context(), hop.Inline); len(vs) != 0 || err != nil {
		t.Errorf("%v, %v", vs, err)
	}
}

func TestGatherPanicIsAnError(t *testing.T) {
	within(t, func() {
		_, err := collect.Gather(t.Context(), hop.Goroutines, func(context.Context) (int, error) { panic(errWhy) })
		var p *hop.PanicError
		if !errors.As(err, &p) || !errors.Is(err, errWhy) {
			t.Errorf("%v", err)
		}
	})
}

func TestS4_GatherRefusesAFunctionThatWaitsForIt(t *testing.T) {
	l := newLoop(t)
	within(t, func() {
		var self *hop.Pending[int]
		set := make(chan struct{})
		self = hop.Go(t.Context(), l, func(ctx context.Context) (int, error) {
			<-set
			forEver := func(ctx context.Context) (int, error) { return 0, new(hop.Event).Wait(ctx) }
			_, err := collect.Gather(ctx, l,
				forEver,
				func(ctx context.Context) (int, error) { return self.Wait(ctx) },
				forEver)
			return 0, err
		})
		close(set)
		_, err := self.Wait(t.Context())
		wantIs(t, err, hop.ErrDeadlock)
	})
}

func TestGatherMisuse(t *testing.T) {
	ran := false
	f := func(context.Context) (int, error) { ran = true; return 0, nil }
	var none context.Context
	for name, misuse := range map[string]func(){
		"nil context":  func() { collect.Gather(none, hop.Inline, f) },
		"nil portal":   func() { collect.Gather(t.Context(), nil, f) },
		"nil function": func() { collect.Gather(t.Context(), hop.Inline, f, nil) },
	} {
		wantMisuse(t, name, misuse)
	}
	if ran {
		t.Error("a function ran although another was nil")
	}
}

// The group that Gather waits with is told of the end of a call before the functions of OnDone are.
func TestGatherReturnsAnErrorWhoseOnDoneComesLater(t *testing.T) {
	registered, proceed, gate := make(chan struct{}), make(chan struct{}), make(chan struct{})
	defer close(gate)
	on := portalFunc(func(c *hop.Call) error {
		go c.Run()
		<-registered // before that of Gather
		return nil
	})
	boom := errors.New("boom")
	p := hop.Go(context.Background(), hop.Goroutines, func(ctx context.Context) (int, error) {
		_, err := collect.Gather(ctx, on, func(ctx context.Context) (int, error) {
			hop.CurrentCall(ctx).OnDone(func() { <-gate })
			close(registered)
			<-proceed
			return 0, boom
		})
		return 0, err
	})
	for p.Call().State() != hop.Waiting {
		runtime.Gosched()
	}
	close(proceed)
	if _, err := p.Wait(t.Context()); err != boom {
		t.Errorf("error %v, want %v", err, boom)
	}
}

// A function has failed, and another, which heeds no context, still runs when the wait for it ends: the error is of both.
func TestGatherThatCannotWaitAfterAFailure(t *testing.T) {
	boom := errors.New("boom")
	within(t, func() {
		l := hop.NewLoop(nil)
		release := make(chan struct{})
		var cause error
		p := hop.Go(context.Background(), l, func(context.Context) (int, error) {
			running := make(chan struct{})
			vs, err := collect.Gather(context.Background(), hop.Goroutines,
				func(context.Context) (int, error) { <-running; return 0, boom },
				func(ctx context.Context) (int, error) {
					close(running)
					<-ctx.Done()
					cause = context.Cause(ctx)
					go l.Close()
					<-release
					return 2, nil
				})
			close(release) // it still runs
			if !slices.Equal(vs, []int{0, 0}) {
				t.Errorf("values %v", vs)
			}
			wantIs(t, err, hop.ErrStopped)
			wantIs(t, err, boom)
			if n := strings.Count(err.Error(), "boom"); n != 1 {
				t.Errorf("it says %d times what failed: %v", n, err)
			}
			return 0, nil
		})
		<-p.Done()
		<-l.Stopped()
		wantIs(t, cause, boom)
	})
}

type portalFunc func(*hop.Call) error

func (f portalFunc) Submit(c *hop.Call) error { return f(c) }

func TestS39_GatherOnAHostForItsGuest(t *testing.T) {
	onAHost(t, func(t *testing.T, guest *hop.Loop) {
		f := func(context.Context) (int, error) { t.Error("it ran"); return 1, nil }
		vs, err := collect.Gather(context.Background(), guest, f, f)
		wantIs(t, err, hop.ErrCannotWait)
		if !slices.Equal(vs, []int{0, 0}) {
			t.Errorf("values %v", vs)
		}
		if vs, err := collect.Gather(context.Background(), hop.Goroutines, func(ctx context.Context) (int, error) {
			return 3, hop.Sleep(ctx, time.Millisecond)
		}); err != nil || !slices.Equal(vs, []int{3}) {
			t.Errorf("elsewhere: %v, %v", vs, err)
		}
	})
}
