// Package timerheap keeps what is to happen at a time, soonest first; what is due at the same time keeps the
// order in which it was added.
package timerheap

import (
	"cmp"
	"slices"
	"time"
)

// A Timer is an entry of a Heap; it belongs inside what it wakes, so that a timer costs no allocation.
// Its zero value is ready.
type Timer[V any] struct {
	Value V
	when  time.Duration
	order uint64
	index int // 1 + its place in the heap; 0: not in one
}

// Queued reports whether the timer is in a heap.
func (t *Timer[V]) Queued() bool { return t.index != 0 }

// A Heap is a four-ary heap of timers; it is not safe for concurrent use. Times are counted from one moment of
// the owner's choice.
type Heap[V any] struct {
	ts    []*Timer[V]
	order uint64
}

// Len returns how many timers wait.
func (h *Heap[V]) Len() int { return len(h.ts) }

// Add puts t in, to be due at when. t must not be in a heap. It reports whether t is now the soonest.
func (h *Heap[V]) Add(t *Timer[V], when time.Duration) bool {
	h.order++
	t.when, t.order = when, h.order
	h.ts = append(h.ts, t)
	h.up(len(h.ts) - 1)
	return h.ts[0] == t
}

// Remove takes t out; false: it was not in.
func (h *Heap[V]) Remove(t *Timer[V]) bool {
	if t.index == 0 {
		return false
	}
	i := t.index - 1
	n := len(h.ts) - 1
	last := h.ts[n]
	h.ts[n] = nil
	h.ts = h.ts[:n]
	if i < n {
		h.ts[i] = last
		last.index = i + 1
		if !h.down(i) {
			h.up(i)
		}
	}
	t.index = 0
	if n == 0 && cap(h.ts) > 1024 {
		h.ts = nil
	}
	return true
}

// Soonest returns when the next timer is due.
func (h *Heap[V]) Soonest() (when time.Duration, ok bool) {
	if len(h.ts) == 0 {
		return 0, false
	}
	return h.ts[0].when, true
}

// Due takes the next timer out if it is due at now, and returns it.
func (h *Heap[V]) Due(now time.Duration) *Timer[V] {
	if len(h.ts) == 0 || h.ts[0].when > now {
		return nil
	}
	t := h.ts[0]
	h.Remove(t)
	return t
}

// Sorted returns the values of all timers, soonest first.
func (h *Heap[V]) Sorted() []V {
	ts := slices.Clone(h.ts)
	slices.SortFunc(ts, func(a, b *Timer[V]) int {
		return cmp.Or(cmp.Compare(a.when, b.when), cmp.Compare(a.order, b.order))
	})
	vs := make([]V, len(ts))
	for i, t := range ts {
		vs[i] = t.Value
	}
	return vs
}

func (h *Heap[V]) before(a, b *Timer[V]) bool {
	return a.when < b.when || a.when == b.when && a.order < b.order
}

func (h *Heap[V]) up(i int) {
	t := h.ts[i]
	for i > 0 {
		p := (i - 1) / 4
		if !h.before(t, h.ts[p]) {
			break
		}
		h.ts[i] = h.ts[p]
		h.ts[i].index = i + 1
		i = p
	}
	h.ts[i] = t
	t.index = i + 1
}

func (h *Heap[V]) down(i int) bool {
	t, from := h.ts[i], i
	for {
		least := -1
		for c := 4*i + 1; c < len(h.ts) && c <= 4*i+4; c++ {
			if least < 0 || h.before(h.ts[c], h.ts[least]) {
				least = c
			}
		}
		if least < 0 || !h.before(h.ts[least], t) {
			break
		}
		h.ts[i] = h.ts[least]
		h.ts[i].index = i + 1
		i = least
	}
	h.ts[i] = t
	t.index = i + 1
	return i > from
}
