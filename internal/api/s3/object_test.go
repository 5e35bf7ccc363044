package s3_test

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strings"
	"testing"
	"time"

	"github.com/minio/crc64nvme"
)

// expect is what a case wants of a reply. Empty fields are not looked at; a header value "-" means that the header must be missing.
type expect struct {
	status int
	code   string
	body   string
	header map[string]string
	fields map[string]string // elements of the document
}

func (e expect) check(t *testing.T, r reply) {
	t.Helper()
	if r.status != e.status {
		t.Fatalf("status: got %d, want %d; %s", r.status, e.status, r.body)
	}
	if e.code != r.code() && (e.code != "" || e.status >= 400 && r.body != "") {
		t.Errorf("code: got %q, want %q; %s", r.code(), e.code, r.body)
	}
	if e.body != "" && r.body != e.body {
		t.Errorf("body: got %q, want %q", r.body, e.body)
	}
	for name, want := range e.header {
		got := r.header.Get(name)
		if want == "-" {
			want = ""
		}
		if got != want {
			t.Errorf("header %s: got %q, want %q", name, got, want)
		}
	}
	for name, want := range e.fields {
		if got := r.element(name); got != want {
			t.Errorf("element %s: got %q, want %q; %s", name, got, want, r.body)
		}
	}
}

func md5Text(s string) string {
	sum := md5.Sum([]byte(s))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func etag(s string) string { return fmt.Sprintf(`"%x"`, md5.Sum([]byte(s))) }

func crc32Text(s string) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(s))))
}

func crc64Text(s string) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, crc64nvme.Checksum([]byte(s))))
}

func sha256Text(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func TestPutObject(t *testing.T) {
	w := newWorld(t)
	w.newBucket("box")
	w.putObject("/box/there", "old")
	long := strings.Repeat("m", 2049)
	cases := map[string]struct {
		header map[string]string
		path   string
		body   string
		expect
	}{
		"a plain put answers with the ETag and the CRC64NVME of what was stored": {
			body: "hello", expect: expect{status: 200, header: map[string]string{
				"Etag": etag("hello"), "X-Amz-Checksum-Crc64nvme": crc64Text("hello"), "X-Amz-Checksum-Type": "FULL_OBJECT",
				"X-Amz-Version-Id": "-",
			}},
		},
		"an empty object is an object": {
			expect: expect{status: 200, header: map[string]string{"Etag": etag("")}},
		},
		"a Content-MD5 that matches is accepted": {
			body: "hello", header: map[string]string{"Content-MD5": md5Text("hello")}, expect: expect{status: 200},
		},
		"a Content-MD5 of other content is BadDigest": {
			body: "hello", header: map[string]string{"Content-MD5": md5Text("other")}, expect: expect{
				status: 400, code: "BadDigest",
				fields: map[string]string{"ExpectedDigest": md5Text("other"), "CalculatedDigest": md5Text("hello")},
			},
		},
		"a Content-MD5 that is none is InvalidDigest": {
			body: "hello", header: map[string]string{"Content-MD5": "YWJj"}, expect: expect{status: 400, code: "InvalidDigest"},
		},
		"a CRC32 that matches is kept instead of CRC64NVME": {
			body: "hello", header: map[string]string{"x-amz-checksum-crc32": crc32Text("hello")},
			expect: expect{status: 200, header: map[string]string{"X-Amz-Checksum-Crc32": crc32Text("hello"), "X-Amz-Checksum-Crc64nvme": "-"}},
		},
		"an empty checksum header": {
			body: "hello", header: map[string]string{"x-amz-checksum-crc64nvme": ""}, expect: expect{status: 400, code: "InvalidRequest"},
		},
		"a CRC32 of other content is BadDigest": {
			body: "hello", header: map[string]string{"x-amz-checksum-crc32": crc32Text("other")}, expect: expect{status: 400, code: "BadDigest"},
		},
		"a SHA256 of other content is BadDigest": {
			body: "hello", header: map[string]string{"x-amz-checksum-sha256": sha256Text("other")}, expect: expect{status: 400, code: "BadDigest"},
		},
		"a checksum that is no base64 is InvalidRequest": {
			body: "hello", header: map[string]string{"x-amz-checksum-crc32": "****"}, expect: expect{status: 400, code: "InvalidRequest"},
		},
		"two checksums are InvalidRequest": {
			body: "hello", header: map[string]string{"x-amz-checksum-crc32": crc32Text("hello"), "x-amz-checksum-sha256": sha256Text("hello")},
			expect: expect{status: 400, code: "InvalidRequest"},
		},
		"an announced algorithm without a checksum is InvalidRequest": {
			body: "hello", header: map[string]string{"x-amz-sdk-checksum-algorithm": "CRC32"}, expect: expect{status: 400, code: "InvalidRequest"},
		},
		"an announced algorithm of another name is InvalidRequest": {
			body:   "hello",
			header: map[string]string{"x-amz-sdk-checksum-algorithm": "SHA1", "x-amz-checksum-crc32": crc32Text("hello")},
			expect: expect{status: 400, code: "InvalidRequest"},
		},
		"a hash of other content in x-amz-content-sha256 is XAmzContentSHA256Mismatch": {
			body: "hello", header: map[string]string{"X-Amz-Content-Sha256": fmt.Sprintf("%x", sha256.Sum256([]byte("other")))},
			expect: expect{status: 400, code: "XAmzContentSHA256Mismatch"},
		},
		"more than 2 KB of user metadata is MetadataTooLarge": {
			header: map[string]string{"x-amz-meta-long": long}, expect: expect{status: 400, code: "MetadataTooLarge"},
		},
		"an unknown storage class is InvalidStorageClass": {
			header: map[string]string{"x-amz-storage-class": "PAPER"}, expect: expect{status: 400, code: "InvalidStorageClass"},
		},
		"server side encryption is refused and not ignored": {
			header: map[string]string{"x-amz-server-side-encryption": "AES256"}, expect: expect{status: 501, code: "NotImplemented"},
		},
		"a customer's encryption key is refused and not ignored": {
			header: map[string]string{"x-amz-server-side-encryption-customer-algorithm": "AES256"}, expect: expect{status: 501, code: "NotImplemented"},
		},
		"an append is refused and does not overwrite": {
			path: "/box/there", header: map[string]string{"x-amz-write-offset-bytes": "3"}, expect: expect{status: 501, code: "NotImplemented"},
		},
		"half a lock is refused": {
			header: map[string]string{"x-amz-object-lock-mode": "GOVERNANCE"}, expect: expect{status: 400, code: "InvalidArgument"},
		},
		"the canned ACL private says what holds anyway": {
			header: map[string]string{"x-amz-acl": "private"}, expect: expect{status: 200},
		},
		"the canned ACL bucket-owner-full-control says what holds anyway": {
			header: map[string]string{"x-amz-acl": "bucket-owner-full-control"}, expect: expect{status: 200},
		},
		"the canned ACL public-read is AccessControlListNotSupported": {
			header: map[string]string{"x-amz-acl": "public-read"}, expect: expect{status: 400, code: "AccessControlListNotSupported"},
		},
		"a canned ACL that nobody knows is InvalidArgument": {
			header: map[string]string{"x-amz-acl": "mine"}, expect: expect{status: 400, code: "InvalidArgument"},
		},
		"a grant is AccessControlListNotSupported": {
			header: map[string]string{"x-amz-grant-read": "id=1"}, expect: expect{status: 400, code: "AccessControlListNotSupported"},
		},
		"eleven tags are too many": {
			header: map[string]string{"x-amz-tagging": "a=1&b=1&c=1&d=1&e=1&f=1&g=1&h=1&i=1&j=1&k=1"}, expect: expect{status: 400, code: "BadRequest"},
		},
		"a tag that comes twice is InvalidTag": {
			header: map[string]string{"x-amz-tagging": "a=1&a=2"}, expect: expect{status: 400, code: "InvalidTag"},
		},
		"If-None-Match * holds for a new key": {
			path: "/box/new", header: map[string]string{"If-None-Match": "*"}, expect: expect{status: 200},
		},
		"If-None-Match * fails for a key that is there": {
			path: "/box/there", header: map[string]string{"If-None-Match": "*"},
			expect: expect{status: 412, code: "PreconditionFailed", fields: map[string]string{"Condition": "If-None-Match"}},
		},
		"If-Match fails for another ETag": {
			path: "/box/there", header: map[string]string{"If-Match": etag("new")},
			expect: expect{status: 412, code: "PreconditionFailed", fields: map[string]string{"Condition": "If-Match"}},
		},
		"If-Match of a key that is not there is NoSuchKey": {
			path: "/box/nowhere", header: map[string]string{"If-Match": etag("new")}, expect: expect{status: 404, code: "NoSuchKey"},
		},
		"If-Match holds for the ETag that is there, with or without quotes": {
			path: "/box/there", body: "old", header: map[string]string{"If-Match": strings.Trim(etag("old"), `"`)}, expect: expect{status: 200},
		},
		"a date decides no write": {
			path: "/box/there", header: map[string]string{"If-Unmodified-Since": time.Now().UTC().Format(time.RFC1123)},
			expect: expect{status: 501, code: "NotImplemented"},
		},
		"a version id is none of a put's business": {
			path: "/box/there?versionId=null", expect: expect{status: 400, code: "InvalidArgument"},
		},
		"a key of 1,024 bytes is the longest": {
			path: "/box/" + strings.Repeat("k", 1024), expect: expect{status: 200},
		},
		"a key of 1,025 bytes is KeyTooLongError": {
			path: "/box/" + strings.Repeat("k", 1025), expect: expect{status: 400, code: "KeyTooLongError"},
		},
		"a bucket that is not there is NoSuchBucket": {
			path: "/nobox/key", expect: expect{status: 404, code: "NoSuchBucket", fields: map[string]string{"BucketName": "nobox"}},
		},
		"a bucket of another owner than expected is AccessDenied": {
			path: "/box/key", header: map[string]string{"x-amz-expected-bucket-owner": strings.Repeat("0", 64)},
			expect: expect{status: 403, code: "AccessDenied"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if c.path == "" {
				c.path = "/box/key"
			}
			c.check(t, w.do(query{method: "PUT", path: c.path, body: c.body, header: c.header}))
		})
	}
	if got := w.getObject("/box/there").body; got != "old" {
		t.Errorf("a refused put changed the object to %q", got)
	}
}

func TestGetObject(t *testing.T) {
	w := newWorld(t)
	w.newBucket("box")
	content := "0123456789"
	w.must(query{method: "PUT", path: "/box/ten", body: content, header: map[string]string{
		"Content-Type": "text/x-ten", "Cache-Control": "max-age=1", "Content-Disposition": "inline", "Content-Language": "de",
		"Content-Encoding": "identity", "Expires": "Thu, 01 Dec 1994 16:00:00 GMT", "x-amz-meta-Colour": "blue",
		"x-amz-meta-word": "=?UTF-8?B?w6TDtsO8?=", "x-amz-storage-class": "STANDARD_IA", "x-amz-tagging": "a=1&b=2",
	}})
	w.putObject("/box/empty", "")
	modified := w.getObject("/box/ten").header.Get("Last-Modified")
	past, future := "Mon, 01 Jan 2001 00:00:00 GMT", "Mon, 01 Jan 2091 00:00:00 GMT"
	cases := map[string]struct {
		method, path string
		header       map[string]string
		expect
	}{
		"the whole object comes with all that was said about it": {
			expect: expect{status: 200, body: content, header: map[string]string{
				"Content-Type": "text/x-ten", "Cache-Control": "max-age=1", "Content-Disposition": "inline", "Content-Language": "de",
				"Content-Encoding": "identity", "Expires": "Thu, 01 Dec 1994 16:00:00 GMT", "X-Amz-Meta-Colour": "blue",
				"X-Amz-Meta-Word": "=?UTF-8?b?w6TDtsO8?=", "X-Amz-Storage-Class": "STANDARD_IA", "X-Amz-Tagging-Count": "2",
				"Etag": etag(content), "Accept-Ranges": "bytes", "Content-Length": "10", "X-Amz-Version-Id": "-",
				"X-Amz-Checksum-Crc64nvme": "-", "X-Amz-Mp-Parts-Count": "-",
			}},
		},
		"HEAD says the same without the content": {
			method: "HEAD", expect: expect{status: 200, header: map[string]string{"Content-Length": "10", "Etag": etag(content), "X-Amz-Meta-Colour": "blue"}},
		},
		"an object that was stored without a type has S3's": {
			path: "/box/empty", expect: expect{status: 200, header: map[string]string{"Content-Type": "binary/octet-stream", "Content-Length": "0"}},
		},
		"the checksum is shown when asked for": {
			header: map[string]string{"x-amz-checksum-mode": "ENABLED"},
			expect: expect{status: 200, header: map[string]string{"X-Amz-Checksum-Crc64nvme": crc64Text(content), "X-Amz-Checksum-Type": "FULL_OBJECT"}},
		},
		"the checksum of the whole is not shown with a range": {
			header: map[string]string{"x-amz-checksum-mode": "ENABLED", "Range": "bytes=0-1"},
			expect: expect{status: 206, header: map[string]string{"X-Amz-Checksum-Crc64nvme": "-"}},
		},
		"a range from the middle": {
			header: map[string]string{"Range": "bytes=2-4"},
			expect: expect{status: 206, body: "234", header: map[string]string{"Content-Range": "bytes 2-4/10", "Content-Length": "3"}},
		},
		"a range with an open end": {
			header: map[string]string{"Range": "bytes=7-"}, expect: expect{status: 206, body: "789", header: map[string]string{"Content-Range": "bytes 7-9/10"}},
		},
		"a range beyond the end is cut": {
			header: map[string]string{"Range": "bytes=8-99"}, expect: expect{status: 206, body: "89"},
		},
		"a suffix": {
			header: map[string]string{"Range": "bytes=-3"}, expect: expect{status: 206, body: "789"},
		},
		"a suffix longer than the object is all of it": {
			header: map[string]string{"Range": "bytes=-99"}, expect: expect{status: 206, body: content},
		},
		"a range of HEAD": {
			method: "HEAD", header: map[string]string{"Range": "bytes=2-4"},
			expect: expect{status: 206, header: map[string]string{"Content-Range": "bytes 2-4/10", "Content-Length": "3"}},
		},
		"a range that begins behind the end is InvalidRange": {
			header: map[string]string{"Range": "bytes=10-"}, expect: expect{
				status: 416, code: "InvalidRange",
				header: map[string]string{"Content-Range": "bytes */10"}, fields: map[string]string{"ActualObjectSize": "10", "RangeRequested": "bytes=10-"},
			},
		},
		"an empty suffix is InvalidRange": {
			header: map[string]string{"Range": "bytes=-0"}, expect: expect{status: 416, code: "InvalidRange"},
		},
		"any range of an empty object is InvalidRange": {
			path: "/box/empty", header: map[string]string{"Range": "bytes=0-0"}, expect: expect{status: 416, code: "InvalidRange"},
		},
		"several ranges are the whole object": {
			header: map[string]string{"Range": "bytes=0-1,3-4"}, expect: expect{status: 200, body: content},
		},
		"a range that is none is the whole object": {
			header: map[string]string{"Range": "bytes=4-2"}, expect: expect{status: 200, body: content},
		},
		"a range in another unit is the whole object": {
			header: map[string]string{"Range": "lines=1-2"}, expect: expect{status: 200, body: content},
		},
		"a range of 20 digits does not overflow": {
			header: map[string]string{"Range": "bytes=2-99999999999999999999"}, expect: expect{status: 206, body: "23456789"},
		},
		"If-Range of the same object lets the range stand": {
			header: map[string]string{"Range": "bytes=0-0", "If-Range": etag(content)}, expect: expect{status: 206, body: "0"},
		},
		"If-Range of another object drops the range": {
			header: map[string]string{"Range": "bytes=0-0", "If-Range": etag("x")}, expect: expect{status: 200, body: content},
		},
		"part 1 of an object that was put in one piece is all of it": {
			path: "/box/ten?partNumber=1", expect: expect{status: 206, body: content, header: map[string]string{"X-Amz-Mp-Parts-Count": "-"}},
		},
		"part 2 of an object that was put in one piece is not there": {
			path: "/box/ten?partNumber=2", expect: expect{status: 416, code: "InvalidPartNumber"},
		},
		"part 0 is InvalidArgument": {
			path: "/box/ten?partNumber=0", expect: expect{status: 400, code: "InvalidArgument"},
		},
		"a part and a range together are InvalidRequest": {
			path: "/box/ten?partNumber=1", header: map[string]string{"Range": "bytes=0-0"}, expect: expect{status: 400, code: "InvalidRequest"},
		},
		"If-Match of another ETag is 412": {
			header: map[string]string{"If-Match": etag("x")}, expect: expect{status: 412, code: "PreconditionFailed", fields: map[string]string{"Condition": "If-Match"}},
		},
		"If-Match of a list with the ETag holds": {
			header: map[string]string{"If-Match": etag("x") + ", " + etag(content)}, expect: expect{status: 200},
		},
		"If-Match that holds beats If-Unmodified-Since that does not": {
			header: map[string]string{"If-Match": etag(content), "If-Unmodified-Since": past}, expect: expect{status: 200},
		},
		"If-Unmodified-Since of the past is 412": {
			header: map[string]string{"If-Unmodified-Since": past}, expect: expect{status: 412, code: "PreconditionFailed"},
		},
		"If-Unmodified-Since of the time that Last-Modified shows holds": {
			header: map[string]string{"If-Unmodified-Since": modified}, expect: expect{status: 200},
		},
		"If-None-Match of the ETag is 304 with the ETag and without a body": {
			header: map[string]string{"If-None-Match": etag(content)},
			expect: expect{status: 304, header: map[string]string{"Etag": etag(content), "Cache-Control": "max-age=1", "Last-Modified": modified}},
		},
		"If-None-Match of the weak ETag is 304": {
			header: map[string]string{"If-None-Match": "W/" + etag(content)}, expect: expect{status: 304},
		},
		"If-None-Match of another ETag beats If-Modified-Since": {
			header: map[string]string{"If-None-Match": etag("x"), "If-Modified-Since": future}, expect: expect{status: 200},
		},
		"If-Modified-Since of the time that Last-Modified shows is 304": {
			header: map[string]string{"If-Modified-Since": modified}, expect: expect{status: 304},
		},
		"If-Modified-Since of the past holds": {
			header: map[string]string{"If-Modified-Since": past}, expect: expect{status: 200},
		},
		"a date that is none is ignored": {
			header: map[string]string{"If-Modified-Since": "yesterday"}, expect: expect{status: 200},
		},
		"HEAD with a failing condition has no body": {
			method: "HEAD", header: map[string]string{"If-Match": etag("x")}, expect: expect{status: 412},
		},
		"a signed read may replace headers": {
			path: "/box/ten?response-content-type=text%2Fplain&response-content-disposition=attachment&response-expires=never",
			expect: expect{status: 200, body: content, header: map[string]string{
				"Content-Type": "text/plain", "Content-Disposition": "attachment", "Expires": "never",
			}},
		},
		"a replaced header cannot begin another one": {
			path:   "/box/ten?response-content-type=text%2Fplain%0d%0aX-Evil:%201",
			expect: expect{status: 200, body: content, header: map[string]string{"X-Evil": "-"}},
		},
		"the null version is the object": {
			path: "/box/ten?versionId=null", expect: expect{status: 200, body: content},
		},
		"a version that never was is NoSuchVersion": {
			path: "/box/ten?versionId=000000000000r40000000000g8", expect: expect{status: 404, code: "NoSuchVersion"},
		},
		"a version id that is none is InvalidArgument": {
			path: "/box/ten?versionId=x", expect: expect{status: 400, code: "InvalidArgument", fields: map[string]string{"ArgumentName": "versionId"}},
		},
		"an empty version id is InvalidArgument": {
			path: "/box/ten?versionId=", expect: expect{status: 400, code: "InvalidArgument"},
		},
		"a key that is not there is NoSuchKey": {
			path: "/box/no%20such", expect: expect{status: 404, code: "NoSuchKey", fields: map[string]string{"Key": "no such", "Resource": "/box/no such"}},
		},
		"HEAD of a key that is not there is 404 without a body": {
			method: "HEAD", path: "/box/none", expect: expect{status: 404},
		},
		"an unknown parameter is ignored": {
			path: "/box/ten?x-id=GetObject&foo=bar", expect: expect{status: 200, body: content},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if c.path == "" {
				c.path = "/box/ten"
			}
			if c.method == "" {
				c.method = "GET"
			}
			r := w.do(query{method: c.method, path: c.path, header: c.header})
			c.check(t, r)
			if (c.method == "HEAD" || r.status == 304) && r.body != "" {
				t.Errorf("a body: %q", r.body)
			}
			if r.header.Get("X-Amz-Request-Id") == "" || r.header.Get("X-Amz-Id-2") == "" {
				t.Error("no request id")
			}
		})
	}
}

func TestDeleteObject(t *testing.T) {
	w := newWorld(t)
	w.newBucket("box")
	cases := map[string]struct {
		path   string
		header map[string]string
		expect
		gone bool
	}{
		"an object is deleted":                                  {expect: expect{status: 204}, gone: true},
		"the null version is deleted":                           {path: "?versionId=null", expect: expect{status: 204}, gone: true},
		"a version that never was is gone already":              {path: "?versionId=000000000000r40000000000g8", expect: expect{status: 204}},
		"If-Match of the ETag holds":                            {header: map[string]string{"If-Match": etag("x")}, expect: expect{status: 204}, gone: true},
		"If-Match * holds":                                      {header: map[string]string{"If-Match": "*"}, expect: expect{status: 204}, gone: true},
		"If-Match of another ETag is 412":                       {header: map[string]string{"If-Match": etag("y")}, expect: expect{status: 412, code: "PreconditionFailed"}},
		"a condition of directory buckets is refused":           {header: map[string]string{"x-amz-if-match-size": "9"}, expect: expect{status: 501, code: "NotImplemented"}},
		"a date decides no deletion":                            {header: map[string]string{"If-Unmodified-Since": "Mon, 01 Jan 2001 00:00:00 GMT"}, expect: expect{status: 501, code: "NotImplemented"}},
		"a version id that is none deletes nothing":             {path: "?versionId=x", expect: expect{status: 400, code: "InvalidArgument"}},
		"a sub-resource that is not there never deletes a key":  {path: "?retention", expect: expect{status: 405, code: "MethodNotAllowed"}},
		"a sub-resource of buckets never deletes a key":         {path: "?lifecycle", expect: expect{status: 501, code: "NotImplemented"}},
		"an upload that never was is no reason to delete a key": {path: "?uploadId=zzz", expect: expect{status: 404, code: "NoSuchUpload"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w.putObject("/box/key", "x")
			c.check(t, w.do(query{method: "DELETE", path: "/box/key" + c.path, header: c.header}))
			if got := w.getObject("/box/key").status == 404; got != c.gone {
				t.Errorf("gone: got %v, want %v", got, c.gone)
			}
		})
	}
	t.Run("deleting what is not there succeeds", func(t *testing.T) {
		expect{status: 204}.check(t, w.do(query{method: "DELETE", path: "/box/never"}))
	})
	t.Run("If-Match of what is not there is NoSuchKey", func(t *testing.T) {
		expect{status: 404, code: "NoSuchKey"}.check(t, w.do(query{method: "DELETE", path: "/box/never", header: map[string]string{"If-Match": "*"}}))
	})
}

func TestKeysAreAnyBytes(t *testing.T) {
	w := newWorld(t)
	w.newBucket("box")
	keys := []string{
		"a/../b", "..", ".", "//", "/leading", "trailing/", "a//b", "a/./b", "%2F", "%252F", "a+b", "a b", "a?b", "a#b", "a&b=c", "ä/ö",
		"\x00", "a\x00b", "\x01\x1f\x7f", "\xff\xfe", "a\xc3", "\n\r\t", "<&>\"'", "*", "~", ";", ":", "\\", strings.Repeat("ü", 512),
	}
	for c := range 256 {
		keys = append(keys, "byte-"+string([]byte{byte(c)}))
	}
	for _, key := range keys {
		path := "/box/" + escapeAll(key)
		w.putObject(path, key)
	}
	for _, key := range keys {
		if got := w.getObject("/box/" + escapeAll(key)); got.status != 200 || got.body != key {
			t.Errorf("key %q: got %d %q", key, got.status, got.body)
		}
	}
	listed := w.listAll(t, "box", "&encoding-type=url")
	if len(listed) != len(keys) {
		t.Fatalf("listed %d keys, want %d", len(listed), len(keys))
	}
	for _, key := range keys {
		if !listed[key] {
			t.Errorf("key %q is not listed", key)
		}
	}
}

// escapeAll escapes every byte of a key.
func escapeAll(key string) string {
	var b strings.Builder
	for i := range len(key) {
		fmt.Fprintf(&b, "%%%02X", key[i])
	}
	return b.String()
}
