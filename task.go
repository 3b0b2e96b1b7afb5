package hop

import (
	"context"
	"iter"

	"github.com/gohop/hop/internal/fetch"
	"github.com/gohop/hop/internal/turn"
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

// maxIdle is how many coroutines without a task a loop keeps when it has nothing to do. While it is busy it keeps all: many tasks that end often make
// room for many that begin, and to end a coroutine can wait. A guest has no time of its own for that, and keeps no more.
const maxIdle = 64

type coro struct {
	fiber
	next          func() (struct{}, bool)
	yield         func(struct{}) bool
	stop          func()
	below         *coro // who has resumed it; nil: the driver
	active        bool  // it is in the chain
	task          bool  // a suspended task, not a dispatcher
	dead          bool
	sp            uintptr // where its stack ended when it was suspended among many; it may have moved since, this is only to be fetched
	before, after *coro   // among those of its sched
}

// exited is what a coroutine panics with in place of runtime.Goexit: see main and resume.
type exited struct{}

func (s *sched) newCoro() *coro {
	c := new(coro)
	c.s = s
	c.wait.co = c
	c.next, c.stop = iter.Pull(c.main)
	s.coros.add(c)
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
		c.s.coros.remove(c)
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
	defer func() {
		s.top = c.below
		s.depth--
		c.below, c.active = nil, false
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
		if it.none() {
			return
		}
		c := it.asCoro()
		if c == nil {
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
		it := s.next()
		switch it.kind() {
		case itemPosted:
			if it.none() {
				if !c.rest() {
					return
				}
				continue
			}
			c.runPosted(it.function())
		case itemCall:
			c.begin()
			it.call().run(&c.fiber)
		case itemCoro:
			switch other := it.coro(); {
			case other.active:
				s.target = other
			case s.depth < maxDepth:
				s.resume(other)
			default: // from further below, so that the chain does not grow
				s.pending = it
				if !c.rest() {
					return
				}
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
	if s.stall != nil {
		s.stall.begin()
	}
}

// runPosted runs f, and the posted functions that follow it in the batch: one deferred call serves them all.
func (c *coro) runPosted(f func()) {
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
	if len(s.idle) >= maxIdle && s.notify != nil {
		return false
	}
	s.idle = append(s.idle, c)
	return c.yield(struct{}{})
}

// suspend stops the calling task c, whose wait has been listed, until it is resumed. Meanwhile it has others run.
//
// It is one function, and few are between it and the user's: after a switch each return is one that the processor has not foreseen, since the
// calls before it were another coroutine's, and costs some 8 ns.
func (s *sched) suspend(c *coro) {
	c.task = true
	s.tasks++
	if s.tasks >= cold {
		c.sp = fetch.SP()
	}
	for {
		if s.target != nil {
			if s.target == c {
				s.target = nil
				break
			}
			c.yield(struct{}{})
			break
		}
		it := s.next()
		if it.none() {
			c.yield(struct{}{})
			break
		}
		if other := it.asCoro(); other != nil {
			if other == c {
				break
			}
			if other.active {
				s.target = other
				continue
			}
			if s.depth < maxDepth {
				s.resume(other)
				continue
			}
			s.pending = it
			c.yield(struct{}{})
			break
		}
		s.pending = it
		// Where there is no spare the driver makes one: on this stack, which is a task's and small, that would take more than is left of it.
		if len(s.idle) > 0 && s.depth < maxDepth && (c.below == nil || c.below.task) {
			s.resume(s.spare())
			continue
		}
		c.yield(struct{}{})
		break
	}
	s.tasks--
	c.task = false
	c.begin()
	c.wentOn()
}

// shed ends the coroutines without a task that are too many, as long as nothing comes.
func (s *sched) shed() {
	n := len(s.idle)
	for n > maxIdle && !s.box.Came() {
		n--
		s.idle[n].stop()
		s.idle[n] = nil
		s.idle = s.idle[:n]
	}
	if n <= maxIdle && cap(s.idle) > 1024 {
		s.idle = append([]*coro(nil), s.idle...) // a burst is over: give its memory back
	}
}

// endIdle ends the coroutines that have no task. The driver calls it.
func (s *sched) endIdle() {
	for _, c := range s.idle {
		c.stop()
	}
	s.idle = nil
}

// A coroList is all coroutines of a sched, in no order. Only the driver and its coroutines change it, so they need no lock to read it.
type coroList struct {
	mu    turn.Short
	first *coro
}

func (l *coroList) add(c *coro) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.after = l.first
	if l.first != nil {
		l.first.before = c
	}
	l.first = c
}

func (l *coroList) remove(c *coro) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.before != nil {
		c.before.after = c.after
	} else {
		l.first = c.after
	}
	if c.after != nil {
		c.after.before = c.before
	}
	c.before, c.after = nil, nil
}

// each shows f the coroutines, to any goroutine. It holds the lock.
func (l *coroList) each(f func(*coro)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := l.first; c != nil; c = c.after {
		f(c)
	}
}

// suspended yields the suspended tasks, to the driver and its coroutines.
func (l *coroList) suspended(yield func(*coro) bool) {
	for c := l.first; c != nil; c = c.after {
		if c.task && !yield(c) {
			return
		}
	}
}

// waiting yields the goroutines of the suspended tasks, to the driver and its coroutines.
func (s *sched) waiting(yield func(*fiber) bool) {
	for c := range s.coros.suspended {
		if !yield(&c.fiber) {
			return
		}
	}
}

// A ready is a queue of tasks to resume.
type ready struct {
	cs   []*coro
	head int
}

func (r *ready) push(c *coro) {
	if len(r.cs) == cap(r.cs) && r.head > len(r.cs)/2 {
		n := copy(r.cs, r.cs[r.head:])
		clear(r.cs[n:])
		r.cs, r.head = r.cs[:n], 0
	}
	r.cs = append(r.cs, c)
}

func (r *ready) empty() bool { return r.head == len(r.cs) }

// ahead returns the task that has i before it, nil if there is none.
func (r *ready) ahead(i int) *coro {
	if i += r.head; i < len(r.cs) {
		return r.cs[i]
	}
	return nil
}

func (r *ready) pop() *coro {
	if r.empty() {
		return nil
	}
	c := r.cs[r.head]
	r.cs[r.head] = nil
	r.head++
	if r.head == len(r.cs) {
		r.cs, r.head = r.cs[:0], 0
		if cap(r.cs) > 1024 {
			r.cs = nil // a burst is over: give its memory back
		}
	}
	return c
}
