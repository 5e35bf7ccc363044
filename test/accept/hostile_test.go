//go:build accept

package accept

import (
	"crypto/md5"
	"encoding/base64"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// hostile is one malformed request, ready for the wire.
type hostile struct {
	bytes []byte
	// codes are the error codes of which one must come back; none named: any answer of 4xx is right.
	codes []string
	// mayBeGood says that what a random change made of a good request may be a good one. Then anything but 5xx is right.
	mayBeGood bool
	// means is what the request would store under spoiltKey if its spoiling changed nothing that counts, such as the case of
	// a hexadecimal digit. Then it may be taken, if that is what it stores.
	means []byte
	// mayBeMissing says that 501 NotImplemented is right, too: the request may ask for a part of S3 that is not there.
	mayBeMissing bool
	// mayHangUp says that the server may close the connection without an answer, because no request can be made out.
	mayHangUp bool
}

// refused is a request that must be answered with one of these codes.
func refused(r *rawRequest, host string, codes ...string) hostile {
	return hostile{bytes: r.bytes(host), codes: codes}
}

// kind makes a malformed request for a server.
type kind func(rng *rand.Rand, host string) hostile

// A thousand requests that no client should send, of every kind that we could think of. Each gets an answer of 4xx, the right
// one where there is one; nothing that was refused left an object; the server is alive and its log tells of no panic.
func TestMalformedRequestsAreRefused(t *testing.T) {
	s := start(t)
	rng := seeded(t)
	must(t, put(t.Context(), s.minioClient(), "good", 1000))
	all := map[string]kind{}
	for _, some := range []map[string]kind{signatureKinds, headerKinds, bodyKinds, chunkKinds, xmlKinds, queryKinds, wireKinds} {
		maps.Copy(all, some)
	}
	each := (pick(1000, 10_000) + len(all) - 1) / len(all)
	t.Run("kinds", func(t *testing.T) {
		for _, name := range slices.Sorted(maps.Keys(all)) {
			own := rand.New(rand.NewPCG(rng.Uint64(), 0))
			t.Run(name, func(t *testing.T) {
				t.Parallel() // many only wait for the server to hang up
				refuses(t, s.s3, own, all[name], each)
			})
		}
	})
	t.Logf("%d kinds, %d of each", len(all), each)
	mustHave(t, s.minioClient(), "good", "good", 1000)
	if got := list(t, s.minioClient(), "", true); !slices.Equal(got, []string{"good"}) {
		t.Errorf("refused requests left %q", got)
	}
	if names, _ := bucketsOf(t, s.minioClient()); !slices.Equal(names, []string{bucket}) {
		t.Errorf("refused requests left the buckets %q", names)
	}
	if log := s.log(); strings.Contains(log, "level=ERROR") {
		t.Errorf("the log tells of errors:\n%s", tail(log, 20))
	}
}

// refuses sends so many requests of a kind, up to the first one with a wrong answer.
func refuses(t *testing.T, address string, rng *rand.Rand, k kind, count int) {
	t.Helper()
	seen := map[string]int{}
	for range count {
		h := k(rng, address)
		a := sendCut(t, address, h.bytes, 200*time.Millisecond)
		seen[fmt.Sprintf("%d %s", a.status, a.code)]++
		why := h.wrong(a)
		if a.status == http.StatusOK && h.means != nil {
			why = storedOtherwise(t, address, h.means)
		}
		if why != "" {
			t.Fatalf("got %d %s, %s\n%.700q", a.status, a.code, why, h.bytes)
		}
	}
	t.Log(seen)
}

// spoiltKey is the key of uploads that may turn out to be good ones.
const spoiltKey = "spoilt"

// storedOtherwise says what is wrong with the object of an upload that was taken, or nothing, and deletes it.
func storedOtherwise(t *testing.T, address string, want []byte) (why string) {
	t.Helper()
	r := rawRequest{method: http.MethodGet, target: "/" + bucket + "/" + spoiltKey}
	if got := send(t, address, r.bytes(address)); got.body != string(want) {
		why = fmt.Sprintf("and what it stored is %q, want %q", got.body, want)
	}
	r = rawRequest{method: http.MethodDelete, target: "/" + bucket + "/" + spoiltKey}
	send(t, address, r.bytes(address)).mustBe(t, "delete of a spoilt upload", 204, "")
	return why
}

// wrong says what is wrong with an answer, or nothing.
func (h hostile) wrong(a answer) string {
	switch {
	case a.status == 0 && h.mayHangUp:
		return ""
	case a.status == http.StatusNotImplemented && h.mayBeMissing:
		return ""
	case a.status >= 500 || a.status == 0:
		return "want an answer below 500"
	case h.mayBeGood:
		return ""
	case a.status < 400:
		return "want 4xx"
	case len(h.codes) > 0 && !slices.Contains(h.codes, a.code):
		return fmt.Sprintf("want one of %v", h.codes)
	}
	return ""
}

// goodGet and goodPut are what the kinds spoil.
func goodGet() *rawRequest {
	return &rawRequest{method: http.MethodGet, target: "/" + bucket + "/good"}
}

func goodPut(body string) *rawRequest {
	return &rawRequest{method: http.MethodPut, target: "/" + bucket + "/hostile", body: []byte(body), payloadHash: hexSum(body)}
}

// anyOf picks one of some values.
func anyOf[T any](rng *rand.Rand, values ...T) T { return values[rng.IntN(len(values))] }

// junk is a text of up to n printable characters.
func junk(rng *rand.Rand, n int) string {
	b := make([]byte, 1+rng.IntN(n))
	for i := range b {
		b[i] = byte('!' + rng.IntN('~'-'!'+1))
	}
	return string(b)
}

// noise is a text of n bytes of every kind.
func noise(rng *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return string(b)
}

// spoilt changes, drops or doubles a few bytes of a text.
func spoilt(rng *rand.Rand, text []byte) []byte {
	b := slices.Clone(text)
	for range 1 + rng.IntN(4) {
		at := rng.IntN(len(b))
		switch rng.IntN(4) {
		case 0:
			b[at] ^= 1 << rng.IntN(8)
		case 1:
			b[at] = byte(rng.Uint32())
		case 2:
			b = slices.Delete(b, at, min(len(b), at+1+rng.IntN(5)))
		case 3:
			b = slices.Insert(b, at, b[at:min(len(b), at+1+rng.IntN(20))]...)
		}
		if len(b) == 0 {
			return []byte("x")
		}
	}
	return b
}

// withMD5 adds the Content-MD5 that batch deletion needs.
func withMD5(r *rawRequest) *rawRequest {
	sum := md5.Sum(r.body)
	r.set("Content-MD5", base64.StdEncoding.EncodeToString(sum[:]))
	return r
}
