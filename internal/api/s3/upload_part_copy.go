package s3

import (
	"strconv"

	"grange/internal/index"
	"grange/internal/store"
)

func uploadPartCopy(c *call) error {
	number, err := parsePartNumber(c.param("partNumber"))
	if err != nil {
		return err
	}
	upload, err := c.uploadParam()
	if err != nil {
		return err
	}
	sourceBucket, source, err := c.openSource()
	if err != nil {
		return err
	}
	defer source.Close()
	s, err := parseCopyRange(c.r.Header.Get("X-Amz-Copy-Source-Range"), source.Size)
	if err != nil {
		return err
	}
	if s.length > store.PutSizeMax {
		return fail(EntityTooLarge).with("ProposedSize", strconv.FormatInt(s.length, 10))
	}
	if source.Versioned {
		c.set("x-amz-copy-source-version-id", source.ID.String())
	}
	return c.keepAlive(func() (func() *document, error) {
		p, err := c.server.backend.CopyPart(c.ctx, c.bucket, store.PartCopyOptions{
			Key: c.object, Upload: upload, Number: number,
			Source: source, SourceBucket: sourceBucket, Offset: s.offset, Length: s.length,
		})
		if err != nil {
			return nil, err
		}
		return func() *document { return copyPartDocument(&p) }, nil
	})
}

func copyPartDocument(p *index.Part) *document {
	d := newDocument("CopyPartResult")
	d.time("LastModified", p.Modified)
	d.etag(p.ETag)
	d.checksum(p.Checksum)
	d.close("CopyPartResult")
	return d
}
