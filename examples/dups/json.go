package main

import (
	"encoding/json"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// The objects that -json prints, one a line. README.md describes them.
type (
	jsonDuplicates struct {
		Type   string     `json:"type"` // "duplicates"
		Size   int64      `json:"size"` // of each, in bytes
		SHA256 string     `json:"sha256"`
		Files  []jsonFile `json:"files"`
	}
	jsonFile struct {
		jsonPath
		Links []jsonPath `json:"links,omitempty"` // other paths to the same file
	}
	// jsonPath is a path. JSON text has no place for bytes that are not UTF-8: a path that has some is there as bytes, too,
	// in base64.
	jsonPath struct {
		Path  string `json:"path"`
		Bytes []byte `json:"bytes,omitempty"`
	}
	jsonProblem struct {
		Type string `json:"type"` // "problem"
		Kind string `json:"kind"` // a key of the summary's problems
		jsonPath
		Error string `json:"error,omitempty"`
	}
	jsonSummary struct {
		Type         string         `json:"type"` // "summary"
		Interrupted  bool           `json:"interrupted"`
		Files        int            `json:"files"`
		Directories  int            `json:"directories"`
		Groups       int            `json:"groups"`
		Wasted       int64          `json:"wasted"` // bytes
		Unfinished   int            `json:"unfinished"`
		Seen         map[string]int `json:"seen"`
		Problems     map[string]int `json:"problems"`
		Read         int64          `json:"read"`    // bytes
		Seconds      float64        `json:"seconds"` // all of the search
		MostInFlight int            `json:"most_in_flight"`
		Places       []jsonPlace    `json:"places"`
	}
	jsonPlace struct {
		Name         string   `json:"name"`
		Kind         string   `json:"kind"`
		Calls        int      `json:"calls"`
		LongestQueue int      `json:"longest_queue"`
		Threads      []uint64 `json:"threads"` // OS thread ids, empty where the OS does not tell
	}
)

// printJSON writes what was found for programs. (The problems were printed as they came.)
func (f *found) printJSON(out io.Writer, quiet bool) {
	enc := json.NewEncoder(out)
	for _, g := range f.groups {
		enc.Encode(g.json())
	}
	if !quiet {
		enc.Encode(f.json())
	}
}

func (g group) json() jsonDuplicates {
	d := jsonDuplicates{Type: "duplicates", Size: g.size, SHA256: g.sum}
	for _, file := range g.files {
		j := jsonFile{jsonPath: pathJSON(file.path)}
		for _, name := range file.names {
			j.Links = append(j.Links, pathJSON(name))
		}
		d.Files = append(d.Files, j)
	}
	return d
}

func (f *found) json() jsonSummary {
	s := jsonSummary{
		Type:         "summary",
		Interrupted:  f.interrupted,
		Files:        f.tally.files,
		Directories:  f.tally.dirs,
		Groups:       len(f.groups),
		Wasted:       f.wasted(),
		Unfinished:   f.tally.unfinished,
		Seen:         countsJSON(f.tally.seen()),
		Problems:     countsJSON(f.tally.troubles()),
		Read:         f.read,
		Seconds:      f.took.Seconds(),
		MostInFlight: f.mostInFlight,
	}
	for _, p := range f.places {
		p.mu.Lock()
		s.Places = append(s.Places, jsonPlace{p.name, p.kind, p.calls, p.longest, slices.AppendSeq([]uint64{}, maps.Keys(p.threads))})
		p.mu.Unlock()
	}
	return s
}

func (p problem) json() jsonProblem {
	j := jsonProblem{Type: "problem", Kind: keyJSON(string(p.kind)), jsonPath: pathJSON(p.path)}
	if p.err != nil {
		j.Error = reason(p.err)
	}
	return j
}

func pathJSON(path string) jsonPath {
	if utf8.ValidString(path) {
		return jsonPath{Path: path}
	}
	return jsonPath{Path: path, Bytes: []byte(path)}
}

func countsJSON(counts []counted) map[string]int {
	m := make(map[string]int)
	for _, c := range counts {
		m[keyJSON(c.what)] = c.n
	}
	return m
}

// keyJSON makes a name a key that programs can write without quotes.
func keyJSON(name string) string { return strings.ReplaceAll(name, " ", "_") }
