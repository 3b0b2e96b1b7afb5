// Package mailbox is the queue in front of a loop: many senders, one receiver, one order.
//
// The queue is a ring under a mutex. What makes it fast is not the absence of a lock but how seldom the
// receiver takes it: once for a batch, which it then reads without a lock, in place. Senders only ever write
// behind the batch, and a ring that has to grow is copied, so the slots of a batch do not change while it is read;
// they are cleared when the next batch is taken.
//
// A receiver that is stuck takes nothing, and what waits for it may die there: a call that is cancelled is not run. Before the ring grows, the dead are
// left out, so they take no more room than the living did.
package mailbox

import (
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/gohop/hop/internal/bug"
	"github.com/gohop/hop/internal/fetch"
	"github.com/gohop/hop/internal/turn"
)

const (
	keptRing = 1024 // slots: a longer ring is given away when a burst is over

	// Where the receiver runs on another processor, it has the lines of the ring that senders come to next, since it has cleared them. A sender
	// that waited for each in turn would wait for each eighth message; so it asks for them before.
	aLine = fetch.Line / 8 // messages, of a word each
	ahead = 4              // lines
)

// A Level says who may still send: a message of a lower level than the box's is refused.
type Level uint8

// A Box is a mailbox of T. Its zero value is ready. Push, Raise, Level, Each and Sweep may be called from anywhere; the
// other methods are the receiver's.
type Box[T any] struct {
	mu     turn.Short
	level  Level
	asleep bool        // the receiver sleeps, and must be woken
	known  bool        // what came says: something was sent since the receiver has seen that all was taken
	came   atomic.Bool // written under mu
	ring   []T         // len is a power of two
	head   uint64      // first slot in use; [head, taken) is the receiver's batch
	taken  uint64      // end of the batch
	tail   uint64      // end of what was sent; where this is not taken, known is true

	// Dead, if it is set, reports that a message is of no use any more; it stays so then. It is set before the box is used, and called with
	// the lock held: it must not block.
	Dead func(T) bool

	_ [56]byte // what follows changes with every message, on another processor than what senders write

	// The receiver's own view of its batch.
	view  []T
	start uint64
	pos   uint64
	end   uint64
}

// Push sends v. It reports whether v was accepted and whether the receiver sleeps and must be woken by the
// caller: exactly one sender is told so for each Sleep.
func (b *Box[T]) Push(v T, level Level) (ok, wake bool) {
	b.mu.Lock()
	if level < b.level {
		b.mu.Unlock()
		return false, false
	}
	if b.tail-b.head == uint64(len(b.ring)) {
		b.grow()
	}
	b.ring[b.tail&uint64(len(b.ring)-1)] = v
	if b.tail%aLine == 0 {
		fetch.Own(uintptr(unsafe.Pointer(&b.ring[(b.tail+ahead*aLine)&uint64(len(b.ring)-1)])), 1)
	}
	b.tail++
	if !b.known {
		wake, b.asleep, b.known = b.asleep, false, true
		b.came.Store(true)
	}
	b.mu.Unlock()
	return true, wake
}

// grow makes room for one more. The ring, which is full, gets longer only if more than half of it is alive, else the dead are left out: either way
// there is room then for half as many messages as were looked at, at least, and a message costs the same however long the queue is.
func (b *Box[T]) grow() {
	if b.Dead != nil && !b.mostlyAlive() {
		b.sweep()
		return
	}
	ring := b.longer()
	for i := b.head; i != b.tail; i++ {
		ring[i&uint64(len(ring)-1)] = b.ring[i&uint64(len(b.ring)-1)]
	}
	b.ring = ring
}

// mostlyAlive reports whether more than half of the ring is needed: by the batch, and by what is not dead. It looks at the youngest first, which
// are the most likely to be in the processor's cache.
func (b *Box[T]) mostlyAlive() bool {
	n, half, mask := b.taken-b.head, uint64(len(b.ring)/2), uint64(len(b.ring)-1)
	for i := b.tail; i != b.taken && n <= half; i-- {
		if !b.Dead(b.ring[(i-1)&mask]) {
			n++
		}
	}
	return n > half || len(b.ring) == 0
}

// Sweep leaves out what is dead, but for the receiver's batch.
func (b *Box[T]) Sweep() {
	b.mu.Lock()
	b.sweep()
	b.mu.Unlock()
}

// sweep closes the gaps in what is not taken, which the receiver does not read: its batch stands in other slots, or in another ring. It needs mu.
func (b *Box[T]) sweep() {
	if b.Dead == nil {
		return
	}
	mask := uint64(len(b.ring) - 1)
	left := b.taken
	for i := b.taken; i != b.tail; i++ {
		v := b.ring[i&mask]
		if b.Dead(v) {
			continue
		}
		if left != i {
			b.ring[left&mask] = v
		}
		left++
	}
	var none T
	for i := left; i != b.tail; i++ {
		b.ring[i&mask] = none
	}
	b.tail = left // known stays: to look once more than needed is no harm
}

// rings has those of bursts that are over, with nothing in them, for the next burst of any box: to make one, and those before it which it grew out
// of, takes longer than to send what fills it. What is not used again soon is the collector's.
var rings sync.Pool

const (
	spareFrom  = 64      // slots: a box that needs more looks for a spare ring,
	spareTimes = 16      // and takes one that is no more times as long: a box that is never empty goes through all of its ring
	spareBytes = 1 << 20 // longer ones are not kept
)

// longer returns an empty ring with more slots than the box's.
func (b *Box[T]) longer() []T {
	n := len(b.ring)
	if n >= spareFrom {
		if spare, ok := rings.Get().(*[]T); ok {
			if len(*spare) > n && len(*spare) <= spareTimes*n {
				return *spare
			}
			rings.Put(spare)
		}
	}
	return make([]T, max(16, 2*n))
}

// spare gives the box's ring away, in which nothing is, and which nobody reads.
func (b *Box[T]) spare() {
	ring := b.ring
	b.ring = nil
	var v T
	if unsafe.Sizeof(v)*uintptr(len(ring)) <= spareBytes {
		rings.Put(&ring)
	}
}

// Last returns how many messages the last batch had.
func (b *Box[T]) Last() int { return int(b.end - b.start) }

// Behind returns how many messages were sent behind the batch.
func (b *Box[T]) Behind() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return int(b.tail - b.taken)
}

// Came reports whether a message was sent since the receiver has seen that all was taken: by Refill, Sleep or Quiet. If not, all that will be sent
// comes after this moment. A receiver that spins asks it.
func (b *Box[T]) Came() bool { return b.came.Load() }

// Quiet reports whether the receiver, who calls it, has taken all that was sent. What happens on its side then comes before what is
// sent from now on.
func (b *Box[T]) Quiet() bool {
	if !b.came.Load() {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.tail != b.taken {
		return false
	}
	b.quiet()
	return true
}

// quiet notes that all was taken. It needs mu.
func (b *Box[T]) quiet() {
	b.known = false
	if b.came.Load() {
		b.came.Store(false)
	}
}

// Raise refuses from now on what is below level; a box is never lowered. When it returns, every message that was
// accepted is in the queue.
func (b *Box[T]) Raise(level Level) {
	b.mu.Lock()
	b.level = max(b.level, level)
	b.mu.Unlock()
}

// Seal raises the box to level if nothing is in it; false: there is a batch to read.
func (b *Box[T]) Seal(level Level) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !bug.SealsBlind && b.refill() {
		return false
	}
	b.level = max(b.level, level)
	return true
}

// Level returns what the box refuses.
func (b *Box[T]) Level() Level {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.level
}

// Next returns the next message of the batch.
func (b *Box[T]) Next() (v T, ok bool) {
	if b.pos == b.end {
		return v, false
	}
	if bug.LastFirst {
		b.end--
		return b.view[b.end&uint64(len(b.view)-1)], true
	}
	v = b.view[b.pos&uint64(len(b.view)-1)]
	b.pos++
	return v, true
}

// Ahead returns the message of the batch that has i others before it.
func (b *Box[T]) Ahead(i int) (v T, ok bool) {
	if at := b.pos + uint64(i); at < b.end {
		return b.view[at&uint64(len(b.view)-1)], true
	}
	return v, false
}

// Refill clears the batch that was read and takes the next one; false: there is nothing.
func (b *Box[T]) Refill() bool {
	b.mu.Lock()
	ok := b.refill()
	if !ok {
		b.quiet()
	}
	b.mu.Unlock()
	return ok
}

func (b *Box[T]) refill() bool {
	if b.head != b.taken {
		from, to := b.head&uint64(len(b.ring)-1), b.taken&uint64(len(b.ring)-1)
		if from < to {
			clear(b.ring[from:to])
		} else {
			clear(b.ring[from:])
			clear(b.ring[:to])
		}
		b.head = b.taken
	}
	b.taken = min(b.tail, b.head+Batch)
	if b.taken == b.head && len(b.ring) > keptRing {
		b.spare() // a burst is over
	}
	b.view, b.start, b.pos, b.end = b.ring, b.head, b.head, b.taken
	return b.pos != b.end
}

// Sleep reports whether the receiver may sleep: nothing was there, and the next sender is told to wake it.
// When it returns false, there is a batch to read.
func (b *Box[T]) Sleep() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !bug.SleepsBlind && b.refill() {
		return false
	}
	b.asleep = true
	b.quiet()
	return true
}

// Each shows f what is queued, oldest first: all that was accepted and is not yet known to have been received.
// Messages of the current batch are shown although the receiver may be at them. It may be called from anywhere and
// holds the lock: f must not send.
func (b *Box[T]) Each(f func(T) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := b.head; i != b.tail; i++ {
		if !f(b.ring[i&uint64(len(b.ring)-1)]) {
			return
		}
	}
}

// Unread shows f what the receiver, who calls it, has not read, oldest first. It holds the lock: f must not send.
func (b *Box[T]) Unread(f func(T)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := b.pos; i != b.tail; i++ {
		f(b.ring[i&uint64(len(b.ring)-1)])
	}
}
