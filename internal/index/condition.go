package index

import (
	"bytes"

	"grange/internal/index/indexpb"
)

// check decides a condition against the current version, nil when there is none, in the order of RFC 9110 §13.2.2.
//
// If-Match on a missing object is NotFound and not PreconditionFailed (S3: "How to prevent object overwrites with
// conditional writes": 404 when the key does not exist).
func check(p *indexpb.Condition, current *indexpb.Record) Code {
	if len(p.GetIfMatch()) > 0 {
		if current == nil {
			return NotFound
		}
		if !anyTag(p.GetIfMatch(), func(tag []byte) bool { return bytes.Equal(tag, current.Etag) }) {
			return PreconditionFailed
		}
	}
	if len(p.GetIfNoneMatch()) > 0 && current != nil {
		if anyTag(p.GetIfNoneMatch(), func(tag []byte) bool { return weakEqual(tag, current.Etag) }) {
			return PreconditionFailed
		}
	}
	return OK
}

// anyTag reports whether one of the tags is "*" or matches.
func anyTag(tags [][]byte, matches func(tag []byte) bool) bool {
	for _, tag := range tags {
		if string(tag) == "*" || matches(tag) {
			return true
		}
	}
	return false
}

// weakEqual compares as If-None-Match does: a weak tag equals a strong one (RFC 9110 §8.8.3.2).
func weakEqual(a, b []byte) bool {
	return bytes.Equal(bytes.TrimPrefix(a, []byte("W/")), bytes.TrimPrefix(b, []byte("W/")))
}

// overQuota reports whether a write of size bytes that removes the replaced version passes a limit. A write that makes the bucket
// smaller is allowed even when the bucket is past its limit.
func overQuota(p *indexpb.Limits, s bucketState, size int64, head, replaced *indexpb.Record) bool {
	var freed int64
	if replaced != nil {
		freed = replaced.Size
	}
	if limit := p.GetBytes(); limit > 0 && size > freed && s.Bytes-freed+size > limit {
		return true
	}
	limit := p.GetObjects()
	return limit > 0 && head == nil && s.Objects+1 > limit
}
