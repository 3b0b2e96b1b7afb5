//go:build unix

package main

import (
	"os"
	"syscall"
)

// open opens a file or a directory for reading. Should there be a named pipe by now where the walk has seen a file, then
// O_NONBLOCK keeps it from waiting for somebody who writes.
func open(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
}
