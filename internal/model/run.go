package model

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"time"

	"github.com/gohop/hop"
	"github.com/gohop/hop/internal/goid"
)

// How long things take, in the bubble's time.
const (
	settled = 10 * time.Second // all sleeps and deadlines of a program together are shorter
	stopped = 5 * time.Second
)

// threads reports whether places can have threads of their own: wasm has one in all.
const threads = runtime.GOARCH != "wasm"

// A run is a program, run once.
type run struct {
	journal
	prog *Program
}

// An Execution is one run of a Program.
type Execution struct{ run }

// New prepares a run of p. Its Main is to be called in a bubble, once.
func New(p *Program) *Execution { return &Execution{run{prog: p}} }

// Broken returns the promises that the run has broken, and how.
func (r *Execution) Broken() []string {
	r.mu.Lock()
	bs := r.broken[:len(r.broken):len(r.broken)]
	r.mu.Unlock()
	var all []string
	for _, b := range bs {
		all = append(all, b.promise+": "+fmt.Sprintf(b.format, b.args...))
	}
	return all
}

// Standing tells who is in which wait: for a run that has come to a standstill.
func (r *Execution) Standing() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []string
	for _, o := range r.standing() {
		all = append(all, o.String())
	}
	return all
}

// Main runs the program and checks it.
func (r *Execution) Main() {
	r.setUp()
	for i, x := range r.actors {
		go func() {
			a := &agent{run: &r.run, actor: x, g: goid.Self(), scope: &scope{actor: x}}
			a.step()
			a.steps(x.ctx, r.prog.Actors[i].Body)
			r.mu.Lock()
			x.done = true
			r.mu.Unlock()
		}()
	}
	// Nobody moves any more but who waits for an event or promise of the program's. Is that so?
	time.Sleep(settled)
	r.checkStandstill()
	// Now they come.
	r.rescue()
	time.Sleep(settled)
	r.checkStandstill()
	if !r.stopAll() {
		r.release()
		return
	}
	r.checkEnd()
}

func (r *run) setUp() {
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	r.byCall = map[*hop.Call]*callRun{}
	r.verified = map[*hop.DeadlockError]bool{}
	for i, l := range r.prog.Loops {
		p := &placeRun{name: fmt.Sprintf("loop%d", i), spec: Place{OnLoop, i}, kind: l.Kind}
		o := &hop.LoopOptions{Name: p.name, Logger: quiet, StallAfter: -1}
		switch l.Kind {
		case Thread:
			o.Thread = threads
		case Manual:
			o.Manual = true
		case Child, Guest:
			if i == 0 {
				break // the loop before was dropped
			}
			p.up = r.places[i-1]
			if l.Kind == Guest {
				o.Host = p.up.loop
				break
			}
			p.loop, _ = p.up.loop.Child(p.name, o)
		}
		if p.loop == nil {
			p.loop = hop.NewLoop(o)
		}
		if l.Kind == Manual {
			go p.loop.Run(context.Background())
		}
		r.places = append(r.places, p)
	}
	for i, l := range r.prog.Pools {
		p := &placeRun{name: fmt.Sprintf("pool%d", i), spec: Place{OnPool, i}, sizes: []sized{{n: l.Size}}}
		p.pool = hop.NewPool(&hop.PoolOptions{Name: p.name, Size: l.Size, Threads: l.Threads && threads, MaxIdle: l.Keep,
			IdleTimeout: time.Duration(l.Idle) * time.Millisecond})
		r.places = append(r.places, p)
	}
	for range r.prog.Events {
		r.events = append(r.events, new(eventRun))
	}
	for range r.prog.Promises {
		r.promises = append(r.promises, &promiseRun{p: hop.NewPromise[int](context.Background())})
	}
	for _, n := range r.prog.Limiters {
		r.limiters = append(r.limiters, &limiterRun{n: n, l: hop.NewLimiter(n)})
	}
	for i := range r.prog.Calls {
		c := &callRun{id: i, spec: &r.prog.Calls[i], ranks: map[*agent]int{}}
		r.calls = append(r.calls, c)
	}
	for i := range r.prog.Actors {
		x := &actorRun{id: i}
		x.ctx, x.end = context.WithCancelCause(context.Background())
		r.actors = append(r.actors, x)
	}
}

func (r *run) place(p Place) *placeRun {
	if p.Kind == OnPool {
		return r.places[len(r.prog.Loops)+p.N]
	}
	return r.places[p.N]
}

func (r *run) placeOf(l *hop.Loop) *placeRun {
	for _, p := range r.places {
		if p.loop == l {
			return p
		}
	}
	return nil
}

// rescue ends the waits that only the program can end.
func (r *run) rescue() {
	a := &agent{run: r, actor: &actorRun{id: -1}}
	for i, e := range r.events {
		a.setEvent(e)
		a.settle(Step{Op: Resolve, N: i % len(r.promises)})
	}
	for i := range r.promises {
		a.settle(Step{Op: Resolve, N: i})
	}
	r.mu.Lock()
	var kept []*callRun
	for _, c := range r.calls {
		if r.keptBack(c) && c.sent > 0 {
			kept = append(kept, c)
		}
	}
	r.unserved = false
	r.mu.Unlock()
	for _, c := range kept {
		r.endBy(c)
	}
}

// endBy cancels c, or who waits for it in Do.
func (r *run) endBy(c *callRun) {
	for ; c.call == nil; c = c.by.call {
		if c.by.call == nil {
			c.by.endContext(c.by.actor)
			return
		}
	}
	r.mu.Lock()
	c.asked = r.tick()
	r.mu.Unlock()
	c.call.Cancel(nil)
}

// stopAll stops the places; false: that does not end.
func (r *run) stopAll() bool {
	ended := false
	go func() {
		for i := range r.places {
			p := r.places[len(r.places)-1-i]
			hard := (r.prog.Seed>>i)&1 == 0
			r.stops(p, hard)
			var err error
			switch {
			case p.loop != nil && hard:
				err = p.loop.Close()
			case p.loop != nil:
				err = p.loop.Shutdown(context.Background())
			case hard:
				err = p.pool.Close()
			default:
				err = p.pool.Shutdown(context.Background())
			}
			if err != nil {
				r.report("S25 a stop waits for the end", "the last stop of %s: %v", p.name, err)
			}
			r.hasStopped(p)
		}
		r.mu.Lock()
		ended = true
		r.mu.Unlock()
	}()
	time.Sleep(stopped)
	r.mu.Lock()
	defer r.mu.Unlock()
	if !ended {
		r.breaks("S25 a stop ends", "the last stop has not returned; %v", r.standing())
	}
	return ended
}

// release tries to have everything go on that has come to a standstill, so that the bubble can end.
func (r *run) release() {
	for _, x := range r.actors {
		x.end(errors.New("the run is over"))
	}
	for _, c := range r.calls {
		if c.call != nil {
			go c.call.Cancel(nil)
		}
	}
	for _, p := range r.places {
		if p.loop != nil {
			go p.loop.Close()
		} else {
			go p.pool.Close()
		}
	}
	time.Sleep(stopped)
}

// standing returns the ops that have not returned, oldest first. It needs mu.
func (r *run) standing() []*op {
	var all []*op
	add := func(ops []*op) {
		for _, o := range ops {
			if o.end == 0 {
				all = append(all, o)
			}
		}
	}
	for _, c := range r.calls {
		add(c.ops)
	}
	for _, x := range r.actors {
		add(x.ops)
	}
	sortBy(all, func(o *op) int { return o.begin })
	return all
}

func sortBy[T any, K cmp.Ordered](s []T, key func(T) K) {
	for i := 1; i < len(s); i++ {
		for j := i; j > 0 && key(s[j]) < key(s[j-1]); j-- {
			s[j], s[j-1] = s[j-1], s[j]
		}
	}
}
