package hop

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/gohop/hop/internal/turn"
)

// Waiting for the end of a loop or pool is waiting for all of its calls. They are not edges of the wait graph: nobody but the
// place itself can list them. Instead a call that waits for an end looks back, at who waits for it, directly or through
// others: if that is one of the calls to be ended, neither could go on. It looks when it has been registered, and again
// whenever a new wait begins anywhere, so it does not matter which of the waits closes the circle.
var endWaits struct {
	n  atomic.Int32
	mu turn.Mutex
	by map[*wait]uint64 // which of its waits it is
}

// errNeeded says that what is to end waits for the caller.
var errNeeded = errors.New("hop: internal: the end needs the caller")

// awaitEnd waits for ended, the end of a place, unless that needs the caller.
func awaitEnd(ctx context.Context, ended *Event, needed func() bool) error {
	fb := self()
	if fb == nil {
		return ended.Wait(ctx)
	}
	if needed() {
		return errNeeded
	}
	c := fb.cur.Load()
	if c == nil {
		return ended.Wait(ctx)
	}
	// The caller's own place may be stopping: it may wait with a context that carries its call.
	inner := ctx
	if ctx.Done() == nil {
		inner = context.WithoutCancel((*callContext)(c))
	}
	told := 0 // how often the stop of the caller's own place has ended the wait
	for !ended.IsSet() {
		circle := false
		var mine *wait
		err := waitOn(inner, 0, "the end of a stop", func(w *wait) bool {
			mine = w
			endWaits.mu.Lock()
			if endWaits.by == nil {
				endWaits.by = make(map[*wait]uint64)
			}
			endWaits.by[w] = w.seq()
			endWaits.n.Add(1)
			endWaits.mu.Unlock()
			ended.mu.Lock()
			over := ended.set.Load()
			if !over {
				ended.waiters.add(w)
			}
			ended.mu.Unlock()
			if !over {
				circle = needed()
			}
			if circle {
				ended.drop(w)
			}
			return !over && !circle
		}, ended.drop)
		if mine != nil {
			endWaits.mu.Lock()
			delete(endWaits.by, mine)
			endWaits.n.Add(-1)
			endWaits.mu.Unlock()
			ended.drop(mine) // it was woken to look again
		}
		if circle {
			return errNeeded
		}
		if errors.Is(err, ErrStopped) {
			told++
		}
		if err != nil && (told == 0 || told > 2) {
			if ended.IsSet() {
				return nil
			}
			return err
		}
		if needed() {
			return errNeeded
		}
	}
	return nil
}

// lookAgain has those who wait for an end look who waits for them now.
func lookAgain() {
	endWaits.mu.Lock()
	defer endWaits.mu.Unlock()
	for w, seq := range endWaits.by {
		w.wakeAs(seq, woken)
	}
}

func (e *Event) drop(w *wait) {
	e.mu.Lock()
	e.waiters.remove(w)
	e.mu.Unlock()
}
