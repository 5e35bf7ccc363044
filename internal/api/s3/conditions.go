package s3

import (
	"net/http"
	"strings"
	"time"

	"grange/internal/index"
)

// readConditions are the conditions of a read, or those on the source of a copy.
type readConditions struct {
	ifMatch, ifNoneMatch               string
	ifModifiedSince, ifUnmodifiedSince time.Time // zero: none
}

// outcome is what conditions make of a read.
type outcome int

const (
	proceed outcome = iota
	notModified
	conditionFailed
)

func requestConditions(h http.Header) readConditions {
	if len(h["If-Match"])+len(h["If-None-Match"])+len(h["If-Modified-Since"])+len(h["If-Unmodified-Since"]) == 0 {
		return readConditions{}
	}
	return readConditions{
		ifMatch:           joined(h, "If-Match"),
		ifNoneMatch:       joined(h, "If-None-Match"),
		ifModifiedSince:   httpTime(h.Get("If-Modified-Since")),
		ifUnmodifiedSince: httpTime(h.Get("If-Unmodified-Since")),
	}
}

func copySourceConditions(h http.Header) readConditions {
	return readConditions{
		ifMatch:           joined(h, "X-Amz-Copy-Source-If-Match"),
		ifNoneMatch:       joined(h, "X-Amz-Copy-Source-If-None-Match"),
		ifModifiedSince:   httpTime(h.Get("X-Amz-Copy-Source-If-Modified-Since")),
		ifUnmodifiedSince: httpTime(h.Get("X-Amz-Copy-Source-If-Unmodified-Since")),
	}
}

func joined(h http.Header, name string) string { return strings.Join(h[name], ",") }

// httpTime reads a date; one that is none counts as absent (RFC 9110 §13.1.3). ISO 8601 is what some S3 clients send.
func httpTime(s string) time.Time {
	if s == "" {
		return time.Time{}
	}
	if t, err := http.ParseTime(s); err == nil {
		return t
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}
	}
	return t
}

// check decides in the order of RFC 9110 §13.2.2. The name of the condition that failed goes into the error document.
func (c readConditions) check(v *index.Version) (o outcome, failed string) {
	modified := v.Modified.Truncate(time.Second) // as the client saw it in Last-Modified
	switch {
	case c.ifMatch != "":
		if !matchesETag(parseETags(c.ifMatch), v.ETag, false) {
			return conditionFailed, "If-Match"
		}
	case !c.ifUnmodifiedSince.IsZero() && modified.After(c.ifUnmodifiedSince):
		return conditionFailed, "If-Unmodified-Since"
	}
	switch {
	case c.ifNoneMatch != "":
		if matchesETag(parseETags(c.ifNoneMatch), v.ETag, true) {
			return notModified, "If-None-Match"
		}
	case !c.ifModifiedSince.IsZero() && !modified.After(c.ifModifiedSince):
		return notModified, "If-Modified-Since"
	}
	return proceed, ""
}

// entityTag is one element of If-Match or If-None-Match, without quotes.
type entityTag struct {
	tag  string
	weak bool
}

// parseETags reads a list of entity tags (RFC 9110 §8.8.3). Clients of S3 often leave the quotes out; that is understood too.
func parseETags(list string) []entityTag {
	var tags []entityTag
	for list = strings.TrimLeft(list, ", \t"); list != ""; list = strings.TrimLeft(list, ", \t") {
		var t entityTag
		if rest, ok := strings.CutPrefix(list, "W/"); ok {
			t.weak, list = true, rest
		}
		if rest, ok := strings.CutPrefix(list, `"`); ok {
			t.tag, list, _ = strings.Cut(rest, `"`)
		} else {
			t.tag, list, _ = strings.Cut(list, ",")
			t.tag = strings.TrimRight(t.tag, " \t")
		}
		tags = append(tags, t)
	}
	return tags
}

// matchesETag compares strongly, or weakly where RFC 9110 §8.8.3.2 says so. Our own tags are strong.
func matchesETag(tags []entityTag, etag string, weakly bool) bool {
	for _, t := range tags {
		if t.tag == "*" || t.tag == etag && (weakly || !t.weak) {
			return true
		}
	}
	return false
}

// writeCondition reads If-Match and If-None-Match of a write, which are decided where the write commits. Dates decide
// nothing there, because clocks differ: they are refused, as AWS refuses them.
func writeCondition(h http.Header) (index.Condition, error) {
	for _, name := range []string{"If-Modified-Since", "If-Unmodified-Since"} {
		if len(h[name]) > 0 {
			return index.Condition{}, notImplemented(name)
		}
	}
	return index.Condition{
		IfMatch:     strongTags(joined(h, "If-Match")),
		IfNoneMatch: tagNames(joined(h, "If-None-Match")),
	}, nil
}

func tagNames(list string) []string {
	var names []string
	for _, t := range parseETags(list) {
		names = append(names, t.tag)
	}
	return names
}

// strongTags are the tags of an If-Match list. A weak one matches nothing (RFC 9110 §13.1.1), and neither does an empty list.
func strongTags(list string) []string {
	if list == "" {
		return nil
	}
	names := []string{}
	for _, t := range parseETags(list) {
		if t.weak {
			t.tag = "W/" + t.tag
		}
		names = append(names, t.tag)
	}
	if len(names) == 0 {
		names = append(names, "")
	}
	return names
}

// conditionError is the answer to a condition that did not hold.
func conditionError(name string) *Error { return fail(PreconditionFailed).with("Condition", name) }

// failedCondition names the condition of a write that did not hold, as far as the request tells.
func failedCondition(c index.Condition) *Error {
	if len(c.IfMatch) > 0 {
		return conditionError("If-Match")
	}
	return conditionError("If-None-Match")
}
