//go:build accept

package accept

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

const unsignedPayload = "UNSIGNED-PAYLOAD"

// header is one header line.
type header struct{ name, value string }

// rawRequest is a request that is signed in order and may be nonsense otherwise: no library puts it right on its way.
type rawRequest struct {
	method      string
	target      string // path?query as it is sent; the signature is that of its decoded form
	headers     []header
	body        []byte
	payloadHash string    // x-amz-content-sha256; empty: UNSIGNED-PAYLOAD
	at          time.Time // of the signature; zero: now
	unsigned    []header  // sent, and not named in the signature
}

// set adds a header that will be signed.
func (r *rawRequest) set(name, value string) { r.headers = append(r.headers, header{name, value}) }

// seed is what the signatures of the chunks of a body begin with.
type seed struct {
	key       []byte
	date      string
	scope     string
	signature string
}

// sign gives the headers of the request with the Authorization in them (AWS, "Signature Calculations for the Authorization
// Header"), and the seed of its chunks.
func (r *rawRequest) sign(host string) ([]header, seed) {
	at := r.at
	if at.IsZero() {
		at = time.Now()
	}
	s := seed{date: at.UTC().Format("20060102T150405Z")}
	hash := cmp.Or(r.payloadHash, unsignedPayload)
	headers := append([]header{{"Host", host}, {"x-amz-date", s.date}, {"x-amz-content-sha256", hash}}, r.headers...)
	names, canonical := canonicalHeaders(headers)
	path, query, _ := strings.Cut(r.target, "?")
	request := strings.Join([]string{r.method, canonicalPath(path), canonicalQuery(query), canonical, names, hash}, "\n")
	s.scope = s.date[:8] + "/" + region + "/s3/aws4_request"
	s.key = mac(mac(mac(mac([]byte("AWS4"+secretKey), s.date[:8]), region), "s3"), "aws4_request")
	s.signature = hex.EncodeToString(mac(s.key, "AWS4-HMAC-SHA256\n"+s.date+"\n"+s.scope+"\n"+hexSum(request)))
	authorization := "AWS4-HMAC-SHA256 Credential=" + accessKey + "/" + s.scope + ",SignedHeaders=" + names + ",Signature=" + s.signature
	return append(headers, header{"Authorization", authorization}), s
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func hexSum(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func canonicalHeaders(headers []header) (names, canonical string) {
	values := map[string][]string{}
	for _, h := range headers {
		name := strings.ToLower(h.name)
		values[name] = append(values[name], strings.TrimSpace(h.value))
	}
	sorted := make([]string, 0, len(values))
	for name := range values {
		sorted = append(sorted, name)
	}
	slices.Sort(sorted)
	for _, name := range sorted {
		canonical += name + ":" + strings.Join(values[name], ",") + "\n"
	}
	return strings.Join(sorted, ";"), canonical
}

// canonicalPath escapes the decoded path in the one way that AWS defines. What cannot be decoded stays.
func canonicalPath(path string) string {
	decoded, err := url.PathUnescape(path)
	if err != nil {
		return path
	}
	return escape(decoded, true)
}

func canonicalQuery(query string) string {
	if query == "" {
		return ""
	}
	var pairs []string
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		pairs = append(pairs, escape(unescape(name), false)+"="+escape(unescape(value), false))
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "&")
}

func unescape(text string) string {
	decoded, err := url.PathUnescape(text)
	if err != nil {
		return text
	}
	return decoded
}

// escape is AWS's UriEncode: every byte but the unreserved ones of RFC 3986, and the slash where it is wanted.
func escape(text string, slash bool) string {
	var b strings.Builder
	for i := range len(text) {
		c := text[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~", c) >= 0, c == '/' && slash:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// head is the request without its body, signed, as it goes over the wire.
func (r *rawRequest) head(host string) []byte {
	headers, _ := r.sign(host)
	return r.headOf(headers)
}

func (r *rawRequest) headOf(headers []header) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\n", r.method, r.target)
	for _, h := range append(headers, r.unsigned...) {
		fmt.Fprintf(&b, "%s: %s\r\n", h.name, h.value)
	}
	b.WriteString("\r\n")
	return b.Bytes()
}

// bytes is the whole request, signed, with a Content-Length unless it has one of its own.
func (r *rawRequest) bytes(host string) []byte {
	named := func(h header) bool {
		return strings.EqualFold(h.name, "Content-Length") || strings.EqualFold(h.name, "Transfer-Encoding")
	}
	if !slices.ContainsFunc(r.headers, named) && !slices.ContainsFunc(r.unsigned, named) && (len(r.body) > 0 || r.method == http.MethodPut) {
		r.set("Content-Length", fmt.Sprint(len(r.body)))
	}
	return append(r.head(host), r.body...)
}

// answer is what came back.
type answer struct {
	status int // 0: the connection was closed without an answer
	code   string
	body   string
}

var codePattern = regexp.MustCompile(`<Code>(\w+)</Code>`)

// send writes a request to a fresh connection and reads the answer.
func send(t *testing.T, address string, request []byte) answer {
	t.Helper()
	return sendCut(t, address, request, 10*time.Second)
}

func dial(t *testing.T, address string) (net.Conn, error) {
	return new(net.Dialer).DialContext(t.Context(), "tcp", address)
}

// sendCut writes what may be the beginning of a request. If no answer comes for a while, it says that it will send no more,
// because the server may be waiting for the rest. (It must not say so at once: to Go's server that means that the client
// has gone away.)
func sendCut(t *testing.T, address string, request []byte, patience time.Duration) answer {
	t.Helper()
	conn, err := dial(t, address)
	if err != nil {
		t.Fatalf("the server takes no connection any more: %v", err)
	}
	defer conn.Close()
	must(t, conn.SetWriteDeadline(time.Now().Add(20*time.Second)))
	// A server that refuses early need not read everything, so an error of writing says nothing.
	_, _ = conn.Write(request)
	in := bufio.NewReader(conn)
	must(t, conn.SetReadDeadline(time.Now().Add(patience)))
	if _, err := in.Peek(1); errors.Is(err, os.ErrDeadlineExceeded) {
		_ = conn.(*net.TCPConn).CloseWrite()
	}
	must(t, conn.SetReadDeadline(time.Now().Add(20*time.Second)))
	method, _, _ := strings.Cut(string(request), " ")
	resp, err := http.ReadResponse(in, &http.Request{Method: method})
	if err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("no answer within 20 s")
		}
		return answer{}
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<20))
	a := answer{status: resp.StatusCode, body: string(body)}
	if m := codePattern.FindStringSubmatch(a.body); m != nil {
		a.code = m[1]
	}
	return a
}

// mustBe fails the test unless the answer has this status and code.
func (a answer) mustBe(t *testing.T, what string, status int, code string) {
	t.Helper()
	if a.status != status || a.code != code {
		t.Errorf("%s: got %d %s, want %d %s", what, a.status, a.code, status, code)
	}
}
