package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// batchSize is how many finds the walk hands over at once, and how many entries of a directory are in memory.
const batchSize = 64

// A batch is what the walk found since the last one.
type batch struct {
	files    []*file
	problems []problem
	tally    tally
}

// walker goes through directory trees, and hands over what it finds in batches. It follows no symbolic links, opens
// directories only, and comes to each of them once, though they be given twice or lie within each other.
type walker struct {
	options
	hand    func(context.Context, batch) error // may wait
	batch   batch
	waiting []*dir
	seen    map[fileID]bool // directories
	given   map[string]bool // arguments that are no directories
}

// A dir is a directory to be listed.
type dir struct {
	path   string
	parent *dir
	id     fileID // known once it is open
}

func newWalker(o options, hand func(context.Context, batch) error) *walker {
	return &walker{options: o, hand: hand, seen: make(map[fileID]bool), given: make(map[string]bool)}
}

// walk goes through all the paths of the options. Its error is that of ctx, or of handing over; what goes wrong with a file
// or a directory is a problem in the batch.
func (w *walker) walk(ctx context.Context) error {
	for _, path := range w.paths {
		w.root(path)
	}
	for len(w.waiting) > 0 {
		d := w.waiting[len(w.waiting)-1]
		w.waiting = w.waiting[:len(w.waiting)-1]
		if err := w.list(ctx, d); err != nil {
			return err
		}
	}
	return w.flush(ctx, 0)
}

// root begins with one of the arguments. Only here are symbolic links followed: they were asked for. Files are taken at
// once, so that the walk knows them when it comes to them again.
func (w *walker) root(path string) {
	path = filepath.Clean(path)
	info, err := os.Stat(path)
	switch {
	case err != nil:
		w.problem(unreadable, path, err)
		w.batch.tally.missing++
	case info.IsDir():
		w.waiting = append(w.waiting, &dir{path: path})
	case !w.given[path]:
		w.other(path, info)
		w.given[path] = true
	}
}

// list goes through the entries of one directory. Directories in it are left for later, so that no more than one is open.
func (w *walker) list(ctx context.Context, d *dir) error {
	h, err := open(d.path)
	if err != nil {
		w.problem(kindOf(err), d.path, err)
		if d.parent == nil {
			w.batch.tally.missing++
		}
		return w.flush(ctx, batchSize)
	}
	defer h.Close()
	if !w.enter(d, h) {
		return w.flush(ctx, batchSize)
	}
	for {
		entries, err := h.ReadDir(batchSize)
		for _, e := range entries {
			w.entry(d, e)
		}
		if err != nil && err != io.EOF {
			w.problem(kindOf(err), d.path, err)
		}
		if err := w.flush(ctx, batchSize); err != nil {
			return err
		}
		if err != nil {
			return nil
		}
	}
}

// enter says whether the directory d, which is open as h, is to be listed.
func (w *walker) enter(d *dir, h *os.File) bool {
	info, err := h.Stat()
	switch {
	case err != nil:
		w.problem(kindOf(err), d.path, err)
		return false
	case !info.IsDir():
		w.problem(changed, d.path, errChanged)
		return false
	}
	d.id = identify(d.path, info)
	switch {
	case w.seen[d.id]:
		w.batch.tally.again++
		return false
	case w.oneVolume && d.parent != nil && !sameVolume(d.id, d.parent.id):
		w.batch.tally.elsewhere++
		return false
	}
	w.seen[d.id] = true
	w.batch.tally.dirs++
	return true
}

// entry looks at one entry of d.
func (w *walker) entry(d *dir, e fs.DirEntry) {
	path := filepath.Join(d.path, e.Name())
	if w.given[path] {
		return
	}
	if !plain(e.Name()) {
		w.problem(oddName, path, nil)
	}
	switch {
	case e.IsDir():
		w.waiting = append(w.waiting, &dir{path: path, parent: d})
	case e.Type()&fs.ModeSymlink != 0:
		w.symlink(d, path)
	default:
		info, err := e.Info()
		if err != nil {
			w.problem(kindOf(err), path, err)
			return
		}
		w.other(path, info)
	}
}

// other looks at what is neither a directory nor a symbolic link.
func (w *walker) other(path string, info fs.FileInfo) {
	switch {
	case !info.Mode().IsRegular():
		w.problem(special, path, errors.New(describe(info.Mode())))
	case info.Size() < int64(w.min):
		w.batch.tally.small++
	default:
		w.batch.files = append(w.batch.files, newFile(path, info))
	}
}

// symlink counts a link in d, and reports it if following it would never end.
func (w *walker) symlink(d *dir, path string) {
	w.batch.tally.symlinks++
	info, err := os.Stat(path)
	switch {
	case isLinkLoop(err):
		w.problem(linkLoop, path, errors.New("it leads to itself"))
	case err == nil && info.IsDir():
		id := identify(path, info)
		for up := d; up != nil; up = up.parent {
			if up.id == id {
				w.problem(linkLoop, path, fmt.Errorf("it leads up to %s", quote(up.path)))
				return
			}
		}
	}
}

func (w *walker) problem(k kind, path string, err error) {
	w.batch.problems = append(w.batch.problems, problem{k, path, err})
}

// flush hands the batch over if it has at least n finds.
func (w *walker) flush(ctx context.Context, n int) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if len(w.batch.files)+len(w.batch.problems) < n {
		return nil
	}
	b := w.batch
	w.batch = batch{}
	return w.hand(ctx, b)
}

// describe says what kind of special file m is.
func describe(m fs.FileMode) string {
	switch {
	case m&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case m&fs.ModeSocket != 0:
		return "a socket"
	case m&fs.ModeDevice != 0:
		return "a device"
	}
	return "neither a file nor a directory"
}
