package s3

import (
	"net/http"

	"grange/internal/store"
)

func uploadPart(c *call) error {
	number, err := parsePartNumber(c.param("partNumber"))
	if err != nil {
		return err
	}
	upload, err := c.uploadParam()
	if err != nil {
		return err
	}
	if err := refuseUnsupported(c.r.Header); err != nil {
		return err
	}
	body, err := c.newContent(store.PutSizeMax)
	if err != nil {
		return err
	}
	p, err := c.server.backend.PutPart(c.ctx, c.bucket, store.PartOptions{
		Key:    c.object,
		Upload: upload,
		Number: number,
		Body:   body,
		Size:   body.Size(),
		Sums:   body.sums(),
		Verify: body.verify,
	})
	if err != nil {
		return err
	}
	c.setETag(p.ETag)
	if !p.Checksum.IsZero() {
		c.set(p.Checksum.Algorithm.Header(), p.Checksum.String())
	}
	return c.empty(http.StatusOK)
}
