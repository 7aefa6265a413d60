package outbox

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestQueue: what waits is published in order, once, and is bounded.
func TestQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var q Queue
		for i, want := range []bool{true, true, false} {
			if got := q.Push([]byte{byte(i), 0, 0}, 7); got != want {
				t.Errorf("push %d: %v, want %v", i, got, want)
			}
		}
		if !q.Push([]byte{2}, 7) || !q.Push([]byte{3}, -1) {
			t.Error("what there is room for is refused")
		}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan bool)
		var got []byte
		calls, warned := 0, 0
		go func() {
			defer close(ended)
			q.Drain(ctx, func(batch [][]byte) (int, error) {
				if calls++; calls%2 == 1 {
					got = append(got, batch[0][0])
					return 1, errors.New("away")
				}
				return 0, errors.New("still away")
			}, func(error) { warned++ })
		}()
		time.Sleep(time.Minute)
		q.Push([]byte{4}, 1)
		time.Sleep(time.Minute)
		cancel()
		<-ended
		if string(got) != "\x00\x01\x02\x03\x04" || q.bytes != 0 || q.list != nil {
			t.Errorf("published %v; %d bytes are left", got, q.bytes)
		}
		if warned == 0 || warned == calls {
			t.Errorf("%d warnings of %d calls", warned, calls)
		}
	})
}
