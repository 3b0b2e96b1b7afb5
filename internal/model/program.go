// Package model runs random programs against package hop and checks what they saw.
//
// A [Program] is a few places and a few calls, each with a list of steps, made from a seed. An [Execution] runs it in a testing/synctest
// bubble with hop's public API alone; every step is written into a journal by the program itself. The promises of hop are
// predicates over that journal (check*.go), one function each, that know nothing of how hop works. A program that breaks one
// is made smaller ([Shrink]) as long as it still breaks one.
//
// What a run does depends on the schedule too: under a director of package turn one seed gives one schedule.
package model

import (
	"fmt"
	"strings"
)

// A Program is what a run executes.
type Program struct {
	Seed     uint64
	Loops    []Loop
	Pools    []Pool
	Events   int
	Promises int
	Limiters []int // their places
	Calls    []Call
	Actors   []Actor
}

// A LoopKind is what drives a loop.
type LoopKind uint8

const (
	Own    LoopKind = iota // a goroutine of its own
	Thread                 // an OS thread of its own
	Manual                 // a goroutine of the program's
	Child                  // a goroutine of its own; a child of the loop before
	Guest                  // the loop before, its host
)

var loopKinds = [...]string{"goroutine", "thread", "manual", "child", "guest"}

// A Loop is one of the program's loops.
type Loop struct{ Kind LoopKind }

// A Pool is one of the program's pools.
type Pool struct {
	Size    int
	Threads bool
	Keep    int // idle workers kept; negative: none
	Idle    int // ms for which; 0: long
}

// A Place is where a call is to run.
type Place struct {
	Kind PlaceKind
	N    int // which loop or pool
}

// A PlaceKind is a kind of places.
type PlaceKind uint8

const (
	OnLoop PlaceKind = iota
	OnPool
	OnGoroutines
	OnInline
	OnOrigin // whoever waits for the caller
)

func (p Place) String() string {
	switch p.Kind {
	case OnLoop:
		return fmt.Sprintf("loop%d", p.N)
	case OnPool:
		return fmt.Sprintf("pool%d", p.N)
	case OnGoroutines:
		return "goroutines"
	case OnInline:
		return "inline"
	}
	return "origin"
}

// A Via is how a call is made.
type Via uint8

const (
	Go Via = iota
	Do
	Run
	After
	Post // no call at all: a posted function
)

var vias = [...]string{"Go", "Do", "Run", "After", "Post"}

// A Call is one call of the program. Exactly one step starts it.
type Call struct {
	On       Place
	Via      Via
	Delay    int // of After, ms
	Timeout  int // ms; 0: none
	Abandon  bool
	Detached bool
	Hooks    int // OnDone functions that who makes it registers
	Body     []Step
	End      End
}

// An End is how a function ends.
type End uint8

const (
	Value End = iota
	Fails
	Panics
	Goexits
)

var ends = [...]string{"return a value", "return an error", "panic", "Goexit"}

// An Actor is a goroutine of the program's own, which hop does not know.
type Actor struct{ Body []Step }

// A Step is one thing that a call or an actor does.
type Step struct {
	Op      Op
	N       int    // which call, event, promise, limiter, actor
	At      Place  // of Stop and Resize
	D       int    // ms; the size for Resize
	Group   Group  // of InGroup
	Body    []Step // of InGroup
	Careful bool   // an error of the step ends the function with that error
}

// A Group is the options of a WithGroup.
type Group struct {
	Timeout, Limit                                        int
	KeepGoing, CancelOnCancelled, ReportCancelled, Shield bool
}

// An Op is what a step does.
type Op uint8

const (
	Yield      Op = iota // let others run
	Sleep                // D ms
	Start                // make call N; Do and Run also wait for it
	Wait                 // for call N; for at most D ms if D > 0
	WaitOwned            // WaitOrCancel, with a deadline of D ms
	Serve                // wait for call N with a Waiter
	Cancel               // call N
	CancelWait           // call N
	Look                 // at the state of call N
	Hook                 // register an OnDone with call N
	SetEvent             // N
	WaitEvent            // N
	Acquire              // limiter N
	Release              // limiter N
	Resolve              // promise N
	Reject               // promise N
	WaitFor              // promise N
	InGroup              // run Body in a group
	EndContext           // of actor N, and so of all that it has made
	Shut                 // Shutdown of At, for at most D ms if D > 0
	Close                // At
	Resize               // pool At to D
)

// String shows the program as text.
func (p *Program) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "program of seed %d:", p.Seed)
	for i, l := range p.Loops {
		fmt.Fprintf(&b, " loop%d=%s", i, loopKinds[l.Kind])
		if l.Kind == Child || l.Kind == Guest {
			fmt.Fprintf(&b, " of loop%d", i-1)
		}
	}
	for i, pl := range p.Pools {
		fmt.Fprintf(&b, " pool%d(Size %d", i, pl.Size)
		if pl.Threads {
			b.WriteString(", Threads")
		}
		if pl.Keep != 0 {
			fmt.Fprintf(&b, ", MaxIdle %d", pl.Keep)
		}
		if pl.Idle != 0 {
			fmt.Fprintf(&b, ", IdleTimeout %d ms", pl.Idle)
		}
		b.WriteString(")")
	}
	for i, n := range p.Limiters {
		fmt.Fprintf(&b, " limiter%d(%d)", i, n)
	}
	b.WriteByte('\n')
	for i, a := range p.Actors {
		fmt.Fprintf(&b, "  actor%d\n", i)
		writeSteps(&b, a.Body, "    ", p)
	}
	for i, c := range p.Calls {
		fmt.Fprintf(&b, "  call%d, by %v\n", i, c.how())
		writeSteps(&b, c.Body, "    ", p)
		fmt.Fprintf(&b, "    %s\n", ends[c.End])
	}
	return b.String()
}

func (c Call) how() string {
	s := fmt.Sprintf("%s on %v", vias[c.Via], c.On)
	if c.Via == After {
		s += fmt.Sprintf(" in %d ms", c.Delay)
	}
	if c.Timeout > 0 {
		s += fmt.Sprintf(", Timeout %d ms", c.Timeout)
	}
	if c.Abandon {
		s += ", Abandon"
	}
	if c.Detached {
		s += ", detached"
	}
	if c.Hooks > 0 {
		s += fmt.Sprintf(", %d OnDone", c.Hooks)
	}
	return s
}

func writeSteps(b *strings.Builder, steps []Step, indent string, p *Program) {
	for _, s := range steps {
		b.WriteString(indent)
		b.WriteString(s.text(p))
		if s.Careful {
			b.WriteString(" or return its error")
		}
		b.WriteByte('\n')
		writeSteps(b, s.Body, indent+"  ", p)
	}
}

func (s Step) text(p *Program) string {
	switch s.Op {
	case Yield:
		return "yield"
	case Sleep:
		return fmt.Sprintf("sleep %d ms", s.D)
	case Start:
		c := p.Calls[s.N]
		if c.Via == Do || c.Via == Run {
			return fmt.Sprintf("%s call%d on %v", vias[c.Via], s.N, c.On)
		}
		return fmt.Sprintf("%s call%d on %v, and go on", vias[c.Via], s.N, c.On)
	case Wait:
		if s.D > 0 {
			return fmt.Sprintf("wait for call%d for %d ms at most", s.N, s.D)
		}
		return fmt.Sprintf("wait for call%d", s.N)
	case WaitOwned:
		return fmt.Sprintf("wait for call%d or cancel it after %d ms", s.N, s.D)
	case Serve:
		return fmt.Sprintf("wait for call%d with a Waiter", s.N)
	case Cancel:
		return fmt.Sprintf("cancel call%d", s.N)
	case CancelWait:
		return fmt.Sprintf("cancel call%d and wait for it", s.N)
	case Look:
		return fmt.Sprintf("look at call%d", s.N)
	case Hook:
		return fmt.Sprintf("OnDone of call%d", s.N)
	case SetEvent:
		return fmt.Sprintf("set event%d", s.N)
	case WaitEvent:
		return fmt.Sprintf("wait for event%d", s.N)
	case Acquire:
		return fmt.Sprintf("acquire limiter%d", s.N)
	case Release:
		return fmt.Sprintf("release limiter%d", s.N)
	case Resolve:
		return fmt.Sprintf("resolve promise%d", s.N)
	case Reject:
		return fmt.Sprintf("reject promise%d", s.N)
	case WaitFor:
		return fmt.Sprintf("wait for promise%d", s.N)
	case InGroup:
		return fmt.Sprintf("WithGroup %+v", s.Group)
	case EndContext:
		return fmt.Sprintf("end the context of actor%d", s.N)
	case Shut:
		if s.D > 0 {
			return fmt.Sprintf("shut %v down, for %d ms at most", s.At, s.D)
		}
		return fmt.Sprintf("shut %v down", s.At)
	case Close:
		return fmt.Sprintf("close %v", s.At)
	case Resize:
		return fmt.Sprintf("SetSize(%d) of %v", s.D, s.At)
	}
	return "?"
}
