package s3_test

import (
	"fmt"
	"strings"
	"testing"

	"grange/internal/catalog"
)

// tagging is a document of tags "key=value".
func tagging(tags ...string) string {
	var b strings.Builder
	b.WriteString("<Tagging><TagSet>")
	for _, t := range tags {
		key, value, _ := strings.Cut(t, "=")
		fmt.Fprintf(&b, "<Tag><Key>%s</Key><Value>%s</Value></Tag>", key, value)
	}
	b.WriteString("</TagSet></Tagging>")
	return b.String()
}

// manyTags are n tags.
func manyTags(n int) (tags []string) {
	for i := range n {
		tags = append(tags, fmt.Sprintf("key%d=value", i))
	}
	return tags
}

// tagsOf is a tag document as "key=value key=value".
func tagsOf(r reply) string {
	var out []string
	for i, part := range strings.Split(r.body, "<Tag>") {
		if i > 0 {
			tag := reply{body: part}
			out = append(out, tag.element("Key")+"="+tag.element("Value"))
		}
	}
	return strings.Join(out, " ")
}

func TestTagsThatAreNoneAreRefused(t *testing.T) {
	w := newWorld(t)
	w.newBucket("box")
	w.putObject("/box/k", "x")
	w.must(query{method: "PUT", path: "/box/k?tagging", body: tagging("old=1")})
	w.must(query{method: "PUT", path: "/box?tagging", body: tagging("old=1")})
	long := func(n int) string { return strings.Repeat("ü", n) }
	for name, c := range map[string]struct {
		body string
		expect
		onlyObjects bool
	}{
		"an empty key":           {body: tagging("=1"), expect: expect{status: 400, code: "InvalidTag"}},
		"a key that is twice":    {body: tagging("a=1", "a=2"), expect: expect{status: 400, code: "InvalidTag"}},
		"a long key":             {body: tagging(long(129) + "=1"), expect: expect{status: 400, code: "InvalidTag"}},
		"a long value":           {body: tagging("a=" + long(257)), expect: expect{status: 400, code: "InvalidTag"}},
		"a key of AWS's":         {body: tagging("aws:a=1"), expect: expect{status: 400, code: "InvalidTag"}},
		"a character too odd":    {body: tagging("a=1*2"), expect: expect{status: 400, code: "InvalidTag"}},
		"a tag without value":    {body: "<Tagging><TagSet><Tag><Key>a</Key></Tag></TagSet></Tagging>", expect: expect{status: 400, code: "MalformedXML"}},
		"no set":                 {body: "<Tagging/>", expect: expect{status: 400, code: "MalformedXML"}},
		"no document":            {expect: expect{status: 400, code: "MissingRequestBodyError"}},
		"half a document":        {body: "<Tagging>", expect: expect{status: 400, code: "MalformedXML"}},
		"11 tags of an object":   {body: tagging(manyTags(11)...), expect: expect{status: 400, code: "BadRequest"}, onlyObjects: true},
		"51 tags of a bucket":    {body: tagging(manyTags(51)...), expect: expect{status: 400, code: "BadRequest"}},
		"another body than said": {body: tagging("a=1"), expect: expect{status: 400, code: "BadDigest"}},
	} {
		t.Run(name, func(t *testing.T) {
			q := query{method: "PUT", body: c.body}
			if c.code == "BadDigest" {
				q.header = map[string]string{"Content-MD5": md5Text("other")}
			}
			for _, path := range []string{"/box/k?tagging", "/box?tagging"} {
				if q.path = path; c.onlyObjects && path == "/box?tagging" {
					continue
				}
				c.check(t, w.do(q))
				if got := tagsOf(w.getObject(path)); got != "old=1" {
					t.Errorf("%s are now %s", path, got)
				}
			}
		})
	}
}

func TestTagsOfObjectsAndOfTheirVersions(t *testing.T) {
	w := newWorld(t)
	w.newBucket("box")
	w.setVersioning("box", "Enabled")
	tagged := func(query string) string { return tagsOf(w.must(queryOf("GET /box/k?tagging" + query))) }
	one := versionOf(w.must(query{method: "PUT", path: "/box/k", body: "one", header: map[string]string{"x-amz-tagging": "a=1&b=x%20y"}}))
	two := versionOf(w.putObject("/box/k", "two"))
	before := w.getObject("/box/k").header.Get("Last-Modified")

	r := w.do(query{method: "PUT", path: "/box/k?tagging", body: tagging("c=3", "d=")})
	expect{status: 200, header: map[string]string{"X-Amz-Version-Id": two}}.check(t, r)
	if got := tagged(""); got != "c=3 d=" {
		t.Errorf("latest: %s", got)
	}
	if got := tagged("&versionId=" + one); got != "a=1 b=x y" {
		t.Errorf("first: %s", got)
	}
	expect{status: 200, body: "two", header: map[string]string{"X-Amz-Tagging-Count": "2", "Etag": etag("two"), "Last-Modified": before}}.check(t, w.getObject("/box/k"))
	expect{status: 200, header: map[string]string{"X-Amz-Version-Id": one}}.check(t, w.do(query{method: "PUT", path: "/box/k?tagging&versionId=" + one, body: tagging(manyTags(10)...)}))
	expect{status: 200, header: map[string]string{"X-Amz-Tagging-Count": "10"}}.check(t, w.do(query{method: "HEAD", path: "/box/k?versionId=" + one}))
	expect{status: 204, header: map[string]string{"X-Amz-Version-Id": one}}.check(t, w.do(query{method: "DELETE", path: "/box/k?tagging&versionId=" + one}))
	expect{status: 200, header: map[string]string{"X-Amz-Tagging-Count": "-"}}.check(t, w.getObject("/box/k?versionId="+one))
	if got := w.listed("/box?versions", map[string]string{one: "one", two: "two"}); got != "k/two* k/one" {
		t.Errorf("tags made versions: %s", got)
	}

	copied := func(directive, tags string) string {
		header := map[string]string{"x-amz-copy-source": "/box/k", "x-amz-tagging-directive": directive, "x-amz-tagging": tags}
		w.must(query{method: "PUT", path: "/box/copy", header: header})
		return tagsOf(w.getObject("/box/copy?tagging"))
	}
	if got := copied("COPY", "x=1"); got != "c=3 d=" {
		t.Errorf("copied tags: %s", got)
	}
	if got := copied("REPLACE", "x=1"); got != "x=1" {
		t.Errorf("replaced tags: %s", got)
	}
	upload := w.start(t, "/box/large", map[string]string{"x-amz-tagging": "m=1"})
	part := w.must(query{method: "PUT", path: partPath("/box/large", upload, 1), body: "part"})
	w.must(query{method: "POST", path: "/box/large?uploadId=" + upload, body: completeBody(part.header.Get("Etag"))})
	if got := tagsOf(w.getObject("/box/large?tagging")); got != "m=1" {
		t.Errorf("tags of a multipart object: %s", got)
	}

	marker := versionOf(w.must(query{method: "DELETE", path: "/box/k"}))
	expect{status: 404, code: "NoSuchKey"}.check(t, w.do(query{method: "PUT", path: "/box/k?tagging", body: tagging("a=1")}))
	expect{status: 405, code: "MethodNotAllowed", header: map[string]string{"Allow": "DELETE"}}.check(t, w.do(query{method: "PUT", path: "/box/k?tagging&versionId=" + marker, body: tagging("a=1")}))
	expect{status: 404, code: "NoSuchVersion"}.check(t, w.do(query{method: "DELETE", path: "/box/none?tagging&versionId=" + one}))
	expect{status: 404, code: "NoSuchKey"}.check(t, w.do(query{method: "DELETE", path: "/box/none?tagging"}))
}

func TestTagsOfABucket(t *testing.T) {
	w := newWorld(t)
	w.newBucket("box")
	w.addKey("AKOTHER", "other-secret", catalog.KeyOptions{Account: "other"})
	get, put := queryOf("GET /box?tagging"), query{method: "PUT", path: "/box?tagging", body: tagging(manyTags(50)...)}
	expect{status: 404, code: "NoSuchTagSet"}.check(t, w.do(get))
	expect{status: 204}.check(t, w.do(put))
	if got := tagsOf(w.must(get)); got != strings.Join(manyTags(50), " ") {
		t.Errorf("got %s", got)
	}
	put.body = tagging("who=you &amp; me")
	expect{status: 400, code: "InvalidTag"}.check(t, w.do(put))
	put.body = tagging("who=me")
	expect{status: 204}.check(t, w.do(put))
	expect{status: 200, body: xmlHead + `<Tagging xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><TagSet><Tag><Key>who</Key><Value>me</Value></Tag></TagSet></Tagging>`}.check(t, w.do(get))
	put.key, put.secret = "AKOTHER", "other-secret"
	expect{status: 403, code: "AccessDenied"}.check(t, w.do(put))
	expect{status: 204}.check(t, w.do(queryOf("DELETE /box?tagging")))
	expect{status: 404, code: "NoSuchTagSet"}.check(t, w.do(get))
	put.key, put.secret = "", ""
	expect{status: 204}.check(t, w.do(put))
	put.body = tagging()
	expect{status: 204}.check(t, w.do(put))
	expect{status: 404, code: "NoSuchTagSet"}.check(t, w.do(get))
}
