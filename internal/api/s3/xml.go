package s3

import (
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"grange/internal/checksum"
	"grange/internal/id"
)

const (
	xmlProlog = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"
	// xmlNamespace is that of every answer but errors.
	xmlNamespace = "http://s3.amazonaws.com/doc/2006-03-01/"
	// timeSeconds is how documents show times: UTC, with milliseconds and a Z behind it.
	timeSeconds = "2006-01-02T15:04:05."
	// xmlBufferMax is the largest buffer, in bytes, that is kept for the next document.
	xmlBufferMax = 1 << 20
)

// document builds one XML document by appending. It is ten times as fast as encoding/xml, which matters for listings, and
// says what AWS says, element for element. Get it with newDocument, give it back with free.
type document struct {
	b   []byte
	url bool // write keys with encoding-type=url

	// The second that was written last, and its text: the objects of a listing often share it, and to format it is a quarter of the work.
	second     int64
	secondText []byte
}

var documents = sync.Pool{New: func() any { return &document{b: make([]byte, 0, 4<<10)} }}

// newDocument starts a document with the root element in the S3 namespace.
func newDocument(root string) *document {
	d := bareDocument()
	d.b = append(d.b, '<')
	d.b = append(d.b, root...)
	d.b = append(d.b, ` xmlns="`+xmlNamespace+`">`...)
	return d
}

// bareDocument starts a document without its root element.
func bareDocument() *document {
	d := documents.Get().(*document)
	d.b, d.url = append(d.b[:0], xmlProlog...), false
	return d
}

// free gives the document's memory back.
func (d *document) free() {
	if cap(d.b) <= xmlBufferMax {
		documents.Put(d)
	}
}

func (d *document) open(name string) {
	d.b = append(d.b, '<')
	d.b = append(d.b, name...)
	d.b = append(d.b, '>')
}

func (d *document) close(name string) {
	d.b = append(d.b, '<', '/')
	d.b = append(d.b, name...)
	d.b = append(d.b, '>')
}

// text writes an element with escaped content.
func (d *document) text(name, value string) {
	d.open(name)
	d.b = appendEscaped(d.b, value)
	d.close(name)
}

// key writes an element that holds an object key or a part of one, in the encoding that the client asked for.
func (d *document) key(name, value string) {
	d.open(name)
	if d.url {
		d.b = appendURLEncoded(d.b, value)
	} else {
		d.b = appendEscaped(d.b, value)
	}
	d.close(name)
}

func (d *document) int(name string, value int64) {
	d.open(name)
	d.b = strconv.AppendInt(d.b, value, 10)
	d.close(name)
}

func (d *document) bool(name string, value bool) {
	d.open(name)
	d.b = strconv.AppendBool(d.b, value)
	d.close(name)
}

func (d *document) time(name string, value time.Time) {
	d.open(name)
	if s := value.Unix(); s != d.second || d.secondText == nil {
		d.second, d.secondText = s, value.UTC().AppendFormat(d.secondText[:0], timeSeconds)
	}
	d.b = append(d.b, d.secondText...)
	ms := value.Nanosecond() / 1e6
	d.b = append(d.b, byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10), 'Z')
	d.close(name)
}

// etag writes the ETag element with its quotes.
func (d *document) etag(value string) {
	d.b = append(d.b, "<ETag>&quot;"...)
	d.b = appendEscaped(d.b, value)
	d.b = append(d.b, "&quot;</ETag>"...)
}

// owner writes an account as Owner, Initiator or the like.
func (d *document) owner(name string, account id.Account, displayName string) {
	d.open(name)
	d.text("ID", account.String())
	d.text("DisplayName", displayName)
	d.close(name)
}

// checksum writes the element of the checksum's algorithm, such as ChecksumCRC32, if there is one.
func (d *document) checksum(v checksum.Value) {
	if !v.IsZero() {
		d.text("Checksum"+v.Algorithm.String(), v.String())
	}
}

// checksumWithType writes the checksum and, as AWS does for whole objects, its type.
func (d *document) checksumWithType(v checksum.Value) {
	d.checksum(v)
	if !v.IsZero() {
		d.text("ChecksumType", v.Type.String())
	}
}

// xmlSpecial marks the bytes that do not stand for themselves in XML text. Bytes from 0x80 on are looked at as UTF-8.
var xmlSpecial = func() (t [256]bool) {
	for c := range t {
		t[c] = c < ' ' || c >= utf8.RuneSelf || c == '&' || c == '<' || c == '>' || c == '"' || c == 0x7f
	}
	t['\t'], t['\n'] = false, false
	return t
}()

// appendEscaped writes text so that every XML 1.0 parser gives it back, as far as XML 1.0 can carry it. A control
// character becomes a numeric reference, which strict parsers refuse, and a byte that is no UTF-8 becomes U+FFFD: for keys
// with those clients ask for encoding-type=url. AWS does the same.
func appendEscaped(b []byte, s string) []byte {
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if !xmlSpecial[c] {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r != utf8.RuneError && r != '\uFFFE' && r != '\uFFFF' || size == 3 && r == utf8.RuneError {
				i += size
				continue
			}
			b = append(append(b, s[from:i]...), "\uFFFD"...)
			i += size
			from = i
			continue
		}
		b = append(b, s[from:i]...)
		b = appendReference(b, c)
		i++
		from = i
	}
	return append(b, s[from:]...)
}

func appendReference(b []byte, c byte) []byte {
	switch c {
	case '&':
		return append(b, "&amp;"...)
	case '<':
		return append(b, "&lt;"...)
	case '>':
		return append(b, "&gt;"...)
	case '"':
		return append(b, "&quot;"...)
	default:
		b = append(b, "&#x"...)
		b = strconv.AppendUint(b, uint64(c), 16)
		return append(b, ';')
	}
}

// urlPlain marks the bytes that encoding-type=url leaves alone, as AWS does.
var urlPlain = func() (t [256]bool) {
	for c := 'a'; c <= 'z'; c++ {
		t[c], t[c-'a'+'A'] = true, true
	}
	for _, c := range "0123456789-_.*/" {
		t[c] = true
	}
	return t
}()

// appendURLEncoded writes a key with encoding-type=url. A space becomes %20 and not AWS's "+": clients that decode a "+"
// and clients that do not both understand it.
func appendURLEncoded(b []byte, s string) []byte {
	const hex = "0123456789ABCDEF"
	for i := range len(s) {
		if c := s[i]; urlPlain[c] {
			b = append(b, c)
		} else {
			b = append(b, '%', hex[c>>4], hex[c&15])
		}
	}
	return b
}
