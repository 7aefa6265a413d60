package memnet

import "time"

// deadline is a point in time and the timer that wakes whoever waits. The zero value never passes. It is guarded by the
// lock of its half.
type deadline struct {
	at    time.Time
	timer *time.Timer
}

func (d *deadline) passed() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

func (d *deadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}

// set moves the deadline; wake is called when it passes.
func (d *deadline) set(at time.Time, wake func()) {
	d.stop()
	d.at = at
	if wait := time.Until(at); !at.IsZero() && wait > 0 {
		d.timer = time.AfterFunc(wait, wake)
	}
}

func (h *half) setReadDeadline(at time.Time) error { return h.setDeadline(&h.read, &h.readErr, at) }

func (h *half) setWriteDeadline(at time.Time) error { return h.setDeadline(&h.write, &h.writeErr, at) }

func (h *half) setDeadline(d *deadline, closed *error, at time.Time) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if *closed != nil {
		return *closed
	}
	d.set(at, h.wake)
	h.changed.Broadcast()
	return nil
}
