package hop_test

// S39: hosts that take no guests, or fail while they have some.

import (
	"context"
	"testing"

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
