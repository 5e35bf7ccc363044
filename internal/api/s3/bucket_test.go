package s3_test

import (
	"fmt"
	"strings"
	"testing"

	"grange/internal/api/s3"
	"grange/internal/catalog"
)

func TestBuckets(t *testing.T) {
	w := newWorld(t)
	w.newBucket("box")
	w.newBucket("full")
	w.putObject("/full/key", "x")
	w.addKey("AKOTHER", "other-secret", catalog.KeyOptions{Account: "other"})
	const location = `<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><LocationConstraint>eu-far-1</LocationConstraint></CreateBucketConfiguration>`
	cases := map[string]struct {
		query
		expect
	}{
		"a bucket is made":                          {query{method: "PUT", path: "/newbox"}, expect{status: 200, header: map[string]string{"Location": "/newbox"}}},
		"a bucket is made in any region":            {query{method: "PUT", path: "/farbox", body: location}, expect{status: 200}},
		"a bucket that is mine already":             {query{method: "PUT", path: "/box"}, expect{status: 409, code: "BucketAlreadyOwnedByYou"}},
		"a key that may not create buckets":         {query{method: "PUT", path: "/mybox", key: "AKOTHER", secret: "other-secret"}, expect{status: 403, code: "AccessDenied"}},
		"a name in upper case":                      {query{method: "PUT", path: "/BigBox"}, expect{status: 400, code: "InvalidBucketName"}},
		"a name of two letters":                     {query{method: "PUT", path: "/ab"}, expect{status: 400, code: "InvalidBucketName"}},
		"a name that is an address":                 {query{method: "PUT", path: "/192.168.0.1"}, expect{status: 400, code: "InvalidBucketName"}},
		"a document that is none":                   {query{method: "PUT", path: "/xbox", body: "<Create"}, expect{status: 400, code: "MalformedXML"}},
		"a document of another kind":                {query{method: "PUT", path: "/xbox", body: "<Delete/>"}, expect{status: 400, code: "MalformedXML"}},
		"object lock is on or off":                  {query{method: "PUT", path: "/xbox", header: map[string]string{"x-amz-bucket-object-lock-enabled": "maybe"}}, expect{status: 400, code: "InvalidArgument"}},
		"a public bucket is refused":                {query{method: "PUT", path: "/xbox", header: map[string]string{"x-amz-acl": "public-read"}}, expect{status: 400, code: "AccessControlListNotSupported"}},
		"HEAD of a bucket tells its region":         {query{method: "HEAD", path: "/box"}, expect{status: 200, header: map[string]string{"X-Amz-Bucket-Region": "grange"}}},
		"HEAD of no bucket":                         {query{method: "HEAD", path: "/nobox"}, expect{status: 404}},
		"HEAD of another's bucket":                  {query{method: "HEAD", path: "/box", key: "AKOTHER", secret: "other-secret"}, expect{status: 403}},
		"the location of a bucket":                  {query{method: "GET", path: "/box?location"}, expect{status: 200, body: xmlHead + `<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/">grange</LocationConstraint>`}},
		"a bucket that holds objects stays":         {query{method: "DELETE", path: "/full"}, expect{status: 409, code: "BucketNotEmpty", fields: map[string]string{"BucketName": "full"}}},
		"no bucket cannot be deleted":               {query{method: "DELETE", path: "/nobox"}, expect{status: 404, code: "NoSuchBucket"}},
		"a bucket with a slash behind is a bucket":  {query{method: "HEAD", path: "/box/"}, expect{status: 200}},
		"a method that buckets do not have":         {query{method: "PATCH", path: "/box"}, expect{status: 405, code: "MethodNotAllowed", header: map[string]string{"Allow": "DELETE, GET, HEAD, OPTIONS, POST, PUT"}}},
		"a post of a form is not there yet":         {query{method: "POST", path: "/box"}, expect{status: 501, code: "NotImplemented"}},
		"an empty name with a key":                  {query{method: "GET", path: "//key"}, expect{status: 400, code: "InvalidBucketName"}},
		"a max-buckets of 0":                        {query{method: "GET", path: "/?max-buckets=0"}, expect{status: 400, code: "InvalidArgument"}},
		"a continuation of buckets that is made up": {query{method: "GET", path: "/?continuation-token=x"}, expect{status: 400, code: "InvalidArgument"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) { c.check(t, w.do(c.query)) })
	}
	t.Run("a bucket made elsewhere shows its region", func(t *testing.T) {
		expect{status: 200, fields: map[string]string{"BucketRegion": "eu-far-1"}}.check(t, w.do(query{method: "GET", path: "/?prefix=far"}))
	})
	t.Run("an empty bucket is deleted", func(t *testing.T) {
		expect{status: 204}.check(t, w.do(query{method: "DELETE", path: "/box"}))
		expect{status: 404, code: "NoSuchBucket"}.check(t, w.do(query{method: "GET", path: "/box"}))
	})
}

const xmlHead = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"

func TestListBucketsInPagesShowsOnlyWhatTheKeyMaySee(t *testing.T) {
	w := newWorld(t)
	for i := range 5 {
		w.newBucket(fmt.Sprintf("mine-%d", i))
	}
	w.addKey("AKOTHER", "other-secret", catalog.KeyOptions{Account: "other", CreateBuckets: true})
	w.must(query{method: "PUT", path: "/theirs", key: "AKOTHER", secret: "other-secret"})
	var names []string
	token := ""
	for {
		r := w.must(query{method: "GET", path: "/?max-buckets=2&prefix=mine" + token})
		for _, part := range strings.Split(r.body, "<Name>")[1:] {
			name, _, _ := strings.Cut(part, "<")
			names = append(names, name)
		}
		if r.element("DisplayName") != "owner" {
			t.Errorf("owner: %s", r.body)
		}
		next := r.element("ContinuationToken")
		if next == "" {
			break
		}
		token = "&continuation-token=" + next
	}
	if got := strings.Join(names, " "); got != "mine-0 mine-1 mine-2 mine-3 mine-4" {
		t.Errorf("got %s", got)
	}
	if r := w.must(query{method: "GET", path: "/", key: "AKOTHER", secret: "other-secret"}); strings.Contains(r.body, "mine") || !strings.Contains(r.body, "theirs") {
		t.Errorf("the other key sees %s", r.body)
	}
}

func TestVirtualHostStyle(t *testing.T) {
	w := newWorld(t, func(o *s3.Options) { o.RootDomains = []string{"S3.example.org.", "example.org"} })
	w.newBucket("box")
	w.newBucket("dot.box")
	w.putObject("/box/a/b", "content")
	w.putObject("/dot.box/key", "dotted")
	cases := map[string]struct {
		host, path, body string
	}{
		"a bucket in the host":                    {"box.s3.example.org", "/a/b", "content"},
		"with a port":                             {"box.s3.example.org:3900", "/a/b", "content"},
		"in upper case":                           {"BOX.S3.EXAMPLE.ORG", "/a/b", "content"},
		"a bucket with a dot":                     {"dot.box.s3.example.org", "/key", "dotted"},
		"the root itself is the path style":       {"s3.example.org", "/box/a/b", "content"},
		"a foreign host is the path style":        {"localhost", "/box/a/b", "content"},
		"an address is the path style":            {"[::1]:3900", "/box/a/b", "content"},
		"another root":                            {"box.example.org", "/a/b", "content"},
		"a host that only ends like the root one": {"evils3example.org", "/box/a/b", "content"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			expect{status: 200, body: c.body}.check(t, w.do(query{method: "GET", path: c.path, host: c.host}))
		})
	}
	t.Run("a bucket is listed under its host", func(t *testing.T) {
		expect{status: 200, fields: map[string]string{"Name": "box", "Key": "a/b"}}.check(t, w.do(query{method: "GET", path: "/", host: "box.s3.example.org"}))
	})
}
