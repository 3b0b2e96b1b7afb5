//go:build race

package explore_test

import (
	"strings"
	"testing"

	"github.com/gohop/hop/internal/explore"
)

// The hand-over from one goroutine to the next is not an order that hides the program's data races. The race detector
// fails the test that runs then, so the test of that is a child process.
func TestDataRacesAreSeen(t *testing.T) {
	out := child(t, "TestDataRacesAreSeen", func() {
		explore.Search(t, explore.Options{Seed: 1, Runs: 20}, func(x *explore.Trial) {
			n := 0
			done := make(chan bool)
			x.Go("a", func() { x.Point("a"); n++; x.Point("b"); done <- true })
			x.Go("b", func() { x.Point("a"); n++; x.Point("b"); done <- true })
			<-done
			<-done
		})
	})
	for _, want := range []string{"DATA RACE", "race_test.go", "race detected during execution of test"} {
		if !strings.Contains(out, want) {
			t.Errorf("the child does not say %q:\n%s", want, out)
		}
	}
}

// And what the program itself orders is no race.
func TestNoRaceIsInvented(t *testing.T) {
	r := explore.Search(t, explore.Options{Seed: 1, Runs: 100}, func(x *explore.Trial) {
		n := 0
		turn := make(chan bool, 1)
		done := make(chan bool)
		for range 3 {
			x.Go("", func() {
				turn <- true
				x.Point("in")
				n++
				x.Logf("%d", n)
				<-turn
				done <- true
			})
		}
		for range 3 {
			<-done
		}
		if n != 3 {
			x.Fatalf("%d", n)
		}
	})
	if r.Failure != nil {
		t.Error(r.Failure)
	}
}
