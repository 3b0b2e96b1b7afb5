package hop_test

// Goroutines that cannot wait: a host's own, on which a call of the guest runs inline, and those of a place that closes. Whatever
// would have to wait is refused there; whatever need not works.

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/gohop/hop"
)

// onHostsOwn runs f in a call of a guest that runs inline in the host's own code, outside of a tick, and returns what it returned.
func onHostsOwn(t *testing.T, f func(ctx context.Context, guest *hop.Loop) error) error {
	t.Helper()
	host := make(directHost, 100)
	go host.serve()
	t.Cleanup(func() { close(host) })
	guest := newLoop(t, &hop.LoopOptions{Name: "guest", Host: host})
	must(t, hop.Go(bg, guest, value(1))) // a tick has run: the host's goroutine is known
	done := make(chan error, 1)
	host.Post(func() {
		done <- hop.Run(bg, guest, func(ctx context.Context) error { return f(ctx, guest) })
	})
	return recv(t, "the call on the host's own goroutine", done)
}

func TestS39_OnTheHostsOwnGoroutineAWaitIsRefused(t *testing.T) {
	never := hop.NewPromise[int](bg)
	for name, f := range map[string]func(ctx context.Context) error{
		"Wait":         func(ctx context.Context) error { _, err := never.Pending().Wait(ctx); return err },
		"Sleep":        func(ctx context.Context) error { return hop.Sleep(ctx, time.Hour) },
		"Recv":         func(ctx context.Context) error { _, _, err := hop.Recv(ctx, make(chan int)); return err },
		"Event.Wait":   func(ctx context.Context) error { return new(hop.Event).Wait(ctx) },
		"Do elsewhere": func(ctx context.Context) error { _, err := hop.Do(ctx, hop.Goroutines, mustNotRun(t)); return err },
		"Blocking":     func(ctx context.Context) error { _, err := hop.Blocking(ctx, mustNotRun(t)); return err },
		"Waiter.Wait":  func(ctx context.Context) error { return hop.NewWaiter().Wait(ctx, never.Pending().Call()) },
		"Run elsewhere": func(ctx context.Context) error {
			return hop.Run(ctx, hop.Workers(), func(context.Context) error { t.Error("it ran"); return nil })
		},
	} {
		t.Run(name, func(t *testing.T) {
			err := onHostsOwn(t, func(ctx context.Context, _ *hop.Loop) error { return f(ctx) })
			wantIs(t, err, hop.ErrCannotWait)
		})
	}
}

// onAHost runs f in a foreign host's own code, as a toolkit's callback runs: on a goroutine that hop does not know, and in a call in which
// the foreign loop runs.
func onAHost(t *testing.T, f func(t *testing.T, guest *hop.Loop)) {
	for name, run := range map[string]func(host directHost){
		"goroutine": func(host directHost) { go host.serve() },
		"call": func(host directHost) {
			hop.Go(bg, hop.Goroutines, func(context.Context) (int, error) { host.serve(); return 0, nil })
		},
	} {
		t.Run(name, func(t *testing.T) {
			host := make(directHost, 100)
			run(host)
			t.Cleanup(func() { close(host) })
			guest := newLoop(t, &hop.LoopOptions{Name: "guest", Host: host})
			must(t, hop.Go(bg, guest, value(1))) // a tick has run: the host's goroutine is known
			done := make(chan struct{})
			host <- func() { defer close(done); f(t, guest) }
			recv(t, "the host's own code", done)
		})
	}
}

func TestS39_AHostsOwnCodeCannotWaitForAGroupOnItsGuest(t *testing.T) {
	onAHost(t, func(t *testing.T, guest *hop.Loop) {
		var p *hop.Pending[int]
		var ctxOf context.Context
		err := hop.WithGroup(bg, nil, func(ctx context.Context) error {
			hop.Go(ctx, hop.Goroutines, func(ctx context.Context) (int, error) { return 0, hop.Sleep(ctx, time.Hour) })
			p, ctxOf = hop.Go(ctx, guest, mustNotRun(t)), ctx
			return nil
		})
		wantIs(t, err, hop.ErrCannotWait)
		if _, err := p.Result(); !errors.Is(err, hop.ErrCancelled) { // it had not begun
			t.Errorf("the member on the guest: %v", err)
		}
		if _, err := hop.Go(ctxOf, hop.Inline, mustNotRun(t)).Result(); !errors.Is(err, hop.ErrCannotWait) {
			t.Errorf("a call made with the ctx after the end: %v, want the cause of that", err)
		}
		func() {
			defer func() {
				if recover() == nil {
					t.Error("Add after the end did not panic")
				}
			}()
			hop.CurrentGroup(ctxOf).Add(p.Call())
		}()
	})
}

func TestS39_AHostsOwnCodeMayWaitForAGroupThatNeedsNoHost(t *testing.T) {
	onAHost(t, func(t *testing.T, guest *hop.Loop) {
		over, end := context.WithCancelCause(bg)
		err := hop.WithGroup(bg, nil, func(ctx context.Context) error {
			for range 3 {
				hop.Go(ctx, hop.Goroutines, func(ctx context.Context) (int, error) { return 0, hop.Sleep(ctx, time.Millisecond) })
			}
			p := hop.Go(over, guest, mustNotRun(t))
			hop.CurrentGroup(ctx).Add(p.Call())
			end(errEnough) // it has ended, though nobody has looked
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestS39_AHostsOwnCodeCannotWaitForAnAbandonedFunctionOfItsGuest(t *testing.T) {
	onAHost(t, func(t *testing.T, guest *hop.Loop) {
		p := hop.Go(bg, guest, mustNotRun(t), hop.Abandon())
		if err := p.CancelWait(bg, nil); err != nil { // it was not begun
			t.Error(err)
		}
	})
	host := make(directHost, 100)
	go host.serve()
	t.Cleanup(func() { close(host) })
	guest := newLoop(t, &hop.LoopOptions{Name: "guest", Host: host})
	var e hop.Event
	p := hop.Go(bg, guest, func(context.Context) (int, error) { return 0, e.Wait(bg) }, hop.Abandon())
	untilWaiting(t, p.Call())
	told := make(chan error, 1)
	host <- func() { told <- p.CancelWait(bg, nil) }
	wantIs(t, recv(t, "CancelWait", told), hop.ErrCannotWait)
	e.Set()
}

func mustNotRun(t *testing.T) func(context.Context) (int, error) {
	return func(context.Context) (int, error) {
		t.Error("a function ran that nobody could wait for")
		return 0, nil
	}
}

func TestS39_OnTheHostsOwnGoroutineWhatNeedNotWaitWorks(t *testing.T) {
	done := hop.Go(bg, hop.Inline, value(3))
	later := hop.NewPromise[int](bg)
	busy := newLoop(t, nil)
	occupy(t, busy)
	over, end := context.WithCancelCause(bg)
	queued := hop.Go(over, busy, mustNotRun(t))
	end(errEnough)
	err := onHostsOwn(t, func(ctx context.Context, guest *hop.Loop) error {
		if hop.CurrentLoop() != guest || !guest.Here() {
			t.Errorf("CurrentLoop is %v", hop.CurrentLoop())
		}
		if v, err := done.Wait(ctx); v != 3 || err != nil {
			t.Errorf("Wait for what is done: %d, %v", v, err)
		}
		if _, err := queued.Wait(ctx); !errors.Is(err, hop.ErrCancelled) {
			t.Errorf("Wait for a queued call whose context is over: %v", err)
		}
		if v, err := hop.Do(ctx, guest, value(4)); v != 4 || err != nil {
			t.Errorf("Do on the loop that one is on: %d, %v", v, err)
		}
		if v, err := hop.Do(ctx, hop.Inline, value(5)); v != 5 || err != nil {
			t.Errorf("Do on Inline: %d, %v", v, err)
		}
		ch := make(chan int, 1)
		ch <- 6
		if v, ok, err := hop.Recv(ctx, ch); v != 6 || !ok || err != nil {
			t.Errorf("Recv of what is there: %d, %v, %v", v, ok, err)
		}
		if err := hop.NewLimiter(1).Acquire(ctx); err != nil {
			t.Errorf("Acquire of a free place: %v", err)
		}
		if err := hop.Yield(ctx); err != nil {
			t.Errorf("Yield: %v", err)
		}
		hop.Go(ctx, guest, func(context.Context) (int, error) { later.Resolve(7); return 0, nil })
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	must(t, later.Pending())
}

// untilClosing returns when on takes no more functions.
func untilClosing(t testing.TB, on interface{ Post(func()) error }) {
	t.Helper()
	eventually(t, "it takes no more", func() bool { return errors.Is(on.Post(func() {}), hop.ErrStopped) })
}

func TestS5_APostedFunctionDoesNotWaitOnceItsPlaceCloses(t *testing.T) {
	pool, l := newPool(t, &hop.PoolOptions{Size: 1}), newLoop(t, nil)
	for name, on := range map[string]interface {
		Post(func()) error
		Close() error
	}{"pool": pool, "loop": l} {
		t.Run(name, func(t *testing.T) {
			g := newGate(t)
			in, enter := started()
			refused := make(chan error, 1)
			on.Post(func() {
				enter()
				g.pass()
				refused <- hop.Sleep(bg, time.Hour)
			})
			recv(t, "the posted function", in)
			closed := make(chan error, 1)
			go func() { closed <- on.Close() }()
			untilClosing(t, on)
			g.open()
			wantIs(t, recv(t, "its wait", refused), hop.ErrStopped)
			if err := recv(t, "Close", closed); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestS5_TheStopOfItsLoopEndsTheDoOfAPostedFunction(t *testing.T) {
	l := newLoop(t, nil)
	g := newGate(t)
	in, enter := started()
	causes := make(chan error, 1)
	result := make(chan error, 1)
	l.Post(func() {
		_, err := hop.Do(bg, hop.Goroutines, func(ctx context.Context) (int, error) {
			enter()
			<-ctx.Done()
			causes <- context.Cause(ctx)
			g.pass() // and it takes its time
			return 0, nil
		})
		result <- err
	})
	recv(t, "the function", in)
	within(t, patience, "Close", func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	err := recv(t, "Do", result)
	wantCancelled(t, err)
	wantIs(t, err, hop.ErrStopped)
	wantIs(t, recv(t, "the cause that the function was given", causes), hop.ErrStopped)
}

func TestRecv_WhoseContextIsOverReceivesOnlyWhatIsThere(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		must(t, hop.Go(bg, on, func(ctx context.Context) (int, error) {
			ctx, cancel := context.WithCancelCause(ctx)
			cancel(errEnough)
			ch := make(chan int, 1)
			ch <- 1
			if v, ok, err := hop.Recv(ctx, ch); v != 1 || !ok || err != nil {
				t.Errorf("a value that is there: %d, %v, %v", v, ok, err)
			}
			_, ok, err := hop.Recv(ctx, ch)
			if ok {
				t.Error("it received from an empty channel")
			}
			wantIs(t, err, errEnough)
			wantIs(t, err, context.Canceled)
			return 0, nil
		}))
	})
}

func TestS39_AHostsOwnCodeCannotWaitForAGuestOfItsGuest(t *testing.T) {
	onAHost(t, func(t *testing.T, guest *hop.Loop) {
		inner := hop.NewLoop(&hop.LoopOptions{Host: guest})
		_, err := hop.Go(bg, inner, value(1)).Wait(bg)
		wantIs(t, err, hop.ErrCannotWait)
	})
}

// Where nothing can wait, Waiter.Wait for a call that is done returns, and what it has accepted runs later.
func TestS39_AWaiterOnTheHostsOwnGoroutineLeavesWhatItAcceptedToTheGuest(t *testing.T) {
	var kid *hop.Pending[int]
	err := onHostsOwn(t, func(ctx context.Context, _ *hop.Loop) error {
		w, done := hop.NewWaiter(), hop.NewPromise[int](ctx)
		kid = hop.Go(ctx, w, value(7))
		done.Resolve(1)
		return w.Wait(ctx, done.Pending().Call())
	})
	if err != nil {
		t.Error(err)
	}
	if v := must(t, kid); v != 7 {
		t.Errorf("what was accepted gave %d", v)
	}
}
