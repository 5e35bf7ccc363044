package s3

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"grange/internal/checksum"
	"grange/internal/id"
	"grange/internal/index"
	"grange/internal/store"
)

// read is a GetObject or HeadObject that was permitted and whose conditions hold.
type read struct {
	span
	part  *index.PartRef // the part that was asked for
	parts int            // how many the object has; 0 unless asked for a part
}

func getObject(c *call) error {
	o, err := c.openObject()
	if err != nil {
		return err
	}
	defer o.Close()
	r, done, err := c.prepareRead(o)
	if err != nil || done {
		return err
	}
	if r.length == 0 {
		c.w.WriteHeader(r.status())
		return nil
	}
	body, err := o.Open(c.ctx, r.offset, r.length)
	if err != nil {
		c.clearObjectHeaders()
		return err
	}
	defer func() { _ = body.Close() }() // it only gives memory back
	return c.sendBody(r, body)
}

func headObject(c *call) error {
	o, err := c.openObject()
	if err != nil {
		return err
	}
	defer o.Close()
	r, done, err := c.prepareRead(o)
	if err != nil || done {
		return err
	}
	c.w.WriteHeader(r.status())
	return nil
}

func (r *read) status() int {
	if r.partial {
		return http.StatusPartialContent
	}
	return http.StatusOK
}

// openObject looks up the version that the request names. The caller closes it.
func (c *call) openObject() (*store.Object, error) {
	version, err := c.versionParam()
	if err != nil {
		return nil, err
	}
	o, err := c.server.backend.Head(c.ctx, c.bucket, c.object, version)
	if err != nil {
		defer o.Close()
		return nil, c.noObject(o, version, err)
	}
	return o, nil
}

// noObject is the answer for a version that is not there or is a delete marker (S3: "Working with delete markers").
func (c *call) noObject(o *store.Object, version *id.Version, err error) error {
	if o != nil && o.DeleteMarker {
		c.set("x-amz-delete-marker", "true")
		c.setVersion(&o.Version)
	}
	switch {
	case errors.Is(err, store.ErrDeleteMarker):
		c.set("Last-Modified", o.Modified.UTC().Format(http.TimeFormat))
		c.set("Allow", http.MethodDelete)
		return fail(MethodNotAllowed).with("Method", c.r.Method).with("ResourceType", "DeleteMarker")
	case errors.Is(err, store.ErrNoObject) && version != nil:
		return fail(NoSuchVersion).with("Key", c.object).with("VersionId", version.String())
	case errors.Is(err, store.ErrNoObject):
		return fail(NoSuchKey).with("Key", c.object)
	default:
		return err
	}
}

// versionParam reads ?versionId; nil if there is none.
func (c *call) versionParam() (*id.Version, error) {
	values, ok := c.query["versionId"]
	if !ok {
		return nil, nil
	}
	return parseVersion(values[0])
}

func parseVersion(text string) (*id.Version, error) {
	if text == "" {
		return nil, invalidArgument("versionId", text, "Version id cannot be the empty string")
	}
	v, err := id.ParseVersion(text)
	if err != nil {
		return nil, invalidArgument("versionId", text, "Invalid version id specified").because(err)
	}
	return &v, nil
}

// prepareRead decides the conditions and the range, and sets the headers. done says that the answer is complete.
func (c *call) prepareRead(o *store.Object) (r read, done bool, err error) {
	v := &o.Version
	switch outcome, failed := requestConditions(c.r.Header).check(v); outcome {
	case conditionFailed:
		return r, true, conditionError(failed)
	case notModified:
		return r, true, c.notModified(v)
	case proceed:
	}
	if r, err = c.readSpan(o); err != nil {
		return r, true, err
	}
	c.setObjectHeaders(v)
	c.setLock(v.Lock)
	if err := c.applyOverrides(); err != nil {
		c.clearObjectHeaders()
		return r, true, err
	}
	c.set("Content-Length", strconv.FormatInt(r.length, 10))
	if r.partial {
		c.set("Content-Range", r.contentRange(v.Size))
	}
	if r.parts > 0 {
		c.set("x-amz-mp-parts-count", strconv.Itoa(r.parts))
	}
	c.setReadChecksum(v, &r)
	return r, false, nil
}

// notModified sends what a cache needs to go on (RFC 9110 §15.4.5).
func (c *call) notModified(v *index.Version) error {
	c.set("Last-Modified", v.Modified.UTC().Format(http.TimeFormat))
	c.setETag(v.ETag)
	c.setVersion(v)
	for _, name := range []string{"cache-control", "expires"} {
		c.setOptional(http.CanonicalHeaderKey(name), v.Meta.Headers[name])
	}
	c.w.WriteHeader(http.StatusNotModified)
	return nil
}

// readSpan is the part of the content that the request asks for.
func (c *call) readSpan(o *store.Object) (read, error) {
	header := c.r.Header.Get("Range")
	if text, ok := c.query["partNumber"]; ok {
		if header != "" {
			return read{}, failf(InvalidRequest, "Cannot specify both Range header and partNumber query parameter")
		}
		return c.readPart(o, text[0])
	}
	if header == "" || !c.rangeStands(&o.Version) {
		return read{span: span{length: o.Size}}, nil
	}
	s, err := parseRange(header, o.Size)
	if err != nil {
		c.set("Content-Range", "bytes */"+strconv.FormatInt(o.Size, 10))
	}
	return read{span: s}, err
}

// rangeStands decides If-Range (RFC 9110 §13.1.5): if the object is another one, the range means nothing.
func (c *call) rangeStands(v *index.Version) bool {
	condition := c.r.Header.Get("If-Range")
	if condition == "" {
		return true
	}
	if date, err := http.ParseTime(condition); err == nil {
		return v.Modified.Truncate(time.Second).Equal(date)
	}
	return strings.Trim(condition, `"`) == v.ETag
}

func (c *call) readPart(o *store.Object, text string) (read, error) {
	number, err := parsePartNumber(text)
	if err != nil {
		return read{}, err
	}
	parts, err := o.Parts(c.ctx)
	if err != nil {
		return read{}, err
	}
	s, part, err := partSpan(&o.Version, parts, number)
	return read{span: s, part: part, parts: len(parts)}, err
}

// setReadChecksum shows the checksum of what is sent, if the client asked: that of the object or of the part, and none for a range.
func (c *call) setReadChecksum(v *index.Version, r *read) {
	if !strings.EqualFold(c.r.Header.Get("X-Amz-Checksum-Mode"), "ENABLED") {
		return
	}
	switch {
	case r.part != nil:
		sum := r.part.Checksum
		if !sum.IsZero() {
			c.set(sum.Algorithm.Header(), sum.String())
			c.set("x-amz-checksum-type", shownType(v.Checksum, sum).String())
		}
	case r.length == v.Size:
		c.setChecksum(v.Checksum)
	}
}

// shownType is the type of the object's checksum, which AWS shows with a part's too.
func shownType(object, part checksum.Value) checksum.Type {
	if object.IsZero() {
		return part.Type
	}
	return object.Type
}

// clearObjectHeaders takes back what was said about the object: the answer has become an error.
func (c *call) clearObjectHeaders() {
	for name := range c.w.Header() {
		if name != requestIDHeader && name != hostIDHeader && name != "Server" {
			delete(c.w.Header(), name)
		}
	}
}

// sendBody sends verified content. When it fails half-way nothing can be said any more: the connection is closed short of the announced
// length, by which the client sees that the content is not complete.
func (c *call) sendBody(r read, body io.Reader) error {
	w := &outgoing{c: c, status: r.status()}
	n, err := io.Copy(w, body)
	if err == nil && n != r.length {
		err = store.ErrCorrupt
	}
	switch {
	case err == nil:
		return nil
	case c.w.status == 0:
		c.clearObjectHeaders()
		return err
	case w.failed || c.ctx.Err() != nil:
		return errClientGone // it is the client that is gone
	default:
		return &brokenAnswerError{err}
	}
}

// errClientGone ends a request that nobody waits for.
var errClientGone = context.Canceled

// brokenAnswerError is a failure after the header was sent.
type brokenAnswerError struct{ err error }

// Error implements error.
func (e *brokenAnswerError) Error() string { return "answer broken off: " + e.err.Error() }

// Unwrap is the cause.
func (e *brokenAnswerError) Unwrap() error { return e.err }

// outgoing is the connection with a watch on it, as incoming is. The header goes out with the first bytes, so that content which
// cannot be read at all is still an error document.
type outgoing struct {
	c      *call
	status int
	armed  time.Time
	failed bool
}

// Write implements io.Writer.
func (o *outgoing) Write(p []byte) (int, error) {
	if now := time.Now(); now.Sub(o.armed) > o.c.server.bodyIdle/4 {
		o.armed = now
		_ = o.c.control.SetWriteDeadline(now.Add(o.c.server.bodyIdle)) // best effort, as with incoming
	}
	if o.c.w.status == 0 {
		o.c.w.WriteHeader(o.status)
	}
	n, err := o.c.w.Write(p)
	o.failed = err != nil
	return n, err
}
