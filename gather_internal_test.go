package hop

import (
	"context"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/gohop/hop/internal/mailbox"
)

// How long the driver gathers after batches of so many messages, one after the other.
func TestPace(t *testing.T) {
	const brief, long, none, many = briefPauses, longPauses, 0, fromMany
	type step struct{ n, behind, want int } // behind: -1 where it is not asked
	then := func(lists ...[]step) []step { return slices.Concat(lists...) }
	times := func(n int, s step) []step { return slices.Repeat([]step{s}, n) }
	trial := step{many, 40, long}
	useful, inVain := step{40 + ofUse, -1, long}, step{40 + ofUse - 1, -1, none}
	late := step{many, -1, brief}
	for name, steps := range map[string][]step{
		"single messages are taken at once":         {{0, -1, none}, {1, -1, none}, {1, -1, none}},
		"few are waited for briefly":                {{2, -1, brief}, {many - 1, -1, brief}, {3, -1, brief}},
		"a trial of use, and then sure ones":        then([]step{trial, useful}, times(sureFor-1, step{many, -1, long}), []step{trial}),
		"few are few then, too":                     {trial, useful, {many - 1, -1, brief}, {many, -1, long}},
		"a full batch has others behind it":         {trial, {mailbox.Batch, -1, none}, trial},
		"to be taken at once says nothing of these": {{mailbox.Batch, -1, none}, {1, -1, none}, trial},
		"in vain they are brief, or none":           {trial, {0, -1, none}, {1, -1, none}, {toFew - 1, -1, brief}, {toFew, -1, none}},
		"it is tried again, and each time twice as late, up to a bound": then(
			[]step{trial, inVain}, times(retryEvery-1, late), []step{trial, inVain}, times(2*retryEvery-1, late),
			[]step{trial, inVain}, times(4*retryEvery-1, late),
			[]step{trial, inVain}, times(8*retryEvery-1, late), []step{trial, inVain}, times(16*retryEvery-1, late),
			[]step{trial, inVain}, times(32*retryEvery-1, late), []step{trial, inVain}, times(seldomest-1, late),
			[]step{trial, inVain}, times(seldomest-1, late), []step{trial}),
		"but not where it was of use meanwhile": then(
			[]step{trial, inVain}, times(retryEvery-1, late),
			[]step{trial, useful}, times(sureFor-1, step{many, -1, long}),
			[]step{trial, inVain}, times(retryEvery-1, late), []step{trial}),
	} {
		t.Run(name, func(t *testing.T) {
			var p pace
			for i, s := range steps {
				behind := -1
				got := p.pauses(s.n, func() int { behind = s.behind; return s.behind })
				if got != s.want || behind != s.behind {
					t.Fatalf("step %d, after %d messages: %d pauses, want %d; asked what had come: %v", i, s.n, got, s.want, behind == s.behind)
				}
			}
		})
	}
}

// One that was cut short is no trial.
func TestACutIsNoTrial(t *testing.T) {
	var p pace
	for range 3 {
		if got := p.pauses(fromMany, func() int { return 0 }); got != longPauses {
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
	l.s.gatherAfter(fromMany)
	if l.s.hurried.Load() || l.s.pace.trial {
		t.Errorf("it has gathered although somebody waits: hurried %v, %+v", l.s.hurried.Load(), l.s.pace)
	}
	l.s.gatherAfter(fromMany)
	if !l.s.pace.trial {
		t.Errorf("nobody waits, and it has not gathered: %+v", l.s.pace)
	}
}
