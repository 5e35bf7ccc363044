package s3

import (
	"bytes"
	"crypto/md5" //nolint:gosec // Content-MD5 is what S3 clients send
	"encoding/base64"
	"encoding/xml"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"grange/internal/api/s3/chunked"
	"grange/internal/checksum"
)

// Limits of the XML documents that clients send, in bytes.
const (
	xmlBodyMax = 2 << 20 // a DeleteObjects of 1,000 long keys fits
	// completeBodyMax is that of CompleteMultipartUpload: 10,000 parts with the longest checksums take 2.3 MB when indented.
	completeBodyMax = 4 << 20
)

// upload is the body of a write with the digests that came with it.
type upload struct {
	chunked.Body
	md5     []byte             // Content-MD5; nil: none
	sum     checksum.Value     // x-amz-checksum-…; the zero value: none
	trailer checksum.Algorithm // whose value follows the body; None: none
}

// newUpload opens the body without reading from it.
func (c *call) newUpload() (*upload, error) {
	u := &upload{}
	var err error
	if u.md5, err = contentMD5(c.r.Header["Content-Md5"]); err != nil {
		return nil, err
	}
	if err = u.readChecksumHeaders(c); err != nil {
		return nil, err
	}
	r := *c.r // net/http looks at the body of its own request to decide what becomes of the connection
	r.Body = &incoming{c: c, src: c.r.Body}
	u.Body, err = chunked.Open(&r, c.auth)
	return u, err
}

// newContent opens the body of an object or of a part, whose length S3 wants to know beforehand.
func (c *call) newContent(sizeMax int64) (*upload, error) {
	if !c.auth.Payload.Chunked() && (c.r.ContentLength < 0 || c.r.ContentLength == 0 && c.r.Header.Get("Content-Length") == "") {
		return nil, fail(MissingContentLength)
	}
	u, err := c.newUpload()
	if err != nil {
		return nil, err
	}
	if u.Size() > sizeMax {
		return nil, fail(EntityTooLarge).
			with("ProposedSize", strconv.FormatInt(u.Size(), 10)).
			with("MaxSizeAllowed", strconv.FormatInt(sizeMax, 10))
	}
	return u, nil
}

func contentMD5(header []string) ([]byte, error) {
	if len(header) == 0 {
		return nil, nil
	}
	sum, err := base64.StdEncoding.DecodeString(header[0])
	if err != nil || len(sum) != md5.Size || len(header) > 1 {
		return nil, fail(InvalidDigest).with("Content-MD5", header[0])
	}
	return sum, nil
}

// readChecksumHeaders finds the one checksum that may come with a body, in a header or announced as a trailer.
func (u *upload) readChecksumHeaders(c *call) error {
	h := c.r.Header
	count := 0
	for _, a := range checksum.Algorithms() {
		values := h.Values(a.Header())
		if len(values) == 0 {
			continue
		}
		count += len(values)
		v, err := checksum.ParseValue(a, values[0])
		if err != nil || v.Type != checksum.FullObject {
			return failf(InvalidRequest, "Value for %s header is invalid.", a.Header())
		}
		u.sum = v
	}
	for name := range strings.SplitSeq(h.Get("X-Amz-Trailer"), ",") {
		if a, ok := checksum.ParseHeader(strings.TrimSpace(name)); ok {
			count++
			u.trailer = a
		}
	}
	if count > 1 {
		return failf(InvalidRequest, "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
	}
	return u.checkSDKAlgorithm(h.Get("X-Amz-Sdk-Checksum-Algorithm"))
}

// checkSDKAlgorithm holds x-amz-sdk-checksum-algorithm, by which a client says what it sends, against what it sends.
func (u *upload) checkSDKAlgorithm(name string) error {
	if name == "" {
		return nil
	}
	a, err := checksum.Parse(name)
	switch {
	case err != nil && strings.EqualFold(name, "MD5"):
		return nil
	case err != nil:
		return failf(InvalidRequest, "Value for x-amz-sdk-checksum-algorithm header is invalid.")
	case u.algorithm() == checksum.None && u.md5 == nil:
		return failf(InvalidRequest, "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.")
	case u.algorithm() != checksum.None && u.algorithm() != a:
		return failf(InvalidRequest, "Value for x-amz-sdk-checksum-algorithm header is invalid.")
	}
	return nil
}

// algorithm is that of the client's checksum; None if it sent none.
func (u *upload) algorithm() checksum.Algorithm {
	if u.trailer != checksum.None {
		return u.trailer
	}
	return u.sum.Algorithm
}

// sums are the algorithms to compute while the body is read. Without a checksum of the client's it is CRC64NVME, as on AWS.
func (u *upload) sums() checksum.Set {
	if a := u.algorithm(); a != checksum.None {
		return checksum.SetOf(a)
	}
	return checksum.SetOf(checksum.CRC64NVME)
}

// hasDigest tells whether anything vouches for the body besides the signature.
func (u *upload) hasDigest() bool { return u.md5 != nil || u.algorithm() != checksum.None }

// verify compares the sums of the whole body with what the client sent, and returns the checksum to keep.
func (u *upload) verify(h *checksum.Hasher) (checksum.Value, error) {
	if u.md5 != nil {
		if got := h.Sum(checksum.MD5).Sum; !bytes.Equal(got, u.md5) {
			return checksum.Value{}, fail(BadDigest).
				with("ExpectedDigest", base64.StdEncoding.EncodeToString(u.md5)).
				with("CalculatedDigest", base64.StdEncoding.EncodeToString(got))
		}
	}
	want, err := u.wanted()
	if err != nil {
		return checksum.Value{}, err
	}
	if want.IsZero() {
		return h.Sum(checksum.CRC64NVME), nil
	}
	got := h.Sum(want.Algorithm)
	if !got.Equal(want) {
		return checksum.Value{}, failf(BadDigest, "The %s you specified did not match the calculated checksum.", want.Algorithm)
	}
	return got, nil
}

// wanted is the client's checksum; a trailer is known only now that the body was read.
func (u *upload) wanted() (checksum.Value, error) {
	if u.trailer == checksum.None {
		return u.sum, nil
	}
	v, err := checksum.ParseValue(u.trailer, u.Trailer()[u.trailer.Header()])
	if err != nil || v.Type != checksum.FullObject {
		return checksum.Value{}, failf(InvalidRequest, "Value for %s trailing header is invalid.", u.trailer.Header())
	}
	return v, nil
}

// readAll reads and verifies a document of at most sizeMax bytes.
func (u *upload) readAll(sizeMax int64) ([]byte, error) {
	if u.Size() > sizeMax {
		return nil, fail(MalformedXML)
	}
	raw, err := io.ReadAll(io.LimitReader(u, sizeMax+1))
	switch {
	case err != nil:
		return nil, err
	case int64(len(raw)) > sizeMax:
		return nil, fail(MalformedXML)
	}
	h := checksum.NewHasher(u.sums().With(checksum.MD5))
	_, _ = h.Write(raw) // never fails
	_, err = u.verify(h)
	return raw, err
}

// readXML reads the request's document into v. An empty body is io.EOF.
func (c *call) readXML(sizeMax int64, v any) (*upload, error) {
	u, err := c.newUpload()
	if err != nil {
		return nil, err
	}
	raw, err := u.readAll(sizeMax)
	if err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(raw)) == 0 {
		return u, io.EOF
	}
	if err := decodeXML(raw, v); err != nil {
		return u, fail(MalformedXML).because(err)
	}
	return u, nil
}

// errBehindRoot reports a document with something behind its root element, which xml.Unmarshal would not look at.
var errBehindRoot = errors.New("s3: content behind the root element")

// errNoRoot reports bytes without any element. It is not io.EOF, which readXML gives when there are no bytes at all.
var errNoRoot = errors.New("s3: no root element")

// decodeXML decodes a document that has one root element, and at most white space and comments behind it.
func decodeXML(raw []byte, v any) error {
	d := xml.NewDecoder(bytes.NewReader(raw))
	err := d.Decode(v)
	if errors.Is(err, io.EOF) {
		return errNoRoot
	}
	if err != nil {
		return err
	}
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		text, isText := token.(xml.CharData)
		_, isComment := token.(xml.Comment)
		if !isComment && !(isText && len(bytes.TrimSpace(text)) == 0) {
			return errBehindRoot
		}
	}
}

// requireXML is readXML for operations that cannot do without.
func (c *call) requireXML(sizeMax int64, v any) (*upload, error) {
	u, err := c.readXML(sizeMax, v)
	if errors.Is(err, io.EOF) {
		return u, fail(MissingRequestBody)
	}
	return u, err
}

// incoming is the request's body with a watch on it: a client that sends nothing for bodyIdle loses its connection, so that it cannot
// hold its place for ever.
type incoming struct {
	c     *call
	src   io.ReadCloser
	armed time.Time
}

// Read implements io.Reader.
func (in *incoming) Read(p []byte) (int, error) {
	if now := time.Now(); now.Sub(in.armed) > in.c.server.bodyIdle/4 {
		in.armed = now
		in.deadline(now.Add(in.c.server.bodyIdle))
	}
	n, err := in.src.Read(p)
	in.c.received += int64(n)
	if err != nil {
		in.deadline(time.Time{}) // the connection's next request has its own
		in.c.bodyFailed = !errors.Is(err, io.EOF)
	}
	return n, err
}

// Close implements io.Closer.
func (in *incoming) Close() error { return in.src.Close() }

// deadline is best effort: a connection that knows none, as in tests without a network, is watched by nobody.
func (in *incoming) deadline(t time.Time) { _ = in.c.control.SetReadDeadline(t) }
