//go:build unix || js || wasip1

package main

import (
	"errors"
	"io/fs"
	"syscall"
)

// fileID tells files apart: two paths with one fileID are the same file.
type fileID struct{ volume, file uint64 }

func identify(path string, info fs.FileInfo) fileID {
	s := info.Sys().(*syscall.Stat_t)
	return fileID{uint64(s.Dev), uint64(s.Ino)}
}

func sameVolume(a, b fileID) bool { return a.volume == b.volume }

// isLinkLoop tells whether err comes from following symbolic links that never end.
func isLinkLoop(err error) bool { return errors.Is(err, syscall.ELOOP) }
