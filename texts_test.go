package hop_test

// What things say of themselves, also those that are nothing.

import (
	"context"
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
