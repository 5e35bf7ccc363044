//go:build accept

package accept

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// clientOf is a client with another key than that of the first start.
func (s *server) clientOf(id, secret string) *minio.Client {
	s.t.Helper()
	client, err := minio.New(s.s3, &minio.Options{Creds: credentials.NewStaticV4(id, secret, ""), Region: region, MaxRetries: 1})
	must(s.t, err)
	return client
}

// bucketsOf lists the names of the buckets that a client sees, or gives the code of the error.
func bucketsOf(t *testing.T, client *minio.Client) ([]string, string) {
	t.Helper()
	buckets, err := client.ListBuckets(t.Context())
	var names []string
	for _, b := range buckets {
		names = append(names, b.Name)
	}
	return names, minio.ToErrorResponse(err).Code
}

// The key and the bucket of the environment are made at the first start, and never again: not when the environment is
// another one later, and not when an operator has deleted them.
func TestEnvironmentCountsAtTheFirstStartOnly(t *testing.T) {
	s := start(t)
	if names, code := bucketsOf(t, s.minioClient()); !slices.Equal(names, []string{bucket}) {
		t.Fatalf("the first key sees %v (%s), want %s", names, code, bucket)
	}
	must(t, s.minioClient().MakeBucket(t.Context(), "made-by-key", minio.MakeBucketOptions{}))
	s.stop()

	s.env = []string{"GRANGE_ACCESS_KEY=AKIASECONDSTART00001", "GRANGE_SECRET_KEY=another-secret-0123456789", "GRANGE_BUCKET=second"}
	s.start()
	if _, code := bucketsOf(t, s.clientOf("AKIASECONDSTART00001", "another-secret-0123456789")); code != "InvalidAccessKeyId" {
		t.Errorf("the key of the second start gets %q, want InvalidAccessKeyId", code)
	}
	if names, code := bucketsOf(t, s.minioClient()); !slices.Equal(names, []string{bucket, "made-by-key"}) {
		t.Errorf("the first key sees %v (%s)", names, code)
	}
	must(t, s.minioClient().RemoveBucket(t.Context(), bucket))
	s.grange("key", "delete", accessKey)
	s.stop()

	s.env = []string{"GRANGE_ACCESS_KEY=" + accessKey, "GRANGE_SECRET_KEY=" + secretKey, "GRANGE_BUCKET=" + bucket}
	s.start()
	if _, code := bucketsOf(t, s.minioClient()); code != "InvalidAccessKeyId" {
		t.Errorf("the deleted key gets %q after another start, want InvalidAccessKeyId", code)
	}
}

// A first start that came to nothing, because the bucket's name is none, is not the first start: put right, the next one
// makes the key and the bucket.
func TestFirstStartThatWasRefusedCanBeRepeated(t *testing.T) {
	s := newServer(t, func(s *server) { s.env = append(s.env, "GRANGE_BUCKET=No_Bucket") })
	mustContain(t, s.refusal(), "No_Bucket")
	s.env = s.env[:len(s.env)-1]
	s.start()
	if names, code := bucketsOf(t, s.minioClient()); !slices.Equal(names, []string{bucket}) {
		t.Errorf("the key sees %v (%s), want %s", names, code, bucket)
	}
}

// A server without any environment starts, and an operator makes what is needed with the command line.
func TestServerWithoutEnvironmentIsSetUpByCommands(t *testing.T) {
	s := start(t, func(s *server) { s.env = nil })
	s.grange("account", "create", "village")
	s.grange("bucket", "create", "archive", "--account", "village")
	var key struct{ ID, Secret string }
	decode(t, s.grange("key", "create", "--account", "village", "--json"), &key)
	if names, code := bucketsOf(t, s.clientOf(key.ID, key.Secret)); !slices.Equal(names, []string{"archive"}) {
		t.Errorf("the key made by command sees %v (%s), want archive", names, code)
	}
	mustNotContain(t, s.grange("key", "list", "--json")+s.grange("key", "show", key.ID, "--json")+s.log(), key.Secret)
}

// Keys that were made elsewhere, in whatever format, are imported and work; the same import again changes nothing, and
// another secret for the same id is refused.
func TestImportedKeysWork(t *testing.T) {
	s := start(t)
	keys := map[string]string{
		"GK31c2f218a2e44f485b94239e": "7c20d3eb6c0d9c2b3a9b7c6d1f0e4a5b8c9d0e1f2a3b4c5d6e7f8091a2b3c4d5", // Garage
		"minioadmin":                 "minioadmin",                                                       // MinIO
		"AKIAIOSFODNN7EXAMPLE":       "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",                         // AWS
		"0555b35654ad1656d804":       "h7GhxuBLTrlhVUyxSPUKUV8r/2EI4ngqJxD7iBdBYLhwluN30JaT3Q==",         // Ceph
		"some.one@example.org":       "ünï cødé and spaces",
	}
	n := 0
	for id, secret := range keys {
		account := fmt.Sprintf("account-%d", n)
		n++
		s.grange("key", "import", "--id", id, "--secret", secret, "--account", account)
		s.grange("key", "import", "--id", id, "--secret", secret, "--account", account)
		client := s.clientOf(id, secret)
		if err := client.MakeBucket(t.Context(), account, minio.MakeBucketOptions{}); err != nil {
			t.Errorf("key %s makes a bucket: %v", id, err)
		}
		if names, code := bucketsOf(t, client); !slices.Equal(names, []string{account}) {
			t.Errorf("key %s sees %v (%s), want %s", id, names, code, account)
		}
		if _, err := client.StatObject(t.Context(), bucket, "key", minio.StatObjectOptions{}); minio.ToErrorResponse(err).StatusCode != 403 {
			t.Errorf("key %s looks into another account's bucket: %v, want 403", id, err)
		}
		if _, _, err := s.tryGrange("key", "import", "--id", id, "--secret", secret+"x", "--account", account); err == nil {
			t.Errorf("another secret for key %s was taken", id)
		}
	}
	mustNotContain(t, s.log(), "K7MDENG", "7c20d3eb")
}

// A key can be narrowed to reading one bucket, given rights on buckets of others, switched off, and all of that holds at once.
func TestRightsOfKeysHoldAtOnce(t *testing.T) {
	s := start(t)
	owner, ctx := s.minioClient(), t.Context()
	must(t, put(ctx, owner, "key", 1000))
	s.grange("key", "import", "--id", "reader-key", "--secret", "reader-secret", "--account", "guests")
	reader := s.clientOf("reader-key", "reader-secret")
	readable := func() bool { _, err := get(ctx, reader, bucket, "key"); return err == nil }
	writable := func() bool { return put(ctx, reader, "by-reader", 10) == nil }

	if readable() || writable() {
		t.Error("a key of another account may read or write")
	}
	s.grange("bucket", "grant", bucket, "reader-key", "--read")
	if !readable() || writable() {
		t.Error("a key with the right to read may not read, or may write")
	}
	s.grange("bucket", "grant", bucket, "reader-key", "--write")
	if !readable() || !writable() {
		t.Error("a key with the rights to read and to write may not")
	}
	s.grange("bucket", "revoke", bucket, "reader-key")
	if readable() || writable() {
		t.Error("a key whose rights were revoked may still read or write")
	}
	s.grange("bucket", "grant", bucket, "reader-key", "--read")
	s.grange("key", "update", "reader-key", "--disabled")
	if readable() {
		t.Error("a disabled key may still read")
	}
	s.grange("key", "update", "reader-key", "--disabled=false")
	s.kill()
	s.start()
	if !readable() || writable() {
		t.Error("after kill -9 the rights are others")
	}
}

// Whatever a script may want to read, grange writes as JSON; exit codes tell failures apart, and errors are one line.
func TestCommandLineIsMadeForScripts(t *testing.T) {
	s := start(t)
	must(t, put(t.Context(), s.minioClient(), "key", 100_000))
	for _, command := range []string{
		"status", "account list", "account show " + accessKey, "bucket list", "bucket show " + bucket, "key list",
		"key show " + accessKey, "worker list", "worker run scrub", "worker pause scrub", "worker resume scrub", "version",
		"bucket quota " + bucket + " --objects 100",
	} {
		out := s.grange(append(strings.Fields(command), "--json")...)
		if !json.Valid([]byte(out)) {
			t.Errorf("grange %s --json writes %q, which is not JSON", command, out)
		}
		if plain := s.grange(strings.Fields(command)...); strings.TrimSpace(plain) == "" {
			t.Errorf("grange %s says nothing", command)
		}
	}
	var shown struct{ Objects, Bytes int64 }
	decode(t, s.grange("bucket", "show", bucket, "--json"), &shown)
	if shown.Objects != 1 || shown.Bytes != 100_000 {
		t.Errorf("bucket show counts %+v, want one object of 100,000 bytes", shown)
	}
	mustContain(t, s.grange("completion", "bash"), "grange")

	codes := map[string]int{
		"bucket show nowhere": 3, "key show nobody": 3, "worker run nothing": 3, "account create " + accessKey: 4,
		"bucket create " + bucket + " --account " + accessKey: 4, "no-such-command": 2, "bucket show": 2, "status --no-such-flag": 2,
	}
	for command, want := range codes {
		_, said, err := s.tryGrange(strings.Fields(command)...)
		if got := exitCode(err); got != want {
			t.Errorf("grange %s: exit code %d, want %d", command, got, want)
		}
		if said = strings.TrimSpace(said); said == "" || strings.Contains(said, "\n") || !strings.Contains(said, " ") {
			t.Errorf("grange %s: its error is not one clear line: %q", command, said)
		}
	}
	s.stop()
	if _, said, err := s.tryGrange("status"); exitCode(err) != 5 {
		t.Errorf("status of a node that is down: exit code %d, want 5: %s", exitCode(err), said)
	}
}
