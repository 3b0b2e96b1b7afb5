package timerheap_test

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/gohop/hop/internal/timerheap"
)

func TestHeapAgainstASortedSlice(t *testing.T) {
	type entry struct {
		when time.Duration
		n    int
	}
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		var h timerheap.Heap
		var model []entry
		base := -uint32(seed) // so that the count wraps
		timers := map[int]*timerheap.Timer{}
		asks := seed%2 == 0 // what is next, so that no empty slot is at the top
		for n := range 300 {
			switch {
			case r.IntN(3) > 0 || len(model) == 0:
				tm := new(timerheap.Timer)
				when := time.Duration(r.IntN(40))
				soonest := h.Add(tm, when, base+uint32(n))
				if want := len(model) == 0 || when < slices.MinFunc(model, func(a, b entry) int { return cmp.Compare(a.when, b.when) }).when; soonest && !want || want && !soonest && asks {
					t.Fatalf("seed %d: soonest %v, want %v", seed, soonest, want)
				}
				timers[n] = tm
				model = append(model, entry{when, n})
			case r.IntN(4) > 0:
				i := r.IntN(len(model))
				tm := timers[model[i].n]
				if !h.Remove(tm) || h.Remove(tm) || tm.Queued() {
					t.Fatalf("seed %d: Remove", seed)
				}
				model = slices.Delete(model, i, i+1)
			default:
				now := time.Duration(r.IntN(40))
				slices.SortStableFunc(model, func(a, b entry) int { return cmp.Compare(a.when, b.when) })
				for len(model) > 0 && model[0].when <= now {
					if tm := h.Due(now); tm == nil || tm != timers[model[0].n] {
						t.Fatalf("seed %d: due %v, want %d", seed, tm, model[0].n)
					}
					model = model[1:]
				}
				if tm := h.Due(now); tm != nil {
					t.Fatalf("seed %d: early %v", seed, tm)
				}
			}
			if h.Len() != len(model) {
				t.Fatalf("seed %d: Len %d, want %d", seed, h.Len(), len(model))
			}
			if asks {
				h.Soonest()
			}
		}
	}
}
