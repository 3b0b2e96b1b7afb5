package hop_test

// Panics of functions that are there to be told: OnDone's and OnPanic.

import (
	"context"
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
