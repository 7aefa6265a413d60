package tftp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
)

// TestDrain: when its context ends the server takes nothing new and finishes
// what it has begun.
func TestDrain(t *testing.T) {
	t.Parallel()
	bothDrivers(t, func(t *testing.T, std bool) {
		r := serve(t, slow(&Server{FS: abc, DrainTimeout: patience}), std)
		h := newHand(t, r)
		h.ask(opRRQ, "abc", option{"blksize", "20"})
		h.expect("OACK [blksize=20]")
		ended := make(chan error, 1)
		go func() { ended <- r.stop() }()
		late := newHand(t, r)
		late.expectNothing()
		late.ask(opRRQ, "abc")
		late.expectNothing()
		h.ack(0)
		h.expect(`DATA 1 "abcdefghij0123456789"`)
		h.ack(1)
		h.expect(`DATA 2 "ABCDEFGHIJ"`)
		h.ack(2)
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestStopTells: a transfer that is cut off by the end of the server is told.
func TestStopTells(t *testing.T) {
	t.Parallel()
	bothDrivers(t, func(t *testing.T, std bool) {
		r := serve(t, slow(&Server{FS: abc}), std)
		h := newHand(t, r)
		h.ask(opRRQ, "abc", option{"blksize", "20"})
		h.expect("OACK [blksize=20]")
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		h.expect(`ERROR 0 (undefined) "server stops"`)
		if rec := r.record(t); rec.Result != ResultFailed {
			t.Errorf("record %+v", rec)
		}
	})
}

func TestNetascii(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("one\ntwo\r\nthree\rfour\n\n", 5000)
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	r := serve(t, &Server{Root: root, Write: WriteOverwrite}, false)
	for _, c := range []*Client{{ASCII: true}, {ASCII: true, WindowSize: -1, BlockSize: -1}, {ASCII: true, BlockSize: 8192, WindowSize: 64}} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		put, err := c.Put(ctx, r.addr.String(), "text", strings.NewReader(text), int64(len(text)))
		if err != nil {
			t.Fatal(err)
		}
		if b, err := fs.ReadFile(root.FS(), "text"); string(b) != text {
			t.Fatalf("%d bytes, want %d, %v", len(b), len(text), err)
		}
		var b bytes.Buffer
		got, err := c.Get(ctx, r.addr.String(), "text", &b)
		if err != nil || b.String() != text {
			t.Fatalf("%d bytes, want %d, %v", b.Len(), len(text), err)
		}
		for _, rec := range []*Record{put, got} {
			if rec.Mode != "netascii" || rec.Bytes <= int64(len(text)) || strings.Contains(rec.Granted, "tsize") {
				t.Errorf("record %+v", rec)
			}
		}
	}
	// On the wire a line ends in CR LF.
	(&Client{}).Put(t.Context(), r.addr.String(), "short", strings.NewReader("a\nb"), 3)
	h := newHand(t, r)
	h.say(&packet{op: opRRQ, name: "short", mode: "netascii", options: options{{"tsize", "0"}}})
	h.expect(`DATA 1 "a\r\nb"`)
	h.ack(1)
}

func TestCaseInsensitive(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{
		"Boot/BCD": {Data: []byte("1")}, "boot.ini": {Data: []byte("2")}, "BOOT.INI": {Data: []byte("3")},
	}
	r := serve(t, &Server{FS: files, CaseInsensitive: true}, false)
	for name, want := range map[string]string{`\BOOT\bcd`: "1", "boot/BCD": "1", "boot.ini": "2", "BOOT.INI": "3", "Boot.Ini": "3"} {
		b, _, err := get(t, &Client{}, r, name)
		if err != nil || string(b) != want {
			t.Errorf("%s: %q, %v, want %q", name, b, err, want)
		}
	}
	if _, _, err := get(t, &Client{}, r, "boot/bcd/x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("below a file: %v", err)
	}
}

// TestShowHidden: names that begin with a dot, of files and of folders, are there for
// those who are told so only; what is being uploaded is never.
func TestShowHidden(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{".config": {Data: []byte("x")}, ".d/f": {Data: []byte("x")}, "d/.f": {Data: []byte("x")}}
	staged := fstest.MapFS{stagedPrefix + "x": {Data: []byte("x")}}
	for _, show := range []bool{false, true} {
		r := serve(t, &Server{FS: files, ShowHidden: show}, false)
		for name := range files {
			if b, _, err := get(t, &Client{}, r, name); show != (err == nil && string(b) == "x") || !show && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("ShowHidden %v, %s: %q, %v", show, name, b, err)
			}
		}
		for _, name := range []string{stagedPrefix + "x", strings.ToUpper(stagedPrefix) + "x"} {
			if _, _, err := get(t, &Client{}, serve(t, &Server{FS: staged, ShowHidden: show, CaseInsensitive: true}, false), name); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("ShowHidden %v, a file that is not complete, as %s: %v", show, name, err)
			}
		}
		for _, name := range []string{"..", "../x", "d/../../x", "."} {
			if _, _, err := get(t, &Client{}, r, name); !errors.Is(err, fs.ErrPermission) {
				t.Errorf("ShowHidden %v, %s: %v", show, name, err)
			}
		}
	}
}

func TestQuirks(t *testing.T) {
	t.Parallel()
	var q []Quirk
	add := func(x Quirk) { q = append(q, x) }
	add(Quirk{Name: "other vendor", MAC: "00:11:22", MaxBlockSize: 8})
	add(Quirk{Name: "other net", Net: netip.MustParsePrefix("10.0.0.0/8"), MaxBlockSize: 9})
	add(Quirk{Name: "small blocks", MAC: "AA:BB", Net: netip.MustParsePrefix("127.0.0.0/8"), MaxBlockSize: 10, MaxWindowSize: 2})
	add(Quirk{Name: "no size", IgnoreOptions: []string{"tsize"}})
	mac := func(netip.Addr) string { return "AA:BB:CC:00:00:01" }
	r := serve(t, slow(&Server{FS: abc, Quirks: q, LookupMAC: mac}), false)
	h := newHand(t, r)
	h.ask(opRRQ, "abc", option{"blksize", "512"}, option{"tsize", "0"}, option{"windowsize", "8"})
	h.expect("OACK [blksize=10 windowsize=2]")
	h.say(&packet{op: opERROR})
	if rec := r.record(t); rec.Quirk != "small blocks, no size" || rec.MAC != "aa:bb:cc:00:00:01" {
		t.Errorf("record %+v", rec)
	}
	r = serve(t, slow(&Server{FS: abc, Quirks: []Quirk{{Name: "no OACK", IgnoreOptions: []string{"*"}}}}), false)
	h = newHand(t, r)
	h.ask(opRRQ, "abc", option{"blksize", "10"})
	h.expect(`DATA 1 "abcdefghij0123456789ABCDEFGHIJ"`)
	h.ack(1)
	r.record(t)
}

// TestQuirkOfNet: an address is in a network whatever the interface that it is behind.
func TestQuirkOfNet(t *testing.T) {
	t.Parallel()
	q := Quirk{Net: netip.MustParsePrefix("fe80::/10")}
	for client, want := range map[string]bool{"fe80::1": true, "fe80::1%eth0": true, "2001:db8::1": false, "192.0.2.1": false} {
		if got := q.matches(netip.MustParseAddr(client), ""); got != want {
			t.Errorf("%s: %v, want %v", client, got, want)
		}
	}
}

func TestParseARP(t *testing.T) {
	t.Parallel()
	table := parseARP([]byte("IP address       HW type     Flags       HW address            Mask     Device\n" +
		"192.168.1.9      0x1         0x2         00:1B:78:AA:bb:01     *        eth0\n" +
		"192.168.1.8      0x1         0x0         00:00:00:00:00:00     *        eth0\nnonsense\n"))
	if got := table[netip.MustParseAddr("192.168.1.9")]; got != "00:1b:78:aa:bb:01" || len(table) != 1 {
		t.Errorf("%v", table)
	}
}

func TestPortRange(t *testing.T) {
	t.Parallel()
	// The ports next to one that the system chose: free, most likely; those that
	// are not must be passed over.
	probe, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4zero})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { probe.Close() })
	taken := probe.LocalAddr().(*net.UDPAddr).Port
	low := min(taken, 65535-20)
	bothDrivers(t, func(t *testing.T, std bool) {
		r := serve(t, slow(&Server{FS: abc, PortMin: low, PortMax: low + 20}), std)
		for range 10 {
			h := newHand(t, r)
			h.ask(opRRQ, "abc", option{"tsize", "0"})
			h.expect("OACK [tsize=30]")
			if port := int(h.to.Port()); port < low || port > low+20 || port == taken {
				t.Errorf("answered from port %d, not in %d-%d", port, low, low+20)
			}
			h.say(&packet{op: opERROR})
			r.record(t)
		}
	})
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := (&Server{PortMin: 2, PortMax: 1}).Serve(t.Context(), pc); err == nil {
		t.Error("a range that is none was accepted")
	}
}

// TestNoPort: that a transfer gets no port is not the fault of its file.
func TestNoPort(t *testing.T) {
	t.Parallel()
	pc, err := net.ListenUDP("udp4", &net.UDPAddr{IP: ownAddr()})
	if err != nil {
		t.Fatal(err)
	}
	taken := pc.LocalAddr().(*net.UDPAddr)
	pc.Close()
	addr := *taken
	addr.Port = 0
	listen, err := net.ListenUDP("udp4", &addr)
	if err != nil {
		t.Fatal(err)
	}
	holder, err := net.ListenUDP("udp4", taken) // the only port of the range, on the server's address
	if err != nil {
		t.Skip(err)
	}
	defer holder.Close()
	r := serveOn(t, slow(&Server{FS: abc, PortMin: taken.Port, PortMax: taken.Port}), listen, false)
	h := newHand(t, r)
	h.ask(opRRQ, "abc")
	h.expect(`ERROR 0 (undefined) "server busy, try again later"`)
	if rec := r.record(t); rec.Result != ResultFailed || !strings.Contains(rec.Error, "open a port") {
		t.Errorf("record %+v", rec)
	}
	if e := wireError(&portError{os.NewSyscallError("bind", syscall.EACCES)}); e.Code != CodeUndefined || e.Message != "server has no port for the transfer" {
		t.Errorf("a port that is not allowed: %+v", e)
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	r := serve(t, &Server{FS: abc}, false)
	get(t, &Client{}, r, "abc")
	get(t, &Client{}, r, "none")
	r.record(t)
	r.record(t)
	eventually(t, func() bool { return r.Stats().Active == 0 })
	var b bytes.Buffer
	if err := r.WriteMetrics(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"burrow_tftp_requests_total 2\n", "burrow_tftp_active_transfers 0\n",
		`burrow_tftp_bytes_total{op="read"} 30` + "\n", `burrow_tftp_transfers_total{op="read",result="ok"} 1` + "\n",
		`burrow_tftp_transfers_total{op="read",result="refused"} 1` + "\n", `burrow_tftp_transfers_total{op="write",result="ok"} 0` + "\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	seen := map[string]bool{}
	for line := range strings.SplitSeq(strings.TrimSpace(b.String()), "\n") {
		name, _, _ := strings.Cut(line, " ")
		if line[0] == '#' {
			name = strings.Join(strings.Fields(line)[:3], " ")
		}
		if seen[name] {
			t.Errorf("twice: %s", name)
		}
		seen[name] = true
	}
}

// TestManyAtOnce: transfers by the hundred, few goroutines.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	data := noise(100_000)
	files := fstest.MapFS{"image": {Data: data}}
	for _, single := range []bool{false, true} {
		r := serve(t, &Server{FS: files, SinglePort: single, MaxTransfersPerAddr: -1}, false)
		const n = 150
		ended := make(chan error, n)
		for i := range n {
			go func() {
				var b bytes.Buffer
				_, err := (&Client{WindowSize: 1 + i%20}).Get(t.Context(), r.addr.String(), "image", &b)
				if err == nil && !bytes.Equal(b.Bytes(), data) {
					err = fmt.Errorf("%d bytes that differ", b.Len())
				}
				ended <- err
			}()
		}
		for range n {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	}
}

// deadTree is a tree that does not answer until it is let go.
type deadTree struct {
	fs.FS
	asked, letGo chan struct{}
	opens        bool // it does so at first, and then gives no bytes
}

type deadFile struct {
	fs.File
	tree *deadTree
}

func (d *deadTree) Open(name string) (fs.File, error) {
	if !d.opens {
		d.asked <- struct{}{}
		<-d.letGo
	}
	f, err := d.FS.Open(name)
	return deadFile{f, d}, err
}

func (f deadFile) Read(b []byte) (int, error) {
	f.tree.asked <- struct{}{}
	<-f.tree.letGo
	return f.File.Read(b)
}

// TestDeadFileSystem: one that answers nothing does not keep Serve from returning.
func TestDeadFileSystem(t *testing.T) {
	t.Parallel()
	for _, opens := range []bool{false, true} {
		t.Run(fmt.Sprint("opens ", opens), func(t *testing.T) {
			t.Parallel()
			tree := &deadTree{FS: abc, asked: make(chan struct{}, 1), letGo: make(chan struct{}), opens: opens}
			r := serve(t, slow(&Server{FS: tree}), false)
			newHand(t, r).ask(opRRQ, "abc")
			<-tree.asked
			if err := r.stop(); !errors.Is(err, errStuck) {
				t.Errorf("%v, want %v", err, errStuck)
			}
			close(tree.letGo)
		})
	}
}
