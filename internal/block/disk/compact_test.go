package disk

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"grange/internal/block"
	"grange/internal/block/blocktest"
)

func TestCompactionKeepsASegmentWithACopyThatItCannotRead(t *testing.T) {
	w := newWorld(t)
	w.opts.SegmentBytes = 100_000
	w.during(func(s *Store) {
		var addrs []block.Address
		for i := range uint64(9) {
			addrs = append(addrs, w.put(s, 2*i+1, 20_000, 1))
		}
		for _, a := range addrs[:3] {
			w.delete(s, a, 2)
		}
		e, _, _ := s.dirs[0].lookup(addrs[3])
		path := s.dirs[0].segmentPath(e.at.seg)
		flip(t, w.opts.FS, path, e.at.off+3) // the header cannot be found
		var failed error
		for range 20 {
			_, more, err := s.CompactStep(t.Context())
			failed = errors.Join(failed, err)
			if !more {
				break
			}
		}
		if failed == nil {
			t.Error("compaction met no error, want one")
		}
		if _, err := w.opts.FS.Stat(path); err != nil {
			t.Errorf("the segment is gone: %v", err)
		}
		w.wantError(s, addrs[3], block.ErrCorrupt)
		w.put(s, 7, 20_000, 1)
		if n := w.compactAll(s); n == 0 {
			t.Error("no segment was removed after the repair, want one")
		}
		for i := range uint64(6) {
			w.wantBlock(s, 2*i+7, 20_000)
		}
		checkLive(t, s)
	})
}

// fullFS has room for so many bytes; a write that does not fit stores what does.
type fullFS struct {
	vfs.FS
	left atomic.Int64
}

func (f *fullFS) take(n int) (int, error) {
	for {
		left := f.left.Load()
		fits := min(int64(n), max(left, 0))
		if f.left.CompareAndSwap(left, left-fits) {
			if fits < int64(n) {
				return int(fits), syscall.ENOSPC
			}
			return n, nil
		}
	}
}

func (f *fullFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	file, err := f.FS.OpenReadWrite(name, c, o...)
	return fullFile{file, f}, err
}

type fullFile struct {
	vfs.File
	fs *fullFS
}

func (f fullFile) WriteAt(p []byte, off int64) (int, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	grow := int(max(0, off+int64(len(p))-info.Size()))
	fits, full := f.fs.take(grow)
	n, err := f.File.WriteAt(p[:len(p)-grow+fits], off)
	return n, errors.Join(err, full)
}

func TestFullFileSystemLosesNothingAndRecoversByItself(t *testing.T) {
	w := newWorld(t)
	full := &fullFS{FS: w.opts.FS}
	w.opts.FS = full
	w.opts.SegmentBytes = 100_000
	w.opts.Events.ReadOnly = func(_ Disk, err error) { t.Errorf("the directory stopped: %v", err) }
	rng := rand.New(rand.NewPCG(1, 2))
	y := newStory()
	ctx := t.Context()
	s := w.open()
	refused := 0
	for round := range 12 {
		full.left.Store(rng.Int64N(250_000))
		for i := range uint64(12) {
			p := step{"put", 100*uint64(round) + 2*i + 1, 1}
			data := blocktest.Data(p.seed, size(p.seed))
			err := s.Put(ctx, blocktest.Addr(1, data), p.epoch, data)
			if err != nil && !errors.Is(err, block.ErrNoSpace) {
				t.Fatalf("put: %v, want nil or ErrNoSpace", err)
			}
			if err != nil {
				refused++
				w.wantError(s, blocktest.Addr(1, data), block.ErrNotFound)
			} else {
				y.end(p, nil)
			}
		}
		y.check(t, s)
		if round%4 == 3 {
			full.left.Store(1 << 30)
			w.close(s)
			s = w.open()
			y.check(t, s)
		}
	}
	if refused == 0 {
		t.Error("no put was refused, want some")
	}
	full.left.Store(1 << 30)
	for seed := range y.now().promised {
		w.delete(s, addrOf(seed), 2)
	}
	w.compactAll(s)
	w.put(s, 9999, 20_000, 1)
	w.close(s)
	w.opts.Rebuild = true
	w.during(func(s *Store) {
		if n := len(infos(t, s)); n != 1 {
			t.Errorf("%d blocks after all, want 1", n)
		}
	})
}

func TestReserveIsKeptForDeletesTouchesAndCompaction(t *testing.T) {
	w := newWorld(t)
	w.opts.Dirs[0].CapacityBytes = 2 << 20
	w.opts.ReserveBytes, w.opts.SegmentBytes = 512<<10, 128<<10
	w.during(func(s *Store) {
		var addrs []block.Address
		for i := uint64(0); ; i++ {
			data := blocktest.Data(2*i+1, 50_000)
			err := s.Put(t.Context(), blocktest.Addr(1, data), 1, data)
			if errors.Is(err, block.ErrNoSpace) {
				break
			}
			if err != nil || i > 100 {
				t.Fatalf("put %d: %v, want ErrNoSpace some day", i, err)
			}
			addrs = append(addrs, blocktest.Addr(1, data))
		}
		st := s.Stats()[0]
		if st.Space.Free < 512<<10 {
			t.Errorf("%d bytes are free, want the reserve of 512 KiB", st.Space.Free)
		}
		w.put(s, 1, 50_000, 7) // a touch
		for i := 2; i < len(addrs); i += 2 {
			w.delete(s, addrs[i], 5)
		}
		if w.compactAll(s) == 0 {
			t.Error("nothing was compacted, want something")
		}
		for i := range uint64(8) {
			w.put(s, 1001+2*i, 50_000, 1)
		}
		w.wantBlock(s, 1, 50_000)
		checkLive(t, s)
	})
}

// The index that a crash leaves is older than the compaction that removed the record of the deletion.
func TestDeletionIsNotForgottenWithTheSegmentOfItsRecord(t *testing.T) {
	w := newWorld(t)
	mem := vfs.NewCrashableMem()
	w.opts.FS, w.opts.SegmentBytes = mem, 64<<10
	s := w.open()
	gone := w.put(s, 1, 50_000, 1)
	kept := w.put(s, 3, 50_000, 1) // in the second segment
	must(t, s.dirs[0].do(t.Context(), &request{op: opFlush}))
	must(t, s.dirs[0].index.flush(t.Context())) // the index that the crash leaves
	w.delete(s, gone, 2)                        // noted in the second segment
	w.delete(s, kept, 2)
	w.put(s, 5, 50_000, 1) // the second segment is full
	if n := w.compactAll(s); n != 2 {
		t.Fatalf("%d segments were removed, want 2", n)
	}
	after := mem.CrashClone(vfs.CrashCloneCfg{})
	w.close(s)
	w.opts.FS = after
	w.during(func(s *Store) {
		w.wantError(s, gone, block.ErrNotFound)
		w.wantError(s, kept, block.ErrNotFound)
		w.wantBlock(s, 5, 50_000)
	})
}

func TestReadGoesOnWhileItsSegmentIsRemoved(t *testing.T) {
	w := newWorld(t)
	w.opts.SegmentBytes = 100_000
	w.during(func(s *Store) {
		d := s.dirs[0]
		garbage := w.put(s, 1, 50_000, 1)
		addr := w.put(s, 3, 40_000, 1)
		w.put(s, 5, 50_000, 1)
		w.delete(s, garbage, 2)
		old, _, err := d.lookup(addr)
		must(t, err)
		seg, f, err := d.acquire(old.at.seg)
		must(t, err)
		if n := w.compactAll(s); n != 1 {
			t.Fatalf("%d segments were removed, want 1", n)
		}
		h, err := d.header(f, addr, &old)
		must(t, err)
		dst := make([]byte, 40_000)
		must(t, readRange(f, h, old.at.off, dst, 0)) // a read that began before
		d.release(seg)
		if !bytes.Equal(dst, blocktest.Data(3, 40_000)) {
			t.Error("the old copy reads as something else")
		}
		// A read that looked the place up before must look again: the copy is neither corrupt nor gone.
		looks := 0
		stale := func(addr block.Address) (entry, bool, error) {
			if looks++; looks == 1 {
				return old, true, nil
			}
			return d.lookup(addr)
		}
		if n, ok, err := d.readWhere(stale, addr, dst, 0); n != len(dst) || !ok || err != nil || looks != 2 {
			t.Errorf("read %d bytes, found %v, error %v after %d looks, want %d bytes after 2", n, ok, err, looks, len(dst))
		}
		w.wantBlock(s, 3, 40_000)
	})
}

func TestCompactionRacesReadsAndPuts(t *testing.T) {
	w := newWorld(t)
	w.opts.SegmentBytes = 100_000
	s := w.open()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	const stable = 12
	for i := range uint64(stable) {
		w.put(s, i, size(i), 9)
	}
	var reads atomic.Int64
	for r := range 2 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(r), 9))
			for ctx.Err() == nil {
				seed := rng.Uint64N(stable)
				data := blocktest.Data(seed, size(seed))
				got, err := blocktest.Read(context.WithoutCancel(ctx), s, blocktest.Addr(1, data), len(data))
				if err != nil || !bytes.Equal(got, data) {
					t.Errorf("read %d bytes, error %v, want %d", len(got), err, len(data))
					return
				}
				reads.Add(1)
			}
		})
	}
	wg.Go(func() { // makes garbage between the stable blocks
		defer cancel()
		for i := range uint64(250) {
			addr := w.put(s, 1000+i, 12_000, 1)
			if i%3 == 0 {
				w.put(s, i%stable, size(i%stable), block.Epoch(10+i))
			}
			w.delete(s, addr, 2)
		}
	})
	removed := 0
	for ctx.Err() == nil {
		p, _, err := s.CompactStep(context.Background())
		if err != nil {
			t.Fatalf("compact: %v", err)
		}
		if p.Removed {
			removed++
		}
	}
	wg.Wait()
	if removed == 0 || reads.Load() == 0 {
		t.Errorf("%d segments removed during %d reads, want some of both", removed, reads.Load())
	}
	checkLive(t, s)
	w.close(s)
}

// A segment that the disk does not give is left alone, and the next one is compacted.
func TestCompactionGoesOnWithAnotherSegmentAfterAnError(t *testing.T) {
	w := newWorld(t)
	var broken atomic.Bool
	w.opts.FS = errorfs.Wrap(w.opts.FS, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if broken.Load() && op.Kind == errorfs.OpFileReadAt && op.Path == "/d0/segments/"+segmentName(1) {
			return errorfs.ErrInjected
		}
		return nil
	}))
	w.opts.SegmentBytes = 100_000
	w.during(func(s *Store) {
		for i := range uint64(12) {
			addr := w.put(s, 2*i+1, 20_000, 1)
			if i < 4 || i == 5 || i == 6 {
				w.delete(s, addr, 2)
			}
		}
		broken.Store(true)
		failed, removed := 0, 0
		for range 20 {
			p, more, err := s.CompactStep(t.Context())
			if err != nil {
				failed++
			}
			if p.Removed {
				removed++
			}
			if !more {
				break
			}
		}
		broken.Store(false)
		if failed != 1 || removed == 0 {
			t.Errorf("%d steps failed and %d segments were removed, want 1 and some", failed, removed)
		}
	})
}
