//go:build accept

package accept

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// strangeKeys are keys that something on the way may want to clean, decode or cut: a path with dots or double slashes, an
// escaped slash or escape, every single byte, the longest key.
func strangeKeys(rng *rand.Rand) []string {
	keys := []string{
		".", "..", "../up", "a/../b", "a/./b", "a//b", "/leading", "//", "a/", "%2F", "%252F", "a%2Fb", "%", "%zz", "+", "a+b", "a b",
		" ", "?", "#", "a?b=c&d", "&amp;<x>\"'", strings.Repeat("k", 1024), strings.Repeat("ü", 512), "x\x00y", "\xff\xfe", "\u202e", "]]>",
		"con", "a\\b", "..\\..\\x", "~", "a=b", "a;b", "a,b", "a:b", "a|b", "{}", "^`", "\u2028", "𝔊", "e\u0301", "é",
	}
	for b := range 256 {
		keys = append(keys, "byte/"+string([]byte{byte(b)}), "in/a"+string([]byte{byte(b)})+"b")
	}
	for range 100 {
		key := make([]byte, 1+rng.IntN(60))
		for i := range key {
			key[i] = byte(rng.Uint32())
		}
		keys = append(keys, "random/"+string(key))
	}
	return keys
}

// spellings are the ways in which clients write a key into a request line: as AWS does, with small hexadecimal digits, with
// every byte escaped, and with nothing escaped that need not be.
var spellings = map[string]func(string) string{
	"as AWS does":         func(key string) string { return escape(key, true) },
	"small digits":        func(key string) string { return lowerEscapes(escape(key, true)) },
	"all escaped":         func(key string) string { return escapeAll(key) },
	"escaped slashes":     func(key string) string { return escape(key, false) },
	"as little as can be": escapeLittle,
}

func lowerEscapes(text string) string {
	b := []byte(text)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i+1:i+3], bytes.ToLower(b[i+1:i+3]))
		}
	}
	return string(b)
}

func escapeAll(text string) string {
	var b strings.Builder
	for i := range len(text) {
		fmt.Fprintf(&b, "%%%02X", text[i])
	}
	return b.String()
}

func escapeLittle(text string) string {
	var b strings.Builder
	for i := range len(text) {
		if c := text[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("%?#\"<>\\^`{|}", c) >= 0 {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// A key is a row of bytes: what is stored under it in one spelling is read in each other one, listed exactly once, and
// deleted; its neighbours stay what they are. A key that is refused is refused in every spelling, and leaves nothing.
func TestStrangeKeysKeepTheirBytes(t *testing.T) {
	s := start(t)
	keys := strangeKeys(seeded(t))
	slices.Sort(keys)
	keys = slices.Compact(keys)
	var stored []string
	for _, key := range keys {
		a := s.object(t, http.MethodPut, escape(key, true), []byte(key))
		switch {
		case a.status == 200:
			stored = append(stored, key)
		case a.status != 400:
			t.Errorf("put %q: %d %s", key, a.status, a.code)
		default:
			t.Logf("put %q is refused: %s", key, a.code)
		}
	}
	if len(stored) < len(keys)*3/4 {
		t.Errorf("only %d of %d keys were taken", len(stored), len(keys))
	}
	for _, key := range keys {
		for name, spell := range spellings {
			a := s.object(t, http.MethodGet, spell(key), nil)
			if there := slices.Contains(stored, key); there && (a.status != 200 || a.body != key) || !there && a.status/100 != 4 {
				t.Errorf("get %q, spelled %s: %d %s %q", key, name, a.status, a.code, a.body)
			}
		}
	}
	if got := list(t, s.minioClient(), "", true); !slices.Equal(got, stored) {
		t.Errorf("listed are %d keys %q, want the %d that were stored", len(got), difference(got, stored), len(stored))
	}
	for _, key := range stored {
		if a := s.object(t, http.MethodDelete, escape(key, true), nil); a.status != 204 {
			t.Errorf("delete %q: %d %s", key, a.status, a.code)
		}
	}
	if got := list(t, s.minioClient(), "", true); len(got) != 0 {
		t.Errorf("after all deletions %q are left", got)
	}
}

// object makes a request for a key that is spelled already.
func (s *server) object(t *testing.T, method, spelled string, body []byte) answer {
	t.Helper()
	r := rawRequest{method: method, target: "/" + bucket + "/" + spelled, body: body}
	return send(t, s.s3, r.bytes(s.s3))
}

// difference is what only one of two lists has.
func difference(a, b []string) (only []string) {
	for _, x := range a {
		if !slices.Contains(b, x) {
			only = append(only, x)
		}
	}
	for _, x := range b {
		if !slices.Contains(a, x) {
			only = append(only, x)
		}
	}
	return only
}
