package hop

import (
	"context"
	"reflect"
	"sync/atomic"
	"unsafe"
)

// A parentRef is a context, in the two words that make an interface. Where it is a call's, the second may be changed to another call's.
type parentRef struct {
	kind unsafe.Pointer // set once
	data unsafe.Pointer
}

func parentOf(ctx context.Context) parentRef { return *(*parentRef)(unsafe.Pointer(&ctx)) }

func (r parentRef) context() context.Context { return *(*context.Context)(unsafe.Pointer(&r)) }

// parent returns the submitter's context, or, once that is of a call that has ended by itself, that of a call further up: what ends one and what c
// gets to know through it is the same then.
func (c *Call) parent() context.Context { return c.parentRef().context() }

func (c *Call) parentRef() parentRef {
	return parentRef{c.under.kind, atomic.LoadPointer(&c.under.data)}
}

// liveParent returns the context whose end is the end of c's: the parent, or, where that only adds a value to another, that one, or, where that is a
// call that has ended by itself, what that call's context ends with.
func (c *Call) liveParent() context.Context {
	if k := c.under.kind; k == ofCall || k == ofValue || k == ofAnchor {
		return c.liveAbove()
	}
	return c.under.context() // which does not change
}

// ofCall is the kind of a call's context.
var ofCall = parentOf((*callContext)(nil)).kind

// Kinds of package context's: of what never ends, and of what is cancelled. Their methods are no user's, but for what Value may find.
var (
	ofBackground = parentOf(context.Background()).kind
	ofCancel     = func() unsafe.Pointer {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		return parentOf(ctx).kind
	}()
)

// ofValue is the kind of the contexts that context.WithValue makes. Such a one ends when that ends which it was made of. But it shows neither that one nor
// the method AfterFunc, so package context would need a goroutine to tell of the end of a call's context with a value. It begins with the
// other; should that change, ofValue is no context's kind.
var ofValue = func() unsafe.Pointer {
	of := context.Context(new(keyProbe))
	ctx := context.WithValue(of, ofValueKey{}, 0)
	t := reflect.TypeOf(ctx)
	if t.Kind() == reflect.Pointer && t.Elem().Kind() == reflect.Struct && t.Elem().NumField() > 0 {
		first := t.Elem().Field(0)
		if ref := parentOf(ctx); first.Type == reflect.TypeFor[context.Context]() && first.Offset == 0 && *(*parentRef)(ref.data) == parentOf(of) {
			return ref.kind
		}
	}
	return unsafe.Pointer(new(int))
}()

// ofAnchor is the kind of another that ends when that ends which it was made of, and begins with it.
var ofAnchor = parentOf((*anchorContext)(nil)).kind

type ofValueKey struct{}

// behindValues returns the context that ctx adds values or an anchor to, ctx itself if it adds none: they end together.
func behindValues(ctx context.Context) context.Context {
	if k := parentOf(ctx).kind; k == ofValue || k == ofAnchor {
		return parentOf(ctx).behind().context()
	}
	return ctx
}

func (r parentRef) behind() parentRef {
	for r.kind == ofValue || r.kind == ofAnchor {
		r = *(*parentRef)(r.data)
	}
	return r
}

// liveAbove is liveParent where the parent is a call, or adds a value. On its way it makes the way shorter, for the next time: calls that each start
// the next, with their own context, are a long one, and all of it would be kept.
func (c *Call) liveAbove() context.Context {
	for {
		parent := c.parentRef()
		live := parent.behind()
		if live.kind != ofCall {
			return live.context()
		}
		up := (*Call)(live.data)
		if !up.done() || up.has(flagCancel) {
			return live.context()
		}
		if parent.kind == ofCall && up.under.kind == ofCall && (up.from == nil || c.from != nil) { // else up knows the way back for c
			// Another may have found one further up, or down: any will do.
			atomic.StorePointer(&c.under.data, atomic.LoadPointer(&up.under.data))
		}
		c = up
	}
}

// parentErr returns the Err of the context whose end is the end of c's.
func (c *Call) parentErr() error {
	if c.has(flagEndless) {
		return nil
	}
	return c.errAbove()
}

// errAbove is parentErr where there may be one. First it looks: to ask all calls above in turn would take a deep stack, where calls that wait for each
// other are nested deep.
func (c *Call) errAbove() error {
	for up := c; ; {
		parent := up.liveParent()
		cc, ok := parent.(*callContext)
		if !ok {
			if parent == nil {
				return misuseOfZero()
			}
			if parent.Err() == nil {
				return nil
			}
			break
		}
		up = (*Call)(cc)
		if st := up.st.Load(); st&flagCancel != 0 {
			break
		} else if st&flagEndless != 0 {
			return nil
		}
	}
	return c.liveParent().Err()
}

// misuseOfZero is for a call that was not made by one of the functions that do.
//
//go:noinline
func misuseOfZero() error {
	misuse("a zero Pending, Promise or Call: make one with Go, After, New or NewPromise")
	return nil
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
