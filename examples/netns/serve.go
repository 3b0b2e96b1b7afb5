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
	"sync"
	"time"

	"github.com/gohop/hop"
	"golang.org/x/net/dns/dnsmessage"
)

// Names and ports. Where a port is the same in the host's namespace as in the others, it is free on the host's loopback device.
const (
	webName   = "web.test"
	greetPort = 7007 // in the namespaces only
	hostPage  = "the host's own loopback device"
	maxServed = 10 * time.Second // one connection
)

// services is what runs in the namespaces:
//
//   - in web, a web server;
//   - in each, a server that greets with the space's name, and on its loopback device a name server, which knows web.test;
//   - in the host's namespace, on the loopback device, a name server and a web server on the same ports, which nobody should ever meet.
type services struct {
	webPort  uint16
	namePort uint16

	stop    context.CancelFunc
	mu      sync.Mutex
	open    []io.Closer
	running []*hop.Pending[struct{}]
}

// serve starts all services.
func serve(ctx context.Context, n *network) (_ *services, err error) {
	sv := new(services)
	ctx, sv.stop = context.WithCancel(ctx)
	defer func() {
		if err != nil {
			sv.close()
		}
	}()

	hostWeb, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	sv.web(ctx, hostWeb, func(string) string { return hostPage })
	hostNames, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		hostWeb.Close()
		return nil, err
	}
	sv.names(ctx, hostNames, netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback())
	sv.webPort = hostWeb.Addr().(*net.TCPAddr).AddrPort().Port()
	sv.namePort = hostNames.LocalAddr().(*net.UDPAddr).AddrPort().Port()

	web := n.web()
	l, err := web.listen(ctx, netip.AddrPortFrom(web.addr, sv.webPort).String())
	if err != nil {
		return nil, err
	}
	sv.web(ctx, l, func(from string) string { return fmt.Sprintf("web, to %s", from) })

	for _, s := range n.spaces {
		l, err := s.listen(ctx, netip.AddrPortFrom(s.addr, greetPort).String())
		if err != nil {
			return nil, err
		}
		sv.greet(ctx, l, s.name)
		s.nameServer = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), sv.namePort)
		c, err := s.listenPacket(ctx, s.nameServer.String())
		if err != nil {
			return nil, err
		}
		sv.names(ctx, c, web.addr)
	}
	return sv, nil
}

// run has f serve what, until what is closed.
func (sv *services) run(ctx context.Context, name string, what io.Closer, f func(context.Context) error) {
	sv.mu.Lock()
	defer sv.mu.Unlock()
	sv.open = append(sv.open, what)
	sv.running = append(sv.running, hop.Go(ctx, hop.Goroutines, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, f(ctx)
	}, hop.Name(name)))
}

// close ends all services and waits for their end. It may be called more than once.
func (sv *services) close() {
	sv.stop()
	sv.mu.Lock()
	open, running := sv.open, sv.running
	sv.open, sv.running = nil, nil
	sv.mu.Unlock()
	for _, c := range open {
		c.Close()
	}
	for _, p := range running {
		p.Wait(context.Background()) // the error is that it was closed
	}
}

// web serves one page: what page says for the address of who asks.
func (sv *services) web(ctx context.Context, l net.Listener, page func(from string) string) {
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			from, _, _ := net.SplitHostPort(r.RemoteAddr)
			io.WriteString(w, page(from))
		}),
		ReadTimeout:  maxServed,
		WriteTimeout: maxServed,
	}
	sv.run(ctx, "web server", closer(func() error { return errors.Join(server.Close(), l.Close()) }),
		func(context.Context) error { return server.Serve(l) })
}

type closer func() error

func (f closer) Close() error { return f() }

// greet tells everybody who connects the name.
func (sv *services) greet(ctx context.Context, l net.Listener, name string) {
	sv.run(ctx, "greet in "+name, l, func(context.Context) error {
		for {
			c, err := l.Accept()
			if err != nil {
				return err
			}
			c.SetDeadline(time.Now().Add(maxServed))
			io.WriteString(c, name) // into an empty buffer: it does not block
			c.Close()
		}
	})
}

// names answers every question for an address with the addrs.
func (sv *services) names(ctx context.Context, c net.PacketConn, addrs ...netip.Addr) {
	sv.run(ctx, "name server", c, func(context.Context) error {
		buf := make([]byte, 512)
		for {
			n, from, err := c.ReadFrom(buf)
			if err != nil {
				return err
			}
			if reply, err := answer(buf[:n], addrs); err == nil {
				c.WriteTo(reply, from)
			}
		}
	})
}

func answer(question []byte, addrs []netip.Addr) ([]byte, error) {
	var m dnsmessage.Message
	if err := m.Unpack(question); err != nil {
		return nil, err
	}
	m.Response, m.Authoritative, m.RecursionAvailable = true, true, true
	m.Additionals = nil
	for _, q := range m.Questions {
		for _, a := range addrs {
			switch {
			case q.Type == dnsmessage.TypeA && a.Is4():
				m.Answers = append(m.Answers, dnsmessage.Resource{
					Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class},
					Body:   &dnsmessage.AResource{A: a.As4()},
				})
			case q.Type == dnsmessage.TypeAAAA && a.Is6():
				m.Answers = append(m.Answers, dnsmessage.Resource{
					Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class},
					Body:   &dnsmessage.AAAAResource{AAAA: a.As16()},
				})
			}
		}
	}
	return m.Pack()
}
