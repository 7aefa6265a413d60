package wsframe

import (
	"bytes"
	"testing"
	"unicode/utf8"
)

// FuzzReader reads arbitrary input, at once and cut in two, and writes again what
// it found: the frames must come out the same.
func FuzzReader(f *testing.F) {
	f.Add([]byte("\x81\x05Hello"), uint8(3), false, false)
	f.Add([]byte("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), uint8(7), true, false)
	f.Add([]byte("\x41\x03\xf2\x48\xcd\x89\x00\x80\x04\xc9\xc9\x07\x00"), uint8(1), false, true)
	f.Add([]byte("\x88\x02\x03\xe8\x82\x7e\x00\x7e"), uint8(2), false, false)
	f.Fuzz(func(t *testing.T, in []byte, cut uint8, server, compression bool) {
		read := func(pieces ...[]byte) (out []byte, fault error) {
			r := Reader{Server: server, Compression: compression}
			var a account
			var unused []byte
			for _, p := range pieces {
				unused = append(bytes.Clone(unused), p...)
				for {
					f, n, err := r.Next(unused)
					if err != nil {
						return []byte(a.String()), err
					}
					if n == 0 {
						break
					}
					if n > len(unused) || len(f.Payload) > n || int64(len(f.Payload)) > f.Length && f.Begin {
						t.Fatalf("took %d of %d, payload %d of %d", n, len(unused), len(f.Payload), f.Length)
					}
					unused = unused[n:]
					if !a.frame(f) {
						return []byte(a.String()), nil
					}
				}
			}
			return append([]byte(a.String()), unused...), nil
		}
		whole, err := read(bytes.Clone(in))
		at := min(int(cut), len(in))
		parts, err2 := read(bytes.Clone(in[:at]), bytes.Clone(in[at:]))
		if !bytes.Equal(whole, parts) || err != err2 {
			t.Errorf("whole:\n%s%v\nin parts:\n%s%v", whole, err, parts, err2)
		}
	})
}

// FuzzHeader writes each header that it can read: the bytes must be the same.
func FuzzHeader(f *testing.F) {
	f.Add([]byte("\x81\x05"))
	f.Add([]byte("\x82\xff\x00\x00\x00\x00\x00\x01\x00\x00abcd"))
	f.Fuzz(func(t *testing.T, in []byte) {
		h, n, fault := parseHeader(in)
		if n == 0 || fault != nil || in[0]&(bitRSV2|bitRSV3) != 0 {
			return
		}
		if out := AppendHeader(nil, h); !bytes.Equal(out, in[:n]) {
			t.Errorf("%x reads as %+v, which is written %x", in[:n], h, out)
		}
	})
}

func FuzzUTF8(f *testing.F) {
	f.Add([]byte("a\xe2\x82\xac\xf0\x9f\x98\x80"), uint8(2), uint8(6))
	f.Add([]byte("\xed\xa0\x80"), uint8(1), uint8(2))
	f.Fuzz(func(t *testing.T, b []byte, x, y uint8) {
		i := min(int(x), len(b))
		j := max(i, min(int(y), len(b)))
		var u UTF8
		got := u.Valid(b[:i]) && u.Valid(b[i:j]) && u.Valid(b[j:]) && u.Complete()
		if want := utf8.Valid(b); got != want {
			t.Errorf("%q cut at %d and %d: valid %v, want %v", b, i, j, got, want)
		}
	})
}

func FuzzClose(f *testing.F) {
	f.Add([]byte("\x03\xe8bye"))
	f.Add([]byte("\x03\xee"))
	f.Fuzz(func(t *testing.T, p []byte) {
		code, reason, err := ParseClose(p)
		if err != nil || len(p) > MaxControl {
			return
		}
		if out := AppendClose(nil, code, string(reason)); !bytes.Equal(out, p) {
			t.Errorf("%q reads as %d %q, which is written %q", p, code, reason, out)
		}
	})
}
