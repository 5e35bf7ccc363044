package chunked_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/minio/minio-go/v7/pkg/signer"

	"grange/internal/api/s3/chunked"
	"grange/internal/api/s3/sigv4"
)

const benchSize = 8 << 20

// BenchmarkUnsigned decodes chunks with a trailer at the speed of copying memory.
func BenchmarkUnsigned(b *testing.B) {
	var body bytes.Buffer
	chunk := make([]byte, 64<<10)
	for range benchSize / len(chunk) {
		fmt.Fprintf(&body, "%x\r\n%s\r\n", len(chunk), chunk)
	}
	body.WriteString("0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n")
	for _, buffer := range []int{32 << 10, 1 << 20} {
		b.Run(fmt.Sprint(buffer), func(b *testing.B) {
			drain(b, buffer, func() io.Reader {
				return chunked.NewReader(bytes.NewReader(body.Bytes()), chunked.Options{
					Size: benchSize, Trailer: true, Announced: []string{"x-amz-checksum-crc32"},
				})
			})
		})
	}
}

// BenchmarkSigned decodes signed chunks; BenchmarkSHA256 is the speed that it cannot exceed.
func BenchmarkSigned(b *testing.B) {
	r, auth := signed(b)
	body, err := io.ReadAll(r.Body)
	if err != nil {
		b.Fatal(err)
	}
	for _, buffer := range []int{32 << 10, 1 << 20} {
		b.Run(fmt.Sprint(buffer), func(b *testing.B) {
			drain(b, buffer, func() io.Reader {
				return chunked.NewReader(bytes.NewReader(body), chunked.Options{Size: benchSize, Signatures: auth.Chain()})
			})
		})
	}
}

func BenchmarkSHA256(b *testing.B) {
	content := make([]byte, benchSize)
	b.SetBytes(benchSize)
	for b.Loop() {
		sha256.Sum256(content)
	}
}

func drain(b *testing.B, buffer int, open func() io.Reader) {
	p := make([]byte, buffer)
	b.SetBytes(benchSize)
	b.ReportAllocs()
	for b.Loop() {
		r, total := open(), 0
		for {
			n, err := r.Read(p)
			total += n
			if err == io.EOF {
				break
			}
			if err != nil {
				b.Fatal(err)
			}
		}
		if total != benchSize {
			b.Fatalf("got %d bytes", total)
		}
	}
}

// TestSignedChunksCostNoAllocationEach compares bodies of few and of many chunks.
func TestSignedChunksCostNoAllocationEach(t *testing.T) {
	r, auth := signed(t)
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 128<<10)
	allocs := testing.AllocsPerRun(3, func() {
		r := chunked.NewReader(bytes.NewReader(body), chunked.Options{Size: benchSize, Signatures: auth.Chain()})
		for {
			if _, err := r.Read(p); errors.Is(err, io.EOF) {
				return
			} else if err != nil {
				t.Fatal(err)
			}
		}
	})
	if allocs > 40 {
		t.Errorf("got %.0f allocations for %d chunks, want a few for the body", allocs, benchSize>>16)
	}
}

type sha256Hasher struct{ hash.Hash }

func (sha256Hasher) Close() {}

// signed is an upload in signed chunks, made by minio-go and verified by us.
func signed(tb testing.TB) (*http.Request, *sigv4.Result) {
	tb.Helper()
	r, err := http.NewRequestWithContext(tb.Context(), "PUT", "http://storage.example/b/k", nil)
	if err != nil {
		tb.Fatal(err)
	}
	r.Body = io.NopCloser(bytes.NewReader(make([]byte, benchSize)))
	r = signer.StreamingSignV4(r, "key", "secret", "", "us-east-1", benchSize, time.Now().UTC(), sha256Hasher{sha256.New()})
	var wire bytes.Buffer
	if err := r.Write(&wire); err != nil {
		tb.Fatal(err)
	}
	if r, err = http.ReadRequest(bufio.NewReader(&wire)); err != nil {
		tb.Fatal(err)
	}
	secret := func(context.Context, string) (string, error) { return "secret", nil }
	auth, err := sigv4.New(secret, sigv4.Settings{}).Verify(tb.Context(), r)
	if err != nil {
		tb.Fatal(err)
	}
	return r, auth
}
