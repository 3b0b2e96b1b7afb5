package hop_test

// Waiters: waits that end before the call, in tasks and elsewhere.

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/gohop/hop"
)

func TestWaiter_WaitWithAContextThatIsOverCancels(t *testing.T) {
	w := hop.NewWaiter()
	k := hop.Go(bg, w, func(context.Context) (int, error) { return 0, nil })
	ctx, end := context.WithCancel(bg)
	end()
	w.Wait(ctx, hop.NewPromise[int](bg).Pending().Call())
	if k.Call().State() != hop.Cancelled {
		t.Error(k)
	}
}

func TestWaiter_HeedsItsContextToTheEnd(t *testing.T) {
	for _, on := range []hop.Portal{hop.Goroutines, newLoop(t, nil)} {
		w := hop.NewWaiter()
		c := hop.NewPromise[int](bg)
		started := make(chan struct{})
		x := hop.Go(bg, on, func(ctx context.Context) (int, error) { return 0, w.Wait(ctx, c.Pending().Call()) })
		k := hop.Go(bg, w, func(ctx context.Context) (int, error) { close(started); return 0, hop.Sleep(ctx, time.Hour) })
		recv(t, "start", started)
		c.Resolve(1)
		x.Cancel(nil)
		recv(t, "the end of the wait for what was submitted", x.Done())
		wantCancelled(t, waitErr(t, k))
	}
}

func TestWaiter_BetweenTwoWaitsOfTasks(t *testing.T) {
	l := newLoop(t, nil)
	w, c := hop.NewWaiter(), hop.NewPromise[int](bg)
	hop.Run(bg, l, func(ctx context.Context) error {
		short, end := context.WithTimeout(ctx, time.Millisecond)
		defer end()
		return w.Wait(short, c.Pending().Call())
	})
	k := hop.Go(bg, w, func(context.Context) (int, error) { return 0, nil })
	hop.Run(bg, l, func(context.Context) error { return nil }) // what came before it on l has run
	if k.Call().State() != hop.Queued {
		t.Errorf("nobody waits: %v", k)
	}
	l.Close()
	k = hop.Go(bg, w, func(context.Context) (int, error) { return 0, nil })
	if k.Call().State() != hop.Queued {
		t.Errorf("a later Wait may go on: %v", k.Call().Err())
	}
	c.Resolve(1)
	w.Wait(bg, c.Pending().Call())
}

func TestS8_TheSecondWaiterIsTheOriginWhenTheFirstHasGone(t *testing.T) {
	ask := make(chan struct{})
	c := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (bool, error) { <-ask; return hop.Origin(ctx) != nil, nil })
	short, end := context.WithCancel(bg)
	wait1 := hop.Go(short, hop.Goroutines, func(ctx context.Context) (int, error) { return 0, hop.NewWaiter().Wait(ctx, c.Call()) })
	untilWaiting(t, wait1.Call())
	wait2 := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) { return 0, hop.NewWaiter().Wait(ctx, c.Call()) })
	untilWaiting(t, wait2.Call())
	end()
	waitErr(t, wait1)
	close(ask)
	if !must(t, c) {
		t.Error("a goroutine is blocked in Waiter.Wait for the call, and Origin is nil")
	}
}

func TestWaiter_AnOnDoneThatEndsTheGoroutine(t *testing.T) {
	w, c := hop.NewWaiter(), hop.NewPromise[int](bg)
	second := make(chan struct{})
	w.OnDone(func(context.Context) { runtime.Goexit() })
	w.OnDone(func(context.Context) { close(second) })
	c.Resolve(1)
	go w.Wait(bg, c.Pending().Call())
	recv(t, "the second", second)
}
