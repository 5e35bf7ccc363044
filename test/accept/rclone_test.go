//go:build accept

package accept

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// rcloneArgs make rclone as busy as a home server would be asked to be, and let it give up soon while the server is down.
var rcloneArgs = []string{"--transfers", "8", "--checkers", "8", "--retries", "1", "--low-level-retries", "3", "--stats", "0"}

func (s *server) rclone(args ...string) string {
	s.t.Helper()
	return s.run("rclone", append(args, rcloneArgs...)...)
}

// The Go source tree goes up with rclone while the server is killed twice in the middle, and started again at once. rclone
// does what it can by its own retries; then the sync is repeated, as a person would do. What comes down is what went up.
func TestRcloneSyncSurvivesTwoKills(t *testing.T) {
	s := start(t)
	source, down := filepath.Join(t.TempDir(), "source"), filepath.Join(t.TempDir(), "down")
	count := goTree(t, source)
	remote := "grange:" + bucket + "/go"

	cmd := s.client("rclone", append([]string{"sync", source, remote}, rcloneArgs...)...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	sync := spawn(t, cmd)
	for kill := range 2 {
		s.waitForObjects(remote, (kill+1)*count/3, sync)
		s.kill()
		s.start()
		t.Logf("kill %d: %d of %d files were there after the restart", kill+1, s.rcloneCount(remote), count)
	}
	<-sync.done
	t.Logf("the interrupted sync ended with %v:\n%s", sync.err, tail(out.String(), 5))

	s.rclone("sync", source, remote)
	if got := s.rcloneCount(remote); got != count {
		t.Errorf("after the repeated sync rclone counts %d objects, want %d", got, count)
	}
	mustContain(t, s.rclone("check", source, remote), "0 differences found")
	s.rclone("sync", remote, down)
	sameFiles(t, source, down)
}

// waitForObjects returns once the remote has so many objects. The test fails if the sync is over before.
func (s *server) waitForObjects(remote string, objects int, sync *process) {
	s.t.Helper()
	for s.rcloneCount(remote) < objects {
		select {
		case <-sync.done:
			s.t.Fatalf("the sync was over before %d objects were there: %v", objects, sync.err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// goTree copies the Go source tree, or in the short form enough of it to make some 2,500 files.
func goTree(t *testing.T, to string) (count int) {
	t.Helper()
	root := strings.TrimSpace(mustRun(t, exec.CommandContext(t.Context(), "go", "env", "GOROOT")))
	if *full {
		count = copyTree(t, root, to)
		if count <= 10_000 {
			t.Fatalf("%s has %d files, want more than 10,000", root, count)
		}
		return count
	}
	for _, part := range []string{"src/net", "src/go", "src/cmd/compile", "src/os", "src/encoding", "misc", "doc", "api"} {
		count += copyTree(t, filepath.Join(root, part), filepath.Join(to, part))
	}
	if count < 2000 {
		t.Fatalf("%d files are too few to be interrupted twice", count)
	}
	return count
}

var rcloneTotal = regexp.MustCompile(`Total objects: [^(]*\((\d+)\)|Total objects: (\d+)`)

// rcloneCount is the number of objects that rclone finds.
func (s *server) rcloneCount(remote string) int {
	s.t.Helper()
	out := s.rclone("size", remote, "--fast-list")
	m := rcloneTotal.FindStringSubmatch(out)
	if m == nil {
		s.t.Fatalf("no number of objects in %q", out)
	}
	n, err := strconv.Atoi(m[1] + m[2])
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

// The everyday commands of rclone: a second sync of a changed tree, copies and moves inside the store, names of every kind,
// ranged reads, a bucket of its own, deletion.
func TestRcloneEverydayCommands(t *testing.T) {
	s := start(t)
	source, down := filepath.Join(t.TempDir(), "source"), filepath.Join(t.TempDir(), "down")
	for name, size := range map[string]int{
		"empty": 0, "one byte": 1, "16KiB": 16 << 10, "16KiB and one": 16<<10 + 1, "a/1MiB": 1 << 20, "a/b/7MiB": 7 << 20,
		"ümläut/日本語.txt": 1000, "100% + plus & and = is?.txt": 1000, "quote'\"s; $HOME `x`": 1000, "a..b/...c/d..": 1000,
	} {
		writeFile(t, filepath.Join(source, name), content(name, size))
	}
	remote := "grange:rclone-made/tree"

	s.rclone("mkdir", "grange:rclone-made")
	mustContain(t, s.rclone("lsd", "grange:"), bucket, "rclone-made")
	s.rclone("sync", source, remote, "--s3-upload-cutoff", "5Mi", "--s3-chunk-size", "5Mi")
	mustContain(t, s.rclone("check", source, remote, "--download"), "0 differences found")

	changeTree(t, seeded(t), source)
	s.rclone("sync", source, remote)
	s.rclone("sync", remote, down)
	sameFiles(t, source, down)

	s.rclone("copy", remote, "grange:"+bucket+"/copied")
	mustContain(t, s.rclone("check", source, "grange:"+bucket+"/copied"), "0 differences found")
	s.rclone("move", "grange:"+bucket+"/copied", "grange:"+bucket+"/moved")
	mustContain(t, s.rclone("check", source, "grange:"+bucket+"/moved"), "0 differences found")
	if out := s.rclone("lsf", "-R", "grange:"+bucket+"/copied"); strings.TrimSpace(out) != "" {
		t.Errorf("after a move the source still lists %q", out)
	}

	writeFile(t, filepath.Join(source, "range"), content("range", 3<<20))
	s.rclone("copyto", filepath.Join(source, "range"), remote+"/range")
	got := s.rclone("cat", remote+"/range", "--offset", "1048000", "--count", "2000")
	if want := string(content("range", 3<<20)[1048000:1050000]); got != want {
		t.Error("rclone cat of a range across a block gives other bytes")
	}

	s.rclone("deletefile", remote+"/range")
	s.rclone("purge", "grange:"+bucket+"/moved")
	s.rclone("purge", "grange:rclone-made")
	mustNotContain(t, s.rclone("lsd", "grange:"), "rclone-made")
	if out := s.rclone("lsf", "-R", "grange:"+bucket); strings.TrimSpace(out) != "" {
		t.Errorf("after purge the bucket still lists %q", out)
	}
}

// A stream of unknown length goes up in parts and comes down whole.
func TestRcloneRcatStreams(t *testing.T) {
	s := start(t)
	size := pick(23, 300) << 20
	want := content("stream", size)
	cmd := s.client("rclone", append([]string{"rcat", "grange:" + bucket + "/stream", "--s3-chunk-size", "5Mi"}, rcloneArgs...)...)
	cmd.Stdin = bytes.NewReader(want)
	mustRun(t, cmd)
	down := filepath.Join(t.TempDir(), "stream")
	s.rclone("copyto", "grange:"+bucket+"/stream", down)
	if got := readFile(t, down); !bytes.Equal(got, want) {
		t.Errorf("the stream came back as %d bytes that differ from the %d that went up", len(got), size)
	}
}
