package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	_ "image/gif"
	_ "image/jpeg"
	_ "image/png"

	"golang.org/x/image/draw"
	_ "golang.org/x/image/webp"
)

// How large pictures are shown, in pixels.
const (
	thumbWidth, thumbHeight     = 112, 80
	previewWidth, previewHeight = 320, 400
	maxPixels                   = 200e6 // larger ones are refused
	maxPictures                 = 2000  // in one window
)

// A picture is made small enough to be shown.
type picture struct {
	ppm           []byte // in the format PPM, which Tk reads in no time
	width, height int    // of the original
}

// list returns the names of the pictures in the directory.
func list(ctx context.Context, dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		switch strings.ToLower(filepath.Ext(e.Name())) {
		case ".png", ".jpg", ".jpeg", ".gif", ".webp":
			if e.Type().IsRegular() || e.Type()&fs.ModeSymlink != 0 {
				names = append(names, e.Name())
			}
		}
	}
	slices.Sort(names)
	return names[:min(len(names), maxPictures)], ctx.Err()
}

// read reads a picture and makes it fit. It computes and blocks, so it is for a pool; it ends soon when ctx does.
func read(ctx context.Context, path string, width, height int) (picture, error) {
	info, err := os.Stat(path)
	if err != nil {
		return picture{}, err
	}
	if !info.Mode().IsRegular() { // a named pipe would never end
		return picture{}, errors.New("it is no file")
	}
	f, err := os.Open(path)
	if err != nil {
		return picture{}, err
	}
	defer f.Close()
	config, _, err := image.DecodeConfig(f)
	if err != nil {
		return picture{}, err
	}
	if float64(config.Width)*float64(config.Height) > maxPixels {
		return picture{}, fmt.Errorf("%d × %d pixels are too many", config.Width, config.Height)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return picture{}, err
	}
	m, _, err := image.Decode(heeding{ctx, f})
	if err != nil {
		return picture{}, err
	}
	if err := ctx.Err(); err != nil {
		return picture{}, err
	}
	return picture{ppm(fit(m, width, height)), config.Width, config.Height}, nil
}

// heeding is a reader that ends with ctx.
type heeding struct {
	ctx context.Context
	r   io.Reader
}

func (h heeding) Read(p []byte) (int, error) {
	if err := context.Cause(h.ctx); err != nil {
		return 0, err
	}
	return h.r.Read(p)
}

// fit scales m down to at most width × height, on white.
func fit(m image.Image, width, height int) *image.RGBA {
	b := m.Bounds()
	scale := min(1, float64(width)/float64(b.Dx()), float64(height)/float64(b.Dy()))
	small := image.NewRGBA(image.Rect(0, 0, max(1, int(float64(b.Dx())*scale)), max(1, int(float64(b.Dy())*scale))))
	draw.Draw(small, small.Bounds(), image.NewUniform(color.White), image.Point{}, draw.Src)
	draw.BiLinear.Scale(small, small.Bounds(), m, b, draw.Over, nil)
	return small
}

func ppm(m *image.RGBA) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "P6\n%d %d\n255\n", m.Rect.Dx(), m.Rect.Dy())
	for i := 0; i < len(m.Pix); i += 4 {
		b.Write(m.Pix[i : i+3])
	}
	return b.Bytes()
}
