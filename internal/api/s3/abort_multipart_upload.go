package s3

import (
	"errors"
	"net/http"

	"grange/internal/store"
)

func abortMultipartUpload(c *call) error {
	upload, err := c.uploadParam()
	if err != nil {
		return err
	}
	err = c.server.backend.AbortUpload(c.ctx, c.bucket, c.object, upload)
	if errors.Is(err, store.ErrNoUpload) {
		return fail(NoSuchUpload).with("UploadId", upload.String())
	}
	if err != nil {
		return err
	}
	return c.empty(http.StatusNoContent)
}
