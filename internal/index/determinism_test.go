package index

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"grange/internal/kv"
	"grange/internal/raftgroup"
)

// TestReplicasAreEqual applies one log to a replica in memory, and to one on Pebble which commits several commands at once and
// was restarted on the way: rows and answers are the same, byte by byte.
func TestReplicasAreEqual(t *testing.T) {
	fs := vfs.NewMem()
	open := func() *kv.DB {
		db, err := kv.Open("db", kv.Options{FS: fs})
		if err != nil {
			t.Fatal(err)
		}
		return db
	}
	first := newWorld(t)
	s := &source{rand.New(rand.NewPCG(11, 0)), first.view()}
	second, m := open(), NewMachine(testSpace)
	defer func() { _ = second.Close() }()
	for round := range 60 {
		b := second.NewBatch()
		for range 10 {
			command := Encode(s.command())
			want, err := first.applyRaw(command)
			if err != nil {
				t.Fatal(err)
			}
			got, err := m.Apply(b, raftgroup.Entry{Index: first.index, Command: command})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("command %d: answers differ:\n%s", first.index, diff)
			}
		}
		if err := b.Commit(round%2 == 0); err != nil {
			t.Fatal(err)
		}
		if round == 30 {
			if err := second.Close(); err != nil {
				t.Fatal(err)
			}
			second = open()
		}
	}
	if diff := cmp.Diff(dump(t, first.db), dump(t, second)); diff != "" {
		t.Errorf("rows differ:\n%s", diff)
	}
}

// brokenReader fails the n-th row of a walk.
type brokenReader struct {
	kv.Reader
	after int
}

var errBroken = errors.New("disk is broken")

func (r brokenReader) NewIter(lower, upper []byte) (kv.Iterator, error) {
	it, err := r.Reader.NewIter(lower, upper)
	return &brokenIter{it, r.after, nil}, err
}

type brokenIter struct {
	kv.Iterator
	left int
	err  error
}

func (it *brokenIter) step(ok bool) bool {
	if it.left--; it.left < 0 && ok {
		it.err = errBroken
	}
	return ok && it.err == nil
}

func (it *brokenIter) First() bool            { return it.step(it.Iterator.First()) }
func (it *brokenIter) Next() bool             { return it.step(it.Iterator.Next()) }
func (it *brokenIter) SeekGE(key []byte) bool { return it.step(it.Iterator.SeekGE(key)) }
func (it *brokenIter) Valid() bool            { return it.Iterator.Valid() && it.err == nil }
func (it *brokenIter) Error() error           { return errors.Join(it.err, it.Iterator.Error()) }

// TestCutShortListingIsAnError: a listing that met a broken disk must not look complete (a failure from the field, see
// the design's section 9).
func TestCutShortListingIsAnError(t *testing.T) {
	w := newWorld(t)
	w.mustOK(SetVersioning{1, Enabled})
	for _, key := range []string{"a", "b", "c/1", "c/2", "d"} {
		p := putOf(1, key, key)
		w.mustOK(p)
		w.mustOK(p)
		w.mustOK(CreateUpload{Upload{Bucket: 1, Key: key, ID: [16]byte{1}}})
	}
	for after := range 4 { // in a page that is full, the rows behind it are not read
		v := NewView(testSpace, brokenReader{w.db, after})
		for _, max := range []int{4, 100} {
			if page, err := v.List(ListQuery{Bucket: 1, Delimiter: "/", Max: max}); !errors.Is(err, errBroken) && !page.Truncated {
				t.Errorf("list, broken after %d: %d entries, %v", after, len(page.Entries), err)
			}
			if page, err := v.ListVersions(VersionsQuery{Bucket: 1, Max: max}); !errors.Is(err, errBroken) && !page.Truncated {
				t.Errorf("list versions, broken after %d: %d entries, %v", after, len(page.Entries), err)
			}
			if page, err := v.Uploads(UploadsQuery{Bucket: 1, Max: max}); !errors.Is(err, errBroken) && !page.Truncated {
				t.Errorf("uploads, broken after %d: %d entries, %v", after, len(page.Entries), err)
			}
		}
		if err := v.EachReferenced(hashOf("a"), func(Referenced) bool { return true }); !errors.Is(err, errBroken) {
			t.Errorf("each referenced, broken after %d: %v", after, err)
		}
	}
}
