package index

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/proto"

	"grange/internal/block"
	"grange/internal/checksum"
	"grange/internal/id"
	"grange/internal/index/indexpb"
	"grange/internal/kv/mem"
	"grange/internal/raftgroup"
)

// oneOfEach is a command of every kind with every field set.
func oneOfEach() []Command {
	when := time.UnixMilli(1_700_000_000_123).UTC()
	meta := Meta{
		Headers: map[string]string{"content-type": "text/plain", "cache-control": "no-store"}, User: map[string]string{"b": "2", "a": "\xff"},
		StorageClass: "GLACIER", Owner: id.Account{1, 2}, Tags: []Tag{{"z", "1"}, {"a", ""}},
		ChecksumAlgorithm: checksum.CRC32, ChecksumType: checksum.Composite,
	}
	sum := checksum.Value{Algorithm: checksum.SHA256, Type: checksum.Composite, Sum: bytes.Repeat([]byte{7}, 32), Parts: 3}
	version := Version{Bucket: 5, Key: "a/\xff\x00", Size: 30, ETag: "tag", Modified: when, Checksum: sum, Meta: meta}
	kept := version
	kept.Lock = Lock{Compliance, when.AddDate(0, 0, 1), HoldOn}
	random := [8]byte{8, 7, 6, 5, 4, 3, 2, 1}
	condition := Condition{IfMatch: []string{"x", "*"}, IfNoneMatch: []string{"W/y"}}
	payload := Payload{Extents: []Extent{{hashOf("A"), 20, 0, 20}, {hashOf("B"), 20, 5, 10}}}
	null := id.Version{}
	remove := Delete{5, "k", &null, condition, when, random, id.Account{9}, when, true}
	lock := Lock{Governance, when.AddDate(1, 0, 0), HoldOff}
	return []Command{
		SetLockRule{5, LockRule{Mode: Governance, Days: 30}, true},
		Put{kept, payload, random, condition, 4, false, Limits{1 << 40, 1000}},
		Put{Version: Version{Bucket: 5, Key: "small", Size: 3, ETag: "t"}, Payload: Payload{Inline: []byte("abc")}},
		remove,
		Delete{Bucket: 5, Key: "k"},
		DeleteMany{5, []Delete{remove, {Key: "other"}}},
		CreateUpload{Upload{5, "u", id.Upload{1}, when, id.Account{3}, lock, meta}},
		PutPart{5, "u", id.Upload{1}, Part{2, 0, 30, "part", when, sum}, payload, 9, true},
		CompleteUpload{id.Upload{1}, version, []PartRef{{2, 7, 30, 0, "part", sum}}, random, condition, Limits{Bytes: 7}},
		AbortUpload{5, "u", id.Upload{1}},
		SetVersioning{5, Enabled},
		SetLockRule{5, LockRule{Mode: Compliance, Years: 2}, false},
		SetTags{5, "k", &null, meta.Tags},
		SetRetention{5, "k", &null, Governance, lock.Until, when, true},
		SetHold{5, "k", nil, true},
		SealBucket{5},
		Release{100, when},
		Doom{[]block.Address{addressOf(5, "A")}, 12},
		Buried{[]block.Address{addressOf(5, "A")}, 11},
	}
}

var rewriteFormats = flag.Bool("rewrite-formats", false, "write testdata/format1.hex anew; only before its release")

// TestCommandsOfFormat1AreWrittenAsEver compares with the bytes that were kept: a difference would be read wrongly by the
// replicas of another release, or by this one from its own log.
func TestCommandsOfFormat1AreWrittenAsEver(t *testing.T) {
	const path = "testdata/format1.hex"
	var got strings.Builder
	for _, c := range oneOfEach() {
		fmt.Fprintf(&got, "%T %x\n", c, Encode(c))
	}
	if *rewriteFormats {
		if err := os.WriteFile(path, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("commands (-kept +now):\n%s", diff)
	}
	w := newWorld(t)
	for line := range strings.Lines(string(want)) {
		_, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		raw, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.applyRaw(raw); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
}

func TestNewerFormatIsRefused(t *testing.T) {
	w := newWorld(t)
	cases := map[string]struct {
		command []byte
		want    error
	}{
		"a command of format 2":         {append([]byte{2}, Encode(SealBucket{1})[1:]...), ErrFormat},
		"a command of an unknown kind":  {[]byte{format, 0xa2, 0x06, 0}, ErrFormat},
		"a command of no bytes":         {nil, ErrCorrupt},
		"a command that is cut off":     {Encode(oneOfEach()[1])[:20], ErrCorrupt},
		"a command of a byte and a lie": {[]byte{format, 0x0a, 0xff}, ErrCorrupt},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if _, err := w.applyRaw(c.command); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if rows := dump(t, w.db); len(rows) > 0 {
				t.Errorf("it left %v", rows)
			}
		})
	}
	b := w.db.NewBatch()
	if err := b.Set(keyspace{testSpace}.ofKey(tableHead, 1, "k"), []byte{2, 0}); err != nil {
		t.Fatal(err)
	}
	if err := b.Commit(false); err != nil {
		t.Fatal(err)
	}
	if _, err := w.view().Latest(1, "k"); !errors.Is(err, ErrFormat) {
		t.Errorf("record of format 2: got %v, want %v", err, ErrFormat)
	}
}

// TestMalformedCommandsAreInvalid sends what no caller should: each is refused, and nothing changes.
func TestMalformedCommandsAreInvalid(t *testing.T) {
	put := func(change func(*Put)) Put {
		p := putOf(1, "k", "A")
		change(&p)
		return p
	}
	part := PutPart{Bucket: 1, Key: "k", Upload: id.Upload{1}, Part: Part{Number: 1, Size: 10}, Payload: Payload{Extents: extentsOf("A")}}
	partOf := func(number int) PutPart {
		p := part
		p.Part.Number = number
		return p
	}
	complete := func(refs ...PartRef) CompleteUpload {
		return CompleteUpload{Upload: id.Upload{1}, Version: Version{Bucket: 1, Key: "k"}, Parts: refs}
	}
	cases := map[string]Command{
		"an empty key":                     put(func(p *Put) { p.Version.Key = "" }),
		"a key that is too long":           put(func(p *Put) { p.Version.Key = strings.Repeat("k", KeyMax+1) }),
		"a size that is not the content's": put(func(p *Put) { p.Version.Size = 11 }),
		"an extent of nothing":             put(func(p *Put) { p.Payload.Extents[0].Length, p.Version.Size = 0, 0 }),
		"an extent beyond its block":       put(func(p *Put) { p.Payload.Extents[0].Offset = 1 }),
		"inline and extents":               put(func(p *Put) { p.Payload.Inline, p.Version.Size = []byte("x"), 11 }),
		"too much inline": put(func(p *Put) {
			p.Payload = Payload{Inline: make([]byte, InlineMax+1)}
			p.Version.Size = InlineMax + 1
		}),
		"parts in a put":        put(func(p *Put) { p.Payload.Parts = []PartRef{{Number: 1}} }),
		"a put of a marker":     put(func(p *Put) { p.Version.DeleteMarker = true }),
		"no versioning again":   SetVersioning{1, Unversioned},
		"a versioning of 3":     SetVersioning{1, 3},
		"a lock mode of 3":      put(func(p *Put) { p.Version.Lock = Lock{Mode: 3, Until: time.UnixMilli(9)} }),
		"a lock without end":    put(func(p *Put) { p.Version.Lock = Lock{Mode: Compliance} }),
		"an end without a lock": put(func(p *Put) { p.Version.Lock = Lock{Until: time.UnixMilli(9)} }),
		"a hold of 3":           put(func(p *Put) { p.Version.Lock = Lock{Hold: 3} }),
		"a rule of both":        SetLockRule{1, LockRule{Mode: Governance, Days: 1, Years: 1}, true},
		"a rule of neither":     SetLockRule{1, LockRule{Mode: Governance}, true},
		"a rule without mode":   SetLockRule{1, LockRule{Days: 1}, true},
		"a rule of 101 years":   SetLockRule{1, LockRule{Mode: Compliance, Years: 101}, true},
		"tags of no key":        SetTags{Bucket: 1},
		"a retention of 3":      SetRetention{Bucket: 1, Key: "k", Mode: 3, Until: time.UnixMilli(9)},
		"a delete of no key":    Delete{Bucket: 1},
		"an upload without id":  CreateUpload{Upload{Bucket: 1, Key: "k"}},
		"part 0":                partOf(0),
		"part 10001":            partOf(PartNumberMax + 1),
		"a complete of no part": complete(),
		"parts that descend":    complete(PartRef{Number: 2}, PartRef{Number: 1}),
		"a part twice":          complete(PartRef{Number: 1}, PartRef{Number: 1}),
		"an abort of no key":    AbortUpload{Bucket: 1, Upload: id.Upload{1}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.mustOK(CreateUpload{Upload{Bucket: 1, Key: "k", ID: id.Upload{1}}})
			before := dump(t, w.db)
			if r := w.apply(c); r.Code != Invalid {
				t.Errorf("got %s, want %s", r.Code, Invalid)
			}
			if diff := cmp.Diff(before, dump(t, w.db)); diff != "" {
				t.Errorf("it changed:\n%s", diff)
			}
		})
	}
}

// FuzzApply gives the machine commands that nobody encoded, upon a state with something to break.
func FuzzApply(f *testing.F) {
	for _, c := range oneOfEach() {
		f.Add(Encode(c))
	}
	full := mem.New()
	w := &world{t: f, db: full, machine: NewMachine(testSpace)}
	s := &source{rand.New(rand.NewPCG(7, 0)), w.view()}
	for range 200 {
		w.apply(s.command())
	}
	f.Fuzz(func(t *testing.T, command []byte) {
		w := &world{t: t, db: full.Fork(), machine: NewMachine(testSpace), index: 1000}
		raw, err := w.applyRaw(command)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrFormat) {
				t.Errorf("unexpected error: %v", err)
			}
			return
		}
		if _, err := DecodeResult(raw); err != nil {
			t.Errorf("result: %v", err)
		}
		checkState(t, w.db)
		if _, err := w.view().ListVersions(VersionsQuery{Bucket: 5, Max: 100}); err != nil {
			t.Errorf("list: %v", err)
		}
	})
}

// FuzzDecodeResult checks that what can be read is written and read again as the same.
func FuzzDecodeResult(f *testing.F) {
	m, db := NewMachine(testSpace), mem.New()
	for i, c := range oneOfEach() {
		b := db.NewBatch()
		raw, err := m.Apply(b, raftgroup.Entry{Index: uint64(i + 1), Command: Encode(c)})
		if err != nil {
			f.Fatal(err)
		}
		if err := b.Commit(false); err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Add(encode(&indexpb.Result{Code: uint32(EpochTooOld), Epoch: 3, Missing: [][]byte{bytes.Repeat([]byte{1}, 32)}}))
	f.Fuzz(func(t *testing.T, raw []byte) {
		first, err := DecodeResult(raw)
		if err != nil {
			return
		}
		var m indexpb.Result
		if err := decode(raw, &m); err != nil {
			t.Fatal(err)
		}
		second, err := DecodeResult(encode(&m))
		if diff := cmp.Diff(first, second, cmpopts.EquateNaNs()); diff != "" || err != nil {
			t.Errorf("%v:\n%s", err, diff)
		}
	})
}

// FuzzRecords reads stored values that nobody wrote: no panic, and what is a version is the same when written and read again.
func FuzzRecords(f *testing.F) {
	put := oneOfEach()[1].(Put)
	f.Add(encode(recordToPB(&put.Version)))
	f.Add(encode(payloadToPB(&put.Payload)))
	f.Add(encodeMeta(&put.Version.Meta))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var rec indexpb.Record
		if decode(raw, &rec) == nil {
			again(t, &rec, recordFromPB, recordToPB)
		}
		var payload indexpb.Payload
		if decode(raw, &payload) == nil {
			again(t, &payload, payloadFromPB, payloadToPB)
		}
		var upload indexpb.Upload
		if decode(raw, &upload) == nil {
			again(t, &upload, uploadFromPB, uploadToPB)
		}
		var meta Meta
		if decodeMeta(raw, &meta) == nil {
			var second Meta
			if err := decodeMeta(encodeMeta(&meta), &second); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(meta, second, cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
		}
	})
}

// again checks that a domain value survives another round.
func again[M proto.Message, V any](t *testing.T, m M, from func(M) (V, error), to func(*V) M) {
	t.Helper()
	first, err := from(m)
	if err != nil {
		return
	}
	second, err := from(to(&first))
	if diff := cmp.Diff(first, second, cmpopts.EquateEmpty()); diff != "" || err != nil {
		t.Errorf("%v:\n%s", err, diff)
	}
}
