package hop

import (
	"context"
	"slices"
	"unsafe"

	"github.com/gohop/hop/internal/bug"
	"github.com/gohop/hop/internal/turn"
)

// What calls join: groups and trackers. A context knows them as a chain of links, innermost first; a call takes the
// chain over from its context and joins every set in it when it is submitted. A program that uses neither pays a nil
// pointer.
type link struct {
	set   *linkSet
	group *Group // nil: a tracker's
	up    *link
}

// A linkSet is the live calls of one group or tracker, in the order of their joining.
type linkSet struct {
	lock        *turn.Short
	first, last *linkNode
	n           int
}

// A linkNode is one call in one set.
type linkNode struct {
	c          *Call
	group      *Group
	set        *linkSet // nil: it has left
	prev, next *linkNode
	more       *linkNode // the same call in the next set out
}

func (s *linkSet) add(n *linkNode) {
	n.set, n.prev = s, s.last
	if s.last != nil {
		s.last.next = n
	} else {
		s.first = n
	}
	s.last = n
	s.n++
}

func (s *linkSet) remove(n *linkNode) bool {
	if n.set != s {
		return false
	}
	if n.prev != nil {
		n.prev.next = n.next
	} else {
		s.first = n.next
	}
	if n.next != nil {
		n.next.prev = n.prev
	} else {
		s.last = n.prev
	}
	n.set, n.prev, n.next = nil, nil, nil
	s.n--
	return true
}

// calls returns those that are not done: one that is may not have left yet.
func (s *linkSet) calls() []*Call {
	calls := make([]*Call, 0, s.n)
	for n := s.first; n != nil; n = n.next {
		if !n.c.done() {
			calls = append(calls, n.c)
		}
	}
	return calls
}

// live is calls for a user's eyes: one whose context is over has ended, though nobody may have looked.
func (s *linkSet) live() []*Call {
	s.lock.Lock()
	calls := s.calls()
	s.lock.Unlock()
	return slices.DeleteFunc(calls, (*Call).settled)
}

func (s *linkSet) each(yield func(*Call) bool) {
	s.lock.Lock()
	calls := s.calls()
	s.lock.Unlock()
	for _, c := range calls {
		if !yield(c) {
			return
		}
	}
}

// join makes c a member of the sets of its context, once: when it is submitted.
func (c *Call) join() {
	if c.sets == nil || c.has(flagJoined) {
		return
	}
	c.mu.Lock()
	if c.has(flagJoined) || c.done() {
		c.mu.Unlock()
		return
	}
	var cause error // of a group that is cancelled already
	watch := false
	// The node that stands before the call is the last of its nodes: if Add has come before, it is not used.
	own := c.has(flagMember) && c.nodes() == nil
	for l := c.sets; l != nil; l = l.up {
		var n *linkNode
		switch {
		case own:
			n = c.ownNode()
		case c.x.Load() == nil:
			n = c.moreOfMember()
		default:
			n = new(linkNode)
		}
		n.c, n.group, n.more = c, l.group, c.nodes()
		l.set.lock.Lock()
		g := l.group
		if g != nil && g.closed {
			cause = errGroupOver
			l.set.lock.Unlock()
			continue
		}
		if g == nil || !c.memberOf(g) && !(bug.ForgetsMember && !g.waiters.Empty()) { // by Add
			l.set.add(n)
			if own {
				c.set(flagInOwn)
				own = false
			} else {
				c.more().nodes = n
			}
		}
		if g != nil && g.cause != nil && !c.shieldedFrom(g) {
			cause = g.cause
		}
		if g != nil && g.o.Limit > 0 {
			c.set(flagHeld)
		}
		if g != nil && c.under.kind != ofGroupContext { // it may end with a context that is not the group's
			g.odd = true
			watch = watch || g.awaited
		}
		l.set.lock.Unlock()
	}
	c.set(flagJoined) // last: who submits it too goes by that without the lock, and by flagHeld
	c.mu.Unlock()
	if watch {
		c.watch()
	}
	if cause != nil {
		c.Cancel(cause)
	}
}

// shieldedFrom reports whether a group with Shield stands between c and g.
func (c *Call) shieldedFrom(g *Group) bool {
	shield := false
	for l := c.sets; l != nil; l = l.up {
		if l.group == g {
			return shield
		}
		shield = shield || l.group != nil && l.group.o.Shield
	}
	return false
}

// moreOfMember is more, with a node: both are one allocation.
func (c *Call) moreOfMember() *linkNode {
	m := new(struct {
		callMore
		linkNode
	})
	c.x.Store(&m.callMore)
	return &m.linkNode
}

// A memberPending is what Go and its like make where the context has a set: the node for one of them stands right before the call, so a member is
// one allocation.
type memberPending[T any] struct {
	node linkNode
	Pending[T]
}

// ownNode returns the node of a memberPending.
func (c *Call) ownNode() *linkNode {
	return (*linkNode)(unsafe.Add(unsafe.Pointer(c), -int(unsafe.Sizeof(linkNode{}))))
}

// nodes returns where c is in its sets; nil: in none, or it has ended. It needs mu.
func (c *Call) nodes() *linkNode {
	if c.done() {
		return nil
	}
	if x := c.x.Load(); x != nil && x.nodes != nil {
		return x.nodes // of which the own is the last
	}
	if c.has(flagInOwn) {
		return c.ownNode()
	}
	return nil
}

// memberOf reports whether c, which is not done, is in g. It needs mu.
func (c *Call) memberOf(g *Group) bool {
	for n := c.nodes(); n != nil; n = n.more {
		if n.group == g {
			return true
		}
	}
	return false
}

// leave takes the call, which has ended, out of each set, and then runs the functions of other members that are cancelled because of it. If later is
// not nil, these functions are left to it.
func (n *linkNode) leave(later *tells) {
	switch {
	case n == nil:
	case n.more != nil, later == nil && n.leavesBehind():
		n.leaveEach(later)
	case n.group != nil:
		n.group.left(n.c, n, later)
	default:
		n.leaveTracker()
	}
}

// leaveEach is leave where there are several, or others may be cancelled.
//
//go:noinline
func (n *linkNode) leaveEach(later *tells) {
	if later == nil && n.leavesBehind() {
		var own tells
		defer own.tell()
		later = &own
	}
	if n.more != nil {
		defer n.more.leave(later)
	}
	if n.group != nil {
		n.group.left(n.c, n, later)
	} else {
		n.leaveTracker()
	}
}

// leavesBehind reports whether the end of the call, which has ended, may end others, or gives them a place.
func (n *linkNode) leavesBehind() bool {
	for ; n != nil; n = n.more {
		if n.group != nil && (n.c.raw() != Succeeded || n.group.o.Limit > 0) {
			return true
		}
	}
	return false
}

//go:noinline
func (n *linkNode) leaveTracker() {
	if s := n.set; s != nil {
		s.lock.Lock()
		s.remove(n)
		s.lock.Unlock()
	}
}

// A Tracker is the live set of the calls made under one context, nothing more: for shutdown and diagnostics. It is safe
// for concurrent use. It follows async-kernel's PendingTracker.
type Tracker struct {
	mu  turn.Short
	set linkSet
}

// Track returns a context under which every call, from its submission to its end, is in the Tracker; those that such calls make
// too. [Detach] opts out.
func Track(ctx context.Context) (context.Context, *Tracker) {
	if ctx == nil {
		misuse("nil context")
	}
	t := new(Tracker)
	t.set.lock = &t.mu
	up := anchorOf(ctx)
	return &anchorContext{ctx, anchor{up.call, &link{set: &t.set, up: up.sets}}}, t
}

// Calls returns the calls that are not done, in the order in which they were submitted.
func (t *Tracker) Calls() []*Call {
	if t == nil || t.set.lock == nil {
		misuse("a nil or zero Tracker: make one with Track")
	}
	return t.set.live()
}

// Detach returns a context with ctx's values but without its cancellation, groups and trackers: calls made with it
// outlive what ctx belongs to. It follows async-kernel's trackers=() and asyncio's shield.
func Detach(ctx context.Context) context.Context {
	if ctx == nil {
		misuse("nil context")
	}
	up := anchorOf(ctx)
	return &anchorContext{context.WithoutCancel(ctx), anchor{up.call, nil}}
}

// An anchorContext is a context whose calls join other sets.
type anchorContext struct {
	context.Context
	known anchor
}

// AfterFunc is for package context, which would start a goroutine for each context that is derived from one of a type that it does not know.
func (ac *anchorContext) AfterFunc(f func()) (stop func() bool) {
	return context.AfterFunc(ac.Context, f)
}

func (ac *anchorContext) Value(key any) any {
	if key == (anchorKey{}) {
		return &ac.known
	}
	return ac.Context.Value(key)
}
