// Package kvtest is the suite that every kv.Store passes.
package kvtest

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"grange/internal/kv"
)

// Run checks that the stores that newStore makes keep the contract of kv.Store. Each is made empty apart from the
// node's keyspace.
func Run(t *testing.T, newStore func(t *testing.T) kv.Store) {
	for name, test := range map[string]func(*testing.T, kv.Store){
		"a missing key is ErrNotFound":                        missingKey,
		"a value that was returned is the caller's":           valueIsACopy,
		"a batch is invisible until it is committed":          batchIsolation,
		"a batch reads its own changes over the store":        batchReadsItself,
		"a batch reads what was committed after it began":     batchReadsNewest,
		"a closed batch leaves no trace":                      closedBatch,
		"a range delete stops at its upper bound":             deleteRange,
		"later changes of a batch win":                        batchOrder,
		"a snapshot does not move":                            snapshotHolds,
		"an iterator does not move with the store":            iteratorHolds,
		"an iterator walks both ways and turns at the ends":   iteratorTurns,
		"an empty value is a value":                           emptyValue,
		"the store answers like a sorted list":                likeSortedList,
		"a written key and value may be reused by the caller": argumentsAreCopied,
	} {
		t.Run(name, func(t *testing.T) { test(t, newStore(t)) })
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, s kv.Store, pairs ...string) {
	t.Helper()
	b := s.NewWriteBatch()
	for i := 0; i < len(pairs); i += 2 {
		must(t, b.Set([]byte(pairs[i]), []byte(pairs[i+1])))
	}
	must(t, b.Commit(true))
	must(t, b.Close())
}

// dump lists what r holds under "g", the keyspace that these tests use.
func dump(t *testing.T, r kv.Reader) string {
	t.Helper()
	it, err := r.NewIter([]byte("g"), []byte("h"))
	must(t, err)
	var out []string
	for it.First(); it.Valid(); it.Next() {
		out = append(out, fmt.Sprintf("%s=%s", it.Key(), it.Value()))
	}
	must(t, it.Error())
	must(t, it.Close())
	return strings.Join(out, " ")
}

func wantDump(t *testing.T, r kv.Reader, want string) {
	t.Helper()
	if got := dump(t, r); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func wantValue(t *testing.T, r kv.Reader, key, want string) {
	t.Helper()
	got, err := r.Get([]byte(key))
	must(t, err)
	if string(got) != want {
		t.Errorf("%s: got %q, want %q", key, got, want)
	}
}

func wantMissing(t *testing.T, r kv.Reader, key string) {
	t.Helper()
	if v, err := r.Get([]byte(key)); !errors.Is(err, kv.ErrNotFound) {
		t.Errorf("%s: got %q, %v, want ErrNotFound", key, v, err)
	}
}

func missingKey(t *testing.T, s kv.Store) {
	wantMissing(t, s, "ga")
	put(t, s, "gab", "1")
	wantMissing(t, s, "ga")
	b := s.NewBatch()
	defer b.Close()
	wantMissing(t, b, "ga")
}

func valueIsACopy(t *testing.T, s kv.Store) {
	put(t, s, "ga", "1")
	v, err := s.Get([]byte("ga"))
	must(t, err)
	v[0] = 'x'
	wantValue(t, s, "ga", "1")
}

func argumentsAreCopied(t *testing.T, s kv.Store) {
	key, value := []byte("ga"), []byte("1")
	b := s.NewBatch()
	must(t, b.Set(key, value))
	key[1], value[0] = 'b', '2'
	must(t, b.Set(key, value))
	must(t, b.Commit(false))
	must(t, b.Close())
	wantDump(t, s, "ga=1 gb=2")
}

func batchIsolation(t *testing.T, s kv.Store) {
	b := s.NewBatch()
	must(t, b.Set([]byte("ga"), []byte("1")))
	wantMissing(t, s, "ga")
	must(t, b.Commit(false))
	wantValue(t, s, "ga", "1")
	must(t, b.Close())
}

func batchReadsItself(t *testing.T, s kv.Store) {
	put(t, s, "ga", "1", "gb", "2", "gc", "3")
	b := s.NewBatch()
	defer b.Close()
	must(t, b.Set([]byte("gb"), []byte("new")))
	must(t, b.Delete([]byte("gc")))
	must(t, b.Set([]byte("gd"), []byte("4")))
	wantDump(t, b, "ga=1 gb=new gd=4")
	wantMissing(t, b, "gc")
	wantValue(t, b, "gd", "4")
	wantDump(t, s, "ga=1 gb=2 gc=3")
}

func batchReadsNewest(t *testing.T, s kv.Store) {
	b := s.NewBatch()
	defer b.Close()
	must(t, b.Set([]byte("ga"), []byte("1")))
	wantDump(t, b, "ga=1")
	put(t, s, "gb", "2")
	wantDump(t, b, "ga=1 gb=2")
}

func closedBatch(t *testing.T, s kv.Store) {
	b := s.NewBatch()
	must(t, b.Set([]byte("ga"), []byte("1")))
	must(t, b.Close())
	wantDump(t, s, "")
}

func deleteRange(t *testing.T, s kv.Store) {
	put(t, s, "ga", "1", "gb", "2", "gba", "3", "gc", "4")
	b := s.NewBatch()
	must(t, b.DeleteRange([]byte("gb"), []byte("gc")))
	wantDump(t, b, "ga=1 gc=4")
	must(t, b.Commit(true))
	must(t, b.Close())
	wantDump(t, s, "ga=1 gc=4")
}

func batchOrder(t *testing.T, s kv.Store) {
	b := s.NewBatch()
	must(t, b.Set([]byte("ga"), []byte("1")))
	must(t, b.DeleteRange([]byte("g"), []byte("h")))
	must(t, b.Set([]byte("ga"), []byte("2")))
	must(t, b.Set([]byte("gb"), []byte("3")))
	must(t, b.Delete([]byte("gb")))
	must(t, b.Commit(true))
	must(t, b.Close())
	wantDump(t, s, "ga=2")
}

func snapshotHolds(t *testing.T, s kv.Store) {
	put(t, s, "ga", "1")
	snap := s.Snapshot()
	put(t, s, "ga", "2", "gb", "3")
	wantDump(t, snap, "ga=1")
	wantValue(t, snap, "ga", "1")
	must(t, snap.Close())
	wantDump(t, s, "ga=2 gb=3")
}

func iteratorHolds(t *testing.T, s kv.Store) {
	put(t, s, "ga", "1")
	it, err := s.NewIter([]byte("g"), []byte("h"))
	must(t, err)
	put(t, s, "gb", "2")
	n := 0
	for it.First(); it.Valid(); it.Next() {
		n++
	}
	must(t, it.Error())
	must(t, it.Close())
	if n != 1 {
		t.Errorf("got %d keys, want 1", n)
	}
}

func iteratorTurns(t *testing.T, s kv.Store) {
	put(t, s, "ga", "1", "gb", "2", "gc", "3", "gd", "4")
	it, err := s.NewIter([]byte("gb"), []byte("gd"))
	must(t, err)
	defer func() { must(t, it.Close()) }()
	for _, step := range []struct {
		name string
		do   func() bool
		want string
	}{
		{"first", it.First, "gb"},
		{"before the first", it.Prev, ""},
		{"back in", it.Next, "gb"},
		{"next", it.Next, "gc"},
		{"past the last", it.Next, ""},
		{"still past", it.Next, ""},
		{"back in from the end", it.Prev, "gc"},
		{"last", it.Last, "gc"},
		{"seek below the range", func() bool { return it.SeekGE([]byte("a")) }, "gb"},
		{"seek between keys", func() bool { return it.SeekGE([]byte("gba")) }, "gc"},
		{"seek above the range", func() bool { return it.SeekGE([]byte("gd")) }, ""},
		{"seek down from above", func() bool { return it.SeekLT([]byte("gz")) }, "gc"},
		{"seek down to a key", func() bool { return it.SeekLT([]byte("gc")) }, "gb"},
		{"seek down out of the range", func() bool { return it.SeekLT([]byte("gb")) }, ""},
	} {
		ok, got := step.do(), ""
		if it.Valid() {
			got = string(it.Key())
		}
		if ok != it.Valid() || got != step.want {
			t.Errorf("%s: got %q (%v), want %q", step.name, got, ok, step.want)
		}
	}
	must(t, it.Error())
}

func emptyValue(t *testing.T, s kv.Store) {
	put(t, s, "ga", "")
	v, err := s.Get([]byte("ga"))
	must(t, err)
	if len(v) != 0 {
		t.Errorf("got %q, want an empty value", v)
	}
	wantDump(t, s, "ga=")
}

// likeSortedList makes random changes to the store and to a sorted list, and compares all answers.
func likeSortedList(t *testing.T, s kv.Store) {
	rng := rand.New(rand.NewPCG(1, 2))
	model := map[string]string{}
	key := func() string { return fmt.Sprintf("g%03d", rng.IntN(200)) }
	for range 60 {
		b := s.NewBatch()
		for range 20 {
			k := key()
			switch rng.IntN(10) {
			case 0:
				lower, upper := k, key()
				if lower > upper {
					lower, upper = upper, lower
				}
				must(t, b.DeleteRange([]byte(lower), []byte(upper)))
				for m := range model {
					if m >= lower && m < upper {
						delete(model, m)
					}
				}
			case 1, 2:
				must(t, b.Delete([]byte(k)))
				delete(model, k)
			default:
				v := fmt.Sprint(rng.IntN(1000))
				must(t, b.Set([]byte(k), []byte(v)))
				model[k] = v
			}
		}
		compare(t, b, model, rng)
		must(t, b.Commit(rng.IntN(2) == 0))
		must(t, b.Close())
		compare(t, s, model, rng)
	}
}

func compare(t *testing.T, r kv.Reader, model map[string]string, rng *rand.Rand) {
	t.Helper()
	keys := make([]string, 0, len(model))
	for k := range model {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	it, err := r.NewIter([]byte("g"), []byte("h"))
	must(t, err)
	defer func() { must(t, it.Close()) }()
	i := 0
	for it.First(); it.Valid(); it.Next() {
		if i >= len(keys) || string(it.Key()) != keys[i] || string(it.Value()) != model[keys[i]] {
			t.Fatalf("key %d: got %s=%s, model %v", i, it.Key(), it.Value(), keys)
		}
		i++
	}
	if i != len(keys) {
		t.Fatalf("got %d keys, want %d", i, len(keys))
	}
	probe := fmt.Appendf(nil, "g%03d", rng.IntN(200))
	want, _ := slices.BinarySearch(keys, string(probe))
	if ok := it.SeekLT(probe); ok != (want > 0) || ok && !bytes.Equal(it.Key(), []byte(keys[want-1])) {
		t.Fatalf("SeekLT(%s) found the wrong key", probe)
	}
	must(t, it.Error())
}
