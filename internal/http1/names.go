package http1

// notInTrailer marks a field that must not be in a trailer section
// (RFC 9110 6.5.1): it frames or routes the message, or it is a control or a
// condition, authenticates, or says how the content is to be read.
const notInTrailer = 1

// names are the well-known field names, in the form that is usually sent.
var names = [...]struct {
	name  string
	flags uint8
}{
	// Framing, connection and routing.
	{"Connection", notInTrailer},
	{"Content-Length", notInTrailer},
	{"Forwarded", notInTrailer},
	{"Host", notInTrailer},
	{"Http2-Settings", notInTrailer},
	{"Keep-Alive", notInTrailer},
	{"Max-Forwards", notInTrailer},
	{"Proxy-Connection", notInTrailer},
	{"Te", notInTrailer},
	{"Trailer", notInTrailer},
	{"Transfer-Encoding", notInTrailer},
	{"Upgrade", notInTrailer},
	{"Via", notInTrailer},
	{"X-Forwarded-For", notInTrailer},
	{"X-Forwarded-Host", notInTrailer},
	{"X-Forwarded-Port", notInTrailer},
	{"X-Forwarded-Proto", notInTrailer},
	{"X-Real-Ip", notInTrailer},
	// Controls and conditions.
	{"Cache-Control", notInTrailer},
	{"Expect", notInTrailer},
	{"If-Match", notInTrailer},
	{"If-Modified-Since", notInTrailer},
	{"If-None-Match", notInTrailer},
	{"If-Range", notInTrailer},
	{"If-Unmodified-Since", notInTrailer},
	{"Pragma", notInTrailer},
	{"Prefer", notInTrailer},
	{"Priority", notInTrailer},
	{"Range", notInTrailer},
	// Authentication.
	{"Authorization", notInTrailer},
	{"Cookie", notInTrailer},
	{"Proxy-Authenticate", notInTrailer},
	{"Proxy-Authorization", notInTrailer},
	{"Set-Cookie", notInTrailer},
	{"Www-Authenticate", notInTrailer},
	// How the content is to be read.
	{"Content-Disposition", notInTrailer},
	{"Content-Encoding", notInTrailer},
	{"Content-Language", notInTrailer},
	{"Content-Location", notInTrailer},
	{"Content-Range", notInTrailer},
	{"Content-Type", notInTrailer},
	// Control data of a response.
	{"Age", notInTrailer},
	{"Date", notInTrailer},
	{"Expires", notInTrailer},
	{"Location", notInTrailer},
	{"Retry-After", notInTrailer},
	{"Vary", notInTrailer},
	{"Warning", notInTrailer},
	// The others.
	{"Accept", 0},
	{"Accept-Charset", 0},
	{"Accept-Encoding", 0},
	{"Accept-Language", 0},
	{"Accept-Ranges", 0},
	{"Access-Control-Allow-Credentials", 0},
	{"Access-Control-Allow-Headers", 0},
	{"Access-Control-Allow-Methods", 0},
	{"Access-Control-Allow-Origin", 0},
	{"Access-Control-Expose-Headers", 0},
	{"Access-Control-Max-Age", 0},
	{"Access-Control-Request-Headers", 0},
	{"Access-Control-Request-Method", 0},
	{"Allow", 0},
	{"Alt-Svc", 0},
	{"Content-Digest", 0},
	{"Content-Md5", 0},
	{"Content-Security-Policy", 0},
	{"Dnt", 0},
	{"Early-Data", 0},
	{"Etag", 0},
	{"From", 0},
	{"Last-Event-Id", 0},
	{"Last-Modified", 0},
	{"Link", 0},
	{"Origin", 0},
	{"Referer", 0},
	{"Referrer-Policy", 0},
	{"Repr-Digest", 0},
	{"Sec-Ch-Ua", 0},
	{"Sec-Ch-Ua-Mobile", 0},
	{"Sec-Ch-Ua-Platform", 0},
	{"Sec-Fetch-Dest", 0},
	{"Sec-Fetch-Mode", 0},
	{"Sec-Fetch-Site", 0},
	{"Sec-Fetch-User", 0},
	{"Sec-Gpc", 0},
	{"Sec-Websocket-Accept", 0},
	{"Sec-Websocket-Extensions", 0},
	{"Sec-Websocket-Key", 0},
	{"Sec-Websocket-Protocol", 0},
	{"Sec-Websocket-Version", 0},
	{"Server", 0},
	{"Server-Timing", 0},
	{"Strict-Transport-Security", 0},
	{"Traceparent", 0},
	{"Tracestate", 0},
	{"Upgrade-Insecure-Requests", 0},
	{"User-Agent", 0},
	{"X-Content-Type-Options", 0},
	{"X-Csrf-Token", 0},
	{"X-Frame-Options", 0},
	{"X-Powered-By", 0},
	{"X-Request-Id", 0},
	{"X-Requested-With", 0},
}

// nameSlots is the size of the hash table: a power of two with room to spare.
const nameSlots = 1024

// nameTable finds names by nameHash: an index into names plus one, 0 for a free
// slot; a taken slot is passed over to the next.
var nameTable = hashNames()

func hashNames() (t [nameSlots]uint8) {
	for i := range names {
		h := nameHash([]byte(names[i].name))
		for t[h] != 0 {
			h = (h + 1) % nameSlots
		}
		t[h] = uint8(i + 1)
	}
	return t
}

// nameHash tells names apart by their length and three of their letters, whatever
// their case. The name is not empty.
func nameHash(name []byte) uint32 {
	n := uint32(len(name))
	h := n<<12 ^ uint32(name[0]|0x20) ^ uint32(name[n/2]|0x20)<<8 ^ uint32(name[n-1]|0x20)<<16
	return h * 0x9e3779b1 >> 22
}

// lookupName is the index of a name in names, whatever its case; -1 when it is not
// there.
func lookupName(name []byte) int {
	if len(name) == 0 {
		return -1
	}
	for h := nameHash(name) % nameSlots; nameTable[h] != 0; h = (h + 1) % nameSlots {
		i := int(nameTable[h]) - 1
		if known := names[i].name; len(known) == len(name) && (string(name) == known || sameName(name, known)) {
			return i
		}
	}
	return -1
}

// CanonicalName is the canonical form ("Content-Type", as net/http has it) of a
// well-known field name whatever its case, without allocation; false if the name is
// not well known.
func CanonicalName(name []byte) (string, bool) {
	if i := lookupName(name); i >= 0 {
		return names[i].name, true
	}
	return "", false
}
