package store

import (
	"errors"
	"slices"
	"strings"

	"grange/internal/catalog"
)

// ownBuckets are up to limit buckets of the key's account, or of its scope, in the order of their names.
func ownBuckets(v catalog.View, key *catalog.AccessKey, prefix, after string, limit int) ([]catalog.Bucket, error) {
	if key.Narrowed {
		return scopeBuckets(v, key)
	}
	var all []catalog.Bucket
	for page := (catalog.Page{After: max(after, beforePrefix(prefix))}); len(all) < limit; {
		buckets, next, err := v.AccountBuckets(key.Account, page)
		if err != nil {
			return nil, err
		}
		for _, b := range buckets {
			if b.Name > prefix && !strings.HasPrefix(b.Name, prefix) {
				return all, nil
			}
			all = append(all, b)
		}
		if next == "" {
			break
		}
		page.After = next
	}
	return all, nil
}

// beforePrefix is a name just before all names that begin with the prefix, since a page begins after its name.
func beforePrefix(prefix string) string {
	if prefix == "" {
		return ""
	}
	last := len(prefix) - 1
	return prefix[:last] + string([]byte{prefix[last] - 1}) + "\xff"
}

func scopeBuckets(v catalog.View, key *catalog.AccessKey) ([]catalog.Bucket, error) {
	var all []catalog.Bucket
	for _, g := range key.Scope {
		b, err := v.Bucket(g.Bucket)
		if errors.Is(err, catalog.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, *b)
	}
	return all, nil
}

// mergeBuckets joins lists to one in the order of the names, each once, of the names after the given one with the prefix.
func mergeBuckets(own, granted []catalog.Bucket, prefix, after string) []*catalog.Bucket {
	var all []*catalog.Bucket
	for _, list := range [][]catalog.Bucket{own, granted} {
		for i := range list {
			if b := &list[i]; b.Name > after && strings.HasPrefix(b.Name, prefix) && b.State == catalog.BucketActive {
				all = append(all, b)
			}
		}
	}
	slices.SortFunc(all, func(a, b *catalog.Bucket) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(all, func(a, b *catalog.Bucket) bool { return a.ID == b.ID })
}
