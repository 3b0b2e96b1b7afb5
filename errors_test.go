package hop_test

// S13, S14 and the error values: panics, Goexit, and what the errors say.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gohop/hop"
	"github.com/gohop/hop/internal/thread"
)

// explode panics in a function whose name can be looked for in a stack.
//
//go:noinline
func explode() { panic("boom") }

// crash runs f in a child process, the same test in the same binary, and returns what that printed. f, or what it
// started, has to bring the process down.
func crash(t *testing.T, f func()) string {
	t.Helper()
	if wasm {
		t.Skip("a process has to crash here, and wasm cannot start a second one")
	}
	const env = "HOP_TEST_CRASH"
	if os.Getenv(env) == t.Name() {
		f()
		time.Sleep(patience)
		os.Exit(0) // it did not crash
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, exe, "-test.run=^"+t.Name()+"$", "-test.count=1")
	cmd.Env = append(os.Environ(), env+"="+t.Name())
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Fatalf("the process did not crash; it printed:\n%s", out)
	}
	return string(out)
}

// wantExploded fails the test unless out is what a crash by explode prints in plain Go.
func wantExploded(t *testing.T, out string) {
	t.Helper()
	for _, want := range []string{"panic: ", "boom", "hop_test.explode"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in what the crashed process printed:\n%s", want, out)
		}
	}
}

// wantPanic fails the test unless err is a *hop.PanicError, and returns it.
func wantPanic(t testing.TB, err error) *hop.PanicError {
	t.Helper()
	var pe *hop.PanicError
	if !errors.As(err, &pe) {
		t.Fatalf("error is %v (%T), want a *hop.PanicError", err, err)
	}
	return pe
}

// S13

func TestS13_APanicEndsTheCallWithItsValueAndItsStack(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		for how, before := range map[string]func(context.Context){
			"at once":      func(context.Context) {},
			"after a wait": func(ctx context.Context) { _ = hop.Sleep(ctx, time.Microsecond) },
		} {
			p := hop.Go(t.Context(), on, func(ctx context.Context) (int, error) {
				before(ctx)
				explode()
				return 1, nil
			})
			pe := wantPanic(t, waitErr(t, p))
			if pe.Value != "boom" {
				t.Errorf("%s: value %v, want boom", how, pe.Value)
			}
			if !bytes.Contains(pe.Stack, []byte("hop_test.explode")) {
				t.Errorf("%s: the stack does not show where it panicked:\n%s", how, pe.Stack)
			}
			wantState(t, p.Call(), hop.Failed)
		}
		must(t, hop.Go(t.Context(), on, value(1)))
	})
}

func TestS13_APanicThroughDoAndRunIsAnErrorOfTheCaller(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		within(t, patience, "Do and Run", func() {
			_, err := hop.Do(t.Context(), on, func(context.Context) (int, error) { explode(); return 1, nil })
			if pe := wantPanic(t, err); pe.Value != "boom" {
				t.Errorf("Do: value %v", pe.Value)
			}
			err = hop.Run(t.Context(), on, func(context.Context) error { explode(); return nil })
			if pe := wantPanic(t, err); pe.Value != "boom" {
				t.Errorf("Run: value %v", pe.Value)
			}
		})
	})
}

func TestS13_APanicInAnInlineCallStaysInIt(t *testing.T) {
	within(t, patience, "Go on Inline", func() {
		p := hop.Go(t.Context(), hop.Inline, func(context.Context) (int, error) { explode(); return 1, nil })
		_, err := p.Result()
		wantPanic(t, err)
	})
	l := newLoop(t, nil)
	got := must(t, hop.Go(t.Context(), l, func(ctx context.Context) (error, error) {
		_, err := hop.Do(ctx, l, func(context.Context) (int, error) { explode(); return 1, nil })
		return err, nil
	}))
	wantPanic(t, got)
}

func TestS13_APanicWithAnErrorUnwrapsToIt(t *testing.T) {
	boom := errors.New("boom")
	err := waitErr(t, hop.Go(t.Context(), hop.Goroutines, func(context.Context) (int, error) { panic(boom) }))
	wantIs(t, err, boom)
	if pe := wantPanic(t, err); pe.Value != boom {
		t.Errorf("value %v, want %v itself", pe.Value, boom)
	}
}

func TestS13_ARuntimeErrorIsFoundByItsType(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		err := waitErr(t, hop.Go(t.Context(), on, func(context.Context) (int, error) {
			var m map[string]int
			//lint:ignore SA5000 it is to panic
			m["a"] = 1
			return 1, nil
		}))
		var re runtime.Error
		if !errors.As(err, &re) {
			t.Errorf("no runtime.Error in %v", err)
		}
		wantPanic(t, err)
	})
}

func TestS13_PanicOfNilIsAPanic(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		err := waitErr(t, hop.Go(t.Context(), on, func(context.Context) (int, error) { panic(nil) }))
		var pn *runtime.PanicNilError
		if wantPanic(t, err); !errors.As(err, &pn) {
			t.Errorf("no *runtime.PanicNilError in %v", err)
		}
	})
}

func TestS13_GoexitEndsTheCallWithErrGoexitAndThePlaceLivesOn(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		for how, before := range map[string]func(context.Context){
			"at once":      func(context.Context) {},
			"after a wait": func(ctx context.Context) { _ = hop.Sleep(ctx, time.Microsecond) },
		} {
			for range 3 { // more than the pools have workers
				p := hop.Go(t.Context(), on, func(ctx context.Context) (int, error) {
					before(ctx)
					runtime.Goexit()
					return 1, nil
				}, hop.Name("goexit "+how))
				wantIs(t, waitErr(t, p), hop.ErrGoexit)
				wantState(t, p.Call(), hop.Failed)
			}
			if got := must(t, hop.Go(t.Context(), on, value("alive"))); got != "alive" {
				t.Errorf("got %q", got)
			}
		}
	})
}

func TestS13_GoexitThroughDoIsAnErrorOfTheCaller(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		within(t, patience, "Do", func() {
			_, err := hop.Do(t.Context(), on, func(context.Context) (int, error) { runtime.Goexit(); return 1, nil })
			wantIs(t, err, hop.ErrGoexit)
		})
	})
}

func TestS13_GoexitLeavesTheOtherTasksOfTheLoopAlone(t *testing.T) {
	for _, thread := range []bool{false, true} {
		t.Run(fmt.Sprintf("Thread=%v", thread), func(t *testing.T) {
			if thread {
				needsThread(t)
			}
			l := newLoop(t, &hop.LoopOptions{Thread: thread})
			var e hop.Event
			var waiting []*hop.Pending[uint64]
			for range 5 {
				waiting = append(waiting, hop.Go(t.Context(), l, func(ctx context.Context) (uint64, error) {
					before := threadID()
					if err := e.Wait(ctx); err != nil {
						return 0, err
					}
					if !thread {
						return 0, nil
					}
					if after := threadID(); after != before {
						return 0, fmt.Errorf("went from thread %d to %d", before, after)
					}
					return before, nil
				}))
			}
			exit := hop.Go(t.Context(), l, func(context.Context) (int, error) { runtime.Goexit(); return 1, nil })
			queued := hop.Go(t.Context(), l, value(2))
			wantIs(t, waitErr(t, exit), hop.ErrGoexit)
			must(t, queued)
			e.Set()
			for _, p := range waiting {
				must(t, p)
			}
		})
	}
}

// threadID is the number of the operating system's thread that the goroutine is on; 0 where there is none to be had.
func threadID() uint64 { return thread.ID() }

func TestS13_GoexitLeavesTheLoopOnItsThread(t *testing.T) {
	needsThread(t)
	if threadID() == 0 {
		t.Skip("thread ids are not to be had on " + runtime.GOOS)
	}
	l := newLoop(t, &hop.LoopOptions{Thread: true})
	id := func(context.Context) (uint64, error) { return threadID(), nil }
	before := must(t, hop.Go(t.Context(), l, id))
	for _, f := range []func(context.Context) error{
		func(context.Context) error { return nil },
		func(ctx context.Context) error { return hop.Sleep(ctx, time.Microsecond) },
	} {
		p := hop.Go(t.Context(), l, func(ctx context.Context) (int, error) { _ = f(ctx); runtime.Goexit(); return 1, nil })
		wantIs(t, waitErr(t, p), hop.ErrGoexit)
		if after := must(t, hop.Go(t.Context(), l, id)); after != before {
			t.Errorf("the loop went from thread %d to %d", before, after)
		}
	}
}

func TestS13_GoexitInAnInlineCallEndsItToo(t *testing.T) {
	// The goroutine itself ends, or not, with it: hop promises nothing there. Who looks from outside sees an end.
	p := hop.New(t.Context(), func(context.Context) (int, error) { runtime.Goexit(); return 1, nil })
	go func() { _ = hop.Inline.Submit(p.Call()) }()
	wantIs(t, waitErr(t, p), hop.ErrGoexit)

	l := newLoop(t, nil)
	var inner *hop.Pending[int]
	outer := hop.Go(t.Context(), l, func(ctx context.Context) (int, error) {
		inner = hop.New(ctx, func(context.Context) (int, error) { runtime.Goexit(); return 1, nil })
		return 1, hop.Inline.Submit(inner.Call())
	})
	_ = waitErr(t, outer)
	wantIs(t, waitErr(t, inner), hop.ErrGoexit)
	must(t, hop.Go(t.Context(), l, value(1)))
}

func TestS13_ADeferredWaitWorksWhileTheFunctionUnwinds(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		var slept error
		p := hop.Go(t.Context(), on, func(ctx context.Context) (int, error) {
			defer func() { slept = hop.Sleep(ctx, time.Microsecond) }()
			explode()
			return 1, nil
		})
		wantPanic(t, waitErr(t, p))
		if slept != nil {
			t.Errorf("the wait while panicking: %v", slept)
		}
		p = hop.Go(t.Context(), on, func(ctx context.Context) (int, error) {
			defer func() { slept = hop.Sleep(ctx, time.Microsecond) }()
			runtime.Goexit()
			return 1, nil
		})
		wantIs(t, waitErr(t, p), hop.ErrGoexit)
		if slept != nil {
			t.Errorf("the wait while exiting: %v", slept)
		}
		must(t, hop.Go(t.Context(), on, value(1)))
	})
}

func TestS13_ARecoveredPanicIsNoFailure(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		p := hop.Go(t.Context(), on, func(context.Context) (v int, err error) {
			defer func() { _ = recover(); v = 8 }()
			explode()
			return 1, nil
		})
		if got := must(t, p); got != 8 {
			t.Errorf("got %d", got)
		}
	})
}

func TestS13_OneFailedCallDoesNotFailTheNext(t *testing.T) {
	everywhere(t, func(t *testing.T, on hop.Portal) {
		var bad, good []*hop.Pending[int]
		for i := range 20 {
			bad = append(bad, hop.Go(t.Context(), on, func(context.Context) (int, error) { panic(i) }))
			good = append(good, hop.Go(t.Context(), on, value(i)))
		}
		for i := range bad {
			if pe := wantPanic(t, waitErr(t, bad[i])); pe.Value != i {
				t.Errorf("call %d panicked with %v", i, pe.Value)
			}
			if got := must(t, good[i]); got != i {
				t.Errorf("call %d gave %d", i, got)
			}
		}
	})
}

// S14

func TestS14_APostedFunctionsPanicGoesToOnPanic(t *testing.T) {
	for _, thread := range []bool{false, true} {
		t.Run(fmt.Sprintf("Thread=%v", thread), func(t *testing.T) {
			if thread {
				needsThread(t)
			}
			panics := make(chan *hop.PanicError, 10)
			l := newLoop(t, &hop.LoopOptions{Thread: thread, OnPanic: func(p *hop.PanicError) { panics <- p }})
			for how, f := range map[string]func(){
				"at once":      explode,
				"after a wait": func() { _ = hop.Sleep(context.Background(), time.Microsecond); explode() },
			} {
				if err := l.Post(f); err != nil {
					t.Fatal(err)
				}
				pe := recv(t, "OnPanic", panics)
				if pe.Value != "boom" || !bytes.Contains(pe.Stack, []byte("hop_test.explode")) {
					t.Errorf("%s: OnPanic got %v with the stack\n%s", how, pe.Value, pe.Stack)
				}
			}
			must(t, hop.Go(t.Context(), l, value(1)))
			if len(panics) != 0 {
				t.Errorf("%d panics too many", len(panics))
			}
		})
	}
}

func TestS14_ACallsPanicDoesNotGoToOnPanic(t *testing.T) {
	panics := make(chan *hop.PanicError, 10)
	l := newLoop(t, &hop.LoopOptions{OnPanic: func(p *hop.PanicError) { panics <- p }})
	p := hop.Go(t.Context(), l, func(context.Context) (int, error) { explode(); return 1, nil })
	wantPanic(t, waitErr(t, p))
	must(t, hop.Go(t.Context(), l, value(1)))
	if len(panics) != 0 {
		t.Error("OnPanic got what the caller received")
	}
}

func TestS14_APostedFunctionsPanicCrashesWithoutOnPanic(t *testing.T) {
	out := crash(t, func() { _ = hop.NewLoop(nil).Post(explode) })
	wantExploded(t, out)
}

func TestS14_APostedFunctionsPanicAfterAWaitCrashesWithoutOnPanic(t *testing.T) {
	out := crash(t, func() {
		_ = hop.NewLoop(nil).Post(func() {
			_ = hop.Sleep(context.Background(), time.Microsecond)
			explode()
		})
	})
	wantExploded(t, out)
}

func TestS14_APanicInAPoolsPostCrashes(t *testing.T) {
	out := crash(t, func() { _ = hop.NewPool(nil).Post(explode) })
	wantExploded(t, out)
}

func TestS14_APostedGoexitEndsNothingElse(t *testing.T) {
	l, pool := newLoop(t, nil), newPool(t, &hop.PoolOptions{Size: 1})
	for name, post := range map[string]func(func()) error{"Loop": l.Post, "Pool": pool.Post} {
		ran := make(chan struct{})
		_ = post(func() { defer close(ran); runtime.Goexit() })
		recv(t, "the posted function on "+name, ran)
	}
	must(t, hop.Go(t.Context(), l, value(1)))
	must(t, hop.Go(t.Context(), pool, value(1)))
}

// records is a slog.Handler that keeps what is logged, each record as one line of text.
type records struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (r *records) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.buf.Write(b)
}

// with counts the records that contain s.
func (r *records) with(s string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for line := range strings.Lines(r.buf.String()) {
		if strings.Contains(line, s) {
			n++
		}
	}
	return n
}

func TestS14_AFailedCallThatNobodyLookedAtIsReportedOnce(t *testing.T) {
	r := new(records)
	var alive atomic.Int32 // calls that are no garbage yet
	l := newLoop(t, &hop.LoopOptions{Name: "reports", Logger: slog.New(slog.NewTextHandler(r, nil))})
	run := func(name string, f func(context.Context) (int, error), look func(*hop.Pending[int])) {
		p := hop.Go(context.Background(), l, f, hop.Name(name))
		alive.Add(1)
		runtime.AddCleanup(p, func(int) { alive.Add(-1) }, 0)
		recv(t, "end of "+name, p.Done())
		look(p)
	}
	fails := failure(errors.New("nobody cared"))
	run("seen-by-wait", fails, func(p *hop.Pending[int]) { _, _ = p.Wait(context.Background()) })
	run("seen-by-result", fails, func(p *hop.Pending[int]) { _, _ = p.Result() })
	run("seen-by-err", fails, func(p *hop.Pending[int]) { _ = p.Call().Err() })
	run("succeeded", value(1), func(*hop.Pending[int]) {})
	cancelled := hop.New(context.Background(), value(1), hop.Name("cancelled"))
	cancelled.Cancel(nil)
	_ = l.Submit(cancelled.Call())
	run("unseen-error", fails, func(*hop.Pending[int]) {})
	run("unseen-panic", func(context.Context) (int, error) { panic("nobody cared") }, func(*hop.Pending[int]) {})
	run("unseen-wait", func(ctx context.Context) (int, error) { // its error names a call that leads to it
		short, cancel := context.WithTimeout(ctx, time.Microsecond)
		defer cancel()
		child := hop.Go(ctx, hop.Goroutines, func(ctx context.Context) (int, error) { <-short.Done(); return 1, hop.Sleep(ctx, time.Millisecond) })
		if _, err := child.Wait(short); err != nil {
			return 0, err
		}
		return 0, errors.New("unseen-wait, but not by the wait")
	}, func(*hop.Pending[int]) {})

	collect := func() bool {
		runtime.GC()
		return r.with("unseen-error") > 0 && r.with("unseen-panic") > 0 && r.with("unseen-wait") > 0
	}
	eventually(t, "reports of the three failed calls that nobody looked at", collect)
	closeAll(t, "loop", l.Close)
	// A wrong report would come from the clean-up of its call, and each has been cleaned up when all are gone. One more call, made and
	// lost after that, is reported after it.
	eventually(t, "all calls are garbage", func() bool { runtime.GC(); return alive.Load() == 0 })
	last := newLoop(t, &hop.LoopOptions{Logger: slog.New(slog.NewTextHandler(r, nil))})
	recv(t, "end of the last", hop.Go(context.Background(), last, failure(errors.New("the last")), hop.Name("last")).Done())
	eventually(t, "a report of a call that was lost after the others", func() bool { runtime.GC(); return r.with("the last") > 0 })
	for name, want := range map[string]int{
		"unseen-error": 1, "unseen-panic": 1, "unseen-wait": 1,
		"seen-by-wait": 0, "seen-by-result": 0, "seen-by-err": 0, "succeeded": 0, "cancelled": 0,
	} {
		if got := r.with(name); got != want {
			t.Errorf("%s: %d reports, want %d", name, got, want)
		}
	}
	if r.with("nobody cared") < 2 {
		t.Error("the reports do not say what the error was")
	}
	if t.Failed() {
		t.Logf("logged:\n%s", r.buf.String())
	}
}

// The error values.

func TestErrors_SentinelsAreDistinctAndPrefixed(t *testing.T) {
	sentinels := []error{
		hop.ErrNotDone, hop.ErrCancelled, hop.ErrStopped, hop.ErrFull, hop.ErrDeadlock, hop.ErrCannotWait, hop.ErrGoexit,
		hop.ErrProtected, hop.ErrMismatch, hop.ErrClosed,
	}
	for i, a := range sentinels {
		if s := a.Error(); !wellFormed.MatchString(s) {
			t.Errorf("%q does not start with hop: and a lower-case letter", s)
		}
		for j, b := range sentinels {
			if i != j && errors.Is(a, b) {
				t.Errorf("%v Is %v", a, b)
			}
		}
	}
}

var wellFormed = regexp.MustCompile(`^hop: [^A-Z]`)

func TestErrors_CancelErrorIsWhatItsCauseSays(t *testing.T) {
	mine := errors.New("mine")
	for _, c := range []struct {
		name         string
		err          error
		is, isNot    []error
		canBePrinted bool
	}{
		{"of nil", &hop.CancelError{}, []error{hop.ErrCancelled, context.Canceled}, []error{context.DeadlineExceeded}, true},
		{"of Canceled", &hop.CancelError{Cause: context.Canceled}, []error{hop.ErrCancelled, context.Canceled}, []error{context.DeadlineExceeded}, true},
		{"of mine", &hop.CancelError{Cause: mine}, []error{hop.ErrCancelled, context.Canceled, mine}, []error{context.DeadlineExceeded}, true},
		{"of DeadlineExceeded", &hop.CancelError{Cause: context.DeadlineExceeded}, []error{hop.ErrCancelled, context.DeadlineExceeded}, []error{context.Canceled}, true},
		{"of ErrStopped", &hop.CancelError{Cause: hop.ErrStopped}, []error{hop.ErrCancelled, context.Canceled, hop.ErrStopped}, []error{hop.ErrClosed}, true},
		{"wrapped", fmt.Errorf("x: %w", &hop.CancelError{Cause: mine}), []error{hop.ErrCancelled, context.Canceled, mine}, nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, target := range c.is {
				wantIs(t, c.err, target)
			}
			for _, target := range c.isNot {
				wantNot(t, c.err, target)
			}
			if c.canBePrinted && !wellFormed.MatchString(c.err.Error()) {
				t.Errorf("text %q", c.err.Error())
			}
		})
	}
}

func TestErrors_PanicErrorMadeByHand(t *testing.T) {
	mine := errors.New("mine")
	wantIs(t, &hop.PanicError{Value: mine}, mine)
	if err := error(&hop.PanicError{Value: 3}); errors.Unwrap(err) != nil || !strings.Contains(err.Error(), "3") {
		t.Errorf("%q unwraps to %v", err, errors.Unwrap(err))
	}
}

func TestErrors_TextsNameTheCallAndThePlace(t *testing.T) {
	l := newLoop(t, &hop.LoopOptions{Name: "renderer", QueueLimit: 1, StallAfter: -1})
	full := newLoop(t, &hop.LoopOptions{Name: "renderer", QueueLimit: 1, StallAfter: -1})
	stopped := newLoop(t, &hop.LoopOptions{Name: "renderer"})
	closeAll(t, "loop", stopped.Close)
	pool := newPool(t, &hop.PoolOptions{Name: "renderer"})
	busy := occupy(t, full)
	held := hop.Go(t.Context(), full, value(1), hop.Name("draw-frame"))
	over, cancel := context.WithCancel(t.Context())
	cancel()

	texts := map[string]error{
		"full":      waitErr(t, hop.Go(t.Context(), full, value(1), hop.Name("draw-frame"))),
		"stopped":   waitErr(t, hop.Go(t.Context(), stopped, value(1), hop.Name("draw-frame"))),
		"panic":     waitErr(t, hop.Go(t.Context(), l, func(context.Context) (int, error) { panic(1) }, hop.Name("draw-frame"))),
		"goexit":    waitErr(t, hop.Go(t.Context(), l, func(context.Context) (int, error) { runtime.Goexit(); return 1, nil }, hop.Name("draw-frame"))),
		"pool exit": waitErr(t, hop.Go(t.Context(), pool, func(context.Context) (int, error) { runtime.Goexit(); return 1, nil }, hop.Name("draw-frame"))),
	}
	within(t, patience, "Wait with an ended context", func() { _, texts["wait"] = held.Wait(over) })
	held.Cancel(errors.New("enough"))
	texts["cancelled"] = waitErr(t, held)
	busy.open()
	for what, err := range texts {
		t.Run(what, func(t *testing.T) {
			if err == nil {
				t.Fatal("no error")
			}
			s, _, _ := strings.Cut(err.Error(), "\n") // a stack may follow
			if !wellFormed.MatchString(s) {
				t.Errorf("%q does not start with hop: and a lower-case letter", s)
			}
			if !strings.Contains(s, "draw-frame") {
				t.Errorf("%q does not name the call", s)
			}
			if !strings.Contains(s, "renderer") {
				t.Errorf("%q does not name the place", s)
			}
		})
	}
	wantIs(t, texts["full"], hop.ErrFull)
}
