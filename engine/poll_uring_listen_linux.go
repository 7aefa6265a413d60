package engine

import (
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/burrownet/burrow/internal/uring"
)

// listening is a listener that the ring accepts from.
type listening struct {
	raw    syscall.RawConn
	state  uint8 // opIdle and so on
	wanted bool
	done   func() // called when nothing is in flight any more
}

func (p *ring) listen(id int32, raw syscall.RawConn) error {
	ls := p.listens[id]
	if ls == nil {
		ls = &listening{raw: raw}
		p.listens[id] = ls
	}
	ls.wanted, ls.done = true, nil
	return p.accept(id, ls)
}

// accept takes connections until it is cancelled or fails. The kernel has it before the
// descriptor can be another's.
func (p *ring) accept(id int32, ls *listening) error {
	if ls.state != opIdle {
		return nil // and again when that has ended
	}
	return control(ls.raw, func(fd int) error {
		ls.state = opFlying
		p.busy++
		sqe := p.sqe()
		sqe.Accept(fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		sqe.UserData = userData(opAccept, 0, uint32(id))
		return p.flush()
	})
}

func (p *ring) unlisten(id int32, _ syscall.RawConn, done func()) {
	ls := p.listens[id]
	if ls == nil {
		ls = &listening{}
	}
	ls.wanted, ls.done = false, done
	p.cancel(&ls.state, opAccept, 0, uint32(id))
	p.unlistened(id, ls)
}

// unlistened forgets a listener that is not wanted and has nothing in flight.
func (p *ring) unlistened(id int32, ls *listening) {
	if ls.wanted || ls.state != opIdle {
		return
	}
	delete(p.listens, id)
	if ls.done != nil {
		ls.done()
	}
}

// acceptDone works off a new connection, or that there are no more.
func (p *ring) acceptDone(id int32, cqe uring.CQE) (event, bool) {
	ls := p.listens[id]
	ev := event{fd: id, res: cqe.Res, what: eventAccepted}
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
			p.accept(id, ls) // an error is that the listener is closed, which will be noticed
		}
		p.unlistened(id, ls)
	}
	return ev, news
}
