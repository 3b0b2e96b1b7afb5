package hop

import "testing"

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
	if got := tries(10*retryEvery, false); got != 10 {
		t.Errorf("tried %d times of %d, want each %dth", got, 10*retryEvery, retryEvery)
	}
	for !h.mayTry() {
	}
	h.tried(true)
	if got := tries(100, true); got != 100 {
		t.Errorf("tried %d times of 100 after one that was of use", got)
	}
}
