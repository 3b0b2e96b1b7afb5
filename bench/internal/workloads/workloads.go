// Package workloads has what is measured: B1 to B13, the physical floor under them, and the counterparts of the
// figures that are quoted for Python. A workload is one file; each of its sides does the same work and is checked for it.
package workloads

import (
	"context"
	"runtime"
	"strconv"

	"github.com/gohop/hop/bench/internal/harness"
)

// A Size scales the largest workloads.
type Size struct {
	Million int // what stands for a million
}

var (
	Full  = Size{Million: 1_000_000}
	Quick = Size{Million: 100_000}
	Tiny  = Size{Million: 2_000} // for tests
)

// All returns the workloads in order.
func All(z Size) []harness.Workload {
	return []harness.Workload{
		b1(), b2(), b3(), b4(), b5(), b6(), b7(), b8(z), b9(), b10(z), b11(z), b12(z), b13(z),
	}
}

const hopSide = "hop"

// background is the context of calls that nobody cancels.
var background = context.Background()

// The floors that workloads are compared with; see floor.go.
const (
	FloorCall    = "function call"
	FloorSwap    = "atomic swap"
	FloorCoro    = "coroutine switch"
	FloorChannel = "channel round trip"
	FloorFutex   = "futex wake"
	FloorStart   = "goroutine start"
)

// square is the small call of the fan-outs: not inlined, so that no side can skip it.
//
//go:noinline
func square(i int) int { return i * i }

// sumOfSquares is what n such calls must add up to.
func sumOfSquares(n int) int { return (n - 1) * n * (2*n - 1) / 6 }

// grouped writes 1000000 as 1,000,000.
func grouped(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// A chanLoop is what Go programs write by hand: a goroutine that runs the functions of a channel, perhaps on a thread of
// its own.
type chanLoop struct {
	funcs chan func()
	done  chan struct{}
}

func newChanLoop(locked bool, capacity int) *chanLoop {
	l := &chanLoop{funcs: make(chan func(), capacity), done: make(chan struct{})}
	go func() {
		defer close(l.done)
		if locked {
			runtime.LockOSThread() // and end with it, as a thread whose state was changed must
		}
		for f := range l.funcs {
			f()
		}
	}()
	return l
}

func (l *chanLoop) close() {
	close(l.funcs)
	<-l.done
}
