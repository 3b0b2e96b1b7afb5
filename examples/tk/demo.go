package main

import (
	"bufio"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"math/cmplx"
	"os"
	"path/filepath"

	"github.com/gohop/hop"
)

// demo fills a directory with pictures: Julia sets, computed on the pool.
func demo(ctx context.Context, on hop.Portal, dir string, n, width, height int) error {
	return hop.WithGroup(ctx, nil, func(ctx context.Context) error {
		for i := range n {
			hop.Go(ctx, on, func(ctx context.Context) (struct{}, error) {
				return struct{}{}, writePNG(filepath.Join(dir, fmt.Sprintf("julia%03d.png", i)), julia(i, width, height))
			})
		}
		return nil
	})
}

// julia computes the picture with number i.
func julia(i, width, height int) image.Image {
	angle := float64(i) * 0.61803398875 * 2 * math.Pi
	c := cmplx.Rect(0.66+0.1*math.Sin(5*angle), angle)
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			z := complex((float64(x)/float64(width)-0.5)*3, (float64(y)/float64(height)-0.5)*2.2)
			n := 0
			for ; n < 60 && real(z)*real(z)+imag(z)*imag(z) < 16; n++ {
				z = z*z + c
			}
			m.SetRGBA(x, y, shade(float64(n)/60, angle))
		}
	}
	return m
}

// shade is a colour for t from 0 to 1, from pale to full, with hues that depend on the picture.
func shade(t, hue float64) color.RGBA {
	wave := func(shift float64) uint8 {
		return uint8(250 * (1 - math.Pow(t, 0.6)*(0.5+0.5*math.Cos(hue+shift+2*t))))
	}
	return color.RGBA{wave(0), wave(2.1), wave(4.2), 255}
}

func writePNG(path string, m image.Image) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	if err := (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(w, m); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Close()
}
