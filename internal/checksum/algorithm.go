package checksum

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"iter"
	"math/bits"
	"strings"

	"github.com/minio/crc64nvme"
)

// ErrUnknownAlgorithm reports a name that is none of S3's checksum algorithms; the client must name another one.
var ErrUnknownAlgorithm = errors.New("checksum: unknown algorithm")

// Algorithm names a checksum function. The zero value means none.
type Algorithm uint8

// The algorithms. The numbers are stored and never change their meaning.
const (
	None      Algorithm = 0
	CRC32     Algorithm = 1 // IEEE 802.3, as in RFC 1952
	CRC32C    Algorithm = 2 // Castagnoli, as in RFC 3720
	CRC64NVME Algorithm = 3 // NVM Express NVM command set, "64b CRC"
	SHA1      Algorithm = 4
	SHA256    Algorithm = 5
	MD5       Algorithm = 6 // for ETag and Content-MD5 only: Parse does not know it
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// algorithms describes each Algorithm at its number.
var algorithms = [...]struct {
	name, header string
	size         int // bytes
	newHash      func() hash.Hash
}{
	None:      {name: "none"},
	CRC32:     {"CRC32", "x-amz-checksum-crc32", crc32.Size, func() hash.Hash { return crc32.NewIEEE() }},
	CRC32C:    {"CRC32C", "x-amz-checksum-crc32c", crc32.Size, func() hash.Hash { return crc32.New(castagnoli) }},
	CRC64NVME: {"CRC64NVME", "x-amz-checksum-crc64nvme", crc64nvme.Size, func() hash.Hash { return crc64nvme.New() }},
	SHA1:      {"SHA1", "x-amz-checksum-sha1", sha1.Size, sha1.New},
	SHA256:    {"SHA256", "x-amz-checksum-sha256", sha256.Size, sha256.New},
	MD5:       {"MD5", "content-md5", md5.Size, md5.New},
}

// Algorithms are the five that an S3 client may ask for, which leaves MD5 out.
func Algorithms() []Algorithm { return []Algorithm{CRC32, CRC32C, CRC64NVME, SHA1, SHA256} }

// Parse returns the algorithm of an S3 name such as "CRC64NVME", in any letter case, and ErrUnknownAlgorithm otherwise.
func Parse(name string) (Algorithm, error) {
	for _, a := range Algorithms() {
		if strings.EqualFold(name, algorithms[a].name) {
			return a, nil
		}
	}
	return None, fmt.Errorf("%w: %.32q", ErrUnknownAlgorithm, name)
}

// ParseHeader returns the algorithm whose value the named header carries, in any letter case. Content-MD5 is not among them.
func ParseHeader(header string) (Algorithm, bool) {
	for _, a := range Algorithms() {
		if strings.EqualFold(header, algorithms[a].header) {
			return a, true
		}
	}
	return None, false
}

// Valid reports whether a is one of the constants of this package other than None.
func (a Algorithm) Valid() bool { return a != None && int(a) < len(algorithms) }

// String returns the S3 name: "CRC32", "CRC64NVME".
func (a Algorithm) String() string {
	if int(a) >= len(algorithms) {
		return fmt.Sprintf("Algorithm(%d)", uint8(a))
	}
	return algorithms[a].name
}

// Header returns the lower-case name of the header that carries the value: "x-amz-checksum-crc32". It is empty for None.
func (a Algorithm) Header() string {
	if !a.Valid() {
		return ""
	}
	return algorithms[a].header
}

// Size returns the length of a sum in bytes, and 0 for None.
func (a Algorithm) Size() int {
	if !a.Valid() {
		return 0
	}
	return algorithms[a].size
}

// New returns a fresh hash of the algorithm. It panics unless a is Valid.
func (a Algorithm) New() hash.Hash {
	if !a.Valid() {
		panic("checksum: New of " + a.String())
	}
	return algorithms[a].newHash()
}

// Set is a set of algorithms.
type Set uint8

// SetOf returns the set of the given algorithms; those that are not Valid are left out.
func SetOf(algorithms ...Algorithm) Set {
	var s Set
	for _, a := range algorithms {
		s = s.With(a)
	}
	return s
}

// With returns the set with a added, and the same set unless a is Valid.
func (s Set) With(a Algorithm) Set {
	if !a.Valid() {
		return s
	}
	return s | 1<<a
}

// Has reports whether a is in the set.
func (s Set) Has(a Algorithm) bool { return a.Valid() && s&(1<<a) != 0 }

// Len returns the number of algorithms in the set.
func (s Set) Len() int { return bits.OnesCount8(uint8(s)) }

// All yields the algorithms in the set in the order of their numbers.
func (s Set) All() iter.Seq[Algorithm] {
	return func(yield func(Algorithm) bool) {
		for a := CRC32; int(a) < len(algorithms); a++ {
			if s.Has(a) && !yield(a) {
				return
			}
		}
	}
}
