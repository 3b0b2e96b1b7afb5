package hop_test

// Panics of functions that are there to be told: OnDone's and OnPanic.

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/gohop/hop"
)

func TestS11_EachOnDoneFunctionThatPanicsIsTold(t *testing.T) {
	text, _ := logged(t)
	p := hop.NewPromise[int](bg)
	ran := false
	p.Pending().OnDone(func() { panic("the first") })
	p.Pending().OnDone(func() { panic("the second") })
	p.Pending().OnDone(func() { ran = true })
	func() {
		defer func() {
			if r := recover(); r != "the first" {
				t.Errorf("Resolve panicked with %v, want the first", r)
			}
		}()
		p.Resolve(1)
	}()
	if !ran {
		t.Error("the third has not run")
	}
	if !strings.Contains(text(), "the second") {
		t.Errorf("the log does not tell of the second: %s", text())
	}
}

// goexitThenPanic ends the goroutine, and panics in a function that it has deferred: who recovers from that goes on in no other way than by Goexit.
func goexitThenPanic(value any) {
	defer func() { panic(value) }()
	runtime.Goexit()
}

// An OnDone function that calls Goexit and panics on top of it does not stop the next, nor does the panic get lost.
func TestS11_AnOnDoneFunctionThatPanicsInAGoexitStopsNoOther(t *testing.T) {
	for name, end := range map[string]func(l *hop.Loop, p *hop.Promise[int]){
		"Resolve": func(l *hop.Loop, p *hop.Promise[int]) { l.Post(func() { p.Resolve(1) }) },
		"Cancel":  func(l *hop.Loop, p *hop.Promise[int]) { l.Post(func() { p.Pending().Cancel(nil) }) },
		"a loop": func(l *hop.Loop, p *hop.Promise[int]) {
			c := hop.New(bg, value(1))
			c.OnDone(func() { p.Resolve(1) })
			l.Submit(c.Call())
		},
	} {
		t.Run(name, func(t *testing.T) {
			told := make(chan any, 9)
			l := newLoop(t, &hop.LoopOptions{OnPanic: func(p *hop.PanicError) { told <- p.Value }})
			p := hop.NewPromise[int](bg)
			var ran []int
			for n := range 3 {
				p.Pending().OnDone(func() { ran = append(ran, n); goexitThenPanic(n) })
			}
			last := make(chan struct{})
			p.Pending().OnDone(func() { close(last) })
			end(l, p)
			recv(t, "the last function", last)
			if !slices.Equal(ran, []int{0, 1, 2}) {
				t.Errorf("ran %v", ran)
			}
			for n := range 3 {
				if got := recv(t, "OnPanic", told); got != n {
					t.Errorf("OnPanic got %v, want %d", got, n)
				}
			}
			must(t, hop.Go(bg, l, value(1)))
		})
	}
}

// A Local whose close calls Goexit, in this way or as such, loses nothing of what has failed before.
func TestS39_TheErrorsOfClosesBeforeAGoexitAreLogged(t *testing.T) {
	for name, end := range map[string]func(where string){
		"Goexit":             func(string) { runtime.Goexit() },
		"Goexit and a panic": func(where string) { goexitThenPanic("on top of that of " + where) },
	} {
		t.Run(name, func(t *testing.T) {
			text, logger := logged(t)
			l, pool := hop.NewLoop(&hop.LoopOptions{Logger: logger}), hop.NewPool(nil)
			for _, on := range []hop.Portal{l, pool} {
				where, closed := fmt.Sprintf("%T", on), 0
				must(t, hop.Go(bg, on, func(ctx context.Context) (int, error) {
					for _, close := range []func(int) error{
						func(int) error { closed++; return nil },
						func(int) error { closed++; end(where); return nil },
						func(int) error { closed++; return fmt.Errorf("the first of %s", where) },
					} {
						hop.NewLocal(value(1), close).Get(ctx)
					}
					return 0, nil
				}))
				closeAll(t, where, on.(interface{ Close() error }).Close)
				if closed != 3 {
					t.Errorf("%s: %d closed", where, closed)
				}
				for want, times := range map[string]int{"the first of " + where: 1, "on top of that of " + where: strings.Count(name, "panic")} {
					if n := strings.Count(text(), want); n != times {
						t.Errorf("%s: the log tells %d times of %q: %s", where, n, want, text())
					}
				}
			}
		})
	}
}

// An f that runs at once is its caller's.
func TestS11_APanicOfAnOnDoneFunctionThatRunsAtOnceGoesToTheCaller(t *testing.T) {
	w := hop.NewWaiter()
	if err := w.Wait(bg, finished()); err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]func(){
		"a call":   func() { finished().OnDone(func() { panic("mine") }) },
		"a Waiter": func() { w.OnDone(func(context.Context) { panic("mine") }) },
	} {
		func() {
			defer func() {
				if r := recover(); r != "mine" {
					t.Errorf("%s: OnDone panicked with %v", name, r)
				}
			}()
			f()
		}()
	}
}

func TestS14_APanicOfOnPanicItselfCrashes(t *testing.T) {
	out := crash(t, func() {
		_ = hop.NewLoop(&hop.LoopOptions{OnPanic: func(*hop.PanicError) { explode() }}).Post(func() { panic("the first") })
	})
	wantExploded(t, out)
}

// Where a loop ends a call, OnPanic is told of each panic of the functions of OnDone.
func TestS11_OnPanicIsToldOfEachOnDoneFunctionThatPanics(t *testing.T) {
	told := make(chan any, 3)
	l := newLoop(t, &hop.LoopOptions{OnPanic: func(p *hop.PanicError) { told <- p.Value }})
	gate := newGate(t)
	p := hop.Go(bg, l, func(context.Context) (int, error) { gate.pass(); return 1, nil })
	p.OnDone(func() { panic("the first") })
	p.OnDone(func() { panic("the second") })
	gate.open()
	must(t, p)
	if got := []any{recv(t, "a panic", told), recv(t, "another", told)}; !slices.Equal(got, []any{"the first", "the second"}) {
		t.Errorf("%v", got)
	}
}

// Whoever waited for an abandoned call has its result already: a panic of its function goes to OnPanic, or to the log.
func TestS14_APanicOfAnAbandonedFunctionIsTold(t *testing.T) {
	told := make(chan any, 1)
	withOnPanic := newLoop(t, &hop.LoopOptions{OnPanic: func(p *hop.PanicError) { told <- p.Value }, StallAfter: -1})
	text, _ := logged(t)
	for name, on := range map[string]hop.Portal{
		"loop with OnPanic": withOnPanic, "loop": newLoop(t, &hop.LoopOptions{StallAfter: -1}), "pool": newPool(t, nil), "goroutine": hop.Goroutines,
	} {
		t.Run(name, func(t *testing.T) {
			begun, gate := make(chan struct{}), newGate(t)
			p := hop.Go(bg, on, func(context.Context) (int, error) { close(begun); gate.pass(); panic("lost by " + name) }, hop.Abandon())
			recv(t, "the start", begun)
			p.Cancel(nil)
			gate.open()
			if on == hop.Portal(withOnPanic) {
				if got := recv(t, "the panic", told); got != "lost by "+name {
					t.Errorf("%v", got)
				}
				return
			}
			eventually(t, "the log tells of it", func() bool { return strings.Contains(text(), "lost by "+name) })
		})
	}
}

// A panic of an OnDone function of a loop's call goes to that loop's OnPanic, wherever the call is cancelled, if there is no nearer one.
func TestS14_TheOwnLoopsOnPanicGetsWhatNoNearerOneDoes(t *testing.T) {
	nearer := newLoop(t, &hop.LoopOptions{OnPanic: func(p *hop.PanicError) { p.Value.(func(string))("nearer") }})
	for name, place := range map[string]struct {
		want string
		run  func(f func(context.Context) error) error
	}{
		"a plain goroutine":             {"own", func(f func(context.Context) error) error { return f(bg) }},
		"a pool":                        {"own", func(f func(context.Context) error) error { return hop.Run(bg, newPool(t, nil), f) }},
		"another loop":                  {"own", func(f func(context.Context) error) error { return hop.Run(bg, newLoop(t, nil), f) }},
		"another loop that has OnPanic": {"nearer", func(f func(context.Context) error) error { return hop.Run(bg, nearer, f) }},
		"a Waiter": {"own", func(f func(context.Context) error) error {
			w, awaited := hop.NewWaiter(), hop.NewPromise[int](bg)
			c := hop.New(bg, func(ctx context.Context) (int, error) { defer awaited.Resolve(1); return 1, f(ctx) })
			return errors.Join(w.Submit(c.Call()), w.Wait(bg, awaited.Pending().Call()))
		}},
		"an Origin": {"own", func(f func(context.Context) error) error {
			return hop.Run(bg, hop.Goroutines, func(ctx context.Context) error { return hop.Run(ctx, hop.Origin(ctx), f) })
		}},
	} {
		t.Run(name, func(t *testing.T) {
			told := make(chan string, 2)
			tell := func(whose string) { told <- whose }
			own := newLoop(t, &hop.LoopOptions{StallAfter: -1, OnPanic: func(p *hop.PanicError) { p.Value.(func(string))("own") }})
			g := occupy(t, own)
			p := hop.Go(bg, own, value(1))
			p.OnDone(func() { panic(tell) })
			within(t, patience, "the cancel", func() {
				if err := place.run(func(context.Context) error { p.Cancel(nil); return nil }); err != nil {
					t.Error(err)
				}
			})
			if got := recv(t, "OnPanic", told); got != place.want {
				t.Errorf("OnPanic of the %s loop got it, want the %s's", got, place.want)
			}
			g.open()
		})
	}
}

// An exitingText ends the goroutine that asks for its text.
type exitingText struct{}

func (exitingText) String() string { runtime.Goexit(); return "" }

//go:noinline
func panicWithoutText() { panic(exitingText{}) }

// A panic that nobody can receive ends the process also if its value has no text: in plain Go it does.
func TestS14_APanicWhoseValueEndsTheGoroutineCrashes(t *testing.T) {
	cancelled := func(fs ...func()) {
		p := hop.NewPromise[int](bg).Pending()
		for _, f := range fs {
			p.OnDone(f)
		}
		p.Cancel(nil)
	}
	for name, f := range map[string]func(){
		"a posted function":        func() { hop.NewLoop(nil).Post(panicWithoutText) },
		"a pool's posted function": func() { hop.NewPool(nil).Post(panicWithoutText) },
		"an OnDone function":       func() { go cancelled(panicWithoutText) },
		"another OnDone function":  func() { go cancelled(panicWithoutText, panicWithoutText) },
		"OnPanic": func() {
			hop.NewLoop(&hop.LoopOptions{OnPanic: func(*hop.PanicError) { panicWithoutText() }}).Post(explode)
		},
	} {
		t.Run(name, func(t *testing.T) {
			out := crash(t, f)
			for _, want := range []string{"panic: ", "exitingText", "hop_test.panicWithoutText"} {
				if !strings.Contains(out, want) {
					t.Errorf("no %q in what the crashed process printed:\n%s", want, out)
				}
			}
		})
	}
}
