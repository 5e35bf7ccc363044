package s3

import (
	"grange/internal/store"
)

// listObjects is version 1, which goes on behind a key that the client chooses.
func listObjects(c *call) error {
	l, err := c.newListing("max-keys")
	if err != nil {
		return err
	}
	marker, err := c.keyParam("marker")
	if err != nil {
		return err
	}
	page, err := c.server.backend.List(c.ctx, c.bucket, store.ListOptions{Prefix: l.prefix, Delimiter: l.delimiter, After: marker, Max: l.max})
	if err != nil {
		return err
	}
	d := l.document("ListBucketResult", len(page.Entries))
	d.text("Name", c.bucket.Name)
	d.key("Prefix", l.prefix)
	d.key("Marker", marker)
	if page.Truncated && l.delimiter != "" { // without a delimiter it is the last key (S3: ListObjects)
		d.key("NextMarker", page.Next)
	}
	d.int("MaxKeys", int64(l.max))
	if l.delimiter != "" {
		d.key("Delimiter", l.delimiter)
	}
	l.encodingType(d)
	d.bool("IsTruncated", page.Truncated)
	d.contents(&page, &names{c: c})
	d.close("ListBucketResult")
	return c.send(d)
}
