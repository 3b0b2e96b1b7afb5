package explore

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing/synctest"
	"time"

	"github.com/gohop/hop/internal/turn"
)

// A run is one run of the body, under one schedule.
//
// It has a bubble of testing/synctest to itself. Each goroutine of the bubble that comes to a point is kept there. The controller, which is
// the bubble's test function, waits until all others are kept or blocked, lets one go on, and waits again. So one runs at a time, but
// for goroutines that were just started or woken, which run to their first point beside it.
//
// When nobody can go on, the controller blocks too, and the bubble's clock goes to the next timer. If nobody comes for the virtual
// time Silence, then nobody ever will: the controller returns. The runtime tells whether goroutines are left, by a panic on the goroutine that
// has made the bubble, where it is recovered; what is left stays blocked for ever, without harm to others.
type run struct {
	o        *Options
	strategy chooser
	seed     uint64
	detailed bool // note where each step is, and who is left

	// The controller's.
	begun    time.Time
	bubble   string // as stack dumps name it
	routines map[uint64]*routine
	waiting  []*routine // at points, by id
	last     *routine   // whose turn it was; nil: nobody's yet
	ids      int
	steps    []step
	passes   int            // how often the clock has gone on while goroutines were kept
	streak   int            // since the last step
	after    int            // steps since the run has failed
	events   map[moment]int // the choices that were not usual,
	moments  []moment       // and when they were made
	marks    marks
	locks    []lock // that were taken
	state    state
	timer    *time.Timer

	sent  atomic.Pointer[message]
	idle  atomic.Bool   // the controller waits for somebody to come,
	wake  chan struct{} // and receives from this
	ended atomic.Bool   // the body has returned
	at    atomic.Int64  // how many steps there were
	//lint:ignore U1000 it is used where there is the race detector
	order byte // see publish

	failed  atomic.Bool
	mu      sync.Mutex // guards what follows
	failure *Failure
	logs    []string
}

// maxPasses is how often in a run the clock goes on while goroutines are kept.
const maxPasses = 20

// finishing is how many steps more a run has when it has failed, so that its bubble ends by itself, if it can.
const finishing = 10000

// begin is the bubble's test function.
func (r *run) begin(body func(*Trial)) {
	time.Sleep(ahead)
	r.begun = time.Now()
	r.bubble = bubbleName()
	r.wake = make(chan struct{}, 1)
	r.timer = time.NewTimer(time.Hour)
	r.routines = make(map[uint64]*routine)
	r.events = make(map[moment]int)
	r.marks = marks{make(map[any]int), make(map[any]int)}
	x := &Trial{r: r}
	var end context.CancelFunc
	x.ctx, end = context.WithCancel(context.Background())
	go r.body(x, end, body)
	r.control()
	r.publish()
}

// body is the goroutine of the body.
func (r *run) body(x *Trial, end func(), body func(*Trial)) {
	defer func() {
		end()
		r.ended.Store(true)
		r.awaken()
	}()
	defer x.caught()
	r.arrive(turn.User, "begin", "test")
	body(x)
}

func (r *run) control() {
	for {
		r.rest()
		r.meet()
		s := r.look()
		if len(s.enabled) == 0 {
			if r.othersHoldLocks() || r.await(r.o.Silence) {
				continue
			}
			r.silent()
			return
		}
		if r.enough() {
			return
		}
		r.choose(s)
	}
}

// rest waits until all others in the bubble are kept or blocked.
func (r *run) rest() {
	r.publish()
	synctest.Wait()
	r.observe()
}

// meet takes in those who have come since, in an order that does not depend on which of them was faster.
func (r *run) meet() {
	came, strangers := r.read(nil)
	if strangers > 1 || strangers == 1 && r.detailed {
		for _, g := range came {
			if !g.known {
				g.known = true
				g.tell(true)
			}
		}
		r.rest()
		came, _ = r.read(came)
	}
	if len(came) > 1 {
		slices.SortFunc(came, r.before)
	}
	for _, g := range came {
		if g.id == 0 {
			r.ids++
			g.id = r.ids
		}
		g.held = true
		if g.step == turn.Block {
			r.marks.waits(g)
		}
		at, _ := slices.BinarySearchFunc(r.waiting, g, func(a, b *routine) int { return cmp.Compare(a.id, b.id) })
		r.waiting = slices.Insert(r.waiting, at, g)
	}
}

// read reads the messages that were sent, and returns who is at a point now, and how many of them are new.
func (r *run) read(came []*routine) (all []*routine, strangers int) {
	for m := r.sent.Swap(nil); m != nil; m = m.next {
		g := r.routines[m.number]
		if g == nil {
			g = &routine{number: m.number, who: m.name}
			r.routines[m.number] = g
			strangers++
		}
		if m.intro {
			g.first = m.first
			if g.who == "" {
				g.who = m.who
			}
			continue
		}
		g.turn, g.step, g.on, g.at = m.turn, m.step, m.on, m.at
		came = append(came, g)
	}
	return came, strangers
}

// before orders those who come at one time. Those who are new are told apart by what they are about to do and by where they are,
// and last by which was started first.
func (r *run) before(a, b *routine) int {
	if a.id != 0 || b.id != 0 {
		if a.id == 0 {
			return 1
		}
		if b.id == 0 {
			return -1
		}
		return cmp.Compare(a.id, b.id)
	}
	if c := cmp.Compare(a.step, b.step); c != 0 {
		return c
	}
	if c := cmp.Compare(r.marks.of(a.on), r.marks.of(b.on)); c != 0 {
		return c
	}
	if c := cmp.Compare(describe(a.on), describe(b.on)); c != 0 {
		return c
	}
	if c := cmp.Compare(a.who, b.who); c != 0 {
		return c
	}
	if c := slices.Compare(a.first, b.first); c != 0 {
		return c
	}
	return cmp.Compare(a.number, b.number)
}

// look looks at who can go on.
func (r *run) look() *state {
	s := &r.state
	*s = state{enabled: s.enabled[:0], last: r.last, at: len(r.steps)}
	for _, g := range r.waiting {
		if g.enabled() {
			s.enabled = append(s.enabled, g)
		}
	}
	if r.last != nil {
		s.stays = r.last.enabled()
		s.moment = moment{r.last.id, r.last.steps, r.streak}
	}
	s.passes = r.o.Slack > 0 && r.passes < maxPasses
	return s
}

// choose has somebody go on.
func (r *run) choose(s *state) {
	if r.failed.Load() {
		r.release(s.next())
		return
	}
	c := r.strategy.choose(s)
	g := s.of(c)
	if g == nil && !(c == clock && s.passes) {
		r.fail(Diverged, fmt.Sprintf("step %d should be %s, which is not possible there: "+
			"the body does not do the same each time, or has changed", s.at+1, choiceName(c)))
		return
	}
	if c != s.usual() {
		r.events[s.moment] = c
		r.moments = append(r.moments, s.moment)
	}
	st := step{id: c, when: time.Since(r.begun)}
	if g != nil {
		st.step, st.on, st.at, st.owner = g.step, g.on, g.at, r.marks.owner[g.on]
	}
	r.steps = append(r.steps, st)
	r.at.Store(int64(len(r.steps)))
	if g == nil {
		r.passes++
		r.streak++
		r.await(r.o.Slack)
		return
	}
	r.release(g)
}

// release has g go on.
func (r *run) release(g *routine) {
	r.marks.step(g)
	if g.step == turn.Lock {
		if l, ok := g.on.(lock); ok && !slices.Contains(r.locks, l) {
			r.locks = append(r.locks, l)
		}
	}
	r.streak, r.last = 0, g
	g.steps++
	g.held = false
	at := slices.Index(r.waiting, g)
	r.waiting = slices.Delete(r.waiting, at, at+1)
	g.tell(false)
}

// await blocks until somebody comes or the body returns, for at most d, in which the bubble's clock may go on.
func (r *run) await(d time.Duration) bool {
	select {
	case <-r.wake:
	default:
	}
	r.idle.Store(true)
	hide()
	r.timer.Reset(d)
	show()
	select {
	case <-r.wake:
		r.timer.Stop()
		return true
	case <-r.timer.C:
		r.idle.Store(false)
		return false
	}
}

// othersHoldLocks reports whether somebody can go on now who could not, because a goroutine outside of the bubble had a lock
// that is everybody's.
func (r *run) othersHoldLocks() bool {
	if len(r.waiting) == 0 {
		return false
	}
	for range 1000 {
		runtime.Gosched()
		for _, g := range r.waiting {
			if g.enabled() {
				return true
			}
		}
	}
	return false
}

// lockHeld reports whether a goroutine of the run has one of the locks that are points.
func (r *run) lockHeld() bool {
	return slices.ContainsFunc(r.locks, func(l lock) bool { return !l.Free() })
}

// enough reports whether the run is not to go on.
func (r *run) enough() bool {
	if !r.failed.Load() {
		if len(r.steps) >= r.o.Steps {
			r.fail(Endless, fmt.Sprintf("no end after %d steps", len(r.steps)))
		}
		return false
	}
	r.after++
	return r.after > finishing && !r.lockHeld() || r.after > 2*finishing
}

// silent looks at what is left when nothing moves any more.
func (r *run) silent() {
	if r.ended.Load() && len(r.waiting) == 0 || r.failed.Load() {
		return // whether goroutines are left, the runtime tells
	}
	text := "nothing moves any more: the test waits for ever"
	if r.ended.Load() {
		text = "nothing moves any more: the test has returned, but goroutines are stuck"
	}
	if n := len(r.waiting); n > 0 {
		var who []string
		for _, g := range r.waiting {
			who = append(who, fmt.Sprintf("g%d", g.id))
		}
		text += fmt.Sprintf(" (%s at locks that are taken)", strings.Join(who, ", "))
	}
	if r.detailed || r.lockHeld() {
		text += "\n" + r.left() // all that were ever left behind are in the dump: it is slow
	}
	r.fail(Hung, text)
}

// fail records a failure; later ones add to what it says.
func (r *run) fail(kind Kind, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	text = strings.TrimRight(text, "\n")
	if r.failure != nil {
		if kind <= Panicked {
			r.failure.Message += "\n" + text
		}
		return
	}
	r.failure = &Failure{Kind: kind, Message: text, Seed: r.seed, steps: int(r.at.Load())}
	r.failed.Store(true)
}
