package bench

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fakeS3 keeps the length of each object, and lists by pages of two, so that small runs cross pages.
type fakeS3 struct {
	mu       sync.Mutex
	objects  map[string]int64
	contents map[string]int // SHA-256 of what was put, to find repetitions
	requests map[string]int
	fail     func(r *http.Request) bool
}

func newFakeS3(t *testing.T) (*fakeS3, Options) {
	f := &fakeS3{objects: map[string]int64{}, contents: map[string]int{}, requests: map[string]int{}}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	return f, Options{
		Endpoint: server.URL, AccessKey: "key", SecretKey: "secret", Bucket: "b",
		Concurrency: 3, Duration: 50 * time.Millisecond, Objects: 5, Size: 100_000,
	}
}

func (f *fakeS3) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	f.mu.Lock()
	defer f.mu.Unlock()
	if !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=key/") {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	_, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	query := r.URL.Query()
	f.requests[r.Method+" "+strings.Join(slices.Sorted(maps.Keys(query)), ",")]++
	switch {
	case f.fail != nil && f.fail(r):
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprint(w, "<Error><Code>SlowDown</Code><Message>later</Message></Error>")
	case r.Method == http.MethodPut && key == "":
	case r.Method == http.MethodPut:
		sum := sha256.Sum256(body)
		f.contents[hex.EncodeToString(sum[:])]++
		f.objects[key] = int64(len(body))
		if n := query.Get("partNumber"); n != "" {
			delete(f.objects, key)
			w.Header().Set("ETag", `"part-`+n+`"`)
		}
	case query.Has("uploads"):
		fmt.Fprint(w, "<InitiateMultipartUploadResult><UploadId>u&amp;1</UploadId></InitiateMultipartUploadResult>")
	case query.Get("uploadId") == "u&1":
		f.objects[key] = int64(strings.Count(string(body), "<PartNumber>"))
		fmt.Fprint(w, "<CompleteMultipartUploadResult/>")
	case query.Has("delete"):
		var doc struct {
			Object []struct{ Key string }
		}
		_ = xml.Unmarshal(body, &doc)
		for _, o := range doc.Object {
			delete(f.objects, o.Key)
		}
		fmt.Fprint(w, "<DeleteResult/>")
	case query.Has("list-type"):
		f.list(w, query.Get("prefix"), query.Get("delimiter"), query.Get("continuation-token"))
	case r.Method == http.MethodDelete:
		delete(f.objects, key)
		w.WriteHeader(http.StatusNoContent)
	default:
		size, ok := f.objects[key]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
		if r.Method == http.MethodGet {
			_, _ = w.Write(make([]byte, size))
		}
	}
}

func (f *fakeS3) list(w io.Writer, prefix, delimiter, token string) {
	var items []string
	for key := range f.objects {
		rest, ok := strings.CutPrefix(key, prefix)
		if !ok {
			continue
		}
		if dir, _, ok := strings.Cut(rest, "/"); ok && delimiter != "" {
			key = prefix + dir + "/"
		}
		if !slices.Contains(items, key) && key > strings.TrimPrefix(token, "&") {
			items = append(items, key)
		}
	}
	slices.Sort(items)
	fmt.Fprint(w, "<ListBucketResult>")
	for _, key := range items[:min(2, len(items))] {
		if delimiter != "" && strings.HasSuffix(key, "/") {
			fmt.Fprintf(w, "<CommonPrefixes><Prefix>%s</Prefix></CommonPrefixes>", key)
			continue
		}
		fmt.Fprintf(w, "<Contents><Key>%s</Key></Contents>", key)
	}
	if len(items) > 2 {
		fmt.Fprintf(w, "<NextContinuationToken>&amp;%s</NextContinuationToken>", items[1])
	}
	fmt.Fprint(w, "</ListBucketResult>")
}

func TestEveryOperationIsMeasuredAndLeavesNothingBehind(t *testing.T) {
	cases := map[string]struct {
		change func(*Options)
		calls  string // a kind of request that must have been made
	}{
		"put":                 {func(o *Options) { o.Op = Put }, "PUT "},
		"put with signed sum": {func(o *Options) { o.Op, o.SignPayload = Put, true }, "PUT "},
		"put in parts":        {func(o *Options) { o.Op, o.Size, o.PartSize = Put, 12<<20, 5<<20 }, "PUT partNumber,uploadId"},
		"put of nothing":      {func(o *Options) { o.Op, o.Size = Put, 0 }, "PUT "},
		"get":                 {func(o *Options) { o.Op, o.Warmup = Get, 10*time.Millisecond }, "GET "},
		"head":                {func(o *Options) { o.Op = Head }, "HEAD "},
		"list":                {func(o *Options) { o.Op = List }, "GET continuation-token,list-type,max-keys,prefix"},
		"list by directory":   {func(o *Options) { o.Op, o.Delimiter, o.Size = List, true, 1 }, "GET delimiter,list-type,max-keys,prefix"},
		"delete":              {func(o *Options) { o.Op = Delete }, "DELETE "},
		"mixed":               {func(o *Options) { o.Op, o.Mix = Mixed, map[Op]int{Get: 1, Put: 1, Delete: 2} }, "DELETE "},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			f, o := newFakeS3(t)
			tc.change(&o)
			r, err := Run(t.Context(), o, nil)
			if err != nil {
				t.Fatal(err)
			}
			last := r.Rows[len(r.Rows)-1]
			if r.Failed() || last.Errors != 0 {
				t.Errorf("got %d operations and %d errors, first %s", last.Count, last.Errors, last.FirstError)
			}
			if o.Op == List && last.KeysPerSecond == 0 {
				t.Error("no keys were listed")
			}
			if f.requests[tc.calls] == 0 {
				t.Errorf("no request %q among %v", tc.calls, f.requests)
			}
			if len(f.objects) != 0 {
				t.Errorf("left behind: %v", f.objects)
			}
		})
	}
}

func TestNoContentIsPutTwice(t *testing.T) {
	f, o := newFakeS3(t)
	o.Op = Put
	if _, err := Run(t.Context(), o, nil); err != nil {
		t.Fatal(err)
	}
	for sum, n := range f.contents {
		if n > 1 {
			t.Errorf("content %s was put %d times", sum, n)
		}
	}
}

func TestKeptObjectsAreUsedAgain(t *testing.T) {
	f, o := newFakeS3(t)
	o.Op, o.Keep = Get, true
	for range 2 {
		if _, err := Run(t.Context(), o, nil); err != nil {
			t.Fatal(err)
		}
	}
	if f.requests["PUT "] != 1+5+1 { // the bucket, the objects, the bucket again
		t.Errorf("got %d puts", f.requests["PUT "])
	}
}

func TestErrorsAreCountedAndShown(t *testing.T) {
	f, o := newFakeS3(t)
	o.Op = Put
	n := 0
	f.fail = func(r *http.Request) bool { n++; return r.Method == http.MethodPut && n%2 == 0 }
	r, err := Run(t.Context(), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	row := r.Rows[0]
	if row.Errors == 0 || row.Count == 0 || row.FirstError != "503 SlowDown later" {
		t.Errorf("got %+v", row)
	}
	var b bytes.Buffer
	if err := r.WriteTable(&b); err != nil || !strings.Contains(b.String(), "first error of put: 503 SlowDown later") {
		t.Errorf("%v\n%s", err, b.String())
	}
}

func TestUnusableOptionsAreRefused(t *testing.T) {
	good := Options{Endpoint: "http://127.0.0.1:1", AccessKey: "k", SecretKey: "s", Op: Put}
	cases := map[string]struct {
		change func(*Options)
		want   string
	}{
		"endpoint without scheme": {func(o *Options) { o.Endpoint = "127.0.0.1:3900" }, "write http://host:port"},
		"no key":                  {func(o *Options) { o.AccessKey = "" }, "no access key"},
		"unknown operation":       {func(o *Options) { o.Op = "copy" }, `operation "copy"`},
		"tiny parts":              {func(o *Options) { o.PartSize = 1 }, "at least 5 MiB"},
		"too many workers":        {func(o *Options) { o.Concurrency = 1e6 }, "concurrency"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			o := good
			tc.change(&o)
			if _, err := Run(t.Context(), o, nil); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func TestQuantilesAreWithinAThirtySecond(t *testing.T) {
	var h histogram
	for i := 1; i <= 100_000; i++ {
		h.add(time.Duration(i) * time.Microsecond)
	}
	for _, q := range []float64{0.1, 0.5, 0.9, 0.99} {
		got, want := float64(h.quantile(q)), q*100_000*1000
		if got < want || got > want*(1+1.0/16) {
			t.Errorf("quantile %v: got %v, want %v", q, got, want)
		}
	}
	if h.quantile(1) != h.max || h.max != 100*time.Millisecond {
		t.Errorf("max: got %v, %v", h.quantile(1), h.max)
	}
}

func TestHistogramBucketsHoldTheirBounds(t *testing.T) {
	for us := time.Duration(0); us < 1<<40; us = us*3/2 + 1 {
		i := bucketOf(us * time.Microsecond)
		if upper := upperOf(i); upper <= us*time.Microsecond || i >= len(histogram{}.counts) {
			t.Errorf("%d µs is in bucket %d up to %v", us, i, upper)
		}
	}
}

func TestMixIsParsed(t *testing.T) {
	got, err := ParseMix("get=3, put=1")
	if diff := cmp.Diff(map[Op]int{Get: 3, Put: 1}, got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	for _, bad := range []string{"get", "get=-1", "copy=1", "mixed=1"} {
		if _, err := ParseMix(bad); err == nil {
			t.Errorf("%q: got no error", bad)
		}
	}
}

func FuzzReadPage(f *testing.F) {
	f.Add([]byte("<Contents></Contents><CommonPrefixes><Prefix>a/</Prefix></CommonPrefixes>"))
	f.Add([]byte("<CommonPrefixes><CommonPrefixes><Prefix>"))
	f.Fuzz(func(t *testing.T, body []byte) {
		if p := readPage(body); int(p.keys)+len(p.prefixes) > len(body) {
			t.Errorf("%d keys in %d bytes", p.keys, len(body))
		}
	})
}
