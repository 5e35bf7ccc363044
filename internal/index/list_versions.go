package index

import (
	"bytes"
	"errors"
	"strings"

	"grange/internal/id"
	"grange/internal/index/indexpb"
	"grange/internal/kv"
)

// VersionsQuery asks for all versions of a bucket's objects. Prefix, Delimiter and Max are as in ListQuery.
type VersionsQuery struct {
	Bucket    id.Bucket
	Prefix    string
	Delimiter string
	// KeyMarker is where to go on: behind all versions of this key, or behind this common prefix, as ListQuery.After.
	KeyMarker string
	// VersionMarker, if set, goes on within the versions of KeyMarker, behind this one. When it is the null version and that one is gone,
	// all versions of the key are listed again: rather twice than not at all.
	VersionMarker *id.Version
	Max           int
}

// VersionsPage is a part of a listing of versions: by key, and the newest of a key first.
type VersionsPage struct {
	Entries     []ListEntry
	Truncated   bool
	NextKey     string      // when Truncated: the markers that go on behind this page
	NextVersion *id.Version // nil behind a common prefix
}

// ListVersions returns versions and delete markers. A page that could not be completed is an error, never a short page.
func (v *View) ListVersions(q VersionsQuery) (page VersionsPage, err error) {
	limit := min(q.Max, ListMax)
	if limit <= 0 {
		return VersionsPage{}, nil
	}
	w, err := v.openVersions(q)
	if err != nil {
		return VersionsPage{}, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	for {
		entry, ok, err := w.next()
		if err != nil {
			return VersionsPage{}, err
		}
		if !ok {
			return page, nil
		}
		if page.Truncated = len(page.Entries) == limit; page.Truncated {
			last := &page.Entries[limit-1]
			page.NextKey = last.Key
			if !last.CommonPrefix {
				page.NextVersion = &last.ID
			}
			return page, nil
		}
		page.Entries = append(page.Entries, entry)
	}
}

// versionWalk merges the heads and the other versions: both stand in order of their keys, and a head is newer than all others of its key.
type versionWalk struct {
	rollup
	view   *View
	heads  kv.Iterator
	others kv.Iterator

	resumed string // the key within whose versions the walk began, else empty: its first row here need not be its newest
	shown   []byte // tail of the last key whose versions were begun: bucket and escaped key
}

func (v *View) openVersions(q VersionsQuery) (*versionWalk, error) {
	w := &versionWalk{rollup: rollup{v.keys, q.Bucket, q.Prefix, q.Delimiter}, view: v}
	var err error
	if w.heads, err = v.reader.NewIter(w.bounds(tableHead)); err != nil {
		return nil, err
	}
	if w.others, err = v.reader.NewIter(w.bounds(tableVersion)); err != nil {
		return nil, errors.Join(err, w.heads.Close())
	}
	if err := w.seek(q); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

func (w *versionWalk) close() error { return errors.Join(w.heads.Close(), w.others.Close()) }

// seek moves to what follows the markers.
func (w *versionWalk) seek(q VersionsQuery) error {
	w.heads.SeekGE(w.start(tableHead, q.KeyMarker))
	w.others.SeekGE(w.start(tableVersion, q.KeyMarker))
	_, grouped := w.group(q.KeyMarker)
	if q.VersionMarker == nil || grouped || !strings.HasPrefix(q.KeyMarker, q.Prefix) {
		return nil
	}
	head, err := w.view.head(w.bucket, q.KeyMarker)
	if err != nil {
		return err
	}
	last, err := w.placeOf(head, q)
	if err != nil {
		return err
	}
	if head != nil && head.Seq < last {
		w.heads.SeekGE(w.keys.ofKey(tableHead, w.bucket, q.KeyMarker))
	}
	w.others.SeekGE(w.keys.version(w.bucket, q.KeyMarker, last-1))
	w.resumed = q.KeyMarker
	return nil
}

// placeOf is the seq of the marker's version, whether it still exists or not.
func (w *versionWalk) placeOf(head *indexpb.Record, q VersionsQuery) (uint64, error) {
	const aboveAll = ^uint64(0)
	switch {
	case !q.VersionMarker.IsNull():
		return max(1, q.VersionMarker.Seq()), nil
	case head != nil && head.Null:
		return head.Seq, nil
	}
	seq, err := w.view.nullSeq(w.bucket, q.KeyMarker)
	if err != nil || seq > 0 {
		return seq, err
	}
	return aboveAll, nil
}

// next returns the entry at the walk's place and steps behind it.
func (w *versionWalk) next() (entry ListEntry, ok bool, err error) {
	row, isHead := w.lowest()
	if err := errors.Join(w.heads.Error(), w.others.Error()); err != nil || row == nil {
		return ListEntry{}, false, err // one that failed must not make the other's rows look complete
	}
	key, _, err := cutKey(row[bucketLen:])
	if err != nil {
		return ListEntry{}, false, err
	}
	if group, grouped := w.group(key); grouped {
		w.heads.SeekGE(w.behind(tableHead, group))
		w.others.SeekGE(w.behind(tableVersion, group))
		return ListEntry{Key: group, CommonPrefix: true}, true, nil
	}
	it := w.others
	if isHead {
		it = w.heads
	}
	var rec indexpb.Record
	if err := decode(it.Value(), &rec); err != nil {
		return ListEntry{}, false, err
	}
	if entry, err = entryOf(key, &rec); err != nil {
		return ListEntry{}, false, err
	}
	if entry.Latest, err = w.isLatest(key, row, &rec, isHead); err != nil {
		return ListEntry{}, false, err
	}
	w.shown = append(w.shown[:0], row...)
	it.Next()
	return entry, true, nil
}

// lowest is the bucket and escaped key of the next row, nil at the end, and whether it is a head.
func (w *versionWalk) lowest() (row []byte, isHead bool) {
	var head, other []byte
	if w.heads.Valid() {
		head = w.keys.tail(w.heads.Key())
	}
	if w.others.Valid() {
		other = w.keys.tail(w.others.Key())
		other = other[:len(other)-seqLen]
	}
	if other == nil || head != nil && bytes.Compare(head, other) <= 0 {
		return head, head != nil
	}
	return other, false
}

func (w *versionWalk) isLatest(key string, row []byte, rec *indexpb.Record, isHead bool) (bool, error) {
	switch {
	case isHead:
		return true, nil
	case !rec.DeleteMarker || bytes.Equal(row, w.shown):
		return false, nil
	case key != w.resumed:
		return true, nil
	}
	head, err := w.view.head(w.bucket, key)
	if err != nil {
		return false, err
	}
	return w.view.isNewest(w.bucket, key, rec, head != nil)
}
