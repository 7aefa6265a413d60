package websocket

import (
	"fmt"
	"slices"
	"strings"
)

// The cases of the Autobahn test suite, by its numbers, as a table of ours: what is
// sent, and what an echo must answer. TestServerCases and TestClientCases run it.

// testCase is one of them.
type testCase struct {
	id    string
	send  []step
	chop  int      // the size of the pieces that are sent; 0: at once
	want  []string // what is answered before the close; "..." for any number of frames
	code  int      // the code of the close frame that a fault is answered with; 0: none
	large bool     // needs a larger message limit
}

// step is a frame: the bits and opcode of its first byte, and its payload.
type step struct {
	b0      byte
	payload string
}

func text(s string) step { return step{fin | 1, s} }

// fragments cuts a message into frames of size bytes.
func fragments(op byte, s string, size int) (steps []step) {
	for first := true; first || len(s) > 0; first = false {
		n := min(size, len(s))
		b0 := byte(0)
		if first {
			b0 = op
		}
		if n == len(s) {
			b0 |= fin
		}
		steps = append(steps, step{b0, s[:n]})
		s = s[n:]
	}
	return steps
}

// allCases is the table.
func allCases() []testCase {
	return slices.Concat(framingCases(), pingCases(), reservedCases(), fragmentCases(), utf8Cases(), closeCases(), limitCases())
}

// 1.*: framing.
func framingCases() (cases []testCase) {
	for kind, op := range []byte{1, 2} {
		name := []string{"text", "binary"}[kind]
		for i, n := range []int{0, 125, 126, 127, 128, 65535, 65536, 17000} {
			s := strings.Repeat("*", n)
			if op == 2 {
				s = strings.Repeat("\xfe", n)
			}
			cases = append(cases, testCase{id: fmt.Sprintf("1.%d.%d", kind+1, i+1), send: []step{{fin | op, s}}, want: []string{name + " " + s}})
		}
		s := strings.Repeat("*", 65536)
		cases = append(cases, testCase{id: fmt.Sprintf("1.%d.9", kind+1), send: []step{{fin | op, s}}, chop: 997, want: []string{name + " " + s}})
	}
	return cases
}

// 2.*: pings and pongs.
func pingCases() []testCase {
	long := strings.Repeat("\xfe", 125)
	ten := func(chop int, id string) testCase {
		c := testCase{id: id, chop: chop}
		for i := range 10 {
			c.send = append(c.send, step{fin | 9, fmt.Sprint("payload-", i)})
			c.want = append(c.want, fmt.Sprint("pong payload-", i))
		}
		return c
	}
	return []testCase{
		{id: "2.1", send: []step{{fin | 9, ""}}, want: []string{"pong "}},
		{id: "2.2", send: []step{{fin | 9, "Hello, world!"}}, want: []string{"pong Hello, world!"}},
		{id: "2.3", send: []step{{fin | 9, "\x00\xff\xfe\xfd\xfc\xfb\x00\xff"}}, want: []string{"pong \x00\xff\xfe\xfd\xfc\xfb\x00\xff"}},
		{id: "2.4", send: []step{{fin | 9, long}}, want: []string{"pong " + long}},
		{id: "2.5", send: []step{{fin | 9, long + "\xfe"}}, code: 1002},
		{id: "2.6", send: []step{{fin | 9, long}}, chop: 1, want: []string{"pong " + long}},
		{id: "2.7", send: []step{{fin | 10, ""}}},
		{id: "2.8", send: []step{{fin | 10, "unsolicited"}}},
		{id: "2.9", send: []step{{fin | 10, "unsolicited"}, {fin | 9, "ping"}}, want: []string{"pong ping"}},
		ten(0, "2.10"), ten(1, "2.11"),
	}
}

// 3.*: reserved bits; 4.*: reserved opcodes.
func reservedCases() []testCase {
	cases := []testCase{
		{id: "3.1", send: []step{{rsv3 | fin | 1, "Hello"}}, code: 1002},
		{id: "3.2", send: []step{text("Hello"), {rsv2 | fin | 1, "Hello"}, {fin | 9, ""}}, want: []string{"text Hello"}, code: 1002},
		{id: "3.3", send: []step{text("Hello"), {rsv2 | rsv3 | fin | 1, "Hello"}, {fin | 9, ""}}, want: []string{"text Hello"}, code: 1002},
		{id: "3.4", send: []step{text("Hello"), {rsv1 | fin | 1, "Hello"}, {fin | 9, ""}}, chop: 1, want: []string{"text Hello"}, code: 1002},
		{id: "3.5", send: []step{{rsv1 | rsv3 | fin | 2, "\x00\xff"}}, code: 1002},
		{id: "3.6", send: []step{{rsv1 | rsv2 | fin | 9, "Hello"}}, code: 1002},
		{id: "3.7", send: []step{{rsv1 | rsv2 | rsv3 | fin | 8, "\x03\xe8"}}, code: 1002},
	}
	for i := range 5 {
		for group, op := range []byte{3, 11} {
			c := testCase{id: fmt.Sprintf("4.%d.%d", group+1, i+1), code: 1002}
			if i >= 2 {
				c.send, c.want = append(c.send, text("Hello")), []string{"text Hello"}
			}
			c.send = append(c.send, step{fin | (op + byte(i)), strings.Repeat("r", i&1)}, step{fin | 9, ""})
			cases = append(cases, c)
		}
	}
	return cases
}

// 5.*: fragments.
func fragmentCases() []testCase {
	hello := []step{{1, "fragment1"}, {fin, "fragment2"}}
	pinged := []step{{1, "fragment1"}, {fin | 9, "ping"}, {fin, "fragment2"}}
	want := []string{"text fragment1fragment2"}
	wantPinged := []string{"pong ping", "text fragment1fragment2"}
	lonely := func(b0 byte) []step {
		return []step{{b0, "non-continuation"}, text("Hello")}
	}
	mixed := []step{
		{1, "fragment1"},
		{0, "fragment2"},
		{fin | 9, "ping1"},
		{0, "fragment3"},
		{0, "fragment4"},
		{fin | 9, "ping2"},
		{fin, "fragment5"},
	}
	wantMixed := []string{"pong ping1", "pong ping2", "text fragment1fragment2fragment3fragment4fragment5"}
	return []testCase{
		{id: "5.1", send: []step{{9, "fragment1"}, {fin, "fragment2"}}, code: 1002},
		{id: "5.2", send: []step{{10, "fragment1"}, {fin, "fragment2"}}, code: 1002},
		{id: "5.3", send: hello, want: want},
		{id: "5.4", send: hello, chop: 7, want: want},
		{id: "5.5", send: hello, chop: 1, want: want},
		{id: "5.6", send: pinged, want: wantPinged},
		{id: "5.7", send: pinged, chop: 7, want: wantPinged},
		{id: "5.8", send: pinged, chop: 1, want: wantPinged},
		{id: "5.9", send: lonely(fin), code: 1002},
		{id: "5.10", send: lonely(fin), chop: 7, code: 1002},
		{id: "5.11", send: lonely(fin), chop: 1, code: 1002},
		{id: "5.12", send: lonely(0), code: 1002},
		{id: "5.13", send: lonely(0), chop: 7, code: 1002},
		{id: "5.14", send: lonely(0), chop: 1, code: 1002},
		{id: "5.15", send: append(slices.Clone(hello), step{0, "fragment3"}, step{fin | 1, "fragment4"}), want: want, code: 1002},
		{id: "5.16", send: []step{{0, "fragment1"}, {1, "fragment2"}, {fin, "fragment3"}}, code: 1002},
		{id: "5.17", send: []step{{fin, "fragment1"}, {1, "fragment2"}, {fin, "fragment3"}}, code: 1002},
		{id: "5.18", send: []step{{1, "fragment1"}, {fin | 1, "fragment2"}}, code: 1002},
		{id: "5.19", send: mixed, want: wantMixed},
		{id: "5.20", send: mixed, chop: 1, want: wantMixed},
	}
}

// 6.*: UTF-8. Good texts are sent whole, in one fragment for each byte, and chopped;
// bad ones must be refused however they come.
func utf8Cases() (cases []testCase) {
	good := map[string]string{
		"6.2": "Hello-\u00b5@\u00df\u00f6\u00e4\u00fc\u00e0\u00e1-UTF-8!!", "6.5": "\u03ba\u1f79\u03c3\u03bc\u03b5",
		"6.6.2": "\u00b5", "6.6.5": "\u20ac", "6.6.7": "\U0001f600", "6.7.1": "\x00", "6.7.2": "\u0080", "6.7.3": "\u0800", "6.7.4": "\U00010000",
		"6.9.1": "\x7f", "6.9.2": "\u07ff", "6.9.3": "\uffff", "6.9.4": "\U0010ffff", "6.11.1": "\ud7ff", "6.11.2": "\ue000",
		"6.11.3": "\ufffd", "6.11.4": "\U0010ffff", "6.22": "\ufffe\uffff\U0001fffe\U0001ffff\U0010fffe", "6.23": "\ufffd\ufdd0",
	}
	for id, s := range good {
		want := []string{"text " + s}
		cases = append(
			cases,
			testCase{id: id + "-whole", send: []step{text(s)}, want: want},
			testCase{id: id + "-chopped", send: []step{text(s)}, chop: 1, want: want},
			testCase{id: id + "-fragments", send: fragments(1, s, 1), want: want},
			testCase{id: id + "-empty-fragments", send: append([]step{{1, ""}}, append(fragmentsOf(s), step{fin, ""})...), want: want},
		)
	}
	// 6.22.*: the last two code points of each plane are no characters, and UTF-8 nevertheless.
	for plane := range rune(17) {
		for last := range rune(2) {
			s := string(plane<<16 + 0xfffe + last)
			cases = append(cases, testCase{id: fmt.Sprintf("6.22.%d", 1+2*plane+last), send: []step{text(s)}, want: []string{"text " + s}})
		}
	}
	valid := "\u03ba\u1f79\u03c3\u03bc\u03b5"
	bad := map[string]string{
		"6.3": valid + "\xed\xa0\x80edited", "6.4": valid + "\xf4\x90\x80\x80edited", "6.6.1": "\xce", "6.6.3": valid + "\xe1", "6.6.4": valid + "\xe1\xbd",
		"6.6.6": "\xf0\x9f\x98", "6.8.1": "\xf8\x88\x80\x80\x80", "6.8.2": "\xfc\x84\x80\x80\x80\x80", "6.10.1": "\xf7\xbf\xbf\xbf",
		"6.10.2": "\xfb\xbf\xbf\xbf\xbf", "6.10.3": "\xfd\xbf\xbf\xbf\xbf\xbf", "6.11.5": "\xf4\x90\x80\x80", "6.12.1": "\x80", "6.12.2": "\xbf",
		"6.12.3": "\x80\xbf", "6.13": "\xc0 \xc1 \xdf ", "6.14.1": "\xe0\x80", "6.14.2": "\xf0\x80\x80", "6.15": "\xc0\xe0\x80\xf0\x80\x80",
		"6.16": "\xfe\xff", "6.17": "\xc0\xaf", "6.18": "\xe0\x80\xaf", "6.19": "\xf0\x80\x80\xaf", "6.20": "\xc1\xbf", "6.21.1": "\xed\xa0\x80",
		"6.21.2": "\xed\xbf\xbf", "6.21.3": "\xed\xa0\x80\xed\xb0\x80",
	}
	for id, s := range bad {
		cases = append(
			cases,
			testCase{id: id + "-whole", send: []step{text(s)}, code: 1007},
			testCase{id: id + "-chopped", send: []step{text(s)}, chop: 1, code: 1007},
			testCase{id: id + "-fragments", send: fragments(1, s, 1), code: 1007},
		)
	}
	// 6.12.*, 6.13.*, 6.14.*: continuation bytes alone, and first bytes without them.
	for id, list := range map[string][2]int{"6.12.8": {0x80, 0xbf}, "6.13.1": {0xc0, 0xdf}, "6.13.2": {0xe0, 0xef}, "6.13.3": {0xf0, 0xf7}, "6.13.4": {0xf8, 0xfb}, "6.13.5": {0xfc, 0xfd}} {
		all := ""
		for b := list[0]; b <= list[1]; b++ {
			all += string([]byte{byte(b)})
			if id != "6.12.8" {
				all += " "
			}
		}
		cases = append(cases, testCase{id: id, send: []step{text(all)}, code: 1007})
	}
	for i, s := range []string{
		"\xc0", "\xe0\x80", "\xf0\x80\x80", "\xf8\x80\x80\x80", "\xfc\x80\x80\x80\x80",
		"\xdf", "\xef\xbf", "\xf7\xbf\xbf", "\xfb\xbf\xbf\xbf", "\xfd\xbf\xbf\xbf\xbf",
	} {
		cases = append(cases, testCase{id: fmt.Sprintf("6.14.%d-whole", i+1), send: []step{text(s)}, code: 1007})
	}
	for n := 2; n <= 6; n++ {
		cases = append(cases, testCase{id: fmt.Sprintf("6.12.%d-many", n+1), send: []step{text(strings.Repeat("\x80\xbf", n)[:n+1])}, code: 1007})
	}
	// 6.1.*: empty texts.
	cases = append(
		cases,
		testCase{id: "6.1.1", send: []step{text("")}, want: []string{"text "}},
		testCase{id: "6.1.2", send: []step{{1, ""}, {0, ""}, {fin, ""}}, want: []string{"text "}},
		testCase{id: "6.1.3", send: []step{{1, ""}, {0, "middle frame payload"}, {fin, ""}}, want: []string{"text middle frame payload"}},
	)
	// 6.4.*: the fault must show before the message has ended.
	for id, s := range map[string]string{"6.4.1-early": valid + "\xf4\x90", "6.4.2-early": valid + "\xed\xa0", "6.4.3-early": "\xc0"} {
		cases = append(cases, testCase{id: id, send: []step{{1, s}}, code: 1007})
	}
	return cases
}

func fragmentsOf(s string) (steps []step) {
	for i := range len(s) {
		steps = append(steps, step{0, s[i : i+1]})
	}
	return steps
}

// closing is a close frame.
func closing(code int, reason string) step {
	return step{fin | 8, string([]byte{byte(code >> 8), byte(code)}) + reason}
}

// 7.*: closing.
func closeCases() []testCase {
	cases := []testCase{
		{id: "7.1.1", send: []step{text("Hello")}, want: []string{"text Hello"}},
		{id: "7.1.2", send: []step{closing(1000, ""), closing(1000, "")}, want: []string{"close 1000"}},
		{id: "7.1.3", send: []step{closing(1000, ""), {fin | 9, "ping"}}, want: []string{"close 1000"}},
		{id: "7.1.4", send: []step{closing(1000, ""), text("Hello")}, want: []string{"close 1000"}},
		{id: "7.1.5", send: []step{{1, "fragment1"}, closing(1000, ""), {fin, "fragment2"}}, want: []string{"close 1000"}},
		{id: "7.1.6", send: []step{text(strings.Repeat("x", 256<<10)), text("Hello"), closing(1000, ""), {fin | 9, "p"}}, want: []string{"text " + strings.Repeat("x", 256<<10), "text Hello", "close 1000"}},
		{id: "7.3.1", send: []step{{fin | 8, ""}}, want: []string{"close 1005"}},
		{id: "7.3.2", send: []step{{fin | 8, "a"}}, code: 1002},
		{id: "7.3.3", send: []step{closing(1000, "")}, want: []string{"close 1000"}},
		{id: "7.3.4", send: []step{closing(1000, "Hello World!")}, want: []string{"close 1000"}},
		{id: "7.3.5", send: []step{closing(1000, strings.Repeat("*", 123))}, want: []string{"close 1000"}},
		{id: "7.3.6", send: []step{closing(1000, strings.Repeat("*", 124))}, code: 1002},
		{id: "7.5.1", send: []step{closing(1000, "\u03ba\xed\xa0\x80edited")}, code: 1007},
	}
	for _, code := range []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999} {
		cases = append(cases, testCase{id: fmt.Sprint("7.7-", code), send: []step{closing(code, "")}, want: []string{fmt.Sprint("close ", code)}})
	}
	for _, code := range []int{0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535} {
		cases = append(cases, testCase{id: fmt.Sprint("7.9-", code), send: []step{closing(code, "")}, code: 1002})
	}
	return cases
}

// 9.*: large messages, many fragments, many messages; 10.1.1: frames that do not fit.
func limitCases() (cases []testCase) {
	for kind, op := range []byte{1, 2} {
		name := []string{"text ", "binary "}[kind]
		for i, n := range []int{64 << 10, 256 << 10, 1 << 20, 4 << 20} {
			if raceEnabled && n > 1<<20 {
				continue // it takes long, and shows nothing more
			}
			s := strings.Repeat("0123456789abcdef", n/16)
			cases = append(cases, testCase{id: fmt.Sprintf("9.%d.%d", kind+1, i+1), send: []step{{fin | op, s}}, want: []string{name + s}, large: true})
		}
		for i, size := range []int{64, 256, 1 << 10, 16 << 10, 64 << 10} {
			s := strings.Repeat("0123456789abcdef", (1<<20)/16)
			cases = append(cases, testCase{id: fmt.Sprintf("9.%d.%d", kind+3, i+1), send: fragments(op, s, size), want: []string{name + s}, large: true})
		}
		for i, chop := range []int{64, 1024} {
			s := strings.Repeat("0123456789abcdef", (128<<10)/16)
			cases = append(cases, testCase{id: fmt.Sprintf("9.%d.%d", kind+5, i+1), send: []step{{fin | op, s}}, chop: chop, want: []string{name + s}})
		}
		for i, n := range []int{0, 16, 64, 256, 1024} {
			c := testCase{id: fmt.Sprintf("9.%d.%d", kind+7, i+1)}
			s := strings.Repeat("*", n)
			for range 300 {
				c.send, c.want = append(c.send, step{fin | op, s}), append(c.want, name+s)
			}
			cases = append(cases, c)
		}
	}
	s := strings.Repeat("*", 65536)
	cases = append(cases, testCase{id: "10.1.1", send: fragments(1, s, 1300), want: []string{"text " + s}})
	over := strings.Repeat("*", 1<<20+1)
	return append(
		cases,
		testCase{id: "limit-at-once", send: []step{text("a"), {fin | 2, over}}, want: []string{"binary-not-read"}, code: 1009},
		testCase{id: "limit-in-fragments", send: fragments(1, over, 32<<10), code: 1009},
	)
}
