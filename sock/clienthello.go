package sock

// FirstRecordIsTLS reports whether b, the first bytes of a connection, begin a
// TLS handshake. It looks at what is there, six bytes at most, and one is enough
// to tell TLS from HTTP, SMTP, SSH or a PROXY protocol header. An empty b is
// not TLS.
//
// RFC 8446 5.1 and 4: a handshake record (22), version 3.x, a length of at most
// 2^14, and in it a ClientHello (1).
func FirstRecordIsTLS(b []byte) bool {
	if len(b) == 0 || b[0] != 22 {
		return false
	}
	if len(b) > 1 && b[1] != 3 {
		return false
	}
	if len(b) > 2 && b[2] > 4 {
		return false
	}
	if len(b) > 4 {
		if n := int(b[3])<<8 | int(b[4]); n == 0 || n > 1<<14 {
			return false
		}
	}
	return len(b) <= 5 || b[5] == 1
}
