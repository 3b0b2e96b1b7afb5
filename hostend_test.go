package hop_test

// S39: hosts that take no guests, or fail while they have some.

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gohop/hop"
)

func TestS39_ALoopThatStopsTakesNoGuests(t *testing.T) {
	host := newLoop(t, nil)
	if err := host.Close(); err != nil {
		t.Fatal(err)
	}
	guest := hop.NewLoop(&hop.LoopOptions{Host: host})
	wantIs(t, waitErr(t, hop.Go(bg, guest, value(1))), hop.ErrStopped)
	recv(t, "its end", guest.Stopped())
	within(t, patience, "Close", func() {
		if err := guest.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestS39_AHostThatFailsEndsTheChildrenOfItsGuests(t *testing.T) {
	k := newForeignLoop(t)
	guest := hop.NewLoop(&hop.LoopOptions{Name: "guest", Host: k})
	below, err := guest.Child("below", nil)
	if err != nil {
		t.Fatal(err)
	}
	must(t, hop.Go(bg, guest, value(1)))
	p := hop.Go(bg, below, func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, context.Cause(ctx) })
	k.fail(true)
	untilClosing(t, guest)
	recv(t, "the guest's end", guest.Stopped())
	wantIs(t, waitErr(t, p), hop.ErrStopped)
	recv(t, "the child's end", below.Stopped())
}

func TestS39_AHostThatFailsWhileAGuestRuns(t *testing.T) {
	// The tick that notices runs inside the host: the guest ends when that tick does.
	k := newForeignLoop(t)
	guest := hop.NewLoop(&hop.LoopOptions{Name: "guest", Host: k})
	var never hop.Event
	waits := hop.Go(bg, guest, func(ctx context.Context) (int, error) { return 0, never.Wait(ctx) })
	untilWaiting(t, waits.Call())
	must(t, hop.Go(bg, guest, func(context.Context) (int, error) { k.fail(false); return 0, nil }))
	untilClosing(t, guest)
	recv(t, "the guest's end", guest.Stopped())
	wantIs(t, waitErr(t, waits), hop.ErrStopped)
}

func TestS39_ALoopThatIsShutDownTakesNoGuests(t *testing.T) {
	host := newLoop(t, &hop.LoopOptions{StallAfter: -1})
	gate := occupy(t, host)
	over := make(chan error, 1)
	go func() { over <- host.Shutdown(bg) }()
	untilClosing(t, host)
	guest := hop.NewLoop(&hop.LoopOptions{Host: host})
	wantIs(t, waitErr(t, hop.Go(bg, guest, value(1))), hop.ErrStopped)
	recv(t, "its end", guest.Stopped())
	gate.open()
	if err := recv(t, "Shutdown", over); err != nil {
		t.Error(err)
	}
}

// endsSenders is a host whose Post ends the goroutine once it is told to.
type endsSenders struct {
	directHost
	now *atomic.Bool
}

func (h endsSenders) Post(f func()) error {
	if h.now.Load() {
		runtime.Goexit()
	}
	return h.directHost.Post(f)
}

// newEndsSenders makes one that serves, and a guest of it.
func newEndsSenders(t *testing.T) (host endsSenders, guest *hop.Loop) {
	host = endsSenders{make(directHost, 100), new(atomic.Bool)}
	go host.serve()
	t.Cleanup(func() { close(host.directHost) })
	return host, hop.NewLoop(&hop.LoopOptions{Host: host, Logger: new(journal).logger()})
}

// begin has it do so from now on, when the tick that runs has ended.
func (h endsSenders) begin(t *testing.T) {
	idle := make(chan struct{})
	h.directHost <- func() { close(idle) }
	recv(t, "the host", idle)
	h.now.Store(true)
}

func TestS39_AHostWhosePostEndsTheGoroutineHasFailed(t *testing.T) {
	host, guest := newEndsSenders(t)
	must(t, hop.Go(bg, guest, value(1)))
	host.begin(t)
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		guest.Post(func() { t.Error("it ran") })
	}()
	recv(t, "the sender's end", sent)
	recv(t, "the guest's end", guest.Stopped())
}

// A cancel that wakes a task of such a guest reaches what was made under its call all the same.
func TestS39_AHostWhosePostEndsTheGoroutineThatCancels(t *testing.T) {
	host, guest := newEndsSenders(t)
	pool := newPool(t, nil)
	underEnded := make(chan struct{})
	p := hop.Go(bg, guest, func(ctx context.Context) (int, error) {
		started := make(chan struct{})
		hop.Go(ctx, pool, suspends(started)).OnDone(func() { close(underEnded) })
		<-started
		return 0, hop.Sleep(ctx, time.Hour)
	})
	untilWaiting(t, p.Call())
	host.begin(t)
	cancelled := make(chan struct{})
	go func() {
		defer close(cancelled)
		p.Cancel(nil)
	}()
	recv(t, "the end of who cancels", cancelled)
	recv(t, "the end of what was made under the call", underEnded)
	recv(t, "the guest's end", guest.Stopped())
}

// The end of a member that wakes a task of such a guest is told all the same.
func TestS39_AHostWhosePostEndsTheGoroutineThatEndsAMember(t *testing.T) {
	for name, end := range map[string]func(*hop.Promise[int]) bool{
		"Reject": func(p *hop.Promise[int]) bool { return p.Reject(errors.New("boom")) },
		"Cancel": func(p *hop.Promise[int]) bool { return p.Pending().Cancel(nil) },
	} {
		t.Run(name, func(t *testing.T) {
			host, guest := newEndsSenders(t)
			withGroup(t, bg, &hop.GroupOptions{CancelOnCancelled: true}, func(ctx context.Context) error {
				other := hop.Go(ctx, guest, func(ctx context.Context) (int, error) { return 0, hop.Sleep(ctx, time.Hour) })
				untilWaiting(t, other.Call())
				p := hop.NewPromise[int](ctx)
				told := make(chan struct{})
				p.Pending().OnDone(func() { close(told) })
				host.begin(t)
				go end(p)
				recv(t, "its end", told)
				return nil
			})
			recv(t, "the guest's end", guest.Stopped())
		})
	}
}

// On the host's own goroutine a guest that has stopped runs nothing inline, also a guest of a guest.
func TestS39_AGuestThatHasStoppedRunsNothingInline(t *testing.T) {
	host := make(directHost, 100)
	go host.serve()
	defer close(host)
	guest := hop.NewLoop(&hop.LoopOptions{Host: host})
	inner := hop.NewLoop(&hop.LoopOptions{Host: guest})
	must(t, hop.Go(bg, inner, value(1)))
	for _, l := range []*hop.Loop{inner, guest} {
		closeAll(t, l.Name(), l.Close)
		told := make(chan error, 1)
		host <- func() {
			if l.Here() {
				t.Errorf("%v has stopped, and is here", l)
			}
			_, err := hop.Do(bg, l, mustNotRun(t))
			told <- err
		}
		wantIs(t, recv(t, "Do", told), hop.ErrStopped)
	}
}

// A call that waits on top of another: when the host fails, both end.
func TestS39_AHostThatFailsEndsWhatRunsInlineToo(t *testing.T) {
	k := newForeignLoop(t)
	guest := hop.NewLoop(&hop.LoopOptions{Host: k, Logger: new(journal).logger()})
	var inner *hop.Call
	started := make(chan struct{})
	outer := hop.Go(bg, guest, func(ctx context.Context) (int, error) {
		return hop.Do(ctx, guest, func(ctx context.Context) (int, error) {
			inner = hop.CurrentCall(ctx)
			close(started)
			var never hop.Event
			return 0, never.Wait(context.WithoutCancel(ctx))
		})
	})
	recv(t, "the inner call", started)
	untilWaiting(t, inner)
	k.fail(true)
	untilClosing(t, guest)
	wantIs(t, waitErr(t, outer), hop.ErrStopped)
	wantIs(t, inner.Err(), hop.ErrStopped)
	recv(t, "the guest's end", guest.Stopped())
}

func TestS39_ShutdownFunctionsAndLocalsThatAHostTakesAlongAreReported(t *testing.T) {
	for name, use := range map[string]func(l *hop.Loop){
		`"shutdown functions"=1`: func(l *hop.Loop) { l.OnShutdown(func(context.Context) error { return nil }) },
		"locals=1": func(l *hop.Loop) {
			local := hop.NewLocal(value(1), nil)
			must(t, hop.Go(bg, l, local.Get))
		},
	} {
		k := newForeignLoop(t)
		var j journal
		guest := hop.NewLoop(&hop.LoopOptions{Host: k, Logger: j.logger()})
		must(t, hop.Go(bg, guest, value(1)))
		use(guest)
		k.fail(true)
		untilClosing(t, guest)
		recv(t, "the guest's end", guest.Stopped())
		eventually(t, "the report of "+name, func() bool { return len(j.lines(name)) > 0 })
	}
}
