//go:build darwin || freebsd

package thread

import (
	"runtime"
	"syscall"
	"unsafe"
)

// ID returns the id of the calling thread, 0 where there is none to be had.
func ID() uint64 {
	if runtime.GOOS == "freebsd" {
		const sysThrSelf = 432
		var id uint64
		if _, _, errno := syscall.RawSyscall(sysThrSelf, uintptr(unsafe.Pointer(&id)), 0, 0); errno != 0 {
			return 0
		}
		return id
	}
	const sysThreadSelfID = 372
	id, _, errno := syscall.RawSyscall(sysThreadSelfID, 0, 0, 0)
	if errno != 0 {
		return 0
	}
	return uint64(id)
}
