//go:build hopexplore

package turn

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// Fine reports whether locks and races inside hop are points too.
const Fine = true

// A Mutex is a lock of hop's that a director can see.
type Mutex struct {
	mu   sync.Mutex
	held atomic.Bool
}

// A Short is a lock of hop's that is held for a few instructions, but for what is rare: reports.
type Short = Mutex

// Free reports whether nobody holds the lock.
func (m *Mutex) Free() bool { return !m.held.Load() }

func (m *Mutex) Lock() {
	for Directed() {
		if quiet() && m.try() {
			return
		}
		if d := director.Load(); d != nil {
			(*d).At(Lock, m)
		}
		if m.try() {
			return
		}
		runtime.Gosched() // who is none of the director's must not keep the processor from who has the lock
	}
	m.mu.Lock()
	m.held.Store(true)
}

func (m *Mutex) try() bool {
	if !m.mu.TryLock() {
		return false
	}
	m.held.Store(true)
	return true
}

func (m *Mutex) Unlock() {
	m.held.Store(false)
	m.mu.Unlock()
}

// Race is called before a word that decides a race is changed.
func Race(on any) { At(Swap, on) }
