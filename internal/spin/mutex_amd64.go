//go:build !race

package spin

import (
	"runtime"
	"sync/atomic"
	"time"

	"github.com/gohop/hop/internal/goid"
)

// A Mutex is a lock that is held for a few instructions, and often wanted by several processors at once. Its zero value is
// free. It differs from a sync.Mutex in what that is slow at for such a use:
//
//   - Unlock is one plain store, where sync.Mutex exchanges: half the time of a lock that nobody else wants (5.4 ns instead of 9.9 for both).
//   - Who finds it held looks again with each pause. A sync.Mutex looks every 30 pauses, and after four looks puts the goroutine to
//     sleep; whoever held it then is long gone.
//
// Nobody sleeps in it until woken, since an Unlock that looks at nothing cannot wake. Who has looked in vain for a while lets other
// goroutines run and looks again, then naps, but for a bubble of testing/synctest. So whoever holds it for long, say since it is preempted or the
// runtime wants its help, costs the others processor time, and 50 µs more; nothing else.
//
// Why one plain store is enough. A mutex has to keep what its holder reads and writes between Lock and Unlock, as the next holder sees it. amd64
// makes the stores of a processor visible in their order, and none before a load that precedes it (total store order; what the runtime's memory
// moves write around the caches ends with a fence): so whoever finds the word 0 sees all that was done before. The Go compiler does not move anything
// across the call of release, a function in assembly, and CompareAndSwap is a full fence, for Lock. What the exchange of a sync.Mutex does
// beyond that is to keep what comes after Unlock from being done before it is seen. That may be done here, as into a critical section other
// code may always be moved, and nothing that goes by the order of locking can tell; what can tell is code that draws a conclusion from
// the failure of a TryLock. So there is no TryLock to call.
//
// Under the race detector, which must see the lock, and on other processors a Mutex is a sync.Mutex.
type Mutex struct{ held uint32 }

// Lock takes the lock.
func (m *Mutex) Lock() {
	if !atomic.CompareAndSwapUint32(&m.held, 0, 1) {
		m.contend()
	}
}

// Unlock gives the lock back. It must be held.
func (m *Mutex) Unlock() { release(&m.held) }

// release stores 0, after everything that stands before it in the program.
func release(held *uint32)

const (
	patience = 10                    // how often a lock that was held the first time is looked at before others run again
	yields   = 300                   // and how often that, before who waits naps: about 0.1 ms if there is nobody else
	nap      = 50 * time.Microsecond // as short as timers are good for
)

// contend is Lock where the lock is held.
func (m *Mutex) contend() {
	n := looks
	if Processors() == 1 {
		n = 1 // who holds it cannot go on meanwhile
	}
	for round := 0; ; round++ {
		for range n {
			if atomic.LoadUint32(&m.held) == 0 && atomic.CompareAndSwapUint32(&m.held, 0, 1) {
				return
			}
			goid.Pause(1)
		}
		n = min(n, patience)
		if round < yields || goid.InBubble() {
			runtime.Gosched()
		} else {
			time.Sleep(nap) // in a bubble the clock would notice
		}
	}
}
