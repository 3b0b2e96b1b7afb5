package hop_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/gohop/hop"
)

func TestS37_TheErrOfADeeplyNestedContextIsLinear(t *testing.T) {
	submitter, cancel := context.WithCancelCause(context.Background())
	var innermost context.Context
	var nest func(ctx context.Context, n int) error
	nest = func(ctx context.Context, n int) error {
		if n == 0 {
			innermost = ctx
			return nil
		}
		return hop.Run(ctx, hop.Goroutines, func(ctx context.Context) error { return nest(ctx, n-1) })
	}
	if err := nest(submitter, 200); err != nil {
		t.Fatal(err)
	}
	enough := errors.New("enough")
	cancel(enough)
	within(t, patience, "Err and Cause", func() {
		if innermost.Err() != context.Canceled || context.Cause(innermost) != enough {
			t.Errorf("%v, %v", innermost.Err(), context.Cause(innermost))
		}
	})
}

func TestS25_CloseOfALoopInACallOfAPoolThatCloses(t *testing.T) {
	pool := hop.NewPool(nil)
	in, enter := started()
	p := hop.Go(bg, pool, func(ctx context.Context) (int, error) {
		l := hop.NewLoop(nil)
		enter()
		<-ctx.Done()
		return 0, l.Close()
	})
	recv(t, "the call", in)
	within(t, patience, "Close of the pool", func() {
		if err := pool.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := waitErr(t, p); !errors.Is(err, hop.ErrStopped) || errors.Is(err, hop.ErrDeadlock) {
		t.Errorf("the call ended with %v", err)
	}
}

func TestPortal_ARefusedCallIsTheCallersAgain(t *testing.T) {
	full, l := newPool(t, nil), newLoop(t, nil)
	if err := full.Close(); err != nil {
		t.Fatal(err)
	}
	p := hop.New(bg, value(7))
	wantIs(t, full.Submit(p.Call()), hop.ErrStopped)
	if s, on := p.Call().State(), p.Call().Portal(); s != hop.Created || on != nil {
		t.Errorf("after the refusal it is %v on %v", s, on)
	}
	if err := l.Submit(p.Call()); err != nil {
		t.Fatal(err)
	}
	must(t, p)
	if p.Call().Portal() != hop.Portal(l) {
		t.Errorf("it ran on the loop, and says %v", p.Call().Portal())
	}
	wantIs(t, l.Submit(p.Call()), hop.ErrMismatch)
}

// directHost is a host whose own code runs beside what is posted to it, on one goroutine.
type directHost chan func()

func (h directHost) Post(f func()) error {
	h <- f
	return nil
}

// serve is the host's loop, on its one thread, which it keeps to its end.
func (h directHost) serve() {
	if !wasm { // where a lock outlives its goroutine
		runtime.LockOSThread()
	}
	for f := range h {
		f()
	}
}

func TestS39_AHostsOwnCodeCannotWaitForItsGuest(t *testing.T) {
	host := make(directHost, 100)
	var guest *hop.Loop
	refused := make(chan error, 2)
	go host.serve()
	guest = newLoop(t, &hop.LoopOptions{Host: host})
	must(t, hop.Go(bg, guest, value(1))) // a tick has run
	host <- func() {
		p := hop.Go(bg, guest, value(2))
		_, err := p.Wait(bg)
		refused <- err
		v, err := hop.Do(bg, guest, value(3)) // runs inline: it is there already
		if v != 3 {
			t.Errorf("Do got %d, %v", v, err)
		}
		refused <- err
	}
	wantIs(t, recv(t, "the wait", refused), hop.ErrCannotWait)
	if err := recv(t, "the inline call", refused); err != nil {
		t.Error(err)
	}
}

// A host that is a goroutine of its own, and is not locked, may be on another thread from one callback to the next, and in one.
func TestS39_AHostIsKnownOnEachThread(t *testing.T) {
	host := make(directHost, 100)
	go func() {
		for f := range host {
			f()
		}
	}()
	defer close(host)
	guest := newLoop(t, &hop.LoopOptions{Host: host})
	ticked := must(t, hop.Go(bg, guest, func(context.Context) (uint64, error) { return threadID(), nil }))
	done := make(chan error, 1)
	host <- func() {
		for threadID() == ticked && ticked != 0 {
			// Others lock the thread that this goroutine has left; it has to go on elsewhere.
			var taken sync.WaitGroup
			taken.Add(1)
			free := make(chan struct{})
			go func() {
				runtime.LockOSThread()
				defer runtime.UnlockOSThread()
				taken.Done()
				<-free
			}()
			taken.Wait()
			runtime.Gosched()
			close(free)
		}
		if !guest.Here() {
			t.Error("on another thread, the host's goroutine is not known")
		}
		ctx, cancel := context.WithTimeout(bg, 10*time.Second)
		defer cancel()
		_, err := hop.Do(ctx, guest, value(3)) // inline: queued, it would wait for itself
		done <- err
	}
	if err := recv(t, "the host", done); err != nil {
		t.Error(err)
	}
	guest.Close()
}

func TestS25_AStopLooksAgainWhenTheCircleClosesLater(t *testing.T) {
	// The call waits for the loop's end before the loop's task waits for the call.
	for name, stop := range map[string]func(l *hop.Loop) error{
		"Shutdown": func(l *hop.Loop) error { return l.Shutdown(bg) },
		"Close":    func(l *hop.Loop) error { return l.Close() },
	} {
		pool, l := newPool(t, nil), newLoop(t, nil)
		stopped := make(chan error, 1)
		task := hop.Go(bg, l, func(ctx context.Context) (int, error) {
			p := hop.Go(bg, pool, func(context.Context) (int, error) {
				err := stop(l)
				stopped <- err
				return 1, nil
			})
			for p.Call().State() != hop.Waiting {
				runtime.Gosched()
			}
			return p.Wait(context.WithoutCancel(ctx))
		}, hop.Name(name))
		if err := recv(t, name, stopped); err != nil && !errors.Is(err, hop.ErrDeadlock) {
			t.Errorf("%s: %v", name, err)
		} else if err == nil && name == "Shutdown" {
			t.Error("Shutdown has waited for a task that waited for it")
		}
		_, _ = wait(t, task)
		recv(t, "the loop's end", l.Stopped())
	}
}
