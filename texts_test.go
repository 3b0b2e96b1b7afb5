package hop_test

// What things say of themselves, also those that are nothing.

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/gohop/hop"
)

func TestString_OfWhatIsNothing(t *testing.T) {
	var (
		c *hop.Call
		l *hop.Loop
		p *hop.Pool
	)
	for want, it := range map[string]fmt.Stringer{
		"no call": c, "no loop": l, "no pool": p, "State(99)": hop.State(99),
	} {
		if got := it.String(); got != want {
			t.Errorf("%T says %q, want %q", it, got, want)
		}
	}
	if got := new(hop.Call).Name(); got != "?" {
		t.Errorf("the name of a call that nobody made is %q", got)
	}
}

func TestString_OfACallsContextNamesTheCall(t *testing.T) {
	must(t, hop.Go(bg, hop.Goroutines, func(ctx context.Context) (int, error) {
		if s := fmt.Sprint(ctx); !strings.Contains(s, "the name") {
			t.Errorf("it says %q", s)
		}
		if s := fmt.Sprint(context.WithValue(ctx, userKey{}, 1)); !strings.Contains(s, "the name") {
			t.Errorf("one derived from it says %q", s)
		}
		return 0, nil
	}, hop.Name("the name")))
}

func TestErrors_AWaitThatWasGivenUpTellsWhy(t *testing.T) {
	never := hop.NewPromise[int](bg, hop.Name("the promise")).Pending()
	ctx, cancel := context.WithCancelCause(bg)
	cancel(errEnough)
	_, err := never.Wait(ctx)
	for _, part := range []string{"the promise", context.Canceled.Error(), errEnough.Error()} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v does not say %q", err, part)
		}
	}
	plain, end := context.WithCancel(bg)
	end()
	_, err = never.Wait(plain)
	if err == nil || strings.Count(err.Error(), context.Canceled.Error()) != 1 {
		t.Errorf("%v: want it to say once that the context was cancelled", err)
	}
}

// A listError cannot be compared, though its type does not tell where it is in an interface.
type listError struct{ of any }

func (e listError) Error() string { return fmt.Sprint("of ", e.of) }

// A numberError is equal to another that was made apart from it.
type numberError int

func (e numberError) Error() string { return fmt.Sprint("number ", int(e)) }

// A failedContext is a context of a user's, over for a reason of its own.
type failedContext struct {
	context.Context
	err func() error
}

func (c failedContext) Err() error    { return c.err() }
func (c failedContext) Value(any) any { return nil } // nor does package context know another cause

func TestErrors_AContextThatEndedWithAnErrorOfAUsersType(t *testing.T) {
	over, end := context.WithCancel(bg)
	end()
	list := error(listError{[]string{"a"}})
	for name, c := range map[string]struct {
		err   func() error
		times int // that the text tells it
	}{
		"one that cannot be compared":            {func() error { return list }, 1},
		"made anew, and it cannot be compared":   {func() error { return listError{[]string{"a"}} }, 2},
		"made anew, and it is equal to the last": {func() error { return numberError(1000) }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := failedContext{over, c.err}
			_, err := hop.NewPromise[int](bg).Pending().Wait(ctx)
			if err == nil || errors.Is(err, hop.ErrStopped) || strings.Count(err.Error(), c.err().Error()) != c.times {
				t.Errorf("%v: want it to tell %d times of %v", err, c.times, c.err())
			}
		})
	}
}

// A text that goes on after a call does not go on after its state.
func TestErrors_TheStateOfACallDoesNotCutTheText(t *testing.T) {
	l := newLoop(t, &hop.LoopOptions{Name: "ui"})
	g := occupy(t, l)
	p := hop.Go(bg, l, value(1), hop.Name("slow"))
	_, notDone := p.Result()
	over, cancel := context.WithCancel(bg)
	cancel()
	_, gaveUp := p.Wait(over)
	for want, err := range map[string]error{
		`hop: call "slow" on loop "ui" is not done (queued): Wait for it`:                     notDone,
		`hop: the wait for call "slow" on loop "ui" (queued) was given up: context canceled`:  gaveUp,
		`hop: call "slow" on loop "ui" was submitted before`:                                  l.Submit(p.Call()),
		`hop: the context of a group ended, and its members were cancelled: context canceled`: hop.WithGroup(over, nil, func(context.Context) error { return nil }),
		`hop: call "a" is a promise: it has no function to run; Resolve or Reject ends it`:    l.Submit(hop.NewPromise[int](bg, hop.Name("a")).Pending().Call()),
	} {
		if err == nil || err.Error() != want {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
	g.open()
	must(t, p)
	closeAll(t, "loop", l.Close)
	if err, want := l.Post(func() {}), `hop: loop "ui" takes no more functions: it has stopped`; err == nil || err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
	}
}

// What a wait is for that is no call's end is said, with what to do; calls of one name are told apart by their numbers.
func TestErrors_ADeadlockSaysWhatIsWaitedFor(t *testing.T) {
	l := newLoop(t, &hop.LoopOptions{Name: "ui"})
	for name, c := range map[string]struct {
		f    func(ctx context.Context) error
		want []string
	}{
		"a limiter": {func(ctx context.Context) error {
			places := hop.NewLimiter(1)
			places.Acquire(ctx)
			return places.Acquire(ctx)
		}, []string{"; release the place before, or give the Limiter more:", ` for a place of a Limiter that call "f" holds`}},
		"a group": {func(ctx context.Context) error {
			return hop.WithGroup(ctx, nil, func(in context.Context) error {
				hop.CurrentGroup(in).Add(hop.CurrentCall(ctx))
				return nil
			})
		}, []string{"; let no member wait for who waits for the group:", ` for the members of its group, of which one is call "f"`}},
		"a local": {func(ctx context.Context) error {
			var self *hop.Local[int]
			self = hop.NewLocal(func(ctx context.Context) (int, error) { return self.Get(ctx) }, nil)
			_, err := self.Get(ctx)
			return err
		}, []string{"; do not wait where the value is opened for who asks for it:", ` for the value of a Local that call "f" opens`}},
		"calls of one name": {func(ctx context.Context) error {
			return hop.CurrentCall(ctx).CancelWait(ctx, nil)
		}, []string{"; start the call without waiting for it, or wait elsewhere:", `call "f" on loop "ui" waits at `, ` for call "f"`}},
	} {
		err := waitErr(t, hop.Go(bg, l, func(ctx context.Context) (int, error) {
			err := c.f(ctx)
			var d *hop.DeadlockError
			if !errors.As(err, &d) {
				t.Errorf("%s: %v, want a deadlock", name, err)
				return 0, errBoom
			}
			for _, part := range append(c.want, "hop: deadlock: this wait can never end; ") {
				if !strings.Contains(d.Error(), part) {
					t.Errorf("%s: %v\nwant %q in it", name, d, part)
				}
			}
			return 0, errBoom
		}, hop.Name("f")))
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestErrors_CallsOfOneNameInADeadlockHaveTheirNumbers(t *testing.T) {
	l := newLoop(t, &hop.LoopOptions{Name: "ui"})
	g := occupy(t, l) // until both are made
	var inner *hop.Pending[int]
	outer := hop.Go(bg, l, func(ctx context.Context) (int, error) { return inner.Wait(ctx) }, hop.Name("f"))
	inner = hop.Go(bg, l, func(ctx context.Context) (int, error) { return outer.Wait(ctx) }, hop.Name("f"))
	g.open()
	var d *hop.DeadlockError
	if err := waitErr(t, outer); !errors.As(err, &d) {
		t.Fatalf("%v, want a deadlock", err)
	}
	for _, c := range []*hop.Call{outer.Call(), inner.Call()} {
		name := fmt.Sprintf(`call "f" (%d)`, c.ID())
		if !strings.Contains(d.Error(), name+` on loop "ui" waits at `) || !strings.Contains(d.Error(), " for "+name) {
			t.Errorf("%v\nwant %s in it", d, name)
		}
	}
}

// What keeps a loop from its end, though no call of it is left, is said.
func TestErrors_AShutdownNamesTheFunctionsOfAbandonedCalls(t *testing.T) {
	for want, names := range map[string][]string{
		`shutdown of loop "clib": 0 calls were cancelled, and the function of the abandoned call "stuck" still runs: `:                    {"stuck"},
		`shutdown of loop "clib": 0 calls were cancelled, and the functions of the abandoned calls "a" and "b" still run: `:               {"b", "a"},
		`shutdown of loop "clib": 0 calls were cancelled, and the functions of the abandoned calls "a", "b", "c" and 1 other still run: `: {"d", "c", "b", "a"},
	} {
		l := hop.NewLoop(&hop.LoopOptions{Name: "clib"})
		var open hop.Event
		var calls []*hop.Pending[int]
		for _, name := range names {
			p := hop.Go(bg, l, func(context.Context) (int, error) { return 0, open.Wait(hop.Detach(bg)) }, hop.Name(name), hop.Abandon())
			eventually(t, "it waits", func() bool { return p.Call().State() == hop.Waiting })
			p.Cancel(nil)
			calls = append(calls, p)
		}
		ctx, cancel := context.WithCancel(bg)
		stopped := make(chan error, 1)
		go func() { stopped <- l.Shutdown(ctx) }()
		untilClosing(t, l)
		cancel()
		err := recv(t, "Shutdown", stopped)
		wantIs(t, err, context.Canceled)
		if err == nil || !strings.HasPrefix(err.Error(), "hop: "+want) {
			t.Errorf("%v\nwant %s", err, want)
		}
		open.Set()
		closeAll(t, "loop", l.Close)
		for _, p := range calls {
			wantIs(t, waitErr(t, p), hop.ErrCancelled)
		}
	}
}
