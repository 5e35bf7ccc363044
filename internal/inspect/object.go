package inspect

import (
	"errors"
	"fmt"
	"time"

	"grange/internal/catalog"
	"grange/internal/checksum"
	"grange/internal/id"
	"grange/internal/index"
	"grange/internal/kv"
	"grange/internal/raftgroup"
)

// versionsMax bounds how many versions of an object are shown.
const versionsMax = 1000

// Version is a version of an object, with where its content is.
type Version struct {
	ID           string            `json:"id"`
	Seq          uint64            `json:"seq"`
	Latest       bool              `json:"latest"`
	DeleteMarker bool              `json:"delete_marker,omitempty"`
	Size         int64             `json:"size"`
	ETag         string            `json:"etag"`
	Checksum     string            `json:"checksum,omitempty"`
	Modified     time.Time         `json:"modified"`
	Headers      map[string]string `json:"headers,omitempty"`
	User         map[string]string `json:"user_metadata,omitempty"`
	Inline       int               `json:"inline_bytes,omitempty"` // of the content, in the index itself
	Extents      []Extent          `json:"extents,omitempty"`
}

// Extent is a run of content within a block.
type Extent struct {
	Part   int    `json:"part,omitempty"`
	Block  string `json:"block"` // hash
	Offset uint32 `json:"offset"`
	Length uint32 `json:"length"`
}

// Object lists the versions of an object, newest first, as this node knows them.
func Object(r kv.Reader, bucket, key string) ([]Version, error) {
	b, err := catalog.NewView(raftgroup.StateSpace(id.SystemGroup), r).BucketByName(bucket)
	if err != nil {
		return nil, fmt.Errorf("bucket %s: %w", bucket, err)
	}
	v := index.NewView(raftgroup.StateSpace(groupOf(b, key)), r)
	page, err := v.ListVersions(index.VersionsQuery{Bucket: b.ID, Prefix: key, Max: versionsMax})
	if err != nil {
		return nil, err
	}
	var all []Version
	for _, e := range page.Entries {
		if e.Key != key {
			continue
		}
		version, err := v.ByID(b.ID, key, e.ID)
		if err != nil && !errors.Is(err, index.ErrDeleteMarker) {
			return nil, err
		}
		shown, err := showVersion(v, version)
		if err != nil {
			return nil, err
		}
		all = append(all, shown)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("object %q in bucket %s: %w", key, bucket, index.ErrNotFound)
	}
	return all, nil
}

func groupOf(b *catalog.Bucket, key string) id.Group {
	g := b.Ranges[0].Group
	for _, r := range b.Ranges {
		if r.From <= key {
			g = r.Group
		}
	}
	return g
}

func showVersion(v *index.View, of index.Version) (Version, error) {
	out := Version{
		ID: of.ID.String(), Seq: of.Seq, Latest: of.Latest, DeleteMarker: of.DeleteMarker, Size: of.Size, ETag: of.ETag,
		Checksum: checksumText(of.Checksum), Modified: of.Modified, Headers: of.Meta.Headers, User: of.Meta.User,
	}
	if of.DeleteMarker {
		return out, nil
	}
	p, err := v.Payload(of)
	if err != nil {
		return out, err
	}
	out.Inline = len(p.Inline)
	out.addExtents(0, p.Extents)
	for _, ref := range p.Parts {
		part, err := v.PartPayload(of.Bucket, of.Key, of.Upload, ref)
		if err != nil {
			return out, err
		}
		out.Inline += len(part.Inline)
		out.addExtents(ref.Number, part.Extents)
	}
	return out, nil
}

func checksumText(v checksum.Value) string {
	if len(v.Sum) == 0 {
		return ""
	}
	return fmt.Sprintf("%s %s %s", v.Algorithm, v.Type, v)
}

func (v *Version) addExtents(part int, extents []index.Extent) {
	for _, e := range extents {
		v.Extents = append(v.Extents, Extent{Part: part, Block: e.Hash.String(), Offset: e.Offset, Length: e.Length})
	}
}
