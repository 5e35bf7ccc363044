// Package inspect reads what a node stored, while the node is down: the keyspaces of its metadata, the logs of its
// groups, the record of an object, and the segments of its blocks. It changes nothing, and shows no secret.
//
// Its functions return plain data; "grange inspect" writes it as text or JSON.
package inspect
