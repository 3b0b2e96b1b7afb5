package ccall

import (
	"iter"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// The callbacks themselves need C: they are tested in internal/ccalltest, a module of its own.

func seen() (n int) {
	for i := range others {
		if others[i].Load() != 0 {
			n++
		}
	}
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

// Every walk leaves what it has met in others, so where nothing new is there, there was none.
func TestS40_NothingIsWalkedWithoutACCall(t *testing.T) {
	if runtime.NumCgoCall() > atStart || walks.Load() {
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

func TestALookOfAnyDepthEnds(t *testing.T) {
	for _, way := range []struct {
		name string
		look func() bool
	}{{"by frame pointers", onStack}, {"by the runtime", walk}} {
		for _, depth := range []int{0, 1, 10, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 50, 58, 59, 60, 61, 62, 63, 64, 65, 127, 128, 129, 270, 280, 1000} {
			if below(depth, way.look) {
				t.Errorf("%s, %d frames deep: a callback's frame was seen where there is none", way.name, depth)
			}
		}
	}
	if seen() == 0 {
		t.Error("they leave nothing in others")
	}
}

func TestALookAllocatesNothing(t *testing.T) {
	for _, look := range []func() bool{onStack, walk} {
		if allocs := testing.AllocsPerRun(100, func() { look() }); allocs > 0 {
			t.Errorf("%v allocations", allocs)
		}
	}
}

// The frame pointers name the functions that runtime.Callers names, in their order, and lead to where the goroutine begins.
func TestFramePointersLeadToTheBeginning(t *testing.T) {
	if !cheap {
		t.Skip("this processor's frames are not followed")
	}
	check := func() bool {
		pcs, want := make([]uintptr, 300), make([]uintptr, 300)
		pcs, want = pcs[:frames(&pcs[0], len(pcs), 0)], want[:runtime.Callers(1, want)]
		for _, skip := range []int{0, 1, len(pcs) / 2, len(pcs) - 1} {
			rest := make([]uintptr, 300)
			if rest = rest[:frames(&rest[0], len(rest), skip)]; len(rest) != len(pcs)-skip || rest[len(rest)-1] != pcs[len(pcs)-1] {
				t.Errorf("all are %d, but for the first %d there are %d", len(pcs), skip, len(rest))
			}
		}
		// runtime.Callers also names functions that were inlined into others, and does not name those of the compiler's own.
		at := 0
		for _, pc := range pcs {
			name := runtime.FuncForPC(pc - 1).Name()
			if strings.Contains(name, ".gowrap") {
				continue
			}
			for at < len(want) && runtime.FuncForPC(want[at]-1).Name() != name {
				at++
			}
			if at == len(want) {
				t.Errorf("%s is not among the callers, or not in its order", name)
				break
			}
			at++
		}
		if _, all := judge(pcs); !all {
			t.Errorf("the last is %s", runtime.FuncForPC(pcs[len(pcs)-1]-1).Name())
		}
		return false
	}
	for _, depth := range []int{0, 1, 200} {
		below(depth, check)
		done := make(chan bool)
		go func() { done <- below(depth, check) }()
		<-done
		next, stop := iter.Pull(func(yield func(bool) bool) { yield(below(depth, check)) })
		next()
		stop()
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
	for name, look := range map[string]func() bool{"count": Inside, "frame pointers": onStack, "runtime": walk} {
		for _, depth := range []int{5, 20, 100} {
			b.Run(name+"/"+strconv.Itoa(depth), func(b *testing.B) {
				below(depth, func() bool {
					for b.Loop() {
						look()
					}
					return false
				})
			})
		}
	}
}
