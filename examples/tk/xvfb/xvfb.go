//go:build linux

// Package xvfb runs an X server without a screen, for tests, and takes pictures of what would be on it.
package xvfb

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// A Server is a running Xvfb.
type Server struct {
	Display string // such as ":1"
	cmd     *exec.Cmd
	dir     string
}

// Start starts a server with a screen of that size, on a display that is free. The error says what to install.
func Start(width, height int) (*Server, error) {
	path, err := exec.LookPath("Xvfb")
	if err != nil {
		return nil, fmt.Errorf("xvfb: %w; install it: \"apt-get install xvfb\" (Debian, Ubuntu)", err)
	}
	dir, err := os.MkdirTemp("", "xvfb")
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir}
	r, w, err := os.Pipe()
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	defer r.Close()
	s.cmd = exec.Command(path, "-displayfd", "3", "-screen", "0", fmt.Sprintf("%dx%dx24", width, height), "-fbdir", dir, "-nolisten", "tcp",
		"-terminate") // with its last client, should the tests not come to Close
	s.cmd.ExtraFiles = []*os.File{w}
	err = s.cmd.Start()
	w.Close()
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	r.SetReadDeadline(time.Now().Add(20 * time.Second))
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("xvfb: it does not start: %w", err)
	}
	s.Display = ":" + strings.TrimSpace(line)
	return s, nil
}

// Close ends the server.
func (s *Server) Close() error {
	s.cmd.Process.Signal(syscall.SIGTERM)
	s.cmd.Wait()
	return os.RemoveAll(s.dir)
}

// Screenshot returns what is on the screen. Xvfb keeps that in a file in the format XWD: a header of 32-bit numbers, which begins with its
// own length, a table of colours, and the pixels.
func (s *Server) Screenshot() (*image.RGBA, error) {
	b, err := os.ReadFile(filepath.Join(s.dir, "Xvfb_screen0"))
	if err != nil {
		return nil, err
	}
	if len(b) < 100 {
		return nil, errors.New("xvfb: the screen's file is too short")
	}
	header := func(i int) int { return int(binary.BigEndian.Uint32(b[4*i:])) }
	size, width, height, lsbFirst, perPixel, perLine, colors := header(0), header(4), header(5), header(7) == 0, header(11), header(12), header(19)
	pixels := size + 12*colors
	if perPixel != 32 || pixels+height*perLine > len(b) {
		return nil, fmt.Errorf("xvfb: a screen of %d bits a pixel", perPixel)
	}
	var order binary.ByteOrder = binary.BigEndian
	if lsbFirst {
		order = binary.LittleEndian
	}
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			p := order.Uint32(b[pixels+y*perLine+4*x:])
			m.SetRGBA(x, y, color.RGBA{uint8(p >> 16), uint8(p >> 8), uint8(p), 255})
		}
	}
	return m, nil
}
