package httpd_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/burrownet/burrow/engine"
	"github.com/burrownet/burrow/httpd"
)

func init() { childJobs["loris"] = lorisChild }

// lorisTimeout is the ReadHeaderTimeout of the test.
const lorisTimeout = 3 * time.Second

// lorisPerChild bounds the connections of one child: the race detector knows 8,128 goroutines at most, and descriptors
// are few.
const lorisPerChild = 3500

// lorisReport is what a child saw.
type lorisReport struct {
	Opened  int
	Right   int // answered 408, and then ended
	Min     time.Duration
	Max     time.Duration
	Strange []string // what happened to the others; the first few
}

// TestStressLoris opens connections that send a byte of a request head per second. Each is answered 408 and closed when
// the head is due, while a client that behaves notices nothing.
func TestStressLoris(t *testing.T) {
	for _, d := range engine.Drivers() {
		t.Run(d.String(), func(t *testing.T) {
			needsDriver(t, d)
			total := stressSize(1000, 10_000)
			if d == engine.DriverGoroutine {
				total = stressSize(500, 3000) // each costs goroutines, of which the race detector knows 8,128
			}
			stressLoris(t, d, total)
		})
	}
}

func stressLoris(t *testing.T, driver engine.Driver, total int) {
	s := stressServe(t, driver, 0, &httpd.Server{
		Handler:           stressKind("handler", func(path string, _ io.Reader) (int, string) { return 200, path }),
		ReadHeaderTimeout: lorisTimeout,
	})
	alone, _, errs := goodClient(s.addr, time.After(500*time.Millisecond))
	failFirst(t, "the good client alone", errs)
	reports := make(chan lorisReport)
	children := 0
	for left := total; left > 0; left -= lorisPerChild {
		children++
		_, out, stderr := startChild(t, "loris", "BURROW_STRESS_ADDR="+s.addr, "BURROW_STRESS_COUNT="+strconv.Itoa(min(left, lorisPerChild)))
		go func() {
			var r lorisReport
			if err := json.NewDecoder(out).Decode(&r); err != nil {
				r.Strange = append(r.Strange, "child: "+err.Error()+stderr.String())
			}
			reports <- r
		}()
	}
	over := make(chan time.Time)
	var sum lorisReport
	go func() {
		defer close(over)
		for range children {
			sum.add(<-reports)
		}
	}()
	beside, worst, errs := goodClient(s.addr, over)
	failFirst(t, "the good client beside", errs)
	t.Logf("%d of %d answered 408 and closed, after %v to %v; good client: p99 %v alone, %v beside (longest %v)",
		sum.Right, total, sum.Min.Round(time.Millisecond), sum.Max.Round(time.Millisecond), alone, beside, worst)
	if sum.Right != total {
		t.Errorf("%d opened, %d of %d answered 408 and then ended; the others: %q", sum.Opened, sum.Right, total, sum.Strange)
	}
	// The time of a connection starts when it is accepted, a little after the client began to dial; deadlines are coarse.
	if sum.Min < lorisTimeout-50*time.Millisecond || sum.Max > lorisTimeout+3*time.Second {
		t.Errorf("closed after %v to %v, want about %v", sum.Min, sum.Max, lorisTimeout)
	}
	if limit := 250 * time.Millisecond; beside > limit {
		t.Errorf("p99 of the good client is %v, want at most %v", beside, limit)
	}
	quietly(t, s)
}

func (r *lorisReport) add(o lorisReport) {
	r.Opened += o.Opened
	r.Right += o.Right
	if r.Min == 0 || o.Min < r.Min {
		r.Min = o.Min
	}
	r.Max = max(r.Max, o.Max)
	if len(r.Strange) < 10 {
		r.Strange = append(r.Strange, o.Strange...)
	}
}

// goodClient asks every 2 ms until done, now and then on a new connection.
func goodClient(addr string, done <-chan time.Time) (p99, worst time.Duration, errs []error) {
	var took []time.Duration
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	var nc net.Conn
	var br *bufio.Reader
	for i := 0; len(errs) < 20; i++ {
		select {
		case <-done:
			if nc != nil {
				nc.Close()
			}
			return percentile(took, 99), percentile(took, 100), errs
		case <-tick.C:
		}
		path := "/" + strconv.Itoa(i)
		start := time.Now()
		if i%100 == 0 {
			if nc != nil {
				nc.Close()
			}
			var err error
			if nc, err = stressDial(addr); err != nil {
				errs = append(errs, err)
				continue
			}
			br = bufio.NewReader(nc)
		}
		if nc == nil {
			continue
		}
		got, err := stressAsk(nc, br, path)
		if err != nil || got != path {
			errs = append(errs, fmt.Errorf("request %d: %q, %w", i, got, errors.Join(err)))
		}
		took = append(took, time.Since(start))
	}
	<-done
	return 0, 0, errs
}

// lorisChild is the job of a child: it opens connections and reports on stdout.
func lorisChild() int {
	addr := os.Getenv("BURROW_STRESS_ADDR")
	total, _ := strconv.Atoi(os.Getenv("BURROW_STRESS_COUNT"))
	var mu sync.Mutex
	sum := lorisReport{Opened: total}
	var wg sync.WaitGroup
	dialling := make(chan struct{}, 32)
	for range total {
		dialling <- struct{}{}
		wg.Go(func() {
			start := time.Now()
			nc, err := net.DialTimeout("tcp", addr, 10*time.Second)
			<-dialling
			var took time.Duration
			if err == nil {
				took, err = lorisConn(nc, start)
			}
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				sum.add(lorisReport{Strange: []string{err.Error()}, Min: time.Hour})
				return
			}
			sum.add(lorisReport{Right: 1, Min: took, Max: took})
		})
	}
	wg.Wait()
	json.NewEncoder(os.Stdout).Encode(sum)
	return 0
}

// lorisConn sends a byte per second until the answer comes; it returns how long after start that was.
func lorisConn(nc net.Conn, start time.Time) (time.Duration, error) {
	defer nc.Close()
	const head = "GET /slow HTTP/1.1\r\nHost: localhost\r\nX-Slow: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	b := make([]byte, 512)
	for i := range 30 {
		if _, err := io.WriteString(nc, head[i:i+1]); err != nil {
			return 0, fmt.Errorf("write after %v: %w", time.Since(start), err)
		}
		nc.SetReadDeadline(time.Now().Add(time.Second))
		n, err := nc.Read(b)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			continue
		}
		took := time.Since(start)
		if err != nil || !strings.HasPrefix(string(b[:n]), "HTTP/1.1 408 ") {
			return 0, fmt.Errorf("after %v: %q, %w", took, b[:n], errors.Join(err))
		}
		nc.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.Copy(io.Discard, nc); err != nil {
			return 0, fmt.Errorf("after the answer: %w", err)
		}
		return took, nil
	}
	return 0, errors.New("no answer within 30 s")
}
