package main

import "syscall"

var getCurrentThreadID = syscall.NewLazyDLL("kernel32.dll").NewProc("GetCurrentThreadId")

// threadID is the id of the OS thread that the caller runs on.
func threadID() uint64 {
	id, _, _ := getCurrentThreadID.Call()
	return uint64(id)
}
