package main

import (
	"cmp"
	"encoding/hex"
	"slices"
)

// A group is two or more files with the same contents.
type group struct {
	size  int64
	sum   string // SHA-256 in hex
	files []*file
}

// newGroup puts the files in order by path. Of the paths to one file, the first in order speaks for it.
func newGroup(k key, files []*file) group {
	for _, f := range files {
		paths := append(f.names, f.path)
		slices.Sort(paths)
		f.path, f.names = paths[0], paths[1:]
	}
	slices.SortFunc(files, func(a, b *file) int { return cmp.Compare(a.path, b.path) })
	return group{size: k.size, sum: hex.EncodeToString(k.sum[:]), files: files}
}

// wasted is how many bytes would be free if only one of the files were kept.
func (g group) wasted() int64 { return g.size * int64(len(g.files)-1) }

// byWaste puts what wastes most first.
func byWaste(a, b group) int {
	return cmp.Or(cmp.Compare(b.wasted(), a.wasted()), cmp.Compare(a.files[0].path, b.files[0].path))
}
