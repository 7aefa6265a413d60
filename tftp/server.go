package tftp

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

// Defaults of Server.
const (
	DefaultTimeout      = time.Second
	DefaultMinTimeout   = 50 * time.Millisecond
	DefaultSilence      = 30 * time.Second
	DefaultMaxDuration  = 2 * time.Hour
	DefaultDrainTimeout = 10 * time.Second
	DefaultWindowSize   = 64

	defaultMaxFileSize  = 1 << 30
	defaultMaxTransfers = 4096
	defaultMaxPerAddr   = 64
)

// Server serves files over TFTP. The zero value refuses everything: set Root,
// FS or Mounts. Fields are read when Serve begins and not written while it
// runs; several Serve may run at once and then share limits, counters and what
// is cached. Hooks are called concurrently.
type Server struct {
	// Root is the folder to serve; links that lead out of it are not followed.
	// Writes go there too, see Write.
	Root *os.Root
	// FS is a tree to read from instead of Root. What its links may reach is its
	// own affair.
	FS fs.FS
	// Mounts are names that are behind URLs. They are looked at in their order and
	// before the tree; one without a prefix comes after it.
	Mounts []Mount
	// Fetcher gets what is behind Mounts. nil: a *HTTPFetcher.
	Fetcher Fetcher
	// CaseInsensitive finds files whatever the case of letters in a request.
	CaseInsensitive bool
	// ShowHidden serves names that begin with a dot.
	ShowHidden bool
	// Allow is asked about each request. It may change r.Path, and refuses with an
	// error: an *Error is what the client is told. It may block. nil: all.
	Allow func(ctx context.Context, r *Request) error

	// Write says whether clients may write into Root. Default: WriteNone. A file
	// appears under its name when it is complete.
	Write WritePolicy
	// Create takes uploads instead of Root; Write is then not looked at.
	Create func(ctx context.Context, r *Request) (Upload, error)
	// MaxFileSize limits an upload, in bytes. 0: 1 GiB; negative: unlimited.
	MaxFileSize int64

	// BlockSize is the largest blksize granted, in bytes, 8 to 65464. 0: 65464.
	BlockSize int
	// WindowSize is the largest windowsize granted, in blocks; a window never
	// exceeds 256 KiB. 1 to 65535; 0: DefaultWindowSize.
	WindowSize int
	// Timeout is when a packet is first sent again, until the round trip is known;
	// a timeout that the client negotiates takes its place. 0: DefaultTimeout.
	Timeout time.Duration
	// MinTimeout is the least that the measured round trip brings Timeout down to.
	// 0: DefaultMinTimeout.
	MinTimeout time.Duration
	// Silence ends a transfer when nothing has come from the client for so long, or
	// for three times the timeout that the client negotiated, whichever is longer.
	// 0: DefaultSilence, or three times Timeout.
	Silence time.Duration
	// MaxDuration ends a transfer, unless it is an upload whose Commit has begun: what
	// becomes of that decides. 0: DefaultMaxDuration; negative: unlimited.
	MaxDuration time.Duration
	// DrainTimeout is how long transfers may go on after the context of Serve has
	// ended. 0: DefaultDrainTimeout; negative: not at all.
	DrainTimeout time.Duration

	// MaxTransfers limits those under way. Requests beyond it are not answered:
	// clients ask again. 0: 4096; negative: unlimited.
	MaxTransfers int
	// MaxTransfersPerAddr is the same for one address. 0: 64; negative: unlimited.
	MaxTransfersPerAddr int

	// SinglePort answers from the port that was asked, so that one rule of a
	// firewall, or one port of a container, is enough.
	SinglePort bool
	// PortMin and PortMax are the ports that transfers get, one each. Both 0: any.
	PortMin, PortMax int

	// CacheBytes limits the memory for contents of files. 0: 16 MiB; negative:
	// unlimited.
	CacheBytes int64
	// CacheDir is where large files behind Mounts are kept while Serve runs.
	// "": the folder for temporary files.
	CacheDir string
	// RemoteMemory and RemoteDisk limit what is held of files behind Mounts, in
	// bytes, those on their way and those in use among it: what exceeds
	// RemoteMemory goes to the disk, and what exceeds RemoteDisk, alone or with
	// what is in use, is refused. 0: 64 MiB and 4 GiB; negative: unlimited. There
	// are 4096 such files at most, however small.
	RemoteMemory, RemoteDisk int64
	// RemoteFresh is for how long the origin of such a file is not asked again
	// after it has answered; when it has failed that is 3 seconds. 0: 1 minute;
	// negative: it is asked for each request, those that come while it is being
	// asked taken together.
	RemoteFresh time.Duration
	// RemoteStale is for how long beyond RemoteFresh a copy is served when the
	// origin fails: other than by saying that there is no such file, or none for
	// us. An origin that does not answer within 3 seconds fails, too; without such a
	// copy it has 20, or two thirds of Silence where that is less. 0: 1 hour;
	// negative: not at all.
	RemoteStale time.Duration

	// Quirks are what some clients need to have different.
	Quirks []Quirk
	// LookupMAC finds the hardware address of a client, in lower case with colons,
	// or "". nil: the system's ARP table (Linux, IPv4).
	LookupMAC func(netip.Addr) string
	// OnTransfer is called with the record of each transfer, and of each request that
	// began none, up to 10 a second of these; one after the other for one Serve. When it falls behind by more than 1024, records are dropped
	// and counted.
	OnTransfer func(Record)
	// Logger gets one line for each record, and what goes wrong besides (keys
	// peer, proto, op, err). nil: slog.Default().
	Logger *slog.Logger

	counters counters
	mu       sync.Mutex
	shared   *shared // guarded by mu; nil while no Serve runs
}

// shared is what the running Serves of one Server have in common.
type shared struct {
	users  int // guarded by Server.mu
	ctx    context.Context
	cancel context.CancelFunc

	fsys       fs.FS
	cache      *cache
	remotes    *remotes
	folder     *folder
	swept      sweeper
	neighbours neighbours

	mu      sync.Mutex
	active  int64                // guarded by mu
	perAddr map[netip.Addr]int64 // guarded by mu
	serving []*serving           // guarded by mu
}

// acquire makes what Serves share, or joins it.
func (s *Server) acquire() *shared {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shared == nil {
		sh := &shared{perAddr: map[netip.Addr]int64{}}
		sh.ctx, sh.cancel = context.WithCancel(context.Background())
		sh.fsys = s.FS
		if sh.fsys == nil && s.Root != nil {
			sh.fsys = rootTree{s.Root}
		}
		sh.folder = &folder{fsys: sh.fsys}
		sh.cache = newCache(limit(s.CacheBytes, defaultCacheBytes))
		sh.remotes = newRemotes(sh.ctx, s)
		s.shared = sh
	}
	s.shared.users++
	return s.shared
}

// release leaves it; the last one takes it down.
func (s *Server) release(sh *shared) error {
	s.mu.Lock()
	sh.users--
	last := sh.users == 0
	if last {
		s.shared = nil
	}
	s.mu.Unlock()
	if !last {
		return nil
	}
	sh.cancel()
	if err := errors.Join(waitFor(&sh.cache.reading), sh.remotes.close()); err != nil {
		return fmt.Errorf("tftp: serve: %w", err)
	}
	return nil
}

// admit counts a transfer in, unless a limit is reached.
func (sh *shared) admit(client netip.Addr, total, perAddr int64) bool {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.active >= total || sh.perAddr[client] >= perAddr {
		return false
	}
	sh.active++
	sh.perAddr[client]++
	return true
}

// readmit counts a transfer in again, beyond any limit.
func (sh *shared) readmit(client netip.Addr) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.active++
	sh.perAddr[client]++
}

// dismiss counts it out.
func (sh *shared) dismiss(client netip.Addr) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.active--
	if sh.perAddr[client]--; sh.perAddr[client] == 0 {
		delete(sh.perAddr, client)
	}
}

// Serve answers requests that come to pc until ctx ends, then waits for the
// transfers under way, DrainTimeout at most, and returns nil. It closes pc. Where
// a file system answers nothing, it leaves the goroutines that wait for that behind
// after some seconds, and returns an error.
//
// A *net.UDPConn is served by an event loop on Linux, any other PacketConn by
// goroutines; there, one address of the machine answers for all of them when
// SinglePort is set, which is the one the system chooses. One Serve keeps one
// processor busy at most: see ListenShared.
func (s *Server) Serve(ctx context.Context, pc net.PacketConn) (err error) {
	defer pc.Close()
	if err := s.check(); err != nil {
		return fmt.Errorf("tftp: serve: %w", err)
	}
	sh := s.acquire()
	defer func() {
		if releaseErr := s.release(sh); err == nil {
			err = releaseErr
		}
	}()
	l, err := newLoop(s, sh, pc)
	if err != nil {
		return err
	}
	recorded := make(chan struct{})
	go func() { defer close(recorded); l.recorder() }()
	stop := context.AfterFunc(ctx, func() { l.post(func() { l.drain() }) })
	entry := sh.enter(ctx, pc.LocalAddr())
	err = l.run()
	stop()
	sh.part(entry)
	pc.Close() // before its reader is waited for
	l.driver.close()
	close(l.records)
	<-recorded
	return err
}

func (s *Server) logger() *slog.Logger {
	if s.Logger != nil {
		return s.Logger
	}
	return slog.Default()
}
