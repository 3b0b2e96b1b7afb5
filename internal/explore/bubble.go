package explore

import (
	"fmt"
	"runtime/debug"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// An outcome is how the bubble of a run has ended.
type outcome struct {
	returned bool
	panicked any
	stack    string
}

// do does the run, from a goroutine outside of the bubble.
func (r *run) do(t *testing.T, d *director, body func(*Trial)) {
	done := make(chan outcome, 1)
	d.run.Store(r)
	failed := t.Failed()
	go func() {
		var out outcome
		defer func() {
			if !out.returned {
				if out.panicked = recover(); out.panicked != nil {
					out.stack = string(debug.Stack())
				}
			}
			done <- out
		}()
		synctest.Test(t, func(*testing.T) { r.begin(body) })
		out.returned = true
	}()
	timer := time.NewTimer(r.o.Watchdog)
	defer timer.Stop()
	select {
	case out := <-done:
		d.run.Store(nil)
		r.observe()
		r.close(out, !failed && t.Failed())
	case <-timer.C:
		d.run.Store(nil)
		stuck.Store(true)
		r.observe()
		r.fail(Stuck, fmt.Sprintf("after %v something still runs, or is blocked in what virtual time cannot see: "+
			"a mutex that is held over a point, a system call, an endless loop\n%s", r.o.Watchdog, r.left()))
	}
}

// close looks at how the bubble has ended.
func (r *run) close(out outcome, failed bool) {
	if out.panicked != nil {
		if !strings.HasPrefix(fmt.Sprint(out.panicked), "deadlock: ") {
			r.fail(Panicked, fmt.Sprintf("panic: %v\n%s", out.panicked, out.stack))
		} else if r.failure == nil {
			text := "the test has returned, but goroutines are left"
			if r.detailed {
				text += "\n" + r.left()
			}
			r.fail(Left, text)
		}
	}
	if r.failure != nil {
		r.failure.locked = r.lockHeld()
	} else if failed {
		r.fail(Failed, "the surrounding test has failed in this run: there is a data race (see above), or something has called its Error")
		r.failure.outer = true
	}
}
