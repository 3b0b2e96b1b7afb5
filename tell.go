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
	all     []telling
	feeds   []*Group // that have places again: before the functions, which may wait for a member that is held back
	watched bool     // somebody in all is to be woken after functions
}

// A telling is what is to be told of one call that has ended; or any function.
type telling struct {
	c    *Call
	fs   *doneFunc
	last waitlist.Chain
	h    *hook
	then func()
}

// ended notes what is to be told of c. Who watches c is woken in the order in which the calls ended, and so at once only if nobody is before him.
func (t *tells) ended(c *Call, fs *doneFunc, last waitlist.Chain, h *hook) {
	if fs == nil && !t.watched {
		last.WakeAll()
		last = waitlist.Chain{}
	}
	if fs == nil && last.Empty() && h == nil && !c.has(flagUnder) {
		return
	}
	t.watched = t.watched || !last.Empty()
	t.all = append(t.all, telling{c: c, fs: fs, last: last, h: h})
}

// then has f called when it is its turn.
func (t *tells) then(f func()) { t.all = append(t.all, telling{then: f}) }

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

// tell is the second phase, all of it, also if a function ends the goroutine.
func (t *tells) tell() {
	if len(t.feeds) > 0 {
		defer each.Do(t.all, telling.tell)
		each.Do(t.feeds, (*Group).feed)
		return
	}
	if len(t.all) > 0 {
		each.Do(t.all, telling.tell)
	}
}

func (t telling) tell() {
	if t.then != nil {
		t.then()
		return
	}
	if t.c.has(flagUnder) {
		defer t.c.deputyEnded()
	}
	if t.h != nil {
		defer t.h.undo()
	}
	defer t.last.WakeAll()
	t.c.runDone(t.fs)
}
