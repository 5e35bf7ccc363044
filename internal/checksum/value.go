package checksum

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// PartsMax is the largest number of parts that a multipart upload may have (S3 user guide, "Amazon S3 multipart upload limits").
const PartsMax = 10_000

var (
	// ErrMalformed reports a text that is not a checksum of the algorithm; S3 answers InvalidRequest.
	ErrMalformed = errors.New("checksum: malformed value")
	// ErrType reports a checksum type that the algorithm does not allow; S3 answers InvalidRequest.
	ErrType = errors.New("checksum: type not allowed for algorithm")
)

// Type says what a checksum covers. The zero value means that no type was named.
type Type uint8

// The types. The numbers are stored and never change their meaning.
const (
	Unspecified Type = 0
	FullObject  Type = 1 // the bytes of the whole object
	Composite   Type = 2 // the sums of the object's parts, one after the other
)

// ParseType returns the type of an S3 name, "FULL_OBJECT" or "COMPOSITE"; for another name the error is ErrType.
func ParseType(name string) (Type, error) {
	switch name {
	case "FULL_OBJECT":
		return FullObject, nil
	case "COMPOSITE":
		return Composite, nil
	}
	return Unspecified, fmt.Errorf("%w: unknown type %.32q", ErrType, name)
}

// String returns the S3 name, and the empty string for Unspecified.
func (t Type) String() string {
	switch t {
	case Unspecified:
		return ""
	case FullObject:
		return "FULL_OBJECT"
	case Composite:
		return "COMPOSITE"
	default:
		return fmt.Sprintf("Type(%d)", uint8(t))
	}
}

// MultipartType returns the type that a multipart upload with the algorithm has when the client asked for want: the default of
// the algorithm for Unspecified. The error is ErrType when the algorithm does not allow it, and ErrUnknownAlgorithm when
// it is none of S3's.
func MultipartType(a Algorithm, want Type) (Type, error) {
	var allowed []Type // the default comes first
	switch a {
	case CRC32, CRC32C:
		allowed = []Type{Composite, FullObject}
	case CRC64NVME:
		allowed = []Type{FullObject}
	case SHA1, SHA256:
		allowed = []Type{Composite}
	default:
		return Unspecified, fmt.Errorf("%w: %s", ErrUnknownAlgorithm, a)
	}
	if want == Unspecified {
		return allowed[0], nil
	}
	for _, t := range allowed {
		if t == want {
			return t, nil
		}
	}
	return Unspecified, fmt.Errorf("%w: %s with %s", ErrType, want, a)
}

// Value is a checksum: a sum and what it covers. The zero value means that there is none.
type Value struct {
	Algorithm Algorithm
	Type      Type
	Sum       []byte // Algorithm.Size bytes, big-endian
	Parts     int    // the number of parts that a Composite covers; 0 for FullObject
}

// ParseValue reads a checksum in the form that S3 shows: the base64 text of the sum, followed for a composite one by "-" and the
// number of parts. Every other text is ErrMalformed; so is base64 that is not in its one canonical form.
func ParseValue(a Algorithm, text string) (Value, error) {
	if !a.Valid() {
		return Value{}, fmt.Errorf("%w: %s", ErrUnknownAlgorithm, a)
	}
	v := Value{Algorithm: a, Type: FullObject}
	digest, parts, composite := strings.Cut(text, "-")
	if composite {
		n, err := strconv.Atoi(parts)
		if err != nil || n < 1 || n > PartsMax || strconv.Itoa(n) != parts {
			return Value{}, fmt.Errorf("%w: number of parts", ErrMalformed)
		}
		v.Type, v.Parts = Composite, n
	}
	if len(digest) != base64.StdEncoding.EncodedLen(a.Size()) {
		return Value{}, fmt.Errorf("%w: %s of %d characters", ErrMalformed, a, len(digest))
	}
	sum, err := base64.StdEncoding.Strict().DecodeString(digest)
	if err != nil || len(sum) != a.Size() {
		return Value{}, fmt.Errorf("%w: %s is not base64", ErrMalformed, a)
	}
	v.Sum = sum
	return v, nil
}

// IsZero reports whether there is no checksum.
func (v Value) IsZero() bool { return v.Algorithm == None }

// String returns the form that S3 shows in headers and XML, which ParseValue reads: "base64" or "base64-parts". It is empty
// for the zero value.
func (v Value) String() string {
	if v.IsZero() {
		return ""
	}
	text := base64.StdEncoding.EncodeToString(v.Sum)
	if v.Type == Composite {
		text += "-" + strconv.Itoa(v.Parts)
	}
	return text
}

// Equal reports whether both are the same checksum of the same coverage.
func (v Value) Equal(w Value) bool {
	return v.Algorithm == w.Algorithm && v.Type == w.Type && v.Parts == w.Parts && bytes.Equal(v.Sum, w.Sum)
}
