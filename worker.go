package hop

import (
	"context"
	"time"

	"github.com/gohop/hop/internal/bug"
	"github.com/gohop/hop/internal/ccall"
	"github.com/gohop/hop/internal/thread"
	"github.com/gohop/hop/internal/turn"
)

// A worker is a goroutine of a pool, or an OS thread. What it is to the pool's counts, under the pool's mu:
//
//	free ──give──▶ holds ──waits──▶ aside            running, waiting
//	  ▲              │ ▲ ◀─wait ends─┘ │
//	  └────next──────┘ └──function──┐  │
//	                      returned  out ◀── abandoned   abandoned
//
// One that is alone is in none of the counts, and stays free: see startAlone.
type worker struct {
	p      *Pool
	fb     fiber
	ch     chan item // what to run next; none: end
	gone   bool      // its goroutine is to end; its own
	alone  bool      // see startAlone; set once
	locals localValues

	place workerPlace
	base  *Call     // the call that it runs, below all inline ones
	since time.Time // idle since
}

type workerPlace int

const (
	free workerPlace = iota
	holds
	aside
	out
)

// start makes a worker that runs it. It needs mu.
func (p *Pool) start(it item) {
	w := &worker{p: p, ch: make(chan item, 1)}
	w.fb.w = w
	p.hired++
	p.all[w] = p.hired
	if p.o.Threads && len(p.all) >= ccall.Many {
		ccall.Threads()
	}
	w.give(it)
	if p.o.Threads {
		thread.Go(w.main)
	} else {
		go w.main()
	}
}

// startAlone makes a worker that runs it and ends, beside all that the pool counts. What is shared by the whole process must not let goroutines of a
// testing/synctest bubble serve others, or others serve it: so there each call gets one of these, which takes nothing from the queue, is never idle,
// and whose waits and end make no place for others.
func (p *Pool) startAlone(it item) {
	w := &worker{p: p, ch: make(chan item, 1), alone: true}
	w.fb.w = w
	w.ch <- it
	go w.main()
}

// give hands the worker, which is new or has just been taken off the idle list, its next item. It needs mu.
func (w *worker) give(it item) {
	w.hold(it)
	w.ch <- it
}

func (w *worker) hold(it item) {
	w.place = holds
	w.base = it.asCall()
	if w.base != nil && w.p.o.QueueLimit > 0 {
		w.base.mu.Lock()
		w.base.leaveQueue()
		w.base.mu.Unlock()
	}
}

func (w *worker) main() {
	w.fb.register()
	setLabels(context.Background()) // not those of who submitted
	defer w.end()                   // also on runtime.Goexit in a function
	for !w.gone {
		it := <-w.ch
		if it.none() {
			return
		}
		for !it.none() {
			it.do(&w.fb)
			it = w.next()
		}
	}
}

// next returns what to run after a function has returned; none: nothing, and the worker is idle or gone.
func (w *worker) next() item {
	p := w.p
	turn.At(turn.Idle, w)
	if w.alone {
		w.gone = true
		return item{}
	}
	p.mu.Lock()
	p.running--
	if p.hasPlace() {
		if it := p.take(); !it.none() {
			p.running++
			w.hold(it)
			if p.owed {
				p.feed()
			}
			p.mu.Unlock()
			return it
		}
		p.changed()
	}
	defer p.mu.Unlock()
	w.place, w.base = free, nil
	if p.stop == running && len(p.idle) < p.o.MaxIdle {
		w.since = time.Now()
		p.idle = append(p.idle, w)
		p.reapLater()
		return item{}
	}
	w.gone = true
	return item{}
}

// end is the end of the worker's goroutine.
func (w *worker) end() {
	defer w.ended() // also when the close of a Local ends the goroutine
	w.gone = true
	w.locals.closeOn(&w.fb)
}

func (w *worker) ended() {
	turn.At(turn.Idle, w)
	w.fb.leave()
	p := w.p
	p.mu.Lock()
	defer p.mu.Unlock()
	if !bug.GoexitKeeps && w.place == holds { // a function has ended its goroutine
		p.running--
		p.feed()
	}
	delete(p.all, w)
	p.step()
}

// stepAside gives the worker's place back while its function waits.
func (w *worker) stepAside() {
	p := w.p
	p.mu.Lock()
	defer p.mu.Unlock()
	if w.place == holds {
		w.place = aside
		p.running--
		p.waiting++
		p.feed()
	}
}

// stepBack takes the place again, whether there is one or not.
func (w *worker) stepBack() {
	p := w.p
	p.mu.Lock()
	defer p.mu.Unlock()
	if w.place == aside {
		w.place = holds
		p.waiting--
		p.running++
		p.changed()
	}
}

// abandoned is told that nobody waits for the function of c any more, which runs on the worker. If c is what the worker was given, its
// place is given away; a call that runs inline on top of another has none of its own. The function may have returned
// already, and that may have been told already: then there is nothing to do.
func (w *worker) abandoned(c *Call) {
	if w.alone {
		return
	}
	p := w.p
	p.mu.Lock()
	defer p.mu.Unlock()
	r := c.hasRare()
	if r.back {
		return
	}
	r.told = true
	p.abandoned++
	if w.base != c {
		return
	}
	switch w.place {
	case holds:
		p.running--
	case aside:
		p.waiting--
	}
	w.place = out
	p.feed()
	p.step()
}

// cameBack is told when the function of an abandoned call has returned.
func (w *worker) cameBack(c *Call) {
	if w.alone {
		return
	}
	p := w.p
	p.mu.Lock()
	defer p.mu.Unlock()
	r := c.hasRare()
	if !r.told {
		r.back = true
		return
	}
	p.abandoned--
	if w.base == c && w.place == out {
		w.place = holds
		p.running++
		p.changed()
	}
}

// reapLater sees to it that idle workers end when their time is up. It needs mu.
func (p *Pool) reapLater() {
	if p.reaping || len(p.idle) == 0 {
		return
	}
	p.reaping = true
	d := p.o.IdleTimeout - time.Since(p.idle[0].since)
	if p.reaper == nil {
		p.reaper = time.AfterFunc(d, p.reap)
	} else {
		p.reaper.Reset(d)
	}
}

// reap ends the workers that have been idle for IdleTimeout.
func (p *Pool) reap() {
	turn.At(turn.Idle, p)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reaping = false
	n := 0
	for n < len(p.idle) && time.Since(p.idle[n].since) >= p.o.IdleTimeout {
		p.idle[n].ch <- item{}
		n++
	}
	if bug.DyingWorker {
		n = 0
	}
	kept := copy(p.idle, p.idle[n:])
	clear(p.idle[kept:])
	p.idle = p.idle[:kept]
	p.reapLater()
}
