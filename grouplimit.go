package hop

import (
	"github.com/gohop/hop/internal/bug"
)

// A group with a Limit holds its members back until they have a place: fewer than Limit members run. A member that waits gives its
// place back, as on a Pool and for the same reason: it may wait for one that is held back. A call in several such
// groups gets its places one after the other, innermost first; since who has a place either runs or has given it back, that
// cannot deadlock.
//
// What runs inline, on top of its caller, is not held back and takes no place: it could neither run elsewhere nor wait.
type groupLimit struct {
	active  int // places that are taken
	queue   []*heldCall
	feeding bool // a goroutine is in feed
	nested  int  // Submits of users' portals in feed: a member that runs in one feeds when it ends
}

// maxNested is how many of these there may be.
const maxNested = 16

// A heldCall is a call's places. One goroutine at a time gets them: the one that submits the call, then whoever takes it
// out of a queue.
type heldCall struct {
	c       *Call
	on      Portal
	places  []groupPlace // in the groups with a Limit, innermost first
	next    int          // the first place that it has not had yet
	through bool         // it has had them all; under c.mu
}

// A groupPlace is one call's in one group. What it does not say: a call that is done has none.
type groupPlace struct {
	g     *Group
	taken bool // under g.mu
}

// hold gets c its places, or keeps it until it has them; true: it is kept, and will be submitted to on then. due: acceptDelayed has kept it for that.
func (c *Call) hold(on Portal, due bool) (kept bool, err error) {
	if on == Inline {
		return false, nil
	}
	c.mu.Lock()
	x := c.rare()
	if h := x.held; h != nil {
		through := h.through
		c.mu.Unlock()
		if !through {
			return true, refuse(ErrMismatch, "%s was submitted before", c.where())
		}
		return false, nil // it comes from there
	}
	if c.has(flagTaken) && !due {
		c.mu.Unlock()
		return true, refuse(ErrMismatch, "%s was submitted before", c.where())
	}
	c.st.And(^uint32(flagTaken)) // from here on it is held that keeps others away
	h := &heldCall{c: c, on: on}
	for l := c.sets; l != nil; l = l.up {
		if l.group != nil && l.group.o.Limit > 0 {
			h.places = append(h.places, groupPlace{g: l.group})
		}
	}
	x.held = h
	if c.portal == nil {
		c.portal = portalRef(on)
		c.set(flagPortal)
	}
	c.advance(Created, Queued)
	c.mu.Unlock()
	return !h.advance(), nil
}

// advance gets places; true: it has them all.
func (h *heldCall) advance() bool {
	for ; h.next < len(h.places); h.next++ {
		p := &h.places[h.next]
		g := p.g
		g.mu.Lock()
		if !h.c.done() { // else its end, which gives back what it has taken, may have passed here
			if g.limiting.active >= g.o.Limit || len(g.limiting.queue) > 0 {
				g.limiting.queue = append(g.limiting.queue, h)
				g.mu.Unlock()
				return false
			}
			p.take()
		}
		g.mu.Unlock()
	}
	h.c.mu.Lock()
	h.through = true
	h.c.mu.Unlock()
	return true
}

// take and give need the group's mu.
func (p *groupPlace) take() {
	if !p.taken {
		p.taken = true
		p.g.limiting.active++
	}
}

func (p *groupPlace) give() {
	if p.taken {
		p.taken = false
		p.g.limiting.active--
	}
}

// giveUp gives back the places of a call that its portal has refused: all of them, before a function of a user's runs. These are left to later, if it is
// not nil.
func (h *heldCall) giveUp(later *tells) {
	if later == nil {
		later = new(tells)
		defer later.tell()
	}
	for i := range h.places {
		p := &h.places[i]
		p.g.mu.Lock()
		p.give()
		p.g.mu.Unlock()
		later.feeds = append(later.feeds, p.g)
	}
}

// held returns c's places, nil if it needs none.
func (c *Call) held() *heldCall {
	if !c.has(flagHeld) {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if x := c.hasRare(); x != nil {
		return x.held
	}
	return nil
}

// release gives back the place of a member that has ended. It is left to later who gets the place.
func (g *Group) release(c *Call, later *tells) {
	h := c.held()
	if g.o.Limit == 0 || h == nil {
		return
	}
	g.mu.Lock()
	for i := range h.places {
		if p := &h.places[i]; p.g == g {
			p.give()
		}
	}
	held := len(g.limiting.queue) > 0
	g.mu.Unlock()
	if n := len(later.feeds); held && (n == 0 || later.feeds[n-1] != g) {
		later.feeds = append(later.feeds, g)
	}
}

// feed submits members that were held back, as far as there are places. One goroutine at a time does: a refused call ends,
// and so comes here again.
func (g *Group) feed() {
	var later tells
	defer later.tell()
	g.feedFor(&later)
}

// feedApart is feed on a goroutine of its own, if there is something to do: the caller's wait has begun, and a member that is refused runs functions
// of users.
func (g *Group) feedApart() {
	g.mu.Lock()
	some := !g.limiting.feeding && len(g.limiting.queue) > 0 && g.limiting.active < g.o.Limit
	g.mu.Unlock()
	if some {
		go g.feed()
	}
}

// feedFor is feed, but for functions of users that the ends of refused members run, which are left to later.
func (g *Group) feedFor(later *tells) {
	g.mu.Lock()
	if g.limiting.feeding {
		g.mu.Unlock()
		return // that one sees what there is
	}
	g.limiting.feeding = true
	g.mu.Unlock()
	var h *heldCall
	defer func() {
		if h != nil { // a portal's Submit has ended the goroutine
			g.mu.Lock()
			g.limiting.feeding = false
			g.mu.Unlock()
			g.feedFor(later)
		}
	}()
	for h = g.nextHeld(); h != nil; h = g.nextHeld() {
		if h.advance() && !g.submit(h, later) {
			h = nil
			return
		}
	}
}

// submit hands a member that has its places to its portal; false: another goroutine feeds now. A portal of a user's may run the member before
// its Submit returns; then nobody feeds meanwhile, since that member may give its place back and wait for one that is held. Nor does it keep up what
// is to be told later, which the member may wait for too.
func (g *Group) submit(h *heldCall, later *tells) bool {
	if isQuiet(h.on) {
		h.c.submitAlone(h.on, func(c *Call) error {
			if err := c.submitQuietly(h.on, later); err != nil {
				defer asking.enter()()
				c.failFor(err, later)
			}
			return nil
		})
		return true
	}
	g.mu.Lock()
	if g.limiting.nested >= maxNested {
		g.mu.Unlock()
		go h.c.submitAlone(h.on, h.on.Submit)
		return true
	}
	g.limiting.feeding = false
	g.limiting.nested++
	g.mu.Unlock()
	if later.more() {
		go func() {
			defer g.feed()
			g.submitNested(h)
		}()
		return false
	}
	g.submitNested(h)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.limiting.feeding {
		return false
	}
	g.limiting.feeding = true
	return true
}

// submitNested hands a member to a portal of a user's. limiting.nested counts it.
func (g *Group) submitNested(h *heldCall) {
	defer func() {
		g.mu.Lock()
		g.limiting.nested--
		g.mu.Unlock()
	}()
	h.c.submitAlone(h.on, h.on.Submit)
}

// nextHeld gives the member that is next the place that it waits for; nil: there is none, or no place, and feeding is over.
func (g *Group) nextHeld() *heldCall {
	g.mu.Lock()
	defer g.mu.Unlock()
	q := g.limiting.queue
	for len(q) > 0 && q[0].c.raw() > Queued { // cancelled meanwhile, or run by another portal that has it
		q[0] = nil
		q = q[1:]
	}
	g.limiting.queue = q
	if len(q) == 0 || g.limiting.active >= g.o.Limit {
		g.limiting.feeding = false
		return nil
	}
	h := q[0]
	q[0] = nil
	g.limiting.queue = q[1:]
	h.places[h.next].take()
	h.next++
	return h
}

// submitAlone is submitTo where no caller is there to see a panic of the portal: it is the call's.
func (c *Call) submitAlone(on Portal, submit func(*Call) error) {
	defer func() { recover() }()
	c.submitBy(on, submit)
}

// hasPlaces reports whether stepAside may have something to do.
func (fb *fiber) hasPlaces() bool {
	c := fb.cur.Load()
	return c != nil && (c.has(flagHeld) || len(fb.under) > 0)
}

// stepAside gives back the places of the calls that wait on this goroutine.
func (fb *fiber) stepAside() {
	fb.eachPlace(func(_ *heldCall, p *groupPlace) {
		p.g.mu.Lock()
		p.give()
		p.g.mu.Unlock()
		if !bug.LimitForgets {
			p.g.feedApart()
		}
	})
}

// stepBack takes them again, whether there are any or not. It does not feed: what is there to be fed is the doing of who has given a place back, and
// functions of users that ran here might wait, where the goroutine's own wait is not over.
func (fb *fiber) stepBack() {
	fb.eachPlace(func(h *heldCall, p *groupPlace) {
		p.g.mu.Lock()
		if !h.c.done() {
			p.take()
		}
		p.g.mu.Unlock()
	})
}

func (fb *fiber) eachPlace(f func(*heldCall, *groupPlace)) {
	each := func(c *Call) {
		h := c.held()
		if h == nil || c.done() {
			return
		}
		for i := range h.places {
			f(h, &h.places[i])
		}
	}
	for _, c := range fb.under {
		each(c)
	}
	if c := fb.cur.Load(); c != nil {
		each(c)
	}
}
