package hop_test

// What grows with a burst keeps its order, and is of use after it.

import (
	"context"
	"testing"
	"time"

	"github.com/gohop/hop"
)

const burst = 5000

func TestS31_APoolKeepsTheOrderOfABurst(t *testing.T) {
	pool := newPool(t, &hop.PoolOptions{Size: 1})
	for round := range 2 {
		g := occupy(t, pool)
		var order []int
		var last *hop.Pending[int]
		for i := range burst {
			last = hop.Go(bg, pool, func(context.Context) (int, error) { order = append(order, i); return i, nil })
		}
		if n := pool.Stats().Queued; n != burst {
			t.Errorf("round %d: %d are queued, want %d", round, n, burst)
		}
		g.open()
		if v := must(t, last); v != burst-1 || len(order) != burst {
			t.Fatalf("round %d: the last is %d, %d have run", round, v, len(order))
		}
		for i, v := range order {
			if i != v {
				t.Fatalf("round %d: the %dth that ran is %d", round, i, v)
			}
		}
	}
}

func TestS22_TimersOfABurstFireInTheirOrder(t *testing.T) {
	bubbled(t, func(t *testing.T, l *hop.Loop) {
		for round := range 2 {
			var order []int
			var ps []*hop.Pending[int]
			for i := range burst {
				n := (i * 7919) % burst // each once, in a wild order
				ps = append(ps, hop.After(bg, time.Duration(n+1)*time.Second, l, func(context.Context) (int, error) {
					order = append(order, n)
					return n, nil
				}))
			}
			for _, p := range ps {
				if _, err := p.Wait(bg); err != nil {
					t.Fatal(err)
				}
			}
			for i, v := range order {
				if i != v {
					t.Fatalf("round %d: the %dth that fired is %d", round, i, v)
				}
			}
		}
	})
}

func TestS11_ManyOnDoneFunctionsThatAreTakenBackLeaveTheOthersInOrder(t *testing.T) {
	p := hop.NewPromise[int](bg)
	var order []int
	var want int
	for i := range 200 {
		stop := p.Pending().OnDone(func() { order = append(order, i) })
		if i%10 != 0 {
			if !stop() || stop() {
				t.Errorf("stop of %d: want true once", i)
			}
		} else {
			want++
		}
	}
	p.Resolve(1)
	if len(order) != want {
		t.Errorf("%d have run, want %d", len(order), want)
	}
	for i, v := range order {
		if v != i*10 {
			t.Errorf("the %dth that ran is %d", i, v)
		}
	}
}

func TestS28_AStallIsReportedWithItsStackAmongThousandsOfGoroutines(t *testing.T) {
	hold, release := started()
	defer release()
	for range 3000 {
		go func() { <-hold }()
	}
	var j journal
	l := newLoop(t, &hop.LoopOptions{StallAfter: 10 * time.Millisecond, Logger: j.logger()})
	end, finish := started()
	defer finish()
	l.Post(func() { stallingFunction(end) })
	eventually(t, "the report with the stack", func() bool { return len(j.lines("stallingFunction")) == 1 })
}
