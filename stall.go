package hop

import (
	"bytes"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/gohop/hop/internal/turn"
)

// A stall reports tasks that keep their loop too long.
//
// Counting every task would cost each of them; so the loop counts only while it is suspected: a timer that is set when the
// loop gets busy looks whether it still is, and asks for counting; if at its next look no new task has begun, that
// one task has kept the loop all the time between. The timer is set at most once for each period, and not at all while
// the loop is idle.
type stall struct {
	s        *sched
	after    time.Duration
	counting atomic.Bool
	begun    atomic.Uint64 // tasks begun while counting
	resting  atomic.Bool   // the loop sleeps
	set      atomic.Bool   // the timer is

	mu       turn.Mutex
	timer    *time.Timer
	seen     uint64
	since    time.Duration // how long begun has been seen
	reported bool
	stopped  bool
}

// stallLooks is how often the timer looks within the time that is allowed.
const stallLooks = 4

func newStall(s *sched, after time.Duration) *stall {
	if after == 0 {
		after = time.Second
	}
	return &stall{s: s, after: after}
}

// begin is told of each task that begins or goes on.
func (st *stall) begin() {
	if st.counting.Load() {
		st.begun.Add(1)
	}
	if st.resting.Load() {
		st.resting.Store(false)
	}
	if !st.set.Load() {
		st.arm()
	}
}

// idle is told when the loop goes to sleep.
func (st *stall) idle() {
	if st.counting.Load() {
		st.begun.Add(1)
		st.counting.Store(false)
	}
	st.resting.Store(true)
}

func (st *stall) arm() {
	st.resting.Store(false)
	st.set.Store(true)
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.stopped {
		return
	}
	st.since = 0
	if st.timer == nil {
		st.timer = time.AfterFunc(st.after/stallLooks, st.look)
	} else {
		st.timer.Reset(st.after / stallLooks)
	}
}

func (st *stall) stop() {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.stopped = true
	if st.timer != nil {
		st.timer.Stop()
	}
}

// look is the timer's.
func (st *stall) look() {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.stopped {
		return
	}
	if st.resting.Load() {
		st.set.Store(false)
		return
	}
	if begun := st.begun.Load(); !st.counting.Load() || begun != st.seen {
		st.counting.Store(true)
		st.seen, st.since, st.reported = st.begun.Load(), 0, false
	} else {
		st.since += st.after / stallLooks
		if st.since >= st.after && !st.reported {
			st.reported = true
			st.report()
		}
	}
	st.timer.Reset(max(st.after/stallLooks, time.Millisecond))
}

func (st *stall) report() {
	fb := st.s.running.Load()
	if fb == nil {
		return
	}
	c := fb.cur.Load()
	what := "a posted function"
	if c != nil {
		what = c.Name()
	}
	st.s.logger().Warn("hop: a task keeps its loop", "loop", st.s.loop.o.Name, "call", what,
		"for", "over "+st.after.String(), "stack", string(stackOf(fb)))
}

// stackOf returns the stack of a task's coroutine, found in the dump of all goroutines by the address of the coroutine,
// which its first function has as its argument.
func stackOf(fb *fiber) []byte {
	buf := make([]byte, 64<<10)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) {
			buf = buf[:n]
			break
		}
		if len(buf) > 64<<20 {
			break
		}
		buf = make([]byte, 4*len(buf))
	}
	mark := fmt.Appendf(nil, "hop.(*coro).main(%p", fb)
	for _, g := range bytes.Split(buf, []byte("\n\n")) {
		if bytes.Contains(g, mark) {
			return g
		}
	}
	return []byte("(not found)")
}
