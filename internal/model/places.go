package model

import (
	"context"
	"errors"
)

// Order and numbers.

func isWaitError(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// checkOrder checks that a loop starts what it gets in one order (S22), and so a pool of one (S31).
func (r *run) checkOrder() {
	for _, c := range r.calls {
		if !c.ordered() || c.start == 0 {
			continue
		}
		for _, d := range r.calls {
			if d.ordered() && d.on == c.on && d.start > 0 && c.accepted > 0 && c.accepted < d.sent && d.start < c.start {
				r.breaks("S22 one order for what enters a loop or a pool of one", "%v was accepted at %d and %v sent at %d, but they started at %d and %d",
					c, c.accepted, d, d.sent, c.start, d.start)
			}
		}
	}
}

// checkPlaces checks that no function starts while Size run on a pool (S31).
func (r *run) checkPlaces() {
	for _, c := range r.calls {
		if c.start == 0 || c.on == nil || c.on.pool == nil || c.inline {
			continue
		}
		size := 0
		for i, s := range c.on.sizes {
			over := false // another, that began after it had returned, had returned itself before c was sent
			for _, o := range c.on.sizes[i+1:] {
				over = over || s.done < o.at && o.done != 0 && o.done <= c.sent
			}
			if s.at < c.start && !over {
				if s.n == 0 {
					size = len(r.calls)
				}
				size = max(size, s.n)
			}
		}
		if r.ranAll(c, size, func(o *callRun) bool { return o.on == c.on }) {
			r.breaks("S31 no call starts while Size run", "%v started on %s, Size %d, while as many ran all the time", c, c.on.name, size)
		}
	}
}

// checkLimits checks that no member starts while Limit members run (S34).
func (r *run) checkLimits() {
	for _, g := range r.groups {
		if g.spec.Limit == 0 {
			continue
		}
		for _, c := range r.calls {
			if c.start == 0 || c.inline || c.spec.On.Kind == OnInline || c.spec.Via == Post || !c.scope.in(g) {
				continue
			}
			if r.ranAll(c, g.spec.Limit, func(o *callRun) bool { return o.scope.in(g) && o.spec.Via != Post }) {
				r.breaks("S34 Limit members run at once", "%v started while %d ran all the time", c, g.spec.Limit)
			}
		}
	}
}

// ranAll reports whether at every moment from when c was sent until it started n others ran and did not wait.
func (r *run) ranAll(c *callRun, n int, counts func(*callRun) bool) bool {
	for at := c.sent; at <= c.start; at++ {
		ran := 0
		for _, o := range r.calls {
			if o != c && o.start > 0 && o.start <= at && (o.end == 0 || at < o.end) && !o.inline && o.spec.On.Kind != OnInline && !o.spec.Abandon && counts(o) && !o.inOp(at) {
				ran++
			}
		}
		if ran < n {
			return false
		}
	}
	return true
}

func (c *callRun) inOp(at int) bool {
	for _, o := range c.ops {
		if o.begin <= at && (o.end == 0 || at <= o.end) {
			return true
		}
	}
	return false
}

// checkPromises checks that each promise was completed once, and seen as it was.
func (r *run) checkPromises() {
	for i, p := range r.promises {
		if len(p.winners) != 1 {
			r.breaks("S11 first completion wins", "promise%d was completed %d times", i, len(p.winners))
			continue
		}
		w := p.winners[0]
		for _, s := range p.seen {
			if s.err == nil && (w.how != Value || w.value != s.value) || s.err != nil && s.err != w.err && s.isResult() {
				r.breaks("S10 the result is the same for all", "promise%d: %+v was seen, and it is %+v", i, s, w)
			}
		}
	}
}

// checkLimiters checks that no place is lost: that of a wait that ended as it was granted, for one.
func (r *run) checkLimiters() {
	for i, l := range r.limiters {
		if len(l.holders) > 0 {
			continue
		}
		for n := range l.n {
			if !l.l.TryAcquire() {
				r.report("a Limiter loses no place", "limiter%d(%d) has %d free at the end", i, l.n, n)
				break
			}
		}
	}
}

func (s seen) isResult() bool {
	_, own := s.err.(*ownError)
	return own
}
