// Package thread knows OS threads: which one this is, and whether it is the process's first, which must not be
// given to anybody, because it is never destroyed and on Linux its state is what the process shows to the world.
package thread

import "runtime"

// main is the id of the process's first thread: package initialisation runs on it.
var mainID = ID()

// Only says that there is one thread and no other. Nothing is locked to it there: the lock would be everybody's.
const Only = runtime.GOARCH == "wasm"

// IsMain reports whether the calling goroutine, which must be locked to its thread, is on the process's first
// thread. Where thread ids are not to be had it says no.
func IsMain() bool { return mainID != 0 && ID() == mainID }

// Go runs f on a new goroutine that is locked to an OS thread of its own, never the process's first. The
// thread ends with f: whatever state f gave it goes with it.
func Go(f func()) {
	if Only {
		go f()
		return
	}
	go func() {
		runtime.LockOSThread() // for good: a locked goroutine that ends takes its thread with it
		if !IsMain() {
			f()
			return
		}
		// Keep the first thread occupied until another goroutine has found a different one, then let it go unharmed.
		found := make(chan struct{})
		go func() {
			runtime.LockOSThread()
			close(found)
			f()
		}()
		<-found
		runtime.UnlockOSThread()
	}()
}
