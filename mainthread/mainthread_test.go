package mainthread_test

// The tests run beside the main thread's loop, as a program's own code would: see TestMain. What ends a process is tried in
// children: see child_test.go.

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gohop/hop"
	"github.com/gohop/hop/mainthread"
)

// patience is how long a step that should end at once may take on a busy machine.
const patience = 20 * time.Second

// What TestMain saw before Run.
var (
	early        *hop.Pending[bool] // a call made before Run
	earlyStarted bool               // it ran before Run
	offMain      error              // of Run on another goroutine, before that on main
)

func TestMain(m *testing.M) {
	if child := os.Getenv(childVariable); child != "" {
		os.Exit(children[child]())
	}
	early = hop.Go(context.Background(), mainthread.Loop(), func(context.Context) (bool, error) {
		return mainthread.Loop().Here(), nil
	})
	earlyStarted = early.Call().State() != hop.Queued
	if oneThread {
		offMain = hop.ErrMismatch // Run cannot tell goroutines apart there
	} else {
		off := make(chan error)
		go func() { off <- mainthread.Run(context.Background(), func(context.Context) error { return nil }) }()
		offMain = <-off
	}
	code := -1
	err := mainthread.Run(context.Background(), func(context.Context) error {
		code = m.Run()
		return nil
	})
	if err != nil {
		fmt.Println("mainthread.Run:", err)
		code = 1
	}
	os.Exit(code)
}

const oneThread = runtime.GOARCH == "wasm"

// within fails the test, with the stacks of all goroutines, when f takes longer than patience.
func within(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	watchdog := time.NewTimer(patience)
	defer watchdog.Stop()
	select {
	case <-done:
	case <-watchdog.C:
		buf := make([]byte, 1<<20)
		t.Fatalf("%s: still blocked after %v\n\n%s", what, patience, buf[:runtime.Stack(buf, true)])
	}
}

// onMain runs f on the main thread and returns its result.
func onMain[T any](t *testing.T, f func(context.Context) (T, error)) (v T, err error) {
	t.Helper()
	within(t, "a call on the main thread", func() { v, err = hop.Do(context.Background(), mainthread.Loop(), f) })
	return v, err
}

func TestLoop_IsOneAndThere(t *testing.T) {
	l := mainthread.Loop()
	if l != mainthread.Loop() || l.Name() != "main" || hop.LoopByID(l.ID()) != l {
		t.Errorf("%v, then %v", l, mainthread.Loop())
	}
	if l.Here() || hop.CurrentLoop() != nil {
		t.Error("a test is on the main loop")
	}
	here, err := onMain(t, func(context.Context) (bool, error) { return l.Here() && hop.CurrentLoop() == l, nil })
	if !here || err != nil {
		t.Errorf("a call of it is not on it: %v", err)
	}
}

func TestLoop_WhatIsSubmittedBeforeRunIsKept(t *testing.T) {
	if earlyStarted {
		t.Error("it did not wait for Run")
	}
	within(t, "the early call", func() {
		if here, err := early.Wait(context.Background()); !here || err != nil {
			t.Errorf("got %v, %v", here, err)
		}
	})
}

func TestLoop_KeepsTheOrder(t *testing.T) {
	l := mainthread.Loop()
	var order []int
	var last *hop.Pending[int]
	for i := range 300 {
		if i%3 == 0 {
			if err := l.Post(func() { order = append(order, i) }); err != nil {
				t.Fatal(err)
			}
			continue
		}
		last = hop.Go(t.Context(), l, func(context.Context) (int, error) { order = append(order, i); return i, nil })
	}
	within(t, "the last call", func() { last.Wait(context.Background()) })
	if len(order) != 300 || !slices.IsSorted(order) {
		t.Errorf("order %v", order)
	}
}

func TestLoop_TasksWaitAndOthersRun(t *testing.T) {
	l := mainthread.Loop()
	var e hop.Event
	first := hop.Go(t.Context(), l, func(ctx context.Context) (bool, error) { return l.Here(), e.Wait(ctx) })
	if _, err := onMain(t, func(context.Context) (int, error) { e.Set(); return 0, nil }); err != nil {
		t.Error(err)
	}
	within(t, "the call that waits", func() {
		if here, err := first.Wait(context.Background()); !here || err != nil {
			t.Errorf("got %v, %v", here, err)
		}
	})
}

// The scenario of Prefect's package comment: main thread → worker → back to the waiting main thread → worker's result.
func TestLoop_ToAWorkerAndBack(t *testing.T) {
	got, err := onMain(t, func(ctx context.Context) (string, error) {
		return hop.Blocking(ctx, func(ctx context.Context) (string, error) {
			if mainthread.Loop().Here() {
				t.Error("the worker is on the main thread")
			}
			back, err := hop.Do(ctx, hop.Origin(ctx), func(context.Context) (string, error) {
				return fmt.Sprint(mainthread.Loop().Here()), nil
			})
			return "back on main: " + back, err
		})
	})
	if got != "back on main: true" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestLoop_IsProtected(t *testing.T) {
	within(t, "Close and Shutdown", func() {
		if err := mainthread.Loop().Close(); !errors.Is(err, hop.ErrProtected) {
			t.Errorf("Close: %v", err)
		}
		if err := mainthread.Loop().Shutdown(context.Background()); !errors.Is(err, hop.ErrProtected) {
			t.Errorf("Shutdown: %v", err)
		}
		if err := mainthread.Loop().Run(context.Background()); !errors.Is(err, hop.ErrMismatch) {
			t.Errorf("Run of the loop, beside mainthread.Run: %v", err)
		}
	})
	if _, err := onMain(t, func(context.Context) (int, error) { return 0, nil }); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestLoop_LivesOnAfterAPanicAndGoexit(t *testing.T) {
	_, err := onMain(t, func(context.Context) (int, error) { panic("in a call") })
	var p *hop.PanicError
	if !errors.As(err, &p) || p.Value != "in a call" || !strings.Contains(string(p.Stack), "TestLoop_LivesOn") {
		t.Errorf("got %v, want the panic with its stack", err)
	}
	_, err = onMain(t, func(ctx context.Context) (int, error) {
		hop.Sleep(ctx, time.Nanosecond)
		runtime.Goexit()
		return 0, nil
	})
	if !errors.Is(err, hop.ErrGoexit) {
		t.Errorf("got %v, want ErrGoexit", err)
	}
	here, err := onMain(t, func(context.Context) (bool, error) { return mainthread.Loop().Here(), nil })
	if !here || err != nil {
		t.Errorf("afterwards: %v, %v", here, err)
	}
}

func TestLoop_HasChildren(t *testing.T) {
	child, err := mainthread.Loop().Child("of main", nil)
	if err != nil {
		t.Fatal(err)
	}
	within(t, "Close of the child", func() {
		if err := child.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestRun_OffMainIsAMismatch(t *testing.T) {
	if !errors.Is(offMain, hop.ErrMismatch) {
		t.Errorf("before Run on main: %v", offMain)
	}
}

func TestRun_TwiceIsAMismatch(t *testing.T) {
	ran := false
	f := func(context.Context) error { ran = true; return nil }
	within(t, "Run", func() {
		if err := mainthread.Run(context.Background(), f); !errors.Is(err, hop.ErrMismatch) {
			t.Errorf("on another goroutine: %v", err)
		}
	})
	_, err := onMain(t, func(ctx context.Context) (int, error) { return 0, mainthread.Run(ctx, f) })
	if !errors.Is(err, hop.ErrMismatch) {
		t.Errorf("on the main thread: %v", err)
	}
	if ran {
		t.Error("the function ran")
	}
}

func TestRun_MisusePanics(t *testing.T) {
	for what, f := range map[string]func(){
		//lint:ignore SA1012 it is to panic
		"nil context":  func() { mainthread.Run(nil, func(context.Context) error { return nil }) },
		"nil function": func() { mainthread.Run(context.Background(), nil) },
	} {
		t.Run(what, func(t *testing.T) {
			defer func() {
				if s, _ := recover().(string); !strings.HasPrefix(s, "hop: ") {
					t.Errorf("panic %q", s)
				}
			}()
			f()
		})
	}
}
