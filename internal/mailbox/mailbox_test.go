package mailbox_test

import (
	"math"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"weak"

	"github.com/gohop/hop/internal/mailbox"
)

func TestOrderAndNothingLost(t *testing.T) {
	const senders, each = 8, 5000
	type msg struct{ from, n int }
	var box mailbox.Box[msg]
	wakes := make(chan struct{}, 1)
	var wg sync.WaitGroup
	for from := range senders {
		wg.Go(func() {
			for n := range each {
				ok, wake := box.Push(msg{from, n}, 0)
				if !ok {
					t.Error("refused")
				}
				if wake {
					wakes <- struct{}{}
				}
			}
		})
	}
	var last [senders]int
	for got := 0; got < senders*each; {
		m, ok := box.Next()
		if !ok {
			if box.Sleep() {
				select {
				case <-wakes:
				case <-time.After(20 * time.Second):
					t.Fatalf("asleep after %d of %d messages: nobody was told to wake the receiver", got, senders*each)
				}
			}
			continue
		}
		if m.n != last[m.from] {
			t.Fatalf("sender %d: message %d, want %d", m.from, m.n, last[m.from])
		}
		last[m.from]++
		got++
	}
	wg.Wait()
	if _, ok := box.Next(); ok || box.Refill() {
		t.Error("more than was sent")
	}
}

func TestLevels(t *testing.T) {
	var box mailbox.Box[int]
	push := func(v int, l mailbox.Level) bool { ok, _ := box.Push(v, l); return ok }
	if !push(1, 0) {
		t.Error("an open box refuses")
	}
	box.Raise(1)
	if push(2, 0) || !push(3, 1) {
		t.Error("level 1 takes the wrong ones")
	}
	box.Raise(0)
	if box.Level() != 1 {
		t.Error("a box was lowered")
	}
	var got []int
	for box.Refill() {
		for v, ok := box.Next(); ok; v, ok = box.Next() {
			got = append(got, v)
		}
	}
	if len(got) != 2 || got[0] != 1 || got[1] != 3 {
		t.Errorf("got %v, want [1 3]", got)
	}
}

func TestSealOnlyWhenEmpty(t *testing.T) {
	var box mailbox.Box[int]
	box.Push(1, 0)
	if box.Seal(1) {
		t.Fatal("sealed with a message inside")
	}
	if v, ok := box.Next(); !ok || v != 1 {
		t.Fatalf("got %d, %v", v, ok)
	}
	if !box.Seal(1) {
		t.Fatal("an empty box is not sealed")
	}
	if ok, _ := box.Push(2, 0); ok {
		t.Error("a sealed box accepts")
	}
}

func TestGrowthWhileABatchIsRead(t *testing.T) {
	var box mailbox.Box[int]
	n := 0
	for range 10 {
		box.Push(n, 0)
		n++
	}
	box.Refill()
	for want := 0; want < n; want++ {
		if n < 3000 {
			for range 7 {
				box.Push(n, 0)
				n++
			}
		}
		v, ok := box.Next()
		if !ok {
			if !box.Refill() {
				t.Fatalf("empty at %d of %d", want, n)
			}
			v, _ = box.Next()
		}
		if v != want {
			t.Fatalf("got %d, want %d", v, want)
		}
	}
}

func TestEachShowsTheBatchAndTheRest(t *testing.T) {
	var box mailbox.Box[int]
	for v := range 3 {
		box.Push(v, 0)
	}
	box.Refill()
	box.Push(3, 0)
	sum := 0
	box.Each(func(v int) bool { sum += v; return true })
	if sum != 6 {
		t.Errorf("sum %d, want 6", sum)
	}
}

func TestWhatWasReadIsNotKept(t *testing.T) {
	var box mailbox.Box[*[64]byte]
	for round := range 3 { // the batches begin at different slots: one lies across the end of the ring
		var kept []weak.Pointer[[64]byte]
		for range 10 {
			v := new([64]byte)
			kept = append(kept, weak.Make(v))
			box.Push(v, 0)
		}
		for box.Refill() {
			for _, ok := box.Next(); ok; _, ok = box.Next() {
			}
		}
		runtime.GC()
		for i, p := range kept {
			if p.Value() != nil {
				t.Errorf("round %d: message %d is kept", round, i)
			}
		}
	}
	runtime.KeepAlive(&box)
}

func TestABurstGivesItsMemoryBack(t *testing.T) {
	const n, most = 2000, 1 << 20
	var box mailbox.Box[[4096]byte]
	held := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := held()
	for range n {
		box.Push([4096]byte{}, 0)
	}
	for box.Refill() {
		for _, ok := box.Next(); ok; _, ok = box.Next() {
		}
	}
	if after := held(); after > before+most {
		t.Errorf("%d bytes are held after a burst, before %d", after, before)
	}
	runtime.KeepAlive(&box)
}

// The ring of a burst serves the next one, of another box too, and keeps nothing alive that was in it.
func TestTheRingOfABurstServesTheNext(t *testing.T) {
	const n = 20_000
	type message [64]byte
	var kept []weak.Pointer[message]
	burst := func(keep bool) {
		var box mailbox.Box[*message]
		for range n {
			v := new(message)
			if keep {
				kept = append(kept, weak.Make(v))
			}
			box.Push(v, 0)
		}
		read := 0
		for box.Refill() {
			for _, ok := box.Next(); ok; _, ok = box.Next() {
				read++
			}
		}
		if read != n {
			t.Fatalf("read %d of %d messages", read, n)
		}
		runtime.KeepAlive(&box)
	}
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // which would take the spare rings
	burst(true)
	runtime.GC()
	alive := 0
	for _, p := range kept {
		if p.Value() != nil {
			alive++
		}
	}
	if alive > 0 {
		t.Errorf("%d of %d messages are kept", alive, n)
	}
	var before, after runtime.MemStats
	least := uint64(math.MaxUint64)
	for range 20 { // under the race detector a sync.Pool forgets some, on purpose
		runtime.ReadMemStats(&before)
		burst(false)
		runtime.ReadMemStats(&after)
		least = min(least, after.TotalAlloc-before.TotalAlloc)
	}
	// The messages, and rings of 16 to 2,048 slots of 8 bytes: 32 kB.
	if most := uint64(n*64 + 40<<10); least > most {
		t.Errorf("a burst allocated %d bytes, want at most %d", least, most)
	}
}

// Whether a receiver is at its first batch or between two, what dies behind it does not pile up, and gets nobody else lost.
func TestTheDeadDoNotPileUp(t *testing.T) {
	for _, taken := range []int{0, 1, mailbox.Batch, mailbox.Batch + 44} {
		box := mortals()
		var want []int
		push := func(n int, dies bool) {
			m := &mortal{n: n}
			box.Push(m, 0)
			m.dead = dies
			if !dies {
				want = append(want, n)
			}
		}
		for n := range taken {
			push(n, false)
		}
		box.Refill()
		const most = 200_000
		for n := taken; n < most; n++ {
			push(n, n%1000 != 0)
		}
		count := 0
		box.Each(func(*mortal) bool { count++; return true })
		if count > 4096 {
			t.Errorf("%d taken: %d messages are kept, of which %d are of use", taken, count, len(want))
		}
		var got []int
		for more := true; more; more = box.Refill() {
			for m, ok := box.Next(); ok; m, ok = box.Next() {
				if !m.dead {
					got = append(got, m.n)
				}
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%d taken: got %d messages, want %d in their order", taken, len(got), len(want))
		}
	}
}

// What was left out is not kept alive by the ring.
func TestTheDeadAreForgotten(t *testing.T) {
	box := mortals()
	var kept []weak.Pointer[mortal]
	for n := range 1000 {
		m := &mortal{n: n, dead: n%10 != 0}
		kept = append(kept, weak.Make(m))
		box.Push(m, 0)
	}
	box.Sweep()
	runtime.GC()
	for n, p := range kept {
		if gone := p.Value() == nil; gone != (n%10 != 0) {
			t.Fatalf("message %d is gone: %v", n, gone)
		}
	}
	runtime.KeepAlive(box)
}

// Many die while the receiver reads and sleeps, and the senders send.
func TestTheDeadAmongManySenders(t *testing.T) {
	const senders, each = 4, 5000
	type msg struct {
		from, n int
		dead    atomic.Bool
	}
	box := &mailbox.Box[*msg]{Dead: func(m *msg) bool { return m.dead.Load() }}
	wakes := make(chan struct{}, 1)
	over := make(chan struct{})
	var wg sync.WaitGroup
	for from := range senders {
		wg.Go(func() {
			for n := range each {
				m := &msg{from: from, n: n}
				if _, wake := box.Push(m, 0); wake {
					wakes <- struct{}{}
				}
				if n%8 != 0 && n != each-1 {
					m.dead.Store(true)
				}
				if n%100 == 0 {
					box.Sweep()
				}
			}
		})
	}
	go func() { wg.Wait(); close(over) }()
	var next, last [senders]int
	for alive := 0; alive < senders*(each/8+1); {
		m, ok := box.Next()
		if !ok {
			if box.Sleep() {
				select {
				case <-wakes:
				case <-time.After(20 * time.Second):
					t.Fatalf("asleep after %d messages: nobody was told to wake the receiver", alive)
				}
			}
			continue
		}
		if m.n < next[m.from] {
			t.Fatalf("sender %d: message %d after %d", m.from, m.n, next[m.from]-1)
		}
		next[m.from] = m.n + 1
		if m.n%8 != 0 && m.n != each-1 {
			continue
		}
		if want := min(last[m.from], each-1); m.n != want {
			t.Fatalf("sender %d: message %d, want %d", m.from, m.n, want)
		}
		last[m.from] = m.n + 8
		alive++
	}
	<-over
}

func BenchmarkPushAndTake(b *testing.B) {
	var box mailbox.Box[func()]
	f := func() {}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		box.Push(f, 0)
		if i%1000 == 999 {
			for box.Refill() {
				for _, ok := box.Next(); ok; _, ok = box.Next() {
				}
			}
		}
	}
}

// Ahead looks into the batch only, past the end of the ring too, and takes nothing.
func TestAheadOfTheBatch(t *testing.T) {
	var b mailbox.Box[int]
	next := 0
	for round := range 5 { // a ring of 16: the third batch goes past its end
		for i := range 6 {
			b.Push(6*round+i, 0)
		}
		if _, ok := b.Ahead(0); ok {
			t.Fatal("something is ahead of a batch that was not taken")
		}
		if !b.Refill() {
			t.Fatal("nothing to take")
		}
		b.Push(-1, 0) // not of the batch
		for left := 6; left > 0; left-- {
			for i := range 8 {
				v, ok := b.Ahead(i)
				if ok != (i < left) || ok && v != next+i {
					t.Fatalf("%d ahead of %d, with %d left: %d, %v", i, next, left, v, ok)
				}
			}
			if v, ok := b.Next(); !ok || v != next {
				t.Fatalf("next is %d, %v, want %d", v, ok, next)
			}
			next++
		}
		if !b.Refill() {
			t.Fatal("what came later is not there")
		}
		if v, ok := b.Next(); !ok || v != -1 {
			t.Fatalf("next is %d, %v, want -1", v, ok)
		}
	}
}

// How many the last batch had, and how many have come behind it.
func TestLastAndBehind(t *testing.T) {
	var box mailbox.Box[int]
	want := func(last, behind int) {
		t.Helper()
		if l, b := box.Last(), box.Behind(); l != last || b != behind {
			t.Errorf("%d in the batch and %d behind it, want %d and %d", l, b, last, behind)
		}
	}
	want(0, 0)
	for range mailbox.Batch + 3 {
		box.Push(1, 0)
	}
	want(0, mailbox.Batch+3)
	box.Refill()
	want(mailbox.Batch, 3)
	box.Push(1, 0)
	want(mailbox.Batch, 4)
	for range 10 {
		box.Next()
	}
	want(mailbox.Batch, 4)
	for range mailbox.Batch - 10 {
		box.Next()
	}
	box.Refill()
	want(4, 0)
}
