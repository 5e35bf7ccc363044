package index

import (
	"fmt"
	"testing"
	"time"

	"grange/internal/checksum"
	"grange/internal/id"
	"grange/internal/kv"
	"grange/internal/raftgroup"
)

// benchPut is what a common client's PutObject becomes.
func benchPut(key string, inline int) Put {
	p := Put{
		Version: Version{
			Bucket: 1, Key: key, Size: int64(inline), ETag: "d41d8cd98f00b204e9800998ecf8427e", Modified: time.UnixMilli(1_700_000_000_000),
			Checksum: checksum.Value{Algorithm: checksum.CRC64NVME, Type: checksum.FullObject, Sum: make([]byte, 8)},
			Meta:     Meta{Owner: id.Account{1}, Headers: map[string]string{"content-type": "application/octet-stream"}},
		},
		Payload: Payload{Inline: make([]byte, inline)},
		Random:  [8]byte{1},
	}
	if inline == 0 {
		p.Payload.Extents = []Extent{{hashOf(key), 1 << 20, 0, 1 << 20}}
		p.Version.Size = 1 << 20
	}
	return p
}

func openBench(b *testing.B) *kv.DB {
	db, err := kv.Open(b.TempDir(), kv.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	return db
}

// fillBench writes n objects, many commands to a batch.
func fillBench(b *testing.B, db *kv.DB, n int, command func(i int) []byte) {
	m := NewMachine(testSpace)
	batch := db.NewBatch()
	for i := range n {
		if _, err := m.Apply(batch, raftgroup.Entry{Index: uint64(i + 1), Command: command(i)}); err != nil {
			b.Fatal(err)
		}
		if i%100 == 99 || i == n-1 {
			if err := batch.Commit(false); err != nil {
				b.Fatal(err)
			}
			batch = db.NewBatch()
		}
	}
	_ = batch.Close()
}

// BenchmarkApplyPut is the application of a Put to Pebble, 100 commands to a batch, without a sync.
func BenchmarkApplyPut(b *testing.B) {
	for _, c := range []struct {
		name   string
		inline int
	}{{"4KiB-inline", 4 << 10}, {"1-block", 0}} {
		b.Run(c.name, func(b *testing.B) {
			db := openBench(b)
			commands := make([][]byte, b.N)
			for i := range commands {
				commands[i] = Encode(benchPut(fmt.Sprintf("photos/2026/%08d.jpg", i*7919%100_000_000), c.inline))
			}
			b.ReportAllocs()
			b.ResetTimer()
			fillBench(b, db, b.N, func(i int) []byte { return commands[i] })
		})
	}
}

// BenchmarkEncodePut is the proposer's side.
func BenchmarkEncodePut(b *testing.B) {
	p := benchPut("photos/2026/00000001.jpg", 4<<10)
	b.ReportAllocs()
	for b.Loop() {
		Encode(p)
	}
}

// BenchmarkList lists a million objects of one bucket, which stand in Pebble, in pages of 1000.
func BenchmarkList(b *testing.B) {
	const objects = 1_000_000
	db := openBench(b)
	fillBench(b, db, objects, func(i int) []byte { return Encode(benchPut(fmt.Sprintf("photos/%04d/%08d.jpg", i/1000, i), 16)) })
	if err := db.Flush(); err != nil {
		b.Fatal(err)
	}
	v := NewView(testSpace, db)
	for _, c := range []struct {
		name string
		q    ListQuery
	}{
		{"flat", ListQuery{Bucket: 1, Max: 1000}},
		{"1000-common-prefixes", ListQuery{Bucket: 1, Max: 1000, Prefix: "photos/", Delimiter: "/"}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			q, listed := c.q, 0
			for b.Loop() {
				page, err := v.List(q)
				if err != nil {
					b.Fatal(err)
				}
				listed += len(page.Entries)
				q.After = page.Next
			}
			b.ReportMetric(float64(listed)/b.Elapsed().Seconds(), "keys/s")
		})
	}
}
