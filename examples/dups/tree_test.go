package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gohop/hop"
)

// search runs find as main does, with a loop of the test's in place of the main thread's.
func search(t *testing.T, o options, paths ...string) (f *found, stderr string) {
	t.Helper()
	o.paths = paths
	o.workers = cmp.Or(o.workers, 4)
	o.inFlight = cmp.Or(o.inFlight, maxInFlight)
	var out, err bytes.Buffer
	f, e := find(context.Background(), o, newScreen(newLoop(t), o, &out, &err))
	if e != nil {
		t.Fatal(e)
	}
	return f, err.String()
}

func newLoop(t *testing.T) *hop.Loop {
	loop := hop.NewLoop(&hop.LoopOptions{Name: "screen"})
	t.Cleanup(func() { loop.Close() })
	return loop
}

// lines writes what was found as one line for each group: "a=b" "c" means that a and b are one file, and c has the same
// contents.
func (f *found) lines() []string {
	var lines []string
	for _, g := range f.groups {
		var files []string
		for _, file := range g.files {
			files = append(files, strings.Join(append([]string{file.path}, file.names...), "="))
		}
		lines = append(lines, fmt.Sprintf("%d: %q", g.size, files))
	}
	slices.Sort(lines)
	return lines
}

// sequential is the plain version that the program is checked against: it has one goroutine, and reads everything.
func sequential(t *testing.T, min int64, roots ...string) []string {
	t.Helper()
	type entry struct {
		info  fs.FileInfo
		paths []string
	}
	byContents := make(map[string][]*entry)
	for _, root := range roots {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			info, err := d.Info()
			if err != nil || info.Size() < min {
				return err
			}
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			same := byContents[string(data)]
			i := slices.IndexFunc(same, func(e *entry) bool { return os.SameFile(e.info, info) })
			if i < 0 {
				byContents[string(data)] = append(same, &entry{info, []string{path}})
			} else if !slices.Contains(same[i].paths, path) {
				same[i].paths = append(same[i].paths, path)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	var lines []string
	for contents, entries := range byContents {
		if len(entries) < 2 {
			continue
		}
		var files []string
		for _, e := range entries {
			slices.Sort(e.paths)
			files = append(files, strings.Join(e.paths, "="))
		}
		slices.SortFunc(files, func(a, b string) int {
			return cmp.Compare(strings.Split(a, "=")[0], strings.Split(b, "=")[0])
		})
		lines = append(lines, fmt.Sprintf("%d: %q", len(contents), files))
	}
	slices.Sort(lines)
	return lines
}

// write makes files, and the directories that they are in.
func write(t *testing.T, root string, files map[string]string) {
	t.Helper()
	for name, contents := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(contents), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// memoryDir is a temporary directory in memory where there is such a thing: thousands of files are slow to make on a disk.
func memoryDir(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "dups")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// randomTree makes about n files in a tree, many of them alike in size, in their heads, or altogether, and some hard links.
func randomTree(t *testing.T, seed uint64, n int) string {
	t.Helper()
	root := t.TempDir()
	r := rand.New(rand.NewPCG(seed, 0))
	sizes := []int{0, 1, 2, 100, headSize - 1, headSize, headSize + 1, 3 * headSize, chunkSize, chunkSize + 1, 2*chunkSize + 7}
	var paths []string
	for i := range n {
		var dirs []string
		for range r.IntN(4) {
			dirs = append(dirs, string(rune('a'+r.IntN(3))))
		}
		path := filepath.Join(filepath.Join(dirs...), fmt.Sprint("f", i))

		if len(paths) > 0 && r.IntN(10) == 0 {
			os.MkdirAll(filepath.Dir(filepath.Join(root, path)), 0o755)
			if err := os.Link(filepath.Join(root, paths[r.IntN(len(paths))]), filepath.Join(root, path)); err == nil {
				continue
			}
		}
		data := bytes.Repeat([]byte("x"), sizes[r.IntN(len(sizes))])
		if len(data) > 0 && r.IntN(2) == 0 {
			data[r.IntN(len(data))] = byte('0' + r.IntN(3)) // anywhere: in the head or after it
		}
		if len(data) > 0 && r.IntN(2) == 0 {
			data[len(data)-1] = byte('0' + r.IntN(3))
		}
		write(t, root, map[string]string{path: string(data)})
		paths = append(paths, path)
	}
	return root
}

func same(t *testing.T, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("found\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

func problems(f *found) map[kind]int {
	return maps.Clone(f.tally.problems)
}
