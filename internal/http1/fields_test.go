package http1

import (
	"errors"
	"net/http"
	"net/netip"
	"net/textproto"
	"strings"
	"testing"
)

func TestFieldsAccessors(t *testing.T) {
	t.Parallel()
	const head = "\r\nGET / HTTP/1.1\r\nHost: a\r\nX-One:  1 \r\nx-one: 2\r\nEmpty:\r\n\r\n"
	var r Request
	if n, err := r.Parse([]byte(head), 0); n != len(head) || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	if r.Len() != 4 {
		t.Fatalf("%d fields, want 4", r.Len())
	}
	for i := range r.Len() {
		ns, ne, vs, ve := r.Span(i)
		if head[ns:ne] != string(r.Name(i)) || head[vs:ve] != string(r.Value(i)) {
			t.Errorf("span %d is %q: %q, want %q: %q", i, head[ns:ne], head[vs:ve], r.Name(i), r.Value(i))
		}
	}
	if got := r.Get("X-ONE"); string(got) != "1" {
		t.Errorf("X-ONE is %q, want 1", got)
	}
	if i := r.Index("x-One", 2); i != 2 {
		t.Errorf("second X-One at %d, want 2", i)
	}
	if got := r.Get("Empty"); got == nil || len(got) != 0 {
		t.Errorf("Empty is %v, want empty but there", got)
	}
	if got := r.Get("X-Two"); got != nil {
		t.Errorf("X-Two is %q, want nil", got)
	}
	if v := r.Value(0); cap(v) != len(v) {
		t.Error("appending to a value would overwrite what follows it")
	}
}

func TestNothingIsLeftOfTheMessageBefore(t *testing.T) {
	t.Parallel()
	bad := []string{
		"GET", "GET / HTTP/1.1\r\nA: b\r\n", "G(T / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nA: b\r\nc\r\n",
		"GET / HTTP/1.1\r\n" + strings.Repeat("A: b\r\n", 300) + "\r\n",
	}
	for _, s := range bad {
		var r Request
		if _, err := r.Parse([]byte(browserRequest), 0); err != nil {
			t.Fatal(err)
		}
		if n, _ := r.Parse([]byte(s), 0); n != 0 || r.Len() != 0 || r.Get("Host") != nil {
			t.Errorf("%.40q: %d fields", s, r.Len())
		}
	}
}

func TestErrorText(t *testing.T) {
	t.Parallel()
	if got, want := ErrObsFold.Error(), "http1: line folding or a line that begins with whitespace (RFC 9112 5.2)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := (&Error{Reason: "too much"}).Error(), "http1: too much"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	var r Request
	_, err := r.Parse([]byte("GET / HTTP/1.1\r\n\r\n"), 0)
	var e *Error
	if !errors.As(err, &e) || e != ErrMissingHost || !errors.Is(err, ErrMissingHost) {
		t.Errorf("got %v, want %v", err, ErrMissingHost)
	}
}

func TestCanonicalName(t *testing.T) {
	t.Parallel()
	for i := range names {
		want := names[i].name
		if canonical := textproto.CanonicalMIMEHeaderKey(want); canonical != want {
			t.Errorf("%s ought to be %s", want, canonical)
		}
		for _, s := range []string{want, strings.ToLower(want), strings.ToUpper(want)} {
			if got, ok := CanonicalName([]byte(s)); got != want || !ok {
				t.Errorf("CanonicalName(%q) = %q, %v, want %q", s, got, ok, want)
			}
		}
		if got, ok := CanonicalName([]byte(want + "x")); ok {
			t.Errorf("CanonicalName(%q) = %q", want+"x", got)
		}
		// Bytes that differ from a letter by the bit that makes the case.
		if got, ok := CanonicalName([]byte(strings.ReplaceAll(want, "-", "\r"))); ok && strings.Contains(want, "-") {
			t.Errorf("CanonicalName of %s with CR = %q", want, got)
		}
	}
	for _, s := range []string{"", "-", "x", "unheard-of"} {
		if got, ok := CanonicalName([]byte(s)); ok {
			t.Errorf("CanonicalName(%q) = %q", s, got)
		}
	}
	seen := map[string]bool{}
	for _, n := range names {
		if seen[n.name] {
			t.Errorf("%s is listed twice", n.name)
		}
		seen[n.name] = true
	}
}

func TestStatusTextIsTheRegistrys(t *testing.T) {
	t.Parallel()
	renamed := map[int]string{ // RFC 9110 15.5.14, 15.5.15, 15.5.17, 15.5.21
		413: "Content Too Large", 414: "URI Too Long", 416: "Range Not Satisfiable", 422: "Unprocessable Content",
	}
	for code := -1; code < 1100; code++ {
		want := http.StatusText(code)
		if s, ok := renamed[code]; ok {
			want = s
		}
		if got := StatusText(code); got != want {
			t.Errorf("StatusText(%d) = %q, want %q", code, got, want)
		}
	}
}

func TestValidTokenAndFieldValue(t *testing.T) {
	t.Parallel()
	for c := range 256 {
		s := string([]byte{'a', byte(c), 'b'})
		token := strings.ContainsRune("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", rune(c)) && c < 0x80
		if got := ValidToken(s); got != token {
			t.Errorf("ValidToken(%q) = %v", s, got)
		}
		value := c == '\t' || c >= 0x20 && c != 0x7f
		if got := ValidFieldValue(s); got != value {
			t.Errorf("ValidFieldValue(%q) = %v", s, got)
		}
	}
	if ValidToken("") || !ValidFieldValue("") {
		t.Error("an empty token is none, an empty value is one")
	}
}

func TestValidIPv6(t *testing.T) {
	t.Parallel()
	for _, s := range ipv6Seeds {
		checkIPv6(t, s)
	}
}

var ipv6Seeds = []string{
	"::", "::1", "1::", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::8", "1:2:3:4:5:6:7::",
	"::2:3:4:5:6:7:8", "1::3:4:5:6:7:8", "1:2:3:4::5:6:7:8", "::1::", ":::", ":1", "1:", ":", "", "12345::", "g::", "::ffff:1.2.3.4",
	"1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:7:1.2.3.4", "1:2:3:4:5:1.2.3.4", "::1.2.3", "::1.2.3.4.5", "::1.2.3.256",
	"::01.2.3.4", "::1.2.3.4:5", "1.2.3.4", "::1.2.3.4 ", "fe80::1%eth0", "ABCD:ef01::", "::1.2.3.0", "::a.2.3.4",
	"1:2:3:4:5:6::1.2.3.4", "1:2:3:4:5::1.2.3.4",
}

// checkIPv6 compares validIPv6 with net/netip.
func checkIPv6(t *testing.T, s string) {
	t.Helper()
	a, err := netip.ParseAddr(s)
	want := err == nil && (a.Is6() || a.Is4In6()) && a.Zone() == ""
	if got := validIPv6([]byte(s)); got != want {
		t.Errorf("validIPv6(%q) = %v, want %v", s, got, want)
	}
}

func FuzzIPv6(f *testing.F) {
	for _, s := range ipv6Seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { checkIPv6(t, s) })
}
