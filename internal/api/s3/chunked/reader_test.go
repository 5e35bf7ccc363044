package chunked

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"testing"
	"testing/iotest"

	"grange/internal/api/s3/sigv4"
)

// TestDecodingIsTheInverseOfEncoding, however the bytes come in and go out.
func TestDecodingIsTheInverseOfEncoding(t *testing.T) {
	sources := map[string]func(io.Reader) io.Reader{
		"all at once":      func(r io.Reader) io.Reader { return r },
		"byte by byte":     iotest.OneByteReader,
		"half as much":     iotest.HalfReader,
		"with end at hand": iotest.DataErrReader,
	}
	for _, f := range framings {
		for _, size := range []int{0, 1, 63, 64, 65, 5000, 140_000} {
			content := bytes.Repeat([]byte("0123456789abcde\n"), size/16+1)[:size]
			for _, chunk := range []int{64, 4096, 139_999} {
				encoded := f.encode(content, chunk)
				for name, source := range sources {
					for _, buffer := range []int{1, 100, 1 << 20} {
						if size > 10_000 && (buffer == 1 || chunk == 64) {
							continue // says nothing new, slowly
						}
						r := NewReader(source(bytes.NewReader(encoded)), f.options(size))
						got, err := readBy(r, buffer)
						if err != nil || !bytes.Equal(got, content) {
							t.Fatalf("%s, %d bytes in chunks of %d, %s, by %d: got %d bytes, %v", f, size, chunk, name, buffer, len(got), err)
						}
						want := map[string]string{}
						if len(f.trailer) > 0 {
							want["x-amz-checksum-crc32"] = "AAAAAA=="
						}
						if !maps.Equal(r.Trailer(), want) || r.Size() != int64(size) {
							t.Fatalf("%s: got trailers %v and size %d", f, r.Trailer(), r.Size())
						}
					}
				}
			}
		}
	}
}

// TestABodyCutAnywhereIsIncomplete: no prefix of a good body is a good body, and none gives out the last byte.
func TestABodyCutAnywhereIsIncomplete(t *testing.T) {
	content := []byte(strings.Repeat("grange", 40))
	for _, f := range framings {
		encoded := f.encode(content, 100)
		for cut := range encoded {
			for _, buffer := range []int{7, 1 << 10} {
				r := NewReader(bytes.NewReader(encoded[:cut]), f.options(len(content)))
				got, err := readBy(r, buffer)
				if codeOf(err) != IncompleteBody || !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Fatalf("%s, cut at %d of %d: got %v, want IncompleteBody", f, cut, len(encoded), err)
				}
				if len(got) >= len(content) || !bytes.HasPrefix(content, got) || r.Trailer() != nil {
					t.Fatalf("%s, cut at %d of %d: got %d bytes and trailers %v", f, cut, len(encoded), len(got), r.Trailer())
				}
				if _, again := r.Read(make([]byte, 1)); !errors.Is(again, err) {
					t.Fatalf("%s, cut at %d: got %v after %v", f, cut, again, err)
				}
			}
		}
	}
}

// TestASignedBodyWithAnyByteChangedIsRefused, and nothing of the changed chunk or after it comes out.
func TestASignedBodyWithAnyByteChangedIsRefused(t *testing.T) {
	content := []byte(strings.Repeat("grange", 40))
	for _, f := range framings {
		if !f.signed {
			continue
		}
		encoded := f.encode(content, 100)
		for at := range encoded {
			changed := bytes.Clone(encoded)
			changed[at] ^= 1
			for _, buffer := range []int{7, 1 << 10} {
				got, err := readBy(NewReader(bytes.NewReader(changed), f.options(len(content))), buffer)
				if err == nil || len(got) >= len(content) || !bytes.HasPrefix(content, got) {
					t.Fatalf("%s, changed at %d: got %q, %v", f, at, got, err)
				}
			}
		}
	}
}

func TestBrokenBodiesAreNamed(t *testing.T) {
	signature := ";chunk-signature=" + strings.Repeat("0", 64)
	announced := []string{"x-amz-checksum-crc32"}
	many := strings.Repeat("0", 5000)
	cases := map[string]struct {
		body string
		opts Options
		want sigv4.Code
	}{
		"more than announced":               {"4\r\nabcd\r\n0\r\n\r\n", Options{Size: 3}, IncompleteBody},
		"more in a second chunk":            {"3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n", Options{Size: 3}, IncompleteBody},
		"less than announced":               {"3\r\nabc\r\n0\r\n\r\n", Options{Size: 4}, IncompleteBody},
		"nothing, where there is something": {"0\r\n\r\n", Options{Size: 4}, IncompleteBody},
		"something, where there is nothing": {"1\r\na\r\n0\r\n\r\n", Options{Size: 0}, IncompleteBody},
		"no chunk at all":                   {"", Options{Size: 0}, IncompleteBody},
		"the size of the universe":          {"fffffffffffffff\r\na\r\n", Options{Size: 3}, IncompleteBody},
		"a size beyond numbers":             {"ffffffffffffffff\r\na\r\n", Options{Size: 3}, sigv4.InvalidRequest},
		"a size below zero":                 {"-3\r\nabc\r\n0\r\n\r\n", Options{Size: 3}, sigv4.InvalidRequest},
		"a size in the style of C":          {"0x3\r\nabc\r\n0\r\n\r\n", Options{Size: 3}, sigv4.InvalidRequest},
		"a size after a space":              {" 3\r\nabc\r\n0\r\n\r\n", Options{Size: 3}, sigv4.InvalidRequest},
		"no size":                           {"\r\nabc\r\n0\r\n\r\n", Options{Size: 3}, sigv4.InvalidRequest},
		"a header too long":                 {many, Options{Size: 3}, sigv4.InvalidRequest},
		"a header that ends too early":      {"3\nabc\r\n0\r\n\r\n", Options{Size: 3}, sigv4.InvalidRequest},
		"no break after the data":           {"3\r\nabc0\r\n\r\n", Options{Size: 3}, sigv4.InvalidRequest},
		"no break at the end":               {"3\r\nabc\r\n0\r\nxx", Options{Size: 3}, sigv4.InvalidRequest},
		"data after the end":                {"3\r\nabc\r\n0\r\n\r\n!", Options{Size: 3}, sigv4.InvalidRequest},
		"a signature nobody asked for":      {"3" + signature + "\r\nabc\r\n0\r\n\r\n", Options{Size: 3}, sigv4.InvalidRequest},
		"no signature":                      {"3\r\nabc\r\n0\r\n\r\n", Options{Size: 3, Signatures: &chain{}}, sigv4.InvalidRequest},
		"half a signature":                  {"3" + signature[:40] + "\r\nabc\r\n0\r\n\r\n", Options{Size: 3, Signatures: &chain{}}, sigv4.InvalidRequest},
		"a signature and more":              {"3" + signature + ";a=b\r\nabc\r\n", Options{Size: 3, Signatures: &chain{}}, sigv4.InvalidRequest},
		"another extension":                 {"3" + strings.Replace(signature, "chunk", "thunk", 1) + "\r\nabc\r\n", Options{Size: 3, Signatures: &chain{}}, sigv4.InvalidRequest},
		"a wrong signature":                 {"3" + signature + "\r\nabc\r\n0" + signature + "\r\n\r\n", Options{Size: 3, Signatures: &chain{}}, sigv4.SignatureDoesNotMatch},
		"a wrong signature of nothing":      {"0" + signature + "\r\n\r\n", Options{Size: 0, Signatures: &chain{}}, sigv4.SignatureDoesNotMatch},
		"a chunk too large to hold":         {"65" + signature + "\r\n" + many, Options{Size: 5000, Signatures: &chain{}, ChunkMax: 100}, sigv4.InvalidRequest},

		"a trailer nobody announced":   {"0\r\nx-amz-checksum-sha1:a\r\n\r\n", Options{Trailer: true}, MalformedTrailerError},
		"another trailer":              {"0\r\nx-amz-checksum-sha1:a\r\n\r\n", Options{Trailer: true, Announced: announced}, MalformedTrailerError},
		"a trailer with no payload":    {"0\r\nx-amz-checksum-crc32:a\r\n\r\n", Options{Announced: announced}, sigv4.InvalidRequest},
		"an announced trailer missing": {"0\r\n\r\n", Options{Trailer: true, Announced: announced}, MalformedTrailerError},
		"a trailer twice":              {"0\r\nx-amz-checksum-crc32:a\r\nX-Amz-Checksum-Crc32:a\r\n\r\n", Options{Trailer: true, Announced: announced}, MalformedTrailerError},
		"a trailer without a value":    {"0\r\nx-amz-checksum-crc32\r\n\r\n", Options{Trailer: true, Announced: announced}, MalformedTrailerError},
		"a trailer of strange bytes":   {"0\r\nx-amz-checksum-crc32:\x00\r\n\r\n", Options{Trailer: true, Announced: announced}, MalformedTrailerError},
		"a trailer too long":           {"0\r\nx-amz-checksum-crc32:" + many, Options{Trailer: true, Announced: announced}, MalformedTrailerError},
		"a signature among no others":  {"0\r\nx-amz-trailer-signature:a\r\n\r\n", Options{Trailer: true}, MalformedTrailerError},
		"data after the trailers":      {"0\r\nx-amz-checksum-crc32:a\r\n\r\n!", Options{Trailer: true, Announced: announced}, sigv4.InvalidRequest},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := NewReader(strings.NewReader(c.body), c.opts)
			got, err := readBy(r, 1<<10)
			if codeOf(err) != c.want {
				t.Fatalf("got %v, want %s", err, c.want)
			}
			if int64(len(got)) >= max(c.opts.Size, 1) || r.Trailer() != nil {
				t.Errorf("got %q and trailers %v before the error", got, r.Trailer())
			}
		})
	}
}

// TestSignedTrailersNeedTheirSignature: the trailers are the only part that an end of the line could still add.
func TestSignedTrailersNeedTheirSignature(t *testing.T) {
	f := framing{signed: true, trailer: crc}
	good := string(f.encode([]byte("abc"), 100))
	at := strings.Index(good, trailerSignature)
	for name, body := range map[string]string{
		"no signature":            good[:at] + "\r\n",
		"a trailer behind it":     good[:len(good)-2] + "x-amz-checksum-sha1:b\r\n\r\n",
		"the signature twice":     good[:len(good)-2] + good[at:],
		"a signature of nothing":  good[:at] + trailerSignature + ":\r\n\r\n",
		"a trailer that is added": strings.Replace(good, "x-amz-checksum-crc32", "x-amz-checksum-sha1:b\r\nx-amz-checksum-crc32", 1),
	} {
		opts := f.options(3)
		if name == "a trailer that is added" {
			opts.Announced = append(opts.Announced, "x-amz-checksum-sha1")
		}
		got, err := readBy(NewReader(strings.NewReader(body), opts), 100)
		if code := codeOf(err); code != sigv4.SignatureDoesNotMatch && code != MalformedTrailerError || len(got) > 0 {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}

// TestAnEmptyLineBeforeTrailersIsSkipped, as some clients send one.
func TestAnEmptyLineBeforeTrailersIsSkipped(t *testing.T) {
	for _, f := range framings {
		if len(f.trailer) == 0 {
			continue
		}
		body := strings.Replace(string(f.encode([]byte("abc"), 100)), "x-amz-checksum", "\r\nx-amz-checksum", 1)
		r := NewReader(strings.NewReader(body), f.options(3))
		if got, err := readBy(r, 100); err != nil || string(got) != "abc" || len(r.Trailer()) != 1 {
			t.Errorf("%s: got %q, %v, trailers %v", f, got, err, r.Trailer())
		}
	}
}

// TestALimitedReaderIsSafe: who reads just as many bytes as were announced must not miss a wrong end.
func TestALimitedReaderIsSafe(t *testing.T) {
	content := []byte(strings.Repeat("grange", 40))
	for _, f := range framings {
		for _, chunk := range []int{100, 1000} {
			good := f.encode(content, chunk)
			p := make([]byte, len(content))
			if _, err := io.ReadFull(NewReader(bytes.NewReader(good), f.options(len(content))), p); err != nil {
				t.Fatalf("%s: %v", f, err)
			}
			bad := append(bytes.Clone(good[:len(good)-2]), "!!"...)
			if n, err := io.ReadFull(NewReader(bytes.NewReader(bad), f.options(len(content))), p); err == nil {
				t.Errorf("%s: read %d bytes of a body with a wrong end", f, n)
			}
		}
	}
}

// TestErrorsOfTheSourceStayWhatTheyAre, wherever they come.
func TestErrorsOfTheSourceStayWhatTheyAre(t *testing.T) {
	reset := errors.New("connection reset")
	content := []byte(strings.Repeat("grange", 40))
	for _, f := range framings {
		encoded := f.encode(content, 100)
		for cut := 0; cut <= len(encoded); cut += 13 {
			source := io.MultiReader(bytes.NewReader(encoded[:cut]), iotest.ErrReader(reset))
			if _, err := readBy(NewReader(source, f.options(len(content))), 64); !errors.Is(err, reset) || codeOf(err) != "" {
				t.Fatalf("%s, reset at %d: got %v", f, cut, err)
			}
		}
	}
}

// TestAnAnnouncedSizeAloneCostsNothing: memory grows with what arrives.
func TestAnAnnouncedSizeAloneCostsNothing(t *testing.T) {
	head := fmt.Sprintf("%x;chunk-signature=%064d\r\nabc", 16<<20, 0)
	r := NewReader(strings.NewReader(head), Options{Size: 16 << 20, Signatures: &chain{}})
	if _, err := readBy(r, 100); codeOf(err) != IncompleteBody {
		t.Fatalf("got %v, want IncompleteBody", err)
	}
	if len(r.buf) > firstBufferSize {
		t.Errorf("holds %d bytes for three", len(r.buf))
	}
}

func TestReadingNothingReadsNothing(t *testing.T) {
	r := NewReader(strings.NewReader("rubbish"), Options{Size: 3})
	if n, err := r.Read(nil); n != 0 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
}
