//go:build !amd64 && !arm64

package ccall

// cheap says that the frames of a stack can be had at a nanosecond for each.
const cheap = false

func frames(*uintptr, int, int) int { return 0 }
