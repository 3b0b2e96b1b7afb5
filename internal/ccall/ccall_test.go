package ccall

import (
	"runtime"
	"strings"
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

// The frame that C's call of Go leaves is found by the name of its function; here it is looked for in the program's text.
func TestCallbackFrameIsKnownByItsName(t *testing.T) {
	var pc [1]uintptr
	runtime.Callers(0, pc[:]) // in runtime.Callers
	found := 0
	const far, step = 2 << 20, 16
	for at := pc[0] - min(pc[0], far); at < pc[0]+far; at += step {
		f := runtime.FuncForPC(at)
		if f == nil || f.Entry() == at { // a return address is never an entry
			continue
		}
		want := strings.HasPrefix(f.Name(), "runtime.cgocallback")
		if want {
			found++
		} else if found > 0 && at%1024 != 0 {
			continue // a sample of the others is enough
		}
		if want && !isCallback(at+1) {
			t.Errorf("%s is not taken for a callback", f.Name())
		}
		if want && !isCallback(at+1) {
			t.Errorf("%s: not the second time", f.Name())
		}
	}
	if isCallback(pc[0]) || isCallback(pc[0]) {
		t.Error("runtime.Callers is taken for a callback")
	}
	if isCallback(1) {
		t.Error("what is no program counter is taken for a callback")
	}
	if found == 0 {
		t.Skip("this program has no callback's code")
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
