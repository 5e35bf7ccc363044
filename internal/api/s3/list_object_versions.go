package s3

import (
	"grange/internal/id"
	"grange/internal/index"
)

func listObjectVersions(c *call) error {
	l, err := c.newListing("max-keys")
	if err != nil {
		return err
	}
	q := index.VersionsQuery{Prefix: l.prefix, Delimiter: l.delimiter, Max: l.max}
	if q.KeyMarker, err = c.keyParam("key-marker"); err != nil {
		return err
	}
	if q.VersionMarker, err = c.versionMarker(q.KeyMarker); err != nil {
		return err
	}
	page, err := c.server.backend.ListVersions(c.ctx, c.bucket, q)
	if err != nil {
		return err
	}
	d := l.document("ListVersionsResult", len(page.Entries))
	d.text("Name", c.bucket.Name)
	d.key("Prefix", l.prefix)
	d.key("KeyMarker", q.KeyMarker)
	d.text("VersionIdMarker", c.param("version-id-marker"))
	if page.Truncated {
		d.key("NextKeyMarker", page.NextKey)
		if page.NextVersion != nil {
			d.text("NextVersionIdMarker", page.NextVersion.String())
		}
	}
	d.int("MaxKeys", int64(l.max))
	if l.delimiter != "" {
		d.key("Delimiter", l.delimiter)
	}
	l.encodingType(d)
	d.bool("IsTruncated", page.Truncated)
	d.versions(page.Entries, &names{c: c})
	d.close("ListVersionsResult")
	return c.send(d)
}

// versionMarker reads version-id-marker, which means something only with a key-marker.
func (c *call) versionMarker(keyMarker string) (*id.Version, error) {
	text := c.param("version-id-marker")
	if text == "" {
		return nil, nil
	}
	if keyMarker == "" {
		return nil, invalidArgument("version-id-marker", text, "A version-id marker cannot be specified without a key marker.")
	}
	return parseVersion(text)
}

func (d *document) versions(entries []index.ListEntry, owners *names) {
	for i := range entries {
		e := &entries[i]
		switch {
		case e.CommonPrefix:
		case e.DeleteMarker:
			d.open("DeleteMarker")
			d.versionHead(e)
			d.time("LastModified", e.Modified)
			d.owner("Owner", e.Owner, owners.of(e.Owner))
			d.close("DeleteMarker")
		default:
			d.open("Version")
			d.versionHead(e)
			d.listed(e)
			d.owner("Owner", e.Owner, owners.of(e.Owner))
			d.close("Version")
		}
	}
	d.commonPrefixes(entries)
}

func (d *document) versionHead(e *index.ListEntry) {
	d.key("Key", e.Key)
	d.text("VersionId", e.ID.String())
	d.bool("IsLatest", e.Latest)
}
