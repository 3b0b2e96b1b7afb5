package main

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gohop/hop"
	"github.com/gohop/hop/collect"
)

// The test binary is the program, when it is told to be.
func TestMain(m *testing.M) {
	if os.Getenv("SQLITE_TEST_MAIN") != "" {
		main()
	}
	os.Exit(m.Run())
}

const patience = time.Minute

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func openTest(t *testing.T) *store {
	s, err := open(testContext(t), filepath.Join(t.TempDir(), "test.db"), 3)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestNobodyIsBusy(t *testing.T) {
	ctx := testContext(t)
	const n = 200
	p, err := plain(ctx, filepath.Join(t.TempDir(), "plain"), n, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	if p.busy == 0 || p.in+int(p.busy) != n {
		t.Errorf("there is nothing to prevent: %+v", p)
	}
	m, err := oneWriter(ctx, filepath.Join(t.TempDir(), "ours"), n)
	if err != nil {
		t.Fatal(err)
	}
	if m.busy != 0 || m.rest != 0 || m.in != n {
		t.Errorf("%+v", m)
	}
	t.Logf("database/sql: %d of %d met SQLITE_BUSY; here: %d", p.busy, n, m.busy)
}

// Readers see whole transactions, and all that was acknowledged before they asked; nobody is busy.
func TestOneWriterManyReaders(t *testing.T) {
	ctx := testContext(t)
	s := openTest(t)
	const n = 5000
	acknowledged := 0
	adds := func(yield func(*hop.Pending[int64]) bool) {
		for i := range n {
			if !yield(s.add(ctx, file{fmt.Sprint(i), 1, ""})) {
				return
			}
		}
	}
	for p := range collect.AsCompleted(ctx, adds, collect.MaxConcurrent(300)) {
		if _, err := p.Result(); err != nil {
			t.Fatal(err)
		}
		if acknowledged++; acknowledged%50 == 0 {
			var counts []*hop.Pending[[2]int64]
			for range 5 {
				counts = append(counts, s.count(ctx))
			}
			for _, c := range counts {
				if got, err := c.Wait(ctx); err != nil || got[0] < int64(acknowledged) {
					t.Fatalf("%v, %v: %d were acknowledged", got, err, acknowledged)
				}
			}
		}
	}
	transactions, _ := hop.Do(ctx, s.writer, func(context.Context) (int, error) { return s.transactions, nil })
	if acknowledged != n || transactions < n/maxBatch || transactions > n/3 {
		t.Errorf("%d rows in %d transactions", acknowledged, transactions)
	}
}

func TestABadRowIsItsOwnProblem(t *testing.T) {
	ctx := testContext(t)
	s := openTest(t)
	var adds []*hop.Pending[int64]
	for i := range 100 {
		size := int64(i)
		if i%10 == 7 {
			size = -1 // the table has a CHECK
		}
		adds = append(adds, s.add(ctx, file{fmt.Sprint(i), size, ""}))
	}
	for i, p := range adds {
		if _, err := p.Wait(ctx); (err != nil) != (i%10 == 7) {
			t.Errorf("row %d: %v", i, err)
		}
	}
	if got, err := s.count(ctx).Wait(ctx); err != nil || got[0] != 90 {
		t.Errorf("%v, %v", got, err)
	}
}

func TestARowIsToldThoughItsTransactionPanics(t *testing.T) {
	ctx := testContext(t)
	s := openTest(t)
	// swap changes the writer's connection: without one, a transaction panics.
	swap := func(c *sql.Conn) (old *sql.Conn) {
		old, _ = hop.Do(ctx, s.writer, func(context.Context) (*sql.Conn, error) { old, s.conn = s.conn, c; return old, nil })
		return old
	}
	conn := swap(nil)
	_, err := s.add(ctx, file{"lost", 1, ""}).Wait(ctx)
	if err == nil || ctx.Err() != nil {
		t.Errorf("the error is %v", err)
	}
	swap(conn)
	if _, err := s.add(ctx, file{"next", 1, ""}).Wait(ctx); err != nil {
		t.Error(err)
	}
	if got, err := s.count(ctx).Wait(ctx); err != nil || got[0] != 1 {
		t.Errorf("%v, %v", got, err)
	}
}

func TestReadersCannotWrite(t *testing.T) {
	ctx := testContext(t)
	s := openTest(t)
	_, err := query(ctx, s, func(ctx context.Context, c *sql.Conn) (sql.Result, error) {
		return c.ExecContext(ctx, "DELETE FROM files")
	}).Wait(ctx)
	if err == nil || !strings.Contains(err.Error(), "readonly") {
		t.Errorf("the error is %v", err)
	}
}

// What was accepted before the end is written, and what comes after it is told so.
func TestClose(t *testing.T) {
	ctx := testContext(t)
	path := filepath.Join(t.TempDir(), "test.db")
	s, err := open(ctx, path, 2)
	if err != nil {
		t.Fatal(err)
	}
	var adds []*hop.Pending[int64]
	for i := range 1000 {
		adds = append(adds, s.add(ctx, file{fmt.Sprint(i), 1, ""}))
	}
	if err := s.close(ctx); err != nil {
		t.Fatal(err)
	}
	for _, p := range adds {
		if _, err := p.Result(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.add(ctx, file{"late", 1, ""}).Wait(ctx); !errors.Is(err, hop.ErrStopped) {
		t.Errorf("the error is %v", err)
	}
	if got := contents(t, path); len(got) != 1000 {
		t.Errorf("%d rows", len(got))
	}
}

// contents returns the paths in the database, after SQLite has checked it.
func contents(t *testing.T, path string) map[string]int64 {
	t.Helper()
	ctx := testContext(t)
	s, err := open(ctx, path, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close(ctx)
	_, err = query(ctx, s, func(ctx context.Context, c *sql.Conn) (map[string]int64, error) {
		var ok string
		if err := c.QueryRowContext(ctx, "PRAGMA integrity_check").Scan(&ok); err != nil || ok != "ok" {
			return nil, fmt.Errorf("integrity check: %s %w", ok, err)
		}
		return nil, nil
	}).Wait(ctx)
	if err != nil {
		t.Fatal(err)
	}
	files, err := s.largest(ctx, -1).Wait(ctx)
	if err != nil {
		t.Fatal(err)
	}
	paths := make(map[string]int64)
	for _, f := range files {
		paths[f.path] = f.size
	}
	return paths
}

// program makes a command that runs the program itself.
func program(t *testing.T, args ...string) *exec.Cmd {
	c := exec.CommandContext(testContext(t), os.Args[0], args...)
	c.Env = append(os.Environ(), "SQLITE_TEST_MAIN=1")
	return c
}

// tree makes n small files.
func tree(t *testing.T, n int) string {
	dir := t.TempDir()
	for i := range n {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%05d", i)), []byte(fmt.Sprint(i)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestProgram(t *testing.T) {
	dir, db := tree(t, 500), filepath.Join(t.TempDir(), "test.db")
	for range 2 { // the second time, all rows are replaced
		out, err := program(t, "import", "-db", db, "-ack", dir).Output()
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Fields(string(out))
		if slices.Sort(lines); len(slices.Compact(lines)) != 500 {
			t.Errorf("%d were acknowledged", len(lines))
		}
	}
	if got := contents(t, db); len(got) != 500 || got[filepath.Join(dir, "00042")] != 2 {
		t.Errorf("%d rows", len(got))
	}
	out, err := program(t, "top", "-db", db, "-n", "3").Output()
	if lines := strings.Split(string(out), "\n"); err != nil || len(lines) != 5 || !strings.Contains(lines[3], "in 500 files") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := program(t, "measure", "-n", "50").Output(); err != nil || !strings.Contains(string(out), "one writer loop, batches") {
		t.Errorf("%v\n%s", err, out)
	}
	for code, args := range map[string][]string{
		"exit status 1": {"top", "-db", filepath.Join(t.TempDir(), "none.db")},
		"exit status 2": {"import"},
	} {
		if out, err := program(t, args...).CombinedOutput(); err == nil || err.Error() != code || !bytes.Contains(out, []byte("import")) {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
	out, err = program(t, "import", "-db", db, filepath.Join(dir, "none"), dir).CombinedOutput()
	if err == nil || err.Error() != "exit status 1" || !bytes.Contains(out, []byte("no such file")) || !bytes.Contains(out, []byte("500 files in")) {
		t.Errorf("%v\n%s", err, out)
	}
	out, err = program(t, "import", "-db", dir, dir).CombinedOutput()
	if err == nil || err.Error() != "exit status 1" || !bytes.Contains(out, []byte("open "+dir)) {
		t.Errorf("%v\n%s", err, out)
	}
}

// However the program ends, what it has acknowledged is in the database.
func TestNoAcknowledgedRowIsLost(t *testing.T) {
	dir := tree(t, 20_000)
	for _, how := range []os.Signal{os.Kill, os.Interrupt} {
		for _, after := range []int{1, 700, 3000} {
			t.Run(fmt.Sprintf("%v after %d", how, after), func(t *testing.T) {
				if runtime.GOOS == "windows" && how == os.Interrupt {
					t.Skip("Windows has no interrupt signal to send")
				}
				db := filepath.Join(t.TempDir(), "test.db")
				c := program(t, "import", "-db", db, "-ack", "-quiet", dir)
				var stderr bytes.Buffer
				c.Stderr = &stderr
				stdout, err := c.StdoutPipe()
				if err != nil {
					t.Fatal(err)
				}
				if err := c.Start(); err != nil {
					t.Fatal(err)
				}
				var acknowledged []string
				for lines := bufio.NewScanner(stdout); lines.Scan(); {
					if acknowledged = append(acknowledged, lines.Text()); len(acknowledged) == after {
						c.Process.Signal(how)
					}
				}
				err = c.Wait()
				if how == os.Interrupt {
					if err == nil || err.Error() != "exit status 130" || !strings.Contains(stderr.String(), "interrupted") {
						t.Errorf("%v\n%s", err, stderr.String())
					}
				} else if err == nil || err.Error() != "signal: killed" && runtime.GOOS != "windows" {
					t.Errorf("it was not killed in the middle: %v", err)
				}
				in := contents(t, db)
				for _, path := range acknowledged {
					if _, ok := in[path]; !ok && strings.HasPrefix(path, dir) && len(path) == len(dir)+6 {
						t.Errorf("%s was acknowledged and is lost", path)
					}
				}
				if len(acknowledged) < after || len(in) == 20_000 {
					t.Errorf("%d were acknowledged, %d are in the database: that tells nothing", len(acknowledged), len(in))
				}
				t.Logf("%d were acknowledged, %d are in the database", len(acknowledged), len(in))
			})
		}
	}
}
