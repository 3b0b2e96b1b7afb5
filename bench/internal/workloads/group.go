package workloads

import (
	"context"
	"sync"

	"github.com/sourcegraph/conc/pool"
	"golang.org/x/sync/errgroup"

	"github.com/gohop/hop"
	"github.com/gohop/hop/bench/internal/harness"
)

// groupSides wait for n calls together; the calls write their results into a slice.
func groupSides(n int) []harness.Side {
	return []harness.Side{
		side(hopSide, harness.Hop, gathered(n, func(put func(i int)) error {
			return hop.WithGroup(background, nil, func(ctx context.Context) error {
				for i := range n {
					hop.Go(ctx, hop.Goroutines, func(context.Context) (struct{}, error) {
						put(i)
						return struct{}{}, nil
					})
				}
				return nil
			})
		})),
		side("errgroup", harness.Library, gathered(n, func(put func(i int)) error {
			group, _ := errgroup.WithContext(background)
			for i := range n {
				group.Go(func() error {
					put(i)
					return nil
				})
			}
			return group.Wait()
		})),
		side("conc", harness.Library, gathered(n, func(put func(i int)) error {
			group := pool.New().WithErrors().WithContext(background)
			for i := range n {
				group.Go(func(context.Context) error {
					put(i)
					return nil
				})
			}
			return group.Wait()
		})),
		side("WaitGroup", harness.Plain, gathered(n, func(put func(i int)) error {
			var group sync.WaitGroup
			for i := range n {
				group.Go(func() { put(i) })
			}
			group.Wait()
			return nil
		})),
	}
}

// gathered makes the start of a side whose batch must put every square.
func gathered(n int, batch func(put func(i int)) error) func() (*harness.Run, error) {
	return func() (*harness.Run, error) {
		results := make([]int, n)
		put := func(i int) { results[i] = square(i) }
		return &harness.Run{Do: harness.Every(func() error {
			clear(results)
			if err := batch(put); err != nil {
				return err
			}
			sum := 0
			for _, v := range results {
				sum += v
			}
			return harness.Same("the sum of the results", sum, sumOfSquares(n))
		})}, nil
	}
}
