package checksum

import (
	"fmt"
	"testing"
)

// BenchmarkHasher compares the combinations that uploads need, at lengths around parallelMin.
func BenchmarkHasher(b *testing.B) {
	sets := map[string]Set{
		"crc64nvme":         SetOf(CRC64NVME),
		"md5":               SetOf(MD5),
		"sha256":            SetOf(SHA256),
		"md5+crc32":         SetOf(MD5, CRC32),
		"md5+sha256":        SetOf(MD5, SHA256),
		"md5+sha256+sha1":   SetOf(MD5, SHA256, SHA1),
		"md5+sha256+crc32c": SetOf(MD5, SHA256, CRC32C),
	}
	for name, set := range sets {
		for _, size := range []int{64 << 10, parallelMin - 1, parallelMin, 1 << 20} {
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				h, p := NewHasher(set), make([]byte, size)
				b.SetBytes(int64(size))
				for b.Loop() {
					h.Write(p)
				}
			})
		}
	}
}

func BenchmarkFullObjectOf(b *testing.B) {
	parts := make([]Part, PartsMax)
	for i := range parts {
		parts[i] = Part{Sum: slowSum(CRC64NVME, []byte{byte(i)}), Size: 5 << 20}
	}
	for b.Loop() {
		if _, err := FullObjectOf(CRC64NVME, parts); err != nil {
			b.Fatal(err)
		}
	}
}
