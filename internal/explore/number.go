package explore

import (
	"sync"
	"unsafe"

	"github.com/gohop/hop/internal/goid"
)

// number returns the calling goroutine's number, which no other goroutine of the process has had. The runtime gives it to nobody but
// the readers of stack dumps, which takes microseconds for each step; so it is read from where the runtime keeps it, if calibrate has
// found out where that is.
func number() uint64 {
	off := calibrate()
	if off == 0 {
		return goid.Number()
	}
	g := goid.Self()
	return *(*uint64)(unsafe.Add(*(*unsafe.Pointer)(unsafe.Pointer(&g)), off))
}

// calibrate returns where in the runtime's record of a goroutine its number is; 0: it is not known. Nothing is taken for granted about
// the record but that it is longer than what is looked at: the number's place is where all of several goroutines have theirs.
var calibrate = sync.OnceValue(func() int {
	const span = 224
	if uint64(goid.Self()) == goid.Number() {
		return 0 // there is no record to read
	}
	var mu sync.Mutex
	seen := make(map[int]int)
	const tries = 16
	var wg sync.WaitGroup
	for range tries {
		wg.Go(func() {
			n, g := goid.Number(), goid.Self()
			p := *(*unsafe.Pointer)(unsafe.Pointer(&g))
			mu.Lock()
			defer mu.Unlock()
			for off := 8; off < span; off += 4 {
				if *(*uint64)(unsafe.Add(p, off)) == n {
					seen[off]++
				}
			}
		})
	}
	wg.Wait()
	found := 0
	for off, times := range seen {
		if times == tries {
			if found != 0 {
				return 0
			}
			found = off
		}
	}
	return found
})
