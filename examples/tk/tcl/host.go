//go:build linux || darwin || freebsd

package tcl

import "unsafe"

// How Tk's event loop is a host.
//
//	any goroutine                    Tk's thread
//	Post ── f ──▶ posted             Run: Tcl_DoOneEvent, then what is posted, and again
//	     ── event ─▶ Tcl's queue ──▶      (the event does nothing but let Tcl_DoOneEvent return)
//
// The posted functions run after Tcl_DoOneEvent has returned, rather than inside it, in the event's own function. So they run below no C
// function, ever, which is what hop asks for when it says "at one depth": a task that it had started inside a C function could be resumed only
// inside one. And that may be one more or less: Tk runs its event loop inside itself, for a message box, "vwait" or
// "update". What is posted meanwhile has its turn when that has returned; its event may have passed inside, and then it needs another.

// Post has f run on Tk's thread, by Run. It may be called on any goroutine, returns at once and calls nothing but Tcl. The error is
// ErrStopped.
func (in *Interp) Post(f func()) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.stopped {
		return ErrStopped
	}
	in.posted = append(in.posted, f)
	if len(in.posted) == 1 { // else an event is on its way
		in.wake()
	}
	return nil
}

// wake lets Tcl_DoOneEvent return, now or when it is called next. Tcl frees the event, so Tcl must have allocated it. It needs mu.
func (in *Interp) wake() {
	in.events++
	e := in.lib.alloc(uint32(unsafe.Sizeof(event{})))
	*e = event{proc: passEvent(), to: in.number}
	in.lib.threadQueueEvent(in.thread, e, queueTail)
	in.lib.threadAlert(in.thread)
}

// Run is Tk's event loop, on the thread of the interpreter, until Stop.
func (in *Interp) Run() error {
	if !in.here() {
		return ErrThread
	}
	for {
		in.lib.doOneEvent(allEvents)
		in.mu.Lock()
		posted, stopped := in.posted, in.stopped
		in.posted = nil
		in.mu.Unlock()
		for _, f := range posted {
			f()
		}
		if stopped {
			return nil
		}
		in.mu.Lock()
		if (len(in.posted) > 0 || in.stopped) && in.events == 0 {
			in.wake()
		}
		in.mu.Unlock()
	}
}

// Stop ends Run, after what has been posted. It may be called on any goroutine, and more than once.
func (in *Interp) Stop() {
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.stopped {
		in.stopped = true
		in.wake()
	}
}
