package main

import (
	"context"
	"crypto/sha256"
	"io"
	"io/fs"
	"os"
)

const (
	headSize  = 4 << 10   // bytes read of files that agree in size
	chunkSize = 128 << 10 // bytes read between two looks at ctx
)

// read reads f from its start: headSize bytes of it, or all, as d says, and returns what it now knows. A file that fits in
// its head has been read whole. Count is told of the bytes as they come in.
//
// The error is errChanged if the file is not the one that the walk has seen, before or after the reading.
func (f *file) read(ctx context.Context, d depth, count func(int64)) (key, error) {
	h, err := open(f.path)
	if err != nil {
		return key{}, err
	}
	defer h.Close()
	if err := f.check(h); err != nil {
		return key{}, err
	}

	end := f.size
	if d == head && end > headSize {
		end = headSize
	}
	sum := sha256.New()
	buf := make([]byte, min(end, chunkSize))
	for at := int64(0); at < end; {
		if ctx.Err() != nil {
			return key{}, context.Cause(ctx)
		}
		n, err := h.Read(buf[:min(end-at, chunkSize)])
		sum.Write(buf[:n])
		at += int64(n)
		count(int64(n))
		if err == io.EOF && at < end {
			return key{}, errChanged
		}
		if err != nil && err != io.EOF {
			return key{}, err
		}
	}
	if err := f.check(h); err != nil {
		return key{}, err
	}

	k := key{size: f.size, depth: d}
	if end == f.size {
		k.depth = whole
	}
	sum.Sum(k.sum[:0])
	return k, nil
}

// check compares the open file h with what the walk has seen.
func (f *file) check(h *os.File) error {
	info, err := h.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || info.Size() != f.size || info.ModTime().UnixNano() != f.modTime || identify(f.path, info) != f.id {
		return errChanged
	}
	return nil
}

// newFile is the file that info describes.
func newFile(path string, info fs.FileInfo) *file {
	return &file{path: path, id: identify(path, info), size: info.Size(), modTime: info.ModTime().UnixNano()}
}
