package s3_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"grange/internal/catalog"
)

func deleteBody(objects ...string) string {
	return "<Delete>" + strings.Join(objects, "") + "</Delete>"
}

func named(key string) string { return "<Object><Key>" + key + "</Key></Object>" }

func TestDeleteObjects(t *testing.T) {
	w := newWorld(t)
	w.newBucket("box")
	many := strings.Repeat(named("x"), 1001)
	cases := map[string]struct {
		body   string
		header map[string]string
		expect
		has, hasNot []string
	}{
		"each key is answered for": {
			body: deleteBody(named("a"), named("never"), named("b &amp; c")), expect: expect{status: 200},
			has: []string{"<Deleted><Key>a</Key></Deleted>", "<Deleted><Key>never</Key></Deleted>", "<Deleted><Key>b &amp; c</Key></Deleted>"},
		},
		"quiet tells only of failures": {
			body: deleteBody("<Quiet>true</Quiet>", named("a"), "<Object><Key>keep</Key><ETag>x</ETag></Object>"), expect: expect{status: 200, code: "PreconditionFailed"},
			has: []string{"<Key>keep</Key>"}, hasNot: []string{"<Deleted>"},
		},
		"an ETag that holds deletes": {
			body: deleteBody("<Object><Key>a</Key><ETag>" + etag("a") + "</ETag></Object>"), expect: expect{status: 200}, has: []string{"<Deleted><Key>a</Key>"},
		},
		"an ETag of a key that is not there": {
			body: deleteBody("<Object><Key>never</Key><ETag>x</ETag></Object>"), expect: expect{status: 200, code: "NoSuchKey"},
		},
		"an empty ETag is a condition that does not hold": {
			body: deleteBody("<Object><Key>keep</Key><ETag></ETag></Object>"), expect: expect{status: 200, code: "PreconditionFailed"},
		},
		"a version": {
			body: deleteBody("<Object><Key>a</Key><VersionId>null</VersionId></Object>"), expect: expect{status: 200}, has: []string{"<VersionId>null</VersionId>"},
		},
		"a version that is none fails alone": {
			body: deleteBody(named("a"), "<Object><Key>keep</Key><VersionId>x</VersionId></Object>"), expect: expect{status: 200, code: "InvalidArgument"},
			has: []string{"<Deleted><Key>a</Key>", "<VersionId>x</VersionId>"},
		},
		"a condition of directory buckets fails alone": {
			body: deleteBody("<Object><Key>keep</Key><Size>4</Size></Object>"), expect: expect{status: 200, code: "NotImplemented"},
		},
		"a key that is too long fails alone": {
			body: deleteBody(named("a"), named(strings.Repeat("k", 1025))), expect: expect{status: 200, code: "KeyTooLongError"}, has: []string{"<Deleted><Key>a</Key>"},
		},
		"an empty key fails alone":       {body: deleteBody(named("")), expect: expect{status: 200, code: "InvalidArgument"}},
		"no key":                         {body: deleteBody(), expect: expect{status: 400, code: "MalformedXML"}},
		"1,001 keys":                     {body: deleteBody(many), expect: expect{status: 400, code: "MalformedXML"}},
		"a document that ends early":     {body: "<Delete><Object><Key>a", expect: expect{status: 400, code: "MalformedXML"}},
		"a document of another kind":     {body: "<CreateBucketConfiguration/>", expect: expect{status: 400, code: "MalformedXML"}},
		"a document in another encoding": {body: `<?xml version="1.0" encoding="UTF-7"?>` + deleteBody(named("a")), expect: expect{status: 400, code: "MalformedXML"}},
		"an entity of its own":           {body: `<!DOCTYPE x [<!ENTITY e "a">]>` + deleteBody(named("&e;")), expect: expect{status: 400, code: "MalformedXML"}},
		"no document":                    {expect: expect{status: 400, code: "MissingRequestBodyError"}},
		"a document without a digest":    {body: deleteBody(named("a")), header: map[string]string{"Content-MD5": ""}, expect: expect{status: 400, code: "InvalidRequest"}},
		"a document with another digest": {body: deleteBody(named("a")), header: map[string]string{"Content-MD5": md5Text("x")}, expect: expect{status: 400, code: "BadDigest"}},
		"a document with a checksum": {
			body: deleteBody(named("a")), header: map[string]string{"Content-MD5": "", "x-amz-checksum-crc32": crc32Text(deleteBody(named("a")))},
			expect: expect{status: 200}, has: []string{"<Deleted><Key>a</Key>"},
		},
		"a document of more than 2 MiB": {body: deleteBody(strings.Repeat(" ", 2<<20)), expect: expect{status: 400, code: "MalformedXML"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w.putObject("/box/a", "a")
			w.putObject("/box/b%20%26%20c", "b")
			w.putObject("/box/keep", "keep")
			header := map[string]string{"Content-MD5": md5Text(c.body)}
			maps.Copy(header, c.header)
			if header["Content-MD5"] == "" {
				delete(header, "Content-MD5")
			}
			r := w.do(query{method: "POST", path: "/box?delete", body: c.body, header: header})
			c.check(t, r)
			for _, text := range c.has {
				if !strings.Contains(r.body, text) {
					t.Errorf("%q is missing in %s", text, r.body)
				}
			}
			for _, text := range c.hasNot {
				if strings.Contains(r.body, text) {
					t.Errorf("%q stands in %s", text, r.body)
				}
			}
			if gone := w.getObject("/box/a").status == 404; gone != strings.Contains(r.body, "<Deleted><Key>a</Key>") && !strings.Contains(c.body, "Quiet") {
				t.Errorf("a is gone: %v, but the answer was %s", gone, r.body)
			}
			if w.getObject("/box/keep").status != 200 {
				t.Error("keep is gone")
			}
		})
	}
}

func TestDeleteObjectsOfAReadOnlyKeyDeletesNothing(t *testing.T) {
	w := newWorld(t)
	w.newBucket("box")
	w.putObject("/box/a", "a")
	b, err := w.Store.Bucket(t.Context(), "box")
	if err != nil {
		t.Fatal(err)
	}
	w.addKey("AKREAD", "read-secret", catalog.KeyOptions{Account: "owner", Scope: []catalog.Grant{{Bucket: b.ID, Rights: catalog.Read}}})
	body := deleteBody(named("a"))
	r := w.do(query{method: "POST", path: "/box?delete", body: body, header: map[string]string{"Content-MD5": md5Text(body)}, key: "AKREAD", secret: "read-secret"})
	if r.code() != "AccessDenied" {
		t.Errorf("got %d %s", r.status, r.body)
	}
	if got := w.getObject("/box/a").status; got != 200 {
		t.Errorf("the object answers %d", got)
	}
}

func TestDeleteObjectsOfAThousandKeys(t *testing.T) {
	w := newWorld(t)
	w.newBucket("box")
	var objects []string
	for i := range 1000 {
		objects = append(objects, named(fmt.Sprintf("key-%04d", i)))
	}
	w.putObject("/box/key-0500", "x")
	body := deleteBody(objects...)
	r := w.must(query{method: "POST", path: "/box?delete", body: body, header: map[string]string{"Content-MD5": md5Text(body)}})
	if got := strings.Count(r.body, "<Deleted>"); got != 1000 {
		t.Errorf("got %d answers", got)
	}
	if got := w.getObject("/box/key-0500").status; got != 404 {
		t.Errorf("the object answers %d", got)
	}
}
