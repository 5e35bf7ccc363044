package core

import (
	"errors"
	"fmt"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"

	"grange/internal/kv"
	"grange/internal/raftgroup/grouppb"
)

// logStore is raft's view of the stored log. It belongs to the group, not to the writer of the log: what is being
// written becomes part of it in stored, when the write is done. Until then raft holds those entries itself.
type logStore struct {
	r    kv.Reader
	keys keys

	truncated entryID // the entry before the first
	last      uint64  // the last entry; truncated.index when the log is empty
	bytes     int64   // size of the entries' data

	// cache holds the newest entries, contiguous, at most cacheMax bytes of them.
	cache      []*raftpb.Entry
	cacheBytes int64
	cacheMax   int64

	hard     *raftpb.HardState
	snapshot func() (*raftpb.Snapshot, error)
	conf     *raftpb.ConfState
}

// loadLog reads where the log begins and ends, and checks that it has no hole.
func loadLog(r kv.Reader, k keys, cacheMax int64) (*logStore, error) {
	s := &logStore{r: r, keys: k, cacheMax: cacheMax}
	var mark grouppb.Truncated
	if err := getRecord(r, k.truncated(), &mark); err != nil {
		return nil, fmt.Errorf("read the beginning of the log: %w", err)
	}
	s.truncated = entryID{mark.GetIndex(), mark.GetTerm()}
	var hard grouppb.HardState
	if err := getRecord(r, k.hardState(), &hard); err != nil && !errors.Is(err, kv.ErrNotFound) {
		return nil, fmt.Errorf("read the hard state: %w", err)
	}
	s.hard = &raftpb.HardState{Term: new(hard.GetTerm()), Vote: new(hard.GetVote()), Commit: new(hard.GetCommit())}
	s.last = s.truncated.index
	term := s.truncated.term
	err := s.walk(s.truncated.index+1, func(e *raftpb.Entry) error {
		if e.GetIndex() != s.last+1 || e.GetTerm() < term {
			return fmt.Errorf("%w: entry %d of term %d follows entry %d of term %d",
				ErrCorrupt, e.GetIndex(), e.GetTerm(), s.last, term)
		}
		s.last, term = e.GetIndex(), e.GetTerm()
		s.bytes += int64(len(e.GetData()))
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// walk reads the stored entries from index lo on. An entry is valid until visit returns.
func (s *logStore) walk(lo uint64, visit func(*raftpb.Entry) error) error {
	_, upper := s.keys.space.Sub(tableLog).Bounds()
	it, err := s.r.NewIter(s.keys.entry(lo), upper)
	if err != nil {
		return err
	}
	for it.First(); it.Valid(); it.Next() {
		e, err := decodeEntry(lastNumber(it.Key()), it.Value())
		if err == nil {
			err = visit(e)
		}
		if err != nil {
			return errors.Join(err, it.Close())
		}
	}
	return errors.Join(it.Error(), it.Close())
}

// InitialState is what raft starts from.
func (s *logStore) InitialState() (*raftpb.HardState, *raftpb.ConfState, error) {
	return s.hard, s.conf, nil
}

// FirstIndex is the index of the first entry of the log.
func (s *logStore) FirstIndex() (uint64, error) { return s.truncated.index + 1, nil }

// LastIndex is the index of the last entry whose write is done.
func (s *logStore) LastIndex() (uint64, error) { return s.last, nil }

// Snapshot describes the newest state; its content is sent by the shell.
func (s *logStore) Snapshot() (*raftpb.Snapshot, error) { return s.snapshot() }

// Term is the term of entry i.
func (s *logStore) Term(i uint64) (uint64, error) {
	switch {
	case i == s.truncated.index:
		return s.truncated.term, nil
	case i < s.truncated.index:
		return 0, raft.ErrCompacted
	case i > s.last:
		return 0, raft.ErrUnavailable
	}
	if e := s.cached(i); e != nil {
		return e.GetTerm(), nil
	}
	e, err := s.read(i)
	if err != nil {
		return 0, err
	}
	return e.GetTerm(), nil
}

// Entries are the entries in [lo, hi), as many of the first as maxSize bytes hold, but at least one.
func (s *logStore) Entries(lo, hi, maxSize uint64) ([]*raftpb.Entry, error) {
	if lo <= s.truncated.index {
		return nil, raft.ErrCompacted
	}
	if hi > s.last+1 {
		return nil, raft.ErrUnavailable
	}
	out := make([]*raftpb.Entry, 0, min(hi-lo, 256))
	size := uint64(0)
	for i := lo; i < hi; i++ {
		e := s.cached(i)
		if e == nil {
			var err error
			if e, err = s.read(i); err != nil {
				return nil, err
			}
		}
		size += entrySize(e)
		if len(out) > 0 && size > maxSize {
			break
		}
		out = append(out, e)
	}
	return out, nil
}

// entrySize bounds the encoded size of an entry from above.
func entrySize(e *raftpb.Entry) uint64 { return uint64(len(e.GetData())) + 32 }

func (s *logStore) read(i uint64) (*raftpb.Entry, error) {
	raw, err := s.r.Get(s.keys.entry(i))
	if err != nil {
		return nil, fmt.Errorf("read entry %d of [%d, %d]: %w", i, s.truncated.index+1, s.last, err)
	}
	return decodeEntry(i, raw)
}

func (s *logStore) cached(i uint64) *raftpb.Entry {
	if len(s.cache) == 0 {
		return nil
	}
	first := s.cache[0].GetIndex()
	if i < first || i-first >= uint64(len(s.cache)) {
		return nil
	}
	return s.cache[i-first]
}

// stored takes over entries that were written: from the first on they replace what the log held.
func (s *logStore) stored(entries []*raftpb.Entry) {
	if len(entries) == 0 {
		return
	}
	first := entries[0].GetIndex()
	if first <= s.last {
		s.forgetFrom(first)
	}
	if len(s.cache) > 0 && s.cache[len(s.cache)-1].GetIndex()+1 != first {
		s.dropCache()
	}
	s.cache = append(s.cache, entries...)
	for _, e := range entries {
		s.bytes += int64(len(e.GetData()))
		s.cacheBytes += int64(entrySize(e))
	}
	s.last = entries[len(entries)-1].GetIndex()
	drop := 0
	for drop < len(s.cache)-1 && s.cacheBytes > s.cacheMax {
		s.cacheBytes -= int64(entrySize(s.cache[drop]))
		drop++
	}
	s.trimCache(drop)
}

// forgetFrom cuts the log before index first. The size of what is not in the cache is estimated.
func (s *logStore) forgetFrom(first uint64) {
	removed := s.last + 1 - first
	s.bytes -= s.bytes * int64(removed) / int64(max(1, s.last-s.truncated.index))
	s.last = first - 1
	if len(s.cache) == 0 {
		return
	}
	begin := s.cache[0].GetIndex()
	if first <= begin {
		s.dropCache()
		return
	}
	if keep := first - begin; keep < uint64(len(s.cache)) {
		for _, e := range s.cache[keep:] {
			s.cacheBytes -= int64(entrySize(e))
		}
		s.cache = s.cache[:keep]
	}
}

// truncate forgets the entries up to mark. It returns how many there were.
func (s *logStore) truncate(mark entryID) uint64 {
	removed := mark.index - s.truncated.index
	s.bytes -= s.bytes * int64(removed) / int64(max(1, s.last-s.truncated.index))
	s.truncated = mark
	drop := 0
	for drop < len(s.cache) && s.cache[drop].GetIndex() <= mark.index {
		s.cacheBytes -= int64(entrySize(s.cache[drop]))
		drop++
	}
	s.trimCache(drop)
	return removed
}

// trimCache drops the first n entries from the cache, and lets go of their memory.
func (s *logStore) trimCache(n int) {
	clear(s.cache[:n])
	s.cache = s.cache[n:]
	if len(s.cache) == 0 {
		s.dropCache()
	}
}

func (s *logStore) dropCache() { s.cache, s.cacheBytes = nil, 0 }

// reset makes the log empty after a snapshot was installed.
func (s *logStore) reset(mark entryID) {
	s.truncated, s.last, s.bytes = mark, mark.index, 0
	s.dropCache()
}
