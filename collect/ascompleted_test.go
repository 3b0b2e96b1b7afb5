package collect_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gohop/hop"
	"github.com/gohop/hop/collect"
)

func TestS35_YieldsEachOnceInTheOrderOfCompletion(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		ps, calls := promises(4)
		order := []int{2, 0, 3, 1}
		ps[order[0]].Resolve(0)
		var got []*hop.Pending[int]
		for p := range collect.AsCompleted(ctx, slices.Values(calls)) {
			got = append(got, p)
			if len(got) < len(order) {
				i := order[len(got)]
				hop.Go(ctx, hop.Goroutines, func(context.Context) (bool, error) { return ps[i].Resolve(i), nil })
			}
		}
		wantSame(t, "yielded", got, []*hop.Pending[int]{calls[2], calls[0], calls[3], calls[1]})
	})
}

func TestS35_FinishedOnesComeFirstInTheOrderOfTheSource(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		for _, opts := range [][]collect.Option{nil, {collect.MaxConcurrent(2)}} {
			ps, open := promises(1)
			a, b, c := resolved(1), rejected(errors.New("no")), resolved(3)
			var got []*hop.Pending[int]
			for p := range collect.AsCompleted(ctx, slices.Values([]*hop.Pending[int]{open[0], a, b, c}), opts...) {
				got = append(got, p)
				if len(got) == 3 {
					ps[0].Resolve(0)
				}
			}
			wantSame(t, "yielded", got, []*hop.Pending[int]{a, b, c, open[0]})
		}
	})
}

func TestS35_FailedCancelledAndPanickedOnesAreYielded(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		bad := errors.New("bad")
		ps, calls := promises(1)
		ps[0].Pending().Cancel(nil)
		calls = append(calls,
			hop.Go(ctx, hop.Goroutines, func(context.Context) (int, error) { return 0, bad }),
			hop.Go(ctx, hop.Goroutines, func(context.Context) (int, error) { panic(bad) }),
			hop.Go(ctx, hop.Goroutines, func(context.Context) (int, error) { runtime.Goexit(); return 0, nil }),
			hop.Go(ctx, hop.Goroutines, func(context.Context) (int, error) { return 1, nil }))
		seen := map[*hop.Pending[int]]error{}
		for p := range collect.AsCompleted(ctx, slices.Values(calls)) {
			_, seen[p] = p.Result()
		}
		for i, want := range []error{hop.ErrCancelled, bad, bad, hop.ErrGoexit, nil} {
			if err, ok := seen[calls[i]]; !ok || !errors.Is(err, want) {
				t.Errorf("call %d: yielded %v with %v, want true with %v", i, ok, err, want)
			}
		}
	})
}

func TestS35_NoCallsAtAll(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		for range collect.AsCompleted(ctx, slices.Values[[]*hop.Pending[int]](nil), collect.MaxConcurrent(1)) {
			t.Error("something was yielded")
		}
	})
}

func TestS35_WithoutABoundTheSourceIsPulledToItsEndAtOnce(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		pulled := 0
		for range collect.AsCompleted(ctx, counted(&pulled, resolved(1), resolved(2), resolved(3))) {
			if pulled != 3 {
				t.Errorf("the first was yielded after %d of 3 were pulled", pulled)
			}
		}
	})
}

func TestS35_WithABoundItPullsWhenAPlaceIsFree(t *testing.T) {
	const n, bound = 40, 3
	everywhere(t, func(t *testing.T, ctx context.Context) {
		var unfinished list
		source := func(yield func(*hop.Pending[int]) bool) {
			for i := range n {
				unfinished = slices.DeleteFunc(unfinished, func(p *hop.Pending[int]) bool { return p.Call().State().Done() })
				if now := len(unfinished) + 1; now > bound {
					t.Errorf("%d unfinished after pull %d, want at most %d", now, i, bound)
				}
				p := hop.Go(ctx, hop.Goroutines, func(ctx context.Context) (int, error) { return i, hop.Yield(ctx) })
				unfinished = append(unfinished, p)
				if !yield(p) {
					return
				}
			}
		}
		sum := 0
		for p := range collect.AsCompleted(ctx, source, collect.MaxConcurrent(bound)) {
			v, _ := p.Result()
			sum += v
		}
		if sum != n*(n-1)/2 {
			t.Errorf("sum is %d, want %d", sum, n*(n-1)/2)
		}
	})
}

func TestS35_ABoundIsReachedAndKeptExactly(t *testing.T) {
	check := func(t *testing.T, ctx context.Context) {
		ps, calls := promises(6)
		pulled, yielded := 0, 0
		ps[1].Resolve(1)
		for range collect.AsCompleted(ctx, counted(&pulled, calls...), collect.MaxConcurrent(3)) {
			// Pulled are what was yielded, and three unfinished ones if there are so many. The second is done when it
			// is pulled, so it needs no place, and what is done is yielded before anything else is pulled.
			if want := []int{2, 4, 5, 6, 6, 6}[yielded]; pulled != want {
				t.Errorf("pulled %d before result %d, want %d", pulled, yielded, want)
			}
			yielded++
			if next := []int{0, 2, 3, 4, 5, 0}[yielded-1]; yielded < 6 {
				time.AfterFunc(time.Hour, func() { ps[next].Resolve(next) }) // virtual: once all else waits
			}
		}
		if yielded != 6 {
			t.Errorf("%d yielded, want 6", yielded)
		}
	}
	synctest.Test(t, func(t *testing.T) { check(t, t.Context()) })
	synctest.Test(t, func(t *testing.T) {
		l := hop.NewLoop(nil)
		defer l.Close()
		hop.Run(t.Context(), l, func(ctx context.Context) error { check(t, ctx); return nil })
	})
}

func TestS35_LeavingEarlyCancelsWhatIsUnfinished(t *testing.T) {
	leave := map[string]func(ctx context.Context, calls []*hop.Pending[int], opts ...collect.Option){
		"break": func(ctx context.Context, calls []*hop.Pending[int], opts ...collect.Option) {
			for range collect.AsCompleted(ctx, slices.Values(calls), opts...) {
				break
			}
		},
		"panic": func(ctx context.Context, calls []*hop.Pending[int], opts ...collect.Option) {
			defer func() { recover() }()
			for range collect.AsCompleted(ctx, slices.Values(calls), opts...) {
				panic("left")
			}
		},
		"end of ctx": func(ctx context.Context, calls []*hop.Pending[int], opts ...collect.Option) {
			ctx, cancel := context.WithCancelCause(ctx)
			defer cancel(nil)
			for range collect.AsCompleted(ctx, slices.Values(calls), opts...) {
				cancel(errWhy)
			}
		},
	}
	for how, leave := range leave {
		t.Run(how, func(t *testing.T) {
			everywhere(t, func(t *testing.T, ctx context.Context) {
				_, calls := promises(3)
				calls[1] = resolved(1)
				leave(ctx, calls)
				wantState(t, calls[0], hop.Cancelled)
				wantState(t, calls[1], hop.Succeeded)
				wantState(t, calls[2], hop.Cancelled)
				if _, err := calls[0].Result(); how == "end of ctx" {
					wantIs(t, err, errWhy)
				}

				_, calls = promises(3)
				calls[1] = resolved(1)
				leave(ctx, calls, collect.KeepUnfinished())
				wantState(t, calls[0], hop.Created)
				wantState(t, calls[2], hop.Created)

				_, calls = promises(3)
				calls[0] = resolved(0)
				leave(ctx, calls, collect.MaxConcurrent(1))
				wantState(t, calls[1], hop.Created) // was never pulled
			})
		})
	}
}

var errWhy = errors.New("why")

func TestS35_CancelsInTheOrderOfTheSource(t *testing.T) {
	ps, calls := promises(100)
	var got, want []int
	for i, p := range ps {
		p.OnCancel(func(error) { got = append(got, i) })
		want = append(want, i)
	}
	for range collect.AsCompleted(t.Context(), slices.Values(append(calls, resolved(0)))) {
		break
	}
	if !slices.Equal(got, want) {
		t.Errorf("cancelled in the order %v", got)
	}
}

func TestS35_AtTheEndOfCtxWhatHasFinishedIsYielded(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		ctx, cancel := context.WithCancel(ctx)
		cancel()
		_, open := promises(1)
		a, b := resolved(1), resolved(2)
		var got []*hop.Pending[int]
		for p := range collect.AsCompleted(ctx, slices.Values([]*hop.Pending[int]{a, open[0], b})) {
			got = append(got, p)
		}
		wantSame(t, "yielded", got, []*hop.Pending[int]{a, b})
		wantState(t, open[0], hop.Cancelled)

		pulled := 0
		for range collect.AsCompleted(ctx, counted(&pulled, a, b), collect.MaxConcurrent(2)) {
			t.Error("something was yielded")
		}
		if pulled != 0 {
			t.Errorf("%d pulled after the end of ctx", pulled)
		}
	})
}

func TestS35_TheEndOfCtxEndsTheWait(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		for n := 1; n <= 2; n++ {
			_, calls := promises(n)
			ctx, cancel := context.WithTimeout(ctx, time.Millisecond)
			for range collect.AsCompleted(ctx, slices.Values(calls)) {
				t.Error("something was yielded")
			}
			cancel()
			wantState(t, calls[0], hop.Cancelled)
			_, err := calls[0].Result()
			wantIs(t, err, context.DeadlineExceeded)
		}
	})
}

func TestS35_TheSourceMayWait(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		source := func(yield func(*hop.Pending[int]) bool) {
			for i := range 5 {
				if err := hop.Sleep(ctx, time.Millisecond); err != nil {
					t.Error(err)
				}
				if !yield(hop.Go(ctx, hop.Goroutines, func(context.Context) (int, error) { return i, nil })) {
					return
				}
			}
		}
		for _, opts := range [][]collect.Option{nil, {collect.MaxConcurrent(2)}} {
			n := 0
			for range collect.AsCompleted(ctx, source, opts...) {
				n++
			}
			if n != 5 {
				t.Errorf("%d yielded, want 5", n)
			}
		}
	})
}

func TestS35_AWaitForTheNextLeavesTheLoopToOthers(t *testing.T) {
	l := newLoop(t)
	within(t, func() {
		ps, calls := promises(2)
		all := hop.Go(t.Context(), l, func(ctx context.Context) (int, error) {
			n := 0
			for range collect.AsCompleted(ctx, slices.Values(calls)) {
				n++
			}
			return n, nil
		})
		for _, p := range ps { // from the same loop
			hop.Do(t.Context(), l, func(context.Context) (bool, error) { return p.Resolve(0), nil })
		}
		if n, err := all.Wait(t.Context()); n != 2 || err != nil {
			t.Errorf("%d, %v; want 2", n, err)
		}
	})
}

func TestS35_ARepeatedPendingIsYieldedOnce(t *testing.T) {
	within(t, func() {
		a := resolved(1)
		ps, open := promises(1)
		var got []*hop.Pending[int]
		for p := range collect.AsCompleted(t.Context(), slices.Values([]*hop.Pending[int]{open[0], a, a, open[0], a})) {
			got = append(got, p)
			ps[0].Resolve(0)
		}
		wantSame(t, "yielded", got, []*hop.Pending[int]{a, open[0]})
	})
}

func TestS35_MayBeRangedOverAgain(t *testing.T) {
	within(t, func() {
		pulled := 0
		all := collect.AsCompleted(t.Context(), counted(&pulled, resolved(1), resolved(2)))
		for range 3 {
			for range all {
			}
		}
		if pulled != 6 {
			t.Errorf("pulled %d, want 6", pulled)
		}
	})
}

func TestS35_InVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := hop.NewLoop(nil)
		defer l.Close()
		source := func(yield func(*hop.Pending[int]) bool) {
			for i := range 6 {
				d := time.Duration(6-i) * time.Hour
				p := hop.Go(t.Context(), l, func(ctx context.Context) (int, error) { return i, hop.Sleep(ctx, d) })
				if !yield(p) {
					return
				}
			}
		}
		for bound, want := range map[int][]int{1: {0, 1, 2, 3, 4, 5}, 2: {1, 0, 2, 3, 5, 4}, 6: {5, 4, 3, 2, 1, 0}} {
			var got []int
			for p := range collect.AsCompleted(t.Context(), source, collect.MaxConcurrent(bound)) {
				v, _ := p.Result()
				got = append(got, v)
			}
			if !slices.Equal(got, want) {
				t.Errorf("bound %d: yielded %v, want %v", bound, got, want)
			}
		}
	})
}

func TestS4_AsCompletedRefusesTheCallThatAsks(t *testing.T) {
	l := newLoop(t)
	within(t, func() {
		var self *hop.Pending[int]
		set := make(chan struct{})
		_, open := promises(2)
		self = hop.Go(t.Context(), l, func(ctx context.Context) (int, error) {
			<-set
			for range collect.AsCompleted(ctx, slices.Values([]*hop.Pending[int]{open[0], self, open[1]})) {
			}
			return 0, nil
		})
		close(set)
		_, err := self.Wait(t.Context())
		wantIs(t, err, hop.ErrDeadlock)
		var d *hop.DeadlockError
		if errors.As(err, &d) && (len(d.Cycle) != 1 || d.Cycle[0].Call != self.Call() || d.Cycle[0].Line == 0) {
			t.Errorf("cycle is %+v", d.Cycle)
		}
		wantState(t, open[0], hop.Cancelled) // the iterator was left
		wantState(t, open[1], hop.Created)   // it was never pulled
	})
}

func TestS4_AsCompletedRefusesACycleThroughTheLastOne(t *testing.T) {
	refusesACycle(t, func(ctx context.Context, b *hop.Pending[int]) {
		for range collect.AsCompleted(ctx, slices.Values([]*hop.Pending[int]{resolved(1), b}), collect.KeepUnfinished()) {
		}
	})
}

// refusesACycle has a call wait, by wait, for another one that waits for it, whichever of the two comes first.
func refusesACycle(t *testing.T, wait func(ctx context.Context, b *hop.Pending[int])) {
	l := newLoop(t)
	within(t, func() {
		for _, first := range []string{"a", "b"} {
			var a, b *hop.Pending[int]
			set := make(chan struct{})
			startA := func() {
				a = hop.Go(t.Context(), l, func(ctx context.Context) (int, error) { <-set; wait(ctx, b); return 1, nil })
			}
			startB := func() {
				b = hop.Go(t.Context(), l, func(ctx context.Context) (int, error) { <-set; return a.Wait(ctx) })
			}
			if first == "a" {
				startA()
				startB()
			} else {
				startB()
				startA()
			}
			close(set)
			_, errA := a.Wait(t.Context())
			_, errB := b.Wait(t.Context())
			// The one that waits second closes the cycle, so it is refused; the other one hears of that.
			if refused := map[string]error{"a": errB, "b": errA}[first]; !errors.Is(refused, hop.ErrDeadlock) {
				t.Errorf("%s first: errors %v and %v", first, errA, errB)
			}
		}
	})
}

func TestAsCompletedMisuse(t *testing.T) {
	var none context.Context
	for name, f := range map[string]func(){
		"nil context":     func() { collect.AsCompleted(none, slices.Values[[]*hop.Pending[int]](nil)) },
		"nil source":      func() { collect.AsCompleted[int](t.Context(), nil) },
		"MaxConcurrent 0": func() { collect.MaxConcurrent(0) },
		"nil Option": func() {
			collect.AsCompleted(t.Context(), slices.Values[[]*hop.Pending[int]](nil), collect.KeepUnfinished(), nil)
		},
		"nil Pending": func() {
			for range collect.AsCompleted(t.Context(), slices.Values([]*hop.Pending[int]{nil})) {
			}
		},
	} {
		wantMisuse(t, name, f)
	}
}

func TestS35_LeavingCancelsAllWhateverOnDoneDoes(t *testing.T) {
	var ps []*hop.Pending[int]
	for range 3 {
		ps = append(ps, hop.NewPromise[int](context.Background()).Pending())
	}
	ps[0].Cancel(nil)
	ps[1].OnDone(runtime.Goexit)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range collect.AsCompleted(context.Background(), slices.Values(ps)) {
			break
		}
	}()
	<-done
	if s := ps[2].Call().State(); s != hop.Cancelled {
		t.Errorf("the last is %v", s)
	}
}

func TestS39_AsCompletedOnAHostForItsGuest(t *testing.T) {
	onAHost(t, func(t *testing.T, guest *hop.Loop) {
		for n := range 3 { // calls elsewhere, which come first
			calls := []*hop.Pending[int]{neverThere(t, guest)}
			for range n {
				calls = append(calls, soon(nil))
			}
			calls = append(calls, neverThere(t, guest))
			yielded := 0
			func() {
				defer func() {
					err, _ := recover().(error)
					wantIs(t, err, hop.ErrCannotWait)
				}()
				for range collect.AsCompleted(context.Background(), slices.Values(calls)) {
					yielded++
				}
				t.Error("the iterator has ended")
			}()
			if yielded != n {
				t.Errorf("it yielded %d of the %d calls that were elsewhere", yielded, n)
			}
		}
	})
}

// A wait that is ended by the stop of its loop ends the iterator: the source is not asked for more.
func TestS35_TheStopOfTheLoopEndsABoundedIterator(t *testing.T) {
	l := hop.NewLoop(nil)
	asked := 0
	waits := make(chan struct{})
	p := hop.Go(context.Background(), l, func(context.Context) (int, error) {
		n := 0
		for range collect.AsCompleted(context.Background(), func(yield func(*hop.Pending[int]) bool) {
			for range 3 {
				if asked++; asked == 1 {
					close(waits)
				}
				if !yield(hop.NewPromise[int](context.Background()).Pending()) {
					return
				}
			}
		}, collect.MaxConcurrent(1)) {
			n++
		}
		return n, nil
	})
	<-waits
	within(t, func() { l.Close() })
	within(t, func() { <-p.Done() })
	if asked != 1 {
		t.Errorf("the source was asked %d times", asked)
	}
}

// A lastLook is a context whose end is seen by the first look after arm, just after then has run.
type lastLook struct {
	context.Context
	then func()
}

func (c *lastLook) Err() error {
	if then := c.then; then != nil {
		then()
		return context.Canceled
	}
	return nil
}

func TestWhatHasFinishedBeforeTheContextEndedIsYielded(t *testing.T) {
	for _, max := range []int{0, 2} {
		promise := hop.NewPromise[int](context.Background())
		ctx := &lastLook{Context: context.Background()}
		var opts []collect.Option
		if max > 0 {
			opts = append(opts, collect.MaxConcurrent(max))
		}
		got := 0
		for p := range collect.AsCompleted(ctx, func(yield func(*hop.Pending[int]) bool) {
			ctx.then = func() { promise.Resolve(1) }
			yield(promise.Pending())
		}, opts...) {
			v, err := p.Result()
			if got++; v != 1 || err != nil {
				t.Errorf("MaxConcurrent(%d): %d, %v", max, v, err)
			}
		}
		if got != 1 {
			t.Errorf("MaxConcurrent(%d): %d yielded", max, got)
		}
	}
}
