//go:build accept

package accept

import (
	"net/http"
	"testing"
	"time"
)

// A client whose clock is wrong by more than 15 minutes is told so, by a code that clients know; less is no problem.
func TestWrongClockIsToldAsSuch(t *testing.T) {
	s := start(t)
	curl := func(offset string) string {
		t.Helper()
		return s.run("faketime", "-f", offset, "curl", "-sS", "-w", "\n%{http_code}", "--aws-sigv4", "aws:amz:"+region+":s3",
			"--user", accessKey+":"+secretKey, "-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD", s.url()+"/"+bucket)
	}
	for offset, want := range map[string][]string{
		"-20m": {"403", "<Code>RequestTimeTooSkewed</Code>"},
		"+20m": {"403", "<Code>RequestTimeTooSkewed</Code>"},
		"-14m": {"200", "<ListBucketResult"},
		"+14m": {"200", "<ListBucketResult"},
	} {
		t.Run("curl "+offset, func(t *testing.T) { mustContain(t, curl(offset), want...) })
	}
	for name, at := range map[string]time.Duration{"long ago": -87600 * time.Hour, "a century ahead": 876000 * time.Hour} {
		r := rawRequest{method: http.MethodGet, target: "/" + bucket, at: time.Now().Add(at)}
		send(t, s.s3, r.bytes(s.s3)).mustBe(t, name, 403, "RequestTimeTooSkewed")
	}
}

// aws-cli with a wrong clock ends with the error, and not with something that hides it.
func TestAWSCLIWithWrongClockSaysWhy(t *testing.T) {
	s := start(t)
	out := s.fails("faketime", "-f", "-20m", python(t, "aws"), "s3api", "put-object", "--bucket", bucket, "--key", "k")
	mustContain(t, out, "RequestTimeTooSkewed")
}
