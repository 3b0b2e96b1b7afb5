//go:build hopexplore

package model_test

import (
	"context"
	"runtime"
	"slices"
	"testing"

	"github.com/gohop/hop"
	"github.com/gohop/hop/collect"
	"github.com/gohop/hop/internal/explore"
)

// TestStreams: several goroutines take the same calls by AsCompleted, some given twice, while others end them, where functions of OnDone
// may end the goroutine. Each gets each once, and done (S35).
func TestStreams(t *testing.T) {
	for _, s := range []explore.Strategy{explore.Random, explore.PCT} {
		r := explore.Search(t, explore.Options{Strategy: s, Runs: 6_000}, streams)
		if r.Failure != nil {
			t.Error(r.Failure.Error())
		}
	}
}

func streams(x *explore.Trial) {
	ctx := context.Background()
	rng := x.Rand()
	n := 2 + rng.IntN(3)
	pool := hop.NewPool(&hop.PoolOptions{Name: "p", Size: 1 + rng.IntN(2)})
	defer pool.Close()
	loop := hop.NewLoop(&hop.LoopOptions{Name: "l", StallAfter: -1})
	defer loop.Close()
	promises := make([]*hop.Promise[int], n)
	calls := make([]*hop.Pending[int], n)
	for i := range calls {
		switch rng.IntN(3) {
		case 0:
			calls[i] = hop.Go(ctx, pool, func(context.Context) (int, error) { return i, nil })
		case 1:
			calls[i] = hop.Go(ctx, loop, func(ctx context.Context) (int, error) { return i, hop.Yield(ctx) })
		default:
			promises[i] = hop.NewPromise[int](ctx)
			calls[i] = promises[i].Pending()
			if rng.IntN(2) == 0 {
				calls[i].OnDone(func() { x.Point("a function of OnDone") })
				calls[i].OnDone(runtime.Goexit)
			}
			x.Go("resolver", func() { promises[i].Resolve(i) })
		}
	}
	over := make(chan bool)
	consume := func(opts ...collect.Option) {
		defer func() { over <- true }()
		given := append(slices.Clone(calls), calls[rng.IntN(n)], calls[rng.IntN(n)])
		var got []*hop.Pending[int]
		for p := range collect.AsCompleted(ctx, slices.Values(given), opts...) {
			i := slices.Index(calls, p)
			if v, err := p.Result(); err == nil && v != i {
				x.Errorf("call %d has the result %d", i, v)
			} else if err != nil {
				x.Errorf("call %d: %v", i, err)
			}
			got = append(got, p)
		}
		for i, p := range calls {
			if count := len(slices.DeleteFunc(slices.Clone(got), func(q *hop.Pending[int]) bool { return q != p })); count < 1 || count > 1 && len(opts) == 0 {
				x.Errorf("call %d was yielded %d times", i, count)
			}
		}
	}
	second := rng.IntN(3)
	go consume()
	switch second {
	case 0:
		consume2 := func() { consume(collect.MaxConcurrent(1 + n/2)) }
		x.Go("bounded", consume2)
	case 1:
		x.Go("another", func() { consume() })
	default:
		x.Go("leaver", func() {
			defer func() { over <- true }()
			for range collect.AsCompleted(ctx, slices.Values(calls), collect.KeepUnfinished()) {
				break
			}
		})
	}
	for range 2 {
		<-over
	}
}
