//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "netns: network namespaces are Linux's; this program needs Linux, and root")
	os.Exit(1)
}
