package raftgroup

import "sync"

// queue hands items to one goroutine, in order. Its length is bounded by what its producers have under way: each
// waits for an answer before the next, or is throttled by raft.
type queue[T any] struct {
	mu struct {
		sync.Mutex
		items  []T
		closed bool
	}
	wake chan struct{} // holds one value when there may be something to take
}

func (q *queue[T]) init() { q.wake = make(chan struct{}, 1) }

// push adds an item. It returns false when the queue is closed.
func (q *queue[T]) push(items ...T) bool {
	q.mu.Lock()
	closed := q.mu.closed
	if !closed {
		q.mu.items = append(q.mu.items, items...)
	}
	q.mu.Unlock()
	if !closed {
		q.signal()
	}
	return !closed
}

func (q *queue[T]) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take returns all items, in memory that reuse gives back, and whether more can come.
func (q *queue[T]) take(reuse []T) (items []T, open bool) {
	clear(reuse)
	q.mu.Lock()
	defer q.mu.Unlock()
	items = q.mu.items
	q.mu.items = reuse[:0]
	return items, !q.mu.closed
}

// close lets no more items in; those that wait can still be taken.
func (q *queue[T]) close() {
	q.mu.Lock()
	q.mu.closed = true
	q.mu.Unlock()
	q.signal()
}
