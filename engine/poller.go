package engine

import (
	"sync/atomic"
	"syscall"
	"time"
)

// newPollerFunc makes a poller; parked says whether its loop waits, or is about to.
type newPollerFunc func(d Driver, parked *atomic.Bool) (poller, error)

// poller is the seam between a loop and the kernel, one per loop. It is shaped
// by completions: the loop asks for input (arm), for room to send (armSend) and
// for new connections (listen), and reaps what has finished. Pollers that know
// readiness only, as epoll and kqueue do, take the bytes when the loop asks for
// them in receive. One that completes, as the ring does, has them by then, and
// sends the backlog itself.
//
// wait, next, later, resume, listen and unlisten belong to the loop. The other
// methods may be called from any goroutine; add, arm, forget, later and end want
// the Conn's mu held.
type poller interface {
	// add starts to watch c, with input armed.
	add(c *Conn) error
	// arm says which of input and room to send are to be reported for c. Without
	// input, the peer's end is still to be reported where the system can tell it
	// apart and it is not known yet.
	arm(c *Conn, input, room bool) error
	// forget ends watching c; its descriptor stays open.
	forget(c *Conn)
	// detach is forget that waits until nothing uses the descriptor any more. It
	// is called by a call that is not on the loop.
	detach(c *Conn)
	// end closes the descriptor of c, which c has given up, as soon as nothing
	// uses it any more.
	end(c *Conn, fd int32)
	// completes says that the poller receives and sends by itself: what has come is
	// in Conn.got, and what is in Conn.out leaves without being told to, once later
	// or arm has been called.
	completes() bool
	// later has a poller that completes look at c before it waits.
	later(c *Conn)
	// resume says that the loop goes on in another goroutine.
	resume()
	// listen reports new connections of a listener until unlisten, which calls done,
	// if that is not nil, when nothing uses the descriptor any more. Events name the
	// listener by id, which is negative: its descriptor may be closed by others, and be
	// another listener's, at any time but within raw.Control.
	listen(id int32, raw syscall.RawConn) error
	unlisten(id int32, raw syscall.RawConn, done func())
	// wait fetches what has finished, for at most d when nothing has; d < 0 is
	// without limit. 0 never blocks. n is how many events there are.
	wait(d time.Duration) (n int, err error)
	// next takes one of the fetched events.
	next() (event, bool)
	// receive reads what has arrived for c into buf: 0 bytes and io.EOF at the
	// peer's half-close, errAgain when there is nothing.
	receive(c *Conn, buf []byte) (int, error)
	// wake ends a wait.
	wake()
	close()
}

// control runs f on the descriptor of a listener, unless that is closed.
func control(raw syscall.RawConn, f func(fd int) error) error {
	var ferr error
	if err := raw.Control(func(fd uintptr) { ferr = f(int(fd)) }); err != nil {
		return err
	}
	return ferr
}

// event is something that has finished. It names its connection by descriptor
// and generation, so that a late one never reaches a recycled descriptor.
type event struct {
	fd   int32
	gen  uint32
	res  int32 // eventAccepted: the new descriptor, or -errno
	what uint8
}

const (
	eventInput    = 1 << iota // input, or the peer's half-close
	eventRoom                 // the socket takes more
	eventGone                 // the peer has ended its side, or reset the connection
	eventDead                 // both sides are shut: reported for ever until forgotten
	eventAccept               // a listener (fd is its id, gen is 0) has new connections
	eventAccepted             // one was taken from it
)
