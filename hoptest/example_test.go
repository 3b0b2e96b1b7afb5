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
