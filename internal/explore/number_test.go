package explore

import (
	"sync"
	"testing"

	"github.com/gohop/hop/internal/goid"
)

// What is read out of the runtime's record is the number that the runtime prints.
func TestNumber(t *testing.T) {
	var wg sync.WaitGroup
	for range 1000 {
		wg.Go(func() {
			if got, want := number(), goid.Number(); got != want {
				t.Errorf("number %d, want %d", got, want)
			}
		})
	}
	wg.Wait()
}
