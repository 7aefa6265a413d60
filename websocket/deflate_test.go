package websocket

import (
	"bytes"
	stdflate "compress/flate"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/burrownet/burrow/internal/memnet"
	"github.com/burrownet/burrow/internal/wsframe"
)

// json1 is like what people compress: similar records.
func json1(rnd *rand.Rand, n int) string {
	var b strings.Builder
	for b.Len() < n {
		fmt.Fprintf(&b, `{"id":%d,"name":"user-%d","tags":["alpha","beta"],"score":%.3f},`, rnd.IntN(1e6), rnd.IntN(100), rnd.Float64())
	}
	return b.String()[:n]
}

// TestWindowIsHonoured: with fewer bits, no message refers to more than the window
// back, which a decompressor with a window of that size shows.
func TestWindowIsHonoured(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(3, 4))
	noise := make([]byte, 1<<15)
	for i := range noise {
		noise[i] = byte(rnd.Uint32())
	}
	for bits := uint8(8); bits < 15; bits++ {
		size := windowSize(bits)
		far := string(noise[:size+300]) // what repeats is just too far back
		near := string(noise[:size-300*size/1024])
		for _, tc := range []struct {
			s       string
			smaller bool
		}{{far + far, false}, {near + near, true}} {
			z := newCompressor(1, bits)
			var w sliceWriter
			z.begin(&w, nil)
			z.w.Write([]byte(tc.s))
			z.w.Flush()
			got := w.b
			z.free()
			r := stdflate.NewReader(bytes.NewReader(append(append([]byte(nil), got...), deflateTail...)))
			if b, err := io.ReadAll(r); err != nil || string(b) != tc.s {
				t.Fatalf("%d bits: %v", bits, err)
			}
			if smaller := len(got) < len(tc.s)*3/4; smaller && !tc.smaller {
				t.Errorf("%d bits: %d bytes became %d: it refers to more than the window back", bits, len(tc.s), len(got))
			} else if !smaller && tc.smaller && bits > 9 {
				t.Errorf("%d bits: %d bytes became %d: the window is not used", bits, len(tc.s), len(got))
			}
		}
	}
}

// TestInflateStreams: messages whose sender has ended the deflate stream (RFC 7692
// 7.2.3.4), and examples of 7.2.3.
func TestInflateStreams(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ in, dict, want string }{
		"one block":          {"\xf2\x48\xcd\xc9\xc9\x07\x00", "", "Hello"},
		"takeover":           {"\xf2\x00\x11\x00\x00", "Hello", "Hello"},
		"stored":             {"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", "", "Hello"},
		"final block":        {"\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "", "Hello"},
		"two blocks":         {"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", "", "Hello"},
		"empty":              {"\x00", "", ""},
		"two final, refers":  {"\xf3\x48\xcd\xc9\xc9\x07\x00\xf2\x00\x11\x00\x00", "", "HelloHello"},
		"nothing whatsoever": {"", "", ""},
	} {
		got, err := inflate(nil, []byte(tc.in), []byte(tc.dict), 100)
		if err != nil || string(got) != tc.want {
			t.Errorf("%s: %q, %v; want %q", name, got, err, tc.want)
		}
	}
	for name, in := range map[string]string{"reserved block type": "\x07", "cut off": "\xf2\x48\xcd", "bad distance": "\xf2\x00\x11\x00\x00", "bad length": "\x00\x05\x00\x00\x00Hello"} {
		if got, err := inflate(nil, []byte(in), nil, 100); err != errDeflate {
			t.Errorf("%s: %q, %v; want %v", name, got, err, errDeflate)
		}
	}
}

// TestBomb: a message that grows is refused when it is too large, not later.
func TestBomb(t *testing.T) {
	t.Parallel()
	var bomb bytes.Buffer
	w, _ := stdflate.NewWriter(&bomb, 1)
	zeros := make([]byte, 1<<20)
	for range 16 {
		w.Write(zeros)
	}
	w.Flush()
	z := strings.TrimSuffix(bomb.String(), "\x00\x00\xff\xff")
	got, err := inflate(nil, []byte(z), nil, 1<<20)
	if err != ErrMessageTooBig || cap(got) > 4<<20 {
		t.Errorf("%v with %d bytes held", err, cap(got))
	}
	on(t, func(t *testing.T, s server) {
		p := dialPeer(t, s.start(t, &AcceptOptions{Deflate: &Deflate{}}), "/", "Sec-WebSocket-Extensions: permessage-deflate")
		p.send(p.raw(fin|rsv1|2, z))
		p.want("close 1009")
	})
	t.Run("corrupt", func(t *testing.T) {
		p := dialPeer(t, servers()[1].start(t, &AcceptOptions{Deflate: &Deflate{}}), "/", "Sec-WebSocket-Extensions: permessage-deflate")
		p.send(p.raw(fin|rsv1|2, "\x07"))
		p.want("close 1007 " + errDeflate.Reason)
	})
	t.Run("text", func(t *testing.T) {
		p := dialPeer(t, servers()[1].start(t, &AcceptOptions{Deflate: &Deflate{}}), "/", "Sec-WebSocket-Extensions: permessage-deflate")
		p.send(p.raw(fin|rsv1|1, p.deflate("\xff\xfe")))
		p.want("close 1007 text that is not UTF-8")
	})
}

// TestManyStreams: a message whose sender has ended the deflate stream again and again
// (RFC 7692 7.2.3.4) is read as far as it costs little, and its size is no matter.
func TestManyStreams(t *testing.T) {
	t.Parallel()
	noise := make([]byte, 200<<10)
	rand.NewChaCha8([32]byte{}).Read(noise)
	message := func(streams int) (z, plain string) {
		var b bytes.Buffer
		var dict []byte
		for i := range streams {
			w, _ := stdflate.NewWriterDict(&b, 1, dict)
			part := noise[i*1000 : i*1000+2000] // the second half is in the next one too
			w.Write(part)
			w.Close()
			plain += string(part)
			dict = ending([]byte(plain))
		}
		return b.String() + "\x00", plain
	}
	z, want := message(100)
	if got, err := inflate(nil, []byte(z), nil, 1<<20); err != nil || string(got) != want {
		t.Errorf("100 streams: %d bytes, %v; want %d", len(got), err, len(want))
	}
	var large bytes.Buffer
	w, _ := stdflate.NewWriter(&large, 1)
	w.Write(make([]byte, 1_000_000))
	w.Flush()
	bomb := large.String() + strings.Repeat("\x03\x00", 50_000) + "\x00"
	on(t, func(t *testing.T, s server) {
		p := dialPeer(t, s.start(t, &AcceptOptions{Deflate: &Deflate{}}), "/", "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover")
		p.send(p.raw(fin|rsv1|1, z))
		p.want("close 1007 text that is not UTF-8")
		p = dialPeer(t, s.start(t, &AcceptOptions{Deflate: &Deflate{}}), "/", "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover")
		p.send(p.raw(fin|rsv1|2, bomb))
		p.want("close 1008 " + errStreams.Reason)
	})
	near, far := tcpPair(t)
	c := newBlocking(near, common{deflate: &Deflate{}}.settings(false), nil, deflateParams{on: true}, nil)
	p := &peer{t: t, nc: far, client: true}
	go p.send(p.raw(fin|rsv1|2, bomb))
	_, r, err := c.Reader(background(t))
	must(t, "reader", err)
	go func() { p.read(); far.Close() }()
	if _, err := io.Copy(io.Discard, r); err != errStreams {
		t.Errorf("a Reader: %v, want %v", err, errStreams)
	}
}

// TestCompressedStreams: Writer and Reader with compression, both ways, in both
// modes; pieces of random sizes.
func TestCompressedStreams(t *testing.T) {
	t.Parallel()
	for _, d := range []*Deflate{nil, {MinBytes: -1}, {ContextTakeover: true, MinBytes: -1}, {ContextTakeover: true, WindowBits: 9, MinBytes: -1}} {
		t.Run(fmt.Sprintf("%+v", d), func(t *testing.T) {
			t.Parallel()
			client, server := pair(t, &DialOptions{Deflate: d}, &AcceptOptions{Deflate: d})
			if client.Compressed() != (d != nil) || server.Compressed() != (d != nil) {
				t.Fatal("compression is not as wanted")
			}
			ctx := background(t)
			done := make(chan error, 1)
			const rounds = 20
			go func() {
				rnd := rand.New(rand.NewPCG(5, 6))
				for range rounds {
					_, r, err := server.Reader(ctx)
					if err != nil {
						done <- err
						return
					}
					w, err := server.Writer(ctx, MessageText)
					if err != nil {
						done <- err
						return
					}
					if _, err := io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{r}, make([]byte, 1+rnd.IntN(5000))); err != nil {
						done <- err
						return
					}
					if err := w.Close(); err != nil {
						done <- err
						return
					}
				}
				done <- nil
			}()
			rnd := rand.New(rand.NewPCG(7, 8))
			for i := range rounds {
				s := json1(rnd, rnd.IntN(60000))
				sent := make(chan error, 1)
				go func() {
					if i%3 == 0 {
						sent <- client.Write(ctx, MessageText, []byte(s))
						return
					}
					w, err := client.Writer(ctx, MessageText)
					for rest := s; err == nil && len(rest) > 0; {
						n := min(len(rest), 1+len(rest)/3)
						_, err = io.WriteString(w, rest[:n])
						rest = rest[n:]
					}
					sent <- errors.Join(err, w.Close())
				}()
				_, got, err := client.Read(ctx)
				if err != nil || string(got) != s {
					t.Fatalf("round %d: got %d bytes of %d, %v", i, len(got), len(s), err)
				}
				if err := <-sent; err != nil {
					t.Fatal(err)
				}
			}
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		})
	}
}

// FuzzInflate: our decompression is that of the standard library, and bounded.
func FuzzInflate(f *testing.F) {
	f.Add([]byte("\xf2\x48\xcd\xc9\xc9\x07\x00"), []byte(""))
	f.Add([]byte("\xf2\x00\x11\x00\x00"), []byte("Hello"))
	f.Add([]byte("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), []byte(""))
	f.Fuzz(func(t *testing.T, in, dict []byte) {
		if len(in) == 0 {
			return // we take nothing for an empty message
		}
		const limit = 1 << 16
		got, err := inflate(nil, in, dict, limit)
		if cap(got) > 4*limit {
			t.Fatalf("%d bytes held", cap(got))
		}
		want, werr := io.ReadAll(io.LimitReader(stdflate.NewReaderDict(strings.NewReader(string(in)+deflateTail), dict), limit+1))
		switch {
		case err == ErrMessageTooBig:
			return
		case werr == nil && err == nil && !bytes.HasPrefix(got, want):
			t.Errorf("got %q, want %q", got, want)
		case werr != nil && err == nil:
			t.Errorf("got %q, want %v", got, werr)
		}
	})
}

// FuzzDeflate: what we compress the standard library reads, in both modes.
func FuzzDeflate(f *testing.F) {
	f.Add([]byte("Hello, Hello"), []byte("Hello"), uint8(1), uint8(0))
	f.Add([]byte(""), []byte(""), uint8(9), uint8(9))
	f.Fuzz(func(t *testing.T, a, b []byte, level, bits uint8) {
		level, bits = 1+level%9, bits%15
		if bits < 8 {
			bits = 0
		}
		var w window
		size := windowSize(bits)
		for _, m := range [][]byte{a, b, a} {
			z := newCompressor(int(level), bits)
			var out sliceWriter
			z.begin(&out, w.b)
			z.w.Write(m)
			z.w.Flush()
			z.free()
			got, err := io.ReadAll(stdflate.NewReaderDict(strings.NewReader(string(out.b)+deflateTail), w.b))
			if err != nil || !bytes.Equal(got, m) {
				t.Fatalf("%q after %q: got %q, %v", m, w.b, got, err)
			}
			w.add(m, size)
		}
	})
}

// pair is a client and a server in blocking style, connected.
func pair(t testing.TB, do *DialOptions, ao *AcceptOptions) (client, server *Conn) {
	t.Helper()
	conns, release := make(chan *Conn, 1), make(chan struct{})
	addr := serveHTTP(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := Accept(w, r, ao)
		if err != nil {
			t.Error(err)
		}
		conns <- c
		<-release
	}))
	client, err := Dial(background(t), "ws://"+addr+"/", do)
	if err != nil {
		t.Fatal(err)
	}
	server = await(t, "Accept", conns)
	close(release)
	t.Cleanup(func() { client.CloseNow(); server.CloseNow() })
	return client, server
}

// TestTakeover: the second of two equal messages is small where it may refer to the
// first, and as large as that where it may not; both ways.
func TestTakeover(t *testing.T) {
	t.Parallel()
	message := []byte(json1(rand.New(rand.NewPCG(9, 9)), 4000))
	for _, takeover := range []bool{true, false} {
		for _, stream := range []bool{false, true} {
			a, b := memnet.Pipe(nil)
			pm := deflateParams{on: true, serverNoTakeover: !takeover, clientNoTakeover: !takeover}
			set := common{deflate: &Deflate{ContextTakeover: takeover}}
			server := newBlocking(a, set.settings(false), nil, pm, nil)
			var sizes [2]int64
			for i := range sizes {
				if stream {
					w, err := server.Writer(t.Context(), MessageText)
					must(t, "Writer", err)
					w.Write(message)
					must(t, "close", w.Close())
				} else {
					must(t, "write", server.Write(t.Context(), MessageText, message))
				}
				buf := make([]byte, 8<<10)
				n, err := b.Read(buf)
				must(t, "read", err)
				r := wsframe.Reader{Compression: true}
				f, _, err := r.Next(buf[:n])
				if err != nil || !f.Compressed || !f.Last {
					t.Fatalf("%+v, %v", f, err)
				}
				sizes[i] = f.Length
			}
			if small := sizes[1] < sizes[0]/8; small != takeover {
				t.Errorf("takeover %v, stream %v: %d, then %d bytes", takeover, stream, sizes[0], sizes[1])
			}
			server.CloseNow()
			b.Close()
		}
	}
}
