package model

import "syscall"

// threadID returns the OS thread that the calling goroutine is on.
func threadID() int { return syscall.Gettid() }
