package tftp_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"testing/fstest"

	"github.com/burrownet/burrow/tftp"
)

func Example() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	pc, err := tftp.Listen(ctx, "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	srv := &tftp.Server{
		FS:         fstest.MapFS{"boot/hello": {Data: []byte("Hello, firmware.")}},
		OnTransfer: func(r tftp.Record) { fmt.Println(r.Op, r.File, r.Granted, r.Result) },
		Logger:     slog.New(slog.DiscardHandler),
	}
	ended := make(chan error)
	go func() { ended <- srv.Serve(ctx, pc) }()

	var b bytes.Buffer
	var c tftp.Client
	if _, err := c.Get(ctx, pc.LocalAddr().String(), "boot/hello", &b); err != nil {
		fmt.Println(err)
	}
	cancel() // the server finishes what it has begun
	fmt.Println(<-ended)
	fmt.Println(b.String())
	// Output:
	// read boot/hello tsize=16 blksize=1468 windowsize=16 ok
	// <nil>
	// Hello, firmware.
}
