package hop

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/gohop/hop/internal/spin"
)

// A place where calls take long is tried seldom; one answer in time, and it is tried each time again.
func TestHope(t *testing.T) {
	var h hope
	tries := func(n int, useful bool) (tried int) {
		for range n {
			if h.mayTry() {
				tried++
				h.tried(useful)
			}
		}
		return tried
	}
	if got := tries(100, true); got != 100 {
		t.Errorf("tried %d times of 100 that were of use", got)
	}
	if got := tries(vainTries, false); got != vainTries {
		t.Errorf("given up after %d of %d", got, vainTries)
	}
	if got := tries(100*retryEvery, false); got != 100 {
		t.Errorf("tried %d times of %d, want each %dth", got, 100*retryEvery, retryEvery)
	}
	for n := 1; !h.mayTry(); n++ {
		if n == retryEvery {
			t.Fatal("not tried again")
		}
	}
	h.tried(true)
	if got := tries(100, true); got != 100 {
		t.Errorf("tried %d times of 100 after one that was of use", got)
	}
}

// Waits that have to block all the same are counted, and soon most of them do not try. The time of the bubble stands still until the
// wait blocks: its context does not end before, however slow the machine is.
func TestHopeOfALoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLoop(nil)
		defer l.Close()
		end := make(chan struct{})
		defer close(end)
		p := Go(t.Context(), l, func(context.Context) (int, error) { <-end; return 0, nil })
		for n := uint32(1); n <= 2*vainTries; n++ {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			p.Wait(ctx)
			cancel()
			if got := l.hope.vain.Load(); got != n {
				t.Fatalf("%d after %d waits", got, n)
			}
		}
	})
}

// What changes seldom in a Pool stands on other lines of the cache than its queue, which changes with each call.
func TestThePoolsQueueBeginsALine(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) != 8 || unsafe.Sizeof(spin.Mutex{}) != 4 {
		t.Skip("the room that is left was reckoned for 64 bits and hop's own locks")
	}
	if at := unsafe.Offsetof(Pool{}.queue); at%64 != 0 {
		t.Errorf("it begins %d bytes after the beginning of a line", at%64)
	}
}
