package hop_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/gohop/hop"
)

// A user that may have no more threads (ulimit -u). The limit does not hold for root, so root becomes another user.
func TestFault_TooFewProcesses(t *testing.T) {
	const rlimitNproc = 6
	switch runtime.GOARCH {
	case "amd64", "arm64", "386", "arm", "riscv64", "ppc64le", "s390x", "loong64":
	default:
		t.Skip("RLIMIT_NPROC has another number here")
	}
	out, err := inChild(t, func(cmd *exec.Cmd) {
		if os.Getuid() != 0 {
			return
		}
		// The test binary is where other users may not look.
		dir, err := os.MkdirTemp("", "hop")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		cmd.Path = copied(t, cmd.Path, dir)
		cmd.Dir = dir
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 64123, Gid: 64123}}
	}, func() {
		var own syscall.Rlimit
		if err := syscall.Getrlimit(rlimitNproc, &own); err != nil {
			t.Fatal(err)
		}
		own.Cur = min(own.Max, uint64(processes(t)+15))
		if err := syscall.Setrlimit(rlimitNproc, &own); err != nil {
			t.Fatal(err)
		}
		small := newPool(t, &hop.PoolOptions{Size: 3, Threads: true})
		for range 30 {
			must(t, hop.Go(bg, small, value(1)))
		}
		fmt.Println("the small pool works")
		takeAllThreads(t)
	})
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) {
		t.Skipf("the child cannot be started as another user: %v", err)
	}
	wantOutOfThreads(t, out, err)
}

// processes counts the threads of all processes of this user, as the limit does.
func processes(t *testing.T) int {
	n := 0
	tasks, err := filepath.Glob("/proc/[0-9]*/task/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		if info, err := os.Stat(task); err == nil && info.Sys().(*syscall.Stat_t).Uid == uint32(os.Getuid()) {
			n++
		}
	}
	return n
}

// copied copies the file to dir, for everybody to run.
func copied(t *testing.T, file, dir string) string {
	from, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	to, err := os.OpenFile(filepath.Join(dir, "hop.test"), os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(to, from); err != nil {
		t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	return to.Name()
}
