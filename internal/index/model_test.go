package index

import (
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"grange/internal/block"
	"grange/internal/checksum"
	"grange/internal/id"
)

// source draws random commands. They meet each other often: few keys, blocks, tags and uploads.
type source struct {
	*rand.Rand
	view *View
}

var modelKeys = []string{
	"a", "a/", "a/b", "a/b/c", "a/b0", "a0", "a\x00", "a\x00\x01", "a\x00\xff", "a\xff", "\x00", "\xff\xff", "b//c", "b/c", "ü/é", "ü",
}

var modelTags = []string{"e1", "e2", "e3"}

func (s *source) one(texts []string) string { return texts[s.IntN(len(texts))] }
func (s *source) chance(percent int) bool   { return s.IntN(100) < percent }
func (s *source) bucket() id.Bucket         { return id.Bucket(1 + s.IntN(3)) }
func (s *source) time() time.Time           { return time.UnixMilli(1 + s.Int64N(1e12)).UTC() }

// upload is a new id: one is never used twice.
func (s *source) upload() (u id.Upload) {
	binary.BigEndian.PutUint64(u[:], s.Uint64())
	return u
}

func (s *source) random() (b [8]byte) {
	b[s.IntN(8)] = byte(s.IntN(3))
	return b
}

// rules are changes of the buckets' rules: bucket 1 never has versioning, bucket 2 sometimes, and bucket 3 gets Object Lock.
func (s *source) rules() Command {
	switch s.IntN(4) {
	case 0:
		return SetVersioning{2, []Versioning{Enabled, Suspended}[s.IntN(2)]}
	case 1:
		return SetVersioning{3, []Versioning{Enabled, Enabled, Suspended}[s.IntN(3)]}
	case 2:
		return SetLockRule{Bucket: id.Bucket(1 + 2*s.IntN(2)), Fresh: true}
	default:
		return SetLockRule{3, []LockRule{
			{Enabled: true}, {Enabled: true, Mode: Governance, Days: 1 + s.IntN(9999)}, {Enabled: true, Mode: Compliance, Years: 1 + s.IntN(30)},
		}[s.IntN(3)], false}
	}
}

// lock is one for a version in bucket 3, and now and then one where none can be.
func (s *source) lock(b id.Bucket) (l Lock) {
	if !s.chance(map[bool]int{true: 40, false: 3}[b == 3]) {
		return l
	}
	if s.chance(80) {
		l.Mode, l.Until = []LockMode{Governance, Compliance}[s.IntN(2)], s.time()
	}
	if s.chance(20) {
		l.Hold = []Hold{HoldOff, HoldOn}[s.IntN(2)]
	}
	return l
}

// amendment changes a version that is likely to exist.
func (s *source) amendment() Command {
	b := id.Bucket(2 + s.IntN(2))
	d := s.delete(b)
	switch s.IntN(3) {
	case 0:
		return SetTags{b, d.Key, d.VersionID, s.meta().Tags}
	case 1:
		l := s.lock(3)
		return SetRetention{b, d.Key, d.VersionID, l.Mode, l.Until, s.time(), s.chance(30)}
	default:
		return SetHold{b, d.Key, d.VersionID, s.chance(30)}
	}
}

func (s *source) condition() (c Condition) {
	if s.chance(15) {
		c.IfMatch = append(c.IfMatch, s.one(modelTags), s.one([]string{"e1", "*"}))
	}
	if s.chance(15) {
		c.IfNoneMatch = append(c.IfNoneMatch, s.one([]string{"e1", "e2", "*"}))
	}
	return c
}

func (s *source) limits() (l Limits) {
	if s.chance(10) {
		l.Bytes = int64(s.IntN(300))
	}
	if s.chance(10) {
		l.Objects = int64(s.IntN(8))
	}
	return l
}

func (s *source) blocks() (names []string) {
	for range s.IntN(4) {
		names = append(names, string(rune('A'+s.IntN(8))))
	}
	return names
}

func (s *source) payload() Payload {
	if s.chance(20) {
		return Payload{Inline: make([]byte, 1+s.IntN(20))}
	}
	return Payload{Extents: extentsOf(s.blocks()...)}
}

func (s *source) addresses() (out []block.Address) {
	b := s.bucket()
	seen := make(map[string]bool)
	for _, n := range s.blocks() {
		if !seen[n] {
			out = append(out, addressOf(b, n))
		}
		seen[n] = true
	}
	return out
}

func (s *source) checksum() (v checksum.Value) {
	if s.chance(40) {
		v = checksum.Value{Algorithm: checksum.CRC32C, Type: checksum.FullObject, Sum: []byte{byte(s.IntN(9)), 0, 1, 2}}
	}
	return v
}

func (s *source) meta() (m Meta) {
	m.Owner[0] = byte(s.IntN(3))
	m.StorageClass = s.one([]string{"", "GLACIER"})
	if s.chance(30) {
		m.Headers = map[string]string{"content-type": "text/plain", "expires": "never"}
		m.User = map[string]string{"who": s.one(modelKeys), "why": "\xff"}
		m.Tags = []Tag{{"k2", "v"}, {"k1", ""}}
	}
	if s.chance(20) {
		m.ChecksumAlgorithm, m.ChecksumType = checksum.SHA256, checksum.Composite
	}
	return m
}

func (s *source) epoch() block.Epoch {
	now, err := s.view.Epoch()
	if err != nil {
		panic(err)
	}
	return now - min(now, block.Epoch(s.IntN(4)))
}

func (s *source) version() Version {
	b := s.bucket()
	return Version{
		Bucket: b, Key: s.one(modelKeys), ETag: s.one(modelTags), Modified: s.time(), Checksum: s.checksum(), Meta: s.meta(), Lock: s.lock(b),
	}
}

func (s *source) command() Command {
	switch n := s.IntN(100); {
	case n < 5:
		return s.rules()
	case n < 14:
		return s.amendment()
	case n < 40:
		p := Put{
			Version: s.version(), Payload: s.payload(), Random: s.random(), Condition: s.condition(),
			Epoch: s.epoch(), Copied: s.chance(20), Limits: s.limits(),
		}
		p.Version.Size = sizeOf(p.Payload)
		return p
	case n < 54:
		return s.delete(s.bucket())
	case n < 58:
		c := DeleteMany{Bucket: s.bucket()}
		for range s.IntN(4) {
			c.Deletes = append(c.Deletes, s.delete(c.Bucket))
		}
		return c
	case n < 64:
		b := s.bucket()
		return CreateUpload{Upload{Bucket: b, Key: s.one(modelKeys), ID: s.upload(), Initiated: s.time(), Lock: s.lock(b), Meta: s.meta()}}
	case n < 76:
		return s.putPart()
	case n < 82:
		return s.complete()
	case n < 84:
		b, key, u := s.openUpload()
		return AbortUpload{b, key, u}
	case n < 85 && s.chance(20):
		return SealBucket{id.Bucket(1 + s.IntN(2))}
	case n < 90:
		return Release{Max: s.IntN(6)}
	case n < 96:
		return Doom{Blocks: s.addresses(), KeepEpochs: uint64(s.IntN(5))}
	default:
		return Buried{Blocks: s.addresses(), Epoch: s.epoch()}
	}
}

// delete removes an object, or a version that is likely to exist.
func (s *source) delete(b id.Bucket) Delete {
	d := Delete{
		Bucket: b, Key: s.one(modelKeys), Condition: s.condition(), Modified: s.time(), Random: s.random(), Owner: id.Account{1},
		Now: s.time(), Bypass: s.chance(30),
	}
	if s.chance(60) {
		page, err := s.view.ListVersions(VersionsQuery{Bucket: b, Max: 100})
		if err != nil {
			panic(err)
		}
		if n := len(page.Entries); n > 0 {
			e := page.Entries[s.IntN(n)]
			d.Key, d.VersionID = e.Key, &e.ID
			if s.chance(10) {
				d.Key = s.one(modelKeys)
			}
		}
	}
	return d
}

// openUpload names an upload that is likely to exist.
func (s *source) openUpload() (id.Bucket, string, id.Upload) {
	b := s.bucket()
	page, err := s.view.Uploads(UploadsQuery{Bucket: b, Max: 100})
	if err != nil {
		panic(err)
	}
	if n := len(page.Entries); n > 0 && s.chance(95) {
		u := page.Entries[s.IntN(n)]
		return b, u.Key, u.ID
	}
	return b, s.one(modelKeys), s.upload()
}

func (s *source) putPart() PutPart {
	b, key, u := s.openUpload()
	p := PutPart{
		Bucket: b, Key: key, Upload: u, Payload: s.payload(), Epoch: s.epoch(), Copied: s.chance(20),
		Part: Part{Number: 1 + s.IntN(4), ETag: s.one(modelTags), Modified: s.time(), Checksum: s.checksum()},
	}
	p.Part.Size = sizeOf(p.Payload)
	return p
}

func (s *source) complete() CompleteUpload {
	b, key, u := s.openUpload()
	c := CompleteUpload{
		Upload: u, Version: s.version(), Random: s.random(), Condition: s.condition(), Limits: s.limits(),
	}
	c.Version.Bucket, c.Version.Key = b, key
	parts, _, _ := s.view.Parts(b, key, u, 0, 100)
	for _, p := range parts {
		if s.chance(80) {
			c.Version.Size += p.Size
			c.Parts = append(c.Parts, PartRef{Number: p.Number, Seq: p.Seq})
		}
	}
	if len(c.Parts) == 0 {
		c.Parts = []PartRef{{Number: 1, Seq: 1}} // no part has the first place: it belongs to what made the upload's bucket
	} else if s.chance(10) {
		c.Parts[0].Seq--
	}
	return c
}

var (
	modelSeed  = flag.Uint64("seed", 0, "the only seed to run; 0 runs a fixed few")
	modelSteps = flag.Int("steps", 700, "random commands for each seed")
)

// TestMachineBehavesLikeItsTwin applies random commands to both and compares all that can be read.
func TestMachineBehavesLikeItsTwin(t *testing.T) {
	seeds := []uint64{1, 2, 3, 4}
	if *modelSeed != 0 {
		seeds = []uint64{*modelSeed}
	}
	for _, seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			w, tw := newWorld(t), newTwin()
			s := &source{rand.New(rand.NewPCG(seed, 0)), w.view()}
			codes := make(map[Code]int)
			for step := range *modelSteps {
				c := s.command()
				if step == 0 {
					c = SetLockRule{Bucket: 3, Fresh: true}
				}
				want := tw.apply(c, namedBlocks(t, w.db))
				got := w.apply(c)
				if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
					t.Fatalf("step %d: answer to %+v (-twin +machine):\n%s", step, c, diff)
				}
				codes[got.Code]++
				if step%30 == 0 {
					checkState(t, w.db)
					compareReads(t, s, tw)
				}
				if t.Failed() {
					t.Fatalf("step %d, after %#v", step, c)
				}
			}
			w.drain()
			checkState(t, w.db)
			compareBlocks(t, s.view, tw)
			for code := range Invalid {
				if codes[code] == 0 && code != NotEmpty && code != BucketSealed {
					t.Errorf("no command was answered with %q: the commands are not random enough", code)
				}
			}
		})
	}
}

// compareBlocks compares the references when nothing waits for release.
func compareBlocks(t *testing.T, v *View, tw *twin) {
	t.Helper()
	got := make(map[block.Address]uint64)
	if err := v.EachReferenced(id.Hash{}, func(r Referenced) bool { got[r.Address] = r.Count; return true }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(tw.blocks(), got); diff != "" {
		t.Errorf("references (-twin +machine):\n%s", diff)
	}
}

func compareReads(t *testing.T, s *source, tw *twin) {
	t.Helper()
	for _, b := range slices.Sorted(maps.Keys(tw.buckets)) {
		bucket := tw.buckets[b]
		stats, err := s.view.Stats(b)
		if err != nil || stats != bucket.stats() {
			t.Errorf("stats of %s: got %+v, %v, want %+v", b, stats, err, bucket.stats())
		}
		rules, err := s.view.Rules(b)
		if err != nil || rules != bucket.rules {
			t.Errorf("rules of %s: got %+v, %v, want %+v", b, rules, err, bucket.rules)
		}
		for _, key := range modelKeys {
			compareKey(t, s.view, b, key, bucket)
		}
		for _, u := range bucket.uploads {
			compareParts(t, s.view, u)
		}
		compareListings(t, s, b, bucket)
	}
}

func compareKey(t *testing.T, v *View, b id.Bucket, key string, bucket *twinBucket) {
	t.Helper()
	versions, versioned := bucket.keys[key], bucket.rules.Versioning != Unversioned
	latest, err := v.Latest(b, key)
	wantErr := error(nil)
	switch {
	case len(versions) == 0:
		wantErr = ErrNotFound
	case versions[0].DeleteMarker:
		wantErr = errLatestIsMarker
	}
	if !errors.Is(err, wantErr) {
		t.Errorf("latest of %s/%q: error %v, want %v", b, key, err, wantErr)
	}
	if len(versions) > 0 {
		compareVersion(t, v, latest, versions[0], true, versioned)
	}
	for i, want := range versions {
		got, err := v.ByID(b, key, want.ID)
		if errors.Is(err, ErrDeleteMarker) != want.DeleteMarker || err != nil && !errors.Is(err, ErrDeleteMarker) {
			t.Errorf("version %s of %s/%q: %v", want.ID, b, key, err)
		}
		compareVersion(t, v, got, want, i == 0, versioned)
	}
	if _, err := v.ByID(b, key, id.NewVersion(3, [8]byte{9})); !errors.Is(err, ErrNotFound) {
		t.Errorf("version that never was, of %s/%q: %v", b, key, err)
	}
}

func compareVersion(t *testing.T, v *View, got Version, want *twinVersion, latest, versioned bool) {
	t.Helper()
	expected := want.Version
	expected.Latest = latest
	expected.Versioned = versioned
	if diff := cmp.Diff(expected, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("version (-twin +machine):\n%s", diff)
	}
	if want.DeleteMarker {
		return
	}
	payload, err := v.Payload(got)
	if err != nil {
		t.Errorf("payload of %s/%q: %v", got.Bucket, got.Key, err)
	}
	if diff := cmp.Diff(want.payload, payload, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("payload (-twin +machine):\n%s", diff)
	}
	for _, ref := range payload.Parts {
		part, err := v.PartPayload(got.Bucket, got.Key, got.Upload, ref)
		if err != nil {
			t.Errorf("part %d of %s/%q: %v", ref.Number, got.Bucket, got.Key, err)
		}
		if diff := cmp.Diff(want.parts[ref.Number], part, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("part payload (-twin +machine):\n%s", diff)
		}
	}
}

func compareParts(t *testing.T, v *View, want *twinUpload) {
	t.Helper()
	got, err := v.Upload(want.Bucket, want.Key, want.ID)
	if diff := cmp.Diff(want.Upload, got, cmpopts.EquateEmpty()); diff != "" || err != nil {
		t.Errorf("upload: %v (-twin +machine):\n%s", err, diff)
	}
	numbers := slices.Sorted(maps.Keys(want.parts))
	after := 0
	for i, number := range numbers {
		parts, more, err := v.Parts(want.Bucket, want.Key, want.ID, after, 1)
		if err != nil || len(parts) != 1 || more != (i+1 < len(numbers)) {
			t.Fatalf("parts after %d: %v, more %t, %v", after, parts, more, err)
		}
		if diff := cmp.Diff(want.parts[number].Part, parts[0]); diff != "" {
			t.Errorf("part (-twin +machine):\n%s", diff)
		}
		payload, err := v.PartPayload(want.Bucket, want.Key, want.ID, PartRef{Number: number, Seq: parts[0].Seq})
		if diff := cmp.Diff(want.parts[number].payload, payload, cmpopts.EquateEmpty()); diff != "" || err != nil {
			t.Errorf("part payload: %v (-twin +machine):\n%s", err, diff)
		}
		after = number
	}
}

// compareListings reads random listings to their end, in pages of random size.
func compareListings(t *testing.T, s *source, b id.Bucket, bucket *twinBucket) {
	t.Helper()
	prefix, after := s.one([]string{"", "", "a", "a/", "\xff", "b/", "a\x00"}), s.one(append([]string{"", ""}, modelKeys...))
	delimiter := s.one([]string{"", "/", "//", "b", "\x00", "/b", "\xff"})
	size := 1 + s.IntN(5)
	label := fmt.Sprintf("bucket %s prefix %q delimiter %q after %q max %d", b, prefix, delimiter, after, size)

	all := bucket.listed()
	live := slices.DeleteFunc(slices.Clone(all), func(e ListEntry) bool { return !e.Latest || e.DeleteMarker })
	entryKey := func(e ListEntry) string { return e.Key }
	if diff := cmp.Diff(wantEntries(rollUp(live, entryKey, prefix, delimiter, after)),
		listAll(t, s.view, ListQuery{b, prefix, delimiter, after, size}), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("list %s (-twin +machine):\n%s", label, diff)
	}
	if diff := cmp.Diff(wantEntries(rollUp(all, entryKey, prefix, delimiter, after)),
		listAllVersions(t, s.view, VersionsQuery{b, prefix, delimiter, after, nil, size}), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("list versions %s (-twin +machine):\n%s", label, diff)
	}
	names, of := rollUp(bucket.listedUploads(), func(u Upload) string { return u.Key }, prefix, delimiter, after)
	var want []UploadEntry
	for i, u := range of {
		if u == nil {
			want = append(want, UploadEntry{Upload{Key: names[i]}, true})
		} else {
			want = append(want, UploadEntry{*u, false})
		}
	}
	if diff := cmp.Diff(want, listAllUploads(t, s.view, UploadsQuery{b, prefix, delimiter, after, nil, size}), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("uploads %s (-twin +machine):\n%s", label, diff)
	}
}

func wantEntries(names []string, of []*ListEntry) (out []ListEntry) {
	for i, e := range of {
		if e == nil {
			out = append(out, ListEntry{Key: names[i], CommonPrefix: true})
		} else {
			out = append(out, *e)
		}
	}
	return out
}

func listAll(t *testing.T, v *View, q ListQuery) (all []ListEntry) {
	t.Helper()
	for {
		page, err := v.List(q)
		if err != nil || len(page.Entries) > q.Max || page.Truncated && len(page.Entries) < q.Max {
			t.Fatalf("list %+v: %d entries, truncated %t, %v", q, len(page.Entries), page.Truncated, err)
		}
		all = append(all, page.Entries...)
		if !page.Truncated {
			return all
		}
		if page.Next <= q.After {
			t.Fatalf("list %+v goes back to %q", q, page.Next)
		}
		q.After = page.Next
	}
}

func listAllVersions(t *testing.T, v *View, q VersionsQuery) (all []ListEntry) {
	t.Helper()
	for {
		page, err := v.ListVersions(q)
		if err != nil || len(page.Entries) > q.Max || page.Truncated && len(page.Entries) < q.Max {
			t.Fatalf("list versions %+v: %d entries, truncated %t, %v", q, len(page.Entries), page.Truncated, err)
		}
		all = append(all, page.Entries...)
		if !page.Truncated {
			return all
		}
		if page.NextKey < q.KeyMarker || page.Entries[0].CommonPrefix && page.NextKey == q.KeyMarker {
			t.Fatalf("list %+v goes back to %q", q, page.NextKey)
		}
		q.KeyMarker, q.VersionMarker = page.NextKey, page.NextVersion
	}
}

func listAllUploads(t *testing.T, v *View, q UploadsQuery) (all []UploadEntry) {
	t.Helper()
	for {
		page, err := v.Uploads(q)
		if err != nil || len(page.Entries) > q.Max || page.Truncated && len(page.Entries) < q.Max {
			t.Fatalf("uploads %+v: %d entries, truncated %t, %v", q, len(page.Entries), page.Truncated, err)
		}
		all = append(all, page.Entries...)
		if !page.Truncated {
			return all
		}
		if page.NextKey < q.KeyMarker || page.Entries[0].CommonPrefix && page.NextKey == q.KeyMarker {
			t.Fatalf("list %+v goes back to %q", q, page.NextKey)
		}
		q.KeyMarker, q.UploadMarker = page.NextKey, page.NextUpload
	}
}
