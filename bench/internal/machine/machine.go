// Package machine says where a run took place and with which versions, and how large programs become.
package machine

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
)

// Info is where a run took place.
type Info struct {
	System  string // "linux/amd64"
	CPU     string
	Cores   int
	Procs   int // GOMAXPROCS
	Memory  string
	Go      string
	Modules []Module
}

// A Module is a library that was measured.
type Module struct{ Path, Version string }

// Here describes this process and the machine that it runs on, without its name.
func Here() Info {
	return Info{
		System:  runtime.GOOS + "/" + runtime.GOARCH,
		CPU:     field("/proc/cpuinfo", "model name"),
		Cores:   runtime.NumCPU(),
		Procs:   runtime.GOMAXPROCS(0),
		Memory:  memory(),
		Go:      runtime.Version(),
		Modules: modules(),
	}
}

// peers are the modules whose versions matter; the others come with them.
var peers = []string{
	"github.com/alitto/pond/v2",
	"github.com/bytedance/gopkg",
	"github.com/dop251/goja_nodejs",
	"github.com/gammazero/workerpool",
	"github.com/panjf2000/ants/v2",
	"github.com/sourcegraph/conc",
	"golang.org/x/sync",
}

func modules() []Module {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return nil
	}
	var out []Module
	for _, m := range info.Deps {
		if slices.Contains(peers, m.Path) {
			out = append(out, Module{m.Path, m.Version})
		}
	}
	return out
}

// Load is how many programs wanted to run at once over the last minute, or "" where that cannot be told.
func Load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return ""
	}
	minute, _, _ := strings.Cut(string(text), " ")
	return minute
}

func memory() string {
	var kB float64
	text := field("/proc/meminfo", "MemTotal")
	if _, err := fmt.Sscanf(text, "%f kB", &kB); err != nil {
		return text
	}
	return fmt.Sprintf("%.0f GB", kB/1e6)
}

// field returns the first value of a name in a file such as /proc/cpuinfo, or "unknown".
func field(file, name string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(text)) {
		key, value, ok := strings.Cut(line, ":")
		if ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}
