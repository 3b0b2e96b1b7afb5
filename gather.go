package hop

import (
	"github.com/gohop/hop/internal/goid"
	"github.com/gohop/hop/internal/mailbox"
	"github.com/gohop/hop/internal/spin"
	"github.com/gohop/hop/internal/turn"
)

// gather gives senders on other processors a moment before the driver takes what they have sent, where more than one message at a time comes
// but few: to take them few by few would have the mailbox's lock, and the lines of memory that they are sent in, go to and fro between the processors,
// which costs more than the messages do. A single message, as a request that waits for its reply, is taken at once, and so is what is there
// when a goroutine begins to wait for a call of the loop (hurry).
func (s *sched) gather() {
	if n := s.box.Last(); (n > 1 || s.pace.trial) && !turn.Directed() && spin.Processors() > 1 {
		s.gatherAfter(n)
	}
}

// gatherAfter is gather after a batch of n messages.
func (s *sched) gatherAfter(n int) {
	for range s.pace.pauses(n, s.box.Behind) / looksEach {
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

// A pace says how long the driver gathers: briefly where few have come; or, where more have, for as long as it takes to send most of a batch, if many
// come meanwhile. They do not where the loop itself has sent them, or those who wait for an answer before they send the next. So one of
// eight is a trial, which looks at what had come before, and that costs the senders a line of memory. If it was in vain, the next trial comes later, and each
// time twice as late.
type pace struct {
	trial bool // the last one is a trial,
	had   int  // and so many had come before it
	sure  int  // how many long ones are to come before the next trial,
	vain  int  // or how many batches
	twice int  // vain, as it was the last time
}

const (
	// The times are those of an AMD EPYC. Where a pause is shorter, as on arm64, or none, this does little, and the trials come to be seldom.
	looksEach   = 8   // pauses, about 0.2 µs
	briefPauses = 128 // 2.5 to 3 µs: what ten lines of memory take from one processor to another where that is slow
	longPauses  = 512 // 10 to 12 µs: what 500 messages take that are sent one after the other

	fromMany = 16  // messages, to be worth a long one,
	ofUse    = 128 // which so many must come in
	toFew    = 64  // and too many for a brief one

	sureFor   = 7    // long ones
	seldomest = 1024 // batches between two trials in vain
)

// pauses returns for how long to gather after a batch of n messages; behind returns how many have come after it.
func (p *pace) pauses(n int, behind func() int) int {
	if n >= mailbox.Batch { // there are more already
		p.cut()
		return 0
	}
	if p.trial {
		p.trial = false
		if n-p.had >= ofUse {
			p.sure, p.twice = sureFor, 0
		} else {
			p.twice = min(max(2*p.twice, retryEvery), seldomest)
			p.vain = p.twice
		}
	}
	switch {
	case n < 2:
		return 0
	case n >= fromMany && p.sure > 0:
		p.sure--
		return longPauses
	case n >= fromMany && p.vain == 0:
		p.trial, p.had = true, behind()
		return longPauses
	case p.vain > 0:
		p.vain--
	}
	if n >= toFew {
		return 0
	}
	return briefPauses
}

// cut notes that what comes next says nothing about the last one.
func (p *pace) cut() { p.trial = false }
