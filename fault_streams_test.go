package hop_test

// More of what the load of fault_load_test.go does.

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/gohop/hop"
	"github.com/gohop/hop/collect"
)

// streams has several goroutines take the same calls by AsCompleted, some given twice. Who stays gets each once, done.
func (l *load) streams(r *rand.Rand) {
	calls := make([]*hop.Pending[int], 1+r.IntN(12))
	for i := range calls {
		calls[i] = l.startAnywhere(r, bg, plan{depth: 1})
		if r.IntN(3) == 0 {
			calls[i].OnDone(func() {})
		}
	}
	var consumers sync.WaitGroup
	for range 1 + r.IntN(3) {
		given := append(slices.Clone(calls), calls[r.IntN(len(calls))])
		r.Shuffle(len(given), func(i, j int) { given[i], given[j] = given[j], given[i] })
		var opts []collect.Option
		bound, leaves := r.IntN(4), r.IntN(4) == 0
		if bound > 0 {
			opts = append(opts, collect.MaxConcurrent(bound))
		}
		if r.IntN(2) == 0 {
			opts = append(opts, collect.KeepUnfinished())
		}
		consumers.Go(func() {
			n := make(map[*hop.Pending[int]]int)
			for p := range collect.AsCompleted(bg, slices.Values(given), opts...) {
				_, err := p.Result()
				l.check(p.String(), err)
				n[p]++
				if leaves && len(n) > len(calls)/2 {
					return
				}
			}
			for _, p := range calls {
				if n[p] == 0 || n[p] > 2 || n[p] == 2 && bound == 0 { // with a bound it may come, be yielded, and come again
					l.t.Errorf("%v was yielded %d times", p, n[p])
				}
			}
		})
	}
	consumers.Wait()
}

// contexts derives contexts from that of a call that is done while the call above it is cancelled. All end.
func (l *load) contexts(r *rand.Rand) {
	on := l.place(r)
	p := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) {
		var left context.Context
		if _, err := hop.Do(ctx, on, func(ctx context.Context) (int, error) { left = ctx; return 1, nil }); err != nil {
			return 0, err
		}
		go hop.CurrentCall(ctx).Cancel(errStruck)
		var derived sync.WaitGroup
		for range 4 {
			derived.Go(func() {
				ctx, cancel := context.WithCancel(left)
				defer cancel()
				<-ctx.Done()
				if cause := context.Cause(ctx); cause != errStruck {
					l.t.Errorf("the cause is %v", cause)
				}
			})
		}
		derived.Wait()
		return 1, nil
	})
	l.made.Add(1)
	p.OnDone(func() { l.ended.Add(1) })
	_, err := p.Wait(bg)
	l.check(p.String(), err)
}
