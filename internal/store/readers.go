package store

import "sync"

// readers lets the garbage worker wait for the reads that may still need a block: a doomed block is deleted only when
// every read that began before the worker saw the doom has ended. Reads that begin later see a state in which no record
// names the block.
//
// Time is cut into generations. A read belongs to the generation in which it began; advance ends one.
type readers struct {
	mu struct {
		sync.Mutex
		generation uint64
		active     map[uint64]int // reads by generation; at most as many entries as there are reads
	}
}

// enter begins a read and returns its generation, for leave.
func (r *readers) enter() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.active == nil {
		r.mu.active = make(map[uint64]int)
	}
	r.mu.active[r.mu.generation]++
	return r.mu.generation
}

// leave ends a read.
func (r *readers) leave(generation uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.active[generation]--; r.mu.active[generation] == 0 {
		delete(r.mu.active, generation)
	}
}

// advance ends the current generation and returns it, for ended.
func (r *readers) advance() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.generation++
	return r.mu.generation - 1
}

// ended tells whether every read of the generation and of those before it has ended.
func (r *readers) ended(generation uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for g := range r.mu.active {
		if g <= generation {
			return false
		}
	}
	return true
}
