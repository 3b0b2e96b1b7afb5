package hop_test

// What the load of fault_load_test.go does, again and again.

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gohop/hop"
	"github.com/gohop/hop/queue"
)

func (l *load) calls(r *rand.Rand) {
	var ps []*hop.Pending[int]
	for range 1 + r.IntN(10) {
		ps = append(ps, l.startAnywhere(r, bg, plan{depth: 3, lasting: r.IntN(3) == 0}))
	}
	l.settle(r, ps)
}

// loop makes a loop of some kind, uses it and stops it.
func (l *load) loop(r *rand.Rand) {
	o := l.options("short")
	o.QueueLimit = r.IntN(2) * 20
	var loop *hop.Loop
	var below []*hop.Loop
	kind := r.IntN(6)
	switch {
	case kind == 0:
		loop = l.manual("short")
	case kind == 1 && !wasm:
		o.Thread = true
		loop = hop.NewLoop(o)
	case kind == 2:
		o.Host = l.loops[r.IntN(len(l.loops))]
		loop = hop.NewLoop(o)
	default:
		loop = hop.NewLoop(o)
		for i := range r.IntN(3) {
			c, err := loop.Child(fmt.Sprint(i), l.options(""))
			if err != nil {
				l.t.Errorf("Child: %v", err)
				continue
			}
			below = append(below, c)
		}
	}
	hooks := r.IntN(3)
	ran := 0
	for range hooks {
		loop.OnShutdown(func(ctx context.Context) error {
			ran++
			return hop.Yield(ctx)
		})
	}
	lasting := r.IntN(2) == 0
	var ps []*hop.Pending[int]
	for range r.IntN(15) {
		on := loop
		if len(below) > 0 && r.IntN(2) == 0 {
			on = below[r.IntN(len(below))]
		}
		ps = append(ps, l.start(r, bg, on, plan{depth: 2, lasting: lasting}))
	}
	late := hop.After(bg, time.Hour, loop, value(1))
	if r.IntN(2) == 0 {
		l.settle(r, ps)
	}
	var err error
	how := r.IntN(3)
	switch how {
	case 0:
		err = loop.Close()
	case 1:
		err = loop.Shutdown(bg) // lasting calls have their Timeout
	case 2:
		ctx, cancel := context.WithTimeout(bg, time.Duration(r.IntN(500))*time.Microsecond)
		if err = loop.Shutdown(ctx); err != nil {
			err = loop.Close()
		}
		cancel()
	}
	if err != nil {
		l.t.Errorf("the stop of %v: %v", loop, err)
	}
	if ran != hooks {
		l.t.Errorf("%d of %d shutdown functions ran; kind %d on %v, stopped by %d", ran, hooks, kind, o.Host, how)
	}
	if !errors.Is(late.Call().Err(), hop.ErrStopped) {
		l.t.Errorf("a call that was not due: %v", late.Call().Err())
	}
	for _, p := range ps {
		if !p.Call().State().Done() {
			l.t.Errorf("stranded by the stop: %v", p)
		}
		l.check(p.String(), p.Call().Err())
	}
	if !errors.Is(loop.Post(func() {}), hop.ErrStopped) {
		l.t.Errorf("%v takes functions after its end", loop)
	}
}

// pool makes a pool, uses it and stops it.
func (l *load) pool(r *rand.Rand) {
	p := hop.NewPool(&hop.PoolOptions{Size: r.IntN(4), MaxIdle: r.IntN(3) - 1, Threads: r.IntN(6) == 0 && !wasm,
		IdleTimeout: time.Duration(r.IntN(3)) * time.Millisecond, QueueLimit: r.IntN(2) * 10})
	var ps []*hop.Pending[int]
	for range r.IntN(20) {
		ps = append(ps, l.start(r, bg, p, plan{depth: 2, lasting: r.IntN(3) == 0}))
		if r.IntN(5) == 0 {
			p.SetSize(1 + r.IntN(4))
		}
	}
	// A function that heeds nothing is abandoned.
	stubborn := hop.Go(bg, p, func(context.Context) (int, error) { time.Sleep(100 * time.Microsecond); return 1, nil }, hop.Abandon())
	stubborn.Cancel(nil)
	if r.IntN(2) == 0 {
		l.settle(r, ps)
	}
	var err error
	if r.IntN(2) == 0 {
		err = p.Close()
	} else {
		err = p.Shutdown(bg)
	}
	if err != nil {
		l.t.Errorf("the stop of %v: %v", p, err)
	}
	for _, p := range append(ps, stubborn) {
		if !p.Call().State().Done() {
			l.t.Errorf("stranded by the stop: %v", p)
		}
		l.check(p.String(), p.Call().Err())
	}
}

func (l *load) runLoop(r *rand.Rand) {
	ctx, cancel := context.WithTimeout(bg, time.Duration(500+r.IntN(2000))*time.Microsecond)
	defer cancel()
	_, err := hop.RunLoop(ctx, l.options("run"), func(ctx context.Context) (int, error) {
		on := hop.CurrentLoop()
		var ps []*hop.Pending[int]
		for range r.IntN(5) {
			ps = append(ps, l.start(r, ctx, on, plan{depth: 2, lasting: true}))
		}
		for _, p := range ps {
			p.Wait(ctx)
		}
		return 1, nil
	})
	l.check("RunLoop", err)
}

func (l *load) groups(r *rand.Rand) {
	ctx, cancel := context.WithTimeout(bg, time.Duration(1+r.IntN(3000))*time.Microsecond)
	defer cancel()
	o := &hop.GroupOptions{Limit: r.IntN(4), KeepGoing: r.IntN(2) == 0}
	o.CancelOnCancelled, o.ReportCancelled = r.IntN(3) == 0, r.IntN(3) == 0
	if r.IntN(3) == 0 {
		o.Timeout = time.Duration(1+r.IntN(1000)) * time.Microsecond
	}
	tracked, tracker := hop.Track(ctx)
	var ps []*hop.Pending[int]
	err := hop.WithGroup(tracked, o, func(ctx context.Context) error {
		for range r.IntN(8) {
			ps = append(ps, l.startAnywhere(r, ctx, plan{depth: 2, lasting: true, member: true}))
		}
		return nil
	})
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		l.check("WithGroup", err)
	}
	for _, p := range ps {
		if !p.Call().State().Done() {
			l.t.Errorf("not waited for by its group: %v", p)
		}
	}
	// The function of an abandoned member may run on, and make calls; each is cancelled at once.
	eventually(l.t, "no call of a group that is over is tracked", func() bool { return len(tracker.Calls()) == 0 })
}

func (l *load) queues(r *rand.Rand) {
	var handled, dropped, failed atomic.Int64
	o := &queue.Options{Limit: r.IntN(3) * 5, Full: queue.Policy(r.IntN(3)),
		OnDrop: func(any) { dropped.Add(1) }, OnError: func(error) { failed.Add(1) }}
	on := l.place(r)
	handle := func(ctx context.Context, v int) error {
		handled.Add(1)
		if v%3 == 0 {
			hop.Yield(ctx)
		}
		if v%7 == 0 {
			panic(errStruck)
		}
		return nil
	}
	var q *queue.Queue[int]
	if r.IntN(2) == 0 {
		q = queue.New(on, handle, o)
	} else {
		o.BatchSize, o.BatchWait = r.IntN(4), time.Duration(r.IntN(200))*time.Microsecond
		if loop, ok := on.(*hop.Loop); ok && loop != nil {
			on = hop.Goroutines // a batch queue stays registered with its loop until that stops
		}
		q = queue.NewBatch(on, func(ctx context.Context, vs []int) error {
			for _, v := range vs {
				if v%7 == 0 {
					v++
				}
				handle(ctx, v)
			}
			return nil
		}, o)
	}
	var accepted atomic.Int64
	var putters sync.WaitGroup
	for range 1 + r.IntN(3) {
		putters.Go(func() {
			for v := range 10 {
				ctx, cancel := context.WithTimeout(bg, time.Millisecond)
				err := q.Put(ctx, v)
				cancel()
				if err == nil {
					accepted.Add(1)
				} else if !errors.Is(err, hop.ErrFull) && !errors.Is(err, hop.ErrStopped) && !errors.Is(err, context.DeadlineExceeded) {
					l.t.Errorf("Put: %v", err)
				}
			}
		})
	}
	if r.IntN(3) > 0 {
		putters.Wait()
	}
	if r.IntN(2) == 0 {
		q.Shutdown(bg)
	}
	q.Close()
	putters.Wait()
	q.Close()
	if n := handled.Load() + dropped.Load(); n != accepted.Load() {
		l.t.Errorf("queue %+v on %v: %d handled and %d dropped of %d", *o, on, handled.Load(), dropped.Load(), accepted.Load())
	}
}

func (l *load) promises(r *rand.Rand) {
	ctx, cancel := context.WithCancel(bg)
	defer cancel()
	pr := hop.NewPromise[int](ctx)
	asked := r.IntN(2) == 0
	if asked {
		pr.OnCancel(func(error) { go pr.Reject(errStruck) })
	}
	var dones atomic.Int64
	for range 3 {
		pr.Pending().OnDone(func() { dones.Add(1) })
	}
	pr.Pending().OnDone(func() { dones.Add(1) })
	var ps []*hop.Pending[int]
	for range r.IntN(6) {
		ps = append(ps, hop.Go(bg, l.elsewhere(r), func(ctx context.Context) (int, error) { return pr.Pending().Wait(ctx) }))
	}
	var racers sync.WaitGroup
	var first atomic.Int64
	for range 1 + r.IntN(3) {
		switch r.IntN(4) {
		case 0:
			racers.Go(func() {
				if pr.Resolve(1) {
					first.Add(1)
				}
			})
		case 1:
			racers.Go(func() {
				if pr.Reject(errStruck) {
					first.Add(1)
				}
			})
		case 2:
			racers.Go(func() { pr.Pending().Cancel(errStruck) })
		case 3:
			racers.Go(cancel)
		}
	}
	racers.Wait()
	_, err := pr.Pending().Wait(bg)
	l.check("a promise", err)
	for _, p := range ps {
		_, err := p.Wait(bg)
		l.check("who waits for a promise", err)
	}
	if first.Load() > 1 {
		l.t.Errorf("a promise was completed %d times", first.Load())
	}
	eventually(l.t, "the OnDone functions of a promise", func() bool { return dones.Load() == 4 })
}

// elsewhere is a place where a call may wait for what the caller does later.
func (l *load) elsewhere(r *rand.Rand) hop.Portal {
	for {
		if on := l.place(r); on != hop.Inline {
			return on
		}
	}
}

func (l *load) delays(r *rand.Rand) {
	var ps []*hop.Pending[int]
	for range 1 + r.IntN(6) {
		d := time.Duration(r.IntN(1000)) * time.Microsecond
		begun := time.Now()
		ps = append(ps, hop.After(bg, d, l.place(r), func(context.Context) (int, error) {
			if early := d - time.Since(begun); early > 0 {
				l.t.Errorf("a delayed call started %v too early", early)
			}
			return 1, nil
		}))
	}
	l.settle(r, ps)
}

func (l *load) waiters(r *rand.Rand) {
	w := hop.NewWaiter()
	p := hop.Go(bg, l.elsewhere(r), func(ctx context.Context) (int, error) {
		for range 1 + r.IntN(3) {
			if v, err := hop.Go(ctx, w, value(5)).Wait(ctx); v != 5 || err != nil {
				return 0, fmt.Errorf("the way back gave %d, %w", v, err)
			}
		}
		return 1, nil
	})
	ran := false
	w.OnDone(func(context.Context) { ran = true })
	if err := w.Wait(bg, p.Call()); err != nil {
		l.t.Errorf("Waiter.Wait: %v", err)
	}
	if _, err := p.Result(); err != nil || !ran {
		l.t.Errorf("a call with a Waiter: %v; OnDone ran: %v", err, ran)
	}
}

func (l *load) posts(r *rand.Rand) {
	var all sync.WaitGroup
	for range 1 + r.IntN(10) {
		all.Add(1)
		wait, boom := r.IntN(3) == 0, r.IntN(5) == 0
		f := func() {
			defer all.Done()
			if wait {
				hop.Sleep(bg, 10*time.Microsecond)
			}
			if boom {
				l.panics.Add(1)
				panic(errPosted)
			}
		}
		var err error
		if boom || r.IntN(2) == 0 {
			err = l.loops[r.IntN(len(l.loops))].Post(f)
		} else {
			err = l.pools[r.IntN(len(l.pools))].Post(f)
		}
		if err != nil {
			l.t.Errorf("Post: %v", err)
			all.Done()
		}
	}
	all.Wait()
}

func (l *load) events(r *rand.Rand) {
	var e hop.Event
	var ps []*hop.Pending[int]
	for range r.IntN(8) {
		ps = append(ps, hop.Go(bg, l.elsewhere(r), func(ctx context.Context) (int, error) { return 1, e.Wait(ctx) }))
	}
	hop.Go(bg, l.place(r), func(context.Context) (int, error) { e.Set(); return 1, nil }).Wait(bg)
	l.settle(r, ps)
}
