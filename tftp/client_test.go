package tftp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/fstest"
	"time"
)

// TestLossyNetwork moves files both ways through real sockets that lose and
// copy packets.
func TestLossyNetwork(t *testing.T) {
	t.Parallel()
	bothDrivers(t, func(t *testing.T, std bool) {
		root, err := os.OpenRoot(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { root.Close() })
		r := serve(t, &Server{Root: root, Write: WriteOverwrite, Timeout: 100 * time.Millisecond, MinTimeout: 10 * time.Millisecond}, std)
		way := newRelay(t, r.addr, dice(0.05, 0.05))
		data := noise(150_000)
		for _, c := range []*Client{{}, {WindowSize: -1}, {BlockSize: 1024, WindowSize: 8}} {
			c.Timeout = 100 * time.Millisecond
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			if _, err := c.Put(ctx, way.addr(), "f", bytes.NewReader(data), int64(len(data))); err != nil {
				t.Errorf("put %+v: %v", c, err)
			}
			var b bytes.Buffer
			if _, err := c.Get(ctx, way.addr(), "f", &b); err != nil || !bytes.Equal(b.Bytes(), data) {
				t.Errorf("get %+v: %d bytes, %v", c, b.Len(), err)
			}
			cancel()
		}
	})
}

// TestGetResumes: a transfer that is cut off is begun anew, and what was written
// is not written again.
func TestGetResumes(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{"f": {Data: noise(500_000)}}
	r := serve(t, &Server{FS: files, Silence: time.Second}, false)
	var mu sync.Mutex
	requests, seen := 0, 0
	way := newRelay(t, r.addr, func(toServer bool, b []byte) int {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case toServer && b[1] == byte(opRRQ):
			requests, seen = requests+1, 0
		case !toServer && b[1] == byte(opDATA):
			seen += len(b)
		}
		if seen > 200_000*requests && requests < 3 { // two attempts are cut, the second one later
			return 0
		}
		return 1
	})
	var out bytes.Buffer
	c := &Client{Retries: 2, Silence: time.Second, Timeout: 250 * time.Millisecond}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	rec, err := c.Get(ctx, way.addr(), "f", &out)
	if err != nil || !bytes.Equal(out.Bytes(), files["f"].Data) || rec.Bytes != 500_000 {
		t.Fatalf("%d bytes, %v, %+v", out.Len(), err, rec)
	}
	mu.Lock()
	defer mu.Unlock()
	if requests != 3 {
		t.Errorf("%d attempts, want 3", requests)
	}
}

// TestPutRetries: what is sent is read again from where it began.
func TestPutRetries(t *testing.T) {
	t.Parallel()
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	r := serve(t, &Server{Root: root, Write: WriteOverwrite, Silence: time.Second}, false)
	for _, seekable := range []bool{true, false} {
		var mu sync.Mutex
		requests, seen := 0, 0
		way := newRelay(t, r.addr, func(toServer bool, b []byte) int {
			mu.Lock()
			defer mu.Unlock()
			if toServer && b[1] == byte(opWRQ) {
				requests, seen = requests+1, 0
			}
			if seen += len(b); seen > 50_000 && requests < 2 {
				return 0
			}
			return 1
		})
		data := noise(100_000)
		in := bytes.NewReader(data)
		in.Seek(1000, io.SeekStart)
		var reader io.Reader = in
		if !seekable {
			reader = struct{ io.Reader }{in}
		}
		c := &Client{Retries: 2, Silence: time.Second, Timeout: 250 * time.Millisecond}
		_, err := c.Put(t.Context(), way.addr(), "f", reader, int64(in.Len()))
		if !seekable {
			if !errors.Is(err, errNoRetry) {
				t.Errorf("an input that cannot be read again: %v", err)
			}
			continue
		}
		if got, readErr := root.ReadFile("f"); err != nil || readErr != nil || !bytes.Equal(got, data[1000:]) {
			t.Errorf("%d bytes, %v, %v", len(got), err, readErr)
		}
	}
}

func TestResumable(t *testing.T) {
	t.Parallel()
	write := func(r *resumable, pieces ...string) error {
		r.begin()
		for _, p := range pieces {
			if _, err := r.Write([]byte(p)); err != nil {
				return err
			}
		}
		return r.end()
	}
	for _, tc := range []struct {
		first, second []string
		most          int64
		want          string
		err           error
	}{
		{[]string{"abc"}, []string{"ab", "cdef"}, 0, "abcdef", nil},
		{[]string{"abc"}, []string{"abcdef"}, 0, "abcdef", nil},
		{nil, []string{"abc"}, 0, "abc", nil},
		{[]string{"abc"}, []string{"abc"}, 0, "abc", nil},
		{[]string{"abc"}, []string{"abX", "def"}, 0, "abc", ErrChanged},
		{[]string{"abc"}, []string{"ab"}, 0, "abc", ErrChanged},
		{[]string{"abc"}, []string{"abcdef"}, 5, "abc", ErrTooLarge},
	} {
		var b bytes.Buffer
		r := &resumable{w: &b, most: tc.most}
		write(r, tc.first...)
		if err := write(r, tc.second...); err != tc.err || b.String() != tc.want {
			t.Errorf("%q then %q: %q, %v", tc.first, tc.second, b.String(), err)
		}
	}
}

// TestCancel: the call returns at once and the server is told.
func TestCancel(t *testing.T) {
	t.Parallel()
	o := newOrigins(t)
	defer close(o.hold)
	r := serve(t, &Server{Mounts: []Mount{{URL: o.URL + "/img/"}}, CacheDir: t.TempDir()}, false)
	ctx, cancel := context.WithCancel(t.Context())
	c := &Client{OnProgress: func(int64, int64) { cancel() }}
	began := time.Now()
	rec, err := c.Get(ctx, r.addr.String(), "slow", io.Discard)
	if !errors.Is(err, context.Canceled) || rec.Result != ResultAborted || time.Since(began) > patience/2 {
		t.Errorf("%v, %+v", err, rec)
	}
	if rec := r.record(t); rec.Result != ResultAborted || !strings.Contains(rec.Error, "cancelled") {
		t.Errorf("record %+v", rec)
	}
}

// TestNobodyThere: no answer is an error that is a time-out.
func TestNobodyThere(t *testing.T) {
	t.Parallel()
	silent, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	c := &Client{Silence: 100 * time.Millisecond, Timeout: 20 * time.Millisecond, Retries: 1}
	rec, err := c.Get(t.Context(), silent.LocalAddr().String(), "x", io.Discard)
	var timeout interface{ Timeout() bool }
	if !errors.As(err, &timeout) || !timeout.Timeout() || rec.Result != ResultTimeout {
		t.Errorf("%v, %+v", err, rec)
	}
	if _, err := c.Get(t.Context(), "127.0.0.1:x", "x", io.Discard); err == nil {
		t.Error("a port that is none was accepted")
	}
}

// TestSilentServer: what was never heard is not tried again, unless that is asked
// for, and the caller is told meanwhile that nothing has come.
func TestSilentServer(t *testing.T) {
	t.Parallel()
	for silent, want := range map[bool]int{false: 1, true: 3} {
		h, addr := fake(t)
		told, requests := 0, map[string]int{}
		c := &Client{
			Silence: 250 * time.Millisecond, Timeout: 50 * time.Millisecond, Retries: 2, RetrySilent: silent,
			OnNoAnswer: func(server netip.AddrPort, waited time.Duration) {
				if server.String() != addr || waited < 50*time.Millisecond {
					t.Errorf("told about %v after %v", server, waited)
				}
				told++
			},
		}
		if _, err := c.Get(t.Context(), addr, "x", io.Discard); !isTimeout(err) {
			t.Errorf("%v", err)
		}
		h.conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond)) // they are here
		for b := make([]byte, maxDatagram); ; {
			_, from, err := h.conn.ReadFromUDPAddrPort(b)
			if err != nil {
				break
			}
			requests[from.String()]++
		}
		if len(requests) != want || told != 2*want {
			t.Errorf("%d attempts, want %d; told %d times", len(requests), want, told)
		}
	}
}

// TestOtherAddresses: a server whose name has several is asked at the next when one
// says nothing.
func TestOtherAddresses(t *testing.T) {
	t.Parallel()
	r := serve(t, &Server{FS: abc}, false)
	h, _ := fake(t)
	silent := h.conn.LocalAddr().(*net.UDPAddr).AddrPort()
	var b bytes.Buffer
	c := &Client{Silence: 100 * time.Millisecond, Timeout: 50 * time.Millisecond}
	rec := &Record{File: "abc", Mode: "octet"}
	err := c.try(t.Context(), rec, []netip.AddrPort{silent, silent, r.addr}, opRRQ, func(e *exchange) error {
		e.out = &resumable{w: &b}
		e.out.begin()
		return nil
	})
	if err != nil || b.Len() != 30 || rec.Server != r.addr.String() {
		t.Errorf("%d bytes, %v, %+v", b.Len(), err, rec)
	}
	if rec.Client.Addr() != netip.MustParseAddr("127.0.0.1") && rec.Client.Addr() != r.addr.Addr() {
		t.Errorf("the record says %v of this machine", rec.Client)
	}
}

// TestUnreachable: an error of the network ends an attempt before there is an answer,
// and is loss after it.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	e := &exchange{server: netip.MustParseAddrPort("192.0.2.1:69")}
	for _, errno := range []error{syscall.EHOSTUNREACH, syscall.EINVAL} {
		err := e.unreachable(&net.OpError{Op: "write", Net: "udp", Err: os.NewSyscallError("sendto", errno)})
		if _, ok := errors.AsType[*net.OpError](err); !ok || err.Error() != "192.0.2.1:69 cannot be reached: "+errno.Error() {
			t.Errorf("before an answer: %v", err)
		}
	}
	if err := e.unreachable(syscall.ENOBUFS); err != nil {
		t.Errorf("a full buffer: %v", err)
	}
	e.peer = e.server
	if err := e.unreachable(syscall.EHOSTUNREACH); err != nil {
		t.Errorf("after an answer: %v", err)
	}
	if err := e.unreachable(net.ErrClosed); err == nil {
		t.Error("a closed socket is no error")
	}
}

func TestResolve(t *testing.T) {
	t.Parallel()
	for server, want := range map[string]string{
		"192.0.2.1": "192.0.2.1:69", "192.0.2.1:70": "192.0.2.1:70", "::1": "[::1]:69", "[::1]": "[::1]:69", "[::1]:70": "[::1]:70",
		"::ffff:192.0.2.1": "192.0.2.1:69", "[fe80::1%1]": "[fe80::1%1]:69",
	} {
		if got, err := resolve(t.Context(), server); err != nil || len(got) != 1 || got[0].String() != want {
			t.Errorf("%s: %v, %v, want %s", server, got, err, want)
		}
	}
}

// fake is a server that a test leads by the hand.
func fake(t *testing.T) (*hand, string) {
	t.Helper()
	h := newHand(t, &running{})
	return h, h.conn.LocalAddr().String()
}

func TestClientByHand(t *testing.T) {
	t.Parallel()
	type result struct {
		b   string
		rec *Record
		err error
	}
	start := func(c *Client, addr string) chan result {
		ended := make(chan result, 1)
		go func() {
			var b bytes.Buffer
			rec, err := c.Get(t.Context(), addr, "f", &b)
			ended <- result{b.String(), rec, err}
		}()
		return ended
	}
	t.Run("without options", func(t *testing.T) {
		h, addr := fake(t)
		ended := start(&Client{}, addr)
		h.expect(`RRQ "f" "octet" [tsize=0 blksize=1468 windowsize=16]`)
		h.say(&packet{op: opDATA, block: 1, data: noise(512)})
		h.expect("ACK 1")
		// A foreigner is answered with error 5 and changes nothing.
		foreign, _ := fake(t)
		foreign.to = h.to
		foreign.say(&packet{op: opDATA, block: 2, data: []byte("bad")})
		foreign.expect(`ERROR 5 (unknown transfer ID) "unknown transfer ID"`)
		h.say(&packet{op: opDATA, block: 2, data: []byte("end")})
		h.expect("ACK 2")
		if r := <-ended; r.err != nil || r.b != string(noise(512))+"end" || r.rec.BlockSize != 512 || r.rec.Strangers != 1 {
			t.Errorf("%d bytes, %v, %+v", len(r.b), r.err, r.rec)
		}
	})
	t.Run("tries again, but not at once", func(t *testing.T) {
		h, addr := fake(t)
		ended := start(&Client{Retries: 1}, addr)
		h.hear()
		h.say(&packet{op: opERROR, message: "server busy"})
		refused := time.Now()
		h.expect(`RRQ "f" "octet" [tsize=0 blksize=1468 windowsize=16]`)
		if waited := time.Since(refused); waited < 900*time.Millisecond {
			t.Errorf("asked again after %v", waited)
		}
		h.say(&packet{op: opDATA, block: 1, data: []byte("end")})
		h.expect("ACK 1")
		if r := <-ended; r.err != nil || r.b != "end" {
			t.Errorf("%q, %v", r.b, r.err)
		}
	})
	t.Run("options refused", func(t *testing.T) {
		h, addr := fake(t)
		ended := start(&Client{}, addr)
		h.expect(`RRQ "f" "octet" [tsize=0 blksize=1468 windowsize=16]`)
		h.say(&packet{op: opERROR, code: CodeOptions})
		h.expect(`RRQ "f" "octet" []`)
		h.say(&packet{op: opDATA, block: 1, data: []byte("end")})
		h.expect("ACK 1")
		if r := <-ended; r.err != nil || r.b != "end" {
			t.Errorf("%q, %v", r.b, r.err)
		}
	})
	t.Run("OACK that cannot be", func(t *testing.T) {
		h, addr := fake(t)
		ended := start(&Client{BlockSize: 512}, addr)
		h.hear()
		h.say(&packet{op: opOACK, options: options{{"blksize", "1024"}}})
		h.expect(`ERROR 8 (option negotiation failed) "OACK has a value that cannot be"`)
		r := <-ended
		if _, ok := errors.AsType[*ProtocolError](r.err); !ok {
			t.Errorf("%v", r.err)
		}
	})
	t.Run("block too long", func(t *testing.T) {
		h, addr := fake(t)
		ended := start(&Client{}, addr)
		h.hear()
		h.say(&packet{op: opDATA, block: 1, data: noise(513)})
		h.expect(`ERROR 4 (illegal operation) "DATA longer than the block size"`)
		if r := <-ended; r.b != "" || r.err == nil {
			t.Errorf("%q, %v", r.b, r.err)
		}
	})
	t.Run("size is wrong", func(t *testing.T) {
		h, addr := fake(t)
		ended := start(&Client{}, addr)
		h.hear()
		h.say(&packet{op: opOACK, options: options{{"tsize", "9"}}})
		h.expect("ACK 0")
		h.say(&packet{op: opDATA, block: 1, data: []byte("four")})
		h.expect(`ERROR 4 (illegal operation) "the file has another size than announced"`)
		if r := <-ended; r.err == nil {
			t.Errorf("%q", r.b)
		}
	})
	t.Run("last ACK lost", func(t *testing.T) {
		h, addr := fake(t)
		ended := start(&Client{}, addr)
		h.hear()
		h.say(&packet{op: opOACK, options: options{{"blksize", "8"}}})
		h.expect("ACK 0")
		h.say(&packet{op: opDATA, block: 1, data: noise(8)})
		h.expect("ACK 1")
		h.say(&packet{op: opDATA, block: 1, data: noise(8)}) // as if that was lost
		h.expect("ACK 1")
		h.say(&packet{op: opDATA, block: 2})
		h.expect("ACK 2")
		h.say(&packet{op: opDATA, block: 2})
		h.expect("ACK 2")
		if r := <-ended; r.err != nil || r.b != string(noise(8)) {
			t.Errorf("%q, %v", r.b, r.err)
		}
	})
}

// TestClientSettings: what is out of its range is refused before anything is sent.
func TestClientSettings(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]*Client{
		"BlockSize is 7, it can be 8 to 65464":                           {BlockSize: 7},
		"BlockSize is 65465, it can be 8 to 65464":                       {BlockSize: 65465},
		"WindowSize is 65536, it can be 1 to 65535":                      {WindowSize: 65536},
		"Timeout is 4m16s, a server can be asked for 10ms to 4m15s":      {Timeout: 256 * time.Second, AskTimeout: true},
		"Timeout is 9.999999ms, a server can be asked for 10ms to 4m15s": {Timeout: 10*time.Millisecond - 1, AskTimeout: true},
		`Rollover is "2", it can be "0" or "1"`:                          {Rollover: "2"},
	} {
		rec, err := c.Get(t.Context(), "no such host.invalid", "f", io.Discard)
		if err == nil || err.Error() != "tftp: get f: "+want || rec.Result != ResultFailed {
			t.Errorf("got %v, want %s; record %+v", err, want, rec)
		}
	}
}
