package index

import (
	"errors"
	"strings"

	"grange/internal/id"
	"grange/internal/index/indexpb"
)

// UploadsQuery asks for the multipart uploads in progress. Prefix, Delimiter and Max are as in ListQuery.
type UploadsQuery struct {
	Bucket    id.Bucket
	Prefix    string
	Delimiter string
	// KeyMarker is where to go on: behind all uploads of this key, or behind this common prefix, as ListQuery.After.
	KeyMarker string
	// UploadMarker, if set, goes on within the uploads of KeyMarker, behind this one, which need not exist any more.
	UploadMarker *id.Upload
	Max          int
}

// UploadEntry is an upload in a listing, or a common prefix.
type UploadEntry struct {
	Upload            // of a common prefix nothing but Key is set
	CommonPrefix bool // Key is a common prefix, delimiter included
}

// UploadsPage is a part of a listing of uploads: by key, and within a key by id, whose order is that of its text.
type UploadsPage struct {
	Entries    []UploadEntry
	Truncated  bool
	NextKey    string     // when Truncated: the markers that go on behind this page
	NextUpload *id.Upload // nil behind a common prefix
}

// Uploads returns uploads in progress. A page that could not be completed is an error, never a short page.
func (v *View) Uploads(q UploadsQuery) (page UploadsPage, err error) {
	limit := min(q.Max, ListMax)
	if limit <= 0 {
		return UploadsPage{}, nil
	}
	r := rollup{v.keys, q.Bucket, q.Prefix, q.Delimiter}
	it, err := v.reader.NewIter(r.bounds(tableUpload))
	if err != nil {
		return UploadsPage{}, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ok := it.SeekGE(r.startUploads(q)); ok; {
		if len(page.Entries) == limit {
			page.end()
			return page, nil
		}
		key, rest, err := cutKey(it.Key()[r.keyAt():])
		if err != nil {
			return UploadsPage{}, err
		}
		if group, grouped := r.group(key); grouped {
			page.Entries = append(page.Entries, UploadEntry{Upload{Key: group}, true})
			ok = it.SeekGE(r.behind(tableUpload, group))
			continue
		}
		entry, err := uploadEntry(q.Bucket, key, rest, it.Value())
		if err != nil {
			return UploadsPage{}, err
		}
		page.Entries = append(page.Entries, entry)
		ok = it.Next()
	}
	return page, it.Error()
}

func (r rollup) startUploads(q UploadsQuery) []byte {
	_, grouped := r.group(q.KeyMarker)
	if q.UploadMarker == nil || grouped || !strings.HasPrefix(q.KeyMarker, q.Prefix) {
		return r.start(tableUpload, q.KeyMarker)
	}
	return append(r.keys.ofUpload(tableUpload, r.bucket, q.KeyMarker, *q.UploadMarker), 0)
}

// end notes that the page is full and where the next one begins.
func (p *UploadsPage) end() {
	last := &p.Entries[len(p.Entries)-1]
	p.Truncated, p.NextKey = true, last.Key
	if !last.CommonPrefix {
		p.NextUpload = &last.ID
	}
}

func uploadEntry(b id.Bucket, key string, rest, value []byte) (UploadEntry, error) {
	var u id.Upload
	if len(rest) != len(u) {
		return UploadEntry{}, ErrCorrupt
	}
	copy(u[:], rest)
	var m indexpb.Upload
	if err := decode(value, &m); err != nil {
		return UploadEntry{}, err
	}
	found, err := upload(b, key, u, &m)
	return UploadEntry{Upload: found}, err
}
