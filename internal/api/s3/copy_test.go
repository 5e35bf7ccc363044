package s3_test

import (
	"maps"
	"strings"
	"testing"

	"grange/internal/catalog"
)

func TestCopyObject(t *testing.T) {
	w := newWorld(t)
	w.newBucket("box")
	w.newBucket("other")
	w.must(query{method: "PUT", path: "/box/a%20%2Bb", body: "content", header: map[string]string{
		"Content-Type": "text/a", "x-amz-meta-a": "1", "x-amz-tagging": "t=1", "x-amz-website-redirect-location": "/there",
		"x-amz-checksum-crc32": crc32Text("content"),
	}})
	past, future := "Mon, 01 Jan 2001 00:00:00 GMT", "Mon, 01 Jan 2091 00:00:00 GMT"
	const source = "/box/a%20%2Bb"
	cases := map[string]struct {
		path   string
		source string
		header map[string]string
		expect
		copied map[string]string // headers of the copy
	}{
		"a copy is what its source is": {
			expect: expect{status: 200, fields: map[string]string{"ETag": "&quot;" + strings.Trim(etag("content"), `"`) + "&quot;", "ChecksumCRC32": crc32Text("content")}},
			copied: map[string]string{"Content-Type": "text/a", "X-Amz-Meta-A": "1", "X-Amz-Tagging-Count": "1", "X-Amz-Website-Redirect-Location": "", "Etag": etag("content")},
		},
		"a copy into another bucket": {
			path: "/other/copy", expect: expect{status: 200}, copied: map[string]string{"Content-Type": "text/a", "X-Amz-Meta-A": "1"},
		},
		"a source without a slash in front": {source: source[1:], expect: expect{status: 200}},
		"a source by its version":           {source: source + "?versionId=null", expect: expect{status: 200}},
		"a copy that says all anew": {
			header: map[string]string{"x-amz-metadata-directive": "REPLACE", "Content-Type": "text/b", "x-amz-meta-b": "2"}, expect: expect{status: 200},
			copied: map[string]string{"Content-Type": "text/b", "X-Amz-Meta-A": "", "X-Amz-Meta-B": "2", "X-Amz-Tagging-Count": "1"},
		},
		"a copy with other tags": {
			header: map[string]string{"x-amz-tagging-directive": "REPLACE", "x-amz-tagging": "x=1&y=2"}, expect: expect{status: 200},
			copied: map[string]string{"X-Amz-Meta-A": "1", "X-Amz-Tagging-Count": "2"},
		},
		"a copy with another checksum": {
			header: map[string]string{"x-amz-checksum-algorithm": "SHA256"}, expect: expect{status: 200, fields: map[string]string{"ChecksumSHA256": sha256Text("content")}},
		},
		"a copy onto itself that changes nothing": {path: source, expect: expect{status: 400, code: "InvalidRequest"}},
		"a copy onto itself with another class":   {path: "/box/self", source: "/box/self", header: map[string]string{"x-amz-storage-class": "GLACIER_IR"}, expect: expect{status: 200}},
		"a directive that nobody knows":           {header: map[string]string{"x-amz-metadata-directive": "MERGE"}, expect: expect{status: 400, code: "InvalidArgument"}},
		"a source without a key":                  {source: "/box", expect: expect{status: 400, code: "InvalidArgument"}},
		"a source with an escape that is none":    {source: "/box/%zz", expect: expect{status: 400, code: "InvalidArgument"}},
		"a source that is not there":              {source: "/box/none", expect: expect{status: 404, code: "NoSuchKey", fields: map[string]string{"Key": "none"}}},
		"a source version that is not there":      {source: source + "?versionId=000000000000r40000000000g8", expect: expect{status: 404, code: "NoSuchVersion"}},
		"a source version that is none":           {source: source + "?versionId=x", expect: expect{status: 400, code: "InvalidArgument"}},
		"a source bucket that is not there":       {source: "/nobox/key", expect: expect{status: 404, code: "NoSuchBucket", fields: map[string]string{"BucketName": "nobox"}}},
		"a source bucket that is no name":         {source: "/a_b!/key", expect: expect{status: 400, code: "InvalidBucketName"}},
		"a source of another owner than expected": {header: map[string]string{"x-amz-source-expected-bucket-owner": "x"}, expect: expect{status: 403, code: "AccessDenied"}},
		"If-Match on the source that fails": {
			header: map[string]string{"x-amz-copy-source-if-match": etag("x")}, expect: expect{status: 412, code: "PreconditionFailed"},
		},
		"If-None-Match on the source that fails is no 304": {
			header: map[string]string{"x-amz-copy-source-if-none-match": etag("content")}, expect: expect{status: 412, code: "PreconditionFailed"},
		},
		"If-Modified-Since on the source that fails": {
			header: map[string]string{"x-amz-copy-source-if-modified-since": future}, expect: expect{status: 412, code: "PreconditionFailed"},
		},
		"If-Unmodified-Since on the source that fails": {
			header: map[string]string{"x-amz-copy-source-if-unmodified-since": past}, expect: expect{status: 412, code: "PreconditionFailed"},
		},
		"If-Match on the source that holds beats If-Unmodified-Since": {
			header: map[string]string{"x-amz-copy-source-if-match": etag("content"), "x-amz-copy-source-if-unmodified-since": past}, expect: expect{status: 200},
		},
		"If-None-Match * on a target that is there": {
			path: "/box/self", header: map[string]string{"If-None-Match": "*"}, expect: expect{status: 412, code: "PreconditionFailed"},
		},
		"encryption with a customer's key is refused": {
			header: map[string]string{"x-amz-copy-source-server-side-encryption-customer-algorithm": "AES256"}, expect: expect{status: 501, code: "NotImplemented"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w.putObject("/box/self", "self")
			if c.path == "" {
				c.path = "/box/copy"
			}
			if c.source == "" {
				c.source = source
			}
			header := map[string]string{"x-amz-copy-source": c.source}
			maps.Copy(header, c.header)
			c.check(t, w.do(query{method: "PUT", path: c.path, header: header}))
			if c.copied != nil {
				expect{status: 200, body: "content", header: c.copied}.check(t, w.getObject(c.path))
			}
		})
	}
}

func TestCopyNeedsTheRightToReadItsSource(t *testing.T) {
	w := newWorld(t)
	w.newBucket("mine")
	w.putObject("/mine/secret", "secret")
	w.addKey("AKOTHER", "other-secret", catalog.KeyOptions{Account: "other", CreateBuckets: true})
	w.must(query{method: "PUT", path: "/theirs", key: "AKOTHER", secret: "other-secret"})
	for name, path := range map[string]string{"of a key that is there": "/mine/secret", "of a key that is not there": "/mine/none"} {
		t.Run(name, func(t *testing.T) {
			expect{status: 403, code: "AccessDenied"}.check(t, w.do(query{
				method: "PUT", path: "/theirs/copy", header: map[string]string{"x-amz-copy-source": path}, key: "AKOTHER", secret: "other-secret",
			}))
			upload := w.must(query{method: "POST", path: "/theirs/copy?uploads", key: "AKOTHER", secret: "other-secret"}).element("UploadId")
			expect{status: 403, code: "AccessDenied"}.check(t, w.do(query{
				method: "PUT", path: partPath("/theirs/copy", upload, 1), header: map[string]string{"x-amz-copy-source": path}, key: "AKOTHER", secret: "other-secret",
			}))
		})
	}
}
