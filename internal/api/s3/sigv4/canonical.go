package sigv4

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
)

const (
	algorithm        = "AWS4-HMAC-SHA256"
	timeFormat       = "20060102T150405Z" // ISO 8601 basic, in UTC
	amzPrefix        = "X-Amz-"           // of header names in the form of net/http
	signedHeadersMax = 256                // header names in SignedHeaders
)

// secretHeaders are blanked where an error shows the canonical request: they are worth stealing from a log of answers.
var secretHeaders = []string{
	"x-amz-security-token",
	"x-amz-server-side-encryption-customer-key",
	"x-amz-copy-source-server-side-encryption-customer-key",
}

// parseSignedHeaders splits the list, which must be of distinct header names in lower case. It refuses everything else, a line break
// above all: the list becomes a line of the canonical request.
func parseSignedHeaders(list string) ([]string, bool) {
	names := strings.Split(list, ";")
	if len(names) > signedHeadersMax {
		return nil, false
	}
	for i, name := range names {
		if !lowerToken(name) || slices.Contains(names[:i], name) {
			return nil, false
		}
	}
	return names, true
}

// lowerToken reports whether s is a token of RFC 9110, section 5.6.2, without capital letters.
func lowerToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || strings.IndexByte("-_.!#$%&'*+^`|~", c) >= 0) {
			return false
		}
	}
	return s != ""
}

// checkSigned refuses a request whose host or any x-amz-* header is not signed. The exempt ones are bound to the signature elsewhere:
// in the payload's line of the canonical request, or in the date of the string to sign.
func checkSigned(r *http.Request, signed []string, exempt ...string) *Error {
	var missing []string
	if !slices.Contains(signed, "host") {
		missing = append(missing, "host")
	}
	for key := range r.Header {
		if len(key) < len(amzPrefix) || !strings.EqualFold(key[:len(amzPrefix)], amzPrefix) {
			continue
		}
		if name := strings.ToLower(key); !slices.Contains(signed, name) && !slices.Contains(exempt, name) {
			missing = append(missing, name)
		}
	}
	if missing == nil {
		return nil
	}
	slices.Sort(missing)
	return notSigned(missing)
}

// canonicalRequest builds the text of step 1 of the S3 API reference, "Signature Calculations for the Authorization Header".
// With redact, values of secretHeaders are blanked; such a text is only for showing.
func canonicalRequest(r *http.Request, t target, signed []string, payload string, redact bool) []byte {
	b := make([]byte, 0, 1024)
	b = append(b, r.Method...)
	b = append(b, '\n')
	b = appendCanonicalPath(b, t.path)
	b = append(b, '\n')
	b = appendCanonicalQuery(b, t.query)
	b = append(b, '\n')
	for _, name := range signed {
		b = append(b, name...)
		b = append(b, ':')
		if redact && slices.Contains(secretHeaders, name) {
			b = append(b, "***"...)
		} else {
			b = appendHeaderValues(b, r, name)
		}
		b = append(b, '\n')
	}
	b = append(b, '\n')
	for i, name := range signed {
		if i > 0 {
			b = append(b, ';')
		}
		b = append(b, name...)
	}
	b = append(b, '\n')
	return append(b, payload...)
}

// appendHeaderValues writes the values of a header, joined by commas. net/http moves some headers out of the map. A header that is
// absent is like an empty one.
func appendHeaderValues(b []byte, r *http.Request, name string) []byte {
	values := r.Header[textproto.CanonicalMIMEHeaderKey(name)]
	switch {
	case name == "host":
		values = []string{r.Host}
	case name == "content-length" && values == nil && r.ContentLength >= 0:
		values = []string{strconv.FormatInt(r.ContentLength, 10)}
	case name == "transfer-encoding" && values == nil:
		values = r.TransferEncoding
	}
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendTrimmed(b, v)
	}
	return b
}

// appendTrimmed is Trim of the S3 API reference: no white space at the ends, and runs of spaces folded into one.
func appendTrimmed(b []byte, v string) []byte {
	v = strings.TrimSpace(v)
	for i := range len(v) {
		if v[i] != ' ' || v[i-1] != ' ' { // v[0] is no space
			b = append(b, v[i])
		}
	}
	return b
}

// stringToSign builds the text of step 2.
func stringToSign(timestamp, scope string, canonical []byte) []byte {
	sum := sha256.Sum256(canonical)
	b := make([]byte, 0, len(algorithm)+len(timestamp)+len(scope)+3+hex.EncodedLen(len(sum)))
	b = append(b, algorithm...)
	b = append(b, '\n')
	b = append(b, timestamp...)
	b = append(b, '\n')
	b = append(b, scope...)
	b = append(b, '\n')
	return hex.AppendEncode(b, sum[:])
}
