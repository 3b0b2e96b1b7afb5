package hoptest_test

// Portals that break one promise each, as users' portals do, and what the kit says of them. Each is tried in a bubble, so that the
// patience of the kit costs no time; they block on channels only, since a mutex would stop virtual time, and let go in the end.

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/gohop/hop"
	"github.com/gohop/hop/hoptest"
)

var errFull = errors.New("broken: full")

// submitFunc is a portal that is one function.
type submitFunc func(*hop.Call) error

func (f submitFunc) Submit(c *hop.Call) error { return f(c) }

// A closing portal has a Close.
type closing struct {
	hop.Portal
	close func() error
}

func (c closing) Close() error { return c.close() }

// An executor runs what comes through its channel on one goroutine, until end.
type executor struct {
	in  chan *hop.Call
	end chan struct{}
}

func newExecutor(end chan struct{}, queue int) *executor {
	return &executor{in: make(chan *hop.Call, queue), end: end}
}

// main runs calls with run, which says whether to go on.
func (e *executor) main(run func(*hop.Call) bool) {
	for {
		select {
		case c := <-e.in:
			if !run(c) {
				return
			}
		case <-e.end:
			return
		}
	}
}

// send blocks when the queue is full.
func (e *executor) send(c *hop.Call) error {
	select {
	case e.in <- c:
	case <-e.end:
	}
	return nil
}

func always(c *hop.Call) bool {
	c.Run()
	return true
}

var broken = []struct {
	name string
	make func(end chan struct{}) hop.Portal
	want string // what the kit says
}{
	{"drops everything", func(chan struct{}) hop.Portal {
		return submitFunc(func(*hop.Call) error { return nil })
	}, "a call runs once: Submit has accepted a call, and 10s later it has neither run nor failed"},

	{"refuses everything", func(chan struct{}) hop.Portal {
		return submitFunc(func(*hop.Call) error { return errFull })
	}, "a call runs once: Submit of an idle portal refuses a call, and has for 10s: broken: full"},

	{"fails everything", func(chan struct{}) hop.Portal {
		return submitFunc(func(c *hop.Call) error { c.Fail(errFull); return nil })
	}, "a call runs once: a call that Submit has accepted, and that nobody cancelled, ended without having run: broken: full"},

	{"cancels everything", func(chan struct{}) hop.Portal {
		return submitFunc(func(c *hop.Call) error { c.Cancel(errFull); go c.Run(); return nil })
	}, "ended without having run: hop: "},

	{"panics", func(chan struct{}) hop.Portal {
		return submitFunc(func(*hop.Call) error { panic("not today") })
	}, "a call runs once: Submit panicked: not today"},

	{"runs and refuses", func(chan struct{}) hop.Portal {
		return submitFunc(func(c *hop.Call) error { c.Run(); return errFull })
	}, "a call runs once: a call was refused (broken: full), and ran all the same"},

	{"loses every hundredth", func(chan struct{}) hop.Portal {
		var n atomic.Int32
		return submitFunc(func(c *hop.Call) error {
			if n.Add(1)%100 != 0 {
				go c.Run()
			}
			return nil
		})
	}, "many calls run once each: Submit has accepted a call, and 10s later it has neither run nor failed"},

	{"starts a call when the next one comes", func(chan struct{}) hop.Portal {
		last := make(chan *hop.Call, 1)
		return submitFunc(func(c *hop.Call) error {
			select {
			case before := <-last:
				go before.Run()
			default:
			}
			select {
			case last <- c:
			default:
			}
			return nil
		})
	}, "a call runs once: Submit has accepted a call, and 10s later it has neither run nor failed"},

	{"keeps one call in its mailbox, the last", func(end chan struct{}) hop.Portal {
		e := newExecutor(end, 1)
		go e.main(always)
		return submitFunc(func(c *hop.Call) error {
			for {
				select {
				case e.in <- c:
					return nil
				case <-e.in: // make room
				}
			}
		})
	}, "it has neither run nor failed"},

	{"drops what its channel has no room for", func(end chan struct{}) hop.Portal {
		e := newExecutor(end, 10)
		go e.main(always)
		return submitFunc(func(c *hop.Call) error {
			select {
			case e.in <- c:
			default:
			}
			return nil
		})
	}, "it has neither run nor failed"},

	{"blocks in Submit until the call has run", func(end chan struct{}) hop.Portal {
		e := newExecutor(end, 0)
		go e.main(always)
		return submitFunc(func(c *hop.Call) error {
			e.send(c)
			<-c.Done()
			return nil
		})
	}, "Submit returns at once: Submit has not returned after 10s: it must return at once, whatever the portal is doing; " +
		"the function that it was given runs on another goroutine"},

	{"blocks in Submit while it runs another", func(end chan struct{}) hop.Portal {
		e := newExecutor(end, 0)
		go e.main(always)
		return submitFunc(e.send)
	}, "Submit returns at once: while a function runs: Submit has not returned after 10s"},

	{"blocks in Submit from inside when its queue is full", func(end chan struct{}) hop.Portal {
		// Others wait for room, which comes; a call of its own waits for ever.
		e, room := newExecutor(end, 1000), make(chan struct{}, 50)
		go e.main(func(c *hop.Call) bool { c.Run(); <-room; return true })
		return submitFunc(func(c *hop.Call) error {
			select {
			case room <- struct{}{}:
			case <-end:
			}
			return e.send(c)
		})
	}, "Submit has not returned after 10s"},

	{"holds its lock while a call runs", func(end chan struct{}) hop.Portal {
		lock := make(chan struct{}, 1)
		return submitFunc(func(c *hop.Call) error {
			select {
			case lock <- struct{}{}:
			case <-end:
			}
			c.Run()
			select {
			case <-lock:
			case <-end:
			}
			return nil
		})
	}, "Submit from inside a call: Submit has not returned after 10s: it must return at once, whatever the portal is doing; " +
		"the function that it was given submits to the portal too"},

	{"stops at the first failure", func(end chan struct{}) hop.Portal {
		e := newExecutor(end, 1000)
		go e.main(func(c *hop.Call) bool { c.Run(); return c.State() != hop.Failed })
		return submitFunc(e.send)
	}, "a failure is the call's alone: Submit has accepted a call, and 10s later it has neither run nor failed"},

	{"stops after a few panics", func(end chan struct{}) hop.Portal {
		e := newExecutor(end, 1000)
		panics := 0
		go e.main(func(c *hop.Call) bool {
			c.Run()
			if p := (*hop.PanicError)(nil); errors.As(c.Err(), &p) {
				panics++
			}
			return panics < 20
		})
		return submitFunc(e.send)
	}, "a panic is the call's alone: after calls that panicked: Submit has accepted a call, and 10s later it has neither run nor failed"},

	{"loses its goroutine to runtime.Goexit", func(end chan struct{}) hop.Portal {
		e := newExecutor(end, 1000)
		for range 4 {
			go e.main(always)
		}
		return submitFunc(e.send)
	}, "runtime.Goexit is the call's alone: after a function that ended its goroutine with runtime.Goexit, as t.FailNow does: " +
		"Submit has accepted a call, and 10s later it has neither run nor failed"},

	{"loses its goroutine, and has no queue", func(end chan struct{}) hop.Portal {
		e := newExecutor(end, 0)
		go e.main(always)
		return submitFunc(func(c *hop.Call) error {
			select {
			case e.in <- c:
				return nil
			default:
				return errFull
			}
		})
	}, "runtime.Goexit is the call's alone: Submit of an idle portal refuses a call, and has for 10s: broken: full"},

	{"stops at a cancelled call", func(end chan struct{}) hop.Portal {
		e := newExecutor(end, 1000)
		var main func()
		main = func() {
			goexit := true
			defer func() {
				if goexit {
					go main()
				}
			}()
			e.main(func(c *hop.Call) bool {
				if c.State() == hop.Cancelled {
					return false
				}
				c.Run()
				return true
			})
			goexit = false
		}
		go main()
		return submitFunc(e.send)
	}, "a cancelled call does not run: Submit has accepted a call, and 10s later it has neither run nor failed"},

	{"refuses when full, and keeps the call", func(end chan struct{}) hop.Portal {
		e := newExecutor(end, 1000)
		go e.main(always)
		return submitFunc(func(c *hop.Call) error {
			e.send(c)
			if len(e.in) > 90 {
				return errFull
			}
			return nil
		})
	}, "broken: full"}, // what it has kept runs all the same, or keeps it full when all that it has accepted is done, whichever is seen first

	{"refuses when full, and fails the call", func(end chan struct{}) hop.Portal {
		e := newExecutor(end, 1000)
		go e.main(always)
		return submitFunc(func(c *hop.Call) error {
			if len(e.in) > 90 {
				c.Fail(errFull)
				return errFull
			}
			return e.send(c)
		})
	}, "Submit returns at once: a call was refused (broken: full), and its state is failed: after an error of Submit it must be as before"},

	{"strands its queue at Close", func(end chan struct{}) hop.Portal {
		var all sync.WaitGroup
		var closed atomic.Bool
		return closing{submitFunc(func(c *hop.Call) error {
			if closed.Load() {
				return nil
			}
			all.Go(c.Run)
			return nil
		}), func() error { closed.Store(true); return nil }}
	}, "Close strands nothing: "},

	{"forgets calls after Close", func(end chan struct{}) hop.Portal {
		a := newActor()
		var closed atomic.Bool
		return closing{submitFunc(func(c *hop.Call) error {
			if err := a.Submit(c); err != nil && !closed.Load() {
				return err
			}
			return nil
		}), func() error { err := a.Close(); closed.Store(true); return err }}
	}, "Close strands nothing: "},

	{"returns an error from Close", func(end chan struct{}) hop.Portal {
		return closing{hop.Goroutines, func() error { return errFull }}
	}, "Close strands nothing: Close: broken: full"},
}

func TestCheckPortal_CatchesTheBrokenPortal(t *testing.T) {
	for _, b := range broken {
		t.Run(b.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				end := make(chan struct{})
				defer close(end)
				err := hoptest.CheckPortal(b.make(end))
				if err == nil {
					t.Fatal("it passes")
				}
				t.Log(err)
				if !strings.HasPrefix(err.Error(), "hoptest: ") || !strings.Contains(err.Error(), b.want) {
					t.Errorf("the kit says\n%v\nwant\n%s", err, b.want)
				}
			})
		})
	}
}

// A portal with one goroutine keeps the promises of hop.Portal, but calls on it cannot wait for each other.
func TestTestNesting_IsMoreThanTestPortal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newActor()
		if err := hoptest.CheckPortal(a); err != nil {
			t.Error(err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		a := newActor()
		err := hoptest.CheckNesting(a)
		if err == nil || !strings.Contains(err.Error(), "calls that wait for other calls on the same portal have not ended after 10s") {
			t.Errorf("got %v", err)
		}
		a.Close()
	})
}
