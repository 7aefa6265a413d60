package tftp

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"
)

// exchange is one attempt of a client, on the goroutine of its caller.
type exchange struct {
	client *Client
	rec    *Record
	server netip.AddrPort // where the request goes
	peer   netip.AddrPort // the server's TID, once it has answered
	op     opcode
	name   string
	plain  bool // without options
	out    *resumable
	in     *blockSource
	size   int64 // announced with WRQ; -1: not known

	conn     *net.UDPConn
	asked    options
	request  []byte
	began    time.Time
	now      instant
	deadline time.Time // that is set on conn
	packet   packet
	receiver receiver
	sender   sender
	decoder  asciiDecoder
	gather   []byte // on its way to out
	lost     bool   // something was sent again
	failures int    // of the network
}

// gatherAtOnce is how much is gathered for one Write, in bytes.
const gatherAtOnce = 64 << 10

// run makes the attempt.
func (e *exchange) run(ctx context.Context) (err error) {
	e.conn, err = net.ListenUDP(e.network(), net.UDPAddrFromAddrPort(e.client.Listen))
	if err != nil {
		return err
	}
	defer e.conn.Close()
	e.conn.SetReadBuffer(1 << 20) // a window at once; less will do
	hearRefusals(e.conn)
	stop := context.AfterFunc(ctx, func() { e.conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	e.began = time.Now()
	e.start()
	err = e.loop(ctx)
	e.account()
	if err != nil && e.peer.IsValid() {
		e.tell(err)
	}
	return err
}

// start builds the request and readies the machine.
func (e *exchange) start() {
	p := packet{op: e.op, name: e.name, mode: e.rec.Mode}
	if !e.plain {
		e.asked = e.client.options(e.op, e.server.Addr(), e.size)
		p.options = e.asked
	}
	e.request = p.append(nil)
	e.rec.Asked, e.rec.Granted, e.rec.Size, e.rec.Bytes = e.asked.String(), "", e.size, 0
	e.rec.BlockSize, e.rec.WindowSize = defaultBlockSize, 1 // unless there is an OACK
	e.clock()
	if e.op == opRRQ {
		e.receiver.start(defaultParams(), e.client.pace(), e.now)
	} else {
		e.sender.start(defaultParams(), e.client.pace(), true, e.now)
		e.in.start(defaultParams())
	}
}

func (e *exchange) clock() { e.now = max(1, time.Since(e.began)) }

// loop sends what is due and takes in what comes, until the end.
func (e *exchange) loop(ctx context.Context) error {
	buf := make([]byte, maxDatagram)
	for {
		if err := e.flush(); err != nil {
			return err
		}
		if done, err := e.done(); done || err != nil {
			return err
		}
		n, from, err := e.receive(ctx, buf)
		if err != nil {
			return err
		}
		e.clock()
		if n >= 0 {
			err = e.take(buf[:n], from)
		} else {
			err = e.expire()
		}
		if err != nil {
			return err
		}
	}
}

func (e *exchange) expire() (err error) {
	if e.op == opRRQ {
		err = e.receiver.expire(e.now)
	} else {
		err = e.sender.expire(e.now)
	}
	if err == nil && !e.peer.IsValid() && (e.receiver.due || e.sender.openingDue) && e.client.OnNoAnswer != nil {
		e.client.OnNoAnswer(e.server, e.now)
	}
	return err
}

// take takes a packet in.
func (e *exchange) take(b []byte, from netip.AddrPort) error {
	if from != e.peer {
		if e.peer.IsValid() || from.Addr().WithZone("") != e.server.Addr().WithZone("") {
			return e.stranger(b, from)
		}
	}
	p := &e.packet
	if err := p.parse(b); err != nil {
		return nil // a stray; time-outs mend what it was meant to be
	}
	if !e.peer.IsValid() {
		// RFC 1350 4: the port of the first answer is the server's TID.
		e.peer = from
	}
	switch {
	case p.op == opERROR:
		return &Error{p.code, p.message}
	case p.op == opOACK:
		return e.oack(p)
	case p.op == opDATA && e.op == opRRQ:
		return e.data(p)
	case p.op == opACK && e.op == opWRQ:
		if e.sender.ack(p.block, e.now) {
			e.progress(e.in.bytes(e.sender.base))
		}
	}
	return nil
}

// stranger is answered with an error, RFC 1350 4, and forgotten.
func (e *exchange) stranger(b []byte, from netip.AddrPort) error {
	e.rec.Strangers++
	if e.peer.IsValid() && e.rec.Strangers <= maxStrangers && len(b) >= 2 && opcode(b[1]) != opERROR {
		e.conn.WriteToUDPAddrPort(appendErrorPacket(nil, &Error{CodeUnknownTransfer, "unknown transfer ID"}), from)
	}
	return nil
}

// oack takes over what the server granted. What it cannot grant ends the
// transfer with error 8, RFC 2347.
func (e *exchange) oack(p *packet) error {
	first := e.receiver.opening || e.sender.opening
	agreed, err := accept(e.asked, p.options)
	if err != nil {
		return err
	}
	if first {
		e.rec.Granted, e.rec.Size = p.options.String(), max(agreed.size, e.size)
		e.rec.BlockSize, e.rec.WindowSize = agreed.blockSize, agreed.window
	}
	if e.op == opRRQ {
		if most := e.client.MaxFileSize; most > 0 && agreed.size > most {
			return ErrTooLarge
		}
		e.receiver.negotiated(agreed, e.now)
	} else if first {
		e.sender.agree(agreed)
		e.sender.opened(e.now)
		e.in.start(agreed)
	}
	return nil
}

func (e *exchange) data(p *packet) error {
	r := &e.receiver
	take, err := r.data(p.block, len(p.data), e.now)
	if err != nil || !take {
		return err
	}
	e.rec.Bytes += int64(len(p.data))
	if e.client.ASCII {
		e.gather = e.decoder.decode(e.gather, p.data)
	} else {
		e.gather = append(e.gather, p.data...)
	}
	if !r.complete {
		if len(e.gather) >= gatherAtOnce {
			err = e.pour()
		}
		if r.due {
			e.progress(e.rec.Bytes)
		}
		return err
	}
	e.gather = e.decoder.flush(e.gather)
	if err = e.pour(); err == nil {
		err = e.out.end()
	}
	if err == nil && e.rec.Size >= 0 && e.rec.Bytes != e.rec.Size {
		err = &ProtocolError{"RFC 2349", "the file has another size than announced"}
	}
	if err == nil {
		r.confirm()
		e.progress(e.rec.Bytes)
	}
	return err
}

// pour writes what was gathered.
func (e *exchange) pour() error {
	_, err := e.out.Write(e.gather)
	e.gather = e.gather[:0]
	return err
}

func (e *exchange) progress(done int64) {
	if e.client.OnProgress != nil {
		e.client.OnProgress(done, e.rec.Size)
	}
}

// flush sends what is due.
func (e *exchange) flush() error {
	if e.op == opWRQ {
		return e.flushSender()
	}
	r := &e.receiver
	if !r.due {
		return nil
	}
	b, to := e.request, e.server
	if !r.opening {
		b, to = appendHeader(e.request[:0:0], opACK, r.ackNumber()), e.peer
	}
	err := e.send(b, to)
	r.packetSent(e.now)
	return err
}

func (e *exchange) flushSender() error {
	s := &e.sender
	if s.openingDue {
		if err := e.send(e.request, e.server); err != nil {
			return err
		}
		s.openingSent(e.now)
	}
	for {
		block, n := s.sendable()
		if n == 0 {
			return nil
		}
		data, last, err := e.in.block(block, s.base)
		if err != nil {
			return err
		}
		if last {
			s.last = block
		}
		b := append(appendHeader(nil, opDATA, s.rollover.wire(block)), data...)
		if err := e.send(b, e.peer); err != nil {
			return err
		}
		s.blocksSent(1, e.now)
	}
}

// done reports whether all is over. After the last ACK of a get that lost
// something on the way, one more moment is waited for the server to ask again,
// RFC 1350 6.
func (e *exchange) done() (bool, error) {
	switch {
	case e.op == opWRQ:
		return e.sender.done, nil
	case !e.receiver.dallying:
		return false, nil
	case e.receiver.retries == 0 && e.receiver.strange == 0 || e.lost:
		return true, nil
	}
	e.lost = true
	return e.dally()
}

// dally answers copies of the last block.
func (e *exchange) dally() (bool, error) {
	buf := make([]byte, maxDatagram)
	e.conn.SetReadDeadline(time.Now().Add(clientDally))
	for {
		n, from, err := e.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return true, nil // time is up; the file is here
		}
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		if from != e.peer || e.packet.parse(buf[:n]) != nil || e.packet.op != opDATA {
			continue
		}
		if _, err := e.receiver.data(e.packet.block, len(e.packet.data), e.now); err == nil {
			e.flush()
		}
	}
}

// account fills in the record.
func (e *exchange) account() {
	r := e.rec
	r.Client = e.local()
	r.Server = e.server.String()
	if e.op == opRRQ {
		r.Blocks = int64(e.receiver.got)
		r.Retransmits += e.receiver.retries
		r.RoundTrip = milliseconds(e.receiver.srtt)
		return
	}
	r.Blocks, r.Bytes = int64(e.sender.base), e.in.bytes(e.sender.base)
	r.Retransmits += e.sender.retries
	r.RoundTrip = milliseconds(e.sender.srtt)
}

// tell lets the server know that the client gives up.
func (e *exchange) tell(err error) {
	var said *Error
	switch {
	case errors.As(err, &said):
		return // it was the server who gave up
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		said = &Error{CodeUndefined, "cancelled"}
	default:
		said = wireError(err)
		if e, ok := errors.AsType[*ProtocolError](err); ok && e.Rule == "RFC 2347" {
			said.Code = CodeOptions
		}
		if said.Code == CodeUndefined {
			said.Message = "client failure"
		}
	}
	e.conn.WriteToUDPAddrPort(appendErrorPacket(nil, said), e.peer)
}
