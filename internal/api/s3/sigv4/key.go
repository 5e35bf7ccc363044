package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"sync"
)

// signingKey is the key derived from a secret for one scope.
type signingKey [sha256.Size]byte

func deriveKey(secret string, c credential) *signingKey {
	k := sum([]byte("AWS4"+secret), c.day)
	k = sum(k, c.region)
	k = sum(k, c.service)
	return (*signingKey)(sum(k, terminal))
}

// sign returns the signature of a text in lower-case hexadecimal.
func (k *signingKey) sign(text []byte) string {
	mac := hmac.New(sha256.New, k[:])
	mac.Write(text)
	return hex.EncodeToString(mac.Sum(nil))
}

func sum(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

// keyID is what a signing key is derived from. The secret stands in it as a hash, so that a changed secret misses.
type keyID struct {
	credential
	secret [sha256.Size]byte
}

// keyCache remembers signing keys, as deriving one costs four HMACs. Only keys that verified a signature enter it, so that no one without a
// secret can push others out. The oldest entry makes room for a new one.
type keyCache struct {
	mu struct {
		sync.Mutex
		keys map[keyID]*signingKey
		ring []keyID // in the order of arrival once full
		next int     // the oldest, when the ring is full
	}
	max int
}

func newKeyCache(max int) *keyCache {
	c := &keyCache{max: max}
	c.mu.keys = make(map[keyID]*signingKey)
	return c
}

// get returns nil for a key that is not remembered.
func (c *keyCache) get(id keyID) *signingKey {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.keys[id]
}

func (c *keyCache) put(id keyID, key *signingKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.keys[id] != nil {
		return
	}
	if len(c.mu.ring) < c.max {
		c.mu.ring = append(c.mu.ring, id)
	} else {
		delete(c.mu.keys, c.mu.ring[c.mu.next])
		c.mu.ring[c.mu.next] = id
		c.mu.next = (c.mu.next + 1) % c.max
	}
	c.mu.keys[id] = key
}
