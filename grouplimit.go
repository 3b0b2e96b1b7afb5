package hop

// A group with a Limit holds its members back until they have a place: fewer than Limit members run. A member that waits gives its
// place back, as on a Pool and for the same reason: it may wait for one that is held back. A call in several such
// groups gets its places one after the other, innermost first; since who has a place either runs or has given it back, that
// cannot deadlock.
type groupLimit struct {
	active int
	queue  []*heldPlace
}

// A heldPlace is a call's places.
type heldPlace struct {
	c      *Call
	on     Portal
	groups []*Group // with a Limit, innermost first
	got    int      // in how many it has a place; under the mu of groups[got] while it queues there
}

// hold gets c its places, or keeps it until it has them; true: it is kept, and will be submitted to on then.
func (c *Call) hold(on Portal) bool {
	c.mu.Lock()
	x := c.more()
	if x.held != nil {
		c.mu.Unlock()
		return false // it comes from there
	}
	h := &heldPlace{c: c, on: on}
	for l := c.sets; l != nil; l = l.up {
		if l.group != nil && l.group.o.Limit > 0 {
			h.groups = append(h.groups, l.group)
		}
	}
	x.held = h
	if c.portal == nil {
		c.portal = on
	}
	if c.raw() == Created {
		c.move(Queued)
	}
	c.mu.Unlock()
	return !h.advance()
}

// advance gets places; true: it has them all.
func (h *heldPlace) advance() bool {
	for h.got < len(h.groups) {
		g := h.groups[h.got]
		g.mu.Lock()
		if g.limiting.active >= g.o.Limit {
			g.limiting.queue = append(g.limiting.queue, h)
			g.mu.Unlock()
			return false
		}
		g.limiting.active++
		h.got++
		g.mu.Unlock()
	}
	return true
}

// release gives back the place of a member that has ended.
func (g *Group) release(c *Call) {
	x := c.x.Load()
	if g.o.Limit == 0 || x == nil {
		return
	}
	c.mu.Lock()
	h := x.held
	c.mu.Unlock()
	if h == nil {
		return
	}
	g.mu.Lock()
	for i, other := range h.groups {
		if other == g && i < h.got {
			g.limiting.active--
			h.groups[i] = nil
		}
	}
	g.mu.Unlock()
	g.feed()
}

// feed submits members that were held back, as far as there are places.
func (g *Group) feed() {
	for {
		g.mu.Lock()
		q := g.limiting.queue
		for len(q) > 0 && q[0].c.done() {
			q = q[1:] // cancelled meanwhile
		}
		if len(q) == 0 || g.limiting.active >= g.o.Limit {
			g.limiting.queue = q
			g.mu.Unlock()
			return
		}
		h := q[0]
		q[0] = nil
		g.limiting.queue = q[1:]
		g.limiting.active++
		h.got++
		g.mu.Unlock()
		if h.advance() {
			h.c.submitTo(h.on)
		}
	}
}

// stepAside gives back the places of the calls that wait on this goroutine.
func (fb *fiber) stepAside() { fb.eachPlace(-1) }

// stepBack takes them again, whether there are any or not.
func (fb *fiber) stepBack() { fb.eachPlace(+1) }

func (fb *fiber) eachPlace(by int) {
	for _, c := range append(fb.under[:len(fb.under):len(fb.under)], fb.cur.Load()) {
		if c == nil || !c.has(flagHeld) || c.done() {
			continue
		}
		c.mu.Lock()
		h := c.x.Load().held
		c.mu.Unlock()
		if h == nil {
			continue
		}
		for _, g := range h.groups {
			if g == nil {
				continue
			}
			g.mu.Lock()
			g.limiting.active += by
			g.mu.Unlock()
			if by < 0 {
				g.feed()
			}
		}
	}
}
