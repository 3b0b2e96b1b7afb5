//go:build amd64 || arm64

package goid

// CallerPC returns the return address of the function that calls it: the place in the source that called
// that function. It follows one frame pointer (which Go keeps on amd64 and arm64), so it costs a nanosecond, where
// runtime.Callers costs a hundred. The function that calls it must not be inlined.
func CallerPC() uintptr

// Pause tells the processor n times that the goroutine spins; n must not be 0.
func Pause(n uint32)
