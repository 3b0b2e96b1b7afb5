package collect_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gohop/hop"
	"github.com/gohop/hop/collect"
)

// waiters are the ways to wait for several calls, which panic with a DeadlockError.
var waiters = map[string]func(ctx context.Context, calls ...*hop.Pending[int]){
	"AllDone": func(ctx context.Context, calls ...*hop.Pending[int]) { collect.Wait(ctx, collect.AllDone, calls...) },
	"FirstDone": func(ctx context.Context, calls ...*hop.Pending[int]) {
		collect.Wait(ctx, collect.FirstDone, calls...)
	},
	"FirstFailed": func(ctx context.Context, calls ...*hop.Pending[int]) {
		collect.Wait(ctx, collect.FirstFailed, calls...)
	},
	"AsCompleted": func(ctx context.Context, calls ...*hop.Pending[int]) {
		for range collect.AsCompleted(ctx, slices.Values(calls)) {
		}
	},
	"AsCompleted, two at a time": func(ctx context.Context, calls ...*hop.Pending[int]) {
		for range collect.AsCompleted(ctx, slices.Values(calls), collect.MaxConcurrent(2)) {
		}
	},
}

// eachWaiter runs f for each of them in a call on each kind of place. In f, me is that call, and wait waits in it: for calls that f makes, some of
// which wait for me. One of all these waits is refused.
func eachWaiter(t *testing.T, but string, f func(t *testing.T, ctx context.Context, me *hop.Pending[int], wait func(calls ...*hop.Pending[int]))) {
	l, p := newLoop(t), hop.NewPool(nil)
	defer p.Close()
	for name, wait := range waiters {
		if name == but {
			continue
		}
		for _, on := range []hop.Portal{l, p, hop.Goroutines} {
			t.Run(fmt.Sprint(name, " on ", on), func(t *testing.T) {
				within(t, func() {
					begin := make(chan *hop.Pending[int], 1)
					var waited []*hop.Pending[int]
					me := hop.Go(context.Background(), on, func(ctx context.Context) (int, error) {
						f(t, ctx, <-begin, func(calls ...*hop.Pending[int]) {
							waited = calls
							wait(ctx, calls...)
						})
						return 1, nil
					})
					begin <- me
					_, err := me.Wait(context.Background())
					for _, p := range waited { // the circle may have been closed by another, which is refused then
						_, e := p.Wait(context.Background())
						err = errors.Join(err, e)
					}
					var d *hop.DeadlockError
					if !errors.As(err, &d) {
						t.Errorf("%v, want a DeadlockError", err)
						return
					}
					for _, w := range d.Cycle {
						if !strings.HasSuffix(w.File, "_test.go") {
							t.Errorf("one waits at %s:%d", w.File, w.Line)
						}
					}
				})
			})
		}
	}
}

// waitFor is a call that waits for p.
func waitFor(p *hop.Pending[int]) *hop.Pending[int] {
	return hop.Go(context.Background(), hop.Goroutines, func(context.Context) (int, error) { return p.Wait(context.Background()) })
}

// Several calls that all wait for who waits for them.
func TestS4_AllThatAreLeftWaitForWhoWaits(t *testing.T) {
	eachWaiter(t, "", func(t *testing.T, _ context.Context, me *hop.Pending[int], wait func(calls ...*hop.Pending[int])) {
		wait(waitFor(me), waitFor(waitFor(me)))
	})
}

// The same call twice is one.
func TestS4_TheSameCallTwiceWaitsForWhoWaits(t *testing.T) {
	eachWaiter(t, "", func(t *testing.T, _ context.Context, me *hop.Pending[int], wait func(calls ...*hop.Pending[int])) {
		p := waitFor(me)
		wait(p, p)
	})
}

// One that does not wait for him ends, without ending the wait.
func TestS4_WhatIsLeftInTheEndWaitsForWhoWaits(t *testing.T) {
	eachWaiter(t, "FirstDone", func(t *testing.T, _ context.Context, me *hop.Pending[int], wait func(calls ...*hop.Pending[int])) {
		soon := hop.After(context.Background(), time.Millisecond, hop.Goroutines, func(context.Context) (int, error) { return 2, nil })
		later := hop.After(context.Background(), 2*time.Millisecond, hop.Goroutines, func(context.Context) (int, error) { return 2, nil })
		wait(waitFor(me), soon, waitFor(me), later)
	})
}

// One of several waits for who waits for the first, and another ends: nothing is refused.
func TestS4_AnotherThanWhoWaitsForMeEnds(t *testing.T) {
	for name, wait := range waiters {
		if name == "AllDone" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			within(t, func() {
				begin := make(chan *hop.Pending[int], 1)
				me := hop.Go(context.Background(), hop.Goroutines, func(ctx context.Context) (int, error) {
					me := <-begin
					knot := waitFor(me)
					fails := hop.After(ctx, time.Millisecond, hop.Goroutines, func(context.Context) (int, error) { return 0, errors.New("no") })
					if strings.HasPrefix(name, "AsCompleted") {
						for range collect.AsCompleted(ctx, slices.Values([]*hop.Pending[int]{knot, fails}), collect.KeepUnfinished()) {
							break
						}
					} else {
						wait(ctx, knot, fails)
					}
					fails.Result()
					return 1, nil
				})
				begin <- me
				if _, err := me.Wait(context.Background()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// Where one suffices for a circle, as for all, it is refused at once, and not when the others have ended.
func TestS4_ACircleThroughOneOfAllIsRefusedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		begin := make(chan *hop.Pending[int], 1)
		me := hop.Go(t.Context(), hop.Goroutines, func(ctx context.Context) (int, error) {
			me := <-begin
			long := hop.Go(ctx, hop.Goroutines, func(ctx context.Context) (int, error) { return 1, hop.Sleep(ctx, time.Hour) })
			knot := waitFor(me)
			synctest.Wait() // it waits
			collect.Wait(ctx, collect.AllDone, knot, long)
			return 1, nil
		})
		begin <- me
		_, err := me.Wait(t.Context())
		wantIs(t, err, hop.ErrDeadlock)
		if d := time.Since(start); d != 0 {
			t.Errorf("after %v", d)
		}
		time.Sleep(time.Hour) // the long one goes on
	})
}

// The functions of OnDone of a call have returned when it is yielded, also of the last, and of one at a time.
func TestAsCompletedYieldsAfterTheFunctionsOfOnDone(t *testing.T) {
	for _, n := range []int{1, 2, 3} {
		for _, opts := range [][]collect.Option{nil, {collect.MaxConcurrent(1)}} {
			t.Run(fmt.Sprint(n, len(opts)), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					noted := map[*hop.Pending[int]]*atomic.Bool{}
					calls := func(yield func(*hop.Pending[int]) bool) {
						for range n {
							p, ran := hop.NewPromise[int](t.Context()), new(atomic.Bool)
							p.Pending().OnDone(func() {
								time.Sleep(time.Second)
								ran.Store(true)
							})
							noted[p.Pending()] = ran
							time.AfterFunc(time.Minute, func() { p.Resolve(1) })
							if !yield(p.Pending()) {
								return
							}
						}
					}
					for p := range collect.AsCompleted(t.Context(), calls, opts...) {
						if !noted[p].Load() {
							t.Error("yielded before")
						}
					}
				})
			})
		}
	}
}

// To wait for the first of many that wait themselves is linear.
func TestManyThatWaitAreWaitedForInTime(t *testing.T) {
	const n = 3000
	l := newLoop(t)
	gates := make([]*hop.Promise[int], n)
	calls := make([]*hop.Pending[int], n)
	for i := range calls {
		gates[i] = hop.NewPromise[int](context.Background())
		calls[i] = hop.Go(context.Background(), l, func(ctx context.Context) (int, error) { return gates[i].Pending().Wait(ctx) })
	}
	within(t, func() {
		ranges := hop.Go(context.Background(), hop.Goroutines, func(ctx context.Context) (sum int, _ error) {
			go gates[0].Resolve(0)
			for p := range collect.AsCompleted(ctx, slices.Values(calls)) {
				i, err := p.Result()
				if err != nil {
					return sum, err
				}
				if sum++; i+1 < n {
					gates[i+1].Resolve(i + 1)
				}
			}
			return sum, nil
		})
		if sum, err := ranges.Wait(context.Background()); sum != n || err != nil {
			t.Errorf("%d of %d: %v", sum, n, err)
		}
	})
}

// Who is waited for together with others, by a task of a loop, and shuts that loop down, is told that the end would need himself.
func TestS25_ShutdownByOneOfThoseThatATaskWaitsFor(t *testing.T) {
	for name, wait := range map[string]func(ctx context.Context, p, other *hop.Pending[int]){
		"AllDone":       func(ctx context.Context, p, other *hop.Pending[int]) { collect.Wait(ctx, collect.AllDone, p, other) },
		"AllDone, last": func(ctx context.Context, p, other *hop.Pending[int]) { collect.Wait(ctx, collect.AllDone, other, p) },
		"AsCompleted": func(ctx context.Context, p, _ *hop.Pending[int]) {
			for range collect.AsCompleted(ctx, slices.Values([]*hop.Pending[int]{p})) {
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := hop.NewLoop(nil)
			var other hop.Event
			stop, stopped := make(chan struct{}), make(chan error, 1)
			p := hop.Go(context.Background(), hop.Goroutines, func(context.Context) (int, error) {
				<-stop
				stopped <- l.Shutdown(context.Background())
				return 1, nil
			})
			q := hop.Go(context.Background(), hop.Goroutines, func(ctx context.Context) (int, error) { return 1, other.Wait(ctx) })
			task := hop.Go(context.Background(), l, func(ctx context.Context) (int, error) { wait(ctx, p, q); return 1, nil })
			within(t, func() {
				for task.Call().State() != hop.Waiting {
					runtime.Gosched()
				}
				close(stop)
				wantIs(t, <-stopped, hop.ErrDeadlock)
				other.Set()
				<-l.Stopped()
			})
		})
	}
}

// Calls that wait for groups of their own lead on, each through its group: to look at all of them for each that ends would take long.
func TestManyThatWaitForGroupsAreWaitedForInTime(t *testing.T) {
	const n = 4000
	l := newLoop(t)
	gates := make([]hop.Event, n)
	calls := make([]*hop.Pending[int], n)
	for i := range calls {
		calls[i] = hop.Go(context.Background(), l, func(ctx context.Context) (int, error) {
			return i, hop.WithGroup(ctx, nil, func(ctx context.Context) error {
				hop.Go(ctx, l, func(ctx context.Context) (int, error) { return 1, gates[i].Wait(ctx) })
				return nil
			})
		})
	}
	within(t, func() {
		ranges := hop.Go(context.Background(), hop.Goroutines, func(ctx context.Context) (sum int, _ error) {
			go gates[0].Set()
			for p := range collect.AsCompleted(ctx, slices.Values(calls)) {
				i, err := p.Result()
				if err != nil {
					return sum, err
				}
				if sum++; i+1 < n {
					gates[i+1].Set()
				}
			}
			return sum, nil
		})
		began := time.Now()
		if sum, err := ranges.Wait(context.Background()); sum != n || err != nil {
			t.Errorf("%d of %d: %v", sum, n, err)
		}
		if d := time.Since(began); d > 5*time.Second && !raceEnabled { // 0.2 s were measured, and 10 s where each looked at all
			t.Errorf("it took %v", d)
		}
	})
}
