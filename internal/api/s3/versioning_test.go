package s3_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"

	"grange/internal/id"
)

// setVersioning sets the versioning of a bucket.
func (w *world) setVersioning(bucket, status string) {
	w.t.Helper()
	w.must(query{method: "PUT", path: "/" + bucket + "?versioning", body: "<VersioningConfiguration><Status>" + status + "</Status></VersioningConfiguration>"})
}

// versionOf is the version id that a write or a delete was answered with.
func versionOf(r reply) string { return r.header.Get("X-Amz-Version-Id") }

// listed is the listing of the bucket's versions in one line: key, kind and * for the latest.
func (w *world) listed(path string, names map[string]string) string {
	w.t.Helper()
	body := w.must(query{method: "GET", path: path}).body
	var out []string
	for rest := body; ; {
		i := strings.IndexAny(rest, "<")
		if i < 0 {
			return strings.Join(out, " ")
		}
		rest = rest[i:]
		r := reply{body: rest}
		var kind string
		switch {
		case strings.HasPrefix(rest, "<Version>"):
		case strings.HasPrefix(rest, "<DeleteMarker>"):
			kind = "!"
		default:
			rest = rest[1:]
			continue
		}
		v := r.element("VersionId")
		if name, ok := names[v]; ok {
			v = name
		}
		if r.element("IsLatest") == "true" {
			kind += "*"
		}
		out = append(out, r.element("Key")+"/"+v+kind)
		rest = rest[1:]
	}
}

func TestVersioningOfABucketIsSetAndShown(t *testing.T) {
	w := newWorld(t)
	w.newBucket("box")
	put := func(body string) query { return query{method: "PUT", path: "/box?versioning", body: body} }
	document := func(inner string) string {
		return `<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">` + inner + `</VersioningConfiguration>`
	}
	mfa := put(document("<Status>Enabled</Status><MfaDelete>Enabled</MfaDelete>"))
	withDevice := mfa
	withDevice.header = map[string]string{"x-amz-mfa": "serial 123456"}
	for name, c := range map[string]struct {
		query
		expect
	}{
		"nothing said":           {put(document("")), expect{status: 400, code: "IllegalVersioningConfigurationException"}},
		"no document":            {put(""), expect{status: 400, code: "MissingRequestBodyError"}},
		"another document":       {put("<Versioning/>"), expect{status: 400, code: "MalformedXML"}},
		"another status":         {put(document("<Status>enabled</Status>")), expect{status: 400, code: "MalformedXML"}},
		"MFA delete":             {mfa, expect{status: 403, code: "AccessDenied"}},
		"MFA delete of a device": {withDevice, expect{status: 501, code: "NotImplemented"}},
		"another MFA delete":     {put(document("<Status>Enabled</Status><MfaDelete>On</MfaDelete>")), expect{status: 400, code: "MalformedXML"}},
		"no bucket":              {query{method: "PUT", path: "/nobox?versioning", body: document("<Status>Enabled</Status>")}, expect{status: 404, code: "NoSuchBucket"}},
	} {
		t.Run(name, func(t *testing.T) { c.check(t, w.do(c.query)) })
	}
	expect{status: 200, body: xmlHead + document("")}.check(t, w.do(query{method: "GET", path: "/box?versioning"}))
	for _, status := range []string{"Enabled", "Suspended", "Enabled"} {
		w.must(put(document("<Status>" + status + "</Status><MfaDelete>Disabled</MfaDelete>")))
		expect{status: 200, body: xmlHead + document("<Status>"+status+"</Status>")}.check(t, w.do(query{method: "GET", path: "/box?versioning"}))
	}
}

func TestEveryVersionOfAnObjectStays(t *testing.T) {
	w := newWorld(t)
	w.newBucket("box")
	if v := versionOf(w.putObject("/box/k", "zero")); v != "" {
		t.Errorf("a version id without versioning: %s", v)
	}
	w.setVersioning("box", "Enabled")
	one, two := versionOf(w.putObject("/box/k", "one")), versionOf(w.putObject("/box/k", "two"))
	deleted := w.must(query{method: "DELETE", path: "/box/k"})
	expect{status: 204, header: map[string]string{"X-Amz-Delete-Marker": "true"}}.check(t, deleted)
	marker := versionOf(deleted)
	names := map[string]string{one: "one", two: "two", marker: "marker"}
	if got, want := w.listed("/box?versions", names), "k/marker!* k/two k/one k/null"; got != want {
		t.Errorf("versions: got %s, want %s", got, want)
	}
	isMarker := expect{status: 405, code: "MethodNotAllowed", header: map[string]string{"X-Amz-Delete-Marker": "true", "X-Amz-Version-Id": marker, "Allow": "DELETE"}}
	gone := expect{status: 404, code: "NoSuchKey", header: map[string]string{"X-Amz-Delete-Marker": "true", "X-Amz-Version-Id": marker}}
	copyOf := func(source string) query {
		return query{method: "PUT", path: "/box/copy", header: map[string]string{"x-amz-copy-source": source}}
	}
	cases := map[string]struct {
		request string
		expect
	}{
		"the deleted object":                {"GET /box/k", gone},
		"its head":                          {"HEAD /box/k", expect{status: 404, header: gone.header}},
		"its attributes":                    {"GET /box/k?attributes", gone},
		"its tags":                          {"GET /box/k?tagging", gone},
		"the marker itself":                 {"GET /box/k?versionId=" + marker, isMarker},
		"the head of the marker":            {"HEAD /box/k?versionId=" + marker, expect{status: 405, header: isMarker.header}},
		"tags of the marker":                {"GET /box/k?tagging&versionId=" + marker, isMarker},
		"the version before versioning":     {"GET /box/k?versionId=null", expect{status: 200, body: "zero", header: map[string]string{"X-Amz-Version-Id": "null"}}},
		"the first version":                 {"GET /box/k?versionId=" + one, expect{status: 200, body: "one", header: map[string]string{"X-Amz-Version-Id": one}}},
		"the head of the second":            {"HEAD /box/k?versionId=" + two, expect{status: 200, header: map[string]string{"X-Amz-Version-Id": two, "Etag": etag("two")}}},
		"the attributes of the second":      {"GET /box/k?attributes&versionId=" + two, expect{status: 200, header: map[string]string{"X-Amz-Version-Id": two}, fields: map[string]string{"ObjectSize": "3"}}},
		"a version that never was":          {"GET /box/k?versionId=" + id.NewVersion(99, [8]byte{1}).String(), expect{status: 404, code: "NoSuchVersion"}},
		"a version of another key":          {"GET /box/j?versionId=" + one, expect{status: 404, code: "NoSuchVersion"}},
		"no version id":                     {"GET /box/k?versionId=", expect{status: 400, code: "InvalidArgument", fields: map[string]string{"Message": "Version id cannot be the empty string"}}},
		"a version id that is none":         {"GET /box/k?versionId=7", expect{status: 400, code: "InvalidArgument", fields: map[string]string{"Message": "Invalid version id specified"}}},
		"a deletion of no version id":       {"DELETE /box/k?versionId=", expect{status: 400, code: "InvalidArgument"}},
		"a deletion of none":                {"DELETE /box/k?versionId=7", expect{status: 400, code: "InvalidArgument"}},
		"a write of a version":              {"PUT /box/k?versionId=null", expect{status: 400, code: "InvalidArgument"}},
		"tags of a version id that is none": {"PUT /box/k?tagging&versionId=7", expect{status: 400, code: "InvalidArgument"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			method, path, _ := strings.Cut(c.request, " ")
			c.check(t, w.do(query{method: method, path: path, header: map[string]string{"x-amz-object-attributes": "ObjectSize"}}))
		})
	}
	t.Run("copies name the version of their source", func(t *testing.T) {
		expect{status: 404, code: "NoSuchKey"}.check(t, w.do(copyOf("/box/k")))
		expect{status: 400, code: "InvalidRequest"}.check(t, w.do(copyOf("/box/k?versionId="+marker)))
		expect{status: 404, code: "NoSuchVersion"}.check(t, w.do(copyOf("/box/j?versionId="+one)))
		expect{status: 400, code: "InvalidArgument"}.check(t, w.do(copyOf("/box/k?versionId=7")))
		r := w.do(copyOf("/box/k?versionId=" + one))
		expect{status: 200, header: map[string]string{"X-Amz-Copy-Source-Version-Id": one}}.check(t, r)
		if versionOf(r) == "" {
			t.Error("the copy has no version id")
		}
		expect{status: 200, header: map[string]string{"X-Amz-Copy-Source-Version-Id": "null"}}.check(t, w.do(copyOf("/box/k?versionId=null")))
		expect{status: 200, body: "zero"}.check(t, w.getObject("/box/copy"))
	})
	t.Run("an old version is made the latest by copying it onto its key", func(t *testing.T) {
		w.must(query{method: "PUT", path: "/box/k", header: map[string]string{"x-amz-copy-source": "/box/k?versionId=" + one}})
		expect{status: 200, body: "one"}.check(t, w.getObject("/box/k"))
	})
	t.Run("versions go one by one", func(t *testing.T) {
		restored := versionOf(w.getObject("/box/k"))
		expect{status: 204, header: map[string]string{"X-Amz-Version-Id": restored, "X-Amz-Delete-Marker": "-"}}.check(t, w.do(query{method: "DELETE", path: "/box/k?versionId=" + restored}))
		expect{status: 204, header: map[string]string{"X-Amz-Version-Id": marker, "X-Amz-Delete-Marker": "true"}}.check(t, w.do(query{method: "DELETE", path: "/box/k?versionId=" + marker}))
		expect{status: 200, body: "two"}.check(t, w.getObject("/box/k"))
		for _, v := range []string{two, one, one, "null"} {
			expect{status: 204, header: map[string]string{"X-Amz-Version-Id": v}}.check(t, w.do(query{method: "DELETE", path: "/box/k?versionId=" + v}))
		}
		expect{status: 404, code: "NoSuchKey", header: map[string]string{"X-Amz-Delete-Marker": "-"}}.check(t, w.getObject("/box/k"))
		expect{status: 409, code: "BucketNotEmpty"}.check(t, w.do(query{method: "DELETE", path: "/box"}))
	})
}

func TestSuspendedBucketWritesTheNullVersionAndKeepsTheOthers(t *testing.T) {
	w := newWorld(t)
	w.newBucket("box")
	w.setVersioning("box", "Enabled")
	one := versionOf(w.putObject("/box/k", "one"))
	w.setVersioning("box", "Suspended")
	null := map[string]string{"X-Amz-Version-Id": "null"}
	for _, body := range []string{"two", "three"} {
		expect{status: 200, header: null}.check(t, w.putObject("/box/k", body))
	}
	expect{status: 200, body: "three", header: null}.check(t, w.getObject("/box/k"))
	names := map[string]string{one: "one"}
	for range 2 {
		r := w.do(query{method: "DELETE", path: "/box/k"})
		expect{status: 204, header: map[string]string{"X-Amz-Version-Id": "null", "X-Amz-Delete-Marker": "true"}}.check(t, r)
		if got, want := w.listed("/box?versions", names), "k/null!* k/one"; got != want {
			t.Errorf("versions: got %s, want %s", got, want)
		}
	}
	expect{status: 405, code: "MethodNotAllowed"}.check(t, w.getObject("/box/k?versionId=null"))
	expect{status: 204, header: map[string]string{"X-Amz-Version-Id": "null", "X-Amz-Delete-Marker": "true"}}.check(t, w.do(query{method: "DELETE", path: "/box/k?versionId=null"}))
	expect{status: 200, body: "one", header: map[string]string{"X-Amz-Version-Id": one}}.check(t, w.getObject("/box/k"))

	upload := w.start(t, "/box/large", nil)
	part := w.must(query{method: "PUT", path: partPath("/box/large", upload, 1), body: "part"})
	w.setVersioning("box", "Enabled")
	r := w.must(query{method: "POST", path: "/box/large?uploadId=" + upload, body: completeBody(part.header.Get("Etag"))})
	if v := versionOf(r); v == "" || v == "null" {
		t.Errorf("an upload that was completed under versioning has the version id %q", v)
	}
}

func TestDeleteObjectsOfVersionsAndMarkers(t *testing.T) {
	w := newWorld(t)
	w.newBucket("box")
	w.setVersioning("box", "Enabled")
	one := versionOf(w.putObject("/box/k", "one"))
	w.putObject("/box/j", "x")
	marker := versionOf(w.must(query{method: "DELETE", path: "/box/k"}))
	body := fmt.Sprintf("<Delete><Object><Key>k</Key><VersionId>%s</VersionId></Object><Object><Key>k</Key><VersionId>%s</VersionId></Object>"+
		"<Object><Key>j</Key></Object><Object><Key>k</Key><VersionId>7</VersionId></Object><Object><Key>k</Key><VersionId></VersionId></Object></Delete>", one, marker)
	r := w.must(query{method: "POST", path: "/box?delete", body: body, header: map[string]string{"Content-MD5": md5Text(body)}})
	for _, want := range []string{
		"<Deleted><Key>k</Key><VersionId>" + one + "</VersionId></Deleted>",
		"<Deleted><Key>k</Key><VersionId>" + marker + "</VersionId><DeleteMarker>true</DeleteMarker><DeleteMarkerVersionId>" + marker + "</DeleteMarkerVersionId></Deleted>",
		"<Deleted><Key>j</Key><DeleteMarker>true</DeleteMarker><DeleteMarkerVersionId>",
		"<Error><Key>k</Key><VersionId>7</VersionId><Code>InvalidArgument</Code>",
		"<Error><Key>k</Key><VersionId></VersionId><Code>InvalidArgument</Code>",
	} {
		if !strings.Contains(r.body, want) {
			t.Errorf("missing %s in %s", want, r.body)
		}
	}
	if got := strings.Count(w.listed("/box?versions", nil), "k/"); got != 0 {
		t.Errorf("%d versions of k are left", got)
	}
}

func TestConditionsOfWritesAreAboutTheLatestVersion(t *testing.T) {
	w := newWorld(t)
	w.newBucket("box")
	w.setVersioning("box", "Enabled")
	first := versionOf(w.putObject("/box/k", "one"))
	with := func(method, path, body, name, value string) reply {
		return w.do(query{method: method, path: path, body: body, header: map[string]string{name: value}})
	}
	expect{status: 412, code: "PreconditionFailed"}.check(t, with("PUT", "/box/k", "two", "If-None-Match", "*"))
	expect{status: 200}.check(t, with("PUT", "/box/k", "two", "If-Match", etag("one")))
	expect{status: 412, code: "PreconditionFailed"}.check(t, with("PUT", "/box/k", "three", "If-Match", etag("one")))
	expect{status: 412, code: "PreconditionFailed"}.check(t, with("DELETE", "/box/k", "", "If-Match", etag("one")))
	expect{status: 204}.check(t, with("DELETE", "/box/k?versionId="+first, "", "If-Match", etag("one")))
	expect{status: 204}.check(t, with("DELETE", "/box/k", "", "If-Match", etag("two")))
	expect{status: 404, code: "NoSuchKey"}.check(t, with("PUT", "/box/k", "three", "If-Match", etag("two")))
	expect{status: 200}.check(t, with("PUT", "/box/k", "three", "If-None-Match", "*"))
}

func TestListObjectVersionsInPagesIsComplete(t *testing.T) {
	w := newWorld(t)
	w.newBucket("box")
	w.putObject("/box/a", "0")
	w.setVersioning("box", "Enabled")
	for _, key := range []string{"a", "a", "b/1", "b/2", "c"} {
		w.putObject("/box/"+key, "x")
	}
	w.must(query{method: "DELETE", path: "/box/c"})
	for _, query := range []string{"", "&prefix=b/", "&delimiter=/", "&prefix=c"} {
		want := w.listed("/box?versions"+query, nil)
		var pages []string
		prefixes := 0
		for next := ""; ; {
			path := "/box?versions&max-keys=1" + query + next
			r := w.must(queryOf("GET " + path))
			if page := w.listed(path, nil); page != "" {
				pages = append(pages, page)
			} else {
				prefixes++
			}
			if r.element("IsTruncated") != "true" {
				break
			}
			next = "&key-marker=" + r.element("NextKeyMarker")
			if v := r.element("NextVersionIdMarker"); v != "" {
				next += "&version-id-marker=" + v
			}
		}
		if got := strings.Join(pages, " "); got != want {
			t.Errorf("%q in pages: got %s, want %s", query, got, want)
		}
		if (prefixes == 1) != (query == "&delimiter=/") {
			t.Errorf("%q: %d pages with a common prefix", query, prefixes)
		}
	}
	expect{status: 400, code: "InvalidArgument"}.check(t, w.do(query{method: "GET", path: "/box?versions&version-id-marker=null"}))
	expect{status: 400, code: "InvalidArgument"}.check(t, w.do(query{method: "GET", path: "/box?versions&key-marker=a&version-id-marker=7"}))
}

func queryOf(request string) query {
	method, path, _ := strings.Cut(request, " ")
	return query{method: method, path: path}
}

func TestMinioClientUsesVersions(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	c := w.minio(ownerKey, ownerSecret)
	if err := c.MakeBucket(ctx, "box", minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := c.EnableVersioning(ctx, "box"); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, size := range []int64{10, 70_000} {
		info, err := c.PutObject(ctx, "box", "k", bytes.NewReader(randomBytes(size)), size, minio.PutObjectOptions{})
		if err != nil || info.VersionID == "" {
			t.Fatalf("put: %+v, %v", info, err)
		}
		ids = append(ids, info.VersionID)
	}
	stat, err := c.StatObject(ctx, "box", "k", minio.StatObjectOptions{VersionID: ids[0]})
	if err != nil || stat.Size != 10 || stat.VersionID != ids[0] {
		t.Errorf("stat of the first: %+v, %v", stat, err)
	}
	if err := c.RemoveObject(ctx, "box", "k", minio.RemoveObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	var seen []minio.ObjectInfo
	for o := range c.ListObjects(ctx, "box", minio.ListObjectsOptions{WithVersions: true, Recursive: true}) {
		seen = append(seen, o)
	}
	if len(seen) != 3 || !seen[0].IsDeleteMarker || !seen[0].IsLatest || seen[1].VersionID != ids[1] {
		t.Errorf("versions: %+v", seen)
	}
	objects := make(chan minio.ObjectInfo, len(seen))
	for _, o := range seen {
		objects <- o
	}
	close(objects)
	for e := range c.RemoveObjects(ctx, "box", objects, minio.RemoveObjectsOptions{}) {
		t.Errorf("remove: %v", e)
	}
	if err := c.RemoveBucket(ctx, "box"); err != nil {
		t.Error(err)
	}
}
