// Package queue feeds values to one function on a portal: in order, one at a time, for as long as the program likes.
//
//	log := queue.New(loop, func(ctx context.Context, line string) error {
//		_, err := file.WriteString(line)
//		return err
//	}, nil)
//	log.Put(ctx, "started\n")
//	...
//	log.Shutdown(ctx) // all written
//
// It is for what has one owner and many users: a file, a socket, a connection, a window. The function needs no lock, and
// those that put values do not wait for it. [NewBatch] hands over many values at once, for what is dear for each and
// cheap for many: a database's transaction, a request.
//
// # Order
//
// Values are handled in the order in which they were put, one at a time: the next not before the function has returned
// from the last, whatever it waited for in between. On a [hop.Loop] a value keeps its place among everything else that
// enters the loop: what the same goroutine posted before is run before it, what it posts later is run after it, unless a
// function in between waits.
//
// # Failing
//
// A value whose function returns an error, panics or ends its goroutine is done with: OnError is told, and the next one is
// handled.
//
// # Full
//
// With a Limit, [Policy] says what becomes of a value for which there is no room: [Fail] returns hop.ErrFull, [Drop] drops it and
// tells OnDrop, [Wait] waits for room, without blocking a loop.
//
// # Accounts
//
// Of each value exactly one thing is true in the end: Put returned an error, or the function was called with it, or OnDrop
// was. There is no fourth.
//
// # Cost
//
// A queue has no goroutine of its own; an empty one is a few hundred bytes. On a loop each value takes a place in the
// loop's queue, hence a call. Elsewhere (on a pool, say) one call handles all that waits, so a value costs a push and a
// pop; that call keeps its worker until the queue is empty.
//
// The package stands on the exported names of package hop, but for what internal packages give it: who asks, a context that says no more than that,
// and a wait that is seen as one for calls. It follows async-kernel's queue_call and Prefect's QueueService and BatchedQueueService.
package queue
