package explore

import (
	"fmt"
	"path"
	"reflect"
	"runtime"
	"strings"
	"time"

	"github.com/gohop/hop/internal/turn"
)

// A step is what somebody has done, as it is noted while the run goes on: cheaply.
type step struct {
	id    int // of the goroutine; or clock
	step  turn.Step
	on    any
	owner int // on is this goroutine's wait
	when  time.Duration
	at    []uintptr
}

// marks tell apart the objects that steps are done to, in each run alike: by the order in which they have first been stepped on, and not
// by their addresses. Waits have none, since they are used again; they are known by whose they are.
type marks struct {
	order map[any]int
	owner map[any]int
}

// waits is told that g is about to block.
func (m *marks) waits(g *routine) { m.owner[g.on] = g.id }

func (m *marks) step(g *routine) {
	switch g.step {
	case turn.Block, turn.Swap:
	case turn.Resume:
		delete(m.owner, g.on)
	default:
		if m.order[g.on] == 0 {
			m.order[g.on] = len(m.order) + 1
		}
	}
}

// of returns on's mark; 0: it has none yet.
func (m *marks) of(on any) int {
	if id := m.owner[on]; id != 0 {
		return -id
	}
	return m.order[on]
}

// describe says what on is.
func describe(on any) string {
	if s, ok := on.(string); ok {
		return s
	}
	if turn.Describe != nil {
		if s := turn.Describe(on); s != "" {
			return s
		}
	}
	if _, ok := on.(lock); ok {
		return "lock"
	}
	t := reflect.TypeOf(on).String()
	t, _, _ = strings.Cut(t[strings.LastIndexByte(t, '*')+1:], "[")
	t = t[strings.LastIndexByte(t, '.')+1:]
	if n, ok := on.(interface{ Name() string }); ok {
		return fmt.Sprintf("%s %q", t, n.Name())
	}
	return t
}

// A Row is a step as tables show it.
type Row struct {
	Step int           // from 1
	Time time.Duration // virtual, since the beginning
	G    int           // whose step it is; 0: the clock went on
	Who  string        // what that goroutine is
	Does string        // what it is about to do,
	On   string        // to what,
	At   string        // where in the source; only when one schedule is run, and after shrinking
}

// rowsOf puts steps into words.
func (r *run) rowsOf(steps []step) []Row {
	who := make(map[int]string)
	for _, g := range r.routines {
		who[g.id] = g.what()
	}
	who[clock] = "clock"
	names, count := make(map[any]string), make(map[string]int)
	var rows []Row
	for i, st := range steps {
		row := Row{Step: i + 1, Time: st.when, G: st.id, Who: who[st.id], Does: st.step.String()}
		switch {
		case st.id == clock:
			row.Does = "time passes"
		case st.step == turn.User:
			row.Does = describe(st.on)
		case st.owner == st.id:
		case st.owner != 0:
			row.On = fmt.Sprintf("the wait of g%d", st.owner)
		case st.step == turn.Block, st.step == turn.Resume:
		case st.step == turn.Swap:
			row.On = describe(st.on)
		default:
			if names[st.on] == "" {
				name := describe(st.on)
				if count[name]++; count[name] > 1 {
					names[st.on] = fmt.Sprintf("%s #%d", name, count[name])
				} else {
					names[st.on] = name
				}
			}
			row.On = names[st.on]
		}
		row.At = place(st.at, st.step == turn.Lock || st.step == turn.Swap)
		rows = append(rows, row)
	}
	return rows
}

// hopPath is the path of hop's module.
var hopPath = strings.TrimSuffix(reflect.TypeFor[run]().PkgPath(), "/internal/explore")

// ours reports whether the function of a frame is hop's, and not a test's.
func ours(f runtime.Frame) bool {
	rest, ok := strings.CutPrefix(f.Function, hopPath)
	return ok && (strings.HasPrefix(rest, ".") || strings.HasPrefix(rest, "/")) && !strings.HasPrefix(rest, "/examples/") &&
		!strings.HasSuffix(f.File, "_test.go")
}

// standard reports whether the function of a frame is one of those of the standard library that call hop's and users'.
func standard(f runtime.Frame) bool {
	for _, p := range []string{"runtime.", "runtime/", "iter.", "context.", "testing.", "testing/", "sync.", "time.", "internal/"} {
		if strings.HasPrefix(f.Function, p) {
			return true
		}
	}
	return false
}

// place returns where in the source a step is: in the code of users, or, for steps inside hop, in hop.
func place(pcs []uintptr, inside bool) string {
	if len(pcs) == 0 {
		return ""
	}
	frames := runtime.CallersFrames(pcs)
	for more := true; more; {
		var f runtime.Frame
		f, more = frames.Next()
		switch {
		case inside && ours(f) && !strings.HasPrefix(f.Function, hopPath+"/internal/turn.") && !strings.HasPrefix(f.Function, hopPath+"/internal/explore."):
			_, name := path.Split(f.Function)
			_, name, _ = strings.Cut(name, ".")
			return fmt.Sprintf("%s:%d %s", path.Base(f.File), f.Line, name)
		case !inside && !ours(f) && !standard(f):
			return fmt.Sprintf("%s:%d", path.Base(f.File), f.Line)
		}
	}
	return ""
}

// roles are what a goroutine is that has these functions on its stack.
var roles = []struct{ function, what string }{
	{".(*coro).main", "task"},
	{".(*worker).main", "worker"},
	{".(*Loop).main", "loop"},
	{".(*sched).fire", "timer"},
	{"context.afterFunc", "context"},
	{"time.goFunc", "timer"},
}

// what says what the goroutine is: the name that it was given, or what its stack tells.
func (g *routine) what() string {
	if g.who != "" {
		return g.who
	}
	entry := ""
	frames := runtime.CallersFrames(g.first)
	for more := true; more; {
		var f runtime.Frame
		f, more = frames.Next()
		for _, role := range roles {
			if strings.HasSuffix(f.Function, role.function) {
				return role.what
			}
		}
		if f.Function != "" && (entry == "" || !standard(f)) {
			entry = path.Base(f.Function)
		}
	}
	return entry
}
