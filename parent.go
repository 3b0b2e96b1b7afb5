package hop

import (
	"context"
	"sync/atomic"
	"unsafe"
)

// A parentRef is a context, in the two words that make an interface. Where it is a call's, the second may be changed to another call's.
type parentRef struct {
	kind unsafe.Pointer // set once
	data unsafe.Pointer
}

func parentOf(ctx context.Context) parentRef { return *(*parentRef)(unsafe.Pointer(&ctx)) }

// parent returns the submitter's context, or, once that is of a call that has ended by itself, that of a call further up: what ends one and what c
// gets to know through it is the same then.
func (c *Call) parent() (ctx context.Context) {
	*(*parentRef)(unsafe.Pointer(&ctx)) = parentRef{c.under.kind, atomic.LoadPointer(&c.under.data)}
	return ctx
}

// liveParent returns the context whose end is the end of c's: the parent, or, where that is a call that has ended by
// itself, what that call's context ends with.
func (c *Call) liveParent() context.Context {
	if c.under.kind == ofCall {
		return c.liveAbove()
	}
	return *(*context.Context)(unsafe.Pointer(&c.under)) // which does not change
}

// ofCall is the kind of a call's context.
var ofCall = parentOf((*callContext)(nil)).kind

// liveAbove is liveParent where the parent is a call. On its way it makes the way shorter, for the next time: calls that each start the next, with
// their own context, are a long one, and all of it would be kept.
func (c *Call) liveAbove() context.Context {
	for c.under.kind == ofCall {
		up := (*Call)(atomic.LoadPointer(&c.under.data))
		if !up.done() || up.has(flagCancel) {
			break
		}
		if up.under.kind == ofCall && (up.from == nil || c.from != nil) { // else up knows the way back for c
			// Another may have found one further up, or down: any will do.
			atomic.StorePointer(&c.under.data, atomic.LoadPointer(&up.under.data))
		}
		c = up
	}
	return c.parent()
}

// parentErr returns the Err of the context whose end is the end of c's.
func (c *Call) parentErr() error {
	if c.has(flagEndless) {
		return nil
	}
	return c.liveParent().Err()
}

// sameContext reports whether a and b are one value; unlike ==, it takes contexts of every type.
func sameContext(a, b context.Context) bool { return same(a, b) }

// same is that for any type of interface.
func same[T any](a, b T) bool {
	type words [2]unsafe.Pointer
	return *(*words)(unsafe.Pointer(&a)) == *(*words)(unsafe.Pointer(&b))
}

// An anchor is what a context knows of hop: the nearest call, and the groups and trackers that calls made with it join.
type anchor struct {
	call *Call
	sets *link
}

// anchorOf returns what ctx knows.
func anchorOf(ctx context.Context) anchor {
	switch ctx := ctx.(type) {
	case *callContext:
		return anchor{(*Call)(ctx), ctx.sets}
	case *groupContext:
		return ctx.known
	}
	switch known := ctx.Value(anchorKey{}).(type) { // pointers: they cost no allocation
	case *callContext:
		return anchor{(*Call)(known), known.sets}
	case *anchor:
		return *known
	}
	return anchor{}
}

// anchorFor is anchorOf for a call that is made with ctx.
func anchorFor(ctx context.Context) anchor {
	if ctx == nil {
		misuse("nil context")
	}
	return anchorOf(ctx)
}

// CurrentCall returns the call whose function ctx was given to, or was derived from the context of; nil if there is
// none. It is the way to one's own Pending's Call. It follows async-kernel's current_pending.
func CurrentCall(ctx context.Context) *Call {
	if ctx == nil {
		misuse("nil context")
	}
	return anchorOf(ctx).call
}
