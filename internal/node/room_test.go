package node

import (
	"errors"
	"log/slog"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func TestMetadataDiskKeepsItsReserveAndRecovers(t *testing.T) {
	const total = 10 << 30
	var free uint64
	var fail error
	r := newRoom("meta", 0, 16<<20, slog.New(slog.DiscardHandler))
	r.usage = func(string) (vfs.DiskUsage, error) { return vfs.DiskUsage{TotalBytes: total, AvailBytes: free}, fail }
	for _, step := range []struct {
		does string
		free uint64
		fail error
		want bool
	}{
		{"an empty disk", total, nil, false},
		{"just above the reserve", total / 10, nil, false},
		{"just below it", total/10 - 1, nil, true},
		{"free space not known keeps the last answer", 0, errors.New("no answer"), true},
		{"room again", total / 5, nil, false},
	} {
		free, fail = step.free, step.fail
		r.wrote(roomBytes)
		if got := r.isFull(); got != step.want {
			t.Errorf("%s: full is %v, want %v", step.does, got, step.want)
		}
	}
	free = 0
	if r.isFull() {
		t.Error("the disk was looked at again at once, without anything written")
	}
}

func TestReserveOfASmallMetadataDiskHoldsWhatTheDatabaseOwes(t *testing.T) {
	const memTable = 16 << 20
	r := newRoom("meta", 1<<20, memTable, slog.New(slog.DiscardHandler))
	r.usage = func(string) (vfs.DiskUsage, error) {
		return vfs.DiskUsage{TotalBytes: 256 << 20, AvailBytes: 5 * memTable}, nil
	}
	if !r.isFull() {
		t.Error("five tables' worth of room is taken for enough")
	}
}
