package index

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"grange/internal/block"
	"grange/internal/id"
	"grange/internal/kv"
)

// The tables: the first byte of a row's key within the group's state. Bytes are never reused for another purpose.
const (
	tableMachine  = 'm' // the one row of the group itself
	tableBucket   = 'b' // bucket
	tableHead     = 'h' // bucket, key: the newest version, unless it is a delete marker
	tableVersion  = 'v' // bucket, key, ^seq: every other version, newest first
	tableNull     = 'n' // bucket, key: the seq of the null version while it stands in tableVersion
	tablePayload  = 'p' // bucket, key, seq: the content of a version
	tableUpload   = 'u' // bucket, key, upload
	tablePart     = 't' // bucket, key, upload, number
	tablePartData = 'q' // bucket, key, upload, number, seq: the content of a part, also after the upload was completed
	tableRef      = 'r' // hash, bucket: how often a block is named, or in which epoch it was doomed
	tableGarbage  = 'g' // log index, hash, bucket: blocks that no record names, oldest first
	tableDoomed   = 'e' // epoch, hash, bucket: the dooms whose copies are still to be deleted
	tableBuried   = 'f' // epoch, hash, bucket: the dooms that are only remembered
	tableRelease  = 'x' // log index, place in the command: the release queue, oldest first
)

// Escapes of key text: a zero byte is written as 00 FF, and the text ends with 00 01. So the order of the keys is the order
// of the texts, and no encoded text is the beginning of another.
const (
	escape     = 0x00
	escapeZero = 0xff
	escapeEnd  = 0x01
)

const (
	seqLen     = 8
	numberLen  = 2
	bucketLen  = 8
	hashLen    = len(id.Hash{})
	addressLen = hashLen + bucketLen
	uploadLen  = len(id.Upload{})
)

// appendText appends the order-preserving form of the key without its end, which is a prefix of every key that begins with it.
func appendText(dst []byte, key string) []byte {
	for i := range len(key) {
		dst = append(dst, key[i])
		if key[i] == escape {
			dst = append(dst, escapeZero)
		}
	}
	return dst
}

// appendKey appends the order-preserving form of a key with its end.
func appendKey(dst []byte, key string) []byte {
	return append(appendText(dst, key), escape, escapeEnd)
}

// cutKey splits the text that appendKey wrote off the beginning of src.
func cutKey(src []byte) (key string, rest []byte, err error) {
	end := bytes.IndexByte(src, escape)
	if end >= 0 && end+1 < len(src) && src[end+1] == escapeEnd {
		return string(src[:end]), src[end+2:], nil // by far the most: no zero byte in the key
	}
	var text []byte
	for i := 0; i+1 < len(src); i++ {
		switch {
		case src[i] != escape:
			text = append(text, src[i])
		case src[i+1] == escapeZero:
			text = append(text, escape)
			i++
		case src[i+1] == escapeEnd:
			return string(text), src[i+2:], nil
		default:
			return "", nil, fmt.Errorf("%w: key with escape %#x", ErrCorrupt, src[i+1])
		}
	}
	return "", nil, fmt.Errorf("%w: key without end", ErrCorrupt)
}

// keyspace builds the keys of one group's state.
type keyspace struct{ space kv.Space }

func (k keyspace) row(table byte, size int) []byte {
	return append(append(make([]byte, 0, len(k.space)+1+size), k.space...), table)
}

func (k keyspace) table(table byte) (lower, upper []byte) { return k.space.Sub(table).Bounds() }

func (k keyspace) machine() []byte { return k.row(tableMachine, 0) }

// inBucket is the prefix of all rows of the bucket in the table.
func (k keyspace) inBucket(table byte, b id.Bucket) []byte {
	return b.AppendKey(k.row(table, bucketLen))
}

// ofKey is the row of the key in a table with one row for each, and the prefix of its rows in the others.
func (k keyspace) ofKey(table byte, b id.Bucket, key string) []byte {
	const tail = 2 + seqLen + uploadLen + numberLen
	return appendKey(b.AppendKey(k.row(table, bucketLen+len(key)+tail)), key)
}

// withPrefix is the prefix of all rows of the table whose key begins with prefix.
func (k keyspace) withPrefix(table byte, b id.Bucket, prefix string) []byte {
	return appendText(b.AppendKey(k.row(table, bucketLen+len(prefix)+2)), prefix)
}

func (k keyspace) version(b id.Bucket, key string, seq uint64) []byte {
	return binary.BigEndian.AppendUint64(k.ofKey(tableVersion, b, key), ^seq)
}

func (k keyspace) payload(b id.Bucket, key string, seq uint64) []byte {
	return binary.BigEndian.AppendUint64(k.ofKey(tablePayload, b, key), seq)
}

func (k keyspace) ofUpload(table byte, b id.Bucket, key string, u id.Upload) []byte {
	return append(k.ofKey(table, b, key), u[:]...)
}

func (k keyspace) part(b id.Bucket, key string, u id.Upload, number int) []byte {
	return binary.BigEndian.AppendUint16(k.ofUpload(tablePart, b, key, u), uint16(number))
}

func (k keyspace) partData(b id.Bucket, key string, u id.Upload, number int, seq uint64) []byte {
	row := binary.BigEndian.AppendUint16(k.ofUpload(tablePartData, b, key, u), uint16(number))
	return binary.BigEndian.AppendUint64(row, seq)
}

func appendAddress(dst []byte, a block.Address) []byte {
	return a.Bucket.AppendKey(append(dst, a.Hash[:]...))
}

// reference is the row of a block in the table of references.
func (k keyspace) reference(a block.Address) []byte {
	return appendAddress(k.row(tableRef, addressLen), a)
}

// ofBlockAt is the row of a block in a table that is ordered by a number first.
func (k keyspace) ofBlockAt(table byte, at uint64, a block.Address) []byte {
	return appendAddress(binary.BigEndian.AppendUint64(k.row(table, seqLen+addressLen), at), a)
}

func (k keyspace) release(index uint64, place uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(k.row(tableRelease, seqLen+4), index), place)
}

// tail is what follows the table byte in a row's key.
func (k keyspace) tail(row []byte) []byte { return row[len(k.space)+1:] }

func cutBucket(src []byte) (id.Bucket, []byte, error) {
	if len(src) < bucketLen {
		return 0, nil, fmt.Errorf("%w: row key of %d bytes", ErrCorrupt, len(src))
	}
	return id.Bucket(binary.BigEndian.Uint64(src)), src[bucketLen:], nil
}

func parseAddress(src []byte) (a block.Address, err error) {
	if len(src) != addressLen {
		return a, fmt.Errorf("%w: block address of %d bytes", ErrCorrupt, len(src))
	}
	copy(a.Hash[:], src)
	a.Bucket = id.Bucket(binary.BigEndian.Uint64(src[hashLen:]))
	return a, nil
}

func parseAddressAt(src []byte) (at uint64, a block.Address, err error) {
	if len(src) != seqLen+addressLen {
		return 0, a, fmt.Errorf("%w: row key of %d bytes", ErrCorrupt, len(src))
	}
	a, err = parseAddress(src[seqLen:])
	return binary.BigEndian.Uint64(src), a, err
}
