package model

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/gohop/hop"
	"github.com/gohop/hop/internal/goid"
	"github.com/gohop/hop/internal/turn"
)

// An agent is one execution of a body: a call's, a posted function's, an actor's.
type agent struct {
	*run
	call  *callRun
	actor *actorRun
	g     uintptr
	scope *scope
}

// An ownError is an error of the program's own.
type ownError struct{ id int }

func (e *ownError) Error() string { return fmt.Sprintf("the error of call%d", e.id) }

// An ownPanic is what a call of the program panics with.
type ownPanic int

// A cancelCause is the cause of a cancel.
type cancelCause struct{ what string }

func (c *cancelCause) Error() string { return c.what }

// body is the function of a call.
func (r *run) body(c *callRun) func(context.Context) (int, error) {
	return func(ctx context.Context) (v int, err error) {
		a := &agent{run: r, call: c, g: goid.Self(), scope: c.inner}
		a.begin(ctx)
		how := Goexits
		defer func() { a.finish(ctx, how, v, err) }()
		err = a.steps(ctx, c.spec.Body)
		a.step()
		switch how = Value; {
		case err != nil:
			how = Fails
		case c.spec.End == Fails:
			how, err = Fails, &ownError{c.id}
		case c.spec.End == Panics:
			how = Panics
			panic(ownPanic(c.id))
		case c.spec.End == Goexits && !c.inline && c.spec.Via != Post:
			how = Goexits
			runtime.Goexit()
		default:
			v = 1000 + c.id
		}
		return v, err
	}
}

func (a *agent) begin(ctx context.Context) {
	c := a.call
	a.mu.Lock()
	defer a.mu.Unlock()
	if c.starts++; c.starts > 1 {
		a.breaks("S11 a function runs once", "%v has started %d times", c, c.starts)
	}
	if c.doneSeen > 0 && !c.spec.Abandon {
		a.breaks("S17 what has ended before it began never runs", "%v has started though it was done", c)
	}
	if c.call == nil && c.spec.Via != Post {
		c.call = hop.CurrentCall(ctx)
		a.byCall[c.call] = c
	}
	c.inline = c.by.g == a.g
	if c.runs == nil || c.spec.On.Kind == OnInline {
		c.runs = nil
		if l := hop.CurrentLoop(); l != nil {
			c.runs = a.placeOf(l)
		}
	}
	c.thread = threadID()
	c.start = a.tick()
}

// finish is the end of a function. Its own places of limiters are given back.
func (a *agent) finish(ctx context.Context, how End, v int, err error) {
	c := a.call
	for len(c.held) > 0 {
		a.release(c.held[0])
	}
	ctxErr := ctx.Err()
	a.mu.Lock()
	defer a.mu.Unlock()
	c.ret, c.ctxErr = result{how, v, err}, ctxErr
	c.end = a.tick()
}

// step is a point between two steps, and looks where it is.
func (a *agent) step() {
	c := a.call
	if c == nil {
		turn.At(turn.User, a.actor)
		return
	}
	a.mu.Lock()
	p := c.runs
	if c.doneSeen > 0 && !c.spec.Abandon {
		a.breaks("S18 a call is done when its function has returned", "%v runs though it was seen done", c)
	}
	if p != nil {
		if cur := hop.CurrentLoop(); cur != p.loop || !p.loop.Here() {
			a.breaks("S23 a function stays on its loop", "%v of %s is on %v", c, p.name, cur)
		}
		if id := threadID(); p.kind == Thread && id != c.thread {
			a.breaks("S23 a function stays on its thread", "%v of %s has gone from thread %d to %d", c, p.name, c.thread, id)
		}
		if p.over > 0 && !c.spec.Abandon {
			a.breaks("S25 nothing runs after the stop", "%v runs though %s has stopped", c, p.name)
		}
		if p.busy != nil {
			a.breaks("S1 one task at a time runs on a loop", "%v and %v run on %s at once", c, p.busy, p.name)
		}
		p.busy = c
	} else if hop.CurrentLoop() != nil && c.spec.On.Kind != OnInline && c.spec.On.Kind != OnOrigin {
		a.breaks("S23 a function runs where it was sent", "%v of %v is on %v", c, c.spec.On, hop.CurrentLoop())
	}
	a.mu.Unlock()
	turn.At(turn.User, c.String())
	if p != nil {
		a.mu.Lock()
		p.busy = nil
		a.mu.Unlock()
	}
}

// enter notes that an op begins.
func (a *agent) enter(kind Op, n int, ctx context.Context) *op {
	a.step()
	o := &op{by: a, kind: kind, n: n, ctx: ctx, scope: a.scope}
	a.mu.Lock()
	defer a.mu.Unlock()
	o.begin = a.tick()
	if a.call != nil {
		a.call.ops = append(a.call.ops, o)
	} else {
		a.actor.ops = append(a.actor.ops, o)
	}
	return o
}

// leave notes that it has returned.
func (o *op) leave(err error) {
	r := o.by.run
	r.mu.Lock()
	o.end, o.err = r.tick(), err
	r.mu.Unlock()
	r.looksAt(o, err)
	o.by.step()
}

func (a *agent) steps(ctx context.Context, steps []Step) error {
	for _, s := range steps {
		if err := a.do(ctx, s); err != nil && s.Careful {
			return err
		}
	}
	return nil
}

func (a *agent) do(ctx context.Context, s Step) error {
	switch s.Op {
	case Yield:
		return a.yield(ctx)
	case Sleep:
		o := a.enter(Sleep, s.D, ctx)
		err := hop.Sleep(ctx, time.Duration(s.D)*time.Millisecond)
		o.leave(err)
		return err
	case Start:
		return a.start(ctx, a.calls[s.N])
	case Wait, WaitOwned, Serve, Cancel, CancelWait, Look, Hook:
		return a.about(ctx, s, a.calls[s.N])
	case SetEvent:
		a.setEvent(a.events[s.N])
	case WaitEvent:
		return a.waitEvent(ctx, s.N)
	case Acquire:
		return a.acquire(ctx, s.N)
	case Release:
		a.release(s.N)
	case Resolve, Reject:
		a.settle(s)
	case WaitFor:
		return a.waitFor(ctx, s.N)
	case InGroup:
		return a.inGroup(ctx, s)
	case EndContext:
		a.endContext(a.actors[s.N])
	case Shut, Close:
		return a.stop(ctx, s)
	case Resize:
		a.resize(s)
	}
	return nil
}

func (a *agent) yield(ctx context.Context) error {
	if a.call == nil || a.call.runs == nil {
		a.step()
		return hop.Yield(ctx)
	}
	o := a.enter(Yield, 0, ctx)
	before := a.waitingToStart(a.call.runs, o.begin)
	err := hop.Yield(ctx)
	o.leave(err)
	if err == nil {
		a.haveStarted(before)
	}
	return err
}

// about does what is done with a call that somebody has made.
func (a *agent) about(ctx context.Context, s Step, c *callRun) error {
	a.mu.Lock()
	p, call := c.pending, c.call
	a.mu.Unlock()
	if call == nil || p == nil && (s.Op == Wait || s.Op == WaitOwned) {
		return nil // it has not been made, or has no Pending
	}
	switch s.Op {
	case Wait:
		if s.D > 0 {
			short, cancel := context.WithTimeout(ctx, time.Duration(s.D)*time.Millisecond)
			defer cancel()
			ctx = short
		}
		o := a.on(Wait, c, ctx)
		v, err := p.Wait(ctx)
		o.leave(err)
		a.got(c, v, err, true)
		return err
	case WaitOwned:
		short, cancel := context.WithTimeout(ctx, time.Duration(s.D)*time.Millisecond)
		defer cancel()
		a.asks(c)
		o := a.on(WaitOwned, c, short)
		v, err := p.WaitOrCancel(short)
		o.leave(err)
		a.got(c, v, err, true)
		return err
	case Serve:
		o := a.on(Serve, c, ctx)
		err := hop.NewWaiter().Wait(ctx, call)
		o.leave(err)
		if err == nil {
			a.sawDone(c)
		} else {
			a.mu.Lock()
			a.unserved = true
			a.mu.Unlock()
		}
		return err
	case Cancel:
		a.asks(c)
		a.step()
		a.cancelled(c, call.Cancel(&cancelCause{fmt.Sprintf("a cancel of %v", c)}))
	case CancelWait:
		a.asks(c)
		o := a.on(CancelWait, c, ctx)
		err := call.CancelWait(ctx, &cancelCause{fmt.Sprintf("a cancel of %v", c)})
		o.leave(err)
		if err == nil {
			a.sawReturned(c)
		}
		return err
	case Look:
		a.step()
		a.look(c, call)
	case Hook:
		a.step()
		a.hook(c, call)
	}
	return nil
}

func (a *agent) on(kind Op, c *callRun, ctx context.Context) *op {
	o := a.enter(kind, 0, ctx)
	a.mu.Lock()
	o.target = c
	a.mu.Unlock()
	return o
}

// asks notes that c may be asked to cancel from now on.
func (a *agent) asks(c *callRun) {
	a.mu.Lock()
	if c.asked == 0 {
		c.asked = a.tick()
	}
	a.mu.Unlock()
}

// hook registers an OnDone function, which calls back into the call: that would block if a lock were held.
func (a *agent) hook(c *callRun, call *hop.Call) {
	a.mu.Lock()
	n := c.hooked
	c.hooked++
	a.mu.Unlock()
	call.OnDone(func() {
		call.Portal() // takes the lock
		if !call.State().Done() {
			a.report("S11 OnDone functions run when the call is done", "one of %v runs while it is %v", c, call.State())
		}
		a.mu.Lock()
		c.hooks = append(c.hooks, n)
		a.mu.Unlock()
		a.sawDone(c)
	})
}
