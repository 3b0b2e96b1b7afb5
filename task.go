package hop

import (
	"context"
	"iter"
	"runtime/debug"
)

// How tasks take turns.
//
// A task runs in a coroutine of iter.Pull, which keeps it on the driver's thread. Most tasks never wait, and those cost
// no coroutine of their own: a coroutine that has no task dispatches, that is, it takes items from the mailbox and
// calls them directly. Only when such a function waits does the coroutine become a suspended task, and another has to
// dispatch.
//
// A switch between coroutines costs about 30 ns, a detour over the driver two. So a coroutine resumes another from its
// own stack: at any time there is a chain
//
//	driver → c1 → c2 → … → top
//
// in which each has resumed the next, and only the top runs. To make a task go on, the top resumes it, which puts it on top; if
// the task is in the chain already, all above it yield, one after the other, until it is the top. So each resumption
// costs at most one switch up and one down. The chain is kept short (maxDepth), since what is below cannot run before all
// above have yielded.
//
// Whatever is in the chain but not on top is either a dispatcher without a task or a suspended task; both only look,
// when they are the top again, for whom it is now, and neither may run a new function on a suspended task's stack.
//
// Facts of the runtime that this rests on:
//
//   - A coroutine must be created and resumed at one depth of LockOSThread and on one thread: all are created and resumed
//     by the driver and its coroutines.
//   - Goexit in a coroutine would end the goroutine that resumed it. A panic in a deferred call replaces it, and
//     that can be recovered: see main and resume.
//   - A panic loses its stack on the way through iter.Pull, so functions are recovered where they are called.
const maxDepth = 16

// maxIdle is how many coroutines without a task are kept.
const maxIdle = 64

type coro struct {
	fiber
	next   func() (struct{}, bool)
	yield  func(struct{}) bool
	stop   func()
	below  *coro // who has resumed it; nil: the driver
	active bool  // it is in the chain
	task   bool  // a suspended task, not a dispatcher
	dead   bool
	// Among the suspended tasks.
	prevLive, nextLive *coro
}

// do makes a coroutine an item; a dispatcher does not call it but resumes the task.
func (c *coro) do(*fiber) {}

type exited struct{}

func (s *sched) newCoro() *coro {
	c := new(coro)
	c.s = s
	c.wait.co, c.wait.s = c, s
	c.next, c.stop = iter.Pull(c.main)
	return c
}

// main is the coroutine.
func (c *coro) main(yield func(struct{}) bool) {
	c.yield = yield
	c.register()
	setLabels(context.Background()) // not those of who made it
	returned := false
	defer func() {
		c.leave()
		c.dead = true
		if !returned {
			if r := recover(); r != nil {
				panic(r)
			}
			panic(exited{}) // instead of Goexit, which would end who resumed us
		}
	}()
	c.dispatch()
	returned = true
}

// resume puts c on top and returns when it has yielded or ended.
func (s *sched) resume(c *coro) {
	c.below, c.active = s.top, true
	s.top = c
	s.depth++
	c.switchTo()
	s.top = c.below
	s.depth--
	c.below, c.active = nil, false
}

func (c *coro) switchTo() {
	defer func() {
		if c.dead {
			if r := recover(); r != nil {
				if _, ok := r.(exited); !ok {
					panic(r)
				}
			}
		}
	}()
	c.next()
}

// spare returns a coroutine that can dispatch.
func (s *sched) spare() *coro {
	if n := len(s.idle); n > 0 {
		c := s.idle[n-1]
		s.idle[n-1] = nil
		s.idle = s.idle[:n-1]
		return c
	}
	return s.newCoro()
}

// drive runs what there is, on the driver's own goroutine, until next has nothing more.
func (s *sched) drive() {
	for {
		it := s.next()
		if it == nil {
			return
		}
		c, ok := it.(*coro)
		if !ok {
			s.pending = it
			c = s.spare()
		}
		s.resume(c)
	}
}

// dispatch runs item after item on c, which has no task, until c is not needed.
func (c *coro) dispatch() {
	s := c.s
	for {
		if s.target != nil {
			if !c.rest() {
				return
			}
			continue
		}
		switch it := s.next().(type) {
		case posted:
			c.runPosted(it)
		case *Call:
			c.begin()
			it.run(&c.fiber)
		case *coro:
			switch {
			case it.active:
				s.target = it
			case s.depth < maxDepth:
				s.resume(it)
			default: // from further below, so that the chain does not grow
				s.pending = it
				if !c.rest() {
					return
				}
			}
		case nil:
			if !c.rest() {
				return
			}
		default:
			c.begin()
			it.do(&c.fiber)
		}
	}
}

// begin notes that the coroutine's next function begins, or goes on.
func (c *coro) begin() {
	s := c.s
	if s.running.Load() != &c.fiber {
		s.running.Store(&c.fiber)
	}
	if s.stall != nil {
		s.stall.begin()
	}
}

// runPosted runs f, and the posted functions that follow it in the batch: one deferred call serves them all.
func (c *coro) runPosted(f posted) {
	s := c.s
	returned := false
	defer func() {
		if !returned {
			if r := recover(); r != nil {
				s.escaped(panicked(r))
			}
		}
	}()
	for f != nil {
		c.begin()
		f()
		f = s.nextPosted()
	}
	returned = true
}

// rest yields; false: the coroutine is to end.
func (c *coro) rest() bool {
	s := c.s
	if len(s.idle) >= maxIdle {
		return false
	}
	s.idle = append(s.idle, c)
	return c.yield(struct{}{})
}

// suspend stops the calling task c, whose wait has been listed, until it is resumed. Meanwhile it has others run.
func (s *sched) suspend(c *coro) {
	c.task = true
	s.live.add(c)
	s.suspended(c)
	s.live.remove(c)
	c.task = false
	c.begin()
}

func (s *sched) suspended(c *coro) {
	for {
		switch s.target {
		case nil:
		case c:
			s.target = nil
			return
		default:
			c.yield(struct{}{})
			return
		}
		it := s.next()
		if it == nil {
			c.yield(struct{}{})
			return
		}
		if other, ok := it.(*coro); ok {
			switch {
			case other == c:
				return
			case other.active:
				s.target = other
			case s.depth < maxDepth:
				s.resume(other)
			default:
				s.pending = other
				c.yield(struct{}{})
				return
			}
			continue
		}
		s.pending = it
		if s.depth < maxDepth && (c.below == nil || c.below.task) {
			s.resume(s.spare())
			continue
		}
		c.yield(struct{}{})
		return
	}
}

// endIdle ends the coroutines that have no task. The driver calls it.
func (s *sched) endIdle() {
	for _, c := range s.idle {
		c.stop()
	}
	s.idle = nil
}

// A coroList is the suspended tasks.
type coroList struct {
	first *coro
	n     int
}

func (l *coroList) add(c *coro) {
	c.nextLive = l.first
	if l.first != nil {
		l.first.prevLive = c
	}
	l.first = c
	l.n++
	c.s.suspendedTasks.Store(int64(l.n))
}

func (l *coroList) remove(c *coro) {
	if c.prevLive != nil {
		c.prevLive.nextLive = c.nextLive
	} else {
		l.first = c.nextLive
	}
	if c.nextLive != nil {
		c.nextLive.prevLive = c.prevLive
	}
	c.prevLive, c.nextLive = nil, nil
	l.n--
	c.s.suspendedTasks.Store(int64(l.n))
}

func stack() []byte { return debug.Stack() }
