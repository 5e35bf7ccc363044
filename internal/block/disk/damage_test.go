package disk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
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
	for off := range size {
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

// The promise of a Put does not rest on a copy that Open already knows to be lost.
func TestPutDoesNotRelyOnAMissingSegment(t *testing.T) {
	for name, keep := range map[string]int{"cut": 30_000, "missing": -1} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.opts.SegmentBytes = 100_000
			w.during(func(s *Store) {
				for i := range uint64(9) {
					w.put(s, 2*i+1, 20_000, 1)
				}
			})
			path := "/d0/segments/" + segmentName(1)
			if keep < 0 {
				must(t, w.opts.FS.Remove(path))
			} else {
				shorten(t, w.opts.FS, path, keep)
			}
			w.during(func(s *Store) {
				if n := len(infos(t, s)); n > 6 {
					t.Errorf("%d copies are listed, want those of the other segments", n)
				}
				for i := range uint64(9) {
					w.put(s, 2*i+1, 20_000, 1)
					w.wantBlock(s, 2*i+1, 20_000)
				}
			})
		})
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
		if _, ok := errors.AsType[*DirError](err); !ok {
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
