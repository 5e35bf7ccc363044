package s3_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// sink is a response that goes nowhere.
type sink struct {
	header http.Header
	status int
}

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(status int)      { s.status = status }
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }

// benchmark serves one signed request again and again, without a network.
func benchmark(b *testing.B, w *world, q query) {
	signed := w.request(q)
	signed.RequestURI = signed.URL.RequestURI()
	body := strings.NewReader(q.body)
	b.ReportAllocs()
	b.SetBytes(int64(len(q.body)))
	for b.Loop() {
		r := *signed
		r.Header = signed.Header.Clone()
		body.Reset(q.body)
		r.Body = io.NopCloser(body)
		out := &sink{header: make(http.Header, 16)}
		w.server.ServeHTTP(out, &r)
		if out.status != 200 {
			b.Fatalf("status %d", out.status)
		}
	}
}

func BenchmarkPut4KiB(b *testing.B) {
	w := newWorld(b)
	w.newBucket("box")
	benchmark(b, w, query{method: "PUT", path: "/box/key", body: strings.Repeat("x", 4<<10), header: map[string]string{"Content-Length": "4096"}})
}

func BenchmarkGet4KiB(b *testing.B) {
	w := newWorld(b)
	w.newBucket("box")
	w.putObject("/box/key", strings.Repeat("x", 4<<10))
	benchmark(b, w, query{method: "GET", path: "/box/key"})
}

func BenchmarkGet1MiB(b *testing.B) {
	w := newWorld(b)
	w.newBucket("box")
	w.putObject("/box/key", strings.Repeat("x", 1<<20))
	benchmark(b, w, query{method: "GET", path: "/box/key"})
}

func BenchmarkHead(b *testing.B) {
	w := newWorld(b)
	w.newBucket("box")
	w.putObject("/box/key", "x")
	benchmark(b, w, query{method: "HEAD", path: "/box/key"})
}

func BenchmarkList1000(b *testing.B) {
	w := newWorld(b)
	w.newBucket("box")
	for i := range 1100 {
		w.putObject(fmt.Sprintf("/box/some/folder/of/files/file-%06d.bin", i), "x")
	}
	benchmark(b, w, query{method: "GET", path: "/box?list-type=2&encoding-type=url"})
}
