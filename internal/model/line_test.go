//go:build hopexplore

package model_test

import (
	"context"
	"slices"
	"testing"

	"github.com/gohop/hop"
	"github.com/gohop/hop/internal/explore"
)

// TestInLine: who has seen that a call waits comes after it, in the line of what both wait for (S9).
func TestInLine(t *testing.T) {
	ctx := context.Background()
	for name, on := range map[string]func() (hop.Portal, func()){
		"goroutine": func() (hop.Portal, func()) { return hop.Goroutines, func() {} },
		"loop":      func() (hop.Portal, func()) { l := hop.NewLoop(nil); return l, func() { l.Close() } },
	} {
		t.Run(name, func(t *testing.T) {
			seen := 0
			r := explore.Search(t, explore.Options{Strategy: explore.Random, Runs: 5_000}, func(x *explore.Trial) {
				portal, end := on()
				defer end()
				limiter := hop.NewLimiter(1)
				limiter.TryAcquire()
				var order []int // whoever has the place writes
				pass := func(ctx context.Context, i int) (int, error) {
					if err := limiter.Acquire(ctx); err != nil {
						x.Errorf("Acquire: %v", err)
						return 0, nil
					}
					order = append(order, i)
					limiter.Release()
					return 0, nil
				}
				first := hop.Go(ctx, portal, func(ctx context.Context) (int, error) { return pass(ctx, 1) })
				over := make(chan struct{})
				x.Go("second", func() {
					defer close(over)
					if first.Call().State() == hop.Waiting {
						seen++
						pass(ctx, 2)
					}
				})
				limiter.Release()
				<-over
				<-first.Done()
				if !slices.IsSorted(order) {
					x.Errorf("they passed in the order %v", order)
				}
			})
			if r.Failure != nil {
				t.Error(r.Failure.Error())
			}
			if seen == 0 {
				t.Error("the second has never seen the first wait")
			}
			t.Logf("the second has seen the first wait in %d runs", seen)
		})
	}
}
