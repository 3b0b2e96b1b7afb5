package hop_test

import (
	"context"
	"errors"
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
