package upstream_test

// async-kernel's test_event_loop.py: loops inside foreign loops.

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/gohop/hop"
)

// mainloop is a foreign event loop as a toolkit has one.
type mainloop struct {
	fs   chan func()
	once sync.Once
	quit chan struct{}
}

func newMainloop() *mainloop {
	return &mainloop{fs: make(chan func(), 1<<16), quit: make(chan struct{})}
}

var errQuit = errors.New("the main loop has quit")

func (m *mainloop) Post(f func()) error {
	select {
	case <-m.quit:
		return errQuit
	default:
	}
	select {
	case m.fs <- f:
		return nil
	case <-m.quit:
		return errQuit
	}
}

// run is the mainloop; it returns after quit.
func (m *mainloop) run() {
	for {
		select {
		case f := <-m.fs:
			f()
		case <-m.quit:
			return
		}
	}
}

func (m *mainloop) end() { m.once.Do(func() { close(m.quit) }) }

func TestKernelEventLoop_Host(t *testing.T) {
	// The outcome of the first task is what RunLoop returns: a value or an error, and nothing before it is done.
	within(t, "RunLoop", func() {
		if v, err := hop.RunLoop(bg, nil, asyncBody); v != 1 || err != nil {
			t.Errorf("%d, %v", v, err)
		}
		if _, err := hop.RunLoop(bg, nil, func(ctx context.Context) (int, error) { hop.Yield(ctx); return 0, errWhy }); err != errWhy {
			t.Error(err)
		}
		for name, b := range breakDown {
			_, err := hop.RunLoop(bg, nil, b.f)
			b.want(t, err)
			if t.Failed() {
				t.Fatal(name)
			}
		}
	})
}

func TestKernelEventLoop_CustomHost(t *testing.T) {
	m := newMainloop()
	var l *hop.Loop
	var result *hop.Pending[int]
	within(t, "the main loop", func() {
		if hop.CurrentLoop() != nil {
			t.Error("on a loop before it runs")
		}
		l = hop.NewLoop(&hop.LoopOptions{Name: "guest", Host: m})
		var own int // the thread's
		result = hop.Go(bg, l, func(ctx context.Context) (int, error) {
			own++
			if hop.CurrentLoop() != l {
				t.Error("the guest does not know where it is")
			}
			v, err := hop.Blocking(ctx, func(ctx context.Context) (int, error) { // away and back
				return hop.Do(ctx, hop.Origin(ctx), func(context.Context) (int, error) { own++; return own, nil })
			})
			return v, err
		})
		m.Post(func() { own += 10 })
		result.OnDone(func() { go func() { l.Close(); m.end() }() })
		m.run()
		if hop.CurrentLoop() != nil {
			t.Error("on a loop after it ran")
		}
	})
	if v := must(t, result); v != 12 && v != 2 {
		t.Error(v)
	}
	recv(t, "the guest's end", l.Stopped())
}

func TestKernelEventLoop_CustomHostThatCannotStart(t *testing.T) {
	m := newMainloop()
	m.end()
	l := newLoop(t, &hop.LoopOptions{Host: m, Logger: new(journal).logger(0)})
	wantIs(t, waitErr(t, hop.Go(bg, l, value(1))), hop.ErrStopped)
	for _, o := range []hop.LoopOptions{{Host: m, Thread: true}, {Host: m, Manual: true}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%+v: no panic", o)
				}
			}()
			hop.NewLoop(&o)
		}()
	}
}

func TestKernelEventLoop_LoopAsHost(t *testing.T) {
	for name, host := range map[string]func(t *testing.T) *hop.Loop{
		"plain":  func(t *testing.T) *hop.Loop { return newLoop(t, nil) },
		"thread": func(t *testing.T) *hop.Loop { return newLoop(t, &hop.LoopOptions{Thread: !wasm}) },
		"guest":  func(t *testing.T) *hop.Loop { return newLoop(t, &hop.LoopOptions{Host: newLoop(t, nil)}) },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLoop(t, &hop.LoopOptions{Host: host(t)})
			if v := must(t, hop.Go(bg, l, asyncBody)); v != 1 {
				t.Error(v)
			}
			// Another run on a thread that runs a loop already.
			must(t, hop.Go(bg, l, func(ctx context.Context) (int, error) {
				_, err := hop.RunLoop(ctx, nil, value(1))
				wantIs(t, err, hop.ErrCannotWait)
				wantIs(t, hop.NewLoop(&hop.LoopOptions{Manual: true}).Run(ctx), hop.ErrCannotWait)
				return 0, nil
			}))
		})
	}
}

func TestKernelEventLoop_StartGuestRun(t *testing.T) {
	const tasks, turns = 4, 25
	m := newMainloop()
	go m.run()
	defer m.end()
	a, b := newLoop(t, &hop.LoopOptions{Host: m}), newLoop(t, &hop.LoopOptions{Host: m})
	lock := hop.NewLimiter(1)                    // shared by both
	if !lock.TryAcquire() || lock.TryAcquire() { // taken until all are in line
		t.Fatal("TryAcquire: want true, then false")
	}
	var order []*hop.Loop // all on the host's thread
	inside := 0
	var callbacks sync.WaitGroup
	var ps []*hop.Pending[int]
	for _, l := range []*hop.Loop{a, b} {
		for range tasks {
			p := hop.Go(bg, l, func(ctx context.Context) (int, error) {
				for range turns {
					if err := lock.Acquire(ctx); err != nil {
						return 0, err
					}
					if inside++; inside != 1 {
						t.Error("two at once")
					}
					order = append(order, l)
					if err := hop.Yield(ctx); err != nil {
						return 0, err
					}
					inside--
					lock.Release()
				}
				return 0, nil
			})
			callbacks.Add(1)
			p.OnDone(callbacks.Done)
			ps = append(ps, p)
		}
	}
	for _, p := range ps {
		untilWaiting(t, p.Call())
	}
	lock.Release()
	for _, p := range ps {
		must(t, p)
	}
	within(t, "every done callback", callbacks.Wait)
	if len(order) != 2*tasks*turns {
		t.Fatalf("%d turns", len(order))
	}
	// Fair: the eight are in line, and who has had a turn goes to its end, so in each round both have four.
	for i := 0; i < len(order); i += 2 * tasks {
		n := 0
		for _, l := range order[i : i+2*tasks] {
			if l == a {
				n++
			}
		}
		if n != tasks {
			t.Fatalf("in a round of %d turns one guest had %d", 2*tasks, n)
		}
	}
}
