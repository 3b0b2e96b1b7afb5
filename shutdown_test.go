package hop_test

// S24 and S25: how loops and pools end, and that nothing is stranded.

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
	"time"

	"github.com/gohop/hop"
)

// stoppable is what loops and pools have in common.
type stoppable interface {
	hop.Portal
	Post(f func()) error
	Shutdown(ctx context.Context) error
	Close() error
}

// onEachStoppable runs f on every kind of loop and pool.
func onEachStoppable(t *testing.T, f func(t *testing.T, s stoppable)) {
	t.Helper()
	for _, k := range portals {
		if !k.loop && !strings.Contains(k.name, "Pool") {
			continue
		}
		t.Run(k.name, func(t *testing.T) {
			if k.thread {
				needsThread(t)
			}
			f(t, k.make(t).(stoppable))
		})
	}
}

// --- S24: ten thousand races.

func TestS24_NothingIsStrandedByAStop(t *testing.T) {
	ended, cancel := context.WithCancel(bg)
	cancel()
	closeIt := func(s stoppable) error { return s.Close() }
	shutdown := func(s stoppable) error { return s.Shutdown(bg) }
	hurry := func(s stoppable) error { s.Shutdown(ended); return nil }
	loop := func(o *hop.LoopOptions) func() (stoppable, func()) {
		return func() (stoppable, func()) { return hop.NewLoop(o), func() {} }
	}
	pool := func(o *hop.PoolOptions) func() (stoppable, func()) {
		return func() (stoppable, func()) { return hop.NewPool(o), func() {} }
	}
	manual := func() (stoppable, func()) {
		l := hop.NewLoop(&hop.LoopOptions{Manual: true})
		done := make(chan struct{})
		go func() {
			defer close(done)
			l.Run(bg)
		}()
		return l, func() { <-done }
	}
	guest := func() (stoppable, func()) {
		host := hop.NewLoop(nil)
		return hop.NewLoop(&hop.LoopOptions{Host: host}), func() { host.Close() }
	}
	// A guest whose host is stopped under it, and a child whose parent is.
	under := func(make func(l *hop.Loop) *hop.Loop) func() (stoppable, func()) {
		return func() (stoppable, func()) {
			l := hop.NewLoop(nil)
			s := make(l)
			return underOther{s, l}, func() { s.Close() }
		}
	}
	ofHost := under(func(l *hop.Loop) *hop.Loop { return hop.NewLoop(&hop.LoopOptions{Host: l}) })
	ofParent := under(func(l *hop.Loop) *hop.Loop {
		c, err := l.Child("child", nil)
		if err != nil {
			panic(err)
		}
		return c
	})
	for _, c := range []struct {
		name   string
		thread bool
		rounds int
		make   func() (stoppable, func())
		stop   func(s stoppable) error
	}{
		{"Loop/Close", false, 1500, loop(nil), closeIt},
		{"Loop/Shutdown", false, 1500, loop(nil), shutdown},
		{"Loop/ShutdownInAHurry", false, 1000, loop(nil), hurry},
		{"ThreadLoop/Close", true, 700, loop(&hop.LoopOptions{Thread: true}), closeIt},
		{"ThreadLoop/Shutdown", true, 300, loop(&hop.LoopOptions{Thread: true}), shutdown},
		{"ManualLoop/Close", false, 500, manual, closeIt},
		{"ManualLoop/Shutdown", false, 500, manual, shutdown},
		{"Guest/Close", false, 500, guest, closeIt},
		{"Guest/Shutdown", false, 500, guest, shutdown},
		{"Guest/HostClose", false, 500, ofHost, closeIt},
		{"Child/ParentClose", false, 500, ofParent, closeIt},
		{"Child/ParentShutdown", false, 500, ofParent, shutdown},
		{"Pool/Close", false, 500, pool(&hop.PoolOptions{Size: 3}), closeIt},
		{"Pool/Shutdown", false, 500, pool(&hop.PoolOptions{Size: 3}), shutdown},
		{"Pool/ShutdownInAHurry", false, 400, pool(nil), hurry},
		{"ThreadPool/Close", true, 100, pool(&hop.PoolOptions{Size: 3, Threads: true}), closeIt},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.thread {
				needsThread(t)
			}
			noLeak(t)
			rounds := c.rounds
			if wasm || testing.Short() {
				rounds = max(rounds/20, 10)
			}
			drains := strings.HasSuffix(c.name, "Shutdown")
			refused := 0
			for round := range rounds {
				s, after := c.make()
				within(t, 2*patience, fmt.Sprintf("round %d", round), func() { refused += stopRace(t, s, c.stop, after, round, drains) })
				if t.Failed() {
					return
				}
			}
			t.Logf("%d rounds, %d calls came too late or were ended", rounds, refused)
		})
	}
}

// underOther is a loop that is stopped by stopping another.
type underOther struct {
	*hop.Loop
	other *hop.Loop
}

func (u underOther) Close() error                       { return u.other.Close() }
func (u underOther) Shutdown(ctx context.Context) error { return u.other.Shutdown(ctx) }

// stopRace lets eight goroutines submit to s until it takes no more, while it is stopped, and checks what became of each
// call. It returns how many ended with ErrStopped.
func stopRace(t *testing.T, s stoppable, stop func(stoppable) error, after func(), round int, drains bool) (refused int) {
	type sent struct {
		p    *hop.Pending[int]
		runs *atomic.Int32 // nil: nobody counts
	}
	var all [8][]sent
	var posted, ran atomic.Int32
	var senders sync.WaitGroup
	var arrived atomic.Int32
	for g := range all {
		senders.Go(func() {
			arrived.Add(1)
			for n := range 10 {
				runs := new(atomic.Int32)
				p := hop.New(bg, func(ctx context.Context) (int, error) {
					runs.Add(1)
					if n%4 == 1 {
						hop.Yield(ctx)
					}
					if n%8 == 2 { // what an unfinished call starts is taken as long as nothing is cancelled
						if _, err := hop.Go(ctx, s, value(1)).Wait(ctx); err != nil {
							return 0, fmt.Errorf("call of a call: %w", err)
						}
					}
					return 1, nil
				})
				err := s.Submit(p.Call())
				if err == nil {
					all[g] = append(all[g], sent{p, runs})
				} else if runs.Load() > 0 {
					t.Errorf("refused with %v, and run", err)
				}
				if n%5 == 3 && s.Post(func() { ran.Add(1) }) == nil {
					posted.Add(1)
				}
				if n%2 == 1 { // by Go, whose Pending ends where Submit refuses
					all[g] = append(all[g], sent{hop.Go(bg, s, func(context.Context) (int, error) { return 1, nil }), nil})
				}
				if n == 6 {
					p.Cancel(nil)
				}
				if errors.Is(err, hop.ErrStopped) {
					return
				}
				if err != nil {
					t.Errorf("Submit: %v", err)
					return
				}
			}
		})
	}
	for arrived.Load() < int32(round%9) { // at another moment each time
		runtime.Gosched()
	}
	for range round % 37 {
		runtime.Gosched()
	}
	if err := stop(s); err != nil {
		t.Errorf("the stop: %v", err)
	}
	senders.Wait()
	after()
	for _, calls := range all {
		for _, c := range calls {
			_, err := c.p.Wait(bg) // one that is stranded hangs here
			runs := int32(1)
			if c.runs != nil {
				runs = c.runs.Load()
			} else if err != nil {
				runs = 0
			}
			switch {
			case err == nil:
				if runs != 1 {
					t.Errorf("a call that succeeded ran %d times", runs)
				}
			case errors.Is(err, hop.ErrStopped):
				refused++
				if runs > 1 || (drains && runs > 0) {
					t.Errorf("a call that ended with %v ran %d times", err, runs)
				}
			case errors.Is(err, hop.ErrCancelled):
				if runs > 1 {
					t.Errorf("a cancelled call ran %d times", runs)
				}
			default:
				t.Errorf("a call ended with %v", err)
			}
		}
	}
	if p, r := posted.Load(), ran.Load(); r > p || (drains && r != p) {
		t.Errorf("%d posted functions were taken, %d ran", p, r)
	}
	return refused
}

func TestS24_WaitersFromOutsideAreWokenByAStop(t *testing.T) {
	onEachStoppable(t, func(t *testing.T, s stoppable) {
		var waiters sync.WaitGroup
		var in sync.WaitGroup
		for range 20 {
			in.Add(1)
			waiters.Go(func() {
				_, err := hop.Do(bg, s, func(ctx context.Context) (int, error) {
					in.Done()
					return 0, hop.Sleep(ctx, time.Hour)
				})
				wantIs(t, err, hop.ErrStopped)
				wantIs(t, err, hop.ErrCancelled)
			})
		}
		within(t, patience, "the calls start", in.Wait)
		within(t, patience, "Close", func() { s.Close() })
		within(t, patience, "the waiters", waiters.Wait)
	})
}

func TestS24_AfterAStopEveryDoorSaysErrStopped(t *testing.T) {
	onEachStoppable(t, func(t *testing.T, s stoppable) {
		within(t, patience, "Close", func() { s.Close() })
		p := hop.Go(bg, s, value(1))
		wantIs(t, waitErr(t, p), hop.ErrStopped)
		wantState(t, p.Call(), hop.Failed)
		wantIs(t, s.Submit(hop.New(bg, value(1)).Call()), hop.ErrStopped)
		wantIs(t, s.Post(func() { t.Error("it ran") }), hop.ErrStopped)
		within(t, patience, "Do, Run, After", func() {
			_, err := hop.Do(bg, s, value(1))
			wantIs(t, err, hop.ErrStopped)
			wantIs(t, hop.Run(bg, s, func(context.Context) error { return nil }), hop.ErrStopped)
			wantIs(t, waitErr(t, hop.After(bg, time.Millisecond, s, value(1))), hop.ErrStopped)
		})
	})
}

// --- S25: Close.

func TestS25_CloseCancelsEverythingAndWaitsForIt(t *testing.T) {
	onEachStoppable(t, func(t *testing.T, s stoppable) {
		var cleaned atomic.Bool
		in, enter := started()
		running := hop.Go(bg, s, func(ctx context.Context) (int, error) {
			defer cleaned.Store(true)
			enter()
			err := hop.Sleep(ctx, time.Hour)
			wantIs(t, context.Cause(ctx), hop.ErrStopped)
			hop.Yield(context.WithoutCancel(ctx)) // its cleanup may wait
			return 0, err
		})
		recv(t, "the running call", in)
		timer := hop.After(bg, time.Hour, s, value(1))
		within(t, patience, "Close", func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		if !cleaned.Load() {
			t.Error("Close did not wait for the running call")
		}
		for _, p := range []*hop.Pending[int]{running, timer} {
			if !isDone(p.Done()) {
				t.Errorf("%v is not done after Close", p.Call())
			}
			ce := wantCancelled(t, waitErr(t, p))
			wantIs(t, ce.Cause, hop.ErrStopped)
			wantState(t, p.Call(), hop.Cancelled)
		}
	})
}

func TestS25_CloseEndsWhatIsQueued(t *testing.T) {
	onEachStoppable(t, func(t *testing.T, s stoppable) {
		in, enter := started()
		busy, release := started()
		defer release()
		blocker := hop.Go(bg, s, func(ctx context.Context) (int, error) { enter(); <-busy; <-ctx.Done(); return 1, nil })
		recv(t, "the running call", in)
		queued := hop.Go(bg, s, func(context.Context) (int, error) { t.Error("a queued call ran after Close"); return 0, nil })
		closed := make(chan error, 1)
		go func() { closed <- s.Close() }()
		// At once, though the place is stuck.
		ce := wantCancelled(t, waitErr(t, queued))
		wantIs(t, ce.Cause, hop.ErrStopped)
		select {
		case err := <-closed:
			t.Errorf("Close returned %v while a call was running", err)
		default:
		}
		release()
		if err := recv(t, "Close", closed); err != nil {
			t.Error(err)
		}
		wantIs(t, waitErr(t, blocker), hop.ErrStopped) // S16: whatever it returned
	})
}

// --- S25: Shutdown.

func TestS25_ShutdownFinishesWhatWasAccepted(t *testing.T) {
	onEachStoppable(t, func(t *testing.T, s stoppable) {
		pr := hop.NewPromise[int](bg)
		suspended := hop.Go(bg, s, func(ctx context.Context) (int, error) { return pr.Pending().Wait(ctx) })
		untilWaiting(t, suspended.Call())
		in, enter := started()
		busy, release := started()
		defer release()
		running := hop.Go(bg, s, func(context.Context) (int, error) { enter(); <-busy; return 2, nil })
		recv(t, "the running call", in)
		var order []int
		var queued []*hop.Pending[int]
		for i := range 5 {
			queued = append(queued, hop.Go(bg, s, func(context.Context) (int, error) { order = append(order, i); return i, nil }))
		}
		timer := hop.After(bg, time.Hour, s, value(1))
		stopped := make(chan error, 1)
		go func() { stopped <- s.Shutdown(bg) }()
		eventually(t, "it takes no more", func() bool { return errors.Is(s.Post(func() {}), hop.ErrStopped) })
		wantIs(t, waitErr(t, hop.Go(bg, s, value(1))), hop.ErrStopped)
		release()
		if v := must(t, running); v != 2 {
			t.Errorf("the running call: %d", v)
		}
		for i, p := range queued {
			if v := must(t, p); v != i {
				t.Errorf("a queued call: %d, want %d", v, i)
			}
		}
		select {
		case err := <-stopped:
			t.Errorf("Shutdown returned %v though a task is suspended", err)
		default:
		}
		pr.Resolve(9)
		if v := must(t, suspended); v != 9 {
			t.Errorf("the suspended call: %d", v)
		}
		if err := recv(t, "Shutdown", stopped); err != nil {
			t.Error(err)
		}
		if !slices.IsSorted(order) {
			t.Errorf("the queued calls ran in the order %v", order)
		}
		wantIs(t, wantCancelled(t, waitErr(t, timer)).Cause, hop.ErrStopped)
	})
}

func TestS25_TimersDoNotHoldAShutdownUp(t *testing.T) {
	onEachStoppable(t, func(t *testing.T, s stoppable) {
		p := hop.After(bg, time.Hour, s, value(1))
		within(t, patience, "Shutdown", func() {
			if err := s.Shutdown(bg); err != nil {
				t.Error(err)
			}
		})
		ce := wantCancelled(t, waitErr(t, p))
		wantIs(t, ce.Cause, hop.ErrStopped)
	})
}

func TestS25_UnfinishedCallsMayStartMoreWhileShuttingDown(t *testing.T) {
	onEachStoppable(t, func(t *testing.T, s stoppable) {
		elsewhere := newPool(t, nil)
		var go1 hop.Event
		ways := map[string]func(ctx context.Context) (int, error){
			"Do": func(ctx context.Context) (int, error) { return hop.Do(ctx, s, value(1)) },
			"Go": func(ctx context.Context) (int, error) { return hop.Go(ctx, s, value(1)).Wait(ctx) },
			"by a pool": func(ctx context.Context) (int, error) {
				return hop.Do(ctx, elsewhere, func(ctx context.Context) (int, error) { return hop.Do(ctx, s, value(1)) })
			},
			"goroutine": func(ctx context.Context) (int, error) { return fromGoroutine(ctx, s, value(1)) },
			"two levels": func(ctx context.Context) (int, error) {
				return hop.Go(ctx, s, func(ctx context.Context) (int, error) { return hop.Go(ctx, s, value(1)).Wait(ctx) }).Wait(ctx)
			},
			"not waited for": func(ctx context.Context) (int, error) {
				hop.Go(ctx, s, func(ctx context.Context) (int, error) { return hop.Go(ctx, s, value(1)).Wait(ctx) })
				return 1, nil
			},
			"group": func(ctx context.Context) (int, error) {
				return 1, hop.WithGroup(ctx, nil, func(ctx context.Context) error {
					hop.Go(ctx, s, value(1))
					return nil
				})
			},
		}
		calls := map[string]*hop.Pending[int]{}
		for name, way := range ways {
			calls[name] = hop.Go(bg, s, func(ctx context.Context) (int, error) {
				if err := go1.Wait(ctx); err != nil {
					return 0, err
				}
				return way(ctx)
			})
		}
		for _, p := range calls {
			untilWaiting(t, p.Call())
		}
		stopped := make(chan error, 1)
		go func() { stopped <- s.Shutdown(bg) }()
		eventually(t, "it takes no more", func() bool { return errors.Is(s.Post(func() {}), hop.ErrStopped) })
		go1.Set()
		for name, p := range calls {
			if v, err := wait(t, p); v != 1 || err != nil {
				t.Errorf("%s: %d, %v", name, v, err)
			}
		}
		if err := recv(t, "Shutdown", stopped); err != nil {
			t.Error(err)
		}
	})
}

func TestS25_WhenItsContextEndsShutdownCancelsTheRestAndSaysHowMany(t *testing.T) {
	onEachStoppable(t, func(t *testing.T, s stoppable) {
		var ps []*hop.Pending[int]
		for range 3 {
			ps = append(ps, hop.Go(bg, s, func(ctx context.Context) (int, error) { return 0, hop.Sleep(ctx, time.Hour) }))
		}
		for _, p := range ps {
			untilWaiting(t, p.Call())
		}
		ctx, cancel := context.WithTimeout(bg, 20*time.Millisecond)
		defer cancel()
		var err error
		within(t, patience, "Shutdown", func() { err = s.Shutdown(ctx) })
		wantIs(t, err, context.DeadlineExceeded)
		if err != nil && !strings.Contains(err.Error(), "3") {
			t.Errorf("the error does not say how many: %v", err)
		}
		for _, p := range ps {
			wantIs(t, wantCancelled(t, waitErr(t, p)).Cause, hop.ErrStopped)
		}
	})
}

func TestS25_OnShutdownFunctionsRunInOrderAsTasksAfterEverythingElse(t *testing.T) {
	for _, how := range []string{"Shutdown", "Close"} {
		t.Run(how, func(t *testing.T) {
			onEachLoop(t, func(t *testing.T, l *hop.Loop) {
				pool := newPool(t, nil)
				var order []string
				for i := range 3 {
					l.OnShutdown(func(ctx context.Context) error {
						if !l.Here() || hop.CurrentLoop() != l {
							t.Error("an OnShutdown function is not on the loop")
						}
						if isDone(l.Stopped()) {
							t.Error("the loop has stopped before its OnShutdown functions")
						}
						order = append(order, fmt.Sprint("begin", i))
						// As a task it may wait: for a time, for a pool, for the loop itself.
						if err := hop.Sleep(ctx, time.Millisecond); err != nil {
							t.Errorf("Sleep in an OnShutdown function: %v", err)
						}
						if _, err := hop.Do(ctx, pool, func(ctx context.Context) (int, error) { return hop.Do(ctx, l, value(1)) }); err != nil {
							t.Errorf("Do in an OnShutdown function: %v", err)
						}
						order = append(order, fmt.Sprint("end", i))
						return nil
					})
				}
				in, enter := started()
				p := hop.Go(bg, l, func(ctx context.Context) (int, error) {
					enter()
					err := hop.Sleep(ctx, 10*time.Millisecond)
					order = append(order, "call")
					return 0, err
				})
				recv(t, "the call", in)
				within(t, patience, how, func() {
					var err error
					if how == "Close" {
						err = l.Close()
					} else {
						err = l.Shutdown(bg)
					}
					if err != nil {
						t.Error(err)
					}
				})
				waitErr(t, p)
				const want = "[call begin0 end0 begin1 end1 begin2 end2]"
				if got := fmt.Sprint(order); got != want {
					t.Errorf("order %s, want %s", got, want)
				}
			})
		})
	}
}

func TestS25_AFailingOnShutdownFunctionDoesNotStopTheNext(t *testing.T) {
	for name, f := range map[string]func(context.Context) error{
		"error":  func(context.Context) error { return errors.New("no") },
		"panic":  func(context.Context) error { panic("no") },
		"Goexit": func(context.Context) error { runtime.Goexit(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			noLeak(t)
			l := newLoop(t, &hop.LoopOptions{OnPanic: func(*hop.PanicError) {}, Logger: new(journal).logger()})
			ran := false
			l.OnShutdown(f)
			l.OnShutdown(func(context.Context) error { ran = true; return nil })
			within(t, patience, "Shutdown", func() { l.Shutdown(bg) })
			recv(t, "the loop's end", l.Stopped())
			if !ran {
				t.Error("the next OnShutdown function has not run")
			}
		})
	}
}

func TestS25_OnShutdownFunctionsRunOnce(t *testing.T) {
	l := newLoop(t, nil)
	var n atomic.Int32
	l.OnShutdown(func(context.Context) error { n.Add(1); return nil })
	must(t, hop.Go(bg, l, value(1)))
	if n.Load() != 0 {
		t.Error("it ran before the shutdown")
	}
	var stops sync.WaitGroup
	for i := range 10 {
		stops.Go(func() {
			var err error
			if i%2 == 0 {
				err = l.Shutdown(bg)
			} else {
				err = l.Close()
			}
			if err != nil {
				t.Error(err)
			}
			if !isDone(l.Stopped()) {
				t.Error("it returned before the loop had stopped")
			}
		})
	}
	within(t, patience, "ten stops at once", stops.Wait)
	within(t, patience, "more stops", func() {
		if err := errors.Join(l.Close(), l.Shutdown(bg), l.Close()); err != nil {
			t.Error(err)
		}
	})
	if got := n.Load(); got != 1 {
		t.Errorf("the OnShutdown function ran %d times", got)
	}
}

func TestS25_WhatAShutdownFunctionRegistersRunsLast(t *testing.T) {
	for _, how := range []string{"Shutdown", "Close"} {
		t.Run(how, func(t *testing.T) {
			onEachLoop(t, func(t *testing.T, l *hop.Loop) {
				var order []string
				note := func(what string) { order = append(order, what) }
				register := func(what string) {
					l.OnShutdown(func(ctx context.Context) error { note(what); return hop.Yield(ctx) })
				}
				local := hop.NewLocal(func(context.Context) (int, error) { return 1, nil },
					func(int) error { note("closed"); register("by the close of a Local"); return nil })
				must(t, hop.Go(bg, l, local.Get))
				l.OnShutdown(func(context.Context) error { note("first"); register("by the first"); return nil })
				register("second")
				within(t, patience, how, func() {
					if how == "Close" {
						l.Close()
					} else {
						l.Shutdown(bg)
					}
				})
				want := []string{"first", "second", "by the first", "closed", "by the close of a Local"}
				if !slices.Equal(order, want) {
					t.Errorf("order %q, want %q", order, want)
				}
				register("never")
				within(t, patience, how+" again", func() { l.Close() })
				if len(order) != len(want) {
					t.Errorf("on a loop that has stopped a shutdown function ran: %q", order)
				}
			})
		})
	}
}

func TestS25_CloseHurriesAShutdown(t *testing.T) {
	onEachStoppable(t, func(t *testing.T, s stoppable) {
		p := hop.Go(bg, s, func(ctx context.Context) (int, error) { return 0, hop.Sleep(ctx, time.Hour) })
		untilWaiting(t, p.Call())
		stopped := make(chan error, 1)
		go func() { stopped <- s.Shutdown(bg) }()
		eventually(t, "it takes no more", func() bool { return errors.Is(s.Post(func() {}), hop.ErrStopped) })
		within(t, patience, "Close", func() { s.Close() })
		wantIs(t, waitErr(t, p), hop.ErrStopped)
		recv(t, "Shutdown", stopped)
	})
}

func TestS25_StoppingALoopFromItsOwnTaskIsRefusedAndDone(t *testing.T) {
	stops := map[string]func(l *hop.Loop) error{
		"Close":    (*hop.Loop).Close,
		"Shutdown": func(l *hop.Loop) error { return l.Shutdown(bg) },
	}
	from := map[string]func(l *hop.Loop, stop func()){
		"task": func(l *hop.Loop, stop func()) {
			hop.Go(bg, l, func(context.Context) (int, error) { stop(); return 0, nil })
		},
		"task that waits": func(l *hop.Loop, stop func()) {
			hop.Go(bg, l, func(ctx context.Context) (int, error) { hop.Yield(ctx); stop(); return 0, nil })
		},
		"posted function": func(l *hop.Loop, stop func()) { l.Post(stop) },
		"inline call": func(l *hop.Loop, stop func()) {
			hop.Go(bg, l, func(ctx context.Context) (int, error) {
				return hop.Do(ctx, l, func(context.Context) (int, error) { stop(); return 0, nil })
			})
		},
		"OnDone": func(l *hop.Loop, stop func()) { p := hop.New(bg, value(1)); p.OnDone(stop); l.Submit(p.Call()) },
	}
	for stopName, stop := range stops {
		for fromName, f := range from {
			t.Run(stopName+"/"+fromName, func(t *testing.T) {
				onEachLoop(t, func(t *testing.T, l *hop.Loop) {
					got := make(chan error, 1)
					f(l, func() { got <- stop(l) })
					wantIs(t, recv(t, stopName, got), hop.ErrDeadlock)
					recv(t, "the loop's end", l.Stopped())
				})
			})
		}
	}
}

func TestS25_StoppingAPoolFromItsOwnCallIsRefusedAndDone(t *testing.T) {
	for name, stop := range map[string]func(p *hop.Pool) error{
		"Close":    (*hop.Pool).Close,
		"Shutdown": func(p *hop.Pool) error { return p.Shutdown(bg) },
	} {
		t.Run(name, func(t *testing.T) {
			noLeak(t)
			pool := hop.NewPool(&hop.PoolOptions{Size: 1})
			p := hop.Go(bg, pool, func(context.Context) (int, error) { return 1, stop(pool) })
			wantIs(t, waitErr(t, p), errOfStop(name))
			wantIs(t, waitErr(t, hop.Go(bg, pool, value(1))), hop.ErrStopped)
		})
	}
}

// errOfStop is what a call that stops its own place with the given method ends with, when it returns that method's error.
func errOfStop(name string) error {
	if name == "Close" {
		return hop.ErrStopped // Close has cancelled the call, whatever it returns
	}
	return hop.ErrDeadlock
}

func TestS25_StoppingALoopFromAnOnShutdownFunction(t *testing.T) {
	noLeak(t)
	l := newLoop(t, nil)
	var errs [2]error
	l.OnShutdown(func(context.Context) error {
		errs = [2]error{l.Shutdown(bg), l.Close()}
		return nil
	})
	within(t, patience, "Shutdown", func() { l.Shutdown(bg) })
	for _, err := range errs {
		wantIs(t, err, hop.ErrDeadlock)
	}
}

func TestS25_CloseFromACallThatATaskWaitsFor(t *testing.T) {
	// The task waits for a pool's call, which closes the task's loop: Close ends the task's wait, and returns.
	noLeak(t)
	pool := newPool(t, nil)
	l := newLoop(t, nil)
	closed := make(chan error, 1)
	a := hop.Go(bg, l, func(ctx context.Context) (int, error) {
		return hop.Do(ctx, pool, func(context.Context) (int, error) {
			err := l.Close()
			closed <- err
			return 0, err
		})
	})
	wantIs(t, waitErr(t, a), hop.ErrStopped)
	if err := recv(t, "Close", closed); err != nil && !errors.Is(err, hop.ErrDeadlock) {
		t.Errorf("Close: %v", err)
	}
	recv(t, "the loop's end", l.Stopped())
}

func TestS25_ShutdownFromACallThatATaskWaitsForDoesNotHang(t *testing.T) {
	// The task waits for the call, the call for the task: only a refusal can end that.
	noLeak(t)
	pool := newPool(t, nil)
	l := newLoop(t, nil)
	got := make(chan error, 1)
	a := hop.Go(bg, l, func(ctx context.Context) (int, error) {
		return hop.Do(ctx, pool, func(context.Context) (int, error) {
			err := l.Shutdown(bg)
			got <- err
			return 1, nil
		})
	})
	wantIs(t, recv(t, "Shutdown", got), hop.ErrDeadlock)
	must(t, a)
	recv(t, "the loop's end", l.Stopped())
}

func TestS25_AProtectedLoopStopsWithItsParentOnly(t *testing.T) {
	parent := newLoop(t, nil)
	l, err := parent.Child("protected", &hop.LoopOptions{Protected: true})
	if err != nil {
		t.Fatal(err)
	}
	wantIs(t, l.Close(), hop.ErrProtected)
	wantIs(t, l.Shutdown(bg), hop.ErrProtected)
	must(t, hop.Go(bg, l, value(1)))
	if isDone(l.Stopped()) {
		t.Error("a protected loop has stopped")
	}
	within(t, patience, "Close of the parent", func() { parent.Close() })
	recv(t, "the protected loop's end", l.Stopped())
}

func TestS25_CloseEndsAWaitThatIgnoresTheCallsContext(t *testing.T) {
	// A task that waits with Background does not hear of the stop by its ctx: Close must not hang on it.
	noLeak(t)
	l := newLoop(t, nil)
	p := hop.Go(bg, l, func(context.Context) (int, error) { return hop.NewPromise[int](bg).Pending().Wait(bg) })
	untilWaiting(t, p.Call())
	within(t, patience, "Close", func() { l.Close() })
	wantIs(t, waitErr(t, p), hop.ErrStopped)
}

func TestS25_PoolShutdownWaitsForWorkersThatWait(t *testing.T) {
	noLeak(t)
	pool := hop.NewPool(&hop.PoolOptions{Size: 1})
	pr := hop.NewPromise[int](bg)
	a := hop.Go(bg, pool, func(ctx context.Context) (int, error) {
		v, err := pr.Pending().Wait(ctx)
		if err != nil {
			return 0, err
		}
		w, err := hop.Do(ctx, pool, value(1))
		return v + w, err
	})
	untilWaiting(t, a.Call())
	stopped := make(chan error, 1)
	go func() { stopped <- pool.Shutdown(bg) }()
	eventually(t, "it takes no more", func() bool { return errors.Is(pool.Post(func() {}), hop.ErrStopped) })
	pr.Resolve(1)
	if v := must(t, a); v != 2 {
		t.Errorf("got %d, want 2", v)
	}
	if err := recv(t, "Shutdown", stopped); err != nil {
		t.Error(err)
	}
}
