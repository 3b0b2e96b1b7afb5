//go:build cgo

// Package viacgo calls C functions that call back into Go, through cgo.
package viacgo

/*
#cgo LDFLAGS: -lpthread
#include <stdint.h>
extern void hopCall(uintptr_t h);
extern void hopCallOnThread(uintptr_t h);
extern void hopPump(uintptr_t h);
*/
import "C"

import "runtime/cgo"

// Call calls a C function that calls f.
func Call(f func()) {
	h := cgo.NewHandle(f)
	defer h.Delete()
	C.hopCall(C.uintptr_t(h))
}

// CallOnThread has a thread that C makes call f, and returns when it has.
func CallOnThread(f func()) {
	h := cgo.NewHandle(f)
	defer h.Delete()
	C.hopCallOnThread(C.uintptr_t(h))
}

// Pump is an event loop in C: it calls next until that returns false.
func Pump(next func() bool) {
	h := cgo.NewHandle(next)
	defer h.Delete()
	C.hopPump(C.uintptr_t(h))
}

//export hopCallback
func hopCallback(h C.uintptr_t) { cgo.Handle(h).Value().(func())() }

//export hopNext
func hopNext(h C.uintptr_t) C.int {
	if cgo.Handle(h).Value().(func() bool)() {
		return 1
	}
	return 0
}
