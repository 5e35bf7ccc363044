package admin

import "time"

// Status is what GET /v1/status tells about the node.
type Status struct {
	Version   string    `json:"version"`
	Node      string    `json:"node"`
	Cluster   string    `json:"cluster"`
	Started   time.Time `json:"started"`
	Region    string    `json:"region"`
	DataDir   string    `json:"data_dir"`
	Listeners Listeners `json:"listeners"`
	Memory    Memory    `json:"memory"`
	Disks     []Disk    `json:"disks"`
	Groups    []Group   `json:"groups"`
	Workers   Tally     `json:"workers"`
	// Problems are what an operator should look at, one line each; empty when all is well.
	Problems []string `json:"problems"`
}

// Listeners are the addresses that the node serves; an empty one is not served.
type Listeners struct {
	S3    string `json:"s3"`
	Admin string `json:"admin"`
}

// Memory is in bytes.
type Memory struct {
	Limit int64 `json:"limit"` // what the process aims to stay within
	Used  int64 `json:"used"`  // what the Go runtime holds of the system's memory
}

// Disk is one block directory; sizes are in bytes.
type Disk struct {
	ID       string `json:"id"`
	Path     string `json:"path"`
	State    string `json:"state"`
	Capacity int64  `json:"capacity"`
	Used     int64  `json:"used"`
	Live     int64  `json:"live"`    // of used, what blocks need
	Garbage  int64  `json:"garbage"` // of used, what compaction gives back
	Free     int64  `json:"free"`    // of the file system
	Segments int    `json:"segments"`
}

// Group is one consensus group as this node sees it.
type Group struct {
	ID       uint32 `json:"id"`
	Leader   bool   `json:"leader"` // this node leads it
	Term     uint64 `json:"term"`
	Commit   uint64 `json:"commit"`
	Applied  uint64 `json:"applied"`
	LogBytes uint64 `json:"log_bytes"`
	Error    string `json:"error,omitempty"` // why the group's replica stopped
}

// Tally counts workers by state.
type Tally struct {
	Total  int `json:"total"`
	Busy   int `json:"busy"`
	Paused int `json:"paused"`
	Failed int `json:"failed"`
}

// Account owns buckets and keys.
type Account struct {
	ID          string    `json:"id"` // S3's canonical id
	Name        string    `json:"name"`
	Description string    `json:"description,omitempty"`
	Created     time.Time `json:"created"`
}

// AccountList is a page of accounts, by name.
type AccountList struct {
	Accounts []Account `json:"accounts"`
	Next     string    `json:"next,omitempty"` // the "after" of the next page; empty on the last
}

// NewAccount is the body of POST /v1/accounts.
type NewAccount struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
}

// AccountChange is the body of PATCH /v1/accounts/{account}; what is absent stays.
type AccountChange struct {
	Name        *string `json:"name,omitempty"`
	Description *string `json:"description,omitempty"`
}

// Right is what a key may do with a bucket.
type Right string

// The rights; they add up.
const (
	ReadRight  Right = "read"  // read and list objects
	WriteRight Right = "write" // write and delete objects
	OwnerRight Right = "owner" // change and delete the bucket and its configuration
)

// Grant gives rights on one bucket.
type Grant struct {
	Bucket string  `json:"bucket"` // its name
	Rights []Right `json:"rights"`
}

// Key is an access key.
type Key struct {
	ID            string     `json:"id"`
	Secret        string     `json:"secret,omitempty"` // only when it was made just now, or was asked for
	Name          string     `json:"name"`
	Account       string     `json:"account"` // name
	AccountID     string     `json:"account_id"`
	Created       time.Time  `json:"created"`
	Expires       *time.Time `json:"expires,omitempty"`
	Disabled      bool       `json:"disabled"`
	CreateBuckets bool       `json:"create_buckets"`
	// Narrowed keys have rights on the buckets in Scope only; others have all rights on the buckets of their account.
	Narrowed bool    `json:"narrowed"`
	Scope    []Grant `json:"scope,omitempty"`
}

// KeyList is a page of keys, by id.
type KeyList struct {
	Keys []Key  `json:"keys"`
	Next string `json:"next,omitempty"`
}

// NewKey is the body of POST /v1/keys, and with ID and Secret of POST /v1/keys/import.
type NewKey struct {
	ID            string     `json:"id,omitempty"`
	Secret        string     `json:"secret,omitempty"`
	Name          string     `json:"name,omitempty"`
	Account       string     `json:"account,omitempty"` // name; made if there is none; empty: one of the key's name
	Expires       *time.Time `json:"expires,omitempty"`
	CreateBuckets bool       `json:"create_buckets"`
	Narrowed      bool       `json:"narrowed,omitempty"` // only the buckets in Scope, and those that the key makes; implied by a Scope
	Scope         []Grant    `json:"scope,omitempty"`
}

// KeyChange is the body of PATCH /v1/keys/{key}; what is absent stays.
type KeyChange struct {
	Name          *string    `json:"name,omitempty"`
	Disabled      *bool      `json:"disabled,omitempty"`
	Expires       *time.Time `json:"expires,omitempty"` // the zero time: never
	CreateBuckets *bool      `json:"create_buckets,omitempty"`
	Narrowed      *bool      `json:"narrowed,omitempty"` // false drops the scope
	Scope         *[]Grant   `json:"scope,omitempty"`    // replaces the scope, and narrows the key
	RotateSecret  bool       `json:"rotate_secret,omitempty"`
}

// Bucket is a bucket with its exact counts; sizes are in bytes.
type Bucket struct {
	ID          uint64     `json:"id"`
	Name        string     `json:"name"`
	Account     string     `json:"account"` // name
	Created     time.Time  `json:"created"`
	Region      string     `json:"region,omitempty"`
	Grants      []KeyGrant `json:"grants,omitempty"`
	Quota       Quota      `json:"quota"`
	Objects     int64      `json:"objects"`
	Versions    int64      `json:"versions"`
	Bytes       int64      `json:"bytes"` // of all versions
	Uploads     int64      `json:"uploads"`
	UploadBytes int64      `json:"upload_bytes"`
}

// KeyGrant gives a key of another account rights on the bucket.
type KeyGrant struct {
	Key    string  `json:"key"`
	Rights []Right `json:"rights"`
}

// Quota limits a bucket; 0 is no limit.
type Quota struct {
	Bytes   int64 `json:"bytes"`
	Objects int64 `json:"objects"`
}

// BucketList is a page of buckets, by name.
type BucketList struct {
	Buckets []Bucket `json:"buckets"`
	Next    string   `json:"next,omitempty"`
}

// NewBucket is the body of POST /v1/buckets.
type NewBucket struct {
	Name    string `json:"name"`
	Account string `json:"account"` // name of the owner
}

// GrantChange is the body of POST /v1/buckets/{bucket}/grants/{key}: the rights that the key gets beside those it has.
type GrantChange struct {
	Rights []Right `json:"rights"`
}

// Worker is a background worker of the node.
type Worker struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	State       string `json:"state"`             // idle, busy, throttled, paused or failed
	Pausing     bool   `json:"pausing,omitempty"` // it will be paused after the step that it is in
	Done        int64  `json:"done,omitempty"`    // of the present round
	Total       int64  `json:"total,omitempty"`   // of the present round; 0: not known
	// RemainingSeconds is how long the round will take at its present pace; 0: not known.
	RemainingSeconds float64    `json:"remaining_seconds,omitempty"`
	Steps            uint64     `json:"steps"`    // since the start
	Failures         uint64     `json:"failures"` // since the start
	LastError        string     `json:"last_error,omitempty"`
	LastErrorAt      *time.Time `json:"last_error_at,omitempty"`
	LastStep         *time.Time `json:"last_step,omitempty"`
	NextStep         *time.Time `json:"next_step,omitempty"`
	// Tranquility is how long the worker rests after each step, relative to how long the step took.
	Tranquility float64 `json:"tranquility"`
}

// WorkerList is all workers, by name.
type WorkerList struct {
	Workers []Worker `json:"workers"`
}

// WorkerChange is the body of PATCH /v1/workers/{worker}; what is absent stays.
type WorkerChange struct {
	Tranquility *float64 `json:"tranquility,omitempty"`
}

// Health is the answer of GET /health.
type Health struct {
	Status string `json:"status"` // "ok"
}
