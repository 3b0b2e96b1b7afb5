package collect

// stream: the calls that AsCompleted has pulled and not yet yielded.
//
//	         add                Wake                 take
//	source ───────► unfinished ───────► ready (a FIFO) ──────► consumer
//
// All but Wake and push runs on the consumer's goroutine, and only it touches what is not said to be shared. Wake runs wherever a call
// completes, after its functions of OnDone, perhaps under the call's lock; mu guards what it shares with the consumer, is held
// for a few instructions, and never while user code runs or anything waits.
//
// A Pending that comes twice is one. Most calls are in one stream only, and come once: they have a mark then (inside.Mark), which
// says so without a look at the others. Who finds a mark that another stream may have set makes a set of all that it
// holds, and from then on keeps it.

import (
	"context"
	"errors"
	"runtime"

	"github.com/gohop/hop"
	"github.com/gohop/hop/internal/inside"
	"github.com/gohop/hop/internal/turn"
	"github.com/gohop/hop/internal/waitlist"
)

// errLeft is the cause of the cancellation of what a consumer did not wait for.
var errLeft = errors.New("hop: collect.AsCompleted: the loop over the results was left before the call was done")

// An entry is one of them. It is used again for the next one when its own was yielded, so that a bounded stream makes no
// more entries than its bound.
type entry[T any] struct {
	s          *stream[T]
	p          *hop.Pending[T]
	node       waitlist.Node // in the list of those who wait for p
	done       bool          // shared: it is ready, or has been
	marked     bool          // p's mark is this one's
	prev, next *entry[T]     // in the order of the source; next also in the list of free ones
}

func (e *entry[T]) Several() any { return e.s.several }

// Wake is told that the call has ended.
func (e *entry[T]) Wake() bool {
	return e.s.push(e)
}

type stream[T any] struct {
	at uintptr // where it is ranged over

	n     int                  // how many it holds
	ring  turn.Short           // for the next, which hop's wait graph looks at; nothing is called under it
	open  entry[T]             // the ring of all; it is its own first and last
	held  *set[hop.Pending[T]] // the same, where one might come twice; nil: none might
	free  *entry[T]
	slab  []entry[T]  // not used yet
	batch []*entry[T] // was ready, and is yielded first: batch[next:]
	next  int

	several any // the wait for those that are held, for hop's wait graph

	_ [64]byte // what the consumer alone writes stands in other lines of memory than

	mu    turn.Short
	ready []*entry[T] // shared: finished after those
	awake *hop.Event  // shared: set by the next that is ready; nil unless the consumer sleeps
}

func newStream[T any](at uintptr) *stream[T] {
	s := &stream[T]{at: at}
	s.open.prev, s.open.next = &s.open, &s.open
	s.several = inside.Several(inside.One, s.each)
	return s
}

// entry returns an unused entry.
func (s *stream[T]) entry() *entry[T] {
	if e := s.free; e != nil {
		s.free = e.next
		return e
	}
	if len(s.slab) == 0 {
		s.slab = make([]entry[T], min(256, max(8, s.n)))
	}
	e := &s.slab[0]
	s.slab = s.slab[1:]
	e.s = s
	return e
}

// add takes in the next Pending of the source.
func (s *stream[T]) add(p *hop.Pending[T]) {
	if p == nil {
		panic("hop: collect.AsCompleted: nil Pending")
	}
	c := p.Call()
	if inside.Here(c) {
		panic(deadlock(c, s.at))
	}
	if s.held != nil && !s.held.add(p) {
		return
	}
	marked := inside.Mark(c)
	if !marked && s.held == nil && !s.remember(p) {
		return
	}
	e := s.entry()
	e.p, e.marked, e.done = p, marked, false
	s.ring.Lock()
	e.prev, e.next = s.open.prev, &s.open
	e.prev.next, e.next.prev = e, e
	s.ring.Unlock()
	s.n++
	if !inside.Watch(c, &e.node, e) {
		s.push(e)
	}
}

// remember begins the set, with p; false: p is held already.
func (s *stream[T]) remember(p *hop.Pending[T]) bool {
	s.held = new(set[hop.Pending[T]])
	for e := s.open.next; e != &s.open; e = e.next {
		s.held.add(e.p)
	}
	return s.held.add(p)
}

// push makes e, whose call has ended, ready, once.
func (s *stream[T]) push(e *entry[T]) bool {
	s.mu.Lock()
	if e.done {
		s.mu.Unlock()
		return false
	}
	e.done = true
	s.ready = append(s.ready, e)
	awake := s.awake
	s.awake = nil
	s.mu.Unlock()
	if awake != nil {
		inside.Set(awake)
	}
	return true
}

// take returns the Pending that has been ready for longest, or nil.
func (s *stream[T]) take() *hop.Pending[T] {
	if s.next == len(s.batch) {
		s.mu.Lock()
		s.batch, s.ready = s.ready, s.batch[:0]
		s.mu.Unlock()
		s.next = 0
		if len(s.batch) == 0 {
			return nil
		}
	}
	e := s.batch[s.next]
	s.batch[s.next] = nil
	s.next++
	p := e.p
	s.ring.Lock()
	e.prev.next, e.next.prev = e.next, e.prev
	e.p = nil
	s.ring.Unlock()
	s.n--
	e.unmark(p)
	if s.held != nil {
		s.held.remove(p)
	}
	e.next, s.free = s.free, e
	return p
}

func (e *entry[T]) unmark(p *hop.Pending[T]) {
	if e.marked {
		inside.Unmark(p.Call())
		e.marked = false
	}
}

// sleep waits until something is ready.
func (s *stream[T]) sleep(ctx context.Context) error {
	s.mu.Lock()
	if len(s.ready) > 0 {
		s.mu.Unlock()
		return nil
	}
	awake := new(hop.Event) // an Event is set once, so each sleep has its own
	s.awake = awake
	s.mu.Unlock()
	err := inside.AwaitSeveral(ctx, awake, s.several)
	if err != nil {
		s.mu.Lock()
		s.awake = nil
		s.mu.Unlock()
	}
	return err
}

// each yields the calls that are held.
func (s *stream[T]) each(yield func(call any) bool) {
	s.ring.Lock()
	defer s.ring.Unlock()
	for e := s.open.next; e != &s.open; e = e.next {
		if !yield(e.p.Call()) {
			return
		}
	}
}

// leave takes back what add registered with the calls that were not yielded, and cancels those that are not done unless
// keep is set.
func (s *stream[T]) leave(ctx context.Context, keep bool) {
	if s.n == 0 {
		return
	}
	cause := context.Cause(ctx)
	if cause == nil {
		cause = errLeft
	}
	for e := s.open.next; e != &s.open; e = e.next {
		inside.Unwatch(e.p.Call(), &e.node)
		e.unmark(e.p)
	}
	if keep {
		return
	}
	inside.CancelEach(func(yield func(any) bool) {
		for e := s.open.next; e != &s.open; e = e.next {
			yield(e.p.Call())
		}
	}, cause)
}

// deadlock is the error of a call that asks for itself at pc.
func deadlock(c *hop.Call, pc uintptr) *hop.DeadlockError {
	frame, _ := runtime.CallersFrames([]uintptr{pc}).Next()
	return &hop.DeadlockError{Cycle: []hop.Wait{{Call: c, Portal: c.Portal(), File: frame.File, Line: frame.Line}}}
}
