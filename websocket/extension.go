package websocket

import (
	"net/http"
	"strconv"
	"strings"
)

// deflateName is the extension of RFC 7692.
const deflateName = "permessage-deflate"

// deflateParams is what was agreed upon (RFC 7692 7.1). Bits of 0 mean 15.
type deflateParams struct {
	on               bool
	serverNoTakeover bool
	clientNoTakeover bool
	serverBits       uint8 // server_max_window_bits
	clientBits       uint8 // client_max_window_bits
}

// deflateOffer is one offer of a client, or what a server has chosen.
type deflateOffer struct {
	deflateParams
	clientBitsAllowed bool // client_max_window_bits was there, with or without a value
}

// extension is one element of Sec-WebSocket-Extensions (RFC 6455 9.1).
type extension struct {
	name   string
	params [][2]string // name and value
}

// parseExtensions reads the extensions that a header lists. It leaves out what it
// cannot read, and reports that.
func parseExtensions(h http.Header) (list []extension, ok bool) {
	ok = true
	for _, line := range h[headerExtensions] {
		for element := range splitQuoted(line, ',') {
			if strings.Trim(element, " \t") == "" {
				continue
			}
			e, valid := parseExtension(element)
			if !valid {
				ok = false
				continue
			}
			list = append(list, e)
		}
	}
	return list, ok
}

func parseExtension(s string) (e extension, ok bool) {
	for part := range splitQuoted(s, ';') {
		name, value, has := strings.Cut(part, "=")
		name, value = strings.Trim(name, " \t"), strings.Trim(value, " \t")
		if has {
			if value, ok = unquote(value); !ok {
				return e, false
			}
		}
		if !isToken(name) {
			return e, false
		}
		if e.name == "" {
			if has {
				return e, false
			}
			e.name = name
			continue
		}
		e.params = append(e.params, [2]string{name, value})
	}
	return e, e.name != ""
}

// unquote reads a token, or a quoted string that holds one (RFC 6455 9.1).
func unquote(s string) (string, bool) {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		s = strings.ReplaceAll(s[1:len(s)-1], `\`, "")
	}
	return s, isToken(s)
}

// splitQuoted cuts s at each sep that is not within a quoted string.
func splitQuoted(s string, sep byte) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		start, quoted := 0, false
		for i := 0; i < len(s); i++ {
			switch {
			case s[i] == '"':
				quoted = !quoted
			case quoted && s[i] == '\\':
				i++
			case s[i] == sep && !quoted:
				if !yield(s[start:i]) {
					return
				}
				start = i + 1
			}
		}
		yield(s[start:])
	}
}

// parseDeflate reads the parameters of permessage-deflate; false when one is
// unknown, comes twice or has a value that it must not have (RFC 7692 7).
func parseDeflate(e extension, response bool) (o deflateOffer, ok bool) {
	seen := 0
	for _, p := range e.params {
		bit := 0
		switch name, value := p[0], p[1]; name {
		case "server_no_context_takeover":
			bit, ok, o.serverNoTakeover = 1, value == "", true
		case "client_no_context_takeover":
			bit, ok, o.clientNoTakeover = 2, value == "", true
		case "server_max_window_bits":
			bit = 4
			o.serverBits, ok = windowBits(value)
		case "client_max_window_bits":
			bit, o.clientBitsAllowed = 8, true
			// RFC 7692 7.1.2.2: in an offer it may come without a value.
			if o.clientBits, ok = windowBits(value); value == "" && !response {
				o.clientBits, ok = 0, true
			}
		default:
			return o, false
		}
		if !ok || seen&bit != 0 {
			return o, false
		}
		seen |= bit
	}
	o.on = true
	return o, true
}

// windowBits reads 8 to 15, without a leading zero (RFC 7692 7.1.2).
func windowBits(s string) (uint8, bool) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 8 || n > 15 || s[0] == '0' || s[0] == '+' {
		return 0, false
	}
	return uint8(n), true
}

// acceptDeflate chooses among the offers of a client: the first that we can serve.
func acceptDeflate(h http.Header, d *Deflate) (p deflateParams, response string) {
	list, _ := parseExtensions(h)
	for _, e := range list {
		if d == nil || !strings.EqualFold(e.name, deflateName) {
			continue
		}
		// RFC 7692 7.1: an offer that is not understood is declined.
		o, ok := parseDeflate(e, false)
		if !ok {
			continue
		}
		return d.agree(o)
	}
	return deflateParams{}, ""
}

// agree answers an offer (RFC 7692 7.1.1, 7.1.2).
func (d *Deflate) agree(o deflateOffer) (p deflateParams, response string) {
	p.on = true
	// Without the parameter the client could take over; the server may say no to
	// that for both directions, and has to where it was asked to.
	p.serverNoTakeover = o.serverNoTakeover || !d.ContextTakeover
	p.clientNoTakeover = o.clientNoTakeover || !d.ContextTakeover
	p.serverBits = lessBits(o.serverBits, d.bits())
	if o.clientBitsAllowed {
		p.clientBits = lessBits(o.clientBits, d.bits())
	}
	return p, p.header()
}

// lessBits is the smaller window; 0 means 15.
func lessBits(a, b uint8) uint8 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// header writes what was agreed upon.
func (p deflateParams) header() string {
	s := deflateName
	if p.serverNoTakeover {
		s += "; server_no_context_takeover"
	}
	if p.clientNoTakeover {
		s += "; client_no_context_takeover"
	}
	if p.serverBits != 0 {
		s += "; server_max_window_bits=" + strconv.Itoa(int(p.serverBits))
	}
	if p.clientBits != 0 {
		s += "; client_max_window_bits=" + strconv.Itoa(int(p.clientBits))
	}
	return s
}

// offer is what a client offers. It always understands client_max_window_bits.
func (d *Deflate) offer() string {
	p := deflateParams{serverNoTakeover: !d.ContextTakeover, clientNoTakeover: !d.ContextTakeover, serverBits: d.bits()}
	if b := d.bits(); b != 0 {
		p.clientBits = b
		return p.header()
	}
	return p.header() + "; client_max_window_bits"
}

// checkDeflate reads what a server has chosen of our offer (RFC 7692 7.1); false
// when that is not what was offered.
func checkDeflate(h http.Header, d *Deflate) (p deflateParams, ok bool) {
	list, valid := parseExtensions(h)
	if !valid || len(list) > 1 {
		return p, false
	}
	if len(list) == 0 {
		return p, true
	}
	// RFC 6455 4.1: an extension that was not offered fails the connection.
	if d == nil || !strings.EqualFold(list[0].name, deflateName) {
		return p, false
	}
	o, ok := parseDeflate(list[0], true)
	if !ok {
		return p, false
	}
	p = o.deflateParams
	// RFC 7692 7.1.1.1: asked to start anew, the server says that it does.
	if !d.ContextTakeover {
		if !p.serverNoTakeover {
			return p, false
		}
		p.clientNoTakeover = true // we announced that, whatever the server says
	}
	// RFC 7692 7.1.2.1: it cannot have a larger window than it was allowed.
	if b := d.bits(); b != 0 && (p.serverBits == 0 || p.serverBits > b) {
		return p, false
	}
	p.clientBits = lessBits(p.clientBits, d.bits())
	return p, true
}
