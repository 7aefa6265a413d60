package main

import (
	"context"
	"crypto/tls"
	"errors"
	"net"

	"github.com/burrownet/burrow/engine"
)

// tlsLink runs crypto/tls on the engine's loop, without a goroutine per
// connection: the handshake happens on the blocking socket, and afterwards the
// same tls.Conn reads what the loop has received until there is no more.
// crypto/tls keeps a partial record over a temporary error and goes on with it.
type tlsLink struct {
	net.Conn              // the blocking socket: handshake only
	conn     *engine.Conn // nil during the handshake
	tls      *tls.Conn
	in       []byte // received and not yet read by tls
	plain    []byte // decrypted and not yet used
}

// dryError tells crypto/tls that there is nothing to read for now.
type dryError struct{}

func (dryError) Error() string   { return "nothing to read for now" }
func (dryError) Timeout() bool   { return true }
func (dryError) Temporary() bool { return true }

// handshake wraps nc.
func handshake(ctx context.Context, nc net.Conn) (*tlsLink, error) {
	l := &tlsLink{Conn: nc}
	l.tls = tls.Client(l, clientTLS())
	if err := l.tls.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	return l, nil
}

// describe names version, cipher suite and key exchange.
func describe(s tls.ConnectionState) string {
	return tls.VersionName(s.Version) + " " + tls.CipherSuiteName(s.CipherSuite) + " " + s.CurveID.String()
}

// Read serves crypto/tls.
func (l *tlsLink) Read(p []byte) (int, error) {
	if l.conn == nil {
		return l.Conn.Read(p)
	}
	if len(l.in) == 0 {
		return 0, dryError{}
	}
	n := copy(p, l.in)
	l.in = l.in[n:]
	return n, nil
}

// Write serves crypto/tls.
func (l *tlsLink) Write(p []byte) (int, error) {
	if l.conn == nil {
		return l.Conn.Write(p)
	}
	return l.conn.Write(p)
}

// write encrypts and sends b.
func (l *tlsLink) write(b []byte) error {
	_, err := l.tls.Write(b)
	return err
}

// read decrypts b and returns all plain text that is not used yet; keep says
// how much of it was. It is valid until the next read.
func (l *tlsLink) read(b []byte) ([]byte, error) {
	l.in = b
	for {
		if cap(l.plain)-len(l.plain) < 4<<10 {
			l.plain = append(make([]byte, 0, 2*cap(l.plain)+16<<10), l.plain...)
		}
		n, err := l.tls.Read(l.plain[len(l.plain):cap(l.plain)])
		l.plain = l.plain[:len(l.plain)+n]
		if errors.Is(err, dryError{}) {
			return l.plain, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// keep drops the first n bytes of what read returned.
func (l *tlsLink) keep(n int) {
	l.plain = l.plain[:copy(l.plain, l.plain[n:])]
}
