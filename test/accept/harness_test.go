//go:build accept

package accept

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

var (
	grangeFlag = flag.String("accept.grange", "", "the grange binary under test; built from the source if empty")
	full       = flag.Bool("accept.full", false, "every number as large as promised: takes long")
	seedFlag   = flag.Uint64("accept.seed", 0, "seed of everything random; 0 draws one")
)

// The key and the bucket that every server is given at its first start. The secret has the characters that get lost when
// somebody escapes one time too often.
const (
	accessKey = "AKIAACCEPTANCE000001"
	secretKey = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLE=KEY"
	bucket    = "accept"
	region    = "grange"
)

// grangeBinary is the absolute path of the binary under test, and tempRoot the directory of everything that a run writes.
var grangeBinary, tempRoot string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(runAll(m))
}

func runAll(m *testing.M) int {
	dir, err := os.MkdirTemp("", "accept")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	tempRoot = dir
	if *seedFlag == 0 {
		*seedFlag = rand.Uint64()
	}
	grangeBinary, err = binary(dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// binary gives the path of the binary under test and builds it into dir if none was named.
func binary(dir string) (string, error) {
	if *grangeFlag != "" {
		return filepath.Abs(*grangeFlag)
	}
	path := filepath.Join(dir, "grange")
	build := exec.CommandContext(context.Background(), "go", "build", "-o", path, "grange/cmd/grange")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build grange: %w\n%s", err, out)
	}
	return path, nil
}

// seeded gives a test its random numbers and says how to get the same ones again.
func seeded(t *testing.T) *rand.Rand {
	t.Logf("run this again with: scripts/accept.sh -run '^%s$' -accept.seed %d", t.Name(), *seedFlag)
	return rand.New(rand.NewPCG(*seedFlag, 0))
}

// pick gives the number for the short form or the one for the full form.
func pick(short, long int) int {
	if *full {
		return long
	}
	return short
}

// server is one grange server process after the other, on the same data and the same addresses.
type server struct {
	t       *testing.T
	dataDir string
	s3      string // host:port
	admin   string // host:port
	args    []string
	env     []string // added to the environment of the server
	logPath string

	proc *process // nil while the server is down
}

// process is a started program whose end somebody waits for.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
	err  error         // what Wait gave; read it after done
}

// newServer prepares a server with a fresh data directory without starting it. Each option changes it first.
func newServer(t *testing.T, options ...func(*server)) *server {
	t.Helper()
	s := &server{
		t:       t,
		dataDir: filepath.Join(t.TempDir(), "data"),
		s3:      freeAddress(t),
		admin:   freeAddress(t),
		env: []string{
			"GRANGE_ACCESS_KEY=" + accessKey, "GRANGE_SECRET_KEY=" + secretKey, "GRANGE_BUCKET=" + bucket,
		},
		logPath: filepath.Join(t.TempDir(), "server.log"),
	}
	s.args = []string{
		"--web-listen", freeAddress(t), "--k2v-listen", freeAddress(t), "--rpc-listen", freeAddress(t), "--log-level", "info",
	}
	for _, o := range options {
		o(s)
	}
	t.Cleanup(s.close)
	return s
}

// start prepares a server and starts it.
func start(t *testing.T, options ...func(*server)) *server {
	t.Helper()
	s := newServer(t, options...)
	s.start()
	return s
}

// inDir puts the server's data into dir.
func inDir(dir string) func(*server) {
	return func(s *server) { s.dataDir = dir }
}

// with adds arguments to the server's command line.
func with(args ...string) func(*server) {
	return func(s *server) { s.args = append(s.args, args...) }
}

// close ends the server at the end of its test, and says what its log had to tell.
func (s *server) close() {
	if s.proc != nil {
		s.kill()
	}
	log := s.log()
	if at := strings.Index(log, "panic"); at >= 0 {
		s.t.Errorf("the server's log tells of a panic: %.4000s", log[at:])
	}
	if s.t.Failed() {
		s.t.Logf("server log of %s, its end:\n%s", s.t.Name(), tail(log, 30))
	}
}

// log is everything that the server has written to its standard output and error so far.
func (s *server) log() string {
	b, err := os.ReadFile(s.logPath)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		s.t.Error(err)
	}
	return string(b)
}

// start starts the server and waits until it serves requests.
func (s *server) start() {
	s.t.Helper()
	s.launch()
	deadline := time.Now().Add(60 * time.Second)
	for !s.healthy() {
		select {
		case <-s.proc.done:
			s.t.Fatalf("the server ended while starting: %v", s.proc.err)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			s.t.Fatal("the server does not serve requests after 60 s")
		}
	}
}

// launch starts the server without waiting for it.
func (s *server) launch() {
	s.t.Helper()
	if s.proc != nil {
		s.t.Fatal("the server runs already")
	}
	log, err := os.OpenFile(s.logPath, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	args := append([]string{"server", "--data-dir", s.dataDir, "--s3-listen", s.s3, "--admin-listen", s.admin}, s.args...)
	// Not the test's context: that ends before close does, and close has things to say.
	cmd := exec.CommandContext(context.WithoutCancel(s.t.Context()), grangeBinary, args...)
	cmd.Env = append(cleanEnv(s.t), s.env...)
	cmd.Stdout, cmd.Stderr = log, log
	s.proc = spawn(s.t, cmd)
}

// spawn starts a program that ends with the test process, whatever happens to that.
func spawn(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: cmd, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		p.err = cmd.Wait()
	}()
	return p
}

// kill ends the server as a power cut would as far as its own doing goes: kill -9.
func (s *server) kill() {
	s.t.Helper()
	p := s.proc
	s.proc = nil
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.t.Error(err)
	}
	<-p.done
}

// stop asks the server to end, waits for that, and expects exit code 0.
func (s *server) stop() {
	s.t.Helper()
	s.askToStop()
	s.waitStopped(60 * time.Second)
}

func (s *server) askToStop() {
	s.t.Helper()
	if err := s.proc.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
}

func (s *server) waitStopped(within time.Duration) {
	s.t.Helper()
	p := s.proc
	select {
	case <-p.done:
		s.proc = nil
	case <-time.After(within):
		s.t.Fatalf("the server did not end within %v of SIGTERM", within)
	}
	if p.err != nil {
		s.t.Errorf("the server ended after SIGTERM with %v, want exit code 0", p.err)
	}
}

// refusal starts the server, expects it to end by itself with an exit code other than 0, and gives what it said on its
// standard error, which must be one line.
func (s *server) refusal() string {
	s.t.Helper()
	args := append([]string{"server", "--data-dir", s.dataDir, "--s3-listen", s.s3, "--admin-listen", s.admin}, s.args...)
	ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, grangeBinary, args...)
	cmd.Env = append(cleanEnv(s.t), s.env...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	if _, ok := errors.AsType[*exec.ExitError](err); !ok || ctx.Err() != nil {
		s.t.Fatalf("the server was not refused: %v\n%s%s", cmp.Or(ctx.Err(), err), out.String(), errOut.String())
	}
	said := strings.TrimSpace(errOut.String())
	if said == "" || strings.Contains(said, "\n") {
		s.t.Errorf("a refusal must be one line on standard error, got:\n%s", said)
	}
	return said
}

// grange runs a subcommand against the running server and gives its standard output. A failure fails the test.
func (s *server) grange(args ...string) string {
	s.t.Helper()
	out, errOut, err := s.tryGrange(args...)
	if err != nil {
		s.t.Fatalf("grange %s: %v\n%s%s", strings.Join(args, " "), err, out, errOut)
	}
	return out
}

// tryGrange runs a subcommand against the running server.
func (s *server) tryGrange(args ...string) (out, errOut string, err error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, grangeBinary, args...)
	cmd.Env = append(cleanEnv(s.t), "GRANGE_DATA_DIR="+s.dataDir)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	return stdout.String(), stderr.String(), err
}

// exitCode is the exit code of a program that was run to its end.
func exitCode(err error) int {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	}
	if err != nil {
		return -1
	}
	return 0
}

// url is the endpoint of the S3 API.
func (s *server) url() string { return "http://" + s.s3 }

// rss is the resident memory of the server process in bytes.
func (s *server) rss() int64 {
	s.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.proc.cmd.Process.Pid))
	if err != nil {
		s.t.Fatal(err)
	}
	var kib int64
	for line := range strings.Lines(string(status)) {
		if n, _ := fmt.Sscanf(line, "VmRSS: %d kB", &kib); n == 1 {
			return kib << 10
		}
	}
	s.t.Fatal("no VmRSS in /proc/PID/status")
	return 0
}

// healthy tells whether /health of the admin API answers 200.
func (s *server) healthy() bool {
	ctx, cancel := context.WithTimeout(s.t.Context(), 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.admin+"/health", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// ports hands out port numbers.
var ports struct {
	sync.Mutex
	next int
}

// freeAddress gives an address of the loopback interface on which nobody listens. It is outside of the range that the
// kernel gives to outgoing connections: a client that retries while the server is down would otherwise now and then get
// the server's own port, and be connected to itself.
func freeAddress(t *testing.T) string {
	t.Helper()
	const low, count = 20000, 10000
	ports.Lock()
	defer ports.Unlock()
	if ports.next == 0 {
		ports.next = os.Getpid() * 97
	}
	for range count {
		ports.next++
		address := fmt.Sprintf("127.0.0.1:%d", low+ports.next%count)
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", address)
		if err != nil {
			continue
		}
		l.Close()
		return address
	}
	t.Fatal("no free port")
	return ""
}

// tail gives the last n lines of a text, each one up to a length that can be read.
func tail(text string, n int) string {
	lines := strings.SplitAfter(text, "\n")
	lines = lines[max(0, len(lines)-n):]
	for i, line := range lines {
		if len(line) > 600 {
			lines[i] = line[:600] + "…\n"
		}
	}
	return strings.Join(lines, "")
}
