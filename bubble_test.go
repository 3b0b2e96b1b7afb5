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
