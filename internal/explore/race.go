//go:build race

package explore

import (
	"runtime"
	"unsafe"
)

// The race detector takes each hand-over between goroutines for an order that the program itself asks for. That of the exploration
// is none: what is done between hide and show is not taken for one, so that data races of the program are still seen. publish and observe
// put back what the controller needs.

func hide() { runtime.RaceDisable() }
func show() { runtime.RaceEnable() }

func (r *run) publish() { runtime.RaceReleaseMerge(unsafe.Pointer(&r.order)) }
func (r *run) observe() { runtime.RaceAcquire(unsafe.Pointer(&r.order)) }
