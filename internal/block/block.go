// Package block keeps the content of large objects: immutable blocks, named by the hash of what they hold.
//
// A block belongs to a bucket: equal content in one bucket is stored once, and no bucket can tell what another one
// holds. Blocks are written before the record that names them and deleted after the last such record, by this rule,
// which needs no clock:
//
//   - The bucket's index group counts epochs. A writer reads the epoch before it stores its first block and passes it
//     with each Put; a stored copy remembers the highest epoch that it was put with.
//   - To delete a block that no record names, the group advances its epoch to d and writes down that the block is
//     doomed at d. A store deletes a doomed copy only if its epoch is below d.
//   - A record that names a block doomed at d is refused unless its writer's epoch is d or higher.
//
// So a block is never deleted under a record that was accepted, whatever is delayed, repeated or lost.
package block

import (
	"context"
	"errors"

	"grange/internal/id"
)

// SizeMax is the largest content of one block, in bytes.
const SizeMax = 8 << 20

var (
	// ErrNotFound reports that the store has no copy of the block.
	ErrNotFound = errors.New("block: not found")
	// ErrCorrupt reports that the only local copy does not match its checksum or its hash; it is never served.
	ErrCorrupt = errors.New("block: corrupt")
	// ErrNoSpace reports that the store keeps its remaining room for deletes and metadata. Nothing was stored.
	ErrNoSpace = errors.New("block: no space left")
	// ErrReadOnly reports that a data directory stopped accepting writes after an I/O error.
	ErrReadOnly = errors.New("block: data directory stopped after an I/O error")
)

// Address names a block.
type Address struct {
	Bucket id.Bucket
	Hash   id.Hash // BLAKE3-256 of the content
}

// Epoch is a count of deletions in the bucket's index group; see the package comment.
type Epoch uint64

// Info describes a stored copy.
type Info struct {
	Address
	Size       int   // content, in bytes
	StoredSize int64 // on disk, headers included, in bytes
	Epoch      Epoch // the highest epoch that the copy was put with
}

// Store keeps copies of blocks. All methods may be called concurrently.
type Store interface {
	// Put stores the block durably: when it returns nil the copy survives a power cut. data must hash to addr.Hash;
	// the caller computed the hash, and the store trusts it. A copy that is already there is kept and its epoch raised.
	// data is not used after Put returns.
	Put(ctx context.Context, addr Address, epoch Epoch, data []byte) error
	// ReadAt fills dst with the content from off on and returns how many bytes it got: fewer than len(dst) only at the end of
	// the block, without an error. Every byte was checked. Only the pieces that the range touches are read.
	ReadAt(ctx context.Context, addr Address, dst []byte, off int64) (int, error)
	// Stat describes the local copy, or returns ErrNotFound.
	Stat(ctx context.Context, addr Address) (Info, error)
	// Delete drops the copy if its epoch is below doomed; a newer copy is kept and no error. A missing copy is no error.
	Delete(ctx context.Context, addr Address, doomed Epoch) error
	// Each calls f for the copies of the hashes from (including) on, in order of (hash, bucket), until f returns false.
	Each(ctx context.Context, from id.Hash, f func(Info) bool) error
}
