package hop_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gohop/hop"
)

// A wait with a group's context ends with it, whatever ends it.
func TestS34_AWaitWithTheGroupsContextEndsWithIt(t *testing.T) {
	errFell := errors.New("fell")
	outer := errors.New("the outer context's cause")
	for name, end := range map[string]struct {
		o     hop.GroupOptions
		end   func(ctx context.Context, on hop.Portal, call *hop.Call, cancel context.CancelCauseFunc)
		is    error
		cause error
	}{
		"a member fails": {
			end: func(ctx context.Context, on hop.Portal, _ *hop.Call, _ context.CancelCauseFunc) {
				hop.Go(ctx, on, failure(errFell))
			}, is: context.Canceled, cause: errFell,
		},
		"Cancel": {
			end: func(ctx context.Context, _ hop.Portal, _ *hop.Call, _ context.CancelCauseFunc) {
				g := hop.CurrentGroup(ctx)
				time.AfterFunc(time.Second, func() { g.Cancel(errFell) })
			}, is: context.Canceled, cause: errFell,
		},
		"Timeout": {
			o:   hop.GroupOptions{Timeout: time.Second},
			end: func(context.Context, hop.Portal, *hop.Call, context.CancelCauseFunc) {},
			is:  context.Canceled, cause: context.DeadlineExceeded,
		},
		"the call is cancelled": {
			end: func(_ context.Context, _ hop.Portal, call *hop.Call, _ context.CancelCauseFunc) {
				time.AfterFunc(time.Second, func() { call.Cancel(errFell) })
			}, is: context.Canceled, cause: errFell,
		},
		"the context above ends": {
			end: func(_ context.Context, _ hop.Portal, _ *hop.Call, cancel context.CancelCauseFunc) {
				time.AfterFunc(time.Second, func() { cancel(outer) })
			}, is: context.Canceled, cause: outer,
		},
		"with Shield, Cancel": {
			o: hop.GroupOptions{Shield: true},
			end: func(ctx context.Context, _ hop.Portal, _ *hop.Call, cancel context.CancelCauseFunc) {
				cancel(outer)
				g := hop.CurrentGroup(ctx)
				time.AfterFunc(time.Second, func() { g.Cancel(errFell) })
			}, is: context.Canceled, cause: errFell,
		},
	} {
		t.Run(name, func(t *testing.T) {
			everywhereInBubble(t, func(t *testing.T, on hop.Portal) {
				var never hop.Event
				call := make(chan *hop.Call, 1)
				p := hop.Go(bg, on, func(ctx context.Context) (int, error) {
					c := <-call
					above, cancel := context.WithCancelCause(ctx)
					defer cancel(nil)
					begin := time.Now()
					hop.WithGroup(above, &end.o, func(ctx context.Context) error {
						end.end(ctx, on, c, cancel)
						for again := range 2 { // the second wait begins when the context is over
							err := never.Wait(ctx)
							wantIs(t, err, end.is)
							wantIs(t, err, end.cause)
							if took := time.Since(begin); took > time.Second {
								t.Errorf("wait %d ended after %v", again, took)
							}
						}
						return nil
					})
					return 1, nil
				})
				call <- p.Call()
				p.Wait(bg)
			})
		})
	}
}

// What outlives its group hears that the group is over.
func TestS34_AWaitWithTheContextOfAGroupThatIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var never hop.Event
		l := newLoop(t, nil)
		var late *hop.Pending[int]
		begin := make(chan struct{})
		must(t, hop.Go(bg, l, func(ctx context.Context) (int, error) {
			return 1, hop.WithGroup(ctx, nil, func(ctx context.Context) error {
				late = hop.Go(hop.Detach(ctx), l, func(context.Context) (int, error) {
					wantIs(t, never.Wait(ctx), hop.ErrClosed)
					<-begin
					wantIs(t, never.Wait(ctx), hop.ErrClosed)
					return 2, nil
				})
				return hop.Sleep(ctx, time.Second) // it waits now
			})
		}))
		close(begin)
		must(t, late)
	})
}

// A wait of a task with a group's context costs one allocation, of 48 bytes.
func TestAllocations_AWaitWithAGroupsContext(t *testing.T) {
	if raceEnabled || wasm {
		t.Skip("the race detector allocates, and so does telling goroutines apart on wasm")
	}
	l := newLoop(t, nil)
	must(t, hop.Go(bg, l, func(ctx context.Context) (int, error) {
		return 1, hop.WithGroup(ctx, nil, func(ctx context.Context) error {
			if n := testing.AllocsPerRun(100, func() { hop.Yield(ctx) }); n != 1 {
				t.Errorf("%v allocations", n)
			}
			return nil
		})
	}))
}

// The end of its context is nothing to a group that is over.
func TestS34_AGroupThatIsOverIsNotCancelledByItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, end := context.WithCancel(bg)
		var g *hop.Group
		hop.WithGroup(ctx, nil, func(ctx context.Context) error { g = hop.CurrentGroup(ctx); return nil })
		end()
		synctest.Wait()
		if g.Cancelled() {
			t.Error("it was cancelled after its end")
		}
	})
}

// The context has ended while f ran, and f returns before the group has been told.
func TestS34_AGroupWhoseContextHasJustEnded(t *testing.T) {
	for range 100 {
		ctx, end := context.WithCancelCause(bg)
		var g *hop.Group
		err := hop.WithGroup(ctx, &hop.GroupOptions{KeepGoing: true}, func(ctx context.Context) error {
			g = hop.CurrentGroup(ctx)
			end(errEnough)
			return ctx.Err()
		})
		wantIs(t, err, context.Canceled)
		wantIs(t, err, errEnough)
		if !g.Cancelled() {
			t.Fatal("it was not cancelled")
		}
	}
}

// endsGroup is a context that, when it is asked for its Done, cancels a group.
type endsGroup struct {
	context.Context
	g *hop.Group
}

func (c endsGroup) Done() <-chan struct{} {
	c.g.Cancel(errEnough)
	return c.Context.Done()
}

// The group is cancelled when a task has begun to wait with its context, and is not suspended yet.
func TestS34_AGroupIsCancelledWhileAWaitWithItsContextBegins(t *testing.T) {
	l := newLoop(t, nil)
	p := hop.Go(bg, l, func(ctx context.Context) (int, error) {
		return 0, hop.WithGroup(ctx, nil, func(gctx context.Context) error {
			far, end := context.WithCancel(bg)
			defer end()
			never := hop.NewPromise[int](endsGroup{far, hop.CurrentGroup(gctx)})
			_, err := never.Pending().Wait(gctx)
			wantIs(t, err, errEnough)
			return nil
		})
	})
	must(t, p)
}

// TestS34_AMemberWhoseOwnContextEndsIsNotWaitedFor: it is done at once for WithGroup, who waits for it, though its place be stuck or it have none (S17).
func TestS34_AMemberWhoseOwnContextEndsIsNotWaitedFor(t *testing.T) {
	members := map[string]func(ctx context.Context, stuck *hop.Loop, full *hop.Pool){
		"a promise":               func(ctx context.Context, _ *hop.Loop, _ *hop.Pool) { hop.NewPromise[int](ctx) },
		"not due":                 func(ctx context.Context, l *hop.Loop, _ *hop.Pool) { hop.After(ctx, 2*time.Hour, l, zero) },
		"queued on a stuck loop":  func(ctx context.Context, l *hop.Loop, _ *hop.Pool) { hop.Go(ctx, l, zero) },
		"queued on a full pool":   func(ctx context.Context, _ *hop.Loop, p *hop.Pool) { hop.Go(ctx, p, zero) },
		"abandoned while it runs": func(ctx context.Context, _ *hop.Loop, _ *hop.Pool) { hop.Go(ctx, hop.Goroutines, deaf, hop.Abandon()) },
		"under another that is cancelled": func(ctx context.Context, l *hop.Loop, _ *hop.Pool) {
			hop.Go(ctx, hop.Goroutines, func(ctx context.Context) (int, error) {
				hop.Go(ctx, l, zero)
				return 0, hop.Sleep(ctx, time.Hour)
			}, hop.Timeout(time.Minute))
		},
	}
	for name, member := range members {
		for _, late := range []bool{false, true} { // made when WithGroup waits already
			for _, o := range []*hop.GroupOptions{nil, {Limit: 5}} {
				t.Run(fmt.Sprint(name, ", late ", late, ", limit ", o != nil), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						l, p, release := hop.NewLoop(&hop.LoopOptions{StallAfter: -1}), hop.NewPool(&hop.PoolOptions{Size: 1}), make(chan struct{})
						defer func() {
							time.Sleep(3 * time.Hour) // of the bubble: what was abandoned has returned
							close(release)
							l.Close()
							p.Close()
						}()
						stuck := func(context.Context) (int, error) { <-release; return 0, nil }
						hop.Go(bg, l, stuck)
						hop.Go(bg, p, stuck)
						began := time.Now()
						err := hop.WithGroup(bg, o, func(ctx context.Context) error {
							own, cancel := context.WithTimeout(ctx, time.Minute)
							time.AfterFunc(time.Hour, cancel)
							if !late {
								member(own, l, p)
								return nil
							}
							hop.Go(ctx, hop.Goroutines, func(ctx context.Context) (int, error) {
								hop.Sleep(ctx, time.Second)
								own, cancel := context.WithTimeout(ctx, time.Minute)
								time.AfterFunc(time.Hour, cancel)
								member(own, l, p)
								return 0, nil
							})
							return nil
						})
						if d := time.Since(began); d > 2*time.Minute {
							t.Errorf("WithGroup returned after %v: %v", d, err)
						}
					})
				})
			}
		}
	}
}

func zero(context.Context) (int, error) { return 0, nil }

// deaf does not heed its context.
func deaf(context.Context) (int, error) {
	time.Sleep(2 * time.Hour) // of a bubble
	return 0, nil
}
