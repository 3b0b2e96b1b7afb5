package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"time"

	"github.com/gohop/hop"
	"github.com/gohop/hop/collect"
	"github.com/schollz/progressbar/v3"
)

// maxInFlight is how many files are read or wait for the database at once, for each worker: enough to fill transactions.
const maxInFlight = 50

// An importer reads files into the catalogue.
type importer struct {
	workers        int
	ack, quiet     bool
	stdout, stderr io.Writer
}

// stopTime is how long what is accepted may take to be written after Ctrl-C.
const stopTime = 10 * time.Second

// run imports what is under dirs. When ctx ends, it starts nothing more; what was accepted by then is written, and its
// acknowledgement is printed.
func (i importer) run(ctx context.Context, path string, dirs []string) (err error) {
	s, err := open(ctx, path, 2)
	if err != nil {
		return err
	}
	stop := context.WithoutCancel(ctx)
	defer func() {
		stop, cancel := context.WithTimeout(stop, stopTime)
		defer cancel()
		err = errors.Join(err, s.close(stop))
	}()
	reading := hop.NewPool(&hop.PoolOptions{Name: "reading", Size: i.workers})
	defer reading.Close()

	bar := progressbar.NewOptions(-1,
		progressbar.OptionSetWriter(i.stderr), progressbar.OptionSetDescription("files"), progressbar.OptionShowCount(),
		progressbar.OptionShowIts(), progressbar.OptionSetItsString("files"), progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionSetVisibility(!i.quiet), progressbar.OptionClearOnFinish(), progressbar.OptionSpinnerType(14))
	defer bar.Finish()

	// Each file is a call, which waits for the database without keeping its worker from the next. The source gives one
	// when there is a place for it, so a tree of any size needs the memory of some hundred files; and it gives none when ctx has
	// ended, while those that it has given are waited for.
	started := time.Now()
	paths := make(map[*hop.Call]string)
	var n, failed int
	for p := range collect.AsCompleted(stop, i.files(ctx, stop, s, reading, dirs, paths), collect.MaxConcurrent(maxInFlight*i.workers)) {
		path := paths[p.Call()]
		delete(paths, p.Call())
		if _, err := p.Result(); err != nil {
			failed++
			bar.Clear()
			fmt.Fprintf(i.stderr, "sqlite: %s: %v\n", path, err)
			continue
		}
		n++
		bar.Add(1)
		if i.ack {
			if _, err := fmt.Fprintln(i.stdout, path); err != nil {
				return err
			}
		}
	}
	bar.Finish()
	took := time.Since(started)
	transactions, err := hop.Do(stop, s.writer, func(context.Context) (int, error) { return s.transactions, nil })
	if err != nil {
		return err
	}
	fmt.Fprintf(i.stderr, "%d files in %d transactions, %v, %.0f files/s\n", n, transactions, took.Round(time.Millisecond), float64(n)/took.Seconds())
	if err := ctx.Err(); err != nil {
		fmt.Fprintln(i.stderr, "interrupted; what was acknowledged is in the database")
		return err
	}
	if failed > 0 {
		return fmt.Errorf("%d files could not be read or written", failed)
	}
	return nil
}

// files gives a call for each file under dirs, until ctx ends. The calls end by themselves, soon after.
func (i importer) files(ctx, stop context.Context, s *store, reading *hop.Pool, dirs []string, paths map[*hop.Call]string) iter.Seq[*hop.Pending[int64]] {
	return func(yield func(*hop.Pending[int64]) bool) {
		give := func(path string, seen error) error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			p := hop.New(stop, func(context.Context) (int64, error) {
				if seen != nil {
					return 0, seen
				}
				f, err := read(ctx, path)
				if err != nil {
					return 0, err
				}
				return s.add(stop, f).Wait(stop) // the worker has its place free meanwhile
			}, hop.Name("file"))
			paths[p.Call()] = path
			if err := reading.Submit(p.Call()); err != nil {
				p.Call().Fail(err)
			}
			if !yield(p) {
				return fs.SkipAll
			}
			return nil
		}
		for _, dir := range dirs {
			err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
				switch {
				case err != nil:
					return give(path, err)
				case d.Type().IsRegular():
					return give(path, nil)
				}
				return ctx.Err()
			})
			if err != nil {
				return
			}
		}
	}
}

// read reads a file. It ends with ctx.
func read(ctx context.Context, path string) (file, error) {
	f, err := os.Open(path)
	if err != nil {
		return file{}, err
	}
	defer f.Close()
	h := sha256.New()
	size := int64(0)
	for {
		n, err := io.CopyN(h, f, 1<<20)
		size += n
		switch {
		case err == io.EOF:
			return file{path, size, hex.EncodeToString(h.Sum(nil))}, nil
		case err != nil:
			return file{}, err
		case ctx.Err() != nil:
			return file{}, ctx.Err()
		}
	}
}
