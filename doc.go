/*
Package hop runs a call on the thread, event loop, pool or goroutine where it must run, and brings its typed result back to
where you are, without deadlock.

Much that a Go program talks to wants one thread or one owner: GUI toolkits and OpenGL (the main thread), network namespaces
and credentials (a thread, on Linux), embedded Python, Lua and JavaScript (one caller at a time), sockets and handles of C
libraries. Such a place is a [Loop]:

	loop := hop.NewLoop(&hop.LoopOptions{Name: "gl", Thread: true})
	defer loop.Close()

	size, err := hop.Do(ctx, loop, func(ctx context.Context) (int, error) {
		return textureSize() // on the loop's own OS thread
	})

Five names are enough to begin with: [Go] starts a call, [Pending.Wait] waits for its result, a [Loop] is a place with one
thread, a [Pool] one with many, and [WithGroup] holds calls together.

# Calls

[Go] sends a function to a place and returns a [Pending], its typed result to come. [Do] sends it and waits. [Run] is Do for a
function without a value, [After] is Go with a delay, and [New] makes a call without sending it.

	p := hop.Go(ctx, loop, load)  // returns at once
	...
	settings, err := p.Wait(ctx)

The function gets a context that is a child of the caller's: values and deadlines flow through, and Cancel ends it. An error
that the function returns comes back itself, not wrapped. A panic comes back as a [PanicError] with the original stack, and
runtime.Goexit, which is what t.FailNow does, as [ErrGoexit]; the loop or worker lives on.

Small options change one call: [Name], [Timeout], [Abandon], [OnUndelivered], [Meta].

A [Promise] is a Pending that is completed by hand, for what comes from a callback.

# Places

Whatever takes calls is a [Portal], an interface with one method. These are in the package:

	Loop          one place: a goroutine, an OS thread, the main thread, a foreign event loop
	Pool          interchangeable workers: goroutines or OS threads, bounded or not
	Workers()     the shared pool, for what blocks
	Goroutines    a new goroutine for each call
	Inline        the caller's own goroutine, at once
	Waiter        a goroutine that is blocked waiting, and serves meanwhile
	Origin(ctx)   back to who waits for the running call

The main thread's loop is in package mainthread, since locking the main thread is for programs that need it.

A portal of your own makes each accepted call end by [Call.Run] or [Call.Fail]; see the example of [Portal].

# Tasks

A loop runs each function as a task. A task may wait in straight-line code, with Wait, [Sleep], [Yield], [Recv], [Blocking],
[Event], [Limiter] or WithGroup. While it waits, it is suspended and the loop runs others; it goes on later on the same thread.
Between two waits nothing else runs on the loop. So what belongs to a loop needs no lock, and code that needs the loop reads
from top to bottom.

	func (w *window) open(ctx context.Context, path string) error { // a task on the window's loop
		w.setTitle("loading")
		text, err := hop.Blocking(ctx, func(context.Context) ([]byte, error) { return os.ReadFile(path) })
		if err != nil {
			return err
		}
		w.setText(text) // on the loop again, on the same thread
		return nil
	}

How a wait is done is decided by the goroutine that waits, not by its context: a task is suspended, a pool's worker blocks but
gives its place in the pool back, any other goroutine blocks. So a function that takes a context may be called from all of
them.

What does not go through this package blocks the loop, as it blocks any goroutine: a channel receive, a mutex, a read. Use Recv
or Blocking for it. A task that keeps its loop for longer than [LoopOptions].StallAfter is reported through the logger, with
its stack.

# Deadlock

Calls may wait for calls in every direction: a loop for a pool that calls back into the loop, a pool of one for itself, to any
depth. Do on the loop that one is on runs inline.

A wait that can never end is refused. If what a call waits for is itself waiting, directly or through others, for that call,
then Wait returns a [DeadlockError], which lists every wait with its file and line. The other waits go on. What this package does not see
is not found: a circle through a mutex or a channel, nor one through an Event, a Promise or Recv, which anybody may end.

# Back to who waits

The goroutine that is blocked in Do, Run or [Waiter.Wait] serves meanwhile: a call that is sent to [Origin] from inside the
awaited call runs there. On a loop, Origin leads to the loop.

	hop.Do(ctx, pool, func(ctx context.Context) (string, error) {
		password, err := hop.Do(ctx, hop.Origin(ctx), askUser) // runs where the outer Do waits
		...
	})

# Cancelling

The context given to Wait bounds the wait, and the call goes on. [Pending.WaitOrCancel], Do and Run own the call: when
their context ends, the call is cancelled.

[Pending.Cancel] asks. A queued call ends at once and never runs. A running one has its context ended, with the cause, and is
done when its function has returned; with Abandon it is done at once. After Cancel has returned true the call ends with a
[CancelError], whatever the function returns. What it returns all the same goes to OnUndelivered, so that it can be closed.
[Pending.CancelWait] returns when the function has really returned.

A function that returns context.Canceled of its own making has failed, not been cancelled: [Call.State] tells the two apart.

# Groups

[WithGroup] returns when every call made with its context has ended, those that the calls made themselves included. A
failure cancels the others, and all errors come back joined. [GroupOptions] changes that. [Track] only watches, and [Detach]
opts out.

# Stopping

Loops and pools stop as an http.Server does. Shutdown finishes what was accepted, suspended tasks too, and then stops;
Close cancels it first. Both wait, and afterwards no goroutine, thread or timer is left. A call sent at any moment either runs or
ends with [ErrStopped]. Children of a loop ([Loop.Child]) stop before it; functions given to [Loop.OnShutdown] and the values
of a [Local] are run and closed on the loop's own thread.

# Errors

All errors work with errors.Is and errors.As. The texts begin with "hop: " and name the call and the place. Plain misuse, such
as a nil portal or options that contradict each other, panics with a text that begins so too. A failed call whose error
nobody ever looks at is logged once. A panic that no caller can receive, such as that of a posted function, goes
to [LoopOptions].OnPanic, and crashes the process if there is none.

# Limits

The runtime sets some limits to tasks:

  - A task must not lock its thread (runtime.LockOSThread) and then wait: that ends the process. A loop with Thread is locked
    already.
  - Inside a C function that a task has called, which calls back into Go, a wait that would have to suspend returns
    [ErrCannotWait].
  - A [Host] written in C must run the loop's ticks always at the same depth of C calls.
  - A function that heeds no context cannot be ended. Abandon ends its call: a pool counts the function until it returns, and replaces its
    worker; a loop waits for it.

# Cost

A post to a busy loop costs tens of nanoseconds and no allocation; a call made and awaited inside a loop, about
0.4 µs and one allocation. A task that never waits costs no coroutine switch. An idle loop or pool uses no CPU.

What comments here say of costs was measured on a quiet machine, two cores of an AMD EPYC. docs/benchmarks.md is one run on another, where most
things take up to three times as long, and a round trip to a thread five times.

# See also

Package collect takes many results, package queue feeds values to one function in order, and package bridge calls functions
found at run time. They use only exported names of this package, except that an internal package lets collect and queue do a few things that
users cannot: know which call asks and whether it can wait, make a context that knows of that call and nothing else, wait so that the search for
deadlocks sees it as a wait for calls, cancel many calls at once, and take a cheaper place in a call's list of waiters.
*/
package hop
