//go:build cgo

// Package nocall_test is a program that links C and makes no call.
package nocall_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/gohop/hop/internal/ccall"
	"github.com/gohop/hop/internal/ccalltest/viacgo"
)

var _ = viacgo.Call // linked, not called

var atStart = runtime.NumCgoCall()

// below calls f below n frames.
//
//go:noinline
func below(n int, f func()) {
	if n == 0 {
		f()
		return
	}
	below(n-1, f)
	runtime.KeepAlive(n)
}

// A walk of a thousand frames takes more than ten microseconds. The fastest of many tries is far below, so nothing walks.
func TestS40_NothingIsWalkedInAProgramThatMakesNoCCall(t *testing.T) {
	fastest := func() time.Duration {
		best := time.Hour
		below(1000, func() {
			for range 1000 {
				start := time.Now()
				if ccall.Inside() {
					t.Fatal("Inside says true")
				}
				best = min(best, time.Since(start))
			}
		})
		return best
	}
	if runtime.NumCgoCall() > atStart {
		t.Skip("this process has made its C call: -count is more than one")
	}
	without := fastest()
	viacgo.Call(func() {})
	with := fastest()
	t.Logf("%v before the first C call, %v after", without, with)
	if without > with/5 {
		t.Errorf("Inside took %v before the first C call and %v after: it walks the stack for nothing", without, with)
	}
}

func BenchmarkInside(b *testing.B) {
	for _, frames := range []int{1, 10, 100} {
		b.Run("before a C call", func(b *testing.B) {
			below(frames, func() {
				for b.Loop() {
					ccall.Inside()
				}
			})
		})
	}
	viacgo.Call(func() {})
	for _, frames := range []int{1, 10, 100} {
		b.Run("after a C call", func(b *testing.B) {
			below(frames, func() {
				for b.Loop() {
					ccall.Inside()
				}
			})
		})
	}
}
