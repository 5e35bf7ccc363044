package tlsnet

import (
	"sync"

	"grange/internal/transport"
)

// QueueLimits bound the frames that wait on one stream. A frame of any permitted size fits into an empty queue.
type QueueLimits struct {
	Frames int
	Bytes  int // payloads
}

const (
	batchFrames = 128
	batchBytes  = 256 << 10
)

// queue holds the envelopes that wait for one goroutine, in order.
type queue struct {
	limits QueueLimits
	wake   chan struct{} // holds a token while there may be something to take
	mu     struct {
		sync.Mutex
		shut    bool
		waiting []envelope
		taken   int // of waiting, from the front
		bytes   int
	}
}

func newQueue(limits QueueLimits) *queue {
	return &queue{limits: limits, wake: make(chan struct{}, 1)}
}

// push adds an envelope. It fails with ErrUnreachable while the queue is shut, and with ErrQueueFull.
func (q *queue) push(e envelope) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := len(q.mu.waiting) - q.mu.taken
	switch {
	case q.mu.shut:
		return transport.ErrUnreachable
	case n > 0 && (n >= q.limits.Frames || q.mu.bytes+len(e.payload) > q.limits.Bytes):
		return transport.ErrQueueFull
	}
	if q.mu.taken > 0 && len(q.mu.waiting) == cap(q.mu.waiting) {
		q.compactLocked()
	}
	q.mu.waiting = append(q.mu.waiting, e)
	q.mu.bytes += len(e.payload)
	q.signal()
	return nil
}

func (q *queue) compactLocked() {
	n := copy(q.mu.waiting, q.mu.waiting[q.mu.taken:])
	clear(q.mu.waiting[n:])
	q.mu.waiting, q.mu.taken = q.mu.waiting[:n], 0
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take moves the next envelopes into dst, which it overwrites. An empty result means that nothing waits.
func (q *queue) take(dst []envelope) []envelope {
	q.mu.Lock()
	defer q.mu.Unlock()
	dst = dst[:0]
	for size := 0; q.mu.taken < len(q.mu.waiting) && len(dst) < batchFrames && size < batchBytes; q.mu.taken++ {
		e := q.mu.waiting[q.mu.taken]
		q.mu.waiting[q.mu.taken] = envelope{}
		q.mu.bytes -= len(e.payload)
		size += len(e.payload)
		dst = append(dst, e)
	}
	if q.mu.taken == len(q.mu.waiting) {
		q.mu.waiting, q.mu.taken = q.mu.waiting[:0], 0
	}
	return dst
}

// open lets envelopes in.
func (q *queue) open() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.mu.shut = false
}

// close drops what waits, keeps everything out until open, and reports how many envelopes it dropped.
func (q *queue) close() (dropped int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	dropped = len(q.mu.waiting) - q.mu.taken
	q.mu.shut, q.mu.waiting, q.mu.taken, q.mu.bytes = true, nil, 0, 0
	return dropped
}

// len reports the frames and bytes that wait.
func (q *queue) len() (frames, bytes int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.mu.waiting) - q.mu.taken, q.mu.bytes
}
