package sock

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"slices"
	"time"
)

// ListenOptions are the options of [Listen]. The zero value is ready: an
// ordinary listener, no PROXY protocol.
type ListenOptions struct {
	// ReusePort lets several listeners share one TCP port (SO_REUSEPORT; all of
	// them must ask for it). Linux, FreeBSD and DragonFly share the connections
	// out between them; elsewhere one of them gets all. An error where the system
	// has no such option, and for addresses that are not TCP.
	ReusePort bool

	// Backlog is how many connections the kernel keeps waiting for Accept.
	// 0 means as many as the system allows (net.core.somaxconn); more than that
	// is cut down to it by the kernel. An error on Windows and for systemd
	// sockets (Backlog= of the .socket unit), which cannot honour it.
	Backlog int

	// Mode is the permission bits of a unix socket's file: who may connect.
	// 0 means as the umask leaves them. They are in force before the first
	// connection is possible. An error for an abstract socket and on Windows,
	// where there are none; ignored for TCP and systemd sockets.
	Mode fs.FileMode

	// ProxyProtocol lists the peers that must begin with a PROXY protocol
	// header; see ProxyListener. Empty means nobody: then such a header is data
	// like any other. On a unix socket, where a peer has no address, a list that
	// is not empty covers every peer.
	ProxyProtocol []netip.Prefix

	// KeepAlive tunes the probes on idle TCP connections. Zero fields mean
	// Idle 2 minutes, Interval 20 seconds, Count 6; a negative Interval or Count
	// leaves the system's own. A negative Idle turns the probes off. Enable is
	// not looked at. Systemd sockets are as their .socket unit says.
	KeepAlive net.KeepAliveConfig
}

// Listen opens a stream listener. addr is one of:
//
//	host:port       TCP on the addresses of host; port 0 is a free one
//	:port           TCP on every interface
//	[::1]:port      TCP on an IPv6 address
//	unix:/path      a unix socket; removed when the listener is closed
//	unix:@name      a unix socket in the abstract namespace (Linux)
//	systemd:        the only socket passed by socket activation
//	systemd:name    the passed socket of that name (FileDescriptorName=)
//
// A unix socket that nobody listens on any more is replaced; one that answers
// is an error that is syscall.EADDRINUSE. Anything else found at the path is an
// error that is fs.ErrExist, and stays: only a socket can be a leftover of an
// earlier run, any other file is somebody's data and the path a slip.
//
// Errors wrap their cause, and say what to try where that is known.
// opts may be nil. The caller closes the listener.
func Listen(ctx context.Context, addr string, opts *ListenOptions) (net.Listener, error) {
	if opts == nil {
		opts = &ListenOptions{}
	}
	a, err := parseAddress(addr)
	if err == nil {
		err = checkOptions(a, opts)
	}
	if err == nil {
		err = ctx.Err() // a name from the hosts file resolves even then
	}
	var ln net.Listener
	if err == nil {
		ln, err = listen(ctx, a, opts)
	}
	if err != nil {
		return nil, &listenError{addr: addr, hint: hint(a, err), err: err}
	}
	if len(opts.ProxyProtocol) > 0 {
		ln = &ProxyListener{Listener: ln, Trusted: slices.Clone(opts.ProxyProtocol)}
	}
	return ln, nil
}

// checkOptions refuses options that would silently have no effect.
func checkOptions(a address, opts *ListenOptions) error {
	switch {
	case opts.ReusePort && a.kind != kindTCP:
		return errors.New("option ReusePort is for TCP only")
	case opts.ReusePort && !canReusePort:
		return fmt.Errorf("option ReusePort: %w on this system", errors.ErrUnsupported)
	case opts.Backlog < 0:
		return errors.New("option Backlog is negative")
	case opts.Backlog > 0 && a.kind == kindSystemd:
		return errors.New("option Backlog: set Backlog= in the .socket unit")
	case opts.Backlog > 0 && !canSetBacklog:
		return fmt.Errorf("option Backlog: %w on this system", errors.ErrUnsupported)
	case opts.Mode&^fs.ModePerm != 0:
		return fmt.Errorf("option Mode %v has more than permission bits", opts.Mode)
	case opts.Mode != 0 && a.abstract():
		return errors.New("option Mode: an abstract socket has no permission bits")
	}
	return nil
}

func listen(ctx context.Context, a address, opts *ListenOptions) (net.Listener, error) {
	switch a.kind {
	case kindUnix:
		return listenUnix(ctx, a, opts)
	case kindSystemd:
		return listenSystemd(a.text)
	default:
		return listenTCP(ctx, a, opts)
	}
}

func listenTCP(ctx context.Context, a address, opts *ListenOptions) (net.Listener, error) {
	keepAlive := keepAliveOf(opts.KeepAlive)
	lc := net.ListenConfig{
		KeepAlive:       -1, // KeepAliveConfig rules alone
		KeepAliveConfig: keepAlive,
		Control:         tcpControl(keepAlive, opts.ReusePort),
	}
	if inheritsOptions {
		// The listener carries them; setting them again on each accepted
		// connection would cost four system calls.
		lc.KeepAliveConfig = net.KeepAliveConfig{}
	}
	lc.SetMultipathTCP(false)
	ln, err := lc.Listen(ctx, "tcp", a.text)
	if err != nil {
		return nil, err
	}
	if opts.Backlog > 0 {
		if err := setBacklog(ln.(*net.TCPListener), opts.Backlog); err != nil {
			ln.Close()
			return nil, err
		}
	}
	return ln, nil
}

// keepAliveOf gives ListenOptions.KeepAlive its defaults.
func keepAliveOf(c net.KeepAliveConfig) net.KeepAliveConfig {
	if c.Idle < 0 {
		return net.KeepAliveConfig{}
	}
	c.Enable = true
	if c.Idle == 0 {
		c.Idle = 2 * time.Minute
	}
	if c.Interval == 0 {
		c.Interval = 20 * time.Second
	}
	if c.Count == 0 {
		c.Count = 6
	}
	return c
}
