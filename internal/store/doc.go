// Package store is the whole object store as one Go API. Every face (S3, K2V, web, admin) calls it, and nothing below it.
//
// The nouns. A bucket's record and the keys that may use it live in the catalog. Its objects live in an index group, a
// replicated state machine. The content of larger objects lives in blocks on the disks.
//
// What it promises. Every method is linearizable: a read first asks its group for a barrier, then reads one snapshot; a
// write is one command that the group decides and commits in one step. A method that returns nil has made its change
// durable. A method that returns an error other than a refusal may or may not have taken effect, and may be repeated.
//
// The way of a put: the body is cut into blocks, each is hashed and stored while the next one is read, and when the last
// one is durable one command makes the object visible. Nothing of a body that ended early is ever visible; the blocks
// that it left are found by the sweep.
//
// All methods may be called concurrently. Memory for bodies is bounded by [Options.BodyMemory].
package store
