// Package mainthread makes the program's main thread a [hop.Loop]: for windows, menus and whatever else an operating system
// allows only there.
//
// Importing it locks the main goroutine to the main thread, so only programs that need it pay for that:
//
//	func main() {
//		err := mainthread.Run(context.Background(), func(ctx context.Context) error {
//			return hop.Run(ctx, mainthread.Loop(), openWindow)
//		})
//		…
//	}
package mainthread

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/gohop/hop"
	"github.com/gohop/hop/internal/inside"
	"github.com/gohop/hop/internal/thread"
)

func init() {
	if !thread.Only {
		runtime.LockOSThread()
	}
}

var loop = sync.OnceValue(func() *hop.Loop {
	return hop.NewLoop(&hop.LoopOptions{Name: "main", Thread: true, Manual: true, Protected: true})
})

var ran atomic.Bool

// Loop returns the main thread's loop. What is submitted before Run is kept until then. It is Protected: it stops with Run.
// It is safe for concurrent use. It follows async-kernel's Caller("MainThread").
func Loop() *hop.Loop { return loop() }

// Run drives the main thread's loop and runs f beside it, on a goroutine of its own, until f has returned; then it shuts
// the loop down and returns f's error. Call it once, from main: from another goroutine, or a second time, the error is
// hop.ErrMismatch, and in a hop.RunLoop hop.ErrCannotWait; then f does not run.
//
// f's ctx ends with ctx, and at the first interrupt or termination signal, with a cause that names it; calls on the
// loop that still run or wait when f has returned after that are cancelled, and so is f's own call: Run returns a
// *hop.CancelError with that cause then, also when f returned nil. A second signal ends the process as it would
// without hop. A panic of f panics here, with a *hop.PanicError, but where ctx has ended before: then it is part of the *hop.CancelError. A runtime.Goexit in f is
// hop.ErrGoexit.
func Run(ctx context.Context, f func(context.Context) error) error {
	if ctx == nil || f == nil {
		panic("hop: mainthread.Run: nil context or function")
	}
	runtime.LockOSThread() // main may have unlocked it, and would move to another
	defer runtime.UnlockOSThread()
	if thread.ID() != 0 && !thread.IsMain() {
		return fmt.Errorf("%w: mainthread.Run must be called from main, on the main thread", hop.ErrMismatch)
	}
	if on := hop.CurrentLoop(); on != nil && !ran.Load() {
		return fmt.Errorf("%w: mainthread.Run on %v: a loop runs there already", hop.ErrCannotWait, on)
	}
	if ran.Swap(true) {
		return fmt.Errorf("%w: mainthread.Run has been called before", hop.ErrMismatch)
	}
	ctx, unnotify := interruptible(ctx)
	defer unnotify()
	l := Loop()
	returned := false // f has, so the error is its own, though it be the panic of another call
	p := hop.Go(ctx, hop.Goroutines, func(ctx context.Context) (none struct{}, err error) {
		err = f(ctx)
		returned = true
		return none, err
	}, hop.Name("main"))
	// From the loop, so that Run drives it before it can be stopped: a Manual loop that nobody drives would be closed elsewhere.
	l.Post(func() { p.OnDone(func() { go inside.StopLoop(l, ctx) }) })
	if err := l.Run(context.WithoutCancel(ctx)); err != nil {
		p.Cancel(err) // somebody else drives the loop, with its own Run
		return err
	}
	_, err := p.Wait(context.Background())
	var panicked *hop.PanicError
	var cancelled *hop.CancelError
	switch {
	case errors.As(err, &cancelled) && errors.Is(err, errSignal):
		return err
	case !returned && errors.As(err, &panicked) && p.Call().State() == hop.Failed:
		panic(panicked)
	}
	return err
}

var errSignal = errors.New("hop: signal")

// interruptible returns a context that the first signal ends.
func interruptible(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	quit := make(chan struct{})
	go func() {
		select {
		case s := <-signals:
			signal.Stop(signals) // the next one is the system's again
			cancel(fmt.Errorf("%w: %v", errSignal, s))
		case <-quit:
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(quit)
		cancel(nil)
	}
}
