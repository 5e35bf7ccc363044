// Package s3sign signs requests to an S3 endpoint, for the parts of grange that are clients of one: the benchmark and
// the links that the command line makes. The server's side is package api/s3/sigv4.
//
// It makes AWS Signature Version 4 for the service "s3", in the header or in the query (AWS: "Authenticating Requests").
package s3sign

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// UnsignedPayload stands for the hash of a body that the signature does not cover.
const UnsignedPayload = "UNSIGNED-PAYLOAD"

const (
	algorithm      = "AWS4-HMAC-SHA256"
	signedHeaders  = "host;x-amz-content-sha256;x-amz-date"
	dateTimeLayout = "20060102T150405Z"
	dayLen         = len("20060102")
)

// Signer signs for one key. It belongs to one goroutine, and derives the signing key once a day.
type Signer struct {
	AccessKey, SecretKey, Region string

	day string // for which key was derived
	key []byte
}

// Header is the Authorization header of a request, and its X-Amz-Date. Path and query are in their canonical form, as
// [Escape] and [Query] make them; payload is the SHA-256 of the body in hexadecimal, or UnsignedPayload. The request
// must carry exactly the headers Host, X-Amz-Date and X-Amz-Content-Sha256 besides those that need no signature.
func (s *Signer) Header(method, host, path, query, payload string, now time.Time) (authorization, date string) {
	date = now.UTC().Format(dateTimeLayout)
	var b strings.Builder
	b.Grow(256 + len(path) + len(query))
	for _, part := range []string{
		method, "\n", path, "\n", query, "\nhost:", host, "\nx-amz-content-sha256:", payload,
		"\nx-amz-date:", date, "\n\n" + signedHeaders + "\n", payload,
	} {
		b.WriteString(part)
	}
	return algorithm + " Credential=" + s.AccessKey + "/" + s.scope(date) + ",SignedHeaders=" + signedHeaders +
		",Signature=" + s.sign(b.String(), date), date
}

// Presign is a URL that carries its signature, for as long as expires: anybody who has it can make the request. base is
// http://host or https://host; path is in its canonical form.
func (s *Signer) Presign(method string, base *url.URL, path string, query url.Values, expires time.Duration, now time.Time) string {
	date := now.UTC().Format(dateTimeLayout)
	all := maps.Clone(query)
	if all == nil {
		all = url.Values{}
	}
	all.Set("X-Amz-Algorithm", algorithm)
	all.Set("X-Amz-Credential", s.AccessKey+"/"+s.scope(date))
	all.Set("X-Amz-Date", date)
	all.Set("X-Amz-Expires", strconv.FormatInt(int64(expires/time.Second), 10))
	all.Set("X-Amz-SignedHeaders", "host")
	canonical := Query(all)
	request := strings.Join([]string{method, path, canonical, "host:" + base.Host + "\n", "host", UnsignedPayload}, "\n")
	return base.Scheme + "://" + base.Host + path + "?" + canonical + "&X-Amz-Signature=" + s.sign(request, date)
}

func (s *Signer) scope(date string) string {
	return date[:dayLen] + "/" + s.Region + "/s3/aws4_request"
}

// sign is the signature of a canonical request.
func (s *Signer) sign(canonical, date string) string {
	if day := date[:dayLen]; day != s.day {
		s.derive(day)
	}
	text := algorithm + "\n" + date + "\n" + s.scope(date) + "\n" + Hash([]byte(canonical))
	return hex.EncodeToString(mac(s.key, text))
}

func (s *Signer) derive(day string) {
	key := []byte("AWS4" + s.SecretKey)
	for _, part := range []string{day, s.Region, "s3", "aws4_request"} {
		key = mac(key, part)
	}
	s.day, s.key = day, key
}

func mac(key []byte, data string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(data))
	return m.Sum(nil)
}

// Hash is the SHA-256 of data in hexadecimal.
func Hash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// Query is a query in its canonical form: in the order of the names, with everything escaped. Of a name with several
// values the first counts.
func Query(v url.Values) string {
	var b strings.Builder
	for i, name := range slices.Sorted(maps.Keys(v)) {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(Escape(name, false) + "=" + Escape(v.Get(name), false))
	}
	return b.String()
}

// Escape encodes all but RFC 3986's unreserved characters, and the slash where slashes separate.
func Escape(s string, keepSlash bool) string {
	const upperHex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.', c == '~', c == '/' && keepSlash:
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(upperHex[c>>4])
			b.WriteByte(upperHex[c&15])
		}
	}
	return b.String()
}
