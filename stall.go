package hop

import (
	"bytes"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"github.com/gohop/hop/internal/turn"
)

// A stall reports tasks that keep their loop too long.
//
// Counting every task would cost each of them; so the timer asks, and the next task that begins answers. If at a later look
// the question still stands, one task has kept the loop all the time between. The timer is set at most once for each period,
// and not at all while the loop is idle.
type stall struct {
	s     *sched
	after time.Duration
	word  atomic.Uint32

	mu       turn.Mutex
	timer    *time.Timer
	set      bool          // it will look
	since    time.Duration // how long the question has stood
	reported bool
	stopped  bool
}

// What word says.
const (
	resting uint32 = iota // the loop sleeps: the next task sets the timer, if it is not set
	busy                  // tasks run
	asked                 // and none has begun since the timer asked
)

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
	if st.word.Load() != busy {
		st.wake()
	}
}

func (st *stall) wake() {
	if st.word.Swap(busy) == asked {
		return
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if !st.set && !st.stopped {
		st.set = true
		st.reset()
	}
}

// idle is told when the loop goes to sleep.
func (st *stall) idle() { st.word.Store(resting) }

// reset sets the timer. It needs mu.
func (st *stall) reset() {
	d := max(st.after/stallLooks, time.Millisecond)
	if st.timer == nil {
		st.timer = time.AfterFunc(d, st.look)
	} else {
		st.timer.Reset(d)
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
	if st.asks() {
		st.report() // not under the lock, which the loop takes: a Logger may block
	}
}

// asks sets the next question, and reports whether a task has kept the loop too long.
func (st *stall) asks() (stalls bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.stopped {
		return false
	}
	switch st.word.Load() {
	case resting:
		st.set = false
		return false
	case busy:
		st.word.CompareAndSwap(busy, asked) // or the loop has gone to sleep, which the next look sees
		st.since, st.reported = 0, false
	case asked:
		st.since += max(st.after/stallLooks, time.Millisecond)
		if st.since >= st.after && !st.reported {
			st.reported, stalls = true, true
		}
	}
	st.reset()
	return stalls
}

func (st *stall) report() {
	fb, stack := st.s.culprit()
	if bytes.Contains(stack, []byte(inTick)) && st.s.loop.guestReports(st.after) {
		return // it is a guest's task, and that loop says so
	}
	what := "a task"
	if fb != nil {
		what = "a posted function"
		if c := fb.cur.Load(); c != nil {
			what = c.Name()
		}
	}
	st.s.logger().Warn("hop: a task keeps its loop", "loop", st.s.loop.o.Name, "call", what,
		"for", "over "+st.after.String(), "stack", string(stack))
}

// inTick is in the stack of a host's task while a guest runs on it.
const inTick = "hop.(*Loop).tick("

// guestReports reports whether a guest of the loop tells of its own stalls, no later than after.
func (l *Loop) guestReports(after time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.guests, func(g *Loop) bool { return g.s.stall != nil && g.s.stall.after <= after })
}

// culprit returns the coroutine that runs and its stack; nil: none was found. To know it otherwise, each switch would have to say so. They are found
// in the dump of all goroutines by the address of the coroutine, which its first function has as its argument. The runtime tells there
// which of them have switched to another: the one that has not; or else the one that has, but not in this package's
// waits: to a coroutine of the user's own, or to a guest's in a tick.
func (s *sched) culprit() (fb *fiber, stack []byte) {
	ours := make(map[string]*coro)
	s.coros.each(func(c *coro) { ours[fmt.Sprintf("%p", c)] = c })
	stack = []byte("(not found)")
	for g := range bytes.SplitSeq(allStacks(), []byte("\n\n")) {
		_, arg, _ := bytes.Cut(g, []byte("hop.(*coro).main("))
		arg, _, _ = bytes.Cut(arg, []byte(","))
		c := ours[string(arg)]
		if c == nil {
			continue
		}
		if head, _, _ := bytes.Cut(g, []byte("\n")); !bytes.Contains(head, []byte("[coroutine")) {
			return &c.fiber, g
		}
		if !gaveWay(g) {
			fb, stack = &c.fiber, g
		}
	}
	return fb, stack
}

// gaveWay reports whether a coroutine with this stack has switched to another one of its loop.
func gaveWay(stack []byte) bool {
	if bytes.Contains(stack, []byte(inTick)) {
		return false
	}
	for _, f := range []string{"suspend", "resume"} {
		if bytes.Contains(stack, []byte("hop.(*sched)."+f+"(")) {
			return true
		}
	}
	return bytes.Contains(stack, []byte("hop.(*coro).rest("))
}

func allStacks() []byte {
	buf := make([]byte, 64<<10)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) || len(buf) > 64<<20 {
			return buf[:n]
		}
		buf = make([]byte, 4*len(buf))
	}
}
