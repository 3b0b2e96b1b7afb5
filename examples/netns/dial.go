//go:build linux

package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/gohop/hop"
)

// dial connects from s to an address, which may have a name. It may be called on any goroutine and is fit for
// http.Transport.DialContext, because it relies on the caller's thread for nothing: whatever makes a socket is sent to a thread in s.
func (s *space) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, err
	}
	addrs, err := s.lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, addr := range addrs {
		conn, err := s.dialAddr(ctx, network, netip.AddrPortFrom(addr, uint16(number)))
		if err == nil {
			return conn, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// dialAddr connects from s. Given an address rather than a name, and one at a time, Go's dialer makes the socket on the goroutine that calls
// it, which the guard checks.
func (s *space) dialAddr(ctx context.Context, network string, to netip.AddrPort) (net.Conn, error) {
	return in(ctx, s, func(ctx context.Context) (net.Conn, error) {
		d := net.Dialer{Control: s.guard}
		return d.DialContext(ctx, network, to.String())
	}, hop.Name("dial "+to.String()), hop.OnUndelivered(func(c net.Conn) {
		if c != nil {
			c.Close()
		}
	}))
}

// lookup asks the name server of s. Go's resolver does that on goroutines of its own: each comes back to s to dial. The resolver waits
// for them in ways that hop does not know, so it must not itself keep one of the threads that they need: hence Blocking.
func (s *space) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{addr}, nil
	}
	return hop.Blocking(ctx, func(ctx context.Context) ([]netip.Addr, error) {
		r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return s.dialAddr(ctx, network, s.nameServer)
		}}
		return r.LookupNetIP(ctx, "ip", host)
	})
}

// client is an HTTP client in s, for any goroutine.
func (s *space) client(timeout time.Duration) *http.Client {
	return clientBy(s.dial, timeout)
}

func clientBy(dial func(ctx context.Context, network, address string) (net.Conn, error), timeout time.Duration) *http.Client {
	return &http.Client{Timeout: timeout, Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
}
