// Package id names the things of Grange: nodes, groups, buckets, blocks, versions, uploads and commands.
//
// Each kind of name is a type of its own, so that mixing two up does not compile. All of them have one text form
// (String and Parse…) and one byte form; both are stored and sent, and neither may change.
package id

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrInvalid reports a text or byte form that names nothing.
var ErrInvalid = errors.New("id: invalid")

// Node is the identity of one node: the hash of its public key. It outlives address changes.
type Node [16]byte

// Group is the number of a consensus group. SystemGroup holds the catalog; index groups count from FirstIndexGroup.
type Group uint32

const (
	// SystemGroup is the group that holds the catalog.
	SystemGroup Group = 1
	// FirstIndexGroup is the first of the groups that hold objects.
	FirstIndexGroup Group = 16
)

// Replica is the number of one group's member. A number is never given twice within a group, so that a wiped disk
// cannot vote again under its old name.
type Replica uint64

// Bucket is the number of a bucket. It is never given twice: a bucket made again under an old name is another one.
type Bucket uint64

// Account is the canonical id of an account, as S3 shows it in Owner.
type Account [32]byte

// Hash is the BLAKE3-256 hash of a block's plain content.
type Hash [32]byte

// Version is the public id of one version of an object: the place of the version in its bucket's order (8 bytes,
// big-endian), then 8 random bytes of the command that made it. The zero Version is S3's "null".
type Version [16]byte

// Upload is the id of a multipart upload. It is random.
type Upload [16]byte

// NullVersion is the text form of the version that was written while versioning was not enabled.
const NullVersion = "null"

var crockford = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// String is the hexadecimal form, as commands and logs show it.
func (n Node) String() string { return hex.EncodeToString(n[:]) }

// Short is the beginning of the hexadecimal form, enough for people.
func (n Node) Short() string { return hex.EncodeToString(n[:4]) }

// ParseNode reads the form that String writes.
func ParseNode(s string) (n Node, err error) { return n, parseHex("node", s, n[:]) }

// String is the decimal form.
func (g Group) String() string { return strconv.FormatUint(uint64(g), 10) }

// String is the decimal form.
func (b Bucket) String() string { return strconv.FormatUint(uint64(b), 10) }

// AppendKey appends the byte form (8 bytes, big-endian), whose order is the order of the numbers.
func (b Bucket) AppendKey(dst []byte) []byte { return binary.BigEndian.AppendUint64(dst, uint64(b)) }

// String is the hexadecimal form: 64 characters, as AWS writes canonical ids.
func (a Account) String() string { return hex.EncodeToString(a[:]) }

// ParseAccount reads the form that String writes.
func ParseAccount(s string) (a Account, err error) { return a, parseHex("account", s, a[:]) }

// String is the hexadecimal form.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// ParseHash reads the form that String writes.
func ParseHash(s string) (h Hash, err error) { return h, parseHex("hash", s, h[:]) }

// NewVersion is the id of the version that has place seq in its bucket's order.
func NewVersion(seq uint64, random [8]byte) (v Version) {
	binary.BigEndian.PutUint64(v[:8], seq)
	copy(v[8:], random[:])
	return v
}

// Seq is the version's place in its bucket's order.
func (v Version) Seq() uint64 { return binary.BigEndian.Uint64(v[:8]) }

// IsNull tells whether this is S3's "null" version.
func (v Version) IsNull() bool { return v == Version{} }

// String is the form that S3 clients see: "null", or 26 characters of base32.
func (v Version) String() string {
	if v.IsNull() {
		return NullVersion
	}
	return crockford.EncodeToString(v[:])
}

// ParseVersion reads the form that String writes.
func ParseVersion(s string) (v Version, err error) {
	if s == NullVersion {
		return Version{}, nil
	}
	if err := parseBase32("version", s, v[:]); err != nil {
		return Version{}, err
	}
	if v.IsNull() {
		return v, fmt.Errorf("%w version %q", ErrInvalid, s)
	}
	return v, nil
}

// NewUpload draws a random upload id.
func NewUpload() (u Upload) {
	_, _ = rand.Read(u[:]) // never fails: crypto/rand.Read ends the program instead
	return u
}

// String is the form that S3 clients see: 26 characters of base32.
func (u Upload) String() string { return crockford.EncodeToString(u[:]) }

// ParseUpload reads the form that String writes.
func ParseUpload(s string) (u Upload, err error) { return u, parseBase32("upload", s, u[:]) }

func parseHex(kind, s string, dst []byte) error {
	if len(s) != hex.EncodedLen(len(dst)) || strings.ToLower(s) != s {
		return fmt.Errorf("%w %s %q", ErrInvalid, kind, s)
	}
	if _, err := hex.Decode(dst, []byte(s)); err != nil {
		return fmt.Errorf("%w %s %q", ErrInvalid, kind, s)
	}
	return nil
}

// parseBase32 accepts only the text that the encoder would write, so that one thing never has two names.
func parseBase32(kind, s string, dst []byte) error {
	if len(s) != crockford.EncodedLen(len(dst)) {
		return fmt.Errorf("%w %s %q", ErrInvalid, kind, s)
	}
	raw, err := crockford.DecodeString(s)
	if err != nil || len(raw) != len(dst) || crockford.EncodeToString(raw) != s {
		return fmt.Errorf("%w %s %q", ErrInvalid, kind, s)
	}
	copy(dst, raw)
	return nil
}
