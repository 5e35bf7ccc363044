package index

import (
	"errors"
	"fmt"
	"time"

	"grange/internal/block"
	"grange/internal/checksum"
	"grange/internal/id"
)

// Limits of what a bucket's index stores.
const (
	// InlineMax is the largest content, in bytes, that is stored in the index itself instead of in blocks.
	InlineMax = 16 << 10
	// KeyMax is the longest object key, in bytes of UTF-8 (S3: "Creating object key names").
	KeyMax = 1024
	// PartNumberMax is the highest part number (S3: "Multipart upload limits").
	PartNumberMax = 10000
	// ReleaseMax is the most references that one Release drops, whatever it asks for.
	ReleaseMax = 10_000
)

var (
	// ErrNotFound reports that no live version of the object exists, or not the version asked for.
	ErrNotFound = errors.New("index: object not found")
	// ErrDeleteMarker reports that the version asked for is a delete marker: it has no content.
	ErrDeleteMarker = errors.New("index: version is a delete marker")
	// ErrNoUpload reports that the upload never was, was aborted, or was completed.
	ErrNoUpload = errors.New("index: upload not found")
	// ErrCorrupt reports a stored record that cannot be read, or that contradicts another.
	ErrCorrupt = errors.New("index: corrupt record")
	// ErrFormat reports a record or command that a newer program wrote: this one must be upgraded.
	ErrFormat = errors.New("index: format of a newer version")
)

// Versioning is how a bucket treats a write to a key that has a version already.
type Versioning uint8

const (
	// Unversioned replaces the only version.
	Unversioned Versioning = iota
	// Enabled keeps every version.
	Enabled
	// Suspended writes and replaces the null version and keeps the others.
	Suspended
)

// Meta is what a client says about an object when it writes it.
type Meta struct {
	// Headers are the content headers that are given back on reads, by lower-case name: content-type,
	// content-encoding, cache-control, content-disposition, content-language, expires, x-amz-website-redirect-location.
	Headers map[string]string
	// User is the user metadata, by lower-case name without "x-amz-meta-".
	User map[string]string
	// StorageClass is kept and shown; it changes nothing. Empty is STANDARD.
	StorageClass string
	// Owner is the account that owns the object.
	Owner id.Account
	// Tags are the object's tags.
	Tags []Tag
	// ChecksumAlgorithm and ChecksumType are what a multipart upload was created with; the zero values mean none was named.
	ChecksumAlgorithm checksum.Algorithm
	ChecksumType      checksum.Type
}

// Tag is one tag of an object.
type Tag struct{ Key, Value string }

// Version is one version of an object, or a delete marker.
type Version struct {
	Bucket       id.Bucket
	Key          string
	Seq          uint64     // place in the order of the bucket's writes
	ID           id.Version // the zero id is "null"
	DeleteMarker bool
	Latest       bool // no later version of the key exists
	Size         int64
	ETag         string         // without quotes; "…-N" after a multipart upload
	Modified     time.Time      // for people, in milliseconds: order is Seq
	Checksum     checksum.Value // the zero value means none
	Parts        int            // number of parts of a multipart object, else 0
	Upload       id.Upload      // the multipart upload that made the version, else zero
	Lock         Lock
	Versioned    bool // the bucket's versioning was ever set, so that clients are shown the id, also when it is "null"
	Meta         Meta
}

// Extent is a run of bytes within a block.
type Extent struct {
	Hash   id.Hash
	Size   uint32 // content of the whole block, in bytes
	Offset uint32 // first byte used
	Length uint32 // bytes used
}

// Payload is the content of a version or of a part: either inline, or extents, or parts (in order).
type Payload struct {
	Inline  []byte
	Extents []Extent
	Parts   []PartRef
}

// PartRef names a part that a completed object consists of.
type PartRef struct {
	Number   int
	Seq      uint64 // which upload of that number
	Size     int64
	Offset   int64 // of the part's first byte in the object
	ETag     string
	Checksum checksum.Value
}

// Upload is a multipart upload in progress.
type Upload struct {
	Bucket    id.Bucket
	Key       string
	ID        id.Upload
	Initiated time.Time
	Initiator id.Account
	Lock      Lock // that the version will have
	Meta      Meta
}

// Part is an uploaded part.
type Part struct {
	Number   int
	Seq      uint64
	Size     int64
	ETag     string
	Modified time.Time
	Checksum checksum.Value
}

// BucketStats are exact: they change in the same step as the objects.
type BucketStats struct {
	Objects     int64 // keys whose latest version is not a delete marker
	Versions    int64 // all versions, delete markers included
	Bytes       int64 // content of all versions
	Uploads     int64 // multipart uploads in progress
	UploadBytes int64 // content of their parts
	Sealed      bool  // the bucket was deleted
}

// Code is the answer of a command.
type Code uint8

const (
	// OK: the command did what it says.
	OK Code = iota
	// PreconditionFailed: a condition did not hold (S3: 412).
	PreconditionFailed
	// NotFound: If-Match named an object that does not exist (S3: 404), or the version does not exist.
	NotFound
	// NoSuchUpload: the upload is not in progress.
	NoSuchUpload
	// PartsChanged: a part that Complete names was replaced meanwhile: read the parts again and retry.
	PartsChanged
	// SourceChanged: the blocks that a copy names are no longer referenced: read the source again and retry.
	SourceChanged
	// EpochTooOld: a block was doomed after the writer's epoch: put the blocks in Missing again with the newer epoch and retry.
	EpochTooOld
	// BucketSealed: the bucket was deleted.
	BucketSealed
	// NotEmpty: the bucket still holds versions.
	NotEmpty
	// QuotaExceeded: the write would pass the bucket's limit.
	QuotaExceeded
	// Locked: a retention or a legal hold keeps the version (S3: AccessDenied).
	Locked
	// NoObjectLock: the bucket has no Object Lock, and the command is about it.
	NoObjectLock
	// StateConflict: the bucket's versioning or Object Lock does not allow the change (S3: InvalidBucketState).
	StateConflict
	// IsDeleteMarker: the version is a delete marker, of which nothing can be said (S3: MethodNotAllowed).
	IsDeleteMarker
	// Invalid: the command contradicts itself or passes a limit of this package: our bug in the caller, never the client's.
	Invalid
)

var codeNames = [...]string{
	OK: "ok", PreconditionFailed: "precondition failed", NotFound: "not found", NoSuchUpload: "no such upload",
	PartsChanged: "parts changed", SourceChanged: "source changed", EpochTooOld: "epoch too old", BucketSealed: "bucket sealed",
	NotEmpty: "not empty", QuotaExceeded: "quota exceeded", Locked: "locked",
	NoObjectLock: "no object lock", StateConflict: "state conflict", IsDeleteMarker: "is a delete marker", Invalid: "invalid",
}

// String is the name that logs and tests show.
func (c Code) String() string {
	if int(c) < len(codeNames) {
		return codeNames[c]
	}
	return fmt.Sprintf("code %d", uint8(c))
}

// Result is what a command returns. Its versions come without Bucket, Key, Lock and Meta: the caller has them, and results are
// remembered for a while to answer retries.
type Result struct {
	Code    Code
	Version Version         // what was written; for Delete the marker or the version that was removed, zero when there was none
	Part    Part            // for PutPart
	Epoch   block.Epoch     // the group's epoch now
	Missing []id.Hash       // for EpochTooOld
	Doomed  []block.Address // for Doom: those that no record names and that are to be deleted from the disks
	Results []Result        // for a command of several steps, one each
}

// Condition must hold at the moment when the command is applied. ETags are without quotes; "*" stands for any object.
// With several lists all must hold (RFC 9110 §13).
type Condition struct {
	IfMatch     []string
	IfNoneMatch []string
}

// Limits of a bucket; zero means none.
type Limits struct {
	Bytes   int64
	Objects int64
}

// Command is a change of one bucket. Each is applied as a whole or not at all.
type Command interface{ command() }

// Put writes a version.
type Put struct {
	Version   Version // Seq, ID, Latest and Versioned are given by the group; Lock is completed by the bucket's rule
	Payload   Payload
	Random    [8]byte // for the version id
	Condition Condition
	Epoch     block.Epoch // read before the first block was stored
	// Copied says that the extents were taken from a stored object and not put anew: each must still be referenced, else SourceChanged.
	Copied bool
	Limits Limits
}

// Delete removes the object (VersionID nil: which leaves a delete marker where the bucket's versioning says so) or one version for good,
// unless it is locked.
type Delete struct {
	Bucket    id.Bucket
	Key       string
	VersionID *id.Version
	Condition Condition
	Modified  time.Time // of the delete marker
	Random    [8]byte
	Owner     id.Account
	// Now is what retentions are held against, see DESIGN.md; zero: all are in force. Bypass passes over those of Governance.
	Now    time.Time
	Bypass bool
}

// DeleteMany removes many keys of one bucket; each answers for itself in Result.Results.
type DeleteMany struct {
	Bucket  id.Bucket
	Deletes []Delete
}

// CreateUpload begins a multipart upload.
type CreateUpload struct{ Upload Upload }

// PutPart stores a part; one of the same number is replaced.
type PutPart struct {
	Bucket  id.Bucket
	Key     string
	Upload  id.Upload
	Part    Part // Seq is given by the group
	Payload Payload
	Epoch   block.Epoch
	Copied  bool
}

// CompleteUpload turns parts into a version. Version.Size, ETag, Checksum and Parts were computed from the parts, which must
// still be the same: a PartRef names a part by Number and Seq. Version.Meta and Lock and the offsets and checksums of the parts are taken
// from what is stored. A repeated Complete of the upload that made the key's latest version answers OK with that version.
type CompleteUpload struct {
	Upload    id.Upload
	Version   Version
	Parts     []PartRef
	Random    [8]byte
	Condition Condition
	Limits    Limits
}

// AbortUpload drops an upload and its parts.
type AbortUpload struct {
	Bucket id.Bucket
	Key    string
	Upload id.Upload
}

// SetVersioning changes the versioning of a bucket, to Enabled or Suspended. It holds for every command after it.
type SetVersioning struct {
	Bucket id.Bucket
	Mode   Versioning
}

// SetLockRule gives a bucket Object Lock, or changes its default retention. Rule.Enabled is set by it. The bucket's versioning must be Enabled,
// unless Fresh: then the bucket must never have been written or configured, and becomes versioned in the same step.
type SetLockRule struct {
	Bucket id.Bucket
	Rule   LockRule
	Fresh  bool
}

// SetTags replaces the tags of the object (VersionID nil) or of one version.
type SetTags struct {
	Bucket    id.Bucket
	Key       string
	VersionID *id.Version
	Tags      []Tag
}

// SetRetention replaces the retention of the object or of one version. With NoRetention and the zero time it is taken away.
// Now and Bypass are as in Delete.
type SetRetention struct {
	Bucket    id.Bucket
	Key       string
	VersionID *id.Version
	Mode      LockMode
	Until     time.Time
	Now       time.Time
	Bypass    bool
}

// SetHold puts the object or one version under legal hold, or takes it off.
type SetHold struct {
	Bucket    id.Bucket
	Key       string
	VersionID *id.Version
	On        bool
}

// SealBucket ends a bucket that holds no version; its uploads are dropped. A sealed bucket stays sealed.
type SealBucket struct{ Bucket id.Bucket }

// Release works off the queue of payloads that no record names any more: at most Max block references are dropped. It is proposed by a worker.
type Release struct {
	Max  int
	Time time.Time // when it was proposed: shown with the blocks that become garbage
}

// Doom advances the group's epoch and decides that those of the blocks which no record names are to be deleted from the disks.
// Result.Doomed holds the ones that were doomed; the others are named by a record.
type Doom struct {
	Blocks []block.Address
	// KeepEpochs is how many epochs dooms are remembered after their blocks were deleted; commands of older writers are refused.
	KeepEpochs uint64
}

// Buried says that all copies of those of the blocks that were doomed at or below Epoch were deleted.
type Buried struct {
	Blocks []block.Address
	Epoch  block.Epoch
}

func (Put) command()            {}
func (Delete) command()         {}
func (DeleteMany) command()     {}
func (CreateUpload) command()   {}
func (PutPart) command()        {}
func (CompleteUpload) command() {}
func (AbortUpload) command()    {}
func (SetVersioning) command()  {}
func (SetLockRule) command()    {}
func (SetTags) command()        {}
func (SetRetention) command()   {}
func (SetHold) command()        {}
func (SealBucket) command()     {}
func (Release) command()        {}
func (Doom) command()           {}
func (Buried) command()         {}
