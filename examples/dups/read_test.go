package main

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gohop/hop"
)

// seen returns the file as the walk would find it.
func seen(t *testing.T, path string) *file {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return newFile(path, info)
}

func TestReadNoticesChanges(t *testing.T) {
	grow := func(path string) error { return os.WriteFile(path, make([]byte, 3*chunkSize+1), 0o644) }
	shrink := func(path string) error { return os.Truncate(path, chunkSize/2) }
	touch := func(path string) error { return os.Chtimes(path, time.Time{}, time.Unix(1, 0)) }
	replace := func(path string) error {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		next := path + ".next"
		return errors.Join(os.WriteFile(next, make([]byte, 3*chunkSize), 0o644),
			os.Chtimes(next, time.Time{}, info.ModTime()), os.Rename(next, path))
	}
	remove := os.Remove
	for _, tt := range []struct {
		name          string
		change        func(path string) error
		before, while error // what read says of a change before it, or while it reads
	}{
		{"grow", grow, errChanged, errChanged},
		{"shrink", shrink, errChanged, errChanged},
		{"touch", touch, errChanged, errChanged},
		{"replace", replace, errChanged, nil}, // the file that is open is still what it was
		{"remove", remove, fs.ErrNotExist, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "file")
			for _, while := range []bool{false, true} {
				if err := os.WriteFile(path, make([]byte, 3*chunkSize), 0o644); err != nil {
					t.Fatal(err)
				}
				f := seen(t, path)
				change := func() {
					if err := tt.change(path); err != nil {
						t.Skipf("this system does not do that to an open file: %v", err)
					}
				}
				want, onRead := tt.before, func(int64) {}
				if while {
					want = tt.while
					onRead = func(int64) { change(); change = func() {} }
				} else {
					change()
				}
				if _, err := f.read(context.Background(), whole, onRead); !errors.Is(err, want) {
					t.Errorf("while reading: %t: error %v, want %v", while, err, want)
				}
			}
		})
	}
}

func TestReadEndsWithItsContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, make([]byte, 10*chunkSize), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	enough, read := errors.New("enough"), int64(0)
	_, err := seen(t, path).read(ctx, whole, func(n int64) { read += n; cancel(enough) })
	if err != enough || read != chunkSize {
		t.Errorf("error %v after %d bytes, want %v after %d", err, read, enough, chunkSize)
	}
}

// TestTroublesAreCountedNotFatal gives the index files that are not what they were when the walk found them.
func TestTroublesAreCountedNotFatal(t *testing.T) {
	root := t.TempDir()
	path := func(name string) string { return filepath.Join(root, name) }
	write(t, root, map[string]string{"gone": "some text", "other": "some text", "touched": "some text", "a": "some text", "b": "some text"})
	var b batch
	for _, name := range []string{"gone", "a", "touched", "b", "other"} {
		b.files = append(b.files, seen(t, path(name)))
	}
	if err := errors.Join(os.Remove(path("gone")), os.WriteFile(path("touched"), []byte("new and longer"), 0o644)); err != nil {
		t.Fatal(err)
	}

	ctx := context.Background()
	pool := hop.NewPool(&hop.PoolOptions{Size: 1})
	defer pool.Close()
	loop := hop.NewLoop(nil)
	defer loop.Close()
	var stderr strings.Builder
	x := newIndex(loop, pool, newPlace("disk", ""), newScreen(newLoop(t), options{}, nil, &stderr), 1)
	if err := x.add(ctx, b); err != nil {
		t.Fatal(err)
	}
	f, err := hop.Do(ctx, loop, x.finish)
	if err != nil {
		t.Fatal(err)
	}
	if len(f.groups) != 1 || len(f.groups[0].files) != 3 {
		t.Errorf("found %q, want one group of a, b and other", f.lines())
	}
	if want := (map[kind]int{vanished: 1, changed: 1}); !maps.Equal(problems(f), want) {
		t.Errorf("problems %v, want %v", problems(f), want)
	}
	for _, want := range []string{"dups: vanished: " + path("gone"), "dups: changed: " + path("touched")} {
		if !strings.Contains(stderr.String(), want) {
			t.Errorf("no line %q in\n%s", want, stderr.String())
		}
	}
}
