package tftp

import "time"

// instant is a reading of a monotonic clock that the driver supplies. 0 means
// never.
type instant = time.Duration

// pace are the times of a transfer.
type pace struct {
	first   time.Duration // first retransmission, before the round trip is known; also the most that a measured one may reach
	least   time.Duration // to which a measured round trip can bring that down: it keeps a fast network from mistaking a busy peer for loss
	silence time.Duration // without progress the transfer ends
	total   time.Duration // the transfer ends; <= 0: never
}

// maxRetransmit is where doubling stops.
const maxRetransmit = 8 * time.Second

// clock is the one schedule of retransmission of a transfer: the estimator of
// RFC 6298 with Karn's rule, exponential back-off, and two ends.
type clock struct {
	pace
	srtt, rttvar time.Duration
	fastest      time.Duration // the shortest round trip seen
	backoff      uint

	measuring instant // when what is being measured was sent; 0: nothing is
	retry     instant // when to send again; 0: nothing is outstanding
	silentAt  instant // the end, when there is no progress
	endAt     instant // the end in any case
}

func (c *clock) start(p pace, now instant) {
	c.pace = p
	if p.total > 0 {
		c.endAt = now + p.total
	}
	c.progress(now)
}

// timeoutsOfSilence is how many of the negotiated timeouts silence lasts at least:
// what got lost is then sent again twice.
const timeoutsOfSilence = 3

// agreeTimeout has the timeout that was negotiated (RFC 2349) take the place of
// first; 0: none was.
func (c *clock) agreeTimeout(d time.Duration) {
	if d <= 0 {
		return
	}
	c.first = d
	more := max(0, timeoutsOfSilence*d-c.silence)
	c.silence += more
	c.silentAt += more
}

// progress moves the end that silence brings.
func (c *clock) progress(now instant) { c.silentAt = now + c.silence }

// timeout is how long to wait for an answer.
func (c *clock) timeout() time.Duration {
	d := c.first
	if c.srtt > 0 {
		// RFC 6298 2.3; never later than what was agreed upon.
		d = min(max(c.srtt+4*c.rttvar, c.least), c.first)
	}
	return min(d<<c.backoff, max(maxRetransmit, c.first))
}

// sent starts to wait. fresh says that nothing of it was sent before, so that
// the answer can be timed.
func (c *clock) sent(now instant, fresh bool) {
	c.retry = now + c.timeout()
	c.measuring = 0
	if fresh {
		c.measuring = now
	}
}

// answered ends the wait. Karn: an answer to something sent twice is no
// measurement, and the back-off stays until there is one.
func (c *clock) answered(now instant) {
	c.retry = 0
	if c.measuring != 0 {
		c.measure(now - c.measuring)
		c.measuring = 0
	}
}

// measure takes one round trip in, RFC 6298 2.2 and 2.3.
func (c *clock) measure(rtt time.Duration) {
	rtt = max(rtt, time.Microsecond)
	c.backoff = 0
	if c.srtt == 0 {
		c.srtt, c.rttvar, c.fastest = rtt, rtt/2, rtt
		return
	}
	c.rttvar = (3*c.rttvar + (c.srtt - rtt).Abs()) / 4
	c.srtt = (7*c.srtt + rtt) / 8
	c.fastest = min(c.fastest, rtt)
}

// expired is called when a retransmission is due: the next wait is longer.
func (c *clock) expired() {
	c.retry = 0
	c.measuring = 0
	if c.backoff < 16 {
		c.backoff++
	}
}

// deadline is when something has to happen next.
func (c *clock) deadline() instant {
	d := c.silentAt
	if c.endAt != 0 {
		d = min(d, c.endAt)
	}
	if c.retry != 0 {
		d = min(d, c.retry)
	}
	return d
}

// over is the error that time brings, if it has.
func (c *clock) over(now instant) error {
	switch {
	case c.endAt != 0 && now >= c.endAt:
		return errTooLong
	case now >= c.silentAt:
		return errSilent
	}
	return nil
}
