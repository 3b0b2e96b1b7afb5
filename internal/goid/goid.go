// Package goid tells goroutines apart.
//
// An identity is an opaque number that is compared with the identities that live goroutines have
// registered in a [Map], and with nothing else. Where it is cheap the number is the address of the
// runtime's g structure, read from the register or thread-local slot that holds it; nothing reads inside
// it. The runtime reuses a g for a later goroutine, never for two living ones, so an entry is right for as
// long as its goroutine lives, and must be taken out before it ends. Elsewhere the goroutine's number is parsed
// from runtime.Stack, which is slower by a factor of a thousand and unique for ever.
package goid

import (
	"runtime"
	"time"
)

// Number returns the goroutine's number as runtime.Stack prints it ("goroutine 7 [running]"): slow (about a
// microsecond), never reused, and what a reader of a stack dump knows a goroutine by.
func Number() uint64 {
	var buf [40]byte
	return parseNumber(buf[:runtime.Stack(buf[:], false)])
}

// parseNumber reads the number out of "goroutine 7 [running]:…".
func parseNumber(b []byte) uint64 {
	const prefix = "goroutine "
	if len(b) < len(prefix) {
		return 0
	}
	var id uint64
	for _, c := range b[len(prefix):] {
		if c < '0' || c > '9' {
			break
		}
		id = 10*id + uint64(c-'0')
	}
	return id
}

// InBubble reports whether the calling goroutine is in a bubble of testing/synctest: there, and nowhere else, a time.Now has no monotonic reading,
// which Round(0) takes away. The year says less: a bubble's clock may pass any, and a machine without a clock of its own begins in 1970.
func InBubble() bool {
	now := time.Now()
	return now == now.Round(0)
}
