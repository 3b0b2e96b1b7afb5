// Package ccalltest holds the tests of promise S40 with real C callbacks: a task calls C, which calls back into Go, where something
// waits. It is a module of its own, since it needs a C compiler and purego, and hop needs neither.
//
// The same scenarios run through cgo (viacgo) and through purego, with and without cgo (viapurego); nocall is a program that
// links C and makes no call. From here:
//
//	go test ./...
//	CGO_ENABLED=0 go test ./viapurego
package ccalltest
