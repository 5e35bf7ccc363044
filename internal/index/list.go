package index

import (
	"errors"
	"strings"
	"time"

	"grange/internal/checksum"
	"grange/internal/id"
	"grange/internal/index/indexpb"
	"grange/internal/kv"
)

// ListMax is the most entries that one page of any listing has, whatever was asked for.
const ListMax = 10_000

// ListQuery asks for current objects of a bucket.
type ListQuery struct {
	Bucket id.Bucket
	// Prefix is what the keys begin with.
	Prefix string
	// Delimiter rolls up the keys that have it after the prefix: they are one entry, which ends with the delimiter. Empty: none are.
	Delimiter string
	// After is where to go on, exclusive: only keys and common prefixes above it are listed. So the keys below a common prefix that is
	// not above After are passed over even when they are themselves above After. (S3, ListObjectsV2: "CommonPrefixes is filtered out
	// from results if it is not lexicographically greater than the StartAfter value.")
	After string
	// Max is the most entries to return, at most ListMax.
	Max int
}

// ListEntry is a version in a listing, or a common prefix. It is what can be told without reading more than one small row.
type ListEntry struct {
	Key          string // or the common prefix, delimiter included
	CommonPrefix bool   // nothing but Key is set
	ID           id.Version
	DeleteMarker bool
	Latest       bool
	Size         int64
	ETag         string // as in Version
	Modified     time.Time
	Algorithm    checksum.Algorithm
	ChecksumType checksum.Type
	StorageClass string // as in Meta
	Owner        id.Account
}

// ListPage is a part of a listing. Entries are in the order of their keys' bytes, common prefixes among them.
type ListPage struct {
	Entries   []ListEntry
	Truncated bool   // there are more
	Next      string // when Truncated: the After that goes on behind this page
}

// List returns current objects. A page that could not be completed is an error, never a short page.
func (v *View) List(q ListQuery) (page ListPage, err error) {
	limit := min(q.Max, ListMax)
	if limit <= 0 {
		return ListPage{}, nil
	}
	r := rollup{v.keys, q.Bucket, q.Prefix, q.Delimiter}
	it, err := v.reader.NewIter(r.bounds(tableHead))
	if err != nil {
		return ListPage{}, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	page.Entries = make([]ListEntry, 0, min(limit, 1000))
	var rec indexpb.Record
	for ok := it.SeekGE(r.start(tableHead, q.After)); ok; {
		if page.Truncated = len(page.Entries) == limit; page.Truncated {
			page.Next = page.Entries[limit-1].Key
			return page, nil
		}
		key, _, err := cutKey(it.Key()[r.keyAt():])
		if err != nil {
			return ListPage{}, err
		}
		if group, grouped := r.group(key); grouped {
			page.Entries = append(page.Entries, ListEntry{Key: group, CommonPrefix: true})
			ok = it.SeekGE(r.behind(tableHead, group))
			continue
		}
		if err := decode(it.Value(), &rec); err != nil {
			return ListPage{}, err
		}
		entry, err := entryOf(key, &rec)
		if err != nil {
			return ListPage{}, err
		}
		entry.Latest = true
		page.Entries = append(page.Entries, entry)
		ok = it.Next()
	}
	return page, it.Error()
}

func entryOf(key string, rec *indexpb.Record) (ListEntry, error) {
	e := ListEntry{
		Key:          key,
		ID:           recordID(rec),
		DeleteMarker: rec.GetDeleteMarker(),
		Size:         rec.GetSize(),
		ETag:         string(rec.GetEtag()),
		Modified:     fromMillis(rec.GetModified()),
		Algorithm:    checksum.Algorithm(rec.GetChecksum().GetAlgorithm()),
		ChecksumType: checksum.Type(rec.GetChecksum().GetType()),
		StorageClass: string(rec.GetStorageClass()),
	}
	return e, fill(e.Owner[:], rec.GetOwner())
}

// rollup is what the listings have in common: the keys of a bucket with a prefix, those with the delimiter behind it as one.
type rollup struct {
	keys      keyspace
	bucket    id.Bucket
	prefix    string
	delimiter string
}

// bounds are the rows of the keys that begin with the prefix.
func (r rollup) bounds(table byte) (lower, upper []byte) {
	lower = r.keys.withPrefix(table, r.bucket, r.prefix)
	return lower, kv.PrefixEnd(lower)
}

// keyAt is where the object's key begins in a row's key.
func (r rollup) keyAt() int { return len(r.keys.space) + 1 + bucketLen }

// group is the common prefix that the key is rolled up in.
func (r rollup) group(key string) (string, bool) {
	if r.delimiter == "" || !strings.HasPrefix(key, r.prefix) {
		return "", false
	}
	i := strings.Index(key[len(r.prefix):], r.delimiter)
	if i < 0 {
		return "", false
	}
	return key[:len(r.prefix)+i+len(r.delimiter)], true
}

// start is the first row that a listing after the key or common prefix can show.
func (r rollup) start(table byte, after string) []byte {
	if after < r.prefix || after == "" {
		return r.keys.withPrefix(table, r.bucket, r.prefix)
	}
	if group, grouped := r.group(after); grouped {
		return r.behind(table, group)
	}
	return kv.PrefixEnd(r.keys.ofKey(table, r.bucket, after))
}

// behind is the first row behind all keys that begin with the text: they are stepped over, however many they are.
func (r rollup) behind(table byte, text string) []byte {
	return kv.PrefixEnd(r.keys.withPrefix(table, r.bucket, text))
}
