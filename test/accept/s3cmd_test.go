//go:build accept

package accept

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// s3cmdConfig writes a configuration for s3cmd and gives its path.
func (s *server) s3cmdConfig() string {
	path := filepath.Join(s.t.TempDir(), "s3cfg")
	writeFile(s.t, path, fmt.Appendf(nil, `[default]
access_key = %s
secret_key = %s
host_base = %s
host_bucket = %s
use_https = False
bucket_location = %s
max_retries = 1
`, accessKey, secretKey, s.s3, s.s3, region))
	return path
}

// The everyday commands of s3cmd, those among them that ask for what other stores call ACL, policy, CORS and so on.
func TestS3cmdEverydayCommands(t *testing.T) {
	s := start(t)
	config := s.s3cmdConfig()
	s3cmd := func(args ...string) string {
		t.Helper()
		return s.run("s3cmd", append([]string{"-c", config, "--no-progress"}, args...)...)
	}
	dir := t.TempDir()
	up := filepath.Join(dir, "up")
	for name, size := range map[string]int{"one": 10, "two/large": 23 << 20, "two/ü é": 1000, "empty": 0} {
		writeFile(t, filepath.Join(up, name), content(name, size))
	}

	s3cmd("mb", "s3://cmd")
	mustContain(t, s3cmd("ls"), "s3://"+bucket, "s3://cmd")
	s3cmd("put", filepath.Join(up, "one"), "s3://cmd/put/one", "--add-header=x-amz-meta-colour:brown", "--mime-type=text/x-cow")
	mustContain(t, s3cmd("info", "s3://cmd/put/one"), "text/x-cow", "brown", "File size: 10", "FULL_CONTROL")
	mustContain(t, s3cmd("info", "s3://cmd"), "s3://cmd/ (bucket)", "FULL_CONTROL")
	s3cmd("get", "s3://cmd/put/one", filepath.Join(dir, "one"))
	sameFile(t, filepath.Join(up, "one"), filepath.Join(dir, "one"))

	s3cmd("sync", up+"/", "s3://cmd/tree/", "--multipart-chunk-size-mb=5")
	mustContain(t, s3cmd("ls", "-r", "s3://cmd/tree/"), "s3://cmd/tree/two/large", "s3://cmd/tree/two/ü é")
	mustContain(t, s3cmd("ls", "s3://cmd/tree/"), "DIR", "s3://cmd/tree/two/")
	mustContain(t, s3cmd("la"), "s3://cmd/tree")
	mustContain(t, s3cmd("du", "s3://cmd/tree/"), "4 objects")
	s3cmd("sync", "s3://cmd/tree/", filepath.Join(dir, "down")+"/")
	sameFiles(t, up, filepath.Join(dir, "down"))

	s3cmd("cp", "s3://cmd/tree/two/large", "s3://"+bucket+"/copied")
	s3cmd("mv", "s3://"+bucket+"/copied", "s3://cmd/moved")
	s3cmd("get", "s3://cmd/moved", filepath.Join(dir, "moved"))
	sameFile(t, filepath.Join(up, "two/large"), filepath.Join(dir, "moved"))
	mustNotContain(t, s3cmd("ls", "s3://"+bucket), "copied")
	s3cmd("modify", "--add-header=x-amz-meta-colour:white", "s3://cmd/put/one")
	mustContain(t, s3cmd("info", "s3://cmd/put/one"), "white")

	s3cmd("setacl", "--acl-private", "s3://cmd/put/one")
	s3cmd("setacl", "--acl-private", "s3://cmd")
	if out := strings.TrimSpace(s3cmd("multipart", "s3://cmd")); strings.Count(out, "\n") > 1 {
		t.Errorf("uploads are still in progress:\n%s", out)
	}
	mustContain(t, s3cmd("signurl", "s3://cmd/put/one", "+60"), "http")

	s3cmd("del", "s3://cmd/put/one")
	s3cmd("del", "-r", "--force", "s3://cmd/")
	s3cmd("rb", "s3://cmd")
	mustNotContain(t, s3cmd("ls"), "s3://cmd")
}

// Signature version 2 is not spoken. The error says so in the words that make s3cmd go on with version 4 by itself.
func TestSignatureV2IsToldWhatIsSpoken(t *testing.T) {
	s := start(t)
	const message = "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."
	out := s.run("curl", "-sS", "-w", "\n%{http_code}", "-H", "Authorization: AWS "+accessKey+":frJIUN8DYpKDtOLCwo//yllqDzg=", s.url()+"/"+bucket)
	mustContain(t, out, "400", "<Code>InvalidRequest</Code>", message)
	old := s.ask(s.url() + "/" + bucket + "/key?AWSAccessKeyId=" + accessKey + "&Expires=2000000000&Signature=x")
	mustContain(t, old, "400", "<Code>InvalidRequest</Code>", message)
	mustContain(t, s.run("s3cmd", "-c", s.s3cmdConfig(), "--debug", "--signature-v2", "ls", "s3://"+bucket), "Endpoint requires signature v4")
}
