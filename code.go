//go:build !wasm

package hop

import "reflect"

// A code is a place in the program's text, in half the size of a program counter: its distance from one function of this
// package. Zero stands for none, and for what is further away than two gigabytes (a plugin), which is shown without its name.
type code int32

var textBase = reflect.ValueOf(misuse).Pointer() - 1

func codeAt(pc uintptr) code {
	d := int64(pc) - int64(textBase)
	if pc == 0 || int64(int32(d)) != d {
		return 0
	}
	return code(d)
}

func (c code) pc() uintptr {
	if c == 0 {
		return 0
	}
	return textBase + uintptr(int64(c))
}
