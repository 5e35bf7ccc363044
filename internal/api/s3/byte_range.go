package s3

import (
	"strconv"
	"strings"

	"grange/internal/index"
)

// span is a run of bytes of an object.
type span struct {
	offset, length int64
	partial        bool // the answer is 206
}

// parseRange reads a Range header (RFC 9110 §14) against an object of the given size. One range is honoured. Several, another unit
// and what is not understood are ignored, as AWS and the RFC have it: the answer is the whole object. A range
// that lies outside of the object is InvalidRange.
func parseRange(header string, size int64) (span, error) {
	whole := span{0, size, false}
	spec, ok := strings.CutPrefix(header, "bytes=")
	if !ok || strings.Contains(spec, ",") {
		return whole, nil
	}
	firstText, lastText, ok := strings.Cut(strings.TrimSpace(spec), "-")
	if !ok {
		return whole, nil
	}
	if firstText == "" {
		n, ok := parseDigits(lastText)
		if !ok {
			return whole, nil
		}
		n = min(n, size)
		if n == 0 {
			return span{}, invalidRange(header, size)
		}
		return span{size - n, n, true}, nil
	}
	first, ok := parseDigits(firstText)
	if !ok {
		return whole, nil
	}
	last := size - 1
	if lastText != "" {
		n, ok := parseDigits(lastText)
		if !ok || n < first {
			return whole, nil
		}
		last = min(last, n)
	}
	if first >= size {
		return span{}, invalidRange(header, size)
	}
	return span{first, last - first + 1, true}, nil
}

// parseDigits reads digits and nothing else. A number beyond int64 is as large as it gets.
func parseDigits(s string) (int64, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 1<<63 - 1, true // only the range can be wrong
	}
	return n, true
}

func invalidRange(header string, size int64) *Error {
	return fail(InvalidRange).
		with("RangeRequested", header).
		with("ActualObjectSize", strconv.FormatInt(size, 10))
}

// contentRange is the value of Content-Range for a span of an object.
func (s span) contentRange(size int64) string {
	return "bytes " + strconv.FormatInt(s.offset, 10) + "-" + strconv.FormatInt(s.offset+s.length-1, 10) + "/" + strconv.FormatInt(size, 10)
}

// partSpan is the span of one part of an object, and that part. An object that was put in one piece is its own part 1.
func partSpan(v *index.Version, parts []index.PartRef, number int) (span, *index.PartRef, error) {
	if len(parts) == 0 {
		if number != 1 {
			return span{}, nil, invalidPartNumber(number, 1)
		}
		return span{0, v.Size, v.Size > 0}, nil, nil
	}
	for i := range parts {
		if p := &parts[i]; p.Number == number {
			return span{p.Offset, p.Size, p.Size > 0}, p, nil
		}
	}
	return span{}, nil, invalidPartNumber(number, len(parts))
}

func invalidPartNumber(number, parts int) *Error {
	return fail(InvalidPartNumber).
		with("PartNumberRequested", strconv.Itoa(number)).
		with("ActualPartCount", strconv.Itoa(parts))
}

// parseCopyRange reads x-amz-copy-source-range, which must be exact and lie within the source.
func parseCopyRange(header string, size int64) (span, error) {
	if header == "" {
		return span{0, size, false}, nil
	}
	malformed := invalidArgument("x-amz-copy-source-range", header,
		"The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy")
	spec, ok := strings.CutPrefix(header, "bytes=")
	if !ok {
		return span{}, malformed
	}
	firstText, lastText, _ := strings.Cut(spec, "-")
	first, okFirst := parseDigits(firstText)
	last, okLast := parseDigits(lastText)
	if !okFirst || !okLast || first > last {
		return span{}, malformed
	}
	if last >= size {
		return span{}, invalidArgument("x-amz-copy-source-range", header,
			"Range specified is not valid for source object of size: "+strconv.FormatInt(size, 10))
	}
	return span{first, last - first + 1, true}, nil
}
