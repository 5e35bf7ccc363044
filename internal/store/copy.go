package store

import (
	"context"
	"fmt"
	"io"

	"grange/internal/catalog"
	"grange/internal/checksum"
	"grange/internal/index"
)

// CopyObject writes a version with the content of another one. Within a bucket the copy names the same blocks; into
// another bucket the content is read and stored anew, since blocks belong to a bucket.
func (s *Store) CopyObject(ctx context.Context, b *catalog.Bucket, o CopyOptions) (index.Version, error) {
	if err := s.hasRoom(); err != nil {
		return index.Version{}, err
	}
	src := o.Source
	if src.Size > PutSizeMax {
		return index.Version{}, ErrTooLarge
	}
	if src.Bucket != b.ID || groupOf(b, src.Key) != groupOf(b, o.Key) {
		return s.copyContent(ctx, b, o)
	}
	payload, err := src.flatPayload(0, src.Size)
	if err != nil {
		return index.Version{}, err
	}
	sum, err := s.copyChecksum(ctx, o)
	if err != nil {
		return index.Version{}, err
	}
	v := index.Version{
		Bucket:   b.ID,
		Key:      o.Key,
		Size:     src.Size,
		ETag:     src.ETag,
		Modified: s.now(),
		Checksum: sum,
		Lock:     o.Lock,
		Meta:     o.Meta,
	}
	r, err := s.propose(ctx, groupOf(b, o.Key), index.Put{
		Version:   v,
		Payload:   payload,
		Random:    random8(),
		Condition: o.Condition,
		Copied:    len(payload.Extents) > 0,
		Limits:    index.Limits(b.Limits),
	})
	switch {
	case err != nil:
		return index.Version{}, err
	case r.Code == index.SourceChanged:
		return s.copyContent(ctx, b, o) // its blocks lost their last record, but the open source still reads them
	case r.Code != index.OK:
		return index.Version{}, s.refuse(ctx, b, r.Code)
	}
	return r.Version, nil
}

// copyContent copies by reading.
func (s *Store) copyContent(ctx context.Context, b *catalog.Bucket, o CopyOptions) (index.Version, error) {
	body, err := o.Source.Open(ctx, 0, o.Source.Size)
	if err != nil {
		return index.Version{}, err
	}
	defer body.Close()
	algorithm := copyAlgorithm(o)
	return s.PutObject(ctx, b, PutOptions{
		Key:       o.Key,
		Meta:      o.Meta,
		Lock:      o.Lock,
		Body:      body,
		Size:      o.Source.Size,
		Sums:      checksum.SetOf(algorithm),
		Verify:    func(h *checksum.Hasher) (checksum.Value, error) { return h.Sum(algorithm), nil },
		Condition: o.Condition,
	})
}

// copyAlgorithm is the checksum of a copy: the one asked for, else the source's, else S3's default.
func copyAlgorithm(o CopyOptions) checksum.Algorithm {
	switch {
	case o.Sum.Valid():
		return o.Sum
	case o.Source.Checksum.Algorithm.Valid():
		return o.Source.Checksum.Algorithm
	default:
		return checksum.CRC64NVME
	}
}

// copyChecksum is the full-object checksum of a copy. It is taken over where the source has it, else computed from the content.
func (s *Store) copyChecksum(ctx context.Context, o CopyOptions) (checksum.Value, error) {
	algorithm, have := copyAlgorithm(o), o.Source.Checksum
	if have.Algorithm == algorithm && have.Type == checksum.FullObject {
		return have, nil
	}
	body, err := o.Source.Open(ctx, 0, o.Source.Size)
	if err != nil {
		return checksum.Value{}, err
	}
	defer body.Close()
	h := checksum.NewHasher(checksum.SetOf(algorithm))
	if _, err := io.Copy(h, body); err != nil {
		return checksum.Value{}, err
	}
	return h.Sum(algorithm), nil
}

// flatPayload is the content from off on, length bytes, without the detour over parts.
func (o *Object) flatPayload(off, length int64) (index.Payload, error) {
	p, err := o.content.view.Payload(o.Version)
	if err != nil {
		return index.Payload{}, fmt.Errorf("read the content of %s: %w", o.Key, err)
	}
	flat := flattener{skip: off, left: length}
	if p.Parts == nil {
		flat.add(p)
	}
	for _, ref := range p.Parts {
		if flat.left == 0 {
			break
		}
		if flat.skip >= ref.Size {
			flat.skip -= ref.Size
			continue
		}
		part, err := o.partPayload(ref)
		if err != nil {
			return index.Payload{}, fmt.Errorf("read part %d of %s: %w", ref.Number, o.Key, err)
		}
		flat.add(part)
	}
	if flat.left > 0 {
		return index.Payload{}, fmt.Errorf("%w: %s ends %d bytes early", ErrCorrupt, o.Key, flat.left)
	}
	return index.Payload{Inline: flat.inline, Extents: flat.extents}, nil
}

// flattener gathers a range of bytes from payloads in order.
type flattener struct {
	skip, left int64
	inline     []byte
	extents    []index.Extent
}

func (f *flattener) add(p index.Payload) {
	if n := int64(len(p.Inline)); n > 0 {
		from := min(f.skip, n)
		to := min(n, from+f.left)
		f.inline = append(f.inline, p.Inline[from:to]...)
		f.skip -= from
		f.left -= to - from
	}
	for _, e := range p.Extents {
		if f.left == 0 {
			return
		}
		if f.skip >= int64(e.Length) {
			f.skip -= int64(e.Length)
			continue
		}
		e.Offset += uint32(f.skip)
		e.Length -= uint32(f.skip)
		e.Length = uint32(min(int64(e.Length), f.left))
		f.skip = 0
		f.left -= int64(e.Length)
		f.extents = append(f.extents, e)
	}
}
