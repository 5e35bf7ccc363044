package catalog

import (
	"errors"
	"time"

	"grange/internal/id"
)

var (
	// ErrNotFound reports that the bucket, account, key or node does not exist.
	ErrNotFound = errors.New("catalog: not found")
	// ErrExists reports that the name is taken.
	ErrExists = errors.New("catalog: name is taken")
	// ErrInUse reports that the thing is still needed by others, named in the message.
	ErrInUse = errors.New("catalog: still in use")
	// ErrInvalid reports a value that is not allowed; the message says which and what would be.
	ErrInvalid = errors.New("catalog: invalid")
	// ErrLimit reports that there is no room for one more; the message says of what.
	ErrLimit = errors.New("catalog: limit reached")
	// ErrConflict reports that the thing changed since it was read: read it again and retry.
	ErrConflict = errors.New("catalog: changed meanwhile")
	// ErrCorrupt reports a stored record or a command that cannot be read.
	ErrCorrupt = errors.New("catalog: corrupt record")
	// ErrNewer reports a record or a command of a newer program: this one must be upgraded.
	ErrNewer = errors.New("catalog: written by a newer program")
)

// Account owns buckets. Keys act for an account.
type Account struct {
	ID          id.Account // the canonical id that S3 shows
	Name        string     // unique; S3's DisplayName
	Created     time.Time
	Description string
}

// AccessKey lets a program act for an account.
type AccessKey struct {
	ID            string // as clients send it; any text of 3 to 128 printable characters without '/' or spaces
	Secret        string
	Name          string
	Account       id.Account
	Created       time.Time
	Expires       time.Time // zero: never
	Disabled      bool
	CreateBuckets bool // may create buckets
	// Narrowed keys have of their account's buckets only those in Scope, which may be none; other keys have them all.
	// A key with a Scope is always narrowed, and deleting the last bucket of a Scope does not widen the key.
	Narrowed bool
	// Scope lists the buckets of a narrowed key, in the order of their ids.
	Scope []Grant
}

// Rights are what a key may do with a bucket; they add up.
type Rights uint8

const (
	// Read allows reading and listing.
	Read Rights = 1 << iota
	// Write allows writing and deleting objects.
	Write
	// Owner allows changing and deleting the bucket and its configuration.
	Owner

	// AllRights is what an account has on its own buckets.
	AllRights = Read | Write | Owner
)

// Grant gives rights on one bucket.
type Grant struct {
	Bucket id.Bucket
	Rights Rights
}

// BucketState is where a bucket is in its life.
type BucketState uint8

const (
	// BucketActive is the only state in which a bucket can be used.
	BucketActive BucketState = iota
	// BucketDeleting means that the deletion was begun; it is found empty and sealed by its index group, or taken back.
	BucketDeleting
)

// Bucket is a name for a set of objects.
type Bucket struct {
	ID      id.Bucket
	Name    string
	Account id.Account
	Created time.Time
	Region  string // the LocationConstraint it was created with
	State   BucketState
	// Ranges say which index group holds which keys: at least one, in order, the first from "".
	Ranges []KeyRange
	// Grants give rights to keys of other accounts, in the order of the access key ids.
	Grants []KeyGrant
	// Config holds the documents of the bucket's sub-resources ("versioning", "policy", …) by name, as they were stored.
	// It is nil in lists.
	Config map[string][]byte
	Limits Limits
}

// KeyRange assigns the keys from From (inclusive) up to the next range to a group.
type KeyRange struct {
	From  string
	Group id.Group
}

// KeyGrant gives a key of another account rights on the bucket.
type KeyGrant struct {
	AccessKeyID string
	Rights      Rights
}

// Limits are the quota of a bucket; zero means none.
type Limits struct {
	Bytes   int64
	Objects int64
}

// Node is a member of the cluster.
type Node struct {
	ID       id.Node
	Zone     string
	Capacity int64 // bytes for blocks; 0: gateway
	Witness  bool
	Address  string   // host:port of its RPC listener, as it was last told
	Disks    []string // UUIDs of its data directories
	Version  string   // of its program
	Format   uint32   // the newest format that it can read
}

// Group is a consensus group and its members.
type Group struct {
	ID      id.Group
	Members []Member
}

// Member is one replica of a group.
type Member struct {
	Replica id.Replica
	Node    id.Node
	Learner bool
}

// Cluster is what holds for the whole cluster.
type Cluster struct {
	ID         [16]byte
	Created    time.Time
	Format     uint32 // of stored and sent data; only ratchets up
	Epoch      uint64 // of the layout
	Partitions int    // of the block space, a power of two
	Copies     int    // of a block, in distinct zones
}

// Layout says which nodes hold the copies of each partition of the block space.
type Layout struct {
	Epoch   uint64
	Created time.Time
	Copies  int
	// Partitions holds the nodes of each partition: Copies of them, in distinct zones; none while no node stores blocks.
	Partitions [][]id.Node
}

// Setting is a named value that holds for the whole cluster.
type Setting struct {
	Name     string
	Value    []byte
	Revision uint64 // grows with each change, over deletions too
}
