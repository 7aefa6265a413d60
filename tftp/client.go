package tftp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Defaults of Client.
const (
	DefaultClientWindow  = 16
	DefaultClientSilence = 30 * time.Second

	// blockSizeFor is the data that fits an Ethernet frame without fragments.
	blockSizeFor4 = 1468
	blockSizeFor6 = 1448

	clientDally = 250 * time.Millisecond
)

// Client gets and puts files. The zero value asks for blocks that fill an
// Ethernet frame and windows of 16, and takes what the server grants. Its
// methods may be called concurrently; fields are not written meanwhile. With one that
// is out of its range they fail before anything is sent.
type Client struct {
	// BlockSize is the blksize to ask for, in bytes, 8 to 65464 (RFC 2348). 0: 1468,
	// or 1448 over IPv6; negative: not asked for, which means 512.
	BlockSize int
	// WindowSize is the windowsize to ask for, in blocks, 1 to 65535 (RFC 7440).
	// 0: DefaultClientWindow; negative: not asked for, which means 1.
	WindowSize int
	// Timeout is when a packet is first sent again, until the round trip is known.
	// 0: DefaultTimeout.
	Timeout time.Duration
	// AskTimeout has the server use Timeout too: as the option timeout when it is
	// whole seconds, else as utimeout. It can be 10 milliseconds to 255 seconds then.
	AskTimeout bool
	// Rollover asks for the number that follows block 65535: "0" or "1". Empty:
	// not asked for.
	Rollover string
	// NoSize leaves the option tsize out.
	NoSize bool
	// ASCII transfers in netascii: lines end in LF here and in CR LF on the wire.
	ASCII bool
	// Silence ends an attempt when nothing has come from the server for so long, or
	// for three times the timeout that was negotiated, whichever is longer.
	// 0: DefaultClientSilence, or three times Timeout.
	Silence time.Duration
	// MaxDuration ends an attempt in any case. 0 and negative: unlimited; the
	// context bounds the whole.
	MaxDuration time.Duration
	// Retries is how often a transfer that was cut off is begun anew. What has
	// arrived before is not written twice: it is compared, and ErrChanged is the
	// error when the file is another one meanwhile. A server that refuses for a
	// reason that has no number of its own, or is known not to listen, is asked again
	// after 1, 2, 4 and then 8 seconds. One of which nothing was heard is not asked
	// again, see RetrySilent. 0: never.
	Retries int
	// RetrySilent has Retries count for servers of which nothing was heard, too: each
	// of these attempts takes as long as Silence.
	RetrySilent bool
	// MaxFileSize limits what Get takes, in bytes. 0 and negative: unlimited.
	MaxFileSize int64
	// Listen is the local address to use. The zero value: any.
	Listen netip.AddrPort
	// OnProgress is called after each window, from the goroutine of the call. total
	// is -1 when it is not known. It must not block.
	OnProgress func(done, total int64)
	// OnNoAnswer is called each time the request is sent, or about to be sent, again
	// since the server has not said anything yet; waited is for how long. Like
	// OnProgress it must not block.
	OnNoAnswer func(server netip.AddrPort, waited time.Duration)
}

// ErrChanged says that a file changed between two attempts to get it.
var ErrChanged = errors.New("tftp: the file changed between two attempts")

// Get reads a file from a server, "host", "host:port" or an address (port 69 when
// there is none), and writes it to w. Of several addresses that a name has, those
// that say nothing are passed over. The record is never nil.
func (c *Client) Get(ctx context.Context, server, name string, w io.Writer) (*Record, error) {
	out := &resumable{w: w, most: c.MaxFileSize}
	rec, err := c.attempts(ctx, server, name, opRRQ, func(e *exchange) error {
		out.begin()
		e.out = out
		return nil
	})
	return rec, wrapped("get "+name, err)
}

// Put writes a file on a server from r. size is how many bytes r has, -1 when
// that is not known; where it turns out to be wrong the server is told, and no
// file appears. Retries need r to be an io.Seeker.
func (c *Client) Put(ctx context.Context, server, name string, r io.Reader, size int64) (*Record, error) {
	var start int64
	seeker, seekable := r.(io.Seeker)
	if seekable {
		var err error
		if start, err = seeker.Seek(0, io.SeekCurrent); err != nil {
			seekable = false
		}
	}
	var source *blockSource
	rec, err := c.attempts(ctx, server, name, opWRQ, func(e *exchange) error {
		if source != nil && source.used {
			if !seekable {
				return errNoRetry
			}
			if _, err := seeker.Seek(start, io.SeekStart); err != nil {
				return err
			}
		}
		source = &blockSource{r: r, ascii: c.ASCII, whole: size}
		if c.ASCII {
			source.whole = -1 // the size on the wire is another
		}
		e.in, e.size = source, size
		return nil
	})
	return rec, wrapped("put "+name, err)
}

var errNoRetry = errors.New("the input cannot be read again")

// opError says what was tried.
type opError struct {
	op  string
	err error
}

// Error leaves out the name of the package where the cause begins with it.
func (e *opError) Error() string {
	return "tftp: " + e.op + ": " + strings.TrimPrefix(e.err.Error(), "tftp: ")
}

func (e *opError) Unwrap() error { return e.err }

// wrapped says what was tried, if that failed.
func wrapped(op string, err error) error {
	if err == nil {
		return nil
	}
	return &opError{op, err}
}

// attempts tries as often as it is allowed to and makes sense.
func (c *Client) attempts(ctx context.Context, server, name string, op opcode, prepare func(*exchange) error) (*Record, error) {
	rec := &Record{Start: time.Now(), Op: "read", File: name, Mode: "octet", Size: -1, Result: ResultFailed}
	if op == opWRQ {
		rec.Op = "write"
	}
	if c.ASCII {
		rec.Mode = "netascii"
	}
	began := time.Now()
	defer func() { rec.Milliseconds = milliseconds(time.Since(began)) }()
	err := c.check()
	var addrs []netip.AddrPort
	if err == nil {
		addrs, err = resolve(ctx, server)
	}
	if err == nil {
		err = c.try(ctx, rec, addrs, op, prepare)
	}
	if err != nil {
		return rec, c.failed(rec, err)
	}
	rec.Result, rec.Error = ResultOK, ""
	return rec, nil
}

// try makes attempts at a server that has these addresses.
func (c *Client) try(ctx context.Context, rec *Record, addrs []netip.AddrPort, op opcode, prepare func(*exchange) error) error {
	t := tries{addrs: addrs, left: max(0, c.Retries), silent: c.RetrySilent, began: time.Now(), noAnswer: c.OnNoAnswer}
	for {
		e := &exchange{client: c, rec: rec, server: t.addrs[0], op: op, name: rec.File, plain: t.plain, size: -1}
		err := prepare(e)
		if err == nil {
			err = e.run(ctx)
		}
		if err == nil {
			return nil
		}
		if err := t.again(ctx, err, e.peer.IsValid()); err != nil {
			return err
		}
	}
}

// tries decides what an attempt that failed is followed by.
type tries struct {
	addrs  []netip.AddrPort // of the server; the first is the one to ask
	left   int
	silent bool // also when nothing was heard
	plain  bool // without options
	pauses int

	began    time.Time
	noAnswer func(server netip.AddrPort, waited time.Duration)
}

// again returns nil when there is to be another attempt, else the error that the
// call ends with. heard says that the server has said something.
func (t *tries) again(ctx context.Context, err error, heard bool) error {
	refused, ok := errors.AsType[*Error](err)
	switch {
	case ctx.Err() != nil:
		return err
	case ok && refused.Code == CodeOptions && !t.plain:
		t.plain = true // RFC 2347: the server would rather have none
		return nil
	case !worthRetrying(err):
		return err
	case !heard && len(t.addrs) > 1:
		t.addrs = t.addrs[1:]
		return nil
	}
	closed := !heard && errors.Is(err, syscall.ECONNREFUSED) // it may be about to start
	if t.left == 0 || !heard && !closed && !t.silent {
		return err
	}
	t.left--
	if !ok && !closed {
		return nil // it has taken its time already
	}
	if closed && t.noAnswer != nil {
		t.noAnswer(t.addrs[0], time.Since(t.began))
	}
	t.pauses++
	return pause(ctx, t.pauses)
}

// pause waits before a server that has refused is asked again: 1 second, then 2, 4
// and 8.
func pause(ctx context.Context, times int) error {
	wait := time.NewTimer(time.Second << min(times-1, 3))
	defer wait.Stop()
	select {
	case <-wait.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *Client) failed(rec *Record, err error) error {
	rec.Error = err.Error()
	switch {
	case errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		rec.Result = ResultTimeout
	case errors.Is(err, context.Canceled):
		rec.Result = ResultAborted
	default:
		if _, ok := errors.AsType[*Error](err); ok {
			rec.Result = ResultRefused
		}
	}
	return err
}

func isTimeout(err error) bool {
	_, ok := errors.AsType[*timeoutError](err)
	return ok
}

// worthRetrying: the network failed, and not the server's will or our disk.
func worthRetrying(err error) bool {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code == CodeUndefined || e.Code == CodeUnknownTransfer
	}
	_, network := errors.AsType[*net.OpError](err)
	return isTimeout(err) || network
}

// resolve finds the addresses of a server.
func resolve(ctx context.Context, server string) ([]netip.AddrPort, error) {
	if ap, err := netip.ParseAddrPort(server); err == nil {
		return []netip.AddrPort{netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())}, nil
	}
	host, port, err := net.SplitHostPort(server)
	if err != nil { // there is no port: RFC 3986 3.2.2 puts IPv6 addresses in brackets then too
		host, port = server, "69"
		if inner, ok := strings.CutPrefix(server, "["); ok && strings.HasSuffix(inner, "]") {
			host = strings.TrimSuffix(inner, "]")
		}
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("%q is not a port", port)
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.AddrPort{netip.AddrPortFrom(a.Unmap(), uint16(number))}, nil
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	all := make([]netip.AddrPort, len(addrs))
	for i, a := range addrs {
		all[i] = netip.AddrPortFrom(a.Unmap(), uint16(number))
	}
	return all, nil
}

// options are what to ask for.
func (c *Client) options(op opcode, server netip.Addr, size int64) options {
	var o options
	add := func(name string, n int64) { o = append(o, option{name, strconv.FormatInt(n, 10)}) }
	switch {
	case c.NoSize || c.ASCII:
	case op == opRRQ:
		add(optSize, 0) // RFC 2349
	case size >= 0:
		add(optSize, size)
	}
	block := c.BlockSize
	if block == 0 {
		block = blockSizeFor4
		if server.Is6() {
			block = blockSizeFor6
		}
	}
	if block > 0 {
		add(optBlockSize, int64(block))
	}
	window := c.WindowSize
	if window == 0 {
		window = DefaultClientWindow
	}
	if window > 0 {
		add(optWindowSize, int64(window))
	}
	if c.AskTimeout {
		if d := c.timeout(); d%time.Second == 0 {
			add(optTimeout, int64(d/time.Second))
		} else {
			add(optUTimeout, d.Microseconds())
		}
	}
	if c.Rollover != "" {
		o = append(o, option{optRollover, c.Rollover})
	}
	return o
}

func (c *Client) timeout() time.Duration {
	if c.Timeout <= 0 {
		return DefaultTimeout
	}
	return c.Timeout
}

func (c *Client) pace() pace {
	p := pace{first: c.timeout(), least: DefaultMinTimeout, silence: c.Silence, total: c.MaxDuration}
	if p.silence <= 0 {
		p.silence = max(DefaultClientSilence, timeoutsOfSilence*p.first)
	}
	return p
}
