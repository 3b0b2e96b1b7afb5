package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/gohop/hop"
	"github.com/gohop/hop/queue"
	_ "modernc.org/sqlite" // pure Go, no C compiler
)

// A file is a row: what a file was like when it was read.
type file struct {
	path   string
	size   int64
	sha256 string
}

// A store is a database with one writer and many readers.
//
// SQLite lets one connection write at a time; whoever else wants to is told SQLITE_BUSY, at once or after a while of
// polling, and in a transaction that began as a reader's there is no point in trying again. Here that cannot be: the one connection that writes
// belongs to a loop, and all rows go there through a queue. What has come while a transaction was being committed makes the
// next one, so the more there is to write, the cheaper is each row.
//
// Readers do not disturb a writer (journal_mode=WAL). Each worker of their pool has a connection of its own.
type store struct {
	db     *sql.DB
	writer *hop.Loop
	conn   *sql.Conn // the writer's
	rows   *queue.Queue[insert]

	readers *hop.Pool
	reader  *hop.Local[*sql.Conn]

	transactions int // committed; the writer's
}

// insert is a row on its way, and the promise to say when it is in the database.
type insert struct {
	file
	done *hop.Promise[int64]
}

const (
	maxBatch = 500  // rows in a transaction
	maxQueue = 2000 // rows that wait for one, before those that bring more have to wait
)

// open opens the database in the file path, and makes it if there is none.
func open(ctx context.Context, path string, readers int) (*store, error) {
	// synchronous(FULL): a commit returns when the disk has it. So an acknowledged row survives a power cut as well.
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Opaque: path, RawQuery: "_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)"}).String())
	if err != nil {
		return nil, err
	}
	s := &store{
		db:      db,
		writer:  hop.NewLoop(&hop.LoopOptions{Name: "writer", StallAfter: 10 * time.Second}), // a disk may be slow
		readers: hop.NewPool(&hop.PoolOptions{Name: "readers", Size: readers, MaxIdle: readers}),
	}
	s.reader = hop.NewLocal(func(ctx context.Context) (*sql.Conn, error) {
		c, err := s.db.Conn(ctx)
		if err == nil {
			_, err = c.ExecContext(ctx, "PRAGMA query_only(1)")
		}
		return c, err
	}, (*sql.Conn).Close)
	s.rows = queue.NewBatch(s.writer, s.insert, &queue.Options{
		Name: "insert", Limit: maxQueue, Full: queue.Wait, BatchSize: maxBatch,
		OnDrop: func(v any) { v.(insert).done.Reject(hop.ErrStopped) },
	})
	if err := hop.Run(ctx, s.writer, s.setUp, hop.Name("set up")); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), s.close(ctx))
	}
	return s, nil
}

// setUp runs on the writer.
func (s *store) setUp(ctx context.Context) (err error) {
	s.writer.OnShutdown(func(context.Context) error {
		if s.conn == nil {
			return nil
		}
		return s.conn.Close()
	})
	if s.conn, err = s.db.Conn(ctx); err != nil {
		return err
	}
	_, err = s.conn.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS files (
		path TEXT PRIMARY KEY ON CONFLICT REPLACE,
		size INTEGER NOT NULL CHECK (size >= 0),
		sha256 TEXT NOT NULL) STRICT`)
	return err
}

// add puts f into the database. The result is its row's number, and is there when the row is on the disk: it is the
// acknowledgement. An error says that f is not in there, except when ctx has ended: then it may be. add waits when
// there is more to write than the disk takes.
func (s *store) add(ctx context.Context, f file) *hop.Pending[int64] {
	in := insert{f, hop.NewPromise[int64](ctx, hop.Name("row"))}
	if err := s.rows.Put(ctx, in); err != nil {
		in.done.Reject(err)
	}
	return in.done.Pending()
}

// insert inserts rows in one transaction, on the writer.
func (s *store) insert(ctx context.Context, rows []insert) error {
	var numbers []int64
	var errs []error
	err := errors.New("the transaction did not return")
	defer func() { // also when it panics: nobody is to wait for ever
		for i, r := range rows {
			switch {
			case err != nil:
				r.done.Reject(err)
			case errs[i] != nil:
				r.done.Reject(errs[i])
			default:
				r.done.Resolve(numbers[i]) // not before the commit
			}
		}
	}()
	if numbers, errs, err = s.transaction(ctx, rows); err == nil {
		s.transactions++
	}
	return nil // each row is told
}

func (s *store) transaction(ctx context.Context, rows []insert) (numbers []int64, errs []error, err error) {
	tx, err := s.conn.BeginTx(ctx, nil)
	if err != nil {
		return nil, nil, err
	}
	defer tx.Rollback() // does nothing after a commit
	stmt, err := tx.PrepareContext(ctx, "INSERT INTO files VALUES (?, ?, ?)")
	if err != nil {
		return nil, nil, err
	}
	numbers, errs = make([]int64, len(rows)), make([]error, len(rows))
	for i, r := range rows {
		// A row that breaks a constraint does not break the transaction.
		res, err := stmt.ExecContext(ctx, r.path, r.size, r.sha256)
		if err == nil {
			numbers[i], err = res.LastInsertId()
		}
		errs[i] = err
	}
	return numbers, errs, tx.Commit()
}

// query runs f on a reader, with its connection.
func query[T any](ctx context.Context, s *store, f func(context.Context, *sql.Conn) (T, error)) *hop.Pending[T] {
	return hop.Go(ctx, s.readers, func(ctx context.Context) (T, error) {
		c, err := s.reader.Get(ctx)
		if err != nil {
			var zero T
			return zero, err
		}
		return f(ctx, c)
	}, hop.Name("query"))
}

// count returns how many files there are, and their size.
func (s *store) count(ctx context.Context) *hop.Pending[[2]int64] {
	return query(ctx, s, func(ctx context.Context, c *sql.Conn) (n [2]int64, err error) {
		return n, c.QueryRowContext(ctx, "SELECT COUNT(*), COALESCE(SUM(size), 0) FROM files").Scan(&n[0], &n[1])
	})
}

// largest returns the n largest files.
func (s *store) largest(ctx context.Context, n int) *hop.Pending[[]file] {
	return query(ctx, s, func(ctx context.Context, c *sql.Conn) ([]file, error) {
		rows, err := c.QueryContext(ctx, "SELECT path, size, sha256 FROM files ORDER BY size DESC, path LIMIT ?", n)
		if err != nil {
			return nil, err
		}
		defer rows.Close()
		var fs []file
		for rows.Next() {
			var f file
			if err := rows.Scan(&f.path, &f.size, &f.sha256); err != nil {
				return nil, err
			}
			fs = append(fs, f)
		}
		return fs, rows.Err()
	})
}

// close writes what has been accepted, until ctx ends, and closes the database.
func (s *store) close(ctx context.Context) error {
	err := s.rows.Shutdown(ctx)
	return errors.Join(err, s.writer.Shutdown(ctx), s.readers.Shutdown(ctx), s.db.Close())
}
