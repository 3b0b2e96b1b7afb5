//go:build linux

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"time"
)

// An escape is the same request made in several ways from a thread in one namespace.
type escape struct {
	space *space
	host  nsID
	tries []try
}

// A try is one way, and where it led.
type try struct {
	hop    bool // hop's way
	what   string
	asked  []nsID // where the sockets to name servers were made
	dialed []nsID // where those to web servers were
	page   string // who answered
	err    error
}

// showEscape makes the tries. Go's dialer, called on a thread in a namespace, makes its socket on that very thread only if it
// is given an address. Given a name, it asks the name server from goroutines of its own, and if the name has addresses of both kinds,
// IPv4 and IPv6, it dials from goroutines of its own, too. A http.Client always does. Such a goroutine never runs
// on a locked thread, so all of them are in the host's namespace, whatever the caller's is.
//
// The name servers and the web servers that are met by mistake are this program's, on the host's loopback device.
func showEscape(ctx context.Context, host nsID, s *space, webPort, namePort uint16) (*escape, error) {
	e := &escape{space: s, host: host}
	byName := fmt.Sprintf("%s:%d", webName, webPort)
	byAddr := fmt.Sprintf("127.0.0.1:%d", webPort)

	// The bug, on a thread in s.
	_, err := in(ctx, s, func(ctx context.Context) (struct{}, error) {
		e.ordinary(namePort, "dial "+webName, func(d *net.Dialer) (string, error) {
			c, err := d.DialContext(ctx, "tcp", byName)
			return getOver(c, err)
		})
		e.ordinary(namePort, "get http://"+webName, func(d *net.Dialer) (string, error) {
			return get(ctx, clientBy(d.DialContext, time.Second), "http://"+byName)
		})
		e.ordinary(namePort, "get http://127.0.0.1", func(d *net.Dialer) (string, error) {
			return get(ctx, clientBy(d.DialContext, time.Second), "http://"+byAddr)
		})
		return struct{}{}, nil
	})
	if err != nil {
		return nil, err
	}

	// The same through hop, on no particular thread.
	e.through(s, "dial "+webName, func() (string, error) {
		c, err := s.dial(ctx, "tcp", byName)
		return getOver(c, err)
	})
	e.through(s, "get http://"+webName, func() (string, error) {
		return get(ctx, s.client(time.Second), "http://"+byName)
	})
	e.through(s, "get http://127.0.0.1", func() (string, error) {
		return get(ctx, s.client(time.Second), "http://"+byAddr)
	})
	return e, context.Cause(ctx)
}

// ordinary lets f use Go's dialer, and notes where it makes its sockets. Its resolver asks 127.0.0.1, as where systemd-resolved runs;
// apart from the port, that is what it does by itself.
func (e *escape) ordinary(namePort uint16, what string, f func(*net.Dialer) (string, error)) {
	t := &notes{try: try{what: what}}
	nameServer := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), namePort).String()
	page, err := f(&net.Dialer{
		Timeout: time.Second,
		Control: t.control,
		Resolver: &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			d := net.Dialer{Control: t.control}
			return d.DialContext(ctx, network, nameServer)
		}},
	})
	e.tries = append(e.tries, t.end(page, err))
}

// through lets f use the dialer of s, and notes the same.
func (e *escape) through(s *space, what string, f func() (string, error)) {
	t := &notes{try: try{what: what, hop: true}}
	s.onSocket.Store(t)
	defer s.onSocket.Store(nil)
	page, err := f()
	e.tries = append(e.tries, t.end(page, err))
}

// notes are taken of a try, from any goroutine.
type notes struct {
	mu sync.Mutex
	try
}

// control is a Control of dialers: it sees each socket on the thread that made it.
func (t *notes) control(network, _ string, _ syscall.RawConn) error {
	id, err := namespaceHere()
	t.mu.Lock()
	defer t.mu.Unlock()
	if strings.HasPrefix(network, "udp") {
		t.asked = append(t.asked, id)
	} else {
		t.dialed = append(t.dialed, id)
	}
	return err
}

func (t *notes) end(page string, err error) try {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.page, t.err = page, err
	return t.try
}

// getOver asks for the page over a connection.
func getOver(c net.Conn, err error) (string, error) {
	if err != nil {
		return "", err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Second))
	if _, err := io.WriteString(c, "GET / HTTP/1.0\r\n\r\n"); err != nil {
		return "", err
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(io.LimitReader(resp.Body, 1000))
	return string(page), err
}

// where says in words where sockets were made.
func (e *escape) where(ids []nsID) string {
	s := "-"
	for i, id := range ids {
		at := id.String()
		switch id {
		case e.host:
			at = "the host's"
		case e.space.id:
			at = e.space.name
		}
		if i > 0 && at != s {
			return "several"
		}
		s = at
	}
	return s
}

func (e *escape) print(w io.Writer) {
	fmt.Fprintf(w, "The bug: Go's ordinary dialer, called on a thread of %s, leaves it:\n\n", e.space.name)
	e.printTries(w, false)
	fmt.Fprintf(w, "\nThe same with %s's dialer, called on any goroutine:\n\n", e.space.name)
	e.printTries(w, true)
}

func (e *escape) printTries(w io.Writer, hop bool) {
	var t table
	t.row("", "asks for the name in", "connects in", "and meets")
	for _, y := range e.tries {
		if y.hop != hop {
			continue
		}
		met := y.page
		if y.err != nil {
			met = result{err: y.err}.String()
		}
		t.row(y.what, e.where(y.asked), e.where(y.dialed), met)
	}
	t.print(w)
}
