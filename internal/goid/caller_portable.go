//go:build !amd64 && !arm64

package goid

import "runtime"

// CallerPC returns the return address of the function that calls it: the place in the source that called
// that function. The function that calls it must not be inlined.
//
//go:noinline
func CallerPC() uintptr {
	var pc [1]uintptr
	runtime.Callers(3, pc[:])
	return pc[0]
}

// Pause tells the processor n times that the goroutine spins; here it only passes the time.
//
//go:noinline
func Pause(n uint32) {
	for ; n > 0; n-- {
	}
}
