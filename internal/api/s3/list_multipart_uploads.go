package s3

import (
	"grange/internal/id"
	"grange/internal/index"
)

func listMultipartUploads(c *call) error {
	l, err := c.newListing("max-uploads")
	if err != nil {
		return err
	}
	q := index.UploadsQuery{Prefix: l.prefix, Delimiter: l.delimiter, Max: l.max}
	if q.KeyMarker, err = c.keyParam("key-marker"); err != nil {
		return err
	}
	if q.UploadMarker, err = c.uploadMarker(q.KeyMarker); err != nil {
		return err
	}
	page, err := c.server.backend.Uploads(c.ctx, c.bucket, q)
	if err != nil {
		return err
	}
	d := l.document("ListMultipartUploadsResult", len(page.Entries))
	d.text("Bucket", c.bucket.Name)
	d.key("KeyMarker", q.KeyMarker)
	d.text("UploadIdMarker", c.param("upload-id-marker"))
	if page.Truncated {
		d.key("NextKeyMarker", page.NextKey)
		if page.NextUpload != nil {
			d.text("NextUploadIdMarker", page.NextUpload.String())
		}
	}
	d.key("Prefix", l.prefix)
	if l.delimiter != "" {
		d.key("Delimiter", l.delimiter)
	}
	l.encodingType(d)
	d.int("MaxUploads", int64(l.max))
	d.bool("IsTruncated", page.Truncated)
	d.uploads(page.Entries, &names{c: c})
	d.close("ListMultipartUploadsResult")
	return c.send(d)
}

// uploadMarker reads upload-id-marker, which is ignored without a key-marker (S3: ListMultipartUploads).
func (c *call) uploadMarker(keyMarker string) (*id.Upload, error) {
	text := c.param("upload-id-marker")
	if text == "" || keyMarker == "" {
		return nil, nil
	}
	u, err := id.ParseUpload(text)
	if err != nil {
		return nil, invalidArgument("upload-id-marker", text, "Invalid uploadId marker").because(err)
	}
	return &u, nil
}

func (d *document) uploads(entries []index.UploadEntry, owners *names) {
	for i := range entries {
		u := &entries[i]
		if u.CommonPrefix {
			continue
		}
		d.open("Upload")
		d.key("Key", u.Key)
		d.text("UploadId", u.ID.String())
		d.owner("Initiator", u.Initiator, owners.of(u.Initiator))
		d.owner("Owner", u.Meta.Owner, owners.of(u.Meta.Owner))
		d.text("StorageClass", shownStorageClass(u.Meta.StorageClass))
		d.time("Initiated", u.Initiated)
		d.uploadChecksum(&u.Upload)
		d.close("Upload")
	}
	for i := range entries {
		if entries[i].CommonPrefix {
			d.commonPrefix(entries[i].Key)
		}
	}
}
