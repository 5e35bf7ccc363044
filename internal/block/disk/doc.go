// Package disk keeps blocks on the machine's disks. It is the [block.Store] that the product runs on.
//
// Each data directory is one self-contained disk: an identity file, segment files that hold the blocks, and an index
// from address to position that can be rebuilt by reading the segments. A disk can be moved to another slot, another
// path or another start-up order; it cannot be moved to another node by accident.
//
//	<dir>/identity.json     whose disk this is; written last when a disk is made, so it proves the rest was there
//	<dir>/LOCK              held while a process uses the disk
//	<dir>/segments/*.seg    append-only files of records: blocks, touches (a raised epoch) and deletes
//	<dir>/index/            a Pebble database without a write-ahead log; never the only place of a fact
//	<dir>/REBUILD           present when the index must be built again at the next start
//
// # Promise
//
// Put returns nil after the record was written and the file (and, for a new file, its directory) was synced: the copy
// survives a power cut. Delete becomes durable with the next sync; a deletion lost in a crash leaves garbage, never a
// hole. After a failed write or sync a directory takes no more writes (see [block.ErrReadOnly]) and goes on serving
// reads; the other directories go on with everything. A full file system is not such a failure: the record that did
// not fit is forgotten, and writing works again when there is room. Every byte served was checked against the checksum
// of its 64 KiB chunk, and the chunk's checksum against that of the record's header, which includes the place where
// the record must stand.
//
// # Concurrency
//
// All methods of [Store] may be called concurrently. One goroutine per directory appends: it takes all that wait,
// writes it, syncs once, changes the index and answers. It alone decides what a record means, so the order of the
// records on disk is the order of the decisions, and reading the segments again gives the same index.
//
// The bytes are drawn in docs/formats/blocks.md; DESIGN.md beside this file says why they are so.
package disk
