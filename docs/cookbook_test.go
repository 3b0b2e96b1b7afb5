package docs

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"
)

// What the recipes take from elsewhere.
const standIns = `
type Toolkit struct{}
func (*Toolkit) RunSoon(func()) bool { return true }
type Label struct{}
func (*Label) SetText(string) {}
type GL struct{}
func openGL() (*GL, error) { return nil, nil }
func (*GL) Destroy() error { return nil }
func (*GL) Frame() {}
func (*GL) Swap() {}
func (*GL) Texture([]byte) uint32 { return 0 }
type Interpreter struct{}
func (*Interpreter) Interrupt(any) {}
func (*Interpreter) Run(string) error { return nil }
type Socket struct{}
func openSocket() (*Socket, error) { return nil, nil }
func (*Socket) Flush(context.Context) error { return nil }
func (*Socket) Send(string) error { return nil }
func (*Socket) Close() error { return nil }
func callC(func(int) bool) {}
`

var packages = []string{"context", "errors", "net", "os", "runtime", "testing", "time", "github.com/gohop/hop", "github.com/gohop/hop/queue"}

// goBlocks returns what stands in the Go code blocks of a page.
func goBlocks(t *testing.T, page string) (code []string) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range regexp.MustCompile("(?ms)^```go\n(.*?)^```$").FindAllSubmatch(text, -1) {
		code = append(code, string(b[1]))
	}
	return code
}

// build builds each source as a package of its own, name and its number, which exists in an overlay only.
func build(t *testing.T, name string, sources []string, flags ...string) {
	t.Helper()
	if runtime.GOARCH == "wasm" {
		t.Skip("needs the go command")
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	overlay := map[string]string{}
	args := append([]string{"build", "-overlay", filepath.Join(dir, "overlay.json")}, flags...)
	for i, src := range sources {
		pkg := fmt.Sprint(name, i)
		file := filepath.Join(dir, pkg+".go")
		if err := os.WriteFile(file, []byte(src), 0o600); err != nil {
			t.Fatal(err)
		}
		overlay[filepath.Join(here, pkg, "main.go")] = file
		args = append(args, "./"+pkg)
	}
	j, _ := json.Marshal(map[string]any{"Replace": overlay})
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), j, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// All code of the cookbook compiles.
func TestTheCookbookCompiles(t *testing.T) {
	blocks := goBlocks(t, "cookbook.md")
	if len(blocks) < 8 {
		t.Fatalf("only %d blocks of code", len(blocks))
	}
	for i, b := range blocks {
		code := standIns + b
		var src strings.Builder
		fmt.Fprintf(&src, "package recipe%d\n", i)
		for _, p := range packages {
			if regexp.MustCompile(`\b` + filepath.Base(p) + `\.\w`).MatchString(code) {
				fmt.Fprintf(&src, "import %q\n", p)
			}
		}
		src.WriteString(code)
		blocks[i] = src.String()
	}
	build(t, "recipe", blocks)
}

// The two programs with which README.md begins do what it says of them.
func TestTheProgramsOfTheReadmeDoAsItSays(t *testing.T) {
	var programs []string
	for _, b := range goBlocks(t, "../README.md") {
		if strings.HasPrefix(b, "package main\n") {
			programs = append(programs, b)
		}
	}
	if len(programs) != 2 {
		t.Fatalf("%d programs, want 2", len(programs))
	}
	dir := t.TempDir()
	build(t, "program", programs, "-o", dir)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	run := func(name string) (string, error) {
		out, err := exec.CommandContext(ctx, filepath.Join(dir, name)).CombinedOutput()
		return string(out), err
	}
	if out, err := run("program0"); err == nil || !strings.Contains(out, "all goroutines are asleep") {
		t.Errorf("the first: %v\n%s", err, out)
	}
	if out, err := run("program1"); err != nil || out != "inner\n" {
		t.Errorf("the second: %v\n%s", err, out)
	}
}
