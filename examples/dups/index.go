package main

import (
	"context"
	"slices"

	"github.com/gohop/hop"
)

// A file is a regular file that the walk came by. Path, id, size and modTime do not change; names belongs to the index.
type file struct {
	path    string
	id      fileID
	size    int64
	modTime int64    // in nanoseconds
	names   []string // other paths to the same file: hard links
}

// A key is what is known of a file's contents. Files with different keys of the same depth differ.
type key struct {
	size  int64
	depth depth
	sum   [32]byte // SHA-256 of as much as depth says
}

type depth int

const (
	sizeOnly depth = iota // nothing has been read
	head                  // the first headSize bytes have been read
	whole                 // all has been read
)

// index finds out which files are the same, reading as little as will do.
//
// A file is looked up by its size first. If it is the only one of that size so far, it comes to rest there. If it is not, it
// and the one that rests there are read a little, and looked up again by what was read; and so once more until they are
// alone, or have been read to the end.
//
// The maps have no lock. They belong to the loop: except for add and addRead, all methods run there, as tasks. A task that
// reads a file waits for the pool, and the loop goes on with other tasks meanwhile; but between two waits nothing else runs
// on the loop.
type index struct {
	place  *place
	loop   *hop.Loop
	disk   *place
	pool   *hop.Pool
	screen *screen

	byKey map[key][]*file // the files at rest; an empty entry is a key that several had, who have all gone on
	byID  map[fileID]*file
	gate  gate // the files that are not at rest
	tally tally

	groups []key // of whole files, that several have
	read   int64 // bytes
}

func newIndex(loop *hop.Loop, pool *hop.Pool, disk *place, s *screen, inFlight int) *index {
	return &index{
		place:  newPlace("index", "a loop"),
		loop:   loop,
		disk:   disk,
		pool:   pool,
		screen: s,
		byKey:  make(map[key][]*file),
		byID:   make(map[fileID]*file),
		gate:   gate{limit: inFlight},
		tally:  tally{problems: make(map[kind]int)},
	}
}

// add takes in what the walk has found, from any goroutine, and returns once there is room for more: it is here that the
// walk waits when the reading does not keep up.
func (x *index) add(ctx context.Context, b batch) error {
	x.place.sent()
	return hop.Run(ctx, x.loop, func(ctx context.Context) error { return x.take(ctx, b) }, hop.Name("take"))
}

func (x *index) take(ctx context.Context, b batch) error {
	x.place.started()
	x.tally.add(b.tally)
	if err := x.tell(ctx, b.problems...); err != nil {
		return err
	}
	for _, f := range b.files {
		if same := x.byID[f.id]; same != nil {
			same.names = append(same.names, f.path)
			x.tally.links++
			continue
		}
		x.byID[f.id] = f
		x.tally.files++

		k := key{size: f.size}
		if _, taken := x.byKey[k]; !taken {
			x.rest(f, k) // as most files do: no other is of their size
			continue
		}
		if err := x.gate.enter(ctx); err != nil {
			x.tally.unfinished++
			return err
		}
		x.compare(ctx, f, k)
	}
	return nil
}

// compare brings f, of which k is known, to rest: now if no other can be the same so far, or there is no more to read; else
// after f and the one that rests there have been read further, each in a task of its own.
func (x *index) compare(ctx context.Context, f *file, k key) {
	resting, taken := x.byKey[k]
	if !taken || k.depth == whole {
		x.rest(f, k)
		x.gate.leave()
		return
	}
	x.byKey[k] = nil
	x.gate.join(len(resting))
	for _, f := range append(resting, f) {
		x.place.sent()
		x.loop.Post(func() {
			x.place.started()
			x.readOn(ctx, f, k)
		})
	}
}

// readOn reads f further than k says, and compares it by what it read.
func (x *index) readOn(ctx context.Context, f *file, k key) {
	x.disk.sent()
	more, err := hop.Do(ctx, x.pool, func(ctx context.Context) (key, error) {
		x.disk.started()
		return f.read(ctx, k.depth+1, x.addRead)
	}, hop.Name("read"), hop.Abandon())

	switch {
	case err == nil:
		x.compare(ctx, f, more)
	case ctx.Err() != nil:
		x.tally.unfinished++
		x.gate.leave()
	default:
		x.tell(ctx, problem{kindOf(err), f.path, err})
		x.gate.leave()
	}
}

// rest lays f down under k.
func (x *index) rest(f *file, k key) {
	x.byKey[k] = append(x.byKey[k], f)
	if k.depth == whole && len(x.byKey[k]) == 2 {
		x.groups = append(x.groups, k)
	}
}

// tell counts problems, and waits until they are drawn: where the screen is slow, the search gets slow, rather than the
// queue long.
func (x *index) tell(ctx context.Context, problems ...problem) error {
	for _, p := range problems {
		x.tally.problems[p.kind]++
	}
	return x.screen.show(ctx, problems)
}

// addRead counts n bytes read, from any goroutine.
func (x *index) addRead(n int64) {
	x.place.sent()
	x.loop.Post(func() { // an error says that the search is over, and nobody asks any more
		x.place.started()
		x.read += n
	})
}

// status is how far the search has come.
func (x *index) status(context.Context) (status, error) {
	x.place.started()
	return status{files: x.tally.files, groups: len(x.groups), read: x.read}, nil
}

// finish waits until no file is in flight, and returns what was found.
func (x *index) finish(ctx context.Context) (*found, error) {
	x.place.started()
	if err := x.gate.empty(ctx); err != nil {
		return nil, err
	}
	f := &found{tally: x.tally, read: x.read, mostInFlight: x.gate.most}
	for _, k := range x.groups {
		f.groups = append(f.groups, newGroup(k, x.byKey[k]))
	}
	slices.SortFunc(f.groups, byWaste)
	return f, nil
}
