package docs

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
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

// All code of the cookbook compiles. Each block is a package that exists in an overlay only.
func TestTheCookbookCompiles(t *testing.T) {
	if runtime.GOARCH == "wasm" {
		t.Skip("needs the go command")
	}
	page, err := os.ReadFile("cookbook.md")
	if err != nil {
		t.Fatal(err)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	overlay := map[string]string{}
	args := []string{"build", "-overlay", filepath.Join(dir, "overlay.json")}
	blocks := regexp.MustCompile("(?ms)^```go\n(.*?)^```$").FindAllSubmatch(page, -1)
	for i, b := range blocks {
		code := standIns + string(b[1])
		var src strings.Builder
		fmt.Fprintf(&src, "package recipe%d\n", i)
		for _, p := range packages {
			if regexp.MustCompile(`\b` + filepath.Base(p) + `\.\w`).MatchString(code) {
				fmt.Fprintf(&src, "import %q\n", p)
			}
		}
		src.WriteString(code)
		name := filepath.Join(dir, fmt.Sprintf("recipe%d.go", i))
		if err := os.WriteFile(name, []byte(src.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		overlay[filepath.Join(here, fmt.Sprintf("recipe%d", i), "recipe.go")] = name
		args = append(args, fmt.Sprintf("./recipe%d", i))
	}
	if len(blocks) < 8 {
		t.Fatalf("only %d blocks of code", len(blocks))
	}
	j, _ := json.Marshal(map[string]any{"Replace": overlay})
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), j, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
