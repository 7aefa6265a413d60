//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/burrownet/burrow/bench/internal/pinned"
	"github.com/burrownet/burrow/bench/tftp/internal/report"
)

// The least and the most that starting and stopping take.
const (
	startTimeout = 5 * time.Second
	slack        = 20 * time.Second
)

// bench is a comparison under way.
type bench struct {
	options
	dir  string            // programs
	tree string            // what is served
	sums map[string]uint32 // CRC-32C of the files
}

// sample is one run.
type sample struct {
	Row    string         `json:"row"`
	Server string         `json:"server"`
	Round  int            `json:"round"`
	Failed string         `json:"failed,omitempty"`
	Result *report.Result `json:"result,omitempty"`
}

// prepare builds the programs and writes the files.
func (b *bench) prepare(ctx context.Context) error {
	if _, err := os.Stat("tftp/load"); err != nil {
		return errors.New("bench: the command runs in the folder bench: go run ./tftp")
	}
	for name, where := range map[string][2]string{"burrow": {"..", "./cmd/burrow"}, "load": {".", "./tftp/load"}, "relay": {".", "./tftp/relay"}} {
		cmd := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(b.dir, name), where[1])
		cmd.Dir = where[0]
		if text, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("bench: build %s: %w: %.400s", name, err, strings.TrimSpace(string(text)))
		}
	}
	b.tree, b.sums = filepath.Join(b.dir, "tree"), map[string]uint32{}
	if err := os.Mkdir(b.tree, 0o755); err != nil {
		return err
	}
	random := rand.NewChaCha8([32]byte{1})
	for name, size := range b.files() {
		data := make([]byte, size)
		_, _ = random.Read(data) // it never fails
		b.sums[name] = crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli))
		if err := os.WriteFile(filepath.Join(b.tree, name), data, 0o644); err != nil {
			return err
		}
	}
	// atftpd and tftpd-hpa serve what everybody may read.
	return errors.Join(os.Chmod(b.dir, 0o755), os.Chmod(b.tree, 0o755))
}

// limit is how long a run may take.
func (b *bench) limit(r row) time.Duration {
	if r.clients > 1 {
		return b.crowdLimit
	}
	return b.runLimit
}

// one starts a server, warms it up, and measures a row.
func (b *bench) one(ctx context.Context, s server, r row) (*report.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, b.limit(r)+slack)
	defer cancel()
	host, port, err := s.address()
	if err != nil {
		return nil, err
	}
	child, err := pinned.Start(b.serverCore, b.procs, s.program, s.args(b.tree, host, port)...)
	if err != nil {
		return nil, err
	}
	defer child.Stop()
	addr := net.JoinHostPort(host, port)
	if err := bound(ctx, child, addr); err != nil {
		return nil, err
	}
	if _, err := b.load(ctx, addr, 0, row{file: "warm", blksize: 1468, clients: 1}); err != nil {
		return nil, err
	}
	if r.relay {
		relay, front, err := b.relay(ctx, addr)
		if err != nil {
			return nil, err
		}
		defer relay.Stop()
		addr = front
	}
	return b.load(ctx, addr, child.Pid(), r)
}

// relay starts the relay on the core of the load.
func (b *bench) relay(ctx context.Context, to string) (*pinned.Child, string, error) {
	host, port, err := (&server{}).address()
	if err != nil {
		return nil, "", err
	}
	addr := net.JoinHostPort(host, port)
	child, err := pinned.Start(b.loadCore, 1, filepath.Join(b.dir, "relay"), "-listen", addr, "-to", to, "-delay", b.delay.String())
	if err != nil {
		return nil, "", err
	}
	if err := bound(ctx, child, addr); err != nil {
		child.Stop()
		return nil, "", err
	}
	return child, addr, nil
}

// load runs the load for a row. A client spins where it has the core to itself.
func (b *bench) load(ctx context.Context, addr string, pid int, r row) (*report.Result, error) {
	child, err := pinned.Start(
		b.loadCore, 1, filepath.Join(b.dir, "load"), "-addr", addr, "-file", r.file, "-size", strconv.FormatInt(b.files()[r.file], 10),
		"-sum", strconv.FormatUint(uint64(b.sums[r.file]), 16), "-blksize", strconv.Itoa(r.blksize), "-windowsize", strconv.Itoa(r.window),
		"-clients", strconv.Itoa(r.clients), "-verify", strconv.Itoa(sampled), "-spin="+strconv.FormatBool(r.clients == 1 && !r.relay),
		"-pid", strconv.Itoa(pid), "-timeout", b.limit(r).String(),
	)
	if err != nil {
		return nil, err
	}
	defer child.Stop()
	text, err := child.Result(ctx)
	if err != nil {
		return nil, err
	}
	result := new(report.Result)
	if err := json.Unmarshal([]byte(text), result); err != nil {
		return nil, fmt.Errorf("bench: load's answer: %w", err)
	}
	return result, nil
}

// sampled is how many of many clients compare the checksum.
const sampled = 8

// bound waits until somebody has the UDP port: what is sent from then on is kept
// for him. Asking the server would have it do something before it is measured.
func bound(ctx context.Context, child *pinned.Child, addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	ip := net.ParseIP(host).To4()
	n, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	entry := fmt.Sprintf(" %02X%02X%02X%02X:%04X ", ip[3], ip[2], ip[1], ip[0], n)
	for began := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		text, err := os.ReadFile("/proc/net/udp")
		if err != nil {
			return err
		}
		switch {
		case strings.Contains(string(text), entry):
			return nil
		case child.Alive() != nil:
			return child.Alive()
		case ctx.Err() != nil:
			return ctx.Err()
		case time.Since(began) > startTimeout:
			return fmt.Errorf("bench: nobody listens on %s after %s", addr, startTimeout)
		}
	}
}
