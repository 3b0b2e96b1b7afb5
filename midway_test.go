package hop_test

// What happens while a stop has cancelled, but not yet told, and on a goroutine whose wait is not over.

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gohop/hop"
)

// halfCancelled is a pool of one, and cancels it from a goroutine of its own as far as to a call that runs: what is queued is cancelled by then, and told
// when the gate is opened.
func halfCancelled(t *testing.T) (pool *hop.Pool, cancel func(), tell *gate) {
	pool = newPool(t, &hop.PoolOptions{Size: 1})
	tell = newGate(t)
	started := make(chan struct{})
	busy := hop.Go(bg, pool, func(context.Context) (int, error) { close(started); tell.pass(); return 0, nil })
	recv(t, "the call that runs", started)
	asked := make(chan struct{})
	ask := sync.OnceFunc(func() { close(asked); tell.pass() })
	busy.Cancel(&asksError{ask}) // which it does not heed, so that the next cause is compared with this one
	return pool, func() {
		go pool.Close()
		recv(t, "the cause of the call that runs is asked", asked)
	}, tell
}

// A wait in a group with a Limit takes its place back when it ends. That there is room for another member then is for those to see who have made it:
// what that member runs may wait, and the goroutine has a wait already.
func TestS34_NothingRunsInTheMidstOfAWait(t *testing.T) {
	taken := hop.NewLimiter(1)
	taken.Acquire(bg)
	waits := map[string]func(ctx context.Context) error{
		"Wait":    func(ctx context.Context) error { _, err := hop.NewPromise[int](bg).Pending().Wait(ctx); return err },
		"Sleep":   func(ctx context.Context) error { return hop.Sleep(ctx, time.Hour) },
		"Event":   func(ctx context.Context) error { return new(hop.Event).Wait(ctx) },
		"Acquire": func(ctx context.Context) error { return taken.Acquire(ctx) },
		"Recv":    func(ctx context.Context) error { _, _, err := hop.Recv(ctx, make(chan int)); return err },
	}
	for name, wait := range waits {
		for place, on := range map[string]hop.Portal{"goroutine": hop.Goroutines, "loop": newLoop(t, nil), "worker": newPool(t, nil)} {
			t.Run(name+" on a "+place, func(t *testing.T) {
				pool, cancelPool, tell := halfCancelled(t)
				hop.WithGroup(bg, &hop.GroupOptions{Limit: 2, KeepGoing: true}, func(ctx context.Context) error {
					limited, end := context.WithCancel(bg)
					waiter := hop.Go(ctx, on, func(context.Context) (int, error) { return 1, wait(limited) })
					untilWaiting(t, waiter.Call())
					for range 2 { // they have the places, and stand in the queue of the pool
						hop.Go(ctx, pool, mustNotRun(t))
					}
					hop.Go(ctx, atOnce{}, func(ctx context.Context) (int, error) { return 0, hop.Sleep(ctx, 1) }) // is held back
					cancelPool()
					end()
					err := waitErr(t, waiter)
					wantIs(t, err, context.Canceled)
					_ = err.Error()
					tell.open()
					return nil
				})
			})
		}
	}
}

// A Close of a pool ends the waits that stand, and not those that begin after its cancel, to clean up: as on a loop.
func TestS25_WaitsThatBeginAfterTheCancelGoOn(t *testing.T) {
	pool := newPool(t, nil)
	var cleaning atomic.Bool
	first := hop.Go(bg, pool, func(ctx context.Context) (int, error) {
		wantIs(t, hop.Sleep(ctx, time.Hour), context.Canceled)
		cleaning.Store(true)
		if err := hop.Sleep(hop.Detach(ctx), 10*time.Millisecond); err != nil {
			t.Error(err)
		}
		return 1, nil
	})
	untilWaiting(t, first.Call())
	last := hop.Go(bg, pool, func(context.Context) (int, error) { return 0, new(hop.Event).Wait(bg) })
	untilWaiting(t, last.Call())
	last.Cancel(&asksError{func() { // which it does not heed, so that the next cause is compared with this one, when the first has been cancelled
		eventually(t, "the first waits again", func() bool {
			return cleaning.Load() && first.Call().State() == hop.Waiting || first.Call().State().Done()
		})
	}})
	within(t, patience, "Close", func() { pool.Close() })
	wantIs(t, waitErr(t, last), hop.ErrStopped)
}

// A member that gets its place while its portal stops is cancelled, and its OnDone function may wait for the next one.
func TestS34_WhoIsToldOfAMemberThatItsPortalCancels(t *testing.T) {
	for name, portal := range busyKinds {
		t.Run(name, func(t *testing.T) {
			on := portal(t)
			first := newGate(t)
			begun, stopping, closed := make(chan struct{}), make(chan struct{}), make(chan struct{})
			above := hop.Go(bg, on, func(ctx context.Context) (int, error) { // unfinished, so that the portal takes what is made under it
				group := hop.Go(hop.Detach(ctx), hop.Goroutines, func(ctx context.Context) (int, error) {
					return 0, hop.WithGroup(ctx, &hop.GroupOptions{Limit: 1}, func(ctx context.Context) error {
						hop.Go(ctx, hop.Goroutines, func(context.Context) (int, error) { close(begun); first.pass(); return 1, nil })
						second, third := hop.Go(ctx, on, mustNotRun(t)), hop.Go(ctx, hop.Goroutines, value(3))
						second.OnDone(func() { third.Wait(bg) })
						return nil
					})
				})
				_, err := group.Wait(hop.Detach(ctx))
				wantIs(t, err, hop.ErrStopped)
				close(stopping)
				return group.Wait(hop.Detach(ctx))
			})
			recv(t, "the start of the first member", begun)
			untilWaiting(t, above.Call())
			go func() {
				on.(interface{ Close() error }).Close()
				close(closed)
			}()
			recv(t, "the cancel", stopping)
			first.open()
			recv(t, "the end of Close", closed)
		})
	}
}

// The same where a Waiter cancels it, since the call that it waits for is cancelled.
func TestS34_WhoIsToldOfAMemberThatAWaiterCancels(t *testing.T) {
	first := newGate(t)
	begun := make(chan struct{})
	w := hop.NewWaiter()
	awaited := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) {
		return 0, hop.WithGroup(ctx, &hop.GroupOptions{Limit: 1, Shield: true}, func(ctx context.Context) error {
			hop.Go(ctx, hop.Goroutines, func(context.Context) (int, error) { close(begun); first.pass(); return 1, nil })
			second, third := hop.Go(ctx, w, mustNotRun(t)), hop.Go(ctx, hop.Goroutines, value(3))
			second.OnDone(func() { third.Wait(bg) })
			return nil
		})
	})
	waits := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) { return 0, w.Wait(ctx, awaited.Call()) })
	untilWaiting(t, waits.Call())
	recv(t, "the start of the first member", begun)
	awaited.Cancel(nil)
	first.open()
	waitErr(t, waits)
	waitErr(t, awaited)
}
