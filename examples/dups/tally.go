package main

// tally is how many of everything there were.
type tally struct {
	missing    int // arguments that could not be read at all
	dirs       int // directories that were listed
	files      int // files of the size asked for, each counted once however many paths lead to it
	links      int // further paths to those
	small      int // files below the size asked for
	symlinks   int // symbolic links; they are not followed
	again      int // directories that the walk came to a second time
	elsewhere  int // directories on other file systems, with -x
	unfinished int // files whose comparison was interrupted
	problems   map[kind]int
}

// counted is one line of a tally.
type counted struct {
	what string
	n    int
}

// seen is what the walk came by that is no problem.
func (t *tally) seen() []counted {
	return []counted{
		{"hard links", t.links},
		{"symbolic links", t.symlinks},
		{"smaller files", t.small},
		{"directories met again", t.again},
		{"directories on other file systems", t.elsewhere},
	}
}

// troubles is the number of problems of each kind.
func (t *tally) troubles() []counted {
	var cs []counted
	for _, k := range kinds {
		cs = append(cs, counted{string(k), t.problems[k]})
	}
	return cs
}

// add adds what u has of the walk's finds to t.
func (t *tally) add(u tally) {
	t.missing += u.missing
	t.dirs += u.dirs
	t.small += u.small
	t.symlinks += u.symlinks
	t.again += u.again
	t.elsewhere += u.elsewhere
}
