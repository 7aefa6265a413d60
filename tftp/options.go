package tftp

import (
	"strconv"
	"strings"
	"time"
)

// Names of options.
const (
	optBlockSize  = "blksize"    // RFC 2348
	optTimeout    = "timeout"    // RFC 2349: seconds
	optUTimeout   = "utimeout"   // microseconds; tftpd-hpa's
	optSize       = "tsize"      // RFC 2349
	optWindowSize = "windowsize" // RFC 7440
	optRollover   = "rollover"   // what follows block 65535: 0 or 1; tftpd-hpa's
)

// Ranges of values.
const (
	defaultBlockSize = 512 // RFC 1350 2
	minBlockSize     = 8   // RFC 2348
	maxBlockSize     = 65464
	maxWindowSize    = 65535 // RFC 7440 3
	minTimeout       = 10 * time.Millisecond
	maxTimeout       = 255 * time.Second // RFC 2349

	// maxWindowBytes bounds what one side sends without hearing from the other.
	maxWindowBytes = 256 << 10
)

// option is one option of a request or OACK; the name is in lower case.
type option struct{ name, value string }

// options are in the order of the wire; no name occurs twice.
type options []option

func (o options) get(name string) (value string, ok bool) {
	for _, opt := range o {
		if opt.name == name {
			return opt.value, true
		}
	}
	return "", false
}

// String shows them as "blksize=1468 tsize=0".
func (o options) String() string {
	words := make([]string, len(o))
	for i, opt := range o {
		words[i] = opt.name + "=" + opt.value
	}
	return strings.Join(words, " ")
}

// number reads a value: decimal digits and nothing else.
func number(s string) (n int64, ok bool) {
	if s == "" || len(s) > 18 {
		return 0, false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = 10*n + int64(s[i]-'0')
	}
	return n, true
}

// params are what both sides have agreed upon.
type params struct {
	blockSize int
	window    int           // blocks
	timeout   time.Duration // of retransmission; 0: not negotiated
	size      int64         // of the file in bytes; -1: not known
	rollover  rollover
}

// defaultParams is a transfer without options.
func defaultParams() params {
	return params{blockSize: defaultBlockSize, window: 1, size: -1}
}

// caps are the most that a server grants.
type caps struct {
	blockSize, window int
	ignore            []string // options to leave unanswered; "*" is all of them
	rollover          rollover // when it is not negotiated
}

func (c *caps) ignores(name string) bool {
	for _, n := range c.ignore {
		if n == "*" || n == name {
			return true
		}
	}
	return false
}

// grant is a server's answer to the options of a request. RFC 2347: what it
// does not know, or cannot grant, it leaves out; the rest it answers in the
// order of the request. size is that of the file to be read, -1 when it is not
// known, and for a write not looked at.
func grant(asked options, write bool, size int64, c caps) (params, options) {
	p := defaultParams()
	p.rollover = c.rollover
	if !write {
		p.size = size
	}
	var granted options
	for _, o := range asked {
		if n, ok := number(o.value); ok && !c.ignores(o.name) {
			if n, ok = p.grantOne(o.name, n, write, c); ok {
				granted = append(granted, option{o.name, strconv.FormatInt(n, 10)})
			}
		}
	}
	return p, p.bound(granted)
}

// grantOne takes one option over and returns the value to answer.
func (p *params) grantOne(name string, n int64, write bool, c caps) (int64, bool) {
	switch name {
	case optBlockSize:
		if n < minBlockSize {
			return 0, false
		}
		n = min(n, int64(c.blockSize)) // RFC 2348: the answer may be smaller
		p.blockSize = int(n)
	case optWindowSize:
		if n < 1 {
			return 0, false
		}
		n = min(n, int64(c.window)) // RFC 7440 3: the answer may be smaller
		p.window = int(n)
	case optTimeout, optUTimeout:
		d, ok := timeoutOf(name, n)
		if !ok {
			return 0, false
		}
		p.timeout = d // RFC 2349: the same value, or no answer
	case optSize:
		if write {
			p.size = n
			return n, true // RFC 2349: echoed
		}
		return p.size, p.size >= 0
	case optRollover:
		r, ok := rolloverOf(n)
		if !ok {
			return 0, false
		}
		p.rollover = r
	default:
		return 0, false
	}
	return n, true
}

// bound makes the window small enough for maxWindowBytes, in granted too.
func (p *params) bound(granted options) options {
	most := max(1, maxWindowBytes/p.blockSize)
	if p.window <= most {
		return granted
	}
	p.window = most
	for i := range granted {
		if granted[i].name == optWindowSize {
			granted[i].value = strconv.Itoa(most)
		}
	}
	return granted
}

func timeoutOf(name string, n int64) (time.Duration, bool) {
	unit := time.Second
	if name == optUTimeout {
		unit = time.Microsecond
	}
	if n < 1 || n > int64(maxTimeout/unit) || time.Duration(n)*unit < minTimeout {
		return 0, false
	}
	return time.Duration(n) * unit, true
}

// accept is a client's reading of an OACK: what the server granted of what was
// asked.
func accept(asked, granted options) (params, error) {
	p := defaultParams()
	for _, o := range granted {
		was, ok := asked.get(o.name)
		if !ok {
			// RFC 2347: a server must not answer an option that was not asked for.
			return p, &ProtocolError{"RFC 2347", "OACK has an option that was not asked for"}
		}
		n, ok := number(o.value)
		wanted, _ := number(was)
		if !ok || !p.acceptOne(o.name, n, wanted) {
			return p, &ProtocolError{"RFC 2347", "OACK has a value that cannot be"}
		}
	}
	return p, nil
}

func (p *params) acceptOne(name string, n, wanted int64) bool {
	switch name {
	case optBlockSize:
		p.blockSize = int(n)
		return n >= minBlockSize && n <= wanted
	case optWindowSize:
		p.window = int(n)
		return n >= 1 && n <= wanted
	case optTimeout, optUTimeout:
		d, ok := timeoutOf(name, n)
		p.timeout = d
		return ok && n == wanted
	case optRollover:
		r, ok := rolloverOf(n)
		p.rollover = r
		return ok && n == wanted
	case optSize:
		p.size = n
	}
	return true
}
