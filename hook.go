package hop

import (
	"context"
	"runtime"
	"sync/atomic"
	"unsafe"
	"weak"

	"github.com/gohop/hop/internal/goid"
	"github.com/gohop/hop/internal/turn"
)

// How the end of a context reaches the calls made under it.
//
// A call is hooked to its parent context only when somebody looks at it: waits for it, asks for its Done, registers an
// OnDone, or makes a call or a context under it. Until then the end of the parent is found by asking parent.Err, at
// the start and at the end of the function, which costs nothing.
//
// A parent that is a call keeps the hooked calls in a list (kids). Locks are taken from child to parent, never the other
// way: who tells the kids has taken them off the list and released its lock.

// A kid is told when the context of the call whose list it is in ends.
type kid struct {
	call       *Call                // who is told,
	apart      bool                 // on a goroutine of its own, if it has functions of users to run then, or f is still being registered,
	f          func()               // or what is called; neither: the entry only keeps the upper call hooked
	up         atomic.Pointer[Call] // whose list it is in; changed under that call's mu
	prev, next *kid
}

// A kidList is a circular list through its last entry.
type kidList struct{ last *kid }

func (l *kidList) empty() bool { return l.last == nil }

func (l *kidList) add(k *kid) {
	if l.last == nil {
		k.prev, k.next = k, k
	} else {
		k.prev, k.next = l.last, l.last.next
		k.prev.next, k.next.prev = k, k
	}
	l.last = k
}

func (l *kidList) remove(k *kid) {
	if k.next == k {
		l.last = nil
	} else {
		k.prev.next, k.next.prev = k.next, k.prev
		if l.last == k {
			l.last = k.prev
		}
	}
	k.prev, k.next = nil, nil
}

// take empties the list and returns its entries as a chain through next. They are to be told, or, with to, to come to another list.
func (l *kidList) take(to *Call) *kid {
	last := l.last
	if last == nil {
		return nil
	}
	l.last = nil
	first := last.next
	last.next = nil
	for k := first; k != nil; k = k.next {
		k.up.Store(to)
	}
	return first
}

func (k *kid) tellAll() {
	var kids []*kid
	for ; k != nil; k = k.next {
		kids = append(kids, k)
	}
	forEach(kids, func(k *kid) {
		k.prev, k.next = nil, nil
		switch {
		case k.call == nil:
		case k.apart && k.call.hasFuncs():
			go k.call.parentEnded()
		default:
			k.call.parentEnded()
		}
		switch {
		case k.f == nil:
		case k.apart:
			go k.f()
		default:
			k.f()
		}
	})
}

// forEach calls f for each, also if one of the calls ends the goroutine by runtime.Goexit or panics: functions of users run when calls
// end, and what is left to be told is for now or never.
func forEach[T any](all []T, f func(T)) {
	i := 0
	defer func() {
		if i < len(all) {
			forEach(all[i:], f)
		}
	}()
	for i < len(all) {
		i++
		f(all[i-1])
	}
}

// addKid has k told of the end of c's context; false: it has ended.
func (c *Call) addKid(k *kid) bool {
	c.mu.Lock()
	x := c.more()
	if c.has(flagCancel) {
		c.mu.Unlock()
		return false
	}
	k.up.Store(c)
	x.kids.add(k)
	c.mu.Unlock()
	if !c.has(flagHooked) || c.done() {
		c.hook()
	}
	return true
}

// drop takes k back; false: it has been told.
func (k *kid) drop() bool {
	for {
		c := k.up.Load()
		switch c {
		case nil:
			return false
		case passing:
			turn.Race(k)
			runtime.Gosched()
			continue
		}
		c.mu.Lock()
		if k.up.Load() != c { // passed on meanwhile, or told
			c.mu.Unlock()
			continue
		}
		x := c.more()
		k.up.Store(nil)
		x.kids.remove(k)
		var h *hook
		if c.isDone() {
			h = c.unhookDone(x)
		}
		c.mu.Unlock()
		h.undo()
		return true
	}
}

// passing is whose list a kid is in that is on its way to another.
var passing = new(Call)

// passKids hands those whom c, which has ended by itself, would tell on to the call above, which would tell c: else calls that each start the next,
// with their own context, would all be kept by the last.
//
// One lock is held at a time, and nobody waits for another who passes: where each of a long chain ends, all would. A call whose own entry is on its
// way leaves it to who passes that, and looks after those it has passed whether they have ended.
func (c *Call) passKids() {
	for todo := []*Call{c}; len(todo) > 0; {
		last := len(todo) - 1
		c := todo[last]
		todo = todo[:last]
		for _, kid := range c.passOnce() {
			if kid.done() {
				todo = append(todo, kid)
			}
		}
	}
}

// passOnce passes the kids of c, and returns the calls that are among them.
func (c *Call) passOnce() (calls []*Call) {
	x := c.x.Load()
	for {
		c.mu.Lock()
		h := x.hook
		if h == nil || h.stop != nil || x.kids.empty() || c.has(flagCancel) {
			c.mu.Unlock()
			return nil
		}
		up := h.kid.up.Load()
		if up == passing || up != nil && up.has(flagHub) { // who tells those below a hub must not run functions of users
			c.mu.Unlock()
			return nil
		}
		if up == nil {
			kids := x.kids.take(nil)
			c.mu.Unlock()
			kids.tellAll() // c was told
			return nil
		}
		kids := x.kids.take(passing)
		x.moving++
		c.mu.Unlock()
		up.mu.Lock()
		passed := h.kid.up.Load() == up
		if passed {
			calls = kids.addTo(up)
		}
		up.mu.Unlock()
		c.mu.Lock()
		x.moving--
		if passed {
			h = c.unhookDone(x)
			c.mu.Unlock()
			h.undo()
			return calls
		}
		kids.addTo(c)
		c.mu.Unlock()
	}
}

// addTo adds all of the chain to the list of c, whose mu is held, and returns the calls among them.
func (k *kid) addTo(c *Call) (calls []*Call) {
	list := &c.x.Load().kids
	for k != nil {
		next := k.next
		if k.call != nil {
			calls = append(calls, k.call)
		}
		list.add(k)
		k.up.Store(c)
		k = next
	}
	return calls
}

// watch sees to it that the end of the parent ends the call, or tells it, at once: somebody looks.
func (c *Call) watch() {
	if st := c.st.Load(); !State(st&stateMask).Done() && st&(flagCancel|flagHooked|flagEndless) == 0 {
		c.hook()
	}
}

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

// A hook is a call's registration with its parent context.
type hook struct {
	kid  kid
	stop func() bool // takes a registration with package context back; nil: there is none
}

// moreHooked is what a call needs that is hooked and needed nothing before: one allocation.
type moreHooked struct {
	callMore
	hook
}

// hook registers the call with its parent context, if it is not. A task that waits comes here from deep in its stack, so this and what it calls
// have small frames: see mayWait.
func (c *Call) hook() {
	parent := c.liveParent()
	if _, isCall := parent.(*callContext); !isCall && parent.Done() == nil {
		if sameContext(parent, c.parent()) {
			c.set(flagEndless)
		}
		return
	}
	if g, ok := parent.(*groupContext); ok && g.tells(c) && !c.tellsOthers() {
		return
	}
	if h := c.newHook(); h != nil {
		c.hookTo(parent, h)
		c.keepHook(h)
		return
	}
	if c.done() && parent.Err() != nil {
		c.parentEnded() // those who were in the list when it was told have been told; who has come since has not
	}
}

// tellsOthers reports whether somebody has the Done of the call's context, or is to be told of its end: that may outlive the call.
//
//go:noinline
func (c *Call) tellsOthers() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	x := c.x.Load()
	return x != nil && (x.ctxDone != nil || !x.kids.empty())
}

// newHook says that the call is hooked from now on, and returns what with; nil: it is.
//
//go:noinline
func (c *Call) newHook() *hook {
	c.mu.Lock()
	x := c.x.Load()
	if x != nil && x.hooked || c.has(flagCancel) {
		c.mu.Unlock()
		return nil
	}
	var h *hook
	if x == nil {
		both := new(moreHooked)
		x, h = &both.callMore, &both.hook
		c.x.Store(x)
	} else {
		h = new(hook)
	}
	x.hooked = true
	c.set(flagHooked)
	c.mu.Unlock()
	return h
}

// keepHook keeps h, which has been registered, to be taken back when it is not needed any more; perhaps it is not now.
//
//go:noinline
func (c *Call) keepHook(h *hook) {
	c.mu.Lock()
	x := c.more()
	switch {
	case c.isDone() && x.kids.empty():
		x.leaveBehind(c)
		x.hooked = x.hook != nil
	case x.hook == nil:
		x.hook, h = h, nil
	}
	c.mu.Unlock()
	h.undo() // the call has ended meanwhile, or another has hooked it after that
}

// hookTo has c told of parent's end by h.
func (c *Call) hookTo(parent context.Context, h *hook) {
	var at *Call // in whose list it is to be
	if up, ok := parent.(*callContext); ok {
		at = (*Call)(up)
	} else if at = c.hub(parent); at != nil {
		h.kid.apart = true
	} else {
		c.hookToContext(parent, h)
		return
	}
	h.kid.call = c
	if !at.addKid(&h.kid) {
		c.parentEnded()
	}
}

// hookToContext is hookTo where the parent is no call and there is no hub.
func (c *Call) hookToContext(parent context.Context, h *hook) {
	h.stop = context.AfterFunc(parent, c.parentEnded)
	if a := anchorOf(parent); a.call != nil {
		// Between the two calls are contexts that do not know of calls: the upper one must stay hooked for them.
		a.call.addKid(&h.kid)
	}
}

// undo takes it back; nil: there is nothing to take back. No lock is held, since a context of a user's may be asked.
func (h *hook) undo() {
	if h == nil {
		return
	}
	if h.stop != nil {
		h.stop()
	}
	h.kid.drop()
}

// Calls on one loop are often made with one context. They share its notice: a hub is a call that nobody sees, made under that
// context, and they are its kids. A loop keeps the latest hub while it is busy.

// hub returns who tells c of the end of parent, which is no call; nil: nobody, c is to see to it itself.
func (c *Call) hub(parent context.Context) *Call {
	l, ok := c.Portal().(*Loop)
	if !ok || c.has(flagHub) {
		return nil
	}
	if h := l.s.hub.Load(); h != nil && !h.has(flagCancel) && sameContext(h.parent(), parent) {
		return h
	}
	return l.s.newHub(parent)
}

// newHub makes a hub. It is apart since most calls find one.
//
//go:noinline
func (s *sched) newHub(parent context.Context) *Call {
	h := &Call{under: parentOf(parent), kind: noCall}
	h.set(flagHub)
	s.hub.Store(h)
	return h
}

// dropHub forgets the hub, if it has nobody to tell: an idle loop is not to keep a context. What comes late to such a hub is told
// all the same, as under a call that is done.
func (s *sched) dropHub() {
	h := s.hub.Load()
	if h == nil {
		return
	}
	h.mu.Lock()
	if x := h.x.Load(); x == nil || !x.kids.empty() || h.isDone() {
		h.mu.Unlock()
		return
	}
	s.hub.CompareAndSwap(h, nil)
	h.finishLocked(Succeeded, nil)
}

// noCall is the kind of a hub, which has no function.
var noCall = kindOf((*noFunction)(nil))

type noFunction Call

func (*noFunction) invoke(context.Context) {}
func (*noFunction) release()               {}
func (*noFunction) takes(any) bool         { return false }

// hasFuncs reports whether the end of c, or being asked for it, runs functions of users.
func (c *Call) hasFuncs() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	x := c.x.Load()
	if x == nil {
		return false
	}
	r := x.rare.Load()
	return x.onDone != nil || r != nil && len(r.onCancel) > 0
}

// unhookDone returns the hook, to be undone without the lock, when the call is done and has nobody to tell any more. It needs mu.
func (c *Call) unhookDone(x *callMore) (h *hook) {
	if r := x.rare.Load(); r != nil && r.timer != nil {
		r.timer.Stop()
		r.timer = nil
	}
	if !x.hooked || !x.kids.empty() || x.moving > 0 {
		return nil
	}
	x.leaveBehind(c)
	x.hooked = false
	h, x.hook = x.hook, nil
	return h
}

// leaveBehind sees to it that who has the Done of the call, which has ended, still hears of the parent's end. It needs mu.
func (x *callMore) leaveBehind(c *Call) {
	if x.ctxDone == nil || x.ctxEnded {
		return
	}
	if r := c.rare(); r.left == nil {
		r.left = new(atomic.Bool)
		go hookChannel(c.liveParent(), x.ctxDone, r.left)
	}
}

// hookChannel closes done, the Done of a call that has ended, when parent ends: goroutines that the call left behind may
// wait for it. Most calls leave nobody behind, and parent may live for ever; so what is registered with it holds done
// weakly, and is taken back when nobody can receive from done any more. A goroutine that receives from a channel keeps it
// from being collected, and so does the call, and each context derived from the call's.
//
// A channel is a pointer to an object of the heap, which is all that this takes for granted.
func hookChannel(parent context.Context, done chan struct{}, left *atomic.Bool) {
	p := *(**chanObject)(unsafe.Pointer(&done))
	if parent.Done() == nil {
		return
	}
	b := &leftBehind{done: weak.Make(p), closed: left}
	b.stop = context.AfterFunc(parent, b.end)
	if goid.InBubble() {
		return // it all goes with the bubble, where a cleanup, which runs outside, could not touch its channels
	}
	// A cleanup keeps its argument, and parent may lead to p, which then would never be collected. So the argument is weak too: as long as
	// parent lives, it keeps b, whose method it is to call.
	runtime.AddCleanup(p, func(w weak.Pointer[leftBehind]) {
		if b := w.Value(); b != nil {
			b.stop()
		}
	}, weak.Make(b))
	runtime.KeepAlive(done)
}

// leftBehind is what hookChannel registers.
type leftBehind struct {
	done   weak.Pointer[chanObject]
	closed *atomic.Bool
	stop   func() bool
}

// A chanObject is what a channel points to.
type chanObject byte

func (b *leftBehind) end() {
	if p := b.done.Value(); p != nil && b.closed.CompareAndSwap(false, true) {
		close(*(*chan struct{})(unsafe.Pointer(&p)))
	}
}

// sameContext reports whether a and b are one value; unlike ==, it takes contexts of every type.
func sameContext(a, b context.Context) bool { return parentOf(a) == parentOf(b) }

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
