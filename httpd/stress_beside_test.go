package httpd_test

import (
	"bufio"
	"io"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/burrownet/burrow/engine"
	"github.com/burrownet/burrow/httpd"
)

// besideClients is how many clients ask for the slow route at the same time.
const besideClients = 256

// TestStressFastBesideSlow measures a fast route on one loop, alone and while another route sleeps 50 ms under many
// concurrent requests. The clients share the processors with the server, so the bound is wide; the figures are logged.
func TestStressFastBesideSlow(t *testing.T) {
	for _, driver := range engine.Drivers() {
		for _, kind := range stressKinds {
			t.Run(driver.String()+"/"+kind, func(t *testing.T) { stressBeside(t, driver, kind) })
		}
	}
}

func stressBeside(t *testing.T, driver engine.Driver, kind string) {
	needsDriver(t, driver)
	s := stressServe(t, driver, 1, &httpd.Server{Handler: stressKind(kind, func(path string, _ io.Reader) (int, string) {
		if path == "/slow" {
			time.Sleep(50 * time.Millisecond) // the work of a handler that blocks
		}
		return 200, path
	})})
	bound := 3 * time.Millisecond
	if raceDetector || !stressFull {
		bound = 25 * time.Millisecond
	}
	var alone, beside time.Duration
	for range 3 { // a machine that is busy with other things gets a second chance
		alone = besideFast(t, s.addr)
		stop := besideSlow(t, s.addr)
		beside = besideFast(t, s.addr)
		slow := stop()
		t.Logf("p99 of the fast route: %v alone, %v beside %d slow requests per second", alone, beside, slow)
		if beside-alone <= bound {
			return
		}
	}
	t.Errorf("p99 of the fast route: %v alone, %v beside slow requests, want at most %v more", alone, beside, bound)
}

// besideFast asks for the fast route for a while and returns the 99th percentile.
func besideFast(t *testing.T, addr string) time.Duration {
	t.Helper()
	nc, err := stressDial(addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	br := bufio.NewReader(nc)
	count := stressSize(600, 3000)
	took := make([]time.Duration, 0, count)
	for range count {
		start := time.Now()
		if got, err := stressAsk(nc, br, "/fast"); err != nil || got != "/fast" {
			t.Fatalf("fast: %q, %v", got, err)
		}
		took = append(took, time.Since(start))
		runtime.Gosched()
	}
	return percentile(took, 99)
}

// besideSlow keeps the slow route busy until stop, which returns how many answers per second there were. It returns
// once every client has had an answer.
func besideSlow(t *testing.T, addr string) (stop func() int) {
	t.Helper()
	end := make(chan struct{})
	var mu sync.Mutex
	var errs []error
	answers := 0
	var wg, first sync.WaitGroup
	first.Add(besideClients)
	for range besideClients {
		wg.Go(func() {
			served := false
			defer func() {
				if !served {
					first.Done()
				}
			}()
			nc, err := stressDial(addr)
			if err != nil {
				mu.Lock()
				errs = append(errs, err)
				mu.Unlock()
				return
			}
			defer nc.Close()
			br := bufio.NewReader(nc)
			for {
				got, err := stressAsk(nc, br, "/slow")
				mu.Lock()
				if answers++; err != nil || got != "/slow" {
					errs = append(errs, err)
				}
				mu.Unlock()
				if !served {
					served = true
					first.Done()
				}
				select {
				case <-end:
					return
				default:
				}
				if err != nil {
					return
				}
			}
		})
	}
	first.Wait()
	start, before := time.Now(), besideClients
	return func() int {
		mu.Lock()
		n := int(float64(answers-before) / time.Since(start).Seconds())
		mu.Unlock()
		close(end)
		wg.Wait()
		failFirst(t, "slow client", errs)
		return n
	}
}
