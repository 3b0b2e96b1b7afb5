package hoptest

import "testing"

// Find is Explore, but returns what it finds instead of failing t; "": nothing.
func Find(t *testing.T, o *ExploreOptions, f func(x *Trial)) string {
	t.Helper()
	if r := search(t, o, f); r.Failure != nil {
		return r.Failure.Error()
	}
	return ""
}
