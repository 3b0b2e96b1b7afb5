//go:build hopexplore

package model_test

import (
	"context"
	"slices"
	"testing"

	"github.com/gohop/hop"
	"github.com/gohop/hop/internal/explore"
)

// TestOvertaken: two goroutines submit to a pool whose one place becomes free. What one of them submits runs in its order, though the other
// may be about to feed the pool with what both have queued (S22).
func TestOvertaken(t *testing.T) {
	for _, s := range []explore.Strategy{explore.Random, explore.PCT} {
		r := explore.Search(t, explore.Options{Strategy: s, Runs: 20_000}, func(x *explore.Trial) {
			p := hop.NewPool(&hop.PoolOptions{Name: "p", Size: 1})
			defer p.Close()
			nothing := func() {}
			p.Post(nothing)
			x.Go("other", func() { p.Post(nothing) })
			var order []int // there is one place
			var last *hop.Pending[int]
			for i := range 3 {
				last = hop.Go(context.Background(), p, func(context.Context) (int, error) { order = append(order, i); return i, nil })
			}
			last.Wait(context.Background())
			if !slices.IsSorted(order) {
				x.Errorf("they ran in the order %v", order)
			}
		})
		if r.Failure != nil {
			t.Error(r.Failure.Error())
		}
	}
}
