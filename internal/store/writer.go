package store

import (
	"context"
	"math/bits"
	"sync"

	"github.com/zeebo/blake3"

	"grange/internal/block"
	"grange/internal/id"
	"grange/internal/index"
)

const (
	// blocksInFlight is how many blocks of one body are stored while the next one is read: enough to hide a sync, few enough to share memory.
	blocksInFlight = 4

	blockSmall  = 1 << 20 // content of a block in a body up to smallBody
	blockMedium = 4 << 20 // … up to mediumBody
	smallBody   = 64 << 20
	mediumBody  = 1 << 30
)

// blockSize is the size of the next block of a body of which done bytes are cut already. Large bodies have large blocks, so that their
// record stays small; a body of unknown length gets larger blocks as it goes on.
func blockSize(done, size int64) int64 {
	switch n := max(done, size); {
	case n < smallBody:
		return blockSmall
	case n < mediumBody:
		return blockMedium
	default:
		return block.SizeMax
	}
}

// buffers are pools of byte slices by the logarithm of their capacity.
type buffers [32]sync.Pool

func (p *buffers) get(n int64) []byte {
	class := bits.Len64(uint64(n - 1))
	if b, ok := p[class].Get().(*[]byte); ok {
		return (*b)[:n]
	}
	return make([]byte, n, 1<<class)
}

// put gives a slice back. Nothing may use it any more.
func (p *buffers) put(b []byte) {
	b = b[:cap(b)]
	p[bits.Len64(uint64(cap(b)-1))].Put(&b)
}

var bodyBuffers buffers

// buffer is memory for one block; its weight counts against Settings.BodyMemory until it is given back.
type buffer struct{ data []byte }

// blockWriter stores the blocks of one body. The body's reader calls it from one goroutine.
type blockWriter struct {
	store  *Store
	ctx    context.Context
	cancel context.CancelCauseFunc
	bucket id.Bucket
	epoch  block.Epoch
	size   int64 // of the body, -1 if not known
	done   int64 // bytes handed to put

	slots   chan struct{} // bounds the blocks in flight
	wait    sync.WaitGroup
	extents []index.Extent // by order of put
	hashes  []*id.Hash     // filled in by the goroutines
}

func (s *Store) newBlockWriter(ctx context.Context, bucket id.Bucket, epoch block.Epoch, size int64) *blockWriter {
	ctx, cancel := context.WithCancelCause(ctx)
	return &blockWriter{
		store: s, ctx: ctx, cancel: cancel, bucket: bucket, epoch: epoch, size: size,
		slots: make(chan struct{}, blocksInFlight),
	}
}

// buffer waits for the memory for the next block. The caller gives it to put or drop.
func (w *blockWriter) buffer() (buffer, error) {
	n := blockSize(w.done, w.size)
	if w.size >= 0 {
		n = min(n, w.size-w.done)
	}
	select {
	case w.slots <- struct{}{}:
	case <-w.ctx.Done():
		return buffer{}, context.Cause(w.ctx)
	}
	if err := w.store.memory.Acquire(w.ctx, n); err != nil {
		<-w.slots
		return buffer{}, context.Cause(w.ctx)
	}
	return buffer{bodyBuffers.get(n)}, nil
}

func (w *blockWriter) drop(b buffer) {
	n := int64(len(b.data))
	bodyBuffers.put(b.data)
	w.store.memory.Release(n)
	<-w.slots
}

// put stores the first n bytes of the buffer as the next block.
func (w *blockWriter) put(b buffer, n int) {
	h := new(id.Hash)
	w.hashes = append(w.hashes, h)
	w.extents = append(w.extents, index.Extent{Size: uint32(n), Length: uint32(n)})
	w.done += int64(n)
	w.wait.Go(func() {
		defer w.drop(b)
		data := b.data[:n]
		*h = blake3.Sum256(data)
		addr := block.Address{Bucket: w.bucket, Hash: *h}
		if err := w.store.blocks.Put(w.ctx, addr, w.epoch, data); err != nil {
			w.cancel(blockError("store", addr, err))
		}
	})
}

// finish waits for all blocks to be durable.
func (w *blockWriter) finish() ([]index.Extent, error) {
	w.wait.Wait()
	if w.ctx.Err() != nil {
		return nil, context.Cause(w.ctx)
	}
	for i, h := range w.hashes {
		w.extents[i].Hash = *h
	}
	return w.extents, nil
}

// close ends the writer; what is still being stored is waited for.
func (w *blockWriter) close() {
	w.cancel(nil)
	w.wait.Wait()
}
