package hop

import (
	"runtime"
	"sync/atomic"

	"github.com/gohop/hop/internal/goid"
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
const (
	spinRounds = 1000 // of spinPauses pauses and a look: about 25 µs
	spinPauses = 1
)

var spinners atomic.Int32

// giveWay lets others run.
func (w *wait) giveWay() phase {
	if !turn.Directed() {
		runtime.Gosched()
	}
	return phase(w.state.Load() & phaseMask)
}

// spin waits a little for the wait to end without giving the processor away.
func (w *wait) spin() phase {
	if !maySpin() {
		return armed
	}
	defer spinners.Add(-1)
	for range spinRounds {
		if p := phase(w.state.Load() & phaseMask); p != armed {
			return p
		}
		goid.Pause(spinPauses)
	}
	return armed
}

// maySpin reserves a place among those who spin.
func maySpin() bool {
	n := processors()
	if n < 2 || turn.Directed() {
		return false
	}
	if spinners.Add(1) > int32(n) {
		spinners.Add(-1)
		return false
	}
	return true
}

// processors returns GOMAXPROCS, asked for seldom since it takes the scheduler's lock.
func processors() int {
	n := procs.Load()
	if n == 0 || procsAge.Add(1)%1024 == 0 {
		n = int32(runtime.GOMAXPROCS(0))
		procs.Store(n)
	}
	return int(n)
}

var procs, procsAge atomic.Int32
