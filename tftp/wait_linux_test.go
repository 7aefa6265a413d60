package tftp

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestReceivingDoesNotAllocate: a packet that comes costs no memory, whichever way
// it is waited for.
func TestReceivingDoesNotAllocate(t *testing.T) {
	pc, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	d, _, err := newDriver(pc)
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	conn, err := net.DialUDP("udp4", nil, pc.LocalAddr().(*net.UDPAddr))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	got, ack := 0, []byte{0, 4, 0, 1}
	deliver := func(_ *transfer, a *datagram) {
		if bytes.Equal(a.b, ack) {
			got++
		}
	}
	e := d.(*epollDriver)
	for name, prepare := range map[string]func(){
		"asleep": func() { e.spinner = spinner{} },
		"spinning": func() {
			e.spinner = spinner{on: true}
			e.hot = e.main
		},
	} {
		got = 0
		n := testing.AllocsPerRun(200, func() {
			prepare()
			if _, err := conn.Write(ack); err != nil {
				t.Fatal(err)
			}
			for was := got; got == was; {
				if _, err := d.wait(time.Second, deliver); err != nil {
					t.Fatal(err)
				}
			}
		})
		if n != 0 || got != 201 {
			t.Errorf("%s: %d datagrams, %v allocations each", name, got, n)
		}
	}
}

// TestDirectIsNotForEver: who reads one socket without asking epoll looks for the
// others now and then.
func TestDirectIsNotForEver(t *testing.T) {
	t.Parallel()
	pc, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	dr, _, err := newDriver(pc)
	if err != nil {
		t.Fatal(err)
	}
	defer dr.close()
	d := dr.(*epollDriver)
	owner := &transfer{}
	own, err := d.open(pc.LocalAddr().(*net.UDPAddr).AddrPort().Addr(), 0, owner, false)
	if err != nil {
		t.Fatal(err)
	}
	hot := own.(*epollSocket)
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	to := hot.local(t)
	if _, err := conn.WriteTo([]byte("request"), pc.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	heard := 0 // by the transfer before the listening socket had its turn
	for asked := false; !asked; {
		if _, err := conn.WriteTo([]byte("block"), to); err != nil {
			t.Fatal(err)
		}
		d.spinner, d.hot = spinner{on: true}, hot
		if _, err := d.wait(time.Second, func(o *transfer, _ *datagram) {
			asked = asked || o == nil
			heard++
		}); err != nil {
			t.Fatal(err)
		}
		if heard > 2*everyDirect {
			t.Fatalf("%d datagrams of one transfer, and the request still waits", heard)
		}
	}
}

// local is the address of a socket.
func (s *epollSocket) local(t *testing.T) net.Addr {
	t.Helper()
	sa, err := unix.Getsockname(s.fd)
	if err != nil {
		t.Fatal(err)
	}
	sa4 := sa.(*unix.SockaddrInet4)
	return &net.UDPAddr{IP: sa4.Addr[:], Port: sa4.Port}
}

// TestDiskFile: a file that was just written is in memory; what is not in it is
// not there.
func TestDiskFile(t *testing.T) {
	t.Parallel()
	name, data := filepath.Join(t.TempDir(), "f"), noise(50_000)
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	o := onDisk(file)
	defer o.Close()
	b := make([]byte, 20_000)
	switch ready := o.(immediate).readNow(b, 30_000); {
	case !ready:
		t.Log("this file system does not tell what is in memory")
	case !bytes.Equal(b, data[30_000:]):
		t.Error("other bytes")
	}
	if o.(immediate).readNow(b, 30_001) {
		t.Error("more was read than there is")
	}
}
