package s3_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

// bare sends a request to the server without a network, so that hostile ones need no client that would send them.
func (w *world) bare(r *http.Request) reply {
	rec := httptest.NewRecorder()
	w.server.ServeHTTP(rec, r)
	return reply{rec.Code, rec.Header(), rec.Body.String()}
}

// newRequest makes a request as net/http's server does, from a raw target.
func newRequest(t testing.TB, method, target, body string) *http.Request {
	t.Helper()
	raw := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s", method, target, len(body), body)
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw)))
	if err != nil {
		return nil // net/http answers 400 itself
	}
	return r
}

func TestMalformedRequestsGetTheirError(t *testing.T) {
	w := newWorld(t)
	w.newBucket("box")
	auth := "AWS4-HMAC-SHA256 Credential=" + ownerKey + "/20260101/grange/s3/aws4_request, SignedHeaders=host, Signature=" + strings.Repeat("0", 64)
	cases := map[string]struct {
		method, target, body string
		header               map[string]string
		expect
	}{
		"an authorization without a method":        {header: map[string]string{"Authorization": "x"}, expect: expect{status: 400}},
		"an authorization without anything":        {header: map[string]string{"Authorization": "AWS4-HMAC-SHA256"}, expect: expect{status: 400}},
		"an authorization of version 2":            {header: map[string]string{"Authorization": "AWS AKID:sig"}, expect: expect{status: 400, code: "InvalidRequest"}},
		"an authorization without a date":          {header: map[string]string{"Authorization": auth}, expect: expect{status: 403}},
		"a presigned request without most of it":   {target: "/box?X-Amz-Signature=1", expect: expect{status: 400}},
		"a presigned request of another algorithm": {target: "/box?X-Amz-Algorithm=MD5", expect: expect{status: 400}},
		"a query with an escape that is none":      {target: "/box?prefix=%zz", expect: expect{status: 400, code: "InvalidURI"}},
		"a bucket with a slash in it":              {target: "/a%2Fb!/key", expect: expect{status: 400, code: "InvalidBucketName"}},
		"a bucket of zeros":                        {target: "/%00%00%00/key", expect: expect{status: 400, code: "InvalidBucketName"}},
		"a bucket of dots":                         {target: "/../../etc/passwd", expect: expect{status: 400, code: "InvalidBucketName"}},
		"a key that is too long":                   {target: "/box/" + strings.Repeat("%FF", 1025), expect: expect{status: 400, code: "KeyTooLongError"}},
		"a method that nobody knows":               {method: "BREW", target: "/box/key", expect: expect{status: 405, code: "MethodNotAllowed"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if c.method == "" {
				c.method = "GET"
			}
			if c.target == "" {
				c.target = "/box"
			}
			r := newRequest(t, c.method, c.target, c.body)
			if r == nil {
				t.Fatal("net/http refuses the request before we see it")
			}
			for k, v := range c.header {
				r.Header.Set(k, v)
			}
			got := w.bare(r)
			if c.code == "" {
				c.code = got.code()
			}
			c.check(t, got)
		})
	}
}

// hostile are values that have broken parsers.
var hostile = []string{
	"", " ", "\x00", "\xff", "%", "%00", "%2F", "..", "../..", "//", "-1", "0", "99999999999999999999999", "1e9", "NaN", "null", "true", ",", ";", "=", "\"",
	"\"\"", "W/", "W/\"", "*", "bytes=", "bytes=-", "bytes=--1", "bytes=0-0,-1", "bytes=18446744073709551615-", "<", "<a>", "&amp;", "=?UTF-8?B?",
	"=?UTF-8?B?////?=", "a=1&a=1", "a=%", "/", "/box", "/box/", "box/key?versionId=", "?", "Mon, 32 Jan 2001 00:00:00 GMT", "AAAA", "AAAAAA==", "====",
	"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "x-amz-checksum-crc32", "CRC32", "COMPOSITE", "FULL_OBJECT", "REPLACE",
	strings.Repeat("a", 5000), strings.Repeat("\"a\",", 1000),
}

var hostileHeaders = []string{
	"Content-MD5", "Range", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range", "Content-Type", "Content-Encoding",
	"Expires", "x-amz-acl", "x-amz-tagging", "x-amz-copy-source", "x-amz-copy-source-range", "x-amz-copy-source-if-match", "x-amz-metadata-directive",
	"x-amz-checksum-crc32", "x-amz-checksum-algorithm", "x-amz-checksum-type", "x-amz-sdk-checksum-algorithm", "x-amz-trailer", "x-amz-meta-a",
	"x-amz-decoded-content-length", "x-amz-storage-class", "x-amz-object-attributes", "x-amz-max-parts", "x-amz-part-number-marker",
	"x-amz-mp-object-size", "x-amz-website-redirect-location", "x-amz-content-sha256", "x-amz-expected-bucket-owner", "Origin", "x-amz-checksum-mode",
}

var hostileParams = []string{
	"versionId", "partNumber", "uploadId", "uploads", "delete", "list-type", "prefix", "delimiter", "marker", "max-keys", "continuation-token",
	"start-after", "encoding-type", "key-marker", "version-id-marker", "upload-id-marker", "max-uploads", "max-parts", "part-number-marker",
	"attributes", "versions", "acl", "tagging", "policy", "response-content-type", "max-buckets", "location", "fetch-owner", "restore",
}

// hostileQuery draws a signed request with hostile parts.
func hostileQuery(rnd *rand.Rand) query {
	pick := func(list []string) string { return list[rnd.IntN(len(list))] }
	q := query{method: pick([]string{"GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS"}), path: "/", header: map[string]string{}}
	switch rnd.IntN(4) {
	case 0:
	case 1:
		q.path = "/box"
	default:
		q.path = "/box/" + escapeAll(pick(hostile))
	}
	params := map[string]bool{}
	for range rnd.IntN(3) {
		name := pick(hostileParams)
		if !params[name] {
			sep := "?"
			if len(params) > 0 {
				sep = "&"
			}
			q.path += sep + name + "=" + escapeAll(pick(hostile))
		}
		params[name] = true
	}
	for range rnd.IntN(3) {
		q.header[pick(hostileHeaders)] = strings.Map(func(r rune) rune {
			if r < ' ' || r > '~' {
				return -1
			}
			return r
		}, pick(hostile))
	}
	if rnd.IntN(2) == 0 {
		q.body = pick(append(slices.Clone(hostile),
			"<Delete><Object><Key>a</Key></Object></Delete>", "<CompleteMultipartUpload><Part><PartNumber>x</PartNumber></Part></CompleteMultipartUpload>",
			strings.Repeat("<a>", 20000), `<!DOCTYPE a [<!ENTITY b "c"><!ENTITY d "&b;&b;">]><Delete>&d;</Delete>`))
	}
	return q
}

func TestThousandsOfHostileRequestsNeverPanicNorFailInside(t *testing.T) {
	w := newWorld(t)
	w.newBucket("box")
	rnd := rand.New(rand.NewPCG(1, 2))
	seen := map[int]int{}
	for i := range 4000 {
		q := hostileQuery(rnd)
		r := newRequest(t, q.method, q.path, q.body)
		if r == nil {
			continue
		}
		for k, v := range q.header {
			r.Header.Set(k, v)
		}
		if r.Header.Get("X-Amz-Content-Sha256") == "" {
			r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
		}
		got := w.bare(sign(r, ownerKey, ownerSecret, time.Now()))
		seen[got.status]++
		if got.status >= 500 && got.status != 501 || got.status < 200 {
			t.Fatalf("request %d %.2000q: %d %s\n%s", i, fmt.Sprint(q), got.status, got.body, w.log.String())
		}
		if got.code() == "SignatureDoesNotMatch" {
			t.Fatalf("request %d %.2000q was read in another way than it was signed: %s", i, fmt.Sprint(q), got.body)
		}
	}
	if log := w.log.String(); log != "" {
		t.Errorf("the log says %s", log)
	}
	if seen[200] == 0 || seen[400] == 0 || seen[404] == 0 {
		t.Errorf("the requests are not varied enough: %v", seen)
	}
}

func FuzzRequest(f *testing.F) {
	f.Add("GET", "/box/key?partNumber=1", "Range", "bytes=0-0", "")
	f.Add("PUT", "/box/%2F..%00", "x-amz-tagging", "a=1", "content")
	f.Add("POST", "/box?delete", "Content-MD5", "AAAAAAAAAAAAAAAAAAAAAA==", "<Delete><Object><Key>a</Key></Object></Delete>")
	f.Add("POST", "/box/key?uploadId=1", "x-amz-mp-object-size", "1", "<CompleteMultipartUpload/>")
	f.Add("PUT", "/box/copy", "x-amz-copy-source", "/box/key?versionId=null", "")
	f.Add("GET", "/box?list-type=2&continuation-token=AWE", "x-amz-meta-a", "=?UTF-8?Q?=00?=", "")
	f.Add("PUT", "/box?acl", "x-amz-acl", "private", "<AccessControlPolicy/>")
	w := newWorld(f)
	w.newBucket("box")
	f.Fuzz(func(t *testing.T, method, target, name, value, body string) {
		r := newRequest(t, method, target, body)
		if r == nil || strings.ContainsAny(name, " \r\n:") || name == "" || strings.EqualFold(name, "Authorization") {
			return
		}
		r.Header.Set(name, value)
		if r.Header.Get("X-Amz-Content-Sha256") == "" {
			r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
		}
		got := w.bare(sign(r, ownerKey, ownerSecret, time.Now()))
		if got.status >= 500 && got.status != 501 {
			t.Fatalf("%d %s\n%s", got.status, got.body, w.log.String())
		}
	})
}
