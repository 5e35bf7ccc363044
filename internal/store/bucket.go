package store

import (
	"context"
	"errors"
	"fmt"

	"grange/internal/access"
	"grange/internal/catalog"
	"grange/internal/id"
	"grange/internal/index"
)

// catalogView is a linearizable view of the catalog.
func (s *Store) catalogView(ctx context.Context) (catalog.View, error) {
	ctx, cancel := context.WithTimeout(ctx, s.settings.RequestRetry)
	defer cancel()
	v, err := s.catalog.Read(ctx)
	if err != nil {
		return catalog.View{}, unavailable(ctx, err)
	}
	return v, nil
}

// Bucket looks up a bucket by name.
func (s *Store) Bucket(ctx context.Context, name string) (*catalog.Bucket, error) {
	v, err := s.catalogView(ctx)
	if err != nil {
		return nil, err
	}
	b, err := v.BucketByName(name)
	if errors.Is(err, catalog.ErrNotFound) {
		return nil, ErrNoBucket
	}
	return b, err
}

// AccessKey looks up a key with its secret; catalog.ErrNotFound if there is none.
func (s *Store) AccessKey(ctx context.Context, keyID string) (*catalog.AccessKey, error) {
	v, err := s.catalogView(ctx)
	if err != nil {
		return nil, err
	}
	return v.AccessKey(keyID)
}

// Account looks up an account.
func (s *Store) Account(ctx context.Context, a id.Account) (*catalog.Account, error) {
	v, err := s.catalogView(ctx)
	if err != nil {
		return nil, err
	}
	account, err := v.Account(a)
	return &account, err
}

// CreateBucket makes an empty bucket that belongs to the key's account.
func (s *Store) CreateBucket(ctx context.Context, o BucketOptions) (*catalog.Bucket, error) {
	if err := s.hasRoom(); err != nil {
		return nil, err
	}
	b, err := s.makeBucket(ctx, o)
	if !o.ObjectLock || err != nil && !errors.Is(err, ErrBucketOwned) {
		return b, err
	}
	return s.lockNewBucket(ctx, o, b, err)
}

// lockNewBucket gives a bucket that was just made Object Lock. One that was there already gets it only if nobody has used it: its creation
// was interrupted here, and the client repeats it.
func (s *Store) lockNewBucket(ctx context.Context, o BucketOptions, b *catalog.Bucket, owned error) (*catalog.Bucket, error) {
	if owned != nil {
		var err error
		if b, err = s.Bucket(ctx, o.Name); err != nil {
			return nil, err
		}
		if access.Rights(o.Key, b)&catalog.Owner == 0 {
			return nil, owned
		}
	}
	r, err := s.propose(ctx, groupOf(b, ""), index.SetLockRule{Bucket: b.ID, Fresh: true})
	switch {
	case err != nil:
		return nil, err
	case owned != nil:
		return nil, owned
	default:
		return b, s.refuse(ctx, b, r.Code)
	}
}

func (s *Store) makeBucket(ctx context.Context, o BucketOptions) (*catalog.Bucket, error) {
	wanted := catalog.BucketOptions{Name: o.Name, Account: o.Key.Account, Key: o.Key.ID, Region: o.Region}
	b, existed, err := s.catalog.CreateBucket(ctx, wanted)
	if existed || errors.Is(err, catalog.ErrExists) {
		// The name may stand for a bucket whose deletion was interrupted after its index was sealed.
		freed, ferr := s.finishSealed(ctx, o.Name)
		if ferr != nil {
			return nil, ferr
		}
		if freed {
			b, existed, err = s.catalog.CreateBucket(ctx, wanted)
		}
	}
	switch {
	case existed:
		return nil, ErrBucketOwned
	case errors.Is(err, catalog.ErrExists):
		return nil, ErrBucketExists
	case err != nil:
		return nil, err
	}
	return &b, nil
}

// finishSealed finishes an interrupted deletion of the bucket, if that is what the name stands for.
func (s *Store) finishSealed(ctx context.Context, name string) (freed bool, err error) {
	b, err := s.Bucket(ctx, name)
	if errors.Is(err, ErrNoBucket) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	stats, err := s.Stats(ctx, b)
	if err != nil || !stats.Sealed {
		return false, err
	}
	return true, s.finishDelete(ctx, b)
}

// DeleteBucket deletes a bucket that holds no version; uploads in progress are dropped. The bucket's index decides and
// seals itself; then the name is given back. What is interrupted between the two is finished by whoever meets it next.
func (s *Store) DeleteBucket(ctx context.Context, b *catalog.Bucket) error {
	r, err := s.propose(ctx, groupOf(b, ""), index.SealBucket{Bucket: b.ID})
	if err != nil {
		return err
	}
	if r.Code != index.OK && r.Code != index.BucketSealed {
		return refusal(r.Code)
	}
	return s.finishDelete(ctx, b)
}

func (s *Store) finishDelete(ctx context.Context, b *catalog.Bucket) error {
	if err := s.catalog.FinishDelete(ctx, b.ID); err != nil {
		return fmt.Errorf("finish the deletion of bucket %s: %w", b.Name, err)
	}
	return nil
}

// BucketsOf lists the buckets that the key may see, by name: up to max of those after the given name that begin with prefix.
// A key sees the buckets of its account, or those of its scope, and the buckets of other accounts that gave it rights.
func (s *Store) BucketsOf(ctx context.Context, key *catalog.AccessKey, prefix, after string, max int) (buckets []*catalog.Bucket, more bool, err error) {
	v, err := s.catalogView(ctx)
	if err != nil {
		return nil, false, err
	}
	own, err := ownBuckets(v, key, prefix, after, max+1)
	if err != nil {
		return nil, false, err
	}
	granted, err := v.KeyBuckets(key.ID)
	if err != nil {
		return nil, false, err
	}
	buckets = mergeBuckets(own, granted, prefix, after)
	if len(buckets) > max {
		return buckets[:max], true, nil
	}
	return buckets, false, nil
}

// Stats are the exact counts of a bucket.
func (s *Store) Stats(ctx context.Context, b *catalog.Bucket) (index.BucketStats, error) {
	v, err := s.read(ctx, groupOf(b, ""))
	if err != nil {
		return index.BucketStats{}, err
	}
	defer v.close()
	return v.Stats(b.ID)
}

// bucketByID looks up a bucket by number. deleted tells that the number was given once and its bucket is gone for good.
func (s *Store) bucketByID(ctx context.Context, n id.Bucket) (b *catalog.Bucket, deleted bool, err error) {
	v, err := s.catalogView(ctx)
	if err != nil {
		return nil, false, err
	}
	b, err = v.Bucket(n)
	if !errors.Is(err, catalog.ErrNotFound) {
		return b, false, err
	}
	last, lerr := v.LastBucket()
	if lerr != nil {
		return nil, false, lerr
	}
	if n > 0 && n <= last {
		return nil, true, nil
	}
	return nil, false, fmt.Errorf("bucket %d was never made: %w", n, err)
}

// indexGroups lists the groups that hold objects.
func (s *Store) indexGroups(ctx context.Context) ([]id.Group, error) {
	v, err := s.catalogView(ctx)
	if err != nil {
		return nil, err
	}
	groups, err := v.Groups()
	if err != nil {
		return nil, err
	}
	var index []id.Group
	for _, g := range groups {
		if g.ID >= id.FirstIndexGroup {
			index = append(index, g.ID)
		}
	}
	return index, nil
}
