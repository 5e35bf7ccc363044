package catalog

import "sync"

const (
	cacheBytesMax = 8 << 20
	entryBytes    = 512 // of a decoded record without what grows
	grantBytes    = 64  // of one decoded grant
)

// cache keeps decoded keys and buckets, which each request looks up. What it holds was read at one revision of the
// catalog or later; it gives answers only to a reader who sees just that revision, so that a change is seen at once.
type cache struct {
	mu struct {
		sync.RWMutex
		revision uint64
		bytes    int
		entries  map[cacheKey]cacheEntry
	}
}

type cacheKey struct {
	kind byte
	name string
}

type cacheEntry struct {
	value any
	bytes int
}

func newCache() *cache {
	c := new(cache)
	c.mu.entries = make(map[cacheKey]cacheEntry)
	return c
}

// cached answers from the view's cache, or loads and keeps. load also tells the bytes beyond entryBytes. The revision
// is read before the record: the record is at least as new, and should it be newer, the next reader sees a newer
// revision and does not take it.
func cached[T any](v View, kind byte, name string, load func() (*T, int, error)) (*T, error) {
	if v.cache == nil {
		value, _, err := load()
		return orNil(value, err)
	}
	revision, err := v.Revision()
	if err != nil {
		return nil, err
	}
	key := cacheKey{kind, name}
	if value, ok := v.cache.get(revision, key); ok {
		return value.(*T), nil
	}
	value, bytes, err := load()
	if err != nil {
		return nil, err
	}
	v.cache.put(revision, key, cacheEntry{value, entryBytes + 2*len(name) + bytes})
	return value, nil
}

func orNil[T any](value *T, err error) (*T, error) {
	if err != nil {
		return nil, err
	}
	return value, nil
}

func (c *cache) get(revision uint64, key cacheKey) (any, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.mu.revision != revision {
		return nil, false
	}
	e, ok := c.mu.entries[key]
	return e.value, ok
}

// put keeps e. A newer revision empties the cache; what was read at an older one is not kept.
func (c *cache) put(revision uint64, key cacheKey, e cacheEntry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if revision < c.mu.revision || e.bytes > cacheBytesMax/4 {
		return
	}
	if revision > c.mu.revision {
		clear(c.mu.entries)
		c.mu.revision, c.mu.bytes = revision, 0
	}
	c.dropLocked(key)
	for other := range c.mu.entries { // any will do
		if c.mu.bytes+e.bytes <= cacheBytesMax {
			break
		}
		c.dropLocked(other)
	}
	c.mu.entries[key] = e
	c.mu.bytes += e.bytes
}

func (c *cache) dropLocked(key cacheKey) {
	if e, ok := c.mu.entries[key]; ok {
		c.mu.bytes -= e.bytes
		delete(c.mu.entries, key)
	}
}
