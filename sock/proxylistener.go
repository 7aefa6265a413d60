package sock

import (
	"net"
	"net/netip"
	"time"
)

// DefaultProxyTimeout is how long a trusted peer may take for its PROXY
// protocol header when ProxyListener.Timeout is 0.
const DefaultProxyTimeout = 5 * time.Second

// ProxyListener is a net.Listener whose trusted peers begin with a PROXY
// protocol header, version 1 or 2. It wraps Listener; the zero value of the
// other fields trusts nobody. Accept may be called concurrently. Close closes
// Listener.
//
// PROXY protocol 2: whether the header is there must never be guessed. A trusted
// peer without one is dropped; from any other peer a header is ordinary data.
type ProxyListener struct {
	// Listener is where connections come from. It must be set.
	Listener net.Listener

	// Trusted lists the peers that must send a header, IPv4 ones as IPv4. When it
	// is not empty, so must peers that have no IP address (unix sockets: the
	// mode of the socket file decides who these are). Empty: nobody.
	Trusted []netip.Prefix

	// Timeout is how long the header may take, counted from the first call
	// that needs it. 0 means DefaultProxyTimeout, negative means for ever.
	Timeout time.Duration
}

// Accept waits for the next connection. That of a trusted peer is a *ProxyConn;
// its header is not read here, so that a slow peer does not hold up others.
func (l *ProxyListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if !l.Trusts(c.RemoteAddr()) {
		return c, nil
	}
	timeout := l.Timeout
	if timeout == 0 {
		timeout = DefaultProxyTimeout
	}
	return newProxyConn(c, timeout), nil
}

// Trusts reports whether a peer must begin with a header.
func (l *ProxyListener) Trusts(peer net.Addr) bool {
	if len(l.Trusted) == 0 {
		return false
	}
	var addr netip.Addr
	switch p := peer.(type) {
	case *net.TCPAddr:
		addr = p.AddrPort().Addr()
	case nil:
		return false
	default:
		ap, err := netip.ParseAddrPort(p.String())
		if err != nil {
			return true // without an IP address
		}
		addr = ap.Addr()
	}
	addr = addr.Unmap().WithZone("") // a Prefix matches neither form
	for _, p := range l.Trusted {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// Close closes Listener.
func (l *ProxyListener) Close() error { return l.Listener.Close() }

// Addr returns the address of Listener.
func (l *ProxyListener) Addr() net.Addr { return l.Listener.Addr() }
