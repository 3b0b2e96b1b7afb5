package hop_test

import (
	"context"
	"errors"
	"testing"

	"github.com/gohop/hop"
)

func TestS4_AnAbandonedFunctionHoldsItsPlaceOfALimiter(t *testing.T) {
	// The call is done, but its function goes on: it has the place, and waits for who wants it.
	within(t, patience, "the circle", func() {
		limit, abandoned := hop.NewLimiter(1), make(chan struct{})
		results := make(chan error, 2)
		outer := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) {
			if err := limit.Acquire(ctx); err != nil {
				return 0, err
			}
			defer limit.Release()
			inner := hop.Go(hop.Detach(ctx), hop.Goroutines, func(ctx context.Context) (int, error) {
				<-abandoned
				if err := limit.Acquire(ctx); err != nil {
					results <- err
					return 0, err
				}
				defer limit.Release()
				results <- nil
				return 0, nil
			})
			_, err := inner.Wait(bg)
			results <- err
			return 0, err
		}, hop.Abandon())
		untilWaiting(t, outer.Call())
		outer.Cancel(nil)
		close(abandoned)
		if err := <-results; !errors.Is(err, hop.ErrDeadlock) {
			t.Errorf("the first to be told: %v", err)
		}
		<-results
	})
}
