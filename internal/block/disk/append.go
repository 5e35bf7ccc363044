package disk

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"grange/internal/block"
)

const (
	queueLen      = 256      // requests that wait for the appender
	batchRequests = 256      // requests that one sync answers
	batchBytes    = 16 << 20 // stored bytes after which a batch takes no more
	scratchBytes  = headerSizeMax + 64<<10
)

// errGone reports that the block that should be touched is not there any more: put it whole.
var errGone = errors.New("block is gone")

// op is what a request asks of the appender.
type op uint8

const (
	opPut       op = iota // store rec, unless there is a copy other than the one at old
	opTouch               // raise the epoch of the copy
	opDelete              // drop the copy if its epoch is below
	opMove                // compaction: store rec if the copy is still at old
	opCopyTouch           // compaction: write the touch record at old again, if it counts
	opCopyTomb            // compaction: write the delete record at old again, if it counts
	opForget              // compaction: addrs have no record in segment old.seg any more
	opDrop                // compaction: segment old.seg is gone
	opSync                // make all that was answered durable
	opFlush               // the same, and the index too
)

const (
	waiting int32 = iota
	claimed
	abandoned
)

// request is one wish to the appender. The appender may use it, and the data of its record, between claiming it and
// closing done.
type request struct {
	op    op
	addr  block.Address
	epoch block.Epoch
	rec   *encoded
	old   pos
	addrs []block.Address

	state atomic.Int32
	done  chan struct{}
	err   error
	moved pos // opMove: where the copy is now; zero when there was nothing to move
}

func (r *request) bytes() int64 {
	if r.rec == nil {
		return smallRecordLength
	}
	return r.rec.length()
}

// submit hands a request over. wait must follow when it returns nil.
func (d *dir) submit(ctx context.Context, r *request) error {
	r.done = make(chan struct{})
	select {
	case d.queue <- r:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// wait returns the answer. When ctx ends, a request that the appender did not look at yet is taken back; one that it
// is writing is waited for, since its data is in use.
func (d *dir) wait(ctx context.Context, r *request) error {
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		if r.state.CompareAndSwap(waiting, abandoned) {
			return ctx.Err()
		}
		<-r.done
		return r.err
	}
}

func (d *dir) do(ctx context.Context, r *request) error {
	if err := d.submit(ctx, r); err != nil {
		return err
	}
	return d.wait(ctx, r)
}

// appendLoop serves requests until stop is closed and none waits.
func (d *dir) appendLoop() {
	defer close(d.stopped)
	for {
		select {
		case r := <-d.queue:
			d.process(d.collect(r))
		case <-d.stop:
			return
		}
	}
}

// collect claims what waits, up to the limits of a batch.
func (d *dir) collect(first *request) []*request {
	batch := d.batch[:0]
	var n int64
	for r := first; ; {
		if r.state.CompareAndSwap(waiting, claimed) {
			batch = append(batch, r)
			n += r.bytes()
		}
		if len(batch) >= batchRequests || n >= batchBytes {
			break
		}
		select {
		case r = <-d.queue:
			continue
		default:
		}
		break
	}
	d.batch = batch
	return batch
}

// process writes a batch, syncs it, changes the index and answers. In this order: the index must not know a record
// that a power cut could take back, and nobody is answered before both.
func (d *dir) process(reqs []*request) {
	err := d.failure()
	if err == nil {
		if err = d.processBatch(reqs); err != nil {
			d.fail(err)
			err = d.failure()
		}
	}
	for i, r := range reqs {
		if err != nil {
			r.err = err
		}
		close(r.done)
		reqs[i] = nil
	}
}

// processBatch returns an error when the directory must stop; what went wrong with one request alone is its err.
func (d *dir) processBatch(reqs []*request) error {
	b := &batch{d: d, free: d.space().Free, seen: map[block.Address]*entry{}, change: change{
		entries: map[block.Address]*entry{}, states: map[uint64]segmentState{},
	}}
	for _, r := range reqs {
		if r.err = b.handle(r); b.broken != nil {
			return b.broken
		}
	}
	if (b.sync || b.flush) && d.active != nil {
		if err := d.active.sync(); err != nil {
			return err
		}
	}
	if d.active != nil {
		d.unsynced.Store(d.active.unsynced)
	}
	if err := b.commit(); err != nil {
		return err
	}
	if b.flush {
		d.indexDirty.Store(false)
		return d.index.startFlush()
	}
	return nil
}

// batch is what the requests of one sync change.
type batch struct {
	d *dir
	change
	seen   map[block.Address]*entry
	free   int64 // bytes that may still be written
	sync   bool  // somebody was promised durability
	flush  bool  // a segment is full: make the index durable up to here
	broken error // the directory must stop
}

func (b *batch) handle(r *request) error {
	switch r.op {
	case opSync, opFlush:
		b.sync, b.flush = true, b.flush || r.op == opFlush
		return nil
	case opDrop:
		b.drop(r.old.seg)
		return nil
	case opForget:
		return b.forget(r.old.seg, r.addrs)
	default:
		return b.handleRecord(r)
	}
}

// handleRecord does what is about one address.
func (b *batch) handleRecord(r *request) error {
	e, err := b.entry(r.addr)
	if err != nil {
		return err
	}
	switch r.op {
	case opPut:
		return b.put(r, e)
	case opTouch:
		if !e.live {
			return errGone
		}
		return b.touch(r, e)
	case opDelete:
		if !e.live || e.epoch >= r.epoch {
			return nil
		}
		_, err := b.append(e, &header{kind: KindDelete, addr: r.addr, epoch: r.epoch}, nil)
		return err
	case opMove:
		if !e.live || e.at != r.old {
			return nil
		}
		b.sync = true
		r.rec.epoch = e.epoch
		r.moved, err = b.append(e, &r.rec.header, r.rec)
		return err
	case opCopyTouch:
		if e.touch != r.old {
			return nil
		}
		b.sync = true
		_, err := b.append(e, &header{kind: KindTouch, addr: r.addr, epoch: e.epoch}, nil)
		return err
	case opCopyTomb:
		return b.copyTomb(r, e)
	default:
		panic(fmt.Sprintf("block/disk: request %d", r.op))
	}
}

// entry is the state of an address after the requests before this one.
func (b *batch) entry(addr block.Address) (*entry, error) {
	if e := b.seen[addr]; e != nil {
		return e, nil
	}
	e, err := b.d.index.get(addr)
	if err != nil {
		b.d.indexError(err)
		return nil, err
	}
	b.seen[addr] = &e
	return &e, nil
}

func (b *batch) put(r *request, e *entry) error {
	if e.live && e.at != r.old {
		return b.touch(r, e)
	}
	if b.free-r.rec.length() < b.d.reserve+b.d.compactionNeed.Load() {
		return fmt.Errorf("%w in %s", block.ErrNoSpace, b.d.Path)
	}
	b.sync = true
	r.rec.epoch = r.epoch
	if e.live { // the copy at old is corrupt, what it promised holds for its successor
		r.rec.epoch = max(r.epoch, e.epoch)
	}
	_, err := b.append(e, &r.rec.header, r.rec)
	return err
}

func (b *batch) touch(r *request, e *entry) error {
	b.sync = true
	if r.epoch <= e.epoch {
		return nil
	}
	_, err := b.append(e, &header{kind: KindTouch, addr: r.addr, epoch: r.epoch}, nil)
	return err
}

// copyTomb keeps a delete record alive as long as another segment holds an older copy that it must keep dead.
func (b *batch) copyTomb(r *request, e *entry) error {
	if e.tomb != r.old {
		return nil
	}
	rest := e.clone()
	rest.keepDead(func(seg uint64) bool { return seg != r.old.seg && b.d.exists(seg) })
	if !rest.needed() {
		b.set(r.addr, e, entry{})
		return nil
	}
	b.sync = true
	_, err := b.append(e, &header{kind: KindDelete, addr: r.addr, epoch: e.doomed}, nil)
	return err
}

func (b *batch) forget(seg uint64, addrs []block.Address) error {
	for _, addr := range addrs {
		e, err := b.entry(addr)
		if err != nil {
			return err
		}
		after := e.clone()
		after.keepDead(func(s uint64) bool { return s != seg })
		b.set(addr, e, after)
	}
	return nil
}

func (b *batch) drop(seg uint64) {
	b.dropped = append(b.dropped, seg)
	delete(b.states, seg)
}

// append writes a record and applies it to the entry. When it returns an error, nothing has changed.
func (b *batch) append(e *entry, h *header, rec *encoded) (pos, error) {
	a, err := b.room(h)
	if err != nil {
		return pos{}, b.failed(err)
	}
	at, err := a.appendRecord(b.d, h, rec)
	if err != nil {
		return pos{}, b.failed(err)
	}
	b.free -= h.length()
	after := e.clone()
	after.apply(h, at)
	b.set(h.addr, e, after)
	s := b.state(a.id)
	s.end = a.end
	b.states[a.id] = s
	return at, nil
}

// failed sorts an error of writing: a full disk is the request's misfortune, all else ends the directory's writes.
func (b *batch) failed(err error) error {
	if isFull(err) {
		return noSpace(err)
	}
	b.broken = err
	return err
}

// room is the segment for one more record.
func (b *batch) room(h *header) (*active, error) {
	d := b.d
	n := h.length()
	if a := d.active; a != nil && (a.end+n <= d.segmentBytes || a.end == segmentHeaderSize) {
		return a, nil
	}
	fresh, err := d.createSegment()
	if err != nil {
		// Deletes and touches must go on when the disk is full: the old segment may have room that was promised to it.
		if d.active != nil && h.kind != KindBlock && isFull(err) {
			return d.active, nil
		}
		return nil, err
	}
	if old := d.active; old != nil {
		d.active = nil
		if err := old.seal(); err != nil {
			return nil, errors.Join(err, fresh.file.Close())
		}
		s := b.state(old.id)
		s.sealed = true
		b.states[old.id] = s
		b.flush = true
	}
	d.active = fresh
	d.addSegment(fresh.id)
	b.states[fresh.id] = segmentState{end: fresh.end}
	return fresh, nil
}

// set changes an entry, and the count of the bytes that are needed in each segment.
func (b *batch) set(addr block.Address, e *entry, after entry) {
	e.refs(func(seg uint64, n int64) { b.count(seg, -n) })
	after.refs(func(seg uint64, n int64) { b.count(seg, n) })
	*e = after
	b.entries[addr] = e
}

func (b *batch) count(seg uint64, n int64) {
	if s, ok := b.stateOf(seg); ok {
		s.live += n
		b.states[seg] = s
	}
}

func (b *batch) state(seg uint64) segmentState {
	s, _ := b.stateOf(seg)
	return s
}

func (b *batch) stateOf(seg uint64) (segmentState, bool) {
	if s, ok := b.states[seg]; ok {
		return s, true
	}
	b.d.mu.Lock()
	defer b.d.mu.Unlock()
	if s := b.d.mu.segs[seg]; s != nil {
		return s.state, true
	}
	return segmentState{}, false
}

// commit makes the batch visible.
func (b *batch) commit() error {
	if len(b.entries) == 0 && len(b.states) == 0 && len(b.dropped) == 0 {
		return nil
	}
	if err := b.d.index.commit(b.change); err != nil {
		return err
	}
	b.d.indexDirty.Store(true)
	b.d.publish(b.states)
	return nil
}
