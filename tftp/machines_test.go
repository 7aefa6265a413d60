package tftp

import (
	"testing"
	"time"
)

// FuzzMachines feeds both machines with whatever numbers and times the input
// spells: they must not panic, and must keep their promises.
func FuzzMachines(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7}, uint8(1), false)
	f.Add([]byte{4, 1, 4, 2}, uint8(0), false) // a block that does not wait for the ACK
	f.Add([]byte{0x10, 0xff, 0x20, 0x00, 0x31, 0x42, 0x10, 0x01}, uint8(16), true)
	f.Fuzz(func(t *testing.T, script []byte, window uint8, one bool) {
		p := params{blockSize: 8, window: int(window%64) + 1}
		start := uint64(0)
		if one {
			p.rollover, start = rolloverOne, lastNumber-5
		}
		var s sender
		var r receiver
		s.start(p, simulated, true, 1)
		r.start(p, simulated, 1)
		s.opened(1)
		s.base, s.next, s.high = start, start+1, start
		r.got, r.acked = start, start
		now := instant(1)
		for i := 0; i+1 < len(script); i += 2 {
			// A number near those that mean something, or anywhere.
			near := s.rollover.wire(s.base + uint64(script[i+1]&15))
			if script[i+1]&0x80 != 0 {
				near = uint16(script[i+1]) << 8
			}
			now += time.Duration(script[i]>>3) * 20 * time.Millisecond
			before, got := s.base, r.got
			switch script[i] & 7 {
			case 0, 1:
				s.ack(near, now)
			case 2:
				s.expire(now)
			case 3:
				if _, n := s.sendable(); n > 0 {
					s.blocksSent(1+int(script[i+1])%n, now)
				}
			case 4, 5:
				take, err := r.data(near, p.blockSize-int(script[i+1]>>6&1), now) // a short one ends the file
				if take && r.got != got+1 || !take && r.got != got || err != nil {
					t.Fatalf("block taken %v, %v: from %d to %d", take, err, got, r.got)
				}
			case 6:
				r.expire(now)
			case 7:
				if r.due {
					r.packetSent(now)
				}
			}
			if s.base < before || s.base > s.high || s.next > s.high+1 || s.next <= s.base && !s.done || s.high > s.base+s.window {
				t.Fatalf("sender: base %d (was %d), next %d, high %d, window %d", s.base, before, s.next, s.high, s.window)
			}
			if r.acked > r.got || r.got-r.acked > r.window {
				t.Fatalf("receiver: got %d, acknowledged %d, window %d", r.got, r.acked, r.window)
			}
		}
	})
}
