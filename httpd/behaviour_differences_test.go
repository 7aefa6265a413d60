package httpd_test

import "strings"

// difference says that a server does something else than the others. The behaviour is run all the same, and its first
// failure must contain got: a difference that goes away, or changes, is a failure of the suite.
type difference struct {
	behaviour string // TOPIC/NAME
	server    string // name of the subject; "burrow" means each of ours
	got       string // what it does, in the words of the failure
	reason    string // why that is accepted
}

var differences = []difference{
	{"keepalive/http10-keep-alive-and-close", "net-http", "not closed", "net/http lets keep-alive prevail; RFC 9112 9.3 puts close first"},
	{"request/crlf-before-request", "net-http", `got "400"`, "net/http ignores an empty line only after a POST; RFC 9112 2.2 says SHOULD for any request"},
	{"refuse/obs-fold", "net-http", "got status 200", "net/http joins the lines; RFC 9112 5.2 lets a server refuse, and intermediaries disagree about them"},
	{"refuse/bare-lf", "net-http", "got status 200", "RFC 9112 2.2 allows a lone LF as line end; we refuse what front ends may read otherwise"},
	{"refuse/target-fragment", "net-http", "got status 200", "net/http takes # for a part of the path; no form of RFC 9112 3.2 has it"},
	{"refuse/asterisk-get", "net-http", "got status 200", "RFC 9112 3.2.4: the asterisk is for OPTIONS; net/http leaves that to the handler"},
	{"refuse/h2-preface", "net-http", "got status 200", "net/http gives PRI to handlers that upgrade to h2 by prior knowledge; we speak h2 by ALPN"},
	{"refuse/te-and-length", "net-http", "got status 200", "RFC 9112 6.3: ought to be handled as an error; net/http drops the length"},
	{"refuse/te-http10", "net-http", "got status 200", "RFC 9112 6.1: faulty framing in HTTP/1.0; net/http ignores the field"},
	{"refuse/te-chunked-not-last", "net-http", "got status 501", "RFC 9112 6.3: 400 when chunked is not last; net/http calls every other list unsupported"},
	{"refuse/te-chunked-twice", "net-http", "got status 501", "as chunked-not-last"},
	{"refuse/target-too-long", "net-http", "got status 431", "net/http has one limit for the whole head; RFC 9110 15.5.15 has a status for the target"},
	{"refuse/too-many-fields", "net-http", "got status 200", "net/http limits bytes, not the count"},
	{"refuse/expectation", "net-http", "explanation is missing", "net/http sends 417 without a text"},
	{"refuse/body-too-large-declared", "net-http", "got status 200", "MaxBodyBytes is ours; http.MaxBytesHandler speaks when the handler reads"},
	{"refuse/too-many-connections", "net-http", "got status 200", "MaxConns is ours"},
	{"refuse/head", "net-http", "unexpected bytes", "net/http sends its words to HEAD as well; RFC 9110 9.3.2: MUST NOT"},
	{"refuse/head-body-too-large", "net-http", "got status 200", "MaxBodyBytes is ours"},
	{"refuse/date", "net-http", "Date: 0001", "net/http does not date what it refuses; RFC 9110 6.6.1: MUST in 4xx"},
	{"tls/too-many-connections", "net-http", "got status 200", "MaxConns is ours"},
	{"response/early-hints-http10", "net-http", "got status 103", "RFC 9110 15.2: MUST NOT; net/http sends 1xx to HTTP/1.0 all the same"},
	{"response/reason-phrase-unknown", "net-http", "status code 299", "net/http makes up a phrase; RFC 9112 4 lets it be empty, and clients ignore it"},
	{"body/trailer-forbidden-field", "net-http", "Content-Length:[4]", "net/http passes every trailer field on; RFC 9110 6.5.1 has fields that must not be merged"},
	{"body/cut-short-trailer", "net-http", "unexpected EOF reading trailer", "net/http has an error of its own there"},
	{"body/bad-trailer", "net-http", "without an error", "net/http takes a space in the name of a trailer field"},
	{"body/full-duplex-then-next", "net-http", "no answer", "net/http panics (\"invalid concurrent Body.Read call\") when it drains a body in full duplex with the next request waiting"},
	{"continue/not-read", "net-http", "not closed", "net/http announces the close, then waits for the body it never asked for"},
	{"stream/copy-beyond-length", "net-http", "beyond the declared length", "net/http gives the whole file to sendfile"},
	{"timeout/header", "net-http", "no answer", "net/http closes without a word; RFC 9110 15.5.9 has 408"},
}

// differenceOf finds the listed difference of a server, nil when it is to behave like the others.
func differenceOf(behaviour, server string) *difference {
	for i := range differences {
		d := &differences[i]
		if d.behaviour == behaviour && (d.server == server || strings.HasPrefix(server, d.server+"-")) {
			return d
		}
	}
	return nil
}
