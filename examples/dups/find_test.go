package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/gohop/hop"
)

func TestFindsWhatASequentialSearchFinds(t *testing.T) {
	root := randomTree(t, 1, 600)
	a, b := filepath.Join(root, "a"), filepath.Join(root, "a", "b")
	for _, o := range []options{
		{},
		{min: 1},
		{min: headSize},
		{workers: 1},
		{inFlight: 1},
		{workers: 1, inFlight: 1},
		{workers: 50, inFlight: 7},
	} {
		t.Run(fmt.Sprintf("min=%d,workers=%d,inFlight=%d", o.min, o.workers, o.inFlight), func(t *testing.T) {
			f, _ := search(t, o, root)
			want := sequential(t, int64(o.min), root)
			if len(want) < 10 {
				t.Fatal("the tree has too few duplicates to tell anything")
			}
			same(t, f.lines(), want)
		})
	}
	t.Run("parts of a tree", func(t *testing.T) {
		f, _ := search(t, options{}, b, filepath.Join(root, "c"))
		same(t, f.lines(), sequential(t, 0, b, filepath.Join(root, "c")))
	})
	t.Run("the same directory twice", func(t *testing.T) {
		f, _ := search(t, options{}, root, root)
		same(t, f.lines(), sequential(t, 0, root))
		if f.tally.again != 1 {
			t.Errorf("%d directories met again, want 1", f.tally.again)
		}
	})
	t.Run("a directory in another", func(t *testing.T) {
		f, _ := search(t, options{}, b, root, a)
		same(t, f.lines(), sequential(t, 0, root))
	})
	t.Run("a file and its directory", func(t *testing.T) {
		one := filepath.Join(root, "one")
		write(t, root, map[string]string{"one": "given", "two": "given"})
		for _, paths := range [][]string{{one, root}, {root, one}, {one, root, one, root + "/./one"}} {
			f, _ := search(t, options{}, paths...)
			same(t, f.lines(), sequential(t, 0, root))
		}
	})
}

func TestReadsLittle(t *testing.T) {
	root := t.TempDir()
	big := strings.Repeat("x", 1<<20)
	write(t, root, map[string]string{
		"alone":      big + "xx",   // no other is of this size: not read
		"head/1":     "1" + big,    // these differ in their heads
		"head/2":     "2" + big,    //
		"head/3":     "3" + big,    //
		"small/1":    "the same",   // small files are read once
		"small/2":    "the same",   //
		"tail/1":     big + "1abc", // these have to be read
		"tail/2":     big + "2abc", //
		"tail/alike": big + "2abc",
	})
	f, _ := search(t, options{}, root)
	same(t, f.lines(), sequential(t, 0, root))
	if want := int64(3*headSize + 2*8 + 3*(headSize+1<<20+4)); f.read != want {
		t.Errorf("read %d bytes, want %d", f.read, want)
	}
}

func TestGroupsThatWasteMostComeFirst(t *testing.T) {
	root := t.TempDir()
	write(t, root, map[string]string{"a1": "aaa", "a2": "aaa", "b1": "bb", "b2": "bb", "b3": "bb", "c1": "cccc", "c2": "cccc"})
	f, _ := search(t, options{}, root)
	var first []string
	for _, g := range f.groups {
		first = append(first, filepath.Base(g.files[0].path))
	}
	same(t, first, []string{"b1", "c1", "a1"})
}

func TestLinks(t *testing.T) {
	root := t.TempDir()
	write(t, root, map[string]string{"dir/sub/file": "some text", "dir/copy": "some text"})
	for link, target := range map[string]string{
		"dir/sub/link": "file",        // not a duplicate
		"dead":         "nowhere",     //
		"self":         "self",        // loops
		"ping":         "pong",        //
		"pong":         "ping",        //
		"dir/sub/up":   "..",          //
		"dir/here":     ".",           //
		"across":       "dir/sub",     // leads to a directory, but not in a circle
		"dir/sub/far":  "../../../..", // leads out of the tree, above its root
	} {
		if err := os.Symlink(target, filepath.Join(root, link)); err != nil {
			t.Skipf("this file system or account has no symbolic links: %v", err)
		}
	}
	f, stderr := search(t, options{}, root)
	same(t, f.lines(), sequential(t, 0, root))
	if f.tally.symlinks != 9 {
		t.Errorf("%d symbolic links, want 9", f.tally.symlinks)
	}
	if got, want := problems(f), (map[kind]int{linkLoop: 5}); !maps.Equal(got, want) {
		t.Errorf("problems %v, want %v\n%s", got, want, stderr)
	}
	for _, name := range []string{"self", "ping", "pong", "dir/sub/up", "dir/here"} {
		if line := "link loop: " + filepath.Join(root, name) + ": it leads"; !strings.Contains(stderr, line) {
			t.Errorf("no line %q in\n%s", line, stderr)
		}
	}

	t.Run("as arguments they are followed", func(t *testing.T) {
		f, _ := search(t, options{}, filepath.Join(root, "across"), filepath.Join(root, "dir"), filepath.Join(root, "self"))
		if len(f.groups) != 1 || len(f.groups[0].files) != 2 {
			t.Errorf("found %q", f.lines())
		}
		if f.tally.again != 1 {
			t.Errorf("%d directories met again, want 1", f.tally.again)
		}
	})
}

func TestOddNamesAreQuotedAndCompared(t *testing.T) {
	root := t.TempDir()
	odd := []string{"new\nline", "bell\a", "esc\x1b[31m", "turn\u202eround"}
	if runtime.GOOS == "linux" {
		odd = append(odd, "latin\xe9")
	}
	for i, name := range odd {
		if err := os.WriteFile(filepath.Join(root, name), []byte(fmt.Sprint("contents ", i)), 0o644); err != nil {
			t.Skipf("this file system does not take the name %q: %v", name, err)
		}
		write(t, root, map[string]string{fmt.Sprint("plain", i): fmt.Sprint("contents ", i)})
	}
	f, stderr := search(t, options{}, root)
	same(t, f.lines(), sequential(t, 0, root))
	if got := f.tally.problems[oddName]; got != len(odd) || len(f.groups) != len(odd) {
		t.Errorf("%d odd names and %d groups, want %d of each", got, len(f.groups), len(odd))
	}

	var text, lines bytes.Buffer
	f.print(&text, false)
	for _, printed := range []string{stderr, text.String()} {
		for _, name := range odd {
			if strings.Contains(printed, name) || !strings.Contains(printed, fmt.Sprintf("%q", filepath.Join(root, name))) {
				t.Errorf("%q is not quoted in\n%s", name, printed)
			}
		}
	}

	// In JSON, each name comes back byte for byte.
	f.printJSON(&lines, true)
	var paths []string
	for dec := json.NewDecoder(&lines); dec.More(); {
		var d jsonDuplicates
		if err := dec.Decode(&d); err != nil {
			t.Fatal(err)
		}
		for _, file := range d.Files {
			if file.Bytes != nil {
				file.Path = string(file.Bytes)
			}
			paths = append(paths, file.Path)
		}
	}
	for _, name := range odd {
		if !slices.Contains(paths, filepath.Join(root, name)) {
			t.Errorf("%q did not come back from JSON: %q", name, paths)
		}
	}
}

func TestArgumentsThatAreNotThere(t *testing.T) {
	var stdout, stderr bytes.Buffer
	o := options{paths: []string{filepath.Join(t.TempDir(), "no such")}, workers: 1, inFlight: 1}
	if code := run(context.Background(), o, newLoop(t), &stdout, &stderr); code != exitFailed {
		t.Errorf("exit code %d, want %d", code, exitFailed)
	}
	if want := "unreadable: " + o.paths[0]; !strings.Contains(stderr.String(), want) {
		t.Errorf("no line %q in\n%s", want, &stderr)
	}
	o.paths = append(o.paths, t.TempDir())
	if code := run(context.Background(), o, newLoop(t), &stdout, &stderr); code != exitFailed {
		t.Errorf("exit code %d, want %d", code, exitFailed)
	}
	o.paths = o.paths[1:]
	if code := run(context.Background(), o, newLoop(t), &stdout, &stderr); code != exitDone {
		t.Errorf("exit code %d, want %d", code, exitDone)
	}
}

// TestFilesInFlightAreBounded counts in a way of its own, not by the gate: what the walk has handed over, less what is at
// rest.
func TestFilesInFlightAreBounded(t *testing.T) {
	const n, limit = 20_000, 20
	root := memoryDir(t)
	for i := range n {
		name := filepath.Join(root, fmt.Sprint("d", i/1000), fmt.Sprint(i))
		if i%1000 == 0 {
			os.Mkdir(filepath.Dir(name), 0o755)
		}
		if err := os.WriteFile(name, fmt.Appendf(nil, "%05d", i/2), 0o644); err != nil { // all of one size, in pairs
			t.Fatal(err)
		}
	}

	ctx := context.Background()
	o := options{paths: []string{root}, workers: 2, inFlight: limit, quiet: true}
	pool := hop.NewPool(&hop.PoolOptions{Size: o.workers})
	defer pool.Close()
	loop := hop.NewLoop(nil)
	defer loop.Close()
	disk := newPlace("disk", "")
	x := newIndex(loop, pool, disk, newScreen(loop, o, nil, nil), o.inFlight)

	handed, most := 0, 0
	w := newWalker(o, func(ctx context.Context, b batch) error {
		handed += len(b.files)
		if err := x.add(ctx, b); err != nil {
			return err
		}
		return hop.Run(ctx, loop, func(context.Context) error {
			atRest := 0
			for _, files := range x.byKey {
				atRest += len(files)
			}
			most = max(most, handed-atRest)
			return nil
		})
	})
	if err := hop.Run(ctx, pool, w.walk); err != nil {
		t.Fatal(err)
	}
	f, err := hop.Do(ctx, loop, x.finish)
	if err != nil {
		t.Fatal(err)
	}
	if f.tally.files != n || len(f.groups) != n/2 {
		t.Errorf("%d files in %d groups, want %d in %d", f.tally.files, len(f.groups), n, n/2)
	}
	for what, got := range map[string]int{"files in flight": most, "files that the gate counted": f.mostInFlight, "reads in the queue": disk.longest} {
		if got > 2*(limit+1) || got < 2 {
			t.Errorf("%d %s, want 2 to %d", got, what, 2*(limit+1))
		}
	}
}

func TestStaysOnOneVolume(t *testing.T) {
	root := t.TempDir()
	h, err := open(root)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	elsewhere := &dir{path: "elsewhere"}
	for _, oneVolume := range []bool{false, true} {
		w := newWalker(options{oneVolume: oneVolume}, nil)
		d := &dir{path: root, parent: elsewhere}
		entered := w.enter(d, h)
		if want := !oneVolume || sameVolume(d.id, elsewhere.id); entered != want {
			t.Errorf("with oneVolume %t, entered is %t", oneVolume, entered)
		}
	}
}
