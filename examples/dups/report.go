package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// print writes what was found for people: the duplicates, and unless quiet what the search has seen and where it ran.
func (f *found) print(out io.Writer, quiet bool) {
	for _, g := range f.groups {
		fmt.Fprintf(out, "%d files of %v each:\n", len(g.files), byteSize(g.size))
		for _, file := range g.files {
			fmt.Fprintf(out, "  %s\n", quote(file.path))
			for _, name := range file.names {
				fmt.Fprintf(out, "    = %s (the same file)\n", quote(name))
			}
		}
		fmt.Fprintln(out)
	}
	if !quiet {
		f.printSummary(out)
		f.printPlaces(out)
	}
}

func (f *found) printSummary(out io.Writer) {
	if f.interrupted {
		fmt.Fprintf(out, "Interrupted: this is what was found so far. %s had begun to be compared.\n", count(f.tally.unfinished, "other file"))
	}
	fmt.Fprintf(out, "%s in %s: %s of duplicates, %v wasted.\n",
		count(f.tally.files, "file"), count(f.tally.dirs, "directory"), count(len(f.groups), "group"), byteSize(f.wasted()))
	printCounts(out, "Seen", f.tally.seen())
	printCounts(out, "Problems", f.tally.troubles())
	fmt.Fprintf(out, "%v read in %v (%v/s), at most %s in flight.\n",
		byteSize(f.read), f.took.Round(time.Millisecond), f.speed(), count(f.mostInFlight, "file"))
}

// printCounts writes the counts that are not 0.
func printCounts(out io.Writer, title string, counts []counted) {
	var some []string
	for _, c := range counts {
		if c.n > 0 {
			some = append(some, fmt.Sprintf("%s %s", c.what, digits(c.n)))
		}
	}
	if len(some) > 0 {
		fmt.Fprintf(out, "%s: %s.\n", title, strings.Join(some, ", "))
	}
}

// printPlaces writes where things ran.
func (f *found) printPlaces(out io.Writer) {
	fmt.Fprintln(out, "Where it ran:")
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, p := range f.places {
		p.mu.Lock()
		fmt.Fprintf(w, "  %s\t%s\t%s\tlongest queue %s\t%s\n",
			p.name, p.kind, count(p.calls, "call"), digits(p.longest), threads(slices.Sorted(maps.Keys(p.threads))))
		p.mu.Unlock()
	}
	w.Flush()
}

// threads names some OS threads.
func threads(ids []uint64) string {
	const some = 8
	switch n := len(ids); {
	case n == 0:
		return "on unknown OS threads"
	case n == 1:
		return fmt.Sprint("on OS thread ", ids[0])
	case n > some:
		return fmt.Sprintf("on %d OS threads: %s …", n, join(ids[:some]))
	default:
		return fmt.Sprintf("on %d OS threads: %s", n, join(ids))
	}
}

func join(ids []uint64) string { return strings.Trim(fmt.Sprint(ids), "[]") }

// wasted is how many bytes would be free if only one file of each group were kept.
func (f *found) wasted() (n int64) {
	for _, g := range f.groups {
		n += g.wasted()
	}
	return n
}

// speed is in bytes a second.
func (f *found) speed() byteSize {
	return byteSize(float64(f.read) / f.took.Seconds())
}
