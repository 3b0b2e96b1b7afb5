package hop_test

// Waiters: places that stop while they wait.

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gohop/hop"
)

// TestS25_AWorkerWhosePoolIsClosedFinishesWhatItServes: also what heeds its context late, sends more then, or waits for its context only.
func TestS25_AWorkerWhosePoolIsClosedFinishesWhatItServes(t *testing.T) {
	for name, f := range map[string]func(ctx context.Context, w *hop.Waiter){
		"cleans up": func(ctx context.Context, _ *hop.Waiter) {
			hop.Sleep(ctx, time.Hour)
			hop.Sleep(context.WithoutCancel(ctx), time.Second)
		},
		"sends": func(ctx context.Context, w *hop.Waiter) {
			hop.Sleep(ctx, time.Hour)
			hop.Go(bg, w, func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, nil })
		},
		"waits in plain Go": func(ctx context.Context, _ *hop.Waiter) { <-ctx.Done() },
	} {
		for _, done := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", done ", done), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := hop.NewPool(nil)
					w, promise := hop.NewWaiter(), hop.NewPromise[int](bg)
					hop.Go(bg, p, func(context.Context) (int, error) { return 0, w.Wait(bg, promise.Pending().Call()) })
					served := hop.Go(bg, w, func(ctx context.Context) (int, error) { f(ctx, w); return 0, nil })
					synctest.Wait()
					if done {
						promise.Resolve(1)
						synctest.Wait()
					}
					began := time.Now()
					p.Close()
					if d := time.Since(began); d > time.Second {
						t.Errorf("Close took %v", d)
					}
					wantState(t, served.Call(), hop.Cancelled)
				})
			})
		}
	}
}

// TestS8_TheWayBackOfWhatALoopServesWhileItShutsDown is that of the loop's own tasks.
func TestS8_TheWayBackOfWhatALoopServesWhileItShutsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := hop.NewLoop(nil)
		w, promise := hop.NewWaiter(), hop.NewPromise[int](bg)
		x := hop.Go(bg, l, func(ctx context.Context) (int, error) { return 0, w.Wait(ctx, promise.Pending().Call()) })
		served := hop.Go(bg, w, func(ctx context.Context) (int, error) {
			hop.Sleep(ctx, time.Second)
			return hop.Do(ctx, hop.Goroutines, func(ctx context.Context) (int, error) {
				return hop.Do(ctx, hop.Origin(ctx), func(context.Context) (int, error) { return 3, nil })
			})
		})
		synctest.Wait()
		go l.Shutdown(bg)
		if v, err := served.Wait(bg); v != 3 || err != nil {
			t.Errorf("%d, %v", v, err)
		}
		promise.Resolve(1)
		x.Wait(bg)
		<-l.Stopped()
	})
}

// TestS4_AWaitersWaitAfterOneThatWasRefused: it finishes what that one has accepted.
func TestS4_AWaitersWaitAfterOneThatWasRefused(t *testing.T) {
	for name, place := range map[string]func() (hop.Portal, func()){
		"goroutine": func() (hop.Portal, func()) { return hop.Goroutines, func() {} },
		"worker":    func() (hop.Portal, func()) { p := hop.NewPool(nil); return p, func() { p.Close() } },
		"task":      func() (hop.Portal, func()) { l := hop.NewLoop(nil); return l, func() { l.Close() } },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				on, end := place()
				defer end()
				w := hop.NewWaiter()
				served := hop.Go(bg, w, func(ctx context.Context) (int, error) { return 5, hop.Sleep(ctx, time.Minute) })
				gate := make(chan struct{})
				var x *hop.Pending[int]
				c := hop.New(bg, func(ctx context.Context) (int, error) { x.Wait(ctx); return 0, nil })
				x = hop.New(bg, func(ctx context.Context) (int, error) { <-gate; return 0, w.Wait(ctx, c.Call()) })
				on.Submit(x.Call())
				hop.Goroutines.Submit(c.Call())
				synctest.Wait()
				close(gate)
				_, err := x.Wait(bg)
				wantIs(t, err, hop.ErrDeadlock)
				c.Wait(bg)
				if err := w.Wait(bg, c.Call()); err != nil {
					t.Error(err)
				}
				if s := served.Call().State(); s != hop.Succeeded {
					t.Errorf("Wait has returned, and what was sent is %v", s)
				}
			})
		})
	}
}

// TestS25_AWorkerWhosePoolIsClosedFinishesWhatItServesInDo: the function waits in plain Go for its context, which is that of what Do waits for.
func TestS25_AWorkerWhosePoolIsClosedFinishesWhatItServesInDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := hop.NewPool(nil)
		served := make(chan *hop.Pending[int], 1)
		outer := hop.Go(bg, p, func(context.Context) (int, error) {
			return hop.Do(bg, hop.Goroutines, func(ctx context.Context) (int, error) {
				served <- hop.Go(ctx, hop.Origin(ctx), func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, ctx.Err() })
				<-ctx.Done()
				return 0, ctx.Err()
			})
		})
		synctest.Wait()
		began := time.Now()
		p.Close()
		if d := time.Since(began); d > time.Second {
			t.Errorf("Close took %v", d)
		}
		wantState(t, (<-served).Call(), hop.Cancelled)
		wantState(t, outer.Call(), hop.Cancelled)
	})
}
