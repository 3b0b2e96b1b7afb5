package workloads

import (
	"context"
	"sync"

	"github.com/sourcegraph/conc/pool"
	"golang.org/x/sync/errgroup"

	"github.com/gohop/hop"
	"github.com/gohop/hop/bench/internal/harness"
	"github.com/gohop/hop/collect"
)

func b11(z Size) harness.Workload {
	w := harness.Workload{
		ID:    "B11",
		Title: "AsCompleted and Group over 100 to 1,000,000 calls",
		About: "AsCompleted: small calls on a pool of eight, the results taken as they come and added up; beside it, eight goroutines and two channels, " +
			"and errgroup and conc with a limit of eight that send their results to a channel. Group: a goroutine for each call, all waited for " +
			"together, their results in a slice that is added up after; errgroup and conc without a limit, and a WaitGroup. The cost of one call " +
			"among the most is also compared with that among 10,000.",
	}
	for _, kind := range []struct {
		name  string
		floor string
		sides func(n int) []harness.Side
	}{{"AsCompleted", FloorSwap, streamSides}, {"Group", FloorStart, groupSides}} {
		for _, n := range []int{100, 10_000, z.Million} {
			c := harness.Case{
				Name: kind.name + ", " + grouped(n), Unit: harness.Nanoseconds, Of: "a call", Each: n, Whole: n > 10_000, Floor: kind.floor,
				Sides:   kind.sides(n),
				Targets: []harness.Target{{Stat: harness.Value, Max: 1}},
			}
			if c.Whole {
				c.Weight = 3
				c.Targets = append(c.Targets,
					harness.Target{Stat: harness.Value, Max: 2, Label: "linear", Case: kind.name + ", 10,000"})
			}
			w.Cases = append(w.Cases, c)
		}
	}
	return w
}

func streamSides(n int) []harness.Side {
	return []harness.Side{
		side(hopSide, harness.Hop, func() (*harness.Run, error) { return streamHop(n) }),
		side("channels", harness.Plain, func() (*harness.Run, error) { return streamChannels(n) }),
		side("errgroup + channel", harness.Library, func() (*harness.Run, error) { return streamErrgroup(n) }),
		side("conc + channel", harness.Library, func() (*harness.Run, error) { return streamConc(n) }),
	}
}

func side(name string, kind harness.Kind, start func() (*harness.Run, error)) harness.Side {
	return harness.Side{Name: name, Kind: kind, New: start}
}

func streamHop(n int) (*harness.Run, error) {
	p := hop.NewPool(&hop.PoolOptions{Name: "bench", Size: workers})
	calls := func(yield func(*hop.Pending[int]) bool) {
		for i := range n {
			if !yield(hop.Go(background, p, func(context.Context) (int, error) { return square(i), nil })) {
				return
			}
		}
	}
	return &harness.Run{
		Do: harness.Every(func() error {
			sum := 0
			for done := range collect.AsCompleted(background, calls) {
				v, err := done.Result()
				if err != nil {
					return err
				}
				sum += v
			}
			return harness.Same("the sum of the results", sum, sumOfSquares(n))
		}),
		Close: func() { p.Close() },
	}, nil
}

// stream makes a Run that adds up what start sends to a channel, which it closes.
func stream(n int, start func(results chan<- int)) *harness.Run {
	return &harness.Run{Do: harness.Every(func() error {
		results := make(chan int, 128)
		go start(results)
		sum := 0
		for v := range results {
			sum += v
		}
		return harness.Same("the sum of the results", sum, sumOfSquares(n))
	})}
}

func streamChannels(n int) (*harness.Run, error) {
	return stream(n, func(results chan<- int) {
		jobs := make(chan int, 128)
		var group sync.WaitGroup
		for range workers {
			group.Go(func() {
				for i := range jobs {
					results <- square(i)
				}
			})
		}
		for i := range n {
			jobs <- i
		}
		close(jobs)
		group.Wait()
		close(results)
	}), nil
}

func streamErrgroup(n int) (*harness.Run, error) {
	return stream(n, func(results chan<- int) {
		var group errgroup.Group
		group.SetLimit(workers)
		for i := range n {
			group.Go(func() error {
				results <- square(i)
				return nil
			})
		}
		group.Wait()
		close(results)
	}), nil
}

func streamConc(n int) (*harness.Run, error) {
	return stream(n, func(results chan<- int) {
		group := pool.New().WithMaxGoroutines(workers)
		for i := range n {
			group.Go(func() { results <- square(i) })
		}
		group.Wait()
		close(results)
	}), nil
}
