package catalog

import "grange/internal/id"

// LastBucket is the highest bucket number that was ever given, 0 if none was. A number up to it that stands for no bucket is that of
// a bucket that was deleted for good.
func (v View) LastBucket() (id.Bucket, error) {
	n, err := v.counter(v.counterKey(counterBucket))
	return id.Bucket(n), err
}
