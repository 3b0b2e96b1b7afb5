package queue

import "time"

// A ring is a FIFO that numbers what is pushed: 1, 2, 3 and so on. Its zero value is empty.
type ring[T any] struct {
	buf  []slot[T] // its length is a power of two, or zero
	head uint64    // the number of the first slot in use
	tail uint64    // the number of the next push
	dead int       // slots in use that were taken back
}

type slot[T any] struct {
	v  T
	at time.Duration // when it was pushed, since the queue was made: for batches; or takenBack
}

const takenBack time.Duration = -1

// idleSlots is how many slots an empty ring keeps.
const idleSlots = 1024

// len returns how many values are in the ring.
func (r *ring[T]) len() int { return int(r.tail-r.head) - r.dead }

func (r *ring[T]) slot(n uint64) *slot[T] { return &r.buf[n&uint64(len(r.buf)-1)] }

// push returns the number of v.
func (r *ring[T]) push(v T, at time.Duration) uint64 {
	if r.tail == 0 {
		r.head, r.tail = 1, 1
	}
	if int(r.tail-r.head) == len(r.buf) {
		r.grow()
	}
	n := r.tail
	*r.slot(n) = slot[T]{v: v, at: at}
	r.tail++
	return n
}

func (r *ring[T]) grow() {
	old := *r
	r.buf = make([]slot[T], max(8, 2*len(old.buf)))
	for n := old.head; n != old.tail; n++ {
		*r.slot(n) = *old.slot(n)
	}
}

// first returns the first value's number and when it was pushed; the ring is not empty.
func (r *ring[T]) first() (n uint64, at time.Duration) {
	for r.slot(r.head).at == takenBack {
		r.drop()
		r.dead--
	}
	return r.head, r.slot(r.head).at
}

// pop takes the first value; the ring is not empty.
func (r *ring[T]) pop() T {
	n, _ := r.first()
	v := r.slot(n).v
	r.drop()
	if r.head == r.tail && len(r.buf) > idleSlots {
		r.buf = nil
	}
	return v
}

func (r *ring[T]) drop() {
	*r.slot(r.head) = slot[T]{}
	r.head++
}

// kill takes value n back, and returns false if it is no longer in the ring.
func (r *ring[T]) kill(n uint64) bool {
	if n < r.head || n >= r.tail || r.slot(n).at == takenBack {
		return false
	}
	*r.slot(n) = slot[T]{at: takenBack}
	r.dead++
	if r.len() == 0 {
		r.head, r.dead = r.tail, 0
	}
	return true
}

// all takes all values.
func (r *ring[T]) all() []T {
	vs := make([]T, 0, r.len())
	for r.len() > 0 {
		vs = append(vs, r.pop())
	}
	return vs
}
