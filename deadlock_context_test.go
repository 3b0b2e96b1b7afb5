package hop_test

// The search for deadlocks, and contexts that are derived from those of calls.

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/gohop/hop"
)

type ctxKey struct{}

// endInTheSearch has a context end so that a search for deadlocks is the first to see it, and runs onDone when what is made under it ends.
func endInTheSearch(t *testing.T, onDone func()) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // so that nobody tells of end() before the search
	l := newLoop(t, nil)
	g := occupy(t, l)
	defer g.open()
	request, end := context.WithCancel(bg)
	var x, a *hop.Pending[int]
	made, start, ran := make(chan struct{}), make(chan struct{}), make(chan struct{})
	hop.Go(request, hop.Goroutines, func(ctx context.Context) (int, error) {
		kid := hop.Go(ctx, l, func(context.Context) (int, error) { return 0, nil }) // queued
		kid.OnDone(func() { onDone(); close(ran) })
		a = hop.Go(context.WithValue(ctx, ctxKey{}, 1), hop.Goroutines, func(ctx context.Context) (int, error) {
			<-start
			return x.Wait(ctx)
		})
		close(made)
		return a.Wait(ctx)
	})
	<-made
	m := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) { return a.Wait(ctx) })
	x = hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) {
		<-start
		untilWaiting(t, a.Call())
		untilWaiting(t, m.Call())
		end()
		return m.Wait(ctx)
	})
	close(start)
	recv(t, "OnDone", ran)
	waitErr(t, x)
}

// The search only looks: it runs under a lock, and on a goroutine whose wait has begun.
func TestS11_ASearchForDeadlocksRunsNoFunctions(t *testing.T) {
	t.Run("that wait", func(t *testing.T) {
		endInTheSearch(t, func() { hop.Sleep(bg, time.Millisecond) })
	})
	t.Run("that have others search", func(t *testing.T) {
		endInTheSearch(t, func() {
			done := make(chan struct{})
			go func() {
				hop.Run(bg, hop.Goroutines, func(ctx context.Context) error {
					return hop.CurrentCall(ctx).CancelWait(bg, nil) // refused, after a search
				})
				close(done)
			}()
			<-done
		})
	})
}

// Package context tells a context that is derived from a call's a moment after the call was cancelled.
func TestS4_CancelWaitOfACallThatWaitsForTheCallerWithAContextOfItsOwn(t *testing.T) {
	for range 50 {
		var x *hop.Pending[int]
		start := make(chan struct{})
		x = hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) {
			<-start
			a := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) {
				c, end := context.WithTimeout(context.WithValue(ctx, ctxKey{}, 1), time.Hour)
				defer end()
				return x.Wait(c) // ends when a is cancelled
			})
			untilWaiting(t, a.Call())
			return 0, a.CancelWait(ctx, nil)
		})
		close(start)
		must(t, x)
	}
}

// But where the context does not end with the call, the deadlock is one.
func TestS4_ACancelledCallThatWaitsWithAContextThatGoesOn(t *testing.T) {
	var x *hop.Pending[int]
	start := make(chan struct{})
	var refused error // whose wait is refused, is who looks last
	a := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) {
		hop.CurrentCall(ctx).Cancel(nil)
		c, end := context.WithTimeout(hop.Detach(ctx), time.Hour)
		defer end()
		<-start
		_, refused = x.Wait(c)
		return 0, nil
	})
	x = hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) {
		<-start
		untilWaiting(t, a.Call())
		return a.Wait(ctx)
	})
	close(start)
	err := waitErr(t, x)
	waitErr(t, a)
	if !errors.Is(err, hop.ErrDeadlock) && !errors.Is(refused, hop.ErrDeadlock) {
		t.Errorf("x: %v, a: %v; want one of them refused", err, refused)
	}
}
