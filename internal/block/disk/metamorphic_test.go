package disk

import (
	"context"
	"errors"
	"flag"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"grange/internal/block"
	"grange/internal/block/blocktest"
	"grange/internal/block/mem"
)

var seedFlag = flag.Uint64("seed", 0, "seed of the random operations; 0 for the usual ones")

// config is one way to run the same operations; the answers must not depend on it.
type config struct {
	dirs         int
	segmentBytes int64
	compression  Compression
}

// Random operations give the same answers as in memory, whatever the settings, through compactions, scrubs, restarts,
// rebuilt indexes and power cuts. A power cut comes after a sync, since only then both sides know the same.
func TestRandomOperationsAnswerAsInMemory(t *testing.T) {
	seeds := []uint64{1, 2, 3, 4, 5, 6}
	if *seedFlag != 0 {
		seeds = []uint64{*seedFlag}
	}
	configs := map[string]config{
		"one disk, tiny segments":    {1, 64 << 10, CompressAuto},
		"two disks, small segments":  {2, 200 << 10, CompressAuto},
		"one disk, no compression":   {1, 120 << 10, CompressNone},
		"three disks, large segment": {3, 8 << 20, CompressNone},
	}
	for name, c := range configs {
		t.Run(name, func(t *testing.T) {
			for _, seed := range seeds {
				t.Logf("rerun with -seed=%d", seed)
				m := newMeta(t, seed, c)
				for range 250 {
					m.step()
				}
				m.compare()
				m.w.close(m.s)
			}
		})
	}
}

type meta struct {
	t    *testing.T
	rng  *rand.Rand
	w    *world
	fs   *vfs.MemFS
	s    *Store
	twin *mem.Store
}

func newMeta(t *testing.T, seed uint64, c config) *meta {
	m := &meta{t: t, rng: rand.New(rand.NewPCG(seed, 5)), w: newWorld(t), fs: vfs.NewCrashableMem(), twin: mem.New()}
	m.w.opts.FS, m.w.opts.SegmentBytes, m.w.opts.Compression = m.fs, c.segmentBytes, c.compression
	m.w.opts.Dirs = nil
	for i := range c.dirs {
		m.w.opts.Dirs = append(m.w.opts.Dirs, DirOptions{Path: "/d" + string(rune('0'+i)), CapacityBytes: 1 << 30})
	}
	m.s = m.w.open()
	return m
}

func (m *meta) step() {
	ctx := context.Background()
	seed := m.rng.Uint64N(40)
	data := blocktest.Data(seed, size(seed))
	addr := blocktest.Addr(1, data)
	epoch := block.Epoch(m.rng.IntN(12) + 1)
	switch n := m.rng.IntN(100); {
	case n < 40:
		m.same("put", m.s.Put(ctx, addr, epoch, data), m.twin.Put(ctx, addr, epoch, data))
	case n < 65:
		m.same("delete", m.s.Delete(ctx, addr, epoch), m.twin.Delete(ctx, addr, epoch))
	case n < 80:
		off, n := m.rng.Int64N(40_000), m.rng.IntN(40_000)
		got, want := make([]byte, n), make([]byte, n)
		gotN, gotErr := m.s.ReadAt(ctx, addr, got, off)
		wantN, wantErr := m.twin.ReadAt(ctx, addr, want, off)
		m.same("read", gotErr, wantErr)
		if string(got[:gotN]) != string(want[:wantN]) {
			m.t.Fatalf("read %d bytes that are not the %d of the twin", gotN, wantN)
		}
	case n < 94:
		_, _, err := m.s.CompactStep(ctx)
		m.same("compact", err, nil)
	default:
		m.restart(n)
	}
}

// restart ends the process and begins another, in one of several ways.
func (m *meta) restart(how int) {
	switch how {
	case 94:
		rep, err := m.s.Scrub(context.Background(), ScrubCursor{}, 1<<40)
		if m.same("scrub", err, nil); len(rep.Corrupt) > 0 {
			m.t.Fatalf("scrub found %v", rep.Corrupt)
		}
		m.compare()
		return
	case 95, 96: // a power cut after a sync
		for _, d := range m.s.dirs {
			m.same("sync", d.do(context.Background(), &request{op: opSync}), nil)
		}
		m.fs = m.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 10 * m.rng.IntN(10), RNG: m.rng})
		m.w.close(m.s)
		m.w.opts.FS = m.fs
	case 97:
		m.w.opts.Rebuild = true
		fallthrough
	default:
		m.w.close(m.s)
	}
	m.s = m.w.open()
	m.w.opts.Rebuild = false
	m.compare()
}

func (m *meta) same(what string, got, want error) {
	m.t.Helper()
	if (got == nil) != (want == nil) || want != nil && !errors.Is(got, want) {
		m.t.Fatalf("%s: %v, the twin says %v", what, got, want)
	}
}

func (m *meta) compare() {
	m.t.Helper()
	got, want := infos(m.t, m.s), infos(m.t, m.twin)
	for addr, w := range want {
		if g := got[addr]; g.Size != w.Size || g.Epoch != w.Epoch {
			m.t.Fatalf("copy %+v, the twin has %+v", g, w)
		}
	}
	if len(got) != len(want) {
		m.t.Fatalf("%d copies, the twin has %d", len(got), len(want))
	}
	checkLive(m.t, m.s)
}
