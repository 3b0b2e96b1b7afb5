package hop

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A context is derived from that of a call that is done, under a call that is cancelled at that moment: who derives it sees the
// end, while package context holds the lock that to end the derived context takes.
func TestAContextIsDerivedWhileItsParentEnds(t *testing.T) {
	bg := context.Background()
	upper := Go(bg, Goroutines, func(ctx context.Context) (int, error) {
		inner := Go(ctx, Goroutines, func(ctx context.Context) (context.Context, error) { return ctx, nil })
		lower, err := inner.Wait(bg)
		if err != nil {
			return 0, err
		}
		c, up := inner.Call(), CurrentCall(ctx)

		up.mu.Lock() // its cancel begins
		told, registered := make(chan struct{}), make(chan struct{})
		go func() { // as package context does
			var mu sync.Mutex
			mu.Lock()
			lower.(*callContext).AfterFunc(func() {
				mu.Lock()
				defer mu.Unlock()
				close(told)
			})
			mu.Unlock()
			close(registered)
		}()
		limit := time.Now().Add(10 * time.Second)
		for hooked := false; !hooked && time.Now().Before(limit); time.Sleep(time.Millisecond) { // then it is about to look at the upper call
			c.mu.Lock()
			x := c.x.Load()
			hooked = x != nil && x.hooked
			c.mu.Unlock()
		}
		up.more().cause = errors.New("the cause")
		up.st.Or(flagCancel)
		up.mu.Unlock()
		for what, done := range map[string]chan struct{}{"registered": registered, "told": told} {
			select {
			case <-done:
			case <-time.After(10 * time.Second):
				t.Errorf("it is not %s", what)
			}
		}
		return 0, nil
	})
	upper.Wait(bg)
}

// The call that a Waiter waits for ends, and passes on whom it would tell, when it has just adopted one that has ended and that tells nobody.
func TestACallEndsWhileItAdoptsOneThatHasEnded(t *testing.T) {
	bg := context.Background()
	l := NewLoop(nil)
	defer l.Close()
	low := Go(bg, l, func(context.Context) (int, error) { return 0, nil })
	low.Wait(bg)
	if low.Call().x.Load() != nil {
		t.Error("it may tell somebody")
	}
	upper := Go(bg, Goroutines, func(ctx context.Context) (int, error) {
		ends := make(chan struct{})
		awaited := Go(ctx, l, func(context.Context) (int, error) { <-ends; return 0, nil })
		k := &kid{call: low.Call(), adopted: true} // as adopt does
		if !awaited.Call().addKid(k) {
			t.Error("the call has ended")
		}
		close(ends)
		Do(bg, l, func(context.Context) (int, error) { return 0, nil }) // it has passed on
		if k.up.Load() != CurrentCall(ctx) || !k.drop() {
			t.Error("the entry was not passed on")
		}
		told := make(chan struct{})
		go low.Call().OnDone(func() { close(told) })
		select {
		case <-told:
		case <-time.After(10 * time.Second):
			t.Error("its lock was not released")
		}
		return 0, nil
	})
	upper.Wait(bg)
}

// endsWhenAsked is a context that, when it is asked for the last time, ends, and all are told, before its answer, that it has not, arrives.
type endsWhenAsked struct {
	context.Context
	end  context.CancelFunc
	told chan struct{}
	asks atomic.Int32 // how often it is asked until then
}

func (ctx *endsWhenAsked) Err() error {
	if err := ctx.Context.Err(); err != nil {
		return err
	}
	if ctx.asks.Add(-1) == 0 {
		ctx.end()
		<-ctx.told
	}
	return nil
}

func (ctx *endsWhenAsked) AfterFunc(f func()) func() bool {
	return context.AfterFunc(ctx.Context, f)
}

// The context of a call that is done ends while one more asks for its end: between its look at the parent and its place in the list, those
// who were in the list are told. It is told too, whichever way it asks.
func TestOneMoreAsksForTheEndOfADoneCall(t *testing.T) {
	ways := map[string]func(ctx context.Context) (told chan struct{}){
		"AfterFunc": func(ctx context.Context) chan struct{} {
			told := make(chan struct{})
			ctx.(*callContext).AfterFunc(func() { close(told) })
			return told
		},
		"a context": func(ctx context.Context) chan struct{} {
			told := make(chan struct{})
			inner, cancel := context.WithCancel(ctx)
			go func() {
				<-inner.Done()
				cancel()
				close(told)
			}()
			return told
		},
	}
	for name, ask := range ways {
		for asks := range int32(8) { // at each place where it is asked
			inner, end := context.WithCancel(context.Background())
			first := make(chan struct{})
			parent := &endsWhenAsked{Context: inner, end: end, told: first}
			left, err := Do(parent, Goroutines, func(ctx context.Context) (context.Context, error) { return ctx, nil })
			if err != nil {
				t.Fatal(err)
			}
			left.(*callContext).AfterFunc(func() { close(first) }) // it is hooked now, and stays so
			parent.asks.Store(asks + 1)
			told := ask(left)
			end()
			for who, done := range map[string]chan struct{}{"the first": first, "the other": told} {
				select {
				case <-done:
				case <-time.After(10 * time.Second):
					t.Errorf("%s, the parent ends when asked for the time %d: %s is not told", name, asks+1, who)
				}
			}
		}
	}
}

// asksWhenStopped is a context whose registrations, when they are taken back, ask.
type asksWhenStopped struct {
	context.Context
	ask func()
}

func (asksWhenStopped) Value(any) any { return nil } // or package context goes past it

func (ctx asksWhenStopped) AfterFunc(f func()) func() bool {
	stop := context.AfterFunc(ctx.Context, f)
	return func() bool {
		ctx.ask()
		return stop()
	}
}

// A context of a user's is asked to forget a call when that has ended, or when nobody wants to know the end any more. It may look at the call.
func TestAContextLooksAtTheCallThatItIsToForget(t *testing.T) {
	inner, cancel := context.WithCancel(context.Background())
	defer cancel()
	var c *Call
	asked := 0
	ctx := asksWhenStopped{inner, func() {
		asked++
		_ = c.String()
		c.Cancel(nil)
	}}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		p := NewPromise[int](ctx)
		c = p.Pending().Call()
		c.Done() // it is hooked
		stop := (*callContext)(c).AfterFunc(func() {})
		p.Resolve(1)
		if asked != 0 {
			t.Error("forgotten, though somebody is to be told")
		}
		stop()
		p = NewPromise[int](ctx)
		c = p.Pending().Call()
		c.Done()
		p.Resolve(1)
	}()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Fatal("it never ends")
	}
	if asked != 2 {
		t.Errorf("asked %d times, want twice", asked)
	}
}

// A goroutine's wait that is answered before it blocks costs no hook.
func TestAWaitThatDoesNotBlockIsNotHooked(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // who gives way to a loop that it has just woken, finds it done then
	l := NewLoop(nil)
	defer l.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	hooked := 0
	const calls = 200
	for range calls {
		p := Go(ctx, Goroutines, func(ctx context.Context) (int, error) {
			return Go(ctx, l, func(context.Context) (int, error) { return 1, nil }).Wait(ctx)
		})
		p.Wait(ctx)
		if p.c.x.Load() != nil {
			hooked++
		}
	}
	if hooked > calls/2 {
		t.Errorf("%d of %d calls that waited for an idle loop were hooked", hooked, calls)
	}
}
