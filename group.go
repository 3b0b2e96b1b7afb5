package hop

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/gohop/hop/internal/goid"
	"github.com/gohop/hop/internal/turn"
	"github.com/gohop/hop/internal/waitlist"
)

// GroupOptions are the options of [WithGroup]; nil stands for the zero value. A negative Timeout or Limit panics.
type GroupOptions struct {
	// Timeout cancels the members and the ctx of f when the group is this old. That is not an error by itself. 0: none.
	Timeout time.Duration
	// Limit is how many members may run at once; the others wait to be submitted. Those that wait are not counted, nor those
	// that run inline on top of who made them, nor those that were given to [Group.Add] and made elsewhere. 0: no limit.
	Limit int
	// KeepGoing lets the members go on when one fails, or f does.
	KeepGoing bool
	// CancelOnCancelled cancels the group when a member is cancelled.
	CancelOnCancelled bool
	// ReportCancelled makes the cancel of a member an error of the group, unless it was cancelled because another failed.
	ReportCancelled bool
	// Shield lets the group go on when the context that WithGroup was given ends.
	Shield bool
}

// A Group is the calls made under one context, waited for and cancelled together. All methods are safe for concurrent use.
// It follows async-kernel's PendingGroup and Prefect's GatherTaskGroup.
type Group struct {
	o    GroupOptions
	ctx  context.Context // f's
	end  context.CancelCauseFunc
	many manyWait

	mu       turn.Short
	set      linkSet
	errs     []error
	cause    error // why it was cancelled
	failed   bool  // because a member or f failed
	closed   bool
	waiters  waitlist.List
	odd      bool          // there was a member whose own context is not that of a group,
	awaited  bool          // and WithGroup waits for the members: it watches such ones
	ended    bool          // the context has ended, and ends is told
	ends     waitlist.List // tasks that wait with the context: so they need no context.AfterFunc
	limiting groupLimit
	limit    waitLimit // of waits with the context
}

// ofGroupContext is the kind of a group's context.
var ofGroupContext = parentOf((*groupContext)(nil)).kind

// groupContext is the context of f: the group is found from it.
type groupContext struct {
	anchorContext
	g      *Group
	labels bool // it carries profile labels
}

// tells reports whether the group itself cancels c when its context ends, so that c need not be hooked.
func (gc *groupContext) tells(c *Call) bool { return c.has(flagJoined) }

// WithGroup runs f here. Every call that f or a member makes with the context that f gets belongs to the group, until the last has
// ended: by Go, Do, Run, After, NewPromise, or New and Submit. WithGroup returns when f has returned and every member is
// done; in a task it waits suspended. A call of New that is handed to the Submit of a portal that is not hop's is a member from
// its Run on; one of Go, or one given to [Group.Add], is at once. A call made with the ctx after the end is cancelled with ErrClosed.
//
// A member that fails, or an error of f, cancels the other members and the context of f, with a cause that is that error (see KeepGoing). All
// errors come back joined, whether one or many: errors.Is and errors.As find each. When ctx ends, the members are cancelled and
// still waited for, and the error is ctx's too. If f panics, the members are cancelled and waited for, then the panic goes on.
// The calls of a group inside a group belong to both. [Detach] opts out.
//
// A member costs 48 bytes and 0.1 to 0.2 µs more than a call without a group; in a second group 160 bytes more, in each further one 48. A
// promise and a call of After cost 160 bytes more in the first, and 48 in each further one. A wait of a task with the group's ctx costs 48 bytes.
//
// Errors of its own: those of a wait, ErrDeadlock when a member waits for the caller; then the members are cancelled.
//
//go:noinline
func WithGroup(ctx context.Context, o *GroupOptions, f func(ctx context.Context) error) error {
	if ctx == nil {
		misuse("nil context")
	}
	if f == nil {
		misuse("WithGroup: nil function")
	}
	pc := goid.CallerPC()
	g := newGroup(ctx, o)
	stop := g.follow(ctx)
	defer stop()
	var err error
	returned := false
	defer func() {
		if !returned { // a panic, or runtime.Goexit
			g.fail(errGroupFailed)
			g.await(ctx, pc)
		}
	}()
	err = f(g.ctx)
	returned = true
	if err != nil && !g.o.KeepGoing {
		g.fail(&groupError{err})
	}
	werr := g.await(ctx, pc)
	return g.result(ctx, err, werr)
}

func newGroup(ctx context.Context, o *GroupOptions) *Group {
	g := new(Group)
	if o != nil {
		g.o = *o
	}
	if g.o.Limit < 0 || g.o.Timeout < 0 {
		misuse("GroupOptions: negative Limit or Timeout")
	}
	base := ctx
	if g.o.Shield {
		base = context.WithoutCancel(ctx)
	}
	inner, end := context.WithCancelCause(base)
	g.end = end
	up := anchorOf(ctx)
	known := anchor{up.call, &link{set: &g.set, group: g, up: up.sets}}
	g.ctx = &groupContext{anchorContext{inner, known}, g, labelsIn(ctx)}
	g.limit.group, g.limit.above = g, up.call
	g.set.lock = &g.mu
	g.many.each, g.many.of = g.set.each, ofGroup
	return g
}

// follow has the group end with ctx and after its Timeout.
func (g *Group) follow(ctx context.Context) (stop func()) {
	stopCtx := func() bool { return false }
	if !g.o.Shield {
		stopCtx = context.AfterFunc(behindValues(ctx), func() { g.cancel(causeOf(ctx), false) })
	}
	var timer *time.Timer
	if g.o.Timeout > 0 {
		timer = time.AfterFunc(g.o.Timeout, func() { g.cancel(context.DeadlineExceeded, false) })
	}
	return func() {
		stopCtx()
		if timer != nil {
			timer.Stop()
		}
		g.end(errGroupOver)
		g.tellEnds()
	}
}

// await waits until no member is left, and closes the group.
func (g *Group) await(ctx context.Context, pc uintptr) error {
	var failed error
	for {
		g.mu.Lock()
		if g.set.n == 0 {
			g.closed = true
			g.mu.Unlock()
			return failed
		}
		watch := g.odd && !g.awaited
		g.awaited = true
		g.mu.Unlock()
		if watch {
			g.watchMembers()
		}
		// The members are waited for also when ctx is over: they have been cancelled.
		err := g.refusesHost()
		if err == nil {
			err = waitOn(context.WithoutCancel(ctx), pc, "the members of a group", func(w *wait) bool {
				w.onMany.Store(&g.many)
				g.mu.Lock()
				defer g.mu.Unlock()
				if g.set.n == 0 {
					return false
				}
				w.arm()
				g.waiters.Add(&w.node, w)
				return true
			}, func(w *wait) {
				g.mu.Lock()
				g.waiters.Remove(&w.node)
				g.mu.Unlock()
			})
		}
		if err == nil {
			continue
		}
		again := failed == nil && !errors.Is(err, ErrCannotWait)
		if failed == nil {
			failed = err
		}
		g.cancel(failed, true)
		if !again {
			g.mu.Lock()
			g.closed = true
			g.mu.Unlock()
			return failed
		}
	}
}

// watchMembers has those members end with their context that may end with another than the group's.
//
//go:noinline
func (g *Group) watchMembers() {
	g.set.each(func(c *Call) bool {
		if c.under.kind != ofGroupContext {
			c.watch()
		}
		return true
	})
}

// refusesHost is the error of a wait for the members on the own goroutine of the host that one of them is to run on; nil: there is none.
//
//go:noinline
func (g *Group) refusesHost() (err error) {
	if !foreignHosts.Load() {
		return nil
	}
	fb := self()
	g.set.each(func(c *Call) bool {
		if c.needsHost(fb) {
			err = c.hostWaits()
		}
		return err == nil
	})
	return err
}

// check panics for a group that WithGroup did not make.
func (g *Group) check() {
	if g == nil || g.end == nil {
		misuse("a nil or zero Group: WithGroup makes them, and CurrentGroup finds them")
	}
}

// Cancel cancels the members and the context of f with cause (nil: context.Canceled). It is not an error of the group by itself.
func (g *Group) Cancel(cause error) {
	g.check()
	if cause == nil {
		cause = context.Canceled
	}
	g.cancel(cause, false)
}

// cancel cancels everything once; failed: because something has failed.
func (g *Group) cancel(cause error, failed bool) {
	var later tells
	defer later.tell()
	g.askAll(cause, failed, &later)
}

// askAll is cancel, but for functions of users, which are left to later.
func (g *Group) askAll(cause error, failed bool, later *tells) {
	turn.At(turn.Cancel, g)
	g.mu.Lock()
	if g.cause != nil {
		g.mu.Unlock()
		return
	}
	if g.ctx.Err() != nil {
		cause, failed = causeOf(g.ctx), false // the end of ctx came first, though nobody has told
	}
	g.cause, g.failed = cause, failed
	members := slices.DeleteFunc(g.set.calls(), func(c *Call) bool { return c.shieldedFrom(g) })
	g.mu.Unlock()
	g.end(cause)
	g.tellEnds()
	later.cancel(members, cause)
}

// tellEnds tells those who wait with the group's context that it has ended. If it has by the end of the context above, cancel is on its way.
func (g *Group) tellEnds() {
	g.mu.Lock()
	g.ended = true
	g.ends.WakeAll()
	g.mu.Unlock()
}

func (g *Group) addEnd(n *endNode) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ended {
		n.Wake()
		return
	}
	g.ends.Add(&n.node, n)
}

func (g *Group) dropEnd(n *endNode) {
	g.mu.Lock()
	g.ends.Remove(&n.node)
	g.mu.Unlock()
}

// fail cancels the members because f has failed.
func (g *Group) fail(cause error) { g.cancel(cause, true) }

// left is told of a member's end. Functions of users are left to later, which is nil only where the member leaves nothing behind.
func (g *Group) left(c *Call, n *linkNode, later *tells) {
	turn.At(turn.Return, g)
	if c.raw() == Succeeded && g.o.Limit == 0 {
		g.remove(n)
		return
	}
	g.leftBehind(c, n, later)
}

// leftBehind is left of a member that leaves something behind.
//
//go:noinline
func (g *Group) leftBehind(c *Call, n *linkNode, later *tells) {
	defer g.remove(n) // at the end: who finds the group without members finds what they have left behind
	defer g.release(c, later)
	state := c.raw()
	g.mu.Lock()
	if state == Failed || state == Cancelled && g.o.ReportCancelled && !(g.failed && c.cancelledFor(g.cause)) {
		c.look()
		g.errs = append(g.errs, c.failure())
	}
	g.mu.Unlock()
	if state == Failed && !g.o.KeepGoing || state == Cancelled && g.o.CancelOnCancelled {
		g.askAll(c.failure(), state == Failed, later)
	}
}

// cancelledFor reports whether cause was the first for which c, which has ended cancelled, was asked to.
func (c *Call) cancelledFor(cause error) bool {
	return same(c.x.Load().cause, cause)
}

// remove takes a member out.
func (g *Group) remove(n *linkNode) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.set.remove(n)
	if g.set.n == 0 {
		g.waiters.WakeAll()
	}
}

// CurrentGroup returns the innermost group that calls made with ctx join, or nil.
func CurrentGroup(ctx context.Context) *Group {
	if ctx == nil {
		misuse("nil context")
	}
	for l := anchorOf(ctx).sets; l != nil; l = l.up {
		if l.group != nil {
			return l.group
		}
	}
	return nil
}

// Add makes c a member, wherever it was made. A call that is done already counts like any member that ends. On a group
// whose WithGroup has returned it panics.
func (g *Group) Add(c *Call) {
	g.check()
	if c == nil {
		misuse("Group.Add: nil call")
	}
	c.mu.Lock()
	if c.memberOf(g) {
		c.mu.Unlock()
		return
	}
	n := &linkNode{c: c, group: g}
	g.mu.Lock()
	if g.closed {
		g.mu.Unlock()
		c.mu.Unlock()
		misuse("Group.Add: the group is over")
	}
	g.set.add(n)
	cause := g.cause
	g.mu.Unlock()
	done := c.done()
	if !done {
		n.more = c.nodes()
		c.more().nodes = n
	}
	c.mu.Unlock()
	if done {
		n.leave(nil)
		return
	}
	c.watch()
	if cause != nil {
		c.Cancel(cause)
	}
	g.mu.Lock()
	w := g.waiters.First() // it looks for deadlocks again, with c
	if w != nil {
		w.Wake()
	}
	g.mu.Unlock()
}

// Cancelled reports whether the group was cancelled, by Cancel, its Timeout, a failure or the end of its context.
func (g *Group) Cancelled() bool {
	g.check()
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.cause != nil || !g.closed && g.ctx.Err() != nil // of which the group may not have been told yet
}

// Calls returns the members that are not done, oldest first.
func (g *Group) Calls() []*Call {
	g.check()
	return g.set.live()
}
