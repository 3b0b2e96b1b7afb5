package hop_test

// Faults of the function of a call, of a posted function, of a group and of a queue: at each step of it, on each kind of place.

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/gohop/hop"
	"github.com/gohop/hop/queue"
)

// steps are the moments in the life of a function at which it may be struck.
var steps = []struct {
	name string
	f    func(ctx context.Context, on hop.Portal, strike func())
}{
	{"at once", func(_ context.Context, _ hop.Portal, strike func()) { strike() }},
	{"after a yield", func(ctx context.Context, _ hop.Portal, strike func()) { hop.Yield(ctx); strike() }},
	{"after a sleep", func(ctx context.Context, _ hop.Portal, strike func()) { hop.Sleep(ctx, time.Microsecond); strike() }},
	{"between two waits", func(ctx context.Context, _ hop.Portal, strike func()) {
		hop.Yield(ctx)
		hop.Sleep(ctx, time.Microsecond)
		strike()
		hop.Yield(ctx)
	}},
	{"after a call elsewhere", func(ctx context.Context, _ hop.Portal, strike func()) {
		hop.Do(ctx, hop.Goroutines, value(1))
		strike()
	}},
	{"after a call on the same place", func(ctx context.Context, on hop.Portal, strike func()) {
		hop.Go(ctx, on, value(1)).Wait(ctx)
		strike()
	}},
	{"after an event", func(ctx context.Context, _ hop.Portal, strike func()) {
		var e hop.Event
		go e.Set()
		e.Wait(ctx)
		strike()
	}},
	{"with a place of a limiter", func(ctx context.Context, _ hop.Portal, strike func()) {
		l := hop.NewLimiter(1)
		l.Acquire(ctx)
		defer l.Release()
		strike()
	}},
	{"after a receive", func(ctx context.Context, _ hop.Portal, strike func()) {
		ch := make(chan int)
		go func() { ch <- 1 }()
		hop.Recv(ctx, ch)
		strike()
	}},
	{"in a deferred function", func(_ context.Context, _ hop.Portal, strike func()) { defer strike() }},
	{"with a wait while it unwinds", func(ctx context.Context, _ hop.Portal, strike func()) {
		defer hop.Sleep(ctx, time.Microsecond)
		strike()
	}},
	{"with a call on the same place while it unwinds", func(ctx context.Context, on hop.Portal, strike func()) {
		defer func() { hop.Go(ctx, on, value(1)).Wait(ctx) }()
		strike()
	}},
	{"in a group with a member", func(ctx context.Context, _ hop.Portal, strike func()) {
		hop.WithGroup(ctx, nil, func(ctx context.Context) error {
			hop.Go(ctx, hop.Goroutines, func(ctx context.Context) (int, error) { return 0, hop.Sleep(ctx, time.Hour) })
			strike()
			return nil
		})
	}},
}

// ways are those to start a call. Each returns the error that its caller gets.
var ways = []struct {
	name string
	call func(ctx context.Context, on hop.Portal, f func(context.Context) (int, error)) error
}{
	{"Go", func(ctx context.Context, on hop.Portal, f func(context.Context) (int, error)) error {
		_, err := hop.Go(ctx, on, f).Wait(ctx)
		return err
	}},
	{"Do", func(ctx context.Context, on hop.Portal, f func(context.Context) (int, error)) error {
		_, err := hop.Do(ctx, on, f)
		return err
	}},
	{"Run", func(ctx context.Context, on hop.Portal, f func(context.Context) (int, error)) error {
		return hop.Run(ctx, on, func(ctx context.Context) error { _, err := f(ctx); return err })
	}},
	{"After", func(ctx context.Context, on hop.Portal, f func(context.Context) (int, error)) error {
		_, err := hop.After(ctx, time.Microsecond, on, f).Wait(ctx)
		return err
	}},
	{"Submit", func(ctx context.Context, on hop.Portal, f func(context.Context) (int, error)) error {
		p := hop.New(ctx, f, hop.Timeout(time.Hour), hop.Name("submitted"))
		if err := on.Submit(p.Call()); err != nil {
			p.Result()
			return err
		}
		_, err := p.Wait(ctx)
		return err
	}},
}

func TestFault_AFunctionAtEachStepOnEachPlace(t *testing.T) {
	eachPlace(t, func(t *testing.T, k kind, on hop.Portal) {
		thread := func() uint64 {
			return must(t, hop.Go(bg, on, func(context.Context) (uint64, error) { return threadID(), nil }))
		}
		before := thread()
		for _, fault := range faults {
			for _, step := range steps {
				for _, way := range ways {
					what := fmt.Sprintf("%s %s, by %s", fault.name, step.name, way.name)
					life := newLifeline()
					var got error
					_, returned := swallow(t, what, func() {
						got = way.call(bg, on, func(ctx context.Context) (int, error) {
							life.hold(ctx)
							step.f(ctx, on, fault.strike)
							return 1, nil
						})
					})
					err := life.wantEnd(t, what)
					if !fault.struckBy(err) {
						t.Errorf("%s: the call's error is %v", what, err)
					}
					wantState(t, life.call, hop.Failed)
					// On the goroutine of the caller itself, Goexit ends that too.
					if ended := on == hop.Inline && fault.goexit && way.name != "After"; returned == ended {
						t.Errorf("%s: the caller came to its end: %v", what, returned)
					} else if returned && got != err {
						t.Errorf("%s: the caller got %v, the call %v", what, got, err)
					}
					if t.Failed() {
						return
					}
				}
			}
			if k.name == "ThreadLoop" {
				if after := thread(); after != before {
					t.Errorf("%s: the loop went from thread %d to %d", fault.name, before, after)
				}
			}
		}
	})
}

// A fault in a deferred function that runs because of another one: the last one counts, as in plain Go.
func TestFault_AFaultDuringAFault(t *testing.T) {
	eachPlace(t, func(t *testing.T, k kind, on hop.Portal) {
		for _, first := range faults {
			for _, second := range faults {
				what := first.name + ", then " + second.name
				life := newLifeline()
				swallow(t, what, func() {
					hop.Go(bg, on, func(ctx context.Context) (int, error) {
						life.hold(ctx)
						defer second.strike()
						defer hop.Yield(ctx)
						first.strike()
						return 1, nil
					})
				})
				if err := life.wantEnd(t, what); !second.struckBy(err) && !(first.goexit || second.goexit) {
					t.Errorf("%s: error %v", what, err)
				} else if !second.struckBy(err) && !first.struckBy(err) {
					t.Errorf("%s: error %v is neither", what, err)
				}
			}
		}
	})
}

func TestFault_AnInlineCallInATask(t *testing.T) {
	eachLoop(t, func(t *testing.T, l *hop.Loop, _ chan *hop.PanicError) {
		for _, fault := range faults {
			for _, step := range steps {
				what := fault.name + " " + step.name
				inner, outer := newLifeline(), newLifeline()
				var got error
				hop.Go(bg, l, func(ctx context.Context) (int, error) {
					outer.hold(ctx)
					_, got = hop.Do(ctx, l, func(ctx context.Context) (int, error) {
						inner.hold(ctx)
						step.f(ctx, l, fault.strike)
						return 1, nil
					})
					return 1, hop.Yield(ctx)
				})
				outerErr := outer.wantEnd(t, what)
				err := inner.wantEnd(t, what)
				if !fault.struckBy(err) {
					t.Errorf("%s: the inner call's error is %v", what, err)
				}
				switch {
				case fault.goexit && !errors.Is(outerErr, hop.ErrGoexit):
					t.Errorf("%s: the outer call's error is %v: Goexit ends both", what, outerErr)
				case !fault.goexit && (outerErr != nil || got != err):
					t.Errorf("%s: Do gave %v, want %v; the outer call ended with %v", what, got, err, outerErr)
				}
			}
		}
	})
}

func TestFault_PostedFunctions(t *testing.T) {
	eachLoop(t, func(t *testing.T, l *hop.Loop, panics chan *hop.PanicError) {
		for _, fault := range faults {
			for _, step := range steps {
				what := fault.name + " " + step.name
				ended := make(chan struct{})
				if err := l.Post(func() {
					defer close(ended)
					step.f(bg, l, fault.strike)
				}); err != nil {
					t.Fatal(err)
				}
				recv(t, what, ended)
				if fault.goexit {
					continue
				}
				if p := recv(t, what+": OnPanic", panics); !fault.struckBy(p) {
					t.Errorf("%s: OnPanic got %v", what, p.Value)
				}
			}
		}
	})
}

func TestFault_FunctionsPostedToAPool(t *testing.T) {
	eachPool(t, func(t *testing.T, p *hop.Pool) {
		for _, step := range steps {
			for range 3 {
				ended := make(chan struct{})
				if err := p.Post(func() {
					defer close(ended)
					step.f(bg, p, runtime.Goexit)
				}); err != nil {
					t.Fatal(err)
				}
				recv(t, step.name, ended)
			}
		}
	})
}

// Members of a group, its function, and members of its members.
func TestFault_Groups(t *testing.T) {
	eachPlace(t, func(t *testing.T, k kind, on hop.Portal) {
		for _, fault := range faults {
			for _, o := range []*hop.GroupOptions{nil, {KeepGoing: true}, {Limit: 1}, {Shield: true, ReportCancelled: true}} {
				for _, step := range steps {
					what := fmt.Sprintf("%s %s in a member, %+v", fault.name, step.name, o)
					var err error
					sibling, struck := newLifeline(), newLifeline()
					_, returned := swallow(t, what, func() {
						err = hop.WithGroup(bg, o, func(ctx context.Context) error {
							p := hop.Go(ctx, hop.Goroutines, func(ctx context.Context) (int, error) {
								sibling.hold(ctx)
								if o != nil && (o.KeepGoing || o.Limit > 0) {
									return 1, hop.Yield(ctx)
								}
								return 1, hop.Sleep(ctx, time.Hour)
							})
							for p.Call().State() < hop.Running || o != nil && o.Limit > 0 && !p.Call().State().Done() {
								runtime.Gosched()
							}
							hop.Go(ctx, on, func(ctx context.Context) (int, error) {
								struck.hold(ctx)
								step.f(ctx, on, fault.strike)
								return 1, nil
							})
							return nil
						})
					})
					if struckErr := struck.wantEnd(t, what); !fault.struckBy(struckErr) {
						t.Errorf("%s: the member's error is %v", what, struckErr)
					}
					sibling.wantEnd(t, what)
					if on == hop.Inline && fault.goexit {
						if returned {
							t.Errorf("%s: the goroutine went on", what)
						}
					} else if !fault.struckBy(err) {
						t.Errorf("%s: the group's error is %v", what, err)
					}
				}
			}
		}
	})
}

func TestFault_TheFunctionOfAGroup(t *testing.T) {
	eachPlace(t, func(t *testing.T, k kind, on hop.Portal) {
		for _, fault := range faults {
			life, member := newLifeline(), newLifeline()
			in := make(chan struct{})
			swallow(t, fault.name, func() {
				hop.Go(bg, on, func(ctx context.Context) (int, error) {
					life.hold(ctx)
					return 0, hop.WithGroup(ctx, nil, func(ctx context.Context) error {
						hop.Go(ctx, hop.Goroutines, func(ctx context.Context) (int, error) {
							member.hold(ctx)
							close(in)
							return 1, hop.Sleep(ctx, time.Hour)
						})
						hop.Recv(ctx, in)
						fault.strike()
						return nil
					})
				})
			})
			if err := life.wantEnd(t, fault.name); !fault.struckBy(err) {
				t.Errorf("%s: error %v", fault.name, err)
			}
			wantCancelled(t, member.wantEnd(t, fault.name))
			in = make(chan struct{})
		}
	})
}

// The function of a queue, at each step: the next value is handled, the error is told, Shutdown is not disturbed.
func TestFault_TheFunctionOfAQueue(t *testing.T) {
	eachPlace(t, func(t *testing.T, k kind, on hop.Portal) {
		for _, fault := range faults {
			for _, step := range steps {
				what := fault.name + " " + step.name
				errs := make(chan error, 10)
				handled := make(chan int, 10)
				q := queue.New(on, func(ctx context.Context, v int) error {
					if v%2 == 1 {
						step.f(ctx, on, fault.strike)
					}
					handled <- v
					return nil
				}, &queue.Options{OnError: func(err error) { errs <- err }})
				for v := range 4 {
					swallow(t, what+": Put", func() { q.Put(bg, v) })
				}
				within(t, patience, what+": Shutdown", func() {
					if err := q.Shutdown(bg); err != nil {
						t.Errorf("%s: Shutdown: %v", what, err)
					}
				})
				for want := 0; want < 4; want += 2 {
					if got := recv(t, what, handled); got != want {
						t.Errorf("%s: value %d was handled, want %d", what, got, want)
					}
				}
				for range 2 {
					if err := recv(t, what+": OnError", errs); !fault.struckBy(err) {
						t.Errorf("%s: OnError got %v", what, err)
					}
				}
				if len(handled)+len(errs) > 0 {
					t.Errorf("%s: %d values and %d errors too many", what, len(handled), len(errs))
				}
			}
		}
	})
}
