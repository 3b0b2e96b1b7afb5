package queue

import (
	"sort"
	"time"
)

// A ring is a FIFO that numbers what is pushed: 1, 2, 3 and so on. Its zero value is empty.
//
// What is taken back leaves a dead slot, since others may have been pushed behind it meanwhile. The last slot in use is never dead, and grow leaves the
// dead ones out, so they are never many more than the values: a queue that stands full may refuse for ever.
type ring[T any] struct {
	buf  []slot[T] // its length is a power of two, or zero
	head uint64    // the place of the first slot in use; slot has it modulo the length
	tail uint64    // the place of the next push
	last uint64    // the number of the last push
	dead int       // slots in use that were taken back
}

type slot[T any] struct {
	v  T
	n  uint64        // its number, larger than those before it: none is given twice
	at time.Duration // when it was pushed, since the queue was made: for batches; or takenBack
}

const takenBack time.Duration = -1

// idleSlots is how many slots an empty ring keeps.
const idleSlots = 1024

// len returns how many values are in the ring.
func (r *ring[T]) len() int { return int(r.tail-r.head) - r.dead }

func (r *ring[T]) slot(place uint64) *slot[T] { return &r.buf[place&uint64(len(r.buf)-1)] }

// push returns the number of v.
func (r *ring[T]) push(v T, at time.Duration) uint64 {
	if int(r.tail-r.head) == len(r.buf) {
		r.grow()
	}
	r.last++
	*r.slot(r.tail) = slot[T]{v, r.last, at}
	r.tail++
	return r.last
}

// grow makes room: the ring is full.
func (r *ring[T]) grow() {
	old := *r
	size := max(8, len(old.buf))
	if old.len() > size/2 {
		size *= 2
	}
	r.buf, r.tail, r.dead = make([]slot[T], size), r.head, 0
	for place := old.head; place != old.tail; place++ {
		if s := old.slot(place); s.at != takenBack {
			*r.slot(r.tail) = *s
			r.tail++
		}
	}
}

// first returns the first value's number and when it was pushed; the ring is not empty.
func (r *ring[T]) first() (n uint64, at time.Duration) {
	for r.slot(r.head).at == takenBack {
		r.drop()
		r.dead--
	}
	s := r.slot(r.head)
	return s.n, s.at
}

// pop takes the first value; the ring is not empty.
func (r *ring[T]) pop() T {
	r.first()
	v := r.slot(r.head).v
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
	used := int(r.tail - r.head)
	i := sort.Search(used, func(i int) bool { return r.slot(r.head+uint64(i)).n >= n })
	if i == used {
		return false
	}
	s := r.slot(r.head + uint64(i))
	if s.n != n || s.at == takenBack {
		return false
	}
	*s = slot[T]{n: n, at: takenBack}
	r.dead++
	for r.tail != r.head && r.slot(r.tail-1).at == takenBack {
		r.tail--
		*r.slot(r.tail) = slot[T]{}
		r.dead--
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
