package goid

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// While a table is made anew, goroutines whose identities it has come back without the lock: however many, the new one has room for them.
func TestATableIsNeverFull(t *testing.T) {
	old := &table[int]{shift: 64 - 10, slots: make([]slot[int], 1<<10)}
	v := 7
	for k := uintptr(1); k <= 500; k++ {
		s := old.find(k << 7)
		s.key.Store(k << 7)
		s.val.Store(&v)
	}
	for bits := uint(6); bits < 12; bits++ {
		made, used := copied(old, bits, false)
		if bits < 10 {
			if made != nil {
				t.Errorf("%d values were put into %d slots", used, 1<<bits)
			}
			continue
		}
		if used != 500 || made.live() != 500 {
			t.Errorf("of 500 values %d are in %d slots, and %d were counted", made.live(), 1<<bits, used)
		}
	}
}

// Goroutines come back, without the lock, to a table of dead ones while it is made anew: the new one has room for them too.
func TestGoroutinesThatComeBackWhileTheTableIsMadeAnew(t *testing.T) {
	const bits, back = 20, 2000
	for range 20 {
		var m Map[int]
		old := &table[int]{shift: 64 - bits, slots: make([]slot[int], 1<<bits)}
		m.table.Store(old)
		var keys []uintptr // of those who come back: all at the table's beginning, which is counted first
		k := uintptr(0)
		for len(keys) < back {
			if k++; old.hash(k) < 4*back {
				old.find(k).key.Store(k)
				keys = append(keys, k)
			}
		}
		m.used = 1 << (bits - 1) // as if there were as many dead ones
		v := 1
		var gone atomic.Int64
		var all sync.WaitGroup
		begin := make(chan struct{})
		for _, k := range keys {
			all.Go(func() {
				<-begin
				m.Store(k, &v)
				gone.Add(1)
			})
		}
		all.Go(func() {
			close(begin)
			m.Store(k+1, &v) // for which there is no room
		})
		done := make(chan struct{})
		go func() { defer close(done); all.Wait() }()
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			t.Fatalf("%d of %d have come back", gone.Load(), back)
		}
		if n := m.Len(); n != back+1 {
			t.Errorf("%d entries, want %d", n, back+1)
		}
	}
}

// Far more goroutines come and go than ever live at once. Where they get the identities of dead ones, the table soon has room for all, and is not made
// anew any more; elsewhere it stays as long as the living need.
func TestGoroutinesThatComeAndGo(t *testing.T) {
	var m Map[int]
	v := 1
	round := func() {
		for k := uintptr(1); k <= 1000; k++ {
			m.Store(k<<7, &v)
			if m.Load(k<<7) != &v {
				t.Fatalf("%d is not there", k)
			}
			m.Delete(k << 7)
		}
	}
	round()
	if n := m.table.Load().keys(); comeBack && n != 1000 {
		t.Errorf("of 1000 identities %d have a place to come back to", n)
	}
	before := m.table.Load()
	round()
	if after := m.table.Load(); comeBack && after != before {
		t.Errorf("a new table, of %d slots, after one of %d", len(after.slots), len(before.slots))
	}
	if n := len(m.table.Load().slots); comeBack && n < 2*1000 || !comeBack && n > 64 {
		t.Errorf("%d slots for 1000 that come and go, one at a time", n)
	}
	if n := m.Len(); n != 0 {
		t.Errorf("%d are there", n)
	}
}

// The table is made anew, with the dead where they may come back, while goroutines come and go: each finds its own value, and no key is lost or counted twice.
func TestGoroutinesThatComeAndGoWhileTheTableIsMadeAnew(t *testing.T) {
	var m Map[int]
	var all sync.WaitGroup
	var working atomic.Int32
	for g := range 4 {
		working.Add(1)
		all.Go(func() {
			defer working.Add(-1)
			r := rand.New(rand.NewPCG(1, uint64(g)))
			values, there := make([]int, 300), make([]bool, 300)
			for range 30_000 {
				i := r.IntN(len(values))
				k := uintptr(g*len(values)+i+1) << 7
				switch got := m.Load(k); {
				case there[i] && got != &values[i], !there[i] && got != nil:
					t.Errorf("key %d has another's value, or none; it was there: %v", k, there[i])
					return
				case there[i]:
					m.Delete(k)
				default:
					m.Store(k, &values[i])
				}
				there[i] = !there[i]
			}
		})
	}
	for working.Load() > 0 {
		m.mu.Lock()
		if old := m.table.Load(); old != nil {
			m.rebuild(old)
		}
		if keys := m.table.Load().keys(); keys != m.used {
			t.Errorf("%d keys, and %d were counted", keys, m.used)
		}
		m.mu.Unlock()
		runtime.Gosched()
	}
	all.Wait()
}

func (t *table[V]) keys() (n int) {
	if t == nil {
		return 0
	}
	for i := range t.slots {
		if t.slots[i].key.Load() != 0 {
			n++
		}
	}
	return n
}

// A long table of which few are live is not kept for the dead.
func TestALongTableLosesTheDead(t *testing.T) {
	var m Map[int]
	v := 1
	for k := uintptr(1); k <= keptDead; k++ {
		m.Store(k<<7, &v)
	}
	for k := uintptr(2); k <= keptDead; k++ {
		m.Delete(k << 7)
	}
	long := len(m.table.Load().slots)
	if long <= keptDead {
		t.Fatalf("%d slots for %d keys", long, keptDead)
	}
	for k := uintptr(keptDead + 1); len(m.table.Load().slots) == long; k++ {
		if k > uintptr(2*long) {
			t.Fatal("still as long, with more keys than slots")
		}
		m.Store(k<<7, &v)
		m.Delete(k << 7)
	}
	if n := len(m.table.Load().slots); n > 64 {
		t.Errorf("%d slots for one that is live", n)
	}
	if m.Load(1<<7) != &v || m.Len() != 1 {
		t.Error("it is not there any more")
	}
}
