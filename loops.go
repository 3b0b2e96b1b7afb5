package hop

import (
	"sync"

	"github.com/gohop/hop/internal/turn"
)

// CurrentLoop returns the loop whose task the calling goroutine runs, or nil; also in what runs inline in such a task. It follows
// async-kernel's Caller("CurrentThread") and Prefect's get_running_loop.
func CurrentLoop() *Loop {
	if fb := self(); fb != nil && fb.s != nil {
		return fb.s.loop
	}
	return nil
}

// The running loops.
var (
	loopsMu turn.Mutex
	loops   = map[uint64]*Loop{}
)

func addLoop(l *Loop) {
	loopsMu.Lock()
	loops[l.id] = l
	loopsMu.Unlock()
}

func removeLoop(l *Loop) {
	loopsMu.Lock()
	delete(loops, l.id)
	loopsMu.Unlock()
}

// LoopByID returns the loop with this ID if it has not stopped, else nil. It follows async-kernel's get_existing.
func LoopByID(id uint64) *Loop {
	loopsMu.Lock()
	defer loopsMu.Unlock()
	return loops[id]
}

// Loops returns every loop that has been made and has not stopped, oldest first. It follows async-kernel's all_callers.
func Loops() []*Loop {
	loopsMu.Lock()
	defer loopsMu.Unlock()
	return sortedLoops(loops)
}

var shared = sync.OnceValue(func() *Loop {
	return NewLoop(&LoopOptions{Name: "shared", Protected: true})
})

// Shared returns one loop for the process, started at first use and never stopped. It follows Prefect's global loop and
// the loop of run_coro_as_sync.
func Shared() *Loop { return shared() }
