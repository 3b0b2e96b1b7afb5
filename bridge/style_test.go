package bridge_test

import (
	"context"
	"iter"
	"testing"

	"github.com/gohop/hop"
	"github.com/gohop/hop/bridge"
)

func TestSyncWaitsForThePending(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		half := bridge.Sync(func(ctx context.Context, n int) *hop.Pending[int] {
			return hop.Go(ctx, on, func(context.Context) (int, error) {
				if n%2 != 0 {
					return 0, errWhy
				}
				return n / 2, nil
			})
		})
		if n, err := half(t.Context(), 8); n != 4 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		if _, err := half(t.Context(), 7); err != errWhy {
			t.Errorf("error %v, want %v itself", err, errWhy)
		}
		// From a call on the same place.
		if n, err := hop.Do(t.Context(), on, func(ctx context.Context) (int, error) { return half(ctx, 6) }); n != 3 || err != nil {
			t.Errorf("nested: %d, %v", n, err)
		}
	})
}

func TestSyncOwnsTheCall(t *testing.T) {
	within(t, func() {
		p := open()
		f := bridge.Sync(func(context.Context, int) *hop.Pending[int] { return p })
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errWhy)
		_, err := f(ctx, 0)
		wantIs(t, err, hop.ErrCancelled)
		wantIs(t, err, errWhy)
		if s := p.Call().State(); s != hop.Cancelled {
			t.Errorf("the call is %v", s)
		}
	})
}

func TestSyncOfANilPending(t *testing.T) {
	if _, err := bridge.Sync(func(context.Context, int) *hop.Pending[int] { return nil })(t.Context(), 1); err == nil {
		t.Error("no error")
	}
}

func triple(_ context.Context, n int) (int, error) { return 3 * n, nil }

func TestAsyncStartsACallOnThePortal(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		f := bridge.Async(on, triple)
		p := f(t.Context(), 5)
		if n, err := p.Wait(t.Context()); n != 15 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		if p.Call().Portal() != on {
			t.Errorf("ran on %v", p.Call().Portal())
		}
		if name := p.Call().Name(); name != "github.com/gohop/hop/bridge_test.triple" {
			t.Errorf("named %s", name)
		}
		if n, err := bridge.Sync(f)(t.Context(), 2); n != 6 || err != nil {
			t.Errorf("there and back: %d, %v", n, err)
		}
	})
}

func TestIsAsync(t *testing.T) {
	type pendings iter.Seq[*hop.Pending[int]]
	for _, c := range []struct {
		f          any
		async, seq bool
	}{
		{nil, false, false},
		{3, false, false},
		{func() {}, false, false},
		{func() int { return 0 }, false, false},
		{func() error { return nil }, false, false},
		{func() any { return nil }, false, false},
		{func() *hop.Pending[int] { return nil }, true, false},
		{func(context.Context, int) *hop.Pending[map[string][]int] { return nil }, true, false},
		{func() (*hop.Pending[int], error) { return nil, nil }, true, false},
		{func() (*hop.Pending[int], int) { return nil, 0 }, false, false},
		{func() (p struct{ hop.Pending[int] }) { panic("") }, false, false},
		{func() *hop.Promise[int] { return nil }, false, false},
		{func() *hop.Call { return nil }, false, false},
		{func() []*hop.Pending[int] { return nil }, false, false},
		{func() iter.Seq[*hop.Pending[int]] { return nil }, false, true},
		{func() pendings { return nil }, false, true},
		{func() (iter.Seq[*hop.Pending[int]], error) { return nil, nil }, false, true},
		{func() iter.Seq[int] { return nil }, false, false},
		{func() iter.Seq2[*hop.Pending[int], int] { return nil }, false, false},
		{func() func() { return nil }, false, false},
		{(func() *hop.Pending[int])(nil), true, false},
	} {
		if got := bridge.IsAsync(c.f); got != c.async {
			t.Errorf("IsAsync(%T) is %v", c.f, got)
		}
		if got := bridge.IsAsyncSeq(c.f); got != c.seq {
			t.Errorf("IsAsyncSeq(%T) is %v", c.f, got)
		}
	}
}

type renamedPending *hop.Pending[int] // a type of its own: it has no methods

func TestAPendingUnderAnotherName(t *testing.T) {
	f := func() renamedPending {
		return hop.Go(context.Background(), hop.Inline, func(context.Context) (int, error) { return 7, nil })
	}
	if _, err := bridge.Invoke(context.Background(), hop.Inline, f).Result(); err != nil {
		t.Errorf("IsAsync %v; Invoke: %.200v", bridge.IsAsync(f), err)
	}
}
