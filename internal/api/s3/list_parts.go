package s3

import (
	"errors"
	"strconv"

	"grange/internal/checksum"
	"grange/internal/index"
	"grange/internal/store"
)

func listParts(c *call) error {
	upload, err := c.uploadParam()
	if err != nil {
		return err
	}
	most, err := c.count("max-parts", 0, listMax)
	if err != nil {
		return err
	}
	after, err := c.marker("part-number-marker")
	if err != nil {
		return err
	}
	u, err := c.server.backend.Upload(c.ctx, c.bucket, c.object, upload)
	if errors.Is(err, store.ErrNoUpload) {
		return fail(NoSuchUpload).with("UploadId", upload.String())
	}
	if err != nil {
		return err
	}
	page, err := c.server.backend.Parts(c.ctx, c.bucket, c.object, upload, after, most)
	if err != nil {
		return err
	}
	return c.send(c.partsDocument(&u, &page, after, most))
}

// marker reads a number behind which a listing goes on.
func (c *call) marker(name string) (int, error) {
	text := c.param(name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 0 {
		return 0, invalidArgument(name, text, "Provided "+name+" not an integer or within integer range")
	}
	return int(n), nil
}

func (c *call) partsDocument(u *index.Upload, page *index.PartsPage, after, most int) *document {
	d := newDocument("ListPartsResult")
	d.text("Bucket", c.bucket.Name)
	d.text("Key", c.object)
	d.text("UploadId", u.ID.String())
	d.owner("Initiator", u.Initiator, c.displayName(u.Initiator))
	d.owner("Owner", u.Meta.Owner, c.displayName(u.Meta.Owner))
	d.text("StorageClass", shownStorageClass(u.Meta.StorageClass))
	d.int("PartNumberMarker", int64(after))
	if n := len(page.Parts); page.Truncated && n > 0 {
		d.int("NextPartNumberMarker", int64(page.Parts[n-1].Number))
	}
	d.int("MaxParts", int64(most))
	d.bool("IsTruncated", page.Truncated)
	d.uploadChecksum(u)
	for i := range page.Parts {
		p := &page.Parts[i]
		d.open("Part")
		d.int("PartNumber", int64(p.Number))
		d.time("LastModified", p.Modified)
		d.etag(p.ETag)
		d.int("Size", p.Size)
		d.checksum(p.Checksum)
		d.close("Part")
	}
	d.close("ListPartsResult")
	return d
}

// uploadChecksum writes what the upload was created with, if it named a checksum.
func (d *document) uploadChecksum(u *index.Upload) {
	if u.Meta.ChecksumAlgorithm != checksum.None {
		d.text("ChecksumAlgorithm", u.Meta.ChecksumAlgorithm.String())
		d.text("ChecksumType", u.Meta.ChecksumType.String())
	}
}
