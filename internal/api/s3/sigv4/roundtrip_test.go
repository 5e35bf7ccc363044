package sigv4_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7/pkg/signer"

	"grange/internal/api/s3/chunked"
	"grange/internal/api/s3/sigv4"
)

// TestKeysOfAnyBytesVerify signs awkward keys and parameters with another implementation.
func TestKeysOfAnyBytesVerify(t *testing.T) {
	keys := map[string]string{
		"plain":               "/b/k",
		"nothing":             "/",
		"dots":                "/b/../../etc/./passwd",
		"double slashes":      "//b//k//",
		"a space and plus":    "/b/a b+c",
		"percent":             "/b/100%/%2F/%zz",
		"marks":               "/b/!\"#$&'()*,:;<=>?@[\\]^`{|}~-_.",
		"umlauts and a smile": "/b/Grüße 😀",
		"control characters":  "/b/\x01\n\r\x7f",
	}
	query := url.Values{"prefix": {"a b+c/%2F&=;é"}, "acl": {""}, "k": {"1", "2"}, "A-b": {"~"}, "A": {"x"}}
	v := sigv4.New(secrets, sigv4.Settings{})
	for name, path := range keys {
		t.Run(name, func(t *testing.T) {
			newRequest := func() http.Request {
				return http.Request{
					Method: "GET", Host: "storage.example", Header: http.Header{},
					URL: &url.URL{Scheme: "http", Host: "storage.example", Path: path, RawQuery: query.Encode()},
				}
			}
			withHeader := newRequest()
			withHeader.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
			for form, r := range map[string]*http.Request{
				"header":    signer.SignV4(withHeader, exampleKey, exampleSecret, "", "us-east-1"),
				"presigned": signer.PreSignV4(newRequest(), exampleKey, exampleSecret, "", "us-east-1", 60),
			} {
				got, err := v.Verify(t.Context(), send(t, r))
				if err != nil {
					t.Fatalf("%s: %v", form, err)
				}
				if got.Path != path || got.Query.Get("prefix") != query.Get("prefix") || !got.Query.Has("acl") || len(got.Query["k"]) != 2 {
					t.Errorf("%s: got path %q and query %v, want %q and %v", form, got.Path, got.Query, path, query)
				}
			}
		})
	}
}

type sha256Hasher struct{ hash.Hash }

func (sha256Hasher) Close() {}

// TestUploadsInChunks signs and frames bodies of several sizes with minio-go, in all streaming forms.
func TestUploadsInChunks(t *testing.T) {
	trailer := http.Header{"X-Amz-Checksum-Crc32c": {"sOO8/Q=="}}
	sign := map[string]struct {
		payload sigv4.Payload
		do      func(r *http.Request, size int) *http.Request
	}{
		"signed chunks": {sigv4.PayloadSignedChunks, func(r *http.Request, size int) *http.Request {
			return signer.StreamingSignV4(r, exampleKey, exampleSecret, "", "us-east-1", int64(size), time.Now().UTC(), sha256Hasher{sha256.New()})
		}},
		"signed chunks with a trailer": {sigv4.PayloadSignedChunksTrailer, func(r *http.Request, size int) *http.Request {
			r.Trailer = trailer.Clone()
			return signer.StreamingSignV4(r, exampleKey, exampleSecret, "", "us-east-1", int64(size), time.Now().UTC(), sha256Hasher{sha256.New()})
		}},
		"chunks with a trailer": {sigv4.PayloadUnsignedChunksTrailer, func(r *http.Request, size int) *http.Request {
			r.Header.Set("X-Amz-Content-Sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
			r.ContentLength = int64(size)
			return signer.SignV4Trailer(*r, exampleKey, exampleSecret, "", "us-east-1", trailer.Clone())
		}},
	}
	v := sigv4.New(secrets, sigv4.Settings{})
	for name, s := range sign {
		for _, size := range []int{0, 1, 4095, 65535, 65536, 65537, 300_000} {
			content := bytes.Repeat([]byte("grange"), size/6+1)[:size]
			open := func(change func([]byte)) (chunked.Body, *sigv4.Result) {
				r, err := http.NewRequestWithContext(t.Context(), "PUT", "http://storage.example/b/k", nil)
				if err != nil {
					t.Fatal(err)
				}
				r.Body = io.NopCloser(bytes.NewReader(content))
				r = send(t, s.do(r, size))
				body, err := io.ReadAll(r.Body)
				if err != nil {
					t.Fatal(err)
				}
				change(body)
				r.Body = io.NopCloser(bytes.NewReader(body))
				auth, err := v.Verify(t.Context(), r)
				if err != nil {
					t.Fatalf("%s of %d: %v", name, size, err)
				}
				opened, err := chunked.Open(r, auth)
				if err != nil {
					t.Fatalf("%s of %d: %v", name, size, err)
				}
				return opened, auth
			}
			body, auth := open(func([]byte) {})
			got, err := io.ReadAll(body)
			if err != nil || !bytes.Equal(got, content) || auth.Payload != s.payload || body.Size() != int64(size) {
				t.Fatalf("%s of %d: got %d bytes, %v, as %s", name, size, len(got), err, auth.Payload)
			}
			if s.payload.Trailer() && body.Trailer()["x-amz-checksum-crc32c"] != "sOO8/Q==" {
				t.Errorf("%s of %d: got trailers %v", name, size, body.Trailer())
			}
			if !s.payload.SignedChunks() || size == 0 {
				continue
			}
			body, _ = open(func(b []byte) { b[bytes.Index(b, []byte("\r\n"))+2] ^= 1 })
			if got, err := io.ReadAll(body); !errors.Is(err, &sigv4.Error{Code: sigv4.SignatureDoesNotMatch}) || len(got) != 0 {
				t.Errorf("%s of %d with a flipped bit: got %d bytes, %v", name, size, len(got), err)
			}
			if s.payload.Trailer() {
				body, _ = open(func(b []byte) { b[bytes.LastIndex(b, []byte("sOO8"))] = 'S' })
				if _, err := io.ReadAll(body); !errors.Is(err, &sigv4.Error{Code: sigv4.SignatureDoesNotMatch}) {
					t.Errorf("%s of %d with another trailer: got %v", name, size, err)
				}
			}
		}
	}
}

// TestTheWholeHashIsVerified follows an upload with a hash to its body.
func TestTheWholeHashIsVerified(t *testing.T) {
	for content, code := range map[string]sigv4.Code{"Welcome to Amazon S3.": "", "Welcome to Amazon S4.": chunked.XAmzContentSHA256Mismatch} {
		r, err := http.NewRequestWithContext(t.Context(), "PUT", "http://storage.example/b/k", strings.NewReader(content))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Amz-Content-Sha256", "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072")
		r = send(t, signer.SignV4(*r, exampleKey, exampleSecret, "", "us-east-1"))
		auth, err := sigv4.New(secrets, sigv4.Settings{}).Verify(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := chunked.Open(r, auth)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(body)
		if code == "" && (err != nil || string(got) != content) {
			t.Errorf("got %q, %v", got, err)
		}
		if code != "" && (!errors.Is(err, &chunked.Error{Code: code}) || len(got) > 0) {
			t.Errorf("got %q, %v, want %s and no byte", got, err, code)
		}
	}
}

// TestPresignedRequestsMayPromiseTheirPayload in a signed header or in the query.
func TestPresignedRequestsMayPromiseTheirPayload(t *testing.T) {
	sum := strings.Repeat("ab", sha256.Size)
	cases := map[string]struct {
		query, header string
		want          sigv4.Payload
	}{
		"not at all":             {"", "", sigv4.PayloadUnsigned},
		"in the query":           {"X-Amz-Content-Sha256=UNSIGNED-PAYLOAD", "", sigv4.PayloadUnsigned},
		"in a header":            {"", sum, sigv4.PayloadHash},
		"in a header above all":  {"X-Amz-Content-Sha256=UNSIGNED-PAYLOAD", sum, sigv4.PayloadHash},
		"in a header, in chunks": {"", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", sigv4.PayloadUnsignedChunksTrailer},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), "PUT", "http://storage.example/b/k?"+c.query, nil)
			if err != nil {
				t.Fatal(err)
			}
			if c.header != "" {
				r.Header.Set("X-Amz-Content-Sha256", c.header)
			}
			r = send(t, signer.PreSignV4(*r, exampleKey, exampleSecret, "", "us-east-1", 60))
			got, err := sigv4.New(secrets, sigv4.Settings{}).Verify(t.Context(), r)
			if err != nil || got.Payload != c.want || c.want == sigv4.PayloadHash && got.PayloadSHA256[0] != 0xab {
				t.Errorf("got %+v, %v, want %s", got, err, c.want)
			}
		})
	}
}

// TestHeadersThatTheServerTakesAwayCanBeSigned: net/http moves these out of the map of headers.
func TestHeadersThatTheServerTakesAwayCanBeSigned(t *testing.T) {
	cases := map[string]struct {
		header, value string
		body          io.Reader
		arrive        func(*http.Request)
	}{
		"the length":        {"Content-Length", "3", strings.NewReader("abc"), func(r *http.Request) { r.Header.Del("Content-Length") }},
		"the transfer":      {"Transfer-Encoding", "chunked", io.MultiReader(strings.NewReader("abc")), func(*http.Request) {}},
		"the expectation":   {"Expect", "100-continue", strings.NewReader("abc"), func(*http.Request) {}},
		"an absent as none": {"X-Empty", "", strings.NewReader("abc"), func(r *http.Request) { r.Header.Del("X-Empty") }},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), "PUT", "http://storage.example/b/k", c.body)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
			r.Header.Set(c.header, c.value)
			r = send(t, signer.SignV4(*r, exampleKey, exampleSecret, "", "us-east-1"))
			c.arrive(r)
			got, err := sigv4.New(secrets, sigv4.Settings{}).Verify(t.Context(), r)
			if err != nil || !slices.Contains(got.SignedHeaders, strings.ToLower(c.header)) {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func TestDecodePath(t *testing.T) {
	cases := map[string]struct {
		raw, want string
		bad       bool
	}{
		"plain":                  {"/b/k", "/b/k", false},
		"a plus is a plus":       {"/b/a+b", "/b/a+b", false},
		"an escaped slash":       {"/b/a%2Fb", "/b/a/b", false},
		"decoded once":           {"/b/%252F", "/b/%2F", false},
		"dots and slashes stay":  {"//b/..//.%2e/", "//b/..//../", false},
		"bytes that are no text": {"/b/%ff%00", "/b/\xff\x00", false},
		"an escape cut short":    {"/b/%4", "", true},
		"no escape":              {"/b/%xy", "", true},
		"a lone percent":         {"/b/%", "", true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := sigv4.DecodePath(c.raw)
			if c.bad {
				checkRefused(t, err, sigv4.InvalidURI)
			} else if err != nil || got != c.want {
				t.Errorf("got %q, %v, want %q", got, err, c.want)
			}
		})
	}
}
