package s3

import (
	"context"

	"grange/internal/catalog"
	"grange/internal/id"
	"grange/internal/index"
	"grange/internal/store"
)

// Backend is what the S3 face needs of a *store.Store, whose comments say what each method promises.
type Backend interface {
	Bucket(ctx context.Context, name string) (*catalog.Bucket, error)
	BucketsOf(ctx context.Context, key *catalog.AccessKey, prefix, after string, max int) (buckets []*catalog.Bucket, more bool, err error)
	CreateBucket(ctx context.Context, o store.BucketOptions) (*catalog.Bucket, error)
	DeleteBucket(ctx context.Context, b *catalog.Bucket) error

	Rules(ctx context.Context, b *catalog.Bucket) (index.BucketRules, error)
	SetVersioning(ctx context.Context, b *catalog.Bucket, mode index.Versioning) error
	SetObjectLock(ctx context.Context, b *catalog.Bucket, rule index.LockRule) error
	SetDocument(ctx context.Context, b *catalog.Bucket, name string, content []byte) error

	AccessKey(ctx context.Context, accessKeyID string) (*catalog.AccessKey, error)
	Account(ctx context.Context, account id.Account) (*catalog.Account, error)

	Head(ctx context.Context, b *catalog.Bucket, key string, version *id.Version) (*store.Object, error)
	PutObject(ctx context.Context, b *catalog.Bucket, o store.PutOptions) (index.Version, error)
	CopyObject(ctx context.Context, dst *catalog.Bucket, o store.CopyOptions) (index.Version, error)
	DeleteObject(ctx context.Context, b *catalog.Bucket, o store.DeleteOptions) (store.DeleteResult, error)
	DeleteObjects(ctx context.Context, b *catalog.Bucket, o []store.DeleteOptions) ([]store.DeleteResult, error)

	SetTags(ctx context.Context, b *catalog.Bucket, key string, version *id.Version, tags []index.Tag) (index.Version, error)
	SetRetention(ctx context.Context, b *catalog.Bucket, o store.RetentionOptions) (index.Version, error)
	SetLegalHold(ctx context.Context, b *catalog.Bucket, key string, version *id.Version, on bool) (index.Version, error)

	CreateUpload(ctx context.Context, b *catalog.Bucket, o store.UploadOptions) (index.Upload, error)
	Upload(ctx context.Context, b *catalog.Bucket, key string, upload id.Upload) (index.Upload, error)
	PutPart(ctx context.Context, b *catalog.Bucket, o store.PartOptions) (index.Part, error)
	CopyPart(ctx context.Context, b *catalog.Bucket, o store.PartCopyOptions) (index.Part, error)
	CompleteUpload(ctx context.Context, b *catalog.Bucket, o store.CompleteOptions) (index.Version, error)
	AbortUpload(ctx context.Context, b *catalog.Bucket, key string, upload id.Upload) error

	List(ctx context.Context, b *catalog.Bucket, o store.ListOptions) (index.ListPage, error)
	ListVersions(ctx context.Context, b *catalog.Bucket, q index.VersionsQuery) (index.VersionsPage, error)
	Uploads(ctx context.Context, b *catalog.Bucket, q index.UploadsQuery) (index.UploadsPage, error)
	Parts(ctx context.Context, b *catalog.Bucket, key string, upload id.Upload, after, max int) (index.PartsPage, error)
}
