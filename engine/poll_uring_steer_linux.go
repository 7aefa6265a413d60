package engine

import (
	"time"

	"github.com/burrownet/burrow/internal/uring"
)

// slot is what is in flight for the connection that has a descriptor.
type slot struct {
	c             *Conn
	receive, send uint8 // opIdle and so on
	home          uint8 // the ring's, when receive was submitted
	flags         uint8
}

// How an operation stands.
const (
	opIdle = iota
	opFlying
	opEnding // and a cancel is on its way
)

const (
	slotEnding  = 1 << iota // cancel everything; then close the descriptor, or let Detach go on
	slotReady               // it is in ring.ready
	slotLimited             // its receive was submitted with a limit
)

// keepArrived is how much may wait for a connection that wants no input, in
// bytes, before the ring stops receiving for it.
const keepArrived = 16 << 10

// receiveLimit is after how many bytes the kernel ends a receive, where it knows
// how: it could bring more than keepArrived before it is told to cease, and what a
// connection's peer sends must not take the buffers of all.
const receiveLimit = 64 << 10

// bulkSize is how much has to come at once for a connection to be read from its
// socket, in bytes: what the ring receives is copied once more. Less than that, and
// the ring receives for it again.
const bulkSize = 8 << 10

func (p *ring) slot(fd int32) *slot {
	for int(fd) >= len(p.slots) {
		p.slots = append(p.slots, make([]slot, max(64, len(p.slots)))...)
	}
	return &p.slots[fd]
}

// steer compares what c wants with what is in flight for it, and queues what is
// missing. c.mu is held.
func (p *ring) steer(c *Conn, fd int32) {
	if c.gen == 0 || c.flags&flagDetached != 0 {
		return // the loop does not know it yet, add follows; or the descriptor may be another's
	}
	s := p.slot(fd)
	if s.c != c {
		s.c = c // the one before has left: its descriptor was closed
	}
	if c.flags&(flagClosed|flagLeaving) != 0 {
		s.flags |= slotEnding
		p.endSlot(s, fd)
		return
	}
	if q := c.out; q != nil && q.flight == nil && c.flags&(flagCorked|flagGather) == 0 {
		p.send(s, fd)
	}
	p.steerInput(c, s, fd)
	if p.aside.watch(c) != nil {
		sysShutdown(int(fd), true) // nothing else would tell of it: the next read does
	}
}

// endSlot ends what is in flight, and then the slot. The mu of its Conn is held.
func (p *ring) endSlot(s *slot, fd int32) {
	c := s.c
	p.cancel(&s.receive, opReceive, fd, c.gen)
	p.cancel(&s.send, opSend, fd, c.gen)
	if s.receive|s.send != opIdle {
		return
	}
	*s = slot{}
	c.flags &^= flagReceiving
	if c.flags&flagClosed == 0 {
		p.aside.forget(c)
		p.mu.Lock()
		gone := p.leaving[c]
		delete(p.leaving, c)
		p.mu.Unlock()
		if gone != nil {
			close(gone)
		}
		return
	}
	if c.out != nil {
		c.out.release()
		c.out = nil
	}
	c.got = nil
	sqe := p.sqe()
	sqe.Close(int(fd))
	sqe.UserData = userData(opOther, fd, c.gen)
	if p.r.Features().Has(uring.FeatCQESkip) {
		sqe.Flags |= uring.SQECQESkipSuccess
	}
}

// cancel ends an operation. It has a last completion all the same.
func (p *ring) cancel(state *uint8, op uint64, fd int32, gen uint32) {
	if *state != opFlying {
		return
	}
	*state = opEnding
	sqe := p.sqe()
	sqe.Cancel(userData(op, fd, gen), 0)
	sqe.UserData = userData(opOther, fd, gen)
	if p.r.Features().Has(uring.FeatCQESkip) {
		sqe.Flags |= uring.SQECQESkipSuccess
	}
}

// send sends the backlog. The mu of the Conn is held.
func (p *ring) send(s *slot, fd int32) {
	c := s.c
	q := c.out
	c.flags &^= flagGathered
	q.flight = q.b[q.off:]
	sqe := p.sqe()
	// Without MSG_WAITALL: how a peer reads is seen from what a send has taken.
	sqe.Send(int(fd), q.flight, 0)
	sqe.UserData = userData(opSend, fd, c.gen)
	s.send = opFlying
	p.busy++
}

// steerInput begins to receive or ceases to, and reports what waits. A connection
// that a call owns does not begin: its call reads the socket itself, without the
// copy, and waits with a poll. c.mu is held.
func (p *ring) steerInput(c *Conn, s *slot, fd int32) {
	paused := c.flags&flagPaused != 0
	want := c.flags&(flagStreamEnd|flagOut) == 0 && (c.got == nil || c.got.err == nil) && (!paused || c.got.len() <= keepArrived)
	switch {
	case want && s.receive == opIdle && c.flags&(flagBusy|flagBulk) == 0:
		p.startReceive(c, s, fd)
	case !want:
		p.cancel(&s.receive, opReceive, fd, c.gen)
	}
	if !paused && s.flags&slotReady == 0 && c.flags&(flagBusy|flagWantRead) != flagBusy && c.pendingLocked() {
		s.flags |= slotReady
		p.ready = append(p.ready, c)
	}
}

func (p *ring) startReceive(c *Conn, s *slot, fd int32) {
	s.home = p.home
	sqe := p.sqe()
	sqe.RecvMultishot(int(fd), 0)
	s.flags &^= slotLimited
	if p.limit != 0 {
		s.flags |= slotLimited
		p.limitRecv(sqe, p.limit)
	}
	sqe.UserData = userData(opReceive, fd, c.gen)
	s.receive = opFlying
	c.flags |= flagReceiving
	p.busy++
}

// The buffers of each loop: 1 MiB. The kernel fills one bit by bit, so that it holds
// many small messages. A connection that finds none is read from its socket, as long
// as there were too few within starvedTime.
const (
	bufferCount, bufferSize = 64, 16 << 10
	starvedTime             = int64(time.Second)
)
