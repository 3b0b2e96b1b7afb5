// Package collect is about many results: take them as they come, wait for some or all of them, or start many calls and
// have their results in order.
//
//	AsCompleted   an iterator over the Pendings of any source, in the order in which they finish
//	Wait          until all, or the first, or the first that failed, are done
//	Gather        run functions beside each other, results in call order
//
// A source is an iterator. One that starts a call whenever it is asked for the next is lazy, and [MaxConcurrent] bounds
// it: a million calls, ten at a time, in the memory of ten.
//
//	urls := func(yield func(*hop.Pending[int]) bool) {
//		for _, u := range list {
//			if !yield(hop.Go(ctx, hop.Workers(), func(ctx context.Context) (int, error) { return size(ctx, u) })) {
//				return
//			}
//		}
//	}
//	for p := range collect.AsCompleted(ctx, urls, collect.MaxConcurrent(10)) {
//		n, err := p.Result()
//		...
//	}
//
// # Where it may be used
//
// Everywhere: on a plain goroutine, which it blocks; in a call on a pool, whose place it gives back; in a task on a loop,
// which goes on with other tasks. No function here keeps a goroutine while it waits, and none starts one.
//
// # Deadlock
//
// A call that waits for itself would wait for ever. Where the call that asks is among those that it asks for, AsCompleted
// and Wait panic with a *hop.DeadlockError, so that call ends with a *hop.PanicError which Is hop.ErrDeadlock. So they
// do when they are about to wait for one call alone, or for all of several, and one of these waits for the call that
// asks: there is no result to take, and no error that could say so.
//
// The package stands on the exported names of package hop, but for what internal packages give it: who asks, and a cheaper place in a
// call's list.
package collect
