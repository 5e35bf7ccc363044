package s3

import (
	"cmp"

	"grange/internal/catalog"
)

// bucketsMax is the most buckets of one page (S3: ListBuckets, max-buckets).
const bucketsMax = 10_000

func listBuckets(c *call) error {
	most, err := c.count("max-buckets", 1, bucketsMax)
	if err != nil {
		return err
	}
	after := ""
	token, continued := c.query["continuation-token"]
	if continued {
		if after, err = decodeToken(token[0]); err != nil {
			return err
		}
	}
	prefix := c.param("prefix")
	buckets, more, err := c.server.backend.BucketsOf(c.ctx, c.key, prefix, after, most)
	if err != nil {
		return err
	}
	d := newDocument("ListAllMyBucketsResult")
	d.owner("Owner", c.key.Account, c.displayName(c.key.Account))
	d.open("Buckets")
	for _, b := range buckets {
		if r := c.param("bucket-region"); r != "" && r != c.server.regionOf(b) {
			continue
		}
		d.open("Bucket")
		d.text("Name", b.Name)
		d.time("CreationDate", b.Created)
		d.text("BucketRegion", c.server.regionOf(b))
		d.close("Bucket")
	}
	d.close("Buckets")
	if prefix != "" {
		d.text("Prefix", prefix)
	}
	if more && len(buckets) > 0 {
		d.text("ContinuationToken", encodeToken(buckets[len(buckets)-1].Name))
	}
	d.close("ListAllMyBucketsResult")
	return c.send(d)
}

// regionOf is the region that clients are told for a bucket: with it they sign, so that a strict server names its own.
func (s *Server) regionOf(b *catalog.Bucket) string {
	if s.strictRegion {
		return s.region
	}
	return cmp.Or(b.Region, s.region)
}
