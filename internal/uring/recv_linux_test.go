package uring

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// group makes buffers.
func group(t testing.TB, r *Ring, p BuffersParams) *Buffers {
	t.Helper()
	b, err := r.NewBuffers(p)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// arrived is what one completion has brought, with the buffers given back.
func arrived(b *Buffers, c CQE) (all []byte) {
	for c.HasBuffer() {
		data, id := b.Take(&c)
		all = append(all, data...)
		b.Put(id)
	}
	return all
}

// TestRecvMultishot receives more messages than the 16 bits of a group's tail
// can count, with one SQE, and then the peer's end.
func TestRecvMultishot(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, p Params) {
		r := setup(t, 8, p)
		b := group(t, r, BuffersParams{Group: 3, Count: 4, Size: 64})
		near, far := pair(t)
		next(t, r, 1).RecvMultishot(near, 3)
		if _, err := r.Submit(0); err != nil {
			t.Fatal(err)
		}
		msg := make([]byte, 8)
		for i := range uint64(70_000) {
			binary.BigEndian.PutUint64(msg, i)
			write(t, far, msg)
			c := one(t, r)
			if got := arrived(b, c); !bytes.Equal(got, msg) || !c.More() {
				t.Fatalf("message %d: got %x, %+v", i, got, c)
			}
		}
		unix.Shutdown(far, unix.SHUT_WR)
		if c := want(t, r, 1, 0); c.More() || c.HasBuffer() {
			t.Fatalf("at the end: %+v", c)
		}
	})
}

// TestStarvation lets the buffers run out, and goes on when there are some.
func TestStarvation(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, p Params) {
		r := setup(t, 8, p)
		b := group(t, r, BuffersParams{Group: 3, Count: 2, Size: 8})
		near, far := pair(t)
		next(t, r, 1).RecvMultishot(near, 3)
		write(t, far, []byte("0123456789abcdefghijkl"))
		var ids []uint16
		for _, text := range []string{"01234567", "89abcdef"} {
			c := want(t, r, 1, 8)
			data, id := b.Take(&c)
			if string(data) != text {
				t.Fatalf("got %q, want %q", data, text)
			}
			ids = append(ids, id)
		}
		if c := want(t, r, 1, errno(syscall.ENOBUFS)); c.More() || c.HasBuffer() {
			t.Fatalf("without a buffer: %+v", c)
		}
		none(t, r)
		b.Put(ids[1])
		next(t, r, 2).RecvMultishot(near, 3)
		if got := arrived(b, want(t, r, 2, 6)); string(got) != "ghijkl" {
			t.Fatalf("afterwards got %q, want %q", got, "ghijkl")
		}
		b.Put(ids[0])
		none(t, r)
		write(t, far, []byte("more"))
		if got := arrived(b, want(t, r, 2, 4)); string(got) != "more" {
			t.Fatalf("at last got %q, want %q", got, "more")
		}
	})
}

// TestMultishotOverflow lets what a multishot receive brings overflow the queue:
// no byte is lost, whether the operation goes on or ends.
func TestMultishotOverflow(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, p Params) {
		p.CQEntries = 4
		r := setup(t, 4, p)
		b := group(t, r, BuffersParams{Group: 3, Count: 64, Size: 8})
		near, far := pair(t)
		next(t, r, 1).RecvMultishot(near, 3)
		overflowed, sent := 0, 0
		for round := range 50 {
			for range 12 {
				if _, err := r.Submit(0); err != nil { // one arrival after the other
					t.Fatal(err)
				}
				write(t, far, []byte{byte(sent)})
				sent++
			}
			if r.Submit(0); r.Overflowed() {
				overflowed++
			}
			for got := sent - 12; got < sent; {
				c := one(t, r)
				for _, v := range arrived(b, c) {
					if v != byte(got) {
						t.Fatalf("round %d: got %d, want %d", round, v, byte(got))
					}
					got++
				}
				if !c.More() {
					next(t, r, 1).RecvMultishot(near, 3)
				}
			}
		}
		if overflowed == 0 {
			t.Fatal("the queue did not overflow")
		}
	})
}

// TestIncremental has many small messages share two buffers, and holds one of
// them back for a while.
func TestIncremental(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, p Params) {
		r := setup(t, 8, p)
		b := group(t, r, BuffersParams{Group: 3, Count: 2, Size: 100, Incremental: true})
		if !b.Incremental() {
			t.Skip("this kernel has no incremental buffers")
		}
		near, far := pair(t)
		next(t, r, 1).RecvMultishot(near, 3)
		used := map[uint16]int{}
		for i := range 500 {
			msg := fmt.Sprintf("message %03d", i) // 11 bytes
			write(t, far, []byte(msg))
			got := ""
			for len(got) < len(msg) {
				c := one(t, r)
				if !c.HasBuffer() || !c.More() {
					t.Fatalf("message %d: %+v", i, c)
				}
				data, id := b.Take(&c)
				got += string(data)
				used[id]++
				b.Put(id)
			}
			if got != msg {
				t.Fatalf("got %q, want %q", got, msg)
			}
		}
		if used[0] < 200 || used[1] < 200 {
			t.Fatalf("the buffers were used %v times", used)
		}
	})
}

// TestHeldPiece keeps a piece of an incremental buffer: the kernel does not get
// that again until the piece is back.
func TestHeldPiece(t *testing.T) {
	t.Parallel()
	r := setup(t, 8, Params{})
	b := group(t, r, BuffersParams{Group: 3, Count: 1, Size: 16, Incremental: true})
	if !b.Incremental() {
		t.Skip("this kernel has no incremental buffers")
	}
	near, far := pair(t)
	next(t, r, 1).RecvMultishot(near, 3)
	write(t, far, []byte("held"))
	c := want(t, r, 1, 4)
	held, id := b.Take(&c)
	write(t, far, []byte("0123456789abcdef"))
	if got := arrived(b, want(t, r, 1, 12)); string(got) != "0123456789ab" {
		t.Fatalf("got %q", got)
	}
	want(t, r, 1, errno(syscall.ENOBUFS))
	if string(held) != "held" {
		t.Fatalf("the held piece became %q", held)
	}
	b.Put(id)
	next(t, r, 2).RecvMultishot(near, 3)
	if got := arrived(b, want(t, r, 2, 4)); string(got) != "cdef" {
		t.Fatalf("got %q, want %q", got, "cdef")
	}
}

func TestBundles(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, p Params) {
		r := setup(t, 8, p)
		if !r.Features().Has(FeatBundle) {
			t.Skip("this kernel has no bundles")
		}
		in := group(t, r, BuffersParams{Group: 1, Count: 8, Size: 10})
		out := group(t, r, BuffersParams{Group: 2, Count: 8})
		near, far := pair(t)
		next(t, r, 1).RecvBundle(near, 1)
		most := int32(0)
		for round := range 20 {
			msg := fmt.Sprintf("round %02d: head|body|trailer", round)
			// Three pieces, of which the kernel makes one send.
			out.Lend(4, []byte(msg[:14]))
			out.Lend(1, []byte(msg[14:19]))
			out.Lend(7, []byte(msg[19:]))
			s := next(t, r, 2)
			s.SendBundle(far, 2, unix.MSG_WAITALL)
			got := ""
			for sent := false; !sent || len(got) < len(msg); {
				switch c := one(t, r); c.UserData {
				case 1:
					most = max(most, c.Res)
					got += string(arrived(in, c))
				case 2:
					if int(c.Res) != len(msg) || c.Buffer() != 4 {
						t.Fatalf("sent %d from buffer %d, want %d from 4", c.Res, c.Buffer(), len(msg))
					}
					sent = true
				}
			}
			if got != msg {
				t.Fatalf("got %q, want %q", got, msg)
			}
		}
		if most <= 10 {
			t.Errorf("no completion has filled more than one buffer")
		}
	})
}

// TestLimitRecv has a receive end by itself, with the rest in the socket.
func TestLimitRecv(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, p Params) {
		r := setup(t, 8, p)
		b := group(t, r, BuffersParams{Group: 1, Count: 8, Size: 10})
		near, far := pair(t)
		unix.Write(far, make([]byte, 50))
		s := next(t, r, 1)
		s.RecvMultishot(near, 1)
		s.LimitRecv(20)
		c := one(t, r)
		if c.Err() == syscall.EINVAL {
			t.Skip("this kernel has no limit for multishot recv")
		}
		got := len(arrived(b, c))
		for c.More() && got < 50 {
			c = one(t, r)
			got += len(arrived(b, c))
		}
		if got != 20 || c.More() {
			t.Errorf("%d bytes, more to come %v; want 20 and the end", got, c.More())
		}
		s = next(t, r, 2)
		s.RecvMultishot(near, 1)
		for got < 50 {
			got += len(arrived(b, one(t, r)))
		}
	})
}

func TestBuffersRefusals(t *testing.T) {
	t.Parallel()
	r := setup(t, 8, Params{})
	group(t, r, BuffersParams{Group: 5, Count: 2, Size: 8})
	for _, tc := range []struct {
		p    BuffersParams
		want syscall.Errno
	}{
		{BuffersParams{Count: 0, Size: 1}, syscall.EINVAL},
		{BuffersParams{Count: 3, Size: 1}, syscall.EINVAL},
		{BuffersParams{Count: 1 << 16, Size: 1}, syscall.EINVAL},
		{BuffersParams{Count: 1 << 15, Size: 1 << 16}, syscall.EINVAL},
		{BuffersParams{Group: 5, Count: 2, Size: 8}, syscall.EEXIST},
	} {
		b, err := r.NewBuffers(tc.p)
		var e *Error
		if !errors.As(err, &e) || e.Errno != tc.want || b != nil {
			t.Errorf("NewBuffers(%+v): %v, want %v", tc.p, err, tc.want)
		}
	}
}

// TestBuffersClose uses a group's number again.
func TestBuffersClose(t *testing.T) {
	t.Parallel()
	r := setup(t, 8, Params{})
	for range 3 {
		b := group(t, r, BuffersParams{Group: 5, Count: 2, Size: 8})
		if err := errors.Join(b.Close(), b.Close()); err != nil {
			t.Fatal(err)
		}
	}
	near, _ := pair(t)
	next(t, r, 1).RecvMultishot(near, 5)
	want(t, r, 1, errno(syscall.ENOBUFS))
}

func TestPutWithoutTake(t *testing.T) {
	t.Parallel()
	r := setup(t, 8, Params{})
	b := group(t, r, BuffersParams{Group: 5, Count: 2, Size: 8})
	defer func() {
		if got, want := fmt.Sprint(recover()), "uring: Put of buffer 1, which is not taken"; got != want {
			t.Errorf("panic %q, want %q", got, want)
		}
	}()
	b.Put(1)
}
