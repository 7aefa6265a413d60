package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/burrownet/burrow/httpd"
	"github.com/burrownet/burrow/sock"
	"github.com/burrownet/burrow/tftp"
)

// tftpServeVerb is "burrow tftp serve".
type tftpServeVerb struct {
	Dir          string   `arg:"" optional:"" default:"." help:"Folder to serve. Default: the current one."`
	Listen       []string `short:"l" default:":69" sep:"none" placeholder:"ADDR" help:"Address to listen on: HOST:PORT, :PORT for every network this machine is in, or systemd:NAME. May be given several times. Default: :69."`
	Write        string   `enum:"none,create,overwrite" default:"none" placeholder:"HOW" help:"Let clients write: create (new files only) or overwrite. Default: none."`
	MaxSize      int64    `name:"max-size" default:"1073741824" placeholder:"BYTES" help:"Largest file that a client may write. Default: 1 GiB."`
	SinglePort   bool     `name:"single-port" help:"Answer from the port that was asked, for containers and firewalls."`
	Ports        string   `placeholder:"MIN-MAX" help:"Ports to answer from. Default: any."`
	Map          []string `sep:"none" placeholder:"PREFIX=URL" help:"Serve what is behind a URL under a prefix. May be given several times."`
	IgnoreCase   bool     `name:"ignore-case" help:"Find files whatever the case of letters."`
	Hidden       bool     `help:"Serve names that begin with a dot."`
	BlockSize    int      `name:"blksize" default:"65464" placeholder:"BYTES" help:"Largest block size to grant. Default: 65464."`
	WindowSize   int      `name:"windowsize" default:"64" placeholder:"BLOCKS" help:"Largest window to grant. Default: 64."`
	MaxTransfers int      `name:"max-transfers" default:"4096" placeholder:"N" help:"Transfers at the same time. Default: 4096."`
	MaxPerAddr   int      `name:"max-per-addr" default:"64" placeholder:"N" help:"Transfers at the same time for one address; a room behind NAT is one. Default: 64."`
	Cache        string   `placeholder:"DIR" help:"Where large files behind --map are kept while this runs. Default: the folder for temporary files."`
	CacheSize    int64    `name:"cache-size" default:"4294967296" placeholder:"BYTES" help:"How much is kept there, which is also the largest file that --map can serve. Default: 4 GiB."`
	Quirk        []string `sep:"none" placeholder:"SPEC" help:"What some clients need to have different, such as mac=00:1b:78,blksize=1024 or net=10.0.5.0/24,ignore=*. May be given several times."`
	Loops        int      `placeholder:"N" help:"Event loops for each address, of which each keeps one processor busy at most. Default: one less than processors, up to 4."`
	User         string   `placeholder:"NAME" help:"Become this user once the ports are open."`
	Metrics      string   `placeholder:"ADDR" help:"Serve figures for Prometheus on http://ADDR/metrics."`
	JSON         bool     `name:"json" help:"Print a record of each transfer as a line of JSON."`
	Quiet        bool     `short:"q" help:"Do not log transfers."`

	portMin, portMax int
	mounts           []tftp.Mount
	quirks           []tftp.Quirk
}

// Help is the long help of the verb.
func (tftpServeVerb) Help() string {
	return `Names may be written with slashes or backslashes; links that lead out of the folder are not followed. Each transfer is logged as one line on standard error. A client that asks for the size of a file and leaves is a probe, not an error.

Boot a room of machines from this folder, kernels from a mirror:

    $ sudo burrow tftp serve /srv/boot --user nobody --map mirror/=https://mirror.example/images/

Try it as an ordinary user, on another port:

    $ burrow tftp serve --listen 127.0.0.1:6969
    $ burrow tftp get 127.0.0.1:6969 pxelinux.0

A --quirk is for the clients whose hardware address begins with mac= (on Linux, with IPv4), and whose address is in net=; without both for all. blksize= and windowsize= cap what is granted, ignore= leaves options unanswered (joined by +, or * for all), rollover=1 numbers the block after 65535 as 1, and name= is what the log calls it.

Ctrl-C lets running transfers finish, and a second Ctrl-C does not.`
}

// Validate is called once the flags are parsed.
func (v *tftpServeVerb) Validate() error {
	switch {
	case v.Loops < 0 || v.Loops > maxLoops:
		return fmt.Errorf("--loops is from 1 to %d, not %d", maxLoops, v.Loops)
	case v.MaxSize < 1:
		return errors.New("--max-size is at least 1")
	case v.BlockSize < 8 || v.BlockSize > 65464:
		return errors.New("--blksize is from 8 to 65464 (RFC 2348)")
	case v.WindowSize < 1 || v.WindowSize > 65535:
		return errors.New("--windowsize is from 1 to 65535 (RFC 7440)")
	case v.MaxTransfers < 1:
		return errors.New("--max-transfers is at least 1")
	case v.MaxPerAddr < 1:
		return errors.New("--max-per-addr is at least 1")
	case v.CacheSize < 1:
		return errors.New("--cache-size is at least 1")
	}
	if err := v.checkPorts(); err != nil {
		return err
	}
	for _, spec := range v.Quirk {
		q, err := parseQuirk(spec)
		if err != nil {
			return err
		}
		v.quirks = append(v.quirks, q)
	}
	return v.checkMap()
}

// checkPorts reads --ports.
func (v *tftpServeVerb) checkPorts() error {
	if v.Ports == "" {
		return nil
	}
	low, high, ok := strings.Cut(v.Ports, "-")
	var err, err2 error
	v.portMin, err = strconv.Atoi(low)
	v.portMax, err2 = strconv.Atoi(high)
	switch {
	case !ok || err != nil || err2 != nil || v.portMin < 1 || v.portMax < v.portMin || v.portMax > 65535:
		return fmt.Errorf("--ports is a range such as 50000-50999, not %q", v.Ports)
	case v.SinglePort:
		return errors.New("--single-port answers from one port: leave out --ports")
	case v.User != "" && v.portMin < 1024:
		return errors.New("--ports below 1024 are for root, and are opened after it became --user: choose higher ones")
	}
	return nil
}

// checkMap reads --map.
func (v *tftpServeVerb) checkMap() error {
	for _, m := range v.Map {
		prefix, target, ok := strings.Cut(m, "=")
		u, err := url.Parse(target)
		if !ok || err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return errors.New("--map is PREFIX=URL, such as images/=https://boot.example/images/") // m may have a password
		}
		folder := prefix == "" || strings.HasSuffix(prefix, "/")
		if folder != strings.HasSuffix(target, "/") {
			return fmt.Errorf("--map %s: for a folder both end in a slash, for a single file neither", prefix+"="+u.Redacted())
		}
		v.mounts = append(v.mounts, tftp.Mount{Prefix: prefix, URL: target})
	}
	return nil
}

// Run serves until a signal ends it.
func (v *tftpServeVerb) Run(t *terminal) error {
	root, err := openFolder(v.Dir)
	if err != nil {
		return err
	}
	defer root.Close()
	ctx, stop := untilSignal(t)
	defer stop()
	sockets, err := v.listen(ctx)
	if err != nil {
		return err
	}
	var metrics net.Listener
	if v.Metrics != "" {
		if metrics, err = sock.Listen(ctx, v.Metrics, nil); err != nil {
			closeSockets(sockets)
			return err
		}
	}
	if v.User != "" {
		if err := becomeUser(v.User); err != nil {
			closeSockets(sockets)
			return err
		}
	}
	said := ""
	for _, s := range sockets {
		if addr := s.LocalAddr().String(); addr != said {
			fmt.Fprintf(t.err, "Serving %s on tftp://%s\n", v.Dir, addr)
			said = addr
		}
	}
	return v.serveAll(ctx, v.server(t, root), sockets, metrics)
}

// server is made from the flags.
func (v *tftpServeVerb) server(t *terminal, root *os.Root) *tftp.Server {
	policies := map[string]tftp.WritePolicy{"create": tftp.WriteCreate, "overwrite": tftp.WriteOverwrite}
	return &tftp.Server{
		Root: root, Mounts: v.mounts, CaseInsensitive: v.IgnoreCase, ShowHidden: v.Hidden,
		Write: policies[v.Write], MaxFileSize: v.MaxSize,
		SinglePort: v.SinglePort, PortMin: v.portMin, PortMax: v.portMax,
		BlockSize: v.BlockSize, WindowSize: v.WindowSize, MaxTransfers: v.MaxTransfers,
		MaxTransfersPerAddr: v.MaxPerAddr, CacheDir: v.Cache, RemoteDisk: v.CacheSize, Quirks: v.quirks,
		OnTransfer: v.recorder(t), Logger: slog.New(slog.DiscardHandler),
	}
}

// recorder prints the records: JSON is data, a line for people is talk.
func (v *tftpServeVerb) recorder(t *terminal) func(tftp.Record) {
	var mu sync.Mutex // several sockets have a recorder each
	return func(r tftp.Record) {
		mu.Lock()
		defer mu.Unlock()
		if v.JSON {
			json.NewEncoder(t.out).Encode(r)
		}
		if !v.Quiet && !v.JSON {
			printRecord(t, &r)
		}
	}
}

// printRecord writes one line for people.
func printRecord(t *terminal, r *tftp.Record) {
	verb := "read"
	if r.Op == "write" {
		verb = "wrote"
	}
	end := fmt.Sprintf("%s in %.3f s, blocks of %d, windows of %d%s", byteCount(r.Bytes), r.Milliseconds/1000, r.BlockSize, r.WindowSize, sentAgain(r))
	switch r.Result {
	case tftp.ResultOK:
	case tftp.ResultProbe:
		verb, end = "asked about", r.Granted
	default:
		verb, end = t.style("31", string(r.Result))+" "+r.Op, oneLine(r.Error)
	}
	if r.Quirk != "" {
		end += ", quirk " + oneLine(r.Quirk)
	}
	fmt.Fprintf(t.err, "%s %s %s %q: %s\n", r.Start.Format("15:04:05"), r.Client, verb, r.File, end)
}

// oneLine keeps what a stranger says from looking like a line of the log.
func oneLine(s string) string { return strings.ReplaceAll(harmless(s), "\n", `\n`) }

// serveAll serves every socket until ctx ends or one of them fails, which ends
// the others.
func (v *tftpServeVerb) serveAll(ctx context.Context, s *tftp.Server, sockets []*net.UDPConn, metrics net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	failed := make(chan error, len(sockets)+1)
	run := func(serve func() error) {
		wg.Go(func() {
			defer cancel()
			if err := serve(); err != nil {
				failed <- err
			}
		})
	}
	for _, pc := range sockets {
		run(func() error { return s.Serve(ctx, pc) })
	}
	if metrics != nil {
		h := &httpd.Server{Handler: metricsHandler(s)}
		run(func() error { return h.Serve(ctx, metrics) })
	}
	wg.Wait()
	close(failed)
	return <-failed
}

func metricsHandler(s *tftp.Server) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		s.WriteMetrics(io.Writer(w))
	})
	return mux
}

const (
	mostLoops = 4 // for an address, unasked
	maxLoops  = 256
)

// listen opens every address or none, each as often as there are loops for it.
func (v *tftpServeVerb) listen(ctx context.Context) ([]*net.UDPConn, error) {
	loops := v.Loops
	if loops == 0 {
		loops = max(1, min(runtime.GOMAXPROCS(0)-1, mostLoops)) // files and origins need one, too
	}
	var sockets []*net.UDPConn
	for _, a := range v.Listen {
		shared, err := tftp.ListenShared(ctx, a, loops)
		if err != nil {
			closeSockets(sockets)
			switch {
			case errors.Is(err, os.ErrPermission):
				return nil, fmt.Errorf("%w; ports below 1024 are for root: use sudo with --user, a systemd socket, or --listen :6969", err)
			case errors.Is(err, syscall.EADDRINUSE):
				return nil, fmt.Errorf("%w: another program listens there; stop it, or choose another port with --listen", err)
			}
			return nil, err
		}
		sockets = append(sockets, shared...)
	}
	return sockets, nil
}

func closeSockets(sockets []*net.UDPConn) {
	for _, s := range sockets {
		s.Close()
	}
}
