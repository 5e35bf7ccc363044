package s3

import (
	"net/http"

	"grange/internal/checksum"
	"grange/internal/index"
	"grange/internal/store"
)

func createMultipartUpload(c *call) error {
	meta, lock, err := c.newVersion()
	if err != nil {
		return err
	}
	if err := readUploadChecksum(c.r.Header, &meta); err != nil {
		return err
	}
	u, err := c.server.backend.CreateUpload(c.ctx, c.bucket, store.UploadOptions{Key: c.object, Meta: meta, Lock: lock, Initiator: c.initiator()})
	if err != nil {
		return err
	}
	if meta.ChecksumAlgorithm != checksum.None {
		c.set("x-amz-checksum-algorithm", meta.ChecksumAlgorithm.String())
		c.set("x-amz-checksum-type", meta.ChecksumType.String())
	}
	d := newDocument("InitiateMultipartUploadResult")
	d.text("Bucket", c.bucket.Name)
	d.text("Key", c.object)
	d.text("UploadId", u.ID.String())
	d.close("InitiateMultipartUploadResult")
	return c.send(d)
}

// readUploadChecksum reads which checksum the object is to have, and of which type (S3: "Checking object integrity").
func readUploadChecksum(h http.Header, meta *index.Meta) error {
	algorithm, err := checksumAlgorithm(h)
	if err != nil {
		return err
	}
	kind := checksum.Unspecified
	if text := h.Get("X-Amz-Checksum-Type"); text != "" {
		if kind, err = checksum.ParseType(text); err != nil {
			return failf(InvalidRequest, "Value for x-amz-checksum-type header is invalid.").because(err)
		}
		if algorithm == checksum.None {
			return failf(InvalidRequest, "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.")
		}
	}
	if algorithm == checksum.None {
		return nil
	}
	meta.ChecksumAlgorithm = algorithm
	if meta.ChecksumType, err = checksum.MultipartType(algorithm, kind); err != nil {
		return failf(InvalidRequest, "The %s checksum type cannot be used with the %s checksum algorithm.", kind, algorithm).because(err)
	}
	return nil
}
