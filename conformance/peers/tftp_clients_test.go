package peers

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/burrownet/burrow/tftp"
)

// tftpd starts a tftp.Server on a folder with a file and returns its port, the
// folder, and where the records of its transfers arrive.
func tftpd(t *testing.T, s *tftp.Server, host string) (port, dir string, records chan tftp.Record) {
	t.Helper()
	dir = t.TempDir()
	write(t, dir, "file", string(tftpContent))
	write(t, dir, "text", "one\ntwo\n")
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	pc, err := net.ListenPacket("udp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Skipf("no address %s here: %v", host, err)
	}
	records = make(chan tftp.Record, 100)
	s.Root, s.Write, s.Logger = root, tftp.WriteOverwrite, slog.New(slog.DiscardHandler)
	s.OnTransfer = func(r tftp.Record) { records <- r }
	s.Timeout, s.MinTimeout = 5*time.Second, 5*time.Second // a busy machine is not to pass for a lossy network
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, pc) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		root.Close()
	})
	_, port, err = net.SplitHostPort(pc.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port, dir, records
}

// tftpContent is neither a whole number of blocks of any usual size, nor short.
var tftpContent = bytes.Repeat([]byte("0123456789abcdef\r\n\x00\xff"), 20_001)

var timeouts = regexp.MustCompile(` timeout=\d+`)

// wantRecord checks what the server noted of the last transfer.
func wantRecord(t *testing.T, records chan tftp.Record, op, granted string, size int) {
	t.Helper()
	select {
	case r := <-records:
		if !strings.Contains(granted, "timeout=") { // curl's depends on how long it may take in all
			r.Granted = timeouts.ReplaceAllString(r.Granted, "")
		}
		if r.Result != tftp.ResultOK || r.Op != op || r.Granted != granted || r.Bytes != int64(size) || r.Retransmits > 0 {
			t.Errorf("record %+v, want an ok %s of %d bytes with %q", r, op, size, granted)
		}
	case <-time.After(10 * time.Second):
		t.Error("the server has no record")
	}
}

func wantFile(t *testing.T, file string, want []byte) {
	t.Helper()
	if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s: %d bytes, %v, want %d", filepath.Base(file), len(got), err, len(want))
	}
	os.Remove(file)
}

// TestTFTPClients has each client get and put a file with each option that it
// knows, from a server of one port each and from one of a single port.
func TestTFTPClients(t *testing.T) {
	size := len(tftpContent)
	for _, tc := range []struct {
		name, program string
		get, put      []string // HOST, PORT, LOCAL and "file" stand for what they say
		gets, puts    string   // granted
	}{
		{
			"curl", "curl",
			[]string{"-sS", "--max-time", "20", "--tftp-blksize", "1468", "tftp://HOST:PORT/file", "-o", "LOCAL"},
			[]string{"-sS", "--max-time", "20", "--tftp-blksize", "8192", "-T", "LOCAL", "tftp://HOST:PORT/up"},
			fmt.Sprintf("tsize=%d blksize=1468", size), fmt.Sprintf("tsize=%d blksize=8192", size),
		},
		{
			"curl without options", "curl",
			[]string{"-sS", "--max-time", "20", "--tftp-no-options", "tftp://HOST:PORT/file", "-o", "LOCAL"},
			[]string{"-sS", "--max-time", "20", "--tftp-no-options", "-T", "LOCAL", "tftp://HOST:PORT/up"},
			"", "",
		},
		{
			"tftp-hpa", "tftp",
			[]string{"HOST", "PORT", "-m", "binary", "-c", "get", "file", "LOCAL"},
			[]string{"HOST", "PORT", "-m", "binary", "-c", "put", "LOCAL", "up"},
			"", "",
		},
		{
			"atftp", "atftp",
			[]string{"-g", "-r", "file", "-l", "LOCAL", "HOST", "PORT"},
			[]string{"-p", "-r", "up", "-l", "LOCAL", "HOST", "PORT"},
			"", "",
		},
		{
			"atftp with options", "atftp",
			[]string{"--option", "blksize 1024", "--option", "windowsize 16", "--option", "timeout 3", "--option", "tsize 0", "-g", "-r", "file", "-l", "LOCAL", "HOST", "PORT"},
			[]string{"--option", "blksize 1024", "--option", "windowsize 16", "-p", "-r", "up", "-l", "LOCAL", "HOST", "PORT"},
			fmt.Sprintf("tsize=%d timeout=3 blksize=1024 windowsize=16", size), "blksize=1024 windowsize=16",
		},
		{
			"busybox", "busybox",
			[]string{"tftp", "-g", "-r", "file", "-l", "LOCAL", "HOST", "PORT"},
			[]string{"tftp", "-p", "-r", "up", "-l", "LOCAL", "HOST", "PORT"},
			fmt.Sprintf("tsize=%d", size), fmt.Sprintf("tsize=%d", size),
		},
		{
			"busybox with blocks", "busybox",
			[]string{"tftp", "-b", "65464", "-g", "-r", "file", "-l", "LOCAL", "HOST", "PORT"},
			[]string{"tftp", "-b", "1468", "-p", "-r", "up", "-l", "LOCAL", "HOST", "PORT"},
			fmt.Sprintf("blksize=65464 tsize=%d", size), fmt.Sprintf("blksize=1468 tsize=%d", size),
		},
	} {
		for _, single := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, single port %v", tc.name, single), func(t *testing.T) {
				port, dir, records := tftpd(t, &tftp.Server{SinglePort: single}, "127.0.0.1")
				local := filepath.Join(t.TempDir(), "local")
				run(t, nil, tc.program, fill(tc.get, "127.0.0.1", port, local)...)
				wantFile(t, local, tftpContent)
				wantRecord(t, records, "read", tc.gets, size)
				write(t, filepath.Dir(local), "local", string(tftpContent))
				run(t, nil, tc.program, fill(tc.put, "127.0.0.1", port, local)...)
				wantRecord(t, records, "write", tc.puts, size)
				wantFile(t, filepath.Join(dir, "up"), tftpContent)
			})
		}
	}
}

// fill puts the values in the place of their names.
func fill(args []string, host, port, local string) []string {
	filled := make([]string, len(args))
	for i, a := range args {
		for from, to := range map[string]string{"HOST": host, "PORT": port, "LOCAL": local} {
			a = string(bytes.ReplaceAll([]byte(a), []byte(from), []byte(to)))
		}
		filled[i] = a
	}
	return filled
}

func TestTFTPClientText(t *testing.T) {
	port, dir, records := tftpd(t, &tftp.Server{}, "127.0.0.1")
	local := filepath.Join(t.TempDir(), "local")
	run(t, nil, "tftp", "127.0.0.1", port, "-m", "ascii", "-c", "get", "text", local)
	wantRecord(t, records, "read", "", len("one\r\ntwo\r\n"))
	run(t, nil, "tftp", "127.0.0.1", port, "-m", "ascii", "-c", "put", local, "up")
	wantRecord(t, records, "write", "", len("one\r\ntwo\r\n"))
	wantFile(t, local, []byte("one\ntwo\n"))
	wantFile(t, filepath.Join(dir, "up"), []byte("one\ntwo\n"))
}

func TestTFTPClientIPv6(t *testing.T) {
	port, _, records := tftpd(t, &tftp.Server{SinglePort: true}, "::1")
	local := filepath.Join(t.TempDir(), "local")
	run(t, nil, "curl", "-g", "-sS", "--max-time", "20", "tftp://[::1]:"+port+"/file", "-o", local)
	wantFile(t, local, tftpContent)
	wantRecord(t, records, "read", fmt.Sprintf("tsize=%d blksize=512", len(tftpContent)), len(tftpContent))
}
