package upstream_test

// What users of asyncio, errgroup, conc, pond, ants and goja's event loop do, where no test of the others has it.

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gohop/hop"
	"github.com/gohop/hop/collect"
)

func TestKernelCaller_IopubSockets(t *testing.T) {
	// One socket for each loop, however many of its tasks ask at once; opened and closed there.
	var opened, closedN atomic.Int32
	type socket struct{ loop *hop.Loop }
	sockets := hop.NewLocal(func(ctx context.Context) (*socket, error) {
		opened.Add(1)
		return &socket{hop.CurrentLoop()}, hop.Yield(ctx)
	}, func(s *socket) error {
		closedN.Add(1)
		if hop.CurrentLoop() != s.loop {
			t.Error("closed elsewhere")
		}
		return nil
	})
	for n := range int32(3) {
		l := newLoop(t, &hop.LoopOptions{Thread: !wasm})
		var ps []*hop.Pending[*socket]
		for range 10 {
			ps = append(ps, hop.Go(bg, l, sockets.Get))
		}
		for _, p := range ps {
			if s := must(t, p); s.loop != l || s != must(t, ps[0]) {
				t.Error("another loop's socket, or a second one")
			}
		}
		within(t, "Close", func() { l.Close() })
		if opened.Load() != n+1 || closedN.Load() != n+1 {
			t.Errorf("%d opened, %d closed after loop %d", opened.Load(), closedN.Load(), n+1)
		}
	}
}

func TestPeers_WaitFor(t *testing.T) {
	fromBothInBubble(t, func(t *testing.T, ctx context.Context) {
		bounded, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		p := hop.Go(ctx, hop.Goroutines, sleep(time.Hour))
		_, err := p.WaitOrCancel(bounded)
		wantTimeout(t, err)
		wantState(t, p.Call(), hop.Cancelled)
		if v, err := hop.Go(ctx, hop.Goroutines, value(1)).WaitOrCancel(ctx); v != 1 || err != nil {
			t.Errorf("%d, %v", v, err)
		}
	})
}

func TestPeers_GatherReturnExceptions(t *testing.T) {
	fromBoth(t, func(t *testing.T, ctx context.Context) {
		other := errors.New("other")
		var ps []*hop.Pending[int]
		err := hop.WithGroup(ctx, &hop.GroupOptions{KeepGoing: true}, func(ctx context.Context) error {
			for _, f := range []func(context.Context) (int, error){failure(errWhy), asyncBody, failure(other)} {
				ps = append(ps, hop.Go(ctx, hop.Goroutines, f))
			}
			return nil
		})
		wantIs(t, err, errWhy)
		wantIs(t, err, other)
		if v, err := ps[1].Result(); v != 1 || err != nil {
			t.Errorf("the one that did not fail: %d, %v", v, err)
		}
	})
}

func TestPeers_Errgroup(t *testing.T) {
	fromBoth(t, func(t *testing.T, ctx context.Context) {
		var last *hop.Pending[int]
		err := hop.WithGroup(ctx, nil, func(ctx context.Context) error {
			last = hop.Go(ctx, hop.Goroutines, forever)
			hop.Go(ctx, hop.Goroutines, failure(errWhy))
			return nil
		})
		wantIs(t, err, errWhy)
		if _, err := last.Result(); !errors.Is(err, hop.ErrCancelled) || !errors.Is(err, errWhy) {
			t.Errorf("the other: %v", err)
		}
	})
}

func TestPeers_GroupLimit(t *testing.T) {
	fromBoth(t, func(t *testing.T, ctx context.Context) {
		var running, most atomic.Int32
		// Each member starts one and waits for it: with a limit that waiting members count for, this would hang.
		var member func(depth int) func(ctx context.Context) (int, error)
		member = func(depth int) func(ctx context.Context) (int, error) {
			return func(ctx context.Context) (int, error) {
				now := running.Add(1)
				for m := most.Load(); now > m && !most.CompareAndSwap(m, now); m = most.Load() {
				}
				running.Add(-1)
				if depth == 0 {
					return 0, nil
				}
				n, err := hop.Go(ctx, hop.Goroutines, member(depth-1)).Wait(ctx)
				return n + 1, err
			}
		}
		var ps []*hop.Pending[int]
		err := hop.WithGroup(ctx, &hop.GroupOptions{Limit: 2}, func(ctx context.Context) error {
			for range 10 {
				ps = append(ps, hop.Go(ctx, hop.Goroutines, member(5)))
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		for _, p := range ps {
			if n, err := p.Result(); n != 5 || err != nil {
				t.Errorf("%d, %v", n, err)
			}
		}
	})
	t.Run("is kept", func(t *testing.T) {
		within(t, "WithGroup", func() {
			started := make(chan struct{}, 10)
			g := newGate(t)
			err := hop.WithGroup(bg, &hop.GroupOptions{Limit: 2}, func(ctx context.Context) error {
				var ps []*hop.Pending[int]
				for range 5 {
					ps = append(ps, hop.Go(ctx, hop.Goroutines, func(context.Context) (int, error) { started <- struct{}{}; g.pass(); return 0, nil }))
				}
				recv(t, "the first", started)
				recv(t, "the second", started)
				for _, p := range ps[2:] {
					wantState(t, p.Call(), hop.Queued)
				}
				g.open()
				return nil
			})
			if err != nil || len(started) != 3 {
				t.Errorf("%v, %d more", err, len(started))
			}
		})
	})
}

func TestPeers_TryGo(t *testing.T) {
	pool := newPool(t, &hop.PoolOptions{Size: 1, QueueLimit: 1})
	g := occupy(t, pool)
	queued := hop.New(bg, value(1))
	if err := pool.Submit(queued.Call()); err != nil {
		t.Error(err)
	}
	second := hop.New(bg, value(2))
	wantIs(t, pool.Submit(second.Call()), hop.ErrFull) // at once
	if second.Call().State().Done() {                  // and it is the caller's again
		t.Errorf("%v has ended", second.Call())
	}
	g.open()
	must(t, queued)
	if err := pool.Submit(second.Call()); err != nil {
		t.Error(err)
	}
	must(t, second)
}

func TestPeers_APanicIsAnError(t *testing.T) {
	fromBoth(t, func(t *testing.T, ctx context.Context) {
		err := hop.WithGroup(ctx, nil, func(ctx context.Context) error {
			hop.Go(ctx, hop.Goroutines, func(context.Context) (int, error) { panic("in a member") })
			return nil
		})
		var p *hop.PanicError
		if !errors.As(err, &p) || p.Value != "in a member" || !strings.Contains(string(p.Stack), "peers_test.go") {
			t.Errorf("%v", err)
		}
	})
}

func TestPeers_Map(t *testing.T) {
	in := upTo(100)
	fs := make([]func(context.Context) (int, error), len(in))
	for i, v := range in {
		fs[i] = func(ctx context.Context) (int, error) { return v, hop.Yield(ctx) }
	}
	pool := newPool(t, &hop.PoolOptions{Size: 4})
	fromBoth(t, func(t *testing.T, ctx context.Context) {
		out, err := collect.Gather(ctx, pool, fs...)
		if err != nil {
			t.Error(err)
		}
		equal(t, "mapped", out, in)
	})
}

func TestPeers_Stream(t *testing.T) {
	fromBoth(t, func(t *testing.T, ctx context.Context) {
		var last hop.Event
		var ps []*hop.Pending[int]
		for i := range 10 {
			ps = append(ps, hop.Go(ctx, hop.Goroutines, func(ctx context.Context) (int, error) {
				if i == 9 {
					last.Set()
				}
				return i, last.Wait(ctx) // all end after the last has begun
			}))
		}
		var got []int
		for _, p := range ps {
			v, err := p.Wait(ctx)
			if err != nil {
				t.Error(err)
			}
			got = append(got, v)
		}
		equal(t, "in the order of submission", got, upTo(10))
	})
}

func TestPeers_SetTimeoutClearTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoop(t, nil)
		var order []string
		say := func(s string) func(context.Context) (int, error) {
			return func(context.Context) (int, error) { order = append(order, s); return 0, nil }
		}
		late := hop.After(bg, 2*time.Second, l, say("late"))
		hop.After(bg, time.Second, l, say("early"))
		cleared := hop.After(bg, time.Second, l, say("cleared"))
		if !cleared.Cancel(nil) {
			t.Error("Cancel: false")
		}
		must(t, late)
		equal(t, "order", order, []string{"early", "late"})
	})
}

func TestPeers_SetInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoop(t, nil)
		ticks := 0
		p := hop.Go(bg, l, func(ctx context.Context) (int, error) {
			for hop.Sleep(ctx, time.Second) == nil {
				ticks++
			}
			return ticks, nil
		})
		time.Sleep(5500 * time.Millisecond)
		p.Cancel(nil)
		wantCancelled(t, waitErr(t, p))
		if n := must(t, hop.Go(bg, l, func(context.Context) (int, error) { return ticks, nil })); n != 5 {
			t.Errorf("%d ticks", n)
		}
	})
}

// goja's Run returns when nothing is left to do, timers included.
func TestPeers_RunUntilAllIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var timer, nested *hop.Pending[int]
		f := func(ctx context.Context) error {
			timer = hop.After(ctx, time.Second, hop.CurrentLoop(), func(ctx context.Context) (int, error) {
				nested = hop.After(ctx, time.Second, hop.CurrentLoop(), value(2))
				return 1, nil
			})
			return nil
		}
		hop.RunLoop(bg, nil, func(ctx context.Context) (int, error) { return 0, f(ctx) })
		wantCancelled(t, timer.Call().Err())
		_, err := hop.RunLoop(bg, nil, func(ctx context.Context) (int, error) { return 0, hop.WithGroup(ctx, nil, f) })
		if err != nil {
			t.Error(err)
		}
		for i, p := range []*hop.Pending[int]{timer, nested} {
			if v, err := p.Result(); v != i+1 || err != nil {
				t.Errorf("timer %d: %d, %v", i+1, v, err)
			}
		}
	})
}

func TestPeers_SettleAForeignPromise(t *testing.T) {
	// A promise that is its loop's own, as a JavaScript one is: work elsewhere, settle it on the loop.
	l := newLoop(t, nil)
	var state string // the loop's: no lock
	settled := make(chan string, 1)
	hop.Run(bg, l, func(ctx context.Context) error {
		state = "pending"
		p := hop.Go(ctx, hop.Workers(), value("fulfilled"))
		p.OnDone(func() {
			l.Post(func() {
				if !l.Here() || state != "pending" {
					t.Errorf("on the loop: %v, %s", l.Here(), state)
				}
				state, _ = p.Result()
				settled <- state
			})
		})
		return nil
	})
	if s := recv(t, "the promise", settled); s != "fulfilled" {
		t.Error(s)
	}
}
