package disk

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cespare/xxhash/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"grange/internal/block"
	"grange/internal/block/blocktest"
	"grange/internal/id"
)

// Bits of a segment file are flipped in turn: in every byte of the headers and tables, and in many of the content. A block whose record was hit is never served, and a scrub names it;
// all others are served.
func TestFlippedBitAnywhereInASegmentIsFound(t *testing.T) {
	w := newWorld(t)
	sizes := map[uint64]int{1: 3000, 2: 70_000, 4: 140_000} // 2 and 4 are compressed, 4 in three chunks
	type extentOf struct{ from, content, to int64 }
	records := map[uint64]extentOf{}
	var path string
	w.during(func(s *Store) {
		for seed, n := range sizes {
			addr := w.put(s, seed, n, 1)
			e, _, _ := s.dirs[0].lookup(addr)
			path = s.dirs[0].segmentPath(e.at.seg)
			h, err := s.dirs[0].header(mustOpen(t, w.opts.FS, path), addr, &e)
			if err != nil {
				t.Fatal(err)
			}
			records[seed] = extentOf{e.at.off, e.at.off + headerSize(h.size), e.at.off + headerSize(h.size) + int64(h.stored)}
		}
	})
	size := int64(len(readFile(t, w.opts.FS, path)))
	inContent := func(off int64) bool {
		for _, r := range records {
			if off >= r.content && off < r.to {
				return true
			}
		}
		return false
	}
	for off := int64(0); off < size; off++ {
		if inContent(off) && off%101 != 0 {
			continue
		}
		flip(t, w.opts.FS, path, off)
		w.during(func(s *Store) {
			var want []block.Address
			for seed, n := range sizes {
				data := blocktest.Data(seed, n)
				addr := blocktest.Addr(1, data)
				if r := records[seed]; off >= r.from && off < r.to {
					want = append(want, addr)
				}
			}
			rep, err := s.Scrub(t.Context(), ScrubCursor{}, 1<<40)
			if err != nil || len(rep.Corrupt) != len(want) || len(want) == 1 && rep.Corrupt[0].Address != want[0] {
				t.Fatalf("scrub with a flip at %d: %+v, error %v, want %v", off, rep.Corrupt, err, want)
			}
			for seed, n := range sizes {
				data := blocktest.Data(seed, n)
				addr := blocktest.Addr(1, data)
				got, err := blocktest.Read(t.Context(), s, addr, n)
				if slices.Contains(want, addr) {
					var c *CorruptError
					if len(got) != 0 || !errors.As(err, &c) || c.Offset != records[seed].from {
						t.Fatalf("flip at %d: read %d bytes of block %d, error %v, want a CorruptError", off, len(got), seed, err)
					}
				} else if err != nil || !bytes.Equal(got, data) {
					t.Fatalf("flip at %d: read %d bytes of block %d, error %v, want %d", off, len(got), seed, err, n)
				}
			}
		})
		flip(t, w.opts.FS, path, off)
	}
}

func mustOpen(t *testing.T, fsys vfs.FS, path string) vfs.File {
	t.Helper()
	f, err := fsys.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestFlippedBitAnywhereInTheIdentityIsRefused(t *testing.T) {
	w := newWorld(t)
	w.during(func(*Store) {})
	path := "/d0/" + identityFile
	for off := range len(readFile(t, w.opts.FS, path)) {
		flip(t, w.opts.FS, path, int64(off))
		s, err := Open(w.opts)
		var refused *DirError
		if !errors.As(err, &refused) {
			t.Errorf("flip at %d: error %v, want a DirError", off, err)
		}
		if err == nil {
			w.close(s)
		}
		flip(t, w.opts.FS, path, int64(off))
	}
	w.during(func(*Store) {})
}

// shorten cuts a file.
func shorten(t *testing.T, fsys vfs.FS, path string, size int) {
	t.Helper()
	b := readFile(t, fsys, path)
	f, err := fsys.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(b[:size]); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestTruncatedOrMissingSegmentIsCorruptAndCanBeRepaired(t *testing.T) {
	for name, keep := range map[string]int{
		"cut in a content": 25_000, "cut in a header": 20_300, "cut to nothing": 0, "missing": -1,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.opts.SegmentBytes = 100_000
			var path string
			var addrs []block.Address
			w.during(func(s *Store) {
				for i := range uint64(9) {
					addrs = append(addrs, w.put(s, 2*i+1, 20_000, 1))
				}
				path = s.dirs[0].segmentPath(1)
			})
			if keep < 0 {
				if err := w.opts.FS.Remove(path); err != nil {
					t.Fatal(err)
				}
			} else {
				shorten(t, w.opts.FS, path, keep)
			}
			w.during(func(s *Store) {
				rep, err := s.Scrub(t.Context(), ScrubCursor{}, 1<<40)
				if err != nil || len(rep.Corrupt) < 3 || !rep.Done {
					t.Fatalf("scrub found %d, error %v, want at least 3", len(rep.Corrupt), err)
				}
				lost := map[block.Address]bool{}
				for _, c := range rep.Corrupt {
					lost[c.Address] = true
				}
				for i, a := range addrs {
					if lost[a] {
						w.wantError(s, a, block.ErrCorrupt)
						w.put(s, 2*uint64(i)+1, 20_000, 1)
					}
					w.wantBlock(s, 2*uint64(i)+1, 20_000)
				}
				w.compactAll(s)
			})
			w.during(func(s *Store) {
				for i := range addrs {
					w.wantBlock(s, 2*uint64(i)+1, 20_000)
				}
				checkLive(t, s)
			})
		})
	}
}

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
		if _, err := d.readEntry(addr, &old, dst, 0); !errors.Is(err, errSegmentGone) {
			t.Errorf("error %v, want errSegmentGone", err)
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
				got, err := blocktest.Read(context.Background(), s, blocktest.Addr(1, data), len(data))
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

func TestScrubInSmallStepsSeesEveryBlock(t *testing.T) {
	w := newWorld(t)
	w.opts.SegmentBytes = 100_000
	w.opts.Dirs = append(w.opts.Dirs, DirOptions{Path: "/d1", CapacityBytes: 1 << 30})
	w.during(func(s *Store) {
		for i := range uint64(30) {
			w.put(s, i, size(i), 1)
		}
		var at ScrubCursor
		blocks, last := 0, int64(-1)
		for n := 0; ; n++ {
			rep, err := s.Scrub(t.Context(), at, 10_000)
			if err != nil || rep.BytesDone < last || rep.BytesDone > rep.BytesTotal || n > 1000 {
				t.Fatalf("report %+v, error %v after %d bytes", rep, err, last)
			}
			blocks, last = blocks+rep.Blocks, rep.BytesDone
			if rep.Done {
				if rep.BytesDone != rep.BytesTotal {
					t.Errorf("done after %d bytes of %d", rep.BytesDone, rep.BytesTotal)
				}
				break
			}
			if at, err = ParseScrubCursor(rep.Next.String()); err != nil || at != rep.Next {
				t.Fatalf("cursor %q reads as %v, error %v", rep.Next, at, err)
			}
		}
		if blocks != 30 {
			t.Errorf("%d blocks were checked, want 30", blocks)
		}
	})
}

func TestOpenRefusesADirectoryThatIsNotWhatItShouldBe(t *testing.T) {
	var disk Disk
	tests := map[string]struct {
		change func(t *testing.T, w *world)
		want   string
	}{
		"not empty and no identity": {func(t *testing.T, w *world) {
			must(t, w.opts.FS.Remove("/d0/"+identityFile))
		}, "has no identity file and is not empty"},
		"of another node": {func(t *testing.T, w *world) { w.opts.Node = id.Node{9} }, "belongs to node"},
		"of another cluster": {func(t *testing.T, w *world) {
			w.opts.Cluster = [16]byte{9}
		}, "belongs to cluster"},
		"of a newer format": {func(t *testing.T, w *world) {
			raw := strings.Replace(string(readFile(t, w.opts.FS, "/d0/"+identityFile)), `"format":1`, `"format":2`, 1)
			must(t, writeFileSynced(w.opts.FS, "/d0/"+identityFile, []byte(raw)))
		}, "is newer"},
		"with a segment of a newer format": {func(t *testing.T, w *world) {
			path := "/d0/segments/" + segmentName(1)
			head := readFile(t, w.opts.FS, path)
			head[8] = 2
			resum(head)
			must(t, writeFileSynced(w.opts.FS, path, head))
		}, "newer than this program"},
		"empty, but a disk was here": {func(t *testing.T, w *world) {
			w.opts.Expected = []Disk{disk}
			must(t, w.opts.FS.RemoveAll("/d0"))
			must(t, w.opts.FS.MkdirAll("/d0", 0o700))
		}, "is empty, but disk"},
		"another one, and a disk is missing": {func(t *testing.T, w *world) {
			w.opts.Expected = []Disk{disk}
			w.opts.Dirs[0].Path = "/d1"
		}, "was here before and is not found"},
		"without its segments": {func(t *testing.T, w *world) {
			must(t, w.opts.FS.RemoveAll("/d0/"+segmentsDir))
		}, "segments is missing"},
		"named twice": {func(t *testing.T, w *world) {
			w.opts.Dirs = append(w.opts.Dirs, w.opts.Dirs[0])
		}, "named twice"},
		"in use": {func(t *testing.T, w *world) {
			s := w.open()
			t.Cleanup(func() { w.close(s) })
		}, "cannot be locked"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.during(func(s *Store) {
				w.put(s, 1, 1000, 1)
				disk = s.Disks()[0]
			})
			w.t = t
			test.change(t, w)
			_, err := Open(w.opts)
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want one line with %q", err, test.want)
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// resum makes the checksum of a segment header right again.
func resum(head []byte) {
	binary.LittleEndian.PutUint64(head[segmentHeaderSize-8:], xxhash.Sum64(head[:segmentHeaderSize-8]))
}

func TestExpectedDiskIsFoundUnderAnotherPath(t *testing.T) {
	w := newWorld(t)
	w.during(func(s *Store) {
		w.put(s, 1, 1000, 1)
		w.opts.Expected = s.Disks()
	})
	must(t, w.opts.FS.Rename("/d0", "/moved"))
	w.opts.Dirs[0].Path = "/moved"
	w.during(func(s *Store) { w.wantBlock(s, 1, 1000) })
}

func TestDamagedIndexIsMadeAgain(t *testing.T) {
	w := newWorld(t)
	w.during(func(s *Store) {
		for i := range uint64(20) {
			w.put(s, i, size(i), 1)
		}
	})
	names, err := w.opts.FS.List("/d0/" + indexDir)
	must(t, err)
	for _, name := range names {
		if strings.HasPrefix(name, "MANIFEST") {
			shorten(t, w.opts.FS, "/d0/"+indexDir+"/"+name, 10)
		}
	}
	var rebuilt bool
	w.opts.Events.Recovered = func(_ Disk, r Recovery) { rebuilt = r.Rebuilt || r.Records == 20 }
	w.during(func(s *Store) {
		for i := range uint64(20) {
			w.wantBlock(s, i, size(i))
		}
	})
	if !rebuilt {
		t.Error("nothing was rebuilt, want the index")
	}
}
