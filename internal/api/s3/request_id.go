package s3

import "math/rand/v2"

// newRequestID draws an id of 16 characters as AWS shows them. It tells requests apart in logs and is no secret.
func newRequestID() string {
	const digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	var b [16]byte
	low, high := rand.Uint64(), rand.Uint64()
	for i := range 8 {
		b[i], b[i+8] = digits[low&31], digits[high&31]
		low, high = low>>5, high>>5
	}
	return string(b[:])
}
