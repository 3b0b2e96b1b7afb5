// Package ccall tells whether the calling goroutine is inside a C function that called back into Go. A coroutine
// must not switch there: the runtime ends the process ("coro: OS thread locking must match locking at coroutine
// creation").
//
// A callback from C has the runtime's frames for callbacks below it on the goroutine's stack. There are three ways to know that there are none,
// each slower than the one before:
//
//   - The program cannot call C, or has made no C call. The runtime counts them, for each thread, so the sum takes the longer the more threads there are.
//   - The frame pointers lead from the caller to the frame where every goroutine begins, and none of the frames on the way is one of
//     those. If they do not lead there, nothing is taken for granted.
//   - The runtime walks the stack.
package ccall

import (
	"runtime"
	"strings"
	"sync/atomic"
)

// atStart is how many C calls the runtime itself makes before a program's first: one where cgo is linked in.
var atStart = runtime.NumCgoCall()

// walks is set when the frames are to be asked without the count: it has said something once, or takes longer.
var walks atomic.Bool

// Threads says that the program has Many threads, so that to add up their counts takes longer than to look at the frames.
func Threads() {
	if cheap && !walks.Load() {
		walks.Store(true)
	}
}

// Many: with 16 threads the count takes 9 ns, with 64 it takes 180, with 256 a microsecond; a look takes 40 to 200.
const Many = 64

// never says that the program cannot call C: the runtime makes a C call before a program begins in which anything could, and refuses
// them in others, but where it calls the system that way itself.
var never = atStart == 0 && runtime.GOOS != "windows" && runtime.GOOS != "solaris" && runtime.GOOS != "illumos"

// Inside reports whether a C frame is below the caller on its goroutine's stack. In a program that cannot call C it costs nothing to speak of, in one
// that has made no C call some 3 ns; in others about 2 ns for each frame, on amd64 and arm64, elsewhere what runtime.Callers does.
func Inside() bool { return !never && inside() }

func inside() bool {
	if !walks.Load() {
		if runtime.NumCgoCall() <= atStart {
			return false
		}
		Threads()
	}
	return onStack()
}

// onStack looks for a callback's frame. It and what it calls have their own frames: inlined, they would make the stack of every task
// that waits grow.
//
//go:noinline
func onStack() bool {
	if cheap {
		var pcs [32]uintptr
		if inside, all := judge(pcs[:frames(&pcs[0], len(pcs), 0)]); inside || all {
			return inside
		}
		return deep(len(pcs) - 4) // from deep's own frame on there may be more or fewer
	}
	return walk()
}

// deep goes on after skip frames.
//
//go:noinline
func deep(skip int) bool {
	var pcs [256]uintptr
	for {
		n := frames(&pcs[0], len(pcs), skip)
		if inside, all := judge(pcs[:n]); inside || all {
			return inside
		}
		if n < len(pcs) {
			return walk() // the frame pointers end before the stack does
		}
		skip += n
	}
}

// judge reports whether one of the frames is a callback's; all: the last is where every goroutine begins.
func judge(pcs []uintptr) (inside, all bool) {
	for _, pc := range pcs {
		if isCallback(pc) {
			return true, false
		}
	}
	if len(pcs) == 0 {
		return false, false
	}
	last := pcs[len(pcs)-1]
	return false, last != 0 && last == outermost.Load()
}

// walk has the runtime walk the stack.
//
//go:noinline
func walk() bool {
	var buf [64]uintptr
	pcs := buf[:]
	for skip := 2; ; skip += len(pcs) {
		n := runtime.Callers(skip, pcs)
		for _, pc := range pcs[:n] {
			if isCallback(pc) {
				return true
			}
		}
		if n < len(pcs) {
			return false
		}
	}
}

// others are program counters that are in no callback's frame, by their hash. What finds its place taken by another is looked up again, and takes it:
// so there are many more places than different ones in a program's waits.
var others [4096]atomic.Uintptr

// outermost is the return address of the function that a goroutine begins with, once it has been met.
var outermost atomic.Uintptr

func isCallback(pc uintptr) bool {
	known := &others[uint64(pc)*0x9E3779B97F4A7C15>>52]
	if known.Load() == pc {
		return false
	}
	name := "?"
	if f := runtime.FuncForPC(pc - 1); f != nil {
		name = f.Name()
	}
	if strings.HasPrefix(name, "runtime.cgocallback") {
		return true
	}
	if name == "runtime.goexit" {
		outermost.Store(pc)
	}
	known.Store(pc)
	return false
}
