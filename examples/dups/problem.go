package main

import (
	"errors"
	"fmt"
	"io/fs"
)

// A problem is something that could not be compared, or that whoever reads the list should know of. None ends the search:
// problems are printed as they come, and counted.
type problem struct {
	kind kind
	path string
	err  error // may be nil
}

type kind string

const (
	unreadable kind = "unreadable"   // it cannot be opened, listed or read
	vanished   kind = "vanished"     // it was gone when its turn came
	changed    kind = "changed"      // it was not what it had been, or changed while it was read
	linkLoop   kind = "link loop"    // a symbolic link that leads to itself, or to a directory that it is in
	special    kind = "special file" // a named pipe, a socket, a device: none is ever opened
	oddName    kind = "odd name"     // with characters that do not print, or bytes that are not UTF-8; compared like any
)

// kinds has them in the order of the report.
var kinds = []kind{unreadable, vanished, changed, linkLoop, special, oddName}

// errChanged is the error of a file that is not what the walk has seen.
var errChanged = errors.New("it is not what it was when it was found")

// kindOf tells what kind of problem err is.
func kindOf(err error) kind {
	switch {
	case errors.Is(err, errChanged):
		return changed
	case errors.Is(err, fs.ErrNotExist):
		return vanished
	}
	return unreadable
}

// reason is the text of err without the path, which may have control bytes.
func reason(err error) string {
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		err = p.Err
	}
	return err.Error()
}

func (p problem) String() string {
	text := fmt.Sprintf("%s: %s", p.kind, quote(p.path))
	if p.err != nil {
		text += ": " + reason(p.err)
	}
	return text
}
