package tftp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"
)

// TestManyTransfersFewGoroutines: two thousand transfers at once, of which none has
// a goroutine. It runs alone, so that those of other tests do not count.
func TestManyTransfersFewGoroutines(t *testing.T) {
	const clients = 2000
	for _, single := range []bool{false, true} {
		t.Run(fmt.Sprint("single port ", single), func(t *testing.T) {
			var room syscall.Rlimit
			if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &room); err != nil || room.Cur < 2*clients+100 {
				t.Skipf("%d descriptors are too few", room.Cur)
			}
			files := fstest.MapFS{"f": {Data: noise(1200)}}
			r := serve(t, slow(&Server{FS: files, SinglePort: single, MaxTransfersPerAddr: -1}), false)
			before := runtime.NumGoroutine()
			hands := make([]*hand, clients)
			for i := range hands {
				hands[i] = newHand(t, r)
				hands[i].ask(opRRQ, "f", option{"tsize", "0"})
				hands[i].expect("OACK [tsize=1200]")
			}
			if st := r.Stats(); st.Active != clients {
				t.Errorf("%d transfers are under way, want %d", st.Active, clients)
			}
			if more := runtime.NumGoroutine() - before; more > 50 {
				t.Errorf("%d goroutines for %d transfers", more, clients)
			}
			for block := range uint16(4) { // each of them goes on
				for _, h := range hands {
					h.ack(block)
					if block < 3 {
						h.hear()
					}
				}
			}
			for range hands {
				if rec := r.record(t); rec.Result != ResultOK || rec.Bytes != 1200 {
					t.Fatalf("record %+v", rec)
				}
			}
		})
	}
}

// The tests below start this program again as a server.
const (
	childFolder = "BURROW_TFTP_TEST_FOLDER"  // what it serves
	childListen = "BURROW_TFTP_TEST_LISTEN"  // where
	childUser   = "BURROW_TFTP_TEST_BECOMES" // "nobody": it gives up its rights
	nobody      = 65534
)

// TestChildServes is that server. It ends with its input.
func TestChildServes(t *testing.T) {
	if os.Getenv(childFolder) == "" {
		return // it is started by other tests
	}
	root, err := os.OpenRoot(os.Getenv(childFolder))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	pc, err := Listen(t.Context(), os.Getenv(childListen))
	if err != nil {
		t.Fatal(err)
	}
	if os.Getenv(childUser) != "" {
		for _, err := range []error{syscall.Setgroups([]int{nobody}), syscall.Setgid(nobody), syscall.Setuid(nobody)} {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	fmt.Printf("serves %v as %d\n", pc.LocalAddr(), os.Getuid())
	ctx, cancel := context.WithCancel(t.Context())
	go func() { io.Copy(io.Discard, os.Stdin); cancel() }()
	if err := (&Server{Root: root, DrainTimeout: -1}).Serve(ctx, pc); err != nil {
		t.Fatal(err)
	}
}

// child starts the server and returns what it says of itself.
func child(t *testing.T, cmd *exec.Cmd, env ...string) string {
	t.Helper()
	cmd.Env = append(os.Environ(), env...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		late := time.AfterFunc(patience, func() { cmd.Process.Kill() })
		defer late.Stop()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the server: %v", err)
		}
	})
	said := make([]byte, 200)
	n, err := out.Read(said)
	if err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, out)
	return string(said[:n])
}

// TestSystemdSocket: a server on a socket that it was started with.
func TestSystemdSocket(t *testing.T) {
	t.Parallel()
	_, dir := newRoot(t)
	os.WriteFile(filepath.Join(dir, "f"), noise(5000), 0o644)
	pc, err := net.ListenUDP("udp4", &net.UDPAddr{IP: ownAddr()})
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	f, err := pc.File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	// Who waits for the first request before it starts a service is systemd.
	var b bytes.Buffer
	ended := make(chan error, 1)
	go func() {
		_, err := (&Client{}).Get(t.Context(), pc.LocalAddr().String(), "f", &b)
		ended <- err
	}()
	cmd := exec.Command("/bin/sh", "-c", `LISTEN_PID=$$ exec "$0" -test.run='^TestChildServes$'`, os.Args[0])
	cmd.ExtraFiles = []*os.File{f}
	said := child(t, cmd, childFolder+"="+dir, childListen+"=systemd:tftp", "LISTEN_FDS=1", "LISTEN_FDNAMES=tftp")
	if !strings.HasPrefix(said, "serves "+pc.LocalAddr().String()) {
		t.Errorf("it says %q", said)
	}
	if err := <-ended; err != nil || !bytes.Equal(b.Bytes(), noise(5000)) {
		t.Errorf("%d bytes, %v", b.Len(), err)
	}
}

// TestWithoutRights: a server that opens a port of those for root only, and then is
// nobody, serves what everybody may read and nothing else.
func TestWithoutRights(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("only root can become another user")
	}
	dir, err := os.MkdirTemp("", "tftp")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	os.Chmod(dir, 0o755)
	os.WriteFile(filepath.Join(dir, "f"), noise(5000), 0o644)
	os.WriteFile(filepath.Join(dir, "secret"), noise(5), 0o600)
	addr := ownAddr().String() + ":69" // which no other test has
	said := child(t, exec.Command(os.Args[0], "-test.run=^TestChildServes$"), childFolder+"="+dir, childListen+"="+addr, childUser+"=nobody")
	if want := fmt.Sprintf("serves %s as %d", addr, nobody); !strings.HasPrefix(said, want) {
		t.Fatalf("it says %q, want %q", said, want)
	}
	var b bytes.Buffer
	if _, err := (&Client{}).Get(t.Context(), addr, "f", &b); err != nil || !bytes.Equal(b.Bytes(), noise(5000)) {
		t.Errorf("%d bytes, %v", b.Len(), err)
	}
	if _, err = (&Client{}).Get(t.Context(), addr, "secret", io.Discard); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("what only root may read: %v", err)
	}
}
