//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/gohop/hop"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// A space is a network namespace with two ways in, and whatever takes one of them is in it:
//
//   - loop, whose thread has made the namespace and owns it: for what is quick, such as configuring it;
//   - pool, whose threads join it: for what blocks, such as dialling.
//
// The namespace has no name in the file system. It lives as long as the threads, descriptors and sockets in it, so the
// kernel takes it down, with all that is in it, when the process ends, however it ends.
type space struct {
	name string
	id   nsID
	addr netip.Addr // none: the switch
	loop *hop.Loop
	pool *hop.Pool

	joined *hop.Local[*member]
	fd     netns.NsHandle // open as long as loop runs

	nameServer netip.AddrPort // on its loopback device

	mu   sync.Mutex
	tids []int // of the threads that were ever in it

	onSocket atomic.Pointer[notes] // takes notes of the sockets that dialling makes; nil: nobody does
}

// visitors is how many calls may block in a space at once.
const visitors = 16

// A member is a thread's membership in a namespace: the value that a Local has for each of these threads.
type member struct {
	ns  netns.NsHandle
	nl  *netlink.Handle // its socket was made in the namespace; the owner's only
	tid int
}

// owned is for each loop the namespace that its thread owns. The Local makes the namespace at the first use, on that thread, and
// closes the descriptors there when the loop stops; then the thread ends, as does every thread that hop has locked.
var owned = hop.NewLocal(own, (*member).close)

func own(context.Context) (*member, error) {
	ns, err := netns.New()
	if err != nil {
		return nil, needs("making a network namespace", err)
	}
	nl, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		ns.Close()
		return nil, err
	}
	return &member{ns: ns, nl: nl, tid: unix.Gettid()}, nil
}

func (m *member) close() error {
	if m.nl != nil {
		m.nl.Close()
	}
	if m.ns.IsOpen() {
		return m.ns.Close()
	}
	return nil
}

// needs says what to do about err.
func needs(what string, err error) error {
	switch {
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("%s: %w: it takes root, or the capabilities CAP_SYS_ADMIN and CAP_NET_ADMIN: use sudo, or, where the system "+
			"lets users have namespaces of their own, \"unshare --user --map-root-user --net go run .\"", what, err)
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EINVAL):
		return fmt.Errorf("%s: %w: it takes a Linux kernel with network namespaces, veth and bridge (modprobe veth bridge)", what, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// newSpace makes a namespace with its loopback device up.
func newSpace(ctx context.Context, name string) (*space, error) {
	s := &space{
		name: name,
		loop: hop.NewLoop(&hop.LoopOptions{Name: name, Thread: true}),
		pool: hop.NewPool(&hop.PoolOptions{Name: name, Threads: true, Size: visitors}),
	}
	s.joined = hop.NewLocal(s.join, (*member).close)
	err := s.configure(ctx, func(m *member) error {
		s.fd = m.ns
		var err error
		if s.id, err = namespaceHere(); err != nil {
			return err
		}
		s.note(m)
		lo, err := m.nl.LinkByName("lo")
		if err != nil {
			return err
		}
		return m.nl.LinkSetUp(lo)
	})
	if err != nil {
		s.close()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return s, nil
}

// join is for each worker of the pool what it does first: its thread joins the namespace, and stays. (A worker whose join failed
// is still in the host's namespace; the failed join is not remembered, so the next call tries again.)
func (s *space) join(context.Context) (*member, error) {
	if err := netns.Set(s.fd); err != nil {
		return nil, needs("joining the namespace of "+s.name, err)
	}
	m := &member{ns: netns.None(), tid: unix.Gettid()}
	s.note(m)
	return m, nil
}

func (s *space) note(m *member) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tids = append(s.tids, m.tid)
}

// configure runs f on the thread that owns the namespace.
func (s *space) configure(ctx context.Context, f func(*member) error) error {
	return hop.Run(ctx, s.loop, func(ctx context.Context) error {
		m, err := owned.Get(ctx)
		if err != nil {
			return err
		}
		return f(m)
	}, hop.Name("configure "+s.name))
}

// in runs f on a thread in s; it may block.
func in[T any](ctx context.Context, s *space, f func(context.Context) (T, error), opts ...hop.Option) (T, error) {
	return hop.Do(ctx, s.pool, func(ctx context.Context) (T, error) {
		if _, err := s.joined.Get(ctx); err != nil {
			var zero T
			return zero, err
		}
		return f(ctx)
	}, opts...)
}

// listen makes a listener in s. Its address must not be a name. Only the making needs the right thread: a socket stays in the
// namespace that it was made in, and so do those that it accepts, whoever uses them.
func (s *space) listen(ctx context.Context, address string) (net.Listener, error) {
	return in(ctx, s, func(ctx context.Context) (net.Listener, error) {
		lc := net.ListenConfig{Control: s.guard}
		return lc.Listen(ctx, "tcp4", address)
	})
}

// listenPacket is listen for UDP.
func (s *space) listenPacket(ctx context.Context, address string) (net.PacketConn, error) {
	return in(ctx, s, func(ctx context.Context) (net.PacketConn, error) {
		lc := net.ListenConfig{Control: s.guard}
		return lc.ListenPacket(ctx, "udp4", address)
	})
}

// guard is for the Control of dialers and listeners: it sees every socket on the thread that has just made it, and refuses one that
// was made elsewhere. So a mistake is an error rather than a connection through the host's network.
func (s *space) guard(network, address string, c syscall.RawConn) error {
	if t := s.onSocket.Load(); t != nil {
		t.control(network, address, c)
	}
	id, err := namespaceHere()
	if err == nil && id != s.id {
		err = fmt.Errorf("the socket for %s was made in %v, not in %s's %v", address, id, s.name, s.id)
	}
	return err
}

// close stops what is in the space and ends its threads. It waits for them to have left it.
func (s *space) close() error {
	// The workers have no descriptors of their own, but leave first: that is the order of tenants and owners.
	return errors.Join(s.pool.Close(), s.loop.Close())
}

// An nsID tells namespaces apart: it is the number of their inode.
type nsID uint64

func (id nsID) String() string { return fmt.Sprintf("net:[%d]", uint64(id)) }

// namespaceHere returns the network namespace of the calling thread.
func namespaceHere() (nsID, error) { return namespaceOf("/proc/thread-self/ns/net") }

func namespaceOf(path string) (nsID, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return 0, fmt.Errorf("which network namespace? %s: %w", path, err)
	}
	return nsID(st.Ino), nil
}
