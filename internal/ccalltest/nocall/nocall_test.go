//go:build cgo

// Package nocall_test is a program that links C and makes no call.
package nocall_test

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/gohop/hop"
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

// A walk of a thousand frames takes more than a microsecond. The fastest of many tries is far below, so nothing walks before the first C call.
// After it, a task that waits pays for the look at its frames, not much more than for the wait; a walk by the runtime would cost
// as much as twenty waits.
func TestS40_NothingIsWalkedInAProgramThatMakesNoCCall(t *testing.T) {
	if runtime.NumCgoCall() > atStart {
		t.Skip("this process has made its C call: -count is more than one")
	}
	manyWorkers(t)
	look, yield := fastestLook(t), fastestYield(t)
	viacgo.Call(func() {})
	lookAfter, yieldAfter := fastestLook(t), fastestYield(t)
	t.Logf("a look: %v before the first C call, %v after; a yield: %v before, %v after", look, lookAfter, yield, yieldAfter)
	if look > lookAfter/5 {
		t.Errorf("Inside took %v before the first C call and %v after: it walks the stack for nothing", look, lookAfter)
	}
	if framePointers := runtime.GOARCH == "amd64" || runtime.GOARCH == "arm64"; framePointers && yieldAfter > 6*yield {
		t.Errorf("a yield took %v before the first C call and %v after: the runtime walks the stack", yield, yieldAfter)
	}
}

// manyWorkers has a pool with many workers, which are goroutines and no threads.
func manyWorkers(t *testing.T) {
	p := hop.NewPool(nil)
	defer p.Close()
	var all, here sync.WaitGroup
	here.Add(2 * ccall.Many)
	for range 2 * ccall.Many {
		all.Go(func() {
			_, err := hop.Do(context.Background(), p, func(context.Context) (int, error) { here.Done(); here.Wait(); return 1, nil })
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// fastestLook is how long Inside takes below a thousand frames.
func fastestLook(t *testing.T) time.Duration {
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

// fastestYield is how long a task's shortest wait takes.
func fastestYield(t *testing.T) time.Duration {
	l := hop.NewLoop(nil)
	defer l.Close()
	best := time.Hour
	err := hop.Run(context.Background(), l, func(ctx context.Context) error {
		for range 1000 {
			start := time.Now()
			for range 100 {
				if err := hop.Yield(ctx); err != nil {
					return err
				}
			}
			best = min(best, time.Since(start)/100)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return best
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
