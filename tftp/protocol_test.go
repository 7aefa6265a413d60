package tftp

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

func TestLockStepByHand(t *testing.T) {
	t.Parallel()
	bothDrivers(t, func(t *testing.T, std bool) {
		r := serve(t, slow(&Server{FS: abc}), std)
		h := newHand(t, r)
		h.ask(opRRQ, "abc", option{"blksize", "10"}, option{"tsize", "0"})
		h.expect("OACK [blksize=10 tsize=30]")
		if h.to == r.addr {
			t.Error("the answer came from the port of requests")
		}
		// RFC 1350 4: a packet from elsewhere is answered with error 5, and the
		// transfer goes on.
		foreign := newHand(t, r)
		foreign.to = h.to
		foreign.ack(0)
		foreign.expect(`ERROR 5 (unknown transfer ID) "unknown transfer ID"`)
		foreign.say(&packet{op: opERROR})
		foreign.expectNothing()
		h.ack(0)
		h.expect(`DATA 1 "abcdefghij"`)
		// RFC 1123 4.2.3.1: a second ACK causes nothing.
		h.ack(0)
		h.ack(0)
		h.expectNothing()
		h.ack(1)
		h.expect(`DATA 2 "0123456789"`)
		h.ack(9) // of what was never sent
		h.ack(1)
		h.expectNothing()
		h.ack(2)
		h.expect(`DATA 3 "ABCDEFGHIJ"`)
		h.ack(3)
		h.expect(`DATA 4 ""`)
		h.ack(4)
		rec := r.record(t)
		if rec.Result != ResultOK || rec.Bytes != 30 || rec.Blocks != 4 || rec.Retransmits != 0 || rec.Strangers != 2 {
			t.Errorf("record %+v", rec)
		}
	})
}

func TestWindowRollback(t *testing.T) {
	t.Parallel()
	r := serve(t, slow(&Server{FS: abc}), false)
	h := newHand(t, r)
	h.ask(opRRQ, "abc", option{"blksize", "8"}, option{"windowsize", "3"})
	h.expect("OACK [blksize=8 windowsize=3]")
	h.ack(0)
	h.expect(`DATA 1 "abcdefgh"`)
	h.expect(`DATA 2 "ij012345"`)
	h.expect(`DATA 3 "6789ABCD"`)
	// RFC 7440 4: block 2 was lost.
	h.ack(1)
	h.expect(`DATA 2 "ij012345"`)
	h.expect(`DATA 3 "6789ABCD"`)
	h.expect(`DATA 4 "EFGHIJ"`)
	h.ack(1) // a copy of what was answered already
	h.expectNothing()
	h.ack(4)
	if rec := r.record(t); rec.Result != ResultOK || rec.Retransmits != 2 {
		t.Errorf("record %+v", rec)
	}
}

func TestRequestTwice(t *testing.T) {
	t.Parallel()
	bothDrivers(t, func(t *testing.T, std bool) {
		for _, single := range []bool{false, true} {
			r := serve(t, slow(&Server{FS: abc, SinglePort: single}), std)
			h := newHand(t, r)
			for range 3 {
				h.ask(opRRQ, "abc", option{"blksize", "10"})
			}
			h.expect("OACK [blksize=10]")
			transfer := h.to
			h.to = r.addr
			h.ask(opRRQ, "abc", option{"blksize", "10"})
			h.expectNothing()
			if st := r.Stats(); st.Active != 1 || st.Repeated != 3 || st.Requests != 1 {
				t.Errorf("%+v", st)
			}
			// Another request from the same port: the client has begun anew.
			h.ask(opRRQ, "abc", option{"blksize", "20"})
			h.expect("OACK [blksize=20]")
			if rec := r.record(t); rec.Result != ResultProbe { // it had got no block yet
				t.Errorf("record %+v", rec)
			}
			if single != (h.to == r.addr && transfer == r.addr) {
				t.Errorf("single port %v: answers from %v and %v", single, transfer, h.to)
			}
			h.ack(0)
			h.expect(`DATA 1 "abcdefghij0123456789"`)
			h.ack(1)
			h.expect(`DATA 2 "ABCDEFGHIJ"`)
			h.ack(2)
			if rec := r.record(t); rec.Result != ResultOK {
				t.Errorf("record %+v", rec)
			}
		}
	})
}

func TestProbeIsNoError(t *testing.T) {
	t.Parallel()
	r := serve(t, slow(&Server{FS: abc}), false)
	for code, want := range map[ErrorCode]Result{
		CodeUndefined: ResultProbe, CodeUnknownTransfer: ResultProbe,
		// These are no way to say that it was enough.
		CodeDiskFull: ResultAborted, CodeOptions: ResultAborted,
	} {
		h := newHand(t, r)
		h.ask(opRRQ, "abc", option{"tsize", "0"})
		h.expect("OACK [tsize=30]")
		h.say(&packet{op: opERROR, code: code, message: "TFTP Aborted"})
		if rec := r.record(t); rec.Result != want || !strings.Contains(rec.Error, "TFTP Aborted") {
			t.Errorf("record %+v, want %s", rec, want)
		}
		h.expectNothing() // an ERROR is not answered
	}
	// Another request from the same port ends a probe, too.
	h := newHand(t, r)
	h.ask(opRRQ, "abc", option{"tsize", "0"})
	h.expect("OACK [tsize=30]")
	h.to = r.addr
	h.ask(opRRQ, "abc", option{"blksize", "10"})
	h.expect("OACK [blksize=10]")
	if rec := r.record(t); rec.Result != ResultProbe {
		t.Errorf("record %+v", rec)
	}
	// Once blocks are on their way it is none.
	h.ack(0)
	h.expect(`DATA 1 "abcdefghij"`)
	h.say(&packet{op: opERROR, message: "full"})
	if rec := r.record(t); rec.Result != ResultAborted || !strings.Contains(rec.Error, "full") || rec.Bytes != 0 {
		t.Errorf("record %+v", rec)
	}
	h = newHand(t, r)
	h.ask(opRRQ, "abc", option{"blksize", "10"})
	h.expect("OACK [blksize=10]")
	h.ack(0)
	h.expect(`DATA 1 "abcdefghij"`)
	h.ack(1)
	h.expect(`DATA 2 "0123456789"`)
	h.say(&packet{op: opERROR, code: CodeDiskFull, message: "full"})
	if rec := r.record(t); rec.Result != ResultAborted || !strings.Contains(rec.Error, "full") || rec.Bytes != 10 {
		t.Errorf("record %+v", rec)
	}
}

// TestFirstReplyLost: it is sent again, with growing pauses, and is all that an
// address that never answers gets.
func TestFirstReplyLost(t *testing.T) {
	t.Parallel()
	r := serve(t, &Server{FS: abc, Timeout: 20 * time.Millisecond, Silence: time.Second}, false)
	h := newHand(t, r)
	h.ask(opRRQ, "abc") // no options: the first block opens
	for range 3 {
		h.expect(`DATA 1 "abcdefghij0123456789ABCDEFGHIJ"`)
	}
	rec := r.record(t)
	if rec.Result != ResultTimeout || rec.Retransmits < 2 || rec.Retransmits > 6 {
		t.Errorf("record %+v", rec)
	}
}

// TestAmplification: what an address gets that asked for nothing, since somebody else
// did in its name. With options it is the short answer to these, however large the
// windows are; without, one block; some times each.
func TestAmplification(t *testing.T) {
	t.Parallel()
	for _, o := range []options{nil, {{"blksize", "65464"}, {"windowsize", "64"}, {"tsize", "0"}}} {
		r := serve(t, &Server{FS: fstest.MapFS{"f": {Data: noise(1 << 20)}}, Timeout: 20 * time.Millisecond, Silence: 600 * time.Millisecond}, false)
		h := newHand(t, r)
		request := packet{op: opRRQ, name: "f", mode: "octet", options: o}
		h.say(&request)
		rec := r.record(t)
		packets, bytes, longest := 0, 0, 0
		h.conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond)) // all is here
		for b := make([]byte, maxDatagram); ; packets++ {
			n, err := h.conn.Read(b)
			if err != nil {
				break
			}
			bytes, longest = bytes+n, max(longest, n)
		}
		// After 20 ms, 60, 140, 300; then the transfer ends with an ERROR.
		if packets > 6 || packets < 2 || rec.Retransmits > 4 {
			t.Errorf("options %v: %d packets, record %+v", o, packets, rec)
		}
		if most := headerSize + defaultBlockSize; longest > most || o != nil && longest > len(request.append(nil))+20 {
			t.Errorf("options %v: packets of %d bytes for a request of %d; %d bytes in all", o, longest, len(request.append(nil)), bytes)
		}
	}
}

// TestLastAckLost: the sender of a file asks again, and is answered.
func TestLastAckLost(t *testing.T) {
	t.Parallel()
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	bothDrivers(t, func(t *testing.T, std bool) {
		r := serve(t, slow(&Server{Root: root, Write: WriteOverwrite}), std)
		h := newHand(t, r)
		h.ask(opWRQ, "f")
		h.expect("ACK 0")
		h.say(&packet{op: opDATA, block: 1, data: []byte("hello")})
		h.expect("ACK 1")
		for range 3 {
			h.say(&packet{op: opDATA, block: 1, data: []byte("hello")})
			h.expect("ACK 1")
		}
		h.say(&packet{op: opDATA, block: 2, data: []byte("more")})
		h.expectNothing()
		if rec := r.record(t); rec.Result != ResultOK || rec.Bytes != 5 {
			t.Errorf("record %+v", rec)
		}
		if b, err := fs.ReadFile(root.FS(), "f"); string(b) != "hello" {
			t.Errorf("%q, %v", b, err)
		}
	})
}

// TestErrorAfterTheEnd: an ERROR ends the dallying, not the upload once more.
func TestErrorAfterTheEnd(t *testing.T) {
	t.Parallel()
	root, _ := newRoot(t)
	bothDrivers(t, func(t *testing.T, std bool) {
		r := serve(t, slow(&Server{Root: root, Write: WriteOverwrite}), std)
		h := newHand(t, r)
		h.ask(opWRQ, "f")
		h.expect("ACK 0")
		last := &packet{op: opDATA, block: 1, data: []byte("hello")}
		h.say(last)
		h.expect("ACK 1")
		h.say(&packet{op: opERROR, message: "too late"})
		h.say(last)
		h.expectNothing()
		if rec := r.record(t); rec.Result != ResultOK {
			t.Errorf("record %+v", rec)
		}
		if st := r.Stats(); st.Active != 0 || len(r.records) != 0 {
			t.Errorf("%d more records, %+v", len(r.records), st)
		}
	})
}

// TestSameWriteTwice: a client that writes the same file again from the same port is
// not kept waiting.
func TestSameWriteTwice(t *testing.T) {
	t.Parallel()
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	r := serve(t, slow(&Server{Root: root, Write: WriteOverwrite}), false)
	h := newHand(t, r)
	for _, content := range []string{"one", "two"} {
		h.to = r.addr
		time.Sleep(10 * time.Millisecond) // a round trip, many times over
		h.ask(opWRQ, "f")
		h.expect("ACK 0")
		h.say(&packet{op: opDATA, block: 1, data: []byte(content)})
		h.expect("ACK 1")
		if b, err := root.ReadFile("f"); string(b) != content {
			t.Errorf("%q, %v, want %q", b, err, content)
		}
		r.record(t)
	}
}

// TestWriteRepeatedLate: a copy of a request that took a while to come begins no second
// upload.
func TestWriteRepeatedLate(t *testing.T) {
	t.Parallel()
	root, _ := newRoot(t)
	r := serve(t, slow(&Server{Root: root, Write: WriteOverwrite}), false)
	h := newHand(t, r)
	h.ask(opWRQ, "f")
	h.expect("ACK 0")
	time.Sleep(300 * time.Millisecond) // the round trip
	h.say(&packet{op: opDATA, block: 1, data: []byte("hello")})
	h.expect("ACK 1")
	h.to = r.addr
	h.ask(opWRQ, "f")
	h.expectNothing()
	if st := r.Stats(); st.Repeated != 1 || st.Requests != 1 {
		t.Errorf("%+v", st)
	}
}

func TestBadRequests(t *testing.T) {
	t.Parallel()
	r := serve(t, &Server{FS: abc}, false)
	for b, want := range map[string]string{
		"\x00\x01abc\x00mail\x00": `ERROR 4 (illegal operation) "mode is neither octet nor netascii"`,
		"\x00\x01abc\x00":         `ERROR 4 (illegal operation) "request without a mode"`,
		"\x00\x01abc\x00octet\x00tsize\x000\x00tsize\x000\x00": `ERROR 4 (illegal operation) "option given twice"`,
		"\x00\x02abc\x00octet\x00":                             `ERROR 2 (access violation) "writing is not allowed here"`,
		"\x00\x01none\x00octet\x00":                            `ERROR 1 (file not found) "file not found"`,
	} {
		h := newHand(t, r)
		h.conn.WriteToUDPAddrPort([]byte(b), r.addr)
		h.expect(want)
	}
	for _, b := range []string{"", "\x00", "\x00\x03\x00\x01x", "\x00\x04\x00\x00", "\x00\x05\x00\x00\x00", "\x00\x06", "\x00\x07", "shutdown"} {
		h := newHand(t, r)
		h.conn.WriteToUDPAddrPort([]byte(b), r.addr)
		h.expectNothing()
	}
}

// TestTimeoutOption: a server keeps the timeout that it grants.
func TestTimeoutOption(t *testing.T) {
	t.Parallel()
	take := func(context.Context, *Request) (Upload, error) { return &memoryUpload{}, nil }
	r := serve(t, slow(&Server{FS: abc, Create: take}), false)
	for _, op := range []opcode{opRRQ, opWRQ} {
		h := newHand(t, r)
		h.ask(op, "abc", option{"utimeout", "50000"})
		for range 3 { // a server that goes by its own would be silent for long
			h.expect("OACK [utimeout=50000]")
		}
		h.say(&packet{op: opERROR})
		r.record(t)
	}
}

// memoryUpload keeps what is written.
type memoryUpload struct{ bytes.Buffer }

func (*memoryUpload) Commit() error { return nil }
func (*memoryUpload) Abort() error  { return nil }

// TestBadRequestEndsNothing: a request that is none does not end the transfer of
// the port that it claims to come from.
func TestBadRequestEndsNothing(t *testing.T) {
	t.Parallel()
	for _, single := range []bool{false, true} {
		r := serve(t, slow(&Server{FS: abc, SinglePort: single}), false)
		h := newHand(t, r)
		h.ask(opRRQ, "abc", option{"blksize", "10"})
		h.expect("OACK [blksize=10]")
		for _, b := range []string{"\x00\x01", "\x00\x02x\x00", "\x00\x01abc\x00mail\x00"} {
			h.conn.WriteToUDPAddrPort([]byte(b), r.addr)
		}
		h.expectNothing()
		h.ack(0)
		h.expect(`DATA 1 "abcdefghij"`)
		if st := r.Stats(); st.Active != 1 || st.Malformed != 3 {
			t.Errorf("single port %v: %+v", single, st)
		}
	}
}
