package hop

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// settleInPasses is what settle has to find: who is free, by looking at all again and again.
func settleInPasses(g *graph, guess bool) {
	canGoOn := func(n *node) bool {
		free := func(e edge) bool { return e.to == nil || e.to.free }
		all, rest := n.edges[:n.any], n.edges[n.any:]
		return !slices.ContainsFunc(all, func(e edge) bool { return !free(e) }) &&
			(len(rest) == 0 || slices.ContainsFunc(rest, func(e edge) bool { return free(e) && (guess || !e.maybe) }))
	}
	for changed := true; changed; {
		changed = false
		for _, n := range g.order {
			if !n.free && canGoOn(n) {
				n.free, changed = true, true
			}
		}
	}
}

func TestSettleFindsWhoCanGoOn(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	stuck, free := 0, 0
	for range 5000 {
		g := &graph{}
		for range 1 + r.IntN(12) {
			g.order = append(g.order, &node{free: r.IntN(6) == 0})
		}
		outside := &node{} // whom endsWithout takes for stuck
		for _, n := range g.order {
			for range r.IntN(4) {
				e := edge{maybe: r.IntN(3) == 0}
				switch i := r.IntN(len(g.order) + 2); {
				case i < len(g.order):
					e.to = g.order[i]
				case i == len(g.order):
					e.to = outside
				}
				n.edges = append(n.edges, e)
			}
			n.any = r.IntN(len(n.edges) + 1)
			if len(n.edges) == 0 {
				n.free = true
			}
		}
		for _, guess := range []bool{true, false} {
			var before, want, got []bool
			for _, n := range g.order {
				before = append(before, n.free)
			}
			settleInPasses(g, guess)
			for i, n := range g.order {
				want = append(want, n.free)
				n.free = before[i]
			}
			g.settle(guess)
			for i, n := range g.order {
				got = append(got, n.free)
				n.free = before[i]
				if want[i] {
					free++
				} else {
					stuck++
				}
			}
			if outside.free || !slices.Equal(got, want) {
				t.Fatalf("free are %v, want %v", got, want)
			}
		}
	}
	if stuck < 1000 || free < 1000 {
		t.Errorf("%d are stuck and %d free: that says little", stuck, free)
	}
}

// A chain, each of which waits for the next: what is free is found from its end.
func TestSettleLooksAtEachEdgeOnce(t *testing.T) {
	took := func(n int) time.Duration {
		least := time.Duration(1 << 62)
		for range 5 {
			g := &graph{}
			for range n {
				g.order = append(g.order, &node{})
			}
			for i, n := range g.order[:n-1] {
				n.edges, n.any = []edge{{to: g.order[i+1]}}, 1
			}
			g.order[n-1].free = true
			start := time.Now()
			g.settle(true)
			least = min(least, time.Since(start))
			if !g.order[0].free {
				t.Fatal("the first is stuck")
			}
		}
		return least
	}
	const n = 2000
	few, many := took(n), took(8*n)
	t.Logf("%v, of eight times as many %v", few, many)
	if many > 32*few { // all pairs would be 64 times as much
		t.Errorf("%d take %v, eight times as many %v", n, few, many)
	}
}
