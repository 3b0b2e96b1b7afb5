package hoptest

import (
	"testing"
	"time"

	"github.com/gohop/hop"
)

// CheckNesting is TestNesting for one portal.
func CheckNesting(p hop.Portal) error { return portalCheck{"nesting", checkNesting}.try(p) }

// SetLeakPatience makes NoLeaks wait for d, until the test ends.
func SetLeakPatience(t *testing.T, d time.Duration) {
	old := leakPatience
	leakPatience = d
	t.Cleanup(func() { leakPatience = old })
}
