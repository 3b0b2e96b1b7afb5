//go:build !linux && !darwin && !freebsd

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "thumbs: this example loads Tcl/Tk as it is found on Linux, macOS and FreeBSD")
	os.Exit(1)
}
