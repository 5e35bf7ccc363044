package store

import (
	"errors"
	"io"
	"time"

	"grange/internal/catalog"
	"grange/internal/checksum"
	"grange/internal/id"
	"grange/internal/index"
)

var (
	// ErrNoBucket reports that the bucket does not exist.
	ErrNoBucket = errors.New("store: bucket not found")
	// ErrBucketExists reports that the name is taken by another account's bucket.
	ErrBucketExists = errors.New("store: bucket name is taken")
	// ErrBucketOwned reports that the account has a bucket of that name already.
	ErrBucketOwned = errors.New("store: bucket exists and is yours")
	// ErrNotEmpty reports that the bucket still holds versions.
	ErrNotEmpty = errors.New("store: bucket not empty")
	// ErrNoObject reports that the object, or the version asked for, does not exist.
	ErrNoObject = errors.New("store: object not found")
	// ErrDeleteMarker reports that the version asked for is a delete marker.
	ErrDeleteMarker = errors.New("store: version is a delete marker")
	// ErrLocked reports that a retention or a legal hold keeps the version.
	ErrLocked = errors.New("store: version is locked")
	// ErrNoObjectLock reports that the bucket has no Object Lock.
	ErrNoObjectLock = errors.New("store: bucket has no object lock")
	// ErrBucketState reports that the bucket's versioning or Object Lock does not allow the change.
	ErrBucketState = errors.New("store: not with the bucket's versioning or object lock")
	// ErrPrecondition reports that a condition of a write did not hold. Nothing was changed.
	ErrPrecondition = errors.New("store: precondition failed")
	// ErrNoUpload reports that the multipart upload is not in progress.
	ErrNoUpload = errors.New("store: upload not found")
	// ErrInvalidPart reports that a part named to complete an upload is missing or has another ETag or checksum.
	ErrInvalidPart = errors.New("store: invalid part")
	// ErrPartOrder reports that the parts named to complete an upload are not in ascending order.
	ErrPartOrder = errors.New("store: parts not in order")
	// ErrPartTooSmall reports that a part other than the last is below PartSizeMin; see PartTooSmallError.
	ErrPartTooSmall = errors.New("store: part too small")
	// ErrTooLarge reports that the content is longer than allowed.
	ErrTooLarge = errors.New("store: content too large")
	// ErrBadRange reports a range outside of the object.
	ErrBadRange = errors.New("store: range not satisfiable")
	// ErrSizeMismatch reports that the body did not have the promised length.
	ErrSizeMismatch = errors.New("store: body length differs from the announced length")
	// ErrChecksum reports that the checksum that the client announced for a multipart object is not that of its parts.
	ErrChecksum = errors.New("store: checksum of the object differs")
	// ErrQuota reports that the write would pass the bucket's quota.
	ErrQuota = errors.New("store: quota exceeded")
	// ErrNoSpace reports that the disks keep their last room for deletes and metadata.
	ErrNoSpace = errors.New("store: no space left for content")
	// ErrUnavailable reports that the store could not answer in time; the client may retry.
	ErrUnavailable = errors.New("store: unavailable")
	// ErrCorrupt reports that no good copy of the content was found.
	ErrCorrupt = errors.New("store: content is corrupt")
)

// Limits of S3 ("Amazon S3 multipart upload limits"), in bytes.
const (
	// ObjectSizeMax is the largest content of one object.
	ObjectSizeMax = 50 << 40
	// PutSizeMax is the largest content of one PutObject, CopyObject, UploadPart or UploadPartCopy.
	PutSizeMax = 5 << 30
	// PartSizeMin is the least content of every part but the last.
	PartSizeMin = 5 << 20
)

// PartTooSmallError is an ErrPartTooSmall with what S3 tells about it.
type PartTooSmallError struct {
	Number int
	Size   int64
	ETag   string
}

// Object is a version with what is known about it, and the way to its content.
type Object struct {
	index.Version
	content *content
}

// PutOptions describe a PutObject.
type PutOptions struct {
	Key  string
	Meta index.Meta
	Lock index.Lock // the zero Lock: what the bucket's rule says
	// Body is read to its end. An error from it ends the put, and nothing is stored.
	Body io.Reader
	// Size is the length of the body in bytes. A body that is shorter or longer is ErrSizeMismatch. -1: not known.
	Size int64
	// Sums are the algorithms to compute besides MD5.
	Sums checksum.Set
	// Verify, if set, is called with the hasher that has seen the whole body before anything becomes visible; its error ends the put.
	// It returns the checksum to store with the object; the zero value stores none.
	Verify func(*checksum.Hasher) (checksum.Value, error)
	// Condition is decided in the same step that commits.
	Condition index.Condition
}

// DeleteOptions describe a DeleteObject.
type DeleteOptions struct {
	Key       string
	VersionID *id.Version // nil: the object, not one version of it
	Condition index.Condition
	Owner     id.Account // of a delete marker
	// Bypass removes a version in spite of a retention in Governance mode. Whether the client may do so is for the face to ask.
	Bypass bool
}

// DeleteResult is the answer to one deletion.
type DeleteResult struct {
	Key string
	// VersionID of the version that was asked for, or of the marker that was made; else nil.
	VersionID    *id.Version
	DeleteMarker bool // a delete marker was made or removed
	Err          error
}

// CopyOptions describe a CopyObject. The blocks of a copy within a bucket are not copied.
type CopyOptions struct {
	Source       *Object
	SourceBucket *catalog.Bucket
	Key          string
	Meta         index.Meta // of the copy
	Lock         index.Lock // of the copy, as in PutOptions: the source's is not copied
	// Sums: if an algorithm is named that the source does not have as a full-object checksum, the content is read to compute it.
	Sum       checksum.Algorithm
	Condition index.Condition
}

// UploadOptions describe a CreateMultipartUpload.
type UploadOptions struct {
	Key       string
	Meta      index.Meta
	Lock      index.Lock // as in PutOptions
	Initiator id.Account
}

// PartOptions describe an UploadPart.
type PartOptions struct {
	Key    string
	Upload id.Upload
	Number int
	Body   io.Reader
	Size   int64 // as in PutOptions
	// Sums and Verify are as in PutOptions, but what Verify returns is not stored: a part keeps the checksum that its upload was created with.
	Sums   checksum.Set
	Verify func(*checksum.Hasher) (checksum.Value, error)
}

// PartCopyOptions describe an UploadPartCopy.
type PartCopyOptions struct {
	Key          string
	Upload       id.Upload
	Number       int
	Source       *Object
	SourceBucket *catalog.Bucket
	Offset       int64
	Length       int64
}

// CompletePart names a part as the client knows it.
type CompletePart struct {
	Number   int
	ETag     string         // without quotes
	Checksum checksum.Value // the zero value is not compared
}

// CompleteOptions describe a CompleteMultipartUpload.
type CompleteOptions struct {
	Key    string
	Upload id.Upload
	Parts  []CompletePart
	// Checksum of the whole object as the client computed it; the zero value is not compared.
	Checksum checksum.Value
	// Size of the whole object as the client knows it (x-amz-mp-object-size); -1: not known.
	Size      int64
	Condition index.Condition
}

// ListOptions describe a listing of current objects; see index.ListQuery for the rules.
type ListOptions struct {
	Prefix    string
	Delimiter string
	After     string // exclusive
	Max       int
}

// BucketOptions describe a CreateBucket.
type BucketOptions struct {
	Name   string
	Key    *catalog.AccessKey // who asks; the bucket belongs to its account
	Region string
	// ObjectLock makes it a bucket with Object Lock, and so with versioning.
	ObjectLock bool
}

// RetentionOptions describe a PutObjectRetention.
type RetentionOptions struct {
	Key       string
	VersionID *id.Version // nil: the object's version
	Mode      index.LockMode
	Until     time.Time // zero exactly with index.NoRetention
	Bypass    bool      // as in DeleteOptions
}

// Summary is a bucket with its counts.
type Summary struct {
	Bucket *catalog.Bucket
	Stats  index.BucketStats
}

// Clock is what the store tells people of the time; no decision depends on it.
type Clock func() time.Time
