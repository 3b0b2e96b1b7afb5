package main

import (
	"io/fs"
	"syscall"
)

// fileID tells files apart: two paths with one fileID are the same file.
type fileID struct{ volume, file uint64 }

func identify(path string, info fs.FileInfo) fileID {
	d := info.Sys().(*syscall.Dir)
	return fileID{uint64(d.Type)<<32 | uint64(d.Dev), d.Qid.Path}
}

func sameVolume(a, b fileID) bool { return a.volume == b.volume }

// isLinkLoop says no: there are no symbolic links.
func isLinkLoop(err error) bool { return false }
