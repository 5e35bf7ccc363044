package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"
)

// Size is a number of bytes. Its text form is a plain number, or one with a decimal (kB, MB, GB, TB) or binary (KiB,
// MiB, GiB, TiB) unit.
type Size int64

var errSize = errors.New("not a size")

// ParseSize reads the text form of a size. A text without a leading digit, a negative number and one beyond 2⁶³-1 are errors.
func ParseSize(s string) (Size, error) {
	s = strings.TrimSpace(s)
	if s == "" || s[0] < '0' || s[0] > '9' || strings.Contains(s, ",") {
		return 0, fmt.Errorf("%w: %q", errSize, s)
	}
	n, err := humanize.ParseBytes(s)
	if err != nil || n > math.MaxInt64 {
		return 0, fmt.Errorf("%w: %q", errSize, s)
	}
	return Size(n), nil
}

// UnmarshalText reads what [ParseSize] reads.
func (s *Size) UnmarshalText(text []byte) error {
	n, err := ParseSize(string(text))
	if err != nil {
		return err
	}
	*s = n
	return nil
}

// MarshalText writes what String shows.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// String shows the size exactly, with the largest binary unit that leaves a whole number.
func (s Size) String() string {
	units := [...]string{"", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	n, u := int64(s), 0
	for n != 0 && n%1024 == 0 && u < len(units)-1 {
		n /= 1024
		u++
	}
	return strconv.FormatInt(n, 10) + units[u]
}
