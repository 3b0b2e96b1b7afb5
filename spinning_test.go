package hop_test

// Exchanges with locked threads, of more goroutines than there are processors, and where there is one: nobody may spin so that
// who has to answer does not get to run.

import (
	"context"
	"runtime"
	"sync"
	"testing"

	"github.com/gohop/hop"
)

func TestS23_ExchangesWithThreadsOnFewProcessors(t *testing.T) {
	needsThread(t)
	const exchanges = 3000
	for _, procs := range []int{1, 2} {
		old := runtime.GOMAXPROCS(procs)
		t.Cleanup(func() { runtime.GOMAXPROCS(old) })
		var loops []*hop.Loop
		for range 4 {
			loops = append(loops, newLoop(t, &hop.LoopOptions{Thread: true}))
		}
		within(t, 6*patience, "the exchanges", func() {
			var all sync.WaitGroup
			for _, l := range loops {
				all.Go(func() {
					for i := range exchanges {
						v, err := hop.Do(bg, l, func(context.Context) (int, error) { return i, nil })
						if v != i || err != nil {
							t.Errorf("%d processors: %d, %v; want %d", procs, v, err, i)
							return
						}
					}
				})
			}
			all.Wait()
		})
	}
}
