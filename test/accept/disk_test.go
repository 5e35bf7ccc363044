//go:build accept

package accept

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
)

// inMountNamespace tells whether the test runs where it may mount things that vanish with it. If not, it runs the test
// there, in a process of its own, and the caller returns.
func inMountNamespace(t *testing.T) bool {
	t.Helper()
	const marker = "ACCEPT_MOUNT_NAMESPACE"
	if os.Getenv(marker) != "" {
		return true
	}
	args := []string{"--mount"}
	if os.Getuid() != 0 {
		args = append(args, "--user", "--map-root-user")
	}
	args = append(args, os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=10m",
		"-accept.grange="+grangeBinary, fmt.Sprintf("-accept.full=%v", *full), fmt.Sprintf("-accept.seed=%d", *seedFlag))
	cmd := exec.CommandContext(t.Context(), "unshare", args...)
	cmd.Env = append(os.Environ(), marker+"=1")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Fatalf("in a mount namespace: %v\n%s", err, out)
	}
	t.Logf("in a mount namespace:\n%s", out)
	return false
}

// smallDisk mounts a file system of so many MiB on a new directory.
func smallDisk(t *testing.T, mebibytes int) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "disk")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", mebibytes)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill puts objects until the server refuses one, and gives the keys that it acknowledged and the refusal.
func fill(t *testing.T, client *minio.Client, prefix string, size, most int) ([]string, minio.ErrorResponse) {
	t.Helper()
	var keys []string
	for n := range most {
		key := fmt.Sprintf("%s/%06d", prefix, n)
		if err := put(t.Context(), client, key, size); err != nil {
			return keys, minio.ToErrorResponse(err)
		}
		keys = append(keys, key)
	}
	t.Fatalf("%d objects of %d bytes went onto the disk, and none was refused", most, size)
	return nil, minio.ErrorResponse{}
}

// A disk runs full. Large and small writes are refused with a clear error, also after a restart; reads, lists and deletes
// go on; once things were deleted, writes are taken again by themselves; nothing that was acknowledged is lost.
func TestFullDiskRefusesWritesAndRecovers(t *testing.T) {
	if !inMountNamespace(t) {
		return
	}
	disk := smallDisk(t, 256)
	s := start(t, inDir(filepath.Join(disk, "data")), with("--gc-grace", "1s"))
	client := s.minioClient()

	large, refusal := fill(t, client, "large", 3<<20, 256/3)
	refusedForSpace(t, refusal)
	small, refusal := fill(t, client, "small", 8<<10, 256<<10/8)
	refusedForSpace(t, refusal)
	if t.Failed() {
		return
	}
	t.Logf("%d large and %d small objects, then %s %q, %s", len(large), len(small), refusal.Code, refusal.Message, diskUse(disk))

	same := func() {
		t.Helper()
		defer func() {
			if t.Failed() {
				t.FailNow()
			}
		}()
		for _, key := range large {
			mustHave(t, client, key, key, 3<<20)
		}
		for _, key := range small[:min(100, len(small))] {
			mustHave(t, client, key, key, 8<<10)
		}
		if got, want := list(t, client, "", true), slices.Concat(large, small); !slices.Equal(got, want) {
			t.Errorf("%d keys are listed, want %d", len(got), len(want))
		}
	}
	same()
	s.kill()
	s.start()
	client = s.minioClient()
	same()
	refusedForSpace(t, minio.ToErrorResponse(put(t.Context(), client, "more", 3<<20)))

	for _, key := range large[:len(large)/2] {
		must(t, client.RemoveObject(t.Context(), bucket, key, minio.RemoveObjectOptions{}))
	}
	for _, key := range small[:len(small)/2] {
		must(t, client.RemoveObject(t.Context(), bucket, key, minio.RemoveObjectOptions{}))
	}
	large, small = large[len(large)/2:], small[len(small)/2:]
	same()
	s.becomesWritable(client, disk)
	mustHave(t, client, "more", "more", 3<<20)
	must(t, client.RemoveObject(t.Context(), bucket, "more", minio.RemoveObjectOptions{}))
	same()
	s.stop()
	s.start()
	same()
}

// Objects that live in their records fill the disk with metadata only. What is deleted makes room again, which here the
// database must give back, and its log.
func TestDiskFullOfSmallObjectsRecovers(t *testing.T) {
	if !inMountNamespace(t) {
		return
	}
	disk := smallDisk(t, 256)
	s := start(t, inDir(filepath.Join(disk, "data")), with("--gc-grace", "1s"))
	client := s.minioClient()
	small, refusal := fill(t, client, "small", 15<<10, 256<<10/15)
	refusedForSpace(t, refusal)
	t.Logf("%d objects of 15 KiB, then %s, %s", len(small), refusal.Code, diskUse(disk))
	s.kill()
	s.start()
	client = s.minioClient()
	for _, key := range small[:len(small)*3/4] {
		must(t, client.RemoveObject(t.Context(), bucket, key, minio.RemoveObjectOptions{}))
	}
	small = small[len(small)*3/4:]
	s.becomesWritable(client, disk)
	if got, want := list(t, client, "small/", true), small; !slices.Equal(got, want) {
		t.Errorf("%d keys are listed, want %d", len(got), len(want))
	}
	for _, key := range small {
		mustHave(t, client, key, key, 15<<10)
	}
}

// refusedForSpace fails the test unless the error tells of a full disk.
func refusedForSpace(t *testing.T, e minio.ErrorResponse) {
	t.Helper()
	if e.StatusCode != 507 || e.Code == "" || !strings.Contains(e.Message, "space") {
		t.Errorf("a full disk is told as %d %s %q, want 507 and a message about space", e.StatusCode, e.Code, e.Message)
	}
}

// becomesWritable waits until a large object is taken again, which needs the garbage to be deleted and compacted. The full
// form waits until the workers do so by themselves; the short form calls them.
func (s *server) becomesWritable(client *minio.Client, disk string) {
	s.t.Helper()
	var err error
	since := time.Now()
	within(s.t, time.Duration(pick(1, 5))*time.Minute, func() bool {
		if !*full {
			s.grange("worker", "run", "compact")
		}
		err = put(context.WithoutCancel(s.t.Context()), client, "more", 3<<20)
		return err == nil
	}, func() string { return fmt.Sprintf("writes are still refused: %v; %s", err, diskUse(disk)) })
	s.t.Logf("%v after the deletions writes are taken again: %s", time.Since(since).Round(time.Millisecond), diskUse(disk))
}

func diskUse(dir string) string {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%d of %d MiB are free", st.Bavail*uint64(st.Bsize)>>20, st.Blocks*uint64(st.Bsize)>>20)
}
