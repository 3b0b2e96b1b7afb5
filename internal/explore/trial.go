package explore

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/debug"

	"github.com/gohop/hop/internal/turn"
)

// A Trial is what the body of an exploration gets, anew in each run. Its methods may be called from any goroutine of the run.
type Trial struct {
	r   *run
	ctx context.Context
	rng *rand.Rand
}

// Context returns a context that ends when the body has returned.
func (x *Trial) Context() context.Context { return x.ctx }

// Seed returns the run's seed, which is the same when the run is repeated.
func (x *Trial) Seed() uint64 { return x.r.seed }

// Rand returns random numbers that depend on Seed alone, for one goroutine.
func (x *Trial) Rand() *rand.Rand {
	if x.rng == nil {
		x.rng = rand.New(rand.NewPCG(x.r.seed, 0x5eed))
	}
	return x.rng
}

// Errorf records a failure of the run.
func (x *Trial) Errorf(format string, args ...any) { x.r.fail(Failed, fmt.Sprintf(format, args...)) }

// Fatalf records a failure of the run and ends the calling goroutine.
func (x *Trial) Fatalf(format string, args ...any) {
	x.Errorf(format, args...)
	runtime.Goexit()
}

// Logf records a line that is shown if the run fails.
func (x *Trial) Logf(format string, args ...any) {
	hide()
	at := x.r.at.Load()
	show()
	x.r.mu.Lock()
	defer x.r.mu.Unlock()
	x.r.logs = append(x.r.logs, fmt.Sprintf("step %d: ", at)+fmt.Sprintf(format, args...))
}

// Failed reports whether the run has failed.
func (x *Trial) Failed() bool { return x.r.failed.Load() }

// Point is a point in the body's own code: others may go first.
func (x *Trial) Point(name string) { turn.At(turn.User, name) }

// Go runs f on a goroutine of its own, which has a name in tables.
func (x *Trial) Go(name string, f func()) {
	go func() {
		defer x.caught()
		x.r.arrive(turn.User, "begin", name)
		f()
	}()
}

// caught is deferred where a panic of the body's is to fail the run.
func (x *Trial) caught() {
	if p := recover(); p != nil {
		x.r.fail(Panicked, fmt.Sprintf("panic: %v\n%s", p, ownStack(debug.Stack())))
	}
}
