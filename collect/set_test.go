package collect

import (
	"math/rand/v2"
	"testing"
)

func TestSetIsAMap(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	items := make([]int, 300)
	want := map[*int]bool{}
	var s set[int]
	for range 100_000 {
		p := &items[rnd.IntN(len(items))]
		if rnd.IntN(len(items)) < len(want) {
			if want[p] {
				s.remove(p)
				delete(want, p)
			}
		} else if s.add(p) == want[p] {
			t.Fatalf("add says %v", !want[p])
		} else {
			want[p] = true
		}
		if s.n != len(want) {
			t.Fatalf("%d items, want %d", s.n, len(want))
		}
	}
	for i := range items {
		if got := s.slots[s.find(&items[i])] != nil; got != want[&items[i]] {
			t.Errorf("item %d is there: %v", i, got)
		}
	}
}
