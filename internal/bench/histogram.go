package bench

import (
	"math/bits"
	"time"
)

// subBuckets divides each power of two of microseconds: values are known to within 1/32.
const subBuckets = 32

// histogram counts durations. The zero value is empty. It belongs to one goroutine.
type histogram struct {
	counts [64 * subBuckets]uint32
	n      int64
	max    time.Duration
}

func (h *histogram) add(d time.Duration) {
	h.counts[bucketOf(d)]++
	h.n++
	h.max = max(h.max, d)
}

func (h *histogram) merge(o *histogram) {
	for i, c := range o.counts {
		h.counts[i] += c
	}
	h.n += o.n
	h.max = max(h.max, o.max)
}

// quantile is the duration that the fraction q of all did not pass, 0 when there are none.
func (h *histogram) quantile(q float64) time.Duration {
	rank, seen := int64(q*float64(h.n)), int64(0)
	for i, c := range h.counts {
		if seen += int64(c); c > 0 && seen > rank {
			return min(upperOf(i), h.max)
		}
	}
	return h.max
}

// bucketOf numbers durations: exact below subBuckets µs, then subBuckets to each power of two.
func bucketOf(d time.Duration) int {
	us := uint64(max(d, 0) / time.Microsecond)
	if us < subBuckets {
		return int(us)
	}
	shift := bits.Len64(us) - bits.Len64(subBuckets-1) - 1
	return shift*subBuckets + int(us>>shift)
}

// upperOf is the largest duration of a bucket.
func upperOf(i int) time.Duration {
	if i < subBuckets {
		return time.Duration(i+1) * time.Microsecond
	}
	shift := i/subBuckets - 1
	return time.Duration((uint64(i-shift*subBuckets)+1)<<shift) * time.Microsecond
}
