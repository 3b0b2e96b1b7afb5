package hop

import "unsafe"

// An item is what a mailbox carries: a posted function, a call, a task to resume, or another [deed]. It is one word, and not the two of an interface: the lines
// of a mailbox's ring go from the senders' processors to the receiver's and back, and that is most of what a post costs.
//
// The word is a pointer, and its two low bits say to what. All that it points to begins at a multiple of four, so the pointer with the bits is one into the
// same object, which keeps that alive. A func is a pointer to what it closes over, or to a word of the program's text.
type item struct{ p unsafe.Pointer }

type itemKind uintptr

const (
	itemPosted itemKind = iota
	itemCall
	itemCoro
	itemDeed

	itemKinds = 4
)

// A deed is what is sent so seldom that it may be in memory of its own.
type deed interface{ do(fb *fiber) }

type boxed struct{ deed }

func posted(f func()) item {
	p := *(*unsafe.Pointer)(unsafe.Pointer(&f))
	if uintptr(p)%itemKinds != 0 { // not with a compiler that is known
		return boxedDeed(postedDeed(f))
	}
	return item{p}
}

func (c *Call) item() item { return item{unsafe.Add(unsafe.Pointer(c), itemCall)} }

func (c *coro) item() item { return item{unsafe.Add(unsafe.Pointer(c), itemCoro)} }

func boxedDeed(d deed) item { return item{unsafe.Add(unsafe.Pointer(&boxed{d}), itemDeed)} }

func (it item) none() bool { return it.p == nil }

func (it item) kind() itemKind { return itemKind(uintptr(it.p) % itemKinds) }

// function, call, coro and deed return what it is, which must be of that kind.

func (it item) function() func() { return *(*func())(unsafe.Pointer(&it.p)) }

func (it item) call() *Call { return (*Call)(unsafe.Add(it.p, -int(itemCall))) }

func (it item) coro() *coro { return (*coro)(unsafe.Add(it.p, -int(itemCoro))) }

func (it item) deed() deed { return (*boxed)(unsafe.Add(it.p, -int(itemDeed))).deed }

// asCall returns the call that it is, nil if it is none.
func (it item) asCall() *Call {
	if it.kind() != itemCall {
		return nil
	}
	return it.call()
}

// asCoro returns the task to resume that it is, nil if it is none.
func (it item) asCoro() *coro {
	if it.kind() != itemCoro {
		return nil
	}
	return it.coro()
}

// do runs what it is; a task to resume is its dispatcher's.
func (it item) do(fb *fiber) {
	switch it.kind() {
	case itemPosted:
		postedDeed(it.function()).do(fb)
	case itemCall:
		it.call().run(fb)
	case itemDeed:
		it.deed().do(fb)
	}
}
