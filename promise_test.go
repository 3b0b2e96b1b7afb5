package hop_test

// A Promise: a result given by hand.

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gohop/hop"
)

func TestPromise_ResolveGivesTheValue(t *testing.T) {
	pr := hop.NewPromise[string](t.Context())
	if _, err := pr.Pending().Result(); !errors.Is(err, hop.ErrNotDone) {
		t.Errorf("before: %v", err)
	}
	if isDone(pr.Pending().Done()) {
		t.Error("done before it was resolved")
	}
	if !pr.Resolve("v") {
		t.Error("Resolve reports false")
	}
	if got := must(t, pr.Pending()); got != "v" {
		t.Errorf("got %q", got)
	}
	wantState(t, pr.Pending().Call(), hop.Succeeded)
}

func TestPromise_RejectGivesTheErrorItself(t *testing.T) {
	pr, want := hop.NewPromise[string](t.Context()), errors.New("no")
	if !pr.Reject(want) {
		t.Error("Reject reports false")
	}
	if err := waitErr(t, pr.Pending()); err != want {
		t.Errorf("got %v", err)
	}
	wantState(t, pr.Pending().Call(), hop.Failed)
}

func TestPromise_RejectedWithACancellationErrorHasFailed(t *testing.T) {
	// S19: the state decides, not the error's type.
	for _, own := range []error{context.Canceled, context.DeadlineExceeded, hop.ErrCancelled} {
		pr := hop.NewPromise[int](t.Context())
		pr.Reject(own)
		if err := waitErr(t, pr.Pending()); err != own {
			t.Errorf("got %v, want %v itself", err, own)
		}
		wantState(t, pr.Pending().Call(), hop.Failed)
	}
}

func TestS11_FirstCompletionOfAPromiseWins(t *testing.T) {
	own := errors.New("own")
	pr := hop.NewPromise[int](t.Context())
	if !pr.Resolve(1) || pr.Resolve(2) || pr.Reject(own) || pr.Pending().Cancel(nil) || pr.Pending().Call().Fail(own) {
		t.Error("not exactly the first reports true")
	}
	if got := must(t, pr.Pending()); got != 1 {
		t.Errorf("got %d", got)
	}

	pr = hop.NewPromise[int](t.Context())
	if !pr.Reject(own) || pr.Resolve(2) || pr.Reject(errors.New("other")) || pr.Pending().Cancel(nil) {
		t.Error("not exactly the first reports true")
	}
	if err := waitErr(t, pr.Pending()); err != own {
		t.Errorf("got %v", err)
	}

	pr = hop.NewPromise[int](t.Context())
	if !pr.Pending().Cancel(nil) || pr.Resolve(2) || pr.Reject(own) {
		t.Error("not exactly the first reports true")
	}
	wantCancelled(t, waitErr(t, pr.Pending()))
}

func TestS11_RacingCompletionsHaveOneOutcome(t *testing.T) {
	own := errors.New("own")
	for range 200 {
		pr := hop.NewPromise[int](t.Context())
		var told atomic.Int32
		pr.Pending().OnDone(func() { told.Add(1) })
		var resolved, rejected atomic.Int32
		var cancelled atomic.Bool
		var all sync.WaitGroup
		start := make(chan struct{})
		for i := range 2 {
			all.Go(func() {
				<-start
				if pr.Resolve(i + 1) {
					resolved.Add(1)
				}
			})
			all.Go(func() {
				<-start
				if pr.Reject(own) {
					rejected.Add(1)
				}
			})
		}
		all.Go(func() { <-start; cancelled.Store(pr.Pending().Cancel(nil)) })
		close(start)
		within(t, patience, "five racing completions", all.Wait)
		v, err := pr.Pending().Result()
		s, rs, rj, c := pr.Pending().Call().State(), resolved.Load(), rejected.Load(), cancelled.Load()
		switch {
		case c && rs == 0 && rj == 0 && errors.Is(err, hop.ErrCancelled) && s == hop.Cancelled:
		case !c && rs == 1 && rj == 0 && v > 0 && err == nil && s == hop.Succeeded:
		case !c && rs == 0 && rj == 1 && err == own && s == hop.Failed:
		default:
			t.Fatalf("%d Resolves, %d Rejects, Cancel %v won; the result is %v, %v in state %v", rs, rj, c, v, err, s)
		}
		if told.Load() != 1 {
			t.Fatalf("OnDone ran %d times", told.Load())
		}
	}
}

func TestPromise_CancelledAtOnceWithoutOnCancel(t *testing.T) {
	pr := hop.NewPromise[int](t.Context())
	if !pr.Pending().Cancel(errEnough) {
		t.Error("Cancel reports false")
	}
	if !isDone(pr.Pending().Done()) {
		t.Error("not done")
	}
	if ce := wantCancelled(t, waitErr(t, pr.Pending())); ce.Cause != errEnough {
		t.Errorf("cause %v", ce.Cause)
	}
	wantState(t, pr.Pending().Call(), hop.Cancelled)
}

func TestPromise_CancelledByItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	watched, waited := hop.NewPromise[int](ctx), hop.NewPromise[int](ctx)
	done := watched.Pending().Done()
	cancel(errEnough)
	recv(t, "Done", done)
	for _, pr := range []*hop.Promise[int]{watched, waited} {
		if ce := wantCancelled(t, waitErr(t, pr.Pending())); ce.Cause != errEnough {
			t.Errorf("cause %v", ce.Cause)
		}
		if pr.Resolve(1) {
			t.Error("Resolve after the end reports true")
		}
	}
}

func TestPromise_OnCancelIsAskedAndResolveEndsIt(t *testing.T) {
	for name, end := range map[string]func(*hop.Promise[int]) bool{
		"Resolve": func(pr *hop.Promise[int]) bool { return pr.Resolve(7) },
		"Reject":  func(pr *hop.Promise[int]) bool { return pr.Reject(errors.New("own")) },
	} {
		t.Run(name, func(t *testing.T) {
			var undelivered []int
			pr := hop.NewPromise[int](t.Context(), hop.OnUndelivered(func(v int) { undelivered = append(undelivered, v) }))
			var causes []error
			pr.OnCancel(func(cause error) { causes = append(causes, cause) })
			within(t, patience, "Cancel", func() {
				if !pr.Pending().Cancel(errEnough) {
					t.Error("Cancel reports false")
				}
			})
			if len(causes) != 1 || causes[0] != errEnough {
				t.Errorf("OnCancel got %v, want [%v]", causes, errEnough)
			}
			if isDone(pr.Pending().Done()) {
				t.Fatal("done though Cancel only asks")
			}
			if _, err := pr.Pending().Result(); !errors.Is(err, hop.ErrNotDone) {
				t.Errorf("Result: %v", err)
			}
			end(pr)
			if !isDone(pr.Pending().Done()) {
				t.Fatal("not done")
			}
			// S16: Cancel has returned true, so it ends cancelled whatever it was resolved with.
			if ce := wantCancelled(t, waitErr(t, pr.Pending())); ce.Cause != errEnough {
				t.Errorf("cause %v", ce.Cause)
			}
			wantState(t, pr.Pending().Call(), hop.Cancelled)
			if name == "Resolve" && (len(undelivered) != 1 || undelivered[0] != 7) {
				t.Errorf("OnUndelivered got %v, want [7]", undelivered)
			}
			if name == "Reject" && len(undelivered) != 0 {
				t.Errorf("OnUndelivered got %v, want nothing", undelivered)
			}
			if pr.Resolve(8) {
				t.Error("a second completion reports true")
			}
		})
	}
}

func TestPromise_OnCancelIsAskedWhenTheContextEnds(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	pr := hop.NewPromise[int](ctx)
	asked := make(chan error, 10)
	pr.OnCancel(func(cause error) { asked <- cause })
	cancel(errEnough)
	if got := recv(t, "OnCancel", asked); got != errEnough {
		t.Errorf("it got %v, want %v", got, errEnough)
	}
	if isDone(pr.Pending().Done()) {
		t.Fatal("done though the end of the context only asks")
	}
	pr.Reject(errors.New("stopped"))
	if ce := wantCancelled(t, waitErr(t, pr.Pending())); ce.Cause != errEnough {
		t.Errorf("cause %v", ce.Cause)
	}
	if len(asked) != 0 {
		t.Error("asked more than once")
	}
}

func TestPromise_OnCancelMayCompleteItAtOnce(t *testing.T) {
	pr := hop.NewPromise[int](t.Context())
	pr.OnCancel(func(cause error) {
		_ = pr.Pending().Call().String()
		_, _ = pr.Pending().Result()
		pr.Reject(cause)
	})
	within(t, patience, "Cancel, whose OnCancel rejects the promise", func() { pr.Pending().Cancel(errEnough) })
	wantCancelled(t, waitErr(t, pr.Pending()))
}

func TestPromise_OnCancelIsNotCalledOnceDone(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	pr := hop.NewPromise[int](ctx)
	var asked atomic.Int32
	pr.OnCancel(func(error) { asked.Add(1) })
	pr.Resolve(1)
	pr.Pending().Cancel(nil)
	cancel()
	if got := must(t, pr.Pending()); got != 1 || asked.Load() != 0 {
		t.Errorf("got %d, asked %d times", got, asked.Load())
	}
}

func TestS21_CancelWaitOfAPromiseWaitsForItsEnd(t *testing.T) {
	pr := hop.NewPromise[int](t.Context())
	asked := make(chan struct{})
	pr.OnCancel(func(error) { close(asked) })
	returned := make(chan error, 1)
	go func() { returned <- pr.Pending().CancelWait(context.Background(), errEnough) }()
	recv(t, "OnCancel", asked)
	if len(returned) != 0 {
		t.Error("CancelWait returned before the promise ended")
	}
	pr.Reject(errEnough)
	if err := recv(t, "CancelWait", returned); err != nil {
		t.Errorf("CancelWait: %v", err)
	}
}

func TestPromise_ResolvedFromATaskWakesAPlainGoroutineAndBack(t *testing.T) {
	l := newLoop(t, nil)
	ask, answer := hop.NewPromise[int](t.Context()), hop.NewPromise[int](t.Context())
	p := hop.Go(t.Context(), l, func(ctx context.Context) (int, error) {
		v, err := ask.Pending().Wait(ctx)
		answer.Resolve(v + 1)
		return v, err
	})
	ask.Resolve(1)
	if got := must(t, answer.Pending()); got != 2 {
		t.Errorf("got %d", got)
	}
	must(t, p)
}

func TestS37_APromisesContextCarriesTheMakersValues(t *testing.T) {
	type key struct{}
	pr := hop.NewPromise[int](context.WithValue(t.Context(), key{}, "v"))
	if got := pr.Pending().Call().Context().Value(key{}); got != "v" {
		t.Errorf("got %v", got)
	}
}

// A Resolve that a function of another call's ends before it has come to the promise leaves that as it was: its context is over, so it ends with the cause of
// that.
func TestResolveIsEndedByTheFunctionOfAnotherCall(t *testing.T) {
	ctx, cancel := context.WithCancel(bg)
	up := hop.NewPromise[int](unannounced{ctx})
	p := hop.NewPromise[int](up.Pending().Call().Context())
	up.Pending().OnDone(runtime.Goexit)
	cancel()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		p.Resolve(1)
	}()
	recv(t, "the goroutine's end", gone)
	if ce := wantCancelled(t, waitErr(t, p.Pending())); ce.Cause != context.Canceled {
		t.Errorf("the cause is %v", ce.Cause)
	}
}

// unannounced is a context whose end only they see who ask.
type unannounced struct{ context.Context }

func (unannounced) Done() <-chan struct{} { return make(chan struct{}) }

func TestS12_AnEndedPromiseReleasesItsOnCancel(t *testing.T) {
	for name, end := range map[string]func(p *hop.Promise[int]){
		"resolved":  func(p *hop.Promise[int]) { p.Resolve(1) },
		"rejected":  func(p *hop.Promise[int]) { p.Reject(errors.New("no")) },
		"cancelled": func(p *hop.Promise[int]) { p.Pending().Cancel(nil); p.Resolve(1) },
	} {
		p := hop.NewPromise[int](bg)
		var freed atomic.Bool
		func() {
			kept := new([4096]byte)
			runtime.AddCleanup(kept, func(int) { freed.Store(true) }, 0)
			p.OnCancel(func(error) { runtime.KeepAlive(kept) })
		}()
		end(p)
		eventually(t, name+": the function is garbage", func() bool { runtime.GC(); return freed.Load() })
		runtime.KeepAlive(p)
	}
}

// TestAValueThatComesAfterTheEnd goes to OnUndelivered where the promise has ended cancelled: not where it has ended otherwise, as that may be the very value which
// was delivered.
func TestAValueThatComesAfterTheEnd(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(p *hop.Promise[int])
		want []int
	}{
		"resolved":  {func(p *hop.Promise[int]) { p.Resolve(1) }, nil},
		"rejected":  {func(p *hop.Promise[int]) { p.Reject(errBoom) }, nil},
		"cancelled": {func(p *hop.Promise[int]) { p.Pending().Cancel(nil) }, []int{1}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []int
			p := hop.NewPromise[int](bg, hop.OnUndelivered(func(v int) { got = append(got, v) }))
			c.end(p)
			if p.Resolve(1) {
				t.Error("Resolve: true")
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("undelivered: %v, want %v", got, c.want)
			}
		})
	}
}
