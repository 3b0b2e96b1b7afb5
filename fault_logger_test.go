package hop_test

// Loggers whose handler blocks, or uses hop itself: a report must not hold up what it is about.

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gohop/hop"
	"github.com/gohop/hop/hoptest"
)

// handlerFunc is a slog.Handler made of what it does with a record's message.
type handlerFunc func(msg string)

func (h handlerFunc) Enabled(context.Context, slog.Level) bool      { return true }
func (h handlerFunc) Handle(_ context.Context, r slog.Record) error { h(r.Message); return nil }
func (h handlerFunc) WithAttrs([]slog.Attr) slog.Handler            { return h }
func (h handlerFunc) WithGroup(string) slog.Handler                 { return h }

func logTo(f func(msg string)) *slog.Logger { return slog.New(handlerFunc(f)) }

// blockingLog is a logger whose handler waits at g; in is told of each record while it has room.
func blockingLog(g *gate, in chan<- string) *slog.Logger {
	return logTo(func(s string) {
		select {
		case in <- s:
		default:
		}
		g.pass()
	})
}

// stalled keeps l until its stall has been reported to in, and returns what it is to be released with.
func stalled(t testing.TB, l *hop.Loop, in <-chan string) *gate {
	g := occupy(t, l)
	recv(t, "the report", in)
	return g
}

func TestFault_AStallReportThatBlocksLeavesTheLoopAlone(t *testing.T) {
	hoptest.NoLeaks(t)
	g := newGate(t)
	in := make(chan string, 100)
	l := newLoop(t, &hop.LoopOptions{StallAfter: 4 * time.Millisecond, Logger: blockingLog(g, in)})
	stall := stalled(t, l, in)
	stall.open()
	for range 3 { // the handler blocks still; the loop runs, sleeps and wakes, and may be kept again
		must(t, hop.Go(bg, l, func(ctx context.Context) (int, error) { return 1, hop.Sleep(ctx, 10*time.Millisecond) }))
		occupy(t, l).open()
	}
	g.open()
}

func TestFault_CloseDuringAStallReportThatBlocks(t *testing.T) {
	g := newGate(t)
	in := make(chan string, 100)
	l := hop.NewLoop(&hop.LoopOptions{StallAfter: 4 * time.Millisecond, Logger: blockingLog(g, in)})
	stalled(t, l, in).open()
	within(t, patience, "Close while the handler blocks", func() { l.Close() })
}

func TestFault_AReportOfALostFailureThatBlocks(t *testing.T) {
	hoptest.NoLeaks(t)
	g := newGate(t)
	in := make(chan string, 100)
	l := newLoop(t, &hop.LoopOptions{StallAfter: -1, Logger: blockingLog(g, in)})
	for range 10 {
		recv(t, "the end", hop.Go(bg, l, failure(errStruck)).Done())
	}
	eventually(t, "a report", func() bool { runtime.GC(); return len(in) > 0 })
	for range 100 {
		must(t, hop.Go(bg, l, value(1)))
		recv(t, "the end", hop.Go(bg, l, failure(errStruck)).Done())
	}
	runtime.GC()
	closeAll(t, "the loop", l.Close)
	g.open()
}

func TestFault_AReportOfALostFailureLeavesOtherCleanupsAlone(t *testing.T) {
	g := newGate(t)
	in := make(chan string, 100)
	l := newLoop(t, &hop.LoopOptions{StallAfter: -1, Logger: blockingLog(g, in)})
	for range 10 {
		recv(t, "the end", hop.Go(bg, l, failure(errStruck)).Done())
	}
	eventually(t, "a report", func() bool { runtime.GC(); return len(in) > 0 })
	cleaned := make(chan struct{})
	func() {
		garbage := new([64]byte)
		runtime.AddCleanup(garbage, func(c chan struct{}) { close(c) }, cleaned)
	}()
	eventually(t, "another cleanup of the program", func() bool { runtime.GC(); return isDone(cleaned) })
}

func TestFault_AShutdownFunctionsReportThatBlocks(t *testing.T) {
	hoptest.NoLeaks(t)
	g := newGate(t)
	in := make(chan string, 100)
	l := newLoop(t, &hop.LoopOptions{StallAfter: -1, Logger: blockingLog(g, in)})
	other := newLoop(t, nil)
	l.OnShutdown(func(context.Context) error { return errStruck })
	ran := make(chan struct{})
	l.OnShutdown(func(context.Context) error { close(ran); return nil })
	closed := inBackground(func() { l.Close() })
	recv(t, "the report", in)
	must(t, hop.Go(bg, other, value(1)))
	ctx, cancel := context.WithCancel(bg)
	cancel()
	within(t, patience, "Shutdown with an ended context", func() {
		if err := l.Shutdown(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Shutdown: %v", err)
		}
	})
	g.open() // the handler runs on the loop, and may not keep it for ever
	recv(t, "the next shutdown function", ran)
	recv(t, "Close", closed)
}

func TestFault_AHostFailureWhoseReportBlocks(t *testing.T) {
	g := newGate(t)
	in := make(chan string, 100)
	real := newLoop(t, nil)
	failing := false
	fail := make(chan struct{})
	guest := hop.NewLoop(&hop.LoopOptions{StallAfter: -1, Logger: blockingLog(g, in), Host: hostFunc(func(f func()) error {
		if failing {
			return errRefused
		}
		return real.Post(f)
	})})
	p := hop.Go(bg, guest, func(ctx context.Context) (int, error) {
		_, _, err := hop.Recv(ctx, fail)
		return 1, err
	})
	untilWaiting(t, p.Call())
	must(t, hop.Go(bg, real, func(context.Context) (int, error) { failing = true; return 1, nil }))
	hop.Go(bg, guest, value(1))
	recv(t, "the report", in)
	wantIs(t, waitErr(t, p), hop.ErrStopped)
	within(t, patience, "Close while the handler blocks", func() { guest.Close() })
}

// A handler that uses the very loop that it reports.
func TestFault_AHandlerThatCallsTheLoop(t *testing.T) {
	hoptest.NoLeaks(t)
	type answer struct {
		to  string
		err error
	}
	var l *hop.Loop
	answers := make(chan answer, 100)
	made := make(chan struct{})
	l = newLoop(t, &hop.LoopOptions{StallAfter: 4 * time.Millisecond, Logger: logTo(func(msg string) {
		<-made
		_, err := hop.Do(bg, l, value(1))
		answers <- answer{msg, err}
	})})
	close(made)
	want := func(report string) {
		t.Helper()
		for found := false; !found; {
			runtime.GC() // a lost failure must be found first
			select {
			case a := <-answers:
				if found = strings.Contains(a.to, report); found && a.err != nil {
					t.Errorf("the call that was made to report %q: %v", report, a.err)
				}
			case <-time.After(patience):
				t.Fatalf("no call to report %q", report)
			}
		}
	}
	g := occupy(t, l)
	ended := hop.Go(bg, l, value(1))
	time.AfterFunc(50*time.Millisecond, g.open) // by then it has been reported
	want("keeps its loop")
	must(t, ended)
	for range 10 {
		recv(t, "the end", hop.Go(bg, l, failure(errStruck)).Done())
	}
	want("nobody looked")
	l.OnShutdown(func(context.Context) error { return errStruck })
	closeAll(t, "the loop", l.Close)
	want("shutdown function")
}

// A handler that panics while it reports a shutdown function: OnPanic gets it, and the loop stops.
func TestFault_AHandlerThatPanics(t *testing.T) {
	hoptest.NoLeaks(t)
	for _, fault := range faults {
		panics := make(chan *hop.PanicError, 10)
		l := newLoop(t, &hop.LoopOptions{StallAfter: -1, OnPanic: func(p *hop.PanicError) { panics <- p },
			Logger: logTo(func(string) { fault.strike() })})
		l.OnShutdown(func(context.Context) error { return errStruck })
		ran := false
		l.OnShutdown(func(context.Context) error { ran = true; return nil })
		closeAll(t, "the loop", l.Close)
		if !ran {
			t.Errorf("%s: the next shutdown function did not run", fault.name)
		}
		if !fault.goexit {
			if p := recv(t, "OnPanic", panics); !fault.struckBy(p) {
				t.Errorf("%s: OnPanic got %v", fault.name, p.Value)
			}
		}
	}
}
