package goid

import (
	"sync"
	"sync/atomic"
	"unsafe"
)

// A Map holds a value for each goroutine that has registered itself. Loads take no lock, and neither do the goroutines that come
// back: the runtime gives the identities of dead ones to new ones.
//
// It is a table with open addressing. A slot's key is written once, under the lock, and is never changed to
// another in the same table, so that a reader who meets an empty slot knows that the key is not further on; a
// slot whose value is nil is free for its key to come back.
// A goroutine only ever loads its own entry and only itself stores and deletes it, so a load never races with
// a change of what it looks for, only with changes of other keys.
//
// Who changes its value without the lock might do so in a table that is being copied. So it looks afterwards: if moving is
// not set and the table is still the same, then either the copy had not begun to read, and will see the change, or there is none. If
// not, it does it again under the lock.
type Map[V any] struct {
	table  atomic.Pointer[table[V]]
	moving atomic.Bool // a new table is being made
	mu     sync.Mutex
	used   int // slots with a key
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

// Slot returns where the value of goroutine k most likely stands: only to be fetched.
//
//go:nosplit
func (m *Map[V]) Slot(k uintptr) uintptr {
	t := m.table.Load()
	if t == nil {
		return 0
	}
	return uintptr(unsafe.Pointer(&t.slots[t.hash(k)&uintptr(len(t.slots)-1)]))
}

// Store registers the calling goroutine, whose identity k is, with v, which must not be nil.
func (m *Map[V]) Store(k uintptr, v *V) {
	if m.change(k, v) {
		return
	}
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
	s.val.Store(v)
	s.key.Store(k)
}

// Delete forgets goroutine k.
func (m *Map[V]) Delete(k uintptr) {
	if m.change(k, nil) {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if t := m.table.Load(); t != nil {
		t.find(k).val.Store(nil)
	}
}

// change sets k's value if k has a slot, without the lock; false: it must be done under it.
func (m *Map[V]) change(k uintptr, v *V) bool {
	t := m.table.Load()
	if t == nil {
		return false
	}
	s := t.find(k)
	if s.key.Load() != k {
		return false
	}
	s.val.Store(v)
	return !m.moving.Load() && m.table.Load() == t
}

// Len returns how many goroutines are registered.
func (m *Map[V]) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.table.Load().live()
}

func (t *table[V]) live() (n int) {
	if t == nil {
		return 0
	}
	for i := range t.slots {
		if t.slots[i].val.Load() != nil {
			n++
		}
	}
	return n
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

// rebuild publishes a table of which at most a quarter is in use: by what is live, and by the keys that may come back.
func (m *Map[V]) rebuild(old *table[V]) *table[V] {
	m.moving.Store(true)
	defer m.moving.Store(false)
	live := old.live()
	n, dead := live+1, old != nil && comeBack && (len(old.slots) <= keptDead || live >= len(old.slots)/keptFor)
	if dead {
		n = m.used
	}
	bits := uint(6)
	for 1<<bits < 4*n {
		bits++
	}
	t, used := copied(old, bits, dead)
	for t == nil {
		bits++
		t, used = copied(old, bits, dead)
	}
	m.used = used
	m.table.Store(t)
	return t
}

// The runtime hands the identities of dead goroutines out in turn, and knows all that there ever were. So a table that is long enough for the live only
// would be left and entered by others again and again, each under the lock. Only long ones, of whose keys very few are live, lose the dead.
const (
	keptDead = 1 << 16 // slots
	keptFor  = 64      // slots for each live one
)

// copied returns a table of 1<<bits slots with what is live in old, and the dead keys too if that is asked for, and how many these are; nil: more than
// half of them would be in use. Goroutines come back to old meanwhile, so it may be any number more than were counted before; a table without a free
// slot would be searched for ever.
func copied[V any](old *table[V], bits uint, dead bool) (t *table[V], used int) {
	t = &table[V]{shift: 64 - bits, slots: make([]slot[V], 1<<bits)}
	if old == nil {
		return t, 0
	}
	for i := range old.slots {
		o := &old.slots[i]
		k := o.key.Load()
		if k == 0 {
			continue
		}
		v := o.val.Load()
		if v == nil && !dead {
			continue
		}
		if used++; used > len(t.slots)/2 {
			return nil, 0
		}
		s := t.find(k)
		s.key.Store(k)
		s.val.Store(v)
	}
	return t, used
}
