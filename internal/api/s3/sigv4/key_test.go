package sigv4

import (
	"fmt"
	"sync"
	"testing"
)

func TestTheKeyCacheForgetsTheOldestKey(t *testing.T) {
	id := func(i int) keyID { return keyID{credential: credential{accessKeyID: fmt.Sprint(i)}} }
	c := newKeyCache(3)
	for i := range 10 {
		c.put(id(i), &signingKey{byte(i)})
		c.put(id(i), &signingKey{255}) // known already: stays
		if n := len(c.mu.keys); n != min(i+1, 3) || n != len(c.mu.ring) {
			t.Fatalf("after %d: got %d keys and %d in the ring", i, n, len(c.mu.ring))
		}
	}
	for i := range 10 {
		got := c.get(id(i))
		if i < 7 && got != nil || i >= 7 && (got == nil || got[0] != byte(i)) {
			t.Errorf("key %d: got %v", i, got)
		}
	}
}

func TestTheKeyCacheIsSafeForConcurrentUse(t *testing.T) {
	c := newKeyCache(4)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 100 {
				id := keyID{credential: credential{accessKeyID: fmt.Sprint((i + j) % 6)}}
				c.put(id, &signingKey{byte((i + j) % 6)})
				if k := c.get(id); k != nil && k[0] != byte((i+j)%6) {
					t.Errorf("got key %d, want %d", k[0], (i+j)%6)
				}
			}
		})
	}
	wg.Wait()
}
