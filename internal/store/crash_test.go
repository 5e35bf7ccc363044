package store_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"grange/internal/block/disk"
	"grange/internal/catalog"
	"grange/internal/id"
	"grange/internal/index"
	"grange/internal/kv"
	"grange/internal/raftgroup"
	"grange/internal/store"
)

// machine is a whole node's store over one file system: database, consensus groups and block directory.
type machine struct {
	*store.Store
	catalog *catalog.Client
	stop    func()
}

var theNode = id.Node{7}

func startMachine(fs vfs.FS) (m *machine, err error) {
	db, err := kv.Open("meta", kv.Options{FS: fs, MemTableBytes: 256 << 10})
	if err != nil {
		return nil, err
	}
	blocks, err := disk.Open(disk.Options{
		Dirs: []disk.DirOptions{{Path: "blocks", CapacityBytes: 1 << 30}}, Node: theNode, Cluster: [16]byte{1},
		FS: fs, SegmentBytes: 1 << 20, ReserveBytes: 1 << 20,
	})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	host := raftgroup.NewHost(raftgroup.Options{Store: db, Node: theNode})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = host.Run(ctx) }) // its error is that of the file system, which the test made
	running.Go(func() { _ = blocks.Run(ctx) })
	stop := func() {
		cancel()
		running.Wait()
		_ = blocks.Close()
		_ = db.Close()
	}
	members := []raftgroup.Member{{Replica: 1, Node: theNode}}
	sm := map[id.Group]raftgroup.StateMachine{
		id.SystemGroup:     catalog.NewMachine(raftgroup.StateSpace(id.SystemGroup)),
		id.FirstIndexGroup: index.NewMachine(raftgroup.StateSpace(id.FirstIndexGroup)),
	}
	for _, g := range []id.Group{id.SystemGroup, id.FirstIndexGroup} {
		if err := host.AddGroup(raftgroup.GroupConfig{ID: g, StateMachine: sm[g], Members: members, Replica: 1}); err != nil {
			stop()
			return nil, err
		}
	}
	client := catalog.NewClient(host, db)
	m = &machine{catalog: client, stop: stop, Store: store.New(store.Options{
		Groups: host, State: db, Blocks: blocks, Catalog: client,
		Settings: store.Settings{GarbageGrace: time.Nanosecond, RequestRetry: 10 * time.Second},
	})}
	return m, nil
}

// history is what clients were told. Each key has one client, which writes numbered contents; a deletion is a number too.
type history struct {
	mu sync.Mutex
	state
	bucketMade bool
}

type state struct {
	begun, done map[string]int
	deleted     map[string]map[int]bool
}

func newHistory() *history {
	return &history{state: state{begun: map[string]int{}, done: map[string]int{}, deleted: map[string]map[int]bool{}}}
}

// now is a copy of what was promised so far. begun is shared: what began later may be there too.
func (h *history) now() (done map[string]int, bucketMade bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.done), h.bucketMade
}

func (h *history) begin(key string, n int, deletion bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.begun[key] = n
	if h.deleted[key] == nil {
		h.deleted[key] = map[int]bool{}
	}
	h.deleted[key][n] = deletion
}

func (h *history) end(key string, n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.done[key] = n
}

// numbered is the n-th content of a key: its number, then noise. Some are inline, some are in blocks.
func numbered(key string, n int) []byte {
	r := rand.New(rand.NewPCG(uint64(n), uint64(len(key))+uint64(key[len(key)-1])<<8))
	size := []int{20, 3000, index.InlineMax + 10, 200_000}[n%4]
	data := make([]byte, size)
	binary.BigEndian.PutUint64(data, uint64(n))
	for i := 8; i < size; i++ {
		data[i] = byte(r.Uint32())
	}
	return data
}

const theBucket = "crash"

// work runs clients against the machine until they are through or meet an error.
func work(m *machine, h *history, rounds int) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if _, err := m.catalog.Init(ctx, catalog.InitOptions{First: catalog.Node{ID: theNode, Zone: "z", Capacity: 1}, IndexGroups: 1, Copies: 1}); err != nil {
		return
	}
	if _, err := m.catalog.EnsureKeyAndBucket(ctx, catalog.FirstStart{KeyID: "tester", Secret: "testersecret", Bucket: theBucket}); err != nil {
		return
	}
	b, err := m.Bucket(ctx, theBucket)
	if err != nil {
		return
	}
	h.mu.Lock()
	h.bucketMade = true
	h.mu.Unlock()
	var clients sync.WaitGroup
	for c := range 4 {
		clients.Go(func() {
			key := fmt.Sprint("key", c)
			for n := 1; n <= rounds; n++ {
				deletion := n%5 == 4
				h.begin(key, n, deletion)
				if err := change(ctx, m, b, key, n, deletion); err != nil {
					return
				}
				h.end(key, n)
			}
		})
	}
	clients.Go(func() {
		garbage := m.NewGarbage(id.FirstIndexGroup)
		for range 3 * rounds {
			if _, err := garbage.Step(ctx); err != nil {
				return
			}
			time.Sleep(time.Millisecond)
		}
	})
	clients.Wait()
}

func change(ctx context.Context, m *machine, b *catalog.Bucket, key string, n int, deletion bool) error {
	if deletion {
		_, err := m.DeleteObject(ctx, b, store.DeleteOptions{Key: key})
		return err
	}
	data := numbered(key, n)
	if n%3 != 0 {
		_, err := m.PutObject(ctx, b, store.PutOptions{Key: key, Body: bytes.NewReader(data), Size: int64(len(data))})
		return err
	}
	up, err := m.CreateUpload(ctx, b, store.UploadOptions{Key: key})
	if err != nil {
		return err
	}
	part, err := m.PutPart(ctx, b, store.PartOptions{Key: key, Upload: up.ID, Number: 1, Body: bytes.NewReader(data), Size: int64(len(data))})
	if err != nil {
		return err
	}
	_, err = m.CompleteUpload(ctx, b, store.CompleteOptions{
		Key: key, Upload: up.ID, Parts: []store.CompletePart{{Number: 1, ETag: part.ETag}}, Size: -1,
	})
	return err
}

// check wants every key to be in a state that its client was promised or was waiting for.
func (h *history) check(t *testing.T, m *machine, done map[string]int, bucketMade bool) {
	t.Helper()
	ctx := t.Context()
	b, err := m.Bucket(ctx, theBucket)
	if err != nil {
		if bucketMade {
			t.Errorf("bucket: %v", err)
		}
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	found := int64(0)
	for key, begun := range h.begun {
		data, err := readAll(ctx, m, b, key)
		if errors.Is(err, store.ErrNoObject) {
			if !h.mayBeAbsent(key, done[key], begun) {
				t.Errorf("%s: lost; %d was acknowledged", key, done[key])
			}
			continue
		}
		if err != nil || len(data) < 8 {
			t.Errorf("%s: %d bytes, %v", key, len(data), err)
			continue
		}
		found++
		n := int(binary.BigEndian.Uint64(data))
		if n < done[key] || n > begun || h.deleted[key][n] || !bytes.Equal(data, numbered(key, n)) {
			t.Errorf("%s: content %d (%d bytes) is there; %d was acknowledged, %d was begun", key, n, len(data), done[key], begun)
		}
	}
	if stats, err := m.Stats(ctx, b); err != nil || stats.Objects != found {
		t.Errorf("the bucket counts %d objects, %v; want %d", stats.Objects, err, found)
	}
}

func (h *history) mayBeAbsent(key string, done, begun int) bool {
	for n := done; n <= begun; n++ {
		if n == 0 || h.deleted[key][n] {
			return true
		}
	}
	return false
}

func readAll(ctx context.Context, m *machine, b *catalog.Bucket, key string) ([]byte, error) {
	o, err := m.Head(ctx, b, key, nil)
	if err != nil {
		return nil, err
	}
	defer o.Close()
	r, err := o.Open(ctx, 0, o.Size)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// collectAll runs garbage collection and a sweep to their ends: what is still named must survive them.
func collectAll(t *testing.T, m *machine) {
	t.Helper()
	garbage, sweep := m.NewGarbage(id.FirstIndexGroup), m.NewSweep()
	for done := false; !done; {
		p, wait, err := sweep.Step(t.Context())
		if err != nil {
			t.Fatalf("sweep: %v", err)
		}
		time.Sleep(wait)
		done = p.Done
	}
	for range 12 {
		if _, err := garbage.Step(t.Context()); err != nil {
			t.Fatalf("garbage: %v", err)
		}
	}
}

// reopened checks the promises on what a crash left, before and after all garbage is collected, and that it can be written.
func (h *history) reopened(t *testing.T, fs vfs.FS, done map[string]int, bucketMade bool) {
	t.Helper()
	m, err := startMachine(fs)
	if err != nil {
		t.Fatalf("start after the crash: %v", err)
	}
	defer m.stop()
	h.check(t, m, done, bucketMade)
	if !bucketMade {
		return
	}
	collectAll(t, m)
	h.check(t, m, done, bucketMade)
	b, err := m.Bucket(t.Context(), theBucket)
	if err != nil {
		t.Fatal(err)
	}
	if err := change(t.Context(), m, b, "after", 3, false); err != nil {
		t.Errorf("write after the crash: %v", err)
	}
}

// The power goes at one write or sync after the other, while four clients and the garbage collector work. Nothing that
// was acknowledged is lost, no half object is visible, and garbage collection afterwards takes nothing that is named.
func TestPowerCutAtAnyWriteLosesNoAcknowledgedObject(t *testing.T) {
	total := writesOfAWholeRun(t)
	const cuts = 60
	for i := range cuts {
		at := total * i / cuts
		percent := []int{0, 50}[i%2]
		mem := vfs.NewCrashableMem()
		h := newHistory()
		var mu sync.Mutex
		var after *vfs.MemFS
		var done map[string]int
		var bucketMade bool
		left := at
		inj := errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind.ReadOrWrite() != errorfs.OpIsWrite {
				return nil
			}
			mu.Lock()
			defer mu.Unlock()
			if left--; left < 0 && after == nil {
				done, bucketMade = h.now()
				after = mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rand.New(rand.NewPCG(uint64(at), 1))})
			}
			return nil
		})
		m, err := startMachine(errorfs.Wrap(mem, inj))
		if err != nil {
			t.Fatal(err)
		}
		work(m, h, 8)
		m.stop()
		mu.Lock()
		if after != nil {
			h.reopened(t, after, done, bucketMade)
		}
		mu.Unlock()
		if t.Failed() {
			t.Fatalf("after a power cut at write %d of about %d, %d%% of unsynced data kept", at, total, percent)
		}
	}
}

func writesOfAWholeRun(t *testing.T) int {
	t.Helper()
	var mu sync.Mutex
	writes := 0
	m, err := startMachine(errorfs.Wrap(vfs.NewCrashableMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		mu.Lock()
		defer mu.Unlock()
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			writes++
		}
		return nil
	})))
	if err != nil {
		t.Fatal(err)
	}
	h := newHistory()
	work(m, h, 8)
	m.stop()
	for key, n := range h.done {
		if n != 8 {
			t.Fatalf("%s stopped at %d without any fault", key, n)
		}
	}
	return writes
}

// One operation of the file system after the other fails, once or from then on. What was acknowledged is there after a restart.
func TestErrorOfAnyFileOperationLosesNoAcknowledgedObject(t *testing.T) {
	total := writesOfAWholeRun(t)
	const faults = 40
	for i := range faults {
		at, forever := total*i/faults, i%2 == 1
		mem := vfs.NewCrashableMem()
		h := newHistory()
		var mu sync.Mutex
		left := at
		inj := errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind.ReadOrWrite() != errorfs.OpIsWrite {
				return nil
			}
			mu.Lock()
			defer mu.Unlock()
			left--
			if left == -1 || forever && left < 0 {
				return errorfs.ErrInjected
			}
			return nil
		})
		if m, err := startMachine(errorfs.Wrap(mem, inj)); err == nil {
			work(m, h, 8)
			m.stop()
		}
		done, bucketMade := h.now()
		h.reopened(t, mem.CrashClone(vfs.CrashCloneCfg{}), done, bucketMade)
		if t.Failed() {
			t.Fatalf("after an error of write %d of about %d, forever: %v", at, total, forever)
		}
	}
}
