//go:build hopexplore

package model_test

import (
	"context"
	"errors"
	"testing"

	"github.com/gohop/hop"
	"github.com/gohop/hop/internal/explore"
)

// TestLeftBehind: a goroutine that a call has left behind sends while the call ends and its pool stops. What the pool accepts is run or ended,
// though the pool may have looked for the call, and found it unfinished, before its end (S24).
func TestLeftBehind(t *testing.T) {
	for _, s := range []explore.Strategy{explore.Random, explore.PCT} {
		r := explore.Search(t, explore.Options{Strategy: s, Runs: 20_000}, func(x *explore.Trial) {
			p := hop.NewPool(&hop.PoolOptions{Name: "p", Size: 1})
			sent := make(chan *hop.Pending[int], 1)
			hop.Go(context.Background(), p, func(ctx context.Context) (int, error) {
				x.Go("left behind", func() {
					sent <- hop.Go(ctx, p, func(context.Context) (int, error) { return 1, nil })
				})
				return 0, nil
			})
			if err := p.Shutdown(context.Background()); err != nil {
				x.Errorf("Shutdown: %v", err)
			}
			if _, err := (<-sent).Result(); errors.Is(err, hop.ErrNotDone) {
				x.Errorf("the pool has ended, and the call has not")
			}
		})
		if r.Failure != nil {
			t.Error(r.Failure.Error())
		}
	}
}
