package node

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"grange/internal/api/admin"
	"grange/internal/config"
	"grange/internal/s3sign"
)

const (
	testKey    = "testkey"
	testSecret = "testsecret"
)

// settings are those of a node that listens on free ports of this machine only.
func settings(t *testing.T, dataDir string, more ...string) *config.Loaded {
	t.Helper()
	environ := append([]string{
		"GRANGE_DATA_DIR=" + dataDir, "GRANGE_S3_LISTEN=127.0.0.1:0", "GRANGE_ADMIN_LISTEN=127.0.0.1:0",
		"GRANGE_ACCESS_KEY=" + testKey, "GRANGE_SECRET_KEY=" + testSecret, "GRANGE_BUCKET=first",
	}, more...)
	l, err := config.Load(config.Sources{Environ: environ, UID: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// running is a node that a test started.
type running struct {
	Runtime
	log  *bytes.Buffer // to be read after stop
	stop func() error  // asks it to stop, and waits
	ask  func()        // only asks
}

// start runs a node until the test ends, or its stop is called.
func start(t *testing.T, l *config.Loaded) *running {
	t.Helper()
	r := &running{log: &bytes.Buffer{}}
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan Runtime, 1), make(chan error, 1)
	go func() {
		done <- Run(ctx, Options{
			Loaded: l, Logger: slog.New(slog.NewTextHandler(r.log, nil)), Ready: func(r Runtime) { ready <- r },
		})
	}()
	stopped := false
	r.ask = cancel
	r.stop = func() error {
		cancel()
		if stopped {
			return nil
		}
		stopped = true
		return <-done
	}
	t.Cleanup(func() { _ = r.stop() })
	select {
	case r.Runtime = <-ready:
	case err := <-done:
		stopped = true
		t.Fatalf("the node did not start: %v\n%s", err, r.log)
	}
	return r
}

// refused is the error of a node that must not start.
func refused(t *testing.T, l *config.Loaded) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	err := Run(ctx, Options{Loaded: l, Ready: func(Runtime) { t.Error("the node started"); cancel() }})
	if err == nil {
		t.Fatal("got no error")
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("the error has several lines:\n%v", err)
	}
	return err
}

// link is a presigned URL.
func (r *running) link(method, path string) string {
	base, _ := url.Parse(r.S3)
	s := &s3sign.Signer{AccessKey: testKey, SecretKey: testSecret, Region: "grange"}
	return s.Presign(method, base, path, nil, time.Hour, time.Now())
}

func (r *running) do(t *testing.T, method, path string, body io.Reader) (int, string) {
	t.Helper()
	return r.send(t, method, r.link(method, path), body, -1)
}

func (r *running) send(t *testing.T, method, link string, body io.Reader, size int64) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, link, body)
	if err != nil {
		t.Fatal(err)
	}
	if size >= 0 {
		req.ContentLength = size
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(raw)
}

func (r *running) client(t *testing.T, l *config.Loaded) *admin.Client {
	t.Helper()
	token, err := ReadToken(l)
	if err != nil {
		t.Fatal(err)
	}
	return admin.NewClient(r.Admin, token)
}

func TestANodeServesAndStopsAndComesBackTheSame(t *testing.T) {
	l := settings(t, filepath.Join(t.TempDir(), "not", "yet", "there"))
	r := start(t, l)
	if status, body := r.do(t, http.MethodPut, "/first/cat", strings.NewReader("meow")); status != http.StatusOK {
		t.Fatalf("put: got %d %s", status, body)
	}
	before, err := r.client(t, l).Status(t.Context())
	if err != nil || len(before.Groups) != 17 || len(before.Disks) != 1 || len(before.Problems) != 0 {
		t.Errorf("status: got %+v, %v", before, err)
	}
	if seen, err := ReadRuntime(l.DataDir); err != nil || seen.S3 != r.S3 || seen.PID != os.Getpid() {
		t.Errorf("runtime: got %+v, %v", seen, err)
	}
	if err := r.stop(); err != nil {
		t.Fatalf("stop: %v", err)
	}
	if _, err := ReadRuntime(l.DataDir); !errors.Is(err, ErrNotRunning) {
		t.Errorf("runtime after the stop: got %v", err)
	}
	r = start(t, l)
	if status, body := r.do(t, http.MethodGet, "/first/cat", nil); status != http.StatusOK || body != "meow" {
		t.Errorf("get: got %d %s", status, body)
	}
	after, err := r.client(t, l).Status(t.Context())
	if err != nil || after.Node != before.Node || after.Cluster != before.Cluster || after.Disks[0].ID != before.Disks[0].ID {
		t.Errorf("status: got %+v, %v, want the node as it was: %+v", after, err, before)
	}
}

func TestKeyAndBucketOfTheEnvironmentAreMadeAtTheFirstStartOnly(t *testing.T) {
	l := settings(t, t.TempDir())
	r := start(t, l)
	c := r.client(t, l)
	if k, err := c.Key(t.Context(), testKey, false); err != nil || !k.CreateBuckets || k.Narrowed {
		t.Errorf("key: got %+v, %v", k, err)
	}
	if err := errors.Join(c.DeleteBucket(t.Context(), "first"), c.DeleteKey(t.Context(), testKey), r.stop()); err != nil {
		t.Fatal(err)
	}
	l.FirstStart.Bucket = "second"
	r = start(t, l)
	keys, kerr := r.client(t, l).Keys(t.Context(), "")
	buckets, berr := r.client(t, l).Buckets(t.Context(), "")
	if len(keys)+len(buckets) != 0 || kerr != nil || berr != nil {
		t.Errorf("the second start made keys %v and buckets %v (%v, %v)", keys, buckets, kerr, berr)
	}
}

// A backup that is half-way through a large object should not begin again because the store was restarted.
func TestASlowPutFinishesWhenTheNodeStops(t *testing.T) {
	l := settings(t, t.TempDir(), "GRANGE_METRICS_OPEN=true")
	r := start(t, l)
	content := strings.Repeat("0123456789abcdef", 3<<16) // 3 MiB
	in, out := io.Pipe()
	type answer struct {
		status int
		body   string
	}
	answers := make(chan answer, 1)
	link := r.link(http.MethodPut, "/first/slow")
	go func() {
		status, body := r.send(t, http.MethodPut, link, in, int64(len(content)))
		answers <- answer{status, body}
	}()
	if _, err := io.WriteString(out, content[:len(content)/2]); err != nil {
		t.Fatal(err)
	}
	r.waitForRequest(t)
	r.ask()
	waitUntilClosed(t, r.S3)
	if _, err := io.WriteString(out, content[len(content)/2:]); err != nil {
		t.Fatal(err)
	}
	_ = out.Close()
	if a := <-answers; a.status != http.StatusOK {
		t.Fatalf("put: got %d %s", a.status, a.body)
	}
	if err := r.stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
	r = start(t, l)
	if status, body := r.do(t, http.MethodGet, "/first/slow", nil); status != http.StatusOK || body != content {
		t.Errorf("get: got %d and %d bytes", status, len(body))
	}
}

// waitForRequest returns when an S3 request is being answered.
func (r *running) waitForRequest(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if _, text := r.send(t, http.MethodGet, r.Admin+"/metrics", nil, -1); strings.Contains(text, "grange_s3_requests_in_flight 1") {
			return
		}
	}
	t.Fatal("the request never arrived")
}

// waitUntilClosed returns when nobody listens at the address any more.
func waitUntilClosed(t *testing.T, base string) {
	t.Helper()
	u, _ := url.Parse(base)
	d := net.Dialer{Timeout: time.Second}
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		c, err := d.DialContext(t.Context(), "tcp", u.Host)
		if err != nil {
			return
		}
		_ = c.Close()
	}
	t.Fatal("the listener stays open")
}

func TestAStopDoesNotWaitForEver(t *testing.T) {
	l := settings(t, t.TempDir(), "GRANGE_STOP_TIMEOUT=1s", "GRANGE_METRICS_OPEN=true")
	r := start(t, l)
	in, out := io.Pipe()
	link := r.link(http.MethodPut, "/first/never")
	sent := make(chan int, 1)
	go func() {
		status, _ := r.send(t, http.MethodPut, link, in, 1<<20)
		sent <- status
	}()
	// More than the client keeps back before it sends anything.
	if _, err := io.WriteString(out, strings.Repeat("begun", 64<<10)); err != nil {
		t.Fatal(err)
	}
	r.waitForRequest(t)
	begin := time.Now()
	err := r.stop()
	if took := time.Since(begin); err == nil || !strings.Contains(err.Error(), "broken off") || took < time.Second || took > 10*time.Second {
		t.Errorf("got %v after %v", err, took)
	}
	_ = out.CloseWithError(errors.New("test is over"))
	if status := <-sent; status == http.StatusOK {
		t.Error("the put that was broken off was acknowledged")
	}
}

func TestATakenPortIsToldWithTheFlag(t *testing.T) {
	first := start(t, settings(t, t.TempDir()))
	taken, _ := url.Parse(first.S3)
	err := refused(t, settings(t, t.TempDir(), "GRANGE_S3_LISTEN="+taken.Host))
	if !strings.Contains(err.Error(), "--s3-listen") {
		t.Errorf("got %v", err)
	}
}

func TestTheTokenIsMadeOnceAndKeptFromOthers(t *testing.T) {
	l := settings(t, t.TempDir())
	first := start(t, l)
	token, err := ReadToken(l)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(l.DataDir, tokenName))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode: got %v, %v", info.Mode(), err)
	}
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(first.log.String(), token) || strings.Contains(first.log.String(), testSecret) {
		t.Error("a secret is in the log")
	}
	start(t, l)
	if again, err := ReadToken(l); err != nil || again != token {
		t.Errorf("got another token, %v", err)
	}
	l.AdminToken = "of the environment"
	if again, err := ReadToken(l); err != nil || again != l.AdminToken {
		t.Errorf("got %q, %v, want that of the environment", again, err)
	}
}

func TestMetricsShowThePartsAndTheRequests(t *testing.T) {
	l := settings(t, t.TempDir(), "GRANGE_METRICS_OPEN=true")
	r := start(t, l)
	if status, _ := r.do(t, http.MethodGet, "/first/nothing", nil); status != http.StatusNotFound {
		t.Errorf("get: got %d", status)
	}
	_, text := r.send(t, http.MethodGet, r.Admin+"/metrics", nil, -1)
	for _, want := range []string{
		`grange_s3_requests_total{code="NoSuchKey",operation="GetObject",status="404"} 1`,
		`grange_group_leader{group="1"} 1`, "grange_disk_capacity_bytes{", "grange_metadata_disk_bytes",
		`grange_trouble_total{kind="corrupt_block"} 0`, "grange_info{", "grange_workers{", "go_memstats", "grange_commit_seconds_count",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is missing", want)
		}
	}
}

func TestAPausedWorkerStaysPausedOverARestart(t *testing.T) {
	l := settings(t, t.TempDir())
	r := start(t, l)
	c := r.client(t, l)
	_, err := c.TellWorker(t.Context(), "scrub", admin.PauseWorker)
	_, terr := c.ChangeWorker(t.Context(), "scrub", admin.WorkerChange{Tranquility: new(7.0)})
	if err := errors.Join(err, terr, r.stop()); err != nil {
		t.Fatal(err)
	}
	r = start(t, l)
	c = r.client(t, l)
	if _, err := c.TellWorker(t.Context(), "scrub", admin.RunWorker); !errors.Is(err, &admin.Error{Code: admin.Invalid}) {
		t.Errorf("run of a paused one: got %v", err)
	}
	if _, err := c.TellWorker(t.Context(), "nobody", admin.RunWorker); !errors.Is(err, &admin.Error{Code: admin.NotFound}) {
		t.Errorf("run of an unknown one: got %v", err)
	}
	w, err := c.TellWorker(t.Context(), "scrub", admin.ResumeWorker)
	if err != nil || w.State == "paused" || w.Tranquility != 7 {
		t.Errorf("resumed: got %+v, %v", w, err)
	}
}

func TestSystemdIsToldWhenTheNodeIsReady(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	t.Setenv("NOTIFY_SOCKET", socket)
	r := start(t, settings(t, t.TempDir()))
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"READY=1", "STOPPING=1"} {
		b := make([]byte, 64)
		_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		n, err := conn.Read(b)
		if err != nil || string(b[:n]) != want {
			t.Errorf("got %q, %v, want %q", b[:n], err, want)
		}
	}
}

func TestAStopDuringTheStartIsClean(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Run(ctx, Options{Loaded: settings(t, t.TempDir())}); err != nil {
		t.Errorf("got %v", err)
	}
}
