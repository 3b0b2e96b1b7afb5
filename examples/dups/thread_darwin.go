package main

import "syscall"

// threadID is the id of the OS thread that the caller runs on, 0 if the system does not say.
func threadID() uint64 {
	id, _, errno := syscall.RawSyscall(syscall.SYS_THREAD_SELFID, 0, 0, 0)
	if errno != 0 {
		return 0
	}
	return uint64(id)
}
