package hop_test

// How calls end, and what is told of it, where functions of users misbehave or two ends meet.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gohop/hop"
)

// A brokenError has methods that fail for a nil pointer, as it is returned by mistake.
type brokenError struct{ inner error }

func (e *brokenError) Error() string { return "broken" }
func (e *brokenError) Unwrap() error { return e.inner }

func typedNil() error { var e *brokenError; return e }

// A method of an error that panics keeps nobody from being told that the call has ended.
func TestS11_AnErrorThatPanicsWhenItIsAsked(t *testing.T) {
	t.Run("group", func(t *testing.T) {
		within(t, patience, "WithGroup", func() {
			hop.WithGroup(bg, nil, func(ctx context.Context) error {
				hop.Go(ctx, hop.Workers(), func(context.Context) (int, error) { return 0, typedNil() })
				return nil
			})
		})
	})
	t.Run("OnDone", func(t *testing.T) {
		done, g := make(chan struct{}), newGate(t)
		p := hop.Go(bg, hop.Workers(), func(context.Context) (int, error) { g.pass(); return 0, typedNil() })
		p.OnDone(func() { close(done) })
		g.open()
		recv(t, "OnDone", done)
	})
}

// A namingPortal asks the call that it has for its name.
type namingPortal struct{ c *hop.Call }

func (p *namingPortal) Submit(c *hop.Call) error { p.c = c; return nil }
func (p *namingPortal) String() string           { return fmt.Sprint("the portal of call ", p.c.ID()) }

// Nobody asks a portal of a user's for its name under a lock.
func TestAPortalWhoseNameNeedsTheCall(t *testing.T) {
	p := &namingPortal{}
	hop.Go(bg, p, failure(errBoom))
	within(t, patience, "Run", func() { p.c.Run() })
}

// The owner of a call is told by the type of what its wait returned that it was refused, not by why its context ended.
func TestS2_AContextThatEndedBecauseOfADeadlock(t *testing.T) {
	t.Run("WaitOrCancel", func(t *testing.T) {
		outside := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, ctx.Err() })
		defer outside.Cancel(nil)
		within(t, patience, "WithGroup", func() {
			hop.WithGroup(bg, nil, func(ctx context.Context) error {
				owner := hop.Go(ctx, hop.Goroutines, func(ctx context.Context) (int, error) { return outside.WaitOrCancel(ctx) })
				untilWaiting(t, owner.Call())
				var self *hop.Pending[int]
				start := make(chan struct{})
				self = hop.Go(ctx, hop.Goroutines, func(ctx context.Context) (int, error) { <-start; return self.Wait(ctx) })
				close(start)
				return nil
			})
		})
		wantCancelled(t, waitErr(t, outside))
	})
	t.Run("Do", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, end := context.WithCancelCause(bg)
			returned := false
			_, err := hop.Do(ctx, hop.Goroutines, func(ctx context.Context) (int, error) {
				end(fmt.Errorf("a member failed: %w", hop.ErrDeadlock))
				<-ctx.Done()
				time.Sleep(50 * time.Millisecond) // it heeds its context, and has to tidy up
				returned = true
				return 0, ctx.Err()
			})
			if !errors.Is(err, hop.ErrCancelled) || !returned {
				t.Errorf("%v; the function has returned: %v", err, returned)
			}
		})
	})
}

// A logText is what a logger has written.
type logText struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logText) has(s string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.b.String(), s)
}

// Failures that nobody has looked at, though somebody has waited for the call, or its error leads back to it.
func TestS14_FailuresThatNobodyLookedAt(t *testing.T) {
	for name, f := range map[string]func(t *testing.T, l *hop.Loop){
		"a panic with the error of a call": func(t *testing.T, l *hop.Loop) {
			<-hop.Go(bg, l, func(ctx context.Context) (int, error) {
				panic(hop.Run(ctx, hop.Goroutines, func(context.Context) error { panic("it is lost") })) // as a "must" does
			}).Done()
		},
		"a Waiter waits": func(t *testing.T, l *hop.Loop) {
			var end hop.Event
			p := hop.Go(bg, l, func(ctx context.Context) (int, error) { end.Wait(ctx); return 0, errors.New("seen by one") })
			q := hop.Go(bg, l, func(ctx context.Context) (int, error) { end.Wait(ctx); return 0, errors.New("it is lost") })
			w := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) { return 0, hop.NewWaiter().Wait(ctx, p.Call()) })
			v := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) { return 0, hop.NewWaiter().Wait(ctx, q.Call()) })
			untilWaiting(t, w.Call())
			untilWaiting(t, v.Call())
			end.Set()
			waitErr(t, p)
			must(t, v)
			must(t, w)
		},
	} {
		t.Run(name, func(t *testing.T) {
			var log logText
			l := newLoop(t, &hop.LoopOptions{Logger: slog.New(slog.NewTextHandler(&log, nil))})
			f(t, l)
			eventually(t, "the report", func() bool { runtime.GC(); return log.has("it is lost") })
			if log.has("seen by") {
				t.Error("a failure was reported that was looked at")
			}
		})
	}
}

// An opError leads to whatever its context does.
type opError struct{ ctx context.Context }

func (e opError) Error() string { return "an operation failed" }

// A callError leads to a call.
type callError struct{ p *hop.Pending[int] }

func (e *callError) Error() string { return "a call's failure" }

// An exitingError cannot say what it is.
type exitingError struct{}

func (*exitingError) Error() string { runtime.Goexit(); return "" }

// A runtimeError is one of a user's that says it is the runtime's.
type runtimeError struct{ opError }

func (runtimeError) RuntimeError() {}

// A recordFunc is a slog.Handler.
type recordFunc func(slog.Record)

func (h recordFunc) Enabled(context.Context, slog.Level) bool      { return true }
func (h recordFunc) Handle(_ context.Context, r slog.Record) error { h(r); return nil }
func (h recordFunc) WithAttrs([]slog.Attr) slog.Handler            { return h }
func (h recordFunc) WithGroup(string) slog.Handler                 { return h }

// A failure that nobody has looked at is reported, once, and its call garbage, though the error leads to the call; and what leads nowhere comes to the logger
// as it is.
func TestS14_AFailureWhoseErrorLeadsToItsCall(t *testing.T) {
	for name, c := range map[string]struct {
		fail func(ctx context.Context, p func() *hop.Pending[int]) error
		text string
		is   error // what the logger gets
	}{
		"New": {func(context.Context, func() *hop.Pending[int]) error { return errBoom }, "boom", errBoom},
		"wrapped": {func(context.Context, func() *hop.Pending[int]) error {
			return errors.Join(fmt.Errorf("at %d: %w", 1, errBoom), fmt.Errorf("%w and %w", syscall.EBADF, context.DeadlineExceeded))
		}, "at 1: boom", syscall.EBADF},
		"a context": {func(ctx context.Context, _ func() *hop.Pending[int]) error { return opError{ctx} }, "an operation failed", nil},
		"a Pending": {func(_ context.Context, p func() *hop.Pending[int]) error { return &callError{p()} }, "a call's failure", nil},
		"a wrapped context": {func(ctx context.Context, _ func() *hop.Pending[int]) error {
			return fmt.Errorf("outside: %w", opError{ctx})
		}, "outside: an operation failed", nil},
		"a joined context": {func(ctx context.Context, _ func() *hop.Pending[int]) error { return errors.Join(errBoom, opError{ctx}) }, "an operation failed", nil},
		"a panic":          {func(ctx context.Context, _ func() *hop.Pending[int]) error { panic(opError{ctx}) }, "an operation failed", nil},
		"a panic with what says it is the runtime's": {func(ctx context.Context, _ func() *hop.Pending[int]) error { panic(runtimeError{opError{ctx}}) }, "an operation failed", nil},
		"an Error that ends the goroutine":           {func(context.Context, func() *hop.Pending[int]) error { return new(exitingError) }, "exitingError", nil},
	} {
		t.Run(name, func(t *testing.T) {
			const n = 5
			var alive, reports atomic.Int64
			var got atomic.Pointer[error]
			l := newLoop(t, &hop.LoopOptions{Logger: slog.New(recordFunc(func(r slog.Record) {
				r.Attrs(func(a slog.Attr) bool {
					if err, ok := a.Value.Any().(error); ok && a.Key == "err" && strings.Contains(err.Error(), c.text) {
						reports.Add(1)
						got.Store(&err)
					}
					return true
				})
			}))})
			for range n {
				ch := make(chan *hop.Pending[int], 1)
				p := hop.Go(bg, l, func(ctx context.Context) (int, error) {
					return 0, c.fail(ctx, func() *hop.Pending[int] { return <-ch })
				})
				ch <- p
				alive.Add(1)
				runtime.AddCleanup(p, func(n *atomic.Int64) { n.Add(-1) }, &alive)
				recv(t, "the end", p.Done())
			}
			must(t, hop.Go(bg, l, value(1))) // none is the last that the loop has run
			eventually(t, "nearly all are reported and garbage", func() bool { runtime.GC(); return reports.Load() >= n-1 && alive.Load() <= 1 })
			if reports.Load() > n {
				t.Errorf("%d reports of %d failures", reports.Load(), n)
			}
			if c.is != nil {
				wantIs(t, *got.Load(), c.is)
			}
		})
	}
}

// A promise ends, also if the function that its value goes to ends the goroutine.
func TestS11_ResolveWhoseOnUndeliveredEndsTheGoroutine(t *testing.T) {
	p := hop.NewPromise[int](bg, hop.OnUndelivered(func(int) { runtime.Goexit() }))
	p.OnCancel(func(error) {})
	p.Pending().Cancel(nil)
	go p.Resolve(1)
	wantCancelled(t, waitErr(t, p.Pending()))
}

// A call that was asked to cancel has not ended because of a Timeout that falls due later.
func TestS20_ATimeoutAfterTheCancelIsNoTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) {
			<-ctx.Done()
			time.Sleep(time.Minute)
			return 0, nil
		}, hop.Timeout(10*time.Second))
		time.Sleep(time.Second)
		p.Cancel(errors.New("mine"))
		_, err := p.Wait(bg)
		if !errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v: canceled is %v, deadline exceeded %v", err, errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded))
		}
	})
}

// A Submit that does not return has lost its call.
func TestASubmitThatDoesNotReturn(t *testing.T) {
	t.Run("After", func(t *testing.T) {
		on := portalFunc(func(*hop.Call) error { runtime.Goexit(); return nil })
		err := waitErr(t, hop.After(bg, time.Millisecond, on, value(1)))
		wantIs(t, err, hop.ErrGoexit)
	})
	t.Run("in a group", func(t *testing.T) {
		var err error
		within(t, patience, "WithGroup", func() {
			err = hop.WithGroup(bg, nil, func(ctx context.Context) error {
				defer func() { recover() }()
				hop.Go(ctx, portalFunc(func(*hop.Call) error { panic("it is broken") }), value(1))
				return nil
			})
		})
		var p *hop.PanicError
		if !errors.As(err, &p) || p.Value != "it is broken" {
			t.Errorf("%v, want the panic", err)
		}
	})
}

// Who waits for himself is told so, though the cancel has just ended the context that he waits with.
func TestS4_CancelWaitOfOneselfWithOnesOwnContext(t *testing.T) {
	p := hop.Go(bg, hop.Goroutines, func(ctx context.Context) (error, error) {
		return hop.CurrentCall(ctx).CancelWait(ctx, nil), nil
	}, hop.OnUndelivered(func(err error) { wantIs(t, err, hop.ErrDeadlock) }))
	wantCancelled(t, waitErr(t, p))
}

// A lockingPortal runs one call at a time, each on a goroutine of its own, and its name takes the lock that is held meanwhile.
type lockingPortal struct{ mu sync.Mutex }

func (p *lockingPortal) Submit(c *hop.Call) error {
	go func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		c.Run()
	}()
	return nil
}

func (p *lockingPortal) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return "a locking portal"
}

func TestAPortalWhoseNameTakesALockThatIsHeldWhileACallRuns(t *testing.T) {
	for name, f := range map[string]func(ctx context.Context, own *hop.Pending[int]) (int, error){
		"exits":            func(context.Context, *hop.Pending[int]) (int, error) { runtime.Goexit(); return 0, nil },
		"panics":           func(context.Context, *hop.Pending[int]) (int, error) { panic("boom") },
		"asks for its own": func(_ context.Context, own *hop.Pending[int]) (int, error) { own.Result(); return 0, own.Call().Err() },
		"is cancelled": func(ctx context.Context, own *hop.Pending[int]) (int, error) {
			own.Cancel(errBoom)
			return 0, fmt.Errorf("%w", errors.New(context.Cause(ctx).Error()))
		},
		"fails with the error of a wait": func(ctx context.Context, own *hop.Pending[int]) (int, error) {
			over, cancel := context.WithCancel(bg)
			cancel()
			_, err := own.Wait(over)
			return 0, err
		},
		"fails with a cancelled call's": func(ctx context.Context, own *hop.Pending[int]) (int, error) {
			other := hop.New(bg, zero)
			other.Cancel(nil)
			_, err := other.Result()
			return 0, fmt.Errorf("%w", err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			own := make(chan *hop.Pending[int], 1)
			p := hop.Go(bg, new(lockingPortal), func(ctx context.Context) (int, error) { return f(ctx, <-own) })
			own <- p
			done := p.Done()
			recv(t, "the end", done)
		})
	}
	t.Run("CancelWait", func(t *testing.T) {
		g := newGate(t)
		defer g.open()
		in := make(chan struct{})
		p := hop.Go(bg, new(lockingPortal), func(context.Context) (int, error) { close(in); g.pass(); return 0, nil }, hop.Abandon())
		recv(t, "the function", in)
		ctx, cancel := context.WithTimeout(bg, time.Millisecond)
		defer cancel()
		within(t, patience, "CancelWait", func() { wantIs(t, p.CancelWait(ctx, nil), context.DeadlineExceeded) })
	})
}

// TestADoWhoseSubmitDoesNotReturn leaves nothing open to the function that runs all the same: it is cancelled, and what it sends back is refused.
func TestADoWhoseSubmitDoesNotReturn(t *testing.T) {
	for name, end := range map[string]func(){"panics": func() { panic("Submit") }, "exits": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			ran, left := make(chan struct{}), make(chan struct{})
			portal := portalFunc(func(c *hop.Call) error {
				go func() { c.Run(); close(left) }()
				recv(t, "the function", ran)
				end()
				return nil
			})
			var sent error
			go func() {
				defer func() { recover() }()
				hop.Do(bg, portal, func(ctx context.Context) (int, error) {
					back := hop.Origin(ctx)
					close(ran)
					<-ctx.Done()
					_, sent = hop.Go(bg, back, zero).Wait(bg)
					return 0, nil
				})
			}()
			recv(t, "the end of the function", left)
			wantIs(t, sent, hop.ErrClosed)
		})
	}
}
