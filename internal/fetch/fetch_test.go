package fetch_test

import (
	"testing"
	"unsafe"

	"github.com/gohop/hop/internal/fetch"
)

// To ask is no access: whatever the address is, nothing happens.
func TestAnyAddress(t *testing.T) {
	var v int
	here := uintptr(unsafe.Pointer(&v))
	for _, p := range []uintptr{0, 1, 4096, here, ^uintptr(0) - 4096, ^uintptr(0), ^uintptr(0) >> 17, ^(^uintptr(0) >> 1) | 5} {
		fetch.Lines(p, 1)
		fetch.Lines(p, 100)
		fetch.Own(p, 1)
		fetch.Own(p, 100)
	}
	if v != 0 {
		t.Error("it has written")
	}
}

// The words are read on the page of the first only, and may be anything.
func TestAnyWords(t *testing.T) {
	page := make([]uintptr, 2*4096/unsafe.Sizeof(uintptr(0)))
	for i := range page {
		page[i] = ^uintptr(0) / uintptr(1+i)
	}
	for i := range page {
		fetch.Words(uintptr(unsafe.Pointer(&page[i])), 3)
	}
	for i := range page {
		if page[i] != ^uintptr(0)/uintptr(1+i) {
			t.Fatal("it has written")
		}
	}
}

// It is near to what is on the stack.
func TestSP(t *testing.T) {
	var v [1]byte
	here, sp := uintptr(unsafe.Pointer(&v)), fetch.SP()
	if v[0]++; fetch.Here && (sp > here || here-sp > 4096) {
		t.Errorf("%x, and a variable is at %x", sp, here)
	}
}
