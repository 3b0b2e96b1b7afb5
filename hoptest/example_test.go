package hoptest_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/gohop/hop"
	"github.com/gohop/hop/hoptest"
)

// The test of a portal of one's own is one line and its make function.
func ExampleTestPortal() {
	test := func(t *testing.T) { // func TestActor(t *testing.T)
		hoptest.TestPortal(t, func(t *testing.T) hop.Portal {
			a := newActor()
			t.Cleanup(func() { a.Close() })
			return a
		})
	}
	_ = test
}

// A portal that counts the calls it cannot take, and forgets that it has run them.
type counting struct{ refused int }

func (p *counting) Submit(c *hop.Call) error {
	c.Run()
	p.refused++
	return fmt.Errorf("refused %d calls", p.refused)
}

func ExampleCheckPortal() {
	fmt.Println(hoptest.CheckPortal(hop.Goroutines))
	fmt.Println(hoptest.CheckPortal(new(counting)))
	// Output:
	// <nil>
	// hoptest: a call runs once: a call was refused (refused 1 calls), and ran all the same: after an error of Submit the call is the caller's again
}

// NoLeaks comes first, so that it looks last.
func ExampleNoLeaks() {
	test := func(t *testing.T) { // func TestDownload(t *testing.T)
		hoptest.NoLeaks(t)
		l := hop.NewLoop(nil)
		defer l.Close() // without this line the test fails
		if err := hop.Run(t.Context(), l, func(context.Context) error { return nil }); err != nil {
			t.Error(err)
		}
	}
	_ = test
}

// Do on a portal from inside a call on it: pools keep that, and a goroutine that runs one call after another cannot.
func ExampleTestNesting() {
	test := func(t *testing.T) { // func TestNesting(t *testing.T)
		hoptest.TestNesting(t, func(t *testing.T) hop.Portal {
			p := hop.NewPool(&hop.PoolOptions{Size: 1})
			t.Cleanup(func() { p.Close() })
			return p
		})
	}
	_ = test
}

// Two calls on one loop add to a number, and each waits between reading and writing it: under some schedule one of the two is lost, and Explore
// shows which.
func ExampleExplore() {
	test := func(t *testing.T) { // func TestCounter(t *testing.T)
		hoptest.Explore(t, nil, func(x *hoptest.Trial) {
			l := hop.NewLoop(nil)
			defer l.Close()
			n := 0
			add := func(ctx context.Context) (struct{}, error) {
				old := n
				err := hop.Yield(ctx) // the other may run here
				n = old + 1
				return struct{}{}, err
			}
			a, b := hop.Go(x.Context(), l, add), hop.Go(x.Context(), l, add)
			a.Wait(x.Context())
			b.Wait(x.Context())
			if n != 2 {
				x.Errorf("two calls have added to %d", n)
			}
		})
	}
	_ = test
}
