package s3

import (
	"net/http"
	"strings"

	"grange/internal/index"
)

// attributes are those that x-amz-object-attributes may name.
var attributes = []string{"ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"}

func getObjectAttributes(c *call) error {
	wanted, err := wantedAttributes(c.r.Header)
	if err != nil {
		return err
	}
	most, after, err := c.partsWindow()
	if err != nil {
		return err
	}
	o, err := c.openObject()
	if err != nil {
		return err
	}
	defer o.Close()
	v := &o.Version
	if outcome, failed := requestConditions(c.r.Header).check(v); outcome == conditionFailed {
		return conditionError(failed)
	} else if outcome == notModified {
		return c.notModified(v)
	}
	var parts []index.PartRef
	if wanted["ObjectParts"] {
		if parts, err = o.Parts(c.ctx); err != nil {
			return err
		}
	}
	c.set("Last-Modified", v.Modified.UTC().Format(http.TimeFormat))
	c.setVersion(v)
	d := newDocument("GetObjectAttributesResponse")
	if wanted["ETag"] {
		d.text("ETag", v.ETag) // without quotes, unlike everywhere else
	}
	if wanted["Checksum"] && !v.Checksum.IsZero() {
		d.open("Checksum")
		d.checksumWithType(v.Checksum)
		d.close("Checksum")
	}
	if len(parts) > 0 {
		d.objectParts(parts, after, most)
	}
	if wanted["StorageClass"] {
		d.text("StorageClass", shownStorageClass(v.Meta.StorageClass))
	}
	if wanted["ObjectSize"] {
		d.int("ObjectSize", v.Size)
	}
	d.close("GetObjectAttributesResponse")
	return c.send(d)
}

func wantedAttributes(h http.Header) (map[string]bool, error) {
	known := make(map[string]bool, len(attributes))
	for _, a := range attributes {
		known[a] = true
	}
	wanted := make(map[string]bool, len(attributes))
	for name := range strings.SplitSeq(strings.Join(h.Values("X-Amz-Object-Attributes"), ","), ",") {
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		if !known[name] {
			return nil, invalidArgument("x-amz-object-attributes", name, "Invalid attribute name specified.")
		}
		wanted[name] = true
	}
	if len(wanted) == 0 {
		return nil, failf(InvalidRequest, "The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty")
	}
	return wanted, nil
}

// partsWindow reads which parts are asked for: the headers do here what query parameters do in ListParts.
func (c *call) partsWindow() (most, after int, err error) {
	h := c.r.Header
	most, after = listMax, 0
	if text := h.Get("X-Amz-Max-Parts"); text != "" {
		n, ok := parseDigits(text)
		if !ok {
			return 0, 0, invalidArgument("x-amz-max-parts", text, "Provided x-amz-max-parts not an integer or within integer range")
		}
		most = int(min(n, listMax))
	}
	if text := h.Get("X-Amz-Part-Number-Marker"); text != "" {
		n, ok := parseDigits(text)
		if !ok {
			return 0, 0, invalidArgument("x-amz-part-number-marker", text, "Provided x-amz-part-number-marker not an integer or within integer range")
		}
		after = int(min(n, index.PartNumberMax))
	}
	return most, after, nil
}

// objectParts writes the parts with numbers above after, at most so many.
func (d *document) objectParts(parts []index.PartRef, after, most int) {
	var shown []index.PartRef
	truncated := false
	for _, p := range parts {
		if p.Number <= after {
			continue
		}
		if truncated = len(shown) == most; truncated {
			break
		}
		shown = append(shown, p)
	}
	d.open("ObjectParts")
	d.bool("IsTruncated", truncated)
	d.int("MaxParts", int64(most))
	if truncated && len(shown) > 0 {
		d.int("NextPartNumberMarker", int64(shown[len(shown)-1].Number))
	}
	d.int("PartNumberMarker", int64(after))
	for i := range shown {
		d.open("Part")
		d.int("PartNumber", int64(shown[i].Number))
		d.int("Size", shown[i].Size)
		d.checksum(shown[i].Checksum)
		d.close("Part")
	}
	d.int("PartsCount", int64(len(parts)))
	d.close("ObjectParts")
}
