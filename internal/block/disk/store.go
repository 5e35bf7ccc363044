package disk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"grange/internal/block"
	"grange/internal/id"
)

const (
	syncEvery  = 5 * time.Second // deletes that nobody synced are synced after this
	flushEvery = time.Minute     // an index that changed is made durable after this
)

// Store keeps blocks in data directories. See the package comment.
type Store struct {
	dirs []*dir
	pack bool

	mu struct {
		sync.Mutex
		closed  bool
		puts    map[block.Address]chan struct{} // one Put of a block at a time; closed when it ends
		calls   int
		drained chan struct{} // closed when the last call after Close ended
	}
	compactMu sync.Mutex
}

var _ block.Store = (*Store)(nil)

// Open opens the data directories, makes disks of empty ones, and reads again what a crash took from the indexes. It
// refuses with a *DirError when a directory is not what it should be. The caller must Close the store.
func Open(o Options) (_ *Store, err error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	dirs := make([]prepared, len(o.Dirs))
	for i, d := range o.Dirs {
		if dirs[i], err = prepare(o.FS, d, o.Node, o.Cluster); err != nil {
			return nil, err
		}
	}
	if err := checkExpected(dirs, o.Expected); err != nil {
		return nil, err
	}
	s := &Store{pack: o.Compression == CompressAuto}
	s.mu.puts = map[block.Address]chan struct{}{}
	for _, p := range dirs {
		d, err := openDir(p, o)
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
		s.dirs = append(s.dirs, d)
	}
	return s, nil
}

// Close waits for the calls that are going on, makes everything durable and lets go of the directories.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.mu.closed {
		s.mu.Unlock()
		return ErrClosed
	}
	s.mu.closed = true
	s.mu.drained = make(chan struct{})
	if s.mu.calls == 0 {
		close(s.mu.drained)
	}
	s.mu.Unlock()
	<-s.mu.drained
	var errs []error
	for _, d := range s.dirs {
		d.endCompaction()
		errs = append(errs, d.close())
	}
	return errors.Join(errs...)
}

// enter begins a call; leave must follow when it returns nil.
func (s *Store) enter() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.closed {
		return ErrClosed
	}
	s.mu.calls++
	return nil
}

func (s *Store) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.calls--; s.mu.closed && s.mu.calls == 0 {
		close(s.mu.drained)
	}
}

// Run makes deletes and the indexes durable from time to time, until ctx ends. Without it they become durable with the
// next Put, with a full segment, and at Close. It writes nothing while nothing changes.
func (s *Store) Run(ctx context.Context) error {
	tick := time.NewTicker(syncEvery)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := s.enter(); err != nil {
			return nil // a closed store needs no more syncs
		}
		for _, d := range s.dirs {
			d.settle(ctx, n%int(flushEvery/syncEvery) == 0)
		}
		s.leave()
	}
}

// settle asks for a sync if there is something to sync. What goes wrong stops the directory and is reported there.
func (d *dir) settle(ctx context.Context, flush bool) {
	switch {
	case d.failure() != nil:
	case flush && d.indexDirty.Load():
		d.indexBytes.Store(d.index.bytes())
		_ = d.do(ctx, &request{op: opFlush})
	case d.unsynced.Load():
		_ = d.do(ctx, &request{op: opSync})
	}
}

// Disks are the store's disks, for the next Open to expect.
func (s *Store) Disks() []Disk {
	disks := make([]Disk, len(s.dirs))
	for i, d := range s.dirs {
		disks[i] = d.disk
	}
	return disks
}

// Put implements block.Store. A block in flight counts against QueueBytes; Put waits for room there as long as ctx
// allows. When ctx ends while the appender is writing the block, Put waits for that write.
func (s *Store) Put(ctx context.Context, addr block.Address, epoch block.Epoch, data []byte) error {
	if len(data) > block.SizeMax {
		return fmt.Errorf("put block %s: %d bytes are more than a block may have", addr.Hash, len(data))
	}
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	if err := s.lockPut(ctx, addr); err != nil {
		return err
	}
	defer s.unlockPut(addr)
	for {
		err := s.put(ctx, addr, epoch, data)
		if !errors.Is(err, errGone) {
			return err
		}
	}
}

// lockPut waits until no other Put of the block is going on.
func (s *Store) lockPut(ctx context.Context, addr block.Address) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		s.mu.Lock()
		busy := s.mu.puts[addr]
		if busy == nil {
			s.mu.puts[addr] = make(chan struct{})
		}
		s.mu.Unlock()
		if busy == nil {
			return nil
		}
		select {
		case <-busy:
		case <-ctx.Done():
		}
	}
}

func (s *Store) unlockPut(addr block.Address) {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.mu.puts[addr])
	delete(s.mu.puts, addr)
}

func (s *Store) put(ctx context.Context, addr block.Address, epoch block.Epoch, data []byte) error {
	var damaged *dir // has a corrupt copy at old, which the new one replaces
	var old pos
	for _, d := range s.dirs {
		e, live, err := d.lookup(addr)
		if err != nil || !live {
			continue // a directory that cannot tell does not keep others from storing the block
		}
		if d.isBad(&e) {
			damaged, old = d, e.at
			continue
		}
		if e.epoch >= epoch {
			return nil
		}
		err = d.do(ctx, &request{op: opTouch, addr: addr, epoch: epoch})
		if !errors.Is(err, block.ErrReadOnly) {
			return err
		}
	}
	if damaged != nil {
		err := damaged.put(ctx, addr, epoch, data, old, s.pack)
		if !errors.Is(err, block.ErrNoSpace) && !errors.Is(err, block.ErrReadOnly) {
			return err
		}
	}
	d, err := s.choose(int64(len(data)))
	if err != nil {
		return err
	}
	return d.put(ctx, addr, epoch, data, pos{}, s.pack)
}

func (d *dir) put(ctx context.Context, addr block.Address, epoch block.Epoch, data []byte, old pos, pack bool) error {
	weight := min(int64(len(data))+headerSizeMax, d.roomMax)
	if err := d.room.Acquire(ctx, weight); err != nil {
		return err
	}
	defer d.room.Release(weight)
	rec := encode(addr, epoch, data, pack)
	r := &request{op: opPut, addr: addr, epoch: epoch, rec: rec, old: old}
	// The appender is done with the record when do returns: it has answered, or it never looked.
	defer rec.release()
	return d.do(ctx, r)
}

// choose finds the directory with the largest free share that has room for n bytes.
func (s *Store) choose(n int64) (*dir, error) {
	var best *dir
	var bestShare float64
	var failure error
	full := false
	for _, d := range s.dirs {
		if err := d.failure(); err != nil {
			failure = err
			continue
		}
		sp := d.space()
		if sp.Free-n-headerSizeMax < d.reserve+d.compactionNeed.Load() {
			full = true
			continue
		}
		if share := float64(sp.Free) / float64(max(sp.Capacity, 1)); best == nil || share > bestShare {
			best, bestShare = d, share
		}
	}
	switch {
	case best != nil:
		return best, nil
	case full:
		return nil, fmt.Errorf("%w in any data directory", block.ErrNoSpace)
	default:
		return nil, failure
	}
}

// ReadAt implements block.Store. A copy that does not match is reported by Events, and a good copy in another
// directory is read instead. The error is then a *CorruptError.
func (s *Store) ReadAt(ctx context.Context, addr block.Address, dst []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("read block %s: negative offset %d", addr.Hash, off)
	}
	if err := s.enter(); err != nil {
		return 0, err
	}
	defer s.leave()
	var failure error
	for _, d := range s.dirs {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		n, ok, err := d.readAt(addr, dst, off)
		if ok && err == nil {
			return n, nil
		}
		failure = worse(failure, err)
	}
	if failure == nil {
		failure = block.ErrNotFound
	}
	return 0, failure
}

// worse keeps the error that tells most: 'cannot tell' before 'corrupt' before nothing.
func worse(a, b error) error {
	if b != nil && (a == nil || errors.Is(a, block.ErrCorrupt)) {
		return b
	}
	return a
}

// Stat implements block.Store. A copy that is known to be corrupt gives ErrCorrupt.
func (s *Store) Stat(ctx context.Context, addr block.Address) (block.Info, error) {
	if err := s.enter(); err != nil {
		return block.Info{}, err
	}
	defer s.leave()
	var failure error
	var best *block.Info
	for _, d := range s.dirs {
		if err := ctx.Err(); err != nil {
			return block.Info{}, err
		}
		e, live, err := d.lookup(addr)
		switch {
		case err != nil:
			failure = worse(failure, err)
		case live && d.isBad(&e):
			failure = worse(failure, &CorruptError{Address: addr, Disk: d.disk, Segment: e.at.seg, Offset: e.at.off, Err: errBadRecord})
		case live && (best == nil || best.Epoch < e.epoch):
			info := e.info(addr)
			best = &info
		}
	}
	if best != nil {
		return *best, nil
	}
	if failure == nil {
		failure = block.ErrNotFound
	}
	return block.Info{}, failure
}

// Delete implements block.Store. It is answered before it is durable: a deletion that a power cut takes back leaves a
// copy that nobody needs.
func (s *Store) Delete(ctx context.Context, addr block.Address, doomed block.Epoch) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	var failure error
	for _, d := range s.dirs {
		e, live, err := d.lookup(addr)
		if err == nil && live && e.epoch < doomed {
			err = d.do(ctx, &request{op: opDelete, addr: addr, epoch: doomed})
		}
		failure = errors.Join(failure, err)
	}
	return failure
}

// Each implements block.Store. Copies that are known to be corrupt are left out. What is put or deleted meanwhile may
// or may not be seen.
func (s *Store) Each(ctx context.Context, from id.Hash, f func(block.Info) bool) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	for at, more := hashFrom(from), true; more; {
		if err := ctx.Err(); err != nil {
			return err
		}
		page, last, err := s.page(at)
		if err != nil {
			return err
		}
		for _, info := range page {
			if !f(info) {
				return nil
			}
		}
		if last == nil {
			return nil
		}
		at, more = next(*last)
	}
	return nil
}

// page reads the next copies of all directories, in order and each address once. last is the end of what the page
// covers, nil when that is everything.
func (s *Store) page(from block.Address) (page []block.Info, last *block.Address, err error) {
	for _, d := range s.dirs {
		found, err := d.index.infos(from, infosPerRead)
		if err != nil {
			d.indexError(err)
			return nil, nil, err
		}
		if len(found) == infosPerRead {
			end := found[len(found)-1].addr
			if last == nil || compare(end, *last) < 0 {
				last = &end
			}
		}
		for _, x := range found {
			if !d.isBad(&x.entry) {
				page = append(page, x.info(x.addr))
			}
		}
	}
	if last != nil {
		page = slices.DeleteFunc(page, func(i block.Info) bool { return compare(i.Address, *last) > 0 })
	}
	slices.SortFunc(page, func(a, b block.Info) int {
		if c := compare(a.Address, b.Address); c != 0 {
			return c
		}
		return int(min(max(int64(b.Epoch)-int64(a.Epoch), -1), 1))
	})
	return slices.CompactFunc(page, func(a, b block.Info) bool { return a.Address == b.Address }), last, nil
}

// compare orders addresses as Each does.
func compare(a, b block.Address) int {
	if c := bytes.Compare(a.Hash[:], b.Hash[:]); c != 0 {
		return c
	}
	switch {
	case a.Bucket < b.Bucket:
		return -1
	case a.Bucket > b.Bucket:
		return 1
	}
	return 0
}

func isIndexDamage(err error) bool {
	return errors.Is(err, pebble.ErrCorruption) || errors.Is(err, errBadEntry)
}
