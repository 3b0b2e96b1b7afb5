package collect_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gohop/hop"
	"github.com/gohop/hop/collect"
)

type list = []*hop.Pending[int]

func TestS36_WaitReturnsAllThatAreAlreadyDone(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		_, open := promises(2)
		a, b, c := resolved(1), rejected(errors.New("no")), resolved(3)
		for _, when := range []collect.When{collect.FirstDone, collect.FirstFailed} {
			done, rest := collect.Wait(ctx, when, a, open[0], b, open[1], c)
			wantSame(t, when.String()+" done", done, list{a, b, c})
			wantSame(t, when.String()+" rest", rest, list{open[0], open[1]})
		}
		done, rest := collect.Wait(ctx, collect.AllDone, a, b, c)
		wantSame(t, "done", done, list{a, b, c})
		wantSame(t, "rest", rest, nil)
	})
}

func TestS36_WaitForAll(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		ps, calls := promises(3)
		hop.Go(ctx, hop.Goroutines, func(context.Context) (int, error) {
			ps[1].Reject(errWhy)
			ps[2].Pending().Cancel(nil)
			ps[0].Resolve(0)
			return 0, nil
		})
		done, rest := collect.Wait(ctx, collect.AllDone, calls...)
		wantSame(t, "done", done, calls)
		wantSame(t, "rest", rest, nil)
	})
}

func TestS36_WaitForTheFirst(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		ps, calls := promises(3)
		hop.Go(ctx, hop.Goroutines, func(context.Context) (bool, error) { return ps[1].Resolve(1), nil })
		done, rest := collect.Wait(ctx, collect.FirstDone, calls...)
		wantSame(t, "done", done, list{calls[1]})
		wantSame(t, "rest", rest, list{calls[0], calls[2]})
	})
}

func TestS36_WaitForTheFirstFailure(t *testing.T) {
	fail := map[string]func(p *hop.Promise[int]){
		"failed":    func(p *hop.Promise[int]) { p.Reject(errWhy) },
		"cancelled": func(p *hop.Promise[int]) { p.Pending().Cancel(errWhy) },
	}
	for how, fail := range fail {
		t.Run(how, func(t *testing.T) {
			everywhere(t, func(t *testing.T, ctx context.Context) {
				ps, calls := promises(4)
				ps[3].Resolve(3)
				hop.Go(ctx, hop.Goroutines, func(context.Context) (int, error) {
					ps[2].Resolve(2)
					fail(ps[1])
					return 0, nil
				})
				done, rest := collect.Wait(ctx, collect.FirstFailed, calls...)
				wantSame(t, "done", done, calls[1:])
				wantSame(t, "rest", rest, calls[:1])
			})
		})
	}
}

func TestS36_NoFailureIsAllDone(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		ps, calls := promises(3)
		hop.Go(ctx, hop.Goroutines, func(context.Context) (int, error) {
			for _, p := range ps {
				p.Resolve(0)
			}
			return 0, nil
		})
		done, rest := collect.Wait(ctx, collect.FirstFailed, calls...)
		wantSame(t, "done", done, calls)
		wantSame(t, "rest", rest, nil)
	})
}

func TestS36_NothingToWaitFor(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		for _, when := range []collect.When{collect.AllDone, collect.FirstDone, collect.FirstFailed} {
			if done, rest := collect.Wait[int](ctx, when); len(done)+len(rest) > 0 {
				t.Errorf("%v: %v, %v", when, done, rest)
			}
		}
	})
}

func TestS36_AtTheEndOfCtxWhatIsDoneIsReturnedAndNothingCancelled(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		for _, when := range []collect.When{collect.AllDone, collect.FirstDone, collect.FirstFailed} {
			for n := 1; n <= 2; n++ {
				_, open := promises(n)
				calls := open
				if when != collect.FirstDone {
					calls = append(list{resolved(1)}, open...)
				}
				ctx, cancel := context.WithTimeout(ctx, time.Millisecond)
				done, rest := collect.Wait(ctx, when, calls...)
				cancel()
				wantSame(t, when.String()+" done", done, calls[:len(calls)-n])
				wantSame(t, when.String()+" rest", rest, open)
				wantState(t, open[0], hop.Created)
			}
		}
	})
}

func TestS4_WaitRefusesTheCallThatAsks(t *testing.T) {
	l := newLoop(t)
	within(t, func() {
		for _, when := range []collect.When{collect.AllDone, collect.FirstDone, collect.FirstFailed} {
			var self *hop.Pending[int]
			set := make(chan struct{})
			self = hop.Go(t.Context(), l, func(ctx context.Context) (int, error) {
				<-set
				_, open := promises(1)
				collect.Wait(ctx, when, resolved(1), self, open[0])
				return 0, nil
			})
			close(set)
			_, err := self.Wait(t.Context())
			wantIs(t, err, hop.ErrDeadlock)
			var d *hop.DeadlockError
			if !errors.As(err, &d) || len(d.Cycle) != 1 || !strings.HasSuffix(d.Cycle[0].File, "wait_test.go") {
				t.Errorf("%v: %v", when, err)
			}
		}
	})
}

// For all calls the wait graph knows each wait; it needs neither ctx nor the call itself among the calls.
func TestS4_WaitForAllRefusesACycle(t *testing.T) {
	refusesACycle(t, func(_ context.Context, b *hop.Pending[int]) {
		collect.Wait(context.Background(), collect.AllDone, resolved(1), b)
	})
}

// A call that failed with a DeadlockError of its own is done like any other.
func TestWaitIsNotMisledByTheErrorsOfTheCalls(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		for _, err := range []error{&hop.DeadlockError{}, hop.ErrNotDone, context.Canceled, hop.ErrStopped, hop.ErrCannotWait} {
			ps, calls := promises(1)
			hop.Go(ctx, hop.Goroutines, func(context.Context) (bool, error) { return ps[0].Reject(err), nil })
			if done, _ := collect.Wait(ctx, collect.AllDone, calls...); len(done) != 1 {
				t.Errorf("%v: not done", err)
			}
			ps, calls = promises(1)
			hop.Go(ctx, hop.Goroutines, func(context.Context) (bool, error) { return ps[0].Reject(err), nil })
			n := 0
			for range collect.AsCompleted(ctx, counted(new(int), calls...)) {
				n++
			}
			if n != 1 {
				t.Errorf("%v: not yielded", err)
			}
		}
	})
}

func TestWaitMisuse(t *testing.T) {
	var none context.Context
	for name, f := range map[string]func(){
		"nil context": func() { collect.Wait(none, collect.AllDone, resolved(1)) },
		"nil Pending": func() { collect.Wait(t.Context(), collect.AllDone, resolved(1), nil) },
		"When":        func() { collect.Wait(t.Context(), collect.When(9), resolved(1)) },
	} {
		wantMisuse(t, name, f)
	}
}

// wantMisuse fails the test unless f panics with a text that starts with "hop: ".
func wantMisuse(t *testing.T, name string, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		if s, _ := recover().(string); !strings.HasPrefix(s, "hop: ") {
			t.Errorf("%s: panic with %q, want one that starts with hop:", name, s)
		}
	}()
	f()
}

// Who asks is the goroutine, not the context that it has: a goroutine that a call has started may wait for that call, with its context.
func TestS1_AGoroutineOfTheCallMayWaitForIt(t *testing.T) {
	type outcome struct {
		n   int
		bad any
	}
	for name, ask := range map[string]func(ctx context.Context, p *hop.Pending[int]) int{
		"Wait": func(ctx context.Context, p *hop.Pending[int]) int {
			done, _ := collect.Wait(ctx, collect.AllDone, p)
			return len(done)
		},
		"AsCompleted": func(ctx context.Context, p *hop.Pending[int]) (n int) {
			for range collect.AsCompleted(ctx, slices.Values([]*hop.Pending[int]{p})) {
				n++
			}
			return n
		},
	} {
		t.Run(name, func(t *testing.T) {
			ready, answers := make(chan struct{}), make(chan outcome, 1)
			var p *hop.Pending[int]
			p = hop.Go(t.Context(), hop.Goroutines, func(ctx context.Context) (int, error) {
				<-ready
				asking := make(chan struct{})
				go func() {
					var o outcome
					defer func() { o.bad = recover(); answers <- o }()
					close(asking)
					o.n = ask(context.WithoutCancel(ctx), p)
				}()
				<-asking
				return 1, nil
			})
			close(ready)
			within(t, func() {
				if o := <-answers; o.n != 1 || o.bad != nil {
					t.Errorf("%d of 1, panic %v", o.n, o.bad)
				}
			})
		})
	}
}

// And a call that asks for itself is refused, whatever context it asks with, and whoever else it asks for.
func TestS4_ACallThatAsksForItselfWithAnotherContext(t *testing.T) {
	for name, ask := range map[string]func(p, other *hop.Pending[int]){
		"Wait": func(p, other *hop.Pending[int]) { collect.Wait(context.Background(), collect.FirstFailed, p, other) },
		"AsCompleted": func(p, other *hop.Pending[int]) {
			for range collect.AsCompleted(context.Background(), slices.Values([]*hop.Pending[int]{other, p})) {
				t.Error("one has ended")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			ready := make(chan struct{})
			var p *hop.Pending[int]
			p = hop.Go(t.Context(), hop.Goroutines, func(context.Context) (int, error) {
				<-ready
				other := hop.Go(context.Background(), hop.Goroutines, func(context.Context) (int, error) { return p.Wait(context.Background()) })
				ask(p, other)
				return 1, nil
			})
			close(ready)
			within(t, func() {
				_, err := p.Wait(t.Context())
				wantIs(t, err, hop.ErrDeadlock)
			})
		})
	}
}

func TestS39_WaitOnAHostForItsGuest(t *testing.T) {
	for _, when := range []collect.When{collect.AllDone, collect.FirstDone, collect.FirstFailed} {
		t.Run(when.String(), func(t *testing.T) {
			onAHost(t, func(t *testing.T, guest *hop.Loop) {
				calls := []*hop.Pending[int]{neverThere(t, guest), neverThere(t, guest)}
				done, rest := collect.Wait(context.Background(), when, calls...)
				wantSame(t, "done", done, nil)
				wantSame(t, "rest", rest, calls)
				for _, elsewhere := range []int{0, 2} { // what is elsewhere is waited for, wherever it stands
					p := soon(nil)
					mixed := slices.Insert(slices.Clone(calls), elsewhere, p)
					done, rest := collect.Wait(context.Background(), when, mixed...)
					wantSame(t, "done", done, []*hop.Pending[int]{p})
					wantSame(t, "rest", rest, calls)
				}
			})
		})
	}
}

func TestS39_WaitOnAHostForTheFirstFailure(t *testing.T) {
	onAHost(t, func(t *testing.T, guest *hop.Loop) {
		fails, there := soon(errors.New("no")), neverThere(t, guest)
		done, rest := collect.Wait(context.Background(), collect.FirstFailed, there, fails)
		wantSame(t, "done", done, []*hop.Pending[int]{fails})
		wantSame(t, "rest", rest, []*hop.Pending[int]{there})
		fails.Result() // or hop would report that nobody looked
	})
}

// To wait for a call is not to look at its error.
func TestS14_WaitAndAsCompletedLeaveAFailureUnseen(t *testing.T) {
	for name, f := range map[string]func(ctx context.Context, p *hop.Pending[int]){
		"AllDone":     func(ctx context.Context, p *hop.Pending[int]) { collect.Wait(ctx, collect.AllDone, p) },
		"FirstDone":   func(ctx context.Context, p *hop.Pending[int]) { collect.Wait(ctx, collect.FirstDone, p) },
		"FirstFailed": func(ctx context.Context, p *hop.Pending[int]) { collect.Wait(ctx, collect.FirstFailed, p) },
		"AsCompleted": func(ctx context.Context, p *hop.Pending[int]) {
			for range collect.AsCompleted(ctx, slices.Values([]*hop.Pending[int]{p})) {
			}
		},
	} {
		for _, looks := range []bool{false, true} {
			t.Run(fmt.Sprint(name, looks), func(t *testing.T) {
				reports := make(reportHandler, 10)
				l := hop.NewLoop(&hop.LoopOptions{Name: t.Name(), Logger: slog.New(reports)})
				defer l.Close()
				fail := func() { // a frame of its own, so that nothing here keeps the call
					var end hop.Event
					p := hop.Go(t.Context(), l, func(ctx context.Context) (int, error) { end.Wait(ctx); return 0, errors.New("unseen") })
					waits := hop.Go(t.Context(), hop.Goroutines, func(ctx context.Context) (int, error) {
						f(ctx, p)
						if looks {
							p.Result()
						}
						return 0, nil
					})
					within(t, func() {
						for waits.Call().State() != hop.Waiting {
							runtime.Gosched()
						}
						end.Set()
						waits.Wait(context.Background())
					})
				}
				fail()
				if looks { // the next, which nobody looks at, is reported after it
					looks = false
					fail()
				}
				within(t, func() {
					for len(reports) == 0 {
						runtime.GC()
						runtime.Gosched()
					}
				})
				for range 3 {
					runtime.GC()
				}
				if n := len(reports); n != 1 {
					t.Errorf("%d reports, want one", n)
				}
			})
		}
	}
}

// A reportHandler gets what is logged.
type reportHandler chan string

func (h reportHandler) Enabled(context.Context, slog.Level) bool { return true }
func (h reportHandler) Handle(_ context.Context, r slog.Record) error {
	h <- r.Message
	return nil
}
func (h reportHandler) WithAttrs([]slog.Attr) slog.Handler { return h }
func (h reportHandler) WithGroup(string) slog.Handler      { return h }
