package store

import (
	"context"

	"grange/internal/catalog"
	"grange/internal/id"
	"grange/internal/index"
)

// List lists current objects in the order of their keys. It is complete, or an error.
func (s *Store) List(ctx context.Context, b *catalog.Bucket, o ListOptions) (index.ListPage, error) {
	q := index.ListQuery{Bucket: b.ID, Prefix: o.Prefix, Delimiter: o.Delimiter, After: o.After, Max: o.Max}
	return listed(ctx, s, b, func(v *view) (index.ListPage, bool, error) {
		p, err := v.List(q)
		return p, len(p.Entries) == 0, err
	})
}

// ListVersions lists all versions, those of one key newest first.
func (s *Store) ListVersions(ctx context.Context, b *catalog.Bucket, q index.VersionsQuery) (index.VersionsPage, error) {
	q.Bucket = b.ID
	return listed(ctx, s, b, func(v *view) (index.VersionsPage, bool, error) {
		p, err := v.ListVersions(q)
		return p, len(p.Entries) == 0, err
	})
}

// Uploads lists the multipart uploads in progress.
func (s *Store) Uploads(ctx context.Context, b *catalog.Bucket, q index.UploadsQuery) (index.UploadsPage, error) {
	q.Bucket = b.ID
	return listed(ctx, s, b, func(v *view) (index.UploadsPage, bool, error) {
		p, err := v.Uploads(q)
		return p, len(p.Entries) == 0, err
	})
}

// Parts lists the parts of an upload with numbers above after.
func (s *Store) Parts(ctx context.Context, b *catalog.Bucket, key string, u id.Upload, after, max int) (index.PartsPage, error) {
	v, err := s.read(ctx, groupOf(b, key))
	if err != nil {
		return index.PartsPage{}, err
	}
	defer v.close()
	parts, more, err := v.Parts(b.ID, key, u, after, max)
	if err != nil {
		return index.PartsPage{}, s.noUpload(ctx, v, b, err)
	}
	return index.PartsPage{Parts: parts, Truncated: more}, nil
}

// listed runs a listing on the bucket's state. An empty one may be that of a bucket that is gone.
func listed[P any](ctx context.Context, s *Store, b *catalog.Bucket, list func(*view) (page P, empty bool, err error)) (P, error) {
	var none P
	v, err := s.read(ctx, groupOf(b, ""))
	if err != nil {
		return none, err
	}
	defer v.close()
	page, empty, err := list(v)
	if err != nil {
		return none, err
	}
	if empty {
		stats, err := v.Stats(b.ID)
		if err != nil {
			return none, err
		}
		if stats.Sealed {
			return none, s.refuse(ctx, b, index.BucketSealed)
		}
	}
	return page, nil
}
