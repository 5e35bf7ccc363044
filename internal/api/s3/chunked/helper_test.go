package chunked

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"grange/internal/api/s3/sigv4"
)

// chain is an obvious twin of sigv4.Chain with a signature that is quick to make: each is the HMAC of the one before and the sum.
type chain struct{ last []byte }

func (c *chain) sign(kind byte, sum [sha256.Size]byte) []byte {
	mac := hmac.New(sha256.New, []byte("key"))
	mac.Write([]byte{kind})
	mac.Write(c.last)
	mac.Write(sum[:])
	c.last = hex.AppendEncode(nil, mac.Sum(nil))
	return c.last
}

func (c *chain) check(kind byte, sum [sha256.Size]byte, signature []byte) error {
	if !bytes.Equal(c.sign(kind, sum), signature) {
		return &sigv4.Error{Code: sigv4.SignatureDoesNotMatch}
	}
	return nil
}

func (c *chain) Chunk(sum [sha256.Size]byte, signature []byte) error {
	return c.check('c', sum, signature)
}

func (c *chain) Trailer(sum [sha256.Size]byte, signature []byte) error {
	return c.check('t', sum, signature)
}

// framing is how encode writes a body.
type framing struct {
	signed  bool
	trailer []string // "name:value"; nil for a payload without trailers
	minio   bool     // ends trailers as minio-go does
}

func (f framing) String() string {
	return fmt.Sprintf("signed=%t trailer=%q minio=%t", f.signed, f.trailer, f.minio)
}

// options are those that decode what encode makes.
func (f framing) options(size int) Options {
	o := Options{Size: int64(size), Trailer: f.trailer != nil}
	if f.signed {
		o.Signatures = &chain{}
	}
	for _, line := range f.trailer {
		name, _, _ := strings.Cut(line, ":")
		o.Announced = append(o.Announced, name)
	}
	return o
}

// encode frames the content in chunks of the given size.
func (f framing) encode(content []byte, chunk int) []byte {
	var b bytes.Buffer
	var c chain
	header := func(data []byte) {
		fmt.Fprintf(&b, "%x", len(data))
		if f.signed {
			fmt.Fprintf(&b, ";chunk-signature=%s", c.sign('c', sha256.Sum256(data)))
		}
		b.WriteString("\r\n")
	}
	for data := range slices.Chunk(content, chunk) {
		header(data)
		b.Write(data)
		b.WriteString("\r\n")
	}
	header(nil)
	var canonical []byte
	end := "\r\n"
	if f.minio {
		end = "\n\r\n"
	}
	for _, line := range f.trailer {
		b.WriteString(line + end)
		canonical = append(canonical, line+"\n"...)
	}
	if f.signed && f.trailer != nil {
		fmt.Fprintf(&b, "x-amz-trailer-signature:%s\r\n", c.sign('t', sha256.Sum256(canonical)))
	}
	b.WriteString("\r\n")
	return b.Bytes()
}

var crc = []string{"x-amz-checksum-crc32:AAAAAA=="}

// framings are all that clients use.
var framings = []framing{
	{signed: true},
	{signed: true, trailer: crc},
	{signed: true, trailer: crc, minio: true},
	{signed: true, trailer: []string{}},
	{trailer: crc},
	{trailer: crc, minio: true},
	{trailer: []string{}},
	{},
}

// readBy reads everything with a buffer of the given size.
func readBy(r io.Reader, size int) ([]byte, error) {
	var got []byte
	p := make([]byte, size)
	for {
		n, err := r.Read(p)
		got = append(got, p[:n]...)
		if errors.Is(err, io.EOF) {
			return got, nil
		}
		if err != nil {
			return got, err
		}
	}
}

// codeOf returns the code of an error in the form of a client, and the empty one for others.
func codeOf(err error) sigv4.Code {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	if e, ok := errors.AsType[*sigv4.Error](err); ok {
		return e.Code
	}
	return ""
}
