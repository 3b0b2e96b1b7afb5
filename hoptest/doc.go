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
// # All orders of events
//
// [Explore] runs a test under many schedules, and finds the one that breaks it: an update that is lost, a check that is missing after a wait,
// a deadlock.
//
//	func TestAccount(t *testing.T) {
//		hoptest.Explore(t, nil, func(x *hoptest.Trial) {
//			l := hop.NewLoop(nil)
//			defer l.Close()
//			var a Account
//			one := hop.Go(x.Context(), l, func(ctx context.Context) (int, error) { return a.Deposit(ctx, 10) })
//			two := hop.Go(x.Context(), l, func(ctx context.Context) (int, error) { return a.Deposit(ctx, 10) })
//			one.Wait(x.Context())
//			two.Wait(x.Context())
//			if a.Balance != 20 {
//				x.Errorf("the balance is %d, want 20", a.Balance)
//			}
//		})
//	}
//
// The seed of the schedules is fixed, so the test does the same each time; HOP_SEED gives it another.
//
// All but Explore stands on the public API of hop alone.
package hoptest
