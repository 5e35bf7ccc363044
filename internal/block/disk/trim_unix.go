//go:build unix

package disk

import (
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// trim cuts a file after its last record, which also gives preallocated room back. Only room is at stake, so a file
// system that refuses is left alone, and files of tests, which have no descriptor, are too.
func trim(f vfs.File, end int64) {
	fd := f.Fd()
	if fd == vfs.InvalidFd {
		return
	}
	if info, err := f.Stat(); err == nil {
		_ = syscall.Ftruncate(int(fd), min(end, info.Size()))
	}
}
