package hop

import (
	"context"
	"slices"

	"github.com/gohop/hop/internal/each"
	"github.com/gohop/hop/internal/goid"
	"github.com/gohop/hop/internal/thread"
	"github.com/gohop/hop/internal/turn"
)

// How a loop that stops comes to its end: see stop.go for what leads there.

// closeUndrivenBelow closes the Manual ones of those below that nobody drives, once they have been told to stop: a Shutdown has waited for
// who would drive them.
func (l *Loop) closeUndrivenBelow(below []*Loop) {
	if !slices.ContainsFunc(below, func(b *Loop) bool { return b.o.Manual }) {
		return
	}
	l.ending.Add(1)
	go func() {
		defer l.end()
		each.Do(below, func(b *Loop) {
			if b.o.Manual {
				b.beginStop(hard)
				b.closeUndriven(true)
			}
		})
	}()
}

// stopBelow stops the children and guests, and tells the loop. Functions of users are left over from the beginning of the stop.
func (l *Loop) stopBelow(below []*Loop, to stopLevel, left *tells) {
	turn.At(turn.Stop, l)
	defer known()()
	defer l.enterStop()()
	// Deferred, since functions of users run in the stops, and may end the goroutine.
	defer func() {
		if l.o.Host == nil {
			l.end() // before the loop may end: who drives it leaves then, and it has ended
		} else {
			defer l.end() // the host is used below
		}
		l.mu.Lock()
		l.below = true
		l.mu.Unlock()
		l.s.send(posted(func() {}), internal)
	}()
	defer each.Do(below, func(b *Loop) {
		if b.o.Manual {
			b.closeUndriven(true)
		}
		b.ended.Wait(context.Background())
	})
	defer left.tell()
	each.Do(below, func(b *Loop) { b.askToStop(to, left) })
}

// step is called on the loop when there is nothing to run. It brings a stop one step further; true: look again.
func (l *Loop) step() bool {
	if !l.stops.Load() {
		return false
	}
	l.mu.Lock()
	stop, below := l.stop, l.below && l.telling == 0
	l.mu.Unlock()
	if stop == running || !below || l.s.tasks > 0 || l.s.over {
		return false
	}
	if l.hook != nil && !l.hook.done() {
		return false
	}
	l.hook = nil
	l.mu.Lock()
	var f func(context.Context) error
	if len(l.hooks) > 0 {
		f, l.hooks = l.hooks[0], l.hooks[1:]
	}
	l.mu.Unlock()
	if f != nil {
		l.runHook("shutdown function", f)
		return true
	}
	if l.locals.any() {
		const what = "closing of locals"
		l.runHook(what, func(context.Context) error {
			return l.locals.close(func(err error) { l.hookFailed(what, err) })
		})
		return true
	}
	if !l.s.box.Seal(dead) {
		return true // something came meanwhile; it may yet wait
	}
	l.mu.Lock()
	l.stop = finished
	l.hooks = nil
	l.mu.Unlock()
	l.s.over = true
	return false
}

// runHook runs f on the loop as a call.
func (l *Loop) runHook(what string, f func(context.Context) error) {
	p := New(context.Background(), func(ctx context.Context) (struct{}, error) { return struct{}{}, f(ctx) }, Name(what))
	c := &p.c
	c.set(flagLooked | flagHook)
	c.accept(l, nil)
	c.OnDone(func() {
		if err := c.failure(); err != nil {
			l.hookFailed(what, err)
		}
	})
	l.hook = c
	l.s.send(c.item(), internal)
}

func (l *Loop) hookFailed(what string, err error) {
	l.s.logger().Error("hop: a "+what+" failed", "loop", l.o.Name, "err", err)
}

// gone ends the stop: nothing of the loop is left.
func (l *Loop) gone() {
	turn.At(turn.Stop, l)
	if l.s.stall != nil {
		l.s.stall.stop()
	}
	l.s.stopAlarm()
	l.s.dropHub() // it may have been stopped before it came to sleep
	removeLoop(l)
	l.end()
}

// end says that the loop has ended, when its driver is gone, and stopBelow and the Post of its host have returned: nothing of the loop uses its host after
// that.
func (l *Loop) end() {
	if l.ending.Add(-1) >= 0 {
		return
	}
	turn.At(turn.Set, l.ended)
	if p := l.parent; p != nil {
		p.endBelow(l, &p.children)
	}
	if h, ok := l.o.Host.(*Loop); ok {
		h.endBelow(l, &h.guests)
	}
	l.ended.raise()
}

// endBelow says that b, which is in the list of those below l, has ended, and takes it out: at once, since a stop of l waits for the end of those that it finds
// there, and who has seen the end of a child may make another of that name.
func (l *Loop) endBelow(b *Loop, below *[]*Loop) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b.ended.raise()
	*below = slices.DeleteFunc(*below, func(x *Loop) bool { return x == b })
}

// closeUndriven brings a Manual loop that is being closed and that nobody drives to its end. Suspended tasks can be resumed
// only by their driver: if that is not the calling goroutine, their calls end all the same, and the log says that
// their stacks are left. waits: the caller waits for the end anyway.
func (l *Loop) closeUndriven(waits bool) {
	l.mu.Lock()
	if l.driving || l.ended.IsSet() || l.stop != hard || l.stoppers.here() { // a function of a call that a stop cancels keeps that from its end
		l.mu.Unlock()
		return
	}
	g := goid.Number()
	heldThreads.release(g)
	if l.driver != 0 && (l.driver != g || !l.o.Thread && heldThreads.by(g)) {
		l.driving = true
		driver := l.driver
		if l.locked {
			l.locked = false
			heldThreads.end(driver)
		}
		l.mu.Unlock()
		why := "was away"
		if driver == g {
			why = "could not drive it, as another loop keeps its thread locked"
		}
		l.strand(refuse(ErrStopped, "%v was closed while its driver, goroutine %d, %s", l, driver, why))
		return
	}
	if l.driver != 0 || waits && l.last == g { // what belongs to its goroutine, a Local, is closed there
		l.endHere()
		return
	}
	l.driving = true
	l.run++
	l.s.halt.Store(false)
	l.s.over = false
	l.mu.Unlock()
	switch {
	case l.o.Thread:
		thread.Go(l.drive)
	default:
		go l.drive() // a goroutine of its own: the caller may be a task
	}
}
