package hop_test

// A mixed random load: what TestSoak and the tests of pressure run. Everything that it does is checked as it goes: each call
// ends once, with an error that its function or a cancel explains, and what is stopped has nothing left.

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gohop/hop"
	"github.com/gohop/hop/hoptest"
)

// A load is places that live for a while, and counts.
type load struct {
	t       testing.TB
	loops   []*hop.Loop
	pools   []*hop.Pool
	places  []hop.Portal // all of them, and those without an end
	limiter *hop.Limiter
	local   *hop.Local[int]

	drivers        sync.WaitGroup // of Manual loops
	made, ended    atomic.Int64   // calls
	opened, closed atomic.Int64   // values of local
	panics         atomic.Int64   // posted functions that panicked,
	told           atomic.Int64   // and those that OnPanic was told of
	done           map[string]*atomic.Int64
}

// errPosted is what a posted function panics with.
var errPosted = errors.New("posted")

// deeds are what a load does, again and again.
var deeds = []struct {
	name string
	do   func(l *load, r *rand.Rand)
}{
	{"calls", (*load).calls},
	{"a loop", (*load).loop},
	{"a pool", (*load).pool},
	{"RunLoop", (*load).runLoop},
	{"groups", (*load).groups},
	{"queues", (*load).queues},
	{"promises", (*load).promises},
	{"delays", (*load).delays},
	{"waiters", (*load).waiters},
	{"posts", (*load).posts},
	{"events", (*load).events},
	{"streams", (*load).streams},
	{"contexts", (*load).contexts},
}

// newLoad makes the places. stop ends them and checks the counts.
func newLoad(t testing.TB) *load {
	l := &load{t: t, limiter: hop.NewLimiter(3), done: make(map[string]*atomic.Int64)}
	for _, d := range deeds {
		l.done[d.name] = new(atomic.Int64)
	}
	l.local = hop.NewLocal(func(ctx context.Context) (int, error) {
		l.opened.Add(1)
		hop.Yield(ctx)
		return 7, nil
	}, func(int) error { l.closed.Add(1); return nil })
	plain := hop.NewLoop(l.options("plain"))
	guest := l.options("guest")
	guest.Host = plain
	child, err := plain.Child("child", l.options(""))
	if err != nil {
		t.Fatal(err)
	}
	l.loops = []*hop.Loop{plain, hop.NewLoop(guest), child, l.manual("manual")}
	l.pools = []*hop.Pool{hop.NewPool(nil), hop.NewPool(&hop.PoolOptions{Size: 1}), hop.NewPool(&hop.PoolOptions{Size: 3, MaxIdle: 1, IdleTimeout: time.Millisecond})}
	if !wasm {
		o := l.options("thread")
		o.Thread = true
		l.loops = append(l.loops, hop.NewLoop(o))
		l.pools = append(l.pools, hop.NewPool(&hop.PoolOptions{Size: 2, Threads: true}))
	}
	l.places = []hop.Portal{hop.Goroutines, hop.Inline}
	for _, p := range l.loops {
		l.places = append(l.places, p)
	}
	for _, p := range l.pools {
		l.places = append(l.places, p)
	}
	return l
}

func (l *load) options(name string) *hop.LoopOptions {
	return &hop.LoopOptions{Name: name, StallAfter: -1, OnPanic: func(p *hop.PanicError) {
		if p.Value == any(errPosted) { // else it is an abandoned function's
			l.told.Add(1)
		}
	}}
}

// manual returns a Manual loop that a goroutine drives until it has stopped.
func (l *load) manual(name string) *hop.Loop {
	o := l.options(name)
	o.Manual = true
	m := hop.NewLoop(o)
	l.drivers.Go(func() { m.Run(bg) })
	return m
}

// stop ends the places, the guest before its host.
func (l *load) stop() {
	within(l.t, 3*patience, "the stop of the load", func() {
		for _, i := range []int{1, 2, 0, 3, 4} {
			if i < len(l.loops) {
				if err := l.loops[i].Close(); err != nil {
					l.t.Errorf("Close of %v: %v", l.loops[i], err)
				}
			}
		}
		for _, p := range l.pools {
			if err := p.Close(); err != nil {
				l.t.Errorf("Close of %v: %v", p, err)
			}
			if s := p.Stats(); s != (hop.PoolStats{Abandoned: s.Abandoned}) {
				l.t.Errorf("%v counts %+v after its end", p, s)
			}
		}
		l.drivers.Wait()
	})
	for what, n := range map[string][2]*atomic.Int64{
		"calls made, and ended":                             {&l.made, &l.ended},
		"values of Locals opened, and closed":               {&l.opened, &l.closed},
		"posted functions that panicked, and OnPanics told": {&l.panics, &l.told},
	} {
		eventually(l.t, fmt.Sprintf("%s: %d and %d", what, n[0].Load(), n[1].Load()), func() bool { return n[0].Load() == n[1].Load() })
	}
}

// run does deeds, on n goroutines, until stop says so. It fails the test when one of them takes too long.
func (l *load) run(n int, seed uint64, stop func() bool) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(i)))
			for !stop() && !l.t.Failed() {
				d := deeds[r.IntN(len(deeds))]
				within(l.t, 3*patience, fmt.Sprintf("%s (seed %d)", d.name, seed), func() { d.do(l, r) })
				l.done[d.name].Add(1)
			}
		})
	}
	all.Wait()
}

func (l *load) place(r *rand.Rand) hop.Portal { return l.places[r.IntN(len(l.places))] }

// explained tells whether err is one that the load brings about.
func explained(err error) bool {
	if err == nil {
		return true
	}
	for _, e := range []error{errStruck, hop.ErrGoexit, hop.ErrCancelled, hop.ErrStopped, hop.ErrFull, hop.ErrClosed} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// check fails the test unless err is explained; deadlocks, mismatches and refusals to wait are not.
func (l *load) check(what string, err error) {
	if !explained(err) || errors.Is(err, hop.ErrDeadlock) || errors.Is(err, hop.ErrCannotWait) || errors.Is(err, hop.ErrMismatch) {
		l.t.Errorf("%s: unexpected error: %v", what, err)
	}
}

// A plan says what a call may do.
type plan struct {
	depth   int  // make other calls, which make others, to this depth
	lasting bool // go on until it is cancelled
	member  bool // it is in a group
}

// below is the plan of a call that one with the plan p makes.
func (p plan) below() plan { return plan{depth: p.depth - 1, member: p.member} }

// function returns what a call does: something random.
func (l *load) function(r *rand.Rand, p plan) func(context.Context) (int, error) {
	depth, lasting := p.depth, p.lasting
	r = rand.New(rand.NewPCG(r.Uint64(), r.Uint64()))
	kind := r.IntN(16)
	if depth == 0 && kind >= 11 {
		kind = r.IntN(11)
	}
	return func(ctx context.Context) (int, error) {
		switch kind {
		case 0, 1:
			return 1, nil
		case 2:
			return 1, hop.Yield(ctx)
		case 3:
			return 1, hop.Sleep(ctx, time.Duration(r.IntN(300))*time.Microsecond)
		case 4:
			return 0, errStruck
		case 5:
			panic(errStruck)
		case 6:
			ch := make(chan int, 1)
			time.AfterFunc(time.Duration(r.IntN(100))*time.Microsecond, func() { ch <- 1 })
			v, _, err := hop.Recv(ctx, ch)
			return v, err
		case 7:
			if err := l.limiter.Acquire(ctx); err != nil {
				return 0, err
			}
			defer l.limiter.Release()
			return 1, hop.Yield(ctx)
		case 8:
			v, err := l.local.Get(ctx)
			if errors.Is(err, hop.ErrMismatch) {
				return 7, nil // on neither a loop nor a pool
			}
			return v, err
		case 9:
			if lasting {
				return 0, hop.Sleep(ctx, time.Hour)
			}
			return 1, nil
		case 10:
			if on := hop.Origin(ctx); on != nil {
				_, err := hop.Go(ctx, on, value(1)).Wait(ctx)
				return 1, err
			}
			return 1, nil
		case 11, 12:
			v, err := hop.Do(ctx, l.place(r), l.function(r, p.below()))
			return v, err
		case 13:
			var errs []error
			var ps []*hop.Pending[int]
			for range 1 + r.IntN(3) {
				ps = append(ps, l.start(r, ctx, l.place(r), p.below()))
			}
			for _, p := range ps {
				_, err := p.Wait(ctx)
				errs = append(errs, err)
			}
			return 1, errors.Join(errs...)
		case 14:
			return 1, hop.WithGroup(ctx, &hop.GroupOptions{Limit: r.IntN(3)}, func(ctx context.Context) error {
				for range 1 + r.IntN(3) {
					l.start(r, ctx, l.place(r), plan{depth: depth - 1, member: true})
				}
				return nil
			})
		default:
			hop.Go(ctx, l.place(r), l.function(r, p.below())).Done() // left behind
			return 1, nil
		}
	}
}

// start starts a call that is counted, with random options.
func (l *load) start(r *rand.Rand, ctx context.Context, on hop.Portal, plan plan) *hop.Pending[int] {
	var opts []hop.Option
	if plan.lasting || r.IntN(10) == 0 {
		opts = append(opts, hop.Timeout(time.Duration(1+r.IntN(2000))*time.Microsecond))
	}
	if r.IntN(10) == 0 && on != hop.Inline { // TestFault_AnAbandonedInlineCallOfAPoolsCall says why not there
		opts = append(opts, hop.Abandon())
	}
	if r.IntN(10) == 0 {
		opts = append(opts, hop.Name("loaded"), hop.Meta("key", 1), hop.OnUndelivered(func(int) {}))
	}
	p := hop.New(ctx, l.function(r, plan), opts...)
	l.made.Add(1)
	p.OnDone(func() { l.ended.Add(1) })
	if err := on.Submit(p.Call()); err != nil {
		p.Call().Fail(err)
	}
	return p
}

func (l *load) startAnywhere(r *rand.Rand, ctx context.Context, p plan) *hop.Pending[int] {
	return l.start(r, ctx, l.place(r), p)
}

// settle waits for calls, or cancels them, and checks how they end.
func (l *load) settle(r *rand.Rand, ps []*hop.Pending[int]) {
	for _, p := range ps {
		if r.IntN(6) == 0 {
			p.Cancel(errStruck)
		}
	}
	for _, p := range ps {
		var err error
		switch r.IntN(4) {
		case 0:
			_, err = p.Wait(bg)
		case 1:
			_, err = p.WaitOrCancel(bg)
		case 2:
			<-p.Done()
			_, err = p.Result()
		case 3:
			ctx, cancel := context.WithTimeout(bg, time.Duration(r.IntN(200))*time.Microsecond)
			if _, err = p.Wait(ctx); !p.Call().State().Done() || errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, hop.ErrCancelled) {
				p.CancelWait(bg, errStruck)
				err = p.Call().Err()
			}
			cancel()
		}
		l.check(p.String(), err)
	}
}

// underLoad runs n deeds with newLoad, and fails the test if something is left.
func underLoad(t *testing.T, seed uint64, n int64) {
	t.Helper()
	setDefaultLog(t, slog.DiscardHandler) // it loses many failures
	hoptest.NoLeaks(t)
	l := newLoad(t)
	var begun atomic.Int64
	l.run(4, seed, func() bool { return begun.Add(1) > n })
	l.stop()
	for range 3 {
		runtime.GC() // the failures that were lost are logged now, not in the next test
	}
}
