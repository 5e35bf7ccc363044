package store

import (
	"context"
	"errors"
	"fmt"

	"grange/internal/catalog"
	"grange/internal/id"
	"grange/internal/index"
)

// Rules are the versioning and the Object Lock of a bucket.
func (s *Store) Rules(ctx context.Context, b *catalog.Bucket) (index.BucketRules, error) {
	v, err := s.read(ctx, groupOf(b, ""))
	if err != nil {
		return index.BucketRules{}, err
	}
	defer v.close()
	stats, err := v.Stats(b.ID)
	if err != nil {
		return index.BucketRules{}, err
	}
	if stats.Sealed {
		return index.BucketRules{}, s.refuse(ctx, b, index.BucketSealed)
	}
	return v.Rules(b.ID)
}

// SetVersioning sets the versioning of a bucket to index.Enabled or index.Suspended. Every write that is decided after it follows it.
// A bucket with Object Lock cannot be suspended: ErrBucketState.
func (s *Store) SetVersioning(ctx context.Context, b *catalog.Bucket, mode index.Versioning) error {
	_, err := s.amend(ctx, b, "", index.SetVersioning{Bucket: b.ID, Mode: mode})
	return err
}

// SetObjectLock gives a bucket Object Lock with a default retention, or changes that. Its versioning must be Enabled: ErrBucketState.
func (s *Store) SetObjectLock(ctx context.Context, b *catalog.Bucket, rule index.LockRule) error {
	_, err := s.amend(ctx, b, "", index.SetLockRule{Bucket: b.ID, Rule: rule})
	return err
}

// SetTags replaces the tags of an object, or of one version of it.
func (s *Store) SetTags(ctx context.Context, b *catalog.Bucket, key string, version *id.Version, tags []index.Tag) (index.Version, error) {
	return s.amend(ctx, b, key, index.SetTags{Bucket: b.ID, Key: key, VersionID: version, Tags: tags})
}

// SetRetention replaces the retention of a version. To take one in force back is ErrLocked.
func (s *Store) SetRetention(ctx context.Context, b *catalog.Bucket, o RetentionOptions) (index.Version, error) {
	return s.amend(ctx, b, o.Key, index.SetRetention{
		Bucket: b.ID, Key: o.Key, VersionID: o.VersionID, Mode: o.Mode, Until: o.Until, Now: s.lockNow(), Bypass: o.Bypass,
	})
}

// SetLegalHold puts a version under legal hold, or takes it off.
func (s *Store) SetLegalHold(ctx context.Context, b *catalog.Bucket, key string, version *id.Version, on bool) (index.Version, error) {
	return s.amend(ctx, b, key, index.SetHold{Bucket: b.ID, Key: key, VersionID: version, On: on})
}

// SetDocument stores a configuration document of a bucket by the name of its sub-resource; nil removes it.
func (s *Store) SetDocument(ctx context.Context, b *catalog.Bucket, name string, content []byte) error {
	if content != nil {
		if err := s.hasRoom(); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, s.settings.RequestRetry)
	defer cancel()
	_, err := s.catalog.SetDocument(ctx, catalog.DocumentChange{Bucket: b.ID, Name: name, Content: content})
	switch {
	case errors.Is(err, catalog.ErrNotFound), errors.Is(err, catalog.ErrInUse): // it is gone, or going
		return fmt.Errorf("%w: %w", ErrNoBucket, err)
	case err != nil:
		return unavailable(ctx, err)
	default:
		return nil
	}
}

// amend carries out a command that changes what is said of a version or of the bucket.
func (s *Store) amend(ctx context.Context, b *catalog.Bucket, key string, cmd index.Command) (index.Version, error) {
	if err := s.hasRoom(); err != nil {
		return index.Version{}, err
	}
	r, err := s.propose(ctx, groupOf(b, key), cmd)
	if err != nil {
		return index.Version{}, err
	}
	return r.Version, s.refuse(ctx, b, r.Code)
}
