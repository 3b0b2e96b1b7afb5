//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package main

import (
	"context"
	"errors"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestSpecialFilesAreNotOpened would hang if it were so: nobody writes to the pipe.
func TestSpecialFilesAreNotOpened(t *testing.T) {
	root := t.TempDir()
	t.Chdir(root) // the name of a socket must be short
	write(t, ".", map[string]string{"a": "some text", "b": "some text"})
	if err := syscall.Mkfifo("pipe", 0o644); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", "socket")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()

	f, stderr := search(t, options{}, ".", "/dev/null", "pipe") // the pipe counts once
	same(t, f.lines(), []string{`9: ["a" "b"]`})
	if got, want := problems(f), (map[kind]int{special: 3}); !maps.Equal(got, want) {
		t.Errorf("problems %v, want %v", got, want)
	}
	for _, line := range []string{"special file: pipe: a named pipe", "special file: socket: a socket", "special file: /dev/null: a device"} {
		if !strings.Contains(stderr, line) {
			t.Errorf("no line %q in\n%s", line, stderr)
		}
	}
}

// TestFileThatBecameAPipe would hang if opening the pipe waited for somebody to write.
func TestFileThatBecameAPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("text"), 0o644); err != nil {
		t.Fatal(err)
	}
	f := seen(t, path)
	if err := errors.Join(os.Remove(path), syscall.Mkfifo(path, 0o644)); err != nil {
		t.Fatal(err)
	}
	if _, err := f.read(context.Background(), head, func(int64) {}); !errors.Is(err, errChanged) {
		t.Errorf("error %v, want %v", err, errChanged)
	}
}
