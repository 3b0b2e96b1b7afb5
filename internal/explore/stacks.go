package explore

import (
	"cmp"
	"fmt"
	"math"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/gohop/hop/internal/turn"
)

var (
	header  = regexp.MustCompile(`^goroutine (\d+) .*?\[([^]]*)\]:`)
	bubbled = regexp.MustCompile(`synctest bubble \d+`)
)

// bubbleName returns what the bubble of the calling goroutine is called in stack dumps.
func bubbleName() string {
	var buf [128]byte
	return bubbled.FindString(string(buf[:runtime.Stack(buf[:], false)]))
}

// left says which goroutines there are in the run's bubble, but for those that the run itself needs.
func (r *run) left() string {
	if r.bubble == "" {
		return ""
	}
	var dump string
	for size := 1 << 18; ; size *= 2 {
		buf := make([]byte, size)
		if n := runtime.Stack(buf, true); n < size || size >= 64<<20 {
			dump = string(buf[:n])
			break
		}
	}
	type found struct {
		id   int
		text string
	}
	var all []found
	for text := range strings.SplitSeq(dump, "\n\n") {
		m := header.FindStringSubmatch(text)
		if m == nil || bubbled.FindString(m[2]) != r.bubble || strings.Contains(text, hopPath+"/internal/explore.(*run).control") ||
			strings.Contains(text, "synctest.Run(") || strings.Contains(text, "synctest.testingSynctestTest(") {
			continue
		}
		f := found{id: math.MaxInt}
		title := "a goroutine that has come to no point"
		state := strings.NewReplacer(", "+r.bubble, "", " (durable)", "").Replace(m[2])
		number, _ := strconv.ParseUint(m[1], 10, 64)
		if g := r.routines[number]; g != nil {
			f.id, title = g.id, strings.TrimSuffix(fmt.Sprintf("g%d, %s", g.id, g.what()), ", ")
			switch {
			case g.held && g.step == turn.User:
				state = "kept before: " + describe(g.on)
			case g.held:
				state = "kept before: " + g.step.String() + " " + describe(g.on)
			}
		}
		f.text = fmt.Sprintf("\n%s [%s]:\n%s", title, state, ownStack([]byte(text)))
		all = append(all, f)
	}
	slices.SortStableFunc(all, func(a, b found) int { return cmp.Compare(a.id, b.id) })
	var b strings.Builder
	for _, f := range all {
		b.WriteString(f.text)
	}
	return b.String()
}

// frames is how much of a stack is shown.
const frames = 14

// ownStack returns the functions of a stack dump of one goroutine, without those of the exploration.
func ownStack(dump []byte) string {
	lines := strings.Split(strings.TrimSpace(string(dump)), "\n")
	var shown []string
	hops := 0 // of hop's functions in a row, the last is the one that was called
	for i := 1; i+1 < len(lines); i += 2 {
		function, at := lines[i], strings.TrimSpace(lines[i+1])
		switch {
		case strings.HasPrefix(function, hopPath+"/internal/explore."), strings.HasPrefix(function, hopPath+"/internal/turn."),
			strings.HasPrefix(function, "runtime/debug."), strings.HasPrefix(function, "created by "+hopPath+"/internal/explore."):
			continue
		}
		at, _, _ = strings.Cut(at, " +0x")
		file, _, _ := strings.Cut(at, ":")
		if ours(runtime.Frame{Function: function, File: file}) && !turn.Fine {
			if hops++; hops > 1 {
				shown = shown[:len(shown)-1]
			}
		} else {
			hops = 0
		}
		if strings.HasPrefix(function, "created by ") {
			function, _, _ = strings.Cut(function, " in goroutine ")
		} else if j := strings.LastIndexByte(function, '('); j > 0 {
			function = function[:j]
		}
		shown = append(shown, fmt.Sprintf("    %s\n        %s\n", function, at))
	}
	if len(shown) > frames {
		shown = append(shown[:frames], "    …\n")
	}
	return strings.Join(shown, "")
}
