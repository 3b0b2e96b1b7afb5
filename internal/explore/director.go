package explore

import (
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"github.com/gohop/hop/internal/goid"
	"github.com/gohop/hop/internal/turn"
)

// The bubble of an exploration is told from the rest of the process by its clock, which any goroutine can read without being in a
// table: it is set forward at the bubble's beginning. Other bubbles begin at 2000-01-01.
const (
	ahead = 300 * 24 * time.Hour
	since = 946684800 + int64(ahead/time.Second)
)

// inside reports whether the calling goroutine is in the bubble of an exploration.
func inside() bool {
	return goid.InBubble() && time.Now().Unix() >= since
}

// A director hands the goroutines that come to a point to the run that they belong to.
type director struct{ run atomic.Pointer[run] }

func (d *director) At(step turn.Step, on any) {
	if r := d.run.Load(); r != nil && inside() {
		r.arrive(step, on, "")
	}
}

// A message is what a goroutine at a point tells the controller.
type message struct {
	next   *message
	number uint64
	turn   chan bool // it goes on when it has received false; true: it is to say who it is

	step turn.Step // what it is about to do,
	on   any       // to what,
	at   []uintptr // where
	name string    // what the trial calls it

	intro bool // the message says only this:
	who   string
	first []uintptr // its stack
}

// arrive keeps the calling goroutine at a point until it is its turn.
func (r *run) arrive(step turn.Step, on any, name string) {
	m := &message{number: number(), turn: make(chan bool, 1), step: step, on: on, name: name}
	if r.detailed {
		m.at = callers()
	}
	for {
		r.send(m)
		hide()
		asked := <-m.turn
		show()
		if !asked {
			return
		}
		m = &message{number: m.number, turn: m.turn, intro: true, first: callers()}
		if turn.Self != nil {
			m.who = turn.Self()
		}
	}
}

// send gives m to the controller.
func (r *run) send(m *message) {
	for sent := false; !sent; {
		hide()
		m.next = r.sent.Load()
		show()
		r.publish()
		hide()
		sent = r.sent.CompareAndSwap(m.next, m)
		show()
	}
	r.awaken()
}

// awaken has the controller look.
func (r *run) awaken() {
	hide()
	if r.idle.CompareAndSwap(true, false) {
		r.wake <- struct{}{}
	}
	show()
}

func callers() []uintptr {
	var pcs [64]uintptr
	return slices.Clone(pcs[:runtime.Callers(4, pcs[:])])
}

// A routine is a goroutine that has come to a point, as the controller knows it.
type routine struct {
	id     int // its name is g1, g2, …; 0: not named yet
	number uint64
	who    string    // what it is
	first  []uintptr // its stack at its first point
	known  bool      // it has said so
	steps  int       // how many it has done
	held   bool      // it is at a point:

	turn chan bool // it waits here
	step turn.Step // to do this,
	on   any       // to this,
	at   []uintptr // here
}

// tell lets the goroutine go on, or asks it who it is.
func (g *routine) tell(who bool) {
	hide()
	g.turn <- who
	show()
}

// enabled reports whether the goroutine could go on: it is at a point, and not at a lock that is taken.
func (g *routine) enabled() bool {
	if !g.held {
		return false
	}
	if g.step == turn.Lock {
		if l, ok := g.on.(lock); ok {
			return l.Free()
		}
	}
	return true
}

// A lock that is a point.
type lock interface{ Free() bool }
