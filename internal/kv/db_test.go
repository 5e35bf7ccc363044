package kv_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"grange/internal/kv"
	"grange/internal/kv/kvtest"
)

func open(t *testing.T, fs vfs.FS, o kv.Options) *kv.DB {
	t.Helper()
	o.FS = fs
	db, err := kv.Open("db", o)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func set(db *kv.DB, key, value string, sync bool) error {
	b := db.NewWriteBatch()
	return errors.Join(b.Set([]byte(key), []byte(value)), b.Commit(sync), b.Close())
}

func TestPebbleKeepsTheContract(t *testing.T) {
	kvtest.Run(t, func(t *testing.T) kv.Store {
		db := open(t, vfs.NewMem(), kv.Options{})
		t.Cleanup(func() {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
		return db
	})
}

func TestValuesSurviveReopening(t *testing.T) {
	fs := vfs.NewMem()
	db := open(t, fs, kv.Options{})
	if err := errors.Join(set(db, "a", "1", true), db.Close()); err != nil {
		t.Fatal(err)
	}
	db = open(t, fs, kv.Options{MustExist: true})
	defer db.Close()
	if v, err := db.Get([]byte("a")); err != nil || string(v) != "1" {
		t.Errorf("got %q, %v, want 1", v, err)
	}
}

func TestMissingStoreIsRefusedWhenOneMustExist(t *testing.T) {
	if _, err := kv.Open("db", kv.Options{FS: vfs.NewMem(), MustExist: true}); !errors.Is(err, kv.ErrMissing) {
		t.Errorf("an empty directory: got %v, want ErrMissing", err)
	}
}

func TestReadOnlyStoreIsRead(t *testing.T) {
	fs := vfs.NewMem()
	db := open(t, fs, kv.Options{})
	if err := errors.Join(set(db, "a", "1", true), db.Close()); err != nil {
		t.Fatal(err)
	}
	db = open(t, fs, kv.Options{ReadOnly: true})
	defer db.Close()
	if v, err := db.Get([]byte("a")); err != nil || string(v) != "1" {
		t.Errorf("got %q, %v, want 1", v, err)
	}
}

func TestNewerKeyFormatIsRefused(t *testing.T) {
	fs := vfs.NewMem()
	db := open(t, fs, kv.Options{})
	newer := string(binary.AppendUvarint(nil, kv.FormatVersion+1))
	if err := errors.Join(set(db, string(kv.FormatKey()), newer, true), db.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := kv.Open("db", kv.Options{FS: fs}); !errors.Is(err, kv.ErrNewerFormat) {
		t.Errorf("got %v, want ErrNewerFormat", err)
	}
}

func TestNewerTableFormatIsRefused(t *testing.T) {
	fs := vfs.NewMem()
	if err := open(t, fs, kv.Options{}).Close(); err != nil {
		t.Fatal(err)
	}
	names, err := fs.List("db")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasPrefix(name, "marker.format-version.") {
			newer := name[:len(name)-3] + "999"
			if err := fs.Rename(fs.PathJoin("db", name), fs.PathJoin("db", newer)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := kv.Open("db", kv.Options{FS: fs}); !errors.Is(err, kv.ErrNewerFormat) {
		t.Errorf("got %v, want ErrNewerFormat", err)
	}
}

// A power cut at each write of a run may lose what was not synced, but leaves a prefix of the batches that holds
// every one that was acknowledged with a sync.
func TestPowerCutLeavesAPrefixWithAllSyncedBatches(t *testing.T) {
	for cut := int32(0); ; cut++ {
		mem := vfs.NewCrashableMem()
		var after *vfs.MemFS
		var left, synced atomic.Int32
		var atCut int32
		left.Store(1 << 30)
		fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && left.Add(-1) == -1 {
				atCut = synced.Load()
				after = mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rand.New(rand.NewPCG(uint64(cut), 0))})
			}
			return nil
		}))
		db := open(t, fs, kv.Options{})
		left.Store(cut)
		for i := range int32(8) {
			sync := i%3 == 2
			if err := set(db, fmt.Sprintf("k%d", i), "v", sync); err != nil {
				t.Fatal(err)
			}
			if sync {
				synced.Store(i + 1)
			}
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if after == nil {
			if cut == 0 {
				t.Fatal("no write was seen")
			}
			return
		}
		survivors := open(t, after, kv.Options{})
		n := int32(0)
		for i := range int32(8) {
			_, err := survivors.Get(fmt.Appendf(nil, "k%d", i))
			if err == nil && i != n {
				t.Fatalf("cut %d: k%d is there without k%d", cut, i, n)
			}
			if err == nil {
				n++
			}
		}
		if n < atCut {
			t.Fatalf("cut %d: %d batches survive, %d were acknowledged", cut, n, atCut)
		}
		if err := survivors.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNothingIsAcknowledgedAfterAFailedSync(t *testing.T) {
	var broken atomic.Bool
	cause := errors.New("the disk is gone")
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if broken.Load() && strings.HasSuffix(op.Path, ".log") &&
			(op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo) {
			return cause
		}
		return nil
	}))
	var failed atomic.Int32
	db := open(t, fs, kv.Options{Events: kv.Events{Failed: func(error) { failed.Add(1) }}})
	if err := set(db, "a", "1", true); err != nil {
		t.Fatal(err)
	}
	broken.Store(true)
	if err := set(db, "b", "1", true); !errors.Is(err, kv.ErrFailed) || !errors.Is(err, cause) {
		t.Errorf("failing sync: got %v, want ErrFailed and its cause", err)
	}
	broken.Store(false)
	for _, sync := range []bool{true, false} {
		if err := set(db, "c", "1", sync); !errors.Is(err, kv.ErrFailed) {
			t.Errorf("after the failure, sync %v: got %v, want ErrFailed", sync, err)
		}
	}
	if got := failed.Load(); got != 1 {
		t.Errorf("Failed was called %d times, want once", got)
	}
	if err := db.Close(); !errors.Is(err, kv.ErrFailed) {
		t.Errorf("close: got %v, want ErrFailed", err)
	}
}

func TestPrefixEndIsAfterAllKeysOfThePrefix(t *testing.T) {
	for name, test := range map[string]struct{ prefix, want []byte }{
		"plain":            {[]byte("ab"), []byte("ac")},
		"carries":          {[]byte{'a', 0xff, 0xff}, []byte("b")},
		"has no end":       {[]byte{0xff, 0xff}, nil},
		"empty has no end": {nil, nil},
	} {
		if got := kv.PrefixEnd(test.prefix); string(got) != string(test.want) || (got == nil) != (test.want == nil) {
			t.Errorf("%s: got %x, want %x", name, got, test.want)
		}
	}
}
