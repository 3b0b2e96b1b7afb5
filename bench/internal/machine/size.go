package machine

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Sizes are those of two stripped programs that do the same: one starts a call on a loop and waits for it with hop, the other
// with a goroutine and a channel. Both print the result.
type Sizes struct {
	Plain, Hop int64 // bytes
}

// MeasureSizes builds both, in the module at dir, with the go command.
func MeasureSizes(dir string) (Sizes, error) {
	plain, err := stripped(dir, "./internal/size/plain")
	if err != nil {
		return Sizes{}, err
	}
	hop, err := stripped(dir, "./internal/size/withhop")
	return Sizes{Plain: plain, Hop: hop}, err
}

func stripped(dir, pkg string) (int64, error) {
	tmp, err := os.MkdirTemp("", "hop-bench-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(tmp)
	file := filepath.Join(tmp, "program")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", file, pkg)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("building %s: %w\n%s", pkg, err, out)
	}
	info, err := os.Stat(file)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
