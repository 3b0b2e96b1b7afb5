package collect

import (
	"context"
	"runtime"
	"slices"
	"testing"

	"github.com/gohop/hop"
)

func newStream() *stream[int] {
	s := new(stream[int])
	s.open.prev, s.open.next = &s.open, &s.open
	return s
}

func newPromise() *hop.Promise[int] { return hop.NewPromise[int](context.Background()) }

func wantNext(t *testing.T, s *stream[int], want *hop.Pending[int]) {
	t.Helper()
	if got := s.take(); got != want {
		t.Fatalf("got %v, want %v", got, want)
	}
}

// The consumer may see that a call is done, by its own wait, while functions of OnDone still run. When Wake comes after them,
// it must not make the next call of the entry ready, so the entry is not used again.
func TestALateWakeMakesNothingElseReady(t *testing.T) {
	s := newStream()
	first, second := newPromise(), newPromise()
	first.Pending().OnDone(func() {
		if _, err := first.Pending().Wait(context.Background()); err != nil {
			t.Error(err)
		}
		if err := s.wait(context.Background()); err != nil {
			t.Error(err)
		}
		wantNext(t, s, first.Pending())
		s.add(second.Pending())
	})
	s.add(first.Pending())
	first.Resolve(1) // after its function, it wakes
	wantNext(t, s, nil)
	second.Resolve(2)
	wantNext(t, s, second.Pending())
	wantNext(t, s, nil)
}

// What was registered before with OnDone has run when a call is ready, also where one of these functions ends the goroutine.
func TestACallIsReadyAfterItsOnDoneFunctions(t *testing.T) {
	s := newStream()
	p := newPromise()
	var ran []string
	p.Pending().OnDone(func() {
		wantNext(t, s, nil)
		ran = append(ran, "first")
	})
	p.Pending().OnDone(func() {
		wantNext(t, s, nil)
		ran = append(ran, "second")
		runtime.Goexit()
	})
	s.add(p.Pending())
	over := make(chan struct{})
	go func() {
		defer close(over)
		p.Resolve(1)
	}()
	<-over
	wantNext(t, s, p.Pending())
	if want := []string{"first", "second"}; !slices.Equal(ran, want) {
		t.Errorf("%v have run, want %v", ran, want)
	}
}

// A bounded stream of any length makes no more entries than its bound.
func TestEntriesAreUsedAgain(t *testing.T) {
	s := newStream()
	seen := map[*entry[int]]bool{}
	for i := range 1000 {
		p := newPromise()
		s.add(p.Pending())
		seen[s.open.prev] = true
		p.Resolve(i)
		wantNext(t, s, p.Pending())
	}
	if len(seen) != 1 {
		t.Errorf("%d entries for one call at a time", len(seen))
	}
}

// Two streams that share calls: each yields each once, whoever has marked it, and whatever comes twice.
func TestStreamsThatShareCalls(t *testing.T) {
	a, b, c := newStream(), newStream(), newStream()
	p, q := newPromise(), newPromise()
	for range 2 {
		for _, s := range []*stream[int]{a, b} {
			s.add(p.Pending())
			s.add(q.Pending())
			s.add(p.Pending())
		}
	}
	p.Resolve(1)
	wantNext(t, a, p.Pending()) // a had the mark
	for range 2 {
		b.add(p.Pending()) // which nobody has now, but b holds the call
		c.add(p.Pending())
		b.add(q.Pending())
	}
	q.Resolve(2)
	for _, s := range []*stream[int]{a, b, c} {
		if s != a {
			wantNext(t, s, p.Pending())
		}
		if s != c {
			wantNext(t, s, q.Pending())
		}
		wantNext(t, s, nil)
		if s.n != 0 {
			t.Errorf("%d are held", s.n)
		}
	}
	a.add(p.Pending()) // what was yielded may come again
	wantNext(t, a, p.Pending())
	wantNext(t, a, nil)
}

// A stream that was left has taken back all that it had: marks, and places in lists.
func TestALeftStreamLeavesNothing(t *testing.T) {
	a, b := newStream(), newStream()
	p := newPromise()
	a.add(p.Pending())
	a.leave(context.Background(), true)
	if a.open.next.node.Listed() {
		t.Error("it is still in the call's list")
	}
	if b.add(p.Pending()); b.held != nil {
		t.Error("the call is still marked")
	}
	p.Resolve(1)
	wantNext(t, b, p.Pending())
	wantNext(t, a, nil)
}
