// Package sock opens stream listeners and holds what surrounds a socket before
// a protocol speaks on it: addresses in text form, systemd socket activation
// (sd_listen_fds), the PROXY protocol versions 1 and 2, and TLS helpers.
//
// # Usage
//
//	ln, err := sock.Listen(ctx, "127.0.0.1:8080", nil)
//	ln, err := sock.Listen(ctx, "unix:/run/app.sock", &sock.ListenOptions{Mode: 0o660})
//	ln, err := sock.Listen(ctx, "systemd:web", nil)
//
// Without the PROXY protocol the listener is a *net.TCPListener or a
// *net.UnixListener, so that an event loop can take its descriptor; with it,
// the listener is a [*ProxyListener]. [ParseProxyHeader] is the pure parser
// below it, for drivers that read the socket themselves.
//
// # Cancellation
//
// The context of [Listen] bounds name resolution and the look at a unix socket
// that is already there. It does not close the listener: Close does.
//
// # Limitations
//
// Listeners speak plain TCP, never Multipath TCP: an event loop sets TCP options
// and reads TCP_INFO on the accepted descriptors. A unix listener removes its
// path when it is closed, whatever stands there by then. On Windows a unix
// socket has no permission bits and there is no socket activation.
package sock
