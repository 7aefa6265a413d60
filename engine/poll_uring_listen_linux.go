package engine

import (
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/burrownet/burrow/internal/uring"
)

// listening is a listener that the ring accepts from.
type listening struct {
	state  uint8 // opIdle and so on
	wanted bool
	done   func() // called when nothing is in flight any more
}

func (p *ring) listen(fd int) error {
	ls := p.listens[int32(fd)]
	if ls == nil {
		ls = &listening{}
		p.listens[int32(fd)] = ls
	}
	ls.wanted, ls.done = true, nil
	p.accept(int32(fd), ls)
	return nil
}

// accept takes connections until it is cancelled or fails.
func (p *ring) accept(fd int32, ls *listening) {
	if ls.state != opIdle {
		return // and again when that has ended
	}
	ls.state = opFlying
	p.busy++
	sqe := p.sqe()
	sqe.Accept(int(fd), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
	sqe.UserData = userData(opAccept, fd, 0)
}

func (p *ring) unlisten(fd int, done func()) {
	ls := p.listens[int32(fd)]
	if ls == nil {
		ls = &listening{}
	}
	ls.wanted, ls.done = false, done
	p.cancel(&ls.state, opAccept, int32(fd), 0)
	p.unlistened(int32(fd), ls)
}

// unlistened forgets a listener that is not wanted and has nothing in flight.
func (p *ring) unlistened(fd int32, ls *listening) {
	if ls.wanted || ls.state != opIdle {
		return
	}
	delete(p.listens, fd)
	if ls.done != nil {
		ls.done()
	}
}

// acceptDone works off a new connection, or that there are no more.
func (p *ring) acceptDone(fd int32, cqe uring.CQE) (event, bool) {
	ls := p.listens[fd]
	ev := event{fd: fd, res: cqe.Res, what: eventAccepted}
	news := true
	if cqe.Res < 0 {
		switch syscall.Errno(-cqe.Res) {
		case syscall.ECANCELED, syscall.EINTR, syscall.EAGAIN, syscall.ECONNABORTED:
			news = false // not of the listener
		}
	}
	if !cqe.More() {
		ls.state = opIdle
		p.busy--
		if ls.wanted && (cqe.Res >= 0 || !news) {
			p.accept(fd, ls)
		}
		p.unlistened(fd, ls)
	}
	return ev, news
}
