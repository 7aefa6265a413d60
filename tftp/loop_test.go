package tftp

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/burrownet/burrow/internal/timerwheel"
)

// scripted is a driver that says as often as told that more has arrived.
type scripted struct {
	loop *loop
	more int
	left []int // timers, at each wait
}

var errScriptEnds = errors.New("the script ends")

func (s *scripted) wait(time.Duration, func(*transfer, *datagram)) (bool, error) {
	s.left = append(s.left, s.loop.wheel.Len())
	if s.more == 0 {
		return false, errScriptEnds
	}
	s.more--
	return true, nil
}

func (*scripted) open(netip.Addr, int, *transfer, bool) (socket, error) { return nil, io.EOF }
func (*scripted) wake()                                                 {}
func (*scripted) close()                                                {}

// TestArrivedBeforeLate: what has arrived is read before timers run, which could be
// about that; but a flood does not hold them up for ever.
func TestArrivedBeforeLate(t *testing.T) {
	t.Parallel()
	pc, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	s := &Server{}
	sh := s.acquire()
	defer s.release(sh)
	l, err := newLoop(s, sh, pc)
	if err != nil {
		t.Fatal(err)
	}
	defer l.driver.close() // the one that it has now
	script := &scripted{loop: l, more: 2 * mostHeld}
	l.driver = script
	l.started = time.Now().Add(-time.Hour)
	l.wheel.Set(&timerwheel.Node[*transfer]{Value: &transfer{gone: true}}, 1)
	if err := l.run(); !errors.Is(err, errScriptEnds) {
		t.Fatal(err)
	}
	for i, got := range script.left {
		want := 0
		if i < mostHeld {
			want = 1
		}
		if got != want {
			t.Errorf("before wait %d: %d timers, want %d", i+1, got, want)
		}
	}
}
