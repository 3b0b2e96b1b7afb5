package hop

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/gohop/hop/internal/mailbox"
)

// How long the driver gathers after batches of so many messages, one after the other.
func TestPace(t *testing.T) {
	const brief, long, none = briefPauses, longPauses, 0
	type step struct{ n, want int }
	again := func(n int, s step) (steps []step) {
		for range n {
			steps = append(steps, s)
		}
		return steps
	}
	for name, steps := range map[string][]step{
		"single messages are taken at once":         {{0, none}, {1, none}, {1, none}},
		"few are waited for briefly":                {{2, brief}, {many - 1, brief}, {3, brief}},
		"many for long, while that brings more":     {{many, long}, {3 * many, long}, {mailbox.Batch - 1, long}, {3*many + 1, long}},
		"a full batch has others behind it":         {{many, long}, {mailbox.Batch, none}, {many, long}},
		"to be taken at once says nothing of these": {{mailbox.Batch, none}, {1, none}, {many, long}},
		"where it brings no more, it is brief, then tried again": append(append(
			[]step{{many, long}, {3*many - 1, brief}}, again(retryEvery-1, step{3 * many, brief})...), step{3 * many, long}),
		"where it brings nothing, too": append(append(
			[]step{{many, long}, {0, none}, {1, none}}, again(retryEvery, step{many, brief})...), step{many, long}),
	} {
		t.Run(name, func(t *testing.T) {
			var p pace
			for i, s := range steps {
				if got := p.pauses(s.n); got != s.want {
					t.Fatalf("step %d, after %d messages: %d pauses, want %d", i, s.n, got, s.want)
				}
			}
		})
	}
}

// One that was cut short is no trial.
func TestACutIsNoTrial(t *testing.T) {
	var p pace
	for range 3 {
		if got := p.pauses(many); got != longPauses {
			t.Fatalf("%d pauses, want %d", got, longPauses)
		}
		p.cut()
	}
}

// Who waits for a call of a loop has the loop take what was sent without a pause, once.
func TestWhoWaitsHurriesTheLoop(t *testing.T) {
	l := NewLoop(&LoopOptions{Manual: true})
	defer l.Close()
	p := Go(context.Background(), l, func(context.Context) (int, error) { return 1, nil })
	ctx, cancel := context.WithCancel(context.Background())
	waited := make(chan error)
	go func() {
		_, err := p.Wait(ctx)
		waited <- err
	}()
	for limit := time.Now().Add(10 * time.Second); !l.s.hurried.Load(); runtime.Gosched() {
		if time.Now().After(limit) {
			t.Fatal("the loop was not told")
		}
	}
	cancel()
	if err := <-waited; err == nil {
		t.Error("the call has run")
	}
	l.s.gatherAfter(many)
	if l.s.hurried.Load() || l.s.pace.long {
		t.Errorf("it has gathered although somebody waits: hurried %v, %+v", l.s.hurried.Load(), l.s.pace)
	}
	l.s.gatherAfter(many)
	if !l.s.pace.long {
		t.Errorf("nobody waits, and it has not gathered: %+v", l.s.pace)
	}
}
