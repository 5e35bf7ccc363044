package catalog

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"grange/internal/catalog/catalogpb"
	"grange/internal/id"
)

func (t *tx) createBucket(c *catalogpb.CreateBucket) (*catalogpb.Result, error) {
	a, err := t.accountOf(c.GetAccount())
	if err != nil {
		return nil, err
	}
	var k *AccessKey
	if c.GetKey() != "" {
		asking, err := t.accessKey(c.GetKey())
		if err != nil {
			return nil, err
		}
		if asking.Account != a.ID {
			return nil, refuse(ErrInvalid, "key %q acts for another account than %q", asking.ID, a.Name)
		}
		k = &asking
	}
	b, existed, err := t.newBucket(c.GetName(), c.GetRegion(), a.ID)
	if err != nil {
		return nil, err
	}
	if !existed && k != nil && k.Narrowed {
		if err := t.addToScope(k, Grant{Bucket: b.ID, Rights: AllRights}); err != nil {
			return nil, err
		}
		t.set(t.keyKey(k.ID), toAccessKey(*k))
	}
	return &catalogpb.Result{Existed: existed, Bucket: toBucket(b)}, nil
}

// newBucket sets the records of a bucket, or finds the account's own bucket of that name.
func (t *tx) newBucket(name, region string, account id.Account) (b Bucket, existed bool, err error) {
	if err := ValidBucketName(name); err != nil {
		return b, false, err
	}
	if err := validText("region", region); err != nil {
		return b, false, err
	}
	old, err := t.bucketByName(name)
	if exists, err := found(err); err != nil {
		return b, false, err
	} else if exists {
		return old, true, ownAndActive(old, account)
	}
	last, err := t.counter(t.counterKey(counterBucket))
	if err != nil {
		return b, false, err
	}
	group, err := t.takeLoad()
	if err != nil {
		return b, false, err
	}
	b = Bucket{
		ID: id.Bucket(last + 1), Name: name, Account: account, Created: t.now, Region: region,
		Ranges: []KeyRange{{Group: group}},
	}
	ref := &catalogpb.Reference{Version: recordVersion, Bucket: uint64(b.ID)}
	t.setCounter(t.counterKey(counterBucket), uint64(b.ID))
	t.set(t.bucketKey(b.ID), toBucket(b))
	t.set(t.bucketNameKey(name), ref)
	t.set(t.accountBucketKey(account, name), ref)
	return b, false, nil
}

func ownAndActive(b Bucket, account id.Account) error {
	if b.Account != account {
		return refuse(ErrExists, "bucket %q", b.Name)
	}
	return active(b)
}

func active(b Bucket) error {
	if b.State != BucketActive {
		return refuse(ErrInUse, "bucket %q is being deleted", b.Name)
	}
	return nil
}

func (t *tx) activeBucket(number uint64) (Bucket, error) {
	b, err := t.bucket(id.Bucket(number))
	if err != nil {
		return b, err
	}
	return b, active(b)
}

// addToScope gives a narrowed key rights on one more bucket of its account.
func (t *tx) addToScope(k *AccessKey, g Grant) error {
	if i := slices.IndexFunc(k.Scope, func(have Grant) bool { return have.Bucket == g.Bucket }); i >= 0 {
		k.Scope[i].Rights |= g.Rights
		return nil
	}
	merged, err := mergeScope(append(slices.Clone(k.Scope), g))
	if err != nil {
		return err
	}
	k.Scope = merged
	return t.markScope(g.Bucket, k.ID)
}

// granted finds what a Grant or Revoke is about.
func (t *tx) granted(c *catalogpb.Grant) (b Bucket, k AccessKey, err error) {
	if err := validRights(Rights(c.GetRights())); err != nil {
		return b, k, err
	}
	if b, err = t.activeBucket(c.GetBucket()); err != nil {
		return b, k, err
	}
	k, err = t.accessKey(c.GetKey())
	return b, k, err
}

// grant gives a key rights on a bucket: in the bucket's grants when the key acts for another account, else in the
// key's scope. A key that is not narrowed has all rights on its account's buckets already.
func (t *tx) grant(c *catalogpb.Grant) (*catalogpb.Result, error) {
	b, k, err := t.granted(c)
	if err != nil {
		return nil, err
	}
	rights := Rights(c.GetRights())
	if b.Account == k.Account {
		if !k.Narrowed {
			return &catalogpb.Result{Existed: true}, nil
		}
		if err := t.addToScope(&k, Grant{Bucket: b.ID, Rights: rights}); err != nil {
			return nil, err
		}
		t.set(t.keyKey(k.ID), toAccessKey(k))
		return done()
	}
	i, ok := slices.BinarySearchFunc(b.Grants, k.ID, byKeyID)
	if ok {
		b.Grants[i].Rights |= rights
	} else {
		if len(b.Grants) >= GrantsMax {
			return nil, refuse(ErrLimit, "%d grants on bucket %q", GrantsMax, b.Name)
		}
		if err := t.room(t.keyGrantPrefix(k.ID), GrantsMax, "buckets of other accounts are granted to the key"); err != nil {
			return nil, err
		}
		b.Grants = slices.Insert(b.Grants, i, KeyGrant{AccessKeyID: k.ID, Rights: rights})
		t.mark(t.keyGrantKey(k.ID, b.ID))
	}
	t.set(t.bucketKey(b.ID), toBucket(b))
	return done()
}

func byKeyID(g KeyGrant, keyID string) int { return cmp.Compare(g.AccessKeyID, keyID) }

// revoke takes rights on a bucket away from a key. What the key does not have is no error.
func (t *tx) revoke(c *catalogpb.Grant) (*catalogpb.Result, error) {
	b, k, err := t.granted(c)
	if err != nil {
		return nil, err
	}
	rights := Rights(c.GetRights())
	if b.Account == k.Account {
		if !k.Narrowed {
			return nil, refuse(ErrInvalid, "key %q acts for the account of bucket %q and is not narrowed: give it a scope instead", k.ID, b.Name)
		}
		t.revokeScope(&k, b.ID, rights)
		return done()
	}
	i, ok := slices.BinarySearchFunc(b.Grants, k.ID, byKeyID)
	if !ok {
		return &catalogpb.Result{Existed: true}, nil
	}
	if b.Grants[i].Rights &^= rights; b.Grants[i].Rights == 0 {
		b.Grants = slices.Delete(b.Grants, i, i+1)
		t.delete(t.keyGrantKey(k.ID, b.ID))
	}
	t.set(t.bucketKey(b.ID), toBucket(b))
	return done()
}

func (t *tx) revokeScope(k *AccessKey, b id.Bucket, rights Rights) {
	i := slices.IndexFunc(k.Scope, func(g Grant) bool { return g.Bucket == b })
	if i < 0 {
		return
	}
	if k.Scope[i].Rights &^= rights; k.Scope[i].Rights == 0 {
		k.Scope = slices.Delete(k.Scope, i, i+1)
		t.delete(t.bucketScopeKey(b, k.ID))
	}
	t.set(t.keyKey(k.ID), toAccessKey(*k))
}

func (t *tx) setDocument(c *catalogpb.SetDocument) (*catalogpb.Result, error) {
	b, err := t.activeBucket(c.GetBucket())
	if err != nil {
		return nil, err
	}
	if err := validName("document", c.GetName()); err != nil {
		return nil, err
	}
	if len(c.GetContent()) > DocumentMax {
		return nil, refuse(ErrLimit, "document %q of %d bytes: at most %d", c.GetName(), len(c.GetContent()), DocumentMax)
	}
	var old catalogpb.Document
	key := t.documentKey(b.ID, c.GetName())
	exists, err := t.get(key, &old)
	if err != nil {
		return nil, err
	}
	if c.Expected != nil && string(c.GetExpected()) != documentSum(exists, old.GetContent()) {
		return nil, refuse(ErrConflict, "document %q of bucket %q", c.GetName(), b.Name)
	}
	if c.Content == nil {
		t.delete(key)
		return &catalogpb.Result{Existed: exists}, nil
	}
	if !exists {
		if err := t.room(t.key(tableDocuments, number(uint64(b.ID))), DocumentsMax, "documents of the bucket"); err != nil {
			return nil, err
		}
	}
	t.set(key, &catalogpb.Document{Version: recordVersion, Content: c.GetContent()})
	return &catalogpb.Result{Existed: exists}, nil
}

// documentSum is what SetDocument compares: nothing for no document, which no sum equals.
func documentSum(exists bool, content []byte) string {
	if !exists {
		return ""
	}
	sum := sha256.Sum256(content)
	return string(sum[:])
}

func (t *tx) setLimits(c *catalogpb.SetLimits) (*catalogpb.Result, error) {
	b, err := t.activeBucket(c.GetBucket())
	if err != nil {
		return nil, err
	}
	if c.GetBytes() < 0 || c.GetObjects() < 0 {
		return nil, refuse(ErrInvalid, "limits %d bytes, %d objects: must not be negative", c.GetBytes(), c.GetObjects())
	}
	b.Limits = Limits{Bytes: c.GetBytes(), Objects: c.GetObjects()}
	t.set(t.bucketKey(b.ID), toBucket(b))
	return done()
}

func (t *tx) beginDelete(c *catalogpb.BeginDelete) (*catalogpb.Result, error) {
	b, err := t.bucket(id.Bucket(c.GetBucket()))
	if err != nil {
		return nil, err
	}
	if b.State == BucketDeleting {
		return &catalogpb.Result{Existed: true}, nil
	}
	b.State = BucketDeleting
	t.set(t.bucketKey(b.ID), toBucket(b))
	t.mark(t.deletingKey(b.ID))
	return done()
}

func (t *tx) cancelDelete(c *catalogpb.CancelDelete) (*catalogpb.Result, error) {
	b, err := t.bucket(id.Bucket(c.GetBucket()))
	if err != nil {
		return nil, err
	}
	if b.State == BucketActive {
		return &catalogpb.Result{Existed: true}, nil
	}
	b.State = BucketActive
	t.set(t.bucketKey(b.ID), toBucket(b))
	t.delete(t.deletingKey(b.ID))
	return done()
}

// finishDelete removes a bucket that its index groups sealed, whatever state a delayed CancelDelete left it in.
// A bucket that is gone already is no error; a number that was never given is.
func (t *tx) finishDelete(c *catalogpb.FinishDelete) (*catalogpb.Result, error) {
	b, err := t.bucket(id.Bucket(c.GetBucket()))
	if errors.Is(err, ErrNotFound) {
		last, counterErr := t.counter(t.counterKey(counterBucket))
		if counterErr != nil {
			return nil, counterErr
		}
		if c.GetBucket() > 0 && c.GetBucket() <= last {
			return &catalogpb.Result{Existed: true}, nil
		}
	}
	if err != nil {
		return nil, err
	}
	t.delete(t.bucketKey(b.ID))
	t.delete(t.bucketNameKey(b.Name))
	t.delete(t.accountBucketKey(b.Account, b.Name))
	t.delete(t.deletingKey(b.ID))
	t.deletePrefix(t.key(tableDocuments, number(uint64(b.ID))))
	for _, g := range b.Grants {
		t.delete(t.keyGrantKey(g.AccessKeyID, b.ID))
	}
	if err := t.dropLoad(b); err != nil {
		return nil, err
	}
	return &catalogpb.Result{}, t.dropScopes(b.ID)
}

// dropScopes takes a bucket out of the scopes that name it. The keys stay narrowed.
func (t *tx) dropScopes(b id.Bucket) error {
	prefix := t.key(tableBucketScopes, number(uint64(b)))
	keys, err := t.names(prefix, GrantsMax)
	if err != nil {
		return err
	}
	for _, keyID := range keys {
		k, err := t.accessKey(keyID)
		if err != nil {
			return fmt.Errorf("scope of bucket %d: %w", b, err)
		}
		k.Scope = slices.DeleteFunc(k.Scope, func(g Grant) bool { return g.Bucket == b })
		t.set(t.keyKey(keyID), toAccessKey(k))
	}
	t.deletePrefix(prefix)
	return nil
}
