package hop_test

// Loops: hosts that fail, Manual loops on one goroutine, children, and what an idle loop does not do.

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gohop/hop"
)

var quiet = slog.New(slog.DiscardHandler)

// driveToWait drives l until c waits.
func driveToWait(l *hop.Loop, c *hop.Call) {
	ctx, cancel := context.WithCancel(bg)
	go func() {
		for c.State() != hop.Waiting {
			runtime.Gosched()
		}
		cancel()
	}()
	l.Run(ctx)
}

// driveToEnd drives l until p is done.
func driveToEnd(l *hop.Loop, p *hop.Pending[int]) {
	ctx, cancel := context.WithCancel(bg)
	p.OnDone(cancel)
	l.Run(ctx)
}

func until(e *hop.Event) func(context.Context) (int, error) {
	return func(ctx context.Context) (int, error) { return 0, e.Wait(ctx) }
}

// The coroutines of a loop without Thread cannot be resumed while another loop keeps the thread locked: each of these killed the process.
func TestS23_CloseOfAManualLoopOnAnothersLockedThread(t *testing.T) {
	needsThread(t)
	a := hop.NewLoop(&hop.LoopOptions{Manual: true, Thread: true})
	b := hop.NewLoop(&hop.LoopOptions{Manual: true})
	pa, pb := hop.Go(bg, a, until(new(hop.Event))), hop.Go(bg, b, until(new(hop.Event)))
	driveToWait(b, pb.Call()) // leaves a task
	driveToWait(a, pa.Call()) // leaves a task, and keeps the thread locked
	b.Close()
}

func TestS23_CloseAfterTheOtherLoopWasClosedElsewhere(t *testing.T) {
	needsThread(t)
	a := hop.NewLoop(&hop.LoopOptions{Manual: true, Thread: true, Logger: quiet})
	b := hop.NewLoop(&hop.LoopOptions{Manual: true})
	pa, pb := hop.Go(bg, a, until(new(hop.Event))), hop.Go(bg, b, until(new(hop.Event)))
	driveToWait(b, pb.Call())
	driveToWait(a, pa.Call())
	done := make(chan bool)
	go func() { a.Close(); close(done) }()
	<-done
	b.Close()
}

func TestS23_AProtectedManualLoopOnAnothersLockedThread(t *testing.T) {
	needsThread(t)
	parent := hop.NewLoop(nil)
	a := hop.NewLoop(&hop.LoopOptions{Manual: true, Thread: true})
	b, _ := parent.Child("b", &hop.LoopOptions{Manual: true, Protected: true})
	var ea, eb hop.Event
	pa, pb := hop.Go(bg, a, until(&ea)), hop.Go(bg, b, until(&eb))
	driveToWait(a, pa.Call())
	ctx, cancel := context.WithTimeout(bg, 100*time.Millisecond)
	defer cancel()
	if err := b.Run(ctx); errors.Is(err, hop.ErrMismatch) {
		return // refused, as documented
	}
	ea.Set()
	driveToEnd(a, pa) // lets go of the thread
	eb.Set()
	driveToEnd(b, pb) // fatal error: coro: OS thread locking must match
}

func TestS24_ATimerThatFallsDueWhileItsLoopIsStranded(t *testing.T) {
	for range 50 {
		host := make(fullHost, 1)
		l := hop.NewLoop(&hop.LoopOptions{Host: host, StallAfter: -1, Logger: quiet})
		(<-host)()
		var ps []*hop.Pending[int]
		for i := range 2000 {
			ps = append(ps, hop.After(bg, 200*time.Microsecond+time.Duration(i)*time.Microsecond/2, l, value(1)))
		}
		tick := <-host    // the first are due
		host <- func() {} // full: it fails from now on
		tick()
		recv(t, "the guest's end", l.Stopped())
		for _, p := range ps {
			ctx, cancel := context.WithTimeout(bg, 2*time.Second)
			p.Wait(ctx)
			cancel()
			if s := p.Call().State(); !s.Done() {
				t.Fatalf("%v: %v, after the end of its loop", p.Call(), s)
			}
		}
	}
}

func TestS24_ADelayedMemberThatIsDueWhenItsLoopIsStranded(t *testing.T) {
	l := hop.NewLoop(&hop.LoopOptions{Manual: true, StallAfter: -1, Logger: quiet})
	suspended := hop.Go(bg, l, until(new(hop.Event)))
	left := make(chan bool)
	go func() { driveToWait(l, suspended.Call()); close(left) }()
	<-left // its driver is gone
	ended := make(chan error, 1)
	go func() {
		ended <- hop.WithGroup(bg, &hop.GroupOptions{Limit: 1}, func(ctx context.Context) error {
			hop.After(ctx, time.Millisecond, l, value(1))
			return nil
		})
	}()
	must(t, hop.After(bg, 2*time.Millisecond, hop.Goroutines, value(1))) // after the alarm of the other, most likely: else this proves less
	l.Close()
	recv(t, "WithGroup", ended)
}

func TestS26_AChildWhoseHostTakesNoGuestsIsForgotten(t *testing.T) {
	host := hop.NewLoop(nil)
	host.Close()
	parent := newLoop(t, nil)
	if c, err := parent.Child("x", &hop.LoopOptions{Host: host}); err == nil {
		recv(t, "its end", c.Stopped())
	}
	if cs := parent.Children(); len(cs) != 0 {
		t.Errorf("Children: %v", cs)
	}
	if _, err := parent.Child("x", nil); err != nil {
		t.Errorf("Child: %v", err)
	}
}

func TestS26_AGuestWhoseHostFailsStopsAfterItsChildren(t *testing.T) {
	k := newForeignLoop(t)
	guest := hop.NewLoop(&hop.LoopOptions{Host: k, Logger: quiet})
	below := childOf(t, guest, "below", nil)
	must(t, hop.Go(bg, guest, value(1)))
	g := occupy(t, below)
	k.fail(true)
	untilClosing(t, guest)
	for range 1000 {
		runtime.Gosched()
	}
	if isDone(guest.Stopped()) {
		t.Error("the parent has stopped, and a call of its child runs")
	}
	g.open()
	recv(t, "the child's end", below.Stopped())
	recv(t, "the guest's end", guest.Stopped())
}

func TestS26_AnUndrivenChildOfAGuestWhoseHostFailsStops(t *testing.T) {
	k := newForeignLoop(t)
	guest := hop.NewLoop(&hop.LoopOptions{Host: k, Logger: quiet})
	below := childOf(t, guest, "below", &hop.LoopOptions{Manual: true})
	must(t, hop.Go(bg, guest, value(1)))
	k.fail(true)
	untilClosing(t, guest)
	recv(t, "the guest's end", guest.Stopped())
	recv(t, "the child's end", below.Stopped())
}

func TestS25_AChildsTaskClosesItsUndrivenParent(t *testing.T) {
	parent := hop.NewLoop(&hop.LoopOptions{Manual: true})
	below := childOf(t, parent, "below", nil)
	got := make(chan error, 1)
	hop.Go(bg, below, func(context.Context) (int, error) { got <- parent.Close(); return 0, nil })
	wantIs(t, recv(t, "Close", got), hop.ErrDeadlock) // "the stop has begun: wait for Stopped elsewhere"
	recv(t, "the child's end", below.Stopped())
	recv(t, "the parent's end", parent.Stopped())
}

func TestS1_AGuestOfAGuestOnTheHostsOwnGoroutine(t *testing.T) {
	for name, f := range map[string]func(l *hop.Loop) error{
		"Close": (*hop.Loop).Close,
		"Do":    func(l *hop.Loop) error { return hop.Run(bg, l, func(context.Context) error { return nil }) },
		"Wait":  func(l *hop.Loop) error { _, err := hop.Go(bg, l, value(1)).Wait(bg); return err },
	} {
		t.Run(name, func(t *testing.T) {
			host := make(directHost, 100)
			go host.serve()
			guest := hop.NewLoop(&hop.LoopOptions{Host: hop.NewLoop(&hop.LoopOptions{Host: host})})
			must(t, hop.Go(bg, guest, value(1)))
			told := make(chan error, 1)
			host <- func() { told <- f(guest) }
			recv(t, "the host's own function", told)
		})
	}
}

func TestS1_AForeignLoopThatRunsInACall(t *testing.T) {
	for name, portal := range map[string]func() hop.Portal{
		"Goroutines": func() hop.Portal { return hop.Goroutines },
		"Thread":     func() hop.Portal { return hop.NewLoop(&hop.LoopOptions{Thread: true, StallAfter: -1}) },
	} {
		for what, f := range map[string]func(l *hop.Loop) error{
			"Do":    func(l *hop.Loop) error { return hop.Run(bg, l, func(context.Context) error { return nil }) },
			"Close": (*hop.Loop).Close,
		} {
			t.Run(name+"/"+what, func(t *testing.T) {
				host := make(directHost, 100)
				hop.Go(bg, portal(), func(context.Context) (int, error) {
					for f := range host {
						f()
					}
					return 0, nil
				})
				guest := hop.NewLoop(&hop.LoopOptions{Host: host, Logger: quiet})
				must(t, hop.Go(bg, guest, value(1)))
				told := make(chan error, 1)
				host <- func() { told <- f(guest) }
				recv(t, "the host's own function", told)
			})
		}
	}
}

func TestS28_AManualLoopBetweenTwoRunsDoesNotStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		l := newLoop(t, &hop.LoopOptions{Name: "m", Manual: true, StallAfter: 20 * time.Millisecond, Logger: j.logger()})
		driveToEnd(l, hop.Go(bg, l, value(1)))
		time.Sleep(200 * time.Millisecond) // nothing runs, nothing is queued
		if lines := j.lines("loop=m"); len(lines) > 0 {
			t.Errorf("reported: %q", lines)
		}
	})
}

func TestS28_AGuestWhoseHostIsBusyDoesNotStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newForeignLoop(t)
		var j journal
		l := newLoop(t, &hop.LoopOptions{Name: "guest", Host: k, StallAfter: 20 * time.Millisecond, Logger: j.logger()})
		must(t, hop.Go(bg, l, value(1)))
		busy, release := started()
		k.Post(func() { <-busy })
		for range 100 { // more than a tick takes
			l.Post(func() {})
		}
		k.Post(func() { time.Sleep(200 * time.Millisecond) }) // the host's own
		release()
		must(t, hop.Go(bg, l, value(1)))
		if lines := j.lines("loop=guest"); len(lines) > 0 {
			t.Errorf("reported: %q", lines)
		}
	})
}

func TestS28_AStallAfterOfANanosecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		l := newLoop(t, &hop.LoopOptions{Name: "m", StallAfter: 1, Logger: j.logger()})
		must(t, hop.Go(bg, l, func(context.Context) (int, error) { time.Sleep(200 * time.Millisecond); return 0, nil }))
		if len(j.lines("loop=m")) == 0 {
			t.Error("not reported")
		}
	})
}

func TestAnIdleLoopKeepsNoContext(t *testing.T) {
	manual := hop.NewLoop(&hop.LoopOptions{Manual: true, StallAfter: -1})
	for name, l := range map[string]*hop.Loop{
		"loop": newLoop(t, nil), "guest": newLoop(t, &hop.LoopOptions{Host: newLoop(t, nil)}), "manual": manual,
	} {
		t.Run(name, func(t *testing.T) {
			var freed atomic.Bool
			func() {
				big := new([1 << 20]byte)
				runtime.AddCleanup(big, func(int) { freed.Store(true) }, 0)
				ctx, cancel := context.WithCancel(context.WithValue(bg, userKey{}, big))
				_ = cancel
				p := hop.Go(ctx, l, func(ctx context.Context) (int, error) { return 0, hop.Sleep(ctx, time.Millisecond) })
				if l == manual {
					driveToEnd(l, p)
				}
				must(t, p)
			}()
			eventually(t, "an idle loop lets go of the context", func() bool { runtime.GC(); return freed.Load() })
		})
	}
}

func TestAnIdleLoopKeepsNoContextThatHasEnded(t *testing.T) {
	for name, end := range map[string]func(l *hop.Loop, ctx context.Context, cancel func()){
		"the context ends before the call": func(l *hop.Loop, ctx context.Context, cancel func()) {
			p := hop.Go(ctx, l, func(ctx context.Context) (int, error) { return 0, hop.Sleep(ctx, time.Hour) })
			untilWaiting(t, p.Call())
			cancel()
			waitErr(t, p)
		},
		"a delayed call is cancelled": func(l *hop.Loop, ctx context.Context, cancel func()) {
			p := hop.After(ctx, time.Hour, l, value(1))
			p.Done()
			p.Cancel(nil)
			waitErr(t, p)
		},
		"the context of a delayed call ends": func(l *hop.Loop, ctx context.Context, cancel func()) {
			p := hop.After(ctx, time.Hour, l, value(1))
			done := p.Done()
			cancel()
			recv(t, "the end of the call", done)
		},
	} {
		t.Run(name, func(t *testing.T) {
			for kind, l := range map[string]*hop.Loop{"loop": newLoop(t, nil), "guest": newLoop(t, &hop.LoopOptions{Host: newLoop(t, nil)})} {
				var freed atomic.Bool
				func() {
					big := new([1 << 20]byte)
					runtime.AddCleanup(big, func(int) { freed.Store(true) }, 0)
					ctx, cancel := context.WithCancel(context.WithValue(bg, userKey{}, big))
					defer cancel()
					end(l, ctx, cancel)
				}()
				eventually(t, "an idle "+kind+" lets go of the context", func() bool { runtime.GC(); return freed.Load() })
			}
		})
	}
}

func TestS25_ShutdownCountsWhatIsBelow(t *testing.T) {
	parent := newLoop(t, nil)
	below := childOf(t, parent, "below", nil)
	for range 3 {
		untilWaiting(t, hop.Go(bg, below, func(ctx context.Context) (int, error) { return 0, hop.Sleep(ctx, time.Hour) }).Call())
	}
	ctx, cancel := context.WithTimeout(bg, 20*time.Millisecond)
	defer cancel()
	if err := parent.Shutdown(ctx); err == nil || !strings.Contains(err.Error(), "3 calls") {
		t.Errorf("three calls were cancelled, and Shutdown says %q", err)
	}
}

func TestS38_ACallOnTopOfItsCallerLeavesTheCallersLabels(t *testing.T) {
	l := newLoop(t, nil)
	if !must(t, hop.Go(bg, l, func(ctx context.Context) (ok bool, err error) {
		pprof.Do(ctx, pprof.Labels("job", "on top"), func(ctx context.Context) {
			hop.Run(ctx, l, func(context.Context) error { return nil })
			ok = iAmLabelled(t, "on top")
		})
		return ok, nil
	})) {
		t.Error("after a Run on the own loop the labels of pprof.Do are gone")
	}
	pprof.Do(bg, pprof.Labels("job", "on top of none"), func(ctx context.Context) {
		hop.Run(ctx, hop.Inline, func(context.Context) error { return nil })
		if !iAmLabelled(t, "on top of none") {
			t.Error("after a Run on Inline the goroutine's labels are gone")
		}
	})
}

func TestS14_APanicInTheOnDoneOfACallThatACloseEnds(t *testing.T) {
	needsThread(t)
	got := make(chan *hop.PanicError, 1)
	l := hop.NewLoop(&hop.LoopOptions{OnPanic: func(p *hop.PanicError) { got <- p }})
	hop.After(bg, time.Hour, l, value(1)).OnDone(func() { panic("mine") })
	l.Close()
	recv(t, "OnPanic", got)
}

func TestASubmitOfNothingTakesNoPlace(t *testing.T) {
	l := newLoop(t, &hop.LoopOptions{QueueLimit: 1})
	mustPanic(t, func() { l.Submit(nil) })
	must(t, hop.Go(bg, l, value(1)))
}

func TestAZeroLoopAsHostLeavesNoTrace(t *testing.T) {
	n := len(hop.Loops())
	mustPanic(t, func() { hop.NewLoop(&hop.LoopOptions{Host: new(hop.Loop)}) })
	if ls := hop.Loops(); len(ls) != n {
		t.Errorf("Loops has one that was never made: %v", ls)
	}
}

// A Run that comes when all is done, but not everybody knows: here what closes the child is still at its log.
func TestS24_ARunBetweenTheLastStepAndTheEndIsRefused(t *testing.T) {
	parent := hop.NewLoop(&hop.LoopOptions{Manual: true})
	logging, logged := newGate(t), make(chan struct{})
	child := childOf(t, parent, "child", &hop.LoopOptions{Manual: true, Logger: slog.New(slowHandler{quiet.Handler(), logging, logged})})
	suspended := hop.Go(bg, child, until(new(hop.Event)))
	left := make(chan bool)
	go func() { driveToWait(child, suspended.Call()); close(left) }()
	recv(t, "the child's driver", left) // and it is gone
	ran := make(chan error, 1)
	go func() { ran <- parent.Run(bg) }()
	must(t, hop.Go(bg, parent, value(1)))
	over, end := context.WithCancel(bg)
	stopped := make(chan error, 1)
	go func() { stopped <- parent.Shutdown(over) }()
	untilClosing(t, parent)
	end() // the rest, which is the child, is closed
	recv(t, "Shutdown", stopped)
	recv(t, "the child's log", logged)
	if err := recv(t, "Run", ran); err != nil {
		t.Error(err)
	}
	for range 2 {
		within(t, patience, "Run", func() { wantIs(t, parent.Run(bg), hop.ErrStopped) })
		if isDone(parent.Stopped()) {
			t.Error("it has ended before what closes its child")
		}
	}
	logging.open()
	recv(t, "the parent's end", parent.Stopped())
	within(t, patience, "Run", func() { wantIs(t, parent.Run(bg), hop.ErrStopped) })
}

// A slowHandler logs when its gate is opened.
type slowHandler struct {
	slog.Handler
	g  *gate
	in chan struct{}
}

func (h slowHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h slowHandler) Handle(context.Context, slog.Record) error {
	close(h.in)
	h.g.pass()
	return nil
}

// Whatever a function of a user's does while a host has failed, or a loop is stranded for another reason, the loop comes to its end.

func TestS39_AFunctionThatEndsTheGoroutineWhileTheHostFails(t *testing.T) {
	k := newForeignLoop(t)
	guest := hop.NewLoop(&hop.LoopOptions{Host: k, Logger: quiet})
	below := hop.NewLoop(&hop.LoopOptions{Host: guest, Logger: quiet})
	var suspended []*hop.Pending[int]
	for _, l := range []*hop.Loop{guest, below} {
		suspended = append(suspended, hop.Go(bg, l, until(new(hop.Event))))
		hop.After(bg, time.Hour, l, value(0)).OnDone(runtime.Goexit)
	}
	for _, p := range suspended {
		untilWaiting(t, p.Call())
	}
	k.fail(true)
	untilClosing(t, guest)
	recv(t, "the guest's end", guest.Stopped())
	recv(t, "the end of its guest", below.Stopped())
	for _, p := range suspended {
		wantIs(t, waitErr(t, p), hop.ErrStopped)
	}
}

func TestS25_CloseInTheOnDoneOfACallThatIsStranded(t *testing.T) {
	l := hop.NewLoop(&hop.LoopOptions{Manual: true, Logger: quiet})
	closed := make(chan error, 1)
	p := hop.Go(bg, l, until(new(hop.Event)))
	p.OnDone(func() { closed <- l.Close() })
	driveToWait(l, p.Call())
	go l.Close() // without its driver
	wantIs(t, recv(t, "Close", closed), hop.ErrDeadlock)
	recv(t, "the loop's end", l.Stopped())
}

func TestS25_ShutdownInTheOnDoneOfACallThatIsStranded(t *testing.T) {
	k := newForeignLoop(t)
	l := hop.NewLoop(&hop.LoopOptions{Host: k, Logger: quiet})
	p := hop.Go(bg, l, until(new(hop.Event)))
	untilWaiting(t, p.Call())
	closed := make(chan error, 1)
	p.OnDone(func() { closed <- l.Shutdown(bg) })
	k.fail(true)
	untilClosing(t, l)
	wantIs(t, recv(t, "Shutdown", closed), hop.ErrDeadlock)
}

func TestS25_ShutdownOfAManualLoopReturnsWithItsContext(t *testing.T) {
	l := hop.NewLoop(&hop.LoopOptions{Manual: true})
	ctx, cancel := context.WithCancel(bg)
	cancel()
	g := newGate(t)
	done := make(chan error, 1)
	go func() {
		l.Run(ctx)
		l.Post(g.pass)
		done <- l.Shutdown(ctx)
	}()
	wantIs(t, recv(t, "Shutdown", done), context.Canceled)
}

// A counted context counts the functions that wait for its end.
type counted struct {
	context.Context
	done chan struct{}
	n    atomic.Int64
}

func (c *counted) Done() <-chan struct{} { return c.done }

func (c *counted) AfterFunc(func()) (stop func() bool) {
	c.n.Add(1)
	var once sync.Once
	return func() bool {
		once.Do(func() { c.n.Add(-1) })
		return true
	}
}

// TestS27_AStoppedLoopLeavesNothingInAContext: that may outlive very many loops.
func TestS27_AStoppedLoopLeavesNothingInAContext(t *testing.T) {
	ctx := &counted{Context: bg, done: make(chan struct{})}
	wait := func(ctx context.Context) (int, error) { return 1, hop.Yield(ctx) }
	for name, once := range map[string]func(){
		"loop": func() {
			l := hop.NewLoop(nil)
			hop.Do(ctx, l, wait)
			l.Close()
		},
		"manual": func() {
			l := hop.NewLoop(&hop.LoopOptions{Manual: true})
			p := hop.Go(ctx, l, wait)
			p.OnDone(func() { go l.Shutdown(bg) })
			l.Run(bg)
		},
		"RunLoop": func() { hop.RunLoop(ctx, nil, wait) },
		"guest": func() {
			host := hop.NewLoop(nil)
			l := hop.NewLoop(&hop.LoopOptions{Host: host})
			hop.Do(ctx, l, wait)
			l.Close()
			host.Close()
		},
	} {
		for range 100 {
			once()
		}
		if n := ctx.n.Load(); n != 0 {
			t.Errorf("%s: %d of 100 have left something", name, n)
			ctx.n.Store(0)
		}
	}
}
