package index

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"grange/internal/id"
)

// FuzzKeysKeepTheirOrder checks the encoding of key text: it is reversible, keeps the order of the texts, keeps beginnings as
// beginnings, and no encoded text begins another.
func FuzzKeysKeepTheirOrder(f *testing.F) {
	for _, pair := range [][2]string{
		{"", "a"}, {"a", "a\x00"}, {"a\x00", "a\x00\x00"}, {"a\x00\xff", "a\x00\x01"}, {"a\xff", "b"}, {"a/b", "a0"}, {"\x00", ""}, {"ü", "u"},
	} {
		f.Add(pair[0], pair[1])
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		ka, kb := appendKey(nil, a), appendKey(nil, b)
		if got, want := bytes.Compare(ka, kb), strings.Compare(a, b); got != want {
			t.Errorf("order of %q and %q: got %d, want %d", a, b, got, want)
		}
		if a != b && bytes.HasPrefix(kb, ka) {
			t.Errorf("%q begins the encoded %q", a, b)
		}
		if got, want := bytes.HasPrefix(kb, appendText(nil, a)), strings.HasPrefix(b, a); got != want {
			t.Errorf("text of %q begins that of %q: got %t, want %t", a, b, got, want)
		}
		got, rest, err := cutKey(append(ka, "rest"...))
		if err != nil || got != a || string(rest) != "rest" {
			t.Errorf("cut %q: got %q, %q, %v", a, got, rest, err)
		}
	})
}

// FuzzCutKey gives it bytes that nobody encoded.
func FuzzCutKey(f *testing.F) {
	for _, seed := range []string{"", "a", "a\x00", "a\x00\x01", "a\x00\x02\x00\x01", "\x00\xff\x00\x01x", "\x00\x00\x01"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		key, rest, err := cutKey(src)
		if err == nil && !bytes.Equal(append(appendKey(nil, key), rest...), src) {
			t.Errorf("%x was read as %q and %x, which is written differently", src, key, rest)
		}
	})
}

// TestNewestVersionComesFirst checks the order of a key's version rows, and that another key's rows never stand among them.
func TestNewestVersionComesFirst(t *testing.T) {
	k := keyspace{testSpace}
	rows := [][]byte{
		k.version(1, "a", 1<<40), k.version(1, "a", 2), k.version(1, "a", 1), k.version(1, "a\x00", 9), k.version(1, "aa", 9), k.version(2, "", 9),
	}
	if !slices.IsSortedFunc(rows, bytes.Compare) {
		t.Errorf("rows are not in order: %x", rows)
	}
}

// TestRowsOfOneBucketStandTogether is what moving a bucket or a range of its keys relies on.
func TestRowsOfOneBucketStandTogether(t *testing.T) {
	k := keyspace{testSpace}
	for _, table := range []byte{tableHead, tableVersion, tableNull, tablePayload, tableUpload, tablePart, tablePartData} {
		low, high := k.ofKey(table, 7, "m"), k.ofKey(table, 7, "m\xff")
		for _, row := range [][]byte{low, append(low, 1, 2, 3), k.ofUpload(table, 7, "m\x00", id.Upload{1}), high} {
			if bytes.Compare(row, k.withPrefix(table, 7, "m")) < 0 || bytes.Compare(row, k.inBucket(table, 8)) >= 0 {
				t.Errorf("row %x is outside of its bucket's range", row)
			}
		}
	}
}
