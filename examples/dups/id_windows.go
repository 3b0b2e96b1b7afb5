package main

import (
	"errors"
	"io/fs"
	"path/filepath"
	"syscall"
)

// fileID tells files apart: two paths with one fileID are the same file.
type fileID struct {
	volume, file uint64
	path         string // where the file system does not tell
}

func identify(path string, info fs.FileInfo) fileID {
	if id, err := query(path); err == nil {
		return id
	}
	if full, err := filepath.Abs(path); err == nil {
		path = full
	}
	return fileID{path: path}
}

// query asks without opening the file for reading, which may be forbidden, or bring it in from a cloud.
func query(path string) (fileID, error) {
	name, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return fileID{}, err
	}
	const anySharing = syscall.FILE_SHARE_READ | syscall.FILE_SHARE_WRITE | syscall.FILE_SHARE_DELETE
	h, err := syscall.CreateFile(name, 0, anySharing, nil, syscall.OPEN_EXISTING, syscall.FILE_FLAG_BACKUP_SEMANTICS, 0)
	if err != nil {
		return fileID{}, err
	}
	defer syscall.CloseHandle(h)
	var info syscall.ByHandleFileInformation
	if err := syscall.GetFileInformationByHandle(h, &info); err != nil {
		return fileID{}, err
	}
	return fileID{volume: uint64(info.VolumeSerialNumber), file: uint64(info.FileIndexHigh)<<32 | uint64(info.FileIndexLow)}, nil
}

func sameVolume(a, b fileID) bool { return a.volume == b.volume }

// isLinkLoop tells whether err comes from following symbolic links that never end.
func isLinkLoop(err error) bool {
	const cantResolveFilename = syscall.Errno(1921)
	return errors.Is(err, cantResolveFilename)
}
