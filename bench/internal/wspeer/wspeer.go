package wspeer

import (
	"bytes"
	"crypto/tls"
	"flag"
	"net"
	"sync"

	"github.com/burrownet/burrow/bench/internal/selfsigned"
)

// Options are what a server is to do.
type Options struct {
	// Compress has it negotiate permessage-deflate, without context takeover.
	Compress bool
	// Broadcast has it send a message that is for all (ToAll) to every connection.
	Broadcast bool
}

// Start reads the command line, "-listen ADDR -compress -broadcast -tls-self-signed",
// and listens.
func Start() (net.Listener, Options, error) {
	var o Options
	listen := flag.String("listen", "127.0.0.1:8080", "`address` to listen on")
	useTLS := flag.Bool("tls-self-signed", false, "wss with a certificate made at start")
	flag.BoolVar(&o.Compress, "compress", false, "permessage-deflate without context takeover")
	flag.BoolVar(&o.Broadcast, "broadcast", false, `send a message that begins with "all " to every connection`)
	flag.Parse()
	ln, err := net.Listen("tcp", *listen)
	if err != nil || !*useTLS {
		return ln, o, err
	}
	config, err := selfsigned.Config()
	if err != nil {
		ln.Close()
		return nil, o, err
	}
	return tls.NewListener(ln, config), o, nil
}

var toAll = []byte("all ")

// ToAll reports whether a message is for every connection.
func ToAll(message []byte) bool { return bytes.HasPrefix(message, toAll) }

// Room is a set of connections. The zero value is empty. Its methods may be called
// concurrently.
type Room[C comparable] struct {
	mu    sync.Mutex
	conns map[C]struct{} // guarded by mu
}

// Add puts c into the room.
func (r *Room[C]) Add(c C) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.conns == nil {
		r.conns = map[C]struct{}{}
	}
	r.conns[c] = struct{}{}
}

// Remove takes c out of the room.
func (r *Room[C]) Remove(c C) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, c)
}

// Each calls f for all that are in the room; f must not come back to it.
func (r *Room[C]) Each(f func(C)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.conns {
		f(c)
	}
}
