// Package label has the profile labels of the calling goroutine, as a whole: runtime/pprof can put labels on it, but does not tell which it has.
package label

import "unsafe"

// Get returns the goroutine's labels, to be put back with Set. nil stands for none.
//
// The runtime keeps this name and type for those who use it: see its proflabel.go.
//
//go:linkname Get runtime/pprof.runtime_getProfLabel
func Get() unsafe.Pointer

// Set puts back what Get has returned.
//
//go:linkname Set runtime/pprof.runtime_setProfLabel
func Set(labels unsafe.Pointer)
