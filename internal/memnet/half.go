package memnet

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// segment is what one Write put on its way, or the end of the stream.
type segment struct {
	data []byte
	at   time.Time // when it arrives
	end  error     // io.EOF after CloseWrite, ECONNRESET after Reset; data is empty then
}

// half is one direction of a connection: a queue of segments with a time of arrival each. All methods may be called by
// several goroutines at once.
type half struct {
	delay     time.Duration
	bandwidth int // bytes per second; 0 means unlimited
	buffer    int // bytes sent and not yet read

	mu        sync.Mutex
	changed   sync.Cond // whatever a waiter may wait for
	queue     []segment
	held      int       // bytes in queue
	busyUntil time.Time // when the line has sent what it was given
	readErr   error     // the reading side was closed
	writeErr  error     // the writing side was closed
	aborted   bool      // the reader went away: writes fail
	read      deadline
	write     deadline
}

func newHalf(o Options) *half {
	h := &half{delay: o.Delay, bandwidth: o.Bandwidth, buffer: o.Buffer}
	h.changed.L = &h.mu
	return h
}

// wake is called by timers: waiters look at the clock again.
func (h *half) wake() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.changed.Broadcast()
}

// Read waits for the first segment to arrive and copies from it.
func (h *half) Read(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		switch {
		case h.readErr != nil:
			return 0, h.readErr
		case h.read.passed():
			return 0, os.ErrDeadlineExceeded
		case len(b) == 0:
			return 0, nil
		}
		if len(h.queue) == 0 {
			h.changed.Wait()
			continue
		}
		s := &h.queue[0]
		if wait := time.Until(s.at); wait > 0 {
			arrival := time.AfterFunc(wait, h.wake)
			h.changed.Wait()
			arrival.Stop()
			continue
		}
		if s.end != nil {
			return 0, s.end // and stays: every later Read finds it
		}
		return h.take(b), nil
	}
}

// take copies all that has arrived, as far as b reaches.
func (h *half) take(b []byte) int {
	n, now := 0, time.Now()
	for n < len(b) && len(h.queue) > 0 && h.queue[0].end == nil && !h.queue[0].at.After(now) {
		s := &h.queue[0]
		c := copy(b[n:], s.data)
		n += c
		if s.data = s.data[c:]; len(s.data) == 0 {
			h.queue[0] = segment{}
			h.queue = h.queue[1:]
		}
	}
	h.held -= n
	h.changed.Broadcast()
	return n
}

// Write queues b, in pieces when the buffer is smaller, and waits for room. An empty b is checked and then dropped.
func (h *half) Write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := 0
	for {
		switch {
		case h.writeErr != nil:
			return n, h.writeErr
		case h.aborted:
			return n, syscall.EPIPE
		case h.write.passed():
			return n, os.ErrDeadlineExceeded
		case n == len(b):
			return n, nil
		}
		room := h.buffer - h.held
		if room <= 0 {
			h.changed.Wait()
			continue
		}
		piece := b[n:min(len(b), n+room)]
		if h.bandwidth > 0 { // pieces of about 10 ms, so that they arrive one after another
			piece = piece[:min(len(piece), max(h.bandwidth/100, 1))]
		}
		h.put(piece)
		if n += len(piece); n == len(b) {
			return n, nil
		}
	}
}

// put sends a copy of data on its way.
func (h *half) put(data []byte) {
	h.queue = append(h.queue, segment{data: append([]byte(nil), data...), at: h.arrival(len(data))})
	h.held += len(data)
	h.changed.Broadcast()
}

// arrival is the time at which n more bytes have been sent and have travelled.
func (h *half) arrival(n int) time.Time {
	now := time.Now()
	if h.busyUntil.Before(now) {
		h.busyUntil = now
	}
	if h.bandwidth > 0 {
		h.busyUntil = h.busyUntil.Add(time.Duration(int64(n) * int64(time.Second) / int64(h.bandwidth)))
	}
	return h.busyUntil.Add(h.delay)
}

// finish is the writer's end of the stream: the reader gets what was sent and then end.
func (h *half) finish(end error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.writeErr != nil {
		return
	}
	h.writeErr = net.ErrClosed
	h.write.stop()
	if end != io.EOF { // a reset overtakes what has not been read
		h.queue, h.held = nil, 0
	}
	h.queue = append(h.queue, segment{at: h.arrival(0), end: end})
	h.changed.Broadcast()
}

// leave is the reader's end: it reads no more, and writes fail once they can know.
func (h *half) leave() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.readErr != nil {
		return
	}
	h.readErr = net.ErrClosed
	h.read.stop()
	h.queue, h.held = nil, 0
	h.changed.Broadcast()
	if h.delay > 0 {
		time.AfterFunc(h.delay, h.abort)
		return
	}
	h.aborted = true
}

func (h *half) abort() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.aborted = true
	h.changed.Broadcast()
}
