package hop_test

// S39: loops as guests of foreign loops and of each other.

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/gohop/hop"
)

// foreignLoop is a foreign event loop as a GUI toolkit has one: an unbounded queue of functions, run one by one on one
// goroutine.
type foreignLoop struct {
	mu     sync.Mutex
	queue  []func()
	wake   chan struct{}
	broken error // what Post returns once it is set
	quit   bool
	done   chan struct{}
	id     string // the number of its goroutine
}

func newForeignLoop(t testing.TB) *foreignLoop {
	k := &foreignLoop{wake: make(chan struct{}, 1), done: make(chan struct{})}
	ready := make(chan struct{})
	go func() {
		defer close(k.done)
		k.id = goid()
		close(ready)
		for {
			k.mu.Lock()
			if len(k.queue) == 0 {
				quit := k.quit
				k.mu.Unlock()
				if quit {
					return
				}
				<-k.wake
				continue
			}
			f := k.queue[0]
			k.queue = k.queue[1:]
			k.mu.Unlock()
			f()
			runtime.Gosched() // where there is one thread, and nobody preempts
		}
	}()
	<-ready
	t.Cleanup(func() {
		k.end(false)
		recv(t, "the toolkit's end", k.done)
	})
	return k
}

func (k *foreignLoop) Post(f func()) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.broken != nil {
		return k.broken
	}
	k.queue = append(k.queue, f)
	k.signal()
	return nil
}

func (k *foreignLoop) signal() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

var errForeignLoopGone = errors.New("the toolkit is gone")

// fail makes every Post from now on fail; with drop, what is queued is dropped, as when the window is closed.
func (k *foreignLoop) fail(drop bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.broken = errForeignLoopGone
	if drop {
		k.queue = nil
	}
}

func (k *foreignLoop) end(drop bool) {
	k.fail(drop)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.quit = true
	k.signal()
}

func TestS39_AGuestRunsOnItsHost(t *testing.T) {
	noLeak(t)
	k := newForeignLoop(t)
	l := newLoop(t, &hop.LoopOptions{Name: "guest", Host: k})
	posted := make(chan bool, 1)
	l.Post(func() { posted <- l.Here() && hop.CurrentLoop() == l })
	if !recv(t, "a posted function", posted) {
		t.Error("a posted function is not on the guest loop")
	}
	pr := hop.NewPromise[int](bg)
	a := hop.Go(bg, l, func(ctx context.Context) (int, error) {
		if err := hop.Sleep(ctx, time.Millisecond); err != nil {
			return 0, err
		}
		return pr.Pending().Wait(ctx)
	})
	untilWaiting(t, a.Call())
	ticks := make(chan struct{})
	k.Post(func() { close(ticks) }) // the host goes on while the guest's task waits
	recv(t, "the host's own function", ticks)
	pr.Resolve(2)
	if v := must(t, a); v != 2 {
		t.Errorf("got %d", v)
	}
	// What does not wait runs inside the host's own function, on its goroutine or a coroutine of that: never at the same
	// time as the host.
	var inside sync.Mutex
	for range 100 {
		hop.Go(bg, l, func(context.Context) (int, error) {
			if !inside.TryLock() {
				t.Error("the guest runs while its host does")
				return 0, nil
			}
			runtime.Gosched()
			inside.Unlock()
			return 0, nil
		})
		k.Post(func() {
			if !inside.TryLock() {
				t.Error("the host runs while its guest does")
				return
			}
			runtime.Gosched()
			inside.Unlock()
		})
	}
	must(t, hop.Go(bg, l, value(1)))
	if k.Post(func() {
		if hop.CurrentLoop() != nil {
			t.Error("in the host's own function CurrentLoop is not nil")
		}
	}) != nil {
		t.Error("Post fails")
	}
}

func TestS39_TheHostKnowsItsPlaceWhileAGuestRuns(t *testing.T) {
	host := newLoop(t, &hop.LoopOptions{Name: "host"})
	guest := newLoop(t, &hop.LoopOptions{Name: "guest", Host: host})
	for range 10 {
		g := hop.Go(bg, guest, func(ctx context.Context) (*hop.Loop, error) { return hop.CurrentLoop(), hop.Yield(ctx) })
		h := hop.Go(bg, host, func(ctx context.Context) (*hop.Loop, error) { return hop.CurrentLoop(), hop.Yield(ctx) })
		if l := must(t, g); l != guest {
			t.Errorf("in the guest's task CurrentLoop is %v", l)
		}
		if l := must(t, h); l != host {
			t.Errorf("in the host's task CurrentLoop is %v", l)
		}
	}
}

func TestS39_TwoGuestsShareAHostFairly(t *testing.T) {
	hosts := map[string]func(t *testing.T) hop.Host{
		"toolkit": func(t *testing.T) hop.Host { return newForeignLoop(t) },
		"loop":    func(t *testing.T) hop.Host { return newLoop(t, nil) },
	}
	for name, make := range hosts {
		t.Run(name, func(t *testing.T) {
			host := make(t)
			greedy, modest := newLoop(t, &hop.LoopOptions{Host: host}), newLoop(t, &hop.LoopOptions{Host: host})
			// The greedy guest always has more to do. Everything here runs on the host's thread, so plain variables do.
			turns, stop := 0, false
			var again func()
			again = func() {
				turns++
				if !stop {
					greedy.Post(again)
				}
			}
			for range 100 {
				greedy.Post(again)
			}
			for range 20 { // the other guest and the host get their turns all the same
				must(t, hop.Go(bg, modest, func(ctx context.Context) (int, error) { return 0, hop.Yield(ctx) }))
				hosted := postTo(host)
				recv(t, "the host's own function", hosted)
			}
			before := must(t, hop.Go(bg, modest, func(context.Context) (int, error) { return turns, nil }))
			eventually(t, "the greedy guest goes on too", func() bool {
				return must(t, hop.Go(bg, modest, func(context.Context) (int, error) { return turns, nil })) > before
			})
			must(t, hop.Go(bg, modest, func(context.Context) (int, error) { stop = true; return 0, nil }))
			must(t, hop.Go(bg, greedy, value(1)))
		})
	}
}

// postTo posts a function of the host's own and returns what it closes.
func postTo(h hop.Host) <-chan struct{} {
	ch := make(chan struct{})
	if err := h.Post(func() { close(ch) }); err != nil {
		panic(err)
	}
	return ch
}

func TestS39_AShareIsBounded(t *testing.T) {
	// Two guests with ten thousand functions each: neither is through before the other has begun.
	k := newForeignLoop(t)
	a, b := newLoop(t, &hop.LoopOptions{Host: k}), newLoop(t, &hop.LoopOptions{Host: k})
	busy, release := started()
	k.Post(func() { <-busy })
	const n = 10_000
	var doneA, doneB, bWhenAEnds, aWhenBEnds int
	for i := range n {
		a.Post(func() {
			doneA++
			if i == n-1 {
				bWhenAEnds = doneB
			}
		})
	}
	for i := range n {
		b.Post(func() {
			doneB++
			if i == n-1 {
				aWhenBEnds = doneA
			}
		})
	}
	release()
	must(t, hop.Go(bg, a, value(1)))
	must(t, hop.Go(bg, b, value(1)))
	if bWhenAEnds < n/10 && aWhenBEnds < n/10 {
		t.Errorf("when one had done its %d, the other had done %d and %d", n, bWhenAEnds, aWhenBEnds)
	}
	if bWhenAEnds < n/10 {
		t.Errorf("the second guest had done %d when the first had done all its %d", bWhenAEnds, n)
	}
}

func TestS39_AHostThatFailsEndsItsGuests(t *testing.T) {
	for _, drop := range []bool{false, true} {
		t.Run(map[bool]string{false: "queue kept", true: "queue dropped"}[drop], func(t *testing.T) {
			k := newForeignLoop(t)
			var j journal
			l := newLoop(t, &hop.LoopOptions{Name: "guest", Host: k, Logger: j.logger()})
			suspended := hop.Go(bg, l, func(ctx context.Context) (int, error) { return hop.NewPromise[int](ctx).Pending().Wait(ctx) }, hop.Name("left behind"))
			untilWaiting(t, suspended.Call())
			timer := hop.After(bg, time.Hour, l, value(1))
			in, enter := started()
			busy, release := started()
			defer release()
			running := hop.Go(bg, l, func(context.Context) (int, error) { enter(); <-busy; return 1, nil })
			recv(t, "the running call", in)
			queued := hop.Go(bg, l, value(1))
			k.fail(drop)
			release()
			eventually(t, "the guest has found out", func() bool { return errors.Is(l.Post(func() {}), hop.ErrStopped) })
			for _, p := range []*hop.Pending[int]{suspended, timer, queued} {
				if err := waitErr(t, p); !errors.Is(err, hop.ErrStopped) && !(p == queued && err == nil) {
					t.Errorf("%v ended with %v, want ErrStopped", p.Call(), err)
				}
			}
			waitErr(t, running) // it has returned; what it gave is the state's business
			recv(t, "the guest's end", l.Stopped())
			within(t, patience, "Close", func() { l.Close() })
			wantIs(t, l.Post(func() {}), hop.ErrStopped)
		})
	}
}

func TestS39_WhatAFailedHostLeavesBehindIsReported(t *testing.T) {
	// The host's thread is gone: a suspended task cannot be resumed there, nor anywhere else. It has ended all the same,
	// and the journal says that its stack is still there.
	k := newForeignLoop(t)
	var j journal
	l := newLoop(t, &hop.LoopOptions{Name: "guest", Host: k, Logger: j.logger()})
	suspended := hop.Go(bg, l, func(ctx context.Context) (int, error) { return 0, hop.Sleep(ctx, time.Hour) }, hop.Name("left behind"))
	untilWaiting(t, suspended.Call())
	k.end(true)
	recv(t, "the toolkit's end", k.done)
	wantIs(t, waitErr(t, hop.Go(bg, l, value(1))), hop.ErrStopped) // this finds out
	wantIs(t, waitErr(t, suspended), hop.ErrStopped)
	recv(t, "the guest's end", l.Stopped())
	eventually(t, "the report", func() bool { return len(j.lines("loop=guest")) > 0 })
}

func TestS39_AHostThatFailsFromTheStart(t *testing.T) {
	k := newForeignLoop(t)
	k.fail(true)
	l := newLoop(t, &hop.LoopOptions{Host: k, Logger: new(journal).logger()})
	wantIs(t, waitErr(t, hop.Go(bg, l, value(1))), hop.ErrStopped)
	within(t, patience, "Close", func() { l.Close() })
}

func TestS39_ClosingTheHostLoopEndsItsGuests(t *testing.T) {
	for _, how := range []string{"Close", "Shutdown"} {
		t.Run(how, func(t *testing.T) {
			noLeak(t)
			host := newLoop(t, nil)
			outer := newLoop(t, &hop.LoopOptions{Host: host, Logger: new(journal).logger()})
			inner := newLoop(t, &hop.LoopOptions{Host: outer, Logger: new(journal).logger()})
			var ps []*hop.Pending[int]
			for _, l := range []*hop.Loop{outer, inner} {
				p := hop.Go(bg, l, func(ctx context.Context) (int, error) { return 0, hop.Sleep(ctx, time.Hour) })
				untilWaiting(t, p.Call())
				ps = append(ps, p)
			}
			within(t, patience, how, func() {
				if how == "Close" {
					host.Close()
				} else {
					ctx, cancel := context.WithTimeout(bg, 50*time.Millisecond)
					defer cancel()
					host.Shutdown(ctx)
				}
			})
			for i, l := range []*hop.Loop{outer, inner} {
				wantIs(t, waitErr(t, hop.Go(bg, l, value(1))), hop.ErrStopped)
				wantIs(t, waitErr(t, ps[i]), hop.ErrStopped)
				recv(t, "the guest's end", l.Stopped())
			}
		})
	}
}

func TestS39_StoppingAGuestLeavesTheHostAlone(t *testing.T) {
	noLeak(t)
	host := newLoop(t, nil)
	for range 20 {
		guest := hop.NewLoop(&hop.LoopOptions{Host: host})
		p := hop.Go(bg, guest, func(ctx context.Context) (int, error) { return 0, hop.Sleep(ctx, time.Hour) })
		untilWaiting(t, p.Call())
		within(t, patience, "Close", func() {
			if err := guest.Close(); err != nil {
				t.Error(err)
			}
		})
		wantIs(t, waitErr(t, p), hop.ErrStopped)
		must(t, hop.Go(bg, host, value(1)))
	}
}

func TestS39_StoppingAGuestFromATaskOfItsHost(t *testing.T) {
	noLeak(t)
	host := newLoop(t, nil)
	for name, stop := range map[string]func(ctx context.Context, l *hop.Loop) error{
		"Close":    func(_ context.Context, l *hop.Loop) error { return l.Close() },
		"Shutdown": func(ctx context.Context, l *hop.Loop) error { return l.Shutdown(ctx) },
	} {
		guest := newLoop(t, &hop.LoopOptions{Host: host})
		var e hop.Event
		p := hop.Go(bg, guest, func(ctx context.Context) (int, error) { return 3, e.Wait(ctx) })
		untilWaiting(t, p.Call())
		defer time.AfterFunc(5*time.Millisecond, e.Set).Stop()
		// The task waits for its guest's end, which needs the host's thread.
		if err := waitErr(t, hop.Go(bg, host, func(ctx context.Context) (int, error) { return 1, stop(ctx, guest) })); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !isDone(guest.Stopped()) {
			t.Errorf("%s: the guest has not stopped", name)
		}
	}
}

func TestS39_StoppingTheHostFromATaskOfItsGuest(t *testing.T) {
	for name, stop := range map[string]func(l *hop.Loop) error{
		"Close":    (*hop.Loop).Close,
		"Shutdown": func(l *hop.Loop) error { return l.Shutdown(bg) },
	} {
		t.Run(name, func(t *testing.T) {
			noLeak(t)
			host := newLoop(t, nil)
			guest := newLoop(t, &hop.LoopOptions{Host: host, Logger: new(journal).logger()})
			got := make(chan error, 1)
			p := hop.Go(bg, guest, func(context.Context) (int, error) { got <- stop(host); return 0, nil })
			wantIs(t, recv(t, name, got), hop.ErrDeadlock)
			waitErr(t, p)
			recv(t, "the host's end", host.Stopped())
			within(t, patience, "Close of the guest", func() { guest.Close() })
		})
	}
}

func TestS39_AGuestSurvivesPanicsAndGoexitsAndSoDoesItsHost(t *testing.T) {
	noLeak(t)
	k := newForeignLoop(t)
	l := newLoop(t, &hop.LoopOptions{Host: k, OnPanic: func(*hop.PanicError) {}})
	for range 10 {
		for _, yields := range []bool{false, true} {
			p := hop.Go(bg, l, func(ctx context.Context) (int, error) {
				if yields {
					hop.Yield(ctx)
				}
				runtime.Goexit()
				return 0, nil
			})
			wantIs(t, waitErr(t, p), hop.ErrGoexit)
			p = hop.Go(bg, l, func(ctx context.Context) (int, error) {
				if yields {
					hop.Yield(ctx)
				}
				return panickingFunction()
			})
			wantIs(t, waitErr(t, p), errPanicValue)
		}
		l.Post(runtime.Goexit)
		l.Post(func() { panic("posted") })
		recv(t, "the host's own function", postTo(k))
	}
	must(t, hop.Go(bg, l, value(1)))
}

// TestS39_ACallOnTheHostsOwnGoroutine: what Inline or Call.Run runs on the goroutine of a foreign host is on the guest's loop, as the goroutine is without a call:
// Do runs inline, and a wait for what the guest is to do is refused.
func TestS39_ACallOnTheHostsOwnGoroutine(t *testing.T) {
	for name, way := range map[string]func(f func(context.Context) (int, error)) (int, error){
		"no call":    func(f func(context.Context) (int, error)) (int, error) { return f(bg) },
		"Do, Inline": func(f func(context.Context) (int, error)) (int, error) { return hop.Do(bg, hop.Inline, f) },
		"Go, Inline": func(f func(context.Context) (int, error)) (int, error) { return hop.Go(bg, hop.Inline, f).Result() },
		"Call.Run": func(f func(context.Context) (int, error)) (int, error) {
			p := hop.New(bg, f)
			p.Call().Run()
			return p.Result()
		},
	} {
		for what, f := range map[string]func(ctx context.Context, l *hop.Loop) (int, error){
			"Do":           func(ctx context.Context, l *hop.Loop) (int, error) { return hop.Do(ctx, l, value(7)) },
			"Wait":         func(ctx context.Context, l *hop.Loop) (int, error) { return hop.Go(ctx, l, value(7)).Wait(ctx) },
			"Wait, bg":     func(ctx context.Context, l *hop.Loop) (int, error) { return hop.Go(ctx, l, value(7)).Wait(bg) },
			"WaitOrCancel": func(ctx context.Context, l *hop.Loop) (int, error) { return hop.Go(ctx, l, value(7)).WaitOrCancel(ctx) },
			"Do, a wait in it": func(ctx context.Context, l *hop.Loop) (int, error) {
				return hop.Do(ctx, l, func(ctx context.Context) (int, error) { return 0, hop.Sleep(ctx, time.Hour) })
			},
			"Here": func(_ context.Context, l *hop.Loop) (int, error) {
				if !l.Here() {
					return 0, errBoom
				}
				return 7, nil
			},
		} {
			t.Run(name+", "+what, func(t *testing.T) {
				k := newForeignLoop(t)
				l := newLoop(t, &hop.LoopOptions{Host: k})
				hop.Do(bg, l, value(0)) // its host's goroutine is known
				type result struct {
					v   int
					err error
				}
				got := make(chan result, 1)
				k.Post(func() {
					v, err := way(func(ctx context.Context) (int, error) { return f(ctx, l) })
					got <- result{v, err}
				})
				switch r := recv(t, "the answer", got); what {
				case "Do", "Here":
					if r.v != 7 || r.err != nil {
						t.Errorf("%v, want 7", r)
					}
				default:
					wantIs(t, r.err, hop.ErrCannotWait)
				}
			})
		}
	}
}

// nest runs what is queued on the calling goroutine until so: a modal dialog.
func (k *foreignLoop) nest(so func() bool) {
	for !so() {
		k.mu.Lock()
		if len(k.queue) == 0 {
			k.mu.Unlock()
			<-k.wake
			continue
		}
		f := k.queue[0]
		k.queue = k.queue[1:]
		k.mu.Unlock()
		f()
	}
}

// TestS39_AfterAModalDialog: a task has run a nested loop of its host, in which another guest had a turn. It may wait for that guest then as it could before: its
// goroutine is not the host's.
func TestS39_AfterAModalDialog(t *testing.T) {
	k := newForeignLoop(t)
	g1, g2 := newLoop(t, &hop.LoopOptions{Host: k}), newLoop(t, &hop.LoopOptions{Host: k})
	for _, g := range []*hop.Loop{g1, g2} {
		hop.Do(bg, g, value(0))
	}
	_, err := hop.Do(bg, g1, func(ctx context.Context) (int, error) {
		closed := false
		hop.Go(ctx, g2, func(context.Context) (int, error) { closed = true; return 0, nil })
		k.nest(func() bool { return closed })
		for range 2 {
			if _, err := hop.Do(ctx, g2, value(1)); err != nil {
				return 0, fmt.Errorf("Do: %w", err)
			}
			if err := hop.WithGroup(ctx, nil, func(ctx context.Context) error { hop.Go(ctx, g2, value(1)); return nil }); err != nil {
				return 0, fmt.Errorf("WithGroup: %w", err)
			}
			if err := hop.Sleep(ctx, time.Microsecond); err != nil {
				return 0, err
			}
		}
		return 0, g2.Shutdown(ctx)
	})
	if err != nil {
		t.Error(err)
	}
}

// TestS39_AHostThatDropsATurnWhenItEnds: what it had queued is gone, and nobody sends to the guest any more whom its Post could tell. Who stops the guest finds out.
func TestS39_AHostThatDropsATurnWhenItEnds(t *testing.T) {
	for name, stop := range map[string]func(l, parent *hop.Loop){
		"Close":            func(l, _ *hop.Loop) { l.Close() },
		"Shutdown":         func(l, _ *hop.Loop) { l.Shutdown(bg) },
		"Close, of parent": func(_, parent *hop.Loop) { parent.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			k := newForeignLoop(t)
			parent := newLoop(t, nil)
			l, err := parent.Child("guest", &hop.LoopOptions{Host: k, Logger: new(journal).logger()})
			if err != nil {
				t.Fatal(err)
			}
			hop.Do(bg, l, value(0))
			var p *hop.Pending[int]
			k.Post(func() {
				p = hop.Go(bg, l, value(1))
				k.end(true)
			})
			recv(t, "the toolkit's end", k.done)
			within(t, patience, name, func() { stop(l, parent) })
			wantIs(t, waitErr(t, p), hop.ErrStopped)
		})
	}
}
