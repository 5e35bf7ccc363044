//go:build !unix

package disk

import "github.com/cockroachdb/pebble/v2/vfs"

// trim does nothing here: the room that a segment does not use comes back when the segment is rewritten.
func trim(vfs.File, int64) {}
