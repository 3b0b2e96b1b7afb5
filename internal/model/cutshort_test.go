//go:build hopexplore

package model_test

import (
	"context"
	"errors"
	"testing"

	"github.com/gohop/hop"
	"github.com/gohop/hop/internal/explore"
)

// TestCutShort: a loop is closed while a task begins a wait that is refused, and then waits for nothing but its context:
// it is cancelled all the same, at whatever moment the close looks (S25).
func TestCutShort(t *testing.T) {
	for _, s := range []explore.Strategy{explore.Random, explore.PCT} {
		r := explore.Search(t, explore.Options{Strategy: s, Runs: 5_000}, func(x *explore.Trial) {
			l := hop.NewLoop(&hop.LoopOptions{Name: "l", StallAfter: -1})
			mine := make(chan *hop.Pending[int], 1)
			in := make(chan struct{})
			mine <- hop.Go(context.Background(), l, func(ctx context.Context) (int, error) {
				self := <-mine
				hop.Sleep(ctx, 1) // from now on it is not among what the loop took last
				close(in)
				if _, err := self.Wait(ctx); !errors.Is(err, hop.ErrDeadlock) && ctx.Err() == nil {
					x.Errorf("the wait for itself: %v", err)
				}
				<-ctx.Done()
				return 0, nil
			})
			<-in
			if err := l.Close(); err != nil {
				x.Errorf("Close: %v", err)
			}
		})
		if r.Failure != nil {
			t.Error(r.Failure.Error())
		}
	}
}
