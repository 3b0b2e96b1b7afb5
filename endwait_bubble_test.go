package hop_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gohop/hop"
)

// A call in a bubble waits for the end of a loop, while a goroutine outside of it begins a wait.
func TestTheEndOfALoopIsWaitedForInABubble(t *testing.T) {
	ready, over := make(chan bool), make(chan bool)
	go func() { // outside
		l := hop.NewLoop(nil)
		defer l.Close()
		<-ready
		hop.Do(context.Background(), l, func(ctx context.Context) (int, error) {
			return hop.Do(ctx, hop.Workers(), func(context.Context) (int, error) { return 1, nil })
		})
		close(over)
	}()
	synctest.Test(t, func(t *testing.T) {
		l := hop.NewLoop(nil)
		p := hop.NewPool(nil)
		hop.Go(t.Context(), l, func(ctx context.Context) (int, error) {
			hop.Sleep(ctx, time.Second)
			ready <- true
			<-over
			return 0, nil
		})
		hop.Do(t.Context(), p, func(ctx context.Context) (int, error) { return 0, l.Shutdown(ctx) })
		p.Close()
	})
}
