//go:build !amd64 || race

package spin

import (
	"sync"

	"github.com/gohop/hop/internal/goid"
)

// A Mutex is a lock that is held for a few instructions, and often wanted by several processors at once. Its zero value is
// free. Who finds it held looks again with each pause. A sync.Mutex looks every 30 pauses, and after four looks puts the goroutine to
// sleep; whoever held it then is long gone.
//
// On amd64 it is a lock of its own.
type Mutex struct{ mu sync.Mutex }

// Lock takes the lock.
func (m *Mutex) Lock() {
	if !m.mu.TryLock() {
		m.contend()
	}
}

// Unlock gives the lock back. It must be held.
func (m *Mutex) Unlock() { m.mu.Unlock() }

// contend is Lock where the lock is held.
func (m *Mutex) contend() {
	if Processors() > 1 { // else who holds it cannot go on meanwhile
		for range looks {
			goid.Pause(1)
			if m.mu.TryLock() {
				return
			}
		}
	}
	m.mu.Lock()
}
