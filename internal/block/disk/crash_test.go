package disk

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"grange/internal/block"
	"grange/internal/block/blocktest"
)

// step is one operation of a story, on the block that a seed makes.
type step struct {
	op    string // put, delete, compact, reopen, flush
	seed  uint64
	epoch block.Epoch
}

// size gives each seed a size of its own.
func size(seed uint64) int { return int(3000 + seed*1777%30_000) }

func addrOf(seed uint64) block.Address { return blocktest.Addr(1, blocktest.Data(seed, size(seed))) }

// story is what somebody did to a store, and what was promised to him so far.
type story struct {
	mu       sync.Mutex
	promised map[uint64]block.Epoch // copies that were acknowledged and not deleted since
	deleted  map[uint64]block.Epoch // deletions that were acknowledged, with the epoch of the copy
	maybe    map[uint64]bool        // a put failed: the copy may be there
	going    *step                  // the operation that is going on
}

func newStory() *story {
	return &story{promised: map[uint64]block.Epoch{}, deleted: map[uint64]block.Epoch{}, maybe: map[uint64]bool{}}
}

// now is a copy for the moment of a crash.
func (y *story) now() *story {
	y.mu.Lock()
	defer y.mu.Unlock()
	return &story{promised: maps.Clone(y.promised), deleted: maps.Clone(y.deleted), maybe: maps.Clone(y.maybe), going: y.going}
}

func (y *story) begin(p step) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.going = &p
}

func (y *story) end(p step, err error) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.going = nil
	if p.op == "put" && err == nil {
		y.promised[p.seed] = max(y.promised[p.seed], p.epoch)
		delete(y.deleted, p.seed)
	}
	if p.op == "put" && err != nil {
		y.maybe[p.seed] = true
	}
	if have, ok := y.promised[p.seed]; p.op == "delete" && ok && have < p.epoch {
		// Also when it failed: then nobody knows.
		delete(y.promised, p.seed)
		y.deleted[p.seed] = have
	}
}

// tell runs the steps until one fails, and returns the store that is open then, and the error.
func (w *world) tell(y *story, steps []step) (s *Store, err error) {
	if s, err = Open(w.opts); err != nil {
		return nil, err
	}
	for i, p := range steps {
		y.begin(p)
		switch p.op {
		case "put":
			data := blocktest.Data(p.seed, size(p.seed))
			err = s.Put(context.Background(), blocktest.Addr(1, data), p.epoch, data)
		case "delete":
			err = s.Delete(context.Background(), addrOf(p.seed), p.epoch)
		case "compact":
			_, _, err = s.CompactStep(context.Background())
		case "flush":
			for _, d := range s.dirs {
				err = errors.Join(err, d.do(context.Background(), &request{op: opFlush}))
			}
		case "reopen":
			if err = s.Close(); err == nil {
				s, err = Open(w.opts)
			}
			if err != nil {
				return nil, fmt.Errorf("step %d, %v: %w", i, p, err)
			}
		}
		y.end(p, err)
		if err != nil {
			return s, fmt.Errorf("step %d, %v: %w", i, p, err)
		}
	}
	return s, nil
}

// check compares an open store with what was promised.
func (y *story) check(t *testing.T, s *Store) {
	t.Helper()
	ctx := context.Background()
	all := infos(t, s)
	for seed, epoch := range y.promised {
		data := blocktest.Data(seed, size(seed))
		addr := blocktest.Addr(1, data)
		goingDelete := y.going != nil && y.going.op == "delete" && y.going.seed == seed && y.going.epoch > epoch
		info, ok := all[addr]
		if !ok && goingDelete {
			continue
		}
		goingTouch := y.going != nil && y.going.op == "put" && y.going.seed == seed && info.Epoch == y.going.epoch
		if !ok || info.Epoch != epoch && !goingTouch && !y.maybe[seed] {
			t.Fatalf("block %d: there %v with epoch %d, want epoch %d; going on was %v", seed, ok, info.Epoch, epoch, y.going)
		}
		if got, err := blocktest.Read(ctx, s, addr, len(data)); err != nil || string(got) != string(data) {
			t.Fatalf("block %d: read %d bytes, error %v, want %d", seed, len(got), err, len(data))
		}
	}
	known := map[block.Address]uint64{}
	for seed := range y.promised {
		known[addrOf(seed)] = seed
	}
	for seed := range y.deleted {
		known[addrOf(seed)] = seed // may come back
	}
	for seed := range y.maybe {
		known[addrOf(seed)] = seed
	}
	if y.going != nil {
		known[addrOf(y.going.seed)] = y.going.seed
	}
	for addr := range all {
		seed, ok := known[addr]
		if !ok {
			t.Fatalf("block %s is there, and nobody put it", addr.Hash)
		}
		data := blocktest.Data(seed, size(seed))
		if got, err := blocktest.Read(ctx, s, addr, len(data)); err != nil || string(got) != string(data) {
			t.Fatalf("block %d is listed; read %d bytes, error %v, want %d", seed, len(got), err, len(data))
		}
	}
	if rep, err := s.Scrub(ctx, ScrubCursor{}, 1<<40); err != nil || !rep.Done || len(rep.Corrupt) > 0 {
		t.Fatalf("scrub: %+v, error %v, want nothing", rep, err)
	}
	checkLive(t, s)
}

// aStory has everything in it: new blocks, touches, deletes, blocks put again, full segments, compactions that copy
// blocks, touches and deletes, flushes of the index, restarts.
func aStory() []step {
	var steps []step
	add := func(op string, seed uint64, epoch block.Epoch) { steps = append(steps, step{op, seed, epoch}) }
	for i := range uint64(12) {
		add("put", 2*i+1, 1)
	}
	for i := range uint64(12) {
		switch i % 3 {
		case 0:
			add("delete", 2*i+1, 3)
		case 1:
			add("put", 2*i+1, 4)
		}
	}
	add("flush", 0, 0)
	add("put", 1, 2)
	for range 4 {
		add("compact", 0, 0)
	}
	add("reopen", 0, 0)
	for i := range uint64(6) {
		add("delete", 2*i+3, 9)
		add("put", 40+2*i, 6)
	}
	for range 6 {
		add("compact", 0, 0)
	}
	add("put", 3, 12)
	return steps
}

// crashWorld has a disk that survives power cuts as its cfg says.
func crashWorld(t *testing.T, fsys vfs.FS) *world {
	w := newWorld(t)
	w.opts.FS = fsys
	w.opts.SegmentBytes = 64 << 10
	return w
}

// The power goes before each write, sync, creation, renaming and removal of a story, in turn. Whatever was promised
// before is there after the restart, whole, also when the index is made again from nothing.
func TestPowerCutAtEveryWriteLosesNothingThatWasPromised(t *testing.T) {
	for name, percent := range map[string]int{"nothing unsynced survives": 0, "some of the unsynced survives": 40} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cuts := 0
			for n := 0; powerCut(t, n, percent); n++ {
				cuts++
			}
			if t.Logf("the power was cut at %d places", cuts); cuts < 100 {
				t.Error("want at least 100")
			}
		})
	}
}

// powerCut runs the story with a power cut before the n-th write; false when there are fewer.
func powerCut(t *testing.T, n, percent int) bool {
	t.Helper()
	mem := vfs.NewCrashableMem()
	y := newStory()
	var mu sync.Mutex
	var after *vfs.MemFS
	var promised *story
	left := n
	inj := errorfs.InjectorFunc(func(op errorfs.Op) error {
		mu.Lock()
		defer mu.Unlock()
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && after == nil {
			if left--; left < 0 {
				promised = y.now()
				after = mem.CrashClone(vfs.CrashCloneCfg{
					UnsyncedDataPercent: percent, RNG: rand.New(rand.NewPCG(uint64(n), uint64(percent))),
				})
			}
		}
		return nil
	})
	s, err := crashWorld(t, errorfs.Wrap(mem, inj)).tell(y, aStory())
	if err != nil {
		t.Fatalf("the story without a crash: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	mu.Lock()
	defer mu.Unlock()
	if after == nil {
		return false
	}
	w := crashWorld(t, after)
	var indexed map[block.Address]block.Info
	for _, rebuild := range []bool{false, true} {
		w.opts.Rebuild = rebuild
		s, err := Open(w.opts)
		if err != nil {
			t.Fatalf("open after a cut at write %d: %v", n, err)
		}
		promised.check(t, s)
		all := infos(t, s)
		if rebuild {
			compareInfos(t, n, all, indexed, promised)
		}
		indexed = all
		w.close(s)
		if t.Failed() {
			t.Fatalf("after a cut at write %d", n)
		}
	}
	return true
}

// compareInfos wants a rebuilt index to have the copies that the index had. A deleted one may be back.
func compareInfos(t *testing.T, n int, got, want map[block.Address]block.Info, y *story) {
	t.Helper()
	back := map[block.Address]bool{}
	for seed := range y.deleted {
		back[addrOf(seed)] = true
	}
	for addr, info := range want {
		if got[addr] != info {
			t.Errorf("cut at write %d: rebuilt index has %+v, want %+v", n, got[addr], info)
		}
	}
	for addr := range got {
		if _, ok := want[addr]; !ok && !back[addr] {
			t.Errorf("cut at write %d: rebuilt index has %s, the index had not", n, addr.Hash)
		}
	}
}

// Every operation of the file system fails in turn, once. Each call succeeds or says that it did not; what was promised
// is there after a restart, and also after a power cut.
func TestErrorOfAnyFileOperationBreaksNoPromise(t *testing.T) {
	for name, forever := range map[string]bool{"once": false, "from then on": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for n := 0; ; n += 1 + n/60 {
				if !ioError(t, n, forever) {
					break
				}
			}
		})
	}
}

func ioError(t *testing.T, n int, forever bool) bool {
	t.Helper()
	mem := vfs.NewCrashableMem()
	var mu sync.Mutex
	left, hit := n, false
	inj := errorfs.InjectorFunc(func(op errorfs.Op) error {
		mu.Lock()
		defer mu.Unlock()
		if left--; left == -1 || forever && left < 0 {
			hit = true
			return errorfs.ErrInjected
		}
		return nil
	})
	y := newStory()
	w := crashWorld(t, errorfs.Wrap(mem, inj))
	s, err := w.tell(y, aStory())
	if s != nil {
		_ = s.Close() // may fail for the same reason
	}
	mu.Lock()
	defer mu.Unlock()
	if !hit {
		if err != nil {
			t.Fatalf("the story without an error: %v", err)
		}
		return false
	}
	// A clone with everything that was written is a new process on the same disk, without the locks of this one.
	all := vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 1))}
	for name, fsys := range map[string]*vfs.MemFS{"restart": mem.CrashClone(all), "power cut": mem.CrashClone(vfs.CrashCloneCfg{})} {
		s, err := Open(crashWorld(t, fsys).opts)
		if err != nil {
			t.Fatalf("open after an error of operation %d and a %s: %v", n, name, err)
		}
		y.check(t, s)
		if err := s.Close(); err != nil {
			t.Fatalf("close: %v", err)
		}
	}
	return true
}

// A directory whose write or sync failed does not try again; another directory goes on.
func TestFailedSyncStopsOneDirectoryAndNotTheOther(t *testing.T) {
	for name, kind := range map[string]errorfs.OpKind{"write": errorfs.OpFileWriteAt, "sync": errorfs.OpFileSyncData} {
		t.Run(name, func(t *testing.T) {
			var broken sync.Map
			inj := errorfs.InjectorFunc(func(op errorfs.Op) error {
				if _, bad := broken.Load("/a"); bad && op.Kind == kind && len(op.Path) > 2 && op.Path[:3] == "/a/" {
					return errorfs.ErrInjected
				}
				return nil
			})
			w := newWorld(t)
			w.opts.FS = errorfs.Wrap(vfs.NewMem(), inj)
			w.opts.Dirs = []DirOptions{{Path: "/a", CapacityBytes: 4 << 30}, {Path: "/b", CapacityBytes: 1 << 30}}
			var stopped []Disk
			w.opts.Events.ReadOnly = func(d Disk, err error) { stopped = append(stopped, d) }
			w.during(func(s *Store) {
				w.put(s, 1, 1000, 1)
				w.put(s, 2, 1000, 1)
				broken.Store("/a", true)
				data := blocktest.Data(3, 1000)
				if err := s.Put(t.Context(), blocktest.Addr(1, data), 1, data); !errors.Is(err, block.ErrReadOnly) {
					t.Fatalf("put: %v, want ErrReadOnly", err)
				}
				broken.Delete("/a")
				for i := range uint64(5) {
					w.put(s, i, 1000, 1)
					w.put(s, i, 1000, 2)
				}
				w.wantBlock(s, 1, 1000)
				st := s.Stats()
				if st[0].State != StateReadOnly || st[0].Err == nil || st[1].State != StateOK || len(stopped) != 1 {
					t.Errorf("states %v and %v, want read-only and ok; %d events, want 1", st[0].State, st[1].State, len(stopped))
				}
			})
			w.during(func(s *Store) { w.wantBlock(s, 3, 1000) })
		})
	}
}
