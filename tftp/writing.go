package tftp

import (
	"container/list"
	"fmt"
	"time"
)

const (
	// writeAtOnce is how much of an upload is gathered for one Write, in bytes.
	writeAtOnce = 16 << 10
	// dallyTime is how long the copies of a last block are answered.
	dallyTime = 5 * time.Second
)

// writing is the file of a WRQ. One buffer fills while another is written.
type writing struct {
	upload  Upload // nil: there is none, or it has ended
	decoder asciiDecoder
	buf     []byte // the loop's
	spare   []byte
	busy    bool   // a goroutine has the upload
	ending  bool   // and commits it: what comes of the transfer depends on that alone
	left    *Error // what the client said who did not wait for that; nil: it waits
	ended   bool   // the transfer is over; the goroutine that has the upload ends it
	bytes   int64
	dallied instant       // when the transfer leaves
	place   *list.Element // in loop.dallying; nil: it has not come to that
}

// data takes a block in.
func (t *transfer) data(p *packet) {
	take, err := t.receiver.data(p.block, len(p.data), t.loop.now)
	if err != nil {
		t.fail(err, ResultFailed)
		return
	}
	if !take {
		return
	}
	w := &t.writing
	w.bytes += int64(len(p.data))
	if t.ascii {
		w.buf = w.decoder.decode(w.buf, p.data)
	} else {
		w.buf = append(w.buf, p.data...)
	}
	if !t.receiver.complete {
		return
	}
	w.buf = w.decoder.flush(w.buf)
	// RFC 2349: tsize is the size of the file. Some clients say 0 for not known.
	if size := t.rec.Size; size > 0 && size != w.bytes && !t.ascii {
		t.fail(&ProtocolError{"RFC 2349", "the file has another size than announced"}, ResultFailed)
	}
}

// advanceWriting writes what was gathered, and acknowledges unless the disk is
// behind.
func (t *transfer) advanceWriting() {
	if t.gone || t.sock == nil {
		return
	}
	w, r := &t.writing, &t.receiver
	full := len(w.buf) >= writeAtOnce || r.complete && !r.dallying
	if full && !w.busy && w.upload != nil {
		t.store()
		full = false
	}
	if number, due := r.reassurance(); due {
		b := appendHeader(t.loop.scratch[:0], opACK, number)
		t.sock.send(b, len(b), t.peer, t.local)
	}
	if !r.due || full && w.busy && !r.dallying {
		return
	}
	b := t.opening
	if !r.opening {
		b = appendHeader(t.loop.scratch[:0], opACK, r.ackNumber())
	}
	t.sock.send(b, len(b), t.peer, t.local)
	r.packetSent(t.loop.now)
}

// store has a goroutine write the buffer, and commit when it is the last.
func (t *transfer) store() {
	w := &t.writing
	b, up, last := w.buf, w.upload, t.receiver.complete
	w.buf, w.spare, w.busy, w.ending = w.spare[:0], nil, true, last
	t.work()
	t.loop.background.Go(func() {
		var err error
		if len(b) > 0 {
			_, err = up.Write(b)
		}
		committed := last && err == nil
		if committed {
			err = up.Commit()
		}
		t.loop.post(func() { t.stored(b, committed, err); t.settled() })
	})
}

// stored is called when the goroutine is done.
func (t *transfer) stored(b []byte, committed bool, err error) {
	w := &t.writing
	w.busy, w.ending, w.spare = false, false, b[:0]
	if committed {
		w.upload = nil
	}
	if w.ended {
		t.abandon()
		return
	}
	switch {
	case w.left != nil && committed && err == nil:
		t.finish(ResultAborted, fmt.Errorf("%w; the file is there", w.left))
		return
	case w.left != nil:
		t.finish(ResultAborted, w.left)
		return
	case err != nil:
		t.fail(err, ResultFailed)
		return
	}
	if committed {
		// RFC 1350 6: the last block is acknowledged now that all is stored. If that
		// is lost the client sends the block again.
		t.receiver.confirm()
		w.buf, w.spare = nil, nil
		t.record(ResultOK, nil)
		t.loop.dally(t)
	}
	t.advance()
}

// abandon ends an upload that is not complete.
func (t *transfer) abandon() {
	w := &t.writing
	w.ended = true
	up := w.upload
	if up == nil || w.busy {
		return
	}
	w.upload, w.buf, w.spare = nil, nil, nil
	if t.pending == 0 && t.recorded { // it was counted out already
		t.loop.sh.readmit(t.peer.Addr())
	}
	t.work()
	t.loop.background.Go(func() {
		up.Abort()
		t.loop.post(t.settled)
	})
}
