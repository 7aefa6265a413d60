package engine

import (
	"net"
	"os"
	"syscall"
	"time"
)

// maxSendfile is how much of a file goes to the kernel at once, in bytes.
const maxSendfile = 4 << 20

// SendFile sends n bytes of f from offset off, behind what is queued, and
// returns how many have left the process. The kernel copies them where it can.
// timeout bounds the time without progress, 0 is without limit. Called from
// within a call of the protocol: it gives up the loop if it has to wait.
func (c *Conn) SendFile(f *os.File, off, n int64, timeout time.Duration) (sent int64, err error) {
	if err := c.Flush(timeout); err != nil {
		return 0, err
	}
	sendfile := c.sendfile()
	if sendfile == nil {
		return c.copyFile(f, off, n, timeout)
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	for n > 0 {
		var m int
		var serr error
		err := raw.Control(func(file uintptr) {
			m, serr = sendfile(int(file), &off, int(min(n, maxSendfile)), timeout)
		})
		sent, n = sent+int64(m), n-int64(m)
		switch {
		case err != nil:
			return sent, err
		case serr == errAgain:
			c.mu.Lock()
			if c.flags&(flagClosed|flagClosing) != 0 {
				c.mu.Unlock()
				return sent, net.ErrClosed
			}
			if err := c.waitLocked(flagWantWrite, timeout); err != nil {
				return sent, err
			}
		case serr != nil && sent == 0 && isNoSendfile(serr):
			return c.copyFile(f, off, n, timeout)
		case serr != nil:
			return sent, os.NewSyscallError("sendfile", serr)
		case m == 0:
			return sent, nil // the file is shorter than n
		}
	}
	return sent, nil
}

// sendfileFunc has the kernel send some of a file from *off on, which it moves.
type sendfileFunc func(file int, off *int64, n int, timeout time.Duration) (int, error)

// sendfile is how the kernel sends files on c; nil when it cannot.
func (c *Conn) sendfile() sendfileFunc {
	x := c.peek()
	switch {
	case !haveSendfile || x != nil && x.tls != nil:
		return nil
	case c.fd >= 0:
		return func(file int, off *int64, n int, _ time.Duration) (int, error) {
			return sysSendfile(int(c.fd), file, off, n)
		}
	case x == nil || x.g == nil:
		return nil
	}
	return x.g.sendfile(c)
}

// sendfile is that of a net.Conn that is a plain socket. It waits by itself.
func (g *goroutineDriver) sendfile(c *Conn) sendfileFunc {
	var socket syscall.Conn
	switch nc := c.ext.nc.(type) {
	case *net.TCPConn:
		socket = nc
	case *net.UnixConn:
		socket = nc
	default:
		return nil
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil
	}
	return func(file int, off *int64, n int, timeout time.Duration) (m int, serr error) {
		c.mu.Lock()
		if err := g.flushLocked(c, timeout); err != nil { // strangers may have written
			c.mu.Unlock()
			return 0, err
		}
		g.writing = true
		c.ext.nc.SetWriteDeadline(writeDeadline(timeout))
		c.mu.Unlock()
		err := raw.Write(func(fd uintptr) bool {
			m, serr = sysSendfile(int(fd), file, off, n)
			return serr != errAgain
		})
		c.mu.Lock()
		g.wroteLocked(m)
		c.mu.Unlock()
		if err != nil {
			return m, err
		}
		return m, serr
	}
}

// copyFile is SendFile by way of our memory.
func (c *Conn) copyFile(f *os.File, off, n int64, timeout time.Duration) (sent int64, err error) {
	buf := make([]byte, min(n, 64<<10))
	for n > 0 {
		m, rerr := f.ReadAt(buf[:min(n, int64(len(buf)))], off)
		if m > 0 {
			if _, err := c.Write(buf[:m]); err != nil {
				return sent, err
			}
			if err := c.Flush(timeout); err != nil {
				return sent, err
			}
			sent, off, n = sent+int64(m), off+int64(m), n-int64(m)
		}
		if rerr != nil {
			break // short: the caller sees it from sent
		}
	}
	return sent, nil
}
