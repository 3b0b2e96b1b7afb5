package hop

// A code is a program counter: on wasm these are no addresses, and lie far apart.
type code uintptr

func codeAt(pc uintptr) code { return code(pc) }

func (c code) pc() uintptr { return uintptr(c) }
