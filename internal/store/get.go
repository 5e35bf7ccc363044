package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"grange/internal/block"
	"grange/internal/catalog"
	"grange/internal/id"
	"grange/internal/index"
)

// pieceSize is how much of a block is read, checked and sent at a time: large enough for a disk, small enough for a cache.
const pieceSize = 256 << 10

// checkedRun is how many bytes of a block share a checksum; a piece that ends on its border is not read twice.
const checkedRun = 64 << 10

// content is an open version's claim on its blocks.
type content struct {
	store      *Store
	view       *view
	generation uint64
	closed     atomic.Bool
}

// Head looks up the object, or one version of it (nil: the latest). The Object must be closed.
// With ErrDeleteMarker the Object is not nil: it describes the marker and has no content. So it does with ErrNoObject when the latest
// version is a delete marker.
func (s *Store) Head(ctx context.Context, b *catalog.Bucket, key string, version *id.Version) (*Object, error) {
	generation := s.readers.enter()
	v, err := s.read(ctx, groupOf(b, key))
	if err != nil {
		s.readers.leave(generation)
		return nil, err
	}
	o := &Object{content: &content{store: s, view: v, generation: generation}}
	if version == nil {
		o.Version, err = v.Latest(b.ID, key)
	} else {
		o.Version, err = v.ByID(b.ID, key, *version)
	}
	if err == nil {
		return o, nil
	}
	defer o.Close()
	switch {
	case errors.Is(err, index.ErrDeleteMarker) && errors.Is(err, index.ErrNotFound):
		return o, ErrNoObject
	case errors.Is(err, index.ErrDeleteMarker):
		return o, ErrDeleteMarker
	case errors.Is(err, index.ErrNotFound):
		return nil, s.noObject(ctx, v, b)
	default:
		return nil, fmt.Errorf("look up %s/%s: %w", b.Name, key, err)
	}
}

// noObject is the error for a key that was not found: the bucket may be gone meanwhile.
func (s *Store) noObject(ctx context.Context, v *view, b *catalog.Bucket) error {
	stats, err := v.Stats(b.ID)
	if err != nil {
		return fmt.Errorf("look up bucket %s: %w", b.Name, err)
	}
	if stats.Sealed {
		return s.refuse(ctx, b, index.BucketSealed)
	}
	return ErrNoObject
}

// Close ends the claim on the object's blocks: from then on they may be deleted.
func (o *Object) Close() {
	if o == nil || o.content == nil || o.content.closed.Swap(true) {
		return
	}
	o.content.view.close()
	o.content.store.readers.leave(o.content.generation)
}

// Parts lists the parts of a multipart object, nil for others.
func (o *Object) Parts(context.Context) ([]index.PartRef, error) {
	if o.Version.Parts == 0 {
		return nil, nil
	}
	p, err := o.content.view.Payload(o.Version)
	if err != nil {
		return nil, fmt.Errorf("read the parts of %s: %w", o.Key, err)
	}
	return p.Parts, nil
}

func (o *Object) partPayload(ref index.PartRef) (index.Payload, error) {
	return o.content.view.PartPayload(o.Bucket, o.Key, o.Version.Upload, ref)
}

// Open reads length bytes of the content from off on. Every byte that the reader gives was checked; a copy that does not
// match its checksum is ErrCorrupt. The reader is an io.WriterTo, and works until it or the object is closed.
func (o *Object) Open(ctx context.Context, off, length int64) (io.ReadCloser, error) {
	if off < 0 || length < 0 || off > o.Size || length > o.Size-off {
		return nil, ErrBadRange
	}
	p, err := o.content.view.Payload(o.Version)
	if err != nil {
		return nil, fmt.Errorf("read the content of %s: %w", o.Key, err)
	}
	r := &reader{ctx: ctx, object: o, left: length}
	switch {
	case p.Parts != nil:
		r.parts = p.Parts
		for len(r.parts) > 0 && off >= r.parts[0].Offset+r.parts[0].Size {
			r.parts = r.parts[1:]
		}
		if len(r.parts) > 0 {
			off -= r.parts[0].Offset
		}
	case p.Extents != nil:
		r.extents = p.Extents
	default:
		if int64(len(p.Inline)) != o.Size {
			return nil, fmt.Errorf("%w: %s has %d bytes of content, not %d", ErrCorrupt, o.Key, len(p.Inline), o.Size)
		}
		return nopCloser{bytes.NewReader(p.Inline[off : off+length])}, nil
	}
	r.skip = off
	return r, nil
}

// nopCloser keeps the WriterTo of a bytes.Reader, which io.NopCloser's type would too but allocates for.
type nopCloser struct{ *bytes.Reader }

func (nopCloser) Close() error { return nil }

// reader walks the extents of an object. skip bytes of what is to come are not wanted; left bytes are.
type reader struct {
	ctx     context.Context
	object  *Object
	parts   []index.PartRef // still to be opened
	extents []index.Extent  // still to be read; the first one from skip on
	skip    int64
	left    int64
	piece   []byte // memory of the last piece; given back on Close
	rest    []byte // what of piece was not given yet
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		if err := r.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// WriteTo implements io.WriterTo: it saves the copy that Read makes.
func (r *reader) WriteTo(w io.Writer) (total int64, err error) {
	for {
		if len(r.rest) == 0 {
			if err := r.next(); err == io.EOF { //nolint:errorlint // next returns the plain end as itself
				return total, nil
			} else if err != nil {
				return total, err
			}
		}
		n, err := w.Write(r.rest)
		total += int64(n)
		r.rest = r.rest[n:]
		if err != nil {
			return total, err
		}
	}
}

// Close gives the reader's memory back. The object stays open.
func (r *reader) Close() error {
	if r.piece != nil {
		bodyBuffers.put(r.piece)
		r.piece, r.rest, r.left = nil, nil, 0
	}
	return nil
}

// next reads and checks the next piece into rest.
func (r *reader) next() error {
	if r.left == 0 {
		return io.EOF
	}
	if err := r.advance(); err != nil {
		return err
	}
	e := r.extents[0]
	off := int64(e.Offset) + r.skip
	n := min(int64(e.Length)-r.skip, r.left, pieceSize-off%checkedRun)
	if r.piece == nil {
		r.piece = bodyBuffers.get(min(pieceSize, max(n, r.left)))
	}
	n = min(n, int64(len(r.piece)))
	addr := block.Address{Bucket: r.object.Bucket, Hash: e.Hash}
	got, err := r.object.content.store.blocks.ReadAt(r.ctx, addr, r.piece[:n], off)
	if err != nil {
		return blockError("read", addr, err)
	}
	if int64(got) != n {
		return fmt.Errorf("%w: block %s is shorter than its record says", ErrCorrupt, e.Hash)
	}
	r.rest = r.piece[:n]
	r.left -= n
	r.skip += n
	return nil
}

// advance moves to the first extent that has bytes to give.
func (r *reader) advance() error {
	for {
		switch {
		case len(r.extents) > 0 && r.skip < int64(r.extents[0].Length):
			return nil
		case len(r.extents) > 0:
			r.skip -= int64(r.extents[0].Length)
			r.extents = r.extents[1:]
		case len(r.parts) > 0:
			if err := r.openPart(); err != nil {
				return err
			}
		default:
			return fmt.Errorf("%w: %s ends %d bytes early", ErrCorrupt, r.object.Key, r.left)
		}
	}
}

func (r *reader) openPart() error {
	p, err := r.object.partPayload(r.parts[0])
	if err != nil {
		return fmt.Errorf("read part %d of %s: %w", r.parts[0].Number, r.object.Key, err)
	}
	r.parts = r.parts[1:]
	r.extents = p.Extents
	return nil
}
