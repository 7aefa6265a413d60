package main

import (
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/burrownet/burrow/sock"
)

// fetchLimit bounds everything fetch does.
const fetchLimit = 20 * time.Second

// fetchMain is the HTTP client of the scripts:
//
//	fetch [-unix SOCKET] [-status N] [-H 'Name: value'] [-I] [-hold STARTED,GO] URL
//	fetch -down ADDRESS
//
// It waits until the server listens, prints the body (-I: the head), and fails
// unless the status is N. With -hold it stops after the first bytes, makes the
// file STARTED, and goes on when the file GO is there. HTTPS certificates are
// not verified; their fingerprint is printed to standard error. -down waits
// until nobody listens any more.
func fetchMain() {
	unix := flag.String("unix", "", "")
	status := flag.Int("status", 200, "")
	header := flag.String("H", "", "")
	head := flag.Bool("I", false, "")
	hold := flag.String("hold", "", "")
	down := flag.Bool("down", false, "")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), fetchLimit)
	defer cancel()
	network, address := "tcp", flag.Arg(0)
	if *unix != "" {
		network, address = "unix", *unix
	}
	var err error
	if *down {
		err = waitDown(ctx, network, address)
	} else {
		f := fetch{network: network, socket: *unix, header: *header, head: *head, hold: *hold, status: *status}
		err = f.run(ctx, flag.Arg(0))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "fetch:", err)
		os.Exit(1)
	}
}

type fetch struct {
	network, socket string
	header, hold    string
	head            bool
	status          int
}

func (f *fetch) run(ctx context.Context, url string) error {
	method := http.MethodGet
	if f.head {
		method = http.MethodHead
	}
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return err
	}
	if name, value, ok := strings.Cut(f.header, ": "); ok {
		req.Header.Set(name, value)
	}
	client := &http.Client{
		Transport: &http.Transport{
			DialContext:       f.dial,
			TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // the script compares the fingerprint
			DisableKeepAlives: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.TLS != nil {
		fmt.Fprintln(os.Stderr, sock.Fingerprint(tls.Certificate{Certificate: [][]byte{resp.TLS.PeerCertificates[0].Raw}}))
	}
	if f.head {
		fmt.Println(resp.Proto, resp.Status)
		if err := resp.Header.Write(os.Stdout); err != nil {
			return err
		}
	}
	if err := f.copyBody(ctx, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != f.status {
		return fmt.Errorf("%s: got status %d, want %d", url, resp.StatusCode, f.status)
	}
	return nil
}

func (f *fetch) copyBody(ctx context.Context, body io.Reader) error {
	if started, release, ok := strings.Cut(f.hold, ","); ok {
		if _, err := io.CopyN(os.Stdout, body, 1000); err != nil {
			return err
		}
		if err := os.WriteFile(started, nil, 0o644); err != nil {
			return err
		}
		if err := poll(ctx, func() bool { _, err := os.Stat(release); return err == nil }); err != nil {
			return err
		}
	}
	_, err := io.Copy(os.Stdout, body)
	return err
}

// dial waits until somebody listens.
func (f *fetch) dial(ctx context.Context, _, address string) (conn net.Conn, err error) {
	if f.socket != "" {
		address = f.socket
	}
	var d net.Dialer
	if waited := poll(ctx, func() bool { conn, err = d.DialContext(ctx, f.network, address); return err == nil }); waited != nil {
		return nil, err
	}
	return conn, nil
}

func waitDown(ctx context.Context, network, address string) error {
	var d net.Dialer
	return poll(ctx, func() bool {
		conn, err := d.DialContext(ctx, network, address)
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
}

// poll waits until done says so.
func poll(ctx context.Context, done func() bool) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
