package http1

import "bytes"

// target reads the request target at b[i:] (RFC 9112 3.2) and returns the index
// after it; 0 when it is at fault or, if err is nil, the line is incomplete.
func (r *Request) target(b []byte, i int) (int, *Error) {
	r.Scheme, r.Host, r.Query, r.HasQuery = nil, nil, nil, false
	if i == len(b) {
		return 0, nil
	}
	if b[i] != '/' {
		return r.otherTarget(b, i)
	}
	// A path is taken for CONNECT too, beyond RFC 9112 3.2.3: it cannot be mistaken for
	// an authority, and clients of net/rpc send one.
	end := scanPath(b, i)
	r.Form, r.Path = Origin, b[i:end:end]
	if end < len(b) && b[end] == '?' {
		query := end + 1
		end = scanQuery(b, query)
		r.Query, r.HasQuery = b[query:end:end], true
	}
	if end == len(b) || b[end] != ' ' {
		return 0, targetFault(b, end)
	}
	r.Target = b[i:end:end]
	return end, nil
}

// targetFault says what is wrong with the target, when b[i] is the byte where it
// ought to end; nil while the line is incomplete. In a line of another version of
// HTTP that is no matter of ours ("PRI * HTTP/2.0", RFC 9113 3.4).
func targetFault(b []byte, i int) *Error {
	fault := lineFault(b, i, ErrBadTarget)
	if fault != ErrBadTarget {
		return fault
	}
	if b[i] == '\r' {
		return ErrBadRequestLine // the line ends with the target, as in HTTP/0.9
	}
	line := b[i : i+bytes.IndexByte(b[i:], '\n')]
	if n := len(line) - len(" HTTP/2.0\r"); n >= 0 && line[n] == ' ' {
		if _, err := parseVersion(line[n+1 : n+9]); err == ErrVersion {
			return ErrVersion
		}
	}
	return ErrBadTarget
}

// otherTarget reads a target that is not in origin form.
func (r *Request) otherTarget(b []byte, i int) (int, *Error) {
	end := scanQuery(b, i)
	if end == len(b) || b[end] != ' ' || end == i {
		return 0, targetFault(b, end)
	}
	t := b[i:end:end]
	r.Target, r.Path = t, nil
	ok := false
	switch {
	case string(r.Method) == "CONNECT":
		// RFC 9112 3.2.3: host and port, both needed.
		r.Form, r.Host = Authority, t
		ok = digit(t[len(t)-1]) && bytes.LastIndexByte(t, ':') > bytes.LastIndexByte(t, ']') && validAuthority(t, false)
	case string(t) == "*":
		// RFC 9112 3.2.4: only for OPTIONS.
		r.Form, r.Path = Asterisk, t
		ok = string(r.Method) == "OPTIONS"
	default:
		r.Form = Absolute
		ok = r.absoluteForm(t)
	}
	if !ok {
		return 0, targetFault(b, end)
	}
	return end, nil
}

// absoluteForm takes a target apart that is an absolute URI with an authority
// (RFC 9112 3.2.2, RFC 3986 4.3) and reports whether it is one.
func (r *Request) absoluteForm(t []byte) bool {
	colon := bytes.IndexByte(t, ':')
	if colon <= 0 || !validScheme(t[:colon]) || !bytes.HasPrefix(t[colon:], []byte("://")) {
		return false
	}
	r.Scheme = t[:colon:colon]
	rest := t[colon+3:]
	end := bytes.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	// RFC 9110 4.2.1: an empty host is invalid; 4.2.4: so is userinfo, in effect.
	r.Host = rest[:end:end]
	if !validAuthority(r.Host, false) {
		return false
	}
	rest = rest[end:]
	end = scanPath(rest, 0)
	r.Path = rest[:end:end]
	if end < len(rest) {
		if rest[end] != '?' {
			return false
		}
		r.Query, r.HasQuery = rest[end+1:], true
	}
	return true
}

// validScheme reports whether b is ALPHA *( ALPHA / DIGIT / "+" / "-" / "." )
// (RFC 3986 3.1).
func validScheme(b []byte) bool {
	for i, c := range b {
		alpha := lower(c) >= 'a' && lower(c) <= 'z'
		if !alpha && (i == 0 || !digit(c) && c != '+' && c != '-' && c != '.') {
			return false
		}
	}
	return len(b) > 0
}

// validAuthority reports whether b is uri-host [ ":" port ] (RFC 9110 7.2, RFC 3986
// 3.2.2): a name, an IPv4 address or an IPv6 literal, and a port of up to 65535 or
// an empty one. A host may be empty only if the caller allows it; then no port may
// follow. Percent-encoding, zones and userinfo are refused.
func validAuthority(b []byte, empty bool) bool {
	if len(b) == 0 {
		return empty
	}
	i := 0
	if b[0] == '[' {
		i = bytes.IndexByte(b, ']')
		if i < 0 || !validIPv6(b[1:i]) {
			return false
		}
		i++
	} else {
		for i < len(b) && class[b[i]]&classHost != 0 {
			i++
		}
	}
	if i == 0 {
		return false
	}
	return i == len(b) || b[i] == ':' && validPort(b[i+1:])
}

// validPort reports whether b is *DIGIT and at most 65535.
func validPort(b []byte) bool {
	port := 0
	for _, c := range b {
		if !digit(c) || len(b) > 5 {
			return false
		}
		port = port*10 + int(c-'0')
	}
	return port <= 65535
}

// validIPv6 reports whether b is an IPv6address (RFC 3986 3.2.2): eight groups of
// one to four hex digits, of which one run of zeros may be written "::" and the
// last two as an IPv4 address.
func validIPv6(b []byte) bool {
	groups, gap := 0, false
	if bytes.HasPrefix(b, []byte("::")) {
		gap, b = true, b[2:]
	}
	for len(b) > 0 {
		n := 0
		for n < len(b) && class[b[n]]&classHex != 0 {
			n++
		}
		if n < len(b) && b[n] == '.' {
			return validIPv4(b) && (gap && groups < 6 || !gap && groups == 6)
		}
		if n == 0 || n > 4 {
			return false
		}
		groups++
		b = b[n:]
		switch {
		case len(b) == 0:
		case b[0] != ':' || len(b) == 1:
			return false
		case b[1] != ':':
			b = b[1:]
		case gap:
			return false
		default:
			gap, b = true, b[2:]
		}
	}
	return gap && groups < 8 || !gap && groups == 8
}

// validIPv4 reports whether b is four numbers up to 255 without leading zeros.
func validIPv4(b []byte) bool {
	for part := range 4 {
		n, v := 0, 0
		for n < len(b) && n < 3 && digit(b[n]) {
			v = v*10 + int(b[n]-'0')
			n++
		}
		if n == 0 || v > 255 || n > 1 && b[0] == '0' {
			return false
		}
		b = b[n:]
		if part == 3 {
			break
		}
		if len(b) == 0 || b[0] != '.' {
			return false
		}
		b = b[1:]
	}
	return len(b) == 0
}
