// Package spin waits for what lasts less than putting a goroutine to sleep and waking it.
package spin

import (
	"runtime"
	"sync/atomic"
)

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

// looks is how often a lock that is held is looked at, with a pause each, before other goroutines get the processor: about 2.5 µs.
const looks = 100
