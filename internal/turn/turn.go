// Package turn is where hop asks whose turn it is.
//
// What a concurrent program does depends on which of its goroutines goes on next: which sender reaches a mailbox first,
// whether a timer fires before a cancel, whether a worker gives up before the next call comes. Each place in hop where that makes a
// difference says so, by At. In production nobody listens, and At is a load and a branch that is never taken. A test sets a
// Director, which keeps each goroutine there until it is its turn, and so decides the schedule.
//
// There are two grains. The points of At stand where no lock of hop's is held, in every build: they are fine enough for the code
// of hop's users. A build with the tag hopexplore adds those inside hop itself: each lock, and each word that several goroutines
// race to change. In other builds [Mutex] is sync.Mutex, [Short] is spin.Mutex, and Race is nothing.
package turn

import (
	"sync"
	"sync/atomic"

	"github.com/gohop/hop/internal/goid"
)

// A Step is what a goroutine is about to do.
type Step uint8

const (
	Submit Step = iota // send a call or a function to a place
	Take               // look into a mailbox
	Start              // begin a function
	Return             // end a call whose function has returned
	Block              // block, or suspend a task
	Resume             // go on after a wait
	Cancel             // ask a call to end
	Fire               // act on timers that are due
	Idle               // look for work, or give up
	Stop               // begin or continue a stop
	Set                // set, acquire or release what others may wait for
	Lock               // take a lock
	Swap               // change a word that decides a race
	User               // go on in the code under test
)

var names = [...]string{"submit", "take", "start", "return", "block", "resume", "cancel", "fire", "idle", "stop", "set", "lock", "swap", "user"}

func (s Step) String() string { return names[s] }

// A Director decides whose turn it is.
type Director interface {
	// At returns when the calling goroutine may go on and do step, to on. A goroutine that is none of the director's
	// goes on at once. One that is about to Lock may go on when on's Free is true.
	At(step Step, on any)
}

var director atomic.Pointer[Director]

// Direct makes d the director until the function that it returns is called. There is one at a time.
func Direct(d Director) (end func()) {
	if !director.CompareAndSwap(nil, &d) {
		panic("hop: internal error: two directors")
	}
	return func() { director.Store(nil) }
}

// Names for reports, set by hop. They take no lock, and are called before a goroutine is kept at a point.
var (
	Describe func(on any) string // what this is; "": unknown
	Self     func() string       // what the calling goroutine is; "": unknown
)

// Directed reports whether there is a director: then it is in vain to spin.
func Directed() bool { return director.Load() != nil }

// At is called before each step.
func At(step Step, on any) {
	if d := director.Load(); d != nil { // inlined: in production, a load and a branch
		ask(*d, step, on)
	}
}

func ask(d Director, step Step, on any) {
	if !quiet() {
		d.At(step, on)
	}
}

// Goroutines that do not stop at points for a while.
var (
	quietly sync.Map // by goid.Self
	hushed  atomic.Int32
)

// Quietly takes the points away from what the calling goroutine does until it calls end: it holds a lock that a director cannot
// see.
func Quietly() (end func()) {
	if !Directed() {
		return func() {}
	}
	g := goid.Self()
	quietly.Store(g, true)
	hushed.Add(1)
	return func() {
		hushed.Add(-1)
		quietly.Delete(g)
	}
}

func quiet() bool {
	if hushed.Load() == 0 {
		return false
	}
	_, is := quietly.Load(goid.Self())
	return is
}
