package s3_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// sign signs a request by the rules of AWS Signature Version 4. minio-go's signer cannot do keys that are no UTF-8, nor another clock.
func sign(r *http.Request, keyID, secret string, at time.Time) *http.Request {
	stamp := at.UTC().Format("20060102T150405Z")
	r.Header.Set("X-Amz-Date", stamp)
	names := []string{"host"}
	for name := range r.Header {
		names = append(names, strings.ToLower(name))
	}
	slices.Sort(names)
	var headers strings.Builder
	for _, name := range names {
		value := r.Header.Get(name)
		if name == "host" {
			value = r.Host
		}
		fmt.Fprintf(&headers, "%s:%s\n", name, strings.Join(strings.Fields(value), " "))
	}
	signed := strings.Join(names, ";")
	path, _ := url.PathUnescape(r.URL.EscapedPath())
	canonical := strings.Join([]string{
		r.Method, canonicalPath(path), canonicalQuery(r.URL.RawQuery), headers.String(), signed, r.Header.Get("X-Amz-Content-Sha256"),
	}, "\n")
	scope := stamp[:8] + "/grange/s3/aws4_request"
	sum := sha256.Sum256([]byte(canonical))
	text := "AWS4-HMAC-SHA256\n" + stamp + "\n" + scope + "\n" + hex.EncodeToString(sum[:])
	key := []byte("AWS4" + secret)
	for part := range strings.SplitSeq(scope, "/") {
		key = hmacSHA256(key, part)
	}
	r.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%x",
		keyID, scope, signed, hmacSHA256(key, text)))
	return r
}

func hmacSHA256(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// canonicalPath escapes what is not unreserved, but keeps slashes.
func canonicalPath(path string) string {
	var b strings.Builder
	for i := range len(path) {
		c := path[i]
		if c == '/' || strings.IndexByte("-._~", c) >= 0 || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

func canonicalQuery(raw string) string {
	var pairs []string
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, _ = url.QueryUnescape(name)
		value, _ = url.QueryUnescape(value)
		escape := func(s string) string { return strings.ReplaceAll(canonicalPath(s), "/", "%2F") }
		pairs = append(pairs, escape(name)+"\x00"+escape(value)) // sorted by name, then by value
	}
	slices.Sort(pairs)
	return strings.ReplaceAll(strings.Join(pairs, "&"), "\x00", "=")
}
