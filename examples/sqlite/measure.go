package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// A measurement is what became of n inserts at once.
type measurement struct {
	name       string
	in         int   // rows that are in the database afterwards
	busy, rest int64 // errors: SQLITE_BUSY, and others
	took       time.Duration
	slowest    time.Duration // until one insert returned
}

// measure has n goroutines insert a row each, in four ways, and prints what became of them.
func measure(ctx context.Context, n int, w io.Writer) error {
	dir, err := os.MkdirTemp("", "hop-sqlite-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(out, "%d inserts at once\tin the database\tSQLITE_BUSY\tother errors\ttook\tslowest\t\n", n)
	for i, f := range []func(context.Context, string, int) (measurement, error){
		func(ctx context.Context, path string, n int) (measurement, error) { return plain(ctx, path, n, 0, 0) },
		func(ctx context.Context, path string, n int) (measurement, error) {
			return plain(ctx, path, n, 5000, 0)
		},
		func(ctx context.Context, path string, n int) (measurement, error) {
			return plain(ctx, path, n, 5000, 1)
		},
		oneWriter,
	} {
		m, err := f(ctx, filepath.Join(dir, fmt.Sprint(i)), n)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s\t%d\t%d\t%d\t%v\t%v\t\n", m.name, m.in, m.busy, m.rest, m.took.Round(time.Millisecond/10), m.slowest.Round(time.Millisecond/10))
	}
	return out.Flush()
}

// plain inserts through a pool of connections, as database/sql has it. timeout is how many milliseconds SQLite polls
// when it meets another's lock; conns the most connections, 0 for no bound.
func plain(ctx context.Context, path string, n, timeout, conns int) (m measurement, err error) {
	m.name = "database/sql"
	if timeout > 0 {
		m.name += fmt.Sprintf(", busy_timeout=%d", timeout)
	}
	if conns > 0 {
		m.name += ", one connection"
	}
	db, err := sql.Open("sqlite", fmt.Sprintf("file:%s?_pragma=busy_timeout(%d)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)", path, timeout))
	if err != nil {
		return m, err
	}
	defer db.Close()
	db.SetMaxOpenConns(conns)
	if _, err := db.ExecContext(ctx, "CREATE TABLE files (path TEXT PRIMARY KEY, size INTEGER, sha256 TEXT) STRICT"); err != nil {
		return m, err
	}
	m.all(n, func(i int) error {
		_, err := db.ExecContext(ctx, "INSERT INTO files VALUES (?, ?, ?)", fmt.Sprint(i), i, "")
		return err
	})
	return m, db.QueryRowContext(ctx, "SELECT COUNT(*) FROM files").Scan(&m.in)
}

// oneWriter inserts through a store.
func oneWriter(ctx context.Context, path string, n int) (m measurement, err error) {
	m.name = "one writer loop, batches"
	s, err := open(ctx, path, 2)
	if err != nil {
		return m, err
	}
	m.all(n, func(i int) error {
		_, err := s.add(ctx, file{fmt.Sprint(i), int64(i), ""}).Wait(ctx)
		return err
	})
	sum, err := s.count(ctx).Wait(ctx)
	m.in = int(sum[0])
	return m, errors.Join(err, s.close(ctx))
}

// all runs insert n times at once.
func (m *measurement) all(n int, insert func(i int) error) {
	var slowest atomic.Int64
	var wg sync.WaitGroup
	begin := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-begin
			start := time.Now()
			err := insert(i)
			took := int64(time.Since(start))
			for was := slowest.Load(); took > was && !slowest.CompareAndSwap(was, took); was = slowest.Load() {
			}
			var e *sqlite.Error
			switch {
			case errors.As(err, &e) && e.Code()&0xff == lib.SQLITE_BUSY:
				atomic.AddInt64(&m.busy, 1)
			case err != nil:
				atomic.AddInt64(&m.rest, 1)
			}
		})
	}
	start := time.Now()
	close(begin)
	wg.Wait()
	m.took, m.slowest = time.Since(start), time.Duration(slowest.Load())
}
