package model

import (
	"context"
	"errors"
	"time"

	"github.com/gohop/hop"
)

// start makes c.
func (a *agent) start(ctx context.Context, c *callRun) error {
	on := a.portal(ctx, c)
	if on == nil {
		return nil // nobody waits for the caller
	}
	opts := c.spec.options()
	switch c.spec.Via {
	case Post:
		a.post(c)
		return nil
	case Do, Run:
		o := a.on(Start, c, a.sends(ctx, c))
		v, err := 0, error(nil)
		if c.spec.Via == Do {
			v, err = hop.Do(o.ctx, on, a.body(c), opts...)
		} else {
			err = hop.Run(o.ctx, on, func(ctx context.Context) error {
				_, err := a.body(c)(ctx)
				return err
			}, opts...)
		}
		a.isAccepted(c, nil)
		o.leave(err)
		a.got(c, v, err, c.spec.Via == Do)
		return err
	}
	var o *op
	if c.spec.On.Kind == OnInline {
		o = a.on(Start, c, ctx)
	} else {
		a.step()
	}
	ctx = a.sends(ctx, c)
	var p *hop.Pending[int]
	if c.spec.Via == After {
		p = hop.After(ctx, time.Duration(c.spec.Delay)*time.Millisecond, on, a.body(c), opts...)
	} else {
		p = hop.Go(ctx, on, a.body(c), opts...)
	}
	a.isAccepted(c, p)
	if o != nil {
		o.leave(nil)
	}
	for range c.spec.Hooks {
		a.hook(c, p.Call())
	}
	return nil
}

func (c *Call) options() []hop.Option {
	var opts []hop.Option
	if c.Timeout > 0 {
		opts = append(opts, hop.Timeout(time.Duration(c.Timeout)*time.Millisecond))
	}
	if c.Abandon {
		opts = append(opts, hop.Abandon())
	}
	return opts
}

// sends notes that c is about to be made, and returns its context.
func (a *agent) sends(ctx context.Context, c *callRun) context.Context {
	a.mu.Lock()
	defer a.mu.Unlock()
	c.by, c.scope = a, a.scope
	if c.spec.Detached {
		c.scope = nil
		ctx = hop.Detach(ctx)
	}
	if c.spec.Via == Post {
		c.scope = nil
	}
	c.inner = &scope{up: c.scope, call: c}
	c.sent = a.tick()
	return ctx
}

// isAccepted notes that c was made.
func (a *agent) isAccepted(c *callRun, p *hop.Pending[int]) {
	a.mu.Lock()
	defer a.mu.Unlock()
	c.accepted = a.tick()
	if p == nil {
		return
	}
	if c.call != nil && c.call != p.Call() {
		a.breaks("S37 the context carries the call", "%v has another call", c)
	}
	c.pending, c.call = p, p.Call()
	a.byCall[p.Call()] = c
}

func (a *agent) portal(ctx context.Context, c *callRun) hop.Portal {
	var to hop.Portal
	switch c.spec.On.Kind {
	case OnGoroutines:
		return hop.Goroutines
	case OnInline:
		return hop.Inline
	case OnOrigin:
		to = hop.Origin(ctx)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if l, ok := to.(*hop.Loop); ok {
		c.on = a.placeOf(l)
		c.runs = c.on
	}
	if c.spec.On.Kind == OnOrigin {
		return to
	}
	c.on = a.place(c.spec.On)
	if c.on.loop != nil {
		c.runs = c.on
		return c.on.loop
	}
	return c.on.pool
}

func (a *agent) post(c *callRun) {
	a.step()
	a.sends(context.Background(), c)
	f := func() { a.body(c)(context.Background()) }
	var err error
	if c.on.loop != nil {
		err = c.on.loop.Post(f)
	} else {
		err = c.on.pool.Post(f)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	c.accepted, c.refused = a.tick(), err
	if err != nil && c.on.graced == 0 {
		a.breaks("S24 a place that runs takes what is sent", "%v was refused: %v", c, err)
	}
}

// inGroup runs the steps in a group.
func (a *agent) inGroup(ctx context.Context, s Step) error {
	a.step()
	a.mu.Lock()
	g := &groupRun{spec: s.Group, up: a.scope}
	a.groups = append(a.groups, g)
	a.mu.Unlock()
	outer := a.scope
	var o *op
	ms := time.Duration(s.Group.Timeout) * time.Millisecond
	err := hop.WithGroup(ctx, &hop.GroupOptions{Timeout: ms, Limit: g.spec.Limit, KeepGoing: g.spec.KeepGoing,
		CancelOnCancelled: g.spec.CancelOnCancelled, ReportCancelled: g.spec.ReportCancelled, Shield: g.spec.Shield},
		func(ctx context.Context) error {
			a.scope = &scope{up: outer, group: g}
			err := a.steps(ctx, s.Body)
			a.mu.Lock()
			g.err, g.fails = err, err != nil
			a.mu.Unlock()
			o = a.enter(InGroup, 0, ctx)
			a.mu.Lock()
			o.group = g
			a.mu.Unlock()
			return err
		})
	a.scope = outer
	a.groupEnds(o, g, err)
	o.leave(nil) // its error is the members'
	return err
}

// stop stops a place.
func (a *agent) stop(ctx context.Context, s Step) error {
	p := a.place(s.At)
	if a.call != nil && len(a.call.held) > 0 {
		return nil // hop does not see who waits for a place that the caller holds
	}
	if a.call != nil {
		s.D = max(1, s.D) // its context may not end
	}
	o := a.enter(s.Op, 0, context.Background())
	a.stops(p, s.Op == Close || s.D > 0)
	var err error
	switch {
	case s.Op == Close && p.loop != nil:
		err = p.loop.Close()
	case s.Op == Close:
		err = p.pool.Close()
	default:
		bound := context.Background()
		if s.D > 0 {
			var cancel context.CancelFunc
			bound, cancel = context.WithTimeout(bound, time.Duration(s.D)*time.Millisecond)
			defer cancel()
		}
		if p.loop != nil {
			err = p.loop.Shutdown(bound)
		} else {
			err = p.pool.Shutdown(bound)
		}
	}
	switch {
	case err == nil:
		a.hasStopped(p)
	case errors.Is(err, hop.ErrDeadlock) && a.call != nil:
	case errors.Is(err, hop.ErrStopped) && a.call != nil: // its own place stops
	case errors.Is(err, context.DeadlineExceeded) && s.Op == Shut && s.D > 0:
	default:
		a.report("S25 a stop waits for the end", "%v of %s: %v", o, p.name, err)
	}
	o.leave(nil)
	return err
}

// stops notes that a stop begins.
func (r *run) stops(p *placeRun, hard bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.tick()
	for _, q := range r.places {
		if !q.below(p) {
			continue
		}
		if q.graced == 0 {
			q.graced = now
		}
		if hard && q.hard == 0 {
			q.hard = now
		}
	}
}

// below reports whether p is q or below it.
func (p *placeRun) below(q *placeRun) bool {
	for ; p != nil; p = p.up {
		if p == q {
			return true
		}
	}
	return false
}

// hasStopped notes that a stop has returned, and looks at what is left.
func (r *run) hasStopped(p *placeRun) {
	left := map[*placeRun]bool{}
	for _, q := range r.places {
		if q != p && q.below(p) {
			select {
			case <-q.loop.Stopped():
			default:
				left[q] = true
			}
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.tick()
	for _, q := range r.places {
		if !q.below(p) {
			continue
		}
		if left[q] {
			r.breaks("S26 a parent stops after its children", "%s has stopped before %s", p.name, q.name)
		}
		if q.over == 0 {
			q.over = now
		}
	}
	for _, c := range r.calls {
		if c.on != nil && c.on.below(p) && c.start > 0 && c.end == 0 && !c.spec.Abandon && !c.inline {
			r.breaks("S25 a stop waits for the end", "%s has stopped before %v has ended", p.name, c)
		}
	}
}
