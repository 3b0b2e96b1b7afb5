//go:build amd64 || arm64

package fetch

// Here says whether to ask does anything.
const Here = true

// Lines asks for n lines from the one of p on; n must not be 0.
func Lines(p uintptr, n uint)

// Words asks for what the n words at p point to, if they do; n must not be 0. The words are read: none that is on another page than the first, so no
// more than that p is valid is taken for granted.
func Words(p uintptr, n uint)

// Own asks for n lines from the one of p on, in order to write there: no other core has them then; n must not be 0.
func Own(p uintptr, n uint)

// SP returns where the calling goroutine's stack ends.
func SP() uintptr
