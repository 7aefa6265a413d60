package engine

import (
	"golang.org/x/sys/unix"

	"github.com/burrownet/burrow/internal/uring"
)

// slot is what is in flight for the connection that has a descriptor.
type slot struct {
	c             *Conn
	receive, send uint8 // opIdle and so on
	poll          uint8
	mask          uint8 // what poll waits for
	group         uint8 // the buffers that receive takes from
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
	slotHung                // both sides are shut: a poll would say so for ever
	slotStarved             // there was no buffer for it when it received last
)

// What a poll waits for, besides errors and that both sides are shut.
const (
	pollGone  = 1 << iota // the peer ends its side
	pollRoom              // the socket takes more
	pollInput             // something has arrived, or the peer has ended its side
)

// keepArrived is how much may wait for a connection that wants no input, in
// bytes, before the ring stops receiving for it.
const keepArrived = 16 << 10

// receiveLimit is after how many bytes the kernel ends a receive, where it knows
// how: it could bring more than keepArrived before it is told to cease, and what a
// connection's peer sends must not take the buffers of all.
const receiveLimit = 64 << 10

func (p *ring) slot(fd int32) *slot {
	for int(fd) >= len(p.slots) {
		p.slots = append(p.slots, make([]slot, max(64, len(p.slots)))...)
	}
	return &p.slots[fd]
}

// steer compares what c wants with what is in flight for it, and queues what is
// missing. c.mu is held.
func (p *ring) steer(c *Conn, fd int32) {
	if c.gen == 0 {
		return // the loop does not know it yet; add follows
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
	p.steerPoll(c, s, fd)
}

// endSlot ends what is in flight, and then the slot. The mu of its Conn is held.
func (p *ring) endSlot(s *slot, fd int32) {
	c := s.c
	p.cancel(&s.receive, opReceive, fd, c.gen)
	p.cancel(&s.send, opSend, fd, c.gen)
	p.cancel(&s.poll, opPoll, fd, c.gen)
	if s.receive|s.send|s.poll != opIdle {
		return
	}
	*s = slot{}
	c.flags &^= flagReceiving
	if c.flags&flagClosed == 0 {
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
	case want && s.receive == opIdle && c.flags&flagBusy == 0:
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
	if s.flags&slotStarved != 0 {
		s.flags &^= slotStarved
		p.grow()
	}
	s.group, s.home = uint8(len(p.bufs)-1), p.home
	sqe := p.sqe()
	sqe.RecvMultishot(int(fd), uint16(s.group))
	sqe.LimitRecv(p.limit)
	sqe.UserData = userData(opReceive, fd, c.gen)
	s.receive = opFlying
	c.flags |= flagReceiving
	p.busy++
}

// steerPoll waits for what receiving and sending do not tell: that the peer leaves
// while its input waits, that both sides are shut, that the socket takes more
// from a sender other than the ring. c.mu is held.
//
// The kernel adds POLLRDHUP to every poll. Once it is true a poll that ends with its
// first event would end at once, for ever; a multishot one tells it once. As that
// does not tell again either that there is room, it is made anew for each wait.
func (p *ring) steerPoll(c *Conn, s *slot, fd int32) {
	mask := pollMask(c, s)
	if s.poll != opIdle {
		if mask == 0 || mask&^s.mask != 0 {
			p.cancel(&s.poll, opPoll, fd, c.gen) // when it has ended this is called again
		}
		return
	}
	if mask == 0 {
		return
	}
	s.poll, s.mask = opFlying, mask
	p.busy++
	sqe := p.sqe()
	events := uint32(unix.POLLRDHUP)
	if mask&pollRoom != 0 {
		events |= unix.POLLOUT
	}
	if mask&pollInput != 0 {
		events |= unix.POLLIN
	}
	sqe.PollAdd(int(fd), events, mask&pollGone != 0)
	sqe.UserData = userData(opPoll, fd, c.gen)
}

// pollMask is what c wants a poll for. c.mu is held.
func pollMask(c *Conn, s *slot) (mask uint8) {
	if c.flags&flagWantWrite != 0 && c.out == nil {
		mask |= pollRoom
	}
	if s.receive != opIdle {
		return mask
	}
	switch {
	case c.flags&flagWantRead != 0:
		mask |= pollInput // which the peer's end is, too
	case s.flags&slotHung != 0:
	case c.flags&flagBusy == 0 || c.ext != nil && c.ext.watch != nil:
		mask |= pollGone // a call that does not watch finds out when it reads or writes
	}
	return mask
}

// The first group of buffers, for each loop. Where the kernel fills buffers bit by
// bit, one holds many small messages. When connections find none, there will be
// another group.
const (
	bufferCount, bufferSize = 32, 16 << 10 // 512 KiB
	maxGroups               = 3            // each four times the one before: 10.5 MiB together
)

// grow makes a further group of buffers, for the connections that receive anew.
func (p *ring) grow() error {
	n := len(p.bufs)
	if n == int(p.sizes.groups) {
		return nil
	}
	b, err := p.r.NewBuffers(uring.BuffersParams{Group: uint16(n), Count: p.sizes.buffers << (2 * n), Size: p.sizes.bufferSize, Incremental: true})
	if err == nil {
		p.bufs = append(p.bufs, b)
	}
	return err
}
