package hop

import (
	"unsafe"

	"github.com/gohop/hop/internal/fetch"
)

// Where very many tasks are suspended, what one of them needs to go on is in no cache any more: its coroutine, its goroutine, the end of its stack, its
// call. To wait for one line after the other would take most of its turn. But who goes on next is known some turns before, so the loop asks for
// these lines meanwhile, first for the coroutine, which says where the rest is.
//
// It does so on the stack of a task that waits, which is not to grow for that: so what is here does with the room below the guard of each stack.

// cold is how many suspended tasks are more than a core's own cache has room for. Each needs some 2 KB to go on.
const cold = 256

// How many are before it when something is asked for.
const (
	coroAhead  = 4
	stackAhead = 2
	callAhead  = 1
)

// How much is asked for, in lines.
const (
	coroLines  = uint(unsafe.Sizeof(coro{})+fetch.Line-1) / fetch.Line
	gLines     = 7 // of the runtime's goroutine
	stackLines = 14
	stackBelow = 192 // bytes that the functions below suspend take of the stack
	callLines  = uint(unsafe.Sizeof(Pending[int]{})+fetch.Line-1) / fetch.Line
	moreLines  = uint(unsafe.Sizeof(moreHooked{})+fetch.Line-1) / fetch.Line
	nextWords  = 3 // what next closes over: its code, and what iter.Pull switches by
)

func linesOf[T any](p *T, n uint) {
	if p != nil {
		fetch.Lines(uintptr(unsafe.Pointer(p)), n)
	}
}

// fetch asks for what those need that go on after the one that was popped.
//
//go:nosplit
func (r *ready) fetch() {
	if fetch.Here {
		r.ahead(coroAhead).fetch()
		r.ahead(stackAhead).fetchStack()
		r.ahead(callAhead).fetchCall()
	}
}

// fetchSent is that for the batch of the mailbox. Calls that have not begun were last on the sender's core.
//
//go:nosplit
func (s *sched) fetchSent() {
	if !fetch.Here {
		return
	}
	it, _ := s.box.Ahead(coroAhead)
	switch it.kind() {
	case itemCoro:
		it.coro().fetch()
	case itemCall:
		linesOf(it.call(), callLines)
	}
	s.sent(stackAhead).fetchStack()
	s.sent(callAhead).fetchCall()
}

// sent returns the task of the batch that has i before it, nil if that is none.
func (s *sched) sent(i int) *coro {
	it, _ := s.box.Ahead(i)
	return it.asCoro()
}

//go:nosplit
func (c *coro) fetch() { linesOf(c, coroLines) }

// fetchStack is what comes after fetch.
//
//go:nosplit
func (c *coro) fetchStack() {
	if c != nil {
		fetch.Lines(c.g, gLines)
		fetch.Lines(fibers.Slot(c.g), 1)
		fetch.Lines(c.sp-stackBelow, stackLines)
		linesOf(c.cur.Load(), callLines)
	}
}

// fetchCall is what comes after fetchStack.
//
//go:nosplit
func (c *coro) fetchCall() {
	if c != nil {
		if call := c.cur.Load(); call != nil {
			linesOf(call.x.Load(), moreLines)
		}
		fetch.Words(*(*uintptr)(unsafe.Pointer(&c.next)), nextWords) // a func is a pointer to what it closes over
	}
}

// The memory that a new call gets was that of another before, which ran on another core as often as not, and has its lines there still, or nowhere
// near. The allocator mostly gives out one place after the other. So whoever has got one asks for those behind, which it will write to soon.
const (
	callsAfter      = 256 // bytes, to about the second and third behind it
	callsAfterLines = 3
)

func fetchCallsAfter(p unsafe.Pointer) {
	if fetch.Here {
		fetch.Own(uintptr(p)+callsAfter, callsAfterLines)
	}
}
