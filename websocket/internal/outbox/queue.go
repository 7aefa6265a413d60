package outbox

import (
	"context"
	"sync"
	"time"
)

// Queue holds what is to be published, up to a limit. The zero value is empty. Push may
// be called concurrently, and while one Drain runs.
type Queue struct {
	mu    sync.Mutex
	list  [][]byte
	bytes int           // of list
	wake  chan struct{} // capacity 1: there is something to publish
}

// maxBatch is the number of envelopes that are published at once at most.
const maxBatch = 256

// awake is the channel that says that there is something; mu is held.
func (q *Queue) awake() chan struct{} {
	if q.wake == nil {
		q.wake = make(chan struct{}, 1)
	}
	return q.wake
}

// Push has b wait; false when more than limit bytes would. Negative is no limit.
func (q *Queue) Push(b []byte, limit int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if limit >= 0 && q.bytes+len(b) > limit {
		return false
	}
	q.list = append(q.list, b)
	q.bytes += len(b)
	select {
	case q.awake() <- struct{}{}:
	default:
	}
	return true
}

// next returns what is to be published next, which stays in the queue.
func (q *Queue) next() (batch [][]byte, wake <-chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.list[:min(len(q.list), maxBatch)], q.awake()
}

// sent takes n envelopes out of the queue.
func (q *Queue) sent(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range n {
		q.bytes -= len(q.list[i])
		q.list[i] = nil
	}
	if q.list = q.list[n:]; len(q.list) == 0 {
		q.list = nil
	}
}

// Drain publishes until ctx ends. publish says how many of a batch are done with; on an
// error the others are tried again after a pause, and warn is called before the first.
func (q *Queue) Drain(ctx context.Context, publish func(batch [][]byte) (n int, err error), warn func(error)) {
	var retry Pause
	for ctx.Err() == nil {
		batch, wake := q.next()
		if len(batch) == 0 {
			select {
			case <-wake:
			case <-ctx.Done():
			}
			continue
		}
		n, err := publish(batch)
		q.sent(n)
		if n > 0 {
			retry = Pause{}
		}
		if err != nil {
			retry.Wait(ctx, func() { warn(err) })
		}
	}
}

// Pause is the time between two attempts; the zero value is before the first.
type Pause struct{ d time.Duration }

const (
	firstPause = 20 * time.Millisecond
	lastPause  = time.Second
)

// Wait waits, longer each time; first is called before the first time. It reports false
// when ctx has ended.
func (p *Pause) Wait(ctx context.Context, first func()) bool {
	if ctx.Err() != nil {
		return false
	}
	if p.d == 0 {
		first()
	}
	p.d = min(max(2*p.d, firstPause), lastPause)
	t := time.NewTimer(p.d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
