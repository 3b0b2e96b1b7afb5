// Package ccall tells whether the calling goroutine is inside a C function that called back into Go. A coroutine
// must not switch there: the runtime ends the process ("coro: OS thread locking must match locking at coroutine
// creation").
package ccall

import (
	"runtime"
	"strings"
	"sync"
)

// atStart is how many C calls the runtime itself makes before a program's first: one where cgo is linked in.
var atStart = runtime.NumCgoCall()

// Inside reports whether a C frame is below the caller on its goroutine's stack. In a program that has made no C
// call it costs 5 ns; in others it walks the stack.
func Inside() bool {
	if runtime.NumCgoCall() <= atStart {
		return false
	}
	return onStack()
}

// known remembers for each program counter whether it is a callback's frame: there are few different ones.
var known sync.Map // uintptr -> bool

// onStack looks for a callback's frame. Its own frame is large: inlined, it would make the stack of every task that waits
// grow to twice its size.
//
//go:noinline
func onStack() bool {
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

func isCallback(pc uintptr) bool {
	if v, ok := known.Load(pc); ok {
		return v.(bool)
	}
	f := runtime.FuncForPC(pc - 1)
	yes := f != nil && strings.HasPrefix(f.Name(), "runtime.cgocallback")
	known.Store(pc, yes)
	return yes
}
