package upstream_test

// CONTRIBUTING.md has tables that name files, functions and benchmarks. Here is what keeps them true.

import (
	"cmp"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const contributing = "../CONTRIBUTING.md"

var quoted = regexp.MustCompile("`([^`]+)`")

// declared returns the names of what a file, or the files of a directory, declare: functions and types, and methods with and without that of their type.
func declared(t *testing.T, at string) map[string]bool {
	t.Helper()
	files := []string{at}
	if !strings.HasSuffix(at, ".go") {
		files, _ = filepath.Glob(filepath.Join(at, "*.go"))
	}
	found := make(map[string]bool)
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				found[d.Name.Name] = true
				if d.Recv != nil {
					found[receiver(d.Recv.List[0].Type)+"."+d.Name.Name] = true
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					switch s := s.(type) {
					case *ast.TypeSpec:
						found[s.Name.Name] = true
					case *ast.ValueSpec:
						for _, n := range s.Names {
							found[n.Name] = true
						}
					}
				}
			}
		}
	}
	return found
}

func receiver(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}

// isPlace reports whether a name in a table is that of a file or directory.
func isPlace(name string) bool {
	return strings.HasSuffix(name, ".go") || strings.Contains(name, "internal/")
}

// In a cell of a table names that follow files or directories are declared in one of these; in a cell without, in the package, or they are tests.
func TestDocs_WhatTheTablesForContributorsNameExists(t *testing.T) {
	text, _ := page(t, contributing)
	have, inPackage := tests(t), declared(t, "..")
	files, names := 0, 0
	for n, line := range strings.Split(text, "\n") {
		if !strings.HasPrefix(line, "|") {
			continue
		}
		for _, cell := range strings.Split(line, "|") {
			var places []string
			var after map[string]bool // what these declare, once a name has followed
			for _, m := range quoted.FindAllStringSubmatch(cell, -1) {
				if name := m[1]; !isPlace(name) {
					names++
					if after == nil && len(places) > 0 {
						after = make(map[string]bool)
						for _, p := range places {
							maps.Copy(after, declared(t, p))
						}
					}
					name, _, _ = strings.Cut(name, "/") // a benchmark's part
					if len(places) > 0 && !after[name] || len(places) == 0 && !inPackage[name] && have[name] == nil {
						t.Errorf("%s:%d: %s is not declared in %s", contributing, n+1, name, cmp.Or(strings.Join(places, ", "), "the package"))
					}
					continue
				}
				files++
				if after != nil {
					places, after = nil, nil
				}
				place := filepath.Join("..", filepath.FromSlash(m[1]))
				if _, err := os.Stat(place); err != nil {
					t.Errorf("%s:%d: there is no %s", contributing, n+1, m[1])
				}
				places = append(places, place)
			}
		}
	}
	if files < 100 || names < 60 {
		t.Errorf("%d files and %d names: this test is broken", files, names)
	}
}

// Each file of the package stands in the table of the layout.
func TestDocs_EachFileIsLaidOut(t *testing.T) {
	text, _ := page(t, contributing)
	_, layout, _ := strings.Cut(text, "## How the code is laid out")
	files, err := filepath.Glob("../*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		if strings.HasSuffix(name, "_test.go") || name == "doc.go" {
			continue
		}
		if !strings.Contains(layout, "`"+name+"`") {
			t.Errorf("%s: %s is not in the table of the layout", contributing, name)
		}
	}
}
