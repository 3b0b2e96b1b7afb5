package main

import "syscall"

// threadID is the id of the OS thread that the caller runs on.
func threadID() uint64 { return uint64(syscall.Gettid()) }
