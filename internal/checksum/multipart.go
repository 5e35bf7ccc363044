package checksum

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/minio/crc64nvme"
)

// Part is what the checksum of a multipart object is made from: one part, in the order of the object.
type Part struct {
	Sum  []byte // full-object sum of the part's bytes
	Size int64  // bytes
}

// Multipart returns the checksum of the given type of the object that the parts make up. See CompositeOf and FullObjectOf.
func Multipart(a Algorithm, t Type, parts []Part) (Value, error) {
	switch t {
	case Composite:
		return CompositeOf(a, parts)
	case FullObject:
		return FullObjectOf(a, parts)
	default:
		return Value{}, fmt.Errorf("%w: %s with %s", ErrType, t, a)
	}
}

// CompositeOf returns the hash of the parts' sums one after the other. MD5 is allowed, because S3 makes the ETag of a multipart
// object in this way. The error is ErrMalformed when a sum has the wrong length or there are no parts.
func CompositeOf(a Algorithm, parts []Part) (Value, error) {
	if err := checkParts(a, parts); err != nil {
		return Value{}, err
	}
	h := a.New()
	for _, p := range parts {
		h.Write(p.Sum)
	}
	return Value{Algorithm: a, Type: Composite, Sum: h.Sum(nil), Parts: len(parts)}, nil
}

// FullObjectOf returns the checksum of the parts' bytes one after the other, in O(log size) per part. Only the CRCs can do that;
// for the others the error is ErrType. It is ErrMalformed when a sum has the wrong length or there are no parts.
func FullObjectOf(a Algorithm, parts []Part) (Value, error) {
	ring, ok := rings[a]
	if !ok {
		return Value{}, fmt.Errorf("%w: %s with %s", ErrType, FullObject, a)
	}
	if err := checkParts(a, parts); err != nil {
		return Value{}, err
	}
	sum := bigEndian(parts[0].Sum)
	shift, shiftSize := ring.shift(0), int64(0) // parts mostly have one size, and its shift is the costly half of the work
	for _, p := range parts[1:] {
		if p.Size != shiftSize {
			shift, shiftSize = ring.shift(uint64(p.Size)), p.Size
		}
		sum = ring.multiply(shift, sum) ^ bigEndian(p.Sum)
	}
	text := binary.BigEndian.AppendUint64(nil, sum)
	return Value{Algorithm: a, Type: FullObject, Sum: text[len(text)-a.Size():]}, nil
}

func checkParts(a Algorithm, parts []Part) error {
	if !a.Valid() {
		return fmt.Errorf("%w: %s", ErrUnknownAlgorithm, a)
	}
	if len(parts) == 0 || len(parts) > PartsMax {
		return fmt.Errorf("%w: %d parts", ErrMalformed, len(parts))
	}
	for i, p := range parts {
		if len(p.Sum) != a.Size() || p.Size < 0 {
			return fmt.Errorf("%w: part %d has a sum of %d bytes over %d", ErrMalformed, i+1, len(p.Sum), p.Size)
		}
	}
	return nil
}

func bigEndian(b []byte) uint64 {
	var n uint64
	for _, c := range b {
		n = n<<8 | uint64(c)
	}
	return n
}

// ring is the ring of polynomials over GF(2) modulo the generator of a CRC. A number stands for a polynomial in reflected bit
// order: the bit one is x^0, the lowest bit the highest power.
type ring struct {
	generator uint64 // without its leading term
	one       uint64
}

// rings holds the CRCs. All of them start from all ones and are inverted at the end. Then the CRC of A followed by B is
//
//	crc(AB) = shift(len B) · crc(A) + crc(B)
//
// because appending B multiplies the polynomial of A by x^(8·len B), and the inversions cancel each other out. (Mark Adler's
// crc32_combine in zlib is the same idea.)
var rings = map[Algorithm]ring{
	CRC32:     {generator: crc32.IEEE, one: 1 << 31},
	CRC32C:    {generator: crc32.Castagnoli, one: 1 << 31},
	CRC64NVME: {generator: crc64nvme.NVME, one: 1 << 63},
}

// shift returns x^(8·size): what appending size bytes multiplies a CRC by.
func (r ring) shift(size uint64) uint64 { return r.power(r.one>>8, size) }

// power returns base^n.
func (r ring) power(base, n uint64) uint64 {
	result := r.one
	for ; n > 0; n >>= 1 {
		if n&1 != 0 {
			result = r.multiply(result, base)
		}
		base = r.multiply(base, base)
	}
	return result
}

// multiply adds b·x^i for every power x^i that a has.
func (r ring) multiply(a, b uint64) uint64 {
	var product uint64
	for bit := r.one; bit != 0; bit >>= 1 {
		if a&bit != 0 {
			product ^= b
		}
		if b&1 != 0 { // the highest power: multiplying by x overflows and is reduced
			b = b>>1 ^ r.generator
		} else {
			b >>= 1
		}
	}
	return product
}
