package s3

import (
	"encoding/base64"
	"slices"

	"grange/internal/checksum"
	"grange/internal/id"
	"grange/internal/index"
)

// listMax is the most entries of one page of a listing (S3: max-keys, max-uploads, max-parts).
const listMax = 1000

// entryBytes is about what an entry takes in a document; it sizes the buffer of a listing.
const entryBytes = 512

// listing is what all listings of keys have in common.
type listing struct {
	prefix    string
	delimiter string
	max       int
	url       bool // encoding-type=url
}

// newListing reads the common parameters; maxName is max-keys or max-uploads.
func (c *call) newListing(maxName string) (listing, error) {
	var l listing
	var err error
	if l.max, err = c.count(maxName, 0, listMax); err != nil {
		return l, err
	}
	if l.url, err = c.encoding(); err != nil {
		return l, err
	}
	if l.prefix, err = c.keyParam("prefix"); err != nil {
		return l, err
	}
	l.delimiter, err = c.keyParam("delimiter")
	return l, err
}

// document starts the document of a listing with room for n entries.
func (l *listing) document(root string, n int) *document {
	d := newDocument(root)
	d.b = slices.Grow(d.b, 1024+min(n, listMax)*entryBytes)
	d.url = l.url
	return d
}

// encodingType says that keys are encoded, if they are.
func (l *listing) encodingType(d *document) {
	if l.url {
		d.text("EncodingType", "url")
	}
}

// commonPrefix writes one.
func (d *document) commonPrefix(prefix string) {
	d.open("CommonPrefixes")
	d.key("Prefix", prefix)
	d.close("CommonPrefixes")
}

// names remembers the display names of accounts while one document is written.
type names struct {
	c     *call
	known map[id.Account]string
}

func (n *names) of(account id.Account) string {
	if name, ok := n.known[account]; ok {
		return name
	}
	if n.known == nil {
		n.known = make(map[id.Account]string, 1)
	}
	name := n.c.displayName(account)
	n.known[account] = name
	return name
}

// contents writes the objects of a page and then its common prefixes, as AWS orders them.
func (d *document) contents(page *index.ListPage, owners *names) {
	for i := range page.Entries {
		e := &page.Entries[i]
		if e.CommonPrefix {
			continue
		}
		d.open("Contents")
		d.key("Key", e.Key)
		d.listed(e)
		if owners != nil {
			d.owner("Owner", e.Owner, owners.of(e.Owner))
		}
		d.close("Contents")
	}
	d.commonPrefixes(page.Entries)
}

func (d *document) commonPrefixes(entries []index.ListEntry) {
	for i := range entries {
		if entries[i].CommonPrefix {
			d.commonPrefix(entries[i].Key)
		}
	}
}

// listed writes what listings tell of a version besides its key.
func (d *document) listed(e *index.ListEntry) {
	d.time("LastModified", e.Modified)
	d.etag(e.ETag)
	if e.Algorithm != checksum.None {
		d.text("ChecksumAlgorithm", e.Algorithm.String())
		d.text("ChecksumType", e.ChecksumType.String())
	}
	d.int("Size", e.Size)
	d.text("StorageClass", shownStorageClass(e.StorageClass))
}

// tokenVersion is the first byte of a continuation token, before the place in the listing. Tokens are kept by clients for minutes.
const tokenVersion = 1

// encodeToken makes the opaque token by which a client asks for the next page.
func encodeToken(next string) string {
	return base64.RawURLEncoding.EncodeToString(append([]byte{tokenVersion}, next...))
}

func decodeToken(token string) (string, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) == 0 || raw[0] != tokenVersion || len(raw) > 1+index.KeyMax || encodeToken(string(raw[1:])) != token {
		return "", invalidArgument("continuation-token", token, "The continuation token provided is incorrect")
	}
	return string(raw[1:]), nil
}
