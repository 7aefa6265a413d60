package uring

// The names below are those of <linux/io_uring.h>, without IORING_ and in Go's
// case; behind each, the first Linux that knows it where that is above 5.11.

// Op is an operation, the opcode of an SQE.
type Op uint8

// The operations that SQE has methods for.
const (
	OpNop         Op = 0
	OpPollAdd     Op = 6
	OpSendMsg     Op = 9
	OpTimeout     Op = 11
	OpAccept      Op = 13
	OpAsyncCancel Op = 14
	OpLinkTimeout Op = 15
	OpClose       Op = 19
	OpRead        Op = 22
	OpWrite       Op = 23
	OpSend        Op = 26
	OpRecv        Op = 27
	OpSplice      Op = 30
	OpShutdown    Op = 34 // 5.11
	OpMsgRing     Op = 40 // 5.18
	OpSocket      Op = 45 // 5.19, as multishot accept
	OpSendZC      Op = 47 // 6.0, as multishot recv
)

// SetupFlags change how a ring works.
type SetupFlags uint32

// Flags for Setup.
const (
	SetupCQSize       SetupFlags = 1 << 3  // set by Setup when CQEntries is
	SetupClamp        SetupFlags = 1 << 4  // too many entries: take the most there may be
	SetupRDisabled    SetupFlags = 1 << 6  // nothing can be submitted until Enable
	SetupSubmitAll    SetupFlags = 1 << 7  // 5.18: a refused SQE does not stop the others
	SetupCoopTaskrun  SetupFlags = 1 << 8  // 5.19: do not interrupt a running thread
	SetupTaskrunFlag  SetupFlags = 1 << 9  // 5.19: Pending sees waiting work; needs one of Coop, Defer
	SetupSingleIssuer SetupFlags = 1 << 12 // 6.0: one thread submits
	SetupDeferTaskrun SetupFlags = 1 << 13 // 6.1: work is done in Submit and Wait only; needs SingleIssuer
	SetupNoSQArray    SetupFlags = 1 << 16 // 6.6: without an array that this package has no use for

	setupKnown = SetupCQSize | SetupClamp | SetupRDisabled | SetupSubmitAll | SetupCoopTaskrun |
		SetupTaskrunFlag | SetupSingleIssuer | SetupDeferTaskrun | SetupNoSQArray
)

// Features are what a kernel says it does.
type Features uint32

// Bits of Features.
const (
	FeatSingleMmap   Features = 1 << 0  // needed by Setup
	FeatNoDrop       Features = 1 << 1  // needed by Setup
	FeatSubmitStable Features = 1 << 2  // needed by Setup: a Msghdr, its iovecs and a Timespec only matter until submitted
	FeatFastPoll     Features = 1 << 5  // needed by Setup: sockets do not occupy kernel threads
	FeatExtArg       Features = 1 << 8  // needed by Setup: 5.11
	FeatCQESkip      Features = 1 << 11 // 5.17: SQECQESkipSuccess
	FeatBundle       Features = 1 << 14 // 6.10: SendBundle, RecvBundle
	FeatNoIowait     Features = 1 << 17 // 6.15: waiting is not accounted as waiting for a disk

	featNeeded = FeatSingleMmap | FeatNoDrop | FeatSubmitStable | FeatFastPoll | FeatExtArg
)

// Has reports whether all of want are there.
func (f Features) Has(want Features) bool { return f&want == want }

// Flags of an SQE.
const (
	SQEDrain          uint8 = 1 << 1 // start after everything before it has ended
	SQELink           uint8 = 1 << 2 // the next SQE starts when this has succeeded; if it does not, that ends with ECANCELED
	SQEHardlink       uint8 = 1 << 3 // the next SQE starts when this has ended
	SQEAsync          uint8 = 1 << 4 // go to a kernel thread at once
	SQEBufferSelect   uint8 = 1 << 5 // memory comes from Buffers
	SQECQESkipSuccess uint8 = 1 << 6 // 5.17: no CQE unless it fails
)

// Flags of a CQE.
const (
	CQEBuffer       uint32 = 1 << 0 // a buffer of Buffers was used: see Buffers.Take
	CQEMore         uint32 = 1 << 1 // further CQEs of the same SQE will come
	CQESockNonempty uint32 = 1 << 2 // the socket has more
	CQENotif        uint32 = 1 << 3 // the kernel has let go of the memory of a SendZC
	CQEBufMore      uint32 = 1 << 4 // 6.12: the kernel goes on with the same buffer
)

// Flags of Cancel.
const (
	CancelAll uint32 = 1 << 0 // 5.19: all that match, not the first
	cancelFD  uint32 = 1 << 1 // 5.19
	cancelAny uint32 = 1 << 2 // 5.19
)

// PollFirst, in IOPrio of a Recv or Send, waits first instead of trying first:
// for a socket that is probably not ready (5.19).
const PollFirst uint16 = 1 << 0

const (
	recvMultishot  uint16 = 1 << 1
	recvSendBundle uint16 = 1 << 4
	acceptMulti    uint16 = 1 << 0
	pollMulti      uint32 = 1 << 0

	sqCQOverflow uint32 = 1 << 1
	sqTaskrun    uint32 = 1 << 2

	enterGetEvents uint32 = 1 << 0
	enterExtArg    uint32 = 1 << 3
	enterNoIowait  uint32 = 1 << 7

	registerProbe             = 8
	registerEnableRings       = 12
	registerPbufRing          = 22
	unregisterPbufRing        = 23
	pbufRingInc               = 2
	offSQRing           int64 = 0
	offSQEs             int64 = 0x10000000
)

// params is struct io_uring_params.
type params struct {
	sqEntries, cqEntries uint32
	flags                SetupFlags
	_                    [2]uint32
	features             Features
	_                    [4]uint32
	sq, cq               offsets
}

// offsets is struct io_sqring_offsets, and io_cqring_offsets: the places of
// the shared words in the mapping.
type offsets struct {
	head, tail, mask, entries uint32
	word4, word5, word6       uint32 // SQ: flags, dropped, array; CQ: overflow, cqes, flags
	_                         uint32
	_                         uint64
}

// waitArg is struct io_uring_getevents_arg, with the time it points to.
type waitArg struct {
	sigmask     uint64
	sigmaskSize uint32
	minWait     uint32
	ts          uint64
	limit       Timespec
}

// Timespec is struct __kernel_timespec: 64 bits on every architecture.
type Timespec struct{ Sec, Nsec int64 }

// bufReg is struct io_uring_buf_reg.
type bufReg struct {
	ringAddr    uint64
	ringEntries uint32
	bgid, flags uint16
	_           [3]uint64
}

// bufEntry is struct io_uring_buf. The tail of the ring lies in the reserved
// half-word of the first one.
type bufEntry struct {
	addr uint64
	len  uint32
	bid  uint16
	_    uint16
}
