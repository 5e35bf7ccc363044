package s3

import (
	"strings"

	"grange/internal/store"
)

func listObjectsV2(c *call) error {
	l, err := c.newListing("max-keys")
	if err != nil {
		return err
	}
	startAfter, err := c.keyParam("start-after")
	if err != nil {
		return err
	}
	after := startAfter
	token, continued := c.query["continuation-token"]
	if continued {
		if after, err = decodeToken(token[0]); err != nil {
			return err
		}
	}
	page, err := c.server.backend.List(c.ctx, c.bucket, store.ListOptions{Prefix: l.prefix, Delimiter: l.delimiter, After: after, Max: l.max})
	if err != nil {
		return err
	}
	d := l.document("ListBucketResult", len(page.Entries))
	d.text("Name", c.bucket.Name)
	d.key("Prefix", l.prefix)
	if startAfter != "" {
		d.key("StartAfter", startAfter)
	}
	if continued {
		d.text("ContinuationToken", token[0])
	}
	if page.Truncated {
		d.text("NextContinuationToken", encodeToken(page.Next))
	}
	d.int("KeyCount", int64(len(page.Entries)))
	d.int("MaxKeys", int64(l.max))
	if l.delimiter != "" {
		d.key("Delimiter", l.delimiter)
	}
	l.encodingType(d)
	d.bool("IsTruncated", page.Truncated)
	var owners *names
	if strings.EqualFold(c.param("fetch-owner"), "true") {
		owners = &names{c: c}
	}
	d.contents(&page, owners)
	d.close("ListBucketResult")
	return c.send(d)
}
