package s3

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"grange/internal/access"
	"grange/internal/catalog"
	"grange/internal/checksum"
	"grange/internal/id"
	"grange/internal/index"
	"grange/internal/store"
)

const copySourceHeader = "X-Amz-Copy-Source"

// copySource is what x-amz-copy-source names.
type copySource struct {
	bucketName string
	key        string
	version    *id.Version
}

// parseCopySource reads "bucket/key" or "/bucket/key", URL-encoded, with "?versionId=…" behind it for a version.
func parseCopySource(header string) (copySource, error) {
	malformed := invalidArgument("x-amz-copy-source", header, "Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
	raw, versionText, hasVersion := strings.Cut(header, "?versionId=")
	path, err := url.PathUnescape(raw)
	if err != nil {
		return copySource{}, malformed.because(err)
	}
	var s copySource
	s.bucketName, s.key, _ = strings.Cut(strings.TrimPrefix(path, "/"), "/")
	switch {
	case s.bucketName == "" || s.key == "":
		return copySource{}, malformed
	case !plausibleBucketName(s.bucketName):
		return copySource{}, fail(InvalidBucketName)
	case len(s.key) > index.KeyMax:
		return copySource{}, keyTooLong(s.key)
	}
	if hasVersion {
		versionText, _, _ = strings.Cut(versionText, "&")
		s.version, err = parseVersion(versionText)
	}
	return s, err
}

// openSource permits the read of the source, looks it up and decides its conditions. The caller closes the object.
func (c *call) openSource() (*catalog.Bucket, *store.Object, error) {
	source, err := parseCopySource(c.r.Header.Get(copySourceHeader))
	if err != nil {
		return nil, nil, err
	}
	b, err := c.server.backend.Bucket(c.ctx, source.bucketName)
	if err != nil {
		return nil, nil, fromDomain(err).with("BucketName", source.bucketName)
	}
	if err := checkOwner(c.r.Header.Get("X-Amz-Source-Expected-Bucket-Owner"), b); err != nil {
		return nil, nil, err
	}
	action := access.GetObject
	if source.version != nil {
		action = access.GetObjectVersion
	}
	if err := c.allowed(action, b, source.key); err != nil {
		return nil, nil, err
	}
	o, err := c.server.backend.Head(c.ctx, b, source.key, source.version)
	if err != nil {
		defer o.Close()
		return nil, nil, noSource(source, err)
	}
	// A source that was not modified fails the copy like any other condition.
	if outcome, failed := copySourceConditions(c.r.Header).check(&o.Version); outcome != proceed {
		o.Close()
		return nil, nil, conditionError("x-amz-copy-source-" + failed)
	}
	return b, o, nil
}

func noSource(source copySource, err error) error {
	switch {
	case errors.Is(err, store.ErrDeleteMarker):
		return failf(InvalidRequest, "The source of a copy request may not specifically refer to a delete marker by version id.")
	case errors.Is(err, store.ErrNoObject) && source.version != nil:
		return fail(NoSuchVersion).with("Key", source.key).with("VersionId", source.version.String())
	case errors.Is(err, store.ErrNoObject):
		return fail(NoSuchKey).with("Key", source.key)
	default:
		return err
	}
}

func copyObject(c *call) error {
	condition, err := writeCondition(c.r.Header)
	if err != nil {
		return err
	}
	sourceBucket, source, err := c.openSource()
	if err != nil {
		return err
	}
	defer source.Close()
	o := store.CopyOptions{Source: source, SourceBucket: sourceBucket, Key: c.object, Condition: condition}
	if o.Meta, o.Lock, err = c.copyMeta(sourceBucket, source); err != nil {
		return err
	}
	if o.Sum, err = checksumAlgorithm(c.r.Header); err != nil {
		return err
	}
	if err := c.checkCopy(sourceBucket, source); err != nil {
		return err
	}
	if source.Versioned {
		c.set("x-amz-copy-source-version-id", source.ID.String())
	}
	return c.keepAlive(func() (func() *document, error) {
		v, err := c.server.backend.CopyObject(c.ctx, c.bucket, o)
		if err != nil {
			return nil, c.writeFailed(condition, err)
		}
		return func() *document {
			c.setVersion(&v)
			return copyDocument(&v)
		}, nil
	})
}

// copyMeta is what the copy says about itself: what the source says, or what the request says. A lock is not copied.
func (c *call) copyMeta(sourceBucket *catalog.Bucket, source *store.Object) (index.Meta, index.Lock, error) {
	replace, err := directive(c.r.Header, "X-Amz-Metadata-Directive")
	if err != nil {
		return index.Meta{}, index.Lock{}, err
	}
	replaceTags, err := directive(c.r.Header, "X-Amz-Tagging-Directive")
	if err != nil {
		return index.Meta{}, index.Lock{}, err
	}
	meta, lock, err := c.newVersion()
	if err != nil {
		return index.Meta{}, index.Lock{}, err
	}
	if !replaceTags {
		if meta.Tags, err = c.copyTags(sourceBucket, source); err != nil {
			return index.Meta{}, index.Lock{}, err
		}
	}
	if !replace {
		redirect := meta.Headers[redirectHeader]
		meta.User = source.Meta.User
		meta.Headers = copiedHeaders(source.Meta.Headers, redirect)
	}
	return meta, lock, nil
}

// copyTags are the tags of the source, for those who may read them there and write them here.
func (c *call) copyTags(sourceBucket *catalog.Bucket, source *store.Object) ([]index.Tag, error) {
	if len(source.Meta.Tags) == 0 {
		return nil, nil
	}
	if err := c.allowed(access.GetObjectTagging, sourceBucket, source.Key); err != nil {
		return nil, err
	}
	return source.Meta.Tags, c.allowed(access.PutObjectTagging, c.bucket, c.object)
}

// copiedHeaders are the source's, but for the redirect: that is never copied (S3: CopyObject).
func copiedHeaders(source map[string]string, redirect string) map[string]string {
	headers := make(map[string]string, len(source))
	for name, value := range source {
		if name != redirectHeader {
			headers[name] = value
		}
	}
	if redirect != "" {
		headers[redirectHeader] = redirect
	}
	return headers
}

// directive reads COPY, which is the default, or REPLACE, which is true.
func directive(h http.Header, name string) (bool, error) {
	switch text := h.Get(name); text {
	case "", "COPY":
		return false, nil
	case "REPLACE":
		return true, nil
	default:
		return false, invalidArgument(strings.ToLower(name), text, "Unknown directive.")
	}
}

// checkCopy refuses what S3 refuses: a copy of an object onto itself that changes nothing, and too large a source.
func (c *call) checkCopy(sourceBucket *catalog.Bucket, source *store.Object) error {
	if source.Size > store.PutSizeMax {
		return failf(InvalidRequest, "The specified copy source is larger than the maximum allowable size for a copy source: %d", int64(store.PutSizeMax))
	}
	h := c.r.Header
	onto := sourceBucket.ID == c.bucket.ID && source.Key == c.object && !strings.Contains(h.Get(copySourceHeader), "?versionId=")
	changes := h.Get("X-Amz-Metadata-Directive") == "REPLACE" || h.Get("X-Amz-Tagging-Directive") == "REPLACE" ||
		h.Get(storageClassHeader) != "" || h.Get(redirectHeader) != "" || h.Get("X-Amz-Checksum-Algorithm") != ""
	if onto && !changes {
		return failf(InvalidRequest, "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.")
	}
	return nil
}

// checksumAlgorithm reads x-amz-checksum-algorithm; None if there is none.
func checksumAlgorithm(h http.Header) (checksum.Algorithm, error) {
	text := h.Get("X-Amz-Checksum-Algorithm")
	if text == "" {
		return checksum.None, nil
	}
	a, err := checksum.Parse(text)
	if err != nil {
		return a, failf(InvalidRequest, "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]").because(err)
	}
	return a, nil
}

func copyDocument(v *index.Version) *document {
	d := newDocument("CopyObjectResult")
	d.time("LastModified", v.Modified)
	d.etag(v.ETag)
	d.checksumWithType(v.Checksum)
	d.close("CopyObjectResult")
	return d
}
