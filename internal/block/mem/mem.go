// Package mem keeps blocks in memory: the twin of the store on disk for tests and simulations. It keeps the contract
// of [block.Store] in the plainest way, and forgets everything when the process ends.
//
// All methods may be called concurrently. Callbacks of Each run without a lock.
package mem

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"

	"grange/internal/block"
	"grange/internal/id"
)

// Store is a block.Store in memory. The zero Store is empty and ready.
type Store struct {
	mu     sync.RWMutex
	copies map[block.Address]held
}

type held struct {
	data  []byte
	epoch block.Epoch
}

var _ block.Store = (*Store)(nil)

// New returns an empty store.
func New() *Store { return &Store{} }

// Put implements block.Store.
func (s *Store) Put(ctx context.Context, addr block.Address, epoch block.Epoch, data []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(data) > block.SizeMax {
		return fmt.Errorf("put block %s: %d bytes are more than a block may have", addr.Hash, len(data))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	h, ok := s.copies[addr]
	if !ok {
		h.data = bytes.Clone(data)
	}
	h.epoch = max(h.epoch, epoch)
	if s.copies == nil {
		s.copies = map[block.Address]held{}
	}
	s.copies[addr] = h
	return nil
}

// ReadAt implements block.Store.
func (s *Store) ReadAt(ctx context.Context, addr block.Address, dst []byte, off int64) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, fmt.Errorf("read block %s: negative offset %d", addr.Hash, off)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	h, ok := s.copies[addr]
	if !ok {
		return 0, block.ErrNotFound
	}
	return copy(dst, h.data[min(off, int64(len(h.data))):]), nil
}

// Stat implements block.Store.
func (s *Store) Stat(ctx context.Context, addr block.Address) (block.Info, error) {
	if err := ctx.Err(); err != nil {
		return block.Info{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	h, ok := s.copies[addr]
	if !ok {
		return block.Info{}, block.ErrNotFound
	}
	return info(addr, h), nil
}

func info(addr block.Address, h held) block.Info {
	return block.Info{Address: addr, Size: len(h.data), StoredSize: int64(len(h.data)), Epoch: h.epoch}
}

// Delete implements block.Store.
func (s *Store) Delete(ctx context.Context, addr block.Address, doomed block.Epoch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if h, ok := s.copies[addr]; ok && h.epoch < doomed {
		delete(s.copies, addr)
	}
	return nil
}

// Each implements block.Store. It sees the copies of one moment.
func (s *Store) Each(ctx context.Context, from id.Hash, f func(block.Info) bool) error {
	for _, i := range s.sorted(from) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !f(i) {
			return nil
		}
	}
	return nil
}

func (s *Store) sorted(from id.Hash) []block.Info {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var all []block.Info
	for addr, h := range s.copies {
		if bytes.Compare(addr.Hash[:], from[:]) >= 0 {
			all = append(all, info(addr, h))
		}
	}
	slices.SortFunc(all, func(a, b block.Info) int {
		if c := bytes.Compare(a.Hash[:], b.Hash[:]); c != 0 {
			return c
		}
		if a.Bucket < b.Bucket {
			return -1
		}
		return 1
	})
	return all
}
