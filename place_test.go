package hop_test

// S4: the places that a DeadlockError tells are the user's, however the wait was called.

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"github.com/gohop/hop"
	"github.com/gohop/hop/bridge"
	"github.com/gohop/hop/collect"
	"github.com/gohop/hop/queue"
)

func TestS4_ThePlacesAreTheUsers(t *testing.T) {
	type waiter interface {
		Wait(ctx context.Context) (int, error)
	}
	for name, waitFor := range map[string]func(p *hop.Pending[int]) error{
		"Wait":             func(p *hop.Pending[int]) error { _, err := p.Wait(bg); return err },
		"a method value":   func(p *hop.Pending[int]) error { f := p.Wait; _, err := called(f); return err },
		"an interface":     func(p *hop.Pending[int]) error { _, err := throughInterface(waiter(p).Wait); return err },
		"a method of type": func(p *hop.Pending[int]) error { f := (*hop.Pending[int]).Wait; _, err := f(p, bg); return err },
		"Do": func(p *hop.Pending[int]) error {
			_, err := hop.Do(bg, hop.Goroutines, func(context.Context) (int, error) { return p.Wait(bg) })
			return err
		},
		"collect.Gather": func(p *hop.Pending[int]) error {
			_, err := collect.Gather(bg, hop.Goroutines, func(context.Context) (int, error) { return p.Wait(bg) })
			return err
		},
		"collect.Wait": func(p *hop.Pending[int]) (err error) {
			one := hop.Go(bg, hop.Goroutines, func(context.Context) (int, error) { return p.Wait(bg) })
			defer func() {
				if r := recover(); r != nil { // it depends on which of the two waits begins last
					err = r.(error)
				}
			}()
			collect.Wait(bg, collect.AllDone, one)
			_, err = one.Result()
			return err
		},
		"collect.AsCompleted": func(p *hop.Pending[int]) (err error) {
			defer func() {
				if r := recover(); r != nil {
					err = r.(error)
				}
			}()
			one := hop.Go(bg, hop.Goroutines, func(context.Context) (int, error) { return p.Wait(bg) })
			for one := range collect.AsCompleted(bg, slices.Values([]*hop.Pending[int]{one})) {
				_, err := one.Result()
				return err
			}
			return nil
		},
		"bridge.Sync": func(p *hop.Pending[int]) error {
			_, err := bridge.Sync(func(context.Context, int) *hop.Pending[int] { return p })(bg, 1)
			return err
		},
		"queue.Shutdown": func(p *hop.Pending[int]) error {
			var lost error
			q := queue.New(hop.Goroutines, func(context.Context, int) error { _, err := p.Wait(bg); return err }, &queue.Options{OnError: func(err error) { lost = err }})
			q.Put(bg, 1)
			if err := q.Shutdown(bg); err != nil {
				return err
			}
			return lost // it was the item's wait that was refused
		},
	} {
		t.Run(name, func(t *testing.T) {
			ready := make(chan struct{})
			var self *hop.Pending[int]
			inner := make(chan error, 1)
			self = hop.Go(bg, hop.Goroutines, func(context.Context) (int, error) { <-ready; inner <- waitFor(self); return 1, nil })
			close(ready)
			must(t, self)
			err := recv(t, "the wait", inner)
			var d *hop.DeadlockError
			if !errors.As(err, &d) {
				t.Fatalf("error %v, want a deadlock", err)
			}
			for _, w := range d.Cycle {
				if filepath.Base(w.File) != "place_test.go" || w.Line == 0 {
					t.Errorf("a step at %s:%d, which is not the user's: %v", w.File, w.Line, d)
				}
			}
		})
	}
}

//go:noinline
func called(f func(context.Context) (int, error)) (int, error) { return f(bg) }

//go:noinline
func throughInterface(f func(context.Context) (int, error)) (int, error) { return f(bg) }
