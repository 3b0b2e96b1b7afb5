package hop

import (
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gohop/hop/internal/bug"
	"github.com/gohop/hop/internal/each"
	"github.com/gohop/hop/internal/goid"
	"github.com/gohop/hop/internal/mailbox"
	"github.com/gohop/hop/internal/turn"
)

// PoolOptions are the options of a [Pool]; nil stands for the zero value.
type PoolOptions struct {
	// Name is shown in errors and reports.
	Name string
	// Size is how many functions may run at once, those that wait not counted. 0: no bound.
	Size int
	// MaxIdle is how many workers without work are kept. 0: 10; negative: none.
	MaxIdle int
	// IdleTimeout is how long they are kept. 0: one minute.
	IdleTimeout time.Duration
	// Threads makes each worker an OS thread of its own, never the process's first, that ends with the worker.
	Threads bool
	// QueueLimit is how many calls may wait for a worker; Submit returns ErrFull beyond. 0: no limit. A call whose context is over does not count;
	// where thousands wait, that may be seen some milliseconds later.
	QueueLimit int
}

// A Pool is a portal to interchangeable workers: goroutines, or OS threads. Workers are made when they are needed and kept a
// while. A worker whose function waits, with any of this package's waits, gives its place back meanwhile, so calls on
// a pool may wait for each other to any depth, also on a pool of one. When the wait ends, the function goes on at once, even if
// that puts the pool over its Size until the next function ends.
//
// All methods are safe for concurrent use. It follows anyio's to_thread and its limiter, async-kernel's to_thread and
// Prefect's WorkerThread.
type Pool struct {
	o        PoolOptions
	self     Portal // itself: see portalRef
	made     bool
	shared   bool
	queued   atomic.Int64 // calls that wait to start, where there is a QueueLimit
	looks    looking      // at a full queue
	ended    *Event
	closing  atomic.Bool
	hope     hope
	stoppers stoppers

	// Who submits puts it into queue; what takes it from there holds mu, and is the queue's receiver. They meet in this:
	//
	//   - While there is a place (hasPlace), and nobody holds mu, the queue sleeps, and so is empty; or one who has woken it is on the way
	//     to mu, to feed the pool. So each change that may make a place ends with feed or take.
	//   - Under mu, a queue to which nothing came since it was last made to sleep is empty: what is submitted then may go to a worker past it.
	room  atomic.Bool // hasPlace, for those who do not hold mu, as a hint; written under mu
	_     [28]byte    // what stands above changes seldom, the queue with each call; on 64 bits it begins a line of the cache
	queue mailbox.Box[item]

	// mu guards what follows. Whether a worker gets what is queued and whether it ends are decided under it, so nothing goes to a worker that ends.
	mu        turn.Short
	size      int
	idle      []*worker          // the longest idle first
	all       map[*worker]uint64 // which it was
	hired     uint64             // workers ever made
	running   int                // functions that run and do not wait
	waiting   int
	abandoned int
	stop      stopLevel
	delayed   map[*Call]delay
	postponed uint64 // calls ever delayed
	dues      int    // of delayed calls whose time has come, those that are being submitted
	reaper    *time.Timer
	reaping   bool
	owed      bool // of a shared pool: a goroutine in a bubble had to leave it to others to feed it
}

// A delay is the timer of a call that is not due; n says which it was.
type delay struct {
	n     uint64
	timer *time.Timer
}

// PoolStats is what a pool is doing.
type PoolStats struct {
	Running   int // functions that run and do not wait
	Waiting   int // functions that wait
	Idle      int // workers without work
	Queued    int // calls that wait for a worker
	Abandoned int // functions that run on after their call was cancelled
}

// NewPool makes a pool. It starts no worker before the first call. A negative Size, QueueLimit or IdleTimeout panics.
func NewPool(o *PoolOptions) *Pool {
	p := &Pool{made: true, ended: new(Event), all: make(map[*worker]uint64)}
	p.self = p
	p.queue.Dead = deadItem
	if o != nil {
		p.o = *o
	}
	if p.o.Size < 0 || p.o.QueueLimit < 0 || p.o.IdleTimeout < 0 {
		misuse("PoolOptions: negative Size, QueueLimit or IdleTimeout")
	}
	if p.o.Name == "" {
		p.o.Name = "pool-" + strconv.FormatUint(lastPoolID.Add(1), 10)
	}
	if p.o.MaxIdle == 0 {
		p.o.MaxIdle = 10
	}
	if p.o.IdleTimeout == 0 {
		p.o.IdleTimeout = time.Minute
	}
	p.size = p.o.Size
	p.feed()
	return p
}

var lastPoolID atomic.Uint64

var workers = sync.OnceValue(func() *Pool {
	p := NewPool(&PoolOptions{Name: "workers"})
	p.shared = true
	return p
})

// Workers returns the shared pool for blocking work: elastic, without a bound until SetSize gives it one. Its Close and
// Shutdown return ErrProtected. In a bubble of testing/synctest each call gets a worker of its own, at once, which counts neither in the size
// nor in Stats. It follows Prefect's get_thread_limiter and anyio's default limiter.
func Workers() *Pool { return workers() }

func (p *Pool) check() {
	if p == nil || !p.made {
		misuse("a nil or zero Pool: make one with NewPool")
	}
}

func (p *Pool) String() string {
	if p == nil || !p.made {
		return "no pool"
	}
	return "pool " + strconv.Quote(p.o.Name)
}

// Submit has c run on a worker, as soon as fewer than Size functions run, in the order of submission. It does not block. With Go and the wait
// for its result, a call on a busy pool costs about 0.2 µs. Errors: ErrStopped, ErrFull, ErrMismatch for a call that was submitted before.
func (p *Pool) Submit(c *Call) error { return p.submit(c, nil) }

// submit is Submit, but leaves functions of users to later, if that is not nil.
func (p *Pool) submit(c *Call, later *tells) error {
	p.check()
	some, err := c.accept(p, nil)
	if !some || err != nil {
		return err
	}
	return p.submitAccepted(c, later)
}

// submitAccepted is submit of a call that accept has made the pool's.
func (p *Pool) submitAccepted(c *Call, later *tells) error { return p.submitAs(c, false, later) }

// submitAs is submitAccepted; known: the pool has known the call before it began to stop, if it does.
func (p *Pool) submitAs(c *Call, known bool, later *tells) error {
	sent, full := p.sendCall(c, open, later)
	if !sent && !full && (known || p.mayStillSubmit(c)) {
		if p.closing.Load() && c.endsByStop(p.ended, later) {
			return nil
		}
		sent, full = p.sendCall(c, told, later)
	}
	switch {
	case full:
		c.unaccept(p, later)
		return refuse(ErrFull, "%s was refused by %v: %s for a worker: wait for one, or raise QueueLimit", callName(c), p,
			count(p.o.QueueLimit, "call waits", "calls wait"))
	case !sent:
		c.unaccept(p, later)
		return refuse(ErrStopped, "%s was refused by %v: it %s", callName(c), p, stopsOrHas(p.ended))
	}
	if p.closing.Load() {
		c.askToStop(later) // the Close that cancels everything may have passed
	}
	return nil
}

// sendCall is send for a call, which counts as long as it waits for a worker, where there is a QueueLimit: all of it is under mu then.
func (p *Pool) sendCall(c *Call, level mailbox.Level, later *tells) (sent, full bool) {
	if p.o.QueueLimit == 0 {
		return p.send(c.item(), level), false
	}
	var began time.Time
	for n, looked := 0, false; ; looked = true {
		p.mu.Lock()
		switch {
		case !p.queue.Came() && p.hasPlace() && p.takes(level):
			p.give(c.item())
			p.changed()
			p.mu.Unlock()
			return true, false
		case p.queued.Load() < int64(p.o.QueueLimit):
			c.enterQueue(&p.queued)
			sent, wake := p.queue.Push(c.item(), level)
			if wake {
				p.feed()
			}
			p.mu.Unlock()
			if !sent {
				c.mu.Lock()
				c.leaveQueue()
				c.mu.Unlock()
			}
			return sent, false
		case looked:
			p.mu.Unlock()
			p.looks.wasInVain(n, began)
			return false, true
		case !p.looks.due():
			p.mu.Unlock()
			return false, true
		}
		began = time.Now()
		p.queue.Sweep() // those that have ended are not to be looked at again the next time
		calls, posts := p.unread()
		n = len(calls) + posts
		p.mu.Unlock()
		c.settleBefore(p, calls, later)
	}
}

// settleBefore is told what is before c in a full queue: calls whose context is over do not count, but nobody may have looked. If a function of theirs ends
// the goroutine, the pool has not got c.
func (c *Call) settleBefore(p *Pool, calls []*Call, later *tells) {
	returned := false
	defer func() {
		if !returned {
			c.unaccept(p, later)
		}
	}()
	each.Do(calls, func(c *Call) { c.settledFor(later) })
	returned = true
}

// Post has f run on a worker, without a result. A panic of f crashes the process, as in plain Go. The error is
// ErrStopped.
func (p *Pool) Post(f func()) error {
	p.check()
	if f == nil {
		misuse("Post: nil function")
	}
	turn.At(turn.Submit, p)
	if !p.send(posted(f), open) {
		return refuse(ErrStopped, "%v takes no more functions: it %s", p, stopsOrHas(p.ended))
	}
	return nil
}

// send hands it to a worker or queues it; false: the pool takes nothing of this level.
func (p *Pool) send(it item, level mailbox.Level) bool {
	if p.shared && goid.InBubble() {
		p.startAlone(it)
		return true
	}
	if p.room.Load() {
		p.mu.Lock()
		if p.owed {
			p.feed()
		}
		if (!p.queue.Came() || bug.Overtakes) && p.hasPlace() && p.takes(level) {
			p.give(it)
			p.changed()
			p.mu.Unlock()
			return true
		}
		p.mu.Unlock()
	}
	ok, wake := p.queue.Push(it, level)
	if wake {
		p.mu.Lock()
		p.feed()
		p.mu.Unlock()
	}
	return ok
}

func (p *Pool) hasPlace() bool { return p.size == 0 || p.running < p.size }

// changed is called under mu after a change of running or size.
func (p *Pool) changed() {
	if room := p.hasPlace(); room != p.room.Load() {
		p.room.Store(room)
	}
}

// give has a worker run it, now. It needs mu.
func (p *Pool) give(it item) {
	p.running++
	if n := len(p.idle); n > 0 {
		w := p.idle[n-1]
		p.idle[n-1] = nil
		p.idle = p.idle[:n-1]
		w.give(it)
		return
	}
	p.start(it)
}

// take returns what is next in the queue; none: it is empty, and who sends next wakes it. It needs mu.
func (p *Pool) take() item {
	for {
		if it, ok := p.queue.Next(); ok {
			return it
		}
		if p.queue.Sleep() {
			return item{}
		}
	}
}

// feed starts what is queued as far as there is a place. It needs mu.
//
// A goroutine in a bubble may come here too, by SetSize or since it cancels a call, but what waits for a shared pool was sent from outside: a
// worker that is started here would be of the bubble. So there it only gives to those that are idle; the next from outside who comes by sees to the
// rest.
func (p *Pool) feed() {
	p.owed = false
	for p.hasPlace() {
		if p.shared && len(p.idle) == 0 && goid.InBubble() {
			p.owed = true
			break
		}
		it := p.take()
		if it.none() {
			break
		}
		p.give(it)
	}
	p.changed()
}

// unread returns the calls in the queue that have not ended, and how many posted functions there are. It needs mu.
func (p *Pool) unread() (calls []*Call, posts int) {
	p.queue.Unread(func(it item) {
		switch c := it.asCall(); {
		case c == nil:
			posts++
		case !c.done():
			calls = append(calls, c)
		}
	})
	return
}

// SetSize changes how many functions may run at once; 0: no bound; n < 0 panics. A smaller number takes effect as functions end.
func (p *Pool) SetSize(n int) {
	p.check()
	if n < 0 {
		misuse("SetSize: negative size %d", n)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.size = n
	p.feed()
}

// Stats returns what the pool is doing at this moment.
func (p *Pool) Stats() PoolStats {
	p.check()
	p.mu.Lock()
	s := PoolStats{Running: p.running, Waiting: p.waiting, Idle: len(p.idle), Abandoned: p.abandoned}
	for w := range p.all { // the worker may not have come round to saying what has become of its function
		switch {
		case w.base == nil:
		case w.place == holds && w.base.out():
			s.Running--
			s.Abandoned++
		case w.place == holds && w.base.done():
			s.Running--
		case w.place == out && !w.base.out():
			s.Abandoned--
		}
	}
	calls, posts := p.unread()
	s.Queued = posts
	p.mu.Unlock()
	for _, c := range calls {
		if !c.settled() {
			s.Queued++
		}
	}
	return s
}

// submitAfter has c run in d.
func (p *Pool) submitAfter(c *Call, d time.Duration) error {
	p.check()
	some, err := c.acceptDelayed()
	if !some || err != nil {
		return err
	}
	p.mu.Lock()
	if p.stop != running {
		p.mu.Unlock()
		c.unaccept(p, nil)
		return refuse(ErrStopped, "%s was refused by %v: it %s", callName(c), p, stopsOrHas(p.ended))
	}
	if p.delayed == nil {
		p.delayed = make(map[*Call]delay)
	}
	p.postponed++
	p.delayed[c] = delay{p.postponed, time.AfterFunc(d, func() { p.due(c) })}
	p.mu.Unlock()
	c.OnDone(func() { p.undelay(c) })
	return nil
}

// due submits a call of After whose time has come. Until it has, the pool does not end.
func (p *Pool) due(c *Call) {
	p.mu.Lock()
	if _, ok := p.delayed[c]; !ok { // it has ended, or a stop has taken it
		p.mu.Unlock()
		return
	}
	delete(p.delayed, c)
	p.dues++
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		p.dues--
		p.step()
		p.mu.Unlock()
	}()
	turn.Race(c)
	switch {
	case c.settled():
	case c.has(flagHeld):
		c.submitDue(p)
	default:
		c.submitBy(p, func(c *Call) error { return p.submitAs(c, true, nil) })
	}
}

func (p *Pool) undelay(c *Call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if d, ok := p.delayed[c]; ok {
		d.timer.Stop()
		delete(p.delayed, c)
	}
}
