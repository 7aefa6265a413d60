package tftp

import (
	"context"
	"net"
	"strings"
	"testing"
)

func TestLimits(t *testing.T) {
	t.Parallel()
	bothDrivers(t, func(t *testing.T, std bool) {
		r := serve(t, slow(&Server{FS: abc, MaxTransfers: 3, MaxTransfersPerAddr: 2}), std)
		one, two, three := newHand(t, r), newHand(t, r), newHand(t, r)
		for _, h := range []*hand{one, two} {
			h.ask(opRRQ, "abc", option{"tsize", "0"})
			h.expect("OACK [tsize=30]")
		}
		three.ask(opRRQ, "abc", option{"tsize", "0"})
		three.expectNothing()
		if rec := r.record(t); rec.Result != ResultRefused || rec.File != "abc" || !strings.Contains(rec.Error, "too many transfers") {
			t.Errorf("record %+v", rec)
		}
		one.say(&packet{op: opERROR})
		r.record(t)
		three.ask(opRRQ, "abc", option{"tsize", "0"})
		three.expect("OACK [tsize=30]")
		if st := r.Stats(); st.Busy != 1 || st.Active != 2 {
			t.Errorf("%+v", st)
		}
	})
}

// TestDefaultLimitOfAddress: 64 transfers, unless the server says otherwise, and
// another address has its own.
func TestDefaultLimitOfAddress(t *testing.T) {
	t.Parallel()
	r := serve(t, slow(&Server{FS: abc}), false)
	for range defaultMaxPerAddr {
		h := newHand(t, r)
		h.ask(opRRQ, "abc", option{"tsize", "0"})
		h.expect("OACK [tsize=30]")
	}
	one := newHand(t, r)
	one.ask(opRRQ, "abc", option{"tsize", "0"})
	if rec := r.record(t); rec.Result != ResultRefused {
		t.Errorf("record %+v", rec)
	}
	if st := r.Stats(); st.Busy != 1 || st.Active != defaultMaxPerAddr {
		t.Errorf("%+v", st)
	}
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: ownAddr()})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if conn.LocalAddr().(*net.UDPAddr).IP.Equal(net.IPv4(127, 0, 0, 1)) {
		return // there is one address only
	}
	other := &hand{t: t, conn: conn, to: r.addr}
	other.ask(opRRQ, "abc", option{"tsize", "0"})
	other.expect("OACK [tsize=30]")
}

// TestDallyingMakesWay: uploads that have ended answer for a while, unless their port
// is wanted or they become many.
func TestDallyingMakesWay(t *testing.T) {
	t.Parallel()
	bothDrivers(t, func(t *testing.T, std bool) {
		for _, one := range []bool{false, true} {
			pc, err := net.ListenUDP("udp4", &net.UDPAddr{IP: ownAddr()})
			if err != nil {
				t.Fatal(err)
			}
			s := slow(&Server{Create: into(&memoryUpload{})})
			uploads := dallyingMost + 1
			if one { // port, next to that of the server: on this address it is free, most likely
				s.PortMin = pc.LocalAddr().(*net.UDPAddr).Port - 1
				s.PortMax, uploads = s.PortMin, 2
			}
			r := serveOn(t, s, pc, std)
			put := func() *hand {
				h := newHand(t, r)
				h.ask(opWRQ, "f")
				h.expect("ACK 0")
				h.say(&packet{op: opDATA, block: 1})
				h.expect("ACK 1")
				return h
			}
			first := put()
			for range uploads - 2 {
				put()
			}
			first.say(&packet{op: opDATA, block: 1})
			first.expect("ACK 1")
			last := put()
			last.say(&packet{op: opDATA, block: 1})
			last.expect("ACK 1")
			if !one { // where another has its port, that answers
				first.say(&packet{op: opDATA, block: 1})
				first.expectNothing()
			}
		}
	})
}

// TestRequestsThatAreNone: they are recorded, but not any number of them.
func TestRequestsThatAreNone(t *testing.T) {
	t.Parallel()
	r := serve(t, slow(&Server{FS: abc}), false)
	h := newHand(t, r)
	h.say(&packet{op: opWRQ, name: "abc", mode: "mail"})
	h.expect(`ERROR 4 (illegal operation) "mode is neither octet nor netascii"`)
	if rec := r.record(t); rec.Result != ResultRefused || rec.File != "abc" || rec.Mode != "mail" || rec.Op != "write" || !strings.Contains(rec.Error, "mode") {
		t.Errorf("record %+v", rec)
	}
	for range 5 * turnedAwayMost {
		h.to = r.addr
		h.conn.WriteToUDPAddrPort([]byte("\x00\x01x"), r.addr)
		h.expect(`ERROR 4 (illegal operation) "request without a file name"`)
	}
	// A second may have ended while that went on, and another.
	if st := r.Stats(); st.Malformed != 5*turnedAwayMost+1 || len(r.records) > 3*turnedAwayMost {
		t.Errorf("%d records, %+v", len(r.records), st)
	}
}

// TestSettingsThatAreNone: they are refused, and not taken for others.
func TestSettingsThatAreNone(t *testing.T) {
	t.Parallel()
	for what, s := range map[string]*Server{
		"BlockSize": {BlockSize: -1}, "BlockSize is 7": {BlockSize: 7}, "BlockSize is 65465": {BlockSize: 65465},
		"WindowSize": {WindowSize: -1}, "WindowSize is 65536": {WindowSize: 65536},
		"Timeout": {Timeout: -1}, "MinTimeout": {MinTimeout: -1}, "Silence": {Silence: -1},
		"PortMin": {PortMin: 2, PortMax: 1}, "PortMin and PortMax": {PortMax: 1000}, "PortMin and": {PortMin: 1000}, "PortM": {PortMin: -1},
		"quirk \"q\"": {Quirks: []Quirk{{Name: "q", MaxBlockSize: -1}}},
	} {
		pc, err := net.ListenUDP("udp4", &net.UDPAddr{IP: ownAddr()})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // those that are taken for others do not go on for ever
		if err := s.Serve(ctx, pc); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
