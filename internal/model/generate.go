package model

import (
	"math/rand/v2"
	"slices"
)

// Generate makes the program of a seed. Programs of different seeds differ not only in their steps but in the kinds of steps that
// they have at all: leaving most out lets the rest meet more often.
func Generate(seed uint64) *Program {
	g := newGenerator(seed)
	if g.one(8) {
		g.ring()
		return g.p
	}
	g.choose()
	g.calls()
	return g.p
}

// Ring makes a program of calls that wait for each other in a ring.
func Ring(seed uint64) *Program {
	g := newGenerator(seed)
	g.ring()
	return g.p
}

// Crowd makes a program of actors that send to one place.
func Crowd(seed uint64) *Program {
	g := newGenerator(seed)
	g.crowd()
	return g.p
}

func newGenerator(seed uint64) *generator {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 0x68_6f_70)), p: &Program{Seed: seed}}
	g.places()
	return g
}

type generator struct {
	*rand.Rand
	p   *Program
	ops []Op // what this program's calls may do
	act []Op // and its actors
}

// one reports true once in n times.
func (g *generator) one(n int) bool { return g.IntN(n) == 0 }

// few is one or two, one more often: where there are few, calls meet.
func (g *generator) few() int { return 1 + g.IntN(4)/3 }

func (g *generator) places() {
	p := g.p
	for i := range g.few() + g.IntN(2) {
		k := LoopKind(g.IntN(len(loopKinds)))
		if i == 0 && k >= Child || k == Thread && !g.one(3) {
			k = Own
		}
		p.Loops = append(p.Loops, Loop{k})
	}
	for range g.IntN(3) {
		p.Pools = append(p.Pools, Pool{Size: 1 + g.IntN(2), Threads: g.one(8), Keep: -g.IntN(2), Idle: g.IntN(3)})
	}
	p.Events, p.Promises = g.few(), g.few()
	for range g.few() {
		p.Limiters = append(p.Limiters, g.few())
	}
	p.Actors = make([]Actor, 1+g.IntN(3))
}

// themes are kinds of steps that have to do with each other.
var themes = [][]Op{
	{Cancel, WaitEvent},
	{EndContext, WaitEvent},
	{Acquire, Release, Cancel},
	{Acquire, Release, EndContext},
	{InGroup, Cancel},
	{InGroup, Acquire},
	{Serve, WaitOwned, CancelWait},
	{Shut, Close},
	{WaitOwned, EndContext},
	{WaitOwned, Cancel},
	{Acquire, Yield},
	{Wait, Cancel},
	{Wait, EndContext},
	{WaitOwned, WaitEvent, SetEvent},
	{WaitFor, Resolve, Reject, Hook, Look},
}

// choose picks the kinds of steps.
func (g *generator) choose() {
	most, theme := 2, []Op(nil)
	if g.one(2) {
		most, theme = [...]int{6, 100}[g.IntN(2)], themes[g.IntN(len(themes))]
	}
	for op := Yield; op <= Resize; op++ {
		weight := 1
		switch op {
		case Start:
			continue // each call is started once
		case Wait:
			weight = 4
		case Yield, Sleep:
			weight = 2
		default:
			if !g.one(most) && !slices.Contains(theme, op) {
				continue
			}
		}
		if slices.Contains(theme, op) {
			weight = 5
		}
		if (op == Shut || op == Close) && !g.one(2) || op == Resize && len(g.p.Pools) == 0 {
			continue
		}
		for range weight {
			if op != Acquire && op != Release {
				g.act = append(g.act, op)
			}
			if op != Resize && (op != Shut && op != Close || g.one(2)) {
				g.ops = append(g.ops, op)
			}
		}
	}
}

// ring makes calls that wait for each other in a ring, and are cancelled meanwhile: whether it closes depends on the schedule.
func (g *generator) ring() {
	p := g.p
	n := 3 + g.IntN(2)
	if g.one(2) {
		g.lateRing()
		return
	}
	for i := range n {
		wait := Step{Op: Wait, N: (i + 1) % n}
		if g.one(3) {
			wait = Step{Op: WaitOwned, N: (i + 1) % n, D: 1}
		}
		p.Calls = append(p.Calls, Call{On: g.place(), Body: []Step{wait}})
		b := &p.Actors[g.IntN(len(p.Actors))].Body
		*b = append(*b, Step{Op: Start, N: i})
		if g.one(2) {
			b := &p.Actors[g.IntN(len(p.Actors))].Body
			*b = append(*b, Step{Op: Cancel, N: g.IntN(i + 1)})
		}
	}
}

// crowd makes several actors that send to one place, a pool of one if there is a pool.
func (g *generator) crowd() {
	p, on := g.p, g.queue()
	if len(p.Pools) > 0 {
		on = Place{OnPool, 0}
		p.Pools[0].Size = 1
	}
	p.Actors = make([]Actor, 3)
	for a := range p.Actors {
		for range 2 + g.IntN(2) {
			p.Actors[a].Body = append(p.Actors[a].Body, Step{Op: Start, N: len(p.Calls)})
			p.Calls = append(p.Calls, Call{On: on, Via: [...]Via{Go, Post}[g.IntN(2)]})
		}
	}
}

// lateRing makes three calls: the first waits for the second, which waits for a place that the third holds, and the third waits for
// the first, but gives the place back before. Who looks at the waits one after the other might see a ring that never was.
func (g *generator) lateRing() {
	nap := Step{Op: Sleep, D: 1}
	g.p.Limiters = []int{1}
	g.p.Calls = []Call{
		{On: g.queue(), Body: []Step{nap, {Op: Wait, N: 1}}},
		{On: g.queue(), Body: []Step{{Op: Acquire}, {Op: WaitEvent}}},
		{On: g.queue(), Body: []Step{{Op: Acquire}, nap, {Op: Release}, {Op: Wait, N: 0}}},
	}
	g.p.Actors = []Actor{{Body: []Step{{Op: Start, N: 2}, {Op: Start, N: 1}, {Op: Start, N: 0}}}}
}

func (g *generator) calls() {
	p := g.p
	n := 2 + g.IntN(4)
	if g.one(3) {
		n += g.IntN(7)
	}
	p.Calls = make([]Call, n)
	for i := range p.Calls {
		p.Calls[i] = g.call()
	}
	for i := range p.Actors {
		p.Actors[i].Body = g.steps(g.act, g.IntN(4), 0)
	}
	for i := range p.Calls {
		// Who starts it: an actor, or a call before it.
		start := Step{Op: Start, N: i, Careful: g.one(4)}
		if i == 0 || g.one(3) {
			b := &p.Actors[g.IntN(len(p.Actors))].Body
			*b = g.insert(*b, start)
		} else {
			b := &p.Calls[g.IntN(i)].Body
			*b = g.insert(*b, start)
		}
	}
}

// insert puts s somewhere into steps.
func (g *generator) insert(steps []Step, s Step) []Step {
	i := g.IntN(len(steps) + 1)
	if i < len(steps) && steps[i].Op == InGroup && !g.one(4) {
		steps[i].Body = g.insert(steps[i].Body, s)
		return steps
	}
	steps = append(steps, Step{})
	copy(steps[i+1:], steps[i:])
	steps[i] = s
	return steps
}

// queue returns a loop or pool.
func (g *generator) queue() Place {
	for {
		if p := g.place(); p.Kind <= OnPool {
			return p
		}
	}
}

func (g *generator) place() Place {
	p := g.p
	k := g.IntN(16)
	switch {
	case k < 5 && len(p.Pools) > 0:
		return Place{OnPool, g.IntN(len(p.Pools))}
	case k == 5:
		return Place{Kind: OnGoroutines}
	case k == 6:
		return Place{Kind: OnInline}
	case k == 7:
		return Place{Kind: OnOrigin}
	}
	return Place{OnLoop, g.IntN(len(p.Loops))}
}

func (g *generator) call() Call {
	c := Call{On: g.place()}
	switch k := g.IntN(16); {
	case k < 4:
		c.Via = Do
	case k == 4:
		c.Via = Run
	case k == 5:
		c.Via, c.Delay = After, g.IntN(4)
	case k == 6 && c.On.Kind <= OnPool:
		c.Via = Post
	}
	if c.On.Kind == OnOrigin && c.Via == After {
		c.Via = Go
	}
	if c.Via != Post {
		// One that ran on top of another call on a pool's worker would give that one's place away.
		c.Abandon = (c.Via == Go || c.Via == After) && c.On.Kind != OnInline && g.one(16)
		c.Detached = g.one(16)
		if g.one(8) {
			c.Timeout = 1 + g.IntN(3)
		}
		if c.Via == Go || c.Via == After {
			c.Hooks = max(0, g.IntN(6)-3)
		}
		if k := g.IntN(16); k < 4 {
			c.End = [...]End{Fails, Fails, Panics, Goexits}[k]
		}
	}
	n := g.IntN(4)
	if g.one(4) {
		n += g.IntN(4)
	}
	c.Body = g.steps(g.ops, n, 0)
	return c
}

func (g *generator) steps(ops []Op, n, depth int) []Step {
	var steps []Step
	for range n {
		s := Step{Op: ops[g.IntN(len(ops))], Careful: g.one(3)}
		switch s.Op {
		case Sleep:
			s.D = 1 + g.IntN(3)
		case WaitOwned:
			s.N, s.D = g.IntN(len(g.p.Calls)), 1+g.IntN(3)
		case Wait:
			s.N = g.IntN(len(g.p.Calls))
			if g.one(4) {
				s.D = 1 + g.IntN(3)
			}
		case Serve, Cancel, CancelWait, Look, Hook:
			s.N = g.IntN(len(g.p.Calls))
		case SetEvent, WaitEvent:
			s.N = g.IntN(g.p.Events)
		case Resolve, Reject, WaitFor:
			s.N = g.IntN(g.p.Promises)
		case Acquire, Release:
			s.N = g.IntN(len(g.p.Limiters))
		case EndContext:
			s.N = g.IntN(len(g.p.Actors))
		case Shut, Close, Resize:
			s.At = Place{OnLoop, g.IntN(len(g.p.Loops))}
			if n := len(g.p.Pools); n > 0 && (s.Op == Resize || g.one(2)) {
				s.At = Place{OnPool, g.IntN(n)}
			}
			s.D = g.IntN(3)
		case InGroup:
			if depth == 2 {
				s.Op = Yield
				break
			}
			s.Group = Group{KeepGoing: g.one(3), CancelOnCancelled: g.one(4), ReportCancelled: g.one(4), Shield: g.one(6)}
			if g.one(3) {
				s.Group.Limit = 1 + g.IntN(2)
			}
			if g.one(8) {
				s.Group.Timeout = 1 + g.IntN(3)
			}
			s.Body = g.steps(ops, g.IntN(3), depth+1)
		}
		steps = append(steps, s)
	}
	return steps
}
