package collect

// stream: the calls that AsCompleted has pulled and not yet yielded.
//
//	         add                finish                 next
//	source ───────► unfinished ───────► ready (a FIFO) ──────► consumer
//
// add, next, sleep and leave run on the consumer's goroutine, and only they touch held and the list of entries. finish
// runs wherever a call completes; mu guards what it shares with the consumer, is held for a few instructions, and never
// while user code runs or anything waits.

import (
	"context"
	"errors"
	"runtime"
	"sync"

	"github.com/gohop/hop"
)

// errLeft is the cause of the cancellation of what a consumer did not wait for.
var errLeft = errors.New("hop: collect.AsCompleted: the loop over the results was left before the call was done")

// An entry is one of them. It is used again for the next one when its own was yielded, so that a bounded stream makes no
// more entries than its bound.
type entry[T any] struct {
	p          *hop.Pending[T]
	stop       func() bool // takes back OnDone; nil if p was done when it was pulled
	fire       func()      // finish, for OnDone
	prev, next *entry[T]   // in the order of the source; next also in the list of free ones
	done       bool        // guarded by stream.mu
	told       bool        // OnDone has called fire, or was not asked to; guarded by stream.mu
}

type stream[T any] struct {
	self *hop.Call // the call that ranges, or nil
	at   uintptr   // where it does

	held set[hop.Pending[T]] // those of all entries: a Pending that comes twice is one
	open entry[T]            // the ring of all entries; it is its own first and last
	free *entry[T]
	slab []entry[T] // not used yet

	mu    sync.Mutex
	ready []*entry[T] // finished, not yielded: ready[head:]
	head  int
	awake *hop.Event // set by the next finish; nil unless the consumer sleeps
}

// entry returns an unused entry.
func (s *stream[T]) entry() *entry[T] {
	if e := s.free; e != nil {
		s.free = e.next
		return e
	}
	if len(s.slab) == 0 {
		s.slab = make([]entry[T], min(256, max(8, s.held.n)))
	}
	e := &s.slab[0]
	s.slab = s.slab[1:]
	e.fire = func() { s.finish(e, true) }
	return e
}

// add takes in the next Pending of the source.
func (s *stream[T]) add(p *hop.Pending[T]) {
	if p == nil {
		panic("hop: collect.AsCompleted: nil Pending")
	}
	if p.Call() == s.self {
		panic(deadlock(s.self, s.at))
	}
	if !s.held.add(p) {
		return
	}
	e := s.entry()
	e.p, e.done, e.told = p, false, false
	e.prev, e.next = s.open.prev, &s.open
	e.prev.next, e.next.prev = e, e
	if ended(p.Call()) {
		s.finish(e, true)
		return
	}
	e.stop = p.OnDone(e.fire)
}

// finish makes e ready, once. told is set by OnDone: e can be used again only after that. It is one step under mu, or a
// late OnDone would finish the next call of e.
func (s *stream[T]) finish(e *entry[T], told bool) {
	s.mu.Lock()
	e.told = e.told || told
	if e.done {
		s.mu.Unlock()
		return
	}
	e.done = true
	s.ready = append(s.ready, e)
	awake := s.awake
	s.awake = nil
	s.mu.Unlock()
	if awake != nil {
		awake.Set()
	}
}

// next takes the Pending that has been ready for longest, or returns nil.
func (s *stream[T]) next() *hop.Pending[T] {
	s.mu.Lock()
	if s.head == len(s.ready) {
		s.mu.Unlock()
		return nil
	}
	e := s.ready[s.head]
	s.ready[s.head] = nil
	s.head++
	if s.head == len(s.ready) {
		s.ready, s.head = s.ready[:0], 0
	}
	again := e.told
	s.mu.Unlock()
	e.prev.next, e.next.prev = e.next, e.prev
	p := e.p
	s.held.remove(p)
	e.p, e.stop = nil, nil
	if again {
		e.next, s.free = s.free, e
	}
	return p
}

// sleep waits until something is ready.
func (s *stream[T]) sleep(ctx context.Context) error {
	s.mu.Lock()
	if s.head < len(s.ready) {
		s.mu.Unlock()
		return nil
	}
	awake := new(hop.Event) // an Event is set once, so each sleep has its own
	s.awake = awake
	s.mu.Unlock()
	err := awake.Wait(ctx)
	if err != nil {
		s.mu.Lock()
		s.awake = nil
		s.mu.Unlock()
	}
	return err
}

// leave takes back what add registered with the calls that were not yielded, and cancels those that are not done unless
// keep is set.
func (s *stream[T]) leave(ctx context.Context, keep bool) {
	if s.held.n == 0 {
		return
	}
	cause := context.Cause(ctx)
	if cause == nil {
		cause = errLeft
	}
	for e := s.open.next; e != &s.open; e = e.next {
		if e.stop != nil {
			e.stop()
		}
	}
	if keep {
		return
	}
	for e := s.open.next; e != &s.open; e = e.next {
		if !ended(e.p.Call()) {
			e.p.Cancel(cause)
		}
	}
}

// deadlock is the error of a call that asks for itself at pc.
func deadlock(c *hop.Call, pc uintptr) *hop.DeadlockError {
	frame, _ := runtime.CallersFrames([]uintptr{pc}).Next()
	return &hop.DeadlockError{Cycle: []hop.Wait{{Call: c, Portal: c.Portal(), File: frame.File, Line: frame.Line}}}
}
