package bench

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"
)

const (
	unsignedPayload = "UNSIGNED-PAYLOAD"
	signedHeaders   = "host;x-amz-content-sha256;x-amz-date"
	dateTimeLayout  = "20060102T150405Z"
	dateLayout      = "20060102"
)

// signer makes AWS Signature Version 4 headers (AWS: "Authenticating Requests: Using the Authorization Header"). It
// belongs to one goroutine, and derives the signing key once a day.
type signer struct {
	access, secret, region string

	day string // for which key was derived
	key []byte
}

// authorization is the header for a request whose path and query are in their canonical form already.
func (s *signer) authorization(method, host, path, query, payload string, now time.Time) (header, date string) {
	date = now.UTC().Format(dateTimeLayout)
	day := date[:len(dateLayout)]
	if day != s.day {
		s.derive(day)
	}
	var b strings.Builder
	b.Grow(256 + len(path) + len(query))
	for _, part := range []string{
		method, "\n", path, "\n", query, "\nhost:", host, "\nx-amz-content-sha256:", payload,
		"\nx-amz-date:", date, "\n\n" + signedHeaders + "\n", payload,
	} {
		b.WriteString(part)
	}
	hash := sha256.Sum256([]byte(b.String()))
	scope := day + "/" + s.region + "/s3/aws4_request"
	signature := mac(s.key, "AWS4-HMAC-SHA256\n"+date+"\n"+scope+"\n"+hex.EncodeToString(hash[:]))
	return "AWS4-HMAC-SHA256 Credential=" + s.access + "/" + scope + ",SignedHeaders=" + signedHeaders +
		",Signature=" + hex.EncodeToString(signature), date
}

func (s *signer) derive(day string) {
	key := []byte("AWS4" + s.secret)
	for _, part := range []string{day, s.region, "s3", "aws4_request"} {
		key = mac(key, part)
	}
	s.day, s.key = day, key
}

func mac(key []byte, data string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(data))
	return m.Sum(nil)
}

// escape encodes all but the unreserved characters, and the slash where slashes separate.
func escape(s string, keepSlash bool) string {
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

func hexSHA256(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
