package s3_test

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"maps"
	"strings"
	"testing"
	"time"

	"grange/internal/api/s3"
	"grange/internal/id"
)

const partSize = 5 << 20

// start begins an upload and returns its id.
func (w *world) start(t *testing.T, path string, header map[string]string) string {
	t.Helper()
	upload := w.must(query{method: "POST", path: path + "?uploads", header: header}).element("UploadId")
	if upload == "" {
		t.Fatal("no upload id")
	}
	return upload
}

func partPath(path, upload string, number int) string {
	return fmt.Sprintf("%s?partNumber=%d&uploadId=%s", path, number, upload)
}

func completeBody(etags ...string) string {
	var b strings.Builder
	b.WriteString("<CompleteMultipartUpload>")
	for i, e := range etags {
		fmt.Fprintf(&b, "<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>", i+1, e)
	}
	b.WriteString("</CompleteMultipartUpload>")
	return b.String()
}

func TestMultipartUploadFromStartToEnd(t *testing.T) {
	w := newWorld(t)
	w.newBucket("box")
	upload := w.start(t, "/box/large", map[string]string{
		"Content-Type": "text/large", "x-amz-meta-a": "b", "x-amz-checksum-algorithm": "CRC32",
	})
	one, two := strings.Repeat("1", partSize), "the end"
	expect{status: 200, header: map[string]string{"Etag": etag(one), "X-Amz-Checksum-Crc32": crc32Text(one)}}.check(t,
		w.do(query{method: "PUT", path: partPath("/box/large", upload, 1), body: one, header: map[string]string{"x-amz-checksum-crc32": crc32Text(one)}}))
	w.must(query{method: "PUT", path: partPath("/box/large", upload, 2), body: "overwritten"})
	w.must(query{method: "PUT", path: partPath("/box/large", upload, 2), body: two})

	parts := w.must(query{method: "GET", path: "/box/large?max-parts=1&uploadId=" + upload})
	expect{status: 200, fields: map[string]string{
		"PartNumber": "1", "IsTruncated": "true", "NextPartNumberMarker": "1", "MaxParts": "1", "ChecksumAlgorithm": "CRC32",
		"ChecksumType": "COMPOSITE", "ChecksumCRC32": crc32Text(one), "DisplayName": "owner", "StorageClass": "STANDARD",
	}}.check(t, parts)
	expect{status: 200, fields: map[string]string{"PartNumber": "2", "IsTruncated": "false", "Size": "7"}}.check(t,
		w.do(query{method: "GET", path: "/box/large?part-number-marker=1&uploadId=" + upload}))
	expect{status: 200, fields: map[string]string{"Key": "large", "UploadId": upload}}.check(t, w.do(query{method: "GET", path: "/box?uploads"}))
	expect{status: 404, code: "NoSuchKey"}.check(t, w.getObject("/box/large"))

	a, b := md5.Sum([]byte(one)), md5.Sum([]byte(two))
	whole := fmt.Sprintf("%x-2", md5.Sum(append(a[:], b[:]...)))
	sums := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(one))), crc32.ChecksumIEEE([]byte(two)))
	composite := base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(sums))) + "-2"
	complete := query{method: "POST", path: "/box/large?uploadId=" + upload, body: completeBody(etag(one), etag(two))}
	done := expect{status: 200, fields: map[string]string{
		"ETag": "&quot;" + whole + "&quot;", "Bucket": "box", "Key": "large", "Location": w.http.URL + "/box/large",
		"ChecksumCRC32": composite, "ChecksumType": "COMPOSITE",
	}}
	done.check(t, w.do(complete))
	t.Run("a complete that is repeated answers as before", func(t *testing.T) { done.check(t, w.do(complete)) })
	t.Run("a late part changes nothing", func(t *testing.T) {
		expect{status: 404, code: "NoSuchUpload"}.check(t, w.do(query{method: "PUT", path: partPath("/box/large", upload, 1), body: "late"}))
	})
	t.Run("the object is its parts", func(t *testing.T) {
		expect{status: 200, body: one + two, header: map[string]string{"Etag": `"` + whole + `"`, "Content-Type": "text/large", "X-Amz-Meta-A": "b"}}.check(t,
			w.getObject("/box/large"))
	})
	t.Run("a part is read by its number", func(t *testing.T) {
		expect{status: 206, body: two, header: map[string]string{
			"X-Amz-Mp-Parts-Count": "2", "Content-Range": fmt.Sprintf("bytes %d-%d/%d", partSize, partSize+6, partSize+7),
			"X-Amz-Checksum-Crc32": crc32Text(two),
		}}.check(t, w.do(query{method: "GET", path: "/box/large?partNumber=2", header: map[string]string{"x-amz-checksum-mode": "ENABLED"}}))
	})
	t.Run("a part that is not there", func(t *testing.T) {
		expect{status: 416, code: "InvalidPartNumber", fields: map[string]string{"ActualPartCount": "2"}}.check(t, w.getObject("/box/large?partNumber=3"))
	})
	t.Run("a range over the border of two parts", func(t *testing.T) {
		expect{status: 206, body: "11the"}.check(t,
			w.do(query{method: "GET", path: "/box/large", header: map[string]string{"Range": fmt.Sprintf("bytes=%d-%d", partSize-2, partSize+2)}}))
	})
	t.Run("its attributes", func(t *testing.T) {
		expect{status: 200, fields: map[string]string{
			"ETag": whole, "PartsCount": "2", "ObjectSize": fmt.Sprint(partSize + 7), "StorageClass": "STANDARD",
			"IsTruncated": "true", "NextPartNumberMarker": "1", "PartNumber": "1", "ChecksumType": "COMPOSITE",
		}}.check(t, w.do(query{method: "GET", path: "/box/large?attributes", header: map[string]string{
			"x-amz-object-attributes": "ETag,Checksum,ObjectParts,StorageClass,ObjectSize", "x-amz-max-parts": "1",
		}}))
	})
}

func TestMultipartRefusals(t *testing.T) {
	w := newWorld(t)
	w.newBucket("box")
	upload := w.start(t, "/box/key", nil)
	w.must(query{method: "PUT", path: partPath("/box/key", upload, 1), body: "small"})
	w.must(query{method: "PUT", path: partPath("/box/key", upload, 2), body: "also small"})
	complete := "/box/key?uploadId=" + upload
	cases := map[string]struct {
		method, path, body string
		header             map[string]string
		expect
	}{
		"a part number of 0":             {method: "PUT", path: partPath("/box/key", upload, 0), expect: expect{status: 400, code: "InvalidArgument"}},
		"a part number of 10,001":        {method: "PUT", path: partPath("/box/key", upload, 10001), expect: expect{status: 400, code: "InvalidArgument"}},
		"a part of no upload":            {method: "PUT", path: partPath("/box/key", "nonsense", 1), expect: expect{status: 404, code: "NoSuchUpload"}},
		"a part of another key's upload": {method: "PUT", path: partPath("/box/other", upload, 1), expect: expect{status: 404, code: "NoSuchUpload"}},
		"a part without a number":        {method: "PUT", path: "/box/key?uploadId=" + upload, expect: expect{status: 405, code: "MethodNotAllowed"}},
		"a part whose MD5 is another's": {
			method: "PUT", path: partPath("/box/key", upload, 3), body: "x", header: map[string]string{"Content-MD5": md5Text("y")},
			expect: expect{status: 400, code: "BadDigest"},
		},
		"a complete without parts":       {method: "POST", path: complete, body: completeBody(), expect: expect{status: 400, code: "MalformedXML"}},
		"a complete without a document":  {method: "POST", path: complete, expect: expect{status: 400, code: "MissingRequestBodyError"}},
		"a complete with another ETag":   {method: "POST", path: complete, body: completeBody(etag("other")), expect: expect{status: 400, code: "InvalidPart"}},
		"a complete with a missing part": {method: "POST", path: complete, body: strings.Replace(completeBody(etag("small")), ">1<", ">9<", 1), expect: expect{status: 400, code: "InvalidPart"}},
		"a complete with a small part": {
			method: "POST", path: complete, body: completeBody(etag("small"), etag("also small")),
			expect: expect{status: 400, code: "EntityTooSmall", fields: map[string]string{"PartNumber": "1", "ProposedSize": "5", "MinSizeAllowed": "5242880"}},
		},
		"a complete out of order": {
			method: "POST", path: complete, expect: expect{status: 400, code: "InvalidPartOrder"},
			body: "<CompleteMultipartUpload><Part><PartNumber>2</PartNumber><ETag>a</ETag></Part><Part><PartNumber>1</PartNumber><ETag>b</ETag></Part></CompleteMultipartUpload>",
		},
		"a complete with another size": {
			method: "POST", path: complete, body: completeBody(etag("small")), header: map[string]string{"x-amz-mp-object-size": "6"},
			expect: expect{status: 400, code: "InvalidRequest"},
		},
		"a complete with another checksum": {
			method: "POST", path: complete, body: completeBody(etag("small")), header: map[string]string{"x-amz-checksum-crc64nvme": crc64Text("other")},
			expect: expect{status: 400, code: "BadDigest"},
		},
		"a complete under a condition that fails": {
			method: "POST", path: complete, body: completeBody(etag("small")), header: map[string]string{"If-Match": etag("x")},
			expect: expect{status: 404, code: "NoSuchKey"},
		},
		"a start with a checksum that nobody knows": {
			method: "POST", path: "/box/key?uploads", header: map[string]string{"x-amz-checksum-algorithm": "MD6"}, expect: expect{status: 400, code: "InvalidRequest"},
		},
		"a start with a type that the checksum does not have": {
			method: "POST", path: "/box/key?uploads", header: map[string]string{"x-amz-checksum-algorithm": "SHA256", "x-amz-checksum-type": "FULL_OBJECT"},
			expect: expect{status: 400, code: "InvalidRequest"},
		},
		"an abort of no upload":    {method: "DELETE", path: "/box/key?uploadId=00000000000000000000000000", expect: expect{status: 404, code: "NoSuchUpload"}},
		"a list of no upload":      {method: "GET", path: "/box/key?uploadId=00000000000000000000000000", expect: expect{status: 404, code: "NoSuchUpload"}},
		"a list behind no number":  {method: "GET", path: complete + "&part-number-marker=x", expect: expect{status: 400, code: "InvalidArgument"}},
		"attributes that are none": {method: "GET", path: "/box/key?attributes", header: map[string]string{"x-amz-object-attributes": "Colour"}, expect: expect{status: 400, code: "InvalidArgument"}},
		"attributes without names": {method: "GET", path: "/box/key?attributes", expect: expect{status: 400, code: "InvalidRequest"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			c.check(t, w.do(query{method: c.method, path: c.path, body: c.body, header: c.header}))
		})
	}
	t.Run("an abort drops the upload", func(t *testing.T) {
		expect{status: 204}.check(t, w.do(query{method: "DELETE", path: complete}))
		expect{status: 404, code: "NoSuchUpload"}.check(t, w.do(query{method: "POST", path: complete, body: completeBody(etag("small"))}))
	})
}

func TestFullObjectChecksumOfAMultipartUpload(t *testing.T) {
	w := newWorld(t)
	w.newBucket("box")
	upload := w.start(t, "/box/key", nil)
	one, two := strings.Repeat("1", partSize), "two"
	w.must(query{method: "PUT", path: partPath("/box/key", upload, 1), body: one, header: map[string]string{"x-amz-checksum-sha256": sha256Text(one)}})
	w.must(query{method: "PUT", path: partPath("/box/key", upload, 2), body: two})
	expect{status: 200, fields: map[string]string{"ChecksumCRC64NVME": crc64Text(one + two), "ChecksumType": "FULL_OBJECT"}}.check(t,
		w.do(query{method: "POST", path: "/box/key?uploadId=" + upload, body: completeBody(etag(one), etag(two)), header: map[string]string{
			"x-amz-checksum-crc64nvme": crc64Text(one + two), "x-amz-checksum-type": "FULL_OBJECT", "x-amz-mp-object-size": fmt.Sprint(partSize + 3),
		}}))
}

func TestUploadPartCopy(t *testing.T) {
	w := newWorld(t)
	w.newBucket("box")
	w.newBucket("other")
	source := strings.Repeat("0123456789", partSize/5)
	w.putObject("/other/source", source)
	upload := w.start(t, "/box/key", nil)
	copyPart := func(number int, header map[string]string) reply {
		header["x-amz-copy-source"] = "/other/source"
		return w.do(query{method: "PUT", path: partPath("/box/key", upload, number), header: header})
	}
	first := source[:partSize+1]
	expect{status: 200, fields: map[string]string{"ETag": "&quot;" + strings.Trim(etag(first), `"`) + "&quot;"}}.check(t,
		copyPart(1, map[string]string{"x-amz-copy-source-range": fmt.Sprintf("bytes=0-%d", partSize)}))
	expect{status: 200}.check(t, copyPart(2, map[string]string{}))
	for name, header := range map[string]map[string]string{
		"a range with an open end": {"x-amz-copy-source-range": "bytes=0-"},
		"a suffix":                 {"x-amz-copy-source-range": "bytes=-5"},
		"a range beyond the end":   {"x-amz-copy-source-range": "bytes=0-99999999"},
		"a range in lines":         {"x-amz-copy-source-range": "lines=0-1"},
	} {
		t.Run(name, func(t *testing.T) { expect{status: 400, code: "InvalidArgument"}.check(t, copyPart(3, header)) })
	}
	t.Run("a condition on the source that fails", func(t *testing.T) {
		expect{status: 412, code: "PreconditionFailed"}.check(t, copyPart(3, map[string]string{"x-amz-copy-source-if-match": etag("x")}))
	})
	w.must(query{method: "POST", path: "/box/key?uploadId=" + upload, body: completeBody(etag(first), etag(source))})
	if got := w.getObject("/box/key").body; got != first+source {
		t.Errorf("got %d bytes, want %d", len(got), len(first+source))
	}
}

func TestSlowCompleteIsKeptAliveAndItsErrorStandsInThe200(t *testing.T) {
	w := newWorld(t, func(o *s3.Options) { o.KeepAlive = time.Millisecond })
	w.newBucket("box")
	upload := w.start(t, "/box/key", nil)
	w.must(query{method: "PUT", path: partPath("/box/key", upload, 1), body: "x"})
	w.Groups.Before(func(id.Group, []byte) error {
		time.Sleep(50 * time.Millisecond)
		return nil
	})
	ok := w.do(query{method: "POST", path: "/box/key?uploadId=" + upload, body: completeBody(etag("x"))})
	expect{status: 200, fields: map[string]string{"Key": "key"}}.check(t, ok)
	if !strings.HasPrefix(ok.body, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n ") {
		t.Errorf("no white space: %.80s", ok.body)
	}
	upload = w.start(t, "/box/key", nil)
	w.must(query{method: "PUT", path: partPath("/box/key", upload, 1), body: "x"})
	failed := w.do(query{method: "POST", path: "/box/key?uploadId=" + upload, body: completeBody(etag("x")), header: map[string]string{"If-None-Match": "*"}})
	expect{status: 200, code: "PreconditionFailed"}.check(t, failed)
}

func TestListMultipartUploadsInPages(t *testing.T) {
	w := newWorld(t)
	w.newBucket("box")
	want := make(map[string]bool)
	for _, key := range []string{"a", "a", "b c", "dir/x", "dir/y", "z"} {
		want[w.start(t, "/box/"+escapeAll(key), nil)] = true
	}
	page := func(params string) (reply, []string) {
		r := w.must(query{method: "GET", path: "/box?uploads&encoding-type=url" + params})
		var uploads []string
		for _, part := range strings.Split(r.body, "<UploadId>")[1:] {
			upload, _, _ := strings.Cut(part, "<")
			uploads = append(uploads, upload)
		}
		return r, uploads
	}
	got := make(map[string]bool)
	markers := ""
	for range 10 {
		r, uploads := page("&max-uploads=1" + markers)
		for _, u := range uploads {
			got[u] = true
		}
		if r.element("IsTruncated") == "false" {
			break
		}
		markers = "&key-marker=" + r.element("NextKeyMarker") + "&upload-id-marker=" + r.element("NextUploadIdMarker")
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if r, uploads := page("&delimiter=/&prefix=d"); len(uploads) != 0 || !strings.Contains(r.body, "<CommonPrefixes><Prefix>dir/</Prefix></CommonPrefixes>") {
		t.Errorf("a delimiter gives %s", r.body)
	}
	if _, uploads := page("&key-marker=b%20c"); len(uploads) != 3 {
		t.Errorf("behind b c are %d uploads", len(uploads))
	}
}
