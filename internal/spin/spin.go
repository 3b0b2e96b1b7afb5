// Package spin waits for what lasts less than putting a goroutine to sleep and waking it.
package spin

import (
	"runtime"
	"sync/atomic"

	"github.com/gohop/hop/internal/goid"
	"github.com/gohop/hop/internal/turn"
)

// rounds is how often Lock tries, with a pause each: about 2.5 µs.
const rounds = 100

// Lock locks mu, which TryLock has found locked, and which is never held for longer than a few instructions, but often wanted by several
// processors at once. A sync.Mutex spins too, but looks only every 30 pauses, and after four looks puts the goroutine to sleep; whoever
// held it then is long gone.
func Lock(mu *turn.Mutex) {
	if Processors() > 1 && !turn.Directed() { // else who holds it cannot go on meanwhile
		for range rounds {
			goid.Pause(1)
			if mu.TryLock() {
				return
			}
		}
	}
	mu.Lock()
}

// Processors returns GOMAXPROCS, asked for seldom since it takes the scheduler's lock.
func Processors() int {
	n := procs.Load()
	if n == 0 || age.Add(1)%1024 == 0 {
		n = int32(runtime.GOMAXPROCS(0))
		procs.Store(n)
	}
	return int(n)
}

var procs, age atomic.Int32
