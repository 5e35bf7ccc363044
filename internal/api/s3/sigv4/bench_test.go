package sigv4_test

import (
	"bufio"
	"net/http"
	"runtime"
	"strings"
	"testing"
)

// BenchmarkVerify is the price of a request, with its signing key remembered and without.
func BenchmarkVerify(b *testing.B) {
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.ReplaceAll(exampleLifecycle, "\n", "\r\n") + "\r\n\r\n")))
	if err != nil {
		b.Fatal(err)
	}
	b.Run("remembered", func(b *testing.B) {
		v := exampleVerifier(0)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := v.Verify(b.Context(), r); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("new", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := exampleVerifier(0).Verify(b.Context(), r); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// TestVerifyingAllocatesInProportion: a hostile request makes us hold a few times its own size, and not more.
func TestVerifyingAllocatesInProportion(t *testing.T) {
	v := exampleVerifier(0)
	for name, head := range map[string]string{
		"an Authorization of commas":   "GET / HTTP/1.1\nHost: h\nAuthorization: AWS4-HMAC-SHA256 " + strings.Repeat(",", 500_000),
		"a credential of slashes":      "GET / HTTP/1.1\nHost: h\nAuthorization: AWS4-HMAC-SHA256 SignedHeaders=a, Signature=b, Credential=" + strings.Repeat("/", 500_000),
		"signed headers of semicolons": "GET / HTTP/1.1\nHost: h\nAuthorization: AWS4-HMAC-SHA256 Credential=" + exampleKey + "/20130524/us-east-1/s3/aws4_request, Signature=b, SignedHeaders=" + strings.Repeat(";", 500_000),
		"a query of ampersands":        "GET /?" + strings.Repeat("&", 500_000) + " HTTP/1.1\nHost: h",
	} {
		r := parse(t, head, "")
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		got, err := v.Verify(t.Context(), r)
		runtime.ReadMemStats(&after)
		if allocated := after.TotalAlloc - before.TotalAlloc; err == nil && !got.Anonymous || allocated > 64*uint64(len(head)) {
			t.Errorf("%s: got %v with %d bytes allocated for %d", name, err, allocated, len(head))
		}
	}
}
