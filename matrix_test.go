package hop_test

// The matrix of S1, S6 and S7: a call on every kind of place waits for a call on every kind of place, there and back
// again, two deep and two hundred deep.

import (
	"context"
	"errors"
	"testing"

	"github.com/gohop/hop"
)

// kind is one kind of place.
type kind struct {
	name   string
	loop   bool // make returns a *hop.Loop
	thread bool // it has an OS thread of its own
	make   func(t testing.TB) hop.Portal
}

var portals = []kind{
	{"Loop", true, false, func(t testing.TB) hop.Portal { return newLoop(t, &hop.LoopOptions{Name: "loop"}) }},
	{"ThreadLoop", true, true, func(t testing.TB) hop.Portal {
		return newLoop(t, &hop.LoopOptions{Name: "thread-loop", Thread: true})
	}},
	{"ManualLoop", true, false, func(t testing.TB) hop.Portal { return drivenLoop(t) }},
	{"GuestLoop", true, false, func(t testing.TB) hop.Portal {
		host := newLoop(t, &hop.LoopOptions{Name: "host"})
		return newLoop(t, &hop.LoopOptions{Name: "guest", Host: host})
	}},
	{"ChildLoop", true, false, func(t testing.TB) hop.Portal {
		l, err := newLoop(t, &hop.LoopOptions{Name: "parent"}).Child("child", nil)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}},
	{"PoolOfOne", false, false, func(t testing.TB) hop.Portal { return newPool(t, &hop.PoolOptions{Name: "pool-of-one", Size: 1}) }},
	{"ThreadPool", false, true, func(t testing.TB) hop.Portal {
		return newPool(t, &hop.PoolOptions{Name: "thread-pool", Size: 1, Threads: true})
	}},
	{"Workers", false, false, func(testing.TB) hop.Portal { return hop.Workers() }},
	{"Inline", false, false, func(testing.TB) hop.Portal { return hop.Inline }},
	{"Goroutines", false, false, func(testing.TB) hop.Portal { return hop.Goroutines }},
	{"Waiter", false, false, func(t testing.TB) hop.Portal { return servedWaiter(t) }},
}

// drivenLoop is a Manual loop that a plain goroutine drives until the end of the test.
func drivenLoop(t testing.TB) *hop.Loop {
	l := newLoop(t, &hop.LoopOptions{Name: "manual", Manual: true})
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.Run(bg)
	}()
	t.Cleanup(func() {
		closeAll(t, "the manual loop", l.Close)
		recv(t, "Run of the manual loop", done)
	})
	return l
}

// servedWaiter is a Waiter whose goroutine waits until the end of the test.
func servedWaiter(t testing.TB) *hop.Waiter {
	w := hop.NewWaiter()
	pr := hop.NewPromise[int](bg, hop.Name("end of the test"))
	done := make(chan error, 1)
	go func() { done <- w.Wait(bg, pr.Pending().Call()) }()
	t.Cleanup(func() {
		pr.Resolve(0)
		if err := recv(t, "Wait of the waiter", done); err != nil {
			t.Errorf("Waiter.Wait: %v", err)
		}
	})
	return w
}

// caller is one way of calling and waiting.
type caller func(ctx context.Context, on hop.Portal, f func(context.Context) (int, error), opts ...hop.Option) (int, error)

func goAndWait(ctx context.Context, on hop.Portal, f func(context.Context) (int, error), opts ...hop.Option) (int, error) {
	return hop.Go(ctx, on, f, opts...).Wait(ctx)
}

// background is for tests of what must not depend on ctx.
func background(_ context.Context, on hop.Portal, f func(context.Context) (int, error), opts ...hop.Option) (int, error) {
	return hop.Go(bg, on, f, opts...).Wait(bg)
}

// fromGoroutine calls from a goroutine that the caller starts, with the caller's ctx, and waits for that goroutine.
func fromGoroutine(ctx context.Context, on hop.Portal, f func(context.Context) (int, error), opts ...hop.Option) (int, error) {
	type result struct {
		v   int
		err error
	}
	ch := make(chan result, 1)
	go func() {
		v, err := hop.Do(ctx, on, f, opts...)
		ch <- result{v, err}
	}()
	r, _, err := hop.Recv(ctx, ch)
	return r.v, errors.Join(r.err, err)
}

func waitOrCancel(ctx context.Context, on hop.Portal, f func(context.Context) (int, error), opts ...hop.Option) (int, error) {
	return hop.Go(ctx, on, f, opts...).WaitOrCancel(ctx)
}

// viaWaiter waits as a Waiter does: the caller serves what is submitted to it meanwhile.
func viaWaiter(ctx context.Context, on hop.Portal, f func(context.Context) (int, error), opts ...hop.Option) (int, error) {
	p := hop.Go(ctx, on, f, opts...)
	if err := hop.NewWaiter().Wait(ctx, p.Call()); err != nil {
		return 0, err
	}
	return p.Result()
}

var callers = []struct {
	name string
	call caller
}{
	{"Do", hop.Do[int]},
	{"GoAndWait", goAndWait},
	{"Background", background},
	{"FromGoroutine", fromGoroutine},
	{"WaitOrCancel", waitOrCancel},
	{"ViaWaiter", viaWaiter},
}

// depth calls itself n times, on the places in turn, each call waiting for the next.
func depth(ctx context.Context, n int, how caller, on ...hop.Portal) (int, error) {
	if n == 0 {
		return 0, nil
	}
	v, err := how(ctx, on[n%len(on)], func(ctx context.Context) (int, error) { return depth(ctx, n-1, how, on...) })
	return v + 1, err
}

func eachPair(t *testing.T, f func(t *testing.T, outer, inner hop.Portal)) {
	for _, ko := range portals {
		t.Run(ko.name, func(t *testing.T) {
			if ko.thread {
				needsThread(t)
			}
			for _, ki := range portals {
				t.Run(ki.name, func(t *testing.T) {
					if ki.thread {
						needsThread(t)
					}
					f(t, ko.make(t), ki.make(t))
				})
			}
		})
	}
}

func TestS1_EveryPortalWaitsForEveryPortal(t *testing.T) {
	eachPair(t, func(t *testing.T, outer, inner hop.Portal) {
		for _, how := range callers {
			within(t, patience, how.name, func() {
				v, err := hop.Do(bg, outer, func(ctx context.Context) (int, error) { return how.call(ctx, inner, value(42)) })
				if v != 42 || err != nil {
					t.Errorf("%s: %d, %v", how.name, v, err)
				}
			})
		}
	})
}

func TestS6_EveryPortalWaitsForItself(t *testing.T) {
	for _, k := range portals {
		t.Run(k.name, func(t *testing.T) {
			if k.thread {
				needsThread(t)
			}
			on := k.make(t)
			for _, how := range callers {
				within(t, patience, how.name, func() {
					if v, err := depth(bg, 3, how.call, on); v != 3 || err != nil {
						t.Errorf("%s: %d, %v", how.name, v, err)
					}
				})
			}
		})
	}
}

func TestS7_ThereAndBackBetweenEveryPairOfPortals(t *testing.T) {
	eachPair(t, func(t *testing.T, outer, inner hop.Portal) {
		for _, how := range callers {
			within(t, patience, how.name, func() {
				if v, err := depth(bg, 4, how.call, inner, outer); v != 4 || err != nil {
					t.Errorf("%s: %d, %v", how.name, v, err)
				}
			})
		}
	})
}

func TestS6_Depth200OnEveryPortal(t *testing.T) {
	for _, k := range portals {
		t.Run(k.name, func(t *testing.T) {
			n := 200
			if k.thread {
				needsThread(t)
				n = 50 // each is an OS thread on the pool
			}
			on := k.make(t)
			for _, how := range []caller{hop.Do[int], goAndWait} {
				within(t, patience, "the innermost call and back", func() {
					if v, err := depth(bg, n, how, on); v != n || err != nil {
						t.Errorf("%d, %v", v, err)
					}
				})
			}
		})
	}
}

func TestS7_Depth200Alternating(t *testing.T) {
	for _, names := range [][]string{
		{"Loop", "PoolOfOne"},
		{"Loop", "Goroutines", "PoolOfOne"},
		{"Loop", "ManualLoop", "GuestLoop", "ChildLoop", "PoolOfOne", "Workers", "Inline", "Goroutines"},
		{"Waiter", "Loop"},
		{"Waiter", "PoolOfOne"},
		{"ThreadLoop", "PoolOfOne"},
		{"ThreadLoop", "ThreadLoop"},
	} {
		t.Run(names[0]+"-"+names[1], func(t *testing.T) {
			var on []hop.Portal
			for _, name := range names {
				for _, k := range portals {
					if k.name == name {
						if k.thread {
							needsThread(t)
						}
						on = append(on, k.make(t))
					}
				}
			}
			within(t, 2*patience, "the innermost call and back", func() {
				if v, err := depth(bg, 200, goAndWait, on...); v != 200 || err != nil {
					t.Errorf("%d, %v", v, err)
				}
			})
		})
	}
}

func TestS1_PostedFunctionsWaitForEveryPortal(t *testing.T) {
	for _, ko := range portals {
		if !ko.loop {
			continue
		}
		t.Run(ko.name, func(t *testing.T) {
			if ko.thread {
				needsThread(t)
			}
			for _, ki := range portals {
				t.Run(ki.name, func(t *testing.T) {
					if ki.thread {
						needsThread(t)
					}
					outer, inner := ko.make(t).(*hop.Loop), ki.make(t)
					got := make(chan error, 1)
					outer.Post(func() {
						_, err := hop.Do(bg, inner, func(ctx context.Context) (int, error) { return hop.Do(ctx, outer, value(1)) })
						got <- err
					})
					if err := recv(t, "the posted function", got); err != nil {
						t.Error(err)
					}
				})
			}
		})
	}
}
