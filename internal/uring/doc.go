// Package uring is io_uring of Linux (io_uring_setup(2), io_uring_enter(2),
// io_uring_register(2)) in pure Go: queue many operations, hand them to the
// kernel with one system call, and find their results in shared memory. On
// other systems the package is empty.
//
// # Usage
//
// [Setup] makes a [Ring]. [Ring.Next] gives an [SQE] to fill in,
// [Ring.Submit] hands over what is queued without waiting, [Ring.Wait] does so
// and waits, [Ring.Pop] takes results one by one. [Ring.NewBuffers] gives the
// kernel buffers to choose from when something arrives, [NewWaker] ends a wait
// from another goroutine, [Ring.Probe] says what the kernel can do.
//
//	own goroutine                 shared memory                     kernel
//	Next, fill in   ----------->  SQEs, tail        ----------->    starts operations,
//	Submit, Wait    ----------->  io_uring_enter(2) ----------->    runs what has become ready
//	Pop             <-----------  tail, CQEs        <-----------    writes results
//
// # Who may call what
//
// A Ring and its Buffers belong to one goroutine at a time; who passes them on
// must synchronise as for any other value. [Waker.Wake] may be called from
// anywhere. With [SetupSingleIssuer] the kernel accepts one thread only, the
// one that called Setup (with [SetupRDisabled]: [Ring.Enable]): lock the
// goroutine to it. Others get EEXIST. Without it any thread may enter, but an
// operation is finished by the thread that submitted it. That does so at once,
// whatever it waits for or computes; with [SetupCoopTaskrun] only when it enters
// the kernel or is interrupted, so that a thread which computes delays what it
// has submitted by milliseconds. Operations of a thread that has ended end with
// ECANCELED when their event comes. (In Go only the thread of a goroutine that
// returns while locked to it ends.)
//
// # Memory and the garbage collector
//
// The kernel knows addresses, which the collector does not see. It frees what
// is unreachable, and it never moves what lives on the heap; only stacks move.
// So the rule for all memory that an operation names (of Recv, Send, Read,
// Write, SendMsg and its iovecs):
//
//   - it must be on the heap: the methods of SQE see to it, as the compiler
//     takes what is given to them for escaping. What a Msghdr points to is the
//     caller's: allocate it.
//   - it must stay reachable, and must not be written to (Send), nor looked at
//     (Recv), until the completion has come; for SendZC until the one with
//     [CQENotif]. A Ring keeps no reference.
//
// The rings and the memory of Buffers are mapped, outside the heap: the
// collector neither scans nor frees them. What is received into Buffers
// therefore needs no rule but [Buffers.Put].
//
// # Memory order
//
// Heads, tails and flags are shared through sync/atomic only. An SQE is
// written before the store of the tail that covers it, a CQE is read after the
// load of the tail that covers it, and before the store of the head that frees
// it. Go's atomics are sequentially consistent, which is more than the release
// and acquire that the kernel pairs with them: on amd64 a store is XCHG and a
// load MOV, on arm64 STLR and LDAR, and neither compiler nor processor moves
// other accesses across them.
//
// # Limitations
//
// No polled modes (SQPOLL, IOPOLL), no 128-byte SQEs or 32-byte CQEs. No
// registered files and buffers: they save little beside a system call, and
// descriptors have to remain ordinary ones. The race detector does not see the
// kernel write to memory that is named in Recv or Read.
//
// # What the kernel needs
//
// Linux 5.11 for anything, 5.19 for Buffers and multishot accept, 6.0 for
// multishot recv, 6.1 for [SetupDeferTaskrun], 6.10 for bundles, 6.12 for
// incremental buffers. Containers refuse the ring by default: see [Error].
package uring
