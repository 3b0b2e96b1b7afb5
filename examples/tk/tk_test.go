//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gohop/hop"
	"github.com/gohop/hop/examples/tk/tcl"
	"github.com/gohop/hop/examples/tk/xvfb"
)

var update = flag.Bool("update", false, "write the picture of README.md anew")

// The tests run beside Tk, which has the main thread, as in the program.
var (
	server  *xvfb.Server
	tk      *tcl.Interp
	missing error // why there is no Tk, or no display for it
)

func TestMain(m *testing.M) {
	flag.Parse()
	code := 0
	done := make(chan struct{})
	tests := func() {
		defer close(done)
		code = m.Run()
	}
	var err error
	if server, err = xvfb.Start(900, 640); err == nil {
		tk, err = tcl.New(server.Display)
	}
	if missing = err; err != nil {
		tests()
	} else {
		go func() {
			defer tk.Stop()
			tests()
		}()
		tk.Run()
		<-done
		tk.Close()
	}
	if server != nil {
		server.Close()
	}
	os.RemoveAll(programDir) // removes nothing if nothing was built
	os.Exit(code)
}

// A fixture is the program's window, and the places that it uses.
type fixture struct {
	t    *testing.T
	loop *hop.Loop
	pool *hop.Pool
	*app
}

// start opens the window on a directory. The pictures are read on the pool, or elsewhere.
func start(t *testing.T, dir string, elsewhere func(*hop.Loop) hop.Portal) *fixture {
	t.Helper()
	if missing != nil {
		t.Skip(missing)
	}
	f := &fixture{t: t}
	f.loop = hop.NewLoop(&hop.LoopOptions{Name: "tk", Host: tk, StallAfter: -1})
	f.pool = hop.NewPool(&hop.PoolOptions{Name: "read", Size: 2})
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(f.pool.Close(), f.loop.Close()); err != nil {
			t.Error(err)
		}
		gone := make(chan struct{})
		tk.Post(func() {
			defer close(gone)
			if _, err := tk.Script(`destroy {*}[winfo children .]; image delete {*}[lsearch -inline -all [image names] {[tp]*}]`); err != nil {
				t.Error(err)
			}
		})
		<-gone
	})
	f.app = do(f, func(context.Context) (*app, error) {
		var on hop.Portal = f.pool
		if elsewhere != nil {
			on = elsewhere(f.loop)
		}
		return newApp(ctx, tk, f.loop, on, dir)
	})
	return f
}

// do runs what looks at the window.
func do[T any](f *fixture, what func(context.Context) (T, error)) T {
	f.t.Helper()
	v, err := hop.Do(f.t.Context(), f.loop, what)
	if err != nil {
		f.t.Fatal(err)
	}
	return v
}

func (f *fixture) script(s string) string {
	f.t.Helper()
	return do(f, func(context.Context) (string, error) { return tk.Script(s) })
}

// click presses and releases the mouse's button.
func (f *fixture) click(widget string) {
	f.t.Helper()
	f.script(fmt.Sprintf("event generate %[1]s <Enter>; event generate %[1]s <ButtonPress-1> -x 5 -y 5; event generate %[1]s <ButtonRelease-1> -x 5 -y 5", widget))
}

func (f *fixture) status() string { return f.script(".bottom.status cget -text") }

// loaded waits until the loading has ended, however it does.
func (f *fixture) loaded() error {
	p := do(f, func(context.Context) (*hop.Pending[struct{}], error) { return f.loading, nil })
	ctx, cancel := context.WithTimeout(f.t.Context(), time.Minute)
	defer cancel()
	_, err := p.Wait(ctx)
	return err
}

// until waits for something in the window.
func (f *fixture) until(what string, is func() bool) {
	f.t.Helper()
	for start := time.Now(); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Since(start) > 30*time.Second {
			f.t.Fatalf("never: %s; the status is %q", what, f.status())
		}
	}
}

func (f *fixture) count(tag string) int {
	f.t.Helper()
	n, _ := strconv.Atoi(f.script("llength [lsearch -all -glob [image names] " + tag + "*]"))
	return n
}

// pictures is a directory with n pictures.
func pictures(t *testing.T, n, width, height int) string {
	t.Helper()
	if missing != nil {
		t.Skip(missing)
	}
	dir := t.TempDir()
	made := n
	if width > 1000 { // they take long to make: the others are copies
		made = min(n, 5)
	}
	if err := demo(t.Context(), hop.Goroutines, dir, made, width, height); err != nil {
		t.Fatal(err)
	}
	for i := made; i < n; i++ {
		if err := os.Link(filepath.Join(dir, fmt.Sprintf("julia%03d.png", i%made)), filepath.Join(dir, fmt.Sprintf("julia%03d.png", i))); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestShowsThePictures(t *testing.T) {
	const n = 20
	dir := pictures(t, n, 480, 360)
	f := start(t, dir, nil)
	if err := f.loaded(); err != nil {
		t.Fatal(err)
	}
	if got := f.count("thumb"); got != n {
		t.Errorf("%d thumbnails, want %d", got, n)
	}
	if got := f.status(); !strings.HasPrefix(got, "20 of 20 pictures.") {
		t.Errorf("status %q", got)
	}
	// A picture is clicked on, and shown in large.
	do(f, func(context.Context) (struct{}, error) {
		f.set(".top.dir", "-text", "~/Pictures")
		return struct{}{}, nil
	})
	f.script(`lassign [center 7] x y
		foreach e {<Enter> <Motion> <ButtonPress-1> <ButtonRelease-1>} {event generate .c $e -x $x -y $y}`)
	f.until("the picture in large", func() bool { return strings.Contains(f.script(".right.text cget -text"), "480 × 360") })
	if got, want := f.script(".right.text cget -text"), "julia007.png\n480 × 360"; got != want {
		t.Errorf("shown in large: %q, want %q", got, want)
	}

	// What is on the screen: every thumbnail has the colours of its picture, and so has the large one.
	f.script("update")
	m, err := server.Screenshot()
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		at := f.script(fmt.Sprintf("lassign [center %d] x y; list [expr {int($x + [winfo rootx .c])}] [expr {int($y + [winfo rooty .c])}]", i))
		var x, y int
		fmt.Sscan(at, &x, &y)
		if y+thumbHeight/2 > 560 {
			break // below the window's edge
		}
		want := fit(julia(i, 480, 360), thumbWidth, thumbHeight)
		compare(t, fmt.Sprintf("thumbnail %d", i), m, image.Pt(x-want.Rect.Dx()/2, y-want.Rect.Dy()/2), want)
	}
	var x, y int
	fmt.Sscan(f.script(`list [expr {[winfo rootx .right.picture] + ([winfo width .right.picture] - [image width preview]) / 2}] [expr {[winfo rooty .right.picture] + ([winfo height .right.picture] - [image height preview]) / 2}]`), &x, &y)
	compare(t, "the large picture", m, image.Pt(x, y), fit(julia(7, 480, 360), previewWidth, previewHeight))

	if *update {
		var w, h int
		fmt.Sscan(f.script("list [winfo width .] [winfo height .]"), &w, &h)
		shot := m.SubImage(image.Rect(0, 0, w, h))
		var b bytes.Buffer
		if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, paletted(shot)); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile("screenshot.png", b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// compare looks for want in the screenshot m at the place.
func compare(t *testing.T, what string, m *image.RGBA, at image.Point, want *image.RGBA) {
	t.Helper()
	wrong, colours := 0, map[color.RGBA]bool{}
	for y := range want.Rect.Dy() {
		for x := range want.Rect.Dx() {
			w, got := want.RGBAAt(x, y), m.RGBAAt(at.X+x, at.Y+y)
			colours[got] = true
			if abs(int(w.R)-int(got.R))+abs(int(w.G)-int(got.G))+abs(int(w.B)-int(got.B)) > 24 {
				wrong++
			}
		}
	}
	if wrong > want.Rect.Dx()*want.Rect.Dy()/50 || len(colours) < 20 {
		t.Errorf("%s at %v: %d of %d pixels are wrong, of %d colours", what, at, wrong, want.Rect.Dx()*want.Rect.Dy(), len(colours))
	}
}

func abs(n int) int { return max(n, -n) }

// paletted makes the file small.
func paletted(m image.Image) image.Image {
	var p color.Palette
	for r := range 6 {
		for g := range 7 {
			for b := range 6 {
				p = append(p, color.RGBA{uint8(r * 51), uint8(g * 255 / 6), uint8(b * 51), 255})
			}
		}
	}
	small := image.NewPaletted(m.Bounds(), p)
	for y := m.Bounds().Min.Y; y < m.Bounds().Max.Y; y++ {
		for x := m.Bounds().Min.X; x < m.Bounds().Max.X; x++ {
			small.Set(x, y, m.At(x, y))
		}
	}
	return small
}

// TestStaysResponsive reads large pictures on the pool, and then where one must not, on the window's own thread: that shows that the test can
// tell the difference.
func TestStaysResponsive(t *testing.T) {
	dir := pictures(t, 10, 2000, 1500)
	kept := func(name string, where func(*hop.Loop) hop.Portal) (kept time.Duration) {
		t.Run(name, func(t *testing.T) {
			f := start(t, dir, where)
			if err := f.loaded(); err != nil {
				t.Fatal(err)
			}
			if f.count("thumb") != 10 {
				t.Errorf("%d thumbnails", f.count("thumb"))
			}
			kept = do(f, func(context.Context) (time.Duration, error) { return f.latest, nil })
		})
		return kept
	}
	pool := kept("pool", nil)
	loop := kept("window's thread", func(l *hop.Loop) hop.Portal { return l })
	t.Logf("the window was kept for %v at most; %v when the pictures were read on its thread", pool, loop)
	if pool > max(250*time.Millisecond, loop/8) { // under the race detector all is slower
		t.Errorf("the window was kept for %v", pool)
	}
	if loop < 2*pool {
		t.Errorf("reading on the window's thread keeps it for %v only, and on the pool %v: the test does not tell", loop, pool)
	}
}

func TestCancelButton(t *testing.T) {
	const n = 60
	f := start(t, pictures(t, n, 1200, 900), nil)
	f.until("some thumbnails", func() bool { return f.count("thumb") >= 3 })
	if got := f.script(".top.cancel cget -state"); got != "normal" {
		t.Fatalf("the button is %s", got)
	}
	pressed := time.Now()
	f.click(".top.cancel")
	err := f.loaded()
	if took := time.Since(pressed); took > 2*time.Second {
		t.Errorf("it took %v to stop", took)
	}
	if !errors.Is(err, hop.ErrCancelled) || !errors.Is(err, errUser) {
		t.Errorf("the loading ended with %v", err)
	}
	f.until("no work is left", func() bool { s := f.pool.Stats(); return s.Running+s.Queued == 0 })
	drawn := f.count("thumb")
	if drawn >= n {
		t.Errorf("all %d pictures were drawn", n)
	}
	if got := f.status(); !strings.HasPrefix(got, "Cancelled: ") || !strings.Contains(got, " of 60 pictures") {
		t.Errorf("status %q", got)
	}
	if got := f.script(".top.cancel cget -state"); got != "disabled" {
		t.Errorf("then the button is %s", got)
	}

	// All is well for another time.
	f.click(".top.reload")
	if err := f.loaded(); err != nil || f.count("thumb") != n {
		t.Errorf("loaded again: %d thumbnails, %v", f.count("thumb"), err)
	}
}

// TestReloadInTheMiddle presses the button again and again.
func TestReloadInTheMiddle(t *testing.T) {
	const n = 12
	f := start(t, pictures(t, n, 300, 200), nil)
	for range 10 {
		f.click(".top.reload")
		time.Sleep(3 * time.Millisecond) // no matter how long
	}
	if err := f.loaded(); err != nil {
		t.Fatal(err)
	}
	if got := f.count("thumb"); got != n {
		t.Errorf("%d thumbnails, want %d", got, n)
	}
}

func TestOddFiles(t *testing.T) {
	dir := pictures(t, 2, 100, 80)
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("broken.png", "\x89PNG\r\n\x1a\n and no more")
	write("empty.jpg", "")
	write("no picture.txt", "text")
	write("[exit] $x {.gif", "GIF")
	write("\U0001F600.png", "no")
	if err := errors.Join(syscall.Mkfifo(filepath.Join(dir, "pipe.png"), 0o644), os.Symlink("pipe.png", filepath.Join(dir, "link.png")),
		os.Symlink("nowhere", filepath.Join(dir, "dangling.png"))); err != nil {
		t.Fatal(err)
	}
	f := start(t, dir, nil)
	if err := f.loaded(); err != nil {
		t.Fatal(err)
	}
	if got := f.status(); !strings.HasPrefix(got, "8 of 8 pictures (6 cannot be read).") {
		t.Errorf("status %q", got)
	}
	do(f, func(context.Context) (struct{}, error) { return struct{}{}, f.open([]string{"1"}) })
	f.until("why it cannot be read", func() bool { return strings.Contains(f.script(".right.text cget -text"), ": ") })
}

func TestNoSuchDirectory(t *testing.T) {
	if missing != nil {
		t.Skip(missing)
	}
	f := start(t, filepath.Join(t.TempDir(), "nowhere"), nil)
	if err := f.loaded(); err == nil || !strings.HasPrefix(f.status(), "Failed: ") {
		t.Errorf("%v, status %q", err, f.status())
	}
}

// program is the built program.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "thumbs")
	if err != nil {
		return "", err
	}
	programDir = dir
	path := filepath.Join(dir, "thumbs")
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return path, nil
})

var programDir string

func command(t *testing.T, args ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip(err)
	}
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	stderr := new(bytes.Buffer)
	cmd.Stderr = stderr
	return cmd, stderr
}

// TestTheProgramEnds runs the program on a screen of its own and ends it, in the middle of its work, in each of the ways that there are.
func TestTheProgramEnds(t *testing.T) {
	dir := pictures(t, 40, 1600, 1200)
	for _, test := range []struct {
		how    string
		end    func(*exec.Cmd)
		code   int
		stderr string
	}{
		{"Ctrl-C", func(c *exec.Cmd) { c.Process.Signal(os.Interrupt) }, exitInterrupted, "thumbs: interrupted\n"},
		{"SIGTERM", func(c *exec.Cmd) { c.Process.Signal(syscall.SIGTERM) }, exitInterrupted, "thumbs: interrupted\n"},
	} {
		t.Run(test.how, func(t *testing.T) {
			x, err := xvfb.Start(900, 640)
			if err != nil {
				t.Skip(err)
			}
			defer x.Close()
			cmd, stderr := command(t, "-display", x.Display, dir)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			for start := time.Now(); ; time.Sleep(5 * time.Millisecond) { // the canvas is white
				if m, err := x.Screenshot(); err == nil && m.RGBAAt(10, 500) == (color.RGBA{255, 255, 255, 255}) {
					break
				}
				if time.Since(start) > 20*time.Second {
					t.Fatalf("no window comes\n%s", stderr)
				}
			}
			sent := time.Now()
			test.end(cmd)
			cmd.Wait()
			if took := time.Since(sent); took > 3*time.Second {
				t.Errorf("it took %v to end", took)
			}
			if code := cmd.ProcessState.ExitCode(); code != test.code || stderr.String() != test.stderr {
				t.Errorf("exit code %d, want %d; it says %q, want %q", code, test.code, stderr, test.stderr)
			}
		})
	}
}

// TestClosingTheWindow does what a window manager does, of which there is none here.
func TestClosingTheWindow(t *testing.T) {
	f := start(t, pictures(t, 30, 1200, 900), nil)
	f.until("a thumbnail", func() bool { return f.count("thumb") > 0 })
	f.script("eval [wm protocol . WM_DELETE_WINDOW]")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := f.quit.Wait(ctx); err != nil {
		t.Error(err)
	}
	// In the program, what follows is the same as after Ctrl-C: see show. Here the fixture does it.
}

func TestErrorsSayWhatToDo(t *testing.T) {
	if missing != nil {
		t.Skip(missing)
	}
	for _, test := range []struct {
		what, env string
		want      []string
	}{
		{"no display", "DISPLAY=", []string{"Tk cannot open a window", "set DISPLAY", "xvfb-run"}},
		{"no server on the display", "DISPLAY=:9999", []string{"couldn't connect to display \":9999\"", "xvfb-run"}},
		{"no Tk", "TK_LIB=/no/such/file", []string{"Tk is not to be found", "apt-get install libtk8.6"}},
	} {
		t.Run(test.what, func(t *testing.T) {
			cmd, stderr := command(t, t.TempDir())
			cmd.Env = append(os.Environ(), test.env)
			err := cmd.Run()
			if code := cmd.ProcessState.ExitCode(); code != exitFailed || strings.Count(stderr.String(), "\n") != 1 {
				t.Errorf("exit code %d, %v\n%s", code, err, stderr)
			}
			for _, want := range test.want {
				if !strings.Contains(stderr.String(), want) {
					t.Errorf("no %q in %s", want, stderr)
				}
			}
		})
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{}, {"a", "b"}, {"-demo", "a"}, {"-workers", "0", "."}, {"/no/such/directory"}, {"-what"}} {
		if _, err := parse(args, new(bytes.Buffer)); err == nil {
			t.Errorf("%v is accepted", args)
		}
	}
}
