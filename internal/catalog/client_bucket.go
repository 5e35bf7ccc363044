package catalog

import (
	"context"

	"grange/internal/catalog/catalogpb"
	"grange/internal/id"
)

// BucketOptions say what a new bucket is.
type BucketOptions struct {
	Name    string
	Account id.Account
	// Key is the access key that asks, empty for an administrator. When it is narrowed, it is given all rights on the
	// bucket, since it could not use what it made. That the key may create buckets is for internal/access to decide.
	Key    string
	Region string
}

// CreateBucket makes a bucket. When the account has an active bucket of that name, existed is true (S3 calls it
// BucketAlreadyOwnedByYou) and it is given back, without its documents. It is ErrExists when the name is another
// account's (BucketAlreadyExists), and ErrInUse while the account's own bucket of that name is being deleted.
func (c *Client) CreateBucket(ctx context.Context, o BucketOptions) (b Bucket, existed bool, err error) {
	r, err := c.propose(ctx, &catalogpb.Command{Change: &catalogpb.Command_CreateBucket{
		CreateBucket: &catalogpb.CreateBucket{Name: o.Name, Account: o.Account[:], Key: o.Key, Region: o.Region},
	}})
	if err != nil {
		return Bucket{}, false, err
	}
	b, err = fromBucket(r.GetBucket())
	return b, r.GetExisted(), err
}

// Grant gives a key rights on a bucket, beside those that it has.
func (c *Client) Grant(ctx context.Context, b id.Bucket, keyID string, rights Rights) error {
	return c.do(ctx, &catalogpb.Command{Change: &catalogpb.Command_Grant{
		Grant: &catalogpb.Grant{Bucket: uint64(b), Key: keyID, Rights: uint32(rights)},
	}})
}

// Revoke takes rights on a bucket away from a key. A key of the bucket's own account that is not narrowed has its
// rights from the account, not from a grant: that is ErrInvalid.
func (c *Client) Revoke(ctx context.Context, b id.Bucket, keyID string, rights Rights) error {
	return c.do(ctx, &catalogpb.Command{Change: &catalogpb.Command_Revoke{
		Revoke: &catalogpb.Grant{Bucket: uint64(b), Key: keyID, Rights: uint32(rights)},
	}})
}

// DocumentChange sets, or deletes, a configuration document of a bucket.
type DocumentChange struct {
	Bucket  id.Bucket
	Name    string  // of the sub-resource: "policy"
	Content []byte  // nil: delete
	Expect  *Expect // nil: whatever is there
}

// Expect is what must be stored for a change to happen.
type Expect struct {
	SHA256 [32]byte
	None   bool // nothing must be stored
}

// SetDocument changes a configuration document and tells whether there was one. It is ErrConflict when Expect fails.
func (c *Client) SetDocument(ctx context.Context, d DocumentChange) (existed bool, err error) {
	m := &catalogpb.SetDocument{Bucket: uint64(d.Bucket), Name: d.Name, Content: d.Content}
	switch {
	case d.Expect != nil && d.Expect.None:
		m.Expected = []byte{}
	case d.Expect != nil:
		m.Expected = d.Expect.SHA256[:]
	}
	r, err := c.propose(ctx, &catalogpb.Command{Change: &catalogpb.Command_SetDocument{SetDocument: m}})
	return r.GetExisted(), err
}

// SetLimits sets the quota of a bucket.
func (c *Client) SetLimits(ctx context.Context, b id.Bucket, l Limits) error {
	return c.do(ctx, &catalogpb.Command{Change: &catalogpb.Command_SetLimits{
		SetLimits: &catalogpb.SetLimits{Bucket: uint64(b), Bytes: l.Bytes, Objects: l.Objects},
	}})
}

// BeginDelete takes a bucket out of use, so that its index groups can be asked to seal it.
func (c *Client) BeginDelete(ctx context.Context, b id.Bucket) error {
	return c.do(ctx, &catalogpb.Command{Change: &catalogpb.Command_BeginDelete{
		BeginDelete: &catalogpb.BeginDelete{Bucket: uint64(b)},
	}})
}

// CancelDelete takes a bucket into use again, after an index group found it not empty.
func (c *Client) CancelDelete(ctx context.Context, b id.Bucket) error {
	return c.do(ctx, &catalogpb.Command{Change: &catalogpb.Command_CancelDelete{
		CancelDelete: &catalogpb.CancelDelete{Bucket: uint64(b)},
	}})
}

// FinishDelete removes a bucket that all its index groups sealed; no other caller may. It may be repeated.
func (c *Client) FinishDelete(ctx context.Context, b id.Bucket) error {
	return c.do(ctx, &catalogpb.Command{Change: &catalogpb.Command_FinishDelete{
		FinishDelete: &catalogpb.FinishDelete{Bucket: uint64(b)},
	}})
}
