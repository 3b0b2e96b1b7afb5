package hop

import (
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
)

// A wait knows its place in the source by the return address of the function that was called. Where that is in hop itself, the place that is of
// use is further out: a method of a generic type that is called through an interface, or as a value, is called by a function that the compiler has made
// for it, and the waits of collect, queue and bridge are their users'. So it is where that is in a package of Go's that calls functions of users, as slices
// does to range over one.

// userPlace returns pc if it is in a user's code, and else the innermost place on the calling goroutine's stack that is.
func userPlace(pc uintptr) uintptr {
	known := &places[uint64(pc)*0x9E3779B97F4A7C15>>56]
	switch known.Load() {
	case uint64(pc) << 1:
		return pc
	case uint64(pc)<<1 | 1:
		return userFrame(pc)
	}
	if !between(pc) {
		known.Store(uint64(pc) << 1)
		return pc
	}
	known.Store(uint64(pc)<<1 | 1)
	return userFrame(pc)
}

// places are program counters that were looked at, by their hash: twice the counter, and one where it is hop's. What finds its place taken is looked at
// again, and takes it.
var places [256]atomic.Uint64

// userFrame is apart, so that waits in a user's own code need no room for the frames.
//
//go:noinline
func userFrame(pc uintptr) uintptr {
	var pcs [24]uintptr
	for _, out := range pcs[:runtime.Callers(3, pcs[:])] {
		if !between(out) {
			return out
		}
	}
	return pc
}

// between reports whether pc is in hop, or in a package of Go's that may stand between hop and its user.
func between(pc uintptr) bool {
	f := runtime.FuncForPC(pc - 1)
	if f == nil {
		return false
	}
	file, _ := f.FileLine(pc - 1)
	return ours(file) || slices.ContainsFunc(callers, func(dir string) bool { return strings.Contains(file, dir) })
}

var callers = []string{"/src/slices/", "/src/maps/", "/src/iter/", "/src/reflect/", "/src/sync/", "/src/runtime/"}

// ours reports whether a file is of hop, or of one of the packages that stand on it. It goes by the file: what is inlined, and the closures in it, have
// their names from where it is inlined to.
func ours(file string) bool {
	in, ok := strings.CutPrefix(file, sourceRoot)
	if !ok || strings.HasSuffix(in, "_test.go") {
		return false
	}
	dir, _, below := strings.Cut(in, "/")
	return !below || dir == "collect" || dir == "queue" || dir == "bridge"
}

// sourceRoot is the folder of this package's source, as the compiler was told.
var sourceRoot = func() string {
	_, file, _, _ := runtime.Caller(0)
	return file[:strings.LastIndexByte(file, '/')+1]
}()
