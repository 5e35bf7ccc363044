//go:build accept

package accept

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// cleanEnv is the environment of every program that a test starts: nothing of the user's settings, a home of its own.
func cleanEnv(t *testing.T) []string {
	home := filepath.Join(tempRoot, "home")
	if err := os.MkdirAll(home, 0o700); err != nil {
		t.Fatal(err)
	}
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + os.TempDir(), "LC_ALL=C.UTF-8",
	}
}

// clientEnv is the environment of an S3 client: how to reach the server, in every form that one of them reads.
func (s *server) clientEnv() []string {
	return append(cleanEnv(s.t),
		// boto3, aws-cli
		"AWS_ACCESS_KEY_ID="+accessKey, "AWS_SECRET_ACCESS_KEY="+secretKey, "AWS_DEFAULT_REGION="+region,
		"AWS_ENDPOINT_URL="+s.url(), "AWS_EC2_METADATA_DISABLED=true", "AWS_PAGER=", "PYTHONDONTWRITEBYTECODE=1",
		// rclone, as the remote "grange:"
		"RCLONE_CONFIG=/dev/null", "RCLONE_CONFIG_GRANGE_TYPE=s3", "RCLONE_CONFIG_GRANGE_PROVIDER=Other",
		"RCLONE_CONFIG_GRANGE_ACCESS_KEY_ID="+accessKey, "RCLONE_CONFIG_GRANGE_SECRET_ACCESS_KEY="+secretKey,
		"RCLONE_CONFIG_GRANGE_ENDPOINT="+s.url(), "RCLONE_CONFIG_GRANGE_REGION="+region,
		// restic
		"RESTIC_REPOSITORY=s3:"+s.url()+"/restic", "RESTIC_PASSWORD=correct horse", "RESTIC_PROGRESS_FPS=0",
	)
}

// clientPatience is how long one run of a client may take. A client that waits for ever is a failure that should be told
// while the server's log is still there.
func clientPatience() time.Duration {
	return time.Duration(pick(4, 40)) * time.Minute
}

// client prepares a run of an S3 client that talks to the server.
func (s *server) client(name string, args ...string) *exec.Cmd {
	s.t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		s.t.Fatalf("%v; run scripts/test-deps", err)
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), clientPatience())
	s.t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = s.clientEnv()
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// run runs an S3 client to its end and gives what it printed. A failure fails the test.
func (s *server) run(name string, args ...string) string {
	s.t.Helper()
	return mustRun(s.t, s.client(name, args...))
}

// fails runs an S3 client that is expected to fail and gives what it printed.
func (s *server) fails(name string, args ...string) string {
	s.t.Helper()
	out, err := s.client(name, args...).CombinedOutput()
	if err == nil {
		s.t.Errorf("%s %s succeeded, want a failure:\n%s", name, strings.Join(args, " "), out)
	}
	return string(out)
}

// mustRun runs a command to its end and gives what it printed.
func mustRun(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, tail(string(out), 60))
	}
	return string(out)
}

// python gives the path of a program of the Python environment that scripts/test-deps makes.
func python(t *testing.T, program string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", "..", ".tools", "accept", "bin", program))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v; run scripts/test-deps", err)
	}
	return path
}

// script runs a script of ./py with the interpreter of scripts/test-deps. What it prints goes to the test's log.
func (s *server) script(name string, args ...string) {
	s.t.Helper()
	out := s.run(python(s.t, "python"), append([]string{filepath.Join("py", name)}, args...)...)
	s.t.Logf("%s: %s", name, strings.TrimSpace(out))
}

// mustContain fails the test unless the text has each of the wanted parts.
func mustContain(t *testing.T, text string, wanted ...string) {
	t.Helper()
	for _, w := range wanted {
		if !strings.Contains(text, w) {
			t.Errorf("got %q, want it to contain %q", tail(text, 20), w)
		}
	}
}

// mustNotContain fails the test if the text has one of the parts.
func mustNotContain(t *testing.T, text string, unwanted ...string) {
	t.Helper()
	for _, u := range unwanted {
		if strings.Contains(text, u) {
			t.Errorf("got %q, want it without %q", tail(text, 20), u)
		}
	}
}
