package queue

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"runtime"
	"sync"
	"time"
	"weak"

	"github.com/gohop/hop"
)

// A Queue hands values to one function on a portal, in the order in which they were put and one at a time. All methods are
// safe for concurrent use. Make one with [New] or [NewBatch], and end it with [Queue.Shutdown] or [Queue.Close]: a queue that is
// just let go of still handles what was put.
type Queue[T any] struct {
	on    hop.Portal
	loop  *hop.Loop // on, if it is one
	one   func(context.Context, T) error
	batch func(context.Context, []T) error // in place of one
	name  string
	opts  Options
	calls []hop.Option // of each call
	made  time.Time

	ctx    context.Context // of each call; cancelled by Close, and when all is done
	cancel context.CancelCauseFunc

	mu       sync.Mutex
	ring     ring[T]     // the values that wait
	allowed  uint64      // on a loop: the values up to this number have had their turn
	active   *turn[T]    // the one that handles values at the moment
	last     *turn[T]    // the newest one that the portal has accepted
	inflight int         // turns that are being submitted
	watched  bool        // check will be called when last, or an earlier one, has ended
	timer    *time.Timer // calls check: a batch is due, or a portal is to be tried again
	ticking  bool        // it will
	resting  bool        // until it has, check submits nothing
	failed   bool        // the last turn has failed, and none has run since
	room     roomList    // who waits for room
	ending   bool        // takes no more
	flusher  *hop.Call   // of OnShutdown, once it has come
	err      error       // why values were dropped in the end
	changed  *hop.Event  // set when active, last or the length may have changed
	wake     []*hop.Event
}

// New returns a queue that calls f with each value that is put, as calls on on. Where f runs and what it may wait for is as
// with [hop.Go]; its ctx is the queue's own, not that of Put, and is cancelled by Close with a cause that is hop.ErrStopped.
// New does not block. It panics if on or f is nil or o makes no sense. o is copied; nil is the zero Options.
func New[T any](on hop.Portal, f func(context.Context, T) error, o *Options) *Queue[T] {
	if f == nil {
		panic("hop: queue.New: nil function")
	}
	q := &Queue[T]{one: f}
	q.init("queue.New", on, f, o)
	q.opts.BatchSize, q.opts.BatchWait = 0, 0
	return q
}

// NewBatch returns a queue that calls f with up to BatchSize values at once, in the order in which they were put, as calls
// on on. A batch is handed over when it is full (BatchSize or Limit values wait), when its first value has waited for BatchWait, or at
// [Queue.Shutdown]; later only because f is still busy with the one before. f may keep the slice.
//
// On a [hop.Loop] the queue registers with OnShutdown, so that the loop's own Shutdown does not lose the last, partial
// batch; the loop keeps a few words for that until it stops. On other portals shut the queue down before the portal: what
// the portal refuses goes to OnDrop. The rest is as with New.
func NewBatch[T any](on hop.Portal, f func(context.Context, []T) error, o *Options) *Queue[T] {
	if f == nil {
		panic("hop: queue.NewBatch: nil function")
	}
	q := &Queue[T]{batch: f}
	q.init("queue.NewBatch", on, f, o)
	if q.loop != nil {
		w := weak.Make(q) // the loop must not keep a queue that all others have let go of
		q.loop.OnShutdown(func(ctx context.Context) error {
			if q := w.Value(); q != nil {
				return q.loopEnds(ctx)
			}
			return nil
		})
	}
	return q
}

func (q *Queue[T]) init(what string, on hop.Portal, f any, o *Options) {
	if on == nil {
		panic("hop: " + what + ": nil portal")
	}
	if o != nil {
		o.check()
		q.opts = *o
	}
	q.on, q.made = on, time.Now()
	q.loop, _ = on.(*hop.Loop)
	q.name = q.opts.Name
	if q.name == "" {
		q.name = runtime.FuncForPC(reflect.ValueOf(f).Pointer()).Name()
	}
	if q.opts.OnError == nil {
		q.opts.OnError = func(err error) {
			slog.Error("hop: a value of a queue failed", "queue", q.name, "error", err)
		}
	}
	if q.opts.OnDrop == nil {
		q.opts.OnDrop = func(any) {}
	}
	q.calls = []hop.Option{hop.Name(q.name)}
	q.ctx, q.cancel = context.WithCancelCause(context.Background())
}

// checkMade panics for a queue that New or NewBatch did not make.
func (q *Queue[T]) checkMade() {
	if q == nil || q.on == nil {
		panic("hop: queue: a nil or zero Queue: make one with New or NewBatch")
	}
}

// Put puts v at the end of the queue and returns nil; f may run by then, and has run if the portal is hop.Inline and f was not
// busy.
//
// Put blocks only if the queue is full and its policy is Wait: then until there is room, on a loop by suspending the task, on a
// pool by giving back the place. ctx bounds this wait, and nothing else: f runs with the queue's own context.
//
// Errors: hop.ErrFull (the policy is Fail, or the portal's own queue is full), hop.ErrStopped (after Shutdown or Close, also for a
// Put that waits then; or the portal has stopped), a *hop.DeadlockError when f, whose return makes the room, waits itself, directly or
// through others, for the call that puts: f itself puts, or the functions of two full queues put into each other; hop.ErrCannotWait where
// nothing can wait, as on the own goroutine of the host that f's loop is a guest of; any other error of the portal's Submit, or with which that fails
// the call; and when ctx ends first an error that is ctx.Err(). With an error v was not put. It follows queue_call of async-kernel and send of Prefect's
// QueueService.
func (q *Queue[T]) Put(ctx context.Context, v T) error {
	if ctx == nil {
		panic("hop: queue: Put with a nil context")
	}
	if q == nil {
		q.checkMade() // newTurn finds a zero one, so that most Puts do not look
	}
	q.mu.Lock()
	if q.ending {
		q.mu.Unlock()
		return q.stopped()
	}
	if q.full() {
		switch q.opts.Full {
		case Fail:
			q.mu.Unlock()
			return q.error(hop.ErrFull, "is full: "+count(q.opts.Limit, "value waits", "values wait")+": put again later, raise Limit, or choose another policy")
		case Drop:
			q.mu.Unlock()
			q.opts.OnDrop(v)
			return nil
		default:
			if err := q.waitForRoom(ctx); err != nil {
				return err
			}
		}
	}
	return q.push(ctx, v)
}

// push puts v and submits a turn for it, if one is needed. It is entered with mu held, and releases it.
func (q *Queue[T]) push(ctx context.Context, v T) error {
	var at time.Duration
	if q.opts.BatchWait > 0 {
		at = time.Since(q.made)
	}
	n := q.ring.push(v, at)
	if !q.eachItsTurn() {
		// One turn for many values: the one that runs or is to run will find this one. But one whose submission is
		// still under way may be refused.
		if q.active != nil || q.last.pending() || !q.due() {
			do := q.check()
			q.unlock()
			do.run(q.ctx)
			return nil
		}
	}
	q.inflight++
	q.unlock()
	t := q.newTurn(q.ctx, n)
	err := q.submitTurn(t, n)
	if errors.Is(err, hop.ErrStopped) && hop.CurrentCall(ctx) != nil {
		t, err = q.submitFrom(ctx, n, n)
	}
	again := err == errAgain
	q.mu.Lock()
	q.inflight--
	var do deed
	switch {
	case err == nil:
		q.accepted(t)
	case again:
		err = nil // v is put; refused sees to the rest
		do = q.refused(errAgain, true)
	case !q.eachItsTurn() && (q.active != nil || q.last.pending()) || !q.ring.kill(n):
		err = nil // another turn will take it, or has
	default:
		q.grant()
		q.notify()
	}
	if !again {
		do = q.check()
	}
	q.unlock()
	do.run(q.ctx)
	if err != nil {
		return q.error(err, "")
	}
	return nil
}

// submitTurn submits t. If the portal panics, or its Submit ends the goroutine (Inline's does when the function does), t counts as decided here,
// and value n, unless it is 0 or has been taken, as not put.
func (q *Queue[T]) submitTurn(t *turn[T], n uint64) error {
	returned := false
	defer func() {
		if returned {
			return
		}
		q.mu.Lock()
		q.inflight--
		if n > 0 && !t.over {
			q.ring.kill(n)
			q.grant()
		}
		q.notify()
		do := q.check()
		q.unlock()
		if do != nil {
			go do.run(q.ctx)
		}
	}()
	err := q.on.Submit(t.p.Call())
	returned = true
	if err != nil {
		t.p.Cancel(err) // or it would count as one that may still run
		return err
	}
	if q.loop != nil || !t.p.Call().State().Done() {
		return nil
	}
	q.mu.Lock()
	ran := t.ran
	q.mu.Unlock()
	if ran {
		return nil
	}
	return t.unrun()
}

// Len returns how many values wait; the ones that f has are not among them.
func (q *Queue[T]) Len() int {
	q.checkMade()
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.ring.len()
}

// stopped is the error of a Put that comes too late.
func (q *Queue[T]) stopped() error {
	return q.error(hop.ErrStopped, "takes no more values: it is shut down, or its portal is")
}

// unlock releases mu and wakes those who were to be woken meanwhile, so that nobody is woken under the lock.
func (q *Queue[T]) unlock() {
	wake := q.wake
	q.wake = nil
	q.mu.Unlock()
	for _, e := range wake {
		e.Set()
	}
}

// notify wakes those who wait for a change. It needs mu.
func (q *Queue[T]) notify() {
	if q.changed != nil {
		q.wake = append(q.wake, q.changed)
		q.changed = nil
	}
}
