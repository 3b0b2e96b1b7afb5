package hop_test

// Panics of functions that are there to be told: OnDone's and OnPanic.

import (
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
