package index

import (
	"fmt"

	"grange/internal/block"
	"grange/internal/id"
	"grange/internal/index/indexpb"
	"grange/internal/kv"
)

// errLatestIsMarker is both: there is no object, and the reason is a marker that S3 tells about.
var errLatestIsMarker = fmt.Errorf("%w: %w", ErrNotFound, ErrDeleteMarker)

// View reads the state of a group. It is as consistent as its reader: what must agree is read from one snapshot.
type View struct{ rows }

// NewView returns a view of the machine whose rows live in space.
func NewView(space kv.Space, r kv.Reader) *View { return &View{rows{keyspace{space}, r}} }

// Latest is the newest version of the key. Without one the error is ErrNotFound. When it is a delete marker, the marker is returned
// with an error that is both ErrNotFound and ErrDeleteMarker.
func (v *View) Latest(b id.Bucket, key string) (Version, error) {
	rec, err := v.head(b, key)
	if err != nil {
		return Version{}, err
	}
	if rec != nil {
		return v.version(b, key, rec, true)
	}
	state, err := v.readBucket(b)
	if err != nil {
		return Version{}, err
	}
	if state.Versions == state.Objects {
		return Version{}, ErrNotFound
	}
	if rec, err = v.firstOther(b, key); err != nil {
		return Version{}, err
	}
	if rec == nil {
		return Version{}, ErrNotFound
	}
	marker, err := v.version(b, key, rec, true)
	if err != nil {
		return Version{}, err
	}
	return marker, errLatestIsMarker
}

// ByID is one version of the key. Without it the error is ErrNotFound. A delete marker is returned with ErrDeleteMarker.
func (v *View) ByID(b id.Bucket, key string, want id.Version) (Version, error) {
	rec, err := v.head(b, key)
	if err != nil {
		return Version{}, err
	}
	if rec != nil && recordID(rec) == want {
		return v.version(b, key, rec, true)
	}
	hasHead := rec != nil
	if rec, err = v.otherByID(b, key, want); err != nil {
		return Version{}, err
	}
	if rec == nil {
		return Version{}, ErrNotFound
	}
	latest, err := v.isNewest(b, key, rec, hasHead)
	if err != nil {
		return Version{}, err
	}
	found, err := v.version(b, key, rec, latest)
	if err == nil && found.DeleteMarker {
		err = ErrDeleteMarker
	}
	return found, err
}

// isNewest tells whether a version that is not a head is the newest of its key.
func (v *View) isNewest(b id.Bucket, key string, rec *indexpb.Record, hasHead bool) (bool, error) {
	if hasHead || !rec.DeleteMarker {
		return false, nil
	}
	first, err := v.firstOther(b, key)
	return first != nil && first.Seq == rec.Seq, err
}

func (v *View) version(b id.Bucket, key string, rec *indexpb.Record, latest bool) (Version, error) {
	out, err := recordFromPB(rec)
	if err != nil {
		return Version{}, fmt.Errorf("version %d of %s/%q: %w", rec.GetSeq(), b, key, err)
	}
	out.Bucket, out.Key, out.Latest, out.Versioned = b, key, latest, true
	if rec.GetNull() { // the others are proof enough
		rules, err := v.Rules(b)
		out.Versioned = rules.Versioning != Unversioned
		return out, err
	}
	return out, nil
}

// Rules are the versioning and the Object Lock of a bucket; those of an unknown one are zero.
func (v *View) Rules(b id.Bucket) (BucketRules, error) {
	s, err := v.readBucket(b)
	return BucketRules{s.versioning, s.lock}, err
}

// Payload is the content of a version that this view returned. A delete marker has none: ErrDeleteMarker.
func (v *View) Payload(of Version) (Payload, error) {
	if of.DeleteMarker {
		return Payload{}, ErrDeleteMarker
	}
	return v.payload(v.keys.payload(of.Bucket, of.Key, of.Seq))
}

// PartPayload is the content of a part: of an upload in progress, or, with Version.Upload, of a version that it made. Only Number and
// Seq of the reference count. ErrNotFound reports that the part was replaced or dropped.
func (v *View) PartPayload(b id.Bucket, key string, u id.Upload, part PartRef) (Payload, error) {
	return v.payload(v.keys.partData(b, key, u, part.Number, part.Seq))
}

func (v *View) payload(row []byte) (Payload, error) {
	var m indexpb.Payload
	found, err := v.read(row, &m)
	if err != nil {
		return Payload{}, err
	}
	if !found {
		return Payload{}, fmt.Errorf("content: %w", ErrNotFound)
	}
	return payloadFromPB(&m)
}

// Upload is a multipart upload in progress, or ErrNoUpload.
func (v *View) Upload(b id.Bucket, key string, u id.Upload) (Upload, error) {
	var m indexpb.Upload
	found, err := v.read(v.keys.ofUpload(tableUpload, b, key, u), &m)
	if err != nil {
		return Upload{}, err
	}
	if !found {
		return Upload{}, ErrNoUpload
	}
	return upload(b, key, u, &m)
}

func upload(b id.Bucket, key string, u id.Upload, m *indexpb.Upload) (Upload, error) {
	out, err := uploadFromPB(m)
	if err != nil {
		return Upload{}, fmt.Errorf("upload %s of %s/%q: %w", u, b, key, err)
	}
	out.Bucket, out.Key, out.ID = b, key, u
	return out, nil
}

// Stats are the counts of a bucket; those of an unknown one are zero.
func (v *View) Stats(b id.Bucket) (BucketStats, error) {
	s, err := v.readBucket(b)
	return s.BucketStats, err
}

// Epoch is the group's epoch, which a writer reads before it stores its first block.
func (v *View) Epoch() (block.Epoch, error) {
	g, err := v.readGroup()
	return block.Epoch(g.epoch), err
}

// ReleaseQueueLen is how many entries wait for Release commands.
func (v *View) ReleaseQueueLen() (int64, error) {
	g, err := v.readGroup()
	return g.releases, err
}
