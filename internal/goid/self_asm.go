//go:build 386 || amd64 || arm || arm64 || loong64 || mips || mipsle || mips64 || mips64le || ppc64 || ppc64le || riscv64 || s390x

package goid

// Self returns the identity of the calling goroutine: about a nanosecond.
func Self() uintptr

// comeBack says that goroutines get the identities of dead ones.
const comeBack = true
