package hop_test

// S24 to S26, S39: places that nobody drives any more, and stops from where nobody may wait.

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gohop/hop"
)

// A Manual child that nobody drives does not keep its parent from being closed, also when a Shutdown has begun before, and waits for it.
func TestS26_AManualChildThatNobodyDrivesIsClosedWithItsParent(t *testing.T) {
	for _, depth := range []int{1, 2} {
		synctest.Test(t, func(t *testing.T) {
			parent := hop.NewLoop(nil)
			child := parent
			for range depth {
				var err error
				if child, err = child.Child("below", &hop.LoopOptions{Manual: true}); err != nil {
					t.Fatal(err)
				}
			}
			p := hop.Go(bg, child, value(1))
			ctx, cancel := context.WithCancel(bg)
			ended := make(chan error, 1)
			go func() { ended <- parent.Shutdown(ctx) }()
			synctest.Wait() // until it waits for the child
			cancel()
			if err := recv(t, "Shutdown", ended); !errors.Is(err, context.Canceled) {
				t.Errorf("Shutdown: %v, want canceled", err)
			}
			closeAll(t, "the parent", parent.Close)
			if err := waitErr(t, p); !errors.Is(err, hop.ErrStopped) {
				t.Errorf("the child's call: %v, want stopped", err)
			}
			recv(t, "the child's end", child.Stopped())
		})
	}
}

// A host that fails ends the guests of its guests too: those whose tick is in the mailbox of a guest that has lost its thread.
func TestS39_AGuestOfAGuestEndsWhenTheHostFails(t *testing.T) {
	host := make(fullHost, 1)
	guest := hop.NewLoop(&hop.LoopOptions{Host: host})
	inner := hop.NewLoop(&hop.LoopOptions{Host: guest})
	(<-host)()
	for range 100 { // more than a tick has time for
		guest.Post(func() {})
	}
	p := hop.Go(bg, inner, value(1)) // its tick waits behind them
	tick := <-host
	host <- func() {} // full: it fails from now on
	tick()
	recv(t, "the guest's end", guest.Stopped())
	if err := waitErr(t, p); !errors.Is(err, hop.ErrStopped) {
		t.Errorf("a call of the guest's guest: %v, want stopped", err)
	}
	recv(t, "the end of the guest's guest", inner.Stopped())
	closeAll(t, "the guest's guest", inner.Close)
}

// A fullHost takes as many functions as it has room for, and fails then.
type fullHost chan func()

func (h fullHost) Post(f func()) error {
	select {
	case h <- f:
		return nil
	default:
		return errors.New("the host is full")
	}
}

func TestS39_AGuestEndsWithAManualHostThatIsClosedElsewhere(t *testing.T) {
	host := hop.NewLoop(&hop.LoopOptions{Manual: true, Logger: slog.New(slog.DiscardHandler)})
	guest := hop.NewLoop(&hop.LoopOptions{Host: host, Logger: slog.New(slog.DiscardHandler)})
	asleep := make(chan struct{}, 2)
	sleeps := func(ctx context.Context) (int, error) { asleep <- struct{}{}; return 0, hop.Sleep(ctx, time.Hour) }
	ps := []*hop.Pending[int]{hop.Go(bg, host, sleeps), hop.Go(bg, guest, sleeps)}
	ctx, cancel := context.WithCancel(bg)
	left := make(chan struct{})
	go func() { host.Run(ctx); close(left) }()
	recv(t, "a task", asleep)
	recv(t, "the other task", asleep)
	cancel()
	recv(t, "the driver", left)
	ps = append(ps, hop.Go(bg, guest, value(1))) // a tick of the guest's waits in the host
	closeAll(t, "the host", host.Close)
	for _, p := range ps {
		if err := waitErr(t, p); !errors.Is(err, hop.ErrStopped) {
			t.Errorf("%v: %v, want stopped", p, err)
		}
	}
	recv(t, "the guest's end", guest.Stopped())
}

// What a host's own goroutine calls, as a toolkit's callback does, must not wait for the guest, nor for what the guest is below.
func TestS25_AStopOnTheHostsOwnGoroutineIsRefused(t *testing.T) {
	for name, stop := range map[string]func(l *hop.Loop) error{
		"Shutdown": func(l *hop.Loop) error { return l.Shutdown(bg) },
		"Close":    (*hop.Loop).Close,
	} {
		t.Run(name, func(t *testing.T) {
			host := make(directHost, 100)
			defer close(host)
			go host.serve()
			parent := hop.NewLoop(nil)
			guest, err := parent.Child("guest", &hop.LoopOptions{Host: host})
			if err != nil {
				t.Fatal(err)
			}
			must(t, hop.Go(bg, guest, value(1)))
			told := make(chan error, 2)
			host <- func() {
				told <- stop(parent)
				told <- stop(guest)
			}
			for range 2 {
				if err := recv(t, "the answer", told); !errors.Is(err, hop.ErrDeadlock) {
					t.Errorf("on the host's goroutine: %v, want a deadlock", err)
				}
			}
			recv(t, "the guest's end", guest.Stopped())
			recv(t, "the parent's end", parent.Stopped())
			host <- func() { told <- stop(guest) }
			if err := recv(t, "the answer after the end", told); err != nil {
				t.Errorf("after the end: %v", err)
			}
		})
	}
}

// A QueueLimit is for those that wait for a worker: not for calls that a worker has, though it has not come to start them.
func TestAPoolsQueueLimitCountsThoseThatWait(t *testing.T) {
	for range 50 {
		pool := newPool(t, &hop.PoolOptions{Size: 4, QueueLimit: 4})
		g := make(chan struct{})
		blocked := func(context.Context) (int, error) { <-g; return 0, nil }
		var ps []*hop.Pending[int]
		for range 8 { // four that run, four that wait
			ps = append(ps, hop.Go(bg, pool, blocked))
		}
		over := hop.Go(bg, pool, blocked)
		if _, err := over.Result(); !errors.Is(err, hop.ErrFull) {
			t.Fatalf("the ninth: %v, want full", err)
		}
		close(g)
		for _, p := range ps {
			must(t, p)
		}
		must(t, hop.Go(bg, pool, blocked)) // there is room again
	}
}

// Nor for one that a worker has been given out of the queue, and has not started yet: with one processor its goroutine has not come to run.
func TestAPoolsQueueLimitForgetsWhatAWorkerWasGiven(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	pool := newPool(t, &hop.PoolOptions{Size: 1, QueueLimit: 1})
	g := occupy(t, pool)
	second := hop.Go(bg, pool, value(2)) // fills the queue
	pool.SetSize(2)
	third := hop.Go(bg, pool, value(3))
	g.open()
	for _, p := range []*hop.Pending[int]{second, third} {
		must(t, p)
	}
}

// Among senders that come at once exactly as many are accepted as there is room for.
func TestAPoolsQueueLimitHoldsAmongManySenders(t *testing.T) {
	const size, limit, senders = 2, 3, 16
	for range 50 {
		pool := newPool(t, &hop.PoolOptions{Size: size, QueueLimit: limit})
		g := make(chan struct{})
		start := make(chan struct{})
		sent := make(chan *hop.Pending[int], senders)
		for range senders {
			go func() {
				<-start
				sent <- hop.Go(bg, pool, func(context.Context) (int, error) { <-g; return 0, nil })
			}()
		}
		close(start)
		accepted := 0
		for range senders {
			p := recv(t, "a sender", sent)
			if _, err := p.Result(); errors.Is(err, hop.ErrNotDone) {
				accepted++
			} else if !errors.Is(err, hop.ErrFull) {
				t.Fatal(err)
			}
		}
		close(g)
		if accepted != size+limit {
			t.Fatalf("%d of %d were accepted, want %d", accepted, senders, size+limit)
		}
	}
}

// After that is due at once has its place in the order at once.
func TestS22_AfterNoTimeIsBeforeWhatIsSentThen(t *testing.T) {
	l := newLoop(t, nil)
	g := occupy(t, l)
	var order []int
	note := func(n int) func(context.Context) (int, error) {
		return func(context.Context) (int, error) { order = append(order, n); return n, nil }
	}
	hop.After(bg, 0, l, note(1))
	hop.Go(bg, l, note(2))
	hop.After(bg, -time.Second, l, note(3))
	last := hop.Go(bg, l, note(4))
	g.open()
	must(t, last)
	if len(order) != 4 || order[0] != 1 || order[1] != 2 || order[2] != 3 {
		t.Errorf("order %v", order)
	}
}

// TestS23_AManualHostIsDrivenByAnother: a guest of a Manual loop keeps no coroutine on the goroutine that has driven the host, but for tasks that wait: these can be
// resumed only there, and go on there. A coroutine that is resumed at another depth of LockOSThread than it was made at ends the process.
func TestS23_AManualHostIsDrivenByAnother(t *testing.T) {
	needsThread(t)
	slice := func(host *hop.Loop, until func()) { // drives the host until what was sent has run
		ctx, cancel := context.WithCancel(bg)
		defer cancel()
		host.Post(func() {
			until()
			cancel()
		})
		host.Run(ctx)
	}
	ran := func(p *hop.Pending[int]) func() { return func() { p.Call().State() } }
	for _, nested := range []bool{false, true} {
		for _, thread := range []bool{false, true} {
			loops := func() (host, guest *hop.Loop) {
				host = hop.NewLoop(&hop.LoopOptions{Manual: true, Thread: thread, Logger: new(journal).logger()})
				guest = hop.NewLoop(&hop.LoopOptions{Host: host, Logger: new(journal).logger()})
				if nested {
					guest = hop.NewLoop(&hop.LoopOptions{Host: guest, Logger: new(journal).logger()})
				}
				return host, guest
			}
			name := fmt.Sprintf("nested %v, thread %v", nested, thread)
			t.Run(name+", idle, driven by another", func(t *testing.T) {
				host, guest := loops()
				p := hop.Go(bg, guest, value(1))
				for !p.Call().State().Done() {
					slice(host, ran(p))
				}
				q := hop.Go(bg, guest, value(2))
				locked(t, func() {
					for !q.Call().State().Done() {
						slice(host, ran(q))
					}
					host.Close()
				})
			})
			t.Run(name+", idle, closed by another", func(t *testing.T) {
				host, guest := loops()
				p := hop.Go(bg, guest, value(1))
				locked(t, func() {
					for !p.Call().State().Done() {
						slice(host, ran(p))
					}
				})
				within(t, patience, "Close", func() { host.Close() })
				recv(t, "the guest's end", guest.Stopped())
			})
			t.Run(name+", suspended", func(t *testing.T) {
				host, guest := loops()
				var e hop.Event
				began := false
				p := hop.Go(bg, guest, func(ctx context.Context) (int, error) {
					began = true
					return 1, e.Wait(ctx)
				})
				for !began {
					slice(host, func() {})
				}
				locked(t, func() {
					if err := host.Run(bg); !errors.Is(err, hop.ErrMismatch) {
						t.Errorf("Run on another goroutine: %v", err)
					}
				})
				e.Set()
				for !p.Call().State().Done() {
					slice(host, ran(p))
				}
				if v, err := p.Result(); v != 1 || err != nil {
					t.Errorf("%v, %v", v, err)
				}
				within(t, patience, "Close", func() { host.Close() })
			})
			t.Run(name+", suspended, closed by another", func(t *testing.T) {
				host, guest := loops()
				began := false
				p := hop.Go(bg, guest, func(ctx context.Context) (int, error) {
					began = true
					return 1, hop.Sleep(ctx, time.Hour)
				})
				for !began {
					slice(host, func() {})
				}
				within(t, patience, "Close", func() { host.Close() })
				if _, err := p.Result(); !errors.Is(err, hop.ErrStopped) {
					t.Errorf("error %v", err)
				}
				recv(t, "the guest's end", guest.Stopped())
			})
		}
	}
}

// locked runs f on a goroutine with a locked thread, which ends.
func locked(t *testing.T, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		f()
	}()
	recv(t, "the locked goroutine", done)
}
