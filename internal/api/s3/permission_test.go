package s3_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"grange/internal/api/s3"
	"grange/internal/catalog"
)

func TestPermissionComesBeforeEverythingElse(t *testing.T) {
	w := newWorld(t)
	w.newBucket("box")
	w.putObject("/box/there", "x")
	b, err := w.Store.Bucket(context.Background(), "box")
	if err != nil {
		t.Fatal(err)
	}
	scope := func(r catalog.Rights) catalog.KeyOptions {
		return catalog.KeyOptions{Account: "owner", Scope: []catalog.Grant{{Bucket: b.ID, Rights: r}}}
	}
	w.addKey("AKREAD", "secret", scope(catalog.Read))
	w.addKey("AKWRITE", "secret", scope(catalog.Write))
	w.addKey("AKNONE", "secret", catalog.KeyOptions{Account: "owner", Narrowed: true})
	w.addKey("AKOTHER", "secret", catalog.KeyOptions{Account: "other"})
	w.addKey("AKOLD", "secret", catalog.KeyOptions{Account: "owner", Expires: time.Now().Add(-time.Hour)})
	w.addKey("AKGUEST", "secret", catalog.KeyOptions{Account: "guest"})
	if err := w.Catalog.Grant(t.Context(), b.ID, "AKGUEST", catalog.Read); err != nil {
		t.Fatal(err)
	}
	denied := expect{status: 403, code: "AccessDenied"}
	cases := map[string]struct {
		query
		expect
	}{
		"a key without rights gets no object":                          {query{method: "GET", path: "/box/there", key: "AKNONE"}, denied},
		"nor does it learn that there is none":                         {query{method: "GET", path: "/box/none", key: "AKNONE"}, denied},
		"nor whether a condition would hold":                           {query{method: "GET", path: "/box/there", key: "AKOTHER", header: map[string]string{"If-None-Match": "*"}}, denied},
		"nor whether a range would be satisfiable":                     {query{method: "GET", path: "/box/there", key: "AKOTHER", header: map[string]string{"Range": "bytes=9-"}}, denied},
		"nor whether a version is there":                               {query{method: "GET", path: "/box/there?versionId=null", key: "AKOTHER"}, denied},
		"nor whether an upload is there":                               {query{method: "GET", path: "/box/there?uploadId=x", key: "AKOTHER"}, denied},
		"nor whether a write would be refused":                         {query{method: "PUT", path: "/box/there", key: "AKOTHER", header: map[string]string{"If-None-Match": "*"}}, denied},
		"HEAD tells it no more":                                        {query{method: "HEAD", path: "/box/there", key: "AKNONE"}, expect{status: 403}},
		"a key that may read reads":                                    {query{method: "GET", path: "/box/there", key: "AKREAD"}, expect{status: 200, body: "x"}},
		"a key that may read does not write":                           {query{method: "PUT", path: "/box/there", key: "AKREAD"}, denied},
		"a key that may read does not delete":                          {query{method: "DELETE", path: "/box/there", key: "AKREAD"}, denied},
		"a key that may write does not read":                           {query{method: "GET", path: "/box/there", key: "AKWRITE"}, denied},
		"a key that may write does not list":                           {query{method: "GET", path: "/box", key: "AKWRITE"}, denied},
		"a key that may write writes":                                  {query{method: "PUT", path: "/box/new", key: "AKWRITE"}, expect{status: 200}},
		"a key that may write does not delete the bucket":              {query{method: "DELETE", path: "/box", key: "AKWRITE"}, denied},
		"a key that may read does not see the policy":                  {query{method: "GET", path: "/box?policy", key: "AKREAD"}, denied},
		"a guest reads what was granted":                               {query{method: "GET", path: "/box/there", key: "AKGUEST"}, expect{status: 200}},
		"a guest does not write":                                       {query{method: "PUT", path: "/box/there", key: "AKGUEST"}, denied},
		"nobody reads without a key":                                   {query{method: "GET", path: "/box/there", key: "-"}, denied},
		"nobody lists buckets without a key":                           {query{method: "GET", path: "/", key: "-"}, denied},
		"nobody makes buckets without a key":                           {query{method: "PUT", path: "/newbox", key: "-"}, denied},
		"a key that has expired is unknown":                            {query{method: "GET", path: "/box/there", key: "AKOLD"}, expect{status: 403, code: "InvalidAccessKeyId"}},
		"a key that never was is unknown":                              {query{method: "GET", path: "/box/there", key: "AKNEVER"}, expect{status: 403, code: "InvalidAccessKeyId"}},
		"another secret is another signature":                          {query{method: "GET", path: "/box/there", key: "AKREAD", secret: "guess"}, expect{status: 403, code: "SignatureDoesNotMatch"}},
		"a clock that is 16 minutes fast":                              {query{method: "GET", path: "/box/there", at: time.Now().Add(16 * time.Minute)}, expect{status: 403, code: "RequestTimeTooSkewed"}},
		"a clock that is 16 minutes slow":                              {query{method: "GET", path: "/box/there", at: time.Now().Add(-16 * time.Minute)}, expect{status: 403, code: "RequestTimeTooSkewed"}},
		"a clock that is 14 minutes slow":                              {query{method: "GET", path: "/box/there", at: time.Now().Add(-14 * time.Minute)}, expect{status: 200}},
		"a key is not told that a sub-resource is missing":             {query{method: "GET", path: "/box/none?tagging", key: "AKNONE"}, denied},
		"the rights on one bucket are no rights on one that is not":    {query{method: "GET", path: "/nobox/x", key: "AKREAD"}, expect{status: 404, code: "NoSuchBucket"}},
		"a browser's question is answered without a key":               {query{method: "OPTIONS", path: "/box/there", key: "-", header: map[string]string{"Origin": "http://a", "Access-Control-Request-Method": "GET"}}, expect{status: 403, code: "AccessForbidden"}},
		"a browser's question without an origin is no question":        {query{method: "OPTIONS", path: "/box/there", key: "-"}, expect{status: 400, code: "BadRequest"}},
		"a browser's question about no bucket says the same as others": {query{method: "OPTIONS", path: "/nobox", key: "-", header: map[string]string{"Origin": "http://a"}}, expect{status: 403, code: "AccessForbidden"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if c.key != "" && c.secret == "" {
				c.secret = "secret"
			}
			c.check(t, w.do(c.query))
		})
	}
}

func TestPresignedRequests(t *testing.T) {
	w := newWorld(t)
	w.newBucket("box")
	w.putObject("/box/key", "content")
	c := w.minio(ownerKey, ownerSecret)
	plain := func(method, address, body string) reply {
		r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		return w.send(r)
	}
	t.Run("a presigned read needs no header", func(t *testing.T) {
		u, err := c.PresignedGetObject(t.Context(), "box", "key", time.Minute, url.Values{"response-content-type": {"text/x"}})
		if err != nil {
			t.Fatal(err)
		}
		expect{status: 200, body: "content", header: map[string]string{"Content-Type": "text/x"}}.check(t, plain("GET", u.String(), ""))
		expect{status: 403, code: "SignatureDoesNotMatch"}.check(t, plain("GET", strings.Replace(u.String(), "text", "evil", 1), ""))
		expect{status: 403, code: "SignatureDoesNotMatch"}.check(t, plain("DELETE", u.String(), ""))
	})
	t.Run("a presigned write honours the x-amz headers in its query", func(t *testing.T) {
		u, err := c.Presign(t.Context(), "PUT", "box", "put", time.Minute, url.Values{"x-amz-meta-a": {"b"}, "x-amz-storage-class": {"STANDARD_IA"}})
		if err != nil {
			t.Fatal(err)
		}
		expect{status: 200}.check(t, plain("PUT", u.String(), "by URL"))
		expect{status: 200, body: "by URL", header: map[string]string{"X-Amz-Meta-A": "b", "X-Amz-Storage-Class": "STANDARD_IA"}}.check(t, w.getObject("/box/put"))
	})
	t.Run("a header that was not signed is refused", func(t *testing.T) {
		u, err := c.PresignedPutObject(t.Context(), "box", "put", time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		r, err := http.NewRequestWithContext(t.Context(), "PUT", u.String(), strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Amz-Meta-Evil", "1")
		expect{status: 403, code: "AccessDenied"}.check(t, w.send(r))
	})
}

func TestStrictRegionTellsClientsItsOwn(t *testing.T) {
	w := newWorld(t, func(o *s3.Options) { o.StrictRegion, o.Region = true, "home" })
	r := w.do(query{method: "GET", path: "/"}) // is signed for the region grange
	expect{status: 400, code: "AuthorizationHeaderMalformed", fields: map[string]string{"Region": "home"}}.check(t, r)
}

func TestOnlySignedReadsReplaceHeaders(t *testing.T) {
	w := newWorld(t)
	w.newBucket("box")
	w.putObject("/box/key", "x")
	expect{status: 403, code: "AccessDenied"}.check(t, w.do(query{method: "GET", path: "/box/key?response-content-type=text%2Fhtml", key: "-"}))
}
