package spin_test

import (
	"runtime"
	"sync"
	"testing"

	"github.com/gohop/hop/internal/spin"
	"github.com/gohop/hop/internal/turn"
)

// TestLock: it excludes, whether the lock is held for a few instructions or for longer than it tries, and with one P.
func TestLock(t *testing.T) {
	for _, procs := range []int{1, 4} {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
		for range 2000 {
			spin.Processors() // it asks seldom
		}
		if got := spin.Processors(); got != runtime.GOMAXPROCS(0) {
			t.Errorf("%d processors of %d", got, procs)
		}
		var mu turn.Mutex
		var group sync.WaitGroup
		n, in := 0, false
		for range 8 {
			group.Go(func() {
				for i := range 2000 {
					if !mu.TryLock() {
						spin.Lock(&mu)
					}
					if in {
						t.Error("two hold the lock")
					}
					in = true
					n++
					if i%50 == 0 {
						runtime.Gosched() // with the lock: who finds it held comes to the end of its patience
					}
					in = false
					mu.Unlock()
				}
			})
		}
		group.Wait()
		if n != 8*2000 {
			t.Errorf("%d of %d", n, 8*2000)
		}
	}
}
