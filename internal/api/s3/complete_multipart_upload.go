package s3

import (
	"encoding/xml"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"grange/internal/checksum"
	"grange/internal/id"
	"grange/internal/index"
	"grange/internal/store"
)

// completeRequest is the document of CompleteMultipartUpload.
type completeRequest struct {
	XMLName xml.Name        `xml:"CompleteMultipartUpload"`
	Parts   []completedPart `xml:"Part"`
}

type completedPart struct {
	PartNumber        int    `xml:"PartNumber"`
	ETag              string `xml:"ETag"`
	ChecksumCRC32     string `xml:"ChecksumCRC32"`
	ChecksumCRC32C    string `xml:"ChecksumCRC32C"`
	ChecksumCRC64NVME string `xml:"ChecksumCRC64NVME"`
	ChecksumSHA1      string `xml:"ChecksumSHA1"`
	ChecksumSHA256    string `xml:"ChecksumSHA256"`
}

// checksumText is what the client says of the part's checksum of one algorithm.
func (p *completedPart) checksumText(a checksum.Algorithm) string {
	switch a {
	case checksum.CRC32:
		return p.ChecksumCRC32
	case checksum.CRC32C:
		return p.ChecksumCRC32C
	case checksum.CRC64NVME:
		return p.ChecksumCRC64NVME
	case checksum.SHA1:
		return p.ChecksumSHA1
	case checksum.SHA256:
		return p.ChecksumSHA256
	default:
		return ""
	}
}

func completeMultipartUpload(c *call) error {
	upload, err := c.uploadParam()
	if err != nil {
		return err
	}
	o := store.CompleteOptions{Key: c.object, Upload: upload}
	if o.Condition, err = writeCondition(c.r.Header); err != nil {
		return err
	}
	sum, err := c.uploadChecksum(upload)
	if err != nil {
		return err
	}
	var request completeRequest
	if err := c.readComplete(&request); err != nil {
		return err
	}
	if o.Parts, err = completeParts(request.Parts, sum.algorithm); err != nil {
		return err
	}
	if o.Checksum, err = objectChecksum(c.r.Header, sum.kind, len(o.Parts)); err != nil {
		return err
	}
	if o.Size, err = objectSize(c.r.Header); err != nil {
		return err
	}
	return c.keepAlive(func() (func() *document, error) {
		v, err := c.server.backend.CompleteUpload(c.ctx, c.bucket, o)
		if err != nil {
			return nil, c.completeFailed(upload, o.Condition, err)
		}
		return func() *document {
			c.setVersion(&v)
			return c.completeDocument(&v)
		}, nil
	})
}

// readComplete reads the list of parts. The checksum headers of this request are about the object and not about the document, so that
// they are not held against it.
func (c *call) readComplete(request *completeRequest) error {
	kept := c.r.Header
	c.r.Header = kept.Clone()
	defer func() { c.r.Header = kept }()
	for _, a := range checksum.Algorithms() {
		c.r.Header.Del(a.Header())
	}
	_, err := c.requireXML(completeBodyMax, request)
	if err == nil && (len(request.Parts) == 0 || len(request.Parts) > index.PartNumberMax) {
		return fail(MalformedXML)
	}
	return err
}

// uploadChecksum is the checksum that an upload's parts and object have.
type uploadChecksum struct {
	algorithm checksum.Algorithm
	kind      checksum.Type
}

// uploadChecksum looks it up. An upload that is not in progress may have been completed by the request that this one repeats: the store
// knows.
func (c *call) uploadChecksum(upload id.Upload) (uploadChecksum, error) {
	u, err := c.server.backend.Upload(c.ctx, c.bucket, c.object, upload)
	switch {
	case errors.Is(err, store.ErrNoUpload):
		return uploadChecksum{}, nil
	case err != nil:
		return uploadChecksum{}, err
	case u.Meta.ChecksumAlgorithm == checksum.None:
		return uploadChecksum{checksum.CRC64NVME, checksum.FullObject}, nil
	default:
		return uploadChecksum{u.Meta.ChecksumAlgorithm, u.Meta.ChecksumType}, nil
	}
}

// completeParts takes over the client's list. A checksum of another algorithm than the upload's was verified when the part came, and
// is not kept to be compared.
func completeParts(named []completedPart, algorithm checksum.Algorithm) ([]store.CompletePart, error) {
	parts := make([]store.CompletePart, len(named))
	for i := range named {
		p := &named[i]
		if p.PartNumber < 1 || p.PartNumber > index.PartNumberMax {
			return nil, invalidArgument("partNumber", itoa(p.PartNumber), "PartNumber must be >= 1 and <= 10000")
		}
		parts[i] = store.CompletePart{Number: p.PartNumber, ETag: strings.Trim(p.ETag, `" `)}
		if text := p.checksumText(algorithm); text != "" {
			v, err := checksum.ParseValue(algorithm, text)
			if err != nil {
				return nil, fail(InvalidPart).with("PartNumber", itoa(p.PartNumber)).because(err)
			}
			parts[i].Checksum = v
		}
	}
	return parts, nil
}

// objectChecksum is the checksum of the whole object that the client may send. A composite one may come with or without the number of
// its parts.
func objectChecksum(h http.Header, kind checksum.Type, parts int) (checksum.Value, error) {
	for _, a := range checksum.Algorithms() {
		text := h.Get(a.Header())
		if text == "" {
			continue
		}
		if kind == checksum.Composite && !strings.Contains(text, "-") {
			text += "-" + itoa(parts)
		}
		v, err := checksum.ParseValue(a, text)
		if err != nil {
			return v, failf(InvalidRequest, "Value for %s header is invalid.", a.Header()).because(err)
		}
		return v, nil
	}
	return checksum.Value{}, nil
}

func objectSize(h http.Header) (int64, error) {
	text := h.Get("X-Amz-Mp-Object-Size")
	if text == "" {
		return -1, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, failf(InvalidRequest, "Value for x-amz-mp-object-size header is invalid.")
	}
	return n, nil
}

func (c *call) completeFailed(upload id.Upload, condition index.Condition, err error) error {
	switch {
	case errors.Is(err, store.ErrNoUpload):
		return fail(NoSuchUpload).with("UploadId", upload.String()).because(err)
	case errors.Is(err, store.ErrSizeMismatch):
		return failf(InvalidRequest, "The provided 'x-amz-mp-object-size' header does not match what was computed.").because(err)
	default:
		return c.writeFailed(condition, err)
	}
}

func (c *call) completeDocument(v *index.Version) *document {
	d := newDocument("CompleteMultipartUploadResult")
	d.text("Location", c.location())
	d.text("Bucket", c.bucket.Name)
	d.text("Key", c.object)
	d.etag(v.ETag)
	d.checksumWithType(v.Checksum)
	d.close("CompleteMultipartUploadResult")
	return d
}

// location is the address of the object, as the client reached us.
func (c *call) location() string {
	scheme := "http"
	if c.r.TLS != nil {
		scheme = "https"
	}
	path := "/" + c.bucketName + "/" + c.object
	if c.server.hostBucket(c.r.Host) != "" {
		path = "/" + c.object
	}
	return scheme + "://" + c.r.Host + (&url.URL{Path: path}).EscapedPath()
}
