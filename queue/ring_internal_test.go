package queue

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/gohop/hop"
)

// FuzzRing uses a ring beside a list. Each byte of ops is an operation: the lower two bits say which, the others its argument.
func FuzzRing(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 2, 6, 0, 1})
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0, 2, 10, 18, 26, 34, 0, 1, 1, 1, 3})
	f.Add(append([]byte{0}, slices.Repeat([]byte{0, 2}, 100)...))    // each is taken back at once
	f.Add(append([]byte{0, 0}, slices.Repeat([]byte{0, 6}, 100)...)) // each with another behind it
	f.Add(append(make([]byte, 3000), 3, 0, 0, 2, 10))                // more than an empty ring keeps
	f.Fuzz(func(t *testing.T, ops []byte) {
		var r ring[int]
		var model []uint64 // the numbers of what is in the ring; the values are the same
		most := 0
		for _, op := range ops {
			arg := int(op >> 2)
			switch op & 3 {
			case 0:
				n := r.push(int(r.last)+1, 0)
				if len(model) > 0 && n <= model[len(model)-1] {
					t.Fatalf("number %d after %v", n, model)
				}
				model = append(model, n)
			case 1:
				if len(model) == 0 {
					break
				}
				if n, _ := r.first(); n != model[0] {
					t.Fatalf("the first is %d of %v", n, model)
				}
				if v := r.pop(); v != int(model[0]) {
					t.Fatalf("popped %d of %v", v, model)
				}
				model = model[1:]
			case 2: // takes back one of the latest
				n := r.last - uint64(arg)
				i, in := slices.BinarySearch(model, n)
				if r.kill(n) != in {
					t.Fatalf("kill(%d) of %v is %v", n, model, !in)
				}
				if in {
					model = slices.Delete(model, i, i+1)
				}
			case 3:
				if arg > 0 {
					break
				}
				if vs := r.all(); !slices.EqualFunc(vs, model, func(v int, n uint64) bool { return v == int(n) }) {
					t.Fatalf("all is %v of %v", vs, model)
				}
				model = nil
			}
			most = max(most, len(model))
			if r.len() != len(model) {
				t.Fatalf("len is %d of %v", r.len(), model)
			}
			if len(r.buf) > max(8, 4*most) {
				t.Fatalf("%d slots; there were never more than %d values", len(r.buf), most)
			}
		}
	})
}

// What a full portal refuses leaves nothing behind, whoever else puts at the time.
func TestAQueueKeepsNothingOfWhatIsRefused(t *testing.T) {
	l := hop.NewLoop(&hop.LoopOptions{QueueLimit: 1, StallAfter: -1})
	defer l.Close()
	busy, block := make(chan struct{}), make(chan struct{})
	defer close(block)
	l.Post(func() { close(busy); <-block })
	<-busy
	q := New(l, func(context.Context, int) error { return nil }, nil)
	if err := q.Put(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	const senders = 8
	for range senders {
		all.Go(func() {
			for range 2000 {
				if err := q.Put(t.Context(), 1); !errors.Is(err, hop.ErrFull) {
					t.Errorf("Put: %v", err)
					return
				}
			}
		})
	}
	all.Wait()
	if q.Len() != 1 || len(q.ring.buf) > 4*(1+senders) {
		t.Errorf("Len is %d, and there are %d slots", q.Len(), len(q.ring.buf))
	}
}
