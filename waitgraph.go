package hop

import (
	"slices"

	"github.com/gohop/hop/internal/bug"
	"github.com/gohop/hop/internal/turn"
)

// What a search for deadlocks looks at: see deadlock.go for what the nodes and edges are, and when it looks.

// A graph is what one look has found, from one goroutine on.
type graph struct {
	nodes map[*fiber]*node
	order []*node
}

type node struct {
	fb    *fiber
	seq   uint64 // of its wait; 0: it does not wait
	top   *Call  // the innermost call that runs there, and where it waits; noted while the wait stood
	pc    uintptr
	edges []edge
	any   int // edges[any:] are of the kind of which one suffices; len(edges): none are
	free  bool
	sure  bool // it was free at the look, whatever it leads to
	deaf  bool

	left int  // settle's: how many of edges[:any] lead to who is not free,
	one  bool // whether one of the others suffices,
	back int  // and the first of those that lead here
}

type edge struct {
	call *Call
	to   *node // nil: the call has not started, has ended, or has no goroutine

	maybe bool // that it suffices is a guess: it is no step of a cycle that can do without

	of   *waitedFor // what the call has that is waited for; nil: its end
	name string
}

// survey looks at all that fb waits for.
func survey(fb *fiber) *graph {
	g := &graph{nodes: make(map[*fiber]*node)}
	g.visit(fb)
	for i := 0; i < len(g.order); i++ { // visit appends
		g.expand(g.order[i])
		g.order[i].sure = g.order[i].free
	}
	return g
}

func (g *graph) visit(fb *fiber) *node {
	n := g.nodes[fb]
	if n == nil {
		n = &node{fb: fb}
		g.nodes[fb] = n
		g.order = append(g.order, n)
	}
	return n
}

func (g *graph) expand(n *node) {
	w := &n.fb.wait
	turn.Race(w) // where a look at several waits takes its time
	if !w.standing() || w.over() {
		n.free = true
		return
	}
	n.seq = w.seq()
	n.top, n.pc = n.fb.cur.Load(), w.pc.Load()
	call, many := w.onCall.Load(), w.onMany.Load()
	if call != nil && (!call.done() || call.out()) {
		n.edges = append(n.edges, g.edge(call))
	}
	n.any = len(n.edges)
	if many != nil && !bug.NoGroupEdges {
		if many.open != nil && many.open() {
			n.free = true
			return
		}
		many.each(func(c *Call) bool {
			if c.done() && !(many.runs && c.out()) {
				n.free = n.free || many.any && !(many.failed && c.raw() == Succeeded)
			} else {
				e := g.edge(c)
				e.of, e.name = many.of, many.name
				n.edges = append(n.edges, e)
			}
			return true
		})
		if many.by != nil {
			if fb := many.by(); fb != nil {
				n.edges = append(n.edges, edge{call: fb.cur.Load(), to: g.visit(fb), of: many.of})
			}
		}
		if !many.any {
			n.any = len(n.edges)
		}
		n.deaf = many.deaf
		if many.maybe != nil {
			many.maybe(func(c *Call) bool {
				e := g.edge(c)
				e.maybe, e.of = true, ofDeputy
				n.edges = append(n.edges, e)
				return true
			})
		}
	}
	if call == nil && many == nil {
		if e := endWaitOf(n.fb, n.seq); e != nil {
			e.each(func(c *Call) bool {
				if !c.done() {
					edge := g.edge(c)
					edge.of = ofEnd
					n.edges = append(n.edges, edge)
				}
				return true
			})
			n.any, n.deaf = len(n.edges), true
		}
	}
	if n.top == nil && n.fb.opens.Load() == 0 || len(n.edges) == 0 || w.seq() != n.seq || !w.standing() {
		n.free = true
	}
}

func (g *graph) edge(c *Call) edge {
	if fb := c.fb.Load(); fb != nil && (!c.done() || c.out()) {
		return edge{call: c, to: g.visit(fb)}
	}
	if r := c.hasRare(); r != nil && r.telling.Load() {
		if fb := r.teller.Load(); fb != nil {
			return edge{call: c, to: g.visit(fb)}
		}
	}
	return edge{call: c}
}

// out reports whether c was abandoned, and its function runs on: who waits for that waits for the goroutine that runs it.
func (c *Call) out() bool {
	if !c.has(flagAbandoned) {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.rare().returned
}

// A backEdge says whose wait an edge is: it leads from who is waited for to who waits.
type backEdge struct {
	of   *node
	one  bool // it suffices
	next int  // the next one of the same node; 0: there is none, they are counted from 1
}

// settle finds who is free, from those who are to those who wait for them; guess: a deputy may suffice. It looks at each edge once.
func (g *graph) settle(guess bool) {
	for _, n := range g.order {
		n.left, n.back = 0, 0
	}
	edges := 0
	for _, n := range g.order {
		if !n.free {
			edges += len(n.edges)
		}
	}
	back := make([]backEdge, 0, edges)
	add := func(e edge, of *node, one bool) {
		back = append(back, backEdge{of, one, e.to.back})
		e.to.back = len(back)
	}
	var next []*node // who can go on, and is not marked yet
	for _, n := range g.order {
		if n.free {
			continue
		}
		for _, e := range n.edges[:n.any] {
			if e.to != nil && !e.to.free {
				n.left++
				add(e, n, false)
			}
		}
		rest := n.edges[n.any:]
		n.one = len(rest) == 0
		for _, e := range rest {
			switch {
			case e.maybe && !guess:
			case e.to == nil || e.to.free:
				n.one = true
			default:
				add(e, n, true)
			}
		}
		if n.left == 0 && n.one {
			next = append(next, n)
		}
	}
	for len(next) > 0 {
		n := next[len(next)-1]
		next = next[:len(next)-1]
		if n.free {
			continue
		}
		n.free = true
		for b := (backEdge{next: n.back}); b.next > 0; {
			b = back[b.next-1]
			if b.one {
				b.of.one = true
			} else {
				b.of.left--
			}
			if b.of.left == 0 && b.of.one {
				next = append(next, b.of)
			}
		}
	}
}

// cycle returns the edges from fb through stuck goroutines back to fb; nil: it is not stuck. If there is no such way, as fb is stuck behind others
// only, because a guess has come to nothing, it is the cycle of one of those.
func (g *graph) cycle(fb *fiber) []edge {
	g.settle(true)
	start := g.nodes[fb]
	if start.free {
		return nil
	}
	if path := shortest(start, false); path != nil {
		return path
	}
	for _, n := range g.order {
		if !n.free && !n.deaf {
			if path := shortest(n, false); path != nil {
				return path
			}
		}
	}
	return shortest(start, true)
}

// shortest returns the edges of the shortest way from start through stuck goroutines back to it; nil: there is none.
func shortest(start *node, maybe bool) []edge {
	type step struct {
		e    edge
		from int
	}
	steps := []step{{edge{to: start}, -1}}
	seen := map[*node]bool{}
	for i := 0; i < len(steps); i++ {
		for _, e := range steps[i].e.to.edges {
			if e.to == nil || e.to.free || seen[e.to] || e.maybe && !maybe {
				continue
			}
			seen[e.to] = true
			steps = append(steps, step{e, i})
			if e.to == start {
				var path []edge
				for at := len(steps) - 1; at > 0; at = steps[at].from {
					path = append(path, steps[at].e)
				}
				slices.Reverse(path)
				return path
			}
		}
	}
	return nil
}

// stillStuck reports whether a second look, h, confirms the first: each goroutine of the cycle is still stuck in the same
// wait, and each edge of the cycle is still there. Where one of several calls would suffice, all of them count: they must be the
// same, and stuck.
func (g *graph) stillStuck(h *graph, cycle []edge) bool {
	h.settle(true)
	at := cycle[len(cycle)-1].to
	for _, e := range cycle {
		n, m := g.nodes[at.fb], h.nodes[at.fb]
		if m == nil || m.free || m.seq != n.seq || !m.leadsTo(e) {
			return false
		}
		if n.any < len(n.edges) && !sameCalls(n.edges[n.any:], m.edges[m.any:]) {
			return false
		}
		at = e.to
	}
	return true
}

func (n *node) leadsTo(e edge) bool {
	return slices.ContainsFunc(n.edges, func(o edge) bool { return o.call == e.call && o.to != nil && o.to.fb == e.to.fb })
}

func sameCalls(a, b []edge) bool {
	return slices.EqualFunc(a, b, func(x, y edge) bool { return x.call == y.call })
}

// hops describes a cycle, the wait that was refused first. Where the call that is waited for is not the one that waits,
// because it runs that one on top of itself, both are listed.
func (g *graph) hops(cycle []edge) []Wait {
	last := cycle[len(cycle)-1]
	on, fb := last.call, last.to.fb
	var hops []Wait
	below := false
	for i, e := range cycle {
		n := g.nodes[fb] // as it was when the cycle stood: by now a wait may have ended
		top := n.top
		if on != nil && on != top && top != nil {
			hops = append(hops, hop(on, top.pc.pc()))
			below = below || i == 0
		}
		h := hop(top, n.pc)
		h.of, h.name = e.of, e.name
		hops = append(hops, h)
		if e.to != nil {
			on, fb = e.call, e.to.fb
		}
	}
	if below {
		hops = append(hops[1:], hops[0])
	}
	return hops
}

// A waitedFor says what a wait is for that is not for the end of a call: what stands round the name of the call that has it, where %s is the name of the
// thing; and what to do.
type waitedFor struct{ before, after, advice string }

var (
	ofLimiter = &waitedFor{"a place of a Limiter that ", " holds", "release the place before, or give the Limiter more"}
	ofDeputy  = &waitedFor{"a place of a Limiter that ", " may release", ofLimiter.advice}
	ofGroup   = &waitedFor{"the members of its group, of which one is ", "", "let no member wait for who waits for the group"}
	ofWaiter  = &waitedFor{"what its Waiter has accepted, of which one is ", "", ""}
	ofRunLoop = &waitedFor{"what runs on its loop, of which one is ", "", ""}
	ofEnd     = &waitedFor{"the end of a loop or pool, on which ", " runs", ""}
	ofFirst   = &waitedFor{"the first of some calls, of which one is ", "", "let one of them not wait for who waits for the first"}
	ofSeveral = &waitedFor{"some calls, of which one is ", "", "let none of them wait for who waits for all"}
	ofLocal   = &waitedFor{"the value of a Local that ", " opens", "do not wait where the value is opened for who asks for it"}
	ofQueue   = &waitedFor{"room in queue %s, which ", " makes", "put from elsewhere, or give the queue another policy"}
)

func hop(c *Call, pc uintptr) Wait {
	file, line := place(pc)
	if c == nil {
		return Wait{File: file, Line: line}
	}
	return Wait{Call: c, Portal: c.Portal(), File: file, Line: line}
}
