package httpd

import (
	"errors"
	"net"
	"os"
	"time"

	"github.com/burrownet/burrow/engine"
)

// How the answers of an exchange leave.

// send hands the answers to the engine.
func (x *exchange) send() {
	late := len(x.out) > x.mark && x.late()
	if late {
		x.out = x.out[:x.mark] // the answers before this one are not late
	}
	if len(x.out) > 0 && !x.broken {
		x.given += int64(len(x.out))
		_, err := x.c.Write(x.out)
		if err == engine.ErrBacklog {
			// What is unsent leaves first. Then there is no limit to one write.
			if err = x.wait(x.c.Flush); err == nil {
				_, err = x.c.Write(x.out)
			}
		}
		if err == nil {
			err = x.wait(x.c.Push)
		}
		if err != nil {
			x.fail(err)
		}
	}
	if late && !x.broken {
		x.expire()
	}
	x.out, x.mark, x.later = x.out[:0], 0, 0
}

// late reports whether the time of SetWriteDeadline has passed.
func (x *exchange) late() bool { return !x.until.IsZero() && !time.Now().Before(x.until) }

// expire breaks the answer in progress off because it is late. What was written
// before still leaves.
func (x *exchange) expire() {
	x.broken, x.end, x.err = true, true, &timeoutError{"httpd: write"}
}

// meet sees to it that an answer with a SetWriteDeadline has left by then.
func (x *exchange) meet() {
	if x.until.IsZero() {
		return
	}
	x.send()
	if !x.broken && x.c.Backlog() > 0 {
		if err := x.wait(x.c.Flush); err != nil {
			x.fail(err)
		}
	}
	x.until = time.Time{}
}

// sendLater hands the answers to the engine because the next handler may block, and
// they must not wait for it.
func (x *exchange) sendLater() {
	if len(x.out) == 0 || x.broken {
		return
	}
	err := x.c.WriteLater(x.out)
	if err == engine.ErrBacklog {
		x.send() // waits for room
		return
	}
	if err == nil {
		err = x.wait(x.c.Push)
	}
	if err != nil {
		x.fail(err)
	}
	x.later += len(x.out)
	x.given += int64(len(x.out))
	x.out, x.mark = x.out[:0], 0
}

// maxLag is how much may be unsent before a handler waits, or the next request of a
// pipeline, in bytes.
const maxLag = 64 << 10

// pace sends the answers and waits while the client lags behind: who asks and does
// not read gets no further answers made.
func (x *exchange) pace() {
	x.send()
	if !x.broken && x.c.Backlog() > maxLag {
		if err := x.wait(x.c.Flush); err != nil {
			x.fail(err)
		}
	}
}

// fail notes that the connection takes no more answers.
func (x *exchange) fail(err error) {
	x.broken, x.end, x.err = true, true, err
	if errors.Is(err, os.ErrDeadlineExceeded) {
		x.err = &timeoutError{"httpd: write"}
	}
	if !errors.Is(err, net.ErrClosed) {
		x.c.Close() // whatever else the handler does
	}
}

// wait has f wait for the client, which may take the time of the server's write limit
// whenever it makes no progress, but not longer than SetWriteDeadline in all.
func (x *exchange) wait(f func(patience time.Duration) error) error {
	if x.until.IsZero() {
		return f(x.s.write)
	}
	end := time.AfterFunc(time.Until(x.until), func() { x.c.Close() })
	err := f(x.s.write)
	if !end.Stop() && err != nil {
		return os.ErrDeadlineExceeded
	}
	return err
}
