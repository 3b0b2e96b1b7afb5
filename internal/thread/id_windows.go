package thread

import "syscall"

var currentThreadID = syscall.NewLazyDLL("kernel32.dll").NewProc("GetCurrentThreadId")

// ID returns the id of the calling thread, 0 where there is none to be had.
func ID() uint64 {
	id, _, _ := currentThreadID.Call()
	return uint64(id)
}
