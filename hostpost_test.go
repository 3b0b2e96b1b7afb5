package hop_test

// S39: a host's Post that panics, ends its goroutine, is slow or calls back into hop, wherever hop calls it.

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gohop/hop"
)

// A struckHost is a host whose Post does what strike says, once that is set.
type struckHost struct {
	directHost
	strike *atomic.Pointer[func(post func() error) error]
}

func newStruckHost(t *testing.T) struckHost {
	h := struckHost{make(directHost, 1000), new(atomic.Pointer[func(func() error) error])}
	go h.serve()
	t.Cleanup(func() { close(h.directHost) })
	return h
}

func (h struckHost) Post(f func()) error {
	post := func() error { return h.directHost.Post(f) }
	if s := h.strike.Load(); s != nil {
		return (*s)(post)
	}
	return post()
}

// begin has Post do so from now on, when the tick that runs has ended.
func (h struckHost) begin(t *testing.T, strike func(post func() error) error) {
	idle := make(chan struct{})
	h.directHost <- func() { close(idle) }
	recv(t, "the host", idle)
	h.strike.Store(&strike)
}

// A posting is a guest, something that has hop call its host's Post, and what is to be looked at then.
type posting struct {
	t     *testing.T
	host  struckHost
	guest *hop.Loop
	tasks []*hop.Pending[int] // of the guest's: they wait for what fire brings
	own   []*hop.Pending[int] // that are no guest's, and are done by fire
	fire  func()
	look  func() // asks what the guest has waited for; it may be called anywhere, at any time
	after func() // is called at the end, when the guest has gone on or has ended
	stops bool   // fire ends the guest
	sends bool   // fire itself calls Post, with no lock held: so it ends, or blocks, with it

	fed  bool // a Submit that the end of another call brings about: if Post ends the goroutine, the call ends so
	busy bool // the host is in a task of the guest's, which goes on with fire
}

func (p *posting) suspend(f func(ctx context.Context) error) {
	task := hop.Go(bg, p.guest, func(ctx context.Context) (int, error) { return 1, f(ctx) })
	untilWaiting(p.t, task.Call())
	p.tasks = append(p.tasks, task)
}

// occupy has a task of the guest's keep the host until the function that it returns is called. Then it does f.
func (p *posting) occupy(f func(ctx context.Context) error) (release func()) {
	g := newGate(p.t)
	begun := make(chan struct{})
	p.tasks = append(p.tasks, hop.Go(bg, p.guest, func(ctx context.Context) (int, error) { close(begun); g.pass(); return 1, f(ctx) }))
	recv(p.t, "the task that keeps the host", begun)
	p.busy = true
	return g.open
}

// waitFor has a task of the guest's, and a goroutine after it, wait for c, which fire ends.
func (p *posting) waitFor(c *hop.Pending[int], fire func()) {
	p.suspend(func(ctx context.Context) error { _, err := c.Wait(ctx); return err })
	behind := make(chan error, 1)
	other := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) {
		_, err := c.Wait(ctx)
		behind <- err
		return 1, err
	})
	untilWaiting(p.t, other.Call())
	told := make(chan struct{})
	c.OnDone(func() { close(told) })
	p.own = append(p.own, c, other)
	p.fire = fire
	p.look = func() { c.Call().State(); c.Done(); _ = c.Call().String(); c.Result() }
	p.after = func() {
		recv(p.t, "who waits behind the task", behind)
		recv(p.t, "OnDone", told)
		recv(p.t, "Done", c.Done())
	}
}

// postings are the ways in which hop comes to call Post.
var postings = []struct {
	name string
	make func(p *posting)
}{
	{"the end of a call on a pool", func(p *posting) {
		g := newGate(p.t)
		c := hop.Go(bg, newPool(p.t, nil), func(context.Context) (int, error) { g.pass(); return 1, nil })
		p.waitFor(c, g.open)
	}},
	{"the end of a call on a goroutine", func(p *posting) {
		g := newGate(p.t)
		c := hop.Go(bg, hop.Goroutines, func(context.Context) (int, error) { g.pass(); return 1, nil })
		p.waitFor(c, g.open)
	}},
	{"the end of a call on a loop", func(p *posting) {
		g := newGate(p.t)
		c := hop.Go(bg, newLoop(p.t, &hop.LoopOptions{StallAfter: -1}), func(context.Context) (int, error) { g.pass(); return 1, nil })
		p.waitFor(c, g.open)
	}},
	{"Resolve", func(p *posting) {
		pr := hop.NewPromise[int](bg)
		p.waitFor(pr.Pending(), func() { pr.Resolve(1) })
	}},
	{"Set of an Event", func(p *posting) {
		var e hop.Event
		p.suspend(e.Wait)
		other := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) { return 1, e.Wait(ctx) })
		untilWaiting(p.t, other.Call())
		p.own = append(p.own, other)
		p.fire = e.Set
		p.look = func() { e.IsSet(); e.Set() }
		p.after = func() { within(p.t, patience, "Wait", func() { e.Wait(bg) }) }
	}},
	{"Release of a Limiter", func(p *posting) {
		l := hop.NewLimiter(1)
		l.TryAcquire()
		p.suspend(l.Acquire)
		other := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) { return 1, l.Acquire(ctx) })
		untilWaiting(p.t, other.Call())
		p.fire = l.Release
		p.look = func() { l.TryAcquire() }
		p.after = func() {
			within(p.t, patience, "SetLimit", func() { l.SetLimit(2) })
			must(p.t, other)
		}
	}},
	{"Cancel", func(p *posting) {
		var e hop.Event
		p.suspend(func(ctx context.Context) error {
			if err := e.Wait(ctx); !errors.Is(err, hop.ErrCancelled) && !errors.Is(err, context.Canceled) {
				return err
			}
			return nil
		})
		c := p.tasks[0]
		p.tasks = nil // it ends cancelled
		under := hop.NewPromise[int](c.Call().Context())
		p.fire = func() { c.Cancel(nil) }
		p.look = func() { c.Call().State(); c.Done(); c.Call().Context().Err(); c.Cancel(nil) }
		p.after = func() {
			wantCancelled(p.t, waitErr(p.t, c))
			wantCancelled(p.t, waitErr(p.t, under.Pending()))
			within(p.t, patience, "Set", e.Set)
		}
	}},
	{"the end of a context", func(p *posting) {
		ctx, cancel := context.WithCancel(bg)
		var e hop.Event
		p.suspend(func(context.Context) error { e.Wait(ctx); return nil })
		p.fire = cancel
		p.look = func() { ctx.Err(); e.IsSet() }
		p.after = func() { within(p.t, patience, "Set", e.Set) }
	}},
	{"the end of a group's member", func(p *posting) {
		in := make(chan context.Context)
		over := make(chan error, 1)
		go func() {
			over <- hop.WithGroup(bg, nil, func(ctx context.Context) error { in <- ctx; <-in; return nil })
		}()
		ctx := recv(p.t, "the group", in)
		pr := hop.NewPromise[int](ctx)
		member := hop.Go(ctx, p.guest, func(ctx context.Context) (int, error) { return 1, new(hop.Event).Wait(ctx) })
		untilWaiting(p.t, member.Call())
		p.fire = func() { pr.Reject(errStruck) }
		p.look = func() { pr.Pending().Call().State(); ctx.Err() }
		p.after = func() {
			close(in)
			wantIs(p.t, recv(p.t, "WithGroup", over), errStruck)
			wantCancelled(p.t, waitErr(p.t, member))
		}
	}},
	{"a member that gets its place", func(p *posting) {
		in := make(chan context.Context)
		over := make(chan error, 1)
		go func() {
			over <- hop.WithGroup(bg, &hop.GroupOptions{Limit: 1, KeepGoing: true}, func(ctx context.Context) error { in <- ctx; <-in; return nil })
		}()
		ctx := recv(p.t, "the group", in)
		g := newGate(p.t)
		first := hop.Go(ctx, hop.Goroutines, func(context.Context) (int, error) { g.pass(); return 1, nil })
		next := hop.Go(ctx, p.guest, value(1))
		p.own = append(p.own, first)
		p.tasks = append(p.tasks, next)
		p.fed = true
		p.fire = g.open
		p.look = func() { first.Call().State(); next.Call().State(); ctx.Err() }
		p.after = func() {
			close(in)
			recv(p.t, "WithGroup", over)
		}
	}},
	{"the end of a Sleep", func(p *posting) {
		// Not so short that it is over before the tick is, which has no need of Post then.
		p.fire = p.occupy(func(ctx context.Context) error { return hop.Sleep(ctx, 100*time.Millisecond) })
		p.look = func() { hop.After(bg, time.Hour, p.guest, value(1)).Cancel(nil) }
	}},
	{"a call of After that is due", func(p *posting) {
		task := hop.NewPromise[int](bg)
		p.tasks = append(p.tasks, task.Pending())
		p.fire = func() {
			c := hop.After(bg, time.Millisecond, p.guest, value(1))
			c.OnDone(func() {
				if _, err := c.Result(); err != nil {
					task.Reject(err)
				} else {
					task.Resolve(1)
				}
			})
		}
		p.look = func() { hop.After(bg, time.Hour, p.guest, value(1)).Cancel(nil) }
	}},
	{"Go", func(p *posting) {
		c := hop.New(bg, value(1))
		p.tasks = append(p.tasks, c)
		p.sends = true
		p.fire = func() { p.guest.Submit(c.Call()) }
		p.look = func() { c.Call().State(); c.Done(); _ = c.Call().String() }
	}},
	{"Post", func(p *posting) {
		p.sends = true
		p.fire = func() { p.guest.Post(func() {}) }
	}},
	{"Do", func(p *posting) {
		p.sends = true
		p.fire = func() { hop.Do(bg, p.guest, value(1)) }
	}},
	{"a tick that is not through", func(p *posting) {
		p.fire = p.occupy(func(context.Context) error { return nil })
		for range 10_000 { // a tick of the host's guest has ticks of a guest's guest in it
			p.guest.Post(func() {})
		}
		p.tasks = append(p.tasks, hop.Go(bg, p.guest, value(1)))
	}},
	{"Close", func(p *posting) {
		p.suspend(func(ctx context.Context) error { return hop.Sleep(ctx, time.Hour) })
		p.stops = true
		p.fire = func() { p.guest.Close() }
		p.look = func() { p.guest.Post(func() {}); hop.Loops() }
	}},
	{"Shutdown", func(p *posting) {
		p.stops = true
		p.fire = func() { p.guest.Shutdown(bg) }
		p.look = func() { p.guest.Post(func() {}); hop.Loops() }
	}},
}

// eachPosting runs f for each of postings, with a guest of the host, and if nested with a guest of that guest too.
func eachPosting(t *testing.T, nested bool, f func(t *testing.T, p *posting)) {
	for _, inner := range []bool{false, true}[:1+map[bool]int{true: 1}[nested]] {
		for _, k := range postings {
			t.Run(k.name+map[bool]string{true: ", in a guest of a guest"}[inner], func(t *testing.T) {
				p := &posting{t: t, host: newStruckHost(t), look: func() {}, after: func() {}}
				o := hop.LoopOptions{Name: "guest", Host: p.host, StallAfter: -1, Logger: new(journal).logger()}
				p.guest = hop.NewLoop(&o)
				if inner {
					outer := p.guest
					defer closeAll(t, "the host's guest", outer.Close)
					o.Name, o.Host = "guest of a guest", outer
					p.guest = hop.NewLoop(&o)
				}
				must(t, hop.Go(bg, p.guest, value(1)))
				k.make(p)
				f(t, p)
			})
		}
	}
}

// begin has Post do what strike says from now on.
func (p *posting) begin(strike func(post func() error) error) {
	if p.busy {
		p.host.strike.Store(&strike) // its tick runs, and goes on with fire
	} else {
		p.host.begin(p.t, strike)
	}
}

// A Post that fails, in whatever way, ends the guest, and nothing else: who called it goes on, what the guest has waited for can be looked at, and whoever
// else has waited for it goes on.
func TestS39_AHostWhosePostFailsLeavesNothingBehind(t *testing.T) {
	// Few, since each leaves a guest's coroutines behind, as a host that fails does.
	for _, fail := range []struct {
		name           string
		goexit, nested bool
		strike         func(post func() error) error
	}{
		{"panics", false, false, func(func() error) error { panic(errStruck) }},
		{"ends the goroutine", true, true, func(func() error) error { runtime.Goexit(); return nil }},
		{"ends the goroutine late", true, false, func(post func() error) error { post(); runtime.Goexit(); return nil }},
	} {
		t.Run(fail.name, func(t *testing.T) {
			eachPosting(t, fail.nested, func(t *testing.T, p *posting) {
				p.begin(fail.strike)
				v, returned := swallow(t, "what calls Post", p.fire)
				if v != nil || !returned && !(p.sends && fail.goexit) {
					t.Errorf("what calls Post: returned %v, panicked with %v", returned, v)
				}
				for _, c := range p.own {
					must(t, c)
				}
				within(t, patience, "a look", p.look)
				recv(t, "the guest's end", p.guest.Stopped())
				for _, c := range p.tasks {
					if err := waitErr(t, c); err != nil && !(p.fed && errors.Is(err, hop.ErrGoexit)) {
						wantIs(t, err, hop.ErrStopped)
					}
				}
				p.after()
				closeAll(t, "the guest", p.guest.Close)
			})
		})
	}
}

// A Post that is slow keeps nobody but the guest, and who sends to it.
func TestS39_AHostWhosePostIsSlowKeepsNobodyElse(t *testing.T) {
	eachPosting(t, true, func(t *testing.T, p *posting) {
		g := newGate(t)
		in := make(chan struct{}, 1000)
		p.begin(func(post func() error) error { in <- struct{}{}; g.pass(); return post() })
		fired := inBackground(p.fire)
		recv(t, "Post", in)
		if !p.sends && !p.stops {
			recv(t, "what calls Post", fired)
		}
		for _, c := range p.own {
			must(t, c)
		}
		within(t, patience, "a look", p.look)
		g.open()
		recv(t, "what calls Post", fired)
		for _, c := range p.tasks {
			if err := waitErr(t, c); err != nil && !p.stops {
				t.Error(err)
			}
		}
		p.after()
		closeAll(t, "the guest", p.guest.Close)
	})
}

// A Post that calls back into hop finds no lock held.
func TestS39_AHostWhosePostCallsBack(t *testing.T) {
	eachPosting(t, true, func(t *testing.T, p *posting) {
		looked := make(chan struct{}, 1000)
		var more atomic.Pointer[hop.Pending[int]]
		p.begin(func(post func() error) error {
			p.look()
			for _, c := range append(p.tasks, p.own...) {
				c.Call().State()
				c.Done()
				_ = c.Call().String()
			}
			if more.Load() == nil {
				more.Store(hop.Go(bg, p.guest, value(1)))
			}
			p.guest.Post(func() {})
			hop.Loops()
			looked <- struct{}{}
			return post()
		})
		fired := inBackground(p.fire)
		recv(t, "a look from Post", looked)
		recv(t, "what calls Post", fired)
		for _, c := range p.own {
			must(t, c)
		}
		for _, c := range p.tasks {
			if err := waitErr(t, c); err != nil && !p.stops {
				t.Error(err)
			}
		}
		if err := waitErr(t, more.Load()); err != nil && !p.stops {
			t.Error(err)
		}
		p.after()
		closeAll(t, "the guest", p.guest.Close)
	})
}

// Who takes the host down when its guest has stopped must not find it in use.
func TestS39_AGuestThatHasStoppedLeavesItsHostAlone(t *testing.T) {
	host := newStruckHost(t)
	guest := hop.NewLoop(&hop.LoopOptions{Host: host})
	must(t, hop.Go(bg, guest, value(1)))
	g := newGate(t)
	host.begin(t, func(post func() error) error {
		err := post()
		g.pass()
		return err
	})
	closed := inBackground(func() { guest.Close() })
	eventually(t, "the last tick", func() bool { return !slices.Contains(hop.Loops(), guest) })
	recv(t, "the host", postTo(host.directHost)) // that tick has returned
	if isDone(guest.Stopped()) {
		t.Error("the guest has stopped, and Post has not returned")
	}
	g.open()
	recv(t, "Close", closed)
}
