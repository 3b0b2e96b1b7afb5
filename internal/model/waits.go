package model

// What calls and actors wait for beside calls: events, limiters, promises.

import (
	"context"
	"errors"
	"fmt"

	"github.com/gohop/hop"
)

func (a *agent) setEvent(e *eventRun) {
	a.step()
	a.mu.Lock()
	if e.begin == 0 {
		e.begin = a.tick()
	}
	a.mu.Unlock()
	e.e.Set()
	a.mu.Lock()
	if e.ended == 0 {
		e.ended = a.tick()
	}
	a.mu.Unlock()
}

func (a *agent) waitEvent(ctx context.Context, n int) error {
	e := a.events[n]
	o := a.enter(WaitEvent, n, ctx)
	err := e.e.Wait(ctx)
	o.leave(err)
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case err == nil && e.begin == 0:
		a.breaks("an Event's Wait returns when it is set", "%v: nobody has set it", o)
	case err != nil && e.ended > 0 && e.ended < o.begin:
		a.breaks("a set Event's Wait returns nil", "%v: %v", o, err)
	}
	return err
}

func (a *agent) acquire(ctx context.Context, n int) error {
	l := a.limiters[n]
	if a.call == nil || a.call.spec.Via == Post || a.call.spec.Abandon {
		return nil // nobody would know who holds the place, or not any more
	}
	o := a.enter(Acquire, n, ctx)
	err := l.l.Acquire(ctx)
	a.mu.Lock()
	if err == nil {
		a.call.held = append(a.call.held, n)
		l.holders = append(l.holders, a.call)
		l.hist = append(l.hist, hold{c: a.call, begin: a.tick()})
		if len(l.holders) > l.n {
			a.breaks("a Limiter lets n pass", "%v hold limiter%d(%d)", l.holders, n, l.n)
		}
	}
	a.mu.Unlock()
	o.leave(err)
	return err
}

func (a *agent) release(n int) {
	c := a.call
	if c == nil {
		return
	}
	for i, h := range c.held {
		if h != n {
			continue
		}
		a.mu.Lock()
		c.held = append(c.held[:i:i], c.held[i+1:]...)
		l := a.limiters[n]
		for i, h := range l.holders {
			if h == c {
				l.holders = append(l.holders[:i:i], l.holders[i+1:]...)
				break
			}
		}
		for i := range l.hist {
			if h := &l.hist[i]; h.c == c && h.end == 0 {
				h.end = a.tick()
				break
			}
		}
		a.mu.Unlock()
		l.l.Release()
		return
	}
}

func (a *agent) settle(s Step) {
	a.step()
	p := a.promises[s.N]
	a.mu.Lock()
	if p.begin == 0 {
		p.begin = a.tick()
	}
	n := a.tick()
	a.mu.Unlock()
	res := result{how: Value, value: n}
	var won bool
	if s.Op == Resolve {
		won = p.p.Resolve(n)
	} else {
		res = result{how: Fails, err: &ownError{-n}}
		won = p.p.Reject(res.err)
	}
	if won {
		a.mu.Lock()
		p.winners = append(p.winners, res)
		a.mu.Unlock()
	} else if _, err := p.p.Pending().Result(); errors.Is(err, hop.ErrNotDone) {
		a.report("S11 first completion wins", "promise%d is not done though completing it reported false", s.N)
	}
}

func (a *agent) waitFor(ctx context.Context, n int) error {
	p := a.promises[n]
	o := a.enter(WaitFor, n, ctx)
	v, err := p.p.Pending().Wait(ctx)
	o.leave(err)
	a.mu.Lock()
	p.seen = append(p.seen, seen{value: v, err: err})
	if err == nil && p.begin == 0 {
		a.breaks("a Promise's Wait returns when it is resolved", "%v: nobody has", o)
	}
	a.mu.Unlock()
	return err
}

func (a *agent) endContext(x *actorRun) {
	a.step()
	a.mu.Lock()
	if x.ended == 0 {
		x.ended = a.tick()
	}
	a.mu.Unlock()
	x.end(&cancelCause{fmt.Sprintf("the end of actor%d's context", x.id)})
}

func (a *agent) resize(s Step) {
	a.step()
	p := a.place(s.At)
	a.mu.Lock()
	i := len(p.sizes)
	p.sizes = append(p.sizes, sized{at: a.tick(), n: s.D})
	a.mu.Unlock()
	p.pool.SetSize(s.D)
	a.mu.Lock()
	p.sizes[i].done = a.tick()
	a.mu.Unlock()
}
