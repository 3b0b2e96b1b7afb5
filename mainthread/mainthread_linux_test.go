package mainthread_test

import (
	"context"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/gohop/hop"
	"github.com/gohop/hop/mainthread"
)

// On Linux the thread whose id is the process's is the main thread.
func TestS23_EveryStepIsOnTheMainThread(t *testing.T) {
	tid := func() int { return syscall.Gettid() }
	ids, err := onMain(t, func(ctx context.Context) ([]int, error) {
		ids := []int{tid()}
		for range 10 {
			if err := hop.Sleep(ctx, time.Microsecond); err != nil {
				return nil, err
			}
			ids = append(ids, tid())
			if _, err := hop.Blocking(ctx, func(context.Context) (int, error) { return tid(), nil }); err != nil {
				return nil, err
			}
			ids = append(ids, tid())
		}
		return ids, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		if id != os.Getpid() {
			t.Fatalf("threads %v, want %d only", ids, os.Getpid())
		}
	}
	within(t, "a posted function", func() {
		posted := make(chan int)
		mainthread.Loop().Post(func() { posted <- tid() })
		if id := <-posted; id != os.Getpid() {
			t.Errorf("a posted function ran on thread %d, want %d", id, os.Getpid())
		}
	})
	onMain(t, func(context.Context) (int, error) { runtime.Goexit(); return 0, nil })
	if id, _ := onMain(t, func(context.Context) (int, error) { return tid(), nil }); id != os.Getpid() {
		t.Errorf("after a Goexit a call ran on thread %d, want %d", id, os.Getpid())
	}
	if tid() == os.Getpid() {
		t.Error("the test itself runs on the main thread")
	}
}
