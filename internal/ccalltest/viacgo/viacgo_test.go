//go:build cgo

package viacgo_test

import (
	"context"
	"errors"
	"iter"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gohop/hop"
	"github.com/gohop/hop/internal/ccalltest"
	"github.com/gohop/hop/internal/ccalltest/viacgo"
)

func TestS40_ThroughCgo(t *testing.T) { ccalltest.Test(t, viacgo.Call) }

// A thread that C made is no task of anybody: it may wait.
func TestS40_ThreadOfC(t *testing.T) {
	l := hop.NewLoop(&hop.LoopOptions{Thread: true})
	defer l.Close()
	for range 10 {
		viacgo.CallOnThread(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			err := errors.Join(
				hop.Sleep(ctx, time.Nanosecond),
				hop.Run(ctx, l, func(ctx context.Context) error {
					return hop.Run(ctx, hop.Origin(ctx), func(ctx context.Context) error { return hop.Sleep(ctx, time.Nanosecond) })
				}),
			)
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// host is an event loop in C.
type host struct{ posted chan func() }

func (h *host) Post(f func()) error {
	h.posted <- f
	return nil
}

// S39 and S40: a guest of a loop in C makes and resumes its tasks at one depth of C calls, so they wait as anywhere; a callback
// below one of them is deeper, and refused.
func TestS40_GuestOfALoopInC(t *testing.T) {
	h := &host{posted: make(chan func(), 1000)}
	pumped := make(chan struct{})
	go func() {
		defer close(pumped)
		runtime.LockOSThread()
		viacgo.Pump(func() bool {
			f := <-h.posted
			if f != nil {
				f()
			}
			return f != nil
		})
	}()
	l := hop.NewLoop(&hop.LoopOptions{Name: "guest", Host: h})
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	err := hop.WithGroup(ctx, nil, func(ctx context.Context) error {
		for range 20 {
			hop.Go(ctx, l, func(ctx context.Context) (int, error) {
				if err := hop.Sleep(ctx, time.Microsecond); err != nil {
					return 0, err
				}
				var inside error
				viacgo.Call(func() { inside = hop.Sleep(ctx, time.Microsecond) })
				if !errors.Is(inside, hop.ErrCannotWait) {
					t.Errorf("in a callback below a task: %v", inside)
				}
				return 0, hop.Sleep(ctx, time.Microsecond)
			})
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	h.posted <- nil
	<-pumped
}

// The fact of the runtime that S40 rests on: without the refusal the process would end. Should this test fail, Go has lifted the
// restriction, and hop can wait there.
func TestS40_WithoutTheRefusalTheProcessEnds(t *testing.T) {
	const child = "HOP_SWITCH_IN_CALLBACK"
	if os.Getenv(child) != "" {
		next, _ := iter.Pull(func(yield func(int) bool) { viacgo.Call(func() { yield(1) }) })
		next()
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestS40_WithoutTheRefusalTheProcessEnds$")
	cmd.Env = append(os.Environ(), child+"=1")
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "coro:") {
		t.Errorf("a switch in a callback: %v\n%s", err, out)
	}
}
