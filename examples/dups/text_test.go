package main

import (
	"bytes"
	"context"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gohop/hop"
)

func TestQuote(t *testing.T) {
	for path, want := range map[string]string{
		"a/b c":        `a/b c`,
		"größe/日本":     `größe/日本`,
		"":             `""`,
		" a":           `" a"`,
		"a ":           `"a "`,
		`"a"`:          `"\"a\""`,
		`a\b`:          `a\b`,
		"a\nb":         `"a\nb"`,
		"a\x1b[2Jb":    `"a\x1b[2Jb"`,
		"a\xffb":       `"a\xffb"`,
		"a\ufffdb":     "a\ufffdb",
		"a\u202eb":     `"a\u202eb"`,
		"a\u00a0b":     `"a\u00a0b"`,
		"a\x7f":        `"a\x7f"`,
		"a\u2028line":  `"a\u2028line"`,
		"soft\u00adhy": `"soft\u00adhy"`,
	} {
		if got := quote(path); got != want {
			t.Errorf("quote(%q) = %s, want %s", path, got, want)
		}
	}
}

func TestByteSize(t *testing.T) {
	for s, want := range map[string]byteSize{
		"0": 0, "512": 512, "1k": 1 << 10, "1K": 1 << 10, "1.5M": 3 << 19, "2g": 2 << 30, "1T": 1 << 40,
		"-1": -1, "": -1, "k": -1, "1x": -1, "1kk": -1, "9E": -1, "NaN": -1, "Inf": -1, "1e3": 1000,
	} {
		var got byteSize
		if err := got.Set(s); err != nil {
			got = -1
		}
		if got != want {
			t.Errorf("Set(%q) makes %d, want %d (-1: an error)", s, got, want)
		}
	}
	for b, want := range map[byteSize]string{
		0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 1<<20 - 1: "1.0 MiB", 1 << 20: "1.0 MiB", 5 << 40: "5.0 TiB",
	} {
		if got := b.String(); got != want {
			t.Errorf("%d is written %q, want %q", int64(b), got, want)
		}
	}
}

func TestCount(t *testing.T) {
	for want, got := range map[string]string{
		"0 files": count(0, "file"), "1 directory": count(1, "directory"), "2 directories": count(2, "directory"),
		"999 files": count(999, "file"), "1,000 files": count(1000, "file"), "1,234,567 files": count(1234567, "file"),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		args string
		ok   bool
	}{
		{".", true},
		{"-min 4k -workers 2 -x -json -quiet a b", true},
		{"-- -odd", true},
		{"", false},
		{"-json", false},
		{"-workers 0 .", false},
		{"-min x .", false},
		{"-nosuch .", false},
	} {
		var stderr bytes.Buffer
		_, err := parse(strings.Fields(tt.args), &stderr)
		if (err == nil) != tt.ok || (stderr.Len() == 0) != tt.ok {
			t.Errorf("dups %s: error %v, printed %q", tt.args, err, &stderr)
		}
	}
}

// TestProgressLine draws on a terminal, so to speak: what is left of the lines once they are drawn over is the problems.
func TestProgressLine(t *testing.T) {
	var stderr bytes.Buffer
	loop := newLoop(t)
	s := newScreen(loop, options{}, io.Discard, &stderr)
	s.redraw = true
	err := hop.Run(context.Background(), loop, func(ctx context.Context) error {
		s.progress("a long line")
		s.progress("short")
		if err := s.show(ctx, []problem{{vanished, "some\nfile", nil}}); err != nil {
			return err
		}
		s.progress("again")
		return s.end(ctx)
	})
	if err != nil {
		t.Fatal(err)
	}
	want := "\ra long line" + "\rshort      " + "\r     \r" + "dups: vanished: \"some\\nfile\"\n" + "\ragain" + "\r     \r"
	if got := stderr.String(); got != want {
		t.Errorf("drawn %q\nwant  %q", got, want)
	}
}

func TestReport(t *testing.T) {
	root := t.TempDir()
	write(t, root, map[string]string{"a": "some text", "b": "some text", "c": "other"})
	f, _ := search(t, options{workers: 3}, root)
	f.took = time.Second
	f.places[0].threads = map[uint64]bool{7: true}
	f.places[1].threads = map[uint64]bool{9: true, 7: true}
	f.places[2].threads = nil
	var out bytes.Buffer
	f.print(&out, false)
	text := strings.ReplaceAll(out.String(), root+string(filepath.Separator), "")
	for _, want := range []string{
		"2 files of 9 B each:\n  a\n  b\n\n3 files in 1 directory: 1 group of duplicates, 9 B wasted.\n18 B read in 1s (18 B/s), at most 2 files in flight.\nWhere it ran:\n",
		"the main thread's loop", " on OS thread 7\n", "on 2 OS threads: 7 9\n", "a pool of 3", "on unknown OS threads\n", "longest queue",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	out.Reset()
	f.print(&out, true)
	if got := strings.ReplaceAll(out.String(), root+string(filepath.Separator), ""); got != "2 files of 9 B each:\n  a\n  b\n\n" {
		t.Errorf("quietly printed %q", got)
	}
}
