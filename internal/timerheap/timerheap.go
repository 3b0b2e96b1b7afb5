// Package timerheap keeps what is to happen at a time, soonest first; what is due at the same time keeps the
// order in which it was added.
//
// Most timers are taken back before they are due: a wait that has a limit, a sleep that is cancelled. So to take one back is cheap: its
// slot stays, empty, until somebody asks what is next or due and it is at the top, or until half of the slots are empty.
package timerheap

import (
	"cmp"
	"slices"
	"time"
)

// A Timer is an entry of a Heap; it belongs inside what it wakes, so that a timer costs no allocation.
// Its zero value is ready. It is small, since a million may wait.
type Timer struct {
	index uint32 // 1 + its place in the heap; 0: not in one
	order uint32 // which it was; it may wrap, and only what is due at the same time is compared by it
}

// Queued reports whether the timer is in a heap.
func (t *Timer) Queued() bool { return t.index != 0 }

// Before reports whether t was added before u, to this heap or one that shares its count.
func (t *Timer) Before(u *Timer) bool { return int32(t.order-u.order) < 0 }

// A slot is a place in a heap. One without a timer is empty: it counts as added before all others of its time. So it never
// hides one of them from what is sifted past it, and as each new timer is the last of its time, no order among the others depends on it.
type slot struct {
	when time.Duration
	t    *Timer
}

func (a *slot) before(b *slot) bool {
	if a.when != b.when {
		return a.when < b.when
	}
	return a.t == nil || b.t != nil && a.t.Before(b.t)
}

// A Heap is a four-ary heap of timers; it is not safe for concurrent use. Times are counted from one moment of
// the owner's choice. Its zero value is ready.
//
// The slots are in chunks: a heap that grows copies none of them, and has room for few more than there are.
type Heap struct {
	chunks []*chunk
	n      int // slots in use
	empty  int // those of them without a timer
}

const chunkLen = 63 // a chunk and what the allocator notes of it are 1 KB

type chunk [chunkLen]slot

func (h *Heap) at(i int) *slot { return &h.chunks[uint(i)/chunkLen][uint(i)%chunkLen] }

// Len returns how many timers wait.
func (h *Heap) Len() int { return h.n - h.empty }

// Add puts t in, to be due at when, as the order-th of all. t must not be in a heap. It reports whether t is sooner than all that were in since
// Soonest was asked: then who waits for the soonest has to wait for t.
func (h *Heap) Add(t *Timer, when time.Duration, order uint32) bool {
	t.order = order
	if h.n == len(h.chunks)*chunkLen {
		h.chunks = append(h.chunks, new(chunk))
	}
	h.n++
	h.up(h.n-1, slot{when, t})
	return h.chunks[0][0].t == t
}

// Remove takes t out; false: it was not in.
func (h *Heap) Remove(t *Timer) bool {
	if t.index == 0 {
		return false
	}
	h.at(int(t.index) - 1).t = nil
	t.index = 0
	h.empty++
	switch {
	case h.empty == h.n:
		h.cut(0)
		h.empty = 0
	case h.empty > chunkLen && h.empty > h.n/2:
		h.compact()
	}
	return true
}

// Soonest returns when the next timer is due, and the timer; nil: there is none.
func (h *Heap) Soonest() (when time.Duration, t *Timer) {
	h.trim()
	if h.n == 0 {
		return 0, nil
	}
	s := h.chunks[0][0]
	return s.when, s.t
}

// Due takes the next timer out if it is due at now, and returns it. While even an empty slot at the top is not, it moves nothing.
func (h *Heap) Due(now time.Duration) *Timer {
	if h.n == 0 || h.chunks[0][0].when > now {
		return nil
	}
	when, t := h.Soonest()
	if t == nil || when > now {
		return nil
	}
	t.index = 0
	h.pop()
	return t
}

// Sorted shows f all timers, soonest first.
func (h *Heap) Sorted(f func(*Timer)) {
	all := make([]slot, 0, h.Len())
	for i := range h.n {
		if s := h.at(i); s.t != nil {
			all = append(all, *s)
		}
	}
	slices.SortFunc(all, func(a, b slot) int {
		if c := cmp.Compare(a.when, b.when); c != 0 {
			return c
		}
		if a.t.Before(b.t) {
			return -1
		}
		return 1
	})
	for _, s := range all {
		f(s.t)
	}
}

// trim takes empty slots from the top, so that what is there is a timer.
func (h *Heap) trim() {
	for h.n > 0 && h.chunks[0][0].t == nil {
		h.pop()
		h.empty--
	}
}

// pop takes the slot at the top out.
func (h *Heap) pop() {
	last := *h.at(h.n - 1)
	h.cut(h.n - 1)
	if h.n > 0 {
		h.down(0, last)
	}
}

// compact takes all empty slots out.
func (h *Heap) compact() {
	n := 0
	for i := range h.n {
		if s := h.at(i); s.t != nil {
			*h.at(n) = *s
			n++
		}
	}
	h.cut(n)
	h.empty = 0
	for i := n - 1; i >= 0; i-- {
		h.down(i, *h.at(i))
	}
}

// cut leaves n slots in use. One chunk more than they need is kept.
func (h *Heap) cut(n int) {
	for i := n; i < h.n; i++ {
		*h.at(i) = slot{}
	}
	h.n = n
	for keep := n/chunkLen + 2; len(h.chunks) > keep; {
		last := len(h.chunks) - 1
		h.chunks[last] = nil
		h.chunks = h.chunks[:last]
	}
	if c := cap(h.chunks); c > chunkLen && len(h.chunks) < c/4 {
		h.chunks = append(make([]*chunk, 0, c/2), h.chunks...)
	}
}

func (h *Heap) put(i int, s slot) {
	*h.at(i) = s
	if s.t != nil {
		s.t.index = uint32(i + 1)
	}
}

// up puts s, which is new, where it belongs: at i, or above.
func (h *Heap) up(i int, s slot) {
	for i > 0 {
		p := (i - 1) / 4
		if !s.before(h.at(p)) {
			break
		}
		h.put(i, *h.at(p))
		i = p
	}
	h.put(i, s)
}

// down puts s where it belongs: at i, which is free, or below.
func (h *Heap) down(i int, s slot) {
	for {
		first := 4*i + 1
		if first >= h.n {
			break
		}
		least, at := first, h.at(first)
		for c := first + 1; c < min(first+4, h.n); c++ {
			if b := h.at(c); b.before(at) {
				least, at = c, b
			}
		}
		if !at.before(&s) {
			break
		}
		h.put(i, *at)
		i = least
	}
	h.put(i, s)
}
