package index

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"grange/internal/block"
	"grange/internal/id"
)

// twin is the machine as one would explain it: maps and slices, everything looked at every time. It has no reference counts and
// no release queue of its own; which blocks stored rows still name is told by a walk over them.
type twin struct {
	buckets map[id.Bucket]*twinBucket
	epoch   block.Epoch
	floor   block.Epoch
	dooms   map[block.Address]block.Epoch // for ever
	proven  map[block.Address]bool        // named since the last doom
	named   map[block.Address]uint64      // by stored rows, now
}

type twinBucket struct {
	seq     uint64
	sealed  bool
	rules   BucketRules
	keys    map[string][]*twinVersion // newest first
	uploads map[uploadKey]*twinUpload
}

type uploadKey struct {
	key string
	id  id.Upload
}

type twinVersion struct {
	Version
	payload Payload
	parts   map[int]Payload // by number
}

type twinUpload struct {
	Upload
	parts map[int]*twinPart
}

type twinPart struct {
	Part
	payload Payload
}

func newTwin() *twin {
	return &twin{
		buckets: make(map[id.Bucket]*twinBucket),
		dooms:   make(map[block.Address]block.Epoch),
		proven:  make(map[block.Address]bool),
	}
}

func (w *twin) bucket(b id.Bucket) *twinBucket {
	if w.buckets[b] == nil {
		w.buckets[b] = &twinBucket{keys: make(map[string][]*twinVersion), uploads: make(map[uploadKey]*twinUpload)}
	}
	return w.buckets[b]
}

// apply returns what the machine should answer; named is what stored rows name before the command.
func (w *twin) apply(c Command, named map[block.Address]uint64) Result {
	w.named = named
	r := w.dispatch(c)
	r.Epoch = w.epoch
	return r
}

func (w *twin) dispatch(c Command) Result {
	switch c := c.(type) {
	case Put:
		return w.put(c)
	case Delete:
		return w.delete(c)
	case DeleteMany:
		var all Result
		if w.bucket(c.Bucket).sealed {
			return Result{Code: BucketSealed}
		}
		for _, d := range c.Deletes {
			d.Bucket = c.Bucket
			all.Results = append(all.Results, w.delete(d))
		}
		return all
	case SetVersioning:
		return w.setVersioning(c)
	case SetLockRule:
		return w.setLockRule(c)
	case SetTags:
		return w.amend(c.Bucket, c.Key, c.VersionID, false, func(v *twinVersion) Code {
			v.Meta.Tags = c.Tags
			return OK
		})
	case SetRetention:
		return w.amend(c.Bucket, c.Key, c.VersionID, true, func(v *twinVersion) Code { return v.retain(c) })
	case SetHold:
		return w.amend(c.Bucket, c.Key, c.VersionID, true, func(v *twinVersion) Code {
			v.Lock.Hold = map[bool]Hold{true: HoldOn, false: HoldOff}[c.On]
			return OK
		})
	case CreateUpload:
		return w.createUpload(c)
	case PutPart:
		return w.putPart(c)
	case CompleteUpload:
		return w.complete(c)
	case AbortUpload:
		return w.abort(c)
	case SealBucket:
		return w.seal(c)
	case Doom:
		return w.doom(c)
	default: // Release and Buried change nothing that can be seen here
		return Result{}
	}
}

func (w *twin) claim(b id.Bucket, p Payload, epoch block.Epoch, copied bool) (r Result, ok bool) {
	for _, e := range p.Extents {
		a := block.Address{Bucket: b, Hash: e.Hash}
		switch {
		case copied && w.named[a] == 0:
			return Result{Code: SourceChanged}, false
		case !copied && !w.proven[a] && (epoch < w.floor || epoch < w.dooms[a]) && !slices.Contains(r.Missing, a.Hash):
			r.Code = EpochTooOld
			r.Missing = append(r.Missing, a.Hash)
		}
	}
	if r.Code != OK {
		return r, false
	}
	for _, e := range p.Extents {
		w.proven[block.Address{Bucket: b, Hash: e.Hash}] = true
	}
	return r, true
}

func twinCheck(c Condition, now *twinVersion) Code {
	has := func(tags []string) bool {
		return slices.Contains(tags, "*") || slices.Contains(tags, now.ETag)
	}
	switch {
	case len(c.IfMatch) > 0 && now == nil:
		return NotFound
	case len(c.IfMatch) > 0 && !has(c.IfMatch):
		return PreconditionFailed
	case now != nil && has(c.IfNoneMatch):
		return PreconditionFailed
	}
	return OK
}

func (b *twinBucket) live(key string) *twinVersion {
	if vs := b.keys[key]; len(vs) > 0 && !vs[0].DeleteMarker {
		return vs[0]
	}
	return nil
}

func (b *twinBucket) find(key string, v id.Version) *twinVersion {
	for _, have := range b.keys[key] {
		if have.ID == v {
			return have
		}
	}
	return nil
}

func (b *twinBucket) remove(gone *twinVersion) {
	if gone == nil {
		return
	}
	b.keys[gone.Key] = slices.DeleteFunc(b.keys[gone.Key], func(v *twinVersion) bool { return v == gone })
	if len(b.keys[gone.Key]) == 0 {
		delete(b.keys, gone.Key)
	}
}

func (b *twinBucket) push(v *twinVersion, random [8]byte) Result {
	b.seq++
	v.Seq = b.seq
	v.ID = id.Version{}
	if b.rules.Versioning == Enabled {
		v.ID = id.NewVersion(v.Seq, random)
	}
	if rule := b.rules.Lock; !v.DeleteMarker && v.Lock.Mode == NoRetention && rule.Mode != NoRetention {
		v.Lock.Mode, v.Lock.Until = rule.Mode, v.Modified.AddDate(rule.Years, 0, rule.Days)
	}
	b.keys[v.Key] = append([]*twinVersion{v}, b.keys[v.Key]...)
	r := b.answer(v)
	r.Version.Latest = true
	return r
}

// answer is a version as results carry it.
func (b *twinBucket) answer(v *twinVersion) Result {
	r := Result{Version: v.Version}
	r.Version.Bucket, r.Version.Key, r.Version.Meta, r.Version.Lock = 0, "", Meta{}, Lock{}
	r.Version.Versioned = b.rules.Versioning != Unversioned
	return r
}

func (b *twinBucket) quota(l Limits, size int64, now, gone *twinVersion) bool {
	s := b.stats()
	freed := int64(0)
	if gone != nil {
		freed = gone.Size
	}
	if l.Bytes > 0 && size > freed && s.Bytes+size-freed > l.Bytes {
		return false
	}
	return l.Objects == 0 || now != nil || s.Objects < l.Objects
}

// write is what Put and Complete share: a version comes, under condition and limits.
func (b *twinBucket) write(v *twinVersion, c Condition, l Limits, random [8]byte, ready func() (Result, bool)) Result {
	now := b.live(v.Key)
	if code := twinCheck(c, now); code != OK {
		return Result{Code: code}
	}
	var gone *twinVersion
	if b.rules.Versioning != Enabled {
		gone = b.find(v.Key, id.Version{})
	}
	if !b.quota(l, v.Size, now, gone) {
		return Result{Code: QuotaExceeded}
	}
	if r, ok := ready(); !ok {
		return r
	}
	b.remove(gone)
	return b.push(v, random)
}

func (w *twin) put(c Put) Result {
	b := w.bucket(c.Version.Bucket)
	if b.sealed {
		return Result{Code: BucketSealed}
	}
	if c.Version.Lock != (Lock{}) && !b.rules.Lock.Enabled {
		return Result{Code: NoObjectLock}
	}
	return b.write(&twinVersion{Version: c.Version, payload: c.Payload}, c.Condition, c.Limits, c.Random, func() (Result, bool) {
		return w.claim(c.Version.Bucket, c.Payload, c.Epoch, c.Copied)
	})
}

func (w *twin) delete(c Delete) Result {
	b := w.bucket(c.Bucket)
	if b.sealed {
		return Result{Code: BucketSealed}
	}
	now := b.live(c.Key)
	if c.VersionID != nil {
		gone := b.find(c.Key, *c.VersionID)
		if now = gone; gone != nil && gone.DeleteMarker {
			now = nil
		}
		if code := twinCheck(c.Condition, now); code != OK || gone == nil {
			return Result{Code: code}
		}
		if gone.isLocked(c.Now, c.Bypass) {
			return Result{Code: Locked}
		}
		b.remove(gone)
		return b.answer(gone)
	}
	if code := twinCheck(c.Condition, now); code != OK {
		return Result{Code: code}
	}
	var gone *twinVersion
	if b.rules.Versioning != Enabled {
		gone = b.find(c.Key, id.Version{})
		b.remove(gone)
	}
	if b.rules.Versioning != Unversioned {
		marker := &twinVersion{Version: Version{Bucket: c.Bucket, Key: c.Key, DeleteMarker: true, Modified: c.Modified, Meta: Meta{Owner: c.Owner}}}
		return b.push(marker, c.Random)
	}
	if gone == nil {
		return Result{}
	}
	return b.answer(gone)
}

func (v *twinVersion) isLocked(now time.Time, bypass bool) bool {
	inForce := v.Lock.Mode != NoRetention && now.Before(v.Lock.Until)
	return v.Lock.Hold == HoldOn || inForce && v.Lock.Mode == Compliance || inForce && !bypass
}

func (v *twinVersion) retain(c SetRetention) Code {
	old := v.Lock
	inForce := old.Mode != NoRetention && c.Now.Before(old.Until)
	longer := c.Mode == old.Mode && !c.Until.Before(old.Until)
	if inForce && !longer && (old.Mode == Compliance || !c.Bypass) {
		return Locked
	}
	v.Lock.Mode, v.Lock.Until = c.Mode, c.Until
	return OK
}

func (w *twin) setVersioning(c SetVersioning) Result {
	b := w.bucket(c.Bucket)
	switch {
	case b.sealed:
		return Result{Code: BucketSealed}
	case c.Mode == Unversioned:
		return Result{Code: Invalid}
	case c.Mode == Suspended && b.rules.Lock.Enabled:
		return Result{Code: StateConflict}
	}
	b.rules.Versioning = c.Mode
	return Result{}
}

func (w *twin) setLockRule(c SetLockRule) Result {
	b := w.bucket(c.Bucket)
	switch {
	case b.sealed:
		return Result{Code: BucketSealed}
	case c.Fresh && b.rules.Lock.Enabled:
		return Result{}
	case c.Fresh && (b.seq > 0 || b.rules.Versioning != Unversioned), !c.Fresh && b.rules.Versioning != Enabled:
		return Result{Code: StateConflict}
	}
	c.Rule.Enabled = true
	b.rules = BucketRules{Enabled, c.Rule}
	return Result{}
}

// amend changes a version in place.
func (w *twin) amend(in id.Bucket, key string, v *id.Version, aboutLock bool, alter func(*twinVersion) Code) Result {
	b := w.bucket(in)
	found := b.live(key)
	if v != nil {
		found = b.find(key, *v)
	}
	switch {
	case b.sealed:
		return Result{Code: BucketSealed}
	case aboutLock && !b.rules.Lock.Enabled:
		return Result{Code: NoObjectLock}
	case found == nil:
		return Result{Code: NotFound}
	case found.DeleteMarker:
		return Result{Code: IsDeleteMarker}
	}
	if code := alter(found); code != OK {
		return Result{Code: code}
	}
	r := b.answer(found)
	r.Version.Latest = b.keys[key][0] == found
	return r
}

func (w *twin) createUpload(c CreateUpload) Result {
	b := w.bucket(c.Upload.Bucket)
	k := uploadKey{c.Upload.Key, c.Upload.ID}
	if b.sealed {
		return Result{Code: BucketSealed}
	}
	if c.Upload.Lock != (Lock{}) && !b.rules.Lock.Enabled {
		return Result{Code: NoObjectLock}
	}
	if b.uploads[k] != nil {
		return Result{Code: Invalid}
	}
	b.uploads[k] = &twinUpload{Upload: c.Upload, parts: make(map[int]*twinPart)}
	return Result{}
}

func (w *twin) putPart(c PutPart) Result {
	b := w.bucket(c.Bucket)
	u := b.uploads[uploadKey{c.Key, c.Upload}]
	switch {
	case b.sealed:
		return Result{Code: BucketSealed}
	case u == nil:
		return Result{Code: NoSuchUpload}
	}
	if r, ok := w.claim(c.Bucket, c.Payload, c.Epoch, c.Copied); !ok {
		return r
	}
	b.seq++
	c.Part.Seq = b.seq
	u.parts[c.Part.Number] = &twinPart{c.Part, c.Payload}
	return Result{Part: c.Part}
}

func (w *twin) complete(c CompleteUpload) Result {
	b := w.bucket(c.Version.Bucket)
	k := uploadKey{c.Version.Key, c.Upload}
	u := b.uploads[k]
	if b.sealed {
		return Result{Code: BucketSealed}
	}
	if u == nil {
		if now := b.live(k.key); now != nil && now.Upload == c.Upload {
			r := b.answer(now)
			r.Version.Latest = true
			return r
		}
		return Result{Code: NoSuchUpload}
	}
	v := &twinVersion{Version: c.Version, parts: make(map[int]Payload)}
	v.Upload, v.Parts, v.Meta, v.Lock = c.Upload, len(c.Parts), u.Meta, u.Lock
	return b.write(v, c.Condition, c.Limits, c.Random, func() (Result, bool) {
		offset := int64(0)
		for _, ref := range c.Parts {
			p := u.parts[ref.Number]
			if p == nil || p.Seq != ref.Seq {
				return Result{Code: PartsChanged}, false
			}
			ref.Offset, ref.Size, ref.ETag, ref.Checksum = offset, p.Size, p.ETag, p.Checksum
			offset += p.Size
			v.payload.Parts = append(v.payload.Parts, ref)
			v.parts[ref.Number] = p.payload
		}
		delete(b.uploads, k)
		return Result{}, true
	})
}

func (w *twin) abort(c AbortUpload) Result {
	b := w.bucket(c.Bucket)
	k := uploadKey{c.Key, c.Upload}
	switch {
	case b.sealed:
		return Result{Code: BucketSealed}
	case b.uploads[k] == nil:
		return Result{Code: NoSuchUpload}
	}
	delete(b.uploads, k)
	return Result{}
}

func (w *twin) seal(c SealBucket) Result {
	b := w.bucket(c.Bucket)
	if len(b.keys) > 0 {
		return Result{Code: NotEmpty}
	}
	b.sealed = true
	clear(b.uploads)
	return Result{}
}

func (w *twin) doom(c Doom) (r Result) {
	w.epoch++
	for _, a := range c.Blocks {
		if w.named[a] > 0 {
			continue
		}
		w.dooms[a] = w.epoch
		delete(w.proven, a)
		r.Doomed = append(r.Doomed, a)
	}
	if keep := block.Epoch(c.KeepEpochs); w.epoch > keep {
		w.floor = max(w.floor, w.epoch-keep)
	}
	return r
}

func (b *twinBucket) stats() (s BucketStats) {
	s.Sealed = b.sealed
	for key, vs := range b.keys {
		if b.live(key) != nil {
			s.Objects++
		}
		for _, v := range vs {
			s.Versions++
			s.Bytes += v.Size
		}
	}
	for _, u := range b.uploads {
		s.Uploads++
		for _, p := range u.parts {
			s.UploadBytes += p.Size
		}
	}
	return s
}

// blocks counts what live versions and parts name.
func (w *twin) blocks() map[block.Address]uint64 {
	count := make(map[block.Address]uint64)
	add := func(b id.Bucket, p Payload) {
		for _, e := range p.Extents {
			count[block.Address{Bucket: b, Hash: e.Hash}]++
		}
	}
	for b, bucket := range w.buckets {
		for _, vs := range bucket.keys {
			for _, v := range vs {
				add(b, v.payload)
				for _, p := range v.parts {
					add(b, p)
				}
			}
		}
		for _, u := range bucket.uploads {
			for _, p := range u.parts {
				add(b, p.payload)
			}
		}
	}
	return count
}

// versions are all versions of the bucket in the order of a listing.
func (b *twinBucket) versions() (out []*twinVersion) {
	for _, vs := range b.keys {
		out = append(out, vs...)
	}
	slices.SortFunc(out, func(x, y *twinVersion) int {
		if c := strings.Compare(x.Key, y.Key); c != 0 {
			return c
		}
		return int(y.Seq) - int(x.Seq)
	})
	return out
}

func (b *twinBucket) listed() (out []ListEntry) {
	for _, v := range b.versions() {
		out = append(out, ListEntry{
			Key: v.Key, ID: v.ID, DeleteMarker: v.DeleteMarker, Latest: b.keys[v.Key][0] == v, Size: v.Size, ETag: v.ETag, Modified: v.Modified,
			Algorithm: v.Checksum.Algorithm, ChecksumType: v.Checksum.Type, StorageClass: v.Meta.StorageClass, Owner: v.Meta.Owner,
		})
	}
	return out
}

func (b *twinBucket) listedUploads() (out []Upload) {
	for _, u := range b.uploads {
		out = append(out, u.Upload)
	}
	slices.SortFunc(out, func(x, y Upload) int {
		if c := strings.Compare(x.Key, y.Key); c != 0 {
			return c
		}
		return bytes.Compare(x.ID[:], y.ID[:])
	})
	return out
}

// rollUp is a listing as S3's reference explains it: keys with the prefix, equal common prefixes once, and only what is above after.
// It returns the names and which items they stand for; a common prefix stands for none.
func rollUp[T any](items []T, key func(T) string, prefix, delimiter, after string) (names []string, of []*T) {
	for i := range items {
		k := key(items[i])
		rest, ok := strings.CutPrefix(k, prefix)
		if !ok {
			continue
		}
		at := &items[i]
		if i := strings.Index(rest, delimiter); delimiter != "" && i >= 0 {
			k, at = prefix+rest[:i]+delimiter, nil
		}
		if k <= after || at == nil && len(names) > 0 && names[len(names)-1] == k && of[len(of)-1] == nil {
			continue
		}
		names, of = append(names, k), append(of, at)
	}
	return names, of
}
