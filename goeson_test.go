package hop_test

// Functions that go on after their call was cancelled.

import (
	"context"
	"testing"

	"github.com/gohop/hop"
)

func TestS18_AFunctionThatIsAbandonedWhileItWaits(t *testing.T) {
	for name, threads := range map[string]bool{"goroutines": false, "threads": true} {
		t.Run(name, func(t *testing.T) {
			pool := newPool(t, &hop.PoolOptions{Size: 1, Threads: threads})
			var e hop.Event
			p := hop.Go(bg, pool, func(ctx context.Context) (int, error) {
				return 1, e.Wait(context.WithoutCancel(ctx))
			}, hop.Abandon())
			untilWaiting(t, p.Call())
			if !p.Cancel(errEnough) {
				t.Error("Cancel: false")
			}
			wantIs(t, waitErr(t, p), errEnough)
			if s := pool.Stats(); s.Abandoned != 1 || s.Waiting != 0 || s.Running != 0 {
				t.Errorf("Stats %+v, want one Abandoned and nothing else", s)
			}
			must(t, hop.Go(bg, pool, value(1))) // its place is free

			ctx, cancel := context.WithCancel(bg)
			cancelled := make(chan error, 1)
			waiter := hop.Go(bg, hop.Goroutines, func(context.Context) (int, error) {
				cancelled <- p.CancelWait(ctx, nil)
				return 0, nil
			})
			untilWaiting(t, waiter.Call())
			cancel()
			wantIs(t, recv(t, "CancelWait whose context ended", cancelled), context.Canceled)
			e.Set()
			within(t, patience, "CancelWait", func() {
				if err := p.CancelWait(bg, nil); err != nil {
					t.Error(err)
				}
			})
			eventually(t, "it has come back", func() bool { s := pool.Stats(); return s.Abandoned == 0 && s.Running == 0 })
		})
	}
}

func TestS16_DoneAndAfterFuncOfACallsContextThatHasEnded(t *testing.T) {
	// What package context asks of contexts that are not its own.
	p := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (context.Context, error) { return ctx, nil }, hop.Name("over"))
	ctx := must(t, p)
	if ctx.Err() != nil {
		t.Fatalf("a call that has succeeded has an ended context: %v", ctx.Err())
	}
	over := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) {
		hop.CurrentCall(ctx).Cancel(errEnough)
		recv(t, "Done, asked for only now", ctx.Done())
		ran := make(chan struct{})
		stop := ctx.(interface{ AfterFunc(func()) func() bool }).AfterFunc(func() { close(ran) })
		recv(t, "the function", ran)
		if stop() {
			t.Error("stop says that it has prevented what has run")
		}
		return 0, nil
	})
	wantIs(t, waitErr(t, over), errEnough)
}

// What a function has left behind hears of the end of the context above, by whatever way it listens.
func TestS16_WhatIsLeftBehindHearsOfTheEndAbove(t *testing.T) {
	above, end := context.WithCancelCause(bg)
	upper := hop.Go(above, hop.Goroutines, func(ctx context.Context) (int, error) {
		left := func(derive bool) (done, derived <-chan struct{}) {
			hop.Do(ctx, hop.Goroutines, func(ctx context.Context) (int, error) {
				done = ctx.Done()
				if derive {
					ctx, cancel := context.WithCancel(ctx)
					context.AfterFunc(ctx, cancel)
					derived = ctx.Done()
				}
				return 0, nil
			})
			return done, derived
		}
		only, _ := left(false)
		done, derived := left(true)
		end(errEnough)
		recv(t, "the end of a Done", only)
		recv(t, "the end of a Done beside a context that is derived", done)
		recv(t, "the end of a derived context", derived)
		return 0, nil
	})
	wantCancelled(t, waitErr(t, upper))
}

// The end of the context above came first, though nobody has heard of it: its cause is the call's.
func TestS16_TheFirstCauseIsTheContextsThoughACancelIsToldFirst(t *testing.T) {
	above, end := context.WithCancelCause(bg)
	in, out := make(chan struct{}), make(chan struct{})
	var cause error
	p := hop.Go(above, hop.Goroutines, func(ctx context.Context) (int, error) {
		close(in)
		<-out
		cause = context.Cause(ctx)
		return 0, nil
	})
	<-in
	end(errOther)
	p.Cancel(errEnough)
	close(out)
	err := waitErr(t, p)
	wantIs(t, err, errOther)
	wantIs(t, err, errEnough)
	wantIs(t, cause, errOther)
}
