package goid

import (
	"sync"
	"sync/atomic"
)

// A Map holds a value for each goroutine that has registered itself. Loads take no lock.
//
// It is a table with open addressing. A slot's key is written once, under the lock, and is never changed to
// another in the same table, so that a reader who meets an empty slot knows that the key is not further on; a
// slot whose value is nil is free for its key to come back, and is dropped when the table is made anew.
// A goroutine only ever loads its own entry and only itself stores and deletes it, so a load never races with
// a change of what it looks for, only with changes of other keys.
type Map[V any] struct {
	table atomic.Pointer[table[V]]
	mu    sync.Mutex
	live  int // slots with a value
	used  int // slots with a key
}

type table[V any] struct {
	shift uint
	slots []slot[V]
}

type slot[V any] struct {
	key atomic.Uintptr
	val atomic.Pointer[V]
}

// hash spreads addresses, whose low bits are all alike, over the table's high bits.
func (t *table[V]) hash(k uintptr) uintptr {
	return uintptr((uint64(k) * 0x9E3779B97F4A7C15) >> t.shift)
}

// Load returns the value of goroutine k, or nil.
func (m *Map[V]) Load(k uintptr) *V {
	t := m.table.Load()
	if t == nil {
		return nil
	}
	mask := uintptr(len(t.slots) - 1)
	for i := t.hash(k); ; i++ {
		s := &t.slots[i&mask]
		switch s.key.Load() {
		case k:
			return s.val.Load()
		case 0:
			return nil
		}
	}
}

// Store registers the calling goroutine, whose identity k is, with v, which must not be nil.
func (m *Map[V]) Store(k uintptr, v *V) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.table.Load()
	if t == nil || m.used >= len(t.slots)/2 {
		t = m.rebuild(t)
	}
	s := t.find(k)
	if s.key.Load() == 0 {
		m.used++
	}
	if s.val.Load() == nil {
		m.live++
	}
	s.val.Store(v)
	s.key.Store(k)
}

// Delete forgets goroutine k.
func (m *Map[V]) Delete(k uintptr) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.table.Load()
	if t == nil {
		return
	}
	if s := t.find(k); s.val.Load() != nil {
		s.val.Store(nil)
		m.live--
	}
}

// Len returns how many goroutines are registered.
func (m *Map[V]) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.live
}

// find returns k's slot, or the empty one where it belongs.
func (t *table[V]) find(k uintptr) *slot[V] {
	mask := uintptr(len(t.slots) - 1)
	for i := t.hash(k); ; i++ {
		s := &t.slots[i&mask]
		if x := s.key.Load(); x == k || x == 0 {
			return s
		}
	}
}

// rebuild publishes a table with room for four times what is live, without the keys that are not.
func (m *Map[V]) rebuild(old *table[V]) *table[V] {
	bits := uint(6)
	for 1<<bits < 4*(m.live+1) {
		bits++
	}
	t := &table[V]{shift: 64 - bits, slots: make([]slot[V], 1<<bits)}
	m.used = 0
	if old != nil {
		for i := range old.slots {
			o := &old.slots[i]
			if v := o.val.Load(); v != nil {
				s := t.find(o.key.Load())
				s.key.Store(o.key.Load())
				s.val.Store(v)
				m.used++
			}
		}
	}
	m.table.Store(t)
	return t
}
