// Package engine runs event loops: it owns the sockets and the deadlines of
// many connections and hands what arrives to a [Protocol], one small value per
// connection. A parked connection costs a struct of a few hundred bytes: no
// goroutine, no buffer.
//
// # Usage
//
//	var e engine.Engine // the zero value is ready
//	err := e.Serve(ctx, ln, func(c *engine.Conn) engine.Protocol { return &echo{} }, nil)
//
// Attach takes over a connection made elsewhere, such as one that was dialled.
//
// Protocol methods are ordinary Go code. They run on the loop; one that blocks
// or computes for longer than [Engine.Patience] loses the loop, which goes on
// in another goroutine, and the call goes on undisturbed on its own. A protocol
// that knows that it will take long says so with [Conn.Go].
//
// # Drivers
//
// Linux has io_uring (DriverUring) and epoll, macOS and the BSDs kqueue; elsewhere,
// and for connections without a descriptor, one goroutine per connection does the
// same job with the same Protocol. docs/loop.md numbers the stages of a loop.
//
// DriverUring has a loop receive, send and accept with io_uring, a whole turn in one
// system call. It needs Linux 6.12 (buffers that many small messages share), better
// 6.17 (a bound for what one connection receives at a time), and 1 MiB of memory for
// each loop. DriverAuto takes it where the kernel has it and
// permits it; else it takes epoll, with one line of log that says why, and counts
// that in [Engine.Fallbacks]. What a call writes on the loop leaves when the turn
// ends, so a Write that fails is noticed later.
//
// Containers refuse io_uring by default, as the seccomp profiles of Docker,
// containerd and Podman leave its system calls out; a profile that allows
// io_uring_setup, io_uring_enter and io_uring_register admits it. The sysctl
// kernel.io_uring_disabled refuses it to all (2), or to processes without
// CAP_SYS_ADMIN outside the group kernel.io_uring_group (1); SELinux may, too. The
// error says which it was, and what allows it.
//
// # Cancellation
//
// Cancelling the context of Serve closes the listener and drains: each Protocol
// is told once, and Serve returns when the last of its connections has ended.
//
// # Limitations
//
// Only stream sockets. A file is sent with sendfile where the connection is a
// plain socket on Linux, and copied elsewhere.
package engine
