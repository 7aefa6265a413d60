package uring

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// SQE is a submission queue entry: an operation for the kernel, struct
// io_uring_sqe. [Ring.Next] gives an empty one; a method fills it in, after
// which UserData and Flags may be set. It must not be touched any more after
// it has been submitted. The methods that take memory are bound by the rule of
// the package comment.
type SQE struct {
	Opcode   Op
	Flags    uint8  // SQELink and the like
	IOPrio   uint16 // flags of some operations
	FD       int32
	Off      uint64
	Addr     uint64
	Len      uint32
	OpFlags  uint32
	UserData uint64 // comes back in every CQE of this SQE
	BufGroup uint16
	_        uint16
	SpliceFD int32
	_        [2]uint64
}

// Nop does nothing, successfully.
func (s *SQE) Nop() { s.Opcode = OpNop }

// Accept takes connections from the listening socket fd until it ends: each
// comes as one CQE whose Res is the descriptor, and without [CQEMore] in it the
// operation has ended and must be queued again (out of descriptors, cancelled,
// queue overflow). flags are those of accept4(2). It does not tell the peer's
// address: getpeername(2) does.
func (s *SQE) Accept(fd int, flags uint32) {
	s.Opcode, s.FD, s.OpFlags, s.IOPrio = OpAccept, int32(fd), flags, acceptMulti
}

// Recv receives once, into b.
func (s *SQE) Recv(fd int, b []byte) {
	s.transfer(OpRecv, fd, b)
}

// RecvMultishot receives into the buffers of the group, again and again: each
// arrival comes as one CQE, for [Buffers.Take]. One without [CQEMore] is the
// last: Res is 0 at the peer's end, ENOBUFS when all buffers were taken (queue
// it again when some have been given back: nothing is lost), or another error.
func (s *SQE) RecvMultishot(fd int, group uint16) {
	s.Opcode, s.FD, s.IOPrio = OpRecv, int32(fd), recvMultishot
	s.selectFrom(group)
}

// LimitRecv has a RecvMultishot end with the arrival that makes it n bytes
// together, or more; 0 is without limit. Before Linux 6.17 the operation fails with EINVAL.
func (s *SQE) LimitRecv(n uint32) { s.SpliceFD = int32(n) }

// RecvBundle is RecvMultishot, and one CQE may fill several buffers.
func (s *SQE) RecvBundle(fd int, group uint16) {
	s.RecvMultishot(fd, group)
	s.IOPrio |= recvSendBundle
}

// Send sends b; flags are those of send(2), and io_uring adds MSG_NOSIGNAL. It
// waits until the socket takes something, with MSG_WAITALL until it has taken
// all or an error came between, with MSG_DONTWAIT not at all (EAGAIN).
func (s *SQE) Send(fd int, b []byte, flags uint32) {
	s.transfer(OpSend, fd, b)
	s.OpFlags = flags
}

// SendZC is Send without a copy. There are two CQEs: the result, with
// [CQEMore], and, with [CQENotif], that b is the caller's again; a result
// without CQEMore, be it an error or not, is the only one. EOPNOTSUPP is the answer of sockets that
// cannot: unix sockets, and those of a Multipath TCP listener, which Go's are
// unless told otherwise. On loopback the kernel copies anyway.
func (s *SQE) SendZC(fd int, b []byte, flags uint32) {
	s.Send(fd, b, flags)
	s.Opcode = OpSendZC
}

// SendBundle sends the buffers that the group holds, in their order, as far as
// they fit: see [Buffers.Lend]. Res is how many bytes, CQE.Buffer the first
// buffer. What a buffer has left of itself after a short send is the caller's
// to send again; MSG_WAITALL avoids that.
func (s *SQE) SendBundle(fd int, group uint16, flags uint32) {
	s.Opcode, s.FD, s.IOPrio = OpSend, int32(fd), recvSendBundle
	s.OpFlags = flags
	s.selectFrom(group)
}

// SendMsg is sendmsg(2): several pieces in their order. m and its iovecs must
// be on the heap and stay until the SQE is submitted, the pieces until the CQE.
func (s *SQE) SendMsg(fd int, m *unix.Msghdr, flags uint32) {
	s.Opcode, s.FD, s.Addr, s.Len = OpSendMsg, int32(fd), msghdrAddress(m), 1
	s.OpFlags = flags
}

// CurrentOffset has Read, Write and Splice use the position of the file.
const CurrentOffset = ^uint64(0)

// Read reads once, from offset off.
func (s *SQE) Read(fd int, b []byte, off uint64) {
	s.transfer(OpRead, fd, b)
	s.Off = off
}

// Write writes once, at offset off.
func (s *SQE) Write(fd int, b []byte, off uint64) {
	s.transfer(OpWrite, fd, b)
	s.Off = off
}

// Splice moves up to n bytes from in to out, one of which is a pipe: file to
// pipe, pipe to socket. It runs on a thread of the kernel. Offsets of what is
// not a regular file are CurrentOffset. flags are those of splice(2).
func (s *SQE) Splice(in int, inOff uint64, out int, outOff uint64, n, flags uint32) {
	s.Opcode, s.SpliceFD, s.Addr = OpSplice, int32(in), inOff
	s.FD, s.Off, s.Len, s.OpFlags = int32(out), outOff, n, flags
}

// PollAdd waits until one of mask's events (poll(2)) happens; Res is which.
// With multishot, each time one happens anew, while CQEMore is set.
func (s *SQE) PollAdd(fd int, mask uint32, multishot bool) {
	s.Opcode, s.FD, s.OpFlags = OpPollAdd, int32(fd), halves(uint16(mask), uint16(mask>>16))
	if multishot {
		s.Len = pollMulti
	}
}

// Cancel, which finds it quickly, ends the operation with this UserData, or with CancelAll in flags
// every one: those end with ECANCELED, unless they end otherwise at this moment.
// Res is 0, or with CancelAll how many; ENOENT when there is none, EALREADY
// when one is running and may not stop. Either way each has its own last CQE.
func (s *SQE) Cancel(userData uint64, flags uint32) {
	s.Opcode, s.FD, s.Addr, s.OpFlags = OpAsyncCancel, -1, userData, flags
}

// CancelFD ends all operations on fd (5.19). To be submitted before fd is
// closed. The kernel looks through all operations of the ring for them.
func (s *SQE) CancelFD(fd int) {
	s.Opcode, s.FD, s.OpFlags = OpAsyncCancel, int32(fd), cancelFD|CancelAll
}

// CancelAny ends all operations of the ring (5.19). The kernel takes the square
// of their number for that: 0.3 s for 8,000.
func (s *SQE) CancelAny() {
	s.Opcode, s.FD, s.OpFlags = OpAsyncCancel, -1, cancelAny|CancelAll
}

// Shutdown is shutdown(2).
func (s *SQE) Shutdown(fd, how int) {
	s.Opcode, s.FD, s.Len = OpShutdown, int32(fd), uint32(how)
}

// Close closes fd. Operations on it go on: cancel them first.
func (s *SQE) Close(fd int) { s.Opcode, s.FD = OpClose, int32(fd) }

// Timeout ends with ETIME after t, or with 0 once count further CQEs have come
// (count 0: only after t). t must stay until submitted.
func (s *SQE) Timeout(t *Timespec, count uint32) {
	s.Opcode, s.FD, s.Addr, s.Len, s.Off = OpTimeout, -1, timespecAddress(t), 1, uint64(count)
}

// LinkTimeout bounds the operation queued before it, which must have SQELink:
// that is cancelled after t. t must stay until submitted.
func (s *SQE) LinkTimeout(t *Timespec) {
	s.Opcode, s.FD, s.Addr, s.Len = OpLinkTimeout, -1, timespecAddress(t), 1
}

// MsgRing posts a CQE to the ring whose descriptor is target: with res and
// userData as given.
func (s *SQE) MsgRing(target int, res int32, userData uint64) {
	s.Opcode, s.FD, s.Len, s.Off = OpMsgRing, int32(target), uint32(res), userData
}

func (s *SQE) transfer(op Op, fd int, b []byte) {
	s.Opcode, s.FD, s.Addr = op, int32(fd), bytesAddress(b)
	s.Len = uint32(min(len(b), 1<<31-1))
}

func (s *SQE) selectFrom(group uint16) {
	s.Flags |= SQEBufferSelect
	s.BufGroup = group
}

// CQE is a completion queue entry: what has become of an operation, struct
// io_uring_cqe.
type CQE struct {
	UserData uint64 // of the SQE
	Res      int32  // negative: -errno; else what the operation says
	Flags    uint32 // CQEMore and the like; above bit 16 the buffer
}

// Err is the error in Res, a [syscall.Errno]; nil when there is none.
func (c CQE) Err() error {
	if c.Res >= 0 {
		return nil
	}
	return syscall.Errno(-c.Res)
}

// More reports whether further CQEs of the same SQE will come.
func (c CQE) More() bool { return c.Flags&CQEMore != 0 }

// HasBuffer reports whether there is something for [Buffers.Take].
func (c CQE) HasBuffer() bool { return c.Flags&CQEBuffer != 0 }

// Buffer is the number of the buffer, when HasBuffer.
func (c CQE) Buffer() uint16 { return uint16(c.Flags >> 16) }
