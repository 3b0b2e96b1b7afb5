//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/gohop/hop"
)

// A matrix is what the probes found.
type matrix struct {
	names  []string
	paths  [][]result // [from][to]
	web    []result   // http://web.test/, by name
	probes int
}

// A result is that of one probe.
type result struct {
	took time.Duration
	err  error
}

func (r result) String() string {
	var timeout net.Error
	switch {
	case r.err == nil:
		return fmt.Sprintf("%.1f ms", float64(r.took)/float64(time.Millisecond))
	case errors.Is(r.err, syscall.ENETUNREACH):
		return "no network"
	case errors.Is(r.err, syscall.EHOSTUNREACH):
		return "no route"
	case errors.Is(r.err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(r.err, os.ErrDeadlineExceeded), errors.Is(r.err, context.DeadlineExceeded),
		errors.As(r.err, &timeout) && timeout.Timeout():
		return "timeout"
	}
	return "failed"
}

// probeAll probes from every space to every other, and its own, and asks for the web page from each; all at once. Its error is ctx's: that
// a probe fails is a result.
func probeAll(ctx context.Context, n *network, webPort uint16, timeout time.Duration) (*matrix, error) {
	m := new(matrix)
	var paths [][]*hop.Pending[result]
	var web []*hop.Pending[result]
	for _, from := range n.spaces {
		m.names = append(m.names, from.name)
		var row []*hop.Pending[result]
		for _, to := range n.spaces {
			row = append(row, probe(ctx, "probe "+from.name+" to "+to.name, func(ctx context.Context) error {
				return greeted(ctx, from, to, timeout)
			}))
		}
		paths = append(paths, row)
		web = append(web, probe(ctx, "ask for the page from "+from.name, func(ctx context.Context) error {
			_, err := get(ctx, from.client(timeout), fmt.Sprintf("http://%s:%d/", webName, webPort))
			return err
		}))
	}
	all := context.WithoutCancel(ctx) // each ends soon after ctx
	for _, row := range paths {
		var results []result
		for _, p := range row {
			r, _ := p.Wait(all)
			results = append(results, r)
			m.probes++
		}
		m.paths = append(m.paths, results)
	}
	for _, p := range web {
		r, _ := p.Wait(all)
		m.web = append(m.web, r)
		m.probes++
	}
	return m, context.Cause(ctx)
}

// probe measures f, which makes its sockets where they belong by itself, so any goroutine will do.
func probe(ctx context.Context, name string, f func(context.Context) error) *hop.Pending[result] {
	return hop.Go(ctx, hop.Goroutines, func(ctx context.Context) (result, error) {
		start := time.Now()
		err := f(ctx)
		return result{time.Since(start), err}, nil
	}, hop.Name(name))
}

// greeted connects from one space to another and checks that it is the one that answers.
func greeted(ctx context.Context, from, to *space, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	c, err := from.dialAddr(ctx, "tcp", netip.AddrPortFrom(to.addr, greetPort))
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(timeout))
	name, err := io.ReadAll(io.LimitReader(c, 100))
	if err == nil && string(name) != to.name {
		err = fmt.Errorf("%s answers in place of %s", name, to.name)
	}
	return err
}

func get(ctx context.Context, c *http.Client, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := c.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(io.LimitReader(resp.Body, 1000))
	return string(page), err
}

func (m *matrix) print(w io.Writer) {
	t := table{right: []bool{false}}
	head := []string{"from \\ to"}
	for _, name := range m.names {
		head = append(head, name)
		t.right = append(t.right, true)
	}
	t.right = append(t.right, true)
	t.row(append(head, "http://"+webName)...)
	for i, name := range m.names {
		row := []string{name}
		for _, r := range m.paths[i] {
			row = append(row, r.String())
		}
		t.row(append(row, m.web[i].String())...)
	}
	t.print(w)
}
