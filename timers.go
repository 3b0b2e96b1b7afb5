package hop

import (
	"time"
	"unsafe"

	"github.com/gohop/hop/internal/timerheap"
	"github.com/gohop/hop/internal/turn"
)

// Timers fire on a goroutine of the runtime's, which puts what is due into the mailbox, at its time also when the loop is
// busy: so it has its place in the one order. A sched needs one timer of the runtime's, set to the soonest.
//
// Where very many tasks are suspended, those that sleep are an exception: see rush.
type timers struct {
	mu      turn.Mutex
	sleeps  timerheap.Heap // of waits, by the time since epoch
	delays  timerheap.Heap // of calls
	started uint32         // how many were, for the order of those that are due at the same time
	alarm   *time.Timer
	alarmAt time.Duration // what it is set to; 0: nothing
	rush    bool          // the alarm is not for sleeps: the loop looks after them. Only the driver changes it.
	epoch   time.Time
}

// sleeper returns the wait that t is part of.
func sleeper(t *timerheap.Timer) *wait {
	return (*wait)(unsafe.Add(unsafe.Pointer(t), -int(unsafe.Offsetof(wait{}.timer))))
}

// soonest returns the heap whose first is due next, and when; nil: both are empty. It needs mu.
func (ts *timers) soonest() (*timerheap.Heap, time.Duration) {
	when, d := ts.delays.Soonest()
	at, w := ts.sleeps.Soonest()
	switch {
	case w != nil && !ts.rush && (d == nil || at < when || at == when && w.Before(d)):
		return &ts.sleeps, at
	case d != nil:
		return &ts.delays, when
	}
	return nil, 0
}

// now returns the time as the timers count it.
func (ts *timers) now() time.Duration { return time.Since(ts.epoch) }

// fire acts on the timers that are due.
func (s *sched) fire() {
	turn.At(turn.Fire, s)
	ts := &s.timers
	ts.mu.Lock()
	defer ts.mu.Unlock()
	now := ts.now()
	for h, when := ts.soonest(); h != nil && when <= now; h, when = ts.soonest() {
		// Under the lock, so that who stops a timer knows whether it has acted.
		if t := h.Due(now); h == &ts.sleeps {
			sleeper(t).Wake()
		} else {
			delayedCall(t).due(s)
		}
	}
	ts.alarmAt = 0
	s.setAlarm()
}

// setAlarm sets the runtime's timer, if something is due sooner than it is set to. It needs mu.
func (s *sched) setAlarm() {
	ts := &s.timers
	h, when := ts.soonest()
	if h == nil || ts.alarmAt != 0 && ts.alarmAt <= when {
		return // too early is no harm: it looks again
	}
	ts.alarmAt = max(1, when)
	d := when - ts.now()
	if ts.alarm == nil {
		ts.alarm = time.AfterFunc(d, s.fire)
	} else {
		ts.alarm.Reset(d)
	}
}

// in returns the time that is d from now, as the timers count it.
func (s *sched) in(d time.Duration) time.Duration {
	return s.timers.now() + min(max(0, d), never)
}

// never is later than anything, and leaves room to add.
const never time.Duration = 1 << 62

// startTimer has the timer act at when, of which h is the heap. It may be called from anywhere.
func (s *sched) startTimer(h *timerheap.Heap, t *timerheap.Timer, when time.Duration) {
	ts := &s.timers
	ts.mu.Lock()
	ts.started++
	if h.Add(t, when, ts.started) {
		s.setAlarm()
	}
	ts.mu.Unlock()
}

// stopTimer takes the timer back; false: it has acted.
func (s *sched) stopTimer(h *timerheap.Heap, t *timerheap.Timer) bool {
	ts := &s.timers
	ts.mu.Lock()
	defer ts.mu.Unlock()
	ok := h.Remove(t)
	if ts.alarm != nil && ts.alarmAt != 0 && ts.sleeps.Len() == 0 && ts.delays.Len() == 0 {
		ts.alarm.Stop()
		ts.alarmAt = 0
	}
	return ok
}

// stopAlarm stops the runtime's timer: the sched is at its end.
func (s *sched) stopAlarm() {
	ts := &s.timers
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if ts.alarm != nil {
		ts.alarm.Stop()
		ts.alarmAt = 0 // a Waiter's may be at its beginning again
	}
}

// A million calls that sleep, started at once, would each have a stack at the same time if those that are due had to wait behind
// all that have not begun: the order of a queue is the worst that there is then. So where very many tasks are suspended, those that
// have slept go first, and the work in flight, not that in the queue, says how many stacks there are. It is a sleep's
// end that goes first, which is something that goes on, not something that comes in; calls of After keep their place in the one
// order, and so does all that wakes otherwise. One of four turns is the queue's, so it is never kept from going on.
//
// Meanwhile the loop looks itself for who is due, each so many turns, instead of having the alarm put them into the mailbox.
type rush struct {
	on   bool               // as timers.rush; the driver's, to read without the lock
	over []*timerheap.Timer // of pullDue
	due  ready
	turn uint
}

// crowd is how many suspended tasks are very many. Where schedules are explored it is few.
var crowd = 1024

func init() {
	if turn.Fine {
		crowd = 2
	}
}

// How often the loop looks for who is due, and how many it takes at once.
const (
	rushEvery = 16
	rushBatch = 64
)

// nextDue returns a task that has slept, if there is one and it is its turn.
//
//go:noinline
func (s *sched) nextDue() *coro {
	r := &s.rush
	if !r.on {
		s.setRush(true)
	}
	r.turn++
	if r.turn%rushEvery == 0 && r.due.empty() {
		s.pullDue()
		if r.due.empty() && s.tasks < crowd/2 {
			s.setRush(false)
		}
	}
	if r.turn%4 == 0 {
		return nil
	}
	c := r.due.pop()
	r.due.fetch()
	return c
}

// lastDue is nextDue when there is nothing else to do: if nobody is due, the alarm is for sleeps again.
func (s *sched) lastDue() *coro {
	if s.rush.due.empty() {
		s.pullDue()
	}
	if s.rush.due.empty() {
		s.setRush(false)
	}
	return s.rush.due.pop()
}

func (s *sched) setRush(on bool) {
	ts := &s.timers
	ts.mu.Lock()
	defer ts.mu.Unlock()
	s.rush.on, ts.rush = on, on
	if !on {
		s.setAlarm()
	}
}

// pullDue takes tasks whose sleeps are over. It takes all of them out of the heap before it looks at the first: their waits, which are in no cache
// any more, are on the way then.
func (s *sched) pullDue() {
	ts := &s.timers
	ts.mu.Lock()
	defer ts.mu.Unlock()
	now := ts.now()
	r := &s.rush
	for len(r.over) < rushBatch {
		t := ts.sleeps.Due(now)
		if t == nil {
			break
		}
		r.over = append(r.over, t)
	}
	for i, t := range r.over {
		if w := sleeper(t); w.end(w.seq(), woken) != idle {
			r.due.push(w.co)
		}
		r.over[i] = nil
	}
	r.over = r.over[:0]
}
