package timerheap_test

import (
	"cmp"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/gohop/hop/internal/timerheap"
)

// FuzzHeap runs a Heap beside a slice that is sorted for each question. Each two bytes are an operation and its argument.
func FuzzHeap(f *testing.F) {
	f.Add([]byte{0, 5, 0, 3, 0, 5, 0, 1, 2, 4, 1, 0, 2, 255})
	f.Add([]byte{0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 2, 1, 3, 0})
	f.Add([]byte{0, 9, 4, 5, 5, 0, 4, 7, 5, 1, 4, 3, 5, 0, 6, 255, 0, 1})
	f.Add(append(slices.Repeat([]byte{4, 200, 4, 100, 5, 0, 4, 7}, 40), 2, 100, 1, 9, 1, 30, 2, 255))
	f.Add(append(slices.Repeat([]byte{0, 200, 0, 100, 0, 7}, 20), 2, 100, 1, 9, 1, 30, 2, 255))
	f.Fuzz(func(t *testing.T, ops []byte) {
		type timer = timerheap.Timer
		var h timerheap.Heap
		var model []*timer
		when := map[*timer]time.Duration{}
		nth := map[*timer]int{}
		order := func(a, b *timer) int {
			return cmp.Or(cmp.Compare(when[a], when[b]), cmp.Compare(nth[a], nth[b]))
		}
		var spare []*timer // have been in a heap, and are used again
		n := 0
		const never = time.Duration(math.MaxInt64)
		alarm := never // what who waits for the soonest would wait for
		for len(ops) >= 2 {
			op, arg := ops[0], ops[1]
			ops = ops[2:]
			switch op % 4 {
			case 0:
				tm := new(timer)
				if len(spare) > 0 && arg%2 == 0 {
					tm, spare = spare[0], spare[1:]
				}
				n++
				nth[tm] = n
				when[tm] = time.Duration(int8(arg)) // also before the beginning
				if h.Add(tm, when[tm], math.MaxUint32-20+uint32(n)) {
					alarm = min(alarm, when[tm])
				}
				model = append(model, tm)
				if !tm.Queued() {
					t.Fatal("an added timer is not queued")
				}
			case 1:
				if len(model) == 0 {
					continue
				}
				i := int(arg) % len(model)
				tm := model[i]
				if !h.Remove(tm) || tm.Queued() || h.Remove(tm) {
					t.Fatal("Remove of a timer that was in, and again")
				}
				model = slices.Delete(model, i, i+1)
				spare = append(spare, tm)
			case 2:
				now := time.Duration(int8(arg))
				slices.SortFunc(model, order)
				for {
					tm := h.Due(now)
					if len(model) == 0 || when[model[0]] > now {
						if tm != nil {
							t.Fatalf("%d, due at %v, came at %v", nth[tm], when[tm], now)
						}
						break
					}
					if tm != model[0] {
						t.Fatalf("Due gave %v, want %v", tm, model[0])
					}
					if tm.Queued() {
						t.Fatal("a timer that was due is still queued")
					}
					model = model[1:]
					spare = append(spare, tm)
				}
			case 3:
				slices.SortFunc(model, order)
				var got []*timer
				h.Sorted(func(tm *timer) { got = append(got, tm) })
				if !slices.Equal(got, model) {
					t.Fatalf("Sorted gave %v, want %v", got, model)
				}
			}
			if len(model) == 0 {
				alarm = never // as who stops his alarm does
			} else if first := slices.MinFunc(model, order); when[first] < alarm {
				t.Fatalf("%d is due at %v, and nobody has been told of a time before %v", nth[first], when[first], alarm)
			}
			if op&4 != 0 {
				continue // nobody asks: what is empty stays at the top
			}
			at, first := h.Soonest()
			if alarm = never; first != nil {
				alarm = at
			}
			if h.Len() != len(model) || (first != nil) != (len(model) > 0) {
				t.Fatalf("%d timers, the soonest %v; want %d", h.Len(), first, len(model))
			}
			if first != nil && (first != slices.MinFunc(model, order) || at != when[first]) {
				t.Fatalf("the soonest is %d at %v, want %d", nth[first], at, nth[slices.MinFunc(model, order)])
			}
		}
	})
}
