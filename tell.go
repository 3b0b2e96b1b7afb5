package hop

import (
	"github.com/gohop/hop/internal/each"
	"github.com/gohop/hop/internal/waitlist"
)

// Who ends several calls at once, as a stop, the cancel of a group, and the cancel of a call with what was made under it, does so in two phases:
//
//   - First all of them are ended, or asked to: their states, their contexts, who waits for them, the groups that they leave. No function of a
//     user's runs, so nothing keeps this from coming to its end.
//   - Then the functions of users run, in the order of the calls: those of OnDone and OnCancel.
//
// So a function that waits for another of these calls does not wait for what can only come after it has returned.
//
// tells is what the first phase leaves to the second. Its owner has tell deferred before the first begins.
type tells struct {
	n       int     // how many tellings there are
	first   telling // of them: most often it is the only one
	rest    []telling
	watched int // the watched-th is the last whose watchers are to be woken after functions; 0: there is none

	// Before the functions, since these may wait for what comes of it:
	apart    []*tells // are told on goroutines of their own
	deputies []*Call  // have ended
	feeds    []*Group // have places again, for members that are held back
}

// A telling is what is to be told of one call that has ended; or any function.
type telling struct {
	c    *Call
	fs   *doneFunc
	last waitlist.Chain
	h    *hook
	then func()
}

// ended notes what is to be told of c. Who watches c is woken in the order in which the calls ended, and otherwise at once: with those before him.
func (t *tells) ended(c *Call, fs *doneFunc, last waitlist.Chain, h *hook) {
	if c.has(flagUnder) {
		t.deputies = append(t.deputies, c)
	}
	if fs == nil && !last.Empty() {
		if t.watched > 0 {
			t.nth(t.watched).last.Join(last)
		} else {
			last.WakeAll()
		}
		last = waitlist.Chain{}
	}
	if fs == nil && h == nil {
		return
	}
	t.add(telling{c: c, fs: fs, last: last, h: h})
	if !last.Empty() {
		t.watched = t.n
	}
}

// then has f called when it is its turn.
func (t *tells) then(f func()) { t.add(telling{then: f}) }

func (t *tells) add(one telling) {
	if t.n++; t.n == 1 {
		t.first = one
	} else {
		t.rest = append(t.rest, one)
	}
}

func (t *tells) nth(n int) *telling {
	if n == 1 {
		return &t.first
	}
	return &t.rest[n-2]
}

// cancel asks all the calls to end.
func (t *tells) cancel(calls []*Call, cause error) {
	if len(calls) == 0 {
		return
	}
	defer asking.enter()()
	each.Do(calls, func(c *Call) { c.askTo(cause, t) })
}

// asking are the goroutines that are in a first phase. A context that they ask for its error may be that of a call that ends by the look: it ends
// when somebody else looks, since it has functions of users too.
var asking stoppers

// cancelEach cancels all the calls.
func cancelEach(calls []*Call, cause error) {
	var later tells
	defer later.tell()
	later.cancel(calls, cause)
}

// hasten takes over from u, which is told after t, what comes before functions.
func (t *tells) hasten(u *tells) {
	t.apart = append(t.apart, u.apart...)
	t.deputies = append(t.deputies, u.deputies...)
	t.feeds = append(t.feeds, u.feeds...)
	u.apart, u.deputies, u.feeds = nil, nil, nil
}

// follow takes over all from u, to be told after what t has.
func (t *tells) follow(u *tells) {
	t.hasten(u)
	if u.watched > 0 {
		t.watched = t.n + u.watched
	}
	for i := range u.n {
		t.add(*u.nth(i + 1))
	}
}

// tell is the second phase, all of it, also if a function ends the goroutine.
func (t *tells) tell() {
	if t.hasFirst() {
		if len(t.deputies) > 0 {
			defer tellDeputies(t.deputies)()
		}
		defer t.tellAll()
		t.tellFirst()
		return
	}
	t.tellAll()
}

func (t *tells) tellAll() {
	if len(t.rest) > 0 {
		defer each.Do(t.rest, telling.tell)
	}
	if t.n > 0 {
		t.first.tell()
	}
}

// hasFirst reports whether tellFirst has something to do.
func (t *tells) hasFirst() bool { return len(t.apart)+len(t.deputies)+len(t.feeds) > 0 }

// tellFirst does what comes before functions. Of these, only the Submit of a user's portal runs here. A member that is refused when it gets its place
// ends, and is told of with the others.
//
//go:noinline
func (t *tells) tellFirst() {
	defer func() {
		if t.hasFirst() { // a Submit has ended the goroutine
			t.tellFirst()
		}
	}()
	for {
		switch {
		case len(t.apart) > 0:
			go t.apart[0].tell()
			t.apart = t.apart[1:]
		case len(t.deputies) > 0:
			c := t.deputies[0]
			t.deputies = t.deputies[1:]
			c.deputyEnded()
		case len(t.feeds) > 0:
			g := t.feeds[0]
			t.feeds = t.feeds[1:]
			g.feedFor(t)
		default:
			return
		}
	}
}

// more reports whether something is to be told yet.
func (t *tells) more() bool { return t.n > 0 || t.hasFirst() }

func (t telling) tell() {
	if t.then != nil {
		t.then()
		return
	}
	if t.h != nil {
		defer t.h.undo(t.c)
	}
	defer t.last.WakeAll()
	t.c.runDone(t.fs)
}
