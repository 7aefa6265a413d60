package websocket

// queue holds the messages that wait for a connection, oldest first, with one
// reference to each.
type queue struct {
	list  []*frame
	head  int // of list: what is before was taken
	bytes int // their cost
}

func (q *queue) len() int { return len(q.list) - q.head }

func (q *queue) push(f *frame) {
	if q.head > 0 && q.head >= len(q.list)/2 && len(q.list) == cap(q.list) {
		n := copy(q.list, q.list[q.head:])
		clear(q.list[n:])
		q.list, q.head = q.list[:n], 0
	}
	q.list = append(q.list, f)
	q.bytes += f.cost()
}

// pop takes the oldest, with its reference.
func (q *queue) pop() *frame {
	f := q.list[q.head]
	q.list[q.head] = nil
	q.head++
	q.bytes -= f.cost()
	if q.head == len(q.list) {
		q.list, q.head = q.list[:0], 0
		if cap(q.list) > 16 {
			q.list = nil // who has caught up keeps nothing
		}
	}
	return f
}

// replace puts f in the place of the message with its key; false when there is none.
func (q *queue) replace(f *frame) bool {
	if f.key == "" {
		return false
	}
	for i, old := range q.list[q.head:] {
		if old.hash == f.hash && old.key == f.key {
			q.list[q.head+i] = f
			q.bytes += f.cost() - old.cost()
			old.release()
			return true
		}
	}
	return false
}

// clear drops all, and returns how many those were.
func (q *queue) clear() int {
	n := q.len()
	for _, f := range q.list[q.head:] {
		f.release()
	}
	*q = queue{}
	return n
}

// peek returns the bytes of the n oldest messages, which are written at once: those
// of one as they are, of several in buf.
func (q *queue) peek(buf *frameBuf) (b []byte, n int, compressed bool) {
	first := q.list[q.head]
	if q.len() == 1 || len(first.b)+len(q.list[q.head+1].b) > batch {
		return first.b, 1, first.compressed
	}
	for _, f := range q.list[q.head:] {
		if len(buf.b)+len(f.b) > batch {
			break
		}
		buf.b = append(buf.b, f.b...)
		compressed = compressed || f.compressed
		n++
	}
	return buf.b, n, compressed
}
