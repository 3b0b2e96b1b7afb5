//go:build hopexplore

package model_test

import (
	"context"
	"errors"
	"testing"

	"github.com/gohop/hop"
	"github.com/gohop/hop/collect"
	"github.com/gohop/hop/internal/explore"
)

// TestGatherWhileItsPlaceStops: Gather's wait is ended while its calls end. It returns why, or their errors, but not that they have not ended.
func TestGatherWhileItsPlaceStops(t *testing.T) {
	ctx := context.Background()
	r := explore.Search(t, explore.Options{Strategy: explore.Random, Runs: 5_000}, func(x *explore.Trial) {
		l := hop.NewLoop(nil)
		var err error
		started := make(chan struct{}, 2)
		f := func(ctx context.Context) (int, error) {
			started <- struct{}{}
			<-ctx.Done()
			return 0, ctx.Err()
		}
		l.Post(func() { _, err = collect.Gather(ctx, hop.Goroutines, f, f) })
		<-started
		<-started
		l.Close()
		if err == nil || errors.Is(err, hop.ErrNotDone) {
			x.Errorf("Gather: %v", err)
		}
	})
	if r.Failure != nil {
		t.Error(r.Failure.Error())
	}
}
