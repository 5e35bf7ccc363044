package store

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"grange/internal/block"
	"grange/internal/catalog"
	"grange/internal/checksum"
	"grange/internal/index"
)

// commitAttempts is how often a put stores its blocks again because they were doomed while it was on its way. More than
// one is a put that lasted longer than the garbage grace, several times over.
const commitAttempts = 4

// PutObject stores a version of an object. See PutOptions for what can be refused.
func (s *Store) PutObject(ctx context.Context, b *catalog.Bucket, o PutOptions) (index.Version, error) {
	if err := s.hasRoom(); err != nil {
		return index.Version{}, err
	}
	if o.Size > PutSizeMax {
		return index.Version{}, ErrTooLarge
	}
	in := s.newIntake(b, o.Key, o.Sums)
	in.inlineMax = index.InlineMax
	defer in.release()
	if err := in.readAll(ctx, o.Body, o.Size); err != nil {
		return index.Version{}, err
	}
	var sum checksum.Value
	if o.Verify != nil {
		var err error
		if sum, err = o.Verify(in.hasher); err != nil {
			return index.Version{}, err
		}
	}
	v := index.Version{
		Bucket:   b.ID,
		Key:      o.Key,
		Size:     in.hasher.Size(),
		ETag:     in.etag(),
		Modified: s.now(),
		Checksum: sum,
		Lock:     o.Lock,
		Meta:     o.Meta,
	}
	return s.commitPut(ctx, b, &index.Put{
		Version:   v,
		Payload:   in.payload(),
		Random:    random8(),
		Condition: o.Condition,
		Epoch:     in.epoch,
		Limits:    index.Limits(b.Limits),
	})
}

// commitPut proposes the put; blocks that were doomed meanwhile are stored again.
func (s *Store) commitPut(ctx context.Context, b *catalog.Bucket, put *index.Put) (index.Version, error) {
	g := groupOf(b, put.Version.Key)
	for range commitAttempts {
		r, err := s.propose(ctx, g, *put)
		if err != nil {
			return index.Version{}, err
		}
		switch r.Code {
		case index.OK:
			return r.Version, nil
		case index.EpochTooOld:
			if err := s.restore(ctx, b, r); err != nil {
				return index.Version{}, err
			}
			put.Epoch = r.Epoch
		default:
			return index.Version{}, s.refuse(ctx, b, r.Code)
		}
	}
	return index.Version{}, fmt.Errorf("%w: content was collected as garbage again and again while it was written", ErrUnavailable)
}

// restore puts the missing blocks of a refused command again, from the copies that are still on the disks.
// If one is gone the client has to send the content anew.
func (s *Store) restore(ctx context.Context, b *catalog.Bucket, r index.Result) error {
	for _, h := range r.Missing {
		addr := block.Address{Bucket: b.ID, Hash: h}
		if err := s.restoreBlock(ctx, addr, r.Epoch); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) restoreBlock(ctx context.Context, addr block.Address, epoch block.Epoch) error {
	info, err := s.blocks.Stat(ctx, addr)
	if err != nil {
		return blockError("look up", addr, err)
	}
	data := make([]byte, info.Size)
	if _, err := s.blocks.ReadAt(ctx, addr, data, 0); err != nil {
		return blockError("read", addr, err)
	}
	if err := s.blocks.Put(ctx, addr, epoch, data); err != nil {
		return blockError("store", addr, err)
	}
	return nil
}

// intake takes in one body: it hashes it, and keeps it inline or cuts it into blocks.
type intake struct {
	store  *Store
	bucket *catalog.Bucket
	// inlineMax is the largest content that stays in the index. It is 0 for parts: those of one object are all in blocks,
	// so that a copy can always name them.
	inlineMax int
	key       string
	hasher    *checksum.Hasher
	epoch     block.Epoch
	inline    []byte
	extents   []index.Extent
	writer    *blockWriter
}

func (s *Store) newIntake(b *catalog.Bucket, key string, sums checksum.Set) *intake {
	return &intake{store: s, bucket: b, key: key, hasher: checksum.NewHasher(sums.With(checksum.MD5))}
}

// readAll reads the body to its end. When it returns nil every block is durable.
func (in *intake) readAll(ctx context.Context, body io.Reader, size int64) error {
	if body == nil {
		body = bytes.NewReader(nil)
	}
	head, err := readHead(body, size, in.inlineMax)
	if err != nil {
		return err
	}
	if size >= 0 && int64(len(head)) > size {
		return ErrSizeMismatch
	}
	if len(head) <= in.inlineMax {
		in.inline = head
		_, _ = in.hasher.Write(head) // a Hasher never fails
		return nil
	}
	epoch, err := in.readEpoch()
	if err != nil {
		return err
	}
	in.epoch = epoch
	in.writer = in.store.newBlockWriter(ctx, in.bucket.ID, epoch, size)
	err = in.copyBlocks(io.MultiReader(bytes.NewReader(head), body), size)
	extents, werr := in.writer.finish()
	if err = firstCause(err, werr); err != nil {
		return err
	}
	in.extents = extents
	return nil
}

// readHead reads what is needed to tell whether the content goes inline: at most one byte more than fits.
func readHead(body io.Reader, size int64, inlineMax int) ([]byte, error) {
	limit := int64(inlineMax + 1)
	if size >= 0 && size < limit {
		limit = size + 1 // one more, to see the end and any excess
	}
	head := make([]byte, limit)
	n, err := fill(body, head)
	if err == io.EOF { //nolint:errorlint // fill returns the plain end as itself
		return head[:n], checkAnnounced(int64(n), size)
	}
	return head[:n], err
}

// fill reads until buf is full. Unlike io.ReadFull it keeps the end of the body (io.EOF) apart from a body that broke off
// (io.ErrUnexpectedEOF, as net/http reports it).
func fill(r io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		var m int
		m, err = r.Read(buf[n:])
		n += m
	}
	if n == len(buf) && err == io.EOF {
		err = nil // seen again by the next read
	}
	return n, err
}

func (in *intake) readEpoch() (block.Epoch, error) {
	v := in.store.local(groupOf(in.bucket, in.key))
	defer v.close()
	return v.Epoch()
}

// copyBlocks reads the body block by block. Hashing for the client runs here, storing in the writer.
func (in *intake) copyBlocks(body io.Reader, size int64) error {
	for in.hasher.Size() != size {
		buf, err := in.writer.buffer()
		if err != nil {
			return err
		}
		n, err := fill(body, buf.data)
		if n == 0 {
			in.writer.drop(buf)
		} else {
			_, _ = in.hasher.Write(buf.data[:n]) // a Hasher never fails
			in.writer.put(buf, n)
		}
		switch {
		case err == io.EOF: //nolint:errorlint // fill returns the plain end as itself
			return checkAnnounced(in.hasher.Size(), size)
		case err != nil:
			return err
		case in.hasher.Size() > PutSizeMax:
			return ErrTooLarge
		}
	}
	return expectEnd(body)
}

// expectEnd reads to the end of a body whose announced bytes all arrived, so that what a body checks at its end is checked.
func expectEnd(body io.Reader) error {
	var one [1]byte
	n, err := fill(body, one[:])
	if n > 0 {
		return ErrSizeMismatch
	}
	if err == io.EOF { //nolint:errorlint // fill returns the plain end as itself
		return nil
	}
	return err
}

func (in *intake) etag() string { return hex.EncodeToString(in.hasher.Sum(checksum.MD5).Sum) }

func (in *intake) payload() index.Payload {
	return index.Payload{Inline: in.inline, Extents: in.extents}
}

// release gives back what an intake that failed half-way still holds.
func (in *intake) release() {
	if in.writer != nil {
		in.writer.close()
	}
}

func checkAnnounced(got, announced int64) error {
	if announced >= 0 && got != announced {
		return ErrSizeMismatch
	}
	return nil
}

// firstCause prefers the error that explains the other: a reader that was stopped because the writer failed says less.
func firstCause(read, write error) error {
	if write != nil && (read == nil || errors.Is(read, context.Canceled)) {
		return write
	}
	return read
}

func random8() (r [8]byte) {
	_, _ = rand.Read(r[:]) // never fails
	return r
}

// refuse is the error for a refused command. A bucket found sealed is one whose deletion was interrupted: it is finished.
func (s *Store) refuse(ctx context.Context, b *catalog.Bucket, c index.Code) error {
	if c == index.BucketSealed {
		if err := s.finishDelete(ctx, b); err != nil {
			return err
		}
	}
	return refusal(c)
}

// blockError says what could not be done to which block, as an error of this package.
func blockError(verb string, addr block.Address, err error) error {
	kind := ErrUnavailable
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, block.ErrNoSpace):
		kind = ErrNoSpace
	case errors.Is(err, block.ErrCorrupt), errors.Is(err, block.ErrNotFound):
		kind = ErrCorrupt
	}
	return fmt.Errorf("%w: %s block %s of bucket %d: %w", kind, verb, addr.Hash, addr.Bucket, err)
}
