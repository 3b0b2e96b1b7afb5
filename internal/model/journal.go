package model

import (
	"context"
	"fmt"
	"sync"

	"github.com/gohop/hop"
)

// The journal. A run counts moments: each entry takes the next one. An entry before something is made before the program does it, and
// one after when it has: so what the journal says has lasted has really lasted, and what really waits has its entry.

// A journal is what a run has seen.
type journal struct {
	mu       sync.Mutex
	now      int
	broken   []breach
	calls    []*callRun
	byCall   map[*hop.Call]*callRun
	groups   []*groupRun
	limiters []*limiterRun
	events   []*eventRun
	promises []*promiseRun
	places   []*placeRun // loops, then pools
	actors   []*actorRun
	verified map[*hop.DeadlockError]bool
	unserved bool // a Waiter's wait was given up: what is sent there is kept
}

// A callRun is one of the program's calls, run.
type callRun struct {
	id      int
	spec    *Call
	pending *hop.Pending[int] // nil: of Do and Run
	call    *hop.Call
	on      *placeRun // where it was sent; nil: none of the program's
	runs    *placeRun // the loop that it runs on
	by      *agent    // who made it
	scope   *scope    // of its context
	inner   *scope    // of what it makes
	inline  bool      // it runs on top of by

	sent, accepted int // moments before and after it was sent
	refused        error
	start, end     int
	starts         int
	ret            result
	ctxErr         error // of its context as the function ended
	ops            []*op
	doneSeen       int // when somebody first saw that it was done
	asked          int // when it was first asked to cancel
	told           int // when a Cancel of it had returned true
	seen           []seen
	hooks          []int          // the OnDone functions that ran
	hooked         int            // and that were registered
	ranks          map[*agent]int // how far each has seen it
	notCancelled   bool           // a Cancel of it has reported false
	thread         int
	held           []int
}

// A result is how a function ended.
type result struct {
	how   End
	value int
	err   error
}

// seen is a result that somebody got.
type seen struct {
	value int
	err   error
	at    int
	typed bool
}

// An op is something that a call or actor does and that may take time.
type op struct {
	by         *agent
	kind       Op
	target     *callRun // who is waited for
	group      *groupRun
	n          int
	ctx        context.Context
	scope      *scope // of ctx
	begin, end int    // end 0: it has not returned
	err        error
}

// A scope is a context as the journal knows it.
type scope struct {
	up    *scope
	call  *callRun
	group *groupRun
	actor *actorRun
}

type groupRun struct {
	spec  Group
	up    *scope
	over  bool
	fails bool // its function has failed
	err   error
}

type limiterRun struct {
	n       int
	l       *hop.Limiter
	holders []*callRun
	hist    []hold
}

// hold is a place of a limiter in somebody's hand.
type hold struct {
	c          *callRun
	begin, end int
}

type eventRun struct {
	e            hop.Event
	begin, ended int // of the first Set
}

type promiseRun struct {
	p       *hop.Promise[int]
	begin   int
	winners []result
	seen    []seen
}

type placeRun struct {
	name   string
	spec   Place
	kind   LoopKind
	loop   *hop.Loop
	pool   *hop.Pool
	up     *placeRun // parent or host
	graced int       // when a stop was asked for
	hard   int       // and a hard one
	over   int       // when a stop had returned
	sizes  []sized
	busy   *callRun // who runs on the loop
}

// sized is one SetSize: the moments before and after it, and the size.
type sized struct{ at, done, n int }

type actorRun struct {
	id    int
	ctx   context.Context
	end   context.CancelCauseFunc
	ended int
	ops   []*op
	done  bool
}

// tick needs mu.
func (j *journal) tick() int {
	j.now++
	return j.now
}

// A breach is a promise that was broken, and how.
type breach struct {
	promise, format string
	args            []any
}

// breaks notes a broken promise. It needs mu. How is told later: hop is never called with mu held.
func (j *journal) breaks(promise, format string, args ...any) {
	if len(j.broken) < 8 {
		j.broken = append(j.broken, breach{promise, format, args})
	}
}

// report is breaks for those without mu.
func (j *journal) report(promise, format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.breaks(promise, format, args...)
}

// callOf returns c's Call, nil if it is not known yet.
func (j *journal) callOf(c *callRun) *hop.Call {
	j.mu.Lock()
	defer j.mu.Unlock()
	return c.call
}

func (c *callRun) String() string { return fmt.Sprintf("call%d", c.id) }

// in reports whether calls made in s belong to g.
func (s *scope) in(g *groupRun) bool {
	for ; s != nil; s = s.up {
		if s.group == g {
			return true
		}
	}
	return false
}

func (o *op) String() string {
	who := "a posted function"
	switch {
	case o.by.call != nil:
		who = o.by.call.String()
	case o.by.actor != nil:
		who = fmt.Sprintf("actor%d", o.by.actor.id)
	}
	s := who + " is in " + opNames[o.kind]
	if o.target != nil {
		s += " " + o.target.String()
	} else if o.group == nil {
		s += fmt.Sprintf(" %d", o.n)
	}
	return s
}

var opNames = [...]string{"yield", "sleep", "start of", "wait for", "owned wait for", "serving wait for", "cancel of", "cancel and wait for",
	"look at", "OnDone of", "set event", "wait for event", "acquire limiter", "release limiter", "resolve promise", "reject promise",
	"wait for promise", "end of a group", "end of context", "shutdown of", "close of", "resize of"}
