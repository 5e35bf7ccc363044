package index

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"grange/internal/block"
	"grange/internal/id"
	"grange/internal/index/indexpb"
	"grange/internal/kv"
)

// row is a row of the state with its key taken apart.
type row struct {
	tail  []byte // behind the table byte
	value []byte
}

func tableRows(t testing.TB, r kv.Reader, table byte) (out []row) {
	t.Helper()
	k := keyspace{testSpace}
	lower, upper := k.table(table)
	err := rows{k, r}.walk(lower, upper, func(key, value []byte) (bool, error) {
		out = append(out, row{slices.Clone(k.tail(key)), slices.Clone(value)})
		return true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (r row) bucketKey(t testing.TB) (b id.Bucket, key string, rest []byte) {
	t.Helper()
	b, rest, err := cutBucket(r.tail)
	if err != nil {
		t.Fatal(err)
	}
	if key, rest, err = cutKey(rest); err != nil {
		t.Fatal(err)
	}
	return b, key, rest
}

func (r row) into(t testing.TB, m proto.Message) {
	t.Helper()
	if err := decode(r.value, m); err != nil {
		t.Fatal(err)
	}
}

// checkState recomputes everything that is stored twice, by reading the whole state.
func checkState(t testing.TB, r kv.Reader) {
	t.Helper()
	stats := checkVersions(t, r)
	checkUploads(t, r, stats)
	checkBuckets(t, r, stats)
	checkContent(t, r)
	checkReferences(t, r)
	checkQueue(t, r)
}

type bucketKey struct {
	bucket id.Bucket
	key    string
}

func statsOf(all map[id.Bucket]*BucketStats, b id.Bucket) *BucketStats {
	if all[b] == nil {
		all[b] = new(BucketStats)
	}
	return all[b]
}

// checkVersions checks the order and the kinds of every key's versions, and counts them.
func checkVersions(t testing.TB, r kv.Reader) map[id.Bucket]*BucketStats {
	t.Helper()
	stats := make(map[id.Bucket]*BucketStats)
	last := make(map[bucketKey]uint64)
	nulls := make(map[bucketKey]int)
	atNull := make(map[bucketKey]uint64)
	count := func(b id.Bucket, rec *indexpb.Record) {
		checkLock(t, r, b, rec)
		statsOf(stats, b).Versions++
		statsOf(stats, b).Bytes += rec.Size
	}
	for _, head := range tableRows(t, r, tableHead) {
		b, key, _ := head.bucketKey(t)
		var rec indexpb.Record
		head.into(t, &rec)
		if rec.DeleteMarker {
			t.Errorf("head of %s/%q is a delete marker", b, key)
		}
		if rec.Null {
			nulls[bucketKey{b, key}]++
		}
		last[bucketKey{b, key}] = rec.Seq
		statsOf(stats, b).Objects++
		count(b, &rec)
	}
	for _, other := range tableRows(t, r, tableVersion) {
		b, key, rest := other.bucketKey(t)
		k := bucketKey{b, key}
		var rec indexpb.Record
		other.into(t, &rec)
		if ^binary.BigEndian.Uint64(rest) != rec.Seq {
			t.Errorf("version %d of %s/%q stands at %x", rec.Seq, b, key, rest)
		}
		newer, ok := last[k]
		if !ok && !rec.DeleteMarker || ok && newer <= rec.Seq {
			t.Errorf("version %d of %s/%q, delete marker %t, is behind %d", rec.Seq, b, key, rec.DeleteMarker, newer)
		}
		if rec.Null {
			nulls[k]++
			atNull[k] = rec.Seq
		}
		last[k] = rec.Seq
		count(b, &rec)
	}
	for k, n := range nulls {
		if n > 1 {
			t.Errorf("%s/%q has %d null versions", k.bucket, k.key, n)
		}
	}
	stored := make(map[bucketKey]uint64)
	for _, null := range tableRows(t, r, tableNull) {
		b, key, _ := null.bucketKey(t)
		stored[bucketKey{b, key}] = binary.BigEndian.Uint64(null.value[1:])
	}
	if diff := cmp.Diff(atNull, stored, cmp.AllowUnexported(bucketKey{})); diff != "" {
		t.Errorf("null versions that are no heads, counted and stored:\n%s", diff)
	}
	return stats
}

// checkLock checks that only versions of buckets with Object Lock are locked, and no delete marker.
func checkLock(t testing.TB, r kv.Reader, b id.Bucket, rec *indexpb.Record) {
	t.Helper()
	if rec.Lock == nil {
		return
	}
	state, err := rows{keyspace{testSpace}, r}.readBucket(b)
	if err != nil || !state.lock.Enabled || rec.DeleteMarker {
		t.Errorf("version %d of bucket %s is locked (%v): object lock %t, delete marker %t, %v", rec.Seq, b, rec.Lock, state.lock.Enabled, rec.DeleteMarker, err)
	}
}

func checkUploads(t testing.TB, r kv.Reader, stats map[id.Bucket]*BucketStats) {
	t.Helper()
	open := make(map[string]bool)
	for _, u := range tableRows(t, r, tableUpload) {
		b, _, _ := u.bucketKey(t)
		statsOf(stats, b).Uploads++
		open[string(u.tail)] = true
	}
	for _, p := range tableRows(t, r, tablePart) {
		b, key, _ := p.bucketKey(t)
		var part indexpb.Part
		p.into(t, &part)
		statsOf(stats, b).UploadBytes += part.Size
		if !open[string(p.tail[:len(p.tail)-numberLen])] {
			t.Errorf("part of no upload in %s/%q", b, key)
		}
	}
}

func checkBuckets(t testing.TB, r kv.Reader, counted map[id.Bucket]*BucketStats) {
	t.Helper()
	for _, row := range tableRows(t, r, tableBucket) {
		b := id.Bucket(binary.BigEndian.Uint64(row.tail))
		var m indexpb.Bucket
		row.into(t, &m)
		got := bucketStateOf(&m).BucketStats
		want := *statsOf(counted, b)
		want.Sealed = got.Sealed
		if got != want {
			t.Errorf("stats of bucket %s: got %+v, want %+v", b, got, want)
		}
		delete(counted, b)
		if rule := bucketStateOf(&m).lock; rule.Enabled && Versioning(m.Versioning) != Enabled {
			t.Errorf("bucket %s has Object Lock and versioning %d", b, m.Versioning)
		}
	}
	for b, s := range counted {
		t.Errorf("bucket %s holds %+v and has no row", b, *s)
	}
}

// checkContent checks that every payload row has exactly one owner, and every owner its rows.
func checkContent(t testing.TB, r kv.Reader) {
	t.Helper()
	k := keyspace{testSpace}
	want := make(map[string]uint32) // payload row: extents
	for _, table := range []byte{tableHead, tableVersion} {
		for _, version := range tableRows(t, r, table) {
			b, key, _ := version.bucketKey(t)
			var rec indexpb.Record
			version.into(t, &rec)
			if rec.DeleteMarker {
				continue
			}
			row := k.payload(b, key, rec.Seq)
			want[string(row)] = rec.Extents
			payload, err := NewView(testSpace, r).payload(row)
			if err != nil {
				t.Fatalf("payload of %s/%q: %v", b, key, err)
			}
			for _, p := range payload.Parts {
				want[string(k.partData(b, key, id.Upload(rec.Upload), p.Number, p.Seq))] = anyExtents
			}
		}
	}
	for _, row := range tableRows(t, r, tablePart) {
		b, key, rest := row.bucketKey(t)
		var part indexpb.Part
		row.into(t, &part)
		number := int(binary.BigEndian.Uint16(rest[uploadLen:]))
		want[string(k.partData(b, key, id.Upload(rest[:uploadLen]), number, part.Seq))] = part.Extents
	}
	waiting := queuePrefixes(t, r)
	for _, table := range []byte{tablePayload, tablePartData} {
		for _, row := range tableRows(t, r, table) {
			full := string(k.row(table, 0)) + string(row.tail)
			var p indexpb.Payload
			row.into(t, &p)
			n, owned := want[full]
			if owned && n != anyExtents && int(n) != len(p.Extents) {
				t.Errorf("payload %x has %d extents, its owner says %d", full, len(p.Extents), n)
			}
			if owned == slices.ContainsFunc(waiting, func(prefix string) bool { return len(full) >= len(prefix) && full[:len(prefix)] == prefix }) {
				t.Errorf("payload %x: owned and waiting for release are both %t", full, owned)
			}
			delete(want, full)
		}
	}
	for row := range want {
		t.Errorf("payload %x is missing", row)
	}
}

const anyExtents = ^uint32(0)

func queuePrefixes(t testing.TB, r kv.Reader) (out []string) {
	t.Helper()
	for _, row := range tableRows(t, r, tableRelease) {
		var entry indexpb.Release
		row.into(t, &entry)
		c := &change{rows: rows{keyspace{testSpace}, r}, bucket: id.Bucket(entry.Bucket)}
		prefix, err := c.released(&entry)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(prefix))
	}
	return out
}

// namedBlocks counts the extents of all payload rows.
func namedBlocks(t testing.TB, r kv.Reader) map[block.Address]uint64 {
	t.Helper()
	count := make(map[block.Address]uint64)
	for _, table := range []byte{tablePayload, tablePartData} {
		for _, row := range tableRows(t, r, table) {
			b, _, _ := row.bucketKey(t)
			var p indexpb.Payload
			row.into(t, &p)
			for _, e := range p.Extents {
				count[block.Address{Bucket: b, Hash: id.Hash(e.Hash)}]++
			}
		}
	}
	return count
}

func checkReferences(t testing.TB, r kv.Reader) {
	t.Helper()
	got := make(map[block.Address]uint64)
	want := make(map[string]bool)
	for _, row := range tableRows(t, r, tableRef) {
		a, err := parseAddress(row.tail)
		if err != nil {
			t.Fatal(err)
		}
		var ref indexpb.Reference
		row.into(t, &ref)
		if ref.Count == 0 {
			table, at := list(&ref)
			want[fmt.Sprint(string(table), at, a)] = true
			continue
		}
		got[a] = ref.Count
		if ref.Doom > 0 || ref.Fell > 0 || ref.Buried {
			t.Errorf("block %v is named %d times and also garbage or doomed", a, ref.Count)
		}
	}
	if diff := cmp.Diff(namedBlocks(t, r), got); diff != "" {
		t.Errorf("references, counted and stored:\n%s", diff)
	}
	listed := make(map[string]bool)
	for _, table := range []byte{tableGarbage, tableDoomed, tableBuried} {
		for _, row := range tableRows(t, r, table) {
			at, a, err := parseAddressAt(row.tail)
			if err != nil {
				t.Fatal(err)
			}
			listed[fmt.Sprint(string(table), at, a)] = true
		}
	}
	if diff := cmp.Diff(want, listed); diff != "" {
		t.Errorf("unnamed blocks by address and in the lists of garbage, dooms and burials:\n%s", diff)
	}
}

func checkQueue(t testing.TB, r kv.Reader) {
	t.Helper()
	g, err := rows{keyspace{testSpace}, r}.readGroup()
	if err != nil {
		t.Fatal(err)
	}
	waiting := tableRows(t, r, tableRelease)
	if int64(len(waiting)) != g.releases {
		t.Errorf("%d entries wait for release, counted are %d", len(waiting), g.releases)
	}
	for _, row := range waiting {
		if at := binary.BigEndian.Uint64(row.tail); at < g.released {
			t.Errorf("queue entry of command %d is before the queue's beginning at %d", at, g.released)
		}
	}
}
