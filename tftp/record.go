package tftp

import (
	"log/slog"
	"net/netip"
	"time"
)

// Result says how a transfer ended.
type Result string

// What can come of a transfer.
const (
	// ResultOK: all was transferred and acknowledged.
	ResultOK Result = "ok"
	// ResultProbe: the client asked for the options, the size mostly, and left
	// before the first block, with an ERROR or a new request. Firmware does so
	// before it loads a file; it is not an error. What the client said is in Error.
	ResultProbe Result = "probe"
	// ResultRefused: the server answered the request with an error, or not at all,
	// as a limit on transfers was reached.
	ResultRefused Result = "refused"
	// ResultAborted: the client sent an error, or began anew.
	ResultAborted Result = "aborted"
	// ResultTimeout: the client fell silent, or the transfer took too long.
	ResultTimeout Result = "timeout"
	// ResultFailed: the server could not go on, or was stopped.
	ResultFailed Result = "failed"
)

// results are all of them, in the order of the counters.
var results = [...]Result{ResultOK, ResultProbe, ResultRefused, ResultAborted, ResultTimeout, ResultFailed}

// Record is what the flight recorder keeps of one transfer.
type Record struct {
	Start        time.Time      `json:"start"`
	Client       netip.AddrPort `json:"client"`
	Server       string         `json:"server,omitempty"` // the address that the client asked, where it is known
	Op           string         `json:"op"`               // "read" or "write"
	File         string         `json:"file"`             // as the client named it
	Path         string         `json:"path,omitempty"`   // what that turned out to be: a name in the tree, or a URL
	Mode         string         `json:"mode"`             // "octet" or "netascii"
	Asked        string         `json:"asked,omitempty"`  // options, such as "blksize=1468 tsize=0"
	Granted      string         `json:"granted,omitempty"`
	BlockSize    int            `json:"blksize"`    // bytes
	WindowSize   int            `json:"windowsize"` // blocks
	Size         int64          `json:"size"`       // of the file in bytes; -1: not known
	Bytes        int64          `json:"bytes"`      // acknowledged, netascii ones as on the wire
	Blocks       int64          `json:"blocks"`     // acknowledged
	Retransmits  int            `json:"retransmits"`
	Strangers    int            `json:"strangers,omitempty"` // packets from foreign addresses
	Milliseconds float64        `json:"ms"`
	RoundTrip    float64        `json:"rtt_ms,omitempty"` // smoothed
	Result       Result         `json:"result"`
	Error        string         `json:"error,omitempty"`
	MAC          string         `json:"mac,omitempty"`   // of the client, where quirks asked for it
	Quirk        string         `json:"quirk,omitempty"` // names of the quirks applied
}

// newRecord begins that of a request, as far as it could be read.
func newRecord(d *datagram, p *packet) Record {
	r := Record{
		Start: time.Now(), Client: d.from, Op: "read", File: p.name, Mode: p.mode,
		Asked: p.options.String(), BlockSize: defaultBlockSize, WindowSize: 1, Size: -1,
	}
	if d.to.IsValid() {
		r.Server = d.to.String()
	}
	if p.op == opWRQ {
		r.Op = "write"
	}
	return r
}

// LogValue shows the record as a group of the fields that say something.
func (r *Record) LogValue() slog.Value {
	attrs := []slog.Attr{
		slog.String("file", r.File),
		slog.String("result", string(r.Result)),
		slog.Int64("bytes", r.Bytes),
		slog.Float64("ms", r.Milliseconds),
		slog.Int("blksize", r.BlockSize),
		slog.Int("windowsize", r.WindowSize),
		slog.Int("retransmits", r.Retransmits),
	}
	if r.Quirk != "" {
		attrs = append(attrs, slog.String("quirk", r.Quirk))
	}
	return slog.GroupValue(attrs...)
}
