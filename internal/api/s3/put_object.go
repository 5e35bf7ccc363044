package s3

import (
	"errors"
	"net/http"

	"grange/internal/index"
	"grange/internal/store"
)

func putObject(c *call) error {
	if text, ok := c.query["versionId"]; ok {
		return invalidArgument("versionId", text[0], "This operation does not accept a version-id.")
	}
	condition, err := writeCondition(c.r.Header)
	if err != nil {
		return err
	}
	meta, lock, err := c.newVersion()
	if err != nil {
		return err
	}
	body, err := c.newContent(store.PutSizeMax)
	if err != nil {
		return err
	}
	v, err := c.server.backend.PutObject(c.ctx, c.bucket, store.PutOptions{
		Key:       c.object,
		Meta:      meta,
		Lock:      lock,
		Body:      body,
		Size:      body.Size(),
		Sums:      body.sums(),
		Verify:    body.verify,
		Condition: condition,
	})
	if err != nil {
		return c.writeFailed(condition, err)
	}
	c.setETag(v.ETag)
	c.setVersion(&v)
	c.setChecksum(v.Checksum)
	return c.empty(http.StatusOK)
}

// writeFailed adds to the error of a write which condition did not hold, or which key it missed.
func (c *call) writeFailed(condition index.Condition, err error) error {
	switch {
	case errors.Is(err, store.ErrPrecondition):
		return failedCondition(condition).because(err)
	case errors.Is(err, store.ErrNoObject):
		return fail(NoSuchKey).with("Key", c.object).because(err)
	default:
		return err
	}
}
