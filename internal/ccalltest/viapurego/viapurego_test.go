//go:build (linux || darwin) && (amd64 || arm64)

// Package viapurego_test runs the scenarios of ccalltest through purego, which calls C with and without cgo.
package viapurego_test

import (
	"runtime"
	"sync"
	"testing"
	"unsafe"

	"github.com/ebitengine/purego"

	"github.com/gohop/hop/internal/ccalltest"
)

// compare is what qsort calls back. There is a fixed number of callbacks, which are never freed: so there is one, and a stack of
// what it is to call. A callback runs on the goroutine that called qsort, but which one that is it cannot know: the two numbers
// that it is to compare tell.
var compare = sync.OnceValue(func() uintptr {
	return purego.NewCallback(func(a, b *int32) int {
		callee(min(*a, *b))()
		return 0
	})
})

var (
	mu      sync.Mutex
	last    int32
	callees = map[int32]func(){}
)

func callee(n int32) func() {
	mu.Lock()
	defer mu.Unlock()
	return callees[n]
}

var qsort = sync.OnceValues(func() (uintptr, error) {
	name := "libc.so.6"
	if runtime.GOOS == "darwin" {
		name = "/usr/lib/libSystem.B.dylib"
	}
	lib, err := purego.Dlopen(name, purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err != nil {
		return 0, err
	}
	return purego.Dlsym(lib, "qsort")
})

// call has the C library's qsort sort two numbers, for which it compares them once, which calls f.
func call(f func()) {
	fn, err := qsort()
	if err != nil {
		panic(err)
	}
	mu.Lock()
	last++
	n := last
	callees[n] = f
	mu.Unlock()
	defer func() {
		mu.Lock()
		delete(callees, n)
		mu.Unlock()
	}()
	numbers := []int32{n, n}
	purego.SyscallN(fn, uintptr(unsafe.Pointer(&numbers[0])), 2, 4, compare())
	runtime.KeepAlive(numbers)
}

func TestS40_ThroughPurego(t *testing.T) {
	if _, err := qsort(); err != nil {
		t.Skip(err)
	}
	ccalltest.Test(t, call)
}
