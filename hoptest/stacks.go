package hoptest

import (
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"github.com/gohop/hop"
)

// A stack is one goroutine of a dump.
type stack struct {
	id, state string
	bubble    string // "synctest bubble 1", or none
	frames    []frame
	creator   frame   // the function that started it
	creatorID string  // on this goroutine
	above     []frame // what that was doing then: with GODEBUG=tracebackancestors=…
	text      string
}

type frame struct{ function, at string }

var (
	header    = regexp.MustCompile(`^goroutine (\d+) .*?\[([^]]*)\]:`)
	createdBy = regexp.MustCompile(`^created by (.*?)(?: in goroutine (\d+))?$`)
	bubbled   = regexp.MustCompile(`synctest bubble \d+`)
)

// stacks returns those of all goroutines, the caller's first.
func stacks() []stack {
	var dump string
	for size := 1 << 18; ; size *= 2 {
		buf := make([]byte, size)
		if n := runtime.Stack(buf, true); n < size {
			dump = string(buf[:n])
			break
		}
	}
	var all []stack
	for text := range strings.SplitSeq(dump, "\n\n") {
		if s, ok := parse(text); ok {
			all = append(all, s)
		}
	}
	return all
}

func parse(text string) (s stack, ok bool) {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	m := header.FindStringSubmatch(lines[0])
	if m == nil {
		return s, false
	}
	s.id, s.state, s.bubble, s.text = m[1], m[2], bubbled.FindString(m[2]), text
	to := &s.frames
	for i, line := range lines[1:] {
		if strings.HasPrefix(line, "[originating from goroutine") {
			to = &s.above
			continue
		}
		if strings.HasPrefix(line, "\t") {
			continue
		}
		f := frame{function: line}
		if i+2 < len(lines) {
			f.at, _, _ = strings.Cut(strings.TrimSpace(lines[i+2]), " ")
		}
		if m := createdBy.FindStringSubmatch(line); m != nil {
			f.function = m[1]
			if to == &s.frames {
				s.creator, s.creatorID = f, m[2]
				continue
			}
		} else if i := strings.LastIndexByte(line, '('); i > 0 {
			f.function = line[:i]
		}
		*to = append(*to, f)
	}
	return s, true
}

// The package paths of hop and of this package.
var (
	hopPath  = reflect.TypeFor[hop.Call]().PkgPath()
	testPath = reflect.TypeFor[stack]().PkgPath()
)

// ofHop reports whether a function is hop's, or that of a package in hop, but for this one.
func (f frame) ofHop() bool {
	rest, ok := strings.CutPrefix(f.function, hopPath)
	return ok && (strings.HasPrefix(rest, ".") || strings.HasPrefix(rest, "/")) && !strings.HasPrefix(f.function, testPath)
}

// has reports whether one of the stack's functions is hop's function of that name.
func (s stack) has(name string) bool {
	for _, f := range s.frames {
		if f.function == hopPath+"."+name {
			return true
		}
	}
	return false
}

// runs reports whether a function of the user's is on the stack, below hop.
func (s stack) runs() bool { return s.has("(*Call).run") || s.has("posted.do") }

// inHop reports whether the goroutine is in one of hop's functions.
func (s stack) inHop() bool { return slices.ContainsFunc(s.frames, frame.ofHop) }

// ofHop reports whether the goroutine is in hop, or was started by it or by a call.
func (s stack) ofHop() bool {
	if s.inHop() || s.creator.ofHop() {
		return true
	}
	for _, f := range s.above {
		if f.ofHop() && strings.HasSuffix(f.function, "(*Call).run") {
			return true
		}
	}
	return false
}

// idleWorker reports whether the goroutine is a pool's worker without work.
func (s stack) idleWorker() bool { return s.has("(*worker).main") && !s.runs() }

// coroutine reports whether the goroutine is one of a loop's coroutines.
func (s stack) coroutine() bool { return s.has("(*coro).main") }

// what says in words what the goroutine is.
func (s stack) what() string {
	switch {
	case s.coroutine() && s.has("(*sched).suspend"):
		return "a task that waits"
	case s.coroutine() && s.runs():
		return "a task that runs"
	case s.coroutine():
		return "a loop's spare coroutine"
	case s.has("(*Loop).main"):
		return "a loop's goroutine"
	case s.idleWorker():
		return "a pool's idle worker"
	case s.has("(*worker).main"):
		return "a pool's worker that runs a function"
	case s.runs():
		return "a function that runs"
	case s.inHop() && !s.creator.ofHop():
		return "a goroutine that is in hop"
	}
	return "a goroutine that was started there"
}

// started returns the place in the user's source that the goroutine comes from, as far as is known.
func (s stack) started() (f frame, known bool) {
	for _, f := range append([]frame{s.creator}, s.above...) {
		if !f.ofHop() && f.function != "" && !strings.HasPrefix(f.function, "iter.") {
			return f, true
		}
	}
	return s.creator, false
}
