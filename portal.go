package hop

import (
	"context"
	"fmt"
	"reflect"
	"runtime/debug"
	"time"
	"unsafe"

	"github.com/gohop/hop/internal/goid"
)

// A Portal takes calls to run somewhere. A [Loop], a [Pool] and a [Waiter] are portals; a program may write its own.
//
// Submit returns at once. If it returns nil, the portal sees to it that c ends: by c.Run, on the goroutine of its
// choice, or by c.Fail. If it returns an error, c will never run there; c is then the caller's to submit elsewhere or to fail.
// Submit may be called from anywhere, also from inside a call on the portal. hoptest has a conformance kit.
//
// It follows Prefect's Portal.
type Portal interface {
	Submit(c *Call) error
}

// New makes a call of f without submitting it: give its Call to a portal's Submit. f gets a child of ctx. The call
// joins the groups of ctx when it is submitted. It follows Prefect's Call.new.
//
//go:noinline
func New[T any](ctx context.Context, f func(context.Context) (T, error), opts ...Option) *Pending[T] {
	p := newPending(ctx, f, goid.CallerPC(), opts)
	p.c.set(flagLoose)
	return p
}

func newPending[T any](ctx context.Context, f func(context.Context) (T, error), pc uintptr, opts []Option) *Pending[T] {
	if f == nil {
		misuse("nil function")
	}
	known := anchorFor(ctx)
	var p *Pending[T]
	if known.sets == nil {
		p = new(Pending[T])
	} else {
		p = &new(memberPending[T]).Pending
		p.c.set(flagMember)
	}
	fetchCallsAfter(unsafe.Pointer(p))
	p.f = f
	p.c.init(ctx, known, p, reflect.ValueOf(f).Pointer(), pc, opts)
	return p
}

// Go has f run on the portal on and returns its result to come. It does not block. f gets a child of ctx, which ends when
// the call is cancelled. Calls made by one goroutine on one loop start in their order. If the portal refuses the call, the
// Pending ends with the refusal.
//
// The context of f does not end when f returns: what f has started with it goes on until the caller's ctx ends. The context that [WithGroup] gives
// ends with the group; for that of a call with a Timeout, see [Timeout].
//
// A failure that nobody ever looks at is logged.
//
// Go costs one allocation, of 112 bytes for a result of one word, and on the caller's own loop about 0.15 µs; with the wait for its
// result 0.4 µs. A Name and being asked for Done or OnDone cost 112 bytes more, once, beside the channel or the function itself; 176 where
// the call has to be told of the end of ctx; for a group see [WithGroup]. It follows async-kernel's Caller.call_soon, Prefect's
// call_soon_in_loop_thread and call_soon_in_new_thread, and asyncio.create_task.
//
//go:noinline
func Go[T any](ctx context.Context, on Portal, f func(context.Context) (T, error), opts ...Option) *Pending[T] {
	checkPortal("Go", on)
	p := newPending(ctx, f, goid.CallerPC(), opts)
	p.c.submit(on)
	return p
}

// Do has f run on the portal on, waits for it, and returns its result: Go and WaitOrCancel in one. On the loop that the caller is on, f
// runs at once and here, as a call of its own, and keeps the caller until it returns, also with [Abandon]. While Do waits on a goroutine
// that is not on a loop, it runs there what is sent to the call's [Origin]. Errors of its own are those of WaitOrCancel, and ErrCannotWait,
// in which case f has not run.
//
// On one's own loop Do costs about 0.1 µs, on the loop of another goroutine 0.5 µs. On the loop of a locked thread it costs about as much
// while exchanges follow each other closely (both sides spin for a moment), and otherwise what the kernel takes to wake a thread, some 30 µs. It
// follows Prefect's call_in_loop_thread, call_in_new_thread and run_sync_in_worker_thread, and run_coro_as_sync.
//
//go:noinline
func Do[T any](ctx context.Context, on Portal, f func(context.Context) (T, error), opts ...Option) (T, error) {
	checkPortal("Do", on)
	pc := goid.CallerPC()
	p := newPending(ctx, f, pc, opts)
	return p.result2(p.c.doOn(ctx, on, pc))
}

// result2 returns err, or the result if err is nil.
func (p *Pending[T]) result2(err error) (T, error) {
	if err != nil {
		var zero T
		return zero, err
	}
	return p.result()
}

// Run is Do for a function without a value.
//
//go:noinline
func Run(ctx context.Context, on Portal, f func(context.Context) error, opts ...Option) error {
	checkPortal("Run", on)
	if f == nil {
		misuse("nil function")
	}
	pc := goid.CallerPC()
	p := newPending(ctx, func(ctx context.Context) (struct{}, error) { return struct{}{}, f(ctx) }, pc, opts)
	p.c.fn = codeAt(reflect.ValueOf(f).Pointer())
	_, err := p.result2(p.c.doOn(ctx, on, pc))
	return err
}

// After is Go with a delay: the call is due d from now, never earlier, or at once if d is not positive. It is Queued meanwhile; cancelling
// it takes the timer back. A loop or pool that shuts down cancels the calls that are not due, and refuses those made from then on that have
// a delay, with ErrStopped. On a loop the timer is part of the Pending, some 140 bytes in all, and one timer of the runtime's serves all
// that wait. It follows async-kernel's call_later.
//
//go:noinline
func After[T any](ctx context.Context, d time.Duration, on Portal, f func(context.Context) (T, error), opts ...Option) *Pending[T] {
	checkPortal("After", on)
	if f == nil {
		misuse("nil function")
	}
	p := &delayedPending[T]{Pending: Pending[T]{f: f}}
	p.c.init(ctx, anchorFor(ctx), &p.Pending, reflect.ValueOf(f).Pointer(), goid.CallerPC(), opts)
	p.c.submitIn(d, on)
	return &p.Pending
}

func checkPortal(what string, on Portal) {
	if on == nil {
		misuse("%s: nil portal (Origin returns nil where nobody waits)", what)
	}
}

// submit joins the call's groups and hands it to the portal.
func (c *Call) submit(on Portal) {
	c.portal = portalRef(on)
	c.join()
	c.submitHeld(on)
}

// submitHeld is submitTo when the call has its places in groups with a Limit.
func (c *Call) submitHeld(on Portal) {
	if c.has(flagHeld) {
		if kept, _ := c.hold(on, false); kept {
			return
		}
	}
	c.submitTo(on)
}

// submitDue is submitHeld of a call that acceptDelayed has kept for on until now.
func (c *Call) submitDue(on Portal) {
	if !c.has(flagHeld) || on == Inline {
		c.st.And(^uint32(flagTaken))
		c.submitTo(on)
		return
	}
	if kept, _ := c.hold(on, true); !kept {
		c.submitTo(on)
	}
}

// submitTo hands the call to the portal. A refusal ends it.
func (c *Call) submitTo(on Portal) {
	plain := false
	switch p := on.(type) {
	case *Loop:
		plain = p.o.QueueLimit == 0
	case *Pool:
		plain = p.o.QueueLimit == 0
	}
	if !plain || c.has(flagHeld) {
		c.submitBy(on, on.Submit)
	} else if err := on.Submit(c); err != nil {
		c.Fail(err)
	}
}

// isOwn reports whether on is one of hop's portals that run a call elsewhere, or later, and not inside of Submit.
func isOwn(on Portal) bool {
	switch on.(type) {
	case *Loop, *Pool, *Waiter, goroutines:
		return true
	}
	return false
}

// isQuiet reports whether on is one of those that can leave all functions of users to later, as of a call that they cancel since they stop. A Waiter is
// not: it has to be told of the ends of contexts.
func isQuiet(on Portal) bool {
	switch on.(type) {
	case *Loop, *Pool, goroutines:
		return true
	}
	return false
}

// submitQuietly is Submit of a portal that is quiet. It is no method of these since later, which is on a stack, would not stay there.
func (c *Call) submitQuietly(on Portal, later *tells) error {
	switch on := on.(type) {
	case *Loop:
		return on.submit(c, later)
	case *Pool:
		return on.submit(c, later)
	}
	return on.Submit(c)
}

// submitBy is submitTo where functions of users may run in submit, that of on: the portal is a user's, a full queue looks whose context is over, or the place
// in a group of one that is refused is another's. If it does not return, the call fails, since nobody may have it.
func (c *Call) submitBy(on Portal, submit func(*Call) error) {
	returned := false
	defer func() {
		if returned {
			return
		}
		if r := recover(); r != nil {
			c.Fail(&PanicError{Value: r, Stack: debug.Stack(), call: c})
			panic(r)
		}
		c.Fail(refuse(ErrGoexit, "%s: the Submit of %s ended its goroutine with runtime.Goexit", callName(c), kindName(on)))
	}()
	err := submit(c)
	returned = true
	if err != nil {
		c.Fail(err)
		return
	}
	c.advance(Created, Queued)
}

// delayer is a portal with timers of its own.
type delayer interface {
	Portal
	submitAfter(c *Call, d time.Duration) error
}

func (c *Call) submitIn(d time.Duration, on Portal) {
	c.portal = portalRef(on)
	c.join()
	if on, ok := on.(delayer); ok {
		if d <= 0 {
			c.submitHeld(on) // it is due now, before whatever is sent from now on
			return
		}
		if err := on.submitAfter(c, d); err != nil {
			c.Fail(err)
		}
		return
	}
	if some, err := c.acceptDelayed(); !some || err != nil {
		if err != nil {
			c.Fail(err)
		}
		return
	}
	t := time.AfterFunc(d, func() {
		if !c.settled() {
			c.submitDue(on)
		}
	})
	c.OnDone(func() { t.Stop() })
}

// doOn is Do without the type.
func (c *Call) doOn(ctx context.Context, on Portal, pc uintptr) error {
	fb := self()
	if l, ok := on.(*Loop); ok {
		l.check()
		if l.here(fb) {
			c.runHere(l, fb)
			return nil
		}
	}
	if fb != nil {
		if err := fb.canWait(ctx); err != nil && on != Inline {
			c.portal = portalRef(on)
			c.set(flagLooked)
			c.Fail(err)
			return err
		}
	}
	pumps := (fb == nil || fb.s == nil) && on != Inline // which runs it here, so nobody waits yet
	if pumps {
		c.set(flagPumped)
		if !isOwn(on) {
			c.rare().pumper = goid.Self() // it may run here
		}
	}
	if isOwn(on) {
		c.submit(on)
	} else {
		c.submitOwned(on)
	}
	var err error
	if !c.done() {
		err = c.awaitOwned(ctx, pc, true)
	}
	if pumps {
		c.endPump(ctx, pc) // what was accepted is finished
	}
	return err
}

// submitOwned is submit of a call that its owner is about to wait for, to a portal of a user's. If that does not return, nobody will, though the call may
// run: it is cancelled, and what is sent to its Origin is refused.
func (c *Call) submitOwned(on Portal) {
	returned := false
	defer func() {
		if !returned {
			c.closeWaiter()
			c.Cancel(nil)
		}
	}()
	c.submit(on)
	returned = true
}

// runHere runs c inline on its own loop, on whose goroutine the caller is.
func (c *Call) runHere(l *Loop, fb *fiber) {
	c.portal = &l.self
	c.join()
	if l.s.closing.Load() && (fb == nil || fb.cur.Load() == nil) {
		c.Cancel(ErrStopped) // a posted function makes it after the Close that cancelled everything
	}
	if fb == nil || fb.s == nil { // the host's own goroutine, outside of a tick; what it runs may be an Inline call
		below := fb
		fb = enter()
		fb.s = l.s
		defer func() {
			fb.exit()
			if below != nil {
				below.register()
			}
		}()
	}
	c.run(fb)
}

// portalRef returns where on stands, for a call to keep: a word, where a Portal is two. Loops, pools and Waiters have it in them; one that is nil or
// zero panics here, before the call joins a group that would wait for it.
func portalRef(on Portal) *Portal {
	switch p := on.(type) {
	case *Loop:
		p.check()
		return &p.self
	case *Pool:
		p.check()
		return &p.self
	case *Waiter:
		p.check()
		return &p.self
	case inline:
		return &inlineSelf
	case goroutines:
		return &goroutinesSelf
	}
	return keepPortal(on)
}

// keepPortal is apart since only portals of users need an allocation.
//
//go:noinline
func keepPortal(on Portal) *Portal { return &on }

func portalAt(ref *Portal) Portal {
	if ref == nil {
		return nil
	}
	return *ref
}

// Inline runs each call on the submitting goroutine before Submit returns.
var Inline Portal = inline{}

var inlineSelf, goroutinesSelf Portal = inline{}, goroutines{}

type inline struct{}

func (inline) Submit(c *Call) error {
	some, err := c.accept(Inline, nil)
	if !some || err != nil {
		return err
	}
	c.Run()
	return nil
}

func (inline) String() string { return "Inline" }

// Goroutines runs each call on a new goroutine.
var Goroutines Portal = goroutines{}

type goroutines struct{}

func (goroutines) Submit(c *Call) error {
	some, err := c.accept(Goroutines, nil)
	if !some || err != nil {
		return err
	}
	go c.runOnGoroutine()
	return nil
}

func (goroutines) String() string { return "Goroutines" }

func portalName(p Portal) string {
	switch p := p.(type) {
	case nil:
		return "no portal"
	case fmt.Stringer:
		return p.String()
	}
	return fmt.Sprintf("%T", p)
}

// kindName is portalName where hop names the portal, and not who reads an error or prints a call: of a user's it is the type, since its String may panic,
// or take a lock that is held where a call ends.
func kindName(p Portal) string {
	switch p.(type) {
	case nil, *Loop, *Pool, *Waiter, inline, goroutines:
		return portalName(p)
	}
	return fmt.Sprintf("%T", p)
}
