package index

import (
	"fmt"
	"testing"

	"grange/internal/block"
	"grange/internal/id"
	"grange/internal/kv"
	"grange/internal/kv/mem"
	"grange/internal/raftgroup"
)

// testSpace is where the machine under test lives.
var testSpace = raftgroup.StateSpace(id.FirstIndexGroup)

// world is one replica: a store, the machine on it, and its log's length. Every command is checked for what must always hold.
type world struct {
	t       testing.TB
	db      kv.Store
	machine *Machine
	index   uint64
}

func newWorld(t testing.TB) *world {
	return &world{t: t, db: mem.New(), machine: NewMachine(testSpace)}
}

func (w *world) view() *View { return NewView(testSpace, w.db) }

// apply carries out a command as the host would.
func (w *world) apply(c Command) Result {
	w.t.Helper()
	raw, err := w.applyRaw(Encode(c))
	if err != nil {
		w.t.Fatalf("apply %#v: %v", c, err)
	}
	result, err := DecodeResult(raw)
	if err != nil {
		w.t.Fatalf("result of %#v: %v", c, err)
	}
	return result
}

func (w *world) applyRaw(command []byte) ([]byte, error) {
	w.index++
	b := w.db.NewBatch()
	raw, err := w.machine.Apply(b, raftgroup.Entry{Index: w.index, Command: command})
	if err != nil {
		_ = b.Close()
		return nil, err
	}
	return raw, b.Commit(false)
}

// mustOK is apply for commands that have to succeed.
func (w *world) mustOK(c Command) Result {
	w.t.Helper()
	r := w.apply(c)
	if r.Code != OK {
		w.t.Fatalf("apply %#v: got %s, want ok", c, r.Code)
	}
	return r
}

// drain works the release queue off.
func (w *world) drain() {
	w.t.Helper()
	for range 10_000 {
		n, err := w.view().ReleaseQueueLen()
		if err != nil {
			w.t.Fatal(err)
		}
		if n == 0 {
			return
		}
		w.mustOK(Release{Max: 7})
	}
	w.t.Fatal("the release queue does not end")
}

// dump is every row of the machine.
func dump(t testing.TB, r kv.Reader) (rows []string) {
	t.Helper()
	lower, upper := testSpace.Bounds()
	it, err := r.NewIter(lower, upper)
	if err != nil {
		t.Fatal(err)
	}
	defer it.Close()
	for ok := it.First(); ok; ok = it.Next() {
		rows = append(rows, fmt.Sprintf("%x = %x", it.Key(), it.Value()))
	}
	if err := it.Error(); err != nil {
		t.Fatal(err)
	}
	return rows
}

// hashOf is a hash that a test can name: its text, padded.
func hashOf(name string) (h id.Hash) {
	copy(h[:], name)
	return h
}

// extentsOf are whole blocks of ten bytes each, by their names.
func extentsOf(names ...string) (out []Extent) {
	for _, n := range names {
		out = append(out, Extent{Hash: hashOf(n), Size: 10, Length: 10})
	}
	return out
}

func putOf(b id.Bucket, key string, blocks ...string) Put {
	p := Put{Version: Version{Bucket: b, Key: key, Size: int64(10 * len(blocks)), ETag: "e"}}
	p.Payload.Extents = extentsOf(blocks...)
	return p
}

func addressOf(b id.Bucket, name string) block.Address {
	return block.Address{Bucket: b, Hash: hashOf(name)}
}
