package checksum

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"testing"
)

// TestPublishedCheckValues pins each algorithm to the published sum of "123456789".
// The CRC values are those of the "Catalogue of parametrised CRC algorithms" (CRC-32/ISO-HDLC, CRC-32/ISCSI, CRC-64/NVME).
func TestPublishedCheckValues(t *testing.T) {
	want := map[Algorithm]string{
		CRC32:     "cbf43926",
		CRC32C:    "e3069283",
		CRC64NVME: "ae8b14860a799888",
		SHA1:      "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
		SHA256:    "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
		MD5:       "25f9e794323b453885f5181f1b624d0b",
	}
	h := NewHasher(SetOf(CRC32, CRC32C, CRC64NVME, SHA1, SHA256, MD5))
	h.Write([]byte("12345"))
	h.Write([]byte("6789"))
	for a, sum := range want {
		if got := hex.EncodeToString(h.Sum(a).Sum); got != sum {
			t.Errorf("%s: got %s, want %s", a, got, sum)
		}
		if got := h.Sum(a); len(got.Sum) != a.Size() || got.Type != FullObject {
			t.Errorf("%s: got %d bytes of type %q, want %d of FULL_OBJECT", a, len(got.Sum), got.Type, a.Size())
		}
	}
	if h.Size() != 9 {
		t.Errorf("size: got %d, want 9", h.Size())
	}
}

func TestNamesAreThoseOfS3(t *testing.T) {
	cases := map[string]struct {
		name, header string
		want         Algorithm
		err          error
	}{
		"crc32":                      {"CRC32", "x-amz-checksum-crc32", CRC32, nil},
		"crc32c":                     {"CRC32C", "x-amz-checksum-crc32c", CRC32C, nil},
		"crc64":                      {"CRC64NVME", "x-amz-checksum-crc64nvme", CRC64NVME, nil},
		"sha1":                       {"SHA1", "x-amz-checksum-sha1", SHA1, nil},
		"sha256":                     {"SHA256", "x-amz-checksum-sha256", SHA256, nil},
		"MD5 cannot be asked for":    {"MD5", "content-md5", None, ErrUnknownAlgorithm},
		"the zero value has no name": {"none", "", None, ErrUnknownAlgorithm},
		"nothing":                    {"", "", None, ErrUnknownAlgorithm},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := Parse(c.name)
			if got != c.want || !errors.Is(err, c.err) {
				t.Fatalf("Parse(%q): got %s, %v, want %s, %v", c.name, got, err, c.want, c.err)
			}
			if fromHeader, ok := ParseHeader(c.header); fromHeader != c.want || ok != (c.err == nil) {
				t.Errorf("ParseHeader(%q): got %s, %t, want %s", c.header, fromHeader, ok, c.want)
			}
			if c.err == nil && (got.String() != c.name || got.Header() != c.header) {
				t.Errorf("got %q and %q, want %q and %q", got.String(), got.Header(), c.name, c.header)
			}
		})
	}
	if a, err := Parse("crc32c"); a != CRC32C || err != nil {
		t.Errorf("lower case: got %s, %v, want CRC32C", a, err)
	}
}

func TestMultipartTypeFollowsTheTableOfS3(t *testing.T) {
	cases := map[string]struct {
		algorithm Algorithm
		want      Type
		got       Type
		err       error
	}{
		"CRC32 is composite by default":       {CRC32, Unspecified, Composite, nil},
		"CRC32 may cover the object":          {CRC32, FullObject, FullObject, nil},
		"CRC32C is composite by default":      {CRC32C, Unspecified, Composite, nil},
		"CRC32C may cover the object":         {CRC32C, FullObject, FullObject, nil},
		"CRC32C may be composite":             {CRC32C, Composite, Composite, nil},
		"CRC64NVME covers the object":         {CRC64NVME, Unspecified, FullObject, nil},
		"CRC64NVME is never composite":        {CRC64NVME, Composite, Unspecified, ErrType},
		"SHA1 is composite":                   {SHA1, Unspecified, Composite, nil},
		"SHA1 cannot cover the object":        {SHA1, FullObject, Unspecified, ErrType},
		"SHA256 is composite":                 {SHA256, Composite, Composite, nil},
		"SHA256 cannot cover the object":      {SHA256, FullObject, Unspecified, ErrType},
		"MD5 is no checksum of an upload":     {MD5, Unspecified, Unspecified, ErrUnknownAlgorithm},
		"a type beyond the known is refused":  {CRC32, Type(9), Unspecified, ErrType},
		"no algorithm is no checksum at all":  {None, Unspecified, Unspecified, ErrUnknownAlgorithm},
		"a number of the future is no choice": {Algorithm(7), Unspecified, Unspecified, ErrUnknownAlgorithm},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := MultipartType(c.algorithm, c.want)
			if got != c.got || !errors.Is(err, c.err) {
				t.Errorf("got %v, %v, want %v, %v", got, err, c.got, c.err)
			}
		})
	}
}

// TestMultipartAgreesWithItsSlowTwin compares combined checksums with the hash of the data itself.
func TestMultipartAgreesWithItsSlowTwin(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var all bytes.Buffer
		pieces := make([][]byte, 1+rng.IntN(8))
		for i := range pieces {
			pieces[i] = make([]byte, rng.IntN(3000)*rng.IntN(2)) // half of them empty
			for j := range pieces[i] {
				pieces[i][j] = byte(rng.Uint32())
			}
			all.Write(pieces[i])
		}
		for _, a := range []Algorithm{CRC32, CRC32C, CRC64NVME, SHA1, SHA256, MD5} {
			var parts []Part
			var sums []byte
			for _, p := range pieces {
				sum := slowSum(a, p)
				parts = append(parts, Part{Sum: sum, Size: int64(len(p))})
				sums = append(sums, sum...)
			}
			composite, err := Multipart(a, Composite, parts)
			if want := (Value{a, Composite, slowSum(a, sums), len(parts)}); err != nil || !composite.Equal(want) {
				t.Fatalf("composite %s of %d parts: got %s, %v, want %s", a, len(parts), composite, err, want)
			}
			full, err := Multipart(a, FullObject, parts)
			if _, crc := rings[a]; !crc {
				if !errors.Is(err, ErrType) {
					t.Fatalf("full object %s: got %v, want ErrType", a, err)
				}
				continue
			}
			if want := (Value{a, FullObject, slowSum(a, all.Bytes()), 0}); err != nil || !full.Equal(want) {
				t.Fatalf("full object %s of %d parts: got %s, %v, want %s", a, len(parts), full, err, want)
			}
		}
	}
}

func slowSum(a Algorithm, p []byte) []byte {
	h := a.New()
	h.Write(p)
	return h.Sum(nil)
}

// TestCombiningLengthsBeyond32Bits uses that k blocks of zeros can be combined in two ways: one by one, or by doubling.
func TestCombiningLengthsBeyond32Bits(t *testing.T) {
	const block, doublings = 1 << 20, 13 // 2^33 bytes
	for a := range rings {
		zeros := slowSum(a, make([]byte, block))
		doubled := Part{Sum: zeros, Size: block}
		for range doublings {
			v, err := FullObjectOf(a, []Part{doubled, doubled})
			if err != nil {
				t.Fatal(err)
			}
			doubled = Part{Sum: v.Sum, Size: 2 * doubled.Size}
		}
		blocks := make([]Part, 1<<doublings)
		for i := range blocks {
			blocks[i] = Part{Sum: zeros, Size: block}
		}
		single, err := FullObjectOf(a, blocks)
		if err != nil || !bytes.Equal(doubled.Sum, single.Sum) {
			t.Errorf("%s of %d zeros: got %x, %v, want %x", a, doubled.Size, single.Sum, err, doubled.Sum)
		}
	}
}

func TestMultipartRefusesWhatCannotBeParts(t *testing.T) {
	cases := map[string]struct {
		algorithm Algorithm
		typ       Type
		parts     []Part
		err       error
	}{
		"no parts":            {CRC32, Composite, nil, ErrMalformed},
		"no parts at all":     {CRC32, FullObject, nil, ErrMalformed},
		"a short sum":         {CRC32, FullObject, []Part{{make([]byte, 3), 1}}, ErrMalformed},
		"a long sum":          {SHA1, Composite, []Part{{make([]byte, 21), 1}}, ErrMalformed},
		"a negative size":     {CRC64NVME, FullObject, []Part{{make([]byte, 8), -1}}, ErrMalformed},
		"too many parts":      {CRC32, Composite, make([]Part, PartsMax+1), ErrMalformed},
		"no type":             {CRC32, Unspecified, []Part{{make([]byte, 4), 1}}, ErrType},
		"an unknown function": {Algorithm(200), Composite, []Part{{make([]byte, 4), 1}}, ErrUnknownAlgorithm},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if v, err := Multipart(c.algorithm, c.typ, c.parts); !errors.Is(err, c.err) || !v.IsZero() {
				t.Errorf("got %v, %v, want %v", v, err, c.err)
			}
		})
	}
}

// TestHasherAgreesWithItsSlowTwin feeds writes on both sides of the length from which goroutines help.
func TestHasherAgreesWithItsSlowTwin(t *testing.T) {
	data := make([]byte, 3*parallelMin)
	for i := range data {
		data[i] = byte(i * i >> 3)
	}
	every := SetOf(CRC32, CRC32C, CRC64NVME, SHA1, SHA256, MD5)
	want := map[Algorithm][]byte{}
	for a := range every.All() {
		want[a] = slowSum(a, data)
	}
	for set := Set(0); set <= every; set += 2 { // bit 0 belongs to None
		h := NewHasher(set)
		h.Write([]byte("forgotten"))
		h.Reset()
		h.Write(data[:parallelMin])
		h.Write(data[parallelMin : parallelMin+7])
		h.Write(data[parallelMin+7:])
		for a := CRC32; a <= MD5; a++ {
			got := h.Sum(a)
			switch {
			case !set.Has(a) && !got.IsZero():
				t.Errorf("set %b: got a %s that was not asked for", set, a)
			case set.Has(a) && !bytes.Equal(got.Sum, want[a]):
				t.Errorf("set %b: got %s %x, want %x", set, a, got.Sum, want[a])
			}
		}
		if h.Size() != int64(len(data)) || h.Set().Len() != set.Len() {
			t.Errorf("set %b: got size %d and %d algorithms", set, h.Size(), h.Set().Len())
		}
	}
}

func TestValueTextIsThatOfS3(t *testing.T) {
	cases := map[string]struct {
		algorithm Algorithm
		text      string
		want      Value
		err       error
	}{
		"full object": {CRC32, "y/Q5Jg==", Value{CRC32, FullObject, []byte{0xcb, 0xf4, 0x39, 0x26}, 0}, nil},
		"composite":   {CRC32, "y/Q5Jg==-12", Value{CRC32, Composite, []byte{0xcb, 0xf4, 0x39, 0x26}, 12}, nil},
		"most parts":  {CRC32, "y/Q5Jg==-10000", Value{CRC32, Composite, []byte{0xcb, 0xf4, 0x39, 0x26}, 10000}, nil},

		"no text":                 {CRC32, "", Value{}, ErrMalformed},
		"no padding":              {CRC32, "y/Q5Jg", Value{}, ErrMalformed},
		"a space":                 {CRC32, " y/Q5Jg==", Value{}, ErrMalformed},
		"a line break inside":     {CRC32, "y/Q5\nJg=", Value{}, ErrMalformed},
		"bits beyond the sum":     {CRC32, "y/Q5Jh==", Value{}, ErrMalformed},
		"another length":          {CRC64NVME, "y/Q5Jg==", Value{}, ErrMalformed},
		"hexadecimal":             {CRC32, "cbf43926", Value{}, ErrMalformed},
		"no number of parts":      {CRC32, "y/Q5Jg==-", Value{}, ErrMalformed},
		"zero parts":              {CRC32, "y/Q5Jg==-0", Value{}, ErrMalformed},
		"a padded number":         {CRC32, "y/Q5Jg==-012", Value{}, ErrMalformed},
		"a signed number":         {CRC32, "y/Q5Jg==-+12", Value{}, ErrMalformed},
		"more parts than allowed": {CRC32, "y/Q5Jg==-10001", Value{}, ErrMalformed},
		"no algorithm":            {None, "", Value{}, ErrUnknownAlgorithm},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := ParseValue(c.algorithm, c.text)
			if !got.Equal(c.want) || !errors.Is(err, c.err) {
				t.Fatalf("got %+v, %v, want %+v, %v", got, err, c.want, c.err)
			}
			if c.err == nil && got.String() != c.text {
				t.Errorf("text: got %q, want %q", got.String(), c.text)
			}
		})
	}
	if got := (Value{}).String(); got != "" {
		t.Errorf("zero value: got %q, want no text", got)
	}
	for _, typ := range []Type{FullObject, Composite} {
		if got, err := ParseType(typ.String()); got != typ || err != nil {
			t.Errorf("type %s: got %s, %v", typ, got, err)
		}
	}
	if _, err := ParseType(""); !errors.Is(err, ErrType) {
		t.Errorf("no type: got %v, want ErrType", err)
	}
}

func FuzzParseValue(f *testing.F) {
	f.Add(uint8(CRC32), "y/Q5Jg==")
	f.Add(uint8(CRC32C), "4waSgw==-3")
	f.Add(uint8(CRC64NVME), "rosUhgp5mIg=")
	f.Add(uint8(SHA1), "98O8HYCOBHMq32eZZczDTKeuNEE=-10000")
	f.Add(uint8(0), "-")
	f.Fuzz(func(t *testing.T, a uint8, text string) {
		v, err := ParseValue(Algorithm(a), text)
		if err != nil {
			return
		}
		if v.String() != text {
			t.Fatalf("%q was read and is shown as %q", text, v.String())
		}
		again, err := ParseValue(v.Algorithm, v.String())
		if err != nil || !again.Equal(v) || len(v.Sum) != v.Algorithm.Size() {
			t.Fatalf("got %+v, %v, want %+v", again, err, v)
		}
	})
}

func FuzzFullObjectOf(f *testing.F) {
	f.Add([]byte("123456789"), uint16(4))
	f.Add([]byte{}, uint16(0))
	f.Fuzz(func(t *testing.T, data []byte, at uint16) {
		cut := min(int(at), len(data))
		for a := range rings {
			got, err := FullObjectOf(a, []Part{
				{slowSum(a, data[:cut]), int64(cut)},
				{slowSum(a, data[cut:]), int64(len(data) - cut)},
			})
			if err != nil || !bytes.Equal(got.Sum, slowSum(a, data)) {
				t.Fatalf("%s cut at %d: got %x, %v, want %x", a, cut, got.Sum, err, slowSum(a, data))
			}
		}
	})
}
