package hop_test

// S11, S24, S25: who ends several calls at once ends all of them before a function of a user's runs, so that such a function may wait for another
// of these calls.

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gohop/hop"
	"github.com/gohop/hop/collect"
)

// stopper is a loop or a pool.
type stopper interface {
	hop.Portal
	Close() error
	Shutdown(context.Context) error
}

// stoppersToMake are one of each, not closed at the end of the test: that is the test's deed.
var stoppersToMake = map[string]func() stopper{
	"Loop":   func() stopper { return hop.NewLoop(&hop.LoopOptions{StallAfter: -1}) },
	"Pool1":  func() stopper { return hop.NewPool(&hop.PoolOptions{Size: 1}) },
	"Pool2":  func() stopper { return hop.NewPool(&hop.PoolOptions{Size: 2}) },
	"NoSize": func() stopper { return hop.NewPool(nil) },
}

// hardStops are the two ways to cancel everything.
var hardStops = map[string]func(stopper) error{
	"Close": stopper.Close,
	"Shutdown whose ctx is over": func(on stopper) error {
		if err := on.Shutdown(over()); !errors.Is(err, context.Canceled) {
			return err
		}
		return on.Close() // waits for the end
	},
}

func over() context.Context {
	ctx, cancel := context.WithCancel(bg)
	cancel()
	return ctx
}

// endWaitsFor has the end of p wait for that of q, and returns what the wait has come to.
func endWaitsFor[T, U any](p *hop.Pending[T], q *hop.Pending[U]) <-chan error {
	got := make(chan error, 1)
	p.OnDone(func() {
		_, err := q.Wait(bg)
		got <- err
	})
	return got
}

// runsOn is a function that runs until its context ends, on its goroutine; started is closed when it runs.
func runsOn(started chan<- struct{}) func(context.Context) (int, error) {
	return func(ctx context.Context) (int, error) {
		close(started)
		<-ctx.Done()
		return 0, context.Cause(ctx)
	}
}

// suspends is runsOn with a wait of this package.
func suspends(started chan<- struct{}) func(context.Context) (int, error) {
	return func(ctx context.Context) (int, error) {
		close(started)
		return 0, hop.Sleep(ctx, time.Hour)
	}
}

func TestS25_ADelayedCallsFunctionWaitsForAnother(t *testing.T) {
	for kind, make := range stoppersToMake {
		for name, stop := range map[string]func(stopper) error{
			"Close":    stopper.Close,
			"Shutdown": func(on stopper) error { return on.Shutdown(bg) },
			"over":     hardStops["Shutdown whose ctx is over"],
		} {
			t.Run(kind+"/"+name, func(t *testing.T) {
				on := make()
				p1, p2 := hop.After(bg, time.Hour, on, mustNotRun(t)), hop.After(bg, 2*time.Hour, on, mustNotRun(t))
				got := endWaitsFor(p1, p2)
				within(t, patience, name, func() {
					if err := stop(on); err != nil {
						t.Error(err)
					}
				})
				wantIs(t, wantCancelled(t, recv(t, "the other's end", got)), hop.ErrStopped)
			})
		}
	}
}

// The calls of a child are the same stop's.
func TestS26_ADelayedCallsFunctionWaitsForOneOfAChild(t *testing.T) {
	for name, stop := range map[string]func(stopper) error{
		"Close":    stopper.Close,
		"Shutdown": func(on stopper) error { return on.Shutdown(bg) },
		"over":     hardStops["Shutdown whose ctx is over"],
	} {
		t.Run(name, func(t *testing.T) {
			l := hop.NewLoop(nil)
			below := []*hop.Loop{l}
			for _, name := range []string{"child", "grandchild"} {
				b, err := below[len(below)-1].Child(name, nil)
				if err != nil {
					t.Fatal(err)
				}
				below = append(below, b)
			}
			below = append(below, hop.NewLoop(&hop.LoopOptions{Host: l}))
			var got []<-chan error
			for i, b := range below {
				p := hop.After(bg, time.Hour, b, mustNotRun(t))
				q := hop.After(bg, time.Hour, below[(i+1)%len(below)], mustNotRun(t))
				got = append(got, endWaitsFor(p, q))
			}
			within(t, patience, name, func() {
				if err := stop(l); err != nil {
					t.Error(err)
				}
			})
			for _, got := range got {
				wantIs(t, recv(t, "the other's end", got), hop.ErrStopped)
			}
		})
	}
}

// A Shutdown of the parent cancels what is delayed in the child, whose functions may end the child.
func TestS26_ADelayedCallsFunctionClosesAChild(t *testing.T) {
	l := hop.NewLoop(nil)
	child, err := l.Child("child", nil)
	if err != nil {
		t.Fatal(err)
	}
	hop.After(bg, time.Hour, child, mustNotRun(t))
	hop.After(bg, time.Hour, l, mustNotRun(t)).OnDone(func() {
		if err := child.Close(); err != nil {
			t.Error(err)
		}
	})
	within(t, patience, "Shutdown", func() {
		if err := l.Shutdown(bg); err != nil {
			t.Error(err)
		}
	})
	recv(t, "the child's end", child.Stopped())
}

// A queued call's function waits for one that runs, and heeds its context, or is suspended.
func TestS24_AQueuedCallsFunctionWaitsForARunningOne(t *testing.T) {
	for stopName, stop := range hardStops {
		for kind, make_ := range stoppersToMake {
			if kind == "NoSize" || kind == "Loop" {
				continue // nothing is queued there; and a loop cancels the running one first
			}
			t.Run(stopName+"/"+kind, func(t *testing.T) {
				on := make_()
				var running []*hop.Pending[int]
				for range map[string]int{"Pool1": 1, "Pool2": 2}[kind] {
					started := make(chan struct{})
					running = append(running, hop.Go(bg, on, runsOn(started)))
					recv(t, "the start", started)
				}
				var got []<-chan error
				for _, r := range running {
					got = append(got, endWaitsFor(hop.Go(bg, on, mustNotRun(t)), r))
				}
				within(t, patience, stopName, func() {
					if err := stop(on); err != nil {
						t.Error(err)
					}
				})
				for _, got := range got {
					wantIs(t, recv(t, "the other's end", got), hop.ErrStopped)
				}
			})
		}
	}
}

func TestS24_AQueuedCallsFunctionWaitsForASuspendedOne(t *testing.T) {
	for stopName, stop := range hardStops {
		for kind, make_ := range stoppersToMake {
			if kind == "NoSize" {
				continue
			}
			t.Run(stopName+"/"+kind, func(t *testing.T) {
				on := make_()
				started := make(chan struct{})
				task := hop.Go(bg, on, suspends(started))
				recv(t, "the start", started)
				eventually(t, "the task waits", func() bool { return task.Call().State() == hop.Waiting })
				// A wait that ends with nothing but the stop, since it is not bound to the call.
				detached := make(chan struct{})
				loose := hop.Go(bg, on, func(ctx context.Context) (int, error) {
					close(detached)
					return 0, hop.Sleep(context.WithoutCancel(ctx), time.Hour)
				})
				recv(t, "the start", detached)
				eventually(t, "the other waits", func() bool { return loose.Call().State() == hop.Waiting })
				busy := []*gate{occupy(t, on)}
				if kind == "Pool2" {
					busy = append(busy, occupy(t, on))
				}
				queued, other := hop.Go(bg, on, mustNotRun(t)), hop.Go(bg, on, mustNotRun(t))
				queued.OnDone(func() {
					for _, g := range busy {
						g.open() // or the loop could not end the tasks
					}
				})
				first, second := endWaitsFor(queued, task), endWaitsFor(other, loose)
				within(t, patience, stopName, func() {
					if err := stop(on); err != nil {
						t.Error(err)
					}
				})
				wantIs(t, recv(t, "the task's end", first), hop.ErrStopped)
				wantIs(t, recv(t, "the other's end", second), hop.ErrStopped)
			})
		}
	}
}

// A posted function's wait ends as a task's does.
func TestS5_AQueuedCallsFunctionWaitsForAPostedOne(t *testing.T) {
	for kind, make_ := range map[string]func() interface {
		stopper
		Post(func()) error
	}{
		"Loop": func() interface {
			stopper
			Post(func()) error
		} {
			return hop.NewLoop(nil)
		},
		"Pool": func() interface {
			stopper
			Post(func()) error
		} {
			return hop.NewPool(&hop.PoolOptions{Size: 1})
		},
	} {
		t.Run(kind, func(t *testing.T) {
			on := make_()
			var posted, never hop.Event
			began := make(chan struct{})
			on.Post(func() {
				close(began)
				never.Wait(bg)
				posted.Set()
			})
			recv(t, "the posted function", began)
			busy := occupy(t, on)
			got := make(chan error, 1)
			hop.Go(bg, on, mustNotRun(t)).OnDone(func() {
				busy.open()
				got <- posted.Wait(bg)
			})
			within(t, patience, "Close", func() {
				if err := on.Close(); err != nil {
					t.Error(err)
				}
			})
			if err := recv(t, "the posted function's end", got); err != nil {
				t.Error(err)
			}
		})
	}
}

// Abandoned calls end on the loop, where a function that waits would keep the loop.
func TestS18_AnAbandonedTasksFunctionLooksForAnotherOne(t *testing.T) {
	for _, how := range []string{"Done", "Wait"} {
		t.Run(how, func(t *testing.T) {
			l := hop.NewLoop(&hop.LoopOptions{StallAfter: -1})
			var ps []*hop.Pending[int]
			for range 3 {
				started := make(chan struct{})
				p := hop.Go(bg, l, suspends(started), hop.Abandon())
				recv(t, "the start", started)
				eventually(t, "the task waits", func() bool { return p.Call().State() == hop.Waiting })
				ps = append(ps, p)
			}
			var told sync.WaitGroup
			for i, p := range ps { // whichever is the first
				told.Add(1)
				p.OnDone(func() {
					defer told.Done()
					for _, other := range append(ps[:i:i], ps[i+1:]...) {
						if how == "Done" {
							<-other.Done()
						} else if _, err := other.Wait(bg); !errors.Is(err, hop.ErrStopped) {
							t.Error(err)
						}
					}
				})
			}
			within(t, patience, "Close", func() {
				if err := l.Close(); err != nil {
					t.Error(err)
				}
				told.Wait()
			})
		})
	}
}

// Members are cancelled by their group in the same way.
func TestS25_AMembersFunctionWaitsForAnother(t *testing.T) {
	for name, end := range map[string]func(g *hop.Group, fail func()){
		"Cancel":  func(g *hop.Group, _ func()) { g.Cancel(nil) },
		"failure": func(_ *hop.Group, fail func()) { fail() },
	} {
		for _, limit := range []int{0, 1} {
			t.Run(name, func(t *testing.T) {
				l, pool := newLoop(t, nil), newPool(t, nil)
				within(t, patience, "WithGroup", func() {
					hop.WithGroup(bg, &hop.GroupOptions{Limit: limit}, func(ctx context.Context) error {
						// The members' own context does not end.
						g := hop.CurrentGroup(ctx)
						fails := hop.NewPromise[int](ctx)
						var ps []*hop.Pending[int]
						for range 2 {
							ps = append(ps, hop.After(bg, time.Hour, l, mustNotRun(t)))
							g.Add(ps[len(ps)-1].Call())
						}
						started := make(chan struct{})
						ps = append(ps, hop.Go(bg, pool, runsOn(started)))
						g.Add(ps[2].Call())
						recv(t, "the start", started)
						var got []<-chan error
						for i := range ps {
							got = append(got, endWaitsFor(ps[0], ps[i]), endWaitsFor(ps[1], ps[i]))
						}
						end(g, func() { fails.Reject(errors.New("boom")) })
						for _, got := range got {
							wantCancelled(t, recv(t, "a member's end", got))
						}
						return nil
					})
				})
			})
		}
	}
}

// A group whose members are cancelled has none as soon as they have ended, whatever their functions wait for.
func TestS24_ACallsFunctionWaitsForAGroup(t *testing.T) {
	for _, limit := range []int{0, 1} {
		pool := hop.NewPool(&hop.PoolOptions{Size: 1})
		l := hop.NewLoop(nil)
		started := make(chan struct{})
		members := make(chan *hop.Pending[int], 3)
		group := hop.Go(bg, pool, func(ctx context.Context) (int, error) {
			return 0, hop.WithGroup(ctx, &hop.GroupOptions{Limit: limit}, func(ctx context.Context) error {
				for range 3 {
					members <- hop.After(ctx, 2*time.Hour, l, mustNotRun(t))
				}
				close(started)
				return nil
			})
		})
		recv(t, "the start", started)
		eventually(t, "the group waits", func() bool { return group.Call().State() == hop.Waiting })
		got := endWaitsFor(hop.After(bg, time.Hour, l, mustNotRun(t)), group)
		(<-members).OnDone(func() { group.Wait(bg) })
		within(t, patience, "Close", func() {
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		})
		if err := recv(t, "the group", got); err != nil {
			t.Errorf("Limit %d: the group: %v", limit, err)
		}
		closeAll(t, "pool", pool.Close)
	}
}

// What a member that ends gives its place to does not wait until the functions have returned.
func TestS24_ACallsFunctionWaitsForAMemberThatIsHeldBack(t *testing.T) {
	l, pool := hop.NewLoop(nil), newPool(t, nil)
	busy := occupy(t, l)
	var got <-chan error
	within(t, patience, "WithGroup", func() {
		hop.WithGroup(bg, &hop.GroupOptions{Limit: 1, KeepGoing: true}, func(ctx context.Context) error {
			outside := hop.Go(bg, l, mustNotRun(t))
			hop.Go(ctx, l, mustNotRun(t)) // it has the place
			held := hop.Go(ctx, pool, value(1))
			got = endWaitsFor(outside, held)
			closed := make(chan error, 1)
			go func() { closed <- l.Close() }()
			if err := recv(t, "the member that was held back", got); err != nil {
				t.Error(err)
			}
			busy.open()
			return recv(t, "Close", closed)
		})
	})
}

// What was made under a call that is cancelled is cancelled with it, before a function of either runs.
func TestS16_AFunctionWaitsForWhatElseWasMadeUnderTheCall(t *testing.T) {
	for _, deep := range []bool{false, true} {
		up := hop.NewPromise[int](bg)
		ctx := up.Pending().Call().Context()
		p1 := hop.NewPromise[int](ctx)
		derived := ctx
		if deep { // through a context that is not a call's, and a call's
			var cancel context.CancelFunc
			derived, cancel = context.WithCancel(ctx)
			defer cancel()
			derived = hop.NewPromise[int](derived).Pending().Call().Context()
		}
		p2 := hop.NewPromise[int](derived)
		first := endWaitsFor(p1.Pending(), p2.Pending())
		self := endWaitsFor(up.Pending(), p2.Pending())
		p2.Pending().OnDone(func() { p1.Pending().Wait(bg) })
		within(t, patience, "Cancel", func() { up.Pending().Cancel(nil) })
		wantCancelled(t, recv(t, "the kid's end", first))
		wantCancelled(t, recv(t, "the kid's end", self))
	}
}

// A stop reaches what was made under the calls that it cancels.
func TestS24_ACallsFunctionWaitsForWhatWasMadeUnderAnother(t *testing.T) {
	pool := hop.NewPool(nil)
	made := make(chan *hop.Promise[int], 1)
	hop.Go(bg, pool, func(ctx context.Context) (int, error) {
		p := hop.NewPromise[int](ctx)
		p.Pending().OnDone(func() {})
		made <- p
		<-ctx.Done()
		return 0, nil
	})
	under := recv(t, "what was made", made)
	got := endWaitsFor(hop.After(bg, time.Hour, pool, mustNotRun(t)), under.Pending())
	within(t, patience, "Close", func() {
		if err := pool.Close(); err != nil {
			t.Error(err)
		}
	})
	wantIs(t, recv(t, "the promise", got), hop.ErrStopped)
}

// The functions of OnCancel run when all have been asked: one of what was made under a call may wait for another call.
func TestS24_AFunctionOfOnCancelWaitsForAnotherCall(t *testing.T) {
	pool := hop.NewPool(nil)
	made := make(chan *hop.Promise[int], 1)
	hop.Go(bg, pool, func(ctx context.Context) (int, error) {
		p := hop.NewPromise[int](ctx)
		made <- p
		return p.Pending().Wait(context.WithoutCancel(ctx))
	})
	asked := recv(t, "the promise", made)
	started := make(chan struct{})
	other := hop.Go(bg, pool, runsOn(started))
	recv(t, "the start", started)
	asked.OnCancel(func(error) {
		_, err := other.Wait(bg)
		asked.Reject(err)
	})
	within(t, patience, "Close", func() {
		if err := pool.Close(); err != nil {
			t.Error(err)
		}
	})
	wantIs(t, waitErr(t, other), hop.ErrStopped)
	wantCancelled(t, waitErr(t, asked.Pending()))
}

// What is told of ends is told in time, too.
func TestS24_ACallsFunctionStreamsTheEndsOfOthers(t *testing.T) {
	for kind, make_ := range stoppersToMake {
		t.Run(kind, func(t *testing.T) {
			on := make_()
			first := hop.After(bg, time.Hour, on, mustNotRun(t))
			var others []*hop.Pending[int]
			for range 3 {
				others = append(others, hop.After(bg, 2*time.Hour, on, mustNotRun(t)))
			}
			got := make(chan int, 1)
			first.OnDone(func() {
				n := 0
				for range collect.AsCompleted(bg, slices.Values(others)) {
					n++
				}
				got <- n
			})
			within(t, patience, "Close", func() {
				if err := on.Close(); err != nil {
					t.Error(err)
				}
			})
			if n := recv(t, "the stream's end", got); n != 3 {
				t.Errorf("%d ends", n)
			}
		})
	}
}

// A Waiter, and a Do, that gives up cancels what was sent to it.
func TestS8_AFunctionWaitsForWhatElseWasSentToAWaiter(t *testing.T) {
	for name, run := range map[string]func(t *testing.T, f func(ctx context.Context)){
		"on a goroutine": func(_ *testing.T, f func(context.Context)) { f(bg) },
		"in a task": func(t *testing.T, f func(context.Context)) {
			l := newLoop(t, nil)
			if err := hop.Run(bg, l, func(ctx context.Context) error { f(ctx); return nil }); err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			within(t, patience, "the wait", func() {
				run(t, func(up context.Context) {
					w := hop.NewWaiter()
					awaited := hop.NewPromise[int](bg)
					ctx, cancel := context.WithCancel(up)
					cancel()
					p1, p2 := hop.Go(bg, w, mustNotRun(t)), hop.Go(bg, w, mustNotRun(t))
					got := endWaitsFor(p1, p2)
					w.Wait(ctx, awaited.Pending().Call())
					wantCancelled(t, recv(t, "the other's end", got))
					awaited.Resolve(1)
				})
			})
		})
	}
}

// A loop that nobody can drive any more ends its calls in the same way, and its guests'.
func TestS39_AFunctionWaitsForAnotherCallOfALoopThatHasLostItsHost(t *testing.T) {
	host := make(fullHost, 1)
	quiet := slog.New(slog.DiscardHandler)
	guest := hop.NewLoop(&hop.LoopOptions{Host: host, Logger: quiet})
	inner := hop.NewLoop(&hop.LoopOptions{Host: guest, Logger: quiet})
	(<-host)()
	task := hop.Go(bg, guest, func(ctx context.Context) (int, error) { return 0, hop.Sleep(context.WithoutCancel(ctx), time.Hour) })
	(<-host)()
	for range 100 { // more than a tick has time for
		guest.Post(func() {})
	}
	late := hop.After(bg, time.Hour, guest, mustNotRun(t))
	below := hop.After(bg, time.Hour, inner, mustNotRun(t))
	got := []<-chan error{endWaitsFor(late, task), endWaitsFor(late, below), endWaitsFor(below, task)}
	tick := <-host
	host <- func() {} // full: it fails from now on
	go tick()
	for _, got := range got {
		wantIs(t, recv(t, "the other's end", got), hop.ErrStopped)
	}
	recv(t, "the guest's end", guest.Stopped())
	recv(t, "the inner one's end", inner.Stopped())
}

// The functions run in the order of the calls, each, whatever those before do; and all have run before the stop goes on.
func TestS11_FunctionsOfAStopRunInTheOrderOfTheCalls(t *testing.T) {
	for kind, make_ := range stoppersToMake {
		t.Run(kind, func(t *testing.T) {
			on := make_()
			const n = 12
			ended := make(chan int, n)
			for i := range n {
				p := hop.After(bg, time.Hour, on, mustNotRun(t))
				p.OnDone(func() {
					ended <- i
					if i%3 == 0 {
						runtime.Goexit()
					}
				})
			}
			gone := make(chan struct{})
			go func() {
				defer close(gone)
				on.Close()
			}()
			for want := range n {
				if got := recv(t, "the end of a call", ended); got != want {
					t.Fatalf("the %dth that ended is %d", want, got)
				}
			}
			recv(t, "the goroutine's end", gone)
			within(t, patience, "Close", func() {
				if err := on.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// The loop is not at its end, nor do its shutdown functions run, before the functions of the calls that were cancelled have returned.
func TestS25_ShutdownFunctionsComeAfterTheFunctionsOfCancelledCalls(t *testing.T) {
	for name, stop := range map[string]func(*hop.Loop) error{
		"Close":    (*hop.Loop).Close,
		"Shutdown": func(l *hop.Loop) error { return l.Shutdown(bg) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := hop.NewLoop(nil)
				var order []string
				l.OnShutdown(func(context.Context) error { order = append(order, "shutdown"); return nil })
				next := make(chan struct{})
				hop.After(bg, time.Hour, l, mustNotRun(t)).OnDone(func() { <-next; order = append(order, "first") })
				hop.After(bg, time.Hour, l, mustNotRun(t)).OnDone(func() { order = append(order, "second") })
				ended := make(chan error, 1)
				go func() { ended <- stop(l) }()
				synctest.Wait()
				if isDone(l.Stopped()) {
					t.Error("the loop has ended before the functions")
				}
				close(next)
				if err := recv(t, name, ended); err != nil {
					t.Error(err)
				}
				if want := []string{"first", "second", "shutdown"}; !slices.Equal(order, want) {
					t.Errorf("%v, want %v", order, want)
				}
			})
		})
	}
}

// What comes of an end and runs no function of a user's does not wait for such functions either.

// Who waits for a place that only a cancelled call could have given back is refused before a function waits for him.
func TestS4_AFunctionWaitsForOneWhoseDeputyIsCancelledToo(t *testing.T) {
	pool := hop.NewPool(nil)
	limiter := hop.NewLimiter(1)
	first := hop.After(bg, time.Hour, pool, mustNotRun(t))
	var deputy *hop.Pending[int]
	holder := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) {
		limiter.Acquire(ctx)
		deputy = hop.After(ctx, 2*time.Hour, pool, mustNotRun(t))
		return 0, limiter.Acquire(ctx)
	})
	untilWaiting(t, holder.Call())
	got := []<-chan error{endWaitsFor(first, holder), endWaitsFor(deputy, holder)}
	within(t, patience, "Close", func() {
		if err := pool.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, got := range got {
		var d *hop.DeadlockError
		if err := recv(t, "the holder's end", got); !errors.As(err, &d) {
			t.Errorf("error %v, want a deadlock", err)
		}
	}
}

func TestS4_ADeputysOwnFunctionWaitsForTheHolder(t *testing.T) {
	limiter := hop.NewLimiter(1)
	g := newGate(t)
	made := make(chan *hop.Pending[int], 1)
	holder := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) {
		limiter.Acquire(ctx)
		made <- hop.Go(ctx, hop.Goroutines, func(context.Context) (int, error) { g.pass(); return 0, nil })
		return 0, limiter.Acquire(ctx)
	})
	deputy := recv(t, "the deputy", made)
	untilWaiting(t, holder.Call())
	told := make(chan error, 1)
	deputy.OnDone(func() { _, err := holder.Wait(bg); told <- err })
	g.open()
	var d *hop.DeadlockError
	if err := recv(t, "the end of the wait", told); !errors.As(err, &d) { // its own, or the holder's
		t.Errorf("error %v, want a deadlock", err)
	}
	if err := waitErr(t, holder); !errors.As(err, &d) {
		t.Errorf("error %v, want a deadlock", err)
	}
}

// A deputy may also end because it is refused when it gets the place of a member that has ended.
func TestS4_ADeputyIsRefusedWhenItGetsItsPlace(t *testing.T) {
	l, pool := hop.NewLoop(nil), newPool(t, nil)
	boom := errors.New("boom")
	err := withGroup(t, bg, &hop.GroupOptions{Limit: 1, KeepGoing: true}, func(ctx context.Context) error {
		fails := make(chan struct{})
		hop.Go(ctx, pool, func(context.Context) (int, error) { <-fails; return 0, boom })
		limiter := hop.NewLimiter(1)
		holder := hop.Go(bg, hop.Goroutines, func(own context.Context) (int, error) {
			limiter.Acquire(own)
			hop.Go(ctx, l, mustNotRun(t)) // held back
			return 0, limiter.Acquire(own)
		})
		untilWaiting(t, holder.Call())
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		close(fails)
		var d *hop.DeadlockError
		if err := waitErr(t, holder); !errors.As(err, &d) {
			t.Errorf("error %v, want a deadlock", err)
		}
		return nil
	})
	wantIs(t, err, boom)
	wantIs(t, err, hop.ErrStopped)
}

// A Shutdown of the parent cancels what is delayed in a child; the place of a member that ends by that is not kept until the parent's functions have
// returned.
func TestS26_AFunctionWaitsForAMemberThatWasHeldBackByACallOfAChild(t *testing.T) {
	l, other, pool := hop.NewLoop(nil), newLoop(t, nil), newPool(t, nil)
	child, err := l.Child("child", nil)
	if err != nil {
		t.Fatal(err)
	}
	occupy(t, other)
	within(t, patience, "the groups", func() {
		err := hop.WithGroup(bg, &hop.GroupOptions{Limit: 1, KeepGoing: true}, func(ctx context.Context) error {
			hasPlace := hop.Go(ctx, other, mustNotRun(t))
			held := hop.Go(ctx, pool, value(1))
			return hop.WithGroup(bg, &hop.GroupOptions{CancelOnCancelled: true}, func(ctx context.Context) error {
				hop.CurrentGroup(ctx).Add(hasPlace.Call())
				hop.After(ctx, time.Hour, child, mustNotRun(t)) // which cancels it
				got := endWaitsFor(hop.After(bg, time.Hour, l, mustNotRun(t)), held)
				if err := l.Shutdown(bg); err != nil {
					t.Error(err)
				}
				return recv(t, "the member that was held back", got)
			})
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// Calls of a loop that share a context are told of its end together; those with functions run them each on a goroutine of its own.
func TestS16_AFunctionWaitsForAMemberThatWasHeldBackByAnotherCall(t *testing.T) {
	l, pool := newLoop(t, nil), newPool(t, nil)
	within(t, patience, "the group", func() {
		err := hop.WithGroup(bg, &hop.GroupOptions{Limit: 1, KeepGoing: true}, func(ctx context.Context) error {
			shared, cancel := context.WithCancel(ctx)
			defer cancel()
			made := make(chan *hop.Promise[int], 1)
			hop.Do(shared, l, func(ctx context.Context) (int, error) {
				p := hop.NewPromise[int](ctx)
				p.OnCancel(func(error) {}) // it hears of the end through this call
				made <- p
				return 0, nil
			})
			under := <-made
			busy := occupy(t, l)
			hop.Go(shared, l, mustNotRun(t)).OnDone(func() {}) // it has the place
			held := hop.Go(ctx, pool, value(1))
			got := make(chan error, 1)
			under.OnCancel(func(cause error) {
				_, err := held.Wait(bg)
				under.Reject(cause)
				got <- err
			})
			cancel()
			defer busy.open()
			return recv(t, "the member that was held back", got)
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// A member that is refused when it gets its place does not keep others from theirs.
func TestS34_TheFunctionOfARefusedMemberWaitsForOneThatIsHeldBack(t *testing.T) {
	l, pool := hop.NewLoop(nil), newPool(t, nil)
	within(t, patience, "the group", func() {
		err := hop.WithGroup(bg, &hop.GroupOptions{Limit: 1, KeepGoing: true}, func(ctx context.Context) error {
			g := newGate(t)
			started := make(chan struct{})
			hop.Go(ctx, pool, func(context.Context) (int, error) { close(started); g.pass(); return 0, nil })
			recv(t, "the start", started)
			refused := hop.Go(ctx, l, mustNotRun(t))
			got := endWaitsFor(refused, hop.Go(ctx, pool, value(1)))
			if err := l.Close(); err != nil {
				t.Error(err)
			}
			g.open()
			if err := recv(t, "the other", got); err != nil {
				t.Error(err)
			}
			wantIs(t, waitErr(t, refused), hop.ErrStopped)
			return nil
		})
		wantIs(t, err, hop.ErrStopped)
	})
}

// It may wait for the group, which the member that has given its place has left.
func TestS34_TheFunctionOfARefusedMemberWaitsForTheGroup(t *testing.T) {
	l, pool := hop.NewLoop(nil), newPool(t, nil)
	ends := make(chan struct{})
	got := make(chan error, 1)
	var group *hop.Pending[int]
	made := make(chan struct{})
	group = hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) {
		return 0, hop.WithGroup(ctx, &hop.GroupOptions{Limit: 1, KeepGoing: true}, func(ctx context.Context) error {
			hop.Go(ctx, pool, func(context.Context) (int, error) { <-ends; return 0, nil })
			<-made
			hop.Go(ctx, l, mustNotRun(t)).OnDone(func() { got <- waitErr(t, group) })
			return nil
		})
	})
	close(made)
	untilWaiting(t, group.Call())
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	close(ends)
	wantIs(t, recv(t, "the group", got), hop.ErrStopped)
}

// Or for a member of a group further in, whose place the same member has given back.
func TestS34_TheFunctionOfARefusedMemberWaitsForOneOfAnInnerGroup(t *testing.T) {
	l, pool := hop.NewLoop(nil), newPool(t, nil)
	one := &hop.GroupOptions{Limit: 1, KeepGoing: true}
	err := withGroup(t, bg, one, func(outer context.Context) error {
		return hop.WithGroup(outer, one, func(ctx context.Context) error {
			ends := make(chan struct{})
			hop.Go(ctx, pool, func(context.Context) (int, error) { <-ends; return 0, nil })
			refused := hop.Go(outer, l, mustNotRun(t))
			got := endWaitsFor(refused, hop.Go(ctx, pool, value(1)))
			if err := l.Close(); err != nil {
				t.Error(err)
			}
			close(ends)
			return recv(t, "the other", got)
		})
	})
	wantIs(t, err, hop.ErrStopped)
}

// A member that was held back, and that its portal runs at once, may wait for functions that are still to run.
func TestS34_AMemberThatWasHeldBackWaitsForAFunctionOfACancelledCall(t *testing.T) {
	l := hop.NewLoop(nil)
	busy := occupy(t, l)
	within(t, patience, "the group", func() {
		err := hop.WithGroup(bg, &hop.GroupOptions{Limit: 1, KeepGoing: true}, func(ctx context.Context) error {
			var told hop.Event
			hop.Go(bg, l, mustNotRun(t)).OnDone(told.Set)
			hop.Go(ctx, l, mustNotRun(t)) // it has the place
			held := hop.Go(ctx, runsAtOnce{}, func(ctx context.Context) (int, error) { return 0, told.Wait(ctx) })
			closed := make(chan error, 1)
			go func() { closed <- l.Close() }()
			if err := waitErr(t, held); err != nil {
				t.Error(err)
			}
			busy.open()
			return recv(t, "Close", closed)
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// A member that fails has left its groups, inner and outer, when the functions of those run that are cancelled because of it.
func TestS34_AMembersFunctionWaitsForTheGroupOfTheOneThatFails(t *testing.T) {
	boom := errors.New("boom")
	for name, fail := range map[string]func(g *hop.Group, p *hop.Promise[int]){
		"it fails": func(_ *hop.Group, p *hop.Promise[int]) { p.Reject(boom) },
		"it is added": func(g *hop.Group, p *hop.Promise[int]) {
			failed := hop.NewPromise[int](bg)
			failed.Reject(boom)
			g.Add(failed.Pending().Call())
			p.Resolve(1)
		},
	} {
		for _, nested := range []bool{false, true} {
			for _, limit := range []int{0, 1} {
				if nested && name == "it is added" {
					continue // to the inner group alone
				}
				t.Run(name, func(t *testing.T) {
					l, pool := newLoop(t, nil), newPool(t, nil)
					groups := make(chan *hop.Group, 1)
					fails := make(chan *hop.Promise[int], 1)
					members := make(chan *hop.Pending[int], 1)
					inner := func(ctx context.Context) error {
						return hop.WithGroup(ctx, &hop.GroupOptions{Limit: limit}, func(ctx context.Context) error {
							groups <- hop.CurrentGroup(ctx)
							fails <- hop.NewPromise[int](ctx)
							p := hop.After(hop.Detach(ctx), time.Hour, l, mustNotRun(t))
							hop.CurrentGroup(ctx).Add(p.Call()) // of the inner group alone
							members <- p
							return nil
						})
					}
					group := hop.Go(bg, pool, func(ctx context.Context) (int, error) {
						if !nested {
							return 0, inner(ctx)
						}
						return 0, hop.WithGroup(ctx, &hop.GroupOptions{KeepGoing: true}, func(ctx context.Context) error {
							go inner(ctx)
							p := <-fails
							fails <- p
							return nil
						})
					})
					g, p := recv(t, "the group", groups), recv(t, "the member", members)
					untilWaiting(t, group.Call())
					got := endWaitsFor(p, group)
					within(t, patience, "the failure", func() { fail(g, recv(t, "the one that fails", fails)) })
					wantIs(t, recv(t, "the group", got), boom)
				})
			}
		}
	}
}

// A stream of ends is told of a member that fails before the functions of those run that are cancelled because of it.
func TestS34_AMembersFunctionWaitsForWhoStreamsTheEndOfTheOneThatFails(t *testing.T) {
	l := newLoop(t, nil)
	boom := errors.New("boom")
	err := withGroup(t, bg, nil, func(ctx context.Context) error {
		fails, stays := hop.NewPromise[int](ctx), hop.NewPromise[int](bg)
		member := hop.After(ctx, time.Hour, l, mustNotRun(t))
		streams := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) {
			for range collect.AsCompleted(ctx, slices.Values([]*hop.Pending[int]{fails.Pending(), stays.Pending()})) {
				break
			}
			return 0, nil
		})
		untilWaiting(t, streams.Call())
		got := endWaitsFor(member, streams)
		fails.Reject(boom)
		return recv(t, "the stream", got)
	})
	wantIs(t, err, boom)
}

// A stop that cancels the rest, as the ctx of Shutdown has ended, keeps that order, too: also where the loop has already stopped those below it.
func TestS25_ShutdownFunctionsComeAfterTheFunctionsOfWhatTheEndOfItsContextCancels(t *testing.T) {
	for _, where := range []string{"loop", "child", "Manual child"} {
		t.Run(where, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := hop.NewLoop(&hop.LoopOptions{StallAfter: -1})
				on := l
				if where != "loop" {
					var err error
					if on, err = l.Child("child", &hop.LoopOptions{StallAfter: -1, Manual: where == "Manual child"}); err != nil {
						t.Fatal(err)
					}
				}
				var order []string
				on.OnShutdown(func(context.Context) error { order = append(order, "shutdown"); return nil })
				busy := newGate(t)
				if where == "Manual child" {
					busy.open()
				} else {
					hop.Go(bg, on, func(ctx context.Context) (int, error) { return 0, hop.Sleep(ctx, time.Hour) })
					synctest.Wait() // it sleeps: the loop is not at its end before the rest is cancelled
					busy = occupy(t, on)
				}
				next := make(chan struct{})
				hop.Go(bg, on, mustNotRun(t)).OnDone(func() { <-next; order = append(order, "first") })
				hop.Go(bg, on, mustNotRun(t)).OnDone(func() { order = append(order, "second") })
				ctx, cancel := context.WithCancel(bg)
				ended := make(chan error, 1)
				go func() { ended <- l.Shutdown(ctx) }()
				synctest.Wait()
				cancel()
				synctest.Wait()
				busy.open()
				synctest.Wait()
				if isDone(on.Stopped()) {
					t.Error("the loop has ended before the functions")
				}
				close(next)
				wantIs(t, recv(t, "Shutdown", ended), context.Canceled)
				recv(t, "the end", l.Stopped())
				if want := []string{"first", "second", "shutdown"}; !slices.Equal(order, want) {
					t.Errorf("%v, want %v", order, want)
				}
			})
		})
	}
}

// So it is where a function of a parent's stop closes a child, whose delayed calls that stop has cancelled.
func TestS26_AChildsShutdownFunctionsComeAfterTheFunctionsOfItsCalls(t *testing.T) {
	l := hop.NewLoop(nil)
	child, err := l.Child("child", nil)
	if err != nil {
		t.Fatal(err)
	}
	below, err := child.Child("grandchild", nil)
	if err != nil {
		t.Fatal(err)
	}
	order := make(chan string, 5)
	note := func(what string) func() { return func() { order <- what } }
	for _, on := range []*hop.Loop{below, child} {
		on.OnShutdown(func(context.Context) error { order <- on.Name() + " stops"; return nil })
		hop.After(bg, time.Hour, on, mustNotRun(t)).OnDone(note("a call of " + on.Name()))
	}
	hop.After(bg, time.Hour, l, mustNotRun(t)).OnDone(func() {
		if err := child.Close(); err != nil {
			t.Error(err)
		}
		order <- "closed"
	})
	within(t, patience, "Shutdown", func() {
		if err := l.Shutdown(bg); err != nil {
			t.Error(err)
		}
	})
	close(order)
	got := slices.Collect(func(yield func(string) bool) {
		for what := range order {
			yield(what)
		}
	})
	if want := []string{"a call of child", "a call of grandchild", "grandchild stops", "child stops", "closed"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// A function that a stop of a Manual loop runs, on the goroutine that was the last to drive it, cannot drive it to its end: the stop goes on after it.
func TestS25_AManualLoopIsClosedByAFunctionOfOneOfItsCalls(t *testing.T) {
	for name, stop := range map[string]func(*hop.Loop) error{
		"Close": (*hop.Loop).Close,
		"Shutdown": func(l *hop.Loop) error {
			ctx, cancel := context.WithCancel(bg)
			time.AfterFunc(time.Hour, cancel)
			err := l.Shutdown(ctx)
			if errors.Is(err, context.Canceled) {
				err = nil
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := hop.NewLoop(&hop.LoopOptions{Manual: true})
				l.Run(over())
				hop.Go(bg, l, mustNotRun(t)).OnDone(func() { wantIs(t, l.Close(), hop.ErrDeadlock) })
				if err := stop(l); err != nil {
					t.Error(err)
				}
				recv(t, "the end", l.Stopped())
			})
		})
	}
}

// So it does where the stop is a Shutdown, which nobody would drive to its end: the Close has asked for that.
func TestS25_AManualLoopThatIsShutDownIsClosedByAFunctionOfOneOfItsCalls(t *testing.T) {
	for name, driven := range map[string]bool{"driven before": true, "never driven": false} {
		t.Run(name, func(t *testing.T) {
			l := hop.NewLoop(&hop.LoopOptions{Manual: true})
			if driven {
				l.Run(over())
			}
			hop.After(bg, time.Hour, l, mustNotRun(t)).OnDone(func() { wantIs(t, l.Close(), hop.ErrDeadlock) })
			within(t, patience, "Shutdown", func() {
				if err := l.Shutdown(bg); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
