//go:build amd64 || arm64

package ccall

// cheap says that the frames of a stack can be had at a nanosecond for each.
const cheap = true

// frames puts the return addresses of the stack into pcs, of which there are n, from the caller's outwards, but for the first skip, and
// returns how many there were. It follows the frame pointers, which Go keeps on these processors, within the bounds of the goroutine's
// stack; so it reads nothing else, whatever it meets there.
//
//go:noescape
func frames(pcs *uintptr, n, skip int) int
