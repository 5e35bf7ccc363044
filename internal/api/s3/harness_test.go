package s3_test

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"grange/internal/api/s3"
	"grange/internal/block"
	"grange/internal/catalog"
	"grange/internal/store/storetest"
)

const (
	ownerKey    = "AKOWNER"
	ownerSecret = "owner-secret-owner-secret"
	rootDomain  = "s3.example.org"
)

// world is a server over a store in memory, with one account whose key is ownerKey.
type world struct {
	*storetest.Parts
	t      testing.TB
	server *s3.Server
	http   *httptest.Server
	log    *logBuffer
	ends   *ends
}

// ends collects what requests came to.
type ends struct {
	mu   sync.Mutex
	list []s3.RequestEnd
}

func (e *ends) add(r s3.RequestEnd) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = append(e.list, r)
}

// logBuffer keeps the log.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newWorld(t testing.TB, change ...func(*s3.Options)) *world {
	t.Helper()
	return newWorldOn(t, storetest.New(t), change...)
}

// newParts is a store whose blocks are wrapped.
func newParts(t testing.TB, wrap func(block.Store) block.Store) *storetest.Parts {
	return storetest.New(t, storetest.WithBlocks(wrap))
}

func newWorldOn(t testing.TB, parts *storetest.Parts, change ...func(*s3.Options)) *world {
	t.Helper()
	w := &world{t: t, log: &logBuffer{}, ends: &ends{}, Parts: parts}
	w.addKey(ownerKey, ownerSecret, catalog.KeyOptions{Account: "owner", CreateBuckets: true})
	o := s3.Options{
		Backend:     w.Store,
		RootDomains: []string{rootDomain},
		Logger:      slog.New(slog.NewTextHandler(w.log, nil)),
		Events:      s3.Events{RequestEnded: w.ends.add},
	}
	for _, f := range change {
		f(&o)
	}
	w.server = s3.New(o)
	w.http = httptest.NewServer(w.server)
	t.Cleanup(w.http.Close)
	return w
}

func (w *world) addKey(keyID, secret string, o catalog.KeyOptions) {
	w.t.Helper()
	if _, _, err := w.Catalog.ImportKey(w.t.Context(), keyID, secret, o); err != nil {
		w.t.Fatal(err)
	}
}

// minio is a client that nobody here wrote.
func (w *world) minio(keyID, secret string) *minio.Client {
	w.t.Helper()
	c, err := minio.New(strings.TrimPrefix(w.http.URL, "http://"), &minio.Options{
		Creds: credentials.NewStaticV4(keyID, secret, ""), BucketLookup: minio.BucketLookupPath,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// query is a raw request.
type query struct {
	method string
	path   string // escaped, with its query
	body   string
	header map[string]string
	host   string
	key    string // access key id; "": ownerKey; "-": anonymous
	secret string
	at     time.Time // of the signature; zero: now
}

// reply is what came back.
type reply struct {
	status int
	header http.Header
	body   string
}

// code is that of an error document; "" without one.
func (r reply) code() string { return r.element("Code") }

// element is the text of the first element of the name.
func (r reply) element(name string) string {
	_, rest, ok := strings.Cut(r.body, "<"+name+">")
	if !ok {
		return ""
	}
	text, _, _ := strings.Cut(rest, "</"+name+">")
	return text
}

// request signs a raw request.
func (w *world) request(q query) *http.Request {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), q.method, w.http.URL+q.path, strings.NewReader(q.body))
	if err != nil {
		w.t.Fatal(err)
	}
	if q.body == "" {
		r.Body = http.NoBody
		r.ContentLength = 0
	}
	if q.host != "" {
		r.Host = q.host
	}
	for name, value := range q.header {
		r.Header.Set(name, value)
	}
	if q.key == "-" {
		return r
	}
	if r.Header.Get("X-Amz-Content-Sha256") == "" {
		r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
	}
	switch q.key {
	case "":
		q.key, q.secret = ownerKey, ownerSecret
	}
	if q.at.IsZero() {
		q.at = time.Now()
	}
	return sign(r, q.key, q.secret, q.at)
}

// do sends a raw request.
func (w *world) do(q query) reply {
	w.t.Helper()
	return w.send(w.request(q))
}

func (w *world) send(r *http.Request) reply {
	w.t.Helper()
	resp, err := w.http.Client().Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, string(body)}
}

// must sends a request that has to succeed.
func (w *world) must(q query) reply {
	w.t.Helper()
	r := w.do(q)
	if r.status >= 300 {
		w.t.Fatalf("%s %s: got %d %s", q.method, q.path, r.status, r.body)
	}
	return r
}

// newBucket makes a bucket.
func (w *world) newBucket(name string) {
	w.t.Helper()
	w.must(query{method: "PUT", path: "/" + name})
}

// putObject stores an object.
func (w *world) putObject(path, body string) reply {
	w.t.Helper()
	return w.must(query{method: "PUT", path: path, body: body})
}

// getObject reads an object.
func (w *world) getObject(path string) reply {
	w.t.Helper()
	return w.do(query{method: "GET", path: path})
}

// wait until a condition holds that another goroutine makes true.
func (w *world) wait(what string, ok func() bool) {
	w.t.Helper()
	for range 500 {
		if ok() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	w.t.Fatalf("waited in vain for %s", what)
}
