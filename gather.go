package hop

import (
	"github.com/gohop/hop/internal/goid"
	"github.com/gohop/hop/internal/mailbox"
	"github.com/gohop/hop/internal/spin"
	"github.com/gohop/hop/internal/turn"
)

// gather gives senders on other processors a moment before the driver takes what they have sent, where more than one message at a time comes
// but few: to take them few by few would have the mailbox's lock, and the lines of memory that they are sent in, go to and fro between the processors,
// which costs more than the messages do. A single message, as a request that waits for its reply, is taken at once, and so is what a goroutine
// waits for (hurry).
func (s *sched) gather() {
	if spin.Processors() > 1 && !turn.Directed() {
		s.gatherAfter(s.box.Last())
	}
}

// gatherAfter is gather after a batch of n messages.
func (s *sched) gatherAfter(n int) {
	for range s.pace.pauses(n) / looksEach {
		if s.hurried.Load() {
			s.hurried.Store(false)
			s.pace.cut()
			return
		}
		goid.Pause(looksEach)
	}
}

// hurry has the driver take at once what was sent: somebody waits for it. It is called after the sending.
func (s *sched) hurry() {
	if !s.hurried.Load() { // to look costs nothing where it is so mostly
		s.hurried.Store(true)
	}
}

// A pace says how long the driver gathers: briefly, or where that brings many messages, for as long as it takes to send most of a batch. That must then bring
// three times as much as the brief one did. It does not where they wait for an answer before they send the next, as those who have theirs sent back
// through a channel do: so it is tried again only after retryEvery brief ones.
type pace struct {
	long  bool // the last was long, to its end
	brief int  // how many messages a brief one had brought before
	vain  int  // how many brief ones are due
}

const (
	looksEach   = 8   // pauses, about 0.2 µs
	briefPauses = 128 // 2.5 to 3 µs: what ten lines of memory take from one processor to another where that is slow
	longPauses  = 512 // 10 to 12 µs: what 500 messages take that are sent one after the other
	many        = 16
)

// pauses returns for how long to gather after a batch of n messages.
func (p *pace) pauses(n int) int {
	if n >= mailbox.Batch { // there are more already
		p.cut()
		return 0
	}
	if p.long {
		if n >= 3*p.brief {
			return longPauses
		}
		p.long, p.vain = false, retryEvery
	}
	switch {
	case n < 2:
		return 0
	case p.vain > 0:
		p.vain--
	case n >= many:
		p.long, p.brief = true, n
		return longPauses
	}
	return briefPauses
}

// cut notes that what comes next says nothing about the last one.
func (p *pace) cut() { p.long = false }
