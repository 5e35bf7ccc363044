package chunked

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"grange/internal/api/s3/sigv4"
)

func TestPlainBodies(t *testing.T) {
	sum := func(s string) *[sha256.Size]byte {
		h := sha256.Sum256([]byte(s))
		return &h
	}
	cases := map[string]struct {
		body  string
		size  int64
		sum   *[sha256.Size]byte
		want  sigv4.Code
		whole bool // all bytes come out before the error
	}{
		"as promised":                        {"content", 7, sum("content"), "", true},
		"with no hash":                       {"content", 7, nil, "", true},
		"of unknown length":                  {"content", -1, sum("content"), "", true},
		"of unknown length and no hash":      {"content", -1, nil, "", true},
		"empty":                              {"", 0, sum(""), "", true},
		"empty of unknown length":            {"", -1, sum(""), "", true},
		"another hash":                       {"content", 7, sum("contents"), XAmzContentSHA256Mismatch, false},
		"another hash of nothing":            {"", 0, sum("x"), XAmzContentSHA256Mismatch, true},
		"another hash and an unknown length": {"content", -1, sum("contents"), XAmzContentSHA256Mismatch, true},
		"too short":                          {"content", 8, nil, IncompleteBody, true},
		"too short, with the right hash":     {"content", 8, sum("content"), IncompleteBody, true},
		"too long":                           {"content", 6, nil, sigv4.InvalidRequest, false},
		"too long, with the hash of a part":  {"content", 6, sum("conten"), sigv4.InvalidRequest, false},
	}
	for name, c := range cases {
		for _, source := range []func(io.Reader) io.Reader{iotest.OneByteReader, iotest.HalfReader, iotest.DataErrReader} {
			for _, buffer := range []int{1, 3, 100} {
				b := NewPlain(source(strings.NewReader(c.body)), c.size, c.sum)
				got, err := readBy(b, buffer)
				if codeOf(err) != c.want || (err == nil) != (c.want == "") {
					t.Fatalf("%s by %d: got %v, want %q", name, buffer, err, c.want)
				}
				if c.want == "" && string(got) != c.body || !c.whole && len(got) >= len(c.body) {
					t.Errorf("%s by %d: got %q", name, buffer, got)
				}
				if _, again := b.Read(make([]byte, 1)); c.want != "" && !errors.Is(again, err) || c.want == "" && !errors.Is(again, io.EOF) {
					t.Errorf("%s: got %v after %v", name, again, err)
				}
				if b.Trailer() != nil || b.Size() != c.size {
					t.Errorf("%s: got trailers %v and size %d", name, b.Trailer(), b.Size())
				}
			}
		}
	}
	reset := errors.New("connection reset")
	if _, err := io.ReadAll(NewPlain(iotest.ErrReader(reset), 3, nil)); !errors.Is(err, reset) || codeOf(err) != "" {
		t.Errorf("an error of the source: got %v", err)
	}
	if got, err := io.ReadAll(NewPlain(nil, 0, nil)); err != nil || len(got) != 0 {
		t.Errorf("no source: got %q, %v", got, err)
	}
}

func TestTheHashErrorShowsBothSums(t *testing.T) {
	_, err := io.ReadAll(NewPlain(strings.NewReader("Welcome to Amazon S3."), 21, &[sha256.Size]byte{}))
	e, ok := errors.AsType[*Error](err)
	if !ok || len(e.Extras) != 2 || e.Extras[0].Value != strings.Repeat("0", 64) ||
		!strings.Contains(err.Error(), string(XAmzContentSHA256Mismatch)) ||
		e.Extras[1].Value != "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072" {
		t.Errorf("got %+v", err)
	}
}

func TestOpenHoldsTheHeadersTogether(t *testing.T) {
	cases := map[string]struct {
		payload sigv4.Payload
		header  http.Header
		want    sigv4.Code
	}{
		"plain": {sigv4.PayloadUnsigned, http.Header{}, ""},
		"trailers": {
			sigv4.PayloadUnsignedChunksTrailer,
			http.Header{"X-Amz-Decoded-Content-Length": {"3"}, "X-Amz-Trailer": {"x-amz-checksum-crc32, X-Amz-Checksum-SHA1"}},
			"",
		},
		"trailers that are none":     {sigv4.PayloadUnsignedChunksTrailer, http.Header{"X-Amz-Decoded-Content-Length": {"3"}}, ""},
		"a trailer of a plain body":  {sigv4.PayloadUnsigned, http.Header{"X-Amz-Trailer": {"x-amz-checksum-crc32"}}, sigv4.InvalidRequest},
		"a trailer that is metadata": {sigv4.PayloadUnsignedChunksTrailer, http.Header{"X-Amz-Decoded-Content-Length": {"3"}, "X-Amz-Trailer": {"x-amz-meta-a"}}, sigv4.InvalidRequest},
		"an empty trailer":           {sigv4.PayloadUnsignedChunksTrailer, http.Header{"X-Amz-Decoded-Content-Length": {"3"}, "X-Amz-Trailer": {""}}, sigv4.InvalidRequest},
		"trailers without end": {
			sigv4.PayloadUnsignedChunksTrailer,
			http.Header{"X-Amz-Decoded-Content-Length": {"3"}, "X-Amz-Trailer": {strings.Repeat("x-amz-checksum-crc32,", 16) + "x-amz-checksum-crc32"}},
			sigv4.InvalidRequest,
		},
		"no length":            {sigv4.PayloadUnsignedChunksTrailer, http.Header{}, MissingContentLength},
		"two lengths":          {sigv4.PayloadUnsignedChunksTrailer, http.Header{"X-Amz-Decoded-Content-Length": {"3", "3"}}, sigv4.InvalidRequest},
		"a length below zero":  {sigv4.PayloadUnsignedChunksTrailer, http.Header{"X-Amz-Decoded-Content-Length": {"-3"}}, sigv4.InvalidRequest},
		"a length with a plus": {sigv4.PayloadUnsignedChunksTrailer, http.Header{"X-Amz-Decoded-Content-Length": {"+3"}}, sigv4.InvalidRequest},
		"a length of too much": {sigv4.PayloadUnsignedChunksTrailer, http.Header{"X-Amz-Decoded-Content-Length": {"9223372036854775808"}}, sigv4.InvalidRequest},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := &http.Request{Header: c.header, Body: http.NoBody, ContentLength: 3}
			b, err := Open(r, &sigv4.Result{Payload: c.payload})
			if codeOf(err) != c.want || (err == nil) != (c.want == "") {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			if err == nil && b.Size() != 3 {
				t.Errorf("size: got %d, want 3", b.Size())
			}
		})
	}
}

func TestStripEncoding(t *testing.T) {
	for in, want := range map[string]string{
		"":                          "",
		"aws-chunked":               "",
		"AWS-Chunked":               "",
		"aws-chunked,gzip":          "gzip",
		"aws-chunked, gzip":         "gzip",
		"gzip,aws-chunked":          "gzip",
		"gzip, aws-chunked, br":     "gzip,br",
		"aws-chunked,":              "",
		"gzip":                      "gzip",
		"gzip , br":                 "gzip , br",
		"not-aws-chunked":           "not-aws-chunked",
		"aws-chunked, ,aws-chunked": "",
	} {
		if got := StripEncoding(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

// FuzzReader feeds any bytes to all kinds of readers, and what it can read it must be able to write.
func FuzzReader(f *testing.F) {
	for i, framing := range framings {
		f.Add(framing.encode([]byte(strings.Repeat("a", 300)), 100), uint16(300), uint8(i), uint8(50))
		f.Add(framing.encode(nil, 100), uint16(0), uint8(i), uint8(1))
	}
	f.Add([]byte("3\r\nabc\r\n0\r\n\r\n"), uint16(3), uint8(7), uint8(2))
	f.Fuzz(func(t *testing.T, body []byte, size uint16, which, buffer uint8) {
		framing := framings[int(which)%len(framings)]
		r := NewReader(bytes.NewReader(body), framing.options(int(size)))
		got, err := readBy(r, int(buffer)+1)
		if len(got) > int(size) || len(r.buf) > max(firstBufferSize, 2*len(body)) {
			t.Fatalf("got %d bytes of %d, and holds %d", len(got), size, len(r.buf))
		}
		if err != nil {
			if codeOf(err) == "" {
				t.Fatalf("got %v, which a client cannot be told", err)
			}
			return
		}
		if len(got) != int(size) {
			t.Fatalf("got %d bytes, want %d", len(got), size)
		}
		again, err := readBy(NewReader(bytes.NewReader(framing.encode(got, 100)), framing.options(int(size))), 100)
		if err != nil || !bytes.Equal(again, got) {
			t.Fatalf("got %d bytes, %v, want %d", len(again), err, len(got))
		}
	})
}
