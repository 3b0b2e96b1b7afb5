package hop_test

// RunLoop and Run in a call: the call waits meanwhile, for its pool, its groups, those who stop a place, and the search for deadlocks.

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/gohop/hop"
)

func TestS6_RunLoopGivesThePlaceInThePoolBack(t *testing.T) {
	pool := newPool(t, &hop.PoolOptions{Size: 1})
	p := hop.Go(bg, pool, func(ctx context.Context) (int, error) {
		return hop.RunLoop(ctx, nil, func(ctx context.Context) (int, error) {
			return hop.Do(ctx, pool, func(ctx context.Context) (int, error) { // and once more
				return hop.RunLoop(ctx, nil, func(ctx context.Context) (int, error) { return hop.Do(ctx, pool, value(3)) })
			})
		})
	})
	if v := must(t, p); v != 3 {
		t.Errorf("result %d, want 3", v)
	}
	if s := pool.Stats(); s.Running != 0 || s.Waiting != 0 {
		t.Errorf("afterwards %+v", s)
	}
}

func TestS6_AManualLoopThatRunsInACallGivesThePlaceBack(t *testing.T) {
	pool := newPool(t, &hop.PoolOptions{Size: 1})
	l := hop.NewLoop(&hop.LoopOptions{Manual: true})
	inside := hop.Go(bg, l, func(ctx context.Context) (int, error) { return hop.Do(ctx, pool, value(4)) })
	ctx, cancel := context.WithCancel(t.Context())
	drive := hop.Go(ctx, pool, func(ctx context.Context) (int, error) { return 0, l.Run(ctx) })
	if v := must(t, inside); v != 4 {
		t.Errorf("result %d, want 4", v)
	}
	cancel()
	waitErr(t, drive)
	closeAll(t, "the loop", l.Close)
}

func TestS34_RunLoopGivesThePlaceInAGroupBack(t *testing.T) {
	within(t, patience, "WithGroup", func() {
		var p *hop.Pending[int]
		err := hop.WithGroup(bg, &hop.GroupOptions{Limit: 1}, func(ctx context.Context) error {
			p = hop.Go(ctx, hop.Goroutines, func(ctx context.Context) (int, error) {
				return hop.RunLoop(ctx, nil, func(ctx context.Context) (int, error) { return hop.Do(ctx, hop.Goroutines, value(1)) })
			})
			return nil
		})
		if v, verr := p.Result(); v != 1 || err != nil || verr != nil {
			t.Errorf("result %d, %v; the group's error %v", v, verr, err)
		}
	})
}

func TestS4_ATaskOfRunLoopThatWaitsForItsCallerIsRefused(t *testing.T) {
	gate := make(chan struct{})
	var self *hop.Pending[int]
	self = hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) {
		<-gate
		return hop.RunLoop(ctx, nil, func(ctx context.Context) (int, error) { return self.Wait(ctx) })
	}, hop.Name("outer"))
	close(gate)
	err := waitErr(t, self)
	var d *hop.DeadlockError
	if !errors.As(err, &d) {
		t.Fatalf("error %v, want a DeadlockError", err)
	}
	named := false
	for _, w := range d.Cycle {
		named = named || w.Call == self.Call() && w.Line > 0
	}
	if !named {
		t.Errorf("the cycle does not name the call that called RunLoop, and where: %v", d)
	}
}

// A call that RunLoop did not begin with is waited for as well: the shutdown finishes it.
func TestS4_AnotherTaskOfRunLoopThatWaitsForItsCallerIsRefused(t *testing.T) {
	gate := make(chan struct{})
	var self *hop.Pending[error]
	self = hop.Go(bg, hop.Goroutines, func(ctx context.Context) (error, error) {
		<-gate
		var other *hop.Pending[int]
		_, err := hop.RunLoop(ctx, nil, func(ctx context.Context) (int, error) {
			other = hop.Go(ctx, hop.CurrentLoop(), func(ctx context.Context) (int, error) { _, err := self.Wait(ctx); return 0, err })
			return 0, nil
		})
		if err != nil {
			return nil, err
		}
		_, err = other.Result()
		return err, nil
	})
	close(gate)
	if err := must(t, self); !errors.Is(err, hop.ErrDeadlock) {
		t.Errorf("the other task's wait: %v, want a deadlock", err)
	}
}

func TestS4_ATaskOfRunLoopThatWantsItsCallersPlaceOfALimiterIsRefused(t *testing.T) {
	limiter := hop.NewLimiter(1)
	p := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) {
		if err := limiter.Acquire(ctx); err != nil {
			return 0, err
		}
		defer limiter.Release()
		return hop.RunLoop(ctx, nil, func(ctx context.Context) (int, error) { return 0, limiter.Acquire(ctx) })
	})
	if err := waitErr(t, p); !errors.Is(err, hop.ErrDeadlock) {
		t.Errorf("error %v, want a deadlock", err)
	}
}

// No cycle is invented: a task of RunLoop may wait for what its caller has started, and for what waits for a third.
func TestS4_ATaskOfRunLoopMayWaitForOthers(t *testing.T) {
	p := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) {
		other := hop.Go(ctx, hop.Goroutines, func(ctx context.Context) (int, error) { return hop.Do(ctx, hop.Goroutines, value(5)) })
		return hop.RunLoop(ctx, nil, func(ctx context.Context) (int, error) {
			sibling := hop.Go(ctx, hop.CurrentLoop(), func(ctx context.Context) (int, error) { return other.Wait(ctx) })
			return sibling.Wait(ctx)
		})
	})
	if v := must(t, p); v != 5 {
		t.Errorf("result %d, want 5", v)
	}
}

func TestS25_AStopOfThePoolThatRunLoopIsCalledOn(t *testing.T) {
	for name, stop := range map[string]func(ctx context.Context, p *hop.Pool) error{
		"Shutdown": func(ctx context.Context, p *hop.Pool) error { return p.Shutdown(ctx) },
		"Close":    func(_ context.Context, p *hop.Pool) error { return p.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			pool := newPool(t, &hop.PoolOptions{Size: 1})
			told := make(chan error, 1)
			waitErr(t, hop.Go(bg, pool, func(ctx context.Context) (int, error) {
				return hop.RunLoop(ctx, nil, func(ctx context.Context) (int, error) { told <- stop(ctx, pool); return 0, nil })
			}))
			if err := <-told; !errors.Is(err, hop.ErrDeadlock) {
				t.Errorf("from a task of RunLoop: %v, want a deadlock", err)
			}
		})
	}
	t.Run("Close from a Manual loop", func(t *testing.T) {
		pool := newPool(t, &hop.PoolOptions{Size: 1})
		l := hop.NewLoop(&hop.LoopOptions{Manual: true})
		told := make(chan error, 1)
		l.Post(func() { told <- pool.Close() })
		waitErr(t, hop.Go(bg, pool, func(ctx context.Context) (int, error) { return 0, l.Run(ctx) }))
		if err := recv(t, "the answer of Close", told); !errors.Is(err, hop.ErrDeadlock) {
			t.Errorf("from a task of the loop: %v, want a deadlock", err)
		}
		closeAll(t, "the loop", l.Close)
	})
}

// The state of a call in RunLoop is Waiting, and its cancel ends the loop.
func TestACallInRunLoopIsSeenWaiting(t *testing.T) {
	inside := make(chan struct{})
	p := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) {
		return hop.RunLoop(ctx, nil, func(ctx context.Context) (int, error) { close(inside); return 0, hop.Sleep(ctx, time.Hour) })
	})
	recv(t, "the task", inside)
	if s := p.Call().State(); s != hop.Waiting {
		t.Errorf("state %v, want waiting", s)
	}
	p.Cancel(nil)
	if err := waitErr(t, p); !errors.Is(err, hop.ErrCancelled) {
		t.Errorf("error %v, want cancelled", err)
	}
}
