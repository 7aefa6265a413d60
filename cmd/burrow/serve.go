package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"github.com/burrownet/burrow/httpd"
	"github.com/burrownet/burrow/sock"
)

// serveVerb is "burrow serve".
type serveVerb struct {
	Dir           string   `arg:"" optional:"" default:"." help:"Folder to serve. Default: the current one."`
	Listen        []string `short:"l" default:"127.0.0.1:8080" sep:"none" placeholder:"ADDR" help:"Address to listen on: HOST:PORT, :PORT for every network this machine is in, unix:/PATH or systemd:NAME. Port 0 picks a free one. May be given several times. Default: 127.0.0.1:8080."`
	TLSCert       string   `name:"tls-cert" placeholder:"FILE" help:"Certificate (PEM) for HTTPS. Read again when it changes."`
	TLSKey        string   `name:"tls-key" placeholder:"FILE" help:"Private key (PEM) of the certificate."`
	TLSSelfSigned bool     `name:"tls-self-signed" help:"HTTPS with a certificate made for this run; visitors have to compare its fingerprint."`
	Driver        string   `enum:"auto,epoll,uring,kqueue,goroutine" default:"auto" placeholder:"NAME" help:"How connections are driven: auto, epoll, uring, kqueue or goroutine. Default: auto, the event engine where there is one."`
	Hidden        bool     `help:"Serve and list names that begin with a dot."`
	NoListing     bool     `name:"no-listing" help:"Do not list folders that have no index.html."`
	Quiet         bool     `short:"q" help:"Do not log requests."`
}

// Help is the long help of the verb.
func (serveVerb) Help() string {
	return `Files are sent as they are; a folder shows its index.html or else a page that lists it. Names that begin with a dot are not served, and links are followed within the folder only: one that leads out of it, or begins at the root of the file system, is not. Each request is logged as one line on standard error, and so is a TLS handshake that fails.

Share a folder with the phone on the same network, over HTTPS:

    $ burrow serve ~/Pictures --listen :8443 --tls-self-signed

See the current folder on this machine only:

    $ burrow serve

Ctrl-C lets running downloads finish, and a second Ctrl-C does not.`
}

// Validate is called once the flags are parsed.
func (v *serveVerb) Validate() error {
	switch {
	case v.TLSCert != "" && v.TLSKey == "":
		return errors.New("--tls-cert needs --tls-key, the private key of that certificate")
	case v.TLSKey != "" && v.TLSCert == "":
		return errors.New("--tls-key needs --tls-cert, the certificate of that key")
	case v.TLSCert != "" && v.TLSSelfSigned:
		return errors.New("--tls-self-signed makes a certificate: leave out --tls-cert and --tls-key, or leave out --tls-self-signed")
	}
	return nil
}

// Run serves until a signal ends it.
func (v *serveVerb) Run(t *terminal) error {
	root, err := openFolder(v.Dir)
	if err != nil {
		return err
	}
	defer root.Close()
	config, fingerprint, err := v.tlsConfig()
	if err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(t.err, &slog.HandlerOptions{Level: v.logLevel()}))
	var handler http.Handler = &httpd.Files{Root: root, ShowHidden: v.Hidden, NoListing: v.NoListing, Logger: logger}
	if !v.Quiet {
		handler = &httpd.AccessLog{Handler: handler, Out: t.err, Color: t.color}
	}
	serve, err := newServer(handler, config, v.Driver, logger)
	if err != nil {
		return err
	}
	ctx, stop := untilSignal(t)
	defer stop()
	listeners, err := listenAll(ctx, v.Listen)
	if err != nil {
		return err
	}
	announce(t, v.Dir, listeners, config != nil, fingerprint)
	return serveAll(ctx, listeners, serve)
}

// logLevel has TLS handshakes that fail logged where requests are.
func (v *serveVerb) logLevel() slog.Level {
	if v.Quiet {
		return slog.LevelInfo
	}
	return slog.LevelDebug
}

// openFolder opens the folder to serve. The path in its errors is absolute, as
// a wrong one is often relative to another folder than thought.
func openFolder(dir string) (*os.Root, error) {
	if dir == "" {
		return nil, errors.New("the folder's name is empty; leave it out to serve the current one")
	}
	shown := dir
	if abs, err := filepath.Abs(dir); err == nil {
		shown = abs
	}
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s: there is no such folder", shown)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%s: this user may not read it", shown)
	case err != nil:
		return nil, err
	case !info.IsDir():
		return nil, fmt.Errorf("%s is not a folder; to share one file, serve the folder it is in: %s", shown, filepath.Dir(shown))
	}
	root, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("%s: this user may not read it", shown)
	}
	return root, err
}

// tlsConfig is nil for plain HTTP. The fingerprint is that of a certificate
// made here.
func (v *serveVerb) tlsConfig() (config *tls.Config, fingerprint string, err error) {
	switch {
	case v.TLSCert != "":
		config, err = sock.ServerTLS(v.TLSCert, v.TLSKey)
		return config, "", err
	case v.TLSSelfSigned:
		cert, err := sock.SelfSigned(nil)
		if err != nil {
			return nil, "", err
		}
		return &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}, sock.Fingerprint(cert), nil
	}
	return nil, "", nil
}

// listenAll opens every address or none.
func listenAll(ctx context.Context, addresses []string) ([]net.Listener, error) {
	var listeners []net.Listener
	for _, address := range addresses {
		ln, err := sock.Listen(ctx, address, nil)
		if err != nil {
			closeAll(listeners)
			return nil, err
		}
		listeners = append(listeners, ln)
	}
	return listeners, nil
}

func closeAll(listeners []net.Listener) {
	for _, ln := range listeners {
		ln.Close()
	}
}

// serveAll serves every listener until ctx ends or one of them fails, which
// ends the others.
func serveAll(ctx context.Context, listeners []net.Listener, serve func(context.Context, net.Listener) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error)
	for _, ln := range listeners {
		go func() { ended <- serve(ctx, ln) }()
	}
	var failed error
	for range listeners {
		if err := <-ended; err != nil && failed == nil {
			failed = err
		}
		cancel()
	}
	return failed
}
