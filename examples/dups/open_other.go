//go:build !unix

package main

import "os"

// open opens a file or a directory for reading.
func open(path string) (*os.File, error) { return os.Open(path) }
