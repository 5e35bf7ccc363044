package s3

import (
	"net/http"
	"strconv"
	"strings"

	"grange/internal/checksum"
	"grange/internal/index"
)

// answer is the response on its way, and what it came to.
type answer struct {
	http.ResponseWriter
	status int // 0 until the header is sent
	sent   int64
}

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
		a.ResponseWriter.WriteHeader(status)
	}
}

// Write implements io.Writer.
func (a *answer) Write(p []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	n, err := a.ResponseWriter.Write(p)
	a.sent += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// set sets a header under exactly this name, as S3 spells it.
func (c *call) set(name, value string) { c.w.Header()[name] = []string{value} }

// setOptional sets the header unless the value is empty.
func (c *call) setOptional(name, value string) {
	if value != "" {
		c.set(name, value)
	}
}

// empty answers with a status and no body.
func (c *call) empty(status int) error {
	if status != http.StatusNoContent {
		c.set("Content-Length", "0")
	}
	c.w.WriteHeader(status)
	return nil
}

// send answers 200 with the document and frees it.
func (c *call) send(d *document) error {
	defer d.free()
	c.set("Content-Type", "application/xml")
	c.set("Content-Length", strconv.Itoa(len(d.b)))
	c.w.WriteHeader(http.StatusOK)
	if c.r.Method == http.MethodHead {
		return nil
	}
	// A client that is gone needs no answer; the operation has succeeded either way.
	_, _ = c.w.Write(d.b)
	return nil
}

// setVersion names the version in the header, unless its bucket never had versioning.
func (c *call) setVersion(v *index.Version) {
	if v.Versioned {
		c.set("x-amz-version-id", v.ID.String())
	}
}

func (c *call) setETag(etag string) { c.set("ETag", `"`+etag+`"`) }

// setChecksum shows a checksum with its type.
func (c *call) setChecksum(v checksum.Value) {
	if !v.IsZero() {
		c.set(v.Algorithm.Header(), v.String())
		c.set("x-amz-checksum-type", v.Type.String())
	}
}

// setObjectHeaders shows what is known about a version, as GetObject and HeadObject do.
func (c *call) setObjectHeaders(v *index.Version) {
	c.set("Accept-Ranges", "bytes")
	c.set("Last-Modified", v.Modified.UTC().Format(http.TimeFormat))
	c.setETag(v.ETag)
	c.setVersion(v)
	c.setMeta(&v.Meta)
}

func (c *call) setMeta(m *index.Meta) {
	if _, ok := m.Headers["content-type"]; !ok {
		c.set("Content-Type", defaultContentType)
	}
	for name, value := range m.Headers {
		if name == redirectHeader {
			c.set(name, value)
		} else {
			c.set(http.CanonicalHeaderKey(name), value)
		}
	}
	for name, value := range m.User {
		c.set("x-amz-meta-"+name, encodeHeaderText(value))
	}
	c.setOptional(storageClassHeader, m.StorageClass)
	if len(m.Tags) > 0 {
		c.set("x-amz-tagging-count", strconv.Itoa(len(m.Tags)))
	}
}

// responseOverrides are the query parameters by which a signed read replaces headers of the answer.
var responseOverrides = map[string]string{
	"response-cache-control":       "Cache-Control",
	"response-content-disposition": "Content-Disposition",
	"response-content-encoding":    "Content-Encoding",
	"response-content-language":    "Content-Language",
	"response-content-type":        "Content-Type",
	"response-expires":             "Expires",
}

// applyOverrides does so. An anonymous reader may not: it could make others' browsers see content as something else.
func (c *call) applyOverrides() error {
	for name, values := range c.query {
		header, ok := responseOverrides[strings.ToLower(name)]
		if !ok {
			continue
		}
		if c.key == nil {
			return failf(InvalidRequest, "Request specific response headers cannot be used for anonymous GET requests.")
		}
		c.set(header, values[0])
	}
	return nil
}
