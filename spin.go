package hop

import (
	"runtime"
	"sync/atomic"

	"github.com/gohop/hop/internal/goid"
	"github.com/gohop/hop/internal/spin"
	"github.com/gohop/hop/internal/turn"
)

// Who waits for a call first lets other goroutines run, once: nearly always the one that runs the call is next, since it was woken here, and
// when it gives way in turn, or blocks, the call is done, and nobody has had to be put to sleep and woken. Where the call is on a locked thread
// that sleeps, it is more: to give way hands the processor to that thread, which the kernel must wake, and meanwhile the
// waiting goroutine goes on on another processor, where it is awake when the answer comes. To block at once would have a second
// thread woken by the kernel after the first.
//
// An exchange with a locked thread goes through the kernel each way, which costs ten times as much as the exchange itself, if
// either side sleeps meanwhile. So who waits for a call on a Thread loop spins for a moment before it blocks, and
// so does the loop before it sleeps. Elsewhere nobody spins: between goroutines a hand-over is cheap, and spinning would
// keep the processor from the one that is to answer. Spinning takes a processor from others, so at most as many spin as
// there are processors, and none where there is one.
//
// Where calls take longer than that, none of it is of use, and for a goroutine that is locked to a thread itself to give way is two more wake-ups by the
// kernel. So each place remembers whether it was.
//
// A thread that sleeps has to be woken by the kernel before it can answer, which takes it 20 to 100 µs. Who has woken it goes on spinning until it
// is there, and then as long as for one that is awake: to block meanwhile would have the kernel wake a second thread, as slowly, after the first.
const (
	spinRounds = 1000 // of spinPauses pauses and a look: about 25 µs
	wakeRounds = 4000 // at most, with those for a thread that comes
	spinPauses = 1
)

var spinners atomic.Int32

// A hope is whether calls at a place end before who waits for them has to block. After vainTries in a row that did not, only each
// retryEvery-th is tried, until one does.
type hope struct {
	thread *sched // what runs them, if that is a locked thread: who waits for it may spin
	vain   atomic.Uint32
}

func (h *hope) mayTry() bool {
	return h.vain.Load() < vainTries || h.vain.Add(1)%retryEvery == 0
}

func (h *hope) tried(useful bool) {
	switch vain := h.vain.Load(); {
	case useful && vain != 0:
		h.vain.Store(0)
	case !useful && vain < vainTries:
		h.vain.Add(1)
	}
}

// elsewhere is that of all places but loops and pools.
var elsewhere hope

// hopeFor notes what can be done before the wait for a call on p blocks.
func (w *wait) hopeFor(p Portal) {
	switch p := p.(type) {
	case nil: // a promise, perhaps
	case *Loop:
		p.s.hurry()
		w.hope, w.yields = &p.hope, p.hope.thread == nil || p.s.asleep.Load()
	case *Pool:
		w.hope, w.yields = &p.hope, true
	default:
		w.hope, w.yields = &elsewhere, true
	}
}

// linger reports whether the wait has ended without a block.
func (w *wait) linger() bool {
	if turn.Directed() || !w.hope.mayTry() {
		return false
	}
	if w.yields {
		runtime.Gosched()
	}
	ended := phase(w.state.Load()&phaseMask) >= woken || w.hope.thread != nil && w.spin(w.hope.thread) >= woken
	w.hope.tried(ended)
	return ended
}

// spin waits a little for the wait to end without giving the processor away; the answer comes from s, which may have to be woken first.
func (w *wait) spin(s *sched) phase {
	if !maySpin() {
		return armed
	}
	defer spinners.Add(-1)
	most := int32(spin.Processors())
	for round, left := 0, spinRounds; left > 0 && round < wakeRounds; round++ {
		if p := phase(w.state.Load() & phaseMask); p != armed {
			return p
		}
		goid.Pause(spinPauses)
		if !s.asleep.Load() || spinners.Load() >= most { // or it could not come: all processors spin
			left--
		}
	}
	return armed
}

// maySpin reserves a place among those who spin.
func maySpin() bool {
	n := spin.Processors()
	if n < 2 || turn.Directed() {
		return false
	}
	if spinners.Add(1) > int32(n) {
		spinners.Add(-1)
		return false
	}
	return true
}
