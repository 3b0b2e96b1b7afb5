package queue

// Room: who waits for it, in what order, and how it is handed on.

import (
	"context"
	"runtime"

	"github.com/gohop/hop"
	"github.com/gohop/hop/internal/inside"
)

// A roomList is the Puts that wait for room, first come, first served.
type roomList struct {
	first, last *roomWait
	granted     int // places given to Puts that have not pushed yet
}

type roomWait struct {
	event      hop.Event
	granted    bool
	listed     bool
	prev, next *roomWait
}

func (l *roomList) add(w *roomWait) {
	w.listed, w.prev = true, l.last
	if l.last == nil {
		l.first = w
	} else {
		l.last.next = w
	}
	l.last = w
}

func (l *roomList) remove(w *roomWait) {
	if w.prev == nil {
		l.first = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		l.last = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.listed, w.prev, w.next = false, nil, nil
}

// full tells whether there is no room for another value. A place that was granted is taken, and grant leaves none free
// while somebody waits, so that nobody overtakes who waits.
func (q *Queue[T]) full() bool {
	return q.opts.Limit > 0 && q.ring.len()+q.room.granted >= q.opts.Limit
}

// grant gives what room there is to those who have waited for it longest. It needs mu.
func (q *Queue[T]) grant() {
	for w := q.room.first; w != nil && q.ring.len()+q.room.granted < q.opts.Limit; w = q.room.first {
		q.room.remove(w)
		q.room.granted++
		w.granted = true
		q.wake = append(q.wake, &w.event)
	}
}

// refuseAll ends the waits of all who wait for room. It needs mu.
func (q *Queue[T]) refuseAll() {
	for w := q.room.first; w != nil; w = q.room.first {
		q.room.remove(w)
		q.wake = append(q.wake, &w.event)
	}
}

// waitForRoom waits until there is room for the caller's value. It is entered with mu held; it returns nil with mu held and
// the room taken, or an error with mu released.
func (q *Queue[T]) waitForRoom(ctx context.Context) error {
	if q.active != nil && inside.Here(q.active.p.Call()) {
		c := q.active.p.Call()
		q.mu.Unlock()
		return q.ownRoom(c)
	}
	if q.loop != nil {
		if err := inside.RefusesHost(q.loop); err != nil {
			q.mu.Unlock()
			return q.error(err, "is full")
		}
	}
	w := new(roomWait)
	q.room.add(w)
	q.mu.Unlock()
	err := inside.WaitForRoom(ctx, &w.event, q.name, q.makesRoom)
	q.mu.Lock()
	switch {
	case w.granted:
		q.room.granted--
		if !q.ending {
			return nil // also when ctx has ended since
		}
		err = q.stopped()
	case w.listed:
		q.room.remove(w)
		err = q.error(err, "is full")
	default:
		err = q.stopped()
	}
	q.mu.Unlock()
	return err
}

// makesRoom yields the call that makes room next, if it runs: while its function waits, all who wait for room wait for that too.
func (q *Queue[T]) makesRoom(yield func(call any) bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.active != nil {
		yield(q.active.p.Call())
	}
}

// ownRoom is the error of the queue's own function c, when it would wait for what only its return can bring.
func (q *Queue[T]) ownRoom(c *hop.Call) error {
	_, file, line, _ := runtime.Caller(3) // the caller of Put
	return q.error(inside.OwnRoom(c, q.name, file, line), "is full and its own function puts")
}
