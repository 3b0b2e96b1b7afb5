package goid

import (
	"sync"
	"testing"
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
		made, used := copied(old, bits)
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

// Bursts of goroutines come and go, each with its own value, while tables are made: the burst is counted before it has begun.
func TestBurstsWhileTablesAreMade(t *testing.T) {
	var m Map[int]
	burst := func(n int) {
		var here, gone sync.WaitGroup
		leave := make(chan struct{})
		here.Add(n)
		for range n {
			gone.Go(func() {
				me, v := Self(), new(int)
				for range 3 {
					m.Store(me, v)
					if m.Load(me) != v {
						t.Error("another's value, or none")
					}
					m.Delete(me)
				}
				m.Store(me, v)
				here.Done()
				<-leave
				if m.Load(me) != v {
					t.Error("another's value, or none, after the others")
				}
				m.Delete(me)
			})
		}
		here.Wait()
		close(leave)
		gone.Wait()
	}
	for i := range 30 {
		burst(10 + i%3*1000)
	}
	if n := m.Len(); n != 0 {
		t.Errorf("%d are left", n)
	}
}
