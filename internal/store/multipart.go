package store

import (
	"cmp"
	"context"
	"crypto/md5" //nolint:gosec // S3 defines the ETag of a multipart object by it
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"grange/internal/catalog"
	"grange/internal/checksum"
	"grange/internal/id"
	"grange/internal/index"
)

// completeAttempts is how often a Complete reads the parts again because one was replaced meanwhile.
const completeAttempts = 8

// CreateUpload begins a multipart upload.
func (s *Store) CreateUpload(ctx context.Context, b *catalog.Bucket, o UploadOptions) (index.Upload, error) {
	if err := s.hasRoom(); err != nil {
		return index.Upload{}, err
	}
	u := index.Upload{
		Bucket:    b.ID,
		Key:       o.Key,
		ID:        id.NewUpload(),
		Initiated: s.now(),
		Initiator: o.Initiator,
		Lock:      o.Lock,
		Meta:      o.Meta,
	}
	r, err := s.propose(ctx, groupOf(b, o.Key), index.CreateUpload{Upload: u})
	if err != nil {
		return index.Upload{}, err
	}
	return u, s.refuse(ctx, b, r.Code)
}

// Upload looks up a multipart upload in progress.
func (s *Store) Upload(ctx context.Context, b *catalog.Bucket, key string, u id.Upload) (index.Upload, error) {
	v, err := s.read(ctx, groupOf(b, key))
	if err != nil {
		return index.Upload{}, err
	}
	defer v.close()
	up, err := v.Upload(b.ID, key, u)
	if err != nil {
		return index.Upload{}, s.noUpload(ctx, v, b, err)
	}
	return up, nil
}

// noUpload is the error for an upload that could not be read: the bucket may be gone meanwhile.
func (s *Store) noUpload(ctx context.Context, v *view, b *catalog.Bucket, err error) error {
	if !errors.Is(err, index.ErrNoUpload) {
		return err
	}
	if err := s.noObject(ctx, v, b); !errors.Is(err, ErrNoObject) {
		return err
	}
	return ErrNoUpload
}

// AbortUpload drops an upload with its parts.
func (s *Store) AbortUpload(ctx context.Context, b *catalog.Bucket, key string, u id.Upload) error {
	r, err := s.propose(ctx, groupOf(b, key), index.AbortUpload{Bucket: b.ID, Key: key, Upload: u})
	if err != nil {
		return err
	}
	return s.refuse(ctx, b, r.Code)
}

// PutPart stores a part of an upload; one of the same number is replaced.
func (s *Store) PutPart(ctx context.Context, b *catalog.Bucket, o PartOptions) (index.Part, error) {
	if err := s.hasRoom(); err != nil {
		return index.Part{}, err
	}
	if o.Size > PutSizeMax {
		return index.Part{}, ErrTooLarge
	}
	// An upload that is not there is refused before the body is taken in.
	up, err := s.Upload(ctx, b, o.Key, o.Upload)
	if err != nil {
		return index.Part{}, err
	}
	algorithm := partAlgorithm(up)
	in := s.newIntake(b, o.Key, o.Sums.With(algorithm))
	defer in.release()
	if err := in.readAll(ctx, o.Body, o.Size); err != nil {
		return index.Part{}, err
	}
	if o.Verify != nil {
		if _, err := o.Verify(in.hasher); err != nil {
			return index.Part{}, err
		}
	}
	return s.commitPart(ctx, b, &index.PutPart{
		Bucket: b.ID,
		Key:    o.Key,
		Upload: o.Upload,
		Part: index.Part{
			Number:   o.Number,
			Size:     in.hasher.Size(),
			ETag:     in.etag(),
			Modified: s.now(),
			Checksum: in.hasher.Sum(algorithm),
		},
		Payload: in.payload(),
		Epoch:   in.epoch,
	})
}

func (s *Store) commitPart(ctx context.Context, b *catalog.Bucket, cmd *index.PutPart) (index.Part, error) {
	for range commitAttempts {
		r, err := s.propose(ctx, groupOf(b, cmd.Key), *cmd)
		if err != nil {
			return index.Part{}, err
		}
		switch r.Code {
		case index.OK:
			return r.Part, nil
		case index.EpochTooOld:
			if err := s.restore(ctx, b, r); err != nil {
				return index.Part{}, err
			}
			cmd.Epoch = r.Epoch
		default:
			return index.Part{}, s.refuse(ctx, b, r.Code)
		}
	}
	return index.Part{}, fmt.Errorf("%w: content was collected as garbage again and again while it was written", ErrUnavailable)
}

// CopyPart stores a range of an object as a part. The content is read once for its MD5 and checksum; it is stored anew only if the
// blocks of the source cannot be named: it is inline, or in another bucket.
func (s *Store) CopyPart(ctx context.Context, b *catalog.Bucket, o PartCopyOptions) (index.Part, error) {
	if err := s.hasRoom(); err != nil {
		return index.Part{}, err
	}
	if o.Length > PutSizeMax {
		return index.Part{}, ErrTooLarge
	}
	up, err := s.Upload(ctx, b, o.Key, o.Upload)
	if err != nil {
		return index.Part{}, err
	}
	body, err := o.Source.Open(ctx, o.Offset, o.Length)
	if err != nil {
		return index.Part{}, err
	}
	defer body.Close()
	put := PartOptions{Key: o.Key, Upload: o.Upload, Number: o.Number, Body: body, Size: o.Length}
	payload, err := o.Source.flatPayload(o.Offset, o.Length)
	if err != nil {
		return index.Part{}, err
	}
	if o.Source.Bucket != b.ID || groupOf(b, o.Source.Key) != groupOf(b, o.Key) || payload.Extents == nil {
		return s.PutPart(ctx, b, put)
	}
	algorithm := partAlgorithm(up)
	hasher := checksum.NewHasher(checksum.SetOf(algorithm, checksum.MD5))
	if _, err := body.(*reader).WriteTo(hasher); err != nil {
		return index.Part{}, err
	}
	part, err := s.commitPart(ctx, b, &index.PutPart{
		Bucket: b.ID,
		Key:    o.Key,
		Upload: o.Upload,
		Part: index.Part{
			Number:   o.Number,
			Size:     o.Length,
			ETag:     hex.EncodeToString(hasher.Sum(checksum.MD5).Sum),
			Modified: s.now(),
			Checksum: hasher.Sum(algorithm),
		},
		Payload: payload,
		Copied:  true,
	})
	if !errors.Is(err, errSourceChanged) {
		return part, err
	}
	again, err := o.Source.Open(ctx, o.Offset, o.Length)
	if err != nil {
		return index.Part{}, err
	}
	defer again.Close()
	put.Body = again
	return s.PutPart(ctx, b, put)
}

// CompleteUpload turns the parts of an upload into a version of the object. Repeated after a lost answer, it answers as it did.
func (s *Store) CompleteUpload(ctx context.Context, b *catalog.Bucket, o CompleteOptions) (index.Version, error) {
	if len(o.Parts) == 0 {
		return index.Version{}, ErrInvalidPart
	}
	for i := 1; i < len(o.Parts); i++ {
		if o.Parts[i].Number <= o.Parts[i-1].Number {
			return index.Version{}, ErrPartOrder
		}
	}
	for range completeAttempts {
		cmd, done, err := s.planComplete(ctx, b, o)
		if done != nil || err != nil {
			return deref(done), err
		}
		r, err := s.propose(ctx, groupOf(b, o.Key), *cmd)
		if err != nil {
			return index.Version{}, err
		}
		switch r.Code {
		case index.OK:
			return r.Version, nil
		case index.PartsChanged:
			continue
		default:
			return index.Version{}, s.refuse(ctx, b, r.Code)
		}
	}
	return index.Version{}, fmt.Errorf("%w: the parts of the upload change while it is completed", ErrUnavailable)
}

func deref(v *index.Version) index.Version {
	if v == nil {
		return index.Version{}
	}
	return *v
}

// planComplete checks what the client says of the parts against what is stored. If the upload has made the latest version
// already, that is returned as done.
func (s *Store) planComplete(ctx context.Context, b *catalog.Bucket, o CompleteOptions) (cmd *index.CompleteUpload, done *index.Version, err error) {
	v, err := s.read(ctx, groupOf(b, o.Key))
	if err != nil {
		return nil, nil, err
	}
	defer v.close()
	up, err := v.Upload(b.ID, o.Key, o.Upload)
	if errors.Is(err, index.ErrNoUpload) {
		if latest, lerr := v.Latest(b.ID, o.Key); lerr == nil && latest.Upload == o.Upload {
			return nil, &latest, nil
		}
	}
	if err != nil {
		return nil, nil, s.noUpload(ctx, v, b, err)
	}
	stored, err := s.allParts(v, b, o)
	if err != nil {
		return nil, nil, err
	}
	parts, err := matchParts(o.Parts, stored)
	if err != nil {
		return nil, nil, err
	}
	version := index.Version{
		Bucket:   b.ID,
		Key:      o.Key,
		ETag:     multipartETag(parts),
		Modified: s.now(),
		Parts:    len(parts),
		Upload:   o.Upload,
		Meta:     up.Meta,
	}
	last := parts[len(parts)-1]
	version.Size = last.Offset + last.Size
	if version.Size > ObjectSizeMax {
		return nil, nil, ErrTooLarge
	}
	if o.Size >= 0 && o.Size != version.Size {
		return nil, nil, ErrSizeMismatch
	}
	if version.Checksum, err = multipartChecksum(up, parts, o.Checksum); err != nil {
		return nil, nil, err
	}
	return &index.CompleteUpload{
		Upload:    o.Upload,
		Version:   version,
		Parts:     parts,
		Random:    random8(),
		Condition: o.Condition,
		Limits:    index.Limits(b.Limits),
	}, nil, nil
}

// allParts reads the parts of the upload from the first to the last that the client names.
func (s *Store) allParts(v *view, b *catalog.Bucket, o CompleteOptions) ([]index.Part, error) {
	var all []index.Part
	for after, last := 0, o.Parts[len(o.Parts)-1].Number; after < last; {
		parts, more, err := v.Parts(b.ID, o.Key, o.Upload, after, 1000)
		if err != nil {
			return nil, err
		}
		all = append(all, parts...)
		if !more || len(parts) == 0 {
			break
		}
		after = parts[len(parts)-1].Number
	}
	return all, nil
}

// matchParts finds the stored part for each that the client names, and gives it its place in the object.
func matchParts(named []CompletePart, stored []index.Part) ([]index.PartRef, error) {
	refs := make([]index.PartRef, len(named))
	var off int64
	for i, n := range named {
		at, ok := slices.BinarySearchFunc(stored, n.Number, func(p index.Part, number int) int { return cmp.Compare(p.Number, number) })
		if !ok {
			return nil, fmt.Errorf("%w: part %d was not uploaded", ErrInvalidPart, n.Number)
		}
		p := stored[at]
		if n.ETag != p.ETag {
			return nil, fmt.Errorf("%w: part %d has another ETag", ErrInvalidPart, n.Number)
		}
		if !n.Checksum.IsZero() && !n.Checksum.Equal(p.Checksum) {
			return nil, fmt.Errorf("%w: part %d has another checksum", ErrInvalidPart, n.Number)
		}
		if i < len(named)-1 && p.Size < PartSizeMin {
			return nil, &PartTooSmallError{Number: p.Number, Size: p.Size, ETag: p.ETag}
		}
		refs[i] = index.PartRef{Number: p.Number, Seq: p.Seq, Size: p.Size, Offset: off, ETag: p.ETag, Checksum: p.Checksum}
		off += p.Size
	}
	return refs, nil
}

// Error says which part is too small.
func (e *PartTooSmallError) Error() string {
	return fmt.Sprintf("store: part %d has %d bytes, at least %d are needed in all parts but the last", e.Number, e.Size, PartSizeMin)
}

// Is makes the error an ErrPartTooSmall.
func (e *PartTooSmallError) Is(target error) bool { return target == ErrPartTooSmall }

// multipartETag is the MD5 of the parts' MD5s, with their number ("Checking object integrity", ETags of multipart uploads).
func multipartETag(parts []index.PartRef) string {
	h := md5.New() //nolint:gosec // see the import
	for _, p := range parts {
		raw, err := hex.DecodeString(p.ETag)
		if err != nil {
			raw = []byte(p.ETag)
		}
		h.Write(raw)
	}
	return fmt.Sprintf("%x-%d", h.Sum(nil), len(parts))
}

// partAlgorithm is the checksum that every part of the upload gets: what the upload names, else S3's default.
func partAlgorithm(up index.Upload) checksum.Algorithm {
	return cmp.Or(up.Meta.ChecksumAlgorithm, checksum.CRC64NVME)
}

// multipartChecksum is the checksum of the whole object, made from those of its parts. want is what the client computed.
func multipartChecksum(up index.Upload, parts []index.PartRef, want checksum.Value) (checksum.Value, error) {
	algorithm := partAlgorithm(up)
	kind, err := checksum.MultipartType(algorithm, up.Meta.ChecksumType)
	if err != nil {
		return checksum.Value{}, err
	}
	sums := make([]checksum.Part, len(parts))
	for i, p := range parts {
		if p.Checksum.Algorithm != algorithm {
			return checksum.Value{}, fmt.Errorf("%w: part %d has no %v checksum", ErrInvalidPart, p.Number, algorithm)
		}
		sums[i] = checksum.Part{Sum: p.Checksum.Sum, Size: p.Size}
	}
	got, err := checksum.Multipart(algorithm, kind, sums)
	if err != nil {
		return checksum.Value{}, err
	}
	if !want.IsZero() && !want.Equal(got) {
		return checksum.Value{}, fmt.Errorf("%w: %v checksum of the object is %v, not %v", ErrChecksum, algorithm, got, want)
	}
	return got, nil
}
