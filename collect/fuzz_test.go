package collect_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/gohop/hop"
	"github.com/gohop/hop/collect"
)

// FuzzAsCompleted runs AsCompleted beside a model of it in a few lines.
//
// items is the source: each byte is one of 16 promises, its upper half how that is at the start (0 and 1 mod 4 open, 2 resolved, 3
// rejected). Whenever the consumer waits, the next promise of order is completed. The consumer leaves after leave results;
// bound 0 is none.
func FuzzAsCompleted(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3}, []byte{3, 1, 0, 2}, uint8(0), uint8(255), false)
	f.Add([]byte{0, 0x21, 2, 0x33, 4}, []byte{4, 2, 0}, uint8(2), uint8(255), false)
	f.Add([]byte{0, 1, 2, 3, 4, 5}, []byte{5, 4, 3, 2, 1, 0}, uint8(3), uint8(2), false)
	f.Add([]byte{0, 1, 0x22, 3}, []byte{}, uint8(0), uint8(1), true)
	f.Add([]byte{7, 7, 0x27, 7}, []byte{7}, uint8(1), uint8(255), false)
	f.Fuzz(func(t *testing.T, items, order []byte, bound, leave uint8, keep bool) {
		if len(items) > 64 || len(order) > 64 {
			return
		}
		bound %= 8
		within(t, func() { fuzzAsCompleted(t, items, order, int(bound), int(leave), keep) })
	})
}

func fuzzAsCompleted(t *testing.T, items, order []byte, bound, leave int, keep bool) {
	ps, calls := promises(16)
	var done [16]bool
	for _, b := range items {
		switch i := b & 15; b >> 4 & 3 {
		case 2:
			ps[i].Resolve(int(i))
			done[i] = true
		case 3:
			ps[i].Reject(errWhy)
			done[i] = true
		}
	}
	order = slices.Clone(order)
	for i := range order {
		order[i] &= 15
	}
	for i := range byte(16) {
		order = append(order, i) // all are completed in the end
	}
	defer func() {
		for _, p := range calls {
			p.Result() // or hop would report that nobody looked
		}
	}()
	want, wantPulled := model(items, order, done, bound, leave)

	var yields atomic.Int64
	var held [16]atomic.Bool
	pulled := 0
	source := func(yield func(*hop.Pending[int]) bool) {
		for _, b := range items {
			pulled++
			held[b&15].Store(true)
			if !yield(calls[b&15]) {
				return
			}
		}
	}
	var opts []collect.Option
	if bound > 0 {
		opts = append(opts, collect.MaxConcurrent(bound))
	}
	if keep {
		opts = append(opts, collect.KeepUnfinished())
	}
	var got []int
	consumer := hop.Go(t.Context(), hop.Goroutines, func(ctx context.Context) (int, error) {
		if leave == 0 {
			return 0, nil
		}
		for p := range collect.AsCompleted(ctx, source, opts...) {
			if _, err := p.Result(); errors.Is(err, hop.ErrNotDone) {
				t.Errorf("%v was yielded before it was done", p)
			}
			got = append(got, slices.Index(calls, p))
			yields.Add(1)
			if len(got) == leave {
				break
			}
		}
		return 0, nil
	})
	for _, i := range order {
		for s := consumer.Call().State(); s != hop.Waiting && !s.Done(); s = consumer.Call().State() {
			runtime.Gosched()
		}
		if consumer.Call().State().Done() {
			break
		}
		n := yields.Load()
		if ps[i].Resolve(int(i)) && held[i].Load() {
			for yields.Load() == n && !consumer.Call().State().Done() {
				runtime.Gosched()
			}
		}
	}
	if _, err := consumer.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}

	if !slices.Equal(got, want) || pulled != wantPulled {
		t.Errorf("yielded %v and pulled %d; want %v and %d", got, pulled, want, wantPulled)
	}
	for i := range calls {
		s := calls[i].Call().State()
		switch inside := slices.IndexFunc(items[:pulled], func(b byte) bool { return int(b&15) == i }) >= 0; {
		case s == hop.Cancelled && (keep || !inside):
			t.Errorf("call %d was cancelled", i)
		case !s.Done() && inside && !keep:
			t.Errorf("call %d was left behind", i)
		}
	}
}

// model says what is to be yielded, and how many of items are to be pulled.
func model(items, order []byte, done [16]bool, bound, leave int) (yields []int, pulled int) {
	var ready, open []int
	flow := func(rest int) bool {
		for {
			for len(ready) > 0 {
				if yields, ready = append(yields, ready[0]), ready[1:]; len(yields) == leave {
					return false
				}
			}
			if len(open) <= rest {
				return true
			}
			i := int(order[0])
			order = order[1:]
			if at := slices.Index(open, i); at >= 0 {
				open = slices.Delete(open, at, at+1)
				ready = append(ready, i)
			}
			done[i] = true
		}
	}
	if leave == 0 {
		return nil, 0
	}
	for _, b := range items {
		pulled++
		i := int(b & 15)
		if slices.Contains(ready, i) || slices.Contains(open, i) {
			// It is there already.
		} else if done[i] {
			ready = append(ready, i)
		} else {
			open = append(open, i)
		}
		if bound > 0 && !flow(bound-1) {
			return yields, pulled
		}
	}
	flow(0)
	return yields, pulled
}
