//go:build accept

package accept

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

func (s *server) aws(args ...string) string {
	s.t.Helper()
	return s.run(python(s.t, "aws"), args...)
}

// The high-level commands of aws-cli: buckets, copies up, down and inside, sync, mv, rm, streams.
func TestAWSCLIEverydayCommands(t *testing.T) {
	s := start(t)
	dir := t.TempDir()
	large := filepath.Join(dir, "up", "large")
	writeFile(t, large, content("large", 21<<20+5))
	for _, name := range []string{"a", "b/c", "b/d e", "b/ü"} {
		writeFile(t, filepath.Join(dir, "up", name), content(name, 10_000))
	}

	s.aws("s3", "mb", "s3://cli")
	mustContain(t, s.aws("s3", "ls"), bucket, "cli")
	s.aws("s3", "sync", filepath.Join(dir, "up"), "s3://cli/tree")
	mustContain(t, s.aws("s3", "ls", "s3://cli/tree/", "--recursive", "--summarize"), "Total Objects: 5", "tree/b/d e")
	mustContain(t, s.aws("s3", "ls", "s3://cli/tree/"), "PRE b/")
	if out := s.aws("s3", "sync", filepath.Join(dir, "up"), "s3://cli/tree"); strings.Contains(out, "upload:") {
		t.Errorf("a second sync of the same files uploads again:\n%s", out)
	}
	s.aws("s3", "sync", "s3://cli/tree", filepath.Join(dir, "down"))
	sameFiles(t, filepath.Join(dir, "up"), filepath.Join(dir, "down"))

	s.aws("s3", "cp", "s3://cli/tree", "s3://"+bucket+"/other", "--recursive")
	s.aws("s3", "mv", "s3://"+bucket+"/other/large", "s3://cli/moved")
	s.aws("s3", "cp", "s3://cli/moved", filepath.Join(dir, "moved"))
	sameFile(t, large, filepath.Join(dir, "moved"))

	if err := os.Remove(filepath.Join(dir, "up", "a")); err != nil {
		t.Fatal(err)
	}
	mustContain(t, s.aws("s3", "sync", filepath.Join(dir, "up"), "s3://cli/tree", "--delete"), "delete: s3://cli/tree/a")
	s.aws("s3", "rm", "s3://cli", "--recursive")
	s.aws("s3", "rb", "s3://cli")
	mustContain(t, s.aws("s3", "rb", "s3://"+bucket, "--force"), "remove_bucket: "+bucket)
}

// The plain calls of aws-cli: ranges, checksums, conditions, batch deletion.
func TestAWSCLIPlainCalls(t *testing.T) {
	s := start(t)
	dir := t.TempDir()
	up, down := filepath.Join(dir, "up"), filepath.Join(dir, "down")
	writeFile(t, up, content("plain", 3<<20))
	at := []string{"--bucket", bucket, "--key", "plain"}
	api := func(call string, args ...string) string {
		t.Helper()
		return s.aws(append(append([]string{"s3api", call}, at...), args...)...)
	}

	var put, head struct{ ETag, ChecksumSHA256, ChecksumType string }
	decode(t, api("put-object", "--body", up, "--checksum-algorithm", "SHA256"), &put)
	decode(t, api("head-object", "--checksum-mode", "ENABLED"), &head)
	if head.ETag != put.ETag || head.ChecksumSHA256 != put.ChecksumSHA256 || put.ChecksumSHA256 == "" {
		t.Errorf("put gave %+v, head gave %+v", put, head)
	}
	api("get-object", "--range", "bytes=1048000-1049999", down)
	if got, want := string(readFile(t, down)), string(content("plain", 3<<20)[1048000:1050000]); got != want {
		t.Error("a range has other bytes")
	}
	s.awsFails("(PreconditionFailed)", append([]string{"s3api", "put-object", "--body", up, "--if-none-match", "*"}, at...)...)
	s.awsFails("(304)", append([]string{"s3api", "get-object", "--if-none-match", put.ETag, down}, at...)...)
	mustContain(t, s.aws("s3api", "delete-objects", "--bucket", bucket, "--delete", "Objects=[{Key=plain},{Key=other}]"),
		`"Key": "plain"`, `"Key": "other"`)
	s.awsFails("(404)", append([]string{"s3api", "head-object"}, at...)...)
	s.awsFails("(NoSuchBucket)", "s3api", "list-objects-v2", "--bucket", "no-such-bucket")
}

func (s *server) awsFails(code string, args ...string) {
	s.t.Helper()
	mustContain(s.t, s.fails(python(s.t, "aws"), args...), code)
}

// Presigned URLs of aws-cli (GET) and boto3 (PUT, and all others) work with curl, which knows nothing of keys, and stop
// working when they expire or when somebody changes them.
func TestPresignedURLsWorkWithCurl(t *testing.T) {
	s := start(t)
	dir := t.TempDir()
	up, down := filepath.Join(dir, "up"), filepath.Join(dir, "down")
	writeFile(t, up, content("presigned", 2_000_000))
	key := "dir/pre signed+ü"

	put := s.presigned("put_object", key, 600)
	s.run("curl", "-sSf", "-T", up, put)
	s.run("curl", "-sSf", "-o", down, s.presigned("get_object", key, 600))
	sameFile(t, up, down)
	s.run("curl", "-sSf", "-o", down, strings.TrimSpace(s.aws("s3", "presign", "s3://"+bucket+"/"+key)))
	sameFile(t, up, down)
	s.run("curl", "-sSf", "-I", s.presigned("head_object", key, 600))
	if got := s.run("curl", "-sSf", "-r", "100-199", s.presigned("get_object", key, 600)); got != string(content("presigned", 200)[100:]) {
		t.Error("a range by presigned URL has other bytes")
	}

	get := s.presigned("get_object", key, 600)
	mustContain(t, s.ask(strings.Replace(get, "signed", "Signed", 1)), "SignatureDoesNotMatch", "403")
	mustContain(t, s.ask(strings.Replace(get, "X-Amz-Expires=600", "X-Amz-Expires=60000", 1)), "SignatureDoesNotMatch", "403")
	mustContain(t, s.ask(get, "-X", "DELETE"), "SignatureDoesNotMatch", "403")
	short := s.presigned("get_object", key, 1)
	time.Sleep(2500 * time.Millisecond) // the least expiry is a second, and whole seconds count
	mustContain(t, s.ask(short), "AccessDenied", "expired", "403")
	mustContain(t, s.ask(s.url()+"/"+bucket+"/dir"), "AccessDenied", "403")
	s.run("curl", "-sSf", "-X", "DELETE", s.presigned("delete_object", key, 600))
	mustContain(t, s.ask(get), "NoSuchKey", "404")
}

// presigned is a URL made by boto3.
func (s *server) presigned(call, key string, seconds int) string {
	s.t.Helper()
	parameters, err := json.Marshal(map[string]string{"Bucket": bucket, "Key": key})
	if err != nil {
		s.t.Fatal(err)
	}
	program := `import sys, json, common
print(common.client(signature_version="s3v4").generate_presigned_url(sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3])))`
	cmd := s.client(python(s.t, "python"), "-c", program, call, string(parameters), strconv.Itoa(seconds))
	cmd.Env = append(cmd.Env, "PYTHONPATH=py")
	return strings.TrimSpace(mustRun(s.t, cmd))
}

// ask asks with curl and gives the body of the answer and its status.
func (s *server) ask(url string, args ...string) string {
	s.t.Helper()
	return s.run("curl", append([]string{"-sS", "-w", "\n%{http_code}", url}, args...)...)
}

// curl signs requests by itself, too.
func TestCurlSignsRequests(t *testing.T) {
	s := start(t)
	dir := t.TempDir()
	up, down := filepath.Join(dir, "up"), filepath.Join(dir, "down")
	writeFile(t, up, content("curl", 100_000))
	signed := []string{
		"-sSf", "--aws-sigv4", "aws:amz:" + region + ":s3", "--user", accessKey + ":" + secretKey,
		"-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD",
	}
	url := s.url() + "/" + bucket + "/curl"
	s.run("curl", append(signed, "-T", up, url)...)
	s.run("curl", append(signed, "-o", down, url)...)
	sameFile(t, up, down)
	mustContain(t, s.run("curl", append(signed, s.url()+"/")...), "<Name>"+bucket+"</Name>")
	s.run("curl", append(signed, "-X", "DELETE", url)...)
	mustContain(t, s.fails("curl", append(signed, url)...), "404")
}

// decode parses JSON that a program printed.
func decode(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
}
