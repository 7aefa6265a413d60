package websocket

import (
	"log/slog"
	"sync/atomic"
	"time"
)

// settings are the options of connections, with their defaults in place. Those of
// one AcceptOptions are shared by all of its connections.
type settings struct {
	client       bool
	maxMessage   int64 // bytes; 0: no limit
	maxBacklog   int64 // bytes; 0: no limit
	pingAfter    time.Duration
	pongTimeout  time.Duration
	writeTimeout time.Duration
	deflate      *Deflate
	log          *slog.Logger
	open         *openConns // nil: without AcceptOptions.Until
	habit        habit
}

// common are the options that Accept and Dial share.
type common struct {
	maxMessage, maxBacklog               int
	pingAfter, pongTimeout, writeTimeout time.Duration
	deflate                              *Deflate
	log                                  *slog.Logger
}

// The defaults of the options, and closeTimeout, which bounds how long this side
// waits for the other half of a closing handshake.
const (
	defaultMaxMessage   = 1 << 20
	defaultMaxBacklog   = 1 << 20
	defaultPingAfter    = time.Minute
	defaultPongTimeout  = 20 * time.Second
	defaultWriteTimeout = 30 * time.Second
	closeTimeout        = 5 * time.Second
)

// orDefault is the meaning of an option: 0 is its default, negative none, which is
// 0 in settings.
func orDefault[T ~int | ~int64](v, def T) T {
	switch {
	case v == 0:
		return def
	case v < 0:
		return 0
	}
	return v
}

func (o common) settings(client bool) *settings {
	s := &settings{
		client:       client,
		maxMessage:   int64(orDefault(o.maxMessage, defaultMaxMessage)),
		maxBacklog:   int64(orDefault(o.maxBacklog, defaultMaxBacklog)),
		pingAfter:    orDefault(o.pingAfter, defaultPingAfter),
		pongTimeout:  orDefault(o.pongTimeout, defaultPongTimeout),
		writeTimeout: orDefault(o.writeTimeout, defaultWriteTimeout),
		deflate:      o.deflate,
		log:          o.log,
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	return s
}

// habit remembers whether the callbacks of a Handler block: then they run on
// goroutines from the start, until proof of them in a row were quick.
type habit struct{ state atomic.Uint32 }

const (
	proof    = 16
	quickRun = time.Millisecond // what a quick callback takes at most
)

func (h *habit) blocks() bool { return h.state.Load() != 0 }

// overstayed notes that a callback has lost its loop.
func (h *habit) overstayed() { h.state.Store(proof) }

// ran notes how long callbacks took on a goroutine.
func (h *habit) ran(took time.Duration) {
	if took > quickRun {
		h.state.Store(proof)
		return
	}
	if v := h.state.Load(); v > 0 {
		h.state.CompareAndSwap(v, v-1)
	}
}
