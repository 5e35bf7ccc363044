package raftgroup_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"grange/internal/kv"
	"grange/internal/raftgroup"
)

// A power cut at each write or sync of a run loses nothing that was acknowledged, and the group starts again.
func TestAcknowledgedWritesSurviveAPowerCutAtEveryWrite(t *testing.T) {
	const writes = 12
	for cut := int32(0); ; cut++ {
		disk := vfs.NewCrashableMem()
		var after *vfs.MemFS
		var left, acknowledged atomic.Int32
		var atCut int32
		left.Store(1 << 30)
		rng := rand.New(rand.NewPCG(uint64(cut), 1))
		fs := errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && left.Add(-1) == -1 {
				atCut = acknowledged.Load()
				after = disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
			}
			return nil
		}))
		store := openStore(t, fs)
		left.Store(cut)
		n := start(t, store, 1, 1, nil)
		for i := range int32(writes) {
			n.put(fmt.Sprint("k", i), "v")
			acknowledged.Store(i + 1)
		}
		if err := errors.Join(n.stop(), store.Close()); err != nil {
			t.Fatal(err)
		}
		if after == nil {
			if cut < writes {
				t.Fatalf("only %d writes to the disk for %d commands", cut, writes)
			}
			return
		}
		survives(t, after, cut, atCut)
	}
}

func survives(t *testing.T, fs vfs.FS, cut, acknowledged int32) {
	t.Helper()
	store := openStore(t, fs)
	n := start(t, store, 1, 1, nil)
	for i := range acknowledged {
		if got := n.get(fmt.Sprint("k", i)); got != "v" {
			t.Fatalf("cut at write %d: command %d of %d acknowledged ones is lost", cut, i, acknowledged)
		}
	}
	n.put("again", "1")
	if err := errors.Join(n.stop(), store.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestFailedSyncStopsTheHostAndAcknowledgesNothing(t *testing.T) {
	cause := errors.New("the disk is gone")
	var broken atomic.Bool
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		isSync := op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo
		if broken.Load() && isSync && strings.HasSuffix(op.Path, ".log") {
			return cause
		}
		return nil
	}))
	store := openStore(t, fs)
	n := start(t, store, 1, 1, nil)
	n.put("a", "1")
	broken.Store(true)
	if _, err := n.host.Propose(withTimeout(t), group, []byte("a=2")); !errors.Is(err, raftgroup.ErrStopped) {
		t.Errorf("a write without a sync: got %v, want ErrStopped", err)
	}
	if err := n.stop(); !errors.Is(err, kv.ErrFailed) || !errors.Is(err, cause) {
		t.Errorf("Run returned %v, want ErrFailed and its cause", err)
	}
	if err := store.Close(); !errors.Is(err, kv.ErrFailed) {
		t.Errorf("Close returned %v, want ErrFailed", err)
	}
}
