// Package hoptest helps to test programs that use [hop]: it tries portals that a program writes itself, and finds what a test
// leaves behind.
//
// # A portal of one's own
//
// [TestPortal] is for a hop.Portal what testing/slogtest is for a slog.Handler: it submits calls in all the ways in which hop and its
// users do, and says which promise the portal breaks.
//
//	func TestQueue(t *testing.T) {
//		hoptest.TestPortal(t, func(t *testing.T) hop.Portal {
//			q := NewQueue()
//			t.Cleanup(q.Stop)
//			return q
//		})
//	}
//
// [TestNesting] asks for more, that calls on the portal may wait for each other; [CheckPortal] is for where there is no
// *testing.T, or for virtual time.
//
// # What a test leaves behind
//
// [NoLeaks], called first in a test, fails it if loops have not been stopped, or goroutines of hop are left, when it ends.
//
// Everything here stands on the public API of hop alone.
package hoptest
