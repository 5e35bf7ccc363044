package s3

import (
	"net/http"
	"strings"

	"grange/internal/store"
)

func deleteObject(c *call) error {
	version, err := c.versionParam()
	if err != nil {
		return err
	}
	if err := refuseDeleteConditions(c.r.Header); err != nil {
		return err
	}
	condition, err := writeCondition(c.r.Header)
	if err != nil {
		return err
	}
	result, err := c.server.backend.DeleteObject(c.ctx, c.bucket, store.DeleteOptions{
		Key:       c.object,
		VersionID: version,
		Condition: condition,
		Owner:     c.bucket.Account,
		Bypass:    version != nil && c.bypasses(c.object),
	})
	if err != nil {
		return c.writeFailed(condition, err)
	}
	if result.VersionID != nil {
		c.set("x-amz-version-id", result.VersionID.String())
	}
	if result.DeleteMarker {
		c.set("x-amz-delete-marker", "true")
	}
	return c.empty(http.StatusNoContent)
}

// refuseDeleteConditions refuses the conditions of directory buckets, which a general purpose bucket of AWS refuses too. To ignore
// one could delete what the client meant to keep.
func refuseDeleteConditions(h http.Header) error {
	for _, name := range []string{"X-Amz-If-Match-Last-Modified-Time", "X-Amz-If-Match-Size"} {
		if len(h[name]) > 0 {
			return notImplemented(strings.ToLower(name))
		}
	}
	return nil
}
