package hop

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"
)

// A context is derived from that of a call that is done, under a call that is cancelled at that moment: who derives it sees the
// end, while package context holds the lock that to end the derived context takes.
func TestAContextIsDerivedWhileItsParentEnds(t *testing.T) {
	bg := context.Background()
	upper := Go(bg, Goroutines, func(ctx context.Context) (int, error) {
		inner := Go(ctx, Goroutines, func(ctx context.Context) (context.Context, error) { return ctx, nil })
		lower, err := inner.Wait(bg)
		if err != nil {
			return 0, err
		}
		c, up := inner.Call(), CurrentCall(ctx)

		up.mu.Lock() // its cancel begins
		told, registered := make(chan struct{}), make(chan struct{})
		go func() { // as package context does
			var mu sync.Mutex
			mu.Lock()
			lower.(*callContext).AfterFunc(func() {
				mu.Lock()
				defer mu.Unlock()
				close(told)
			})
			mu.Unlock()
			close(registered)
		}()
		limit := time.Now().Add(10 * time.Second)
		for hooked := false; !hooked && time.Now().Before(limit); time.Sleep(time.Millisecond) { // then it is about to look at the upper call
			c.mu.Lock()
			x := c.x.Load()
			hooked = x != nil && x.hooked
			c.mu.Unlock()
		}
		up.more().cause = errors.New("the cause")
		up.st.Or(flagCancel)
		up.mu.Unlock()
		for what, done := range map[string]chan struct{}{"registered": registered, "told": told} {
			select {
			case <-done:
			case <-time.After(10 * time.Second):
				t.Errorf("it is not %s", what)
			}
		}
		return 0, nil
	})
	upper.Wait(bg)
}
