package collect

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gohop/hop"
)

func newPromise() *hop.Promise[int] { return hop.NewPromise[int](context.Background()) }

func wantNext(t *testing.T, s *stream[int], want *hop.Pending[int]) {
	t.Helper()
	if got := s.take(); got != want {
		t.Fatalf("got %v, want %v", got, want)
	}
}

// What was registered before with OnDone has run when a call is ready, also where one of these functions ends the goroutine.
func TestACallIsReadyAfterItsOnDoneFunctions(t *testing.T) {
	s := newStream[int](0)
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

// A bounded stream of any length makes no more entries than its bound, also where the consumer waits for one call at a time, as for any.
func TestEntriesAreUsedAgain(t *testing.T) {
	for name, end := range map[string]func(s *stream[int], p *hop.Promise[int]) error{
		"ended":      func(_ *stream[int], p *hop.Promise[int]) error { p.Resolve(1); return nil },
		"waited for": func(s *stream[int], p *hop.Promise[int]) error { go p.Resolve(1); return s.wait(context.Background()) },
	} {
		s := newStream[int](0)
		seen := map[*entry[int]]bool{}
		for range 1000 {
			p := newPromise()
			s.add(p.Pending())
			seen[s.open.prev] = true
			if err := end(s, p); err != nil {
				t.Fatal(err)
			}
			wantNext(t, s, p.Pending())
		}
		if len(seen) != 1 {
			t.Errorf("%s: %d entries for one call at a time", name, len(seen))
		}
	}
}

// When a member is ready, its groups know of its end, though they take their time.
func TestACallIsReadyAfterItsGroupsWereTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hop.WithGroup(t.Context(), nil, func(outer context.Context) error {
			return hop.WithGroup(outer, &hop.GroupOptions{Shield: true}, func(inner context.Context) error {
				p := hop.NewPromise[int](inner)
				sibling := hop.NewPromise[int](outer) // the outer group, which is told last, cancels it
				sibling.Pending().OnDone(func() { time.Sleep(time.Second) })
				s := newStream[int](0)
				s.add(p.Pending())
				s.add(newPromise().Pending())
				rejected := make(chan struct{})
				go func() {
					defer close(rejected)
					p.Reject(errors.New("failed"))
				}()
				if err := s.sleep(context.Background()); err != nil {
					return err
				}
				wantNext(t, s, p.Pending())
				for name, ctx := range map[string]context.Context{"outer": outer, "inner": inner} {
					if !hop.CurrentGroup(ctx).Cancelled() {
						t.Errorf("the %s group is not cancelled", name)
					}
				}
				s.leave(context.Background(), true)
				<-rejected // the functions of its group's other members take longer
				return nil
			})
		})
	})
}

// Two streams that share calls: each yields each once, whoever has marked it, and whatever comes twice.
func TestStreamsThatShareCalls(t *testing.T) {
	a, b, c := newStream[int](0), newStream[int](0), newStream[int](0)
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
	a, b := newStream[int](0), newStream[int](0)
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
