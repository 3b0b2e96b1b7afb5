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
