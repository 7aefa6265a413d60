package wsframe

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"
)

// maskBytewise is Mask as the standard writes it (RFC 6455 5.3).
func maskBytewise(b []byte, key Key, at int) {
	for i := range b {
		b[i] ^= key[(at+i)%4]
	}
}

func TestMask(t *testing.T) {
	t.Parallel()
	key := Key{0x11, 0x72, 0xf3, 0x04}
	all := make([]byte, 300)
	for i := range all {
		all[i] = byte(i * 7)
	}
	for off := range 9 {
		for n := range 140 {
			for phase := range 4 {
				got, want := bytes.Clone(all), bytes.Clone(all)
				next := Mask(got[off:off+n], key.rotate(phase))
				maskBytewise(want[off:off+n], key, phase)
				if !bytes.Equal(got, want) {
					t.Fatalf("offset %d, %d bytes, phase %d: differs", off, n, phase)
				}
				if next != key.rotate(phase+n) {
					t.Fatalf("offset %d, %d bytes, phase %d: next key %x, want %x", off, n, phase, next, key.rotate(phase+n))
				}
			}
		}
	}
}

func TestHeaderRoundTrip(t *testing.T) {
	t.Parallel()
	for _, length := range []int64{0, 1, 125, 126, 127, 0xffff, 0x10000, 1 << 40, 1<<63 - 1} {
		for _, masked := range []bool{false, true} {
			want := Header{Length: length, Opcode: Binary, Fin: true, Masked: masked}
			if masked {
				want.Key = Key{1, 2, 3, 4}
			}
			b := AppendHeader(nil, want)
			got, n, err := parseHeader(b)
			if err != nil || n != len(b) || got != want || n > MaxHeader {
				t.Errorf("%+v: got %+v, %d of %d bytes, error %v", want, got, n, len(b), err)
			}
		}
	}
}

func TestAppendClose(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 122) + "é and more"
	for _, tc := range []struct {
		code         Code
		reason, want string
	}{
		{CodeNormal, "", ""},
		{CodeNormal, "bye", "bye"},
		{4000, long, strings.Repeat("x", 122)},
		{CodeNormal, "a\xffb", "a\uFFFDb"},
	} {
		b := AppendClose(nil, tc.code, tc.reason)
		code, reason, err := ParseClose(b)
		if err != nil || code != tc.code || string(reason) != tc.want || len(b) > MaxControl {
			t.Errorf("%d %q: got %d %q, %v in %d bytes", tc.code, tc.reason, code, reason, err, len(b))
		}
	}
	if b := AppendClose(nil, CodeNoStatus, "ignored"); len(b) != 0 {
		t.Errorf("no status: %q, want nothing", b)
	}
	defer func() {
		if recover() == nil {
			t.Error("1006 was written")
		}
	}()
	AppendClose(nil, CodeAbnormal, "")
}

// TestUTF8 compares with the standard library at every split, for all texts of up
// to four bytes of those at the edges of the classes.
func TestUTF8(t *testing.T) {
	t.Parallel()
	edges := []byte("\x00a\x7f\x80\x8f\x90\x9f\xa0\xbf\xc0\xc1\xc2\xdf\xe0\xe1\xed\xee\xef\xf0\xf1\xf4\xf5\xff")
	var walk func(b []byte)
	walk = func(b []byte) {
		want := utf8.Valid(b)
		for cut := range len(b) + 1 {
			var u UTF8
			if got := u.Valid(b[:cut]) && u.Valid(b[cut:]) && u.Complete(); got != want {
				t.Fatalf("%q cut at %d: valid %v, want %v", b, cut, got, want)
			}
		}
		if len(b) < 4 {
			for _, c := range edges {
				walk(append(b, c))
			}
		}
	}
	walk(make([]byte, 0, 4))
}

// TestAllocs: nothing that is done for each frame allocates.
func TestAllocs(t *testing.T) {
	in := AppendHeader(nil, Header{Length: 64, Opcode: Text, Fin: true, Masked: true, Key: Key{1, 2, 3, 4}})
	in = append(in, strings.Repeat("x", 64)...)
	out := make([]byte, 0, 100)
	var u UTF8
	r := Reader{Server: true}
	if n := testing.AllocsPerRun(100, func() {
		f, _, err := r.Next(in)
		if err != nil || !f.Last {
			t.Fatal(f, err)
		}
		u.Valid(f.Payload)
		out = AppendHeader(out[:0], Header{Length: 64, Opcode: Text, Fin: true})
		out = AppendClose(out, CodeNormal, "bye")
	}); n != 0 {
		t.Errorf("%v allocations per frame, want none", n)
	}
}
