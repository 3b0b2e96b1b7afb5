//go:build !linux

package workloads

const haveFutex = false

type futex struct{}

func (*futex) wait() {}
func (*futex) wake() {}

func lockThread() (unlock func()) { return func() {} }
