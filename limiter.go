package hop

import (
	"context"
	"slices"
	"sync/atomic"

	"github.com/gohop/hop/internal/bug"
	"github.com/gohop/hop/internal/goid"
	"github.com/gohop/hop/internal/turn"
	"github.com/gohop/hop/internal/waitlist"
)

// A Limiter lets n calls pass at a time: a fair semaphore that never blocks a loop.
//
// It takes part in the search for deadlocks. A place belongs to the call that acquired it until it is released; another may release it. As long
// as one of the calls that the holder has started since is not stuck, functions of its OnDone included, no deadlock is reported. Goroutines that
// hop did not start are not known: if one of them, or a time.AfterFunc, is to release the place, a holder of all places that acquires again is
// refused.
//
// All methods are safe for concurrent use. It follows anyio's CapacityLimiter and Prefect's limiters.
type Limiter struct {
	many manyWait

	mu      turn.Short
	n       int
	taken   int
	holders []*Call // who took, as far as they were calls, and nobody else has released since
	waiters waitlist.List
	minded  bool            // it is in waitedLimiters
	wanting map[*wait]*Call // the calls of those who wait
}

// waitedLimiters are those that somebody waits for.
var waitedLimiters limiterList

type limiterList struct {
	n   atomic.Int32
	mu  turn.Mutex // taken after a limiter's, or none
	all []*Limiter
}

// mind notes whether somebody waits for l. It needs l.mu.
func (s *limiterList) mind(l *Limiter) {
	if l.minded == !l.waiters.Empty() {
		return
	}
	l.minded = !l.minded
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.minded {
		s.all = append(s.all, l)
		s.n.Add(1)
		return
	}
	s.all = slices.DeleteFunc(s.all, func(o *Limiter) bool { return o == l })
	s.n.Add(-1)
}

// waiting appends the goroutines that wait for a place of which c has one.
func (s *limiterList) waiting(c *Call, fbs []*fiber) []*fiber {
	if s.n.Load() == 0 {
		return fbs
	}
	s.mu.Lock()
	all := slices.Clone(s.all)
	s.mu.Unlock()
	for _, l := range all {
		l.mu.Lock()
		if slices.Contains(l.holders, c) {
			fbs = fibersOf(&l.waiters, fbs)
		}
		l.mu.Unlock()
	}
	return fbs
}

// NewLimiter makes a limiter of n places; n < 1 panics.
func NewLimiter(n int) *Limiter {
	if n < 1 {
		misuse("NewLimiter(%d): it needs at least one place", n)
	}
	l := &Limiter{n: n}
	l.many.any = true
	l.many.runs = true // it is the function that gives the place back
	l.many.of = ofLimiter
	l.many.each = l.eachHolder
	l.many.open = l.someUnknown
	l.many.maybe = l.eachDeputy
	return l
}

func (l *Limiter) check() {
	if l == nil || l.many.each == nil {
		misuse("a nil or zero Limiter: make one with NewLimiter")
	}
}

// Acquire takes a place, waiting in line until one is free; with a ctx that is over it takes none, also if one is free. When it returns an
// error it has taken none: one that is ctx.Err() and its cause, a [DeadlockError] when every place is held by calls that wait for the
// caller, ErrStopped, ErrCannotWait.
//
//go:noinline
func (l *Limiter) Acquire(ctx context.Context) error {
	l.check()
	var c *Call
	if fb := self(); fb != nil {
		c = fb.cur.Load()
	}
	if c != nil {
		c.mayHold()
	}
	if ctx != nil && ctx.Err() == nil && l.takeFree(c) {
		return nil // also where nothing can wait
	}
	return waitOn(ctx, goid.CallerPC(), "a place of a limiter", func(w *wait) bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		if !bug.LimiterBlind && l.taken < l.n && l.waiters.Empty() {
			l.take(c)
			return false
		}
		w.onMany.Store(&l.many)
		if l.wanting == nil {
			l.wanting = make(map[*wait]*Call)
		}
		l.wanting[w] = c
		w.arm()
		l.waiters.Add(&w.node, w)
		waitedLimiters.mind(l)
		return true
	}, func(w *wait) {
		l.mu.Lock()
		defer l.mu.Unlock()
		// If grant has taken it out of the line, it has found the wait ended, and given the place to the next.
		l.waiters.Remove(&w.node)
		delete(l.wanting, w)
		waitedLimiters.mind(l)
	})
}

// takeFree takes a place for c if one is free and nobody waits for it.
func (l *Limiter) takeFree(c *Call) bool {
	turn.At(turn.Set, l)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.taken >= l.n || !l.waiters.Empty() {
		return false
	}
	l.take(c)
	return true
}

// take needs mu.
func (l *Limiter) take(c *Call) {
	l.taken++
	if c != nil {
		c.holds(1)
		l.holders = append(l.holders, c)
	}
}

// TryAcquire takes a place if one is free and nobody waits for it.
func (l *Limiter) TryAcquire() bool {
	l.check()
	var c *Call
	if fb := self(); fb != nil {
		c = fb.cur.Load()
	}
	if c != nil {
		c.mayHold()
	}
	return l.takeFree(c)
}

// Release gives a place back; who has waited longest gets it. If no place is taken, it panics. Another than who acquired the place
// may call it: then hop no longer knows who holds the others, and reports no deadlock through them.
func (l *Limiter) Release() {
	l.check()
	var c *Call
	if fb := self(); fb != nil {
		c = fb.cur.Load()
	}
	turn.At(turn.Set, l)
	others, line := l.release(c)
	if others == nil {
		if c != nil && c.has(flagHolder) {
			c.dropDeputies()
		}
	} else {
		for _, h := range others {
			h.dropDeputies()
		}
	}
	if line != nil {
		refuseStuck(slices.Values(line)) // who was let through because of who gave the place back
	}
}

// release is Release by c. If c has no place it is somebody else's, and those are returned who had one, as far as hop knew. line is who waits in
// vain, as there are as many holders as the limit allows: it has been lowered.
func (l *Limiter) release(c *Call) (others []*Call, line []*fiber) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.taken == 0 {
		misuse("Limiter.Release: no place is taken")
	}
	l.taken--
	if i := slices.Index(l.holders, c); i >= 0 {
		l.holders = slices.Delete(l.holders, i, i+1)
		c.holds(-1)
	} else {
		others, l.holders = l.holders, nil // it may have been anybody's
		for _, h := range others {
			h.holds(-1)
		}
	}
	if l.taken >= l.n {
		line = fibersOf(&l.waiters, nil)
	}
	l.grant()
	return others, line
}

// SetLimit changes the number of places; n < 1 panics. A smaller number takes effect as places are released.
func (l *Limiter) SetLimit(n int) {
	l.check()
	if n < 1 {
		misuse("SetLimit(%d): a limiter needs at least one place", n)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.n = n
	l.grant()
}

// grant hands free places to those who wait. It needs mu.
func (l *Limiter) grant() {
	defer waitedLimiters.mind(l)
	for l.taken < l.n {
		if l.waiters.Empty() {
			return
		}
		w := l.waiters.First().(*wait)
		c := l.wanting[w]
		delete(l.wanting, w)
		l.take(c) // before, since the calls that it makes once it goes on may give the place back, and are noted for that
		if !w.Wake() && !bug.GrantsToEnded {
			l.taken--
			if c != nil {
				c.holds(-1)
				l.holders = slices.Delete(l.holders, len(l.holders)-1, len(l.holders))
			}
		}
	}
}

func (l *Limiter) eachHolder(yield func(*Call) bool) {
	l.mu.Lock()
	holders := slices.Clone(l.holders)
	l.mu.Unlock()
	seen := map[*Call]bool{}
	for _, c := range holders {
		if !seen[c] {
			seen[c] = true
			if !yield(c) {
				return
			}
		}
	}
}

// someUnknown reports whether somebody that hop does not know holds a place, or one is free.
func (l *Limiter) someUnknown() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.holders) < l.n
}
