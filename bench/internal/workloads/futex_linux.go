package workloads

import (
	"runtime"
	"sync/atomic"
	"syscall"
	"unsafe"
)

const haveFutex = true

// A futex is one bell: wake rings it, wait sleeps until it has rung.
type futex struct{ rung atomic.Uint32 }

const (
	futexWaitPrivate = 128 // FUTEX_WAIT | FUTEX_PRIVATE_FLAG
	futexWakePrivate = 129
)

func (f *futex) wait() {
	for !f.rung.CompareAndSwap(1, 0) {
		syscall.Syscall6(syscall.SYS_FUTEX, uintptr(unsafe.Pointer(&f.rung)), futexWaitPrivate, 0, 0, 0, 0)
	}
}

func (f *futex) wake() {
	f.rung.Store(1)
	syscall.Syscall6(syscall.SYS_FUTEX, uintptr(unsafe.Pointer(&f.rung)), futexWakePrivate, 1, 0, 0, 0)
}

// lockThread keeps the goroutine on its thread until unlock is called.
func lockThread() (unlock func()) {
	runtime.LockOSThread()
	return runtime.UnlockOSThread
}
