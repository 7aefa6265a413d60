// Package tftp implements the Trivial File Transfer Protocol (RFC 1350) for
// servers and clients, with the options of RFC 2347 to 2349 (blksize, timeout,
// tsize), RFC 7440 (windowsize) and two that are in use without a standard
// (utimeout, rollover).
//
// # Usage
//
// A server reads from a folder, a tree or URLs, and says of each transfer what
// came of it:
//
//	srv := &tftp.Server{Root: root, OnTransfer: func(r tftp.Record) { ... }}
//	pc, err := tftp.Listen(ctx, ":69")
//	err = srv.Serve(ctx, pc)
//
// A client gets and puts:
//
//	var c tftp.Client
//	rec, err := c.Get(ctx, "192.168.1.1", "boot/image", w)
//	rec, err := c.Put(ctx, "192.168.1.1:6969", "config", r, size)
//
// # How it is made
//
// Both directions are pure machines, fed with packets and the time, in both
// roles; a simulator moves files through lossy networks in virtual time. On
// Linux one goroutine of a server drives all transfers of a socket with epoll:
// a window of blocks is one system call, and while a client answers within some
// microseconds the loop looks for the answer rather than sleeps. ListenShared
// opens several sockets, for as many goroutines. Files are opened,
// read and written on goroutines of their own, so that a slow disk or origin holds
// up nobody else, but for what the system has in memory (Linux); what is read is
// shared by all who ask for the same file.
//
// # Retransmission
//
// There is one schedule. A packet that is not answered is sent again after the
// measured round trip with its variation (RFC 6298), Timeout at first, and then
// after twice the time, and so on. A second ACK of a block never causes a second
// copy of the next one (RFC 1123 4.2.3.1); within a window it makes the sender
// go back, once (RFC 7440 4).
//
// # Cancellation
//
// When the context of Serve ends, no new request is taken, transfers may go on
// for DrainTimeout, and those that are left then are told. When that of Get or
// Put ends, the server is told and the call returns.
//
// # Limitations
//
// No multicast (RFC 2090), no mode mail. A transfer in netascii has no tsize, as
// its size is not known before it has been translated. Rollover to 1 by a sender
// who has not negotiated it is recognised in lock-step only; in a window it
// cannot be told from a lost block 0. Hardware addresses are found for IPv4 on
// Linux only. Away from Linux, and for a PacketConn that is no *net.UDPConn, a
// goroutine reads each socket, and a server on several addresses answers from
// the one that the system chooses; there a request that was sent by broadcast is
// answered, which RFC 1123 4.2.3.5 advises against.
package tftp
