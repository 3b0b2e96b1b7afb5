package ccall

import (
	"runtime"
	"testing"
)

// The callbacks themselves need C: they are tested in internal/ccalltest, a module of its own.

func seen() (n int) {
	known.Range(func(any, any) bool { n++; return true })
	return n
}

// below calls f below n frames.
//
//go:noinline
func below(n int, f func() bool) bool {
	if n == 0 {
		return f()
	}
	yes := below(n-1, f)
	runtime.KeepAlive(n)
	return yes
}

// Every walk leaves what it has met in known, so an empty known proves that there was none.
func TestS40_NothingIsWalkedWithoutACCall(t *testing.T) {
	if runtime.NumCgoCall() > atStart {
		t.Skip("this program has made C calls (net or os/user do, in some builds)")
	}
	before := seen()
	for range 1000 {
		if Inside() || below(200, Inside) {
			t.Fatal("Inside says true")
		}
	}
	if n := seen(); n != before {
		t.Errorf("a walk has met %d program counters", n-before)
	}
	if allocs := testing.AllocsPerRun(100, func() { Inside() }); allocs != 0 {
		t.Errorf("it allocates %v times", allocs)
	}
}

func TestWalkOfAnyDepthEnds(t *testing.T) {
	for _, depth := range []int{0, 1, 50, 58, 59, 60, 61, 62, 63, 64, 65, 127, 128, 129, 1000} {
		if below(depth, onStack) {
			t.Errorf("%d frames deep: a callback's frame was seen where there is none", depth)
		}
	}
	if seen() == 0 {
		t.Error("a walk leaves nothing in known")
	}
}

func TestWalkAllocatesNothingOnceTheFramesAreKnown(t *testing.T) {
	onStack()
	if allocs := testing.AllocsPerRun(100, func() { onStack() }); allocs > 0 {
		t.Errorf("%v allocations", allocs)
	}
}

func TestOtherFramesAreNoCallbacks(t *testing.T) {
	var pcs [20]uintptr
	for _, pc := range append(pcs[:runtime.Callers(0, pcs[:])], 1) {
		for _, try := range []string{"first", "second"} { // what it knows of a frame is kept
			if isCallback(pc) {
				t.Errorf("%v is taken for a callback, the %s time", runtime.FuncForPC(pc).Name(), try)
			}
		}
	}
}

func BenchmarkInside(b *testing.B) {
	for b.Loop() {
		Inside()
	}
}

func BenchmarkWalk(b *testing.B) {
	below(20, func() bool {
		for b.Loop() {
			onStack()
		}
		return false
	})
}
