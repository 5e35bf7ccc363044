// Package node puts a node together from its parts, runs it, and stops it. It holds no logic of its own.
//
// [Run] takes the steps of a start in their order: the data directory is locked and says who the node is; the metadata
// is opened; the consensus groups run and the cluster is made or met again; the block directories are opened; the
// store, the workers and the faces begin. A stop goes the other way: the listeners close and requests in flight finish,
// within a bound; then the workers, the groups, the blocks and the metadata end. A step that fails undoes those before.
//
// What the parts tell by their events becomes logs and metrics here.
//
// # The data directory
//
//	lock            held by the running process (flock)
//	node-key        the node's Ed25519 private key, PKCS #8 in PEM; its SHA-256 names the node
//	identity.json   format, node, cluster, and the block directories that belong to the node
//	admin-token     bearer token of the admin API
//	runtime.json    where the running node can be reached; for the commands
//	meta/           the metadata (package kv)
//	blocks/         the content of large objects, unless block_dirs names other directories (package block/disk)
//
// A directory that is foreign, newer, or has lost a part is refused with a [DirError]: one line that says what to do.
package node
