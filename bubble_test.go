package hop_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gohop/hop"
)

func TestS30_TheSharedPoolServesEveryBubbleInItsOwnTime(t *testing.T) {
	nap := func(d time.Duration) func(context.Context) (time.Duration, error) {
		return func(context.Context) (time.Duration, error) {
			start := time.Now()
			time.Sleep(d)
			return time.Since(start), nil
		}
	}
	outside := func() {
		if _, err := hop.Blocking(t.Context(), nap(0)); err != nil {
			t.Error(err)
		}
	}
	outside() // leaves an idle worker
	for range 3 {
		synctest.Test(t, func(t *testing.T) {
			for range 2 {
				if d, err := hop.Blocking(t.Context(), nap(time.Hour)); d != time.Hour || err != nil {
					t.Errorf("slept %v, %v", d, err)
				}
			}
		})
		outside()
	}
}

// A bubble's clock may go on for as long as it likes: what is in one is not told by its year.
func TestS30_TheSharedPoolServesABubbleOfAnyAge(t *testing.T) {
	hop.Blocking(t.Context(), value(0)) // leaves an idle worker outside
	synctest.Test(t, func(t *testing.T) {
		for range 3 {
			time.Sleep(20 * 365 * 24 * time.Hour)
			start := time.Now()
			d, err := hop.Blocking(t.Context(), func(context.Context) (time.Duration, error) {
				time.Sleep(time.Hour)
				return time.Since(start), nil
			})
			if d != time.Hour || err != nil {
				t.Errorf("in %d: slept %v, %v", start.Year(), d, err)
			}
			year := make(chan int, 1)
			if err := hop.Workers().Post(func() { year <- time.Now().Year() }); err != nil {
				t.Errorf("in %d: Post: %v", start.Year(), err)
			}
			if y := <-year; y != start.Year() {
				t.Errorf("in %d: a function that was posted ran in %d", start.Year(), y)
			}
		}
	})
}
