package collect

import (
	"context"
	"testing"

	"github.com/gohop/hop"
)

// The consumer may see that a call is done, by its own wait, before the OnDone of that call has run. When that comes late, it
// must not finish the next call, so the entry is not used again before.
func TestALateOnDoneFinishesNothingElse(t *testing.T) {
	promise := func() *hop.Promise[int] { return hop.NewPromise[int](context.Background()) }
	var s stream[int]
	s.open.prev, s.open.next = &s.open, &s.open
	p1, p2 := promise(), promise()
	s.add(p1.Pending())
	s.finish(s.open.next, false) // as wait does
	if got := s.next(); got != p1.Pending() {
		t.Fatalf("got %v", got)
	}
	s.add(p2.Pending())
	p1.Resolve(1) // now its OnDone runs
	if got := s.next(); got != nil {
		t.Errorf("%v is ready and should not be", got)
	}
	p2.Resolve(2)
	if got := s.next(); got != p2.Pending() {
		t.Errorf("got %v", got)
	}
}

// A bounded stream of any length makes no more entries than its bound.
func TestEntriesAreUsedAgain(t *testing.T) {
	var s stream[int]
	s.open.prev, s.open.next = &s.open, &s.open
	seen := map[*entry[int]]bool{}
	for i := range 1000 {
		p := hop.NewPromise[int](context.Background())
		s.add(p.Pending())
		seen[s.open.prev] = true
		p.Resolve(i)
		s.next()
	}
	if len(seen) != 1 {
		t.Errorf("%d entries for one call at a time", len(seen))
	}
}
