//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"

	"github.com/gohop/hop"
	"github.com/vishvananda/netlink"
)

// A network is
//
//	web  host1 … hostN  guest1  guest2      island
//	 │     │      │       ┊       ┊
//	─┴─────┴──────┴───────┴───────┴─ br0, in the namespace "switch"
//
// The guests' ports are isolated: they reach everybody but each other. The island has no cable. All addresses are of
// prefix, and exist in the namespaces only; the host's namespace gets no device, no address and no route.
type network struct {
	sw     *space   // the switch
	spaces []*space // the others, web first
}

var prefix = netip.MustParsePrefix("10.83.0.0/24")

func newNetwork() *network { return new(network) }

func (n *network) web() *space { return n.spaces[0] }

// build makes the namespaces, all at once, and then the cables. When it fails, close takes down what there is.
func (n *network) build(ctx context.Context, hosts int) error {
	names := []string{"switch", "web"}
	for i := range hosts {
		names = append(names, fmt.Sprintf("host%d", i+1))
	}
	names = append(names, "guest1", "guest2", "island")

	var pending []*hop.Pending[*space]
	for _, name := range names {
		pending = append(pending, hop.Go(ctx, hop.Goroutines, func(ctx context.Context) (*space, error) {
			return newSpace(ctx, name)
		}, hop.Name("make "+name), hop.OnUndelivered(func(s *space) { s.close() })))
	}
	var errs []error
	for _, p := range pending {
		// Each ends soon when ctx does; none must be left behind.
		s, err := p.Wait(context.WithoutCancel(ctx))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if s.name == "switch" {
			n.sw = s
		} else {
			n.spaces = append(n.spaces, s)
		}
	}
	if len(errs) > 0 {
		return errs[0] // the others are the same, mostly
	}

	if err := n.sw.configure(ctx, makeBridge); err != nil {
		return err
	}
	addr := prefix.Addr()
	for _, s := range n.spaces {
		addr = addr.Next()
		s.addr = addr
		lay := n.connect
		if s.name == "island" {
			lay = n.strand
		}
		if err := lay(ctx, s); err != nil {
			return fmt.Errorf("connecting %s: %w", s.name, err)
		}
	}
	return nil
}

func makeBridge(m *member) error {
	br := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br0"}}
	if err := m.nl.LinkAdd(br); err != nil {
		return needs("making a bridge", err)
	}
	return m.nl.LinkSetUp(br)
}

// connect lays a cable to s: a veth pair with one end in the switch, on the bridge, and the other in s.
func (n *network) connect(ctx context.Context, s *space) error {
	err := n.sw.configure(ctx, func(m *member) error {
		cable := &netlink.Veth{
			LinkAttrs:     netlink.LinkAttrs{Name: "to-" + s.name},
			PeerName:      "eth0",
			PeerNamespace: netlink.NsFd(s.fd),
		}
		if err := m.nl.LinkAdd(cable); err != nil {
			return needs("making a veth pair", err)
		}
		br, err := m.nl.LinkByName("br0")
		if err != nil {
			return err
		}
		if err := m.nl.LinkSetMaster(cable, br); err != nil {
			return err
		}
		if isGuest(s) {
			if err := m.nl.LinkSetIsolated(cable, true); err != nil {
				return needs("isolating a port of the bridge", err)
			}
		}
		return m.nl.LinkSetUp(cable)
	})
	if err != nil {
		return err
	}
	return s.configure(ctx, func(m *member) error { return m.address("eth0", netip.PrefixFrom(s.addr, prefix.Bits())) })
}

// strand gives s an address that only it can reach.
func (n *network) strand(ctx context.Context, s *space) error {
	return s.configure(ctx, func(m *member) error { return m.address("lo", netip.PrefixFrom(s.addr, 32)) })
}

// address gives the device an address and sets it up.
func (m *member) address(device string, p netip.Prefix) error {
	link, err := m.nl.LinkByName(device)
	if err != nil {
		return err
	}
	a, err := netlink.ParseAddr(p.String())
	if err != nil {
		return err
	}
	if err := m.nl.AddrAdd(link, a); err != nil {
		return err
	}
	return m.nl.LinkSetUp(link)
}

func isGuest(s *space) bool { return s.name == "guest1" || s.name == "guest2" }

// close takes the network down. It waits until all threads have left their namespaces.
func (n *network) close() error {
	var errs []error
	for _, s := range n.all() {
		errs = append(errs, s.close())
	}
	return errors.Join(errs...)
}

func (n *network) all() []*space {
	if n.sw == nil {
		return n.spaces
	}
	return append(slices.Clone(n.spaces), n.sw)
}

// threads returns the ids of all threads that were ever in one of the namespaces.
func (n *network) threads() []int {
	var tids []int
	for _, s := range n.all() {
		s.mu.Lock()
		tids = append(tids, s.tids...)
		s.mu.Unlock()
	}
	return tids
}

func (n *network) print(w io.Writer) {
	fmt.Fprintln(w, "Namespaces, each owned by a loop with a thread of its own:")
	fmt.Fprintln(w)
	t := table{right: []bool{false, false, false, true}}
	for _, s := range n.all() {
		what := "on br0"
		switch {
		case s == n.sw:
			what = "has br0"
		case s.name == "island":
			what = "no cable"
		case isGuest(s):
			what = "on br0, isolated port"
		}
		addr := "-"
		if s.addr.IsValid() {
			addr = s.addr.String()
		}
		t.row(s.name, addr, s.id.String(), fmt.Sprintf("thread %d", s.tids[0]), what)
	}
	t.print(w)
}

func (n *network) printHold(w io.Writer) {
	fmt.Fprintf(w, "\nLook into it, until Ctrl-C here:\n\n")
	for _, s := range n.all() {
		fmt.Fprintf(w, "  nsenter --net=/proc/%d/task/%d/ns/net ip -brief addr  # %s\n", os.Getpid(), s.tids[0], s.name)
	}
}
