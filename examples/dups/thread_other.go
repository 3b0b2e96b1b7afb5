//go:build !linux && !darwin && !windows

package main

// threadID is 0: the standard library has no portable way to ask for the id of the OS thread.
func threadID() uint64 { return 0 }
