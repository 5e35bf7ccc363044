package s3

import (
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"grange/internal/access"
	"grange/internal/api/s3/chunked"
	"grange/internal/catalog"
	"grange/internal/index"
)

// userMetadataMax is the most that the names and values of the user metadata of an object may take, in bytes (S3: "User-defined
// object metadata").
const userMetadataMax = 2 << 10

const (
	userMetadataPrefix = "X-Amz-Meta-" // as net/http writes it
	redirectHeader     = "x-amz-website-redirect-location"
	storageClassHeader = "x-amz-storage-class"
	standardClass      = "STANDARD"
)

// contentHeaders are the headers that are kept with an object and given back, by their lower-case name.
var contentHeaders = []string{
	"content-type", "content-encoding", "cache-control", "content-disposition", "content-language", "expires", redirectHeader,
}

// contentHeaderMax is the longest value of one of the contentHeaders, in bytes.
const contentHeaderMax = 2 << 10

// defaultContentType is what AWS shows for an object that was stored without a type.
const defaultContentType = "binary/octet-stream"

// storageClasses are those that S3 knows. All are kept and shown, and none changes how the object is stored.
var storageClasses = []string{
	standardClass, "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER", "DEEP_ARCHIVE",
	"OUTPOSTS", "GLACIER_IR", "SNOW", "EXPRESS_ONEZONE", "FSX_OPENZFS",
}

// cannedACLs are those that say what holds here anyway: the account that owns the bucket owns the object, and nobody else has
// rights on it. (S3: "Controlling ownership of objects and disabling ACLs".)
var cannedACLs = []string{"private", "bucket-owner-full-control", "bucket-owner-read"}

// knownACLs are the other canned ACLs, which we do not have.
var knownACLs = []string{"public-read", "public-read-write", "authenticated-read", "aws-exec-read", "log-delivery-write"}

// newMeta reads what the headers of a write say about the object.
func newMeta(h http.Header, b *catalog.Bucket) (index.Meta, error) {
	if err := refuseUnsupported(h); err != nil {
		return index.Meta{}, err
	}
	m := index.Meta{Owner: b.Account}
	var err error
	if m.StorageClass, err = storageClass(h); err != nil {
		return index.Meta{}, err
	}
	if m.User, err = userMetadata(h); err != nil {
		return index.Meta{}, err
	}
	if m.Headers, err = keptHeaders(h); err != nil {
		return index.Meta{}, err
	}
	m.Tags, err = tagsHeader(h.Get("x-amz-tagging"))
	return m, err
}

// refuseUnsupported refuses what a write asks for and does not get here: to do less than was asked for would be a lie.
func refuseUnsupported(h http.Header) error {
	for name := range h {
		lower := strings.ToLower(name)
		switch {
		case !strings.HasPrefix(lower, "x-amz-"):
		case lower == "x-amz-server-side-encryption", strings.HasPrefix(lower, "x-amz-server-side-encryption-"),
			strings.HasPrefix(lower, "x-amz-copy-source-server-side-encryption-"):
			return failf(NotImplemented, "Server side encryption is not available.").with("Header", lower)
		case lower == "x-amz-write-offset-bytes":
			return notImplemented(lower)
		case strings.HasPrefix(lower, "x-amz-grant-"):
			return fail(AccessControlListNotSupported)
		}
	}
	return checkCannedACL(h)
}

func checkCannedACL(h http.Header) error {
	acl := h.Get("x-amz-acl")
	switch {
	case acl == "" || slices.Contains(cannedACLs, acl):
		return nil
	case slices.Contains(knownACLs, acl):
		return fail(AccessControlListNotSupported)
	default:
		return invalidArgument("x-amz-acl", acl, "Invalid canned ACL")
	}
}

// storageClass is empty for STANDARD, so that the usual record stays small.
func storageClass(h http.Header) (string, error) {
	class := h.Get(storageClassHeader)
	switch {
	case class == "" || class == standardClass:
		return "", nil
	case slices.Contains(storageClasses, class):
		return class, nil
	default:
		return "", fail(InvalidStorageClass).with("StorageClassRequested", class)
	}
}

func shownStorageClass(class string) string {
	if class == "" {
		return standardClass
	}
	return class
}

func keptHeaders(h http.Header) (map[string]string, error) {
	var kept map[string]string
	for _, name := range contentHeaders {
		value := strings.Join(h.Values(name), ", ")
		if name == "content-encoding" {
			value = chunked.StripEncoding(value)
		}
		if value == "" {
			continue
		}
		if len(value) > contentHeaderMax {
			return nil, fail(MetadataTooLarge).with("Header", name)
		}
		if name == redirectHeader && !strings.HasPrefix(value, "/") && !strings.HasPrefix(value, "http://") && !strings.HasPrefix(value, "https://") {
			return nil, invalidArgument(name, value, "The website redirect location must have a prefix of 'http://' or 'https://' or '/'.")
		}
		if kept == nil {
			kept = make(map[string]string, 2)
		}
		kept[name] = value
	}
	return kept, nil
}

// userMetadata reads the x-amz-meta-* headers. Text beyond US-ASCII comes as UTF-8 or in the form of RFC 2047, and is kept as
// UTF-8 (S3: "User-defined object metadata").
func userMetadata(h http.Header) (map[string]string, error) {
	var user map[string]string
	size := 0
	for name, values := range h {
		if len(name) <= len(userMetadataPrefix) || !strings.EqualFold(name[:len(userMetadataPrefix)], userMetadataPrefix) {
			continue
		}
		key := strings.ToLower(name[len(userMetadataPrefix):])
		value := decodeHeaderText(strings.Join(values, ","))
		if size += len(key) + len(value); size > userMetadataMax {
			return nil, fail(MetadataTooLarge).with("MaxSizeAllowed", "2048")
		}
		if user == nil {
			user = make(map[string]string, 2)
		}
		user[key] = value
	}
	return user, nil
}

var wordDecoder mime.WordDecoder

// decodeHeaderText decodes RFC 2047 words; what is none stays as it is.
func decodeHeaderText(s string) string {
	if !strings.Contains(s, "=?") {
		return s
	}
	decoded, err := wordDecoder.DecodeHeader(s)
	if err != nil || !utf8.ValidString(decoded) {
		return s
	}
	return decoded
}

// encodeHeaderText makes text fit for a header: printable ASCII stays, everything else becomes RFC 2047 words, as AWS does.
func encodeHeaderText(s string) string {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	return mime.BEncoding.Encode("UTF-8", s)
}

// Limits of object tags (S3: "Categorizing your storage using tags"), in characters.
const (
	tagsMax     = 10
	tagKeyMax   = 128
	tagValueMax = 256
)

// tagsHeader reads x-amz-tagging: tags in the form of a URL query.
func tagsHeader(header string) ([]index.Tag, error) {
	if header == "" {
		return nil, nil
	}
	var tags []index.Tag
	for pair := range strings.SplitSeq(header, "&") {
		rawKey, rawValue, _ := strings.Cut(pair, "=")
		key, errKey := url.QueryUnescape(rawKey)
		value, errValue := url.QueryUnescape(rawValue)
		if errKey != nil || errValue != nil {
			return nil, invalidArgument("x-amz-tagging", header, "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.")
		}
		tags = append(tags, index.Tag{Key: key, Value: value})
	}
	return tags, checkTags(tags, tagsMax)
}

// checkTags holds the tags of an object or of a bucket, of which there may be so many, against the rules.
func checkTags(tags []index.Tag, most int) error {
	if len(tags) > most {
		if most == tagsMax {
			return failf(BadRequest, "Object tags cannot be greater than %d", most)
		}
		return failf(BadRequest, "Bucket tag count cannot be greater than %d", most)
	}
	for i, t := range tags {
		switch {
		case t.Key == "" || utf8.RuneCountInString(t.Key) > tagKeyMax || !soundTagText(t.Key):
			return failf(InvalidTag, "The TagKey you have provided is invalid").with("TagKey", t.Key)
		case utf8.RuneCountInString(t.Value) > tagValueMax || !soundTagText(t.Value):
			return failf(InvalidTag, "The TagValue you have provided is invalid").with("TagKey", t.Key).with("TagValue", t.Value)
		case strings.HasPrefix(strings.ToLower(t.Key), "aws:"):
			return failf(InvalidTag, "System tags cannot be added/updated by requester").with("TagKey", t.Key)
		case slices.ContainsFunc(tags[:i], func(u index.Tag) bool { return u.Key == t.Key }):
			return failf(InvalidTag, "Cannot provide multiple Tags with the same key").with("TagKey", t.Key)
		}
	}
	return nil
}

// soundTagText tells whether a tag's text has only letters, digits and space of any script, and + - = . _ : / @ (S3: "Tagging and access
// control policies", tag restrictions).
func soundTagText(text string) bool {
	if !utf8.ValidString(text) {
		return false
	}
	return !strings.ContainsFunc(text, func(r rune) bool {
		return !unicode.In(r, unicode.L, unicode.N, unicode.Z) && !strings.ContainsRune("+-=._:/@", r)
	})
}

// newVersion reads what the headers of a write say about the version to come, and asks for the permissions that parts of it take.
func (c *call) newVersion() (m index.Meta, l index.Lock, err error) {
	if m, err = newMeta(c.r.Header, c.bucket); err != nil {
		return m, l, err
	}
	if len(m.Tags) > 0 {
		if err := c.allowed(access.PutObjectTagging, c.bucket, c.object); err != nil {
			return m, l, err
		}
	}
	l, err = c.newLock()
	return m, l, err
}
