//go:build unix

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// endlessTree has two small duplicates, and two files that would take hours to compare. (They take no place: nothing was
// written to them.)
func endlessTree(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	write(t, root, map[string]string{"small1": "small", "small2": "small", "big1": "", "big2": ""})
	for _, name := range []string{"big1", "big2"} {
		if err := os.Truncate(filepath.Join(root, name), 8<<40); err != nil {
			t.Skip(err)
		}
	}
	return root
}

// found1 is in the progress line once the small ones have been found.
const found1 = "1 group of duplicates"

// watch is a writer that calls f once, when text has been written to it.
type watch struct {
	text string
	f    func()
	once sync.Once
	bytes.Buffer
}

func (w *watch) Write(p []byte) (int, error) {
	if strings.Contains(string(p), w.text) {
		w.once.Do(w.f)
	}
	return w.Buffer.Write(p)
}

func TestStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var ended time.Time
	stderr := &watch{text: found1, f: func() { ended = time.Now(); cancel() }}
	o := options{paths: []string{endlessTree(t)}, workers: 2, inFlight: maxInFlight}
	s := newScreen(newLoop(t), o, nil, stderr)
	s.every = time.Millisecond
	f, err := find(ctx, o, s)
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(ended); took > time.Second {
		t.Errorf("it took %v to stop", took)
	}
	// Of the two endless files the second may not have been begun.
	if !f.interrupted || len(f.groups) != 1 || f.tally.unfinished < 1 || f.tally.unfinished > 2 {
		t.Errorf("interrupted: %t, found %q, %d unfinished", f.interrupted, f.lines(), f.tally.unfinished)
	}
}

func TestContextThatHasEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var stdout, stderr bytes.Buffer
	o := options{paths: []string{endlessTree(t)}, workers: 2, inFlight: maxInFlight}
	if code := run(ctx, o, newLoop(t), &stdout, &stderr); code != exitInterrupted {
		t.Errorf("exit code %d, want %d", code, exitInterrupted)
	}
	if !strings.Contains(stdout.String(), "Interrupted") {
		t.Errorf("printed\n%s", &stdout)
	}
}

// built is the directory of the built program.
var built string

var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "dups")
	if err != nil {
		return "", err
	}
	built = dir
	os.Chmod(dir, 0o755) // TestUnreadable runs it as somebody else
	program := filepath.Join(dir, "dups")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return program, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	os.RemoveAll(built) // removes nothing if nothing was built
	os.Exit(code)
}

// command is the built program with arguments.
func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip(err)
	}
	program, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return exec.Command(program, args...)
}

// TestCtrlC interrupts the program as a terminal would.
func TestCtrlC(t *testing.T) {
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			cmd := command(t, "-json", endlessTree(t))
			var stdout bytes.Buffer
			cmd.Stdout = &stdout
			stderr, err := cmd.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			var sent time.Time
			for lines := bufio.NewScanner(stderr); lines.Scan(); {
				if sent.IsZero() && strings.Contains(lines.Text(), found1) {
					sent = time.Now()
					cmd.Process.Signal(sig)
				}
			}
			cmd.Wait()
			took := time.Since(sent)
			if sent.IsZero() || took > time.Second {
				t.Errorf("it took %v to stop", took)
			}
			if code := cmd.ProcessState.ExitCode(); code != exitInterrupted {
				t.Errorf("exit code %d, want %d", code, exitInterrupted)
			}
			var d jsonDuplicates
			var s jsonSummary
			dec := json.NewDecoder(&stdout)
			if err := dec.Decode(&d); err != nil || len(d.Files) != 2 || d.Size != 5 {
				t.Errorf("first %+v, %v: want the small duplicates", d, err)
			}
			if err := dec.Decode(&s); err != nil || !s.Interrupted || s.Groups != 1 {
				t.Errorf("then %+v, %v: want a summary", s, err)
			}
			if err := dec.Decode(&s); err != io.EOF {
				t.Errorf("then %v, want the end", err)
			}
		})
	}
}

// TestUnreadable runs the program as somebody who may not read everything, which the tests' user may if it is root.
func TestUnreadable(t *testing.T) {
	root := t.TempDir()
	os.Chmod(filepath.Dir(root), 0o755)
	write(t, root, map[string]string{"a": "some text", "b": "some text", "secret": "some text", "closed/c": "some text"})
	os.Chmod(filepath.Join(root, "secret"), 0)
	os.Chmod(filepath.Join(root, "closed"), 0)
	defer os.Chmod(filepath.Join(root, "closed"), 0o755)

	cmd := command(t, root)
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	for _, line := range []string{
		"dups: unreadable: " + filepath.Join(root, "secret") + ": permission denied\n",
		"dups: unreadable: " + filepath.Join(root, "closed") + ": permission denied\n",
	} {
		if !strings.Contains(stderr.String(), line) {
			t.Errorf("no line %q in\n%s", line, &stderr)
		}
	}
	for _, line := range []string{"2 files of 9 B each:\n", "3 files in 1 directory: 1 group of duplicates, 9 B wasted.\n", "Problems: unreadable 2.\n"} {
		if !strings.Contains(stdout.String(), line) {
			t.Errorf("no line %q in\n%s", line, &stdout)
		}
	}
}
