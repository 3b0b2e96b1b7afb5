package timerheap

import (
	"testing"
	"time"
)

// Empty slots are no more than half of all, and chunks no more than the slots need: what is taken back gives its room back, from wherever it stood.
func TestWhatIsTakenBackGivesItsRoomBack(t *testing.T) {
	const n = 10_000
	var h Heap
	ts := make([]Timer, n)
	for i := range ts {
		h.Add(&ts[i], time.Duration(i*7919%n), uint32(i))
	}
	for i := range ts {
		if i%100 == 0 {
			continue
		}
		if !h.Remove(&ts[i]) {
			t.Fatalf("timer %d is not there", i)
		}
		if h.empty > h.n/2+1 && h.empty > chunkLen+1 {
			t.Fatalf("%d of %d slots are empty", h.empty, h.n)
		}
	}
	if h.Len() != n/100 || h.n > 2*h.Len()+chunkLen+1 || len(h.chunks) > h.n/chunkLen+2 {
		t.Errorf("%d timers, %d slots, %d chunks", h.Len(), h.n, len(h.chunks))
	}
	last := time.Duration(-1)
	for tm := h.Due(n); tm != nil; tm = h.Due(n) {
		when := time.Duration(int(tm.order) * 7919 % n)
		if when < last {
			t.Fatalf("a timer of %d came after one of %d", when, last)
		}
		last = when
	}
	if h.n != 0 || h.empty != 0 || len(h.chunks) > 2 {
		t.Errorf("in the end %d slots, %d empty, %d chunks", h.n, h.empty, len(h.chunks))
	}
}
